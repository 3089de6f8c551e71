# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender learns when the add-on is enabled, and forgets when it is disabled. Stdlib and bpy only."""

from __future__ import annotations

import bpy

from . import operators

_CLASSES = (operators.IMAGE_TO_3D_OT_generate,)
_command: object | None = None


def register() -> None:
    global _command
    for each in _CLASSES:
        bpy.utils.register_class(each)
    _command = bpy.utils.register_cli_command("image_to_3d", run_command)


def unregister() -> None:
    global _command
    if _command is not None:
        bpy.utils.unregister_cli_command(_command)
        _command = None
    for each in reversed(_CLASSES):
        bpy.utils.unregister_class(each)


def run_command(arguments: list[str]) -> int:
    """``blender --command image_to_3d …``"""
    from .command import run

    return run(arguments, program="blender --command image_to_3d")
