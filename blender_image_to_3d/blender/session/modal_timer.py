# SPDX-License-Identifier: GPL-3.0-or-later
"""The modal timer: calls `step` of whatever it was handed, for as long as there is something to look after.

It works in shifts: a shift is one run of the modal operator. A file that is loaded ends every modal operator, and
Blender does not auto-save while one runs. So ours ends itself regularly, leaves a gap, and a timer that outlives files
starts the next shift.
"""

from __future__ import annotations

import time
from typing import Protocol

import bpy

SHIFT_SECONDS = 20.0
GAP_SECONDS = 0.3
"""In which Blender saves: its own timer tries again every 10 ms."""
STEP_SECONDS = 0.1
_EVENT_SECONDS = 0.05
_SILENCE_SECONDS = 2.0
"""After which a shift is taken for dead: its window may be gone."""

Report = tuple[str, str]
"""The level and the text of what Blender shows in its status bar."""


class Watched(Protocol):
    """What the timer looks after."""

    @property
    def is_active(self) -> bool:
        """Whether there is anything to look after."""

    def step(self, context: bpy.types.Context) -> list[Report]:
        """Do a little of it. Returns what the user should be told."""


class _Clock:
    """Which shift is on duty, and when the last step of any was."""

    on_duty: object | None = None
    last_step = 0.0

    @classmethod
    def is_time_for_a_shift(cls) -> bool:
        patience = GAP_SECONDS if cls.on_duty is None else _SILENCE_SECONDS
        return time.monotonic() - cls.last_step >= patience


_watched: Watched | None = None
_timers: dict[object, bpy.types.Timer] = {}
"""By shift. Blender ends the operator when its class is unregistered, and does not tell it."""


def wake(watched: Watched) -> None:
    """Let the shifts begin, if they have not, and look after this from now on."""
    global _watched
    _watched = watched
    if not bpy.app.background and not bpy.app.timers.is_registered(_next_shift):
        bpy.app.timers.register(_next_shift, persistent=True)


def close() -> None:
    """End the shift, and look after nothing any more."""
    global _watched
    _watched = None
    if bpy.app.timers.is_registered(_next_shift):
        bpy.app.timers.unregister(_next_shift)
    _Clock.on_duty = None  # the operator ends with its next event, if there is one
    _Swept.reset()
    for shift in list(_timers):
        _remove_timer(shift)


def _next_shift() -> float | None:
    """Start a shift where there is none. Called while there is something to look after."""
    if _watched is None or not _watched.is_active:
        return None
    windows = bpy.context.window_manager.windows
    if _Clock.is_time_for_a_shift() and windows and _Swept.is_done(windows[0]):
        with bpy.context.temp_override(window=windows[0]):
            bpy.ops.image_to_3d.watch()
    return GAP_SECONDS


class _Swept:
    """Whether a window has looked through its modal operators since the add-on was enabled.

    Of one whose class was unregistered, Blender leaves an empty handler until the window's next event. Whoever adds
    another one before crashes Blender (seen in 4.3.2). So an event is sent first, and the first shift waits for it.
    """

    _timer: bpy.types.Timer | None = None
    _is_done = False

    @classmethod
    def is_done(cls, window: bpy.types.Window) -> bool:
        """Return False, and send the event, when it is asked for the first time."""
        if not cls._is_done and cls._timer is None:
            cls._timer = bpy.context.window_manager.event_timer_add(_EVENT_SECONDS, window=window)
            return False
        cls.reset(is_done=True)
        return True

    @classmethod
    def reset(cls, *, is_done: bool = False) -> None:
        if cls._timer is not None:
            bpy.context.window_manager.event_timer_remove(cls._timer)
        cls._timer, cls._is_done = None, is_done


def _remove_timer(shift: object) -> None:
    if (timer := _timers.pop(shift, None)) is not None:
        bpy.context.window_manager.event_timer_remove(timer)


class IMAGE_TO_3D_OT_watch(bpy.types.Operator):
    """Look after the jobs for a while"""

    bl_idname = "image_to_3d.watch"
    bl_label = "Watch Image to 3D Jobs"
    bl_options = {"INTERNAL"}  # neither REGISTER nor UNDO: each shift would be an undo step

    def execute(self, context: bpy.types.Context) -> set[str]:
        self._end = time.monotonic() + SHIFT_SECONDS
        self._shift = _Clock.on_duty = object()
        _timers[self._shift] = context.window_manager.event_timer_add(STEP_SECONDS, window=context.window)
        _Clock.last_step = time.monotonic()
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if _Clock.on_duty is not self._shift or _watched is None:
            return self._go_home()
        now = time.monotonic()
        # Other timers, a playback's for one, send the same events.
        if event.type != "TIMER" or now - _Clock.last_step < STEP_SECONDS * 0.9:
            return {"PASS_THROUGH"}
        _Clock.last_step = now
        try:
            reports = _watched.step(context)
        except BaseException:  # Blender ends the operator, and leaves the timer
            self._go_home()
            raise
        for level, text in reports:
            self.report({level}, text)
        if now >= self._end or not _watched.is_active:
            return self._go_home()
        return {"PASS_THROUGH"}

    def cancel(self, context: bpy.types.Context) -> None:
        """Blender loads a file, quits, or closes the window."""
        self._go_home()

    def _go_home(self) -> set[str]:
        _remove_timer(self._shift)
        if _Clock.on_duty is self._shift:
            _Clock.on_duty = None
        return {"FINISHED", "PASS_THROUGH"}


CLASSES = (IMAGE_TO_3D_OT_watch,)
