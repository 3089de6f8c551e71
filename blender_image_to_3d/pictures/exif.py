# SPDX-License-Identifier: GPL-3.0-or-later
"""The one thing that is needed from EXIF: which way is up (EXIF 2.32, tag 274)."""

from __future__ import annotations

import struct

ORIENTATION = 274
_SHORT = 3


def orientation(block: bytes) -> int:
    """Return the orientation, 1 to 8, from an EXIF block (a small TIFF file, with or without "Exif" before it).

    A block that cannot be understood means upright: cameras and editors write many broken ones, and none of them
    makes the picture itself unreadable.
    """
    if block[:4] == b"Exif":
        block = block[6:]
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None or len(block) < 8:
        return 1
    (start,) = struct.unpack_from(order + "I", block, 4)
    if start + 2 > len(block):
        return 1
    (count,) = struct.unpack_from(order + "H", block, start)
    last = min(start + 2 + 12 * count, len(block) - 11)
    for position in range(start + 2, last, 12):
        tag, kind, _, value = struct.unpack_from(order + "HHIH", block, position)
        if tag == ORIENTATION:
            return value if kind == _SHORT and 1 <= value <= 8 else 1
    return 1
