# SPDX-License-Identifier: GPL-3.0-or-later
"""Binary glTF 2.0 (GLB): check a file that came from elsewhere. Standard library only.

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

Json: TypeAlias = dict[str, Any]

_MAGIC = b"glTF"
_JSON_CHUNK, _BINARY_CHUNK = b"JSON", b"BIN\0"
_COMPONENT_BYTES = {5120: 1, 5121: 1, 5122: 2, 5123: 2, 5125: 4, 5126: 4}
_COMPONENTS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
_TRIANGLES = 4

MOST_JSON_BYTES = 64 * 1024 * 1024
MOST_CHUNKS = 64
MOST_ELEMENTS = 2**31
"""Limits of what :func:`inspect` takes for a sane file: far above real ones, far below what hangs a computer."""


class MeshError(ValueError):
    """The file is damaged or not what it should be; the message is a sentence for the user."""


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
