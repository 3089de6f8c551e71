# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of the offline generator share: outlines to begin with, and what is to be said of the shapes."""

from __future__ import annotations

from collections.abc import Callable
from unittest.mock import patch

import numpy as np
import pytest

from blender_image_to_3d.offline_shape import network
from blender_image_to_3d.offline_shape.generator import Shape

from . import shapes

without_network = patch.object(network, "saliency", lambda picture, tick: np.abs(picture).mean(axis=0))
"""For tests of shapes: which mask a picture without transparency gets is nothing to them, and takes longest."""

Outline = Callable[[np.random.Generator, int, int], shapes.Mask]
Solid = Callable[[np.ndarray], np.ndarray]
"""Which points (n, 3) are in it."""


def noise(rng: np.random.Generator, rows: int, columns: int) -> shapes.Mask:
    return rng.random((rows, columns)) < rng.random()


def diagonals(rng: np.random.Generator, rows: int, columns: int) -> shapes.Mask:
    row, column = np.indices((rows, columns))
    return (row - column) % rng.integers(2, 9) == 0


def lines(rng: np.random.Generator, rows: int, columns: int) -> shapes.Mask:
    result = np.zeros((rows, columns), bool)
    result[rng.integers(rows)] = True
    result[:, rng.integers(columns)] = True
    return result


def chequers(rng: np.random.Generator, rows: int, columns: int) -> shapes.Mask:
    row, column = np.indices((rows, columns)) // rng.integers(1, 9)
    return (row + column) % 2 == 0


def blocks(rng: np.random.Generator, rows: int, columns: int) -> shapes.Mask:
    side = int(rng.integers(2, 9))
    coarse = rng.random((rows // side + 1, columns // side + 1)) < 0.5
    return np.repeat(np.repeat(coarse, side, 0), side, 1)[:rows, :columns]


def islands_and_holes(rng: np.random.Generator, rows: int, columns: int) -> shapes.Mask:
    row, column = np.indices((rows, columns))
    result = np.zeros((rows, columns), bool)
    for _ in range(6):
        result ^= np.hypot(row - rng.integers(rows), column - rng.integers(columns)) < rng.integers(1, 20)
    return result


OUTLINES: list[Outline] = [
    noise,
    diagonals,
    lines,
    chequers,
    blocks,
    islands_and_holes,
]


SLACK = 2e-3
"""Texels by which texture coordinates may be off: they are 32-bit numbers."""


def assert_well_formed(shape: Shape) -> None:
    """What holds for every shape besides its topology: it stands where it should, and each face stays half a texel
    within the texture."""
    assert (shape.positions.dtype, shape.quads.dtype) == (np.float32, np.int32)
    assert (shape.uvs.dtype, shape.texture.dtype) == (np.float32, np.uint8)
    assert np.isfinite(shape.positions).all()
    low, high = shape.positions.min(axis=0), shape.positions.max(axis=0)
    assert (high - low).max() == pytest.approx(1, abs=1e-6)
    assert low[1] == 0
    assert (low + high)[[0, 2]] == pytest.approx([0, 0], abs=1e-6)
    assert shape.uvs.shape == (*shape.quads.shape, 2)
    assert shape.texture.shape[2] == 3
    size = np.float32(shape.texture.shape[1::-1])
    texels = shape.uvs * size
    assert texels.min() >= 0.5 - SLACK
    assert (texels <= size - np.float32(0.5 - SLACK)).all()


def overlap(shape: Shape, solid: Solid, half_size: tuple[float, float, float]) -> float:
    """Intersection over union with ``solid``, a predicate on points whose outline spans twice ``half_size``,
    centred."""
    scale = 2 * max(half_size[:2]) / np.ptp(shape.positions[:, :2], axis=0).max()
    positions = shape.positions * scale - [0, half_size[1], 0]
    reach = np.maximum(half_size, np.abs(positions).max(axis=0)) * 1.01
    axes = [np.linspace(-r, r, n, endpoint=False) + r / n for r, n in zip(reach, (32, 32, 64), strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3) + 1e-5
    return shapes.iou(shapes.filled(positions, shape.quads, points), solid(points))


def sampled_texels(shape: Shape) -> np.ndarray:
    """All texels (n, 3) that bilinear filtering reads at the corners, middles and edges of the faces."""
    corners = shape.uvs.astype(np.float64)
    following = np.roll(corners, -1, axis=1)
    places = np.concatenate([corners, (corners + following) / 2, corners.mean(axis=1, keepdims=True)], axis=1).reshape(
        -1, 2
    )
    rows, columns = shape.texture.shape[:2]
    index = np.floor(places * [columns, rows] - 0.5 + 1e-9).astype(int)
    texels = [
        shape.texture[np.clip(index[:, 1] + down, 0, rows - 1), np.clip(index[:, 0] + right, 0, columns - 1)]
        for down in (0, 1)
        for right in (0, 1)
    ]
    return np.concatenate(texels).astype(int)


def antialiased(picture: shapes.Picture, factor: int) -> shapes.Picture:
    """Shrunk, so that the pixels at the outline mix subject and background."""
    rows, columns = picture.shape[0] // factor, picture.shape[1] // factor
    blocks = picture.reshape(rows, factor, columns, factor, 4)
    result: shapes.Picture = blocks.mean(axis=(1, 3)).astype(np.uint8)
    return result
