# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a model goes: to which file, scene and place; and whether it may come in now.

Only the .blend that it was made for gets a model by itself, and only while that disturbs nobody.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import bpy
from bpy.app.handlers import persistent

from ..interface.texts import tr

_OURS = "IMAGE_TO_3D_OT_"


@dataclass(frozen=True)
class Destination:
    """Where a model goes: what the user had before them when they pressed the button."""

    file: int
    """`_Files.current` of that moment."""
    scene: str
    scene_uid: int
    location: tuple[float, float, float] | None
    """Where the 3D cursor was; nothing: it is to be looked up when the model arrives."""
    touch: tuple[object, ...]
    """What changes as soon as the user does anything."""
    background: frozenset[str]
    """Modal operators that ran at that moment, such as another add-on's: they are nothing to wait for."""
    replaces: int | None = None
    """The session_uid of the object whose mesh is to be replaced."""

    @classmethod
    def of(
        cls, context: bpy.types.Context, *, at_cursor: bool, replaces: bpy.types.Object | None = None
    ) -> Destination:
        scene = context.scene
        _files.note_path()
        return cls(
            file=_files.current,
            scene=scene.name,
            scene_uid=scene.session_uid,
            location=tuple(scene.cursor.location) if at_cursor else None,
            touch=_touch(context.window_manager, context.view_layer),
            background=_names(context.window_manager),
            replaces=replaces.session_uid if replaces else None,
        )

    @property
    def is_here(self) -> bool:
        """Whether the .blend that it is in is the one that is open."""
        return self.file == _files.current

    def find_scene(self) -> bpy.types.Scene | None:
        """Return its scene, also after an undo or after its file was opened again."""
        by_uid = next((each for each in bpy.data.scenes if each.session_uid == self.scene_uid), None)
        return by_uid or bpy.data.scenes.get((self.scene, None))

    def without_modal_operators(self, window_manager: bpy.types.WindowManager) -> Destination:
        """Return this destination, where nothing that goes on now is worth waiting for."""
        return replace(self, background=_names(window_manager))

    def find_replaced(self) -> bpy.types.Object | None:
        """Return the object, also after an undo or a new name; nothing if it is in no scene any more."""
        return next((each for each in bpy.data.objects if each.session_uid == self.replaces and each.users_scene), None)

    def is_untouched(self, window_manager: bpy.types.WindowManager, view_layer: bpy.types.ViewLayer) -> bool:
        """Whether the user has done nothing but look since."""
        return self.touch == _touch(window_manager, view_layer)


class Obstacle(NamedTuple):
    """Why nothing may be added to the scene at this moment."""

    text: str
    """As a state of the job."""
    is_operator: bool = False
    """It is a modal operator. Who can press a button meanwhile is not using it: it is always there."""


def obstacle(window_manager: bpy.types.WindowManager, ignored: frozenset[str]) -> Obstacle | None:
    """Return why nothing may be added to the scene; nothing: it may.

    ignored: modal operators that are always there.
    """
    if bpy.app.is_job_running("RENDER") or bpy.app.is_job_running("OBJECT_BAKE"):
        return Obstacle(tr("Waiting until the render is done"))
    for window in window_manager.windows:
        if window.screen.is_animation_playing:
            return Obstacle(tr("Waiting until the playback stops"))
        active = window.view_layer.objects.active
        if active and active.mode != "OBJECT":
            return Obstacle(tr("Waiting until you leave {mode}").format(mode=_mode_name(active)))
    for name, label in _modal_operators(window_manager):
        if name not in ignored:
            return Obstacle(tr("Waiting until {operator} is finished").format(operator=label), is_operator=True)
    return None


def _names(window_manager: bpy.types.WindowManager) -> frozenset[str]:
    return frozenset(name for name, _ in _modal_operators(window_manager))


def _mode_name(active: bpy.types.Object) -> str:
    mode = active.bl_rna.properties["mode"].enum_items[active.mode]
    return bpy.app.translations.pgettext_iface(mode.name)


def _modal_operators(window_manager: bpy.types.WindowManager) -> Iterator[tuple[str, str]]:
    """Yield the name and the label of what is going on in any window, except our own."""
    for window in window_manager.windows:
        for operator in window.modal_operators:
            if not operator.bl_idname.startswith(_OURS):
                label = operator.bl_label or operator.name
                yield operator.bl_idname, bpy.app.translations.pgettext_iface(label, "Operator")


def _touch(window_manager: bpy.types.WindowManager, view_layer: bpy.types.ViewLayer) -> tuple[object, ...]:
    active = view_layer.objects.active
    operators = window_manager.operators
    return (
        active.session_uid if active else None,
        frozenset(each.session_uid for each in view_layer.objects.selected),
        len(operators),
        operators[-1].as_pointer() if operators else 0,
    )


class _Files:
    """Numbers the .blend files of this session: a path may be saved under another name, or have none."""

    def __init__(self) -> None:
        self.current = 0
        self._newest = 0
        self._known: dict[str, int] = {}

    def loaded(self) -> None:
        path = bpy.data.filepath
        self._newest += 1
        self.current = self._known.setdefault(path, self._newest) if path else self._newest

    def saved(self) -> None:
        """The file that is open is still where models go; to one that still has its old name, nothing goes."""
        if self._known.get(bpy.data.filepath) != self.current:
            self._known = {path: number for path, number in self._known.items() if number != self.current}
            self.note_path()

    def note_path(self) -> None:
        """Remember where the file is: it may have been open before this add-on was enabled."""
        if bpy.data.filepath:
            self._known[bpy.data.filepath] = self.current


_files = _Files()


@persistent
def _after_load(*_: object) -> None:
    _files.loaded()


@persistent
def _after_save(*_: object) -> None:
    _files.saved()


def register() -> None:
    bpy.app.handlers.load_post.append(_after_load)
    bpy.app.handlers.save_post.append(_after_save)


def unregister() -> None:
    bpy.app.handlers.load_post.remove(_after_load)
    bpy.app.handlers.save_post.remove(_after_save)
