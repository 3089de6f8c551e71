# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside Blender: render the object of a .blend from its front and from its back: … -- FILE.blend FILE.png"""

import math
import os
import sys
from pathlib import Path

import bpy
from mathutils import Vector

SIZE = 512
SAMPLES = 24
# Degrees around the object: three quarters from the front, and from behind.
ANGLES = (30.0, -150.0)


def bounds(scene: bpy.types.Scene) -> tuple[Vector, Vector]:
    """Return the lowest and the highest corner of everything in the scene, in its units."""
    corners = [
        each.matrix_world @ Vector(corner) for each in scene.objects if each.type == "MESH" for corner in each.bound_box
    ]
    return Vector(map(min, *corners)), Vector(map(max, *corners))


def add_light(scene: bpy.types.Scene, name: str, angle: float, energy: float) -> None:
    light = bpy.data.objects.new(name, bpy.data.lights.new(name, "SUN"))
    light.data.energy = energy
    light.data.angle = 0.3
    light.rotation_euler = (math.radians(50), 0, math.radians(angle))
    scene.collection.objects.link(light)


def add_world(scene: bpy.types.Scene) -> None:
    world = scene.world = bpy.data.worlds.new("Render")
    world.use_nodes = True
    world.node_tree.nodes["Background"].inputs["Color"].default_value = (0.9, 0.95, 1.0, 1.0)
    world.node_tree.nodes["Background"].inputs["Strength"].default_value = 0.6


def set_up(scene: bpy.types.Scene) -> None:
    import _cycles  # found only after bpy

    scene.render.engine = "CYCLES"
    scene.cycles.samples = SAMPLES
    scene.cycles.use_denoising = _cycles.with_openimagedenoise  # Debian's Blender is built without it
    scene.render.resolution_x = scene.render.resolution_y = SIZE
    scene.render.film_transparent = True
    scene.view_settings.view_transform = "Standard"
    add_world(scene)
    add_light(scene, "Key", -35.0, 2.5)
    add_light(scene, "Fill", 130.0, 1.2)


def look(scene: bpy.types.Scene, angle: float) -> None:
    """Put the camera around the object, a little above it, so that all of it is seen."""
    low, high = bounds(scene)
    middle, size = (low + high) / 2, (high - low).length
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(camera)
    scene.camera = camera
    camera.data.lens = 70
    direction = Vector((math.sin(math.radians(angle)), -math.cos(math.radians(angle)), 0.3)).normalized()
    camera.location = middle + direction * size * 2.05
    camera.rotation_euler = (-direction).to_track_quat("-Z", "Y").to_euler()


def side_by_side(files: list[str], target: str) -> None:
    import numpy as np

    parts = []
    for file in files:
        image = bpy.data.images.load(file)
        pixels = np.zeros(SIZE * SIZE * 4, np.float32)
        image.pixels.foreach_get(pixels)
        parts.append(pixels.reshape(SIZE, SIZE, 4))
    whole = np.concatenate(parts, axis=1)
    # On white: a transparent picture is hard to see in a dark window.
    whole[..., :3] = whole[..., :3] * whole[..., 3:] + 0.96 * (1 - whole[..., 3:])
    whole[..., 3] = 1.0
    result = bpy.data.images.new("Render", SIZE * len(parts), SIZE)
    result.pixels.foreach_set(np.ascontiguousarray(whole).ravel())
    result.filepath_raw = target
    result.file_format = "PNG"
    result.save()


def main(blend: str, target: str) -> None:
    bpy.ops.wm.open_mainfile(filepath=blend)
    scene = bpy.context.scene
    set_up(scene)
    drafts = []
    for number, angle in enumerate(ANGLES):
        look(scene, angle)
        scene.render.filepath = f"{target}.{number}.png"
        bpy.ops.render.render(write_still=True)
        drafts.append(scene.render.filepath)
    side_by_side(drafts, target)
    for draft in drafts:
        Path(draft).unlink()


if __name__ == "__main__":
    main(*sys.argv[sys.argv.index("--") + 1 :])
    sys.stdout.flush()
    os._exit(0)
