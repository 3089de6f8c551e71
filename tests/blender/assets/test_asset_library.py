# SPDX-License-Identifier: GPL-3.0-or-later
"""The models of a batch as assets: found again in the files, with what the Asset Browser shows of them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import bpy
import numpy as np
import pytest
from numpy.typing import NDArray

from ...conftest import HANGS_SECONDS
from .. import given
from ..test_extension import run

pytestmark = pytest.mark.everywhere

Exhibits = Callable[..., Any]


@pytest.fixture
def assembly(package: ModuleType) -> Any:
    return given.module(package, "batch.assembly")


@pytest.fixture
def errors(package: ModuleType) -> Any:
    return given.module(package, "errors")


@pytest.fixture
def exhibit(package: ModuleType, assembly: Any, tmp_path: Path) -> Exhibits:
    """A picture with the job that made a model of it: a monkey with a texture, or what is in the scene."""

    def make(
        title: str, *, job: str | None = None, colour: tuple[int, int, int] = (200, 40, 40), **changes: Any
    ) -> Any:
        made = tmp_path / "made" / (job or title)
        made.mkdir(parents=True)
        picture = given.disc(tmp_path / f"{title}.png", colour)
        if not bpy.context.scene.objects:
            given.textured_monkey(made)
        model = given.write(made / "model.glb")
        given.new_file()
        folder = given.finished(package, made / "job", model, **changes)
        shutil.copy(picture, folder / "front.png")
        job_folder = given.module(package, "jobs.library").JobFolder(folder)
        job_folder.save(job_folder.load().evolve(id=job or f"job-of-{title}"))
        return assembly.Exhibit(picture, title, job_folder)

    return make


@pytest.fixture
def assemble(package: ModuleType, assembly: Any, tmp_path: Path) -> Callable[..., list[Any]]:
    """Puts exhibits into the library `tmp_path / "assets"` and returns the news."""
    (tmp_path / "assets").mkdir()

    def do(*exhibits: Any, **wish: Any) -> list[Any]:
        before = given.datablocks()
        news: list[Any] = []
        wished = assembly.Wish(tmp_path / "assets", **wish)
        given.module(package, "blender.assets.batch_products").Assembler().assemble(exhibits, wished, news.append)
        assert given.datablocks() == before, "something is left in this file"
        return news

    return do


def states(news: list[Any]) -> list[str]:
    return [each.asset for each in news]


def stamps(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.glob("[!.]*")}


def append(blend: Path, *, link: bool = False) -> list[bpy.types.ID]:
    """Take all assets out of a file as the Asset Browser does: each with nothing but what it uses."""
    given.new_file()
    with bpy.data.libraries.load(str(blend), link=link, assets_only=True) as (there, here):
        here.objects, here.collections = list(there.objects), list(there.collections)
    return [*here.objects, *here.collections]


def into_scene(asset: bpy.types.ID) -> None:
    """What dropping it on the viewport does: an object is linked, of a collection there is an instance."""
    if isinstance(asset, bpy.types.Object):
        bpy.context.scene.collection.objects.link(asset)
        return
    instance = bpy.data.objects.new(asset.name, None)
    instance.instance_type, instance.instance_collection = "COLLECTION", asset
    bpy.context.scene.collection.objects.link(instance)


def meshes_in_scene() -> list[tuple[bpy.types.Object, NDArray[np.float64]]]:
    """What is seen: the mesh objects, and their vertices in the world, (n, 3)."""
    bpy.context.view_layer.update()
    graph = bpy.context.evaluated_depsgraph_get()
    seen = []
    for each in graph.object_instances:
        if each.object.type == "MESH":
            matrix = np.array(each.matrix_world)
            points = np.array([vertex.co for vertex in each.object.data.vertices])
            seen.append((each.object.original, points @ matrix[:3, :3].T + matrix[:3, 3]))
    return seen


def preview_of(asset: bpy.types.ID) -> NDArray[np.float32]:
    """(h, w, 4), the top row first."""
    width, height = asset.preview.image_size
    return np.array(asset.preview.image_pixels_float, np.float32).reshape(height, width, 4)[::-1]


def test_every_model_becomes_a_file_with_one_asset(
    exhibit: Exhibits, assemble: Callable[..., list[Any]], tmp_path: Path
) -> None:
    news = assemble(exhibit("Cup"), exhibit("猫 of ours", colour=(40, 200, 40)))

    assert states(news) == ["added", "added"]
    names = {path.name for path in (tmp_path / "assets").glob("[!.]*")}
    assert names == {"Cup.blend", "猫 of ours.blend", "blender_assets.cats.txt"}
    [asset] = append(tmp_path / "assets" / "猫 of ours.blend")
    assert isinstance(asset, bpy.types.Object) and asset.name == "猫 of ours"
    data = asset.asset_data
    assert {tag.name for tag in data.tags} == {"image_to_3d", "offline_shape"}
    assert 'Made from the picture "cup.png" by Offline Shape' in data.description
    [line] = [
        line
        for line in (tmp_path / "assets" / "blender_assets.cats.txt").read_text().splitlines()
        if line.startswith(data.catalog_id)
    ]
    assert line.endswith(":Image to 3D:Image to 3D") and UUID(data.catalog_id).version == 5


def test_what_is_dropped_is_the_whole_model_with_texture_and_properties(
    exhibit: Exhibits, assemble: Callable[..., list[Any]], tmp_path: Path
) -> None:
    assemble(exhibit("Cup", placement={"height": 2.0}, options={"thickness": 0.5}))
    shutil.rmtree(tmp_path / "made")

    [asset] = append(tmp_path / "assets" / "Cup.blend")
    into_scene(asset)

    [(mesh, points)] = meshes_in_scene()
    assert mesh == asset and np.ptp(points[:, 2]) == pytest.approx(2.0, abs=1e-5)
    assert points[:, 2].min() == pytest.approx(0.0, abs=1e-5)
    [image] = [node.image for node in mesh.active_material.node_tree.nodes if node.type == "TEX_IMAGE"]
    assert image.packed_file and tuple(image.size) == (16, 16) and image.pixels[7] > 0
    assert mesh["image_to_3d_job"] == "job-of-Cup" and mesh["image_to_3d_thickness"] == 0.5
    assert json.loads(mesh["image_to_3d_request"])["provider"] == "offline_shape"


def hierarchy() -> None:
    """Two cubes, one above the other, below empties that move them."""
    top = bpy.data.objects.new("Top", None)
    bpy.context.scene.collection.objects.link(top)
    for number in range(2):
        bpy.ops.mesh.primitive_cube_add(size=1, location=(0, 0, 3 * number))
        bpy.context.object.parent = top


@pytest.mark.parametrize("in_one_file", [False, True])
def test_a_model_of_several_objects_comes_whole(
    exhibit: Exhibits, assemble: Callable[..., list[Any]], tmp_path: Path, in_one_file: bool
) -> None:
    hierarchy()
    assemble(exhibit("Tower"), in_one_file=in_one_file)

    [asset] = append(tmp_path / "assets" / ("assets.blend" if in_one_file else "Tower.blend"))
    into_scene(asset)

    assert isinstance(asset, bpy.types.Collection) and asset.name == "Tower"
    seen = meshes_in_scene()
    points = np.concatenate([points for _, points in seen])
    assert len(seen) == 2 and np.ptp(points[:, 2]) == pytest.approx(4.0, abs=1e-5)
    [root] = [each for each in asset.objects if each.parent is None]
    assert root["image_to_3d_provider"] == "offline_shape"
    if given.LOSES_PREVIEWS_OF_COLLECTIONS:
        assert asset.preview is None
    else:
        assert np.allclose(preview_of(asset)[48, 48], (200 / 255, 40 / 255, 40 / 255, 1), atol=0.01)


def test_the_file_opens_with_the_model_in_its_scene(
    exhibit: Exhibits, assemble: Callable[..., list[Any]], tmp_path: Path
) -> None:
    assemble(exhibit("Cup"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "assets" / "Cup.blend"))
    assert [each.name for each in bpy.context.scene.objects] == ["Cup"]


def test_a_preview_is_the_picture_and_no_larger_than_previews_are(
    exhibit: Exhibits, assemble: Callable[..., list[Any]], tmp_path: Path
) -> None:
    """Upright although it is stored lying, and where it is transparent the preview is too."""
    cup = exhibit("Cup")
    pixels = np.zeros((1500, 3000, 4), np.float32)
    pixels[:, :1500] = (1, 0, 0, 1)
    pixels[750:, 1500:] = (0, 0, 1, 1)
    image = bpy.data.images.new("Large", 3000, 1500, alpha=True)
    image.pixels.foreach_set(pixels.ravel())
    image.filepath_raw, image.file_format = str(cup.folder.path / "front.png"), "PNG"
    image.save()
    bpy.data.images.remove(image)

    assemble(cup)

    [asset] = append(tmp_path / "assets" / "Cup.blend")
    shown = preview_of(asset)
    assert asset.preview.is_image_custom and shown.shape == (128, 256, 4)
    assert np.allclose(shown[10:118, 5:120], (1, 0, 0, 1), atol=0.02)
    assert np.allclose(shown[5:60, 135:250], (0, 0, 1, 1), atol=0.02)
    assert np.allclose(shown[70:120, 135:250, 3], 0, atol=0.02)
    assert (tmp_path / "assets" / "Cup.blend").stat().st_size < 2_000_000


@pytest.mark.parametrize("in_one_file", [False, True])
def test_a_second_time_changes_no_byte(
    exhibit: Exhibits, assemble: Callable[..., list[Any]], tmp_path: Path, in_one_file: bool
) -> None:
    exhibits = [exhibit("Cup"), exhibit("A cup with a name that is far too long for one of Blender's datablocks, " * 2)]
    assert states(assemble(*exhibits, in_one_file=in_one_file)) == ["added", "added"]
    before = stamps(tmp_path / "assets")

    assert states(assemble(*exhibits, in_one_file=in_one_file)) == ["there", "there"]

    assert stamps(tmp_path / "assets") == before


def test_what_was_made_anew_replaces_the_old_one_and_leaves_the_others(
    exhibit: Exhibits, assemble: Callable[..., list[Any]], tmp_path: Path
) -> None:
    mug = exhibit("Mug")
    assemble(exhibit("Cup"), mug)
    before = stamps(tmp_path / "assets")

    bpy.ops.mesh.primitive_cube_add(size=5)
    assert states(assemble(exhibit("Cup", job="another"), mug)) == ["added", "there"]

    after = stamps(tmp_path / "assets")
    assert after["Mug.blend"] == before["Mug.blend"] and after.keys() == before.keys()
    [asset] = append(tmp_path / "assets" / "Cup.blend")
    assert asset["image_to_3d_job"] == "another" and len(asset.data.polygons) == 12


def test_overwriting_makes_all_anew(exhibit: Exhibits, assemble: Callable[..., list[Any]], tmp_path: Path) -> None:
    cup = exhibit("Cup")
    assemble(cup)
    assert states(assemble(cup, overwrite=True, catalog="Elsewhere")) == ["added"]
    [asset] = append(tmp_path / "assets" / "Cup.blend")
    assert f"{asset.asset_data.catalog_id}:Elsewhere:" in (tmp_path / "assets" / "blender_assets.cats.txt").read_text()


def test_one_file_grows_and_keeps_what_its_user_put_there(
    exhibit: Exhibits, assemble: Callable[..., list[Any]], tmp_path: Path
) -> None:
    one = tmp_path / "assets" / "assets.blend"
    assemble(exhibit("Cup"), in_one_file=True)
    append(one)
    own = bpy.data.materials.new("Own")
    own.asset_mark()
    bpy.data.libraries.write(str(one), {own, bpy.data.objects["Cup"]})
    given.new_file()

    bpy.ops.mesh.primitive_cube_add()
    assert states(assemble(exhibit("Mug"), exhibit("Cup", job="another"), in_one_file=True)) == ["added", "added"]

    assets = {each.name: each for each in append(one)}
    assert assets.keys() == {"Cup", "Mug"} and assets["Cup"]["image_to_3d_job"] == "another"
    with bpy.data.libraries.load(str(one), assets_only=True) as (there, _):
        assert there.materials == ["Own"]
    assert len(assets["Cup"].preview.image_pixels_float) and assets["Mug"].asset_data.tags.keys()


@pytest.mark.parametrize("kind", ["blend", "garbage"])
@pytest.mark.parametrize("in_one_file", [False, True])
def test_a_file_of_the_users_is_kept(
    errors: Any, exhibit: Exhibits, assemble: Callable[..., list[Any]], tmp_path: Path, kind: str, in_one_file: bool
) -> None:
    own = tmp_path / "assets" / ("assets.blend" if in_one_file else "Cup.blend")
    if kind == "blend":
        bpy.ops.mesh.primitive_cube_add()
        bpy.ops.wm.save_as_mainfile(filepath=str(own), copy=True)
        given.new_file()
    else:
        own.write_bytes(b"no blend")
    before, cup = own.read_bytes(), exhibit("Cup")

    if in_one_file:
        with pytest.raises(errors.StorageError, match=r"exists and is kept|cannot be read"):
            assemble(cup, in_one_file=True, overwrite=True)
    else:
        [news] = assemble(cup, overwrite=True)
        assert news.asset == "missing" and news.problem.kind == "StorageError" and own.name in news.problem.message

    assert own.read_bytes() == before


def test_a_broken_model_is_reported_and_does_not_stop_the_others(
    assembly: Any, exhibit: Exhibits, assemble: Callable[..., list[Any]], tmp_path: Path
) -> None:
    broken, mug = exhibit("Cup"), exhibit("Mug")
    (broken.folder.result / "model.glb").write_bytes(b"glTF\2\0\0\0")
    unknown = assembly.Exhibit(tmp_path / "Cup.png", "Unknown")
    failed = assembly.Exhibit(tmp_path / "Cup.png", "Failed", reason="No credit.")

    news = assemble(broken, mug, unknown, failed)

    assert states(news) == ["missing", "added", "missing", "missing"]
    assert [each.problem and each.problem.kind for each in news] == ["BadResult", None, "StorageError", None]
    assert {path.name for path in (tmp_path / "assets").glob("*.blend")} == {"Mug.blend"}


def test_a_full_disk_leaves_the_old_file(
    package: ModuleType, assembly: Any, exhibit: Exhibits, full_folder: Path, tmp_path: Path
) -> None:
    old = full_folder / "old.txt"
    old.write_text("old")
    assembler = given.module(package, "blender.assets.batch_products").Assembler()
    news: list[Any] = []
    try:
        assembler.assemble([exhibit("Cup")], assembly.Wish(full_folder), news.append)
        said = news[0].problem.message
    except given.module(package, "errors").StorageError as error:  # there was not even room for the catalogues
        said = str(error)
    assert "cannot be written: " in said and "oserror" not in said, said
    assert not list(full_folder.glob("*.blend")) and old.read_text() == "old"


def test_a_batch_that_was_made_before_becomes_assets_and_nothing_is_made_again(
    package: ModuleType, tmp_path: Path
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number, name in enumerate(("cup.png", "mug.png")):
        given.disc(pictures / name, (200, 60 * number, 40))
    (pictures / "broken.png").write_bytes((pictures / "cup.png").read_bytes()[:200])
    words = ("batch", pictures, "--output-dir", tmp_path / "out", "--option", "resolution=48")
    assert run(*words, library=tmp_path / "library").returncode == 1
    jobs = sorted((tmp_path / "out" / ".image_to_3d").iterdir())

    assets = tmp_path / "out" / "assets"
    more = ("--resume", "--asset-library", assets, "--contact-sheet", tmp_path / "out" / "sheet.png")
    answer = run(*words, *more, "--json", library=tmp_path / "library")

    assert answer.returncode == 1, answer.stderr
    lines = [json.loads(line) for line in answer.stdout.splitlines()]
    assert lines[-1] == {
        **{"event": "done", "done": 0, "skipped": 2, "failed": 1},
        "asset_library": {"folder": str(assets), "added": 2, "there": 0, "missing": 1},
        "contact_sheet": [str(tmp_path / "out" / "sheet.png")],
    }
    assert sorted((tmp_path / "out" / ".image_to_3d").iterdir()) == jobs
    assert {path.name for path in assets.glob("*.blend")} == {"cup.blend", "mug.blend"}
    before = stamps(assets)
    told = run(*words, *more, library=tmp_path / "library")
    assert stamps(assets) == before
    assert f"Asset library: {assets} (0 added, 2 were there)" in told.stdout and "sheet.png" in told.stdout


def test_two_processes_fill_one_library(package: ModuleType, assembly: Any, exhibit: Exhibits, tmp_path: Path) -> None:
    """As on a farm: each puts its part into the same file, and both at the same moment."""
    library = tmp_path / "assets"
    library.mkdir()
    program = tmp_path / "assemble.py"
    program.write_text(
        "import importlib, os, sys\n"
        "from pathlib import Path\n"
        "import bpy, addon_utils\n"
        f"name = {package.__name__!r}\n"
        "addon_utils.enable(name, default_set=True)\n"
        "load = lambda each: importlib.import_module(f'{name}.{each}')\n"
        "assembly, library = load('batch.assembly'), load('jobs.library')\n"
        "folder, title, target = sys.argv[1:]\n"
        "exhibit = assembly.Exhibit(Path(folder, 'front.png'), title, library.JobFolder(Path(folder)))\n"
        "wish = assembly.Wish(Path(target), in_one_file=True)\n"
        "load('blender.assets.batch_products').Assembler().assemble([exhibit], wish, print)\n"
        "sys.stdout.flush(); os._exit(0)\n"
    )
    started = [
        subprocess.Popen([sys.executable, program, each.folder.path, each.title, library], stdout=subprocess.PIPE)
        for each in (exhibit("Cup"), exhibit("Mug"))
    ]
    for process in started:
        process.communicate(timeout=HANGS_SECONDS)
        assert process.returncode == 0
    assert {each.name for each in append(library / "assets.blend")} == {"Cup", "Mug"}
