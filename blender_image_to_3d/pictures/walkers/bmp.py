# SPDX-License-Identifier: GPL-3.0-or-later
"""BMP: the two headers, and whether the rows are all there (Windows BITMAPFILEHEADER and BITMAPINFOHEADER)."""

from __future__ import annotations

import struct

from ..facts import PictureFacts, PictureFormat
from ..source import Source

SIGNATURE = b"BM"

_CORE_HEADER = 12
_HEADERS = frozenset((12, 40, 52, 56, 64, 108, 124))
_BITS = frozenset((1, 4, 8, 16, 24, 32))
_PLAIN, _RUNS_8, _RUNS_4, _FIELDS, _ALPHA_FIELDS = 0, 1, 2, 3, 6


def is_bmp(head: bytes) -> bool:
    """Return whether the file begins like a BMP; two letters alone would take many a text for one."""
    return head[:2] == SIGNATURE and int.from_bytes(head[14:18], "little") in _HEADERS


def walk(source: Source) -> PictureFacts:
    """Read the headers of a BMP file; raise BadPicture if its rows are not all there."""
    (pixels, header) = struct.unpack("<II", source.read(10, 8))
    compression = stored = 0
    if header == _CORE_HEADER:
        width, height, planes, bits = struct.unpack("<HHHH", source.read(18, 8))
    else:
        width, height, planes, bits, compression, stored = struct.unpack("<iiHHII", source.read(18, 20))
    height = abs(height)
    if planes != 1 or bits not in _BITS:
        raise source.damaged(f"its header declares {bits} bits per pixel")
    if compression not in (_PLAIN, _RUNS_8, _RUNS_4, _FIELDS, _ALPHA_FIELDS):
        raise source.unsupported("a BMP file with another picture inside")
    source.check_size(width, height)
    if pixels < 14 + header:
        raise source.damaged("its pixels begin inside its header")
    if compression in (_RUNS_8, _RUNS_4):
        source.require(pixels, max(stored, 2))
    else:
        source.require(pixels, (width * bits + 31) // 32 * 4 * height)
    channels = 1 if bits <= 8 else 4 if _has_alpha(source, header, compression) else 3
    return PictureFacts(PictureFormat.BMP, width, height, 1, channels, 8 if bits > 8 else bits)


def _has_alpha(source: Source, header: int, compression: int) -> bool:
    """Return whether there is an alpha mask; the fourth byte of plain 32-bit pixels is undefined, and often zero."""
    if compression == _PLAIN or (header < 56 and compression != _ALPHA_FIELDS):
        return False
    return any(source.read(14 + 52, 4))
