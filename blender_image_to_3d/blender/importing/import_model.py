# SPDX-License-Identifier: GPL-3.0-or-later
"""From the files of a result to one root object in the scene.

Everything happens in a scene of its own (see `staging`); only the finished objects are moved into the user's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import bpy
from mathutils import Matrix, Vector

from ...errors import BadResult
from ...models import Job, Placement, Spot, Stance
from . import asset_data, bounds, decimation, naming, placing, provenance, quads, readers, staging

_NOT_OF_THE_MODEL = {"CAMERA", "LIGHT", "LIGHT_PROBE", "SPEAKER"}


def import_job(
    job: Job,
    files: Sequence[Path],
    *,
    placement: Placement | None = None,
    location: tuple[float, float, float] | None = None,
    descriptions: Mapping[str, str] | None = None,
    scene: bpy.types.Scene | None = None,
    view_layer: bpy.types.ViewLayer | None = None,
    select: bool = False,
    preview: Path | None = None,
) -> bpy.types.Object:
    """Bring the result of a job into a scene and return its root object; nothing else there changes.

    The caller pushes the undo step.

    files: the model first, then what it refers to.
    placement: nothing: as the request says.
    location: where the 3D cursor was when the model was asked for; nothing: as the placement says, now.
    descriptions: the options' tooltips for the custom properties.
    scene, view_layer: nothing: the current ones.
    select: make the root the only selected and the active object, leaving the mode that the user is in.
    preview: the picture that an asset shows.

    Raises:
        BadResult: it is not a model, or Blender cannot read it.
        StorageError: a file is missing, or this Blender has no importer for it.
    """
    scene = scene or bpy.context.scene
    view_layer = view_layer or placing.view_layer_of(scene)
    placement = placement or job.request.placement
    with staging.nothing_left_on_failure() as before:
        staging_scene = staging.new_scene(scene)
        with staging.shown(staging_scene):
            content = readers.read(files)
            objects = _objects_of_the_model(staging_scene)
            is_coarser = placement.faces is not None and decimation.decimate(objects, placement.faces)
            for mesh in {each.data for each in objects if each.type == "MESH"}:
                _finish_mesh(mesh, join=content.has_ngons, keep_shading=is_coarser)
            root, objects = _under_one_root(objects, staging_scene, placement)
        naming.name_all(job.request.name, root, staging.made_since(before))
        provenance.write(root, job, descriptions or {})
        for each in objects:
            if each != root:
                provenance.mark_part(each, job.id)
        collection = placing.collection(placement.collection, scene, view_layer)
        root.location = location or _spot(placement.spot, scene)
        for each in objects:
            collection.objects.link(each)
        kept = {*objects, collection}
        if placement.as_asset:
            asset = asset_data.whole(root, collection)
            asset_data.mark(asset, job, preview)
            kept.add(asset)
        staging.remove_made_since(before, keep=_belonging_to(kept, before))
    # Until then Blender may not know yet that the objects are in the view layer, nor where they are.
    view_layer.update()
    if select:
        placing.select(root, view_layer)
    return root


def _spot(spot: Spot, scene: bpy.types.Scene) -> Vector:
    return Vector() if spot is Spot.ORIGIN else scene.cursor.location.copy()


def _objects_of_the_model(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """Remove what is not of the model, such as its cameras and lights, and return the rest."""
    bpy.context.view_layer.update()
    for each in [each for each in scene.objects if each.type in _NOT_OF_THE_MODEL]:
        _remove_keeping_children(each)
    while leaves := [each for each in scene.objects if each.type == "EMPTY" and not each.children]:
        bpy.data.batch_remove(leaves)
    objects = list(scene.objects)
    for each in objects:
        each.select_set(False)
    if not any(each.type == "MESH" and each.data.polygons for each in objects):
        raise BadResult("The file holds no surface.")
    return objects


def _remove_keeping_children(unwanted: bpy.types.Object) -> None:
    for child in unwanted.children:
        place = child.matrix_world.copy()
        child.parent = unwanted.parent
        child.matrix_world = place
    bpy.data.objects.remove(unwanted)


def _finish_mesh(mesh: bpy.types.Mesh, *, join: bool, keep_shading: bool) -> None:
    if join and not keep_shading:
        quads.join_triangles(mesh)
    elif not keep_shading and not mesh.has_custom_normals:
        mesh.shade_smooth()
    if mesh.color_attributes and not any(mesh.materials):
        mesh.materials.clear()
        mesh.materials.append(naming.colour_material(mesh.color_attributes[0].name))


def _under_one_root(
    objects: list[bpy.types.Object], scene: bpy.types.Scene, placement: Placement
) -> tuple[bpy.types.Object, list[bpy.types.Object]]:
    """Give the objects one root with neither rotation nor scale, whose origin is what is put on the spot.

    Returns the root and all objects, the root among them.
    """
    bpy.context.view_layer.update()
    change = _change(bounds.bounds(objects), placement)
    only = _only_still_mesh(objects)
    if only is None:
        return _under_an_empty(objects, scene, change)
    _apply(only, change @ only.matrix_world)
    bpy.data.batch_remove([each for each in objects if each != only])
    return only, [only]


def _change(box: bounds.Bounds, placement: Placement) -> Matrix:
    """Return what moves the model's anchor to the origin, and gives it the height that is asked for."""
    low, high = Vector(box.low), Vector(box.high)
    anchor = {
        Stance.GROUND: Vector(((low.x + high.x) / 2, (low.y + high.y) / 2, low.z)),
        Stance.CENTRE: (low + high) / 2,
        Stance.FILE: Vector(),
    }[placement.stance]
    height = high.z - low.z
    scale = placement.height / height if placement.height and height > 0 else 1.0
    return Matrix.Scale(scale, 4) @ Matrix.Translation(-anchor)


def _only_still_mesh(objects: list[bpy.types.Object]) -> bpy.types.Object | None:
    """Return the one mesh object of a file that holds nothing else but empties, and in which nothing moves."""
    meshes = [each for each in objects if each.type == "MESH"]
    if len(meshes) != 1 or meshes[0].data.users != 1 or len(meshes[0].modifiers):
        return None
    if any(each.type not in {"MESH", "EMPTY"} or each.animation_data or each.constraints for each in objects):
        return None
    return meshes[0]


def _apply(only: bpy.types.Object, change: Matrix) -> None:
    """Put a transform into the mesh, so that the object has none."""
    only.data.transform(change, shape_keys=True)
    if change.determinant() < 0:
        only.data.flip_normals()
    only.parent = None
    only.rotation_mode = "XYZ"
    only.location = only.rotation_euler = (0.0, 0.0, 0.0)
    only.scale = (1.0, 1.0, 1.0)


def _under_an_empty(
    objects: list[bpy.types.Object], scene: bpy.types.Scene, change: Matrix
) -> tuple[bpy.types.Object, list[bpy.types.Object]]:
    root = bpy.data.objects.new("Model", None)
    scene.collection.objects.link(root)
    for each in objects:
        if each.parent is None:
            each.parent = root
            # Not the object's own transform, which may be animated.
            each.matrix_parent_inverse = change
    return root, [root, *objects]


def _belonging_to(wanted: set[bpy.types.ID], before: set[int]) -> set[bpy.types.ID]:
    """Return `wanted` with the new datablocks that they use."""
    users = bpy.data.user_map(subset=staging.made_since(before))
    wanted = set(wanted)
    while found := {block for block, by in users.items() if block not in wanted and by & wanted}:
        wanted |= found
    return wanted
