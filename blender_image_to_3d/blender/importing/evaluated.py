# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes as modifiers make them."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np

_SAME_PLACE = 1e-6
"""Vertices closer than this part of the mesh's size are one; 32-bit coordinates are hardly finer."""


def welded(mesh: bpy.types.Mesh, **collapse: Any) -> bpy.types.Mesh:
    """Return a new mesh, smooth, without normals of its own, in which vertices at the same place are one.

    UV maps, colours, materials and vertex groups are those of `mesh`, which is not changed.

    collapse: settings of a Decimate modifier, if there is to be one. The scene that the context shows holds an object
    for a moment.
    """
    plain = mesh.copy()
    plain.shade_smooth()
    if sharp := plain.attributes.get("sharp_edge"):
        plain.attributes.remove(sharp)  # importers make it together with the normals
    carrier = bpy.data.objects.new("Carrier", plain)
    bpy.context.scene.collection.objects.link(carrier)
    if plain.has_custom_normals:
        _forget_normals(carrier)
    carrier.modifiers.new("Weld", "WELD").merge_threshold = _SAME_PLACE * _size(plain)
    if collapse:
        modifier = carrier.modifiers.new("Decimate", "DECIMATE")
        for name, value in collapse.items():
            setattr(modifier, name, value)
    graph = bpy.context.evaluated_depsgraph_get()
    new = bpy.data.meshes.new_from_object(carrier.evaluated_get(graph), preserve_all_data_layers=True, depsgraph=graph)
    bpy.data.batch_remove([carrier, plain])
    return new


def swap(mesh: bpy.types.Mesh, new: bpy.types.Mesh) -> None:
    """Put `new` wherever `mesh` is used, under its name; `mesh` is gone."""
    name = mesh.name
    mesh.user_remap(new)
    bpy.data.meshes.remove(mesh)
    new.name = name


def _forget_normals(carrier: bpy.types.Object) -> None:
    """By the operator: only from 4.5 on they are an attribute that could be removed."""
    with bpy.context.temp_override(object=carrier, active_object=carrier):
        bpy.ops.mesh.customdata_custom_splitnormals_clear()


def _size(mesh: bpy.types.Mesh) -> float:
    positions = np.zeros(len(mesh.vertices) * 3, dtype=np.float32)
    mesh.vertices.foreach_get("co", positions)
    return float(np.ptp(positions.reshape(-1, 3), axis=0).max(initial=0.0))
