# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenEXR: attributes, the offset table, and whether every chunk lies inside the file (OpenEXR file layout, version 2).

A writer that was interrupted leaves zeros in the offset table, which is written last.
"""

from __future__ import annotations

import struct

from ..facts import PictureFacts, PictureFormat
from ..source import Source

SIGNATURE = b"v/1\x01"

_TILED, _DEEP, _MULTI_PART = 0x200, 0x800, 0x1000
_SCAN_LINES = {0: 1, 1: 1, 2: 1, 3: 16, 4: 32, 5: 16, 6: 32, 7: 32, 8: 32, 9: 256, 10: 256, 11: 32}
"""Rows in a chunk of each compression: none, RLE, ZIPS, ZIP, PIZ, PXR24, B44, B44A, DWAA, DWAB, HTJ2K256, HTJ2K32."""

_NEEDED = frozenset((b"channels", b"compression", b"dataWindow", b"tiles", b"chunkCount", b"type"))
_MAX_NAME = 256
_MAX_ATTRIBUTES = 1024
_MAX_PARTS = 64
_MAX_VALUE = 1 << 16
_MAX_CHUNKS = 1 << 18
_BITS_OF_TYPE = {0: 32, 1: 16, 2: 32}


_Header = dict[bytes, bytes]
"""The attributes of one part that matter here, by name."""


def walk(source: Source) -> PictureFacts:
    """Follow the offset tables of an OpenEXR file; raise BadPicture if a chunk is not there."""
    (version,) = struct.unpack("<I", source.read(4, 4))
    if version & 0xFF != 2:
        raise source.unsupported(f"an OpenEXR file of version {version & 0xFF}")
    if version & _DEEP:
        raise source.unsupported("an OpenEXR file with deep pixels")
    headers, offset = _read_headers(source, is_multi_part=bool(version & _MULTI_PART))
    width, height = _size(source, headers[0])
    source.check_size(width, height)
    for header in headers:
        number = _number_of_chunks(source, header, is_tiled=bool(version & _TILED))
        offset = _check_table(source, offset, number, tiles=b"tiles" in header, parts=len(headers) > 1)
    channels, bits = _channels(source, headers[0])
    return PictureFacts(PictureFormat.EXR, width, height, 1, channels, bits, premultiplied=True)


def _read_text(source: Source, offset: int) -> tuple[bytes, int]:
    """Return the zero-terminated text at ``offset`` and where it ends."""
    text, zero, _ = source.peek(offset, _MAX_NAME).partition(b"\0")
    if not zero:
        if offset + _MAX_NAME > source.size:
            raise source.incomplete()
        raise source.damaged("its header has a name that is too long")
    return text, offset + len(text) + 1


def _read_headers(source: Source, *, is_multi_part: bool) -> tuple[list[_Header], int]:
    headers: list[_Header] = []
    offset = 8
    while len(headers) < _MAX_PARTS:
        header, offset = _read_header(source, offset)
        if not header and headers:
            return headers, offset
        headers.append(header)
        if not is_multi_part:
            return headers, offset
    raise source.unsupported(f"an OpenEXR file with more than {_MAX_PARTS} parts")


def _read_header(source: Source, offset: int) -> tuple[_Header, int]:
    header: _Header = {}
    for _ in range(_MAX_ATTRIBUTES):
        name, offset = _read_text(source, offset)
        if not name:
            return header, offset
        _, offset = _read_text(source, offset)
        (length,) = struct.unpack("<i", source.read(offset, 4))
        source.require(offset + 4, length)
        if name in _NEEDED:
            header[name] = source.read(offset + 4, min(length, _MAX_VALUE))
        offset += 4 + length
    raise source.damaged("its header does not end")


def _unpack(source: Source, header: _Header, name: bytes, layout: str) -> tuple[int, ...]:
    value = header.get(name, b"")
    if len(value) < struct.calcsize(layout):
        raise source.damaged(f"its header lacks {name.decode('ascii')}")
    return struct.unpack_from(layout, value)


def _size(source: Source, header: _Header) -> tuple[int, int]:
    left, top, right, bottom = _unpack(source, header, b"dataWindow", "<4i")
    return right - left + 1, bottom - top + 1


def _number_of_chunks(source: Source, header: _Header, *, is_tiled: bool) -> int:
    width, height = _size(source, header)
    if b"chunkCount" in header:
        (number,) = _unpack(source, header, b"chunkCount", "<i")
    elif is_tiled:
        number = _number_of_tiles(source, header, width, height)
    else:
        (compression,) = _unpack(source, header, b"compression", "<B")
        if compression not in _SCAN_LINES:
            raise source.unsupported("an OpenEXR file with an unknown compression")
        number = -(-height // _SCAN_LINES[compression])
    if not 0 < number <= _MAX_CHUNKS:
        raise source.damaged(f"it declares {number:,} chunks of pixels")
    return number


def _number_of_tiles(source: Source, header: _Header, width: int, height: int) -> int:
    tile_width, tile_height, mode = _unpack(source, header, b"tiles", "<IIB")
    if not (tile_width and tile_height):
        raise source.damaged("its tiles have no size")

    rounds_up = bool(mode >> 4)

    def count(x: int, y: int) -> int:
        columns, rows = _side_of_level(width, x, rounds_up), _side_of_level(height, y, rounds_up)
        return -(-columns // tile_width) * -(-rows // tile_height)

    match mode & 15:
        case 0:
            return count(0, 0)
        case 1:
            return sum(count(number, number) for number in _levels(max(width, height), rounds_up))
        case _:
            return sum(count(x, y) for y in _levels(height, rounds_up) for x in _levels(width, rounds_up))


def _levels(side: int, rounds_up: bool) -> range:
    """Return the numbers of the levels until one pixel is left."""
    return range(((side - 1).bit_length() if rounds_up else side.bit_length() - 1) + 1)


def _side_of_level(side: int, number: int, rounds_up: bool) -> int:
    return max(1, -(-side >> number) if rounds_up else side >> number)


def _check_table(source: Source, offset: int, number: int, *, tiles: bool, parts: bool) -> int:
    """Check that each of ``number`` chunks lies in the file; return where the table ends."""
    end = offset + 8 * number
    for (chunk,) in struct.iter_unpack("<Q", source.read(offset, 8 * number)):
        if chunk == 0:
            raise source.incomplete()
        head = 4 * parts + (16 if tiles else 4)
        (length,) = struct.unpack("<i", source.read(chunk + head, 4))
        source.require(chunk + head + 4, length)
    return end


def _channels(source: Source, header: _Header) -> tuple[int, int]:
    """Return the number of channels and the largest sample in bits."""
    block = header.get(b"channels", b"")
    number = bits = position = 0
    while 0 <= position < len(block) and block[position]:
        position = block.find(b"\0", position) + 1
        if not position or position + 16 > len(block):
            break
        bits = max(bits, _BITS_OF_TYPE.get(int.from_bytes(block[position : position + 4], "little"), 32))
        number += 1
        position += 16
    if not number:
        raise source.damaged("it has no channels")
    return number, bits
