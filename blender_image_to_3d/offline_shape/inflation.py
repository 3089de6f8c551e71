# SPDX-License-Identifier: GPL-3.0-or-later
"""How thick the subject is at each place, from its outline alone.

The solution of laplace(u) = -4 inside, u = 0 on the outline, has a height sqrt(u) that is a half sphere over a disc and
a round tube over a stripe: wide parts become fat, thin ones stay thin (Baran and Lehtinen, "Notes on Inflating Curves",
2009).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from . import raster
from .arrays import Bools, Floats
from .grid import Grid, edge_ends

SOURCE = 4.0
"""Right-hand side, so that sqrt(u) is exactly a half sphere over a disc."""

DAMPING = 0.8
"""Of Jacobi's method: damps best what a coarser grid cannot show (Trottenberg, "Multigrid", 2001, section 2.1)."""

SWEEPS = 2
"""Sweeps before and after the correction by the coarser grid."""

COARSEST = 6
"""A grid with a side this short is solved by sweeps alone."""

COARSEST_SWEEPS = 40
LARGEST_CHANGE = 0.03
"""The solution is good enough when a cycle changes no height sqrt(u) by more than this, in cells."""

MOST_CYCLES = 20
"""Six are usual; more than twelve are needed by noise only, where the remaining error cannot be seen."""

RELIEF_HEIGHT = 0.12
"""Relief at full detail and contrast, as a share of the greatest half thickness."""

RELIEF_FINEST = 1.0
RELIEF_COARSEST = 1 / 16
"""Sizes that become relief: from this many cells to this share of the longer side."""

RELIEF_FULL_FROM = 0.35
"""Relief fades towards the outline where the half thickness is below this share of the greatest."""

LEAST_CONTRAST = 0.1
"""Differences of brightness below this share of the range are not stretched to the full relief."""


class _Level(NamedTuple):
    """One grid of the multigrid method."""

    inside: Floats
    """1 inside, 0 outside."""
    diagonal: Floats
    """Coefficient of the point itself; those of its neighbours are -1."""
    coarser: _Level | None


def inflate(grid: Grid) -> Floats:
    """Solve the equation on ``grid``; sqrt(u) (rows, columns) in cells, 0 outside.

    The outline lies between the points: there the equation uses the exact distance, as in Gibou, Fedkiw, Cheng, Kang,
    "A second-order accurate symmetric discretization of the Poisson equation on irregular domains", 2002. Solved by
    conjugate gradients, preconditioned by a multigrid cycle (Tatebe, "The multigrid preconditioned conjugate gradient
    method", 1993).
    """
    inside = grid.inside.astype(np.float32)
    level = _Level(inside, _diagonal(grid), _coarser(inside))
    u = np.zeros_like(inside)
    residual = np.float32(SOURCE) * inside
    height, direction, image, energy = u, u, u, np.float32(1)
    for _ in range(MOST_CYCLES):
        # Conjugate gradients: however little the coarse outlines look like the fine one, no cycle makes it worse.
        step = _cycle(level, residual)
        direction = step - direction * (_inner(step, image) / energy)
        image = -_residual(level, direction, np.zeros_like(u))
        energy = max(_inner(direction, image), np.float32(1e-30))
        length = _inner(direction, residual) / energy
        residual = residual - length * image
        u = u + length * direction
        last_height, height = height, np.sqrt(np.maximum(u, 0))
        if np.abs(height - last_height).max() <= LARGEST_CHANGE:
            break
    return height


def relief(brightness: Floats, half_thickness: Floats, inside: Bools) -> Floats:
    """Displacement of the front, in cells at detail 1, from ``brightness`` (rows, columns; 0 to 1)."""
    longer_side = max(brightness.shape)
    band = raster.blur(brightness, RELIEF_FINEST) - raster.blur(brightness, max(RELIEF_COARSEST * longer_side, 1.0))
    contrast = max(float(np.percentile(np.abs(band[inside]), 99)), LEAST_CONTRAST)
    greatest = half_thickness.max()
    fade = np.clip(half_thickness / (np.float32(RELIEF_FULL_FROM) * greatest), 0, 1)
    result: Floats = np.clip(band / np.float32(contrast), -1, 1) * fade * np.float32(RELIEF_HEIGHT) * greatest
    return result


def _inner(a: Floats, b: Floats) -> np.float32:
    """Inner product, added up row after row and then exactly: numpy's versions differ in the order of a whole sum."""
    return np.float32(math.fsum((a * b).sum(axis=0).tolist()))


def _diagonal(grid: Grid) -> Floats:
    diagonal = np.full(grid.inside.shape, 4, np.float32)
    for axis in (0, 1):
        lower_inside, upper_inside = edge_ends(grid.inside, axis)
        extra = 1 / grid.rim_distance(axis) - 1
        lower, upper = edge_ends(diagonal, axis)  # Views: this writes into ``diagonal``.
        lower += np.where(lower_inside & ~upper_inside, extra, np.float32(0))
        upper += np.where(upper_inside & ~lower_inside, extra, np.float32(0))
    return diagonal


def _coarser(inside: Floats) -> _Level | None:
    """The same region on a grid of half as many points, where at least half of each four points is inside.

    The outline is taken to lie half way between the points, so each neighbour outside adds 1 to the diagonal.
    """
    if min(inside.shape) <= COARSEST:
        return None
    half = (_sum_of_four(inside) >= 2).astype(np.float32)
    return _Level(half, 8 - _sum_of_neighbours(half), _coarser(half))


def _sum_of_four(values: Floats) -> Floats:
    rows, columns = values.shape
    values = np.pad(values, ((0, rows % 2), (0, columns % 2)))
    total: Floats = values[::2, ::2] + values[1::2, ::2] + values[::2, 1::2] + values[1::2, 1::2]
    return total


def _residual(level: _Level, u: Floats, target: Floats) -> Floats:
    result: Floats = (target - level.diagonal * u + _sum_of_neighbours(u)) * level.inside
    return result


def _sum_of_neighbours(values: Floats) -> Floats:
    total = np.zeros_like(values)
    total[1:] += values[:-1]
    total[:-1] += values[1:]
    total[:, 1:] += values[:, :-1]
    total[:, :-1] += values[:, 1:]
    return total


def _cycle(level: _Level, target: Floats) -> Floats:
    """Solve approximately, starting from zero."""
    weight = np.float32(DAMPING) * level.inside / level.diagonal
    u = weight * target
    for _ in range((SWEEPS if level.coarser else COARSEST_SWEEPS) - 1):
        u += weight * _residual(level, u, target)
    if level.coarser:
        # A cell of twice the side has four times the right-hand side: the sum of the four.
        coarse = _cycle(level.coarser, _sum_of_four(_residual(level, u, target)) * level.coarser.inside)
        u += raster.double(coarse, u.shape) * level.inside
        for _ in range(SWEEPS):
            u += weight * _residual(level, u, target)
    return u
