# SPDX-License-Identifier: GPL-3.0-or-later
"""Where new objects go in the user's scene, and what is selected afterwards."""

from __future__ import annotations

import bpy


def view_layer_of(scene: bpy.types.Scene) -> bpy.types.ViewLayer:
    return bpy.context.view_layer if scene == bpy.context.scene else scene.view_layers[0]


def collection(name: str | None, scene: bpy.types.Scene, view_layer: bpy.types.ViewLayer) -> bpy.types.Collection:
    """Return the collection of this name, made or linked if need be, or the active one if objects in it can be seen."""
    if name is None:
        layer = view_layer.active_layer_collection
        usable = layer and layer.is_visible and not layer.exclude and _is_editable(layer.collection)
        return layer.collection if usable else scene.collection
    found = bpy.data.collections.get((name, None))
    if found is None or not _is_editable(found):
        found = bpy.data.collections.new(name)
    if found not in scene.collection.children_recursive:
        scene.collection.children.link(found)
    return found


def _is_editable(found: bpy.types.Collection) -> bool:
    return found.library is None and found.override_library is None


def select(root: bpy.types.Object, view_layer: bpy.types.ViewLayer) -> None:
    """Make the root the only selected and the active object, leaving the mode that the user is in."""
    if root.name not in view_layer.objects:
        return
    active = view_layer.objects.active
    if active and active.mode != "OBJECT" and view_layer == bpy.context.view_layer:
        bpy.ops.object.mode_set(mode="OBJECT")
    for each in list(view_layer.objects.selected):
        each.select_set(False, view_layer=view_layer)
    root.select_set(True, view_layer=view_layer)
    view_layer.objects.active = root
