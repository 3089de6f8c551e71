# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user does first: install the zip, open the tab, choose a picture, and keep modelling while it is worked on."""

from __future__ import annotations

from pathlib import Path

import pytest

from .window import Window

pytestmark = pytest.mark.everywhere

EXTENSION = "bl_ext.user_default.blender_image_to_3d"


def test_from_a_picture_to_an_object(window: Window, cup: Path) -> None:
    # Installed and enabled, as its manual says.
    assert EXTENSION in window.ask("list(bpy.context.preferences.addons.keys())")
    assert window.ask("bpy.ops.image_to_3d.generate.poll()") is True
    window.open_tab()
    window.wait_for_text("Choose a picture first")
    window.click(operator="image_to_3d.open_picture", having="front")
    window.choose_file(cup)
    window.wait_for_text("On this computer")
    before = window.ask("view_of().view_rotation[:]")
    window.click(operator="image_to_3d.start")
    window.orbit(3)
    assert window.ask("view_of().view_rotation[:]") != before
    window.wait_until("'cup' in bpy.data.objects", meanwhile=window.orbit)
    assert window.ask("bpy.data.objects['cup']['image_to_3d_image']") == "cup.png"
    assert window.ask("len(bpy.data.objects['cup'].data.polygons)") > 100
    # Selected, as nothing but the view was touched.
    assert window.ask("[each.name for each in bpy.context.view_layer.objects.selected]") == ["cup"]
    window.wait_until("not modal_operators()")
    assert "Traceback" not in window.output()


def test_menu_and_search_lead_there_and_quitting_leaves_nothing_running(window: Window, cup: Path) -> None:
    window.open_tab()
    window.call("bpy.ops.image_to_3d.import_pictures('INVOKE_DEFAULT')")
    window.choose_file(cup)
    window.wait_until("'cup' in bpy.data.objects")
    window.search("Image to 3D (")
    window.choose_file(cup)
    window.wait_until("'cup.001' in bpy.data.objects")
    window.quit()
    assert [process.command for process in window.machine.processes() if "blender" in process.command] == []
