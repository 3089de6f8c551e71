# SPDX-License-Identifier: GPL-3.0-or-later
"""TIFF and BigTIFF, both byte orders: the first directory, and whether its strips or tiles lie inside the file.

TIFF 6.0, section 2 (structure) and 8 (baseline fields); BigTIFF differs only in the width of counts and offsets.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from ..exif import ORIENTATION
from ..facts import PictureFacts, PictureFormat
from ..source import Source

_ORDERS = {b"II*\0": "<", b"II+\0": "<", b"MM\0*": ">", b"MM\0+": ">"}

SIGNATURES = frozenset(_ORDERS)

_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_STRIPS, _SAMPLES, _STRIP_ROWS, _STRIP_BYTES, _PLANAR = 273, 277, 278, 279, 284
_TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES = 322, 323, 324, 325
_EXTRA_SAMPLES, _SAMPLE_FORMAT, _DNG_VERSION = 338, 339, 50706

_INTEGERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q"}
_MAX_ENTRIES = 4096
_MIN_TILE = 8
_RAW = "a camera's raw picture"


class _Field(NamedTuple):
    kind: str
    number: int
    offset: int


class _Directory:
    """The first directory of a file. Raises BadPicture where it does not fit into the file."""

    def __init__(self, source: Source) -> None:
        self._source = source
        head = source.read(0, 8)
        self._order = _ORDERS[head[:4]]
        self._is_big = b"+" in head[:4]
        self._fields = self._read_fields(head)

    def _read_fields(self, head: bytes) -> dict[int, _Field]:
        source = self._source
        pointer, counter, entry = ("Q", "Q", "HHQ") if self._is_big else ("I", "H", "HHI")
        raw_pointer = source.read(8, 8) if self._is_big else head[4:8]
        (start,) = struct.unpack(self._order + pointer, raw_pointer)
        (count,) = struct.unpack(self._order + counter, source.read(start, struct.calcsize(counter)))
        if count > _MAX_ENTRIES:
            raise source.damaged("its directory is too long")
        start += struct.calcsize(counter)
        inline = struct.calcsize(pointer)
        length = struct.calcsize("<" + entry) + inline
        table = source.read(start, count * length)
        fields: dict[int, _Field] = {}
        for position in range(0, len(table), length):
            tag, kind, number = struct.unpack_from(self._order + entry, table, position)
            if kind not in _INTEGERS:
                continue
            where = start + position + length - inline
            if number * struct.calcsize(_INTEGERS[kind]) > inline:
                (where,) = struct.unpack_from(self._order + pointer, table, position + length - inline)
            fields.setdefault(tag, _Field(_INTEGERS[kind], number, where))
        return fields

    def __contains__(self, tag: int) -> bool:
        return tag in self._fields and self._fields[tag].number > 0

    def values(self, tag: int, limit: int) -> Iterator[int]:
        """Yield up to ``limit`` values of a field, reading a few thousand at a time."""
        field = self._fields.get(tag)
        if field is None:
            return
        width = struct.calcsize(field.kind)
        remaining, offset = min(field.number, limit), field.offset
        while remaining:
            part = min(remaining, 4096)
            yield from struct.unpack(f"{self._order}{part}{field.kind}", self._source.read(offset, part * width))
            remaining -= part
            offset += part * width

    def value(self, tag: int, default: int) -> int:
        """Return the first value of a field."""
        return next(self.values(tag, 1), default)


def walk(source: Source) -> PictureFacts:
    """Read the first directory of a TIFF file; raise BadPicture if its strips or tiles are not all there."""
    directory = _Directory(source)
    if _DNG_VERSION in directory or source.peek(8, 2) == b"CR" or directory.value(_SUBFILE, 0) & 1:
        raise source.unsupported(_RAW)
    width, height = directory.value(_WIDTH, 0), directory.value(_HEIGHT, 0)
    channels, bits = directory.value(_SAMPLES, 1), max(directory.values(_BITS, 8), default=1)
    source.check_size(width, height)
    if not 1 <= channels <= 8 or not 1 <= bits <= 64:
        raise source.damaged(f"its header declares {channels} channels of {bits} bits")
    sample_format = directory.value(_SAMPLE_FORMAT, 1)
    if sample_format not in (1, 3, 4) or (sample_format != 3 and bits > 16):
        raise source.unsupported(f"a TIFF picture with samples of {bits} bits that are measurements, not colours")
    if directory.value(_PHOTOMETRIC, 1) in (32803, 34892):
        raise source.unsupported(_RAW)
    if _TILES in directory:
        _check_tiles(source, directory, width, height)
    else:
        _check_strips(source, directory, width, height)
    orientation = directory.value(ORIENTATION, 1)
    orientation = orientation if 1 <= orientation <= 8 else 1
    premultiplied = channels in (2, 4) and directory.value(_EXTRA_SAMPLES, 0) == 1
    return PictureFacts(PictureFormat.TIFF, width, height, orientation, channels, bits, premultiplied)


def _row_bytes(directory: _Directory, width: int) -> tuple[int, int]:
    """Return the bytes of one uncompressed row of ``width`` pixels in one plane, and the number of planes."""
    channels = directory.value(_SAMPLES, 1)
    bits = list(directory.values(_BITS, channels)) or [1]
    bits += bits[-1:] * (channels - len(bits))
    if directory.value(_PLANAR, 1) == 2:
        return (width * min(bits) + 7) // 8, channels
    return (width * sum(bits) + 7) // 8, 1


def _is_plain(directory: _Directory) -> bool:
    # Subsampled YCbCr (photometric 6) is plain as well, but shorter than its pixels.
    return directory.value(_COMPRESSION, 1) == 1 and directory.value(_PHOTOMETRIC, 1) != 6


def _check_strips(source: Source, directory: _Directory, width: int, height: int) -> None:
    if _STRIPS not in directory:
        raise source.damaged("it has no pixels")
    rows = min(directory.value(_STRIP_ROWS, height) or height, height)
    row_bytes, planes = _row_bytes(directory, width)
    per_plane = -(-height // rows)
    expected = [rows * row_bytes] * (per_plane - 1) + [(height - rows * (per_plane - 1)) * row_bytes]
    minimum = expected * planes if _is_plain(directory) else [1] * (per_plane * planes)
    _check_pieces(source, directory, _STRIPS, _STRIP_BYTES, minimum)


def _check_tiles(source: Source, directory: _Directory, width: int, height: int) -> None:
    tile_width, tile_height = directory.value(_TILE_WIDTH, 0), directory.value(_TILE_HEIGHT, 0)
    if min(tile_width, tile_height) < _MIN_TILE or tile_width * tile_height > 1 << 28:
        raise source.damaged(f"its tiles have {tile_width} x {tile_height} pixels")
    row_bytes, planes = _row_bytes(directory, tile_width)
    number = -(-width // tile_width) * -(-height // tile_height) * planes
    minimum = tile_height * row_bytes if _is_plain(directory) else 1
    _check_pieces(source, directory, _TILES, _TILE_BYTES, [minimum] * number)


def _check_pieces(source: Source, directory: _Directory, offsets: int, lengths: int, minimum: list[int]) -> None:
    """Check that strips or tiles lie in the file and have at least the bytes in ``minimum``, one number for each."""
    pieces = 0
    stored: Iterator[int] = directory.values(lengths, len(minimum)) if lengths in directory else iter(minimum)
    for offset, length, least in zip(directory.values(offsets, len(minimum)), stored, minimum, strict=False):
        source.require(offset, length)
        if offset < 8 or length < least:
            raise source.damaged("a part of its pixels is missing")
        pieces += 1
    if pieces != len(minimum):
        raise source.damaged("a part of its pixels is missing")
