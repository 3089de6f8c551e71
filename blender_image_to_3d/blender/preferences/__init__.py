# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's preferences as Blender shows them; what is chosen there is kept in `host`, never in Blender."""
