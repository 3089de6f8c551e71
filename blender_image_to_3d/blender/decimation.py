# SPDX-License-Identifier: GPL-3.0-or-later
"""Fewer triangles, where somebody asked for at most so many."""

from __future__ import annotations

import math
from collections.abc import Iterable

import bpy

_SHARP_ANGLE = math.radians(60.0)
"""From here on an edge of the coarser mesh is an edge, and no part of something round."""
_MAX_PASSES = 4
_MARGIN = 0.98
"""What the next pass aims at where one left too many."""


def decimate(objects: Iterable[bpy.types.Object], faces: int) -> bool:
    """Collapse edges until the mesh objects have at most `faces` triangles together; returns whether there were more.

    They are welded first, or every seam of a texture would open. UV maps, colours, materials and vertex groups stay;
    normals of the file's own do not. A mesh with shape keys is left as it is.
    """
    meshes = [each for each in objects if each.type == "MESH" and not each.data.shape_keys]
    most = faces
    for _ in range(_MAX_PASSES):
        total = sum(_triangles(each.data) for each in meshes)
        if total <= faces:
            break
        for mesh in {each.data for each in meshes}:
            _replace(mesh, _coarser(mesh, most / total))
        most = int(most * _MARGIN)
    return most < faces


def _triangles(mesh: bpy.types.Mesh) -> int:
    return len(mesh.loops) - 2 * len(mesh.polygons)


def _coarser(mesh: bpy.types.Mesh, ratio: float) -> bpy.types.Mesh:
    """Return a new mesh. The scene that the context shows holds an object of it for a moment."""
    if normals := mesh.attributes.get("custom_normal"):
        mesh.attributes.remove(normals)
    carrier = bpy.data.objects.new("Coarser", mesh)
    bpy.context.scene.collection.objects.link(carrier)
    weld = carrier.modifiers.new("Weld", "WELD")
    weld.merge_threshold = 0.0
    collapse = carrier.modifiers.new("Decimate", "DECIMATE")
    collapse.ratio = ratio
    graph = bpy.context.evaluated_depsgraph_get()
    new = bpy.data.meshes.new_from_object(carrier.evaluated_get(graph), preserve_all_data_layers=True, depsgraph=graph)
    bpy.data.objects.remove(carrier)
    new.shade_smooth()
    new.set_sharp_from_angle(angle=_SHARP_ANGLE)
    return new


def _replace(mesh: bpy.types.Mesh, new: bpy.types.Mesh) -> None:
    mesh.user_remap(new)
    bpy.data.meshes.remove(mesh)
