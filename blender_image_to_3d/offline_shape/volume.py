# SPDX-License-Identifier: GPL-3.0-or-later
"""Solids as voxels: loose parts, the repair that makes the surface a manifold, and the edges that cross the surface.

A solid is (rows, columns, layers), indexed [y, x, z], with at least one empty layer of voxels on each side; so it can
be walked as one flat array without running over its borders. A *cell* is a block of 2 x 2 x 2 voxels, numbered by its
lowest one. The bits of its *code* say which of its corners are in the solid: corner 1 is next in x, 2 in y, 4 in z, the
sum of some is next in each of these.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np

from . import components
from .arrays import Bools, Bytes, Index, Tick

VOXELS_AT_ONCE = 500_000
"""Handled between two calls of ``tick``: they stay in the processor's cache."""


class Cells(NamedTuple):
    """The cells that the surface passes through."""

    lowest: Index
    """(n,) the flat index of each cell's lowest voxel, ascending."""
    codes: Bytes
    """(n,)"""

    def edges(self, axis: int) -> tuple[Index, Bools]:
        """The edges along ``axis`` (0 is x, 1 is y, 2 is z) that cross the surface: the flat index of their lower end,
        and whether that is inside."""
        lower, upper = self.codes & 1, (self.codes >> (1 << axis)) & 1
        crosses = lower != upper
        return self.lowest[crosses], lower[crosses] > 0

    def count_edges(self) -> int:
        return sum(int(np.count_nonzero((self.codes ^ (self.codes >> (1 << axis))) & 1)) for axis in range(3))


def strides(solid: Bools) -> tuple[int, int, int]:
    """Steps in the flat array to the next voxel in x, y and z."""
    return solid.shape[2], solid.shape[1] * solid.shape[2], 1


def drop_loose_parts(solid: Bools, least_share: float, tick: Tick) -> Bools:
    """The solid without the parts smaller than ``least_share`` of the largest one. Parts are joined over faces."""
    flat = solid.reshape(-1)
    ends = _ends_of_runs(flat, tick)
    starts, ends = ends[::2], ends[1::2]
    x, y, _ = strides(solid)
    beside, above = components.touching(starts, ends, x), components.touching(starts, ends, y)
    tick()
    labels = components.join(len(starts), *(np.concatenate(pair) for pair in zip(beside, above, strict=True)))
    tick()
    volumes = np.bincount(labels, ends - starts, len(starts))
    loose = volumes[labels] < least_share * volumes.max(initial=0)
    if not loose.any():
        return solid
    kept = solid.copy()
    lengths = (ends - starts)[loose]
    within = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    kept.reshape(-1)[np.repeat(starts[loose], lengths) + within] = False
    return kept


def repair(solid: Bools, *, mirrored: bool, tick: Tick) -> Cells:
    """Add voxels to ``solid``, in place, until it is well-composed, and return its surface.

    It is well-composed (Latecki, "3D well-composed pictures", 1997) where no voxels, and no gaps between them, touch
    over an edge or a corner only; then its surface nets are a manifold. Ends, because the solid only grows, and never
    beyond its bounding box. With ``mirrored`` a solid that is its own mirror image in x stays so.
    """
    flat = solid.reshape(-1)
    offsets = _corner_offsets(solid)
    surface = cells = _mixed_cells(solid, tick)
    while True:
        tick()
        codes = _codes(flat, cells, offsets)
        missing = FILL[codes]
        bad = np.flatnonzero(missing)
        if not len(bad):
            break
        corners = [
            cells[bad[(missing[bad] >> corner) & 1 > 0]] + offset for corner, offset in enumerate(offsets.tolist())
        ]
        added = np.concatenate(corners)
        if mirrored:
            added = np.concatenate([added, _mirrored(added, solid)])
        flat[added] = True
        cells = _sorted_once(added[:, None] - offsets)
        surface = np.concatenate([surface, cells])
    if surface is not cells:
        surface = _sorted_once(surface)
    codes = _codes(flat, surface, offsets)
    mixed = (codes != 0) & (codes != 255)
    return Cells(surface[mixed], codes[mixed])


def _ends_of_runs(flat: Bools, tick: Tick) -> Index:
    """Where a run of voxels starts, where it ends (exclusively), where the next one starts, …"""
    found = []
    for first in range(0, len(flat) - 1, VOXELS_AT_ONCE):
        tick()
        block = flat[first : first + VOXELS_AT_ONCE + 1]
        found.append(np.flatnonzero(block[1:] != block[:-1]) + first + 1)
    return np.concatenate(found)


def _mixed_cells(solid: Bools, tick: Tick) -> Index:
    """The cells that have voxels both inside and outside."""
    flat = solid.reshape(-1)
    x, y, z = strides(solid)
    found = []
    for first in range(0, len(flat), VOXELS_AT_ONCE):
        tick()
        some = every = flat[first : first + VOXELS_AT_ONCE + x + y + z]
        for step in (z, x, y):
            some, every = some[:-step] | some[step:], every[:-step] & every[step:]
        found.append(np.flatnonzero(some != every) + first)
    return np.concatenate(found)


def _corner_offsets(solid: Bools) -> Index:
    x, y, z = strides(solid)
    return np.array([x * (c & 1) + y * (c >> 1 & 1) + z * (c >> 2) for c in range(8)], np.int64)


def _codes(flat: Bools, cells: Index, offsets: Index) -> Bytes:
    codes = np.zeros(len(cells), np.uint8)
    for corner, offset in enumerate(offsets.tolist()):
        codes |= flat[cells + offset].astype(np.uint8) << np.uint8(corner)
    return codes


def _sorted_once(numbers: Index) -> Index:
    """What numpy.unique gives; that is ten times slower here."""
    ordered = np.sort(numbers, axis=None)
    first = np.ones(len(ordered), bool)
    first[1:] = ordered[1:] != ordered[:-1]
    result: Index = ordered[first]
    return result


def _mirrored(voxels: Index, solid: Bools) -> Index:
    _, columns, layers = solid.shape
    column = voxels // layers % columns
    result: Index = voxels + (columns - 1 - 2 * column) * layers
    return result


def _corners_to_fill(code: int) -> int:
    """The bits of the corners to be added to a cell in which voxels, or gaps, touch over an edge or a corner only."""
    fill = 0
    for base, (a, b) in itertools.product(range(8), ((1, 2), (1, 4), (2, 4))):
        if base & (a | b):
            continue
        square = [code >> corner & 1 for corner in (base, base + a, base + b, base + a + b)]
        if square == [1, 0, 0, 1]:
            fill |= 1 << base + a
        if square == [0, 1, 1, 0]:
            fill |= 1 << base
    for corner in range(4):
        pair = 1 << corner | 1 << 7 - corner
        if code == pair:
            fill |= 1 << (corner ^ 1) | 1 << (corner ^ 3)
        if code == 255 - pair:
            fill |= 1 << corner
    return fill


FILL = np.array([_corners_to_fill(code) for code in range(256)], np.uint8)
