# SPDX-License-Identifier: GPL-3.0-or-later
"""How near a generated shape is to an object of known geometry: volume and surface."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import shapes

Points = NDArray[np.float64]

COLUMNS = 32
"""Places along the longest side of the box at which rays count what is inside."""

SAMPLES = 10000
"""Points on each surface, for distances: two samples of one surface are about 0.6 % apart."""

SKIN = 1e-3
"""Surfaces that have the solid on both sides, at this share of its longest side, are inside it and no surface."""


class Truth:
    """A solid in glTF's axes (x right, y up, z towards the viewer), the union of closed surfaces that face outwards."""

    def __init__(self, vertices: NDArray[Any], triangles: NDArray[Any]) -> None:
        vertices = np.asarray(vertices, np.float64)
        self.vertices: Points = vertices - (vertices.max(axis=0) + vertices.min(axis=0)) / 2
        self.quads = np.column_stack([triangles, triangles[:, 2]])

    @classmethod
    def load(cls, folder: Path) -> Truth:
        with np.load(folder / "truth.npz") as arrays:
            truth = cls(arrays["vertices"], arrays["triangles"])
            if "surface" in arrays:
                truth.__dict__["surface"] = arrays["surface"]
            return truth

    @cached_property
    def size(self) -> Points:
        return np.ptp(self.vertices, axis=0)

    @cached_property
    def surface(self) -> Points:
        """Points (n, 3) on the outer surface, evenly spread."""
        points, normals = _on_surface(self.vertices, self.quads, SAMPLES * 5 // 4)
        outside = points + normals * (SKIN * self.size.max())
        return points[~shapes.filled(self.vertices, self.quads, outside)][:SAMPLES]

    def fitted(self, positions: NDArray[Any]) -> Points:
        """Bring a generated shape to this one's place: its outline from the front gets the same longer side (the depth
        must come out right by itself), and the boxes the same centre."""
        ours = np.asarray(positions, np.float64)
        ours = ours * (self.size[:2].max() / np.ptp(ours[:, :2], axis=0).max())
        return ours - (ours.max(axis=0) + ours.min(axis=0)) / 2

    def iou(self, positions: NDArray[Any], quads: NDArray[Any]) -> float:
        """Intersection over union of the volumes, at the points of a jittered grid."""
        ours = self.fitted(positions)
        reach = np.maximum(np.abs(ours).max(axis=0), self.size / 2) * 1.001
        points = _jittered_grid(reach)
        return shapes.iou(shapes.filled(ours, quads, points), shapes.filled(self.vertices, self.quads, points))

    def chamfer(self, positions: NDArray[Any], quads: NDArray[Any]) -> float:
        """Mean distance between the surfaces, of both directions, in percent of the longest side."""
        ours, _ = _on_surface(self.fitted(positions), quads, SAMPLES)
        there, back = _nearest(ours, self.surface), _nearest(self.surface, ours)
        return float(50 * (there.mean() + back.mean()) / self.size.max())


def _jittered_grid(reach: Points) -> Points:
    """Points in the box of half size ``reach``, on common columns along z, which is what is quick to look up."""
    step = 2 * reach.max() / COLUMNS
    counts = np.maximum(np.ceil(2 * reach / step * [1, 1, 2]), 12).astype(int)
    random = np.random.default_rng(5)
    x, y, z = (np.arange(count) for count in counts)
    columns = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 1, 2)
    columns = columns + random.random(columns.shape)
    heights = z[None, :] + random.random((len(columns), 1))
    grid = np.concatenate([np.broadcast_to(columns, (*heights.shape, 2)), heights[..., None]], axis=-1)
    return (grid.reshape(-1, 3) / counts * 2 - 1) * reach


def _on_surface(positions: Points, quads: NDArray[Any], count: int) -> tuple[Points, Points]:
    """Points and unit normals (count, 3) of a mesh, by area; a stratified choice, so that few points say much."""
    corners = positions[quads]
    triangles = np.concatenate([corners[:, [0, 1, 2]], corners[:, [0, 2, 3]]])
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    lengths = np.linalg.norm(normals, axis=1)
    random = np.random.default_rng(7)
    ends = np.cumsum(lengths)
    chosen = np.searchsorted(ends, (np.arange(count) + random.random(count)) * (ends[-1] / count))
    chosen = random.permutation(chosen.clip(max=len(ends) - 1))
    a, b = random.random((2, count, 1))
    a = np.sqrt(a)
    weights = np.stack([1 - a, a * (1 - b), a * b], axis=1)
    points = (weights * triangles[chosen]).sum(axis=1)
    return points, normals[chosen] / np.maximum(lengths[chosen], 1e-30)[:, None]


def _nearest(points: Points, others: Points) -> Points:
    """Distance of each point from the nearest other one."""
    from scipy.spatial import KDTree  # Blender has none; its tests measure volumes.

    distances: Points = KDTree(others).query(points)[0]
    return distances
