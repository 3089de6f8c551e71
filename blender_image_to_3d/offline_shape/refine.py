# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves the outline of a coarse mask onto the edges of the picture: the guided filter.

He, Sun, Tang, "Guided image filtering", TPAMI 2013: within each window the mask becomes a linear function of the
colours. Fitted at a lower resolution, applied at the full one (He, Sun, "Fast guided filter", 2015).
"""

from __future__ import annotations

import math

import numpy as np

from . import raster
from .arrays import Bytes, Floats, Tick

FITTED_SIDE = 320
"""Longer side, in pixels, at which the linear functions are fitted at most."""

RADIUS = 1 / 72
"""Of the windows, as a share of the longer side: about as far as the network errs."""

NOISE = 1e-4
"""Variance of the colours, which go from 0 to 1, below which a window counts as flat (epsilon of the paper)."""


def to_edges(coverage: Floats, picture: Bytes, tick: Tick) -> Floats:
    """``coverage`` (rows, columns), 0 to 1, with its outline on the edges of ``picture`` (rows, columns, RGBA)."""
    guide = np.stack([picture[..., channel] for channel in range(3)]).astype(np.float32) / np.float32(255)
    step = max(1, math.ceil(max(coverage.shape) / FITTED_SIDE))
    shape = (max(1, coverage.shape[0] // step), max(1, coverage.shape[1] // step))
    coarse_guide, coarse = (
        raster.resample(each, (0, 0), step, shape, outside_is_zero=False) if step > 1 else each
        for each in (guide, coverage)
    )
    tick()
    functions = _fit(coarse_guide, coarse, max(2, round(RADIUS * max(shape))), tick)
    if step > 1:
        functions = raster.resample(functions, (0, 0), 1 / step, coverage.shape, outside_is_zero=False)
    tick()
    result = functions[3]
    for factor, plane in zip(functions, guide, strict=False):
        result = result + factor * plane
    clipped: Floats = np.clip(result, np.float32(0), np.float32(1))
    return clipped


def _fit(guide: Floats, target: Floats, radius: int, tick: Tick) -> Floats:
    """Factors of red, green, blue and 1, (4, rows, columns), that make ``target`` of ``guide`` around each pixel."""
    pairs = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]
    means = _window_means(np.concatenate([guide, target[None]]), radius)
    tick()
    mean, mean_target = means[:3], means[3]
    with_target = _window_means(guide * target, radius) - mean * mean_target
    tick()
    products = _window_means(np.stack([guide[a] * guide[b] for a, b in pairs]), radius)
    rr, rg, rb, gg, gb, bb = (value - mean[a] * mean[b] for value, (a, b) in zip(products, pairs, strict=True))
    rr, gg, bb = (value + np.float32(NOISE) for value in (rr, gg, bb))
    tick()
    # The inverse of the symmetric covariance matrix, by its adjugate.
    adjugate = [
        [gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg],
        [rb * gb - rg * bb, rr * bb - rb * rb, rb * rg - rr * gb],
        [rg * gb - rb * gg, rb * rg - rr * gb, rr * gg - rg * rg],
    ]
    determinant = rr * adjugate[0][0] + rg * adjugate[0][1] + rb * adjugate[0][2]
    factors = [(a * with_target[0] + b * with_target[1] + c * with_target[2]) / determinant for a, b, c in adjugate]
    rest = mean_target - factors[0] * mean[0] - factors[1] * mean[1] - factors[2] * mean[2]
    tick()
    return _window_means(np.stack([*factors, rest]), radius)


def _window_means(planes: Floats, radius: int) -> Floats:
    """Mean over the square of side 2 * ``radius`` + 1 around each pixel, or over the part of it that is inside."""
    for _ in range(2):
        count = planes.shape[1]
        sums = np.zeros((planes.shape[0], count + 1, planes.shape[2]))
        np.cumsum(planes, axis=1, dtype=np.float64, out=sums[:, 1:])
        first = np.maximum(np.arange(count) - radius, 0)
        end = np.minimum(np.arange(count) + radius + 1, count)
        means = (sums[:, end] - sums[:, first]) / (end - first)[:, None]
        planes = np.ascontiguousarray(means.astype(np.float32).transpose(0, 2, 1))
    return planes
