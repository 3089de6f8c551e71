# SPDX-License-Identifier: GPL-3.0-or-later
"""A job that takes a while, and what an artist does meanwhile: work, change their mind, open another file, quit."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from ..conftest import draw_disc
from .conftest import OpenWindow
from .services import SlowLab, SlowMeshy
from .window import Window

OBJECTS = "sorted(each.name for each in bpy.data.objects)"
SELECTED = "[each.name for each in bpy.context.view_layer.objects.selected]"
FACTORY = ["Camera", "Cube", "Light"]
ARRIVED = "'cup' in bpy.data.objects"
IDLE = "not modal_operators()"
AT_WORK = r"left\)"
CLOCK = r"\d+:\d\d"
LEFT = rf"about {CLOCK} left"


def start(window: Window, picture: Path, provider: str, **options: object) -> None:
    """Fill in the form, and press Generate."""
    window.open_tab()
    window.fill_form(picture, provider, **options)
    window.click(operator="image_to_3d.start")


def test_progress_moves_while_the_artist_works(open_window: OpenWindow, cup: Path, services: ExitStack) -> None:
    meshy = services.enter_context(SlowMeshy())
    window = open_window(environment=meshy.environment, agreed=[meshy.provider])
    start(window, cup, meshy.provider)
    window.wait_for_text(r"\b7 ?%")
    window.select("Cube")
    window.move(*window.box_of("WINDOW").middle)
    window.key("g", "x", "2", "Return")
    assert window.ask("bpy.data.objects['Cube'].location.x") == 2
    window.key("ctrl+z")
    assert window.ask("bpy.data.objects['Cube'].location.x") == 0
    window.key("ctrl+shift+z")
    assert window.ask("bpy.data.objects['Cube'].location.x") == 2
    window.key("Tab")
    window.wait_until("bpy.context.view_layer.objects.active.mode == 'EDIT'")
    window.picture("progress")
    window.key("Tab")
    window.wait_until("bpy.context.view_layer.objects.active.mode == 'OBJECT'")
    meshy.percent = 64
    window.wait_for_text(r"\b64 ?%")
    meshy.percent = 100
    window.wait_until(ARRIVED, meanwhile=window.orbit)
    assert window.ask(SELECTED) == ["Cube"], "the artist has done something else since"
    assert window.ask("bpy.data.objects['Cube'].location.x") == 2
    assert meshy.billable == 1
    assert meshy.complaints == []


def test_seconds_count_where_nobody_knows_the_progress(open_window: OpenWindow, cup: Path, services: ExitStack) -> None:
    lab = services.enter_context(SlowLab())
    window = open_window(environment=lab.environment, agreed=[lab.provider])
    start(window, cup, lab.provider)
    left = window.wait_for_text(LEFT)
    texts = window.texts()
    assert not [text for text in texts if "%" in text], "nobody knows how much is done"
    clock = next(text for text in texts if re.fullmatch(CLOCK, text))
    later = window.wait_for_text(rf"^(?!{clock}$){CLOCK}$")
    assert seconds(later) > seconds(clock)
    less = window.wait_for_text(rf"(?!{left}){LEFT}")
    assert seconds(less) < seconds(left) <= lab.eta
    lab.finish()
    window.wait_until(ARRIVED)
    assert window.ask(SELECTED) == ["cup"], "nothing else was touched since"
    assert lab.complaints == []


def seconds(text: str) -> int:
    """Return what a clock says."""
    found = re.search(CLOCK, text)
    assert found is not None
    minutes, rest = found[0].split(":")
    return 60 * int(minutes) + int(rest)


def test_what_cannot_be_recalled_is_kept(open_window: OpenWindow, cup: Path, services: ExitStack) -> None:
    lab = services.enter_context(SlowLab())
    window = open_window(environment=lab.environment, agreed=[lab.provider])
    start(window, cup, lab.provider)
    window.wait_for_text(AT_WORK)
    window.click(operator="image_to_3d.cancel")
    window.wait_for_text("Cancelled; the request cannot be recalled, its result will be kept")
    window.picture("cancelled")
    lab.finish()
    window.wait_for_text("Done, not imported yet")
    window.wait_until(IDLE)
    assert window.ask(OBJECTS) == FACTORY
    window.click(operator="image_to_3d.import_result")
    window.wait_until(ARRIVED)
    assert lab.billable == 1


def test_what_waits_is_cancelled_for_nothing(open_window: OpenWindow, cup: Path, services: ExitStack) -> None:
    lab = services.enter_context(SlowLab())
    window = open_window(environment=lab.environment, agreed=[lab.provider], jobs_at_once=1)
    start(window, cup, lab.provider)
    window.wait_for_text(AT_WORK)
    window.fill_form(draw_disc(cup.with_name("plate.png"), (40, 40, 200)), lab.provider)
    window.click(operator="image_to_3d.start")
    window.wait_for_text("Waiting for a free place")
    window.picture("waits")
    plate = next(path.parent.name for path in window.library.glob("*/job.json") if "plate" in path.parent.name)
    window.click(operator="image_to_3d.cancel", having=plate)
    window.wait_for_text("Cancelled, nothing was charged")
    lab.finish()
    window.wait_until(ARRIVED)
    window.wait_until(IDLE)
    assert lab.billable == 1
    assert "plate" not in window.ask(OBJECTS)


@pytest.mark.everywhere
def test_another_file_is_opened_meanwhile(open_window: OpenWindow, cup: Path, services: ExitStack) -> None:
    lab = services.enter_context(SlowLab())
    window = open_window(environment=lab.environment, agreed=[lab.provider])
    other = window.machine.home / "other.blend"
    window.call(f"bpy.ops.wm.save_as_mainfile(filepath={str(other)!r}, copy=True)")
    start(window, cup, lab.provider)
    window.wait_for_text(AT_WORK)
    window.call(f"bpy.ops.wm.open_mainfile(filepath={str(other)!r})")
    window.wait_until(f"bpy.data.filepath == {str(other)!r}")
    # The jobs go on, and so does their list.
    window.open_tab()
    window.wait_for_text(AT_WORK)
    lab.finish()
    window.wait_for_text("Done, not imported yet")
    assert window.ask(OBJECTS) == FACTORY, "this file has not asked for it"
    window.click(operator="image_to_3d.import_result")
    window.wait_until(ARRIVED)


def test_quit_meanwhile_and_find_it_in_the_history(open_window: OpenWindow, cup: Path, services: ExitStack) -> None:
    lab = services.enter_context(SlowLab())
    window = open_window(environment=lab.environment, agreed=[lab.provider])
    start(window, cup, lab.provider)
    window.wait_for_text(AT_WORK)
    window.quit()
    lab.finish()
    window.machine.wait_until(lambda: states(window) == ["ready"])
    window.start()
    window.open_tab()
    assert window.ask(OBJECTS) == FACTORY
    window.toggle("IMAGE_TO_3D_PT_history")
    window.wait_for_text("^cup$")
    window.picture("history")
    window.click(operator="image_to_3d.import_result")
    window.wait_until(ARRIVED)
    assert lab.billable == 1


def states(window: Window) -> list[str]:
    """Return the states of the jobs in the library."""
    return [json.loads(path.read_bytes())["state"] for path in window.library.glob("[!.]*/job.json")]


def test_blender_crashes_and_nothing_is_lost(open_window: OpenWindow, cup: Path, services: ExitStack) -> None:
    lab = services.enter_context(SlowLab())
    window = open_window(environment=lab.environment, agreed=[lab.provider])
    start(window, cup, lab.provider)
    window.wait_for_text(AT_WORK)
    window.kill()
    window.start()
    window.open_tab()
    window.wait_for_text(AT_WORK)
    lab.finish()
    window.wait_for_text("Done, not imported yet")
    assert window.ask(OBJECTS) == FACTORY
    window.click(operator="image_to_3d.import_result")
    window.wait_until(ARRIVED)
    assert lab.billable == 1


def test_only_the_blender_that_asked_imports(open_window: OpenWindow, cup: Path, services: ExitStack) -> None:
    lab = services.enter_context(SlowLab())
    asking = open_window(environment=lab.environment, agreed=[lab.provider])
    other = open_window(environment=lab.environment)
    start(asking, cup, lab.provider)
    asking.wait_for_text(AT_WORK)
    other.open_tab()
    other.click(operator="image_to_3d.refresh")
    other.wait_for_text(AT_WORK)
    lab.finish()
    asking.wait_until(ARRIVED)
    other.wait_until(IDLE)
    assert other.ask(OBJECTS) == FACTORY
    assert lab.billable == 1


def test_the_window_in_which_it_began_is_closed(open_window: OpenWindow, cup: Path, services: ExitStack) -> None:
    lab = services.enter_context(SlowLab())
    window = open_window(environment=lab.environment, agreed=[lab.provider])
    start(window, cup, lab.provider)
    window.wait_for_text(AT_WORK)
    window.call("bpy.ops.wm.window_new_main()")
    window.wait_until("len(windows()) == 2")
    window.picture("two_windows")
    window.call("bpy.ops.wm.window_close()")
    window.wait_until("len(windows()) == 1")
    lab.finish()
    window.wait_until(ARRIVED)


def test_thirty_quick_clicks_buy_once(open_window: OpenWindow, cup: Path, services: ExitStack) -> None:
    lab = services.enter_context(SlowLab())
    window = open_window(environment=lab.environment, agreed=[lab.provider])
    window.open_tab()
    window.fill_form(cup, lab.provider)
    window.click_at(*window.find(operator="image_to_3d.start"))
    window.screen.does("click --repeat 29 --delay 40 1")
    window.settle()
    window.wait_for_text(AT_WORK)
    lab.finish()
    window.wait_until(ARRIVED)
    window.wait_until(IDLE)
    assert lab.billable == 1
    assert lab.creates == 1
    assert window.ask(OBJECTS) == sorted([*FACTORY, "cup"])


def test_the_first_paid_request_asks_once(open_window: OpenWindow, cup: Path, services: ExitStack) -> None:
    lab = services.enter_context(SlowLab())
    window = open_window(environment=lab.environment)
    start(window, cup, lab.provider)
    window.picture("asks_before_it_costs")
    assert lab.creates == 0
    window.key("Escape")
    window.rest(1)
    assert lab.creates == 0
    window.click(operator="image_to_3d.start")
    window.key("Return")
    window.wait_for_text(AT_WORK)
    lab.finish()
    window.wait_until(ARRIVED)
    assert lab.billable == 1
    window.fill_form(cup, lab.provider, seed="7")
    window.click(operator="image_to_3d.start")
    window.wait_for_text(AT_WORK)
    lab.finish()
    window.wait_until("'cup.001' in bpy.data.objects")
    assert lab.billable == 2


def ticks(window: Window) -> int:
    """Return how many events of timers there were in a second."""
    window.call("bpy.ops.agent.count('INVOKE_DEFAULT')")
    [count] = window.wait_until("[AGENT_OT_count.ticks] * (AGENT_OT_count.ticks is not None)")
    return int(count)


def test_switched_off_and_on_ten_times(open_window: OpenWindow, cup: Path, services: ExitStack) -> None:
    lab = services.enter_context(SlowLab())
    window = open_window(environment=lab.environment, agreed=[lab.provider])
    window.open_tab()
    before = window.ask("registered('image_to_3d')")
    start(window, cup, lab.provider)
    window.wait_for_text(AT_WORK)
    window.call("bpy.ops.preferences.addon_show(module=ADDON)")
    window.wait_until("len(windows()) == 2 and bool(area_of('PREFERENCES', 1))")
    window.rest()
    box: dict[str, Any] = {"having": "blender_image_to_3d", "area": "PREFERENCES", "region": "WINDOW", "window": 1}
    for _ in range(10):
        window.click(operator="preferences.addon_disable", **box)
        window.wait_until("ADDON not in bpy.context.preferences.addons")
        assert window.ask("registered('image_to_3d')") == {"classes": [], "handlers": [], "timers": [], "drawn": []}
        window.click(operator="preferences.addon_enable", **box)
        window.wait_until("modal_operators() == ['IMAGE_TO_3D_OT_watch']")
    now = window.ask("registered('image_to_3d')")
    assert {**now, "timers": []} == {**before, "timers": []}
    assert len(now["timers"]) == len(set(now["timers"])), now["timers"]
    workers = [each.command for each in window.machine.processes() if " worker " in each.command]
    assert len(workers) == 1, workers
    window.call("bpy.ops.wm.window_close()", area="PREFERENCES", window=1)
    window.open_tab()
    lab.finish()
    window.wait_for_text("Done, not imported yet")
    assert lab.billable == 1
    window.wait_until(IDLE)
    children = [each.command for each in window.machine.processes() if "--background" in each.command]
    assert len(children) <= 1, children
    # Ours tick ten times in a second; Blender's own, of a tooltip for one, come to an end.
    counts = [ticks(window) for _ in range(5)]
    assert 0 in counts, f"a timer ticks on: {counts}"
    assert "Traceback" not in window.output()
