# SPDX-License-Identifier: GPL-3.0-or-later
"""What this Blender knows of its jobs and services. No panel and no button may be in it, and nothing to wait for."""
