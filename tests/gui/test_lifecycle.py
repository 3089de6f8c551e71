# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension goes while it works, and meets another one that brings a package it cannot work with."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest

from ..other_extension import OTHER, lay_out, wheels
from .conftest import OpenWindow
from .machine import Machine
from .services import SlowLab
from .test_jobs import ARRIVED, AT_WORK, start, states

pytestmark = pytest.mark.everywhere

REPOSITORY = "[each.module for each in bpy.context.preferences.extensions.repos].index('user_default')"


def install_other(machine: Machine) -> None:
    """Install another extension that brings the newest core of pydantic, and nothing else."""
    # Debian's Blender has Debian's Python.
    python = machine.run("python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])").strip()
    brought = [each for each in wheels("newest", python) if each.name.startswith("pydantic_core-")]
    source, target = lay_out(machine.folder, brought), machine.folder / "other.zip"
    command = ("blender", "--command", "extension")
    machine.run(*command, "build", "--source-dir", source, "--output-filepath", target)
    machine.run(*command, "install-file", "-r", "user_default", "--enable", target)


def test_another_one_s_package_is_told_and_the_rest_is_there(open_window: OpenWindow, machine: Machine) -> None:
    install_other(machine)
    window = open_window()
    sentence = f'The add-on "{OTHER}" brings the Python package "pydantic_core"'
    window.open_tab()
    window.wait_for_text(sentence)
    window.wait_for_text("Disable that add-on or update it, and restart Blender")
    window.picture("another_package_panel")
    window.call("bpy.ops.preferences.addon_show(module=ADDON)")
    window.wait_until("len(windows()) == 2 and bool(area_of('PREFERENCES', 1))")
    window.wait_for_text("What Leaves This Computer")
    shown = " ".join(leaf["text"] for leaf in window.panels()["ImageTo3DPreferences"])
    window.picture("another_package_preferences")
    for text in (sentence, "Services need online access", "Library", "Jobs at Once"):
        assert text in shown, shown
    window.call("bpy.ops.preferences.addon_disable(module='bl_ext.user_default.other'); bpy.ops.wm.save_userpref()")
    assert "Traceback" not in window.output()
    window.quit()
    window.start()
    window.open_tab()
    window.wait_for_text("Choose a picture first")
    assert sentence not in " ".join(window.texts()) and "Traceback" not in window.output()


def test_it_is_uninstalled_and_installed_again_while_a_job_runs(
    open_window: OpenWindow, cup: Path, services: ExitStack
) -> None:
    lab = services.enter_context(SlowLab())
    window = open_window(environment=lab.environment, agreed=[lab.provider])
    start(window, cup, lab.provider)
    window.wait_for_text(AT_WORK)
    window.call(f"bpy.ops.extensions.package_uninstall(repo_index={REPOSITORY}, pkg_id='blender_image_to_3d')")
    window.wait_until("ADDON not in bpy.context.preferences.addons")
    assert window.ask("registered('image_to_3d')") == {"classes": [], "handlers": [], "timers": [], "drawn": []}
    window.rest()
    window.picture("uninstalled")
    assert not list(window.machine.home.glob(".config/blender/*/extensions/user_default/blender_image_to_3d"))
    lab.finish()
    window.machine.wait_until(lambda: states(window) == ["ready"])

    archive = shutil.copy(os.environ["EXTENSION_ZIP"], window.machine.folder)
    words = f"filepath={str(archive)!r}, repo='user_default', enable_on_install=True"
    window.call(f"bpy.ops.extensions.package_install_files({words})")
    window.wait_until("ADDON in bpy.context.preferences.addons")
    window.open_tab()
    window.toggle("IMAGE_TO_3D_PT_history")
    window.wait_for_text("^cup$")
    window.click(operator="image_to_3d.import_result")
    window.wait_until(ARRIVED)
    assert lab.billable == 1 and "Traceback" not in window.output()
