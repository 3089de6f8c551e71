# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects become files that open again, whole or not at all."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import bpy
import pytest

from . import given

pytestmark = [
    pytest.mark.everywhere,
    # Blender 5.2's FBX add-on was written for the NumPy that comes with it; the tests may have a newer one.
    pytest.mark.filterwarnings("ignore:Setting the shape on a NumPy array:DeprecationWarning"),
    # Blender's glTF exporter does not close its file when the disk is full.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <_io:pytest.PytestUnraisableExceptionWarning"),
]

SUFFIXES = [".blend", ".glb", ".gltf", ".obj", ".stl", ".ply", ".fbx", ".usdc", ".usdz"]
TEXTURED = [".blend", ".glb", ".gltf", ".obj", ".fbx", ".usdc"]


@pytest.fixture
def export(package: ModuleType) -> Any:
    return given.module(package, "blender.export")


@pytest.fixture
def errors(package: ModuleType) -> Any:
    return given.module(package, "errors")


@pytest.fixture
def cup(package: ModuleType, tmp_path: Path) -> bpy.types.Object:
    """An imported model with a packed picture, in a scene with other things, one of them being edited."""
    made = tmp_path / "made"
    made.mkdir()
    given.textured_monkey(made)
    model = given.write(made / "model.glb")
    given.new_file()
    root = given.module(package, "blender.importing.import_model").import_job(
        given.job(package, placement={"height": 2.0}), [model]
    )
    bpy.ops.mesh.primitive_cube_add(size=9)
    bpy.ops.object.mode_set(mode="EDIT")
    return root


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def open_again(path: Path) -> bpy.types.Object:
    """Read a file into an empty scene and return its mesh object."""
    given.new_file()
    match path.suffix:
        case ".blend":
            bpy.ops.wm.open_mainfile(filepath=str(path))
        case ".glb" | ".gltf":
            bpy.ops.import_scene.gltf(filepath=str(path))
        case ".fbx":
            bpy.ops.import_scene.fbx(filepath=str(path))
        case ".usdc" | ".usdz":
            bpy.ops.wm.usd_import(filepath=str(path))
        case suffix:
            getattr(bpy.ops.wm, f"{suffix[1:]}_import")(filepath=str(path))
    [mesh] = [each for each in bpy.context.scene.objects if each.type == "MESH"]
    return mesh


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_opens_again_with_this_object_only(
    export: Any, cup: bpy.types.Object, target: Path, suffix: str
) -> None:
    situation, before = given.situation(), given.datablocks()

    export.save([cup], target / f"my cup{suffix}")

    assert given.situation() == situation and given.datablocks() == before
    assert not [path for path in target.rglob("*") if path.name.startswith(".") or path.name.endswith("~")]
    again = open_again(target / f"my cup{suffix}")
    low, high = given.box(again)
    assert abs(high.z - low.z - 2) < 1e-4 and abs(low.z) < 1e-4
    assert {each.type for each in bpy.context.scene.objects} <= {"MESH", "EMPTY"}


@pytest.mark.parametrize("suffix", TEXTURED)
def test_the_picture_is_in_the_file_or_beside_it(export: Any, cup: bpy.types.Object, target: Path, suffix: str) -> None:
    export.save([cup], target / f"cup{suffix}")

    root = open_again(target / f"cup{suffix}")

    images = [node.image for node in root.active_material.node_tree.nodes if node.type == "TEX_IMAGE"]
    assert images and all(tuple(image.size) == (16, 16) and image.pixels[7] > 0 for image in images)


def test_a_blend_file_shows_a_scene_with_the_model_selected_nowhere_else(
    export: Any, cup: bpy.types.Object, target: Path
) -> None:
    export.save([cup], target / "cup.blend")
    assert (target / "cup.blend").read_bytes()[:7] == b"BLENDER", "it is compressed"

    given.new_file()
    bpy.ops.wm.open_mainfile(filepath=str(target / "cup.blend"))

    assert [each.name for each in bpy.context.scene.objects] == ["Cup"] == [each.name for each in bpy.data.objects]
    assert bpy.context.view_layer.objects.active.name == "Cup"
    assert bpy.data.objects["Cup"]["image_to_3d_job"] == "2026-cup"


@pytest.mark.parametrize("suffix", [".glb", ".gltf"])
def test_custom_properties_go_along(export: Any, cup: bpy.types.Object, target: Path, suffix: str) -> None:
    export.save([cup], target / f"cup{suffix}")
    assert open_again(target / f"cup{suffix}")["image_to_3d_provider"] == "offline_shape"


def test_children_go_along(export: Any, target: Path) -> None:
    root = bpy.data.objects.new("Root", None)
    bpy.ops.mesh.primitive_cube_add()
    bpy.context.object.parent = root
    bpy.context.scene.collection.objects.link(root)

    export.save([root], target / "cup.glb")

    assert open_again(target / "cup.glb").parent.name == "Root"


@pytest.mark.parametrize("suffix", [".xyz", "", ".png"])
def test_an_unknown_ending_is_refused_with_the_ones_that_work(
    export: Any, errors: Any, cup: bpy.types.Object, target: Path, suffix: str
) -> None:
    with pytest.raises(errors.BadOption) as caught:
        export.save([cup], target / f"cup{suffix}")
    assert ".blend, .glb, .gltf, .obj, .stl, .ply, .fbx" in caught.value.hint
    assert not list(target.iterdir())


def test_an_old_file_is_replaced(export: Any, cup: bpy.types.Object, target: Path) -> None:
    (target / "cup.GLB").write_text("old")
    export.save([cup], target / "cup.GLB")
    assert (target / "cup.GLB").read_bytes()[:4] == b"glTF" and len(list(target.iterdir())) == 1


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_folder_that_is_missing_or_read_only_is_told(
    export: Any, errors: Any, cup: bpy.types.Object, tmp_path: Path, read_only_folder: Path, suffix: str
) -> None:
    situation, before = given.situation(), given.datablocks()
    for folder in (tmp_path / "missing", read_only_folder):
        with pytest.raises(errors.StorageError, match="cannot be written"):
            export.save([cup], folder / f"cup{suffix}")
    assert given.situation() == situation and given.datablocks() == before


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk_leaves_the_old_file(
    export: Any, errors: Any, cup: bpy.types.Object, full_folder: Path, suffix: str
) -> None:
    old = full_folder / f"cup{suffix}"
    old.write_text("old")
    situation, before = given.situation(), given.datablocks()

    with pytest.raises(errors.StorageError) as caught:
        export.save([cup], old)

    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)
    assert [path.name for path in full_folder.iterdir()] == [old.name] and old.read_text() == "old"
    assert given.situation() == situation and given.datablocks() == before


@pytest.mark.parametrize("suffix", [".obj", ".gltf"])
def test_the_picture_that_a_model_was_made_from_is_not_overwritten(
    export: Any, cup: bpy.types.Object, target: Path, suffix: str
) -> None:
    [image] = {node.image for node in cup.active_material.node_tree.nodes if node.type == "TEX_IMAGE"}
    name = bpy.path.basename(image.filepath)
    (target / name).write_text("the user's own")
    situation, path = given.situation(), image.filepath

    for _ in range(2):
        export.save([cup], target / f"{Path(name).stem}{suffix}")

    assert (target / name).read_text() == "the user's own"
    assert given.situation() == situation and image.filepath == path


def test_beside_a_new_file_nothing_else_is_replaced(
    export: Any, errors: Any, cup: bpy.types.Object, target: Path
) -> None:
    (target / "cup.mtl").write_text("the user's own")
    with pytest.raises(errors.StorageError, match="exists and is kept"):
        export.save([cup], target / "cup.obj")
    assert [path.name for path in target.iterdir()] == ["cup.mtl"]
    assert (target / "cup.mtl").read_text() == "the user's own"


class TEST_OT_interrupted(bpy.types.Operator):
    """An exporter during which the user presses Ctrl-C"""

    bl_idname = "test.interrupted"
    bl_label = "Interrupted"
    filepath: bpy.props.StringProperty()

    def execute(self, context: bpy.types.Context) -> set[str]:
        raise KeyboardInterrupt


def test_ctrl_c_is_not_a_failure_of_an_exporter(package: ModuleType, target: Path) -> None:
    bpy.utils.register_class(TEST_OT_interrupted)
    try:
        with pytest.raises(KeyboardInterrupt):
            given.module(package, "blender.foreign").call(bpy.ops.test.interrupted, target / "cup.glb", {})
    finally:
        bpy.utils.unregister_class(TEST_OT_interrupted)
