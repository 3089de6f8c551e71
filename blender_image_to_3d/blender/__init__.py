# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user sees, and the only room that imports bpy."""

EXTENSION = __name__.rpartition(".")[0]
"""What Blender calls this extension: its repository stands in front."""
