# SPDX-License-Identifier: GPL-3.0-or-later
"""What the import process prepared comes into the scene, and nothing else there changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import bpy
import numpy as np
import pytest

from .. import given

SPOT = (1.0, -2.0, 3.0)


@pytest.fixture(scope="module")
def running(package: ModuleType) -> Iterator[Any]:
    """One import process for all tests."""
    module = given.module(package, "blender.importing.import_process")
    started = module.ImportProcess(given.module(package, "pictures.blender_process").find_blender())
    yield started
    started.stop()


@pytest.fixture
def appending(package: ModuleType) -> Any:
    return given.module(package, "blender.importing.appending")


@pytest.fixture
def errors(package: ModuleType) -> Any:
    return given.module(package, "errors")


@pytest.fixture
def prepared(package: ModuleType, running: Any, tmp_path: Path) -> Callable[..., Path]:
    """What the import process makes of the scene as it is, which is then a new one."""

    def prepare(
        *,
        model: Path | None = None,
        placement: dict[str, Any] | None = None,
        preview: Path | None = None,
        **changes: Any,
    ) -> Path:
        made = tmp_path / f"made{len(list(tmp_path.iterdir()))}"
        made.mkdir()
        if model is None:
            model = given.write(made / "model.glb")
            given.new_file()
        folder = given.finished(package, made / "job", model, **changes)
        import_process = given.module(package, "blender.importing.import_process")
        units = import_process.units_of(bpy.context.scene)
        running.prepare(import_process.Task(folder, placement or {}, units, preview and str(preview)))
        deadline = time.monotonic() + 60
        while not (done := running.step()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert isinstance(done[0], import_process.Prepared), done
        blend: Path = done[0].blend
        return blend

    return prepare


@pytest.fixture
def cup(prepared: Callable[..., Path], tmp_path: Path) -> Path:
    """A textured monkey that is called Cup."""
    given.textured_monkey(tmp_path)
    return prepared(options={"detail": 3}, placement={"height": 2.0})


def append(appending: Any, blend: Path, **changes: Any) -> bpy.types.Object:
    scene, view_layer = bpy.context.scene, bpy.context.view_layer
    arguments = {"location": SPOT, "scene": scene, "view_layer": view_layer, "collection_name": None, "select": False}
    root: bpy.types.Object = appending.append(blend, **{**arguments, **changes})
    return root


def test_it_is_what_the_importer_would_have_made(
    package: ModuleType, appending: Any, prepared: Callable[..., Path], tmp_path: Path
) -> None:
    given.textured_monkey(tmp_path)
    blend = prepared(options={"detail": 3}, placement={"height": 2.0})
    folder = next(tmp_path.glob("made*/job"))
    job = given.module(package, "jobs.library").JobFolder(folder).load()
    bpy.context.scene.cursor.location = SPOT
    descriptions = given.module(package, "blender.importing.provenance").descriptions_of(job)
    placement = given.module(package, "models").Placement(height=2.0)
    direct = given.module(package, "blender.importing.import_model").import_job(
        job, [folder / "result" / "model.glb"], descriptions=descriptions, placement=placement
    )
    expected = facts(direct)
    given.new_file()

    assert facts(append(appending, blend)) == expected


def facts(root: bpy.types.Object) -> dict[str, Any]:
    """Everything that can be said of a single mesh object."""
    bpy.context.view_layer.update()
    mesh, [material] = root.data, root.data.materials
    texture = next(node for node in material.node_tree.nodes if node.type == "TEX_IMAGE")
    positions = np.zeros(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", positions)
    normals = np.zeros(3 * len(mesh.loops), np.float32)
    mesh.corner_normals.foreach_get("vector", normals)
    return {
        "names": [root.name, mesh.name, material.name, texture.image.name],
        "matrix": [list(row) for row in root.matrix_world],
        "positions": positions.tobytes(),
        "corners": [loop.vertex_index for loop in mesh.loops],
        "normals": normals.tobytes(),
        "attributes": sorted((each.name, each.data_type, each.domain) for each in mesh.attributes),
        "pixels": bytes(texture.image.packed_file.data),
        "path": texture.image.filepath,
        "properties": {key: root[key] for key in root.keys()},
        "tooltips": {key: root.id_properties_ui(key).as_dict()["description"] for key in root.keys()},
        "fake users": [each.use_fake_user for each in (root, mesh, material, texture.image)],
        "users": [each.users for each in (mesh, material, texture.image)],
        "collections": [each.name for each in root.users_collection],
    }


@pytest.mark.parametrize("mode", ["OBJECT", "EDIT", "SCULPT", "TEXTURE_PAINT"])
def test_nothing_else_changes(appending: Any, cup: Path, mode: str) -> None:
    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.object.mode_set(mode=mode)
    bpy.context.scene.frame_set(7)
    situation, before = given.situation(), given.datablocks()

    root = append(appending, cup)

    assert given.situation() == situation
    made = {uid: name for uid, name in given.datablocks().items() if uid not in before}
    assert sorted(made.values()) == ["Image skin", "Material Fur", "Mesh Cup", "Object Cup"]
    assert root.library is None and root.library_weak_reference is None
    assert before.keys() <= given.datablocks().keys()
    assert tuple(root.location) == SPOT and not root.select_get()


def test_names_that_are_taken_get_a_number(appending: Any, cup: Path) -> None:
    first, second = append(appending, cup), append(appending, cup)

    assert (first.name, first.data.name) == ("Cup", "Cup")
    assert (second.name, second.data.name, second.active_material.name) == ("Cup.001", "Cup.001", "Fur.001")
    assert first.data != second.data and first.active_material != second.active_material


def test_it_goes_where_it_is_asked_for(appending: Any, cup: Path) -> None:
    mine = bpy.data.collections.new("Mine")
    bpy.context.scene.collection.children.link(mine)
    layer = bpy.context.view_layer.layer_collection.children["Mine"]
    bpy.context.view_layer.active_layer_collection = layer

    active = append(appending, cup)
    named = append(appending, cup, collection_name="Made by machines")
    layer.exclude = True
    bpy.context.view_layer.active_layer_collection = layer
    elsewhere = append(appending, cup)

    assert [each.users_collection[0].name for each in (active, named, elsewhere)] == [
        "Mine", "Made by machines", bpy.context.scene.collection.name
    ]  # fmt: skip
    assert bpy.data.collections["Made by machines"] in list(bpy.context.scene.collection.children)


def test_it_can_be_selected(appending: Any, cup: Path) -> None:
    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.object.mode_set(mode="EDIT")

    root = append(appending, cup, select=True)

    assert bpy.context.mode == "OBJECT" and bpy.context.selected_objects == [root]
    assert bpy.context.view_layer.objects.active == root


@pytest.mark.parametrize("damage", ["gone", "empty", "noise", "half", "nothing in it"])
def test_a_damaged_file_is_told_and_leaves_nothing(appending: Any, errors: Any, cup: Path, damage: str) -> None:
    whole = cup.read_bytes()
    if damage == "gone":
        cup.unlink()
    elif damage == "nothing in it":
        bpy.data.libraries.write(str(cup), {bpy.data.meshes.new("Alone")})
    else:
        cup.write_bytes({"empty": b"", "noise": bytes(range(256)) * 20, "half": whole[: len(whole) // 2]}[damage])
    situation, before = given.situation(), given.datablocks()

    with pytest.raises(errors.StorageError) as caught:
        append(appending, cup, collection_name="New")

    assert str(caught.value).startswith("The model that was prepared") and caught.value.hint == "Import it again."
    assert given.datablocks() == before and given.situation() == situation


@pytest.fixture
def replacing(package: ModuleType) -> Any:
    return given.module(package, "blender.importing.replacing")


@pytest.fixture
def pair(prepared: Callable[..., Path]) -> Path:
    """A model of two objects: a cube below a cone's root."""
    bpy.ops.mesh.primitive_cube_add(location=(-2, 0, 0))
    bpy.ops.mesh.primitive_cone_add(location=(2, 0, 1))
    return prepared(name="Pair")


def corner_count(root: bpy.types.Object) -> int:
    return sum(len(each.data.loops) for each in (root, *root.children_recursive) if each.type == "MESH")


def test_a_model_takes_the_place_of_another(
    appending: Any, replacing: Any, cup: Path, prepared: Callable[..., Path], tmp_path: Path
) -> None:
    target = append(appending, cup)
    twin = target.copy()  # a linked duplicate
    bpy.context.scene.collection.objects.link(twin)
    target.name = "Grandmother's"
    target.rotation_euler, target.scale = (0.1, 0.2, 0.3), (2, 2, 2)
    target.modifiers.new("Wobble", "WAVE")
    target.constraints.new("LIMIT_SCALE")
    target.keyframe_insert("location", frame=5)
    target["mine"] = 7
    target["image_to_3d_gone"] = 1
    target.select_set(True)
    bpy.context.view_layer.objects.active = target
    parent = bpy.data.objects.new("Parent", None)
    bpy.context.scene.collection.objects.link(parent)
    parent.location = (5, 0, 0)
    target.parent = parent
    follower = bpy.data.objects.new("Follower", None)
    bpy.context.scene.collection.objects.link(follower)
    follower.constraints.new("COPY_LOCATION").target = target
    child = bpy.data.objects.new("Hat", None)
    bpy.context.scene.collection.objects.link(child)
    child.parent = target
    bpy.context.view_layer.update()
    old_mesh, place, hat = target.data, target.matrix_world.copy(), child.matrix_world.copy()
    situation, before = given.situation(), given.datablocks()
    blend = again(prepared, tmp_path)

    replaced = replacing.replace(blend, target)

    bpy.context.view_layer.update()
    assert replaced == target and target.name == "Grandmother's" and target.data != old_mesh == twin.data
    assert target.matrix_world == place and child.matrix_world == hat and child.parent == target
    assert [each.name for each in target.modifiers] == ["Wobble"] and len(target.constraints) == 1
    assert target.animation_data.action and target.parent == parent and target["mine"] == 7
    assert follower.constraints[0].target == target and "image_to_3d_gone" not in target
    assert target["image_to_3d_seed"] == 11 and len(target.data.polygons) == 6
    assert target.id_properties_ui("image_to_3d_job").as_dict()["description"].startswith("Number of the")
    assert given.situation() == situation
    made = sorted(name for uid, name in given.datablocks().items() if uid not in before)
    assert made == ["Mesh Cup.001"] and before.keys() <= given.datablocks().keys()


def again(prepared: Callable[..., Path], tmp_path: Path) -> Path:
    """A cube that is called Cup, made without touching the file that is open."""
    points = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype="<f4")
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    lines = [f"v {x} {y} {z}" for x, y, z in points] + ["f " + " ".join(str(i + 1) for i in quad) for quad in quads]
    model = tmp_path / "cube" / "model.obj"
    model.parent.mkdir()
    model.write_text("\n".join(lines))
    return prepared(model=model, options={"seed": 11})


def test_what_nobody_uses_any_more_goes_and_its_names_are_taken(
    appending: Any, replacing: Any, cup: Path, prepared: Callable[..., Path], tmp_path: Path
) -> None:
    target = append(appending, cup)
    old = {each.session_uid for each in (target.data, target.active_material, *bpy.data.images)}

    replacing.replace(cup, target)

    assert not old & given.datablocks().keys()
    names = [target.name, target.data.name, target.active_material.name, *(each.name for each in bpy.data.images)]
    assert names == ["Cup", "Cup", "Fur", "skin"] and len(bpy.data.meshes) == 1


@pytest.mark.parametrize("old", ["cup", "pair"])
@pytest.mark.parametrize("new", ["cup", "pair"])
def test_either_side_may_have_several_objects(
    appending: Any, replacing: Any, cup: Path, pair: Path, old: str, new: str
) -> None:
    blends = {"cup": cup, "pair": pair}
    expected = append(appending, blends[new], location=(0, 0, 0))
    size = np.subtract(*given.box(expected)[::-1])
    corners = corner_count(expected)
    bpy.data.batch_remove([expected, *expected.children_recursive])
    bpy.data.orphans_purge()
    target = append(appending, blends[old])
    target.scale = (2, 2, 2)
    hat = bpy.data.objects.new("Hat", None)
    bpy.context.scene.collection.objects.link(hat)
    hat.parent = target.children[0] if target.children else target
    hat.location = (0, 0, 9)
    bpy.context.view_layer.update()
    hat_place, kind = hat.matrix_world.copy(), target.type

    for _ in range(2):  # what was replaced once can be replaced again
        replacing.replace(blends[new], target)

    bpy.context.view_layer.update()
    assert target.type == kind and target.name == {"cup": "Cup", "pair": "Pair"}[old]
    assert given.close(hat.matrix_world, hat_place) and hat.parent == target
    assert corner_count(target) == corners
    assert given.close(np.subtract(*given.box(target)[::-1]), 2 * size, 1e-4)
    members = {target, hat, *target.children_recursive}
    assert set(bpy.context.scene.objects) == members == set(bpy.data.objects)
    assert all(each.users_collection == target.users_collection for each in members)
    assert "image_to_3d_job" in target and not any("image_to_3d_job" in each for each in target.children_recursive)


def test_what_cannot_be_replaced_is_told_and_stays(
    appending: Any, replacing: Any, errors: Any, cup: Path, tmp_path: Path
) -> None:
    target = append(appending, cup)
    bpy.context.view_layer.update()
    bpy.context.view_layer.objects.active = target
    bpy.ops.object.mode_set(mode="EDIT")
    before = given.datablocks()

    with pytest.raises(errors.StorageError, match="is being edited"):
        replacing.replace(cup, target)
    bpy.ops.object.mode_set(mode="OBJECT")
    cup.write_bytes(b"BLENDER")
    with pytest.raises(errors.StorageError, match="cannot be read"):
        replacing.replace(cup, target)

    assert given.datablocks() == before and len(target.data.polygons) >= 500


@pytest.mark.parametrize("faces", [40, 100, 500, 5000])
def test_a_model_has_at_most_as_many_triangles_as_asked_for(
    appending: Any, prepared: Callable[..., Path], tmp_path: Path, faces: int
) -> None:
    """A closed torus with seams in its texture: it stays closed, and nearly as large."""
    positions, quads, uvs = given.torus(48, 32)
    mesh = bpy.data.meshes.new("Torus")
    mesh.from_pydata(positions.tolist(), [], quads.tolist())
    mesh.uv_layers.new(name="UVMap").data.foreach_set("uv", uvs.ravel())
    mesh.shade_smooth()
    mesh.materials.append(bpy.data.materials.new("Dough"))
    bpy.context.scene.collection.objects.link(bpy.data.objects.new("Torus", mesh))

    root = append(appending, prepared(placement={"faces": faces, "height": 2.0}))

    triangles = len(root.data.loops) - 2 * len(root.data.polygons)
    assert triangles == 3072 if faces == 5000 else faces * 0.8 <= triangles <= faces
    uses = np.bincount([loop.edge_index for loop in root.data.loops], minlength=len(root.data.edges))
    assert set(uses.tolist()) == {2}
    low, high = given.box(root)
    assert abs(high.z - low.z - 2.0) < 1e-5 and tuple(root.location) == SPOT
    assert [each.name for each in root.data.uv_layers] == ["UVMap"] and root.active_material.name == "Dough"
    assert not root.data.has_custom_normals and root.name == root.data.name == "Cup"


def test_a_mesh_is_welded_where_that_looks_the_same(appending: Any, prepared: Callable[..., Path]) -> None:
    bpy.ops.mesh.primitive_torus_add(major_segments=96, minor_segments=48)  # its texture has seams
    bpy.ops.object.shade_smooth()
    smooth = append(appending, prepared())

    assert not smooth.data.has_custom_normals and smooth.data.normals_domain == "POINT"
    assert len(smooth.data.vertices) == 96 * 48 and len(smooth.data.uv_layers) == 1


def test_a_mesh_with_hard_edges_keeps_its_normals(appending: Any, prepared: Callable[..., Path]) -> None:
    bpy.ops.mesh.primitive_cylinder_add(vertices=64)
    bpy.context.object.data.shade_smooth()
    bpy.context.object.data.set_sharp_from_angle(angle=0.5)
    hard = append(appending, prepared())

    normals = np.zeros(3 * len(hard.data.loops), np.float32)
    hard.data.corner_normals.foreach_get("vector", normals)
    upright = np.abs(normals.reshape(-1, 3)[:, 2])
    assert ((upright < 0.01) | (upright > 0.99)).all()


@pytest.mark.parametrize("kind", [".png", ".jpg", ".bmp", "broken"])
def test_an_asset_shows_the_picture_that_it_was_made_from(
    appending: Any, prepared: Callable[..., Path], tmp_path: Path, kind: str
) -> None:
    """Twice as wide as high; the left half is red, the right half is blue at the bottom, green at the top."""
    pixels = np.zeros((300, 600, 4), np.float32)
    pixels[:, :, 3] = 1
    pixels[:, :300, 0] = pixels[:150, 300:, 2] = pixels[150:, 300:, 1] = 1
    picture = tmp_path / f"picture{kind if kind.startswith('.') else '.png'}"
    image = bpy.data.images.new("Picture", 600, 300)
    image.pixels.foreach_set(pixels.ravel())
    image.filepath_raw = str(picture)
    image.file_format = {".jpg": "JPEG", ".bmp": "BMP"}.get(kind, "PNG")
    image.save()
    bpy.data.images.remove(image)
    if kind == "broken":
        picture.write_bytes(picture.read_bytes()[:100])
    bpy.ops.mesh.primitive_cube_add()

    root = append(appending, prepared(placement={"as_asset": True}, preview=picture))

    assert root.asset_data is not None
    if kind == "broken":
        assert root.preview is None or not root.preview.is_image_custom
        return
    shown = np.array(root.preview.image_pixels_float).reshape(128, 256, 4)
    assert root.preview.is_image_custom and tuple(root.preview.image_size) == (256, 128)
    assert np.allclose(shown[64, 64], (1, 0, 0, 1), atol=0.03)
    assert np.allclose(shown[20, 200], (0, 0, 1, 1), atol=0.03) and np.allclose(
        shown[100, 200], (0, 1, 0, 1), atol=0.03
    )


@pytest.fixture
def asset_pair(prepared: Callable[..., Path], tmp_path: Path) -> Path:
    """A model of two objects that is to be an asset, with a red picture."""
    picture = tmp_path / "red.png"
    image = bpy.data.images.new("Red", 32, 32)
    image.generated_color = (1, 0, 0, 1)
    image.filepath_raw, image.file_format = str(picture), "PNG"
    image.save()
    bpy.data.images.remove(image)
    for place in (-2, 2):
        bpy.ops.mesh.primitive_cube_add(location=(place, 0, 0))
    return prepared(name="Pair", placement={"as_asset": True}, preview=picture)


def is_shown_red(asset: bpy.types.ID) -> bool:
    if given.LOSES_PREVIEWS_OF_COLLECTIONS and isinstance(asset, bpy.types.Collection):
        return asset.preview is None
    return np.allclose(np.array(asset.preview.image_pixels_float).reshape(-1, 4), (1, 0, 0, 1), atol=0.01)


def test_an_asset_of_several_objects_is_a_collection(appending: Any, asset_pair: Path) -> None:
    """An object as an asset comes without its children."""
    root = append(appending, asset_pair)

    [asset] = root.users_collection
    assert asset.asset_data is not None and root.asset_data is None and is_shown_red(asset)
    assert asset.name == "Pair" and set(asset.all_objects) == {root, *root.children_recursive}
    assert asset in list(bpy.context.scene.collection.children) and tuple(asset.instance_offset) == SPOT
    assert {tag.name for tag in asset.asset_data.tags} == {"image_to_3d", "offline_shape"}


def test_a_replaced_model_stays_one_asset(
    appending: Any, replacing: Any, cup: Path, asset_pair: Path, prepared: Callable[..., Path]
) -> None:
    bpy.ops.mesh.primitive_cube_add()
    single = prepared(name="Single", placement={"as_asset": True})

    def assets() -> list[bpy.types.ID]:
        return [each for each in (*bpy.data.objects, *bpy.data.collections) if each.asset_data is not None]

    root = append(appending, asset_pair)
    for blend in (asset_pair, single, cup):
        replacing.replace(blend, root)
        assert assets() == [root.users_collection[0]] and is_shown_red(root.users_collection[0])
        assert set(root.users_collection[0].objects) == {root, *root.children_recursive}
    given.new_file()
    root = append(appending, single)
    replacing.replace(asset_pair, root)
    [asset] = assets()
    assert set(asset.objects) == {root, *root.children_recursive} and is_shown_red(asset)
