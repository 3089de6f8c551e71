# SPDX-License-Identifier: GPL-3.0-or-later
"""GLB files: what we write is valid and says what we meant; what others wrote is read with suspicion."""

from __future__ import annotations

import io
import json
import os
import shutil
import struct
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from blender_image_to_3d.mesh import glb, glb_height, glb_writer
from blender_image_to_3d.offline_shape import generator

from .. import shapes

pytestmark = pytest.mark.everywhere

ROOT = Path(__file__).parents[2]
VALIDATOR_FOLDERS = (os.environ.get("GLTF_VALIDATOR_DIR", ""), ROOT / ".venv" / "node", ROOT)
VALIDATE = """
const validator = require(process.argv[1]);
const bytes = new Uint8Array(require('fs').readFileSync(process.argv[2]));
validator.validateBytes(bytes, {maxIssues: 100}).then(report => console.log(JSON.stringify(report)));
"""


def png(pixels: np.ndarray) -> bytes:
    """A PNG file of (rows, columns, 3)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows, columns, _ = pixels.shape
    lines = np.pad(pixels.reshape(rows, -1), ((0, 0), (1, 0)))
    header = struct.pack(">IIBBBBB", columns, rows, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines.tobytes())) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


def encoded(shape: generator.Shape, name: str = "Toy") -> bytes:
    return glb_writer.encode(
        positions=shape.positions, quads=shape.quads, uvs=shape.uvs, texture_png=png(shape.texture), name=name
    )


@pytest.fixture(scope="module")
def shape() -> generator.Shape:
    picture = shapes.cutout(shapes.ring(200, 0.3, 0.12))
    return generator.generate(generator.Views(picture), generator.Settings(resolution=48), lambda share, what: None)


@pytest.fixture(scope="module")
def data(shape: generator.Shape) -> bytes:
    return encoded(shape)


def unpack(data: bytes) -> tuple[dict[str, Any], bytes]:
    length = int.from_bytes(data[12:16], "little")
    return json.loads(data[20 : 20 + length]), data[28 + length :]


def pack(document: object, binary: bytes = b"") -> bytes:
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    if binary:
        chunks += struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def read(document: dict[str, Any], binary: bytes, accessor: int) -> np.ndarray:
    facts = document["accessors"][accessor]
    view = document["bufferViews"][facts["bufferView"]]
    width = {"SCALAR": 1, "VEC2": 2, "VEC3": 3}[facts["type"]]
    kind = {5126: "<f4", 5125: "<u4"}[facts["componentType"]]
    return np.frombuffer(binary, kind, facts["count"] * width, view["byteOffset"]).reshape(-1, width)


# --- writing ---------------------------------------------------------------------------------------------------------


def validator() -> tuple[str, Path]:
    """The path of node and of the Khronos validator's module; skips the test where one is missing."""
    node = shutil.which("node")
    modules = [Path(folder) / "node_modules" / "gltf-validator" for folder in VALIDATOR_FOLDERS if folder]
    modules += [Path(folder) for folder in VALIDATOR_FOLDERS[:1] if folder]
    found = [module for module in modules if (module / "package.json").exists()]
    if node is None or not found:
        pytest.skip("node is missing" if node is None else "npm's gltf-validator is missing: set GLTF_VALIDATOR_DIR")
    return node, found[0].resolve()


@pytest.mark.parametrize("name", ["Toy", 'Ä 🦄 "quoted"\\', "half \udcff character", ""])
def test_the_khronos_validator_has_nothing_against_our_files(shape: generator.Shape, tmp_path: Path, name: str) -> None:
    node, module = validator()
    (tmp_path / "toy.glb").write_bytes(encoded(shape, name))
    done = subprocess.run(
        [node, "-e", VALIDATE, str(module), str(tmp_path / "toy.glb")],
        capture_output=True, text=True, check=True, timeout=60, encoding="utf-8",
    )  # fmt: skip
    report = json.loads(done.stdout)
    problems = [message for message in report["issues"]["messages"] if message["severity"] < 2]
    assert problems == []
    assert report["info"]["totalTriangleCount"] == 2 * len(shape.quads)


def test_the_file_describes_its_bytes(shape: generator.Shape, data: bytes) -> None:
    document, binary = unpack(data)
    assert len(data) % 4 == 0
    assert document["buffers"] == [{"byteLength": len(binary)}]
    assert all(view["byteOffset"] % 4 == 0 for view in document["bufferViews"])
    image = document["bufferViews"][document["images"][0]["bufferView"]]
    assert binary[image["byteOffset"] :][: image["byteLength"]] == png(shape.texture)
    sampler = document["samplers"][0]
    assert (sampler["wrapS"], sampler["wrapT"]) == (33071, 33071)
    assert document["asset"]["generator"] == "Image to 3D for Blender"


def test_every_quad_comes_back_with_its_corners_and_uvs(shape: generator.Shape, data: bytes) -> None:
    document, binary = unpack(data)
    primitive = document["meshes"][0]["primitives"][0]
    assert primitive["extensions"] == {"FB_ngon_encoding": {}}
    triangles = read(document, binary, primitive["indices"]).reshape(-1, 3)
    first, second = triangles[::2], triangles[1::2]
    assert (first[:, 0] == second[:, 0]).all()
    assert (first[:, 2] == second[:, 1]).all()
    assert (first[1:, 0] != first[:-1, 0]).all(), "two faces would be read as one polygon"
    quads = np.concatenate([first, second[:, 2:]], axis=1)
    positions = read(document, binary, primitive["attributes"]["POSITION"])[quads]
    uvs = read(document, binary, primitive["attributes"]["TEXCOORD_0"])[quads]
    # The same corners, from another one of the four on.
    turns = [
        (np.roll(positions, turn, axis=1) == shape.positions[shape.quads]).all(axis=(1, 2))
        & (np.roll(uvs, turn, axis=1) == shape.uvs).all(axis=(1, 2))
        for turn in range(4)
    ]
    assert np.any(turns, axis=0).all()


def test_normals_are_smooth_across_the_seam_and_point_outwards(data: bytes) -> None:
    document, binary = unpack(data)
    attributes = document["meshes"][0]["primitives"][0]["attributes"]
    positions, normals = (read(document, binary, attributes[name]) for name in ("POSITION", "NORMAL"))
    assert np.linalg.norm(normals, axis=1) == pytest.approx(1, abs=1e-5)
    _, welded = np.unique(positions, axis=0, return_inverse=True)
    welded = welded.reshape(-1)
    assert welded.max() + 1 < len(positions), "there is a seam"
    reference = np.zeros((welded.max() + 1, 3), np.float32)
    reference[welded] = normals
    assert (reference[welded] == normals).all()
    ring = np.hypot(positions[:, 0], positions[:, 1] - 0.5)
    towards = (
        positions
        - np.stack([positions[:, 0] / ring, (positions[:, 1] - 0.5) / ring, 0 * ring], axis=1) * np.float32(0.3 / 0.84)
        - np.float32([0, 0.5, 0])
    )
    assert ((towards * normals).sum(axis=1) > 0).all()


def test_other_programs_read_the_same_closed_mesh(shape: generator.Shape, data: bytes) -> None:
    trimesh = pytest.importorskip("trimesh")
    pytest.importorskip("PIL")
    mesh = trimesh.load(io.BytesIO(data), file_type="glb", force="mesh")
    assert mesh.faces.shape == (2 * len(shape.quads), 3)
    assert mesh.visual.material.baseColorTexture.size == shape.texture.shape[1::-1]
    mesh.merge_vertices(merge_tex=True, merge_norm=True)
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.volume == pytest.approx(shapes.signed_volume(shape.positions, shape.quads), rel=0.01)


def test_the_same_shape_gives_the_same_bytes(shape: generator.Shape, data: bytes) -> None:
    assert encoded(shape) == data


@pytest.mark.parametrize(
    "change",
    [
        {"quads": np.zeros((0, 4), np.int32)},
        {"quads": np.full((1, 4), 10**6, np.int32), "uvs": np.zeros((1, 4, 2), np.float32)},
        {"uvs": np.zeros((1, 4, 2), np.float32)},
        {"positions": np.full((10**4, 3), np.nan, np.float32)},
    ],
)
def test_arrays_that_do_not_fit_together_are_refused(shape: generator.Shape, change: dict[str, Any]) -> None:
    arrays: dict[str, Any] = {"positions": shape.positions, "quads": shape.quads, "uvs": shape.uvs} | change
    with pytest.raises(ValueError, match=r"mesh needs|uvs must|does not exist|finite"):
        glb_writer.encode(**arrays, texture_png=b"", name="")


# --- reading ---------------------------------------------------------------------------------------------------------


def test_inspection_says_what_is_in_the_file(shape: generator.Shape, data: bytes, tmp_path: Path) -> None:
    (tmp_path / "toy.glb").write_bytes(data)
    facts = glb.inspect(data)
    assert facts == glb.inspect(tmp_path / "toy.glb")
    assert (facts.version, facts.length, facts.triangles) == (2, len(data), 2 * len(shape.quads))
    assert (facts.scenes, facts.nodes, facts.meshes, facts.primitives, facts.materials, facts.images) == (1,) * 6
    assert facts.vertices > len(shape.positions)
    assert facts.has_uvs
    assert facts.external_files == 0
    assert facts.extensions_used == ("FB_ngon_encoding",)
    assert facts.extensions_required == ()


def test_bytes_after_the_declared_end_are_ignored(data: bytes) -> None:
    assert glb.inspect(data + b"padding") == glb.inspect(data)


def test_a_file_that_is_cut_off_anywhere_is_refused(data: bytes) -> None:
    for length in [*range(0, 64), *range(64, len(data), 997), len(data) - 1]:
        with pytest.raises(glb.MeshError):
            glb.inspect(data[:length])


POSITION = {"primitives": [{"attributes": {"POSITION": 0}}]}


@pytest.mark.parametrize(
    "hostile",
    [
        b"",
        b"PK\x03\x04" + bytes(40),
        struct.pack("<4sII", b"glTF", 1, 12),
        struct.pack("<4sII", b"glTF", 2, 12),
        struct.pack("<4sIII4s", b"glTF", 2, 20, 2**32 - 1, b"JSON"),
        struct.pack("<4sIII4s", b"glTF", 2, 20, 0, b"BIN\0"),
        struct.pack("<4sII", b"glTF", 2, 12 + 80_000) + struct.pack("<I4s", 0, b"JSON") + bytes(80_000 - 8),
        pack(b"not json"),
        pack(b"\xff\xfe"),
        pack(b"[" * 1_000_000),
        pack(b'{"a":' * 1_000_000),
        pack(b'{"accessors": ' + b"9" * 10_000 + b"}"),
        pack(b'{"x": NaN}'),
        pack([]),
        pack({"asset": 7}),
        pack({"meshes": {}}),
        pack({"meshes": [None]}),
        pack({"meshes": [{"primitives": 3}]}),
        pack({"meshes": [{"primitives": [{"attributes": []}]}]}),
        pack({"meshes": [{"primitives": [{"attributes": {"POSITION": "0"}}]}]}),
        pack({"meshes": [{"primitives": [{"attributes": {"POSITION": -1}}]}]}),
        pack({"meshes": [{"primitives": [{"attributes": {"POSITION": True}}]}]}),
        pack({"meshes": [POSITION]}),
        pack({"meshes": [POSITION], "accessors": [{"count": 10**30}]}),
        pack({"meshes": [POSITION], "accessors": [{"count": 1.5}]}),
        pack({"meshes": [POSITION], "accessors": [{"count": 3, "bufferView": 0, "type": [], "componentType": 5126}]}),
        pack(
            {"meshes": [POSITION], "accessors": [{"count": 3, "bufferView": 0, "type": "VEC3", "componentType": 5126}]}
        ),
        pack({"images": [{"bufferView": 3}]}),
        pack({"extensionsRequired": [1]}),
        pack({"nodes": "many"}),
    ],
)
def test_a_damaged_file_is_refused_in_a_sentence(hostile: bytes) -> None:
    with pytest.raises(glb.MeshError, match=r"^[A-Z].*\.$"):
        glb.inspect(hostile)


@pytest.mark.parametrize("change", [{"count": 10**6}, {"byteOffset": 10**6}, {"count": 2**31}])
def test_an_accessor_beyond_its_data_is_refused(data: bytes, change: dict[str, int]) -> None:
    document, binary = unpack(data)
    document["accessors"][0] |= change
    with pytest.raises(glb.MeshError, match="beyond"):
        glb.inspect(pack(document, binary))


def test_missing_binary_data_is_noticed(data: bytes) -> None:
    with pytest.raises(glb.MeshError, match="missing"):
        glb.inspect(pack(unpack(data)[0]))


def test_strips_fans_points_and_external_files_are_counted() -> None:
    accessors = [{"count": 9}]
    primitives = [{"attributes": {"POSITION": 0}, "mode": mode} for mode in (0, 4, 5, 6)]
    images = [{"uri": "skin.png"}, {"uri": "data:image/png;base64,"}]
    facts = glb.inspect(pack({"meshes": [{"primitives": primitives}], "accessors": accessors, "images": images}))
    assert (facts.triangles, facts.vertices, facts.external_files) == (0 + 3 + 7 + 7, 9, 1)


@settings(max_examples=300, deadline=None)
@given(changes=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=20))
def test_no_damage_crashes_the_inspection(data: bytes, changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(data)
    for place, value in changes:
        damaged[place] = value
    try:
        facts = glb.inspect(bytes(damaged))
    except glb.MeshError:
        return
    assert facts.version == 2


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**20) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["meshes", "primitives", "attributes", "POSITION", "indices", "accessors", "count", "bufferView", "bufferViews",
         "buffers", "buffer", "byteLength", "images", "asset", "generator", "uri", "mode", "type"]), inner, max_size=4),
    max_leaves=30,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(json_values)
def test_no_description_crashes_the_inspection(document: object) -> None:
    try:
        glb.inspect(pack(document, bytes(16)))
    except glb.MeshError as error:
        assert str(error).endswith(".")


# --- real height -----------------------------------------------------------------------------------------------------


def height_of(data: bytes) -> float:
    """As trimesh reads it."""
    scene = trimesh.load(io.BytesIO(data), file_type="glb")
    low, high = scene.bounds
    return float(high[1] - low[1])


@pytest.mark.parametrize("height", [0.001, 0.3, 1234.5])
def test_a_model_gets_its_height_and_is_otherwise_the_same(
    shape: generator.Shape, tmp_path: Path, height: float
) -> None:
    before = encoded(shape)
    (tmp_path / "model.glb").write_bytes(before)
    glb_height.write(tmp_path / "model.glb", tmp_path / "high.glb", height)
    after = (tmp_path / "high.glb").read_bytes()
    assert height_of(after) == pytest.approx(height, rel=1e-5)
    assert glb.inspect(after).triangles == glb.inspect(before).triangles
    assert unpack(after)[1] == unpack(before)[1]


def changed(data: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    document, binary = unpack(data)
    change(document)
    return pack(document, binary)


def test_the_height_is_that_of_all_parts_as_they_are_placed(shape: generator.Shape, tmp_path: Path) -> None:
    def place(document: dict[str, Any]) -> None:
        quarter_turn = [0, 0, 0.5**0.5, 0.5**0.5]
        document["nodes"] = [
            {"children": [1, 2], "rotation": quarter_turn, "scale": [2, 3, 4]},
            {"mesh": 0, "translation": [5, 0, 0]},
            {"mesh": 0, "matrix": [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, -7, 0, 0, 1]},
        ]
        document["scenes"] = [{"nodes": [0]}]

    (tmp_path / "model.glb").write_bytes(changed(encoded(shape), place))
    glb_height.write(tmp_path / "model.glb", tmp_path / "high.glb", 2.5)
    assert height_of((tmp_path / "high.glb").read_bytes()) == pytest.approx(2.5, rel=1e-5)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda document: document["accessors"][0].pop("max"),
        lambda document: document.update(scenes=[]),
        lambda document: document.update(nodes=[{"children": [0]}]),
        lambda document: document["nodes"][0].update(scale=[0, 0, 0]),
        lambda document: document["nodes"][0].update(scale="large"),
        lambda document: document["nodes"][0].update(mesh=9),
    ],
)
def test_a_model_without_a_height_is_refused_in_a_sentence(
    shape: generator.Shape, tmp_path: Path, spoil: Callable[[dict[str, Any]], object]
) -> None:
    (tmp_path / "model.glb").write_bytes(changed(encoded(shape), spoil))
    with pytest.raises(glb.MeshError, match="how high the model is"):
        glb_height.write(tmp_path / "model.glb", tmp_path / "high.glb", 1.0)
