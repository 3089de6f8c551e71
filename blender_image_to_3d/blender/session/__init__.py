# SPDX-License-Identifier: GPL-3.0-or-later
"""What this Blender knows of its jobs, and does for them a little at a time: nothing here draws, blocks or sends."""
