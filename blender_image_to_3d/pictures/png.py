# SPDX-License-Identifier: GPL-3.0-or-later
"""PNG pixels, both ways, with numpy and zlib only (PNG specification, third edition).

Decoding is complete: all colour types and depths, palette, tRNS, Adam7, all filters. Chunk names and checksums are
``inspect``'s business for files; ``decode`` still refuses whatever it cannot follow, and it never allocates more than
the declared pixels need, nor more than ``facts.MAX_PIXELS``.

Where a row's filter needs the pixel to the left *and* the row above (Average, Paeth), neither rows nor columns can be
computed at once, but anti-diagonals can. Bands of rows are stored skewed, each row one step later than the one
above it, so that a diagonal is contiguous, and undone one diagonal at a time.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from ..errors import BadPicture
from .source import check_size
from .walkers.png import CHANNELS, DEPTHS, SIGNATURE

Bytes = NDArray[np.uint8]

_NONE, _SUB, _UP, _AVERAGE, _PAETH = range(5)

_BAND_ROWS = 1024
"""Rows that are undone together: enough to fill vector units, few enough for the second-level cache."""

_BAND_BYTES = 1 << 25
"""Limit of a skewed band in memory."""

_ENCODED_ROWS = 32
"""Rows that are filtered together: their 16-bit intermediates stay in the cache."""

_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Adam7: first column, first row, step of columns, step of rows (section 8)."""


def encode(pixels: Bytes, *, level: int = 1) -> bytes:
    """Return a PNG file.

    pixels: (h, w, 3) RGB or (h, w, 4) RGBA with straight alpha, top row first. level: 0 stores, 1 is fast and the best
    choice for photographs and textures, 2 to 9 also look for repeated patterns, which helps drawings and masks.

    Every row is Paeth-filtered. Level 1 uses zlib's run-length strategy: after that filter a photograph has few
    repeats left, and Huffman coding alone makes files as small as level 6 does, seven times as fast. The same pixels
    give the same bytes with the same zlib.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (3, 4) or 0 in pixels.shape:
        raise ValueError(f"expected (h, w, 3) or (h, w, 4) uint8, got {pixels.shape} {pixels.dtype}")
    height, width, channels = pixels.shape
    strategy = zlib.Z_RLE if level == 1 else zlib.Z_DEFAULT_STRATEGY
    stream = zlib.compressobj(level, zlib.DEFLATED, 15, 9, strategy)
    parts = [stream.compress(rows.data) for rows in _filter_paeth(pixels)]
    parts.append(stream.flush())
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if channels == 3 else 6, 0, 0, 0)
    return b"".join((SIGNATURE, _chunk(b"IHDR", header), _chunk(b"IDAT", b"".join(parts)), _chunk(b"IEND", b"")))


def decode(data: bytes, *, name: str = "The PNG picture") -> Bytes:
    """Return the pixels of a PNG file, (h, w, 4) RGBA with straight alpha, top row first; 16 bits are rounded to 8.

    Colours are taken as sRGB; gamma, chromaticities and profiles are ignored. Raises BadPicture, whose sentence begins
    with ``name``, if the data are not a complete PNG file or the picture is too small or too large.
    """
    try:
        header, palette, transparency, packed = _parse(data)
        check_size(name, header.width, header.height)
        samples = _samples(header, _inflate(packed, header.filtered_bytes))
        return _to_rgba(header, samples, palette, transparency)
    except _Damage as damage:
        raise BadPicture(f"{name} is damaged: {damage}.", hint="Copy, download or export it again.") from damage


@dataclass(frozen=True, slots=True)
class _Header:
    width: int
    height: int
    depth: int
    colour: int
    interlaced: bool

    @property
    def channels(self) -> int:
        return CHANNELS[self.colour]

    def row_bytes(self, width: int) -> int:
        return (width * self.depth * self.channels + 7) // 8

    @property
    def passes(self) -> tuple[tuple[int, int, int, int], ...]:
        return _PASSES if self.interlaced else ((0, 0, 1, 1),)

    def pass_size(self, step: tuple[int, int, int, int]) -> tuple[int, int]:
        """Return width and height of a pass; a side may be 0."""
        left, top, across, down = step
        return -(-(self.width - left) // across), -(-(self.height - top) // down)

    @property
    def filtered_bytes(self) -> int:
        """The length of the decompressed stream: every row of every pass, with its filter byte."""
        sizes = [self.pass_size(step) for step in self.passes]
        return sum(height * (1 + self.row_bytes(width)) for width, height in sizes if width > 0 and height > 0)


class _Damage(Exception):
    """The file contradicts itself; the message completes "NAME is damaged: …"."""


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))


def _parse(data: bytes) -> tuple[_Header, bytes, bytes, list[bytes]]:
    """Return header, palette, transparency and the IDAT chunks' bodies."""
    if not data.startswith(SIGNATURE) or data[12:16] != b"IHDR" or len(data) < 33:
        raise _Damage("it does not begin as a PNG file does")
    width, height, depth, colour, *methods, interlace = struct.unpack_from(">IIBBBBB", data, 16)
    if depth not in DEPTHS.get(colour, ()) or any(methods) or interlace > 1 or not (width and height):
        raise _Damage("its header declares a kind of pixels that PNG does not have")
    palette = transparency = b""
    packed: list[bytes] = []
    offset = 33
    while True:
        if offset + 12 > len(data):
            raise _Damage("it ends too early")
        length, kind = struct.unpack_from(">I4s", data, offset)
        body = data[offset + 8 : offset + 8 + length]
        if len(body) != length:
            raise _Damage("it ends too early")
        if kind == b"IEND":
            break
        if kind == b"IDAT":
            packed.append(body)
        elif kind == b"PLTE":
            palette = body
        elif kind == b"tRNS":
            transparency = body
        offset += length + 12
    if colour == 3 and (len(palette) < 3 or len(palette) % 3 or len(palette) > 768):
        raise _Damage("its palette is missing or has a wrong length")
    return _Header(width, height, depth, colour, bool(interlace)), palette, transparency, packed


def _inflate(packed: list[bytes], expected: int) -> bytes:
    """Decompress to exactly ``expected`` bytes; a stream that holds more is stopped there, however much more it is."""
    stream = zlib.decompressobj()
    pieces: list[bytes] = []
    room = expected + 1
    try:
        for part in packed:
            piece = stream.decompress(part, room)
            pieces.append(piece)
            room -= len(piece)
            if room <= 0:
                raise _Damage("it holds more pixels than it declares")
    except zlib.error as error:
        raise _Damage("its pixels cannot be decompressed") from error
    if room > 1 or not stream.eof:
        raise _Damage("it holds fewer pixels than it declares")
    return b"".join(pieces)


def _samples(header: _Header, stream: bytes) -> NDArray[np.uint8 | np.uint16]:
    """Undo filters, bit packing and interlacing. Returns (h, w, channels), uint16 for 16-bit samples, else uint8."""
    flat = np.frombuffer(stream, np.uint8)
    kind = np.uint16 if header.depth == 16 else np.uint8
    whole = None if not header.interlaced else np.zeros((header.height, header.width, header.channels), kind)
    offset = 0
    for step in header.passes:
        width, height = header.pass_size(step)
        if width <= 0 or height <= 0:
            continue
        row_bytes = header.row_bytes(width)
        rows = flat[offset : offset + height * (1 + row_bytes)].reshape(height, 1 + row_bytes)
        offset += rows.size
        pixel_bytes = max(1, header.depth * header.channels // 8)
        part = _unpack(header, _undo_filters(rows[:, 0], rows[:, 1:], pixel_bytes), width)
        if whole is None:
            return part
        whole[step[1] :: step[3], step[0] :: step[2]] = part
    if whole is None:
        raise _Damage("it declares no pixels")
    return whole


def _unpack(header: _Header, rows: Bytes, width: int) -> NDArray[np.uint8 | np.uint16]:
    """Split the bytes of rows into samples. rows: (h, row bytes). Returns (h, w, channels)."""
    height = len(rows)
    if header.depth == 16:
        return rows.view(">u2").astype(np.uint16).reshape(height, width, header.channels)
    if header.depth == 8:
        return rows.reshape(height, width, header.channels)
    per_byte = 8 // header.depth
    shifts = np.arange(8 - header.depth, -1, -header.depth, dtype=np.uint8)
    spread = (rows[:, :, None] >> shifts) & np.uint8((1 << header.depth) - 1)
    return spread.reshape(height, rows.shape[1] * per_byte)[:, :width, None]


def _to_rgba(header: _Header, samples: NDArray[np.uint8 | np.uint16], palette: bytes, transparency: bytes) -> Bytes:
    """Turn samples, (h, w, channels), into 8-bit RGBA (sections 11.2.2 and 11.3.1.1)."""
    if header.colour == 3:
        return _look_up(samples[:, :, 0], palette, transparency)
    rgba = np.full((*samples.shape[:2], 4), 255, np.uint8)
    shades = _to_8_bits(samples, header.depth)
    has_alpha = header.channels in (2, 4)
    rgba[:, :, :3] = shades[:, :, :3] if header.channels >= 3 else shades[:, :, :1]
    if has_alpha:
        rgba[:, :, 3] = shades[:, :, -1]
    elif len(transparency) >= 2 * header.channels:
        # Compared before the samples are reduced: two 16-bit colours may share their upper byte.
        key = np.frombuffer(transparency, ">u2", header.channels) & ((1 << header.depth) - 1)
        rgba[:, :, 3][(samples == key.astype(samples.dtype)).all(axis=2)] = 0
    return rgba


def _to_8_bits(samples: NDArray[np.uint8 | np.uint16], depth: int) -> Bytes:
    if depth == 16:
        # round(v * 255 / 65535), exactly, in 32-bit integers.
        return ((samples.astype(np.uint32) * 255 + 32895) >> 16).astype(np.uint8)
    return np.asarray(samples, np.uint8) * np.uint8(255 // ((1 << depth) - 1))


def _look_up(indices: NDArray[np.uint8 | np.uint16], palette: bytes, transparency: bytes) -> Bytes:
    colours = np.zeros((256, 4), np.uint8)
    colours[:, 3] = 255
    table = np.frombuffer(palette, np.uint8).reshape(-1, 3)
    colours[: len(table), :3] = table
    alphas = np.frombuffer(transparency[: len(table)], np.uint8)
    colours[: len(alphas), 3] = alphas
    if int(indices.max()) >= len(table):
        raise _Damage("it uses colours that its palette does not have")
    return colours[indices]


def _undo_filters(filters: Bytes, rows: Bytes, pixel_bytes: int) -> Bytes:
    """Undo the filter of every row (section 9).

    filters: (h,) filter types. rows: (h, row bytes) filtered bytes. pixel_bytes: distance to the pixel to the left.
    Returns (h, row bytes).
    """
    height, row_bytes = rows.shape
    if int(filters.max()) > _PAETH:
        raise _Damage("a row has a filter that PNG does not have")
    result = np.zeros((height, row_bytes), np.uint8)
    slow = np.flatnonzero(filters >= _AVERAGE)
    band_rows = _rows_in_band(row_bytes // pixel_bytes, pixel_bytes)
    row = 0
    while row < height:
        upcoming = slow[np.searchsorted(slow, row) :]
        start = int(upcoming[0]) if len(upcoming) else height
        _undo_simple(filters, rows, result, row, start, pixel_bytes)
        if start == height:
            break
        # A band costs a step for each column even if it has one row only, so it runs on through rows of simple filters.
        row = 1 + int(upcoming[np.searchsorted(upcoming, start + band_rows) - 1])
        _undo_band(filters, rows, result, start, row, pixel_bytes)
    return result


def _rows_in_band(width: int, pixel_bytes: int) -> int:
    rows = _BAND_ROWS
    while rows > 16 and (width + rows) * (rows + 1) * _lanes(pixel_bytes) > _BAND_BYTES:
        rows //= 2
    return rows


def _lanes(pixel_bytes: int) -> int:
    """Return the bytes of a pixel rounded up to a power of two, so that pixels can be moved as one integer."""
    return 1 << (pixel_bytes - 1).bit_length()


def _undo_simple(filters: Bytes, rows: Bytes, result: Bytes, start: int, stop: int, pixel_bytes: int) -> None:
    """Undo runs of rows with the filters None, Sub or Up, each run at once."""
    edges = np.flatnonzero(np.diff(filters[start:stop])) + start + 1
    bounds = [start, *edges.tolist(), stop]
    for first, last in pairwise(bounds):
        if first == last:
            continue
        done, run = result[first:last], rows[first:last]
        match int(filters[first]):
            case 0:
                done[:] = run
            case 1:
                pixels = run.reshape(len(run), -1, pixel_bytes)
                for channel in range(pixel_bytes):
                    np.add.accumulate(pixels[:, :, channel], axis=1, dtype=np.uint8, out=done[:, channel::pixel_bytes])
            case _:
                done[:] = run
                if first:
                    done[0] += result[first - 1]
                np.add.accumulate(done, axis=0, dtype=np.uint8, out=done)


def _undo_band(filters: Bytes, rows: Bytes, result: Bytes, start: int, stop: int, pixel_bytes: int) -> None:
    """Undo rows ``start`` to ``stop``, of any filters, along anti-diagonals."""
    number, lanes = stop - start, _lanes(pixel_bytes)
    width = rows.shape[1] // pixel_bytes
    # steps[t, r + 1] is pixel t - r of row r; steps[t, 0] is pixel t + 1 of the row above the band. What lies left of
    # a row is zero and stays zero; what lies right of it is computed and never read.
    steps = np.zeros((width + number + 1, number + 1, lanes), np.uint8)
    down, across, byte = steps.strides
    skewed = as_strided(steps[1:, 1:], (number, width, lanes), (down + across, down, byte))
    skewed[:, :, :pixel_bytes] = rows[start:stop].reshape(number, width, pixel_bytes)
    if start:
        steps[:width, 0, :pixel_bytes] = result[start - 1].reshape(width, pixel_bytes)
    _run_diagonals(steps, filters[start:stop])
    result[start:stop].reshape(number, width, pixel_bytes)[:] = skewed[:, :, :pixel_bytes]


def _run_diagonals(steps: Bytes, filters: Bytes) -> None:
    """Undo the filters in place. steps: (t, rows + 1, lanes) as in ``_undo_band``. filters: (rows,)."""
    shape = (len(filters), steps.shape[2])

    def per_row(*kinds: int) -> NDArray[np.int16]:
        return np.repeat(np.isin(filters, kinds).astype(np.int16)[:, None], shape[1], axis=1)

    uses_left, uses_up, halves = per_row(_SUB, _AVERAGE), per_row(_UP, _AVERAGE), per_row(_AVERAGE)
    is_paeth = per_row(_PAETH).astype(bool)
    has_others, has_paeth = not is_paeth.all(), bool(is_paeth.any())
    before, latest = steps[0].astype(np.int16), steps[0].astype(np.int16)
    before[:] = 0
    guess, term, narrow = np.zeros(shape, np.int16), np.zeros(shape, np.int16), np.zeros(shape, np.uint8)
    paeth = _Paeth(shape)
    for step in steps[1:]:
        left, up, corner = latest[1:], latest[:-1], before[:-1]
        if has_others:
            np.multiply(left, uses_left, out=guess)
            np.multiply(up, uses_up, out=term)
            np.add(guess, term, out=guess)
            np.right_shift(guess, halves, out=guess)
        if has_paeth:
            choice = paeth.predict(left, up, corner)
            if has_others:
                np.copyto(guess, choice, where=is_paeth)
            else:
                guess = choice
        np.copyto(narrow, guess, casting="unsafe")
        step[1:] += narrow
        before, latest = latest, before
        np.copyto(latest, step)


class _Paeth:
    """The Paeth predictor (section 9.4) for arrays of one shape, without allocating."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._to_left, self._to_up, self._to_corner, self._choice = (np.zeros(shape, np.int16) for _ in range(4))
        self._mask = np.zeros(shape, bool)

    def predict(self, left: NDArray[np.int16], up: NDArray[np.int16], corner: NDArray[np.int16]) -> NDArray[np.int16]:
        """Return the neighbour that is nearest to left + up - corner; ties go to left, then up.

        The result is overwritten by the next call.
        """
        to_left, to_up, to_corner = self._to_left, self._to_up, self._to_corner
        choice, mask = self._choice, self._mask
        np.subtract(up, corner, out=to_left)
        np.subtract(left, corner, out=to_up)
        np.add(to_left, to_up, out=to_corner)
        for distance in (to_left, to_up, to_corner):
            np.abs(distance, out=distance)
        np.copyto(choice, corner)
        np.less_equal(to_up, to_corner, out=mask)
        np.copyto(choice, up, where=mask)
        np.minimum(to_up, to_corner, out=to_up)
        np.less_equal(to_left, to_up, out=mask)
        np.copyto(choice, left, where=mask)
        return choice


def _filter_paeth(pixels: Bytes) -> list[Bytes]:
    """Return the filtered rows, each with its filter byte in front, in pieces of a few rows: (n, 1 + w * channels)."""
    height, width, channels = pixels.shape
    padded = np.zeros((_ENCODED_ROWS + 1, width + 1, channels), np.int16)
    predictor = _Paeth((_ENCODED_ROWS, width, channels))
    pieces = []
    for start in range(0, height, _ENCODED_ROWS):
        rows = pixels[start : start + _ENCODED_ROWS]
        number = len(rows)
        padded[0] = padded[_ENCODED_ROWS] if start else 0
        padded[1 : number + 1, 1:] = rows
        guess = predictor.predict(padded[1:, :-1], padded[:-1, 1:], padded[:-1, :-1])[:number]
        piece = np.full((number, 1 + width * channels), _PAETH, np.uint8)
        np.subtract(rows, guess.astype(np.uint8), out=piece[:, 1:].reshape(rows.shape))
        pieces.append(piece)
    return pieces
