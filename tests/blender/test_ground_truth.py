# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of known form, photographed by Cycles: the offline generator's shape must overlap the real one."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import bpy
import numpy as np
import pytest

from .. import shapes

SIZE = 320
FRAME = 2.6
"""Width of the picture in the scene's units; the objects are 2 wide or less."""


def _sphere() -> None:
    bpy.ops.mesh.primitive_uv_sphere_add(segments=96, ring_count=48, radius=1)


def _torus() -> None:
    """Its axis points to the viewer, who looks along +y."""
    bpy.ops.mesh.primitive_torus_add(
        major_radius=0.7, minor_radius=0.3, major_segments=96, minor_segments=48, rotation=(np.pi / 2, 0, 0)
    )


def _cylinder() -> None:
    """Upright, as wide as it is high."""
    bpy.ops.mesh.primitive_cylinder_add(vertices=96, radius=1, depth=2)


# In glTF's axes, with the object centred: x right, y up, z towards the viewer.
def _in_sphere(p: np.ndarray) -> np.ndarray:
    return (p**2).sum(axis=1) < 1


def _in_torus(p: np.ndarray) -> np.ndarray:
    return (np.hypot(p[:, 0], p[:, 1]) - 0.7) ** 2 + p[:, 2] ** 2 < 0.3**2


def _in_cylinder(p: np.ndarray) -> np.ndarray:
    return (p[:, 0] ** 2 + p[:, 2] ** 2 < 1) & (np.abs(p[:, 1]) < 1)


@pytest.fixture
def scene() -> Iterator[bpy.types.Scene]:
    """A scene with a camera and light, which goes away with all that was added to it."""
    before = bpy.context.window.scene
    scene = bpy.data.scenes.new("Ground truth")
    bpy.context.window.scene = scene
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    camera.data.type = "ORTHO"
    camera.data.ortho_scale = FRAME
    camera.location, camera.rotation_euler = (0, -5, 0), (np.pi / 2, 0, 0)
    light = bpy.data.objects.new("Light", bpy.data.lights.new("Light", "SUN"))
    light.rotation_euler = (0.8, 0.2, 0.4)
    for each in (camera, light):
        scene.collection.objects.link(each)
    scene.camera = camera
    render = scene.render
    render.engine = "CYCLES"
    scene.cycles.samples = 4
    scene.cycles.use_denoising = False
    render.film_transparent = True
    render.resolution_x = render.resolution_y = SIZE
    render.resolution_percentage = 100
    render.image_settings.file_format = "PNG"
    render.image_settings.color_mode = "RGBA"
    yield scene
    bpy.context.window.scene = before
    for each in list(scene.collection.objects):
        bpy.data.objects.remove(each)
    bpy.data.scenes.remove(scene)
    bpy.data.orphans_purge(do_recursive=True)


def photograph(scene: bpy.types.Scene, file: Path) -> shapes.Picture:
    """What the camera sees, (rows, columns, RGBA)."""
    scene.render.filepath = str(file)
    bpy.ops.render.render(write_still=True, scene=scene.name)
    image = bpy.data.images.load(str(file))
    image.alpha_mode = "CHANNEL_PACKED"  # The bytes as they are in the file.
    pixels = np.zeros(SIZE * SIZE * 4, np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    return np.round(pixels.reshape(SIZE, SIZE, 4)[::-1] * 255).astype(np.uint8)


def overlap(positions: np.ndarray, quads: np.ndarray, solid: Callable[[np.ndarray], np.ndarray]) -> float:
    """Intersection over union, both 2 wide, of a generated shape and the true one."""
    ours = positions * (2 / np.ptp(positions[:, 0]))
    ours = ours - (ours.max(axis=0) + ours.min(axis=0)) / 2
    reach = np.maximum(np.abs(ours).max(axis=0), 1) * 1.01
    axes = [np.linspace(-r, r, n, endpoint=False) + r / n for r, n in zip(reach, (40, 40, 80), strict=True)]
    # Off the vertices' symmetric places, so that no ray runs along an edge.
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3) + 1e-5
    inside, expected = shapes.filled(ours, quads, points), solid(points)
    return float((inside & expected).sum() / (inside | expected).sum())


@pytest.mark.parametrize(
    ("add", "solid", "floor"),
    [
        pytest.param(_sphere, _in_sphere, 0.74, id="sphere"),
        pytest.param(_torus, _in_torus, 0.88, id="torus"),
        pytest.param(_cylinder, _in_cylinder, 0.65, id="cylinder"),
    ],
)
def test_the_shape_of_a_photographed_object_overlaps_the_object(
    package: ModuleType,
    scene: bpy.types.Scene,
    tmp_path: Path,
    add: Callable[[], None],
    solid: Callable[[np.ndarray], np.ndarray],
    floor: float,
) -> None:
    offline_shape = importlib.import_module(package.__name__ + ".offline_shape.generator")
    add()
    picture = photograph(scene, tmp_path / "photograph.png")
    assert picture[..., 3].min() == 0
    shape = offline_shape.generate(offline_shape.Views(picture), offline_shape.Settings(), lambda share, what: None)
    assert not shapes.manifold_faults(shape.quads)
    share = overlap(shape.positions, shape.quads, solid)
    print(f"intersection over union: {share:.3f}")
    assert share >= floor
