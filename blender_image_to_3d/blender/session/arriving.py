# SPDX-License-Identifier: GPL-3.0-or-later
"""A model comes into the scene that it was made for."""

from __future__ import annotations

import bpy

from ...errors import StorageError
from ...models import Spot
from .. import scripting
from ..importing import appending, replacing
from .destination import Destination
from .job_rows import Row


def place(row: Row, context: bpy.types.Context) -> None:
    """Put the model of a job into the scene that it was made for, as one undo step.

    Raises:
        BadResult: Blender cannot read it.
        StorageError: a file is missing, or the scene takes no objects.
    """
    assert row.folder is not None and row.job is not None and row.destination is not None
    destination = row.destination
    scene = destination.find_scene() or context.scene
    if scene.library is not None:
        message = f'The scene "{scene.name}" is linked from another file.'
        raise StorageError(message, hint="Import it into a scene of this file.")
    view_layer = _view_layer_of(scene, context)
    select = destination.is_untouched(context.window_manager, view_layer)
    target = destination.find_replaced() if destination.replaces is not None else None
    if row.prepared is None:
        scripting.import_into_scene(row.folder, row.job, select=select)
    elif target is not None:
        replacing.replace(row.prepared.blend, target)
    else:
        appending.append(
            row.prepared.blend,
            location=_location(row.job.request.placement.spot, destination, scene),
            scene=scene,
            view_layer=view_layer,
            collection_name=row.job.request.placement.collection,
            select=select,
        )
    bpy.ops.ed.undo_push(message=f"Image to 3D: {row.title}")


def _view_layer_of(scene: bpy.types.Scene, context: bpy.types.Context) -> bpy.types.ViewLayer:
    """Return the view layer that a window shows of a scene, else its first."""
    shown = (window.view_layer for window in context.window_manager.windows if window.scene == scene)
    return next(shown, scene.view_layers[0])


def _location(spot: Spot, destination: Destination, scene: bpy.types.Scene) -> tuple[float, float, float]:
    if spot is Spot.ORIGIN:
        return 0.0, 0.0, 0.0
    return destination.location or tuple(scene.cursor.location)
