# SPDX-License-Identifier: GPL-3.0-or-later
"""A quad mesh from the crossings of a lattice with a surface.

Surface nets (Gibson, "Constrained elastic surface nets", 1998): each lattice cell that the surface passes through has
one vertex, the mean of the crossings on its edges; each crossing has one face, between the four cells around its edge.
If the solid is well-composed this is a closed manifold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .arrays import Floats, Index, Ints, Tick
from .level_set import Crossings

SHRINK, INFLATE = 0.5, -0.53
"""The two steps of smoothing without shrinking (Taubin, "A signal processing approach to fair surface design",
1995)."""

SMOOTHING_PASSES = 4

CELL_MARGIN = 0.02
"""Smoothing keeps each vertex in its cell, this far from the walls. Seen along its edge, each face then still has one
corner in each of the four quadrants around it: no face can turn over."""

AROUND = np.array([[-1, -1], [0, -1], [0, 0], [-1, 0]], np.int32)
"""The four cells around an edge, counter-clockwise seen from its upper end, in the two other axes (cyclic order)."""


@dataclass(frozen=True, eq=False)
class Net:
    """Vertices are in lattice units."""

    vertices: Floats
    """(n, 3)"""
    quads: Ints
    """(m, 4) counter-clockwise seen from outside; one for each crossing, in the same order."""
    cells: Ints
    """(n, 3) lower corner of each vertex's cell."""
    neighbours: Ints
    """(n, 6) the next vertex along -x, +x, -y, +y, -z, +z; the vertex itself where there is none."""


def build(crossings: Crossings, tick: Tick) -> Net:
    """Make the net of ``crossings``, with at least one empty layer of points around the solid."""
    corners = _cells_around(crossings)
    tick()
    size = crossings.points.max(axis=0).astype(np.int64) + 2
    unique, index = np.unique(
        (corners[..., 0] * size[1] + corners[..., 1]) * size[2] + corners[..., 2], return_inverse=True
    )
    tick()
    quads = index.reshape(-1, 4).astype(np.int32)
    column, layer = np.divmod(unique, size[2])
    cells = np.stack([*np.divmod(column, size[1]), layer], axis=1).astype(np.int32)
    neighbours = _neighbours(quads, crossings.axis, len(cells))
    tick()
    oriented = np.where(crossings.leaves[:, None], quads, quads[:, ::-1])
    return Net(_means(crossings, quads, len(cells)), oriented, cells, neighbours)


def smooth(net: Net, tick: Tick) -> Floats:
    """The vertices (n, 3) after smoothing."""
    lower = net.cells.astype(np.float32) + np.float32(CELL_MARGIN)
    upper = lower + np.float32(1 - 2 * CELL_MARGIN)
    itself = net.neighbours == np.arange(len(net.cells), dtype=np.int32)[:, None]
    missing = itself.sum(axis=1, dtype=np.float32)[:, None]
    vertices = net.vertices
    for _ in range(SMOOTHING_PASSES):
        for weight in (SHRINK, INFLATE):
            tick()
            total = -missing * vertices
            for direction in net.neighbours.T:
                total += np.take(vertices, direction, axis=0)
            vertices = vertices + np.float32(weight) * (total / (6 - missing) - vertices)
            vertices = np.clip(vertices, lower, upper)
    return vertices


def _cells_around(crossings: Crossings) -> Index:
    """(m, 4, 3) the cells around each edge."""
    rows = np.arange(len(crossings.axis))
    corners = np.repeat(crossings.points[:, None, :].astype(np.int64), 4, axis=1)
    for place in (1, 2):
        corners[rows, :, (crossings.axis + place) % 3] += AROUND[:, place - 1]
    return corners


def _neighbours(quads: Ints, axis: Ints, count: int) -> Ints:
    neighbours = np.repeat(np.arange(count, dtype=np.int32)[:, None], 6, axis=1)
    for start, end, place in ((0, 1, 1), (3, 2, 1), (1, 2, 2), (0, 3, 2)):
        direction = 2 * ((axis + place) % 3)
        neighbours[quads[:, start], direction + 1] = quads[:, end]
        neighbours[quads[:, end], direction] = quads[:, start]
    return neighbours


def _means(crossings: Crossings, quads: Ints, count: int) -> Floats:
    """(n, 3) the mean of the crossings on the edges of each cell."""
    places = crossings.points.astype(np.float64)
    places[np.arange(len(places)), crossings.axis] += crossings.fraction
    flat = quads.reshape(-1)
    totals = [np.bincount(flat, np.repeat(places[:, axis], 4), count) for axis in range(3)]
    return (np.stack(totals, axis=1) / np.bincount(flat, minlength=count)[:, None]).astype(np.float32)
