# SPDX-License-Identifier: GPL-3.0-or-later
"""JPEG: segments from SOI to EOI, through all scans (ITU-T T.81, annex B).

Thumbnails are whole JPEG files inside APPn segments, so an end-of-image marker only counts where a segment may begin.
Bytes behind the end are left alone: phones append further pictures (MPO) and videos there.
"""

from __future__ import annotations

import re

from .. import exif
from ..facts import PictureFacts, PictureFormat
from ..source import Source

SIGNATURE = b"\xff\xd8\xff"

_MARKER = re.compile(rb"\xff[\x02-\xcf\xd8-\xfe]")
"""A marker that is neither a stuffed byte, TEM, fill, nor one of the restarts, which belong to a scan's data."""

_SOI, _EOI, _SOS, _APP1 = 0xD8, 0xD9, 0xDA, 0xE1
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_MAX_SEGMENTS = 1 << 16


def walk(source: Source) -> PictureFacts:
    """Follow a JPEG file to its end-of-image marker; raise BadPicture if it is cut or damaged."""
    frame: tuple[int, int, int, int] | None = None
    orientation = 0
    has_scan = False
    offset = 2
    for _ in range(_MAX_SEGMENTS):
        offset = source.find(_MARKER, offset, 2)
        if offset < 0:
            raise source.incomplete()
        marker = source.read(offset, 2)[1]
        if marker == _EOI:
            break
        if marker == _SOI:
            raise source.damaged("a second picture begins inside the first")
        length = int.from_bytes(source.read(offset + 2, 2), "big")
        if length < 2:
            raise source.damaged("it has a segment without a length")
        source.require(offset + 2, length)
        if marker in _FRAMES and frame is None:
            frame = _read_frame(source, offset + 4, length - 2)
        elif marker == _APP1 and not orientation and source.peek(offset + 4, 4) == b"Exif":
            orientation = exif.orientation(source.read(offset + 4, length - 2))
        has_scan = has_scan or marker == _SOS
        offset += 2 + length
    else:
        raise source.damaged("it has too many segments")
    if frame is None or not has_scan:
        raise source.damaged("it has no pixels")
    width, height, channels, bits = frame
    return PictureFacts(PictureFormat.JPEG, width, height, orientation or 1, channels, bits)


def _read_frame(source: Source, offset: int, length: int) -> tuple[int, int, int, int]:
    """Return width, height, channels and bits from a frame header (B.2.2)."""
    if length < 9:
        raise source.damaged("its header is too short")
    bits, *sides, channels = source.read(offset, 6)
    height, width = sides[0] << 8 | sides[1], sides[2] << 8 | sides[3]
    if bits != 8:
        raise source.unsupported(f"a JPEG picture with {bits} bits per channel")
    if channels not in (1, 3, 4) or length < 6 + 3 * channels:
        raise source.damaged(f"its header declares {channels} colour channels")
    source.check_size(width, height)
    return width, height, channels, bits
