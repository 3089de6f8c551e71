# SPDX-License-Identifier: GPL-3.0-or-later
"""A batch leaves an asset library: Blender's Asset Browser shows it, and what is dragged from it is the whole model."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from ..conftest import draw_disc
from .conftest import OpenWindow
from .machine import LONGEST_SECONDS, Machine
from .window import Window

_TWO_CUBES = """
import bpy
bpy.ops.wm.read_homefile(use_empty=True)
top = bpy.data.objects.new("Top", None)
bpy.context.scene.collection.objects.link(top)
for number in range(2):
    bpy.ops.mesh.primitive_cube_add(size=1, location=(0, 0, 3 * number))
    bpy.context.object.parent = top
bpy.ops.export_scene.gltf(filepath={path!r})
"""
# The mesh objects that the viewport shows, also through instances of collections: name, triangles, packed textures.
_SEEN = (
    "sorted([each.object.name, sum(len(face.vertices) - 2 for face in each.object.data.polygons),"
    " len([node for slot in each.object.material_slots if slot.material for node in slot.material.node_tree.nodes"
    " if node.type == 'TEX_IMAGE' and node.image.packed_file])]"
    " for each in bpy.context.evaluated_depsgraph_get().object_instances if each.object.type == 'MESH')"
)
_BROWSER = "area_of('FILE_BROWSER')"
_ENOUGH_PIXELS = 1500
_TILE = 111
"""Pixels from one asset to the next."""
_CATALOG_ROW = (90, 78)
"""Of the first catalogue, from the top left of the browser's list: under "All"."""


@pytest.fixture
def library(machine: Machine) -> Path:
    """Of a red disc, and of a model of two cubes: made by Blender without a window."""
    pictures, out = machine.home / "pictures", machine.home / "out"
    pictures.mkdir()
    draw_disc(pictures / "cup.png", (200, 40, 40))
    draw_disc(pictures / "tower.png", (40, 60, 200))
    words = ("blender", "--command", "image_to_3d", "batch", pictures, "--output-dir", out)
    machine.run(*words)
    [result] = out.glob(".image_to_3d/*tower*/result/*.glb")
    machine.run("blender", "--background", "--python-expr", _TWO_CUBES.format(path=str(result)))
    machine.run(*words, "--resume", "--asset-library", out / "assets", "--contact-sheet", out / "sheet.png")
    return out / "assets"


def open_browser(window: Window, library: Path) -> None:
    """Register the library in the preferences, and show it below the viewport."""
    window.run(f"bpy.context.preferences.filepaths.asset_libraries.new(name='Models', directory={str(library)!r})")
    window.run("bpy.data.batch_remove([bpy.data.objects['Cube']])")
    window.call("bpy.ops.screen.area_split(direction='HORIZONTAL', factor=0.5)")
    window.run("area_of('VIEW_3D').ui_type = 'ASSETS'")
    window.wait_until(f"{_BROWSER}.spaces.active.params is not None")
    window.run(f"{_BROWSER}.spaces.active.params.asset_library_reference = 'Models'")


def red_spot(window: Window) -> tuple[int, int]:
    """Wait for the preview of the red disc, and return its middle on the screen."""
    box = window.box_of("WINDOW", "FILE_BROWSER")
    deadline = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < deadline:
        shown = window.screen.pixels()[box.top : box.bottom, box.left : box.right].astype(int)
        rows, columns = np.nonzero(shown[:, :, 0] > shown[:, :, 1:].max(axis=2) + 80)
        if len(rows) > _ENOUGH_PIXELS:
            return box.left + int(columns.mean()), box.top + int(rows.mean())
        window.rest()
    raise AssertionError(f"there is no red preview: {window.picture('asset_browser-failure')}")


def drop(window: Window, start: tuple[int, int], end: tuple[int, int], arrived: str) -> None:
    """Drag something from one area to another, and wait until it has arrived."""
    window.drag(start, end, steps=20)
    window.wait_until(arrived)


@pytest.mark.everywhere
def test_assets_are_shown_in_their_catalogue_and_dragged_into_the_viewport(
    open_window: OpenWindow, library: Path
) -> None:
    window = open_window()
    open_browser(window, library)
    red_spot(window)
    corner = window.box_of("TOOLS", "FILE_BROWSER")
    window.click_at(corner.left + _CATALOG_ROW[0], corner.top + _CATALOG_ROW[1])
    cup = red_spot(window)
    tower = (cup[0] + _TILE, cup[1])  # 4.3 has a bug: previews of collections are not written
    catalog = (library / "blender_assets.cats.txt").read_text().splitlines()[-1].partition(":")[0]
    assert window.ask(f"{_BROWSER}.spaces.active.params.catalog_id") == catalog
    window.picture("asset_browser")

    drop(window, cup, window.box_of("WINDOW").at(0.4, 0.5), "'cup' in bpy.context.scene.objects")
    window.rest(1)
    instances = "[each.instance_collection.name for each in bpy.context.scene.objects if each.instance_collection]"
    drop(window, tower, window.box_of("WINDOW").at(0.65, 0.6), instances)
    assert window.ask(instances) == ["tower"]
    window.call("bpy.context.space_data.shading.type = 'MATERIAL'")
    window.rest(1)
    window.picture("asset_browser-dropped")

    [cube, other, disc] = sorted(window.ask(_SEEN), key=lambda each: each[1])
    assert cube[1:] == other[1:] == [12, 0] and cube[0] != other[0], "the tower has both its cubes"
    assert disc[0] == "cup" and disc[1] > 1000 and disc[2] == 1, "the cup has its packed texture"
    assert window.ask("bpy.data.objects['cup']['image_to_3d_provider']") == "offline_shape"
