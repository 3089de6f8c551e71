# SPDX-License-Identifier: GPL-3.0-or-later
"""The sidebar in every light: pictures for people to look at, and that all of it can be reached."""

from __future__ import annotations

import pytest

from ..conftest import ROOT
from .conftest import OpenWindow
from .window import Look

BEAR = ROOT / "scripts" / "sample" / "bear.png"


@pytest.mark.parametrize(
    "look",
    [
        pytest.param(Look("dark"), marks=pytest.mark.everywhere),
        Look("light"),
        Look("dark", scale=2.0),
        Look("light", scale=2.0),
        Look("dark", sidebar=200),
    ],
    ids=["dark", "light", "dark-2x", "light-2x", "dark-narrow"],
)
def test_the_sidebar(open_window: OpenWindow, look: Look, request: pytest.FixtureRequest) -> None:
    window = open_window(look=look)
    name = "sidebar-" + request.node.callspec.id
    bear = window.machine.home / "bear.png"
    bear.write_bytes(BEAR.read_bytes())
    window.open_tab()
    window.picture(f"{name}-1-empty", window.box_of())
    window.fill_form(bear, "offline_shape")
    window.toggle("IMAGE_TO_3D_PT_options")
    window.look_away()
    window.picture(f"{name}-2-options", window.box_of())
    window.toggle("IMAGE_TO_3D_PT_options")
    window.toggle("IMAGE_TO_3D_PT_placement")
    window.look_away()
    window.picture(f"{name}-3-placement", window.box_of())
    window.toggle("IMAGE_TO_3D_PT_placement")
    window.click(operator="image_to_3d.start")
    window.rest(1)
    window.picture(f"{name}-4-working", window.box_of())
    window.wait_until("'bear' in bpy.data.objects")
    window.look_away()
    window.picture(f"{name}-5-arrived", window.box_of())
    window.toggle("IMAGE_TO_3D_PT_history")
    window.look_away()
    window.picture(f"{name}-6-history", window.box_of())
    assert window.is_there(operator="image_to_3d.import_result")
