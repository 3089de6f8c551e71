# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside the Blender of a test: does what the test asks for, between two events, and says what came of it.

blender --python agent.py -- SOCKET. Lines of JSON come in: {"eval": expression}, {"run": statements},
{"hover": [window, x, y]}, {"reach": [window, x, y]}, {"turns": count} or {"panels": how their names begin}. One goes
back: {"value": …} or {"error": traceback}.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bpy

sys.path.insert(0, str(Path(__file__).parent))
import drawing

Question = dict[str, Any]
_TICK_SECONDS = 0.004
_PATIENCE_SECONDS = 60.0
_COUNT_SECONDS = 1.0
SCREEN_HEIGHT = 900
ADDON = "bl_ext.user_default.blender_image_to_3d"
_mouse = (0, 0)
_timers: list[Callable[[], float | None]] = []


class AGENT_OT_mouse(bpy.types.Operator):
    """Note where the mouse is, for those who have no event"""

    bl_idname = "agent.mouse"
    bl_label = "Note the Mouse"
    bl_options = {"INTERNAL"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        global _mouse
        _mouse = (event.mouse_x, event.mouse_y)
        return {"FINISHED"}


def windows() -> list[bpy.types.Window]:
    return list(bpy.context.window_manager.windows)


def area_of(kind: str, window: int = 0) -> bpy.types.Area | None:
    """Return the largest area of a kind in a window."""
    areas = [area for area in windows()[window].screen.areas if area.type == kind]
    return max(areas, key=lambda area: area.width * area.height, default=None)


def region_of(kind: str, area: str = "VIEW_3D", window: int = 0) -> bpy.types.Region | None:
    found = area_of(area, window)
    return found and next((region for region in found.regions if region.type == kind), None)


def registered(name: str) -> dict[str, list[str]]:
    """Return what Blender knows by a name: classes, handlers, running timers, what is drawn in menus and headers."""
    classes = [each for each in dir(bpy.types) if name.upper() in each]
    handlers = [
        f"{kind}: {_origin(each)}"
        for kind in dir(bpy.app.handlers)
        if isinstance(listed := getattr(bpy.app.handlers, kind), list)
        for each in listed
        if name in _origin(each)
    ]
    timers = [_origin(each) for each in _timers if name in _origin(each) and bpy.app.timers.is_registered(each)]
    drawn = [
        f"{panel.__name__}: {_origin(each)}"
        for base in (bpy.types.Menu, bpy.types.Header)
        for panel in base.__subclasses__()
        for each in getattr(getattr(panel, "draw", None), "_draw_funcs", ())
        if name in _origin(each)
    ]
    return {"classes": classes, "handlers": sorted(handlers), "timers": sorted(timers), "drawn": sorted(drawn)}


def _origin(function: Any) -> str:
    return f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', '')}"


def _notice_timers() -> None:
    """Keep what is registered from now on: Blender lists none."""
    register = bpy.app.timers.register

    def register_and_tell(function: Callable[[], float | None], **words: Any) -> None:
        if function not in _timers:
            _timers.append(function)
        register(function, **words)

    bpy.app.timers.register = register_and_tell


def redraw() -> None:
    for window in windows():
        for area in window.screen.areas:
            area.tag_redraw()


def view_of(window: int = 0) -> bpy.types.RegionView3D:
    """Return from where the viewport looks."""
    area = area_of("VIEW_3D", window)
    assert area is not None
    return area.spaces.active.region_3d


@contextlib.contextmanager
def context_of(area: str = "VIEW_3D", region: str = "WINDOW", window: int = 0) -> Iterator[None]:
    """Be in a region, as an operator that was called there is."""
    with bpy.context.temp_override(
        window=windows()[window], area=area_of(area, window), region=region_of(region, area, window)
    ):
        yield


def box_on_screen(region: str, area: str, window: int = 0) -> list[int]:
    """Return left, top, width and height as the X server counts them: from the top left of the screen."""
    found = region_of(region, area, window)
    assert found is not None, f"there is no {region} in {area}"
    left, top = origin(window)
    return [left + found.x, top + windows()[window].height - found.y - found.height, found.width, found.height]


def origin(window: int) -> tuple[int, int]:
    """Return the top left of a window on the screen."""
    return windows()[window].x, SCREEN_HEIGHT - windows()[window].y - windows()[window].height


def places(window: int = 0) -> list[dict[str, Any]]:
    """Return what can be seen in a window: rectangles from its bottom left."""
    return [
        {"area": area.type, "region": region.type, "box": [region.x, region.y, region.width, region.height]}
        for area in windows()[window].screen.areas
        for region in area.regions
        if region.width > 1 and region.height > 1
    ]


def modal_operators() -> list[str]:
    """Return the operators that take events now, in all windows."""
    return [name for window in windows() for operator in window.modal_operators if (name := _name_of(operator))]


def _name_of(operator: bpy.types.Operator | None) -> str | None:
    """Return its name; nothing, if its class was unregistered: with its next event Blender forgets it."""
    try:
        return None if operator is None else str(operator.bl_idname)  # 5.2 has none
    except ValueError:  # in 4.3
        return None


def headers(tab: str, drawn: list[str]) -> list[tuple[str, int]]:
    """Return the panels of a tab whose headers are shown, from the top, and in how many others each lies.

    drawn: those that are open.
    """
    panels = [
        each
        for each in _subclasses(bpy.types.Panel)
        if getattr(each, "bl_category", "") == tab and getattr(bpy.types, each.__name__, None) is each
    ]

    def within(parent: str, depth: int) -> Iterator[tuple[str, int]]:
        inside = [each for each in panels if getattr(each, "bl_parent_id", "") == parent]
        for each in sorted(inside, key=lambda panel: getattr(panel, "bl_order", 0)):
            if not hasattr(each, "poll") or each.poll(bpy.context):
                if "HIDE_HEADER" not in getattr(each, "bl_options", ()):
                    yield each.__name__, depth
                if each.__name__ in drawn:
                    yield from within(each.__name__, depth + 1)

    with context_of("VIEW_3D", "UI"):
        return list(within("", 0))


def mouse_of(window: int) -> tuple[int, int]:
    """Return where Blender believes the mouse to be, from the window's bottom left."""
    with bpy.context.temp_override(window=windows()[window]):
        bpy.ops.agent.mouse("INVOKE_DEFAULT")
    return _mouse


def button_under_mouse(window: int = 0) -> dict[str, str] | None:
    """Return the button that the mouse rests on: the operator that it calls, or the property that it shows."""
    for area in windows()[window].screen.areas:
        for region in area.regions:
            if not region.width > 1:
                continue
            with bpy.context.temp_override(window=windows()[window], area=area, region=region):
                if button := _active_button():
                    return button
    return None


def _active_button() -> dict[str, str] | None:
    if bpy.ops.ui.copy_python_command_button.poll():
        kept = bpy.context.window_manager.clipboard
        bpy.ops.ui.copy_python_command_button()
        command = bpy.context.window_manager.clipboard
        bpy.context.window_manager.clipboard = kept
        return {"operator": command.removeprefix("bpy.ops.").partition("(")[0], "whole": command}
    if found := bpy.context.property:
        owner, path, index = found
        return {"prop": path.rpartition(".")[2], "whole": f"{owner!r}.{path}[{index}]"}
    return None


class AGENT_OT_count(bpy.types.Operator):
    """Count the events of timers for a while"""

    bl_idname = "agent.count"
    bl_label = "Count the Ticks"
    bl_options = {"INTERNAL"}

    ticks: int | None = None
    """How many there were; nothing: it still counts."""

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        AGENT_OT_count.ticks, self._count = None, 0
        self._end = time.monotonic() + _COUNT_SECONDS
        # One of its own, without which nothing might happen.
        self._timer = context.window_manager.event_timer_add(_COUNT_SECONDS, window=context.window)
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        self._count += event.type == "TIMER"
        if time.monotonic() < self._end:
            return {"PASS_THROUGH"}
        context.window_manager.event_timer_remove(self._timer)
        AGENT_OT_count.ticks = self._count - 1
        return {"FINISHED", "PASS_THROUGH"}


class Spy:
    """Keeps what panels say whenever they are drawn."""

    drawn: dict[str, list[dict[str, str]]] = {}
    """What each drew, from the top: texts, and calls or properties of its buttons."""

    @classmethod
    def watch(cls, prefixes: list[str]) -> None:
        """Look over the shoulder of the panels and preferences that are there now."""
        for panel in [*_subclasses(bpy.types.Panel), *_subclasses(bpy.types.AddonPreferences)]:
            is_ours = panel.__name__.startswith(tuple(prefixes)) and hasattr(panel, "draw")
            if is_ours and "is_spied_on" not in vars(panel):
                drawing.watch(panel, cls.drawn)
                panel.is_spied_on = True


def _subclasses(base: type) -> Iterator[type]:
    for each in base.__subclasses__():
        yield each
        yield from _subclasses(each)


class Conversation:
    """One test that asks, and what it has said so far."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._heard = b""
        self._waiting: Question | None = None
        self._has_arrived = False
        self._ticks = 0

    def hear(self) -> bool:
        """Take what came in, and return whether anybody is still there."""
        data = self.connection.recv(1 << 20)
        self._heard += data
        return bool(data)

    def step(self) -> None:
        if self._waiting is None and b"\n" in self._heard:
            line, _, self._heard = self._heard.partition(b"\n")
            self._waiting = json.loads(line)
        if self._waiting is None:
            return
        try:
            is_done, value = self._answer(self._waiting)
            answer = {"value": value}
        except Exception:  # noqa: BLE001 - whatever the test did wrong, the test shall hear of it
            is_done, answer = True, {"error": traceback.format_exc()}
        if is_done:
            self._waiting, self._has_arrived, self._ticks = None, False, 0
            self.connection.sendall(json.dumps(answer, default=repr).encode() + b"\n")

    def _answer(self, question: Question) -> tuple[bool, Any]:
        if "hover" in question:
            has_arrived, _ = self._reach(*question["hover"])
            return has_arrived, button_under_mouse(question["hover"][0]) if has_arrived else None
        if "reach" in question:
            return self._reach(*question["reach"])
        if "turns" in question:
            self._ticks += 1
            return self._ticks > question["turns"], None
        if "panels" in question:
            return self._listen(question["panels"])
        if "eval" in question:
            return True, eval(question["eval"], SPACE)
        exec(question["run"], SPACE)
        return True, None

    def _reach(self, window: int, x: int, y: int) -> tuple[bool, Any]:
        """Answer when the move has reached Blender, and Blender's handlers have seen it, or the window is gone."""
        self._ticks += 1
        if self._has_arrived or window >= len(windows()):
            return True, None
        left, top = origin(window)
        expected, found = (x - left, windows()[window].height - 1 - (y - top)), mouse_of(window)
        assert self._ticks * _TICK_SECONDS < _PATIENCE_SECONDS, f"the mouse is not at {expected} but at {found}"
        self._has_arrived = found == expected
        return False, None

    def _listen(self, prefixes: list[str]) -> tuple[bool, Any]:
        """Answer when the panels have been drawn anew; if none are within a second, there are none."""
        self._ticks += 1
        if self._ticks > 1:
            return bool(Spy.drawn) or self._ticks * _TICK_SECONDS > 1, Spy.drawn
        Spy.watch(prefixes)
        Spy.drawn.clear()
        for window in windows():
            for area in window.screen.areas:
                for region in area.regions:
                    if region.type == "UI" or (area.type, region.type) == ("PREFERENCES", "WINDOW"):
                        region.tag_redraw()
        return False, None


def _serve(path: str) -> None:
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()
    conversations: dict[socket.socket, Conversation] = {}

    def tick() -> float:
        for ready in select.select([server, *conversations], [], [], 0)[0]:
            if ready is server:
                connection = server.accept()[0]
                conversations[connection] = Conversation(connection)
            elif not conversations[ready].hear():
                del conversations[ready]
        for conversation in list(conversations.values()):
            conversation.step()
        return _TICK_SECONDS

    bpy.app.timers.register(tick, persistent=True)


SPACE = globals()
bpy.utils.register_class(AGENT_OT_mouse)
bpy.utils.register_class(AGENT_OT_count)
_notice_timers()
_serve(sys.argv[sys.argv.index("--") + 1])
