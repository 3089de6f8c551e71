# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender saves by itself while a job goes on: it does not while any modal operator runs, so ours works in shifts."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from .conftest import OpenWindow
from .services import SlowLab
from .test_jobs import ARRIVED, AT_WORK, FACTORY, start


def test_auto_save_during_a_long_job(open_window: OpenWindow, cup: Path, services: ExitStack) -> None:
    lab = services.enter_context(SlowLab())
    window = open_window(environment=lab.environment, agreed=[lab.provider])
    window.run("bpy.context.preferences.filepaths.use_auto_save_temporary_files = True")
    start(window, cup, lab.provider)
    window.wait_for_text(AT_WORK)
    window.select("Cube")
    # The minute counts from the moment when it is set.
    window.run("bpy.context.preferences.filepaths.auto_save_time = 1")
    saved = window.machine.files / "tmp" / f"{window.pid}_autosave.blend"
    saved.unlink(missing_ok=True)
    window.machine.wait_until(saved.exists)
    assert "IMAGE_TO_3D_OT_watch" in window.wait_until("modal_operators()"), "the job goes on"
    path = f"/tmp/{saved.name}"  # as Blender sees it
    window.run(f"with bpy.data.libraries.load({path!r}) as (there, _):\n    objects = sorted(there.objects)")
    assert window.ask("objects") == FACTORY
    lab.finish()
    window.wait_until(ARRIVED)
