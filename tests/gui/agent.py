# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside the Blender of a test: does what the test asks for, between two events, and says what came of it.

blender --python agent.py -- SOCKET. One JSON object a line: {"eval": expression}, {"run": statements} or
{"hover": [window, x, y]}; one line comes back: {"value": …} or {"error": traceback}.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import sys
import traceback
from collections.abc import Iterator
from typing import Any

import bpy

Question = dict[str, Any]
_TICK_SECONDS = 0.004
SCREEN_HEIGHT = 900
_mouse = (0, 0)


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
        bpy.ops.ui.copy_python_command_button()
        command = bpy.context.window_manager.clipboard
        return {"operator": command.removeprefix("bpy.ops.").partition("(")[0], "whole": command}
    if found := bpy.context.property:
        owner, path, index = found
        return {"prop": path.rpartition(".")[2], "whole": f"{owner!r}.{path}[{index}]"}
    return None


class Conversation:
    """One test that asks, and what it has said so far."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._heard = b""
        self._waiting: Question | None = None
        self._has_arrived = False

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
            self._waiting = None
            self.connection.sendall(json.dumps(answer, default=repr).encode() + b"\n")

    def _answer(self, question: Question) -> tuple[bool, Any]:
        if "hover" in question:
            return self._hover(*question["hover"])
        if "eval" in question:
            return True, eval(question["eval"], SPACE)
        exec(question["run"], SPACE)
        return True, None

    def _hover(self, window: int, x: int, y: int) -> tuple[bool, Any]:
        """Answer when the move has reached Blender, and Blender's handlers have seen it."""
        if not self._has_arrived:
            left, top = origin(window)
            self._has_arrived = mouse_of(window) == (x - left, windows()[window].height - 1 - (y - top))
            return False, None
        self._has_arrived = False
        return True, button_under_mouse(window)


def _listen(path: str) -> None:
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
_listen(sys.argv[sys.argv.index("--") + 1])
