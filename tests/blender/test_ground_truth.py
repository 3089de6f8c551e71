# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of known geometry, photographed by Cycles: the offline generator's shapes must overlap the real ones."""

from __future__ import annotations

import importlib
import statistics
from pathlib import Path
from types import ModuleType

import bpy
import numpy as np
import pytest

from .. import shapes
from ..truth import Truth
from . import solids

SIZE = 384
SAMPLES = 4

# Intersection over union with the truth, a little below what is measured; from the front with the options of solids.py.
FROM_FRONT = {
    "sphere": 0.98,
    "torus": 0.91,
    "cylinder": 0.98,
    "cone": 0.95,
    "cube": 0.98,
    "bottle": 0.97,
    "mushroom": 0.98,
    "star": 0.9,
    "gear": 0.97,
    "fish": 0.83,
    "figure": 0.79,
    "teapot": 0.87,
    "coin": 0.88,
}
FROM_FRONT_AND_LEFT = {
    "sphere": 0.98,
    "torus": 0.96,
    "cylinder": 0.98,
    "cone": 0.96,
    "cube": 0.97,
    "suzanne": 0.86,
    "capsule": 0.98,
    "pebble": 0.98,
    "vase": 0.98,
    "bottle": 0.97,
    "glass": 0.98,
    "mushroom": 0.97,
    "snowman": 0.95,
    "rocket": 0.76,
    "dumbbell": 0.96,
    "star": 0.78,  # 0.99 if it is taken for a plate, which hangs on the noise of the rendering.
    "letter": 0.94,
    "gear": 0.97,
    "fish": 0.92,
    "figure": 0.93,
    "dog": 0.84,
    "heart": 0.92,
    "teapot": 0.91,
    "mug": 0.92,
    "chair": 0.73,
    "table": 0.94,
    "hammer": 0.86,
    "house": 0.8,
    "tree": 0.88,
    "duck": 0.93,
    "coin": 0.62,
}
LEAST_MEAN_FROM_FRONT_AND_LEFT = 0.91


class Photographs:
    """Builds, photographs and measures solids, each as often as it is needed."""

    def __init__(self, generator: ModuleType, folder: Path) -> None:
        self.generator = generator
        self.folder = folder
        self._overlaps: dict[tuple[str, ...], float] = {}

    def overlap(self, name: str, *sides: str, **options: object) -> float:
        """How much the shape that is made of these views has in common with the solid; 1 is all."""
        if (name, *sides) not in self._overlaps:
            with solids.studio(SIZE, SAMPLES) as scene:
                truth = Truth(*solids.truth(solids.add(name)))
                views = {side: self._photograph(scene, name, side) for side in sides}
            settings = self.generator.Settings(**options)
            shape = self.generator.generate(self.generator.Views(**views), settings, lambda share, what: None)
            assert not shapes.manifold_faults(shape.quads)
            self._overlaps[name, *sides] = truth.iou(shape.positions, shape.quads)
            print(f"{name} from {' and '.join(sides)}: {self._overlaps[name, *sides]:.3f}")
        return self._overlaps[name, *sides]

    def _photograph(self, scene: bpy.types.Scene, name: str, side: str) -> shapes.Picture:
        file = self.folder / f"{name}-{side}.png"
        solids.photograph(scene, side, file)
        image = bpy.data.images.load(str(file))
        image.alpha_mode = "CHANNEL_PACKED"  # The bytes as they are in the file.
        pixels = np.zeros(SIZE * SIZE * 4, np.float32)
        image.pixels.foreach_get(pixels)
        bpy.data.images.remove(image)
        return np.round(pixels.reshape(SIZE, SIZE, 4)[::-1] * 255).astype(np.uint8)


@pytest.fixture(scope="session")
def photographs(package: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Photographs:
    generator = importlib.import_module(package.__name__ + ".offline_shape.generator")
    return Photographs(generator, tmp_path_factory.mktemp("photographs"))


@pytest.mark.parametrize("name", FROM_FRONT)
def test_the_shape_of_a_photographed_solid_overlaps_it(photographs: Photographs, name: str) -> None:
    assert photographs.overlap(name, "front", **solids.SOLIDS[name].options) >= FROM_FRONT[name]


@pytest.mark.parametrize("name", FROM_FRONT_AND_LEFT)
def test_with_a_view_from_the_left_a_shape_overlaps_the_solid_more(photographs: Photographs, name: str) -> None:
    assert photographs.overlap(name, "front", "left") >= FROM_FRONT_AND_LEFT[name]


def test_on_the_mean_two_views_are_good_enough(photographs: Photographs) -> None:
    shares = [photographs.overlap(name, "front", "left") for name in FROM_FRONT_AND_LEFT]
    assert statistics.fmean(shares) >= LEAST_MEAN_FROM_FRONT_AND_LEFT
