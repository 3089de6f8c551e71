# SPDX-License-Identifier: GPL-3.0-or-later
"""WebP: the chunks of the RIFF container (RFC 9649, sections 2 and 3)."""

from __future__ import annotations

import struct

from .. import exif
from ..facts import PictureFacts, PictureFormat
from ..source import Source

_MAX_CHUNKS = 1 << 12
_MAX_EXIF = 1 << 20
_ANIMATED, _ALPHA = 0x02, 0x10


def is_webp(head: bytes) -> bool:
    """Return whether the first 12 bytes are those of a WebP file."""
    return head[:4] == b"RIFF" and head[8:12] == b"WEBP"


def walk(source: Source) -> PictureFacts:
    """Follow the chunks of a still WebP picture; raise BadPicture if it is cut or damaged."""
    end = 8 + int.from_bytes(source.read(4, 4), "little")
    source.require(0, end)
    canvas: tuple[int, int] | None = None
    picture: tuple[int, int] | None = None
    has_alpha = False
    orientation = 1
    offset = 12
    for _ in range(_MAX_CHUNKS):
        if offset + 8 > end:
            break
        kind, length = struct.unpack("<4sI", source.read(offset, 8))
        if offset + 8 + length > end:
            raise source.damaged("one of its chunks is longer than the file")
        body = offset + 8
        if kind == b"VP8X" and canvas is None:
            canvas, flags = _read_canvas(source, body, length)
            has_alpha = bool(flags & _ALPHA)
            source.check_size(*canvas)
        elif kind == b"VP8 " and picture is None:
            picture = _read_lossy(source, body, length)
        elif kind == b"VP8L" and picture is None:
            *picture_size, has_alpha = _read_lossless(source, body, length)
            picture = picture_size[0], picture_size[1]
        elif kind == b"EXIF":
            orientation = exif.orientation(source.read(body, min(length, _MAX_EXIF)))
        offset = body + length + length % 2
    if picture is None:
        raise source.damaged("it has no pixels")
    if canvas is not None and canvas != picture:
        raise source.damaged("it declares two different sizes")
    source.check_size(*picture)
    return PictureFacts(PictureFormat.WEBP, *picture, orientation, 4 if has_alpha else 3, 8)


def _read_canvas(source: Source, offset: int, length: int) -> tuple[tuple[int, int], int]:
    if length < 10:
        raise source.damaged("its header is too short")
    body = source.read(offset, 10)
    if body[0] & _ANIMATED:
        raise source.unsupported("an animated WebP picture")
    return (1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")), body[0]


def _read_lossy(source: Source, offset: int, length: int) -> tuple[int, int]:
    """Return the size from a VP8 key frame header (RFC 6386, section 9.1)."""
    body = source.read(offset, 10) if length >= 10 else b""
    if body[3:6] != b"\x9d\x01\x2a" or body[0] & 1:
        raise source.damaged("its pixels do not begin with a key frame")
    if 10 + (int.from_bytes(body[:3], "little") >> 5) > length:
        raise source.damaged("its pixels are shorter than declared")
    width, height = struct.unpack_from("<HH", body, 6)
    return width & 0x3FFF, height & 0x3FFF


def _read_lossless(source: Source, offset: int, length: int) -> tuple[int, int, bool]:
    body = source.read(offset, 5) if length >= 5 else b""
    if body[:1] != b"\x2f":
        raise source.damaged("its pixels do not begin as lossless WebP does")
    packed = int.from_bytes(body[1:], "little")
    return 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF), bool(packed >> 28 & 1)
