# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's preferences. None of them is kept in Blender's: keys and choices are in files of the user's own.

So they are the same in every Blender and for the command line, and no key is ever in userpref.blend or in a .blend.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import bpy
from bpy.props import IntProperty, StringProperty

from ... import providers
from ...errors import ImageTo3DError
from ...host import settings, system
from ...host.settings import Settings
from .. import EXTENSION
from ..form import scene_form
from ..interface.texts import CONTEXT, draw_wrapped, tr, tr_error, tr_problem
from ..session import current, services
from ..session.services import Service
from ..session.short_programs import ShortProgram

_LIBRARY_VARIABLE = "IMAGE_TO_3D_LIBRARY"
# Without this, a path that begins with // crashes Blender 5 in preferences: it looks for the datablock of the property.
_PATH_OPTIONS = {"SKIP_SAVE"} | ({"PATH_SUPPORTS_BLEND_RELATIVE"} if bpy.app.version >= (4, 5, 0) else set())
_TICK_SECONDS = 0.1
_LOOK_AGAIN_SECONDS = 2.0
"""Another Blender, or the command line, may have changed the files."""
_MEASURE_AGAIN_SECONDS = 60.0
_MOST_MEASURE_SECONDS = 600.0
_LABEL_SHARE = 0.3
"""Of the width, for what stands in front of a field."""
_FIELD_SHARE = 0.72
"""Of the rest, for the field; the buttons come behind it."""
_OPEN_WIDTH = 4.0
_BOX_MARGIN = 20


@dataclass
class _Shown:
    """What drawing shows. A timer reads it, and looks again while it is drawn."""

    settings: Settings
    library: str
    problem: str = ""
    """Why the last choice was not kept."""
    looked: float = 0.0
    usage: str = ""
    """How much is in the library, in words."""
    measured: float | None = None
    short_program: ShortProgram | None = None
    """It measures the library."""
    is_moving: bool = False
    """Another library was chosen, and the jobs that go on are in the old one."""


_shown: _Shown | None = None


def of(context: bpy.types.Context) -> ImageTo3DPreferences | None:
    """Return the preferences of this add-on; nothing, if it is not enabled in them."""
    addon = context.preferences.addons.get(EXTENSION)
    return addon.preferences if addon is not None else None


def register() -> None:
    """Nothing: what is shown is read when it is drawn."""


def unregister() -> None:
    """End what runs, and forget what was read."""
    global _shown
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    services.forget()
    if _shown is not None and _shown.short_program is not None:
        _shown.short_program.answer()
    _shown = None


# What is chosen.


def _look() -> _Shown:
    """Read what was chosen."""
    global _shown
    now, library = settings.load(), ""
    try:
        library = str(settings.library_folder())
    except ImageTo3DError as error:
        problem = tr_problem(str(error))
    else:
        problem = _shown.problem if _shown is not None else ""
    if _shown is None:
        _shown = _Shown(now, library)
    elif library != _shown.library:
        _shown.measured, _shown.usage = None, ""
    _shown.settings, _shown.library, _shown.problem, _shown.looked = now, library, problem, time.monotonic()
    return _shown


def _now() -> _Shown:
    """Return what is shown; in background, where no timer looks, as it is now."""
    return _look() if _shown is None or bpy.app.background else _shown


def _choose(**changes: Any) -> None:
    """Keep a choice; if that fails, it is said beside it."""
    shown = _look()
    shown.problem = ""
    try:
        settings.save(replace(shown.settings, **changes))
    except ImageTo3DError as error:
        shown.problem = tr_problem(str(error))
    _look()


def _library(_preferences: ImageTo3DPreferences) -> str:
    return _now().library


def _choose_library(_preferences: ImageTo3DPreferences, text: str) -> None:
    folder = Path(bpy.path.abspath(text.strip())).expanduser().absolute() if text.strip() else None
    is_usual = folder is None or folder == settings.usual_library_folder()
    before = _look().library
    _choose(library="" if is_usual else str(folder))
    shown = _look()
    if shown.library != before:
        shown.is_moving = True
        _keep_ticking()


def _jobs_at_once(_preferences: ImageTo3DPreferences) -> int:
    return _now().settings.jobs_at_once


def _choose_jobs_at_once(_preferences: ImageTo3DPreferences, number: int) -> None:
    # Blender does not keep to the limits where a function sets the value.
    _choose(jobs_at_once=min(max(number, settings.FEWEST_JOBS), settings.MOST_JOBS))


def _key_property(provider_id: str) -> Any:
    """Return the property for a key. It stores nothing: it shows bullets, and hands over what is typed."""

    def shown(_preferences: ImageTo3DPreferences) -> str:
        return services.shown_key(provider_id)

    def enter(_preferences: ImageTo3DPreferences, text: str) -> None:
        services.enter_key(provider_id, text)
        _redraw()

    return StringProperty(
        name="Key",
        description="The key of your account at this service. It is kept in a file that only you can open",
        translation_context=CONTEXT,  # Blender's own keys are those of an animation
        subtype="PASSWORD",
        options={"SKIP_SAVE"},
        get=shown,
        set=enter,
    )


# What happens beside drawing.


def _keep_ticking() -> None:
    if not bpy.app.background and not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=0.0, persistent=True)


def _tick() -> float | None:
    """Read what has to be read, take the answers that have come, and go on while more is to come."""
    has_changed = _load_services()
    if _shown is None or time.monotonic() - _shown.looked > _LOOK_AGAIN_SECONDS:
        before = _shown and (_shown.settings, _shown.library)
        shown = _look()
        has_changed |= services.refresh() or before != (shown.settings, shown.library)
    has_changed |= services.step()
    has_changed |= _measure(_now())
    _move(_now())
    if has_changed:
        _redraw()
    is_busy = services.is_waiting() or _now().short_program is not None or _now().is_moving
    return _TICK_SECONDS if is_busy else None


def _load_services() -> bool:
    """Find out which services there are; whether they are new."""
    if services.are_known() or scene_form.problem() is not None or scene_form.ensure() is not None:
        return False
    services.load()
    return True


def _measure(shown: _Shown) -> bool:
    """Have a program look how much is in the library; whether it has answered."""
    if shown.short_program is not None:
        if not shown.short_program.is_over:
            return False
        data, shown.short_program = shown.short_program.answer(), None
        shown.usage = _usage_text(json.loads(data)) if data else tr("It cannot be read")
        return True
    is_due = shown.measured is None or time.monotonic() - shown.measured > _MEASURE_AGAIN_SECONDS
    if is_due and shown.library and services.are_known():
        shown.measured = time.monotonic()
        try:
            shown.short_program = ShortProgram(
                "usage", shown.library, ShortProgram.ANSWER, most_seconds=_MOST_MEASURE_SECONDS
            )
        except OSError as error:
            shown.usage = system.explain(error)
    return False


def _usage_text(usage: dict[str, int]) -> str:
    size = usage["size_bytes"] / 2**20
    text = f"{size / 1024:.1f} GB" if size >= 1000 else f"{size:.0f} MB"
    words = tr("1 job, {size}") if usage["jobs"] == 1 else tr("{number} jobs, {size}")
    return words.format(number=usage["jobs"], size=text)


def _move(shown: _Shown) -> None:
    """Show the jobs of another library, as soon as none of the old one goes on."""
    session = current.if_open()
    if not shown.is_moving or (session is not None and session.is_active):
        return
    shown.is_moving = False
    if session is not None:
        current.close()
        current.read_library()


def _redraw() -> None:
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "PREFERENCES":
                area.tag_redraw()


# What is drawn.


class ImageTo3DPreferences(bpy.types.AddonPreferences):
    """Keys, the library, and how many jobs work at once."""

    bl_idname = EXTENSION

    library: StringProperty(
        name="Library",
        description="The folder that keeps your models, the same for every Blender; empty for the usual one",
        subtype="DIR_PATH",
        options=_PATH_OPTIONS,
        get=_library,
        set=_choose_library,
    )
    jobs_at_once: IntProperty(
        name="Jobs at Once",
        description="How many models are made at the same time; the others wait",
        min=settings.FEWEST_JOBS,
        max=settings.MOST_JOBS,
        options={"SKIP_SAVE"},
        get=_jobs_at_once,
        set=_choose_jobs_at_once,
    )

    def draw(self, context: bpy.types.Context) -> None:
        if _shown is None or time.monotonic() - _shown.looked > _LOOK_AGAIN_SECONDS:
            _keep_ticking()
        _draw_access(self.layout, context)
        _draw_services(self, context)
        if _shown is not None:
            _draw_library(self, _shown, context)
        _draw_what_leaves(self.layout, context)


# By the names of their files: importing the providers takes pydantic.
ImageTo3DPreferences.__annotations__.update({f"key_{each}": _key_property(each) for each in providers.ids()})


def _draw_access(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """Say what is to be done if Blender may not use the network."""
    if bpy.app.online_access:
        return
    box = layout.box()
    if bpy.app.online_access_override:
        box.label(text="Blender was started in offline mode: services cannot be asked", icon="INTERNET_OFFLINE")
        return
    row = box.row()
    row.label(text="Services need online access", icon="INTERNET_OFFLINE")
    row.prop(context.preferences.system, "use_online_access", text="Allow Online Access")


def _draw_services(preferences: ImageTo3DPreferences, context: bpy.types.Context) -> None:
    layout = preferences.layout
    layout.label(text="Services")
    if scene_form.problem() is not None:
        draw_wrapped(layout, context, scene_form.problem(), beside=_BOX_MARGIN, icon="ERROR")
    for service in services.known():
        _draw_service(preferences, service, context)


def _draw_service(preferences: ImageTo3DPreferences, service: Service, context: bpy.types.Context) -> None:
    split = preferences.layout.split(factor=_LABEL_SHARE)
    _at_the_right(split).label(text=service.info.label, translate=False)
    column = split.column(align=True)
    row = column.split(factor=_FIELD_SHARE, align=True)
    if service.info.needs_key:
        _draw_key(row.row(align=True), preferences, service)
    else:
        row.label(text=service.address, translate=False)
    row = row.row(align=True)
    buttons = row.row(align=True)
    buttons.enabled = service.can_be_asked
    buttons.operator("image_to_3d.check_key", text="Test").provider = service.info.id
    if service.info.key_url:
        row.operator("wm.url_open", text="", icon="URL").url = service.info.key_url
    state = service.state_text
    if service.is_problem:
        draw_wrapped(column, context, state, beside=_beside(context))
    elif state:
        quiet = column.row()
        quiet.active = False
        quiet.label(text=state, translate=False)


def _draw_key(row: bpy.types.UILayout, preferences: ImageTo3DPreferences, service: Service) -> None:
    field = row.row(align=True)
    field.enabled = not service.is_key_fixed
    field.prop(preferences, f"key_{service.info.id}", text="", placeholder="Paste your key")
    if service.has_key and not service.is_key_fixed:
        row.operator("image_to_3d.forget_key", text="", icon="X").provider = service.info.id


def _draw_library(preferences: ImageTo3DPreferences, shown: _Shown, context: bpy.types.Context) -> None:
    layout = preferences.layout
    layout.separator()
    split = layout.split(factor=_LABEL_SHARE)
    _at_the_right(split).label(text="Library")
    column = split.column(align=True)
    row = column.row(align=True)
    field = row.row(align=True)
    is_fixed = bool(os.environ.get(_LIBRARY_VARIABLE))
    field.enabled = not is_fixed
    field.prop(preferences, "library", text="")
    buttons = row.row(align=True)
    buttons.ui_units_x = _OPEN_WIDTH
    buttons.operator("wm.path_open", text="Open").filepath = shown.library
    fixed = tr("From {variable}").format(variable=_LIBRARY_VARIABLE) if is_fixed else ""
    moving = tr("Used when the jobs that go on are done") if shown.is_moving else ""
    quiet = column.row()
    quiet.active = False
    quiet.label(text=" · ".join(filter(None, (fixed, moving, shown.usage))), translate=False)
    if shown.problem:
        draw_wrapped(column, context, shown.problem, beside=_beside(context))
    split = layout.split(factor=_LABEL_SHARE)
    _at_the_right(split).label(text="Jobs at Once")
    split.row().prop(preferences, "jobs_at_once", text="")


def _draw_what_leaves(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    layout.separator()
    layout.label(text="What Leaves This Computer")
    sentences = (
        tr("When you press Generate, the picture, the options and the key go to the service that you chose."),
        tr("Nobody else gets anything, and Offline Shape sends nothing at all."),
        tr("Keys are in a file that only you can open, never in Blender's preferences or in a .blend file."),
    )
    for sentence in sentences:
        draw_wrapped(layout, context, sentence, active=False, beside=_BOX_MARGIN)


def _beside(context: bpy.types.Context) -> int:
    """Return how many pixels, at resolution scale 1, stand in front of the fields and around them."""
    return _BOX_MARGIN + round(context.region.width * _LABEL_SHARE / context.preferences.system.ui_scale)


def _at_the_right(layout: bpy.types.UILayout) -> bpy.types.UILayout:
    row = layout.row()
    row.alignment = "RIGHT"
    return row


# The buttons.


class _OfService:
    """A button of one service's row."""

    bl_options = {"INTERNAL"}

    provider: StringProperty(name="Provider", description="Whose service it is", options={"SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        if (sentence := scene_form.ensure()) is not None:
            self.report({"ERROR"}, sentence)
            return {"CANCELLED"}
        services.load()
        service = services.of(self.provider)
        if service is None:
            self.report({"ERROR"}, tr('"{provider}" has no service that could be asked').format(provider=self.provider))
            return {"CANCELLED"}
        return self.act(service)


class IMAGE_TO_3D_OT_check_key(_OfService, bpy.types.Operator):
    """Ask the service whether it takes the key, and what is left of the credit. Costs nothing"""

    bl_idname = "image_to_3d.check_key"
    bl_label = "Test Key"

    def act(self, service: Service) -> set[str]:
        try:
            services.ask(service)
        except ImageTo3DError as error:
            service.say(tr_error(error), is_problem=True)
        if bpy.app.background:  # a script waits for the answer
            return self._wait(service)
        _keep_ticking()
        _redraw()
        return {"FINISHED"}

    def _wait(self, service: Service) -> set[str]:
        if service.short_program is not None:
            service.short_program.wait()
            services.step()
        self.report({"ERROR" if service.is_problem else "INFO"}, service.message)
        return {"CANCELLED" if service.is_problem else "FINISHED"}


class IMAGE_TO_3D_OT_forget_key(_OfService, bpy.types.Operator):
    """Remove the key of this service from your key file"""

    bl_idname = "image_to_3d.forget_key"
    bl_label = "Forget Key"

    def act(self, service: Service) -> set[str]:
        services.enter_key(service.info.id, "")
        _redraw()
        return {"FINISHED"}


CLASSES: tuple[type, ...] = (ImageTo3DPreferences, IMAGE_TO_3D_OT_check_key, IMAGE_TO_3D_OT_forget_key)
