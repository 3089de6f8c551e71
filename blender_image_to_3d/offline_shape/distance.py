# SPDX-License-Identifier: GPL-3.0-or-later
"""How far each place of the subject is from its outline."""

from __future__ import annotations

import math

import numpy as np

from .arrays import Floats
from .grid import Grid, edge_ends

FAR = np.float32(1e6)


def to_outline(grid: Grid, reach: float) -> Floats:
    """Distance in cells, (rows, columns), of each point inside to the nearest place where the outline crosses the grid;
    at least ``reach`` where that is further away, and 0 outside.

    Jump flooding: the nearest place known so far is handed on to points 2^k, ..., 2, 1 cells away, and once more to the
    neighbours (Rong and Tan, "Jump flooding in GPU with applications to Voronoi diagram and distance transform", 2006,
    and their "Variants of jump flooding", 2007).
    """
    places = _crossings(grid)
    doublings = math.ceil(math.log2(reach + 1))
    for step in (*(2**power for power in range(doublings, -1, -1)), 1):
        for down in (-step, 0, step):
            for right in (-step, 0, step):
                _adopt(places, _shifted(places, down, right))
    squares = np.where(grid.inside, _squares(places), np.float32(0))
    result: Floats = np.sqrt(squares)
    return result


def _crossings(grid: Grid) -> Floats:
    """(2, rows, columns) row and column of a crossing beside each point inside, or far away."""
    rows, columns = grid.inside.shape
    places = np.full((2, rows, columns), -FAR, np.float32)
    here = np.stack(np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")).astype(np.float32)
    for axis in (0, 1):
        rim = grid.rim_distance(axis)
        lower, upper = edge_ends(grid.inside, axis)
        for end, sign, leaves in ((0, 1, lower & ~upper), (1, -1, upper & ~lower)):
            candidate = np.full_like(places, -FAR)
            for each in (0, 1):
                own = edge_ends(here[each], axis)[end]
                target = edge_ends(candidate[each], axis)[end]
                target[leaves] = (own + np.float32(sign * (each == axis)) * rim)[leaves]
            _adopt(places, candidate)
    return places


def _adopt(places: Floats, candidates: Floats) -> None:
    nearer = _squares(candidates) < _squares(places)
    np.copyto(places, candidates, where=nearer)


def _squares(places: Floats) -> Floats:
    """Squared distance of each point to its place."""
    row = np.arange(places.shape[1], dtype=np.float32)[:, None]
    column = np.arange(places.shape[2], dtype=np.float32)
    result: Floats = (places[0] - row) ** 2 + (places[1] - column) ** 2
    return result


def _shifted(places: Floats, down: int, right: int) -> Floats:
    """The places of the points that are ``down`` and ``right`` away; far where there is no such point."""
    result = np.full_like(places, -FAR)
    rows, columns = places.shape[1:]
    if abs(down) < rows and abs(right) < columns:
        target = (slice(max(0, -down), rows - max(0, down)), slice(max(0, -right), columns - max(0, right)))
        source = (slice(max(0, down), rows - max(0, -down)), slice(max(0, right), columns - max(0, -right)))
        result[:, *target] = places[:, *source]
    return result
