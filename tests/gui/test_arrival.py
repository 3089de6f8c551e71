# SPDX-License-Identifier: GPL-3.0-or-later
"""A model arrives while the artist is busy: it waits, says so, disturbs nothing, and is one undo step."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from ..conftest import draw_disc
from .conftest import OpenWindow
from .machine import LONGEST_SECONDS
from .services import SlowLab
from .test_jobs import ARRIVED, AT_WORK, IDLE, start
from .window import Window

# All that an undo step may change, exactly.
SCENE = (
    "{each.name: [each.mode, each.select_get(), list(map(list, each.matrix_world)),"
    " [list(corner.co) for corner in each.data.vertices] if each.type == 'MESH' else None, sorted(each.keys())]"
    " for each in bpy.data.objects}"
)
TRANSFORM = "'TRANSFORM_OT_translate' in modal_operators()"


def scene(window: Window) -> dict[str, Any]:
    # After an undo, Blender works out matrices with its next redraw.
    window.run("bpy.context.view_layer.update()")
    return window.ask(SCENE)  # type: ignore[no-any-return]


def scene_as(window: Window, expected: dict[str, Any]) -> dict[str, Any]:
    """Return the scene when it is as expected, or as it is when that takes too long."""
    deadline = time.monotonic() + LONGEST_SECONDS
    while (found := scene(window)) != expected and time.monotonic() < deadline:
        window.rest()
    return found


@pytest.fixture
def lab(services: ExitStack) -> SlowLab:
    return services.enter_context(SlowLab())  # type: ignore[return-value]


@pytest.mark.everywhere
def test_a_transform_is_not_disturbed(open_window: OpenWindow, cup: Path, lab: SlowLab) -> None:
    window = open_window(environment=lab.environment, agreed=[lab.provider])
    start(window, cup, lab.provider)
    window.wait_for_text(AT_WORK)
    window.select("Cube")
    first = scene(window)
    x, y = window.box_of("WINDOW").at(0.35, 0.5)
    window.move(x, y)
    window.key("g")
    window.screen.does(*(f"mousemove {x + step * 10} {y}\nsleep 0.03" for step in range(1, 8)))
    window.wait_until(TRANSFORM)
    lab.finish()
    window.wait_for_text("Waiting until Move is finished")
    window.picture("transform")
    assert window.ask(TRANSFORM)
    assert not window.ask(ARRIVED)
    before = window.ask("bpy.data.objects['Cube'].matrix_world.translation.x")
    window.screen.does(*(f"mousemove {x + step * 10} {y}\nsleep 0.03" for step in range(8, 16)))
    # It still follows the mouse.
    window.wait_until(f"bpy.data.objects['Cube'].matrix_world.translation.x != {before!r}")
    window.screen.does("click 1")
    window.wait_until(ARRIVED)
    last = scene(window)
    moved = {name: each for name, each in last.items() if name != "cup"}
    assert moved["Cube"][2] != first["Cube"][2]
    assert {**moved, "Cube": first["Cube"]} == first, "nothing but the cube has moved"
    for key, expected in (
        ("ctrl+z", moved),
        ("ctrl+z", first),
        ("ctrl+shift+z", moved),
        ("ctrl+shift+z", last),
        ("ctrl+z", moved),
        ("ctrl+shift+z", last),
    ):
        window.key(key)
        assert scene_as(window, expected) == expected


def test_it_waits_for_object_mode_and_the_end_of_a_playback(open_window: OpenWindow, cup: Path, lab: SlowLab) -> None:
    window = open_window(environment=lab.environment, agreed=[lab.provider])
    start(window, cup, lab.provider)
    window.wait_for_text(AT_WORK)
    window.select("Cube")
    window.move(*window.box_of("WINDOW").middle)
    window.key("Tab")
    window.wait_until("bpy.data.objects['Cube'].mode == 'EDIT'")
    lab.finish()
    window.wait_for_text("Waiting until you leave Edit Mode")
    window.look_away()
    window.picture("edit_mode")
    # The artist works on: what they do to the mesh is theirs.
    window.key("g", "z", "1", "Return")
    window.rest(0.5)
    assert not window.ask(ARRIVED)
    window.key("Tab")
    window.wait_until(ARRIVED)
    assert window.ask("min(corner.co.z for corner in bpy.data.objects['Cube'].data.vertices)") == pytest.approx(0)
    window.fill_form(draw_disc(cup.with_name("plate.png"), (40, 40, 200)), lab.provider)
    window.click(operator="image_to_3d.start")
    window.move(*window.box_of("WINDOW").middle)
    window.key("space")
    window.wait_until("bpy.context.window_manager.windows[0].screen.is_animation_playing")
    window.wait_for_text(AT_WORK)
    lab.finish()
    window.wait_for_text("Waiting until the playback stops")
    assert "plate" not in window.ask("list(bpy.data.objects.keys())")
    window.move(*window.box_of("WINDOW").middle)
    window.key("space")
    window.wait_until("'plate' in bpy.data.objects")
    window.wait_until(IDLE)


def test_it_comes_to_where_the_cursor_was(open_window: OpenWindow, cup: Path, lab: SlowLab) -> None:
    window = open_window(environment=lab.environment, agreed=[lab.provider])
    window.run("bpy.context.scene.cursor.location = (1, 2, 3)")
    start(window, cup, lab.provider)
    window.wait_for_text(AT_WORK)
    window.run("bpy.context.scene.cursor.location = (-5, 0, 0)")
    lab.finish()
    window.wait_until(ARRIVED)
    bottom = "[round(each, 4) for each in bpy.data.objects['cup'].location]"
    assert window.ask(bottom) == [1, 2, 3]
    assert window.ask("list(bpy.context.scene.cursor.location)") == [-5, 0, 0]
