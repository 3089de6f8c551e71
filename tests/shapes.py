# SPDX-License-Identifier: GPL-3.0-or-later
"""Helpers of several tests: pictures with known outlines, and what must be true of every mesh."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Mask = NDArray[np.bool_]


def cutout(
    mask: Mask, colour: tuple[int, int, int] = (200, 60, 40), behind: tuple[int, int, int] = (0, 255, 0)
) -> Picture:
    """RGBA: ``colour`` where ``mask`` is set; elsewhere transparent, with another colour ``behind``."""
    picture = np.zeros((*mask.shape, 4), np.uint8)
    picture[..., :3] = np.where(mask[..., None], colour, behind)
    picture[..., 3] = mask * 255
    return picture


def opaque(
    mask: Mask, colour: tuple[int, int, int] = (200, 60, 40), behind: tuple[int, int, int] = (0, 255, 0)
) -> Picture:
    """RGBA without transparency: ``colour`` before a plain background."""
    picture = cutout(mask, colour, behind)
    picture[..., 3] = 255
    return picture


def disc(size: int, radius: float, centre: tuple[float, float] = (0.5, 0.5)) -> Mask:
    """A disc; ``radius`` and ``centre`` (x, y) as shares of ``size``."""
    y, x = (np.mgrid[:size, :size] + 0.5) / size
    result: Mask = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 < radius**2
    return result


def ring(size: int, radius: float, tube: float) -> Mask:
    """A torus seen along its axis; both radii as shares of ``size``."""
    y, x = (np.mgrid[:size, :size] + 0.5) / size - 0.5
    result: Mask = np.abs(np.hypot(x, y) - radius) < tube
    return result


def iou(a: Mask, b: Mask) -> float:
    """Intersection over union."""
    return float((a & b).sum() / (a | b).sum())


def manifold_faults(quads: NDArray[np.integer[Any]]) -> Counter[str]:
    """What keeps a mesh of quads from being a closed, oriented manifold; empty if nothing does."""
    faults: Counter[str] = Counter()
    starts, ends = quads.reshape(-1).astype(np.int64), np.roll(quads, -1, axis=1).reshape(-1).astype(np.int64)
    count = int(quads.max()) + 1
    forward, uses = np.unique(starts * count + ends, return_counts=True)
    faults["edges used twice in one direction"] = int((uses > 1).sum())
    faults["edges without their opposite"] = int((~np.isin(ends * count + starts, forward)).sum())
    faults["faces with a vertex twice"] = int((np.diff(np.sort(quads, axis=1), axis=1) == 0).any(axis=1).sum())
    faults["vertices without a face"] = int(count - len(np.unique(quads)))
    faults["vertices that join several fans"] = _several_fans(quads, count)
    return +faults


def _several_fans(quads: NDArray[np.integer[Any]], count: int) -> int:
    """Vertices whose faces do not form a single ring: walk from corner to corner around each vertex."""
    starts = quads.reshape(-1).astype(np.int64)
    before = np.roll(quads, 1, axis=1).reshape(-1).astype(np.int64)
    after = np.roll(quads, -1, axis=1).reshape(-1).astype(np.int64)
    # The next corner of a vertex is the one that leaves along the edge by which this one arrived.
    order = np.argsort(starts * count + after)
    following = order[
        np.searchsorted((starts * count + after)[order], starts * count + before).clip(max=len(order) - 1)
    ]
    smallest, step = np.arange(len(starts)), following
    for _ in range(int(np.bincount(starts).max()).bit_length() + 1):
        smallest, step = np.minimum(smallest, smallest[step]), step[step]
    return len(np.unique(smallest)) - len(np.unique(starts))


def signed_volume(positions: NDArray[np.floating[Any]], quads: NDArray[np.integer[Any]]) -> float:
    """Volume of a closed mesh; positive if its faces are counter-clockwise seen from outside."""
    corners = positions.astype(np.float64)[quads]
    total = 0.0
    for b, c in ((1, 2), (2, 3)):
        total += float(np.einsum("ij,ij->", corners[:, 0], np.cross(corners[:, b], corners[:, c])))
    return total / 6


def filled(
    positions: NDArray[np.floating[Any]], quads: NDArray[np.integer[Any]], points: NDArray[np.floating[Any]]
) -> Mask:
    """Whether each of ``points`` (n, 3) lies in a closed mesh: crossings of a ray along +z are counted.

    Every triangle is put into all cells of a raster over x and y that it covers, so ``points`` should be on few (x, y).
    """
    corners = positions.astype(np.float64)[quads]
    triangles = np.concatenate([corners[:, [0, 1, 2]], corners[:, [0, 2, 3]]])
    columns, column_of = np.unique(points[:, :2], axis=0, return_inverse=True)
    column_of = column_of.reshape(-1)
    a, b, c = (triangles[:, i, :2] for i in range(3))
    low, high = triangles[..., :2].min(axis=1), triangles[..., :2].max(axis=1)
    area = _cross(b - a, c - a)
    winding = np.zeros(len(points), np.int64)
    order = np.argsort(column_of, kind="stable")
    bounds = np.searchsorted(column_of[order], np.arange(len(columns) + 1))
    by_x = np.argsort(low[:, 0])
    sorted_low = low[by_x, 0]
    widest = (high[:, 0] - low[:, 0]).max()
    for index, place in enumerate(columns):
        first, last = np.searchsorted(sorted_low, [place[0] - widest, place[0]], side="right")
        near = by_x[first:last]
        near = near[
            (high[near, 0] > place[0]) & (low[near, 1] <= place[1]) & (high[near, 1] > place[1]) & (area[near] != 0)
        ]
        u = _cross(b[near] - place, c[near] - place) / area[near]
        v = _cross(c[near] - place, a[near] - place) / area[near]
        hit = (u >= 0) & (v >= 0) & (u + v <= 1)
        near, u, v = near[hit], u[hit], v[hit]
        z = u * triangles[near, 0, 2] + v * triangles[near, 1, 2] + (1 - u - v) * triangles[near, 2, 2]
        members = order[bounds[index] : bounds[index + 1]]
        above = z[None, :] > points[members, 2][:, None]
        winding[members] = (above * np.sign(area[near])).sum(axis=1)
    result: Mask = winding > 0
    return result


def _cross(p: NDArray[np.floating[Any]], q: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    return p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]
