# SPDX-License-Identifier: GPL-3.0-or-later
"""Result files become one object in the scene, and nothing else there changes."""

from __future__ import annotations

import json
import re
import struct
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import addon_utils
import bpy
import numpy as np
import pytest
from mathutils import Vector

from .. import given

pytestmark = [
    pytest.mark.everywhere,
    # Blender 5.2's FBX add-on was written for the NumPy that comes with it; the tests may have a newer one.
    pytest.mark.filterwarnings("ignore:Setting the shape on a NumPy array:DeprecationWarning"),
]

FORMATS = [".glb", ".gltf", ".obj", ".stl", ".ply", ".fbx"]
TEXTURED = [".glb", ".gltf", ".obj", ".fbx"]
SPOT = Vector((1.0, -2.0, 3.0))


@pytest.fixture
def importer(package: ModuleType) -> Any:
    return given.module(package, "blender.importing.import_model")


@pytest.fixture
def errors(package: ModuleType) -> Any:
    return given.module(package, "errors")


@pytest.fixture
def monkey(tmp_path: Path) -> Callable[[str], list[Path]]:
    """A monkey in any format, made in a file that is closed again."""

    def make(suffix: str) -> list[Path]:
        folder = tmp_path / "made"
        folder.mkdir()
        given.textured_monkey(tmp_path)
        model = given.write(folder / f"model{suffix}")
        given.new_file()
        bpy.context.scene.cursor.location = SPOT
        return given.files(model)

    return make


def glb(document: dict[str, Any], binary: bytes = b"") -> bytes:
    """A GLB file with this JSON, as other programs than Blender write it."""
    text = json.dumps({"asset": {"version": "2.0", "generator": "others"}, **document}).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    if binary:
        chunks += struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def tetrahedron(*nodes: dict[str, Any], roots: list[int]) -> bytes:
    """A tetrahedron of height 1 without normals, hung up in `nodes`."""
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 0, -1], [0, 1, 0]], dtype="<f4")
    corners = np.array([0, 2, 1, 0, 1, 3, 0, 3, 2, 1, 2, 3], dtype="<u4")
    views = [{"buffer": 0, "byteOffset": 0, "byteLength": 48}, {"buffer": 0, "byteOffset": 48, "byteLength": 48}]
    accessors = [
        {"bufferView": 0, "componentType": 5126, "count": 4, "type": "VEC3", "min": [0, 0, -1], "max": [1, 1, 0]},
        {"bufferView": 1, "componentType": 5125, "count": 12, "type": "SCALAR"},
    ]
    return glb(
        {
            "scene": 0,
            "scenes": [{"nodes": roots}],
            "nodes": list(nodes),
            "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
            "accessors": accessors,
            "bufferViews": views,
            "buffers": [{"byteLength": 96}],
        },
        points.tobytes() + corners.tobytes(),
    )


def bottom(root: bpy.types.Object) -> Vector:
    low, high = given.box(root)
    return Vector(((low.x + high.x) / 2, (low.y + high.y) / 2, low.z))


def is_plain(root: bpy.types.Object) -> bool:
    """Whether the user sees neither a rotation nor a scale."""
    return (
        root.rotation_mode == "XYZ"
        and tuple(root.rotation_euler) == (0, 0, 0)
        and tuple(root.scale) == (1, 1, 1)
        and root.parent is None
    )


def edge_uses(mesh: bpy.types.Mesh) -> set[int]:
    return set(np.bincount([loop.edge_index for loop in mesh.loops]).tolist())


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_stands_upright_on_the_cursor_at_the_height_asked_for(
    package: ModuleType, importer: Any, monkey: Callable[[str], list[Path]], suffix: str
) -> None:
    files = monkey(suffix)
    situation, before = given.situation(), given.datablocks()

    root = importer.import_job(given.job(package, placement={"height": 2.0}), files)

    low, high = given.box(root)
    assert root.type == "MESH" and root.name == root.data.name == "Cup"
    assert is_plain(root) and tuple(root.location) == tuple(SPOT)
    assert given.close(bottom(root), SPOT) and abs(high.z - low.z - 2.0) < 1e-5
    # Suzanne is wider than high, higher than deep, and looks along -Y: her brow is in front, her ears are not.
    assert high.x - low.x > high.z - low.z > high.y - low.y
    assert all(polygon.use_smooth for polygon in root.data.polygons)
    assert len(root.data.polygons) >= 500
    assert given.situation() == situation
    kinds = sorted(name.split()[0] for uid, name in given.datablocks().items() if uid not in before)
    assert kinds == (["Image", "Material", "Mesh", "Object"] if suffix in TEXTURED else ["Mesh", "Object"])


@pytest.mark.parametrize("suffix", TEXTURED)
def test_pictures_come_with_the_model_and_need_no_folder(
    package: ModuleType, importer: Any, monkey: Callable[[str], list[Path]], suffix: str
) -> None:
    files = monkey(suffix)

    root = importer.import_job(given.job(package), files)
    for file in files:
        if file.is_file():
            file.unlink()

    [image] = bpy.data.images
    nodes = root.active_material.node_tree.nodes
    assert [node.image for node in nodes if node.type == "TEX_IMAGE"] == [image]
    assert bytes(image.packed_file.data[:4]) == b"\x89PNG" and image.pixels[0] == 0.0
    assert tuple(image.size) == (16, 16)
    assert str(files[0].parent) not in image.filepath and image.filepath.startswith("//")


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_with_a_wrong_name_is_known_by_its_bytes(
    package: ModuleType, importer: Any, monkey: Callable[[str], list[Path]], suffix: str
) -> None:
    model, *others = monkey(suffix)
    wrong = model.rename(model.with_name("model.glb" if suffix != ".glb" else "model.obj"))

    root = importer.import_job(given.job(package), [wrong, *others])

    assert len(root.data.polygons) >= 500
    assert wrong.exists()


@pytest.mark.parametrize("mode", ["EDIT", "SCULPT", "TEXTURE_PAINT", "WEIGHT_PAINT", "POSE", "OBJECT"])
@pytest.mark.parametrize("suffix", [".glb", ".obj", ".fbx"])
def test_whatever_the_user_is_doing_goes_on(
    package: ModuleType, importer: Any, monkey: Callable[[str], list[Path]], mode: str, suffix: str
) -> None:
    files = monkey(suffix)
    bpy.ops.object.camera_add()
    bpy.context.scene.camera = bpy.context.object
    if mode == "POSE":
        bpy.ops.object.armature_add()
    else:
        bpy.ops.mesh.primitive_cube_add()
    bpy.ops.object.mode_set(mode=mode)
    for area in bpy.context.window.screen.areas:
        if area.type == "VIEW_3D":
            area.spaces.active.region_3d.view_perspective = "CAMERA"
    bpy.context.scene.frame_set(7)
    situation = given.situation()

    importer.import_job(given.job(package), files)

    assert given.situation() == situation


def test_an_edit_that_is_under_way_is_not_lost(
    package: ModuleType, importer: Any, monkey: Callable[[str], list[Path]]
) -> None:
    import bmesh

    files = monkey(".glb")
    bpy.ops.mesh.primitive_cube_add()
    mesh = bpy.context.object.data
    bpy.ops.object.mode_set(mode="EDIT")
    edit = bmesh.from_edit_mesh(mesh)
    edit.verts.ensure_lookup_table()
    edit.verts[0].co = (9, 9, 9)
    bmesh.update_edit_mesh(mesh)

    importer.import_job(given.job(package), files)

    assert tuple(bmesh.from_edit_mesh(mesh).verts[:][0].co) == (9, 9, 9)
    bpy.ops.object.mode_set(mode="OBJECT")
    assert tuple(mesh.vertices[0].co) == (9, 9, 9)


def damaged(name: str, files: list[Path]) -> None:
    whole = files[0].read_bytes()
    files[0].write_bytes(
        {
            "half a GLB": whole[: len(whole) // 2],
            "a web page": b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>",
            "an error as JSON": b'{"error": "quota"}',
            "nothing": b"",
            "noise": bytes(range(256)) * 9,
            "an archive": b"PK\x03\x04" + bytes(100),
            "a GLB without a mesh": glb({"scene": 0, "scenes": [{"nodes": [0]}], "nodes": [{"name": "alone"}]}),
            "points without faces": b"v 0 0 0\nv 1 0 0\nv 1 1 0\n",
            "points that are nowhere": tetrahedron(
                {"children": [1], "scale": [1e30] * 3}, {"mesh": 0, "scale": [1e30] * 3}, roots=[0]
            ),
            "half an FBX": b"Kaydara FBX Binary  \x00\x1a\x00\xe8\x1c\x00\x00" + bytes(40),
            "an STL that says too much": b"solid x\nfacet normal 0 0 1\nouter loop\nvertex 0 0",
            "a PLY header": b"ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nend_header\n",
            "a glTF without its buffer": b'{"asset": {"version": "2.0"}, "meshes": [{"primitives": [{"attributes": '
            b'{"POSITION": 0}}]}], "nodes": [{"mesh": 0}], "scenes": [{"nodes": [0]}], "accessors": [{"bufferView": 0, '
            b'"componentType": 5126, "count": 3, "type": "VEC3"}], "bufferViews": [{"buffer": 0, "byteLength": 36}], '
            b'"buffers": [{"uri": "missing.bin", "byteLength": 36}]}',
        }[name]
    )


@pytest.mark.parametrize(
    "name",
    [
        "half a GLB", "a web page", "an error as JSON", "nothing", "noise", "an archive", "a GLB without a mesh",
        "points without faces", "points that are nowhere", "half an FBX", "an STL that says too much", "a PLY header",
        "a glTF without its buffer",
    ],
)  # fmt: skip
def test_a_damaged_file_is_one_sentence_and_leaves_no_debris(
    package: ModuleType, importer: Any, errors: Any, monkey: Callable[[str], list[Path]], name: str
) -> None:
    files = monkey(".glb")
    damaged(name, files)
    bpy.ops.mesh.primitive_cube_add()
    situation, before = given.situation(), given.datablocks()

    with pytest.raises(errors.BadResult) as caught:
        importer.import_job(given.job(package, placement={"collection": "New"}), files)

    message = str(caught.value)
    assert message.endswith(".") and "\n" not in message and "Traceback" not in message and "/" not in message
    assert given.datablocks() == before
    assert given.situation() == situation


def test_a_missing_file_is_told(package: ModuleType, importer: Any, errors: Any, tmp_path: Path) -> None:
    before = given.datablocks()
    with pytest.raises(errors.StorageError, match=r"\"gone\.glb\" cannot be read"):
        importer.import_job(given.job(package), [tmp_path / "gone.glb"])
    assert given.datablocks() == before


def test_an_importer_that_the_user_switched_off_is_named_and_not_switched_on(
    package: ModuleType, importer: Any, errors: Any, monkey: Callable[[str], list[Path]]
) -> None:
    files = monkey(".glb")
    addon_utils.disable("io_scene_gltf2")
    try:
        with pytest.raises(errors.StorageError) as caught:
            importer.import_job(given.job(package), files)
        assert "glTF 2.0 format" in caught.value.hint
        assert not addon_utils.check("io_scene_gltf2")[1]
    finally:
        addon_utils.enable("io_scene_gltf2")


def test_several_roots_get_one_and_cameras_and_lights_stay_away(
    package: ModuleType, importer: Any, tmp_path: Path
) -> None:
    bpy.ops.mesh.primitive_cube_add(location=(-2, 0, 0))
    bpy.ops.mesh.primitive_cube_add(location=(2, 0, 1), rotation=(0.3, 0.2, 0.1))
    bpy.ops.object.camera_add(location=(0, -9, 0))
    camera = bpy.context.object
    bpy.ops.mesh.primitive_cube_add(location=(0, 0, 4))
    bpy.context.object.parent = camera
    bpy.ops.object.light_add(type="POINT")
    model = given.write(tmp_path / "model.glb")
    expected = given.box_of_all()
    given.new_file()

    root = importer.import_job(given.job(package, placement={"height": 3.0}), [model])

    low, high = given.box(root)
    assert root.type == "EMPTY" and is_plain(root)
    assert {each.type for each in root.children_recursive} == {"MESH"} and len(root.children_recursive) == 3
    assert set(bpy.context.scene.objects) == {root, *root.children_recursive}
    assert not bpy.data.cameras and not bpy.data.lights
    assert given.close(bottom(root), (0, 0, 0)) and abs(high.z - low.z - 3) < 1e-5
    wanted = expected[1] - expected[0]
    assert given.close((high - low) / 3, wanted / wanted.z)


@pytest.mark.parametrize("suffix", [".glb", ".fbx"])
def test_bones_and_their_animation_stay(package: ModuleType, importer: Any, tmp_path: Path, suffix: str) -> None:
    bpy.ops.object.armature_add()
    bones = bpy.context.object
    bpy.ops.mesh.primitive_cube_add()
    cube = bpy.context.object
    cube.parent = bones
    cube.modifiers.new("Armature", "ARMATURE").object = bones
    cube.vertex_groups.new(name="Bone").add(range(8), 1.0, "REPLACE")
    bone = bones.pose.bones[0]
    bone.keyframe_insert("location", frame=1)
    bone.location = (0, 3, 0)
    bone.keyframe_insert("location", frame=20)
    model = given.write(tmp_path / f"model{suffix}")
    given.new_file()
    bpy.context.scene.cursor.location = SPOT
    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.object.mode_set(mode="EDIT")
    situation = given.situation()

    root = importer.import_job(given.job(package, placement={"height": 2.0}), [model])

    assert given.situation() == situation
    bpy.context.scene.frame_set(1)
    assert root.type == "EMPTY" and is_plain(root) and given.close(bottom(root), SPOT, 1e-4)
    kinds = [each.type for each in root.children_recursive]
    assert sorted(kinds) == ["ARMATURE", "MESH"]
    bpy.context.scene.frame_set(20)
    assert bottom(root).z > SPOT.z + 1
    assert not any("phere" in each.name for each in bpy.data.objects)
    assert [each.name for each in bpy.data.collections] == []


@pytest.mark.parametrize("stance", ["ground", "centre", "file"])
def test_the_origin_is_where_the_stance_says(package: ModuleType, importer: Any, tmp_path: Path, stance: str) -> None:
    bpy.ops.mesh.primitive_cube_add(location=(5, 6, 7))
    bpy.ops.object.transform_apply(location=True)
    model = given.write(tmp_path / "model.glb")
    given.new_file()

    root = importer.import_job(given.job(package), [model], placement=placement(package, stance), location=(1, 1, 1))

    low, high = given.box(root)
    origin = {"ground": (0, 0, 1), "centre": (0, 0, 0), "file": (5, 6, 7)}[stance]
    assert tuple(root.location) == (1, 1, 1)
    assert given.close((low + high) / 2, Vector((1, 1, 1)) + Vector(origin))


def placement(package: ModuleType, stance: str, **more: Any) -> Any:
    return given.module(package, "models").Placement.model_validate({"stance": stance, **more})


def test_the_origin_of_the_world_can_be_the_spot(
    package: ModuleType, importer: Any, monkey: Callable[[str], list[Path]]
) -> None:
    root = importer.import_job(given.job(package, placement={"spot": "origin"}), monkey(".stl"))
    assert tuple(root.location) == (0, 0, 0)


def test_a_mirrored_model_in_nested_nodes_comes_out_right_side_out(
    package: ModuleType, importer: Any, tmp_path: Path
) -> None:
    model = tmp_path / "model.glb"
    model.write_bytes(
        tetrahedron(
            {"name": "world", "children": [1], "rotation": [0, 0.7071068, 0, 0.7071068], "scale": [0.01, 0.01, 0.01]},
            {"name": "geometry_0", "mesh": 0, "scale": [-100, 100, 100], "translation": [5, 6, 7]},
            roots=[0],
        )
    )

    root = importer.import_job(given.job(package), [model])

    low, high = given.box(root)
    corners = [[root.data.vertices[index].co for index in each.vertices] for each in root.data.polygons]
    volume = sum(a.dot(b.cross(c)) for a, b, c in corners) / 6
    assert root.type == "MESH" and is_plain(root) and len(bpy.data.objects) == 1
    assert given.close(high - low, (1, 1, 1)) and given.close(bottom(root), (0, 0, 0))
    assert abs(volume - 1 / 6) < 1e-6


def test_a_shared_mesh_keeps_its_two_places(package: ModuleType, importer: Any, tmp_path: Path) -> None:
    model = tmp_path / "model.glb"
    model.write_bytes(tetrahedron({"mesh": 0}, {"mesh": 0, "translation": [4, 0, 0]}, roots=[0, 1]))

    root = importer.import_job(given.job(package), [model])

    low, high = given.box(root)
    assert root.type == "EMPTY" and len(root.children) == 2
    assert given.close(high - low, (5, 1, 1)) and given.close(bottom(root), (0, 0, 0))


def test_quads_come_back_closed_from_the_triangles_of_our_own_files(
    package: ModuleType, importer: Any, tmp_path: Path
) -> None:
    positions, quads, uvs = given.torus(24, 12)
    given.textured_monkey(tmp_path)
    given.new_file()
    data = given.module(package, "mesh.glb_writer").encode(
        positions=positions, quads=quads, uvs=uvs, texture_png=(tmp_path / "skin.png").read_bytes(), name="torus"
    )
    (tmp_path / "model.glb").write_bytes(data)

    root = importer.import_job(given.job(package, placement={"stance": "file"}), [tmp_path / "model.glb"])

    mesh = root.data
    assert len(mesh.vertices) == len(positions) and len(mesh.polygons) == len(quads)
    assert {len(each.vertices) for each in mesh.polygons} == {4} and edge_uses(mesh) == {2}
    assert not mesh.has_custom_normals and all(each.use_smooth for each in mesh.polygons)
    assert not mesh.validate()
    assert root.active_material is not None and {each.material_index for each in mesh.polygons} == {0}
    # Each corner is exactly where it was, with its own UV: glTF's Y is Blender's Z, and V counts from the top.
    x, y, z = positions[quads.ravel()].T
    wanted = np.stack([x, -z, y, uvs[..., 0].ravel(), 1 - uvs[..., 1].ravel()], axis=1)
    found = [
        (*mesh.vertices[loop.vertex_index].co, *uv.uv)
        for loop, uv in zip(mesh.loops, mesh.uv_layers.active.data, strict=True)
    ]
    assert corners(found) == corners(wanted)


def corners(rows: Iterable[Sequence[float]]) -> list[tuple[float, ...]]:
    """Sorted, the positions as they are and the UVs rounded."""
    return sorted((*map(float, row[:3]), *(round(float(each), 4) + 0.0 for each in row[3:])) for row in rows)


def test_a_named_collection_is_made_and_then_found_again(
    package: ModuleType, importer: Any, monkey: Callable[[str], list[Path]]
) -> None:
    files = monkey(".stl")
    job = given.job(package, placement={"collection": "Models"})

    first, second = importer.import_job(job, files), importer.import_job(job, files)

    [collection] = bpy.data.collections
    assert set(collection.objects) == {first, second} and collection in list(bpy.context.scene.collection.children)
    assert (first.name, second.name) == ("Cup", "Cup.001")
    assert [each.name for each in first.users_collection] == ["Models"]


@pytest.mark.parametrize("state", ["usable", "excluded", "hidden"])
def test_the_active_collection_is_used_if_objects_in_it_can_be_seen(
    package: ModuleType, importer: Any, monkey: Callable[[str], list[Path]], state: str
) -> None:
    files = monkey(".obj")
    mine = bpy.data.collections.new("Mine")
    bpy.context.scene.collection.children.link(mine)
    layer = bpy.context.view_layer.layer_collection.children["Mine"]
    bpy.context.view_layer.active_layer_collection = layer
    layer.exclude = state == "excluded"
    layer.hide_viewport = state == "hidden"

    root = importer.import_job(given.job(package), files)

    expected = mine if state == "usable" else bpy.context.scene.collection
    assert list(root.users_collection) == [expected]


def test_another_scene_than_the_current_one_can_be_named(
    package: ModuleType, importer: Any, monkey: Callable[[str], list[Path]]
) -> None:
    files = monkey(".glb")
    other = bpy.data.scenes.new("Other")
    other.cursor.location = (4, 4, 4)

    root = importer.import_job(given.job(package), files, scene=other)

    assert list(other.objects) == [root] and not bpy.context.scene.objects
    assert tuple(root.location) == (4, 4, 4)


def test_selecting_makes_it_the_only_one(
    package: ModuleType, importer: Any, monkey: Callable[[str], list[Path]]
) -> None:
    files = monkey(".glb")
    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.object.mode_set(mode="EDIT")

    root = importer.import_job(given.job(package), files, select=True)

    assert bpy.context.selected_objects == [root] and bpy.context.active_object == root
    assert bpy.context.mode == "OBJECT" and not [each for each in bpy.data.objects if each.mode != "OBJECT"]


def test_an_image_of_the_users_from_the_same_file_is_left_alone(
    package: ModuleType, importer: Any, monkey: Callable[[str], list[Path]]
) -> None:
    files = monkey(".obj")
    mine = bpy.data.images.load(str(next(file for file in files if file.suffix == ".png")))
    mine.name = "Mine"

    importer.import_job(given.job(package), files)

    assert mine.packed_file is None and mine.alpha_mode == "STRAIGHT" and mine.users == 0
    assert len(bpy.data.images) == 2


def test_a_missing_picture_does_not_make_the_model_pink(
    package: ModuleType, importer: Any, monkey: Callable[[str], list[Path]]
) -> None:
    files = [file for file in monkey(".obj") if file.suffix != ".png"]

    root = importer.import_job(given.job(package), files)

    assert not bpy.data.images
    assert not [node for node in root.active_material.node_tree.nodes if node.type == "TEX_IMAGE"]


def test_an_archive_with_folders_shows_its_texture(package: ModuleType, importer: Any, tmp_path: Path) -> None:
    made, arrived = tmp_path / "made", tmp_path / "arrived"
    made.mkdir()
    arrived.mkdir()
    given.textured_monkey(made, "my skin.png")
    text = given.write(made / "Model 7.obj").with_suffix(".mtl").read_text()
    text = re.sub(r"map_Kd .*", r"map_Kd C:\\Users\\me\\Textures\\My Skin.png\nbump /etc/bump.png", text)
    with zipfile.ZipFile(arrived / "model", "w") as file:
        file.writestr("out/mats/Model 7.mtl", text)
        file.write(made / "Model 7.obj", "out/model.obj")
        file.write(made / "my skin.png", "out/textures/my skin.png")
    given.new_file()
    names = given.module(package, "results.adopt").adopt(arrived / "model")
    assert names == ("model.obj", "Model_7.mtl", "my_skin.png")

    root = importer.import_job(given.job(package), [arrived / name for name in names])

    [image] = bpy.data.images
    assert [node.image for node in root.active_material.node_tree.nodes if node.type == "TEX_IMAGE"] == [image]
    assert tuple(image.size) == (16, 16) and image.packed_file and image.filepath == "//my_skin.png"


@pytest.mark.parametrize("reference", ["{folder}/mine.png", "../../../../../../../../..{folder}/mine.png"])
def test_a_model_cannot_bring_in_a_picture_of_the_users(
    package: ModuleType, importer: Any, tmp_path: Path, reference: str
) -> None:
    given.textured_monkey(tmp_path, "mine.png")
    given.new_file()
    (tmp_path / "model.obj").write_text("mtllib a.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 1\nusemtl a\nf 1 2 3\n")
    (tmp_path / "a.mtl").write_text(f"newmtl a\nmap_Kd {reference.format(folder=tmp_path)}\n")

    root = importer.import_job(given.job(package), [tmp_path / "model.obj", tmp_path / "a.mtl"])

    assert not bpy.data.images
    assert not [node for node in root.active_material.node_tree.nodes if node.type == "TEX_IMAGE"]


def draw(path: Path, colours: str) -> Path:
    """A picture of 32 x 16 pixels, as `colours` ("RGBA", "RGB" or "BW") says; its lower left corner is red or grey."""
    scene = bpy.data.scenes.new("Draw")
    settings = scene.render.image_settings
    settings.file_format = {".png": "PNG", ".jpg": "JPEG", ".webp": "WEBP"}[path.suffix]
    settings.color_mode = colours
    image = bpy.data.images.new("Draw", 32, 16, alpha=colours == "RGBA")
    pixels = np.full((16, 32, 4), (0.2, 0.2, 0.2, 1.0), dtype=np.float32)
    pixels[:8, :16] = (1.0, 0.0, 0.0, 1.0)
    if colours == "RGBA":
        pixels[8:, 16:, 3] = 0.0
    image.pixels.foreach_set(pixels.ravel())
    image.save_render(str(path), scene=scene)
    given.new_file()
    return path


@pytest.mark.parametrize(
    ("name", "colours"),
    [("a.png", "RGBA"), ("a.png", "RGB"), ("a.png", "BW"), ("a.jpg", "RGB"), ("a.webp", "RGBA"), ("a.webp", "RGB")],
)
def test_a_picture_becomes_a_plane_that_stands_and_faces_the_front(
    package: ModuleType, importer: Any, tmp_path: Path, name: str, colours: str
) -> None:
    picture = draw(tmp_path / name, colours)
    bpy.context.scene.cursor.location = SPOT
    situation, before = given.situation(), given.datablocks()

    root = importer.import_job(given.job(package, placement={"height": 3.0}), [picture])
    picture.unlink()

    low, high = given.box(root)
    assert root.type == "MESH" and root.name == root.data.name == root.active_material.name == "Cup"
    assert is_plain(root) and given.close(bottom(root), SPOT) and given.close(high - low, (6, 0, 3))
    [face] = root.data.polygons
    assert given.close(face.normal, (0, -1, 0))
    uvs = {
        (round(corner.uv.x), round(corner.uv.y)): root.data.vertices[loop.vertex_index].co
        for corner, loop in zip(root.data.uv_layers.active.data, root.data.loops, strict=True)
    }
    assert given.close(uvs[0, 0], (-3, 0, 0)) and given.close(uvs[1, 1], (3, 0, 3))
    [image] = bpy.data.images
    assert image.packed_file and image.filepath == f"//Cup{picture.suffix}" and tuple(image.size) == (32, 16)
    links = {link.to_socket.name: link.from_socket.name for link in root.active_material.node_tree.links}
    assert links["Base Color"] == "Color" and links.get("Alpha") == ("Alpha" if colours == "RGBA" else None)
    assert root["image_to_3d_job"] == "2026-cup"
    assert given.situation() == situation
    kinds = sorted(name.split()[0] for uid, name in given.datablocks().items() if uid not in before)
    assert kinds == ["Image", "Material", "Mesh", "Object"]


def test_a_picture_can_be_asked_for_as_a_model(package: ModuleType, tmp_path: Path) -> None:
    models, library = given.module(package, "models"), given.module(package, "jobs.library")
    folder = library.JobFolder(tmp_path / "2026-cup")
    folder.result.mkdir(parents=True)
    picture = draw(folder.result / "picture.png", "RGB")
    result = models.ResultFile(file=picture.name, sha256=given.DIGEST, size_bytes=picture.stat().st_size)
    job = given.job(package).evolve(state=models.JobState.READY, results=(result,))

    given.module(package, "jobs.output").deliver(
        folder, job, tmp_path / "cup.glb", exporter=given.module(package, "blender.scripting").Exporter()
    )

    facts = given.module(package, "mesh.glb").inspect(tmp_path / "cup.glb")
    assert (facts.triangles, facts.images, facts.external_files) == (2, 1, 0)


def test_a_picture_that_is_none_is_told(package: ModuleType, importer: Any, errors: Any, tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    before = given.datablocks()
    with pytest.raises(errors.BadResult, match=r'Blender cannot read "picture\.png"'):
        importer.import_job(given.job(package), [tmp_path / "picture.png"])
    assert given.datablocks() == before


def test_a_video_beside_the_model_is_left_alone(
    package: ModuleType, importer: Any, monkey: Callable[[str], list[Path]]
) -> None:
    files = monkey(".obj")
    video = files[0].with_name("turn.mp4")
    video.write_bytes(b"\0\0\0\x18ftypmp42" + bytes(100))

    importer.import_job(given.job(package), [*files, video])

    assert len(bpy.data.images) == 1 and not bpy.data.movieclips and video.exists()


def test_colours_of_the_vertices_are_shown(package: ModuleType, importer: Any, tmp_path: Path) -> None:
    corners = [(0, 0, 0, 255, 0, 0), (1, 0, 0, 0, 255, 0), (0, 1, 1, 0, 0, 255)]
    header = ["ply", "format ascii 1.0", "element vertex 3", *(f"property float {axis}" for axis in "xyz")]
    header += [f"property uchar {colour}" for colour in ("red", "green", "blue")]
    header += ["element face 1", "property list uchar int vertex_indices", "end_header"]
    lines = [*header, *(" ".join(map(str, corner)) for corner in corners), "3 0 1 2", ""]
    (tmp_path / "model.ply").write_text("\n".join(lines))

    root = importer.import_job(given.job(package), [tmp_path / "model.ply"])

    [link] = [link for link in root.active_material.node_tree.links if link.to_socket.name == "Base Color"]
    assert link.from_node.layer_name in root.data.color_attributes
    assert root.active_material.name == "Cup"


def test_names_that_say_nothing_are_replaced(package: ModuleType, importer: Any, tmp_path: Path) -> None:
    given.textured_monkey(tmp_path, "image_0.png").active_material.name = "Material_0"
    model = given.write(tmp_path / "model.glb")
    given.new_file()

    root = importer.import_job(given.job(package, name="Grandma's Cup ☕"), [model])

    assert root.name == root.active_material.name == bpy.data.images[0].name == "Grandma's Cup ☕"


def test_an_import_is_no_undo_step_of_its_own(
    package: ModuleType, importer: Any, monkey: Callable[[str], list[Path]]
) -> None:
    files = monkey(".glb")
    pushed: list[int] = []
    bpy.app.handlers.undo_pre.append(lambda *_: pushed.append(1))
    try:
        importer.import_job(given.job(package), files)
    finally:
        bpy.app.handlers.undo_pre.pop()
    assert pushed == []
