# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations on rasters: shrink, resample, blur, grow and erode.

Rasters are indexed ``[row, column]``; a colour raster is *planar*, ``(channels, rows, columns)``, because numpy is
several times faster when the innermost axis is long. Positions are in pixels from the top left corner, so the middle of
the first pixel is at 0.5.
"""

from __future__ import annotations

import math

import numpy as np

from .arrays import Bools, Bytes, Floats, Ints, Tick

BAND_PIXELS = 2_000_000
"""Pixels handled between two calls of ``tick``: about 20 ms."""

GAUSSIAN_RADIUS = 3.0
"""Standard deviations after which a Gaussian is cut off: 0.3 % of its weight is lost."""


def shrink(image: Bytes, factor: int, tick: Tick) -> Bytes:
    """Average blocks of ``factor`` x ``factor`` pixels.

    ``image`` is interleaved, (rows, columns, channels); so is the result, of ceil(rows / factor) x ceil(columns /
    factor). A last block that is not full repeats the edge of the picture.
    """
    if factor == 1:
        return image
    rows, columns, channels = image.shape
    height, width = -(-rows // factor), -(-columns // factor)
    result = np.zeros((height, width, channels), np.uint8)
    per_band = max(1, BAND_PIXELS // (factor * columns))
    for top in range(0, height, per_band):
        tick()
        band = image[top * factor : (top + per_band) * factor]
        missing = (-band.shape[0] % factor, -columns % factor)
        if any(missing):
            band = np.pad(band, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")
        total = np.zeros((band.shape[0] // factor, width, channels), np.uint32)
        for row in range(factor):
            for column in range(factor):
                total += band[row::factor, column::factor]
        result[top : top + per_band] = (total + factor * factor // 2) // (factor * factor)
    return result


def resample(
    image: Floats, origin: tuple[float, float], step: float, shape: tuple[int, int], *, outside_is_zero: bool
) -> Floats:
    """Sample ``image`` (..., rows, columns) on a regular grid of ``shape`` through a tent filter as wide as ``step``.

    The middle of the result's pixel (r, c) lies at ``origin + (r + 0.5, c + 0.5) * step`` in pixels of ``image``. Where
    that is outside, the image counts as zero or as its nearest edge pixel. For ``step`` <= 1 this is bilinear
    interpolation.
    """
    for axis in (-2, -1):
        image = _along(image, axis, origin[axis], step, shape[axis], outside_is_zero)
    return image


def fit(image: Floats, shape: tuple[int, int]) -> Floats:
    """Resample ``image`` (..., rows, columns) to ``shape``, whatever that does to its proportions."""
    for axis in (-1, -2):
        image = _along(image, axis, 0, image.shape[axis] / shape[axis], shape[axis], outside_is_zero=False)
    return image


def _along(image: Floats, axis: int, origin: float, step: float, count: int, outside_is_zero: bool) -> Floats:
    """Sample ``image`` at ``count`` places of ``axis``, -2 or -1."""
    indices, weights = _tent(image.shape[axis], origin, step, count, outside_is_zero)
    size = (*image.shape[:-2], count, image.shape[-1]) if axis == -2 else (*image.shape[:-1], count)
    result = np.zeros(size, np.float32)
    for index, weight in zip(indices, weights, strict=True):
        result += np.take(image, index, axis) * (weight[:, None] if axis == -2 else weight)
    return result


def _tent(size: int, origin: float, step: float, count: int, outside_is_zero: bool) -> tuple[Ints, Floats]:
    """Indices and weights, (taps, count) each, of a tent of half width max(1, step) at ``count`` places."""
    radius = max(1.0, step)
    middle = origin + (np.arange(count) + 0.5) * step - 0.5
    taps = np.arange(math.floor(2 * radius) + 1)[:, None]
    index = np.ceil(middle - radius) + taps
    weight = np.maximum(0.0, 1.0 - np.abs(index - middle) / radius)
    weight /= weight.sum(axis=0)
    if outside_is_zero:
        weight *= (index >= 0) & (index < size)
    return np.clip(index, 0, size - 1).astype(np.int32), weight.astype(np.float32)


def blur(image: Floats, sigma: float) -> Floats:
    """Gaussian blur of ``image`` (..., rows, columns) by ``sigma`` pixels; the edge pixels are repeated outside."""
    radius = max(1, math.ceil(GAUSSIAN_RADIUS * sigma))
    bell = [math.exp(-0.5 * (offset / sigma) ** 2) for offset in range(-radius, radius + 1)]
    weights = (np.array(bell) / math.fsum(bell)).astype(np.float32)
    for axis in (-2, -1):
        margins = [(0, 0)] * image.ndim
        margins[axis] = (radius, radius)
        padded = np.moveaxis(np.pad(image, margins, mode="edge"), axis, 0)
        result = np.zeros_like(np.moveaxis(image, axis, 0))
        for offset, weight in enumerate(weights):
            result += weight * padded[offset : offset + len(result)]
        image = np.moveaxis(result, 0, axis)
    return image


def erode(mask: Bools, radius: int) -> Bools:
    """Keep the pixels whose square neighbourhood of side 2 * ``radius`` + 1 lies in ``mask``; outside counts as
    False."""
    return _whole_windows(np.pad(mask, radius), 2 * radius + 1)


def dilate(mask: Bools, radius: int) -> Bools:
    """Set the pixels whose square neighbourhood of side 2 * ``radius`` + 1 touches ``mask``."""
    return ~_whole_windows(~np.pad(mask, radius), 2 * radius + 1)


def thin(mask: Bools, radius: int) -> Bools:
    """The pixels that no square of side 2 * ``radius`` + 1 in ``mask`` covers: what an opening takes away."""
    return mask & ~dilate(erode(mask, radius), radius)


def _whole_windows(mask: Bools, side: int) -> Bools:
    """Where all pixels of the square window that starts at a pixel are True."""
    return _run_of_true(_run_of_true(mask, side).T, side).T


def _run_of_true(mask: Bools, length: int) -> Bools:
    """Where ``length`` pixels in a column, from here on, are all True: doubling windows (a power of two each)."""
    window = 1
    while window < length:
        shift = min(window, length - window)
        mask = mask[:-shift] & mask[shift:]
        window += shift
    return mask


def bounding_box(mask: Bools) -> tuple[int, int, int, int]:
    """First row, first column, end row, end column of the True pixels; ``mask`` must have one."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def overlap(a: Bools, b: Bools) -> float:
    """Intersection over union; 0 for two empty masks."""
    return int(np.count_nonzero(a & b)) / max(1, int(np.count_nonzero(a | b)))


def luminance(planes: Bytes) -> Floats:
    """Brightness (rows, columns) of planar sRGB values, with the weights of ITU-R BT.709."""
    red, green, blue = planes
    result: Floats = np.float32(0.2126) * red + np.float32(0.7152) * green + np.float32(0.0722) * blue
    return result


def double(image: Floats, shape: tuple[int, ...]) -> Floats:
    """Enlarge the last two axes to twice their size by linear interpolation, then cut off what exceeds ``shape``."""
    for axis in (-2, -1):
        size = image.shape[axis]
        image = np.moveaxis(image, axis, 0)
        result = np.zeros((2 * size, *image.shape[1:]), np.float32)
        near, far = np.float32(0.75) * image, np.float32(0.25) * image
        result[::2] = near
        result[1::2] = near
        result[2::2] += far[:-1]
        result[0] += far[0]
        result[1:-1:2] += far[1:]
        result[-1] += far[-1]
        image = np.moveaxis(result[: shape[axis]], 0, axis)
    return image
