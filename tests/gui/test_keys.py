# SPDX-License-Identifier: GPL-3.0-or-later
"""A key that is typed into the preferences: it works, and is in no file but its own."""

from __future__ import annotations

import stat
from contextlib import ExitStack
from pathlib import Path

from ..conftest import KEY
from .conftest import OpenWindow
from .services import SlowLab
from .test_jobs import ARRIVED, AT_WORK

IN_PREFERENCES = {"area": "PREFERENCES", "region": "WINDOW", "window": 1}


def test_a_typed_key_is_only_in_its_file(open_window: OpenWindow, cup: Path, services: ExitStack) -> None:
    lab = services.enter_context(SlowLab())
    window = open_window(environment=lab.address, agreed=[lab.provider])
    window.open_tab()
    window.fill_form(cup, lab.provider)
    window.wait_for_text("ModelsLab needs a key")
    window.click(operator="image_to_3d.open_preferences")
    window.wait_until("len(windows()) == 2 and bool(area_of('PREFERENCES', 1))")
    window.wait_for_text("^ModelsLab$")
    window.fill(KEY, prop="key_modelslab", **IN_PREFERENCES)
    window.click(operator="image_to_3d.check_key", having='"modelslab"', **IN_PREFERENCES)
    window.wait_for_text("43.6")
    window.picture("preferences")
    window.run("bpy.ops.wm.save_userpref()")
    window.call("bpy.ops.wm.window_close()", area="PREFERENCES", window=1)
    window.wait_until("len(windows()) == 1")
    window.wait_for_text("Sends the picture to ModelsLab")
    window.click(operator="image_to_3d.start")
    window.wait_for_text(AT_WORK)
    lab.finish()
    window.wait_until(ARRIVED)
    window.call(f"bpy.ops.wm.save_as_mainfile(filepath={str(window.machine.home / 'saved.blend')!r})")
    keys = window.machine.home / ".local" / "share" / "image_to_3d.keys.json"
    assert window.machine.files_with(KEY) == [keys]
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    seen = [each.command for each in window.machine.processes() if KEY in each.command]
    assert seen == []
    window.quit()
    assert window.machine.files_with(KEY) == [keys]
    assert list(window.machine.home.glob(".config/blender/*/config/userpref.blend"))
    assert lab.complaints == []
    # The next Blender has it.
    window.start()
    window.open_tab()
    window.fill_form(cup, lab.provider)
    window.wait_for_text("Sends the picture to ModelsLab")


def test_a_wrong_key_is_said_beside_it(open_window: OpenWindow, services: ExitStack) -> None:
    lab = services.enter_context(SlowLab())
    window = open_window(environment=lab.address)
    window.call("bpy.ops.image_to_3d.open_preferences()")
    window.wait_until("len(windows()) == 2 and bool(area_of('PREFERENCES', 1))")
    window.wait_for_text("^ModelsLab$")
    window.fill("sk-not-the-right-one", prop="key_modelslab", **IN_PREFERENCES)
    window.click(operator="image_to_3d.check_key", having='"modelslab"', **IN_PREFERENCES)
    window.wait_for_text("key")
    window.picture("wrong_key")
