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

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import components, inflation, raster, views, volume
from .arrays import Bools, Bytes, Floats, Index, Ints, Side, Tick
from .grid import Grid
from .level_set import REPAIR_DEPTH, Crossings
from .mask import Cutout, EmptyMask
from .views import Placement
from .volume import Cells

LOOSE_PART = 0.005
"""Parts of the solid smaller than this share of the largest are dropped: where silhouettes do not agree, splinters
remain."""

LEAST_U = np.float32(1e-3)
PLATE_OPENING = 0.6
"""What juts out is what a square of this share of the greatest half thickness does not reach (an opening)."""

PLATE_ELONGATION = (1.7, 2.4)
"""What juts out and is about as long as wide is a plate: an ear, a fin, a leaf. What is longer is as deep as wide: an
arm, a handle. In between, something in between."""

PLATE_THINNESS = 0.004
"""Factor of u on a plate: it is as thick as the square root of this, in proportion to other parts."""

PLATE_LEAST_AREA = 0.01
PLATE_SOFTNESS = 0.08
"""Share of the silhouette below which nothing is a plate; blur of its edge in shares of the opening's radius."""

RECTANGULAR = (0.93, 0.97)
"""Share of its bounding box that a silhouette fills if it is surely not, and if it surely is a rectangle."""

FLAT = (0.05, 0.075)
"""Relative deviation of brightness across a surface that surely is flat, and of one that surely is not."""

TURNED = (0.9, 0.96)
"""What front and side have in common (intersection over union) if the subject surely was not turned on a lathe, and if
it surely was."""

COVERAGE_STEPS = 1000
"""Sums of whole numbers are the same on every machine."""

OPPOSITES: tuple[tuple[Side, Side], ...] = (("front", "back"), ("left", "right"))

LUMINANCE = (2126, 7152, 722)
"""Weights of ITU-R BT.709, as whole numbers."""

JUDGED_CELLS = 96
JUDGED_COLUMNS = 12
"""Size at which it is judged how square the sections are, and into how many parts a surface is divided."""

OUTSIDE = np.float32(2)
"""Value of a and b outside of the silhouette: no section reaches it."""


@dataclass(frozen=True)
class Section:
    """The shape of horizontal sections."""

    squareness: float = 0.0
    """From 0, round, to 1, rectangular."""
    turned: float = 0.0
    """From 0, the thickness of the parts gives the section, to 1: each part is as round as it is wide at its height,
    and what is flat on top ends there abruptly."""


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
    def of(cls, grid: Grid, turned: float, *, symmetric: bool) -> Profile:
        height = inflation.inflate(grid)
        u = np.where(grid.inside, np.maximum(height * height, LEAST_U), np.float32(0))
        flattening = _flattening(grid.inside, u)
        share = _of_greatest(u * flattening)
        if turned:
            share = np.float32(1 - turned) * share + np.float32(turned) * _of_greatest(_across_runs(grid) * flattening)
        share = np.where(grid.inside, np.maximum(share, LEAST_U), np.float32(0))
        greatest = u.max(axis=1)
        if symmetric:
            share = (share + share[:, ::-1]) / np.float32(2)
            greatest = np.maximum(greatest, u[:, ::-1].max(axis=1))
        away = np.where(grid.inside, 1 - share, OUTSIDE)
        axis = share.argmax(axis=1).astype(np.int32)
        rim = grid.rim_distance(0), grid.rim_distance(1)
        return cls(grid.inside, share * greatest[:, None], greatest, axis, away, rim)


def _of_greatest(values: Floats) -> Floats:
    """Each value as a share of the greatest in its row."""
    result: Floats = values / np.maximum(values.max(axis=1), LEAST_U)[:, None]
    return result


def _across_runs(grid: Grid) -> Floats:
    """1 - x^2 across each run of points in a row; x is -1 and 1 at its ends. 0 outside."""
    inside = np.pad(grid.inside, ((0, 0), (1, 1)))
    rim = np.pad(grid.rim_distance(1), ((0, 0), (1, 1)), constant_values=1)
    column = np.arange(inside.shape[1], dtype=np.float32)[1:-1]
    starts = grid.inside & ~inside[:, :-2]
    ends = grid.inside & ~inside[:, 2:]
    start = np.maximum.accumulate(np.where(starts, column - rim[:, :-1], np.float32(-1e6)), axis=1)
    end = np.where(ends, column + rim[:, 1:], np.float32(1e6))
    end = np.minimum.accumulate(end[:, ::-1], axis=1)[:, ::-1]
    x = (2 * column - start - end) / (end - start)
    return np.where(grid.inside, 1 - x * x, np.float32(0))


@dataclass(frozen=True, eq=False)
class Hull:
    """A solid on a lattice, indexed [y, x, z]."""

    placements: Mapping[Side, Placement]
    front: Profile
    side: Profile
    squareness: np.float32
    """k of the sections: 0 for an ellipse, 1 for a rectangle."""
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
        for axis, distances in enumerate((self._along_x, self._along_y, self._along_z)):
            tick()
            lower, leaves = self.surface.edges(axis)
            y, x, z = np.unravel_index(lower, self.solid.shape)
            distance = distances(y, x, z, leaves)
            fraction = np.where(leaves, distance, 1 - distance).astype(np.float32)
            points = np.stack([x, y, z], axis=1).astype(np.int32)
            parts.append(Crossings(points, np.full(len(points), axis, np.int32), fraction, leaves))
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
        scale = (top_in / np.maximum(side_in, LEAST_U)).astype(np.float32)
        inside = _section(top_in, top_in - f_in, (side_in - s_in) * scale, self.squareness)
        outside = _section(top_out, top_out - f_out, (side_out - s_out) * scale, self.squareness)
        crossing = inside / np.maximum(inside - outside, np.float32(1e-6))
        distance = np.where((inside > 0) & (outside < inside), crossing, np.float32(REPAIR_DEPTH))
        result: Floats = np.clip(np.minimum(distance, rim), 0, 1)
        return result


def build(cutouts: Mapping[Side, Cutout], cells: float, section: Section, *, symmetric: bool, tick: Tick) -> Hull:
    """The hull of a front or back view and a left or right one, with ``cells`` cells along its longest side.

    With ``symmetric`` left and right are mirror images. If the views have nothing in common, the hull is empty.
    """
    placements = views.place(cutouts, cells)
    outline = views.silhouette(cutouts, placements, "front", symmetric=symmetric)
    front = Profile.of(outline, section.turned, symmetric=symmetric)
    tick()
    outline = views.silhouette(cutouts, placements, "left", symmetric=False)
    side = Profile.of(outline, section.turned, symmetric=False)
    tick()
    k = np.float32(section.squareness)
    solid = _fill(front, side, k, tick)
    if solid.any():
        solid = volume.drop_loose_parts(solid, LOOSE_PART, tick)
    return Hull(placements, front, side, k, solid, volume.repair(solid, mirrored=symmetric, tick=tick))


def judge(pictures: Mapping[Side, Bytes], cutouts: Mapping[Side, Cutout]) -> Section:
    """The sections that a subject probably has.

    A rectangle from one direction only, evenly bright from left to right, is the edge of a plate or a lying cylinder;
    from both directions it is a box. In both cases all sections are rectangles; others are round. What looks the same
    from the front and from the side was probably turned on a lathe.
    """
    placements = views.place(cutouts, JUDGED_CELLS)
    boxy, outlines = [], []
    for sides in OPPOSITES:
        grid = views.silhouette(cutouts, placements, sides[0], symmetric=False)
        covered = np.rint(grid.coverage * np.float32(COVERAGE_STEPS)).astype(np.int64)
        columns, rows = covered.sum(axis=0), covered.sum(axis=1)
        filled = int(rows.sum()) * COVERAGE_STEPS / (int(rows.max()) * int(columns.max()))
        uneven = max(_unevenness(pictures[side], cutouts[side]) for side in sides if side in pictures)
        boxy.append((_ramp(filled, *RECTANGULAR), 1 - _ramp(uneven, *FLAT)))
        outlines.append(grid.inside)
    (front, front_flat), (beside, side_flat) = boxy
    one = front * (1 - beside) * front_flat + beside * (1 - front) * side_flat
    return Section(one + front * beside * min(front_flat, side_flat), _ramp(_shared(*outlines), *TURNED))


def _shared(a: Bools, b: Bools) -> float:
    """Intersection over union of two outlines with as many rows, their middle columns on each other."""
    width = max(a.shape[1], b.shape[1])
    a, b = (np.pad(each, ((0, 0), ((width - each.shape[1]) // 2, -((each.shape[1] - width) // 2)))) for each in (a, b))
    return raster.overlap(a, b)


def _ramp(value: float, low: float, high: float) -> float:
    return min(1.0, max(0.0, (value - low) / (high - low)))


def _unevenness(picture: Bytes, cutout: Cutout) -> float:
    """How much brightness differs from left to right across a subject that fills its bounding box: the standard
    deviation of the columns' means as a share of their mean."""
    top, left, bottom, right = cutout.box()
    height, width = bottom - top, right - left
    part = picture[top + height // 5 : bottom - height // 5, left + width // 20 : right - width // 20, :3]
    if part.shape[1] < JUDGED_COLUMNS or not len(part):
        return 0.0
    step = -(-max(part.shape) // (8 * JUDGED_CELLS))
    brightness = part[::step, ::step].astype(np.int64) @ np.array(LUMINANCE)
    means = [int(band.sum()) / band.size for band in np.array_split(brightness, JUDGED_COLUMNS, axis=1)]
    middle = sum(means) / len(means)
    return math.sqrt(sum((mean - middle) ** 2 for mean in means) / len(means)) / max(middle, 1.0)


def _flattening(inside: Bools, u: Floats) -> Floats:
    """A factor of ``u``, (rows, columns): PLATE_THINNESS on plates that jut out, 1 elsewhere."""
    factor: Floats = np.ones_like(u)
    # Across a stripe u is twice the square of the half thickness.
    radius = round(PLATE_OPENING * float(np.sqrt(u.max() / 2)))
    if radius < 2:
        return factor
    jutting = components.find(raster.thin(inside, radius))
    large = jutting.areas >= PLATE_LEAST_AREA * np.count_nonzero(inside)
    if not large.any():
        return factor
    low, high = PLATE_ELONGATION
    longer = np.clip((_elongations(jutting) - low) / (high - low), 0, 1)
    factors = np.where(large, PLATE_THINNESS + (1 - PLATE_THINNESS) * longer, 1).astype(np.float32)
    factor[jutting.mask] = jutting.at_pixels(factors)
    sigma = max(0.5, PLATE_SOFTNESS * radius)
    covered = inside.astype(np.float32)
    factor = raster.blur(np.where(inside, factor, np.float32(0)), sigma)
    return (factor / np.maximum(raster.blur(covered, sigma), LEAST_U)).astype(np.float32)


def _elongations(parts: components.Components) -> NDArray[np.float64]:
    """(n,) the greatest second moment of each part as a multiple of a disc's of the same area: the ratio of its axes
    for an ellipse; more for what is bent."""
    row, column = np.nonzero(parts.mask)
    areas, count = parts.areas, len(parts.areas)
    label = parts.at_pixels(np.arange(count))
    down = row - (np.bincount(label, row, count) / areas)[label]
    across = column - (np.bincount(label, column, count) / areas)[label]
    yy, xx, xy = (
        np.bincount(label, product, count) / areas for product in (down * down, across * across, down * across)
    )
    greatest = (yy + xx) / 2 + np.sqrt((yy - xx) ** 2 / 4 + xy**2)
    result: NDArray[np.float64] = 4 * math.pi * greatest / areas
    return result


def _fill(front: Profile, side: Profile, k: np.float32, tick: Tick) -> Bools:
    """The points (rows, columns of the front, columns of the side) that lie in the sections."""
    limit = _limit(side.away, k)
    solid = np.zeros((*front.away.shape, limit.shape[1]), bool)
    for row in range(len(solid)):
        if not row % 16:
            tick()
        np.less(front.away[row][:, None], limit[row][None, :], out=solid[row])
    return solid


def _limit(b: Floats, k: np.float32) -> Floats:
    """The largest a of the section at ``b`` (rows, columns); see the module."""
    return np.where(b < 1, (1 - b) / np.maximum(1 - k * b, LEAST_U), np.float32(0)).astype(np.float32)


def _section(whole: Floats, a: Floats, b: Floats, k: np.float32) -> Floats:
    """Positive inside the section, whose a and b were multiplied by ``whole``."""
    return (whole - a - b + k * a * b / np.maximum(whole, LEAST_U)).astype(np.float32)


def _across(profile: Profile, limit: Floats, row: Index, column: Index, leaves: Bools) -> Floats:
    """How far, along an edge in a row, the place where a reaches ``limit`` is from the end that is inside."""
    inner, outer = column + ~leaves, column + leaves
    a_in, a_out = profile.away[row, inner], profile.away[row, outer]
    beyond = ~profile.inside[row, outer]
    # Beyond the outline there is no a; it becomes 1 at the outline.
    fall = np.where(beyond, 1 - a_in, np.maximum(a_out - a_in, np.float32(1e-6))).astype(np.float32)
    reach = np.where(beyond, profile.rim[1][row, column], np.float32(1)) / fall
    distance = np.where(a_in < limit, (limit - a_in) * reach, np.float32(REPAIR_DEPTH))
    result: Floats = np.clip(distance, 0, 1)
    return result
