# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders models alike: from the same side, in the same light, filling the picture. Without a graphics card."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix, Vector
from numpy.typing import NDArray

from ...errors import StorageError
from ...pictures import png
from ..importing import bounds

_DIRECTION = Vector((0.5, -0.87, 0.32)).normalized()
"""From the model to the camera: three quarters from the front, and a little from above."""
_MARGIN = 1.14
_SAMPLES = 12
_SUNS = ((-35.0, 2.0), (130.0, 0.8))
"""Degrees around the model, and watts per square metre."""
_SKY, _SKY_STRENGTH = (0.94, 0.97, 1.0, 1.0), 0.7


def photograph(
    root: bpy.types.Object, scene: bpy.types.Scene, size: tuple[int, int], folder: Path
) -> NDArray[np.uint8]:
    """Return (h, w, 4) straight sRGB RGBA of the model that stands alone in `scene`, which gets a camera and lights.

    size: width and height in pixels. folder: for a temporary file.

    Raises:
        StorageError: this Blender has no Cycles, or cannot render.
        BadResult: there is nothing to be seen.
    """
    _set_up(scene)
    _light(scene)
    _aim([root, *root.children_recursive], scene, size)
    scene.render.resolution_x, scene.render.resolution_y = size
    scene.render.filepath = str(folder / "look.png")
    try:
        bpy.ops.render.render(scene=scene.name, write_still=True)
        return png.decode(Path(scene.render.filepath).read_bytes())
    except (RuntimeError, OSError) as error:
        raise StorageError(f'"{root.name}" cannot be rendered: {error}') from error


def _set_up(scene: bpy.types.Scene) -> None:
    try:
        scene.render.engine = "CYCLES"
    except TypeError:
        hint = 'Enable the add-on "Cycles Render Engine" in the preferences.'
        raise StorageError("A contact sheet needs Cycles, which is switched off in this Blender.", hint=hint) from None
    scene.cycles.device = "CPU"
    scene.cycles.samples = _SAMPLES
    scene.cycles.use_adaptive_sampling = False
    scene.cycles.use_denoising = False
    scene.cycles.max_bounces = scene.cycles.diffuse_bounces = scene.cycles.glossy_bounces = 1
    scene.cycles.transparent_max_bounces = 8
    scene.render.film_transparent = True
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_mode = "RGBA"
    scene.render.image_settings.color_depth = "8"
    scene.render.resolution_percentage = 100
    scene.render.use_stamp = False
    scene.view_settings.view_transform = "Standard"


def _light(scene: bpy.types.Scene) -> None:
    world = scene.world = bpy.data.worlds.new("Studio")
    if world.node_tree is None:
        world.use_nodes = True
    sky = next(node for node in world.node_tree.nodes if node.type == "BACKGROUND")
    sky.inputs["Color"].default_value = _SKY
    sky.inputs["Strength"].default_value = _SKY_STRENGTH
    for angle, energy in _SUNS:
        sun = bpy.data.objects.new("Sun", bpy.data.lights.new("Sun", "SUN"))
        sun.data.energy, sun.data.angle = energy, 0.3
        sun.rotation_euler = (math.radians(50.0), 0.0, math.radians(angle))
        scene.collection.objects.link(sun)


def _aim(objects: Sequence[bpy.types.Object], scene: bpy.types.Scene, size: tuple[int, int]) -> None:
    """Put a camera without perspective where all of the model just fills the picture."""
    with bpy.context.temp_override(scene=scene, view_layer=scene.view_layers[0]):
        scene.view_layers[0].update()
        positions = bounds.positions(objects)
    turn = _DIRECTION.to_track_quat("Z", "Y").to_matrix()
    seen = positions @ np.array(turn)  # along the camera's own axes: right, up, towards it
    low, high = seen.min(axis=0), seen.max(axis=0)
    extent = np.maximum(high - low, 1e-6)
    middle = (low + high) / 2
    data = bpy.data.cameras.new("Camera")
    camera = scene.camera = bpy.data.objects.new("Camera", data)
    scene.collection.objects.link(camera)
    data.type = "ORTHO"
    width, height = size
    data.ortho_scale = float(max(extent[0], extent[1] * width / height) * _MARGIN * max(1.0, height / width))
    distance = float(extent.max())
    data.clip_start, data.clip_end = distance * 0.01, distance * 4
    place = turn @ Vector((middle[0], middle[1], high[2] + distance))
    camera.matrix_world = Matrix.Translation(place) @ turn.to_4x4()
