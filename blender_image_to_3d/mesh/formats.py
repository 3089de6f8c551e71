# SPDX-License-Identifier: GPL-3.0-or-later
"""What kind of file some bytes are: by what they say, since names and content types of downloads are often wrong."""

from __future__ import annotations

import re
from enum import Enum

HEAD_SIZE = 4096
"""So many bytes from the start of a file are enough for :func:`detect`."""


class Format(Enum):
    """A kind of file; the value is the suffix that programs expect of it."""

    GLB = ".glb"
    GLTF = ".gltf"
    OBJ = ".obj"
    STL = ".stl"
    PLY = ".ply"
    FBX = ".fbx"
    PNG = ".png"
    JPEG = ".jpg"
    WEBP = ".webp"
    ZIP = ".zip"
    HTML = ".html"
    """Not a mesh: a service that answers with a web page is usually out of order."""
    JSON = ".json"
    """Not a mesh: usually an error message."""

    @property
    def suffix(self) -> str:
        """With its dot."""
        return self.value

    @property
    def is_mesh(self) -> bool:
        """Whether Blender can import it as it is."""
        return not self.is_picture and self not in (Format.ZIP, Format.HTML, Format.JSON)

    @property
    def is_picture(self) -> bool:
        """Whether it shows something instead of being it."""
        return self in (Format.PNG, Format.JPEG, Format.WEBP)


_MAGIC = (
    (b"glTF", Format.GLB),
    (b"PK\x03\x04", Format.ZIP),
    (b"PK\x05\x06", Format.ZIP),  # Without any file in it.
    (b"Kaydara FBX Binary  \x00", Format.FBX),
    (b"ply\n", Format.PLY),
    (b"ply\r", Format.PLY),
    (b"\x89PNG\r\n\x1a\n", Format.PNG),
    (b"\xff\xd8\xff", Format.JPEG),
)
_WEBP = re.compile(rb"RIFF.{4}WEBP", re.DOTALL)
_UTF8_MARK = b"\xef\xbb\xbf"
_FBX_TEXT = re.compile(rb";[^\n]*FBX")
_STL_TEXT = re.compile(rb"solid\b[^\n]*\n\s*(facet|endsolid)\b")
_HTML = re.compile(rb"(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<(!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL)
# JSON has none of them; the numbers in a glTF's .bin file may begin like JSON.
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_GLTF = re.compile(rb'"asset"\s*:\s*\{')
# No other JSON has these words, and a sorted file has its "asset" far behind them.
_GLTF_ONLY = re.compile(rb'"(bufferView|componentType|byteOffset)"\s*:')
_GLTF_PARTS = re.compile(rb'"(version|generator|scenes?|nodes|meshes|accessors|buffers|bufferViews)"\s*:')
_OBJ_LINE = re.compile(rb"(v|vt|vn|vp|f|l|p|o|g|s|mtllib|usemtl)[ \t]")
_STL_HEADER = 80
_STL_TRIANGLE = 50
"""Bytes of each triangle in a binary STL file, after its header and their number."""


def detect(head: bytes, size: int | None = None) -> Format | None:
    """The format of a file that begins with ``head`` (see HEAD_SIZE) and has ``size`` bytes in all; None if unknown.

    A binary STL file has no magic bytes: it is known by its size, which must be given.
    """
    for magic, found in _MAGIC:
        if head.startswith(magic):
            return found
    if _WEBP.match(head):
        return Format.WEBP
    if size is not None and _is_binary_stl(head, size):  # Before text: its header may begin with "solid".
        return Format.STL
    text = head.removeprefix(_UTF8_MARK).lstrip()
    if text.startswith((b"{", b"[")) and not _BINARY.search(text):
        return Format.GLTF if _is_gltf(text) else Format.JSON
    if _HTML.match(text):
        return Format.HTML
    if _STL_TEXT.match(text):
        return Format.STL
    if _FBX_TEXT.match(text):
        return Format.FBX
    return Format.OBJ if _is_obj(text) else None


def _is_binary_stl(head: bytes, size: int) -> bool:
    start = _STL_HEADER + 4
    count = int.from_bytes(head[_STL_HEADER:start], "little")
    return len(head) >= start and size == start + count * _STL_TRIANGLE


def _is_gltf(text: bytes) -> bool:
    return bool(_GLTF_ONLY.search(text) or (_GLTF.search(text) and _GLTF_PARTS.search(text)))


def _is_obj(text: bytes) -> bool:
    """Whether all lines that are whole, and are not comments, begin with a word of the OBJ format."""
    lines = [line.strip() for line in text.split(b"\n")]
    lines = lines[:-1] if len(lines) > 1 else lines  # The last one may be cut off.
    words = [line for line in lines if line and not line.startswith(b"#")]
    return bool(words) and all(_OBJ_LINE.match(line) for line in words)
