# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture file without what its pixels do not need: where, when and with what it was taken, and by whom.

A phone writes its position into every photograph, and Blender the path of the .blend into every render. The pixels are
not decoded: they stay the same, bit by bit. What says how to show them (profile, gamma, transparency) stays, too.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path

from .facts import PictureFormat

_PNG_START = 8
_PNG_KEPT = {b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"cICP", b"mDCV", b"cLLI", b"bKGD", b"pHYs"}
"""Besides the critical chunks, whose names begin with a capital."""

_JPEG_MARKER = re.compile(rb"\xff[\x02-\xcf\xd8-\xfe]")
_JPEG_KEPT = {0xE0: b"JFIF\0", 0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}
"""What a segment for applications must begin with."""
_APPLICATIONS = range(0xE0, 0xF0)
_COMMENT, _END = 0xFE, 0xD9

_WEBP_START = 12
_WEBP_KEPT = {b"VP8X", b"ICCP", b"ALPH", b"VP8 ", b"VP8L"}
_WEBP_EXIF_AND_XMP = 0x08 | 0x04


def plain(path: Path, kind: PictureFormat) -> bytes | None:
    """Return a picture's bytes without the rest, or nothing if there is no rest, or it is of another format.

    path: a file in which `inspect` found nothing wrong.

    Raises:
        OSError: it cannot be read.
    """
    parts_of = {PictureFormat.PNG: _of_png, PictureFormat.JPEG: _of_jpeg, PictureFormat.WEBP: _of_webp}.get(kind)
    if parts_of is None:
        return None
    content = path.read_bytes()
    found = b"".join(parts_of(content))
    return found if found != content else None


def _of_png(content: bytes) -> Iterator[bytes]:
    """Yield signature and chunks, the last of which is IEND."""
    yield content[:_PNG_START]
    offset, kind = _PNG_START, b""
    while kind != b"IEND" and offset < len(content):
        length, kind = struct.unpack_from(">I4s", content, offset)
        end = offset + 12 + length
        if kind[:1].isupper() or kind in _PNG_KEPT:
            yield content[offset:end]
        offset = end


def _of_jpeg(content: bytes) -> Iterator[bytes]:
    """Yield segments, each with the data of a scan that follows; phones append more pictures behind the end."""
    yield content[:2]
    offset = 2
    while found := _JPEG_MARKER.search(content, offset):
        start, marker = found.start(), content[found.start() + 1]
        if marker == _END:
            yield content[offset : start + 2]
            return
        yield content[offset:start]
        offset = start + 2 + int.from_bytes(content[start + 2 : start + 4], "big")
        if _is_kept(marker, content[start + 4 : offset]):
            yield content[start:offset]


def _is_kept(marker: int, body: bytes) -> bool:
    if marker in _APPLICATIONS:
        return marker in _JPEG_KEPT and body.startswith(_JPEG_KEPT[marker])
    return marker != _COMMENT


def _of_webp(content: bytes) -> Iterator[bytes]:
    """Yield the head, with its new size, and the chunks; the flags no longer promise what is gone."""
    parts = []
    offset, end = _WEBP_START, 8 + int.from_bytes(content[4:8], "little")
    while offset + 8 <= end:
        kind, length = struct.unpack_from("<4sI", content, offset)
        body = content[offset + 8 : offset + 8 + length + length % 2]
        if kind == b"VP8X":
            body = bytes([body[0] & ~_WEBP_EXIF_AND_XMP]) + body[1:]
        if kind in _WEBP_KEPT:
            parts += [content[offset : offset + 8], body]
        offset += 8 + length + length % 2
    yield content[:4] + (4 + sum(map(len, parts))).to_bytes(4, "little") + content[8:_WEBP_START]
    yield from parts
