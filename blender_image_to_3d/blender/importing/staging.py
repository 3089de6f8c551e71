# SPDX-License-Identifier: GPL-3.0-or-later
"""A scene of our own for Blender's importers and exporters, so that they cannot touch the user's.

They change selection, active object, mode and frame of the scene that they find. So they are shown another one, and
whatever they leave behind in `bpy.data` is found by comparing it before and after.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

import bpy

_SCENE_NAME = "Image to 3D"
# The user interface, where an importer makes nothing and nothing may be removed, and the list of all lists (5.0).
_SKIPPED = {"all_ids", "screens", "window_managers", "workspaces"}


def present() -> set[int]:
    """Return the session_uid of every datablock that there is."""
    return {block.session_uid for block in _all_blocks()}


def made_since(before: set[int]) -> list[bpy.types.ID]:
    """Return the datablocks that were not there when `present` returned `before`."""
    return [block for block in _all_blocks() if block.session_uid not in before]


def remove_made_since(before: set[int], *, keep: set[bpy.types.ID] | None = None) -> None:
    """Remove the datablocks made since `present` returned `before`, except `keep`."""
    made = [block for block in made_since(before) if keep is None or block not in keep]
    for scene in [block for block in made if isinstance(block, bpy.types.Scene)]:
        made.remove(scene)
        bpy.data.scenes.remove(scene)
    # A mesh owns its shape keys: they go with it, and cannot be removed alone.
    bpy.data.batch_remove([block for block in made if not isinstance(block, bpy.types.Key)])


@contextmanager
def nothing_left_on_failure() -> Iterator[set[int]]:
    """If the body raises, remove every datablock that it made. Yields what was there before."""
    before = present()
    try:
        yield before
    except BaseException:
        remove_made_since(before)
        raise


@contextmanager
def staging_scene() -> Iterator[tuple[bpy.types.Scene, bpy.types.ViewLayer]]:
    """A scene that is gone afterwards, with every other datablock that was made in the meantime."""
    before = present()
    try:
        scene = new_scene(bpy.context.scene)
        yield scene, scene.view_layers[0]
    finally:
        remove_made_since(before)


def new_scene(like: bpy.types.Scene) -> bpy.types.Scene:
    """Make an empty scene with the units, the frame rate and the frames of `like`, by which importers convert."""
    scene = bpy.data.scenes.new(_SCENE_NAME)
    for setting in ("system", "scale_length", "length_unit"):
        setattr(scene.unit_settings, setting, getattr(like.unit_settings, setting))
    scene.render.fps, scene.render.fps_base = like.render.fps, like.render.fps_base
    scene.frame_start, scene.frame_end = like.frame_start, like.frame_end
    return scene


@contextmanager
def shown(scene: bpy.types.Scene) -> Iterator[None]:
    """Let the context, and the window if there is one, show `scene`; afterwards all is as before.

    What operators written in Python print meanwhile goes to standard error: standard output may be a program's input.
    An override of the context alone does not do: `context.mode` and `context.active_object` follow the window, and the
    glTF importer sets the window's scene itself when there are bones. Modes belong to objects and outlast the change.
    """
    override = {"scene": scene, "view_layer": scene.view_layers[0]}
    window = bpy.context.window
    if window is None:
        with redirect_stdout(sys.stderr), bpy.context.temp_override(**override):
            yield
        return
    with redirect_stdout(sys.stderr), _same_viewpoints(window), _same_scene(window):
        window.scene = scene
        with bpy.context.temp_override(window=window, **override):
            yield


@contextmanager
def _same_scene(window: bpy.types.Window) -> Iterator[None]:
    scene, view_layer = window.scene, window.view_layer
    try:
        yield
    finally:
        window.scene = scene
        window.view_layer = view_layer


@contextmanager
def _same_viewpoints(window: bpy.types.Window) -> Iterator[None]:
    """Blender 4 leaves the camera view when the window's next scene lacks the camera."""
    spaces = [
        space for area in window.screen.areas for space in area.spaces if isinstance(space, bpy.types.SpaceView3D)
    ]
    cameras = [(space, space.camera) for space in spaces]
    perspectives = [
        (region, region.view_perspective)
        for space in spaces
        for region in (space.region_3d, *space.region_quadviews)
        if region is not None
    ]
    try:
        yield
    finally:
        for space, camera in cameras:
            if space.camera != camera:
                space.camera = camera
        for region, perspective in perspectives:
            if region.view_perspective != perspective:
                region.view_perspective = perspective


def _all_blocks() -> Iterator[bpy.types.ID]:
    for field in bpy.data.bl_rna.properties:
        if field.type == "COLLECTION" and field.identifier not in _SKIPPED:
            yield from getattr(bpy.data, field.identifier)
