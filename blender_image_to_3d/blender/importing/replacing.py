# SPDX-License-Identifier: GPL-3.0-or-later
"""A new model in the place of an object that is in the scene already."""

from __future__ import annotations

from pathlib import Path

import bpy

from ...errors import StorageError
from . import asset_data, provenance
from .appending import Appended, load


def replace(blend: Path, target: bpy.types.Object) -> bpy.types.Object:
    """Give `target` the model that the import process prepared, and return it.

    It keeps its name, transform, modifiers, constraints, animation, parent, collections, selection, and whoever points
    at it; mesh, materials and custom properties of ours are the new ones. Other objects that share its mesh keep that.
    Below a root, what came with the old model goes, and what the user put there stays. Where the new model has several
    objects, they come below it; a mesh object is then one without geometry.

    The caller pushes the undo step.

    Raises:
        StorageError: the file is missing or damaged, or `target` cannot be changed; then all is as before.
    """
    if target.library is not None or target.override_library is not None:
        raise StorageError(f'"{target.name}" is linked from another file.', hint="Make it local, or import it anew.")
    if target.mode != "OBJECT":
        raise StorageError(f'"{target.name}" is being edited.', hint="Go to Object Mode, then try again.")
    if target.type not in {"MESH", "EMPTY"}:
        raise StorageError(f'"{target.name}" is neither a mesh nor an empty.', hint="Import the model anew.")
    found = load(blend)
    old = _used_by([target, *_parts_of(target)])
    _remove_parts(target)
    _take_over_asset(found, target)
    _take_over_properties(found.root, target)
    _take_over_content(found, target)
    _remove_unused(old)
    _rename(found)
    return target


def _parts_of(target: bpy.types.Object) -> list[bpy.types.Object]:
    """Return what came with the model, without what the user put below it."""
    return [each for each in target.children_recursive if provenance.PART_KEY in each]


def _remove_parts(target: bpy.types.Object) -> None:
    parts = set(_parts_of(target))
    for each in target.children_recursive:
        if each not in parts and each.parent in parts:
            _hang_up(each, target, each.matrix_world.copy())
    bpy.data.batch_remove(parts)


def _hang_up(child: bpy.types.Object, parent: bpy.types.Object, place: object) -> None:
    """Make it a child and leave it where it is in the world."""
    child.parent = parent
    child.parent_type = "OBJECT"
    child.matrix_parent_inverse = parent.matrix_world.inverted_safe()
    child.matrix_basis = place


def _take_over_content(found: Appended, target: bpy.types.Object) -> None:
    """Move mesh and children of the new root to the old one."""
    root = found.root
    if root.type == target.type == "MESH":
        target.data = root.data
        for slot in target.material_slots:
            slot.link = "DATA"
        bpy.data.objects.remove(root)
        return
    below = [each for each in found.objects if each != root]
    if target.type == "MESH":
        target.data = bpy.data.meshes.new(target.name)
    if root.type == "MESH":
        provenance.mark_part(root, str(target.get(f"{provenance.PREFIX}job", "")))
        root.parent = target
        root.location = (0.0, 0.0, 0.0)
        below.append(root)
    else:
        for each in [each for each in below if each.parent == root]:
            place = each.matrix_parent_inverse.copy()
            each.parent = target
            each.matrix_parent_inverse = place
        bpy.data.objects.remove(root)
    for collection in target.users_collection:
        for each in below:
            if each.name not in collection.objects:
                collection.objects.link(each)


def _take_over_properties(source: bpy.types.Object, target: bpy.types.Object) -> None:
    """Move what we wrote about the model, tooltips included."""
    for key in [key for key in target.keys() if key.startswith(provenance.PREFIX)]:
        del target[key]
    for key in [key for key in source.keys() if key.startswith(provenance.PREFIX)]:
        target[key] = source[key]
        target.id_properties_ui(key).update_from(source.id_properties_ui(key))
        del source[key]


def _take_over_asset(found: Appended, target: bpy.types.Object) -> None:
    """Make it an asset where the new model is one, with its picture; an asset stays one in any case."""
    source = found.collection or found.root
    if source.asset_data is None:
        return
    mine = next((each for each in target.users_collection if asset_data.is_model(each)), None)
    if mine is None and found.collection is not None and target.users_collection:
        target.users_collection[0].children.link(found.collection)
        found.collection.objects.link(target)
        target.asset_clear()
        return
    _show_as_asset(mine or target, source)
    if found.collection is not None:
        del found.names[found.collection]
        bpy.data.collections.remove(found.collection)


def _show_as_asset(mine: bpy.types.ID, source: bpy.types.ID) -> None:
    if mine.asset_data is None:
        mine.asset_mark()
    if source.preview and source.preview.is_image_custom:
        shown, own = source.preview, mine.preview_ensure()
        own.image_size = shown.image_size
        own.image_pixels.foreach_set(shown.image_pixels[:])
    source.asset_clear()


def _used_by(objects: list[bpy.types.Object]) -> list[bpy.types.ID]:
    """Return meshes, materials and images of the objects."""
    meshes = {each.data: None for each in objects if each.type == "MESH"}
    materials = {slot.material: None for each in objects for slot in each.material_slots if slot.material}
    trees = [material.node_tree for material in materials if material.node_tree]
    images = {node.image: None for tree in trees for node in tree.nodes if node.type == "TEX_IMAGE" and node.image}
    return [*meshes, *materials, *images]


def _remove_unused(blocks: list[bpy.types.ID]) -> None:
    """Remove those that nobody uses any more, users before what they use."""
    for each in blocks:
        if each.users == 0 and each.library is None:
            bpy.data.batch_remove([each])


def _rename(found: Appended) -> None:
    """Give the new datablocks the names that the old ones left free."""
    for block, name in found.names.items():
        if not isinstance(block, bpy.types.Object) and block.name != name and _is_free(block, name):
            block.name = name


def _is_free(block: bpy.types.ID, name: str) -> bool:
    kinds = {bpy.types.Mesh: bpy.data.meshes, bpy.types.Material: bpy.data.materials, bpy.types.Image: bpy.data.images}
    return any(isinstance(block, kind) and name not in blocks for kind, blocks in kinds.items())
