# SPDX-License-Identifier: GPL-3.0-or-later
"""Polygons out of the triangles that glTF has to cut them into.

By the convention FB_ngon_encoding, consecutive triangles that share their first vertex are the fan of one polygon.
"""

from __future__ import annotations

import bpy
import numpy as np
from numpy.typing import NDArray

# Where an attribute's values are, and how many numbers each has.
_VALUES = {
    "FLOAT2": ("vector", 2),
    "FLOAT_VECTOR": ("vector", 3),
    "FLOAT_COLOR": ("color", 4),
    "BYTE_COLOR": ("color", 4),
}
_BUILT_IN = {"position", "custom_normal"}


def join_triangles(mesh: bpy.types.Mesh) -> None:
    """Rebuild a triangle mesh as its file meant it: welded, polygons instead of their pieces, smooth, no own normals.

    UV maps, colours and materials stay. A mesh that holds other polygons than triangles is left alone.
    """
    if not mesh.polygons or len(mesh.loops) != 3 * len(mesh.polygons) or mesh.shape_keys:
        return
    triangles = _read(mesh.loops, "vertex_index", np.int32).reshape(-1, 3)
    material = _read(mesh.polygons, "material_index", np.int32)
    positions = _read(mesh.vertices, "co", np.float32, 3)
    starts = fan_starts(triangles, material)
    corners = kept_corners(starts)
    representative, welded = weld(positions)
    attributes = _attributes(mesh, corners, representative)

    mesh.clear_geometry()
    vertices = welded[triangles.ravel()[corners]].astype(np.int32)
    sizes = np.diff(np.append(np.flatnonzero(starts), len(triangles))) + 2
    loop_starts = np.concatenate(([0], np.cumsum(sizes)[:-1])).astype(np.int32)
    mesh.vertices.add(len(representative))
    mesh.vertices.foreach_set("co", positions[representative].ravel())
    mesh.loops.add(len(vertices))
    mesh.loops.foreach_set("vertex_index", vertices)
    mesh.polygons.add(len(sizes))
    mesh.polygons.foreach_set("loop_start", loop_starts)
    mesh.polygons.foreach_set("material_index", material[starts])
    mesh.update(calc_edges=True)
    for name, kind, domain, values in attributes:
        attribute = mesh.attributes.new(name, kind, domain)
        attribute.data.foreach_set(_VALUES[kind][0], values.ravel())
    mesh.shade_smooth()
    if _has_degenerate(vertices, loop_starts):
        mesh.validate()


def fan_starts(triangles: NDArray[np.int32], material: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Tell which triangles begin a polygon.

    triangles: (n, 3) vertex numbers as in the file; material: (n,). Returns (n,).
    """
    continues = (
        (triangles[1:, 0] == triangles[:-1, 0])
        & (triangles[1:, 1] == triangles[:-1, 2])
        & (material[1:] == material[:-1])
    )
    return np.concatenate(([True], ~continues))


def kept_corners(starts: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return which of the (3n) triangle corners are the polygons' corners, in order.

    A fan (a, b, c), (a, c, d) is the polygon a, b, c, d: all of its first triangle, then each one's last corner.
    """
    keep = np.ones((len(starts), 3), dtype=bool)
    keep[:, :2] = starts[:, None]
    return np.flatnonzero(keep)


def weld(positions: NDArray[np.float32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Find vertices at exactly the same place.

    positions: (n, 3). Returns (m,) the first vertex at each of m places, in the file's order, and (n,) the place of
    each vertex.
    """
    bits = (positions + np.float32(0.0)).view(np.int32)  # adding zero makes -0.0 the same as 0.0
    order = np.lexsort((bits[:, 2], bits[:, 1], bits[:, 0]))  # stable: the first of equals stays the first
    ordered = bits[order]
    is_new = np.concatenate(([True], (ordered[1:] != ordered[:-1]).any(axis=1)))
    first = order[is_new]
    in_file_order = np.argsort(first)
    rank = np.zeros(len(first), dtype=np.intp)
    rank[in_file_order] = np.arange(len(first))
    place = np.zeros(len(positions), dtype=np.intp)
    place[order] = rank[np.cumsum(is_new) - 1]
    return first[in_file_order], place


def _has_degenerate(vertices: NDArray[np.int32], loop_starts: NDArray[np.int32]) -> bool:
    """Whether an edge of a polygon has no length after welding."""
    following = np.append(vertices[1:], vertices[0])
    ends = np.append(loop_starts[1:], len(vertices)) - 1
    following[ends] = vertices[loop_starts]
    return bool((vertices == following).any())


def _attributes(
    mesh: bpy.types.Mesh, corners: NDArray[np.intp], representative: NDArray[np.intp]
) -> list[tuple[str, str, str, NDArray[np.float32]]]:
    """Return name, type, domain and new values of what the corners and vertices carry."""
    chosen = {"CORNER": corners, "POINT": representative}
    return [
        (
            attribute.name,
            attribute.data_type,
            attribute.domain,
            _read(attribute.data, *_array_form(attribute.data_type))[chosen[attribute.domain]],
        )
        for attribute in mesh.attributes
        if attribute.name not in _BUILT_IN and attribute.data_type in _VALUES and attribute.domain in chosen
    ]


def _array_form(data_type: str) -> tuple[str, type[np.float32], int]:
    name, width = _VALUES[data_type]
    return name, np.float32, width


def _read(items: bpy.types.bpy_prop_collection, name: str, dtype: type, width: int = 1) -> NDArray:
    """Return one property of every item: (n,), or (n, width)."""
    values = np.zeros(len(items) * width, dtype=dtype)
    items.foreach_get(name, values)
    return values if width == 1 else values.reshape(-1, width)
