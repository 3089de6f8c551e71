# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user does first: install the zip, look for the extension, make a model."""

from __future__ import annotations

from pathlib import Path

from ..conftest import draw_disc
from .window import Window

EXTENSION = "bl_ext.user_default.blender_image_to_3d"


def test_installed_and_enabled(window: Window) -> None:
    assert EXTENSION in window.ask("list(bpy.context.preferences.addons.keys())")
    assert window.ask("bpy.ops.image_to_3d.generate.poll()") is True


def test_a_file_of_the_file_browser_becomes_a_model(window: Window) -> None:
    picture = draw_disc(window.machine.folder / "cup.png", (200, 40, 40))
    window.call("bpy.ops.image_to_3d.generate('INVOKE_DEFAULT')")
    window.choose_file(picture)
    window.wait_until("'cup' in bpy.data.objects", 60)
    assert window.ask("bpy.data.objects['cup']['image_to_3d_image']") == "cup.png"
    assert window.ask("len(bpy.data.objects['cup'].data.polygons)") > 100


def test_nothing_is_left_on_the_machine(window: Window) -> None:
    window.quit()
    assert [process.command for process in window.machine.processes() if "blender" in process.command] == []


def test_pictures_are_of_the_window(window: Window) -> None:
    path = window.picture("test_pictures_are_of_the_window")
    assert Path(path).stat().st_size > 20_000
