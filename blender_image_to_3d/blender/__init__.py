# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user sees, and the only room that imports bpy."""
