# SPDX-License-Identifier: GPL-3.0-or-later
"""The runs of an outline: for each row of the grid, from where to where each part of the subject goes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .arrays import Bools, Floats, Index
from .grid import Grid


@dataclass(frozen=True, eq=False)
class Runs:
    """Places are columns of the grid; the ends are those of the outline, to a fraction of a cell."""

    inside: Bools
    row: Index
    """(runs,)"""
    middle: Floats
    half_width: Floats
    label: Index
    """(points inside,) the run of each point inside, in reading order."""

    def spread(self, values: Floats) -> Floats:
        """Values of the runs (runs,) at their points, (rows, columns); 0 outside."""
        result = np.zeros(self.inside.shape, np.float32)
        result[self.inside] = values[self.label]
        return result


def find(grid: Grid) -> Runs:
    """Find the runs of ``grid`` from left to right, row by row."""
    inside, rim = grid.inside, grid.rim_distance(1)
    # The border of a grid is empty, so each run begins and ends at an edge between two points.
    first_row, first = np.nonzero(inside[:, 1:] & ~inside[:, :-1])
    last_row, last = np.nonzero(inside[:, :-1] & ~inside[:, 1:])
    left: Floats = (first + 1).astype(np.float32) - rim[first_row, first]
    right: Floats = last.astype(np.float32) + rim[last_row, last]
    half = np.float32(0.5)
    label = np.repeat(np.arange(len(first)), last - first)
    return Runs(inside, first_row, half * (left + right), half * (right - left), label)
