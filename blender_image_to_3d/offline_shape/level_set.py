# SPDX-License-Identifier: GPL-3.0-or-later
"""The solid, as the points of a lattice that lie in it, and where its surface crosses the edges of the lattice.

A point of the grid is a column of lattice points at heights z = k + 0.5, k = ... -1, 0, 1 ...; the solid has an
unbroken run of each column, around z = 0. Inside is where s(x, y) > z^2 - 0.25, s being the square of the half
thickness: so a column that is in the solid at all has the points k = -1 and 0, the outline falls on z = 0, and the seam
between front and back is a line of the mesh. Squares, not heights, because s goes through zero at the outline with a
finite slope, where the height has an infinite one: no stretched faces at the rim.

Two columns with a common edge never meet in a corner only, since both hold z = 0. So the solid is *well-composed*
(Latecki, "3D well-composed pictures", 1997), and its surface nets are manifold, if this holds in each layer: no two
diagonal columns both reach higher than both their common neighbours.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .arrays import Bools, Floats, Index, Ints

REPAIR_DEPTH = 0.2
"""How far, in cells, a column that had to grow reaches beyond its last point."""


class Crossings(NamedTuple):
    """Edges of a lattice that cross the surface. Any solid can be given like this."""

    points: Ints
    """(n, 3) the lower end of each edge: column, row, layer."""
    axis: Ints
    """(n,) the direction of the edge."""
    fraction: Floats
    """(n,) where it crosses, from 0 at the lower end to 1."""
    leaves: Bools
    """(n,) whether the lower end is inside."""


class Half(NamedTuple):
    """One side, front or back, of the solid over a grid (rows, columns)."""

    squares: Floats
    """Square of the half thickness in cells; positive inside."""
    heights: Ints
    """Lattice points inside; 0 outside."""
    has_walls: bool
    """The outline may be a wall, as around a coin; else the thickness falls to zero there, as around a cushion."""


def half(half_thickness: Floats, inside: Bools, *, has_walls: bool = False) -> Half:
    """Turn a half thickness in cells, (rows, columns), into columns that make a well-composed solid."""
    squares = np.where(inside, np.maximum(half_thickness, np.float32(1e-3)) ** 2, np.float32(0))
    # The last k with k^2 + k < s is ceil(sqrt(s + 0.25) - 0.5) - 1.
    heights = np.where(inside, np.maximum(np.ceil(np.sqrt(squares + np.float32(0.25)) - np.float32(0.5)), 1), 0)
    heights = heights.astype(np.int32)
    repaired = well_composed(heights)
    grown = (repaired - np.float32(0.5 - REPAIR_DEPTH)) ** 2 - np.float32(0.25)
    return Half(np.where(repaired > heights, grown, squares).astype(np.float32), repaired, has_walls)


def well_composed(heights: Ints) -> Ints:
    """Raise as few columns as it takes that no two diagonal ones both reach higher than both their common neighbours.

    Ends, because columns only grow, and never above the highest. For a mask of 0 and 1 this closes the corners.
    """
    heights = heights.copy()
    while True:
        changed = False
        for flip in (1, -1):
            view = heights[:, ::flip]
            a, b, c, d = view[:-1, :-1], view[:-1, 1:], view[1:, :-1], view[1:, 1:]
            needed = np.minimum(a, d)
            bad = needed > np.maximum(b, c)
            if bad.any():
                changed = True
                # The higher of the two has less far to go. Blocks overlap, but growing to ``needed`` is right for each.
                left, right = bad & (c >= b), bad & (c < b)
                np.maximum(c, needed, out=c, where=left)
                np.maximum(b, needed, out=b, where=right)
        if not changed:
            return heights


def count_quads(front: Half, back: Half) -> int:
    """Faces of the mesh: one for each crossing."""
    caps = 2 * int(np.count_nonzero(front.heights))
    walls = sum(int(np.abs(np.diff(side.heights, axis=axis)).sum()) for side in (front, back) for axis in (0, 1))
    return caps + walls


def crossings(front: Half, back: Half, rim: tuple[Floats, Floats]) -> tuple[Crossings, int]:
    """All crossings, and the layer whose points are the first in front of z = 0 (at z = 0.5).

    ``rim`` holds, for the edges of the grid along rows' axis 0 and columns' axis 1, the distance of the outline from
    the end that is inside.
    """
    middle = int(back.heights.max()) + 2
    parts = [_caps(front, 1), _caps(back, -1)]
    parts += [_walls(side, sign, axis, rim[axis]) for side, sign in ((front, 1), (back, -1)) for axis in (0, 1)]
    joined = Crossings(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    return joined._replace(points=joined.points + np.array([0, 0, middle], np.int32)), middle


def _caps(side: Half, sign: int) -> Crossings:
    """Where the surface crosses the columns themselves."""
    row, column = np.nonzero(side.heights)
    height = side.heights[row, column]
    beyond = np.sqrt(side.squares[row, column] + np.float32(0.25)) - (height - np.float32(0.5))
    beyond = np.clip(beyond, 0, 1).astype(np.float32)
    layer = height - 1 if sign > 0 else -height - 1
    points = np.stack([column, row, layer], axis=1).astype(np.int32)
    fraction = beyond if sign > 0 else 1 - beyond
    return Crossings(points, np.full(len(row), 2, np.int32), fraction, np.full(len(row), sign > 0))


def _walls(side: Half, sign: int, axis: int, rim: Floats) -> Crossings:
    """Where the surface crosses between neighbouring columns, along ``axis`` of the grid."""
    rows, columns = side.heights.shape
    ahead = (1, 0) if axis == 0 else (0, 1)
    low = side.heights[: rows - ahead[0], : columns - ahead[1]]
    high = side.heights[ahead[0] :, ahead[1] :]
    count = np.abs(low - high)
    row, column = np.nonzero(count)
    count = count[row, column]
    row, column = np.repeat(row, count), np.repeat(column, count)
    within = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    level = np.minimum(low[row, column], high[row, column]) + within
    leaves = low[row, column] > high[row, column]
    # From the end that is inside, and the way out of there.
    inner = (row + ahead[0] * ~leaves, column + ahead[1] * ~leaves)
    way = np.where(leaves, 1, -1)
    fraction = _distance_to_surface(side, inner, (way * ahead[0], way * ahead[1]), level, rim[row, column])
    points = np.stack([column, row, level if sign > 0 else -1 - level], axis=1).astype(np.int32)
    return Crossings(
        points,
        np.full(len(row), 1 - axis, np.int32),
        np.where(leaves, fraction, 1 - fraction).astype(np.float32),
        leaves,
    )


def _distance_to_surface(
    side: Half, inner: tuple[Index, Index], way: tuple[Index, Index], level: Ints, rim: Floats
) -> Floats:
    """How far, in cells, the surface is from the ends ``inner``, the way out; the level set is taken as linear along
    the edge."""
    outer = (inner[0] + way[0], inner[1] + way[1])
    at_rim = side.heights[outer] == 0
    highest = side.squares[inner]
    # Outside, the square is that at the outline, not that of the next column.
    lowest = np.where(at_rim, _at_outline(side, inner, way, rim), side.squares[outer])
    length = np.where(at_rim, rim, np.float32(1))
    threshold = level.astype(np.float32) * (level + 1)
    share = (highest - threshold) / np.maximum(highest - lowest, np.float32(1e-6))
    distance: Floats = (np.clip(share, 0, 1) * length).astype(np.float32)
    return distance


def _at_outline(side: Half, inner: tuple[Index, Index], way: tuple[Index, Index], rim: Floats) -> Floats:
    """The square at the outline: zero, or for a solid with walls what the last two points lead to."""
    highest = side.squares[inner]
    if not side.has_walls:
        return np.zeros_like(highest)
    before = (inner[0] - way[0], inner[1] - way[1])
    rise = np.where(side.heights[before] > 0, highest - side.squares[before], np.float32(0))
    return np.clip(highest + rise * rim, np.float32(0), highest)
