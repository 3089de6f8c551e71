# SPDX-License-Identifier: GPL-3.0-or-later
"""The square grid over the subject, and its outline on it to a fraction of a cell."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import components, raster
from .arrays import Bools, Floats, Value
from .level_set import well_composed
from .mask import INSIDE, Cutout

MARGIN = 2
"""Empty points around the subject: the surface needs one, a filter over the outline may move it by less than
another."""

SMOOTHING = 0.5
"""Standard deviation, in cells, of the blur that makes the outline smooth."""

SMOOTHING_OF_PIXELS = 0.6
"""The same in pixels of the coverage: a small picture must not get the stairs of its pixels."""

THIN_LENGTH = 4
"""Parts thinner than a cell are made as wide as one if they are about this many cells long: an antenna must not become
a row of dots. Shorter ones are the corners of thicker parts."""

LEAST_RIM = 0.05
"""An outline nearer to a point than this, in cells, is moved away, which keeps the equations well conditioned."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Points in the middle of square cells. Arrays over it are indexed [row, column]; rows go *up*, as in the mesh."""

    left: float
    bottom: float
    """Where the cell of row 0, column 0 begins, in pixels of the picture (whose rows go down)."""
    cell: float
    """Side of a cell in pixels of the picture."""
    cells: float
    """Cells along the longer side of the subject."""
    coverage: Floats
    inside: Bools
    """Points of the subject. Well-composed: no two of them touch over a corner only."""

    def place(self, vertices: Floats) -> tuple[Floats, Floats]:
        """Where vertices (n, 2 or more), in columns and rows of the grid, are in pixels of the picture: x, and y
        down."""
        half = np.float32(0.5)
        return self.left + (vertices[:, 0] + half) * self.cell, self.bottom - (vertices[:, 1] + half) * self.cell

    def rim_distance(self, axis: int) -> Floats:
        """For each edge along ``axis`` with one end inside: how far the outline is from that end, 0 to 1 cells."""
        a, b = edge_ends(self.coverage, axis)
        inner, outer = np.maximum(a, b), np.minimum(a, b)
        across = (inner - np.float32(INSIDE)) / np.maximum(inner - outer, np.float32(1e-6))
        distance: Floats = np.clip(across, np.float32(LEAST_RIM), np.float32(1))
        return distance


def edge_ends(values: NDArray[Value], axis: int) -> tuple[NDArray[Value], NDArray[Value]]:
    """Values at the lower and at the upper end of each edge of the grid along ``axis``."""
    return (values[:-1], values[1:]) if axis == 0 else (values[:, :-1], values[:, 1:])


def lay(cutout: Cutout, cells: float) -> Grid:
    """A grid with ``cells`` cells, not necessarily a whole number, along the longer side of the subject."""
    top, left, bottom, right = cutout.box()
    cell = max(bottom - top, right - left) / cells
    rows, columns = (math.ceil(size / cell) + 2 * MARGIN for size in (bottom - top, right - left))
    grid_left = (left + right - columns * cell) / 2
    grid_top = (top + bottom - rows * cell) / 2
    found = sample(cutout, grid_top, grid_left, cell, (rows, columns))
    return outline(grid_left, grid_top + rows * cell, cell, cells, found)


def sample(cutout: Cutout, top: float, left: float, cell: float, shape: tuple[int, int]) -> Floats:
    """Coverage of ``shape`` cells, rows going up. The uppermost left one begins at ``top``, ``left``; these and
    ``cell`` are in pixels of the picture."""
    step = cell / cutout.factor
    origin = ((top - cutout.top) / cutout.factor, (left - cutout.left) / cutout.factor)
    coverage = _with_thin_parts(cutout.coverage, step)
    coverage = raster.resample(coverage, origin, step, shape, outside_is_zero=True)
    coverage = raster.blur(coverage, max(SMOOTHING, SMOOTHING_OF_PIXELS / step))[::-1]
    # Nothing at all would be left of a subject that is thinner than a cell everywhere.
    result: Floats = coverage / min(np.float32(1), coverage[MARGIN // 2 : -1, 1:-1].max())
    return result


def outline(left: float, bottom: float, cell: float, cells: float, coverage: Floats) -> Grid:
    """The grid of a ``coverage`` whose rows go up."""
    coverage = coverage.copy()
    coverage[[0, -1]] = coverage[:, [0, -1]] = 0
    inside = well_composed((coverage >= INSIDE).astype(np.int32)) > 0
    coverage = np.where(inside, np.maximum(coverage, np.float32(INSIDE)), coverage)
    return Grid(left, bottom, cell, cells, coverage, inside)


def _with_thin_parts(coverage: Floats, step: float) -> Floats:
    """Widen what would vanish between points that are ``step`` pixels apart."""
    radius = int(step / 2)
    if radius == 0:
        return coverage
    widened = components.find(raster.dilate(raster.thin(coverage >= INSIDE, radius), radius))
    long = widened.areas >= THIN_LENGTH * step * step
    return np.where(widened.select(long), np.float32(1), coverage) if long.any() else coverage
