# SPDX-License-Identifier: GPL-3.0-or-later
"""TGA: no signature, so the header has to make sense and something else has to speak for it (TGA 2.0 specification)."""

from __future__ import annotations

import struct

from ..facts import PictureFacts, PictureFormat
from ..source import PIECE, Source

_FOOTER = b"TRUEVISION-XFILE.\0"
_FOOTER_BYTES = 26
_MAPPED, _COLOUR, _GREY = 1, 2, 3
_PACKED = 8
_BITS = {_MAPPED: (8, 16), _COLOUR: (15, 16, 24, 32), _GREY: (8, 16)}


def is_tga(source: Source) -> bool:
    """Return whether the header is possible and the suffix, a footer or the exact length supports it."""
    head = source.peek(0, 18)
    if len(head) < 18 or not _is_possible(head):
        return False
    if source.suffix in PictureFormat.TGA.suffixes or _has_footer(source):
        return True
    width, height, bits = struct.unpack_from("<HHB", head, 12)
    return head[2] < _PACKED and source.size == _start_of_pixels(head) + width * height * ((bits + 7) // 8)


def walk(source: Source) -> PictureFacts:
    """Read the header of a TGA file; raise BadPicture if its pixels are not all there."""
    head = source.read(0, 18)
    width, height, bits = struct.unpack_from("<HHB", head, 12)
    source.check_size(width, height)
    pixel_bytes = (bits + 7) // 8
    start = _start_of_pixels(head)
    if head[2] < _PACKED:
        source.require(start, width * height * pixel_bytes)
    elif not _has_footer(source):
        _walk_packets(source, start, width * height, pixel_bytes)
    kind = head[2] & 7
    channels = {_MAPPED: 1, _GREY: pixel_bytes}.get(kind, 4 if bits == 32 else 3)
    return PictureFacts(PictureFormat.TGA, width, height, 1, channels, 8)


def _is_possible(head: bytes) -> bool:
    _, has_map, kind, _, map_length, map_bits, _, _, width, height, bits, flags = struct.unpack("<BBBHHBHHHHBB", head)
    base = kind & ~_PACKED
    if has_map > 1 or bits not in _BITS.get(base, ()) or flags & 0xC0 or flags & 0x0F > 8 or not (width and height):
        return False
    if base == _MAPPED and not (has_map and map_length):
        return False
    return not has_map or map_bits in (15, 16, 24, 32)


def _start_of_pixels(head: bytes) -> int:
    name_length, has_map = head[0], head[1]
    map_length, map_bits = struct.unpack_from("<HB", head, 5)
    return 18 + name_length + (map_length * ((map_bits + 7) // 8) if has_map else 0)


def _has_footer(source: Source) -> bool:
    return source.size >= 18 + _FOOTER_BYTES and source.read(source.size - len(_FOOTER), len(_FOOTER)) == _FOOTER


def _walk_packets(source: Source, start: int, pixels: int, pixel_bytes: int) -> None:
    """Follow run-length packets until all pixels are there; a file without a footer ends anywhere."""
    offset = start
    while pixels > 0:
        window = source.peek(offset, PIECE)
        if not window:
            raise source.incomplete()
        position = 0
        while pixels > 0 and position < len(window):
            count = (window[position] & 0x7F) + 1
            position += 1 + (pixel_bytes if window[position] & 0x80 else count * pixel_bytes)
            pixels -= count
        offset += position
    source.require(offset, 0)
