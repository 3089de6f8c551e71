# SPDX-License-Identifier: GPL-3.0-or-later
"""The solid between silhouettes from two directions: a rounded visual hull.

The visual hull (Laurentini, "The visual hull concept for silhouette-based image understanding", 1994) of a front and a
side view has rectangular sections at each height. They are rounded like this: u, the solution of laplace(u) = -4 over a
silhouette (see ``inflation``), divided by its greatest value at this height, is 1 on the axis of a part and 0 at its
outline, and across a stripe it is 1 - x^2. With a = 1 - u / max u of the front at (x, y) and b, the same of the side at
(z, y), the solid is where

    a + b - k a b < 1.

For k = 0 a stripe from the front and one from the side make an elliptic section: cylinders, cones and balls come out
as they are. For k = 1 the section is the rectangle; in between a squircle (Fernandez Guasti, "Analytic geometry of some
rectilinear figures", 1992). What is thin for its height in one view, such as an arm, becomes as
thin, for its height, in the other. Both silhouettes are kept, since each height has a place where a is 0, and one where
b is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import inflation, views, volume
from .arrays import Bools, Floats, Ints, Tick
from .grid import Grid
from .level_set import REPAIR_DEPTH, Crossings
from .mask import Cutout, EmptyMask
from .views import Placement, Side
from .volume import Cells

LOOSE_PART = 0.005
"""Parts of the solid smaller than this share of the largest are dropped: where silhouettes do not agree, splinters
remain."""

LEAST_U = np.float32(1e-3)
OUTSIDE = np.float32(2)
"""Value of a and b outside of the silhouette: no section reaches it."""

Index = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Profile:
    """One silhouette, prepared: arrays over (rows, columns), rows going up."""

    inside: Bools
    u: Floats
    """In squared cells; 0 outside."""
    greatest: Floats
    """(rows,) of u; 0 where the row is empty."""
    axis: Ints
    """(rows,) the column where u is greatest."""
    away: Floats
    """1 - u / greatest; OUTSIDE where there is nothing."""
    rim: tuple[Floats, Floats]
    """See ``Grid.rim_distance``: along the rows' axis, along the columns'."""

    @classmethod
    def of(cls, grid: Grid, *, symmetric: bool) -> Profile:
        height = inflation.inflate(grid)
        u = np.where(grid.inside, np.maximum(height * height, LEAST_U), np.float32(0))
        if symmetric:
            u = (u + u[:, ::-1]) / np.float32(2)
        greatest = u.max(axis=1)
        away = 1 - u / np.maximum(greatest, LEAST_U)[:, None]
        away = np.where(grid.inside, away, OUTSIDE)
        rim = grid.rim_distance(0), grid.rim_distance(1)
        return cls(grid.inside, u, greatest, u.argmax(axis=1).astype(np.int32), away, rim)


@dataclass(frozen=True, eq=False)
class Hull:
    """A solid on a lattice, indexed [y, x, z]."""

    placements: Mapping[Side, Placement]
    front: Profile
    side: Profile
    squareness: Floats
    """(rows,) k of the section: 0 for an ellipse, 1 for a rectangle."""
    solid: Bools
    surface: Cells

    def count_quads(self) -> int:
        """Faces of the mesh: one for each edge that crosses the surface."""
        return self.surface.count_edges()

    def crossings(self, tick: Tick) -> Crossings:
        """Where the surface crosses the edges of the lattice, for ``surface_nets``. Raises EmptyMask."""
        if not len(self.surface.lowest):
            raise EmptyMask("The views have nothing in common: no height at which all of them show the subject.")
        parts = []
        for axis, fractions in enumerate((self._along_x, self._along_y, self._along_z)):
            tick()
            lower, leaves = self.surface.edges(axis)
            y, x, z = np.unravel_index(lower, self.solid.shape)
            fraction = np.where(leaves, fractions(y, x, z, leaves), 1 - fractions(y, x, z, leaves))
            points = np.stack([x, y, z], axis=1).astype(np.int32)
            parts.append(
                Crossings(points, np.full(len(points), axis, np.int32), fraction.astype(np.float32), leaves)
            )
        return Crossings(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))

    def _along_x(self, y: Index, x: Index, z: Index, leaves: Bools) -> Floats:
        limit = _limit(self.side.away, self.squareness)[y, z]
        return _across(self.front, limit, y, x, leaves)

    def _along_z(self, y: Index, x: Index, z: Index, leaves: Bools) -> Floats:
        limit = _limit(self.front.away, self.squareness)[y, x]
        return _across(self.side, limit, y, z, leaves)

    def _along_y(self, y: Index, x: Index, z: Index, leaves: Bools) -> Floats:
        """How far the surface is from the end that is inside."""
        inner, outer = y + ~leaves, y + leaves
        rim = np.ones(len(y), np.float32)
        values = []
        for profile, column in ((self.front, x), (self.side, z)):
            beyond = ~profile.inside[outer, column]
            distance = profile.rim[0][y, column]
            rim = np.where(beyond, np.minimum(rim, distance), rim)
            u_in = profile.u[inner, column]
            # Beyond the outline u goes on as it fell towards it.
            u_out = np.where(beyond, u_in * (1 - 1 / distance), profile.u[outer, column])
            ended = profile.greatest[outer] == 0
            end = profile.rim[0][y, profile.axis[inner]]
            top_in = profile.greatest[inner]
            top_out = np.where(ended, top_in * (1 - 1 / end), profile.greatest[outer])
            values.append((u_in, u_out, top_in, top_out))
        (f_in, f_out, top_in, top_out), (s_in, s_out, side_in, side_out) = values
        k = self.squareness[inner]
        scale = top_in / np.maximum(side_in, LEAST_U)
        inside = _section(top_in, top_in - f_in, (side_in - s_in) * scale, k)
        outside = _section(top_out, top_out - f_out, (side_out - s_out) * scale, k)
        crossing = inside / np.maximum(inside - outside, np.float32(1e-6))
        distance = np.where((inside > 0) & (outside < inside), crossing, np.float32(REPAIR_DEPTH))
        result: Floats = np.clip(np.minimum(distance, rim), 0, 1)
        return result


def build(
    cutouts: Mapping[Side, Cutout], cells: float, squareness: float | None, *, symmetric: bool, tick: Tick
) -> Hull:
    """The hull of a front or back view and a left or right one, with ``cells`` cells along its longest side.

    ``squareness`` of its sections is from 0, round, to 1, rectangular; None judges by the pictures.
    """
    placements = views.place(cutouts, cells)
    front = Profile.of(views.silhouette(cutouts, placements, "front", symmetric=symmetric), symmetric=symmetric)
    tick()
    side = Profile.of(views.silhouette(cutouts, placements, "left", symmetric=False), symmetric=False)
    tick()
    k = np.full(len(front.u), 0.15 if squareness is None else squareness, np.float32)
    solid = _fill(front, side, k, tick)
    if solid.any():
        solid = volume.drop_loose_parts(solid, LOOSE_PART, tick)
    return Hull(placements, front, side, k, solid, volume.repair(solid, mirrored=symmetric, tick=tick))


def _fill(front: Profile, side: Profile, k: Floats, tick: Tick) -> Bools:
    """The points (rows, columns of the front, columns of the side) that lie in the sections."""
    limit = _limit(side.away, k)
    solid = np.zeros((*front.away.shape, limit.shape[1]), bool)
    for row in range(len(solid)):
        if not row % 16:
            tick()
        np.less(front.away[row][:, None], limit[row][None, :], out=solid[row])
    return solid


def _limit(b: Floats, k: Floats) -> Floats:
    """The largest a of the section at ``b`` (rows, columns); see the module."""
    result: Floats = np.where(b < 1, (1 - b) / np.maximum(1 - k[:, None] * b, LEAST_U), np.float32(0))
    return result


def _section(whole: Floats, a: Floats, b: Floats, k: Floats) -> Floats:
    """Positive inside the section, whose a and b were multiplied by ``whole``."""
    result: Floats = whole - a - b + k * a * b / np.maximum(whole, LEAST_U)
    return result


def _across(profile: Profile, limit: Floats, row: Index, column: Index, leaves: Bools) -> Floats:
    """How far, along an edge in a row, the place where a reaches ``limit`` is from the end that is inside."""
    inner, outer = column + ~leaves, column + leaves
    a_in, a_out = profile.away[row, inner], profile.away[row, outer]
    beyond = ~profile.inside[row, outer]
    # Beyond the outline there is no a; it becomes 1 at the outline.
    reach = np.where(beyond, profile.rim[1][row, column] / (1 - a_in), 1 / np.maximum(a_out - a_in, np.float32(1e-6)))
    distance = np.where(a_in < limit, (limit - a_in) * reach, np.float32(REPAIR_DEPTH))
    result: Floats = np.clip(distance, 0, 1)
    return result
