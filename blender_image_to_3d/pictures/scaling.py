# SPDX-License-Identifier: GPL-3.0-or-later
"""Smaller pictures: by area average, and until their file is small enough."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import BadPicture
from . import png

Pixels = NDArray[np.uint8]
_Floats = NDArray[np.float32]

_BAND_PIXELS = 1 << 20
"""Pixels that are floats at the same time, so that memory does not grow with the picture."""

_BAND_ROWS = 32
"""Rows that are made together: their weights are a dense matrix, which would grow with the square."""

_ENOUGH = 0.7
"""A file that has this share of what is allowed is large enough: its sides lack less than a fifth."""

_AIM = 0.87
"""Of what is allowed, between enough and too much: estimates miss to both sides."""

_MOST_TRIES = 8
"""Photographs need one to three, drawings one or two more."""

_PHOTOGRAPH_BYTES = 1.5
"""Of the file, for each pixel of a photograph."""

_WORTH_TRYING = 0.5
"""Above this first estimate the picture may fit as it is, and one try more does not cost much."""


@dataclass(frozen=True)
class Fitted:
    """A PNG file and the size of its picture in pixels."""

    data: bytes
    width: int
    height: int


def without_idle_alpha(pixels: Pixels) -> Pixels:
    """Return (h, w, 4) pixels as (h, w, 3) if all of them are opaque; nothing is copied."""
    return pixels[:, :, :3] if bool((pixels[:, :, 3] == 255).all()) else pixels


def fit(pixels: Pixels, max_bytes: int | None) -> Fitted:
    """Return the picture as a PNG file of at most ``max_bytes``, scaled down if it has to be.

    pixels: (h, w, 3) or (h, w, 4) with straight alpha. Raises BadPicture as ``largest``.
    """
    height, width = pixels.shape[:2]

    def render(scale: float) -> Pixels:
        return shrink(pixels, max(1, round(width * scale)), max(1, round(height * scale)))

    scale = 1.0 if max_bytes is None else math.sqrt(max_bytes / (_PHOTOGRAPH_BYTES * width * height))
    return largest(render, max_bytes, first_scale=scale if scale < _WORTH_TRYING else 1.0)


def largest(render: Callable[[float], Pixels], max_bytes: int | None, *, first_scale: float = 1.0) -> Fitted:
    """Return a picture in the largest size whose PNG file has at most ``max_bytes``, or almost that.

    render: draws it, (h, w, 3 or 4), with its sides scaled by a factor, above 0 and up to 1. first_scale: where to
    begin. Raises BadPicture if no size is found.
    """
    fits, is_too_large = 0.0, math.inf
    scale, best, tried = first_scale, None, list[tuple[float, int]]()
    for _ in range(_MOST_TRIES):
        pixels = render(scale)
        data = png.encode(pixels)
        fitted = Fitted(data, pixels.shape[1], pixels.shape[0])
        if max_bytes is None:
            return fitted
        tried.append((scale, len(data)))
        if len(data) > max_bytes:
            is_too_large = scale
        elif scale == 1.0 or len(data) >= _ENOUGH * max_bytes:
            return fitted
        else:
            fits, best = scale, fitted
        scale = min(1.0, scale * (_AIM * max_bytes / len(data)) ** (1 / _growth(tried)))
        if not fits < scale < is_too_large:
            scale = (fits + is_too_large) / 2
    if best is None:
        raise BadPicture(f"No picture fits into {max_bytes:,} bytes.", hint="Scale it down, and try again.")
    return best


def _growth(tried: list[tuple[float, int]]) -> float:
    """Return the power of the scale that the last two files grew with; at first, that of an area."""
    if len(tried) < 2:
        return 2.0
    (before, bytes_before), (now, bytes_now) = tried[-2:]
    if before == now:
        return 2.0
    return min(max(math.log(bytes_now / bytes_before) / math.log(now / before), 0.5), 4.0)


def shrink(pixels: Pixels, width: int, height: int) -> Pixels:
    """Average areas, which keeps the mean colour; transparent pixels have no part in the colours.

    pixels: (h, w, 3) or (h, w, 4) with straight alpha, not smaller than ``width`` x ``height``. Returns
    (height, width, channels), the same array if that is its size.
    """
    rows, columns, channels = pixels.shape
    if (rows, columns) == (height, width):
        return pixels
    result = np.zeros((height, width, channels), np.uint8)
    step = max(1, min(_BAND_ROWS, _BAND_PIXELS * height // (rows * columns)))
    for start in range(0, height, step):
        stop = min(start + step, height)
        first, last, weights = _weights(rows, height, start, stop)
        band = _weighted_by_alpha(pixels[first:last])
        low = (weights @ band.reshape(last - first, -1)).reshape(stop - start, columns, channels)
        result[start:stop] = _to_bytes(_narrow(low, width))
    return result


def _narrow(band: _Floats, width: int) -> _Floats:
    """Average the columns of (h, w, c); returns (h, width, c)."""
    height, columns, channels = band.shape
    upright = np.ascontiguousarray(band.swapaxes(0, 1)).reshape(columns, -1)
    result = np.zeros((width, height * channels), np.float32)
    for start in range(0, width, _BAND_ROWS):
        stop = min(start + _BAND_ROWS, width)
        first, last, weights = _weights(columns, width, start, stop)
        np.matmul(weights, upright[first:last], out=result[start:stop])
    return result.reshape(width, height, channels).swapaxes(0, 1)


def _weights(size: int, count: int, start: int, stop: int) -> tuple[int, int, _Floats]:
    """Say what of ``size`` cells the parts ``start`` to ``stop`` of ``count`` equal parts are made of.

    Returns the first cell and the end of the cells they lie on, and (stop - start, cells) the share of each.
    """
    first, last = start * size // count, -(-stop * size // count)
    cells = np.arange(first, last)
    # In units of 1 / count of a cell all borders are whole numbers.
    begin = np.arange(start, stop)[:, None] * size
    overlap = np.minimum(begin + size, (cells + 1) * count) - np.maximum(begin, cells * count)
    return first, last, (np.maximum(overlap, 0) / size).astype(np.float32)


def _weighted_by_alpha(pixels: Pixels) -> _Floats:
    values = pixels.astype(np.float32)
    if values.shape[2] == 4:
        values[:, :, :3] *= values[:, :, 3:] * np.float32(1 / 255)
    return values


def _to_bytes(values: _Floats) -> Pixels:
    """Round (h, w, 3) colours, or (h, w, 4) colours that are weighted by alpha, back to straight ones."""
    if values.shape[2] == 4:
        is_visible = values[:, :, 3:] >= 0.5
        alpha = np.where(is_visible, values[:, :, 3:], np.float32(1))
        colours = np.where(is_visible, values[:, :, :3] * (np.float32(255) / alpha), np.float32(0))
        values = np.concatenate([colours, values[:, :, 3:]], axis=2)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
