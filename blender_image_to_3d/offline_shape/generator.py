# SPDX-License-Identifier: GPL-3.0-or-later
"""The way from a picture to a shape; see the package for its stations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from . import grid as grids
from . import inflation, level_set, raster, surface_nets, texture
from . import mask as masks
from .arrays import Bytes, Floats, Ints
from .mask import Cutout, EmptyMask
from .settings import RESOLUTION, Settings

__all__ = ("EmptyMask", "Progress", "Settings", "Shape", "generate")

Progress = Callable[[float, str], None]
"""Called with the share that is done, 0 to 1, and what is going on; at least every 0.3 s. It may raise to stop the
work."""

COVERAGE_FINER = 3
"""Pixels of the coverage to a cell of the grid, where the picture has as many."""

LEAST_COVERAGE = 512
"""Below this many pixels along the longer side, the background is not told from the subject well enough."""

FLATTEST_LATTICE = 0.5
"""A thinner shape is meshed at this thickness and then pressed, so that it keeps enough layers for a smooth rim."""

SEARCH_STEPS = 10
NEAR_ENOUGH = 0.97
"""The search for a grid ends when it has this share of the target's faces, or after so many steps."""


@dataclass(frozen=True, eq=False)
class Shape:
    """A closed mesh of quads in glTF's axes: x right, y up, z towards the viewer. It stands on y = 0, centred in x and
    z, and its longest side is 1."""

    positions: Floats
    """(n, 3)"""
    quads: Ints
    """(m, 4) counter-clockwise seen from outside."""
    uvs: Floats
    """(m, 4, 2) of each face's corners; v = 0 is the top of the texture."""
    texture: Bytes
    """(rows, columns, 3) sRGB: front and back side by side."""


def generate(picture: Bytes, settings: Settings, progress: Progress) -> Shape:
    """Make a shape of ``picture``, (rows, columns, 4) sRGB with straight alpha.

    Raises EmptyMask where there is no subject, ValueError for another kind of array, and whatever ``progress`` raises.
    """
    if picture.ndim != 3 or picture.shape[2] != 4 or picture.dtype != np.uint8 or not picture.size:
        raise ValueError(f"a picture is an array of bytes (rows, columns, 4), not {picture.dtype} {picture.shape}")
    progress(0.0, "Finding the subject")
    finest = RESOLUTION[1] if settings.target_faces else settings.resolution
    coverage_size = max(LEAST_COVERAGE, COVERAGE_FINER * finest)
    cutout = masks.find(picture, settings.mask, coverage_size, lambda: progress(0.1, "Finding the subject"))
    progress(0.25, "Cutting out the texture")
    tile = texture.cut(picture, cutout, settings.texture_size, lambda: progress(0.3, "Cutting out the texture"))
    progress(0.45, "Inflating the outline")
    if settings.target_faces:
        solid = _solid_with_faces(cutout, tile, settings, progress)
    else:
        solid = _Solid.build(cutout, tile, settings.resolution, settings)
    progress(0.6, "Building the mesh")
    crossings, middle = solid.crossings()
    net = surface_nets.build(crossings, lambda: progress(0.65, "Building the mesh"))
    progress(0.7, "Smoothing the mesh")
    vertices = surface_nets.smooth(net, lambda: progress(0.75, "Smoothing the mesh"))
    progress(0.9, "Painting the back")
    x = solid.grid.left + (vertices[:, 0] + np.float32(0.5)) * solid.grid.cell
    y = solid.grid.bottom - (vertices[:, 1] + np.float32(0.5)) * solid.grid.cell
    is_back = crossings.points[:, 2] < middle
    uvs = tile.uv(x[net.quads], y[net.quads], is_back[:, None])
    atlas = texture.atlas(tile, settings.back, solid.grid.inside)
    z = (vertices[:, 2] + np.float32(0.5 - middle)) * np.float32(settings.thickness / _lattice_thickness(settings))
    progress(1.0, "Done")
    return Shape(_normalised(np.stack([vertices[:, 0], vertices[:, 1], z], axis=1)), net.quads, uvs, atlas)


@dataclass(frozen=True, eq=False)
class _Solid:
    grid: grids.Grid
    front: level_set.Half
    back: level_set.Half

    @classmethod
    def build(cls, cutout: Cutout, tile: texture.Tile, cells: float, settings: Settings) -> _Solid:
        grid = grids.lay(cutout, cells)
        half_thickness = np.float32(_lattice_thickness(settings)) * inflation.inflate(grid)
        back = level_set.half(half_thickness, grid.inside)
        if not settings.detail:
            return cls(grid, back, back)
        relief = inflation.relief(_brightness(tile, grid), half_thickness, grid.inside)
        return cls(grid, level_set.half(half_thickness + np.float32(settings.detail) * relief, grid.inside), back)

    def crossings(self) -> tuple[level_set.Crossings, int]:
        return level_set.crossings(self.front, self.back, (self.grid.rim_distance(0), self.grid.rim_distance(1)))


def _solid_with_faces(cutout: Cutout, tile: texture.Tile, settings: Settings, progress: Progress) -> _Solid:
    """The solid on the finest grid that does not need more faces than are wanted.

    Faces grow with the square of the cells, nearly: each guess takes the last one's proportion, then the gap is halved.
    """
    low, high = 1.0, float(RESOLUTION[1])
    best = _Solid.build(cutout, tile, low, settings)
    cells = min(64.0, high)
    for _ in range(SEARCH_STEPS):
        progress(0.5, "Choosing the grid")
        solid = _Solid.build(cutout, tile, cells, settings)
        share = level_set.count_quads(solid.front, solid.back) / settings.target_faces
        if share <= 1:
            best, low = solid, cells
            if share >= NEAR_ENOUGH or cells == high:
                break
        else:
            high = cells
        cells *= ((1 + NEAR_ENOUGH) / 2 / share) ** 0.5
        if not low < cells < high:
            cells = high if high == RESOLUTION[1] and cells >= high else (low + high) / 2
    return best


def _lattice_thickness(settings: Settings) -> float:
    return max(settings.thickness, FLATTEST_LATTICE)


def _brightness(tile: texture.Tile, grid: grids.Grid) -> Floats:
    """Brightness, 0 to 1, of the texture at each point of the grid."""
    rows, columns = grid.inside.shape
    top = grid.bottom - rows * grid.cell
    origin = ((top - tile.top) / tile.step, (grid.left - tile.left) / tile.step)
    brightness = raster.luminance(np.moveaxis(tile.colours, 2, 0)) / np.float32(255)
    step = grid.cell / tile.step
    return raster.resample(brightness, origin, step, (rows, columns), outside_is_zero=False)[::-1]


def _normalised(positions: Floats) -> Floats:
    low, high = positions.min(axis=0), positions.max(axis=0)
    origin = np.array([(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2], np.float32)
    result: Floats = (positions - origin) / (high - low).max()
    return result
