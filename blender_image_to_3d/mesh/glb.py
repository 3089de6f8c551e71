# SPDX-License-Identifier: GPL-3.0-or-later
"""Binary glTF 2.0 (GLB): write a textured mesh of quads, and check a file that came from elsewhere.

Section numbers are those of the glTF 2.0 specification (Khronos, 2021).
"""

from __future__ import annotations

import io
import json
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]
Ints: TypeAlias = NDArray[np.int32]
Json: TypeAlias = dict[str, Any]

GENERATOR = "Image to 3D for Blender"
QUADS_EXTENSION = "FB_ngon_encoding"
"""Says that consecutive triangles with the same first vertex are one polygon: readers that know it get the quads
back."""

ROUGHNESS = 0.7

_MAGIC = b"glTF"
_JSON_CHUNK, _BINARY_CHUNK = b"JSON", b"BIN\0"
_FLOAT, _UNSIGNED_INT = 5126, 5125
_VERTICES, _INDICES = 34962, 34963
_CLAMP_TO_EDGE, _LINEAR, _LINEAR_MIPMAP_LINEAR = 33071, 9729, 9987

_COMPONENT_BYTES = {5120: 1, 5121: 1, 5122: 2, 5123: 2, 5125: 4, 5126: 4}
_COMPONENTS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
_TRIANGLES = 4

MOST_JSON_BYTES = 64 * 1024 * 1024
MOST_CHUNKS = 64
MOST_ELEMENTS = 2**31
"""Limits of what :func:`inspect` takes for a sane file: far above real ones, far below what hangs a computer."""


class MeshError(ValueError):
    """The file is damaged or not what it should be; the message is a sentence for the user."""


# --- writing ---------------------------------------------------------------------------------------------------------


def encode(*, positions: Floats, quads: Ints, uvs: Floats, texture_png: bytes, name: str) -> bytes:
    """A GLB file with one mesh and one rough, non-metallic material.

    ``positions`` (n, 3) are in glTF's axes, ``quads`` (m, 4) counter-clockwise seen from outside, ``uvs`` (m, 4, 2)
    belong to the corners of the faces and have v = 0 at the top. Raises ValueError if the arrays do not fit together.
    """
    _check(positions, quads, uvs)
    vertex_of, corners, corner_uvs = _split(quads, uvs)
    normals = _normals(positions, quads)
    triangles = _triangles(_fan_starts(positions, quads), corners)
    name = name.encode("utf-8", "replace").decode("utf-8")  # File names may hold halves of characters.

    binary = _Binary()
    attributes = {
        "POSITION": binary.add_vertices(positions[vertex_of], bounds=True),
        "NORMAL": binary.add_vertices(normals[vertex_of]),
        "TEXCOORD_0": binary.add_vertices(corner_uvs),
    }
    indices = binary.add_indices(triangles)
    image = binary.add_bytes(texture_png)
    primitive = {"attributes": attributes, "indices": indices, "material": 0, "extensions": {QUADS_EXTENSION: {}}}
    clamp = {"wrapS": _CLAMP_TO_EDGE, "wrapT": _CLAMP_TO_EDGE, "magFilter": _LINEAR, "minFilter": _LINEAR_MIPMAP_LINEAR}
    surface = {"baseColorTexture": {"index": 0}, "metallicFactor": 0, "roughnessFactor": ROUGHNESS}
    return binary.file(
        {
            "asset": {"version": "2.0", "generator": GENERATOR},
            "extensionsUsed": [QUADS_EXTENSION],
            "scene": 0,
            "scenes": [{"nodes": [0]}],
            "nodes": [{"mesh": 0, "name": name}],
            "meshes": [{"primitives": [primitive], "name": name}],
            "materials": [{"pbrMetallicRoughness": surface, "name": name}],
            "textures": [{"source": 0, "sampler": 0}],
            "samplers": [clamp],
            "images": [{"bufferView": image, "mimeType": "image/png", "name": name}],
        }
    )


class _Binary:
    """The binary chunk, with the parts of the JSON chunk that describe it."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._views: list[Json] = []
        self._accessors: list[Json] = []

    def add_bytes(self, data: bytes, target: int | None = None) -> int:
        """Append ``data``, padded to four bytes; the index of its view."""
        view: Json = {"buffer": 0, "byteOffset": len(self._data), "byteLength": len(data)}
        if target is not None:
            view["target"] = target
        self._data += data + bytes(-len(data) % 4)
        self._views.append(view)
        return len(self._views) - 1

    def add_vertices(self, values: Floats, *, bounds: bool = False) -> int:
        """Append an attribute (n, 2 or 3); the index of its accessor. Section 3.7.2.1 asks for bounds of positions."""
        values = np.ascontiguousarray(values, np.dtype("<f4"))
        accessor: Json = {"componentType": _FLOAT, "count": len(values), "type": f"VEC{values.shape[1]}"}
        if bounds:
            accessor |= {"min": values.min(axis=0).tolist(), "max": values.max(axis=0).tolist()}
        return self._add_accessor(accessor, values.tobytes(), _VERTICES)

    def add_indices(self, triangles: Ints) -> int:
        """Append triangles (n, 3); the index of their accessor."""
        accessor: Json = {"componentType": _UNSIGNED_INT, "count": triangles.size, "type": "SCALAR"}
        return self._add_accessor(accessor, triangles.astype("<u4").tobytes(), _INDICES)

    def _add_accessor(self, accessor: Json, data: bytes, target: int) -> int:
        self._accessors.append({"bufferView": self.add_bytes(data, target), **accessor})
        return len(self._accessors) - 1

    def file(self, document: Json) -> bytes:
        """The whole file; ``document`` lacks only what describes the binary chunk."""
        document = document | {
            "accessors": self._accessors,
            "bufferViews": self._views,
            "buffers": [{"byteLength": len(self._data)}],
        }
        text = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
        text += b" " * (-len(text) % 4)
        length = 12 + 8 + len(text) + 8 + len(self._data)
        parts = (
            struct.pack("<4sII", _MAGIC, 2, length),
            struct.pack("<I4s", len(text), _JSON_CHUNK) + text,
            struct.pack("<I4s", len(self._data), _BINARY_CHUNK) + self._data,
        )
        return b"".join(parts)


def _check(positions: Floats, quads: Ints, uvs: Floats) -> None:
    if positions.ndim != 2 or positions.shape[1] != 3 or quads.ndim != 2 or quads.shape[1] != 4 or not len(quads):
        raise ValueError(f"a mesh needs positions (n, 3) and quads (m, 4), not {positions.shape} and {quads.shape}")
    if uvs.shape != (*quads.shape, 2):
        raise ValueError(f"uvs must be {(*quads.shape, 2)}, not {uvs.shape}")
    if quads.min() < 0 or quads.max() >= len(positions):
        raise ValueError("a face uses a vertex that does not exist")
    if not (np.isfinite(positions).all() and np.isfinite(uvs).all()):
        raise ValueError("positions and uvs must be finite")


def _split(quads: Ints, uvs: Floats) -> tuple[NDArray[np.int64], Ints, Floats]:
    """glTF has one uv to a vertex: double the vertices whose faces disagree.

    Returns for each new vertex its old one (k,), the faces with new vertices (m, 4), and the uvs of the new vertices
    (k, 2).
    """
    vertex = quads.reshape(-1).astype(np.int64)
    uv = np.ascontiguousarray(uvs, np.float32).reshape(-1, 2).view(np.int64)[:, 0]  # Both coordinates in one number.
    count = int(vertex.max()) + 1
    usual = np.zeros(count, np.int64)
    usual[vertex] = uv
    corners = vertex.copy()
    others = np.flatnonzero(uv != usual[vertex])
    pairs, inverse = np.unique(np.stack([vertex[others], uv[others]], axis=1), axis=0, return_inverse=True)
    corners[others] = count + inverse.reshape(-1)
    vertex_of = np.concatenate([np.arange(count), pairs[:, 0]])
    new_uvs = np.concatenate([usual, pairs[:, 1]])[:, None].view(np.float32)
    return vertex_of, corners.reshape(quads.shape).astype(np.int32), new_uvs


def _normals(positions: Floats, quads: Ints) -> Floats:
    """Unit normals (n, 3) at the vertices, faces weighted by their area."""
    across, other = positions[quads[:, 2]] - positions[quads[:, 0]], positions[quads[:, 3]] - positions[quads[:, 1]]
    areas = np.cross(across.astype(np.float64), other.astype(np.float64))
    corners = quads.reshape(-1)
    sums = [np.bincount(corners, np.repeat(areas[:, axis], 4), len(positions)) for axis in range(3)]
    normals = np.stack(sums, axis=1)
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    # Faces that cancel out have no direction, but section 3.7.2.1 asks for unit length.
    upwards = np.array([0.0, 1.0, 0.0])
    return np.where(lengths > 0, normals / np.maximum(lengths, np.finfo(np.float64).tiny), upwards).astype(np.float32)


def _fan_starts(positions: Floats, quads: Ints) -> NDArray[np.int64]:
    """The corner (m,) of each face that both its triangles begin with.

    It splits the face along its shorter diagonal where that is possible: QUADS_EXTENSION needs neighbours in the list
    to begin with different vertices. So every second face takes another corner if it must; of four, at most two are
    taken.
    """
    first, second = (
        np.linalg.norm(positions[quads[:, corner]] - positions[quads[:, corner + 2]], axis=1) for corner in (0, 1)
    )
    starts: NDArray[np.int64] = (first > second).astype(np.int64)
    faces = np.arange(1, len(quads), 2)
    before = quads[faces - 1, starts[faces - 1]]
    following = np.minimum(faces + 1, len(quads) - 1)
    after = np.where(following > faces, quads[following, starts[following]], -1)
    wanted = starts[faces]
    chosen = np.full(len(faces), -1)
    for turn in (0, 2, 1, 3):  # The second has the same diagonal as the first.
        corner = (wanted + turn) % 4
        vertex = quads[faces, corner]
        chosen = np.where((chosen < 0) & (vertex != before) & (vertex != after), corner, chosen)
    starts[faces] = chosen
    return starts


def _triangles(starts: NDArray[np.int64], corners: Ints) -> Ints:
    """Two consecutive triangles (2 m, 3) for each face, both beginning with the corner ``starts``."""
    turned = np.take_along_axis(corners, (starts[:, None] + np.arange(4)) % 4, axis=1)
    triangles: Ints = turned[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3)
    return triangles


# --- reading ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class GlbFacts:
    """What a GLB file holds. Counts are of the file: a mesh that is placed twice counts once."""

    version: int
    length: int
    """Bytes, as declared in the header."""
    generator: str
    scenes: int
    nodes: int
    meshes: int
    primitives: int
    triangles: int
    vertices: int
    materials: int
    images: int
    animations: int
    skins: int
    has_uvs: bool
    """Whether every primitive has texture coordinates."""
    external_files: int
    """Buffers and images that the file refers to but does not hold."""
    extensions_used: tuple[str, ...]
    extensions_required: tuple[str, ...]


def inspect(source: bytes | Path) -> GlbFacts:
    """Check a GLB file, given whole or by its path, and say what is in it.

    Reads the JSON chunk only. Raises MeshError for a damaged file, and OSError where it cannot be read.
    """
    if isinstance(source, Path):
        with source.open("rb") as file:
            return _inspect(file, os.fstat(file.fileno()).st_size)
    return _inspect(io.BytesIO(source), len(source))


def _inspect(file: BinaryIO, size: int) -> GlbFacts:
    header = file.read(12)
    if header[:4] != _MAGIC[: len(header[:4])] or not header:
        raise MeshError("This is not a GLB file.")
    if len(header) < 12:
        raise MeshError("The GLB file ends within its header.")
    _, version, length = struct.unpack("<4sII", header)
    if version != 2:
        raise MeshError(f"The GLB file has version {version}; only version 2 can be read.")
    if length > size:
        raise MeshError(f"The GLB file is truncated: {size:,} of {length:,} bytes are there.")
    text, binary_length = _chunks(file, length)
    return _facts(_Document(_parse(text), binary_length), length)


def _chunks(file: BinaryIO, length: int) -> tuple[bytes, int]:
    """The JSON chunk and the size of the binary one (0 if there is none); section 4.4.3."""
    text, binary_length = b"", 0
    position = 12
    for number in range(MOST_CHUNKS):
        if position == length and number:
            return text, binary_length
        header = file.read(8) if position + 8 <= length else b""
        if len(header) < 8:
            raise MeshError("The GLB file ends within the header of a chunk.")
        chunk_length, kind = struct.unpack("<I4s", header)
        position += 8 + chunk_length
        if position > length:
            raise MeshError("A chunk of the GLB file is longer than the file.")
        if (kind == _JSON_CHUNK) != (number == 0):
            raise MeshError("The GLB file does not begin with a single JSON chunk.")
        if number == 0:
            text = _read_text(file, chunk_length)
        else:
            if number == 1 and kind == _BINARY_CHUNK:
                binary_length = chunk_length
            file.seek(position)
    raise MeshError(f"The GLB file has more than {MOST_CHUNKS} chunks.")


def _read_text(file: BinaryIO, length: int) -> bytes:
    if length > MOST_JSON_BYTES:
        raise MeshError(f"The description in the GLB file is too large: {length:,} bytes.")
    text = file.read(length)
    if len(text) < length:
        raise MeshError("The GLB file ends within its description.")
    return text


def _parse(text: bytes) -> Json:
    try:
        document = json.loads(text.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:  # Wrong text, wrong JSON, an endless number; too deep.
        raise MeshError("The description in the GLB file is not valid JSON.") from error
    if not isinstance(document, dict):
        raise MeshError("The description in the GLB file is not a JSON object.")
    return document


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


class _Document:
    """The JSON chunk, read with suspicion: each question is answered or raises MeshError."""

    def __init__(self, root: Json, binary_length: int) -> None:
        self._root = root
        self._binary_length = binary_length
        self._checked: dict[int, int] = {}

    def items(self, key: str, owner: Json | None = None) -> list[Json]:
        """The objects in the list ``key``."""
        values = (self._root if owner is None else owner).get(key, [])
        if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
            raise MeshError(f"In the GLB file, '{key}' is not a list of objects.")
        return values

    def words(self, key: str) -> tuple[str, ...]:
        """The strings in the list ``key``."""
        values = self._root.get(key, [])
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise MeshError(f"In the GLB file, '{key}' is not a list of words.")
        return tuple(values)

    def mapping(self, key: str, owner: Json | None = None) -> Json:
        """The object ``key``; empty if there is none."""
        value = (self._root if owner is None else owner).get(key, {})
        if not isinstance(value, dict):
            raise MeshError(f"In the GLB file, '{key}' is not an object.")
        return value

    def number(self, owner: Json, key: str, default: int | None = None) -> int:
        """The whole number ``key``, 0 to MOST_ELEMENTS."""
        value = owner.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST_ELEMENTS:
            raise MeshError(f"In the GLB file, a '{key}' is missing or is not a sensible number.")
        return value

    def item(self, key: str, index: int) -> Json:
        """The object at ``index`` of the list ``key``."""
        values = self._root.get(key, [])
        if not isinstance(values, list) or index >= len(values) or not isinstance(values[index], dict):
            raise MeshError(f"In the GLB file, something refers to '{key}' {index}, which does not exist.")
        return cast(Json, values[index])

    def elements(self, index: int) -> int:
        """The length of an accessor, whose data must be there."""
        if index not in self._checked:
            accessor = self.item("accessors", index)
            count = self.number(accessor, "count")
            if "bufferView" in accessor:
                self._check_range(accessor, count)
            self._checked[index] = count
        return self._checked[index]

    def _check_range(self, accessor: Json, count: int) -> None:
        kind, component = accessor.get("type"), accessor.get("componentType")
        if not isinstance(kind, str) or kind not in _COMPONENTS:
            raise MeshError("In the GLB file, an accessor has an unknown type.")
        if not isinstance(component, int) or component not in _COMPONENT_BYTES:
            raise MeshError("In the GLB file, an accessor has an unknown component type.")
        element = _COMPONENTS[kind] * _COMPONENT_BYTES[component]
        view = self.item("bufferViews", self.number(accessor, "bufferView"))
        stride = self.number(view, "byteStride", element)
        last = self.number(accessor, "byteOffset", 0) + stride * (count - 1) + element
        if count and last > self.view_length(view):
            raise MeshError("In the GLB file, an accessor reaches beyond its data.")

    def view_length(self, view: Json) -> int:
        """The length of a buffer view, which must lie in its buffer; so must the buffer in the file."""
        buffer_index, length = self.number(view, "buffer"), self.number(view, "byteLength")
        buffer = self.item("buffers", buffer_index)
        buffer_length = self.number(buffer, "byteLength")
        if (
            "uri" not in buffer
            and (buffer_index > 0 or buffer_length > self._binary_length)
            and "extensions" not in buffer
        ):
            raise MeshError("In the GLB file, the data that the description refers to is missing.")
        if self.number(view, "byteOffset", 0) + length > buffer_length:
            raise MeshError("In the GLB file, a view reaches beyond its buffer.")
        return length


def _facts(document: _Document, length: int) -> GlbFacts:
    generator = document.mapping("asset").get("generator", "")
    meshes = document.items("meshes")
    primitives = [primitive for mesh in meshes for primitive in document.items("primitives", mesh)]
    images = document.items("images")
    for image in images:
        if "bufferView" in image:
            document.view_length(document.item("bufferViews", document.number(image, "bufferView")))
    attributes = [document.mapping("attributes", primitive) for primitive in primitives]
    positions = {document.number(values, "POSITION") for values in attributes if "POSITION" in values}
    return GlbFacts(
        version=2,
        length=length,
        generator=generator if isinstance(generator, str) else "",
        scenes=len(document.items("scenes")),
        nodes=len(document.items("nodes")),
        meshes=len(meshes),
        primitives=len(primitives),
        triangles=sum(_count_triangles(document, primitive) for primitive in primitives),
        vertices=sum(document.elements(index) for index in positions),
        materials=len(document.items("materials")),
        images=len(images),
        animations=len(document.items("animations")),
        skins=len(document.items("skins")),
        has_uvs=bool(attributes) and all("TEXCOORD_0" in values for values in attributes),
        external_files=sum(_is_external(item) for item in [*document.items("buffers"), *images]),
        extensions_used=document.words("extensionsUsed"),
        extensions_required=document.words("extensionsRequired"),
    )


def _count_triangles(document: _Document, primitive: Json) -> int:
    attributes = document.mapping("attributes", primitive)
    if "indices" in primitive:
        corners = document.elements(document.number(primitive, "indices"))
    elif "POSITION" in attributes:
        corners = document.elements(document.number(attributes, "POSITION"))
    else:
        return 0
    match document.number(primitive, "mode", _TRIANGLES):
        case 4:  # separate
            return corners // 3
        case 5 | 6:  # a strip, a fan
            return max(0, corners - 2)
        case _:  # points, lines
            return 0


def _is_external(item: Json) -> bool:
    uri = item.get("uri")
    return isinstance(uri, str) and not uri.startswith("data:")
