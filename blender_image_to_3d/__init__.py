# SPDX-License-Identifier: GPL-3.0-or-later
"""Image to 3D: from a picture to a textured mesh in the scene.

Enabling the add-on runs this module, so it imports nothing that is slow: pydantic and requests come with the first job.
"""

from __future__ import annotations


def register() -> None:
    """Called by Blender when the add-on is enabled."""
    from .blender import registration

    registration.register()


def unregister() -> None:
    """Called by Blender when the add-on is disabled."""
    from .blender import registration

    registration.unregister()
