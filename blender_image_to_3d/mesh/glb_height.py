# SPDX-License-Identifier: GPL-3.0-or-later
"""Binary glTF 2.0 (GLB): give a model its real height. Standard library only; the vertices stay as they are.

Section numbers are those of the glTF 2.0 specification (Khronos, 2021).
"""

from __future__ import annotations

import itertools
import json
import math
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

from .glb import MOST_JSON_BYTES, MeshError

Json: TypeAlias = dict[str, Any]
Matrix: TypeAlias = list[list[float]]

_HEADER = struct.Struct("<4sII")
_CHUNK = struct.Struct("<I4s")
_MOST_PLACES = 100_000
"""Nodes that are looked at: more than real models have, and an end for one that goes round in circles."""

_IDENTITY: Matrix = [[float(row == column) for column in range(4)] for row in range(4)]


def write(source: Path, target: Path, height: float) -> None:
    """Copy the model ``source``, which :func:`glb.inspect` found sound, so that it is ``height`` metres high.

    Raises MeshError if it has no height, and OSError.
    """
    with source.open("rb") as file:
        magic, version, length = _HEADER.unpack(file.read(_HEADER.size))
        text_length, kind = _CHUNK.unpack(file.read(_CHUNK.size))
        if text_length > MOST_JSON_BYTES:
            raise MeshError("The description in the GLB file is too large.")
        document = json.loads(file.read(text_length))
        try:
            _scale(document, height)
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise MeshError("The GLB file does not say how high the model is.") from error
        text = json.dumps(document, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        with target.open("wb") as draft:
            draft.write(_HEADER.pack(magic, version, length - text_length + len(text)))
            draft.write(_CHUNK.pack(len(text), kind) + text)
            shutil.copyfileobj(file, draft)


def _scale(document: Json, height: float) -> None:
    """Put a node above all others of each scene that scales them."""
    heights = [value for scene in document["scenes"] for value in _heights(document, scene)]
    factor = height / (max(heights) - min(heights))
    if not (math.isfinite(factor) and factor > 0):
        raise ValueError("no height")
    for scene in document["scenes"]:
        nodes = document["nodes"]
        nodes.append({"name": scene.get("name", "Model"), "children": scene["nodes"], "scale": [factor] * 3})
        scene["nodes"] = [len(nodes) - 1]


def _heights(document: Json, scene: Json) -> Iterator[float]:
    """The lowest and the highest y of every mesh in a scene, by the bounds that section 3.6.2.5 asks for."""
    to_visit = [(int(index), _IDENTITY) for index in scene["nodes"]]
    for _ in range(_MOST_PLACES):
        if not to_visit:
            return
        index, above = to_visit.pop()
        node = document["nodes"][index]
        matrix = _product(above, _matrix(node))
        to_visit += [(int(child), matrix) for child in node.get("children", ())]
        if "mesh" in node:
            for primitive in document["meshes"][node["mesh"]]["primitives"]:
                bounds = document["accessors"][primitive["attributes"]["POSITION"]]
                for corner in itertools.product(*zip(bounds["min"], bounds["max"], strict=True)):
                    yield sum(a * b for a, b in zip(matrix[1], (*corner, 1.0), strict=True))
    raise ValueError("too many nodes")


def _matrix(node: Json) -> Matrix:
    """The local transform of a node; section 3.5.3."""
    if "matrix" in node:
        return [[float(value) for value in node["matrix"][row::4]] for row in range(4)]
    x, y, z, w = node.get("rotation", (0, 0, 0, 1))
    turn = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    scale, move = node.get("scale", (1, 1, 1)), node.get("translation", (0, 0, 0))
    rows = [[value * size for value, size in zip(row, scale, strict=True)] for row in turn]
    return [*([*row, float(by)] for row, by in zip(rows, move, strict=True)), _IDENTITY[3]]


def _product(a: Matrix, b: Matrix) -> Matrix:
    return [[sum(a[row][k] * b[k][column] for k in range(4)) for column in range(4)] for row in range(4)]
