# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender learns when the add-on is enabled, and forgets when it is disabled. Stdlib and bpy only.

What needs pydantic follows a moment later: enabling must be quick, and classes cannot be registered while drawing.
"""

from __future__ import annotations

import bpy

from . import operators, translations
from .form import picture_choice, previews, scene_form
from .preferences import preferences
from .session import current, destination, modal_timer
from .sidebar import buttons, form_panels, job_panels

_MODULES = (operators, preferences, modal_timer, picture_choice, form_panels, buttons, job_panels)
_command: object | None = None


def register() -> None:
    global _command
    translations.register()
    for module in _MODULES:
        for each in module.CLASSES:
            bpy.utils.register_class(each)
    for module in (preferences, picture_choice, buttons, job_panels, destination):
        module.register()
    _command = bpy.utils.register_cli_command("image_to_3d", run_command)
    if not bpy.app.background:
        bpy.app.timers.register(_open, persistent=True)


def unregister() -> None:
    global _command
    if bpy.app.timers.is_registered(_open):
        bpy.app.timers.unregister(_open)
    current.close()
    if _command is not None:
        bpy.utils.unregister_cli_command(_command)
        _command = None
    for module in (destination, job_panels, buttons, picture_choice, preferences):
        module.unregister()
    for module in reversed(_MODULES):
        for each in reversed(module.CLASSES):
            bpy.utils.unregister_class(each)
    scene_form.release()
    previews.release()
    translations.unregister()


def run_command(arguments: list[str]) -> int:
    """``blender --command image_to_3d …``"""
    from .command import run

    return run(arguments, program="blender --command image_to_3d")


def _open() -> None:
    """Make the forms, and look what is in the library."""
    if scene_form.ensure() is None:
        current.read_library()
