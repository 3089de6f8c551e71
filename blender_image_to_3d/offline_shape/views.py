# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of a subject from several sides, laid on one lattice.

Front is seen from +z, back from -z, left (the subject's own) from +x, right from -x; y is up. The pictures come from
different sources: their silhouettes are made equally high, and their middles meet.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from . import grid as grids
from .arrays import Bools, Floats, Side
from .grid import MARGIN, Grid
from .mask import INSIDE, Cutout

SIDES: tuple[Side, ...] = ("front", "back", "left", "right")

OPPOSITE: Mapping[Side, Side] = MappingProxyType({"front": "back", "back": "front", "left": "right", "right": "left"})

MIRRORED: frozenset[Side] = frozenset({"back", "left"})
"""Sides whose pictures have +x or +z on the left."""

REACH = 12
"""Distances from an outline are measured this far, in cells. Where two opposite silhouettes differ more, the thicker
part wins."""

RIM_STEEPNESS = 0.8
"""How fast the coverage, smoothed as it is, changes across an outline, per cell."""


@dataclass(frozen=True)
class Placement:
    """Where a picture lies on the lattice."""

    top: float
    left: float
    """Where the lattice begins, in pixels of the picture; the picture's own left, even if it is mirrored."""
    cell: float
    """Side of a cell in pixels of the picture."""
    shape: tuple[int, int]
    """Rows and columns of the lattice as this picture sees it."""
    mirrored: bool

    def coverage(self, cutout: Cutout) -> Floats:
        """(rows, columns) on the lattice: rows go up, columns with x or z."""
        found = grids.sample(cutout, self.top, self.left, self.cell, self.shape)
        return found[:, ::-1] if self.mirrored else found


def place(cutouts: Mapping[Side, Cutout], cells: float) -> dict[Side, Placement]:
    """Lay the pictures on a lattice with ``cells`` cells, not necessarily a whole number, along the longest side of the
    subject."""
    boxes = {side: cutouts[side].box() for side in SIDES if side in cutouts}
    widths = {side: (right - left) / (bottom - top) for side, (top, left, bottom, right) in boxes.items()}
    rows = cells / max(1.0, *widths.values())
    placements: dict[Side, Placement] = {}
    for side, (top, left, bottom, right) in boxes.items():
        cell = (bottom - top) / rows
        width = max(widths[side], widths.get(OPPOSITE[side], 0.0)) * rows
        shape = math.ceil(rows) + 2 * MARGIN, math.ceil(width) + 2 * MARGIN
        placements[side] = Placement(
            top=(top + bottom - shape[0] * cell) / 2,
            left=(left + right - shape[1] * cell) / 2,
            cell=cell,
            shape=shape,
            mirrored=side in MIRRORED,
        )
    return placements


def silhouette(
    cutouts: Mapping[Side, Cutout], placements: Mapping[Side, Placement], side: Side, *, symmetric: bool
) -> Grid:
    """What is seen from ``side`` and from its opposite, averaged; with ``symmetric`` also with its mirror image."""
    sides = [each for each in (side, OPPOSITE[side]) if each in placements]
    coverages = [placements[each].coverage(cutouts[each]) for each in sides]
    if symmetric:
        coverages += [coverage[:, ::-1] for coverage in coverages]
    placed = placements[sides[0]]
    bottom = placed.top + placed.shape[0] * placed.cell
    grid = grids.outline(placed.left, bottom, placed.cell, max(placed.shape) - 2 * MARGIN, average(coverages))
    if not symmetric:
        return grid
    inside = grid.inside | grid.inside[:, ::-1]
    coverage = np.maximum(grid.coverage, grid.coverage[:, ::-1])
    return replace(grid, coverage=coverage, inside=inside)


def average(coverages: list[Floats]) -> Floats:
    """The coverage whose outline lies half way between those of ``coverages``."""
    if len(coverages) == 1:
        return coverages[0]
    total = np.zeros_like(coverages[0])
    # Sums of two are exact in any order, so a symmetric pair stays symmetric.
    for coverage in coverages:
        total += _depth(coverage)
    result: Floats = np.clip(total * np.float32(RIM_STEEPNESS / len(coverages)) + np.float32(INSIDE), 0, 1)
    return result


def _depth(coverage: Floats) -> Floats:
    """How far, in cells, each point is inside the outline; negative outside."""
    inside = coverage >= INSIDE
    near = np.abs(coverage - np.float32(INSIDE)) / np.float32(RIM_STEEPNESS)
    far = np.where(inside, _distance(~inside), _distance(inside)) - np.float32(0.5)
    # Within a pixel of the outline the coverage knows better.
    depth = np.where(far < 1, near, np.maximum(near, far))
    result: Floats = np.where(inside, depth, -depth)
    return result


def _distance(target: Bools) -> Floats:
    """Euclidean distance to the next True point, at most REACH."""
    columns = np.arange(target.shape[1], dtype=np.int32)
    before = np.maximum.accumulate(np.where(target, columns, np.int32(-REACH)), axis=1)
    after = np.minimum.accumulate(np.where(target, columns, np.int32(target.shape[1] + REACH))[:, ::-1], axis=1)[
        :, ::-1
    ]
    across = np.minimum(np.minimum(columns - before, after - columns), REACH) ** 2
    padded = np.pad(across, ((REACH, REACH), (0, 0)), constant_values=REACH**2)
    best = across
    for down in range(-REACH, REACH + 1):
        start = REACH + down
        best = np.minimum(best, padded[start : start + len(across)] + np.int32(down * down))
    result: Floats = np.sqrt(np.minimum(best, REACH**2).astype(np.float32))
    return result
