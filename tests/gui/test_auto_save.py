# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender saves by itself while a job goes on: it does not while any modal operator runs, so ours works in shifts."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from .conftest import OpenWindow
from .services import SlowLab
from .test_jobs import ARRIVED, AT_WORK, start

pytestmark = pytest.mark.once


def test_auto_save_during_a_long_job(open_window: OpenWindow, cup: Path, services: ExitStack) -> None:
    lab = services.enter_context(SlowLab())
    window = open_window(environment=lab.environment, agreed=[lab.provider])
    # The time counts from the moment when it is set.
    window.run("bpy.context.preferences.filepaths.use_auto_save_temporary_files = True")
    window.run("bpy.context.preferences.filepaths.auto_save_time = 1")
    start(window, cup, lab.provider)
    window.wait_for_text(AT_WORK, 15)
    window.select("Cube")
    saved = window.machine.files / "tmp" / f"{window.pid}_autosave.blend"
    assert not saved.exists()
    window.machine.wait_until(saved.exists, 95)
    assert "IMAGE_TO_3D_OT_watch" in window.wait_until("modal_operators()", 5), "the job goes on"
    assert saved.stat().st_size > 100_000
    lab.finish()
    window.wait_until(ARRIVED, 60)
