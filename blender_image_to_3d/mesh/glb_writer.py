# SPDX-License-Identifier: GPL-3.0-or-later
"""Binary glTF 2.0 (GLB): write a textured mesh of quads.

Section numbers are those of the glTF 2.0 specification (Khronos, 2021).
"""

from __future__ import annotations

import json
import struct
from typing import Any, TypeAlias

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
_TRIANGLES = 4


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
