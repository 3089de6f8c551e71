# SPDX-License-Identifier: GPL-3.0-or-later
"""How large objects are, as they are seen: with modifiers, bones and parents."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import bpy
import numpy as np
from numpy.typing import NDArray

from ...errors import BadResult


class Bounds(NamedTuple):
    """A box along the world's axes."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]


def bounds(objects: Iterable[bpy.types.Object]) -> Bounds:
    """Return the box around all vertices of the mesh objects, in the scene that the context shows.

    Raises:
        BadResult: there are no vertices, or they are nowhere.
    """
    cloud = positions(objects)
    low, high = cloud.min(axis=0), cloud.max(axis=0)
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise BadResult("The model has points that are nowhere: their coordinates are not numbers.")
    return Bounds(tuple(low.tolist()), tuple(high.tolist()))


def positions(objects: Iterable[bpy.types.Object]) -> NDArray[np.float64]:
    """Return the vertices of the mesh objects in the scene that the context shows, (n, 3).

    Raises:
        BadResult: there are none.
    """
    graph = bpy.context.evaluated_depsgraph_get()
    clouds = [_world_positions(each.evaluated_get(graph)) for each in objects if each.type == "MESH"]
    if not any(map(len, clouds)):
        raise BadResult("The file holds no surface.")
    return np.concatenate(clouds)


def _world_positions(evaluated: bpy.types.Object) -> NDArray[np.float64]:
    """Return (n, 3)."""
    vertices = evaluated.data.vertices
    positions = np.zeros(len(vertices) * 3, dtype=np.float32)
    vertices.foreach_get("co", positions)
    matrix = np.array(evaluated.matrix_world, dtype=np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        return positions.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]
