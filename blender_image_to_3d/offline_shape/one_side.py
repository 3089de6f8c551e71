# SPDX-License-Identifier: GPL-3.0-or-later
"""From the picture of one side to a mesh whose depth is made up: the steps in their order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from . import grid as grids
from . import level_set, raster, surface_nets, texture, view_texture
from .arrays import Bytes, Floats, Mesh, Progress, Side
from .mask import Cutout
from .profiles import PROFILES
from .settings import Settings


def make(
    pictures: Mapping[Side, Bytes],
    cutouts: Mapping[Side, Cutout],
    settings: Settings,
    choose: Callable[[Callable[[float], Solid]], Solid],
    progress: Progress,
) -> Mesh:
    """Give the outline of the front its depth, and paint it with the front, and with the back if there is one.

    ``choose`` gets a function that builds the solid with so many cells, and returns one of these. Raises whatever
    ``progress`` raises.
    """
    progress(0.3, "Cutting out the texture")
    tile = texture.cut(
        pictures["front"],
        cutouts["front"],
        settings.texture_size,
        lambda: progress(0.35, "Cutting out the texture"),
    )
    progress(0.45, "Building the shape")

    def build(cells: float) -> Solid:
        progress(0.45, "Building the shape")
        return Solid.build(cutouts["front"], tile, cells, settings)

    solid = choose(build)
    progress(0.6, "Building the mesh")
    crossings, middle = solid.crossings()
    net = surface_nets.build(crossings, lambda: progress(0.65, "Building the mesh"))
    progress(0.7, "Smoothing the mesh")
    vertices = surface_nets.smooth(net, lambda: progress(0.75, "Smoothing the mesh"))
    progress(0.9, "Painting the back")
    if "back" in cutouts:
        back = view_texture.back_tile(
            tile, cutouts["front"], pictures["back"], cutouts["back"], lambda: progress(0.9, "Painting the back")
        )
    else:
        back = texture.BACKS[texture.back_for(settings, solid.grid.inside)](tile.colours)
    x, y = solid.grid.place(vertices)
    uvs = tile.uv(x[net.quads], y[net.quads], (crossings.points[:, 2] < middle)[:, None])
    z = (vertices[:, 2] + np.float32(0.5 - middle)) * np.float32(solid.pressed)
    positions = np.stack([vertices[:, 0], vertices[:, 1], z], axis=1)
    return Mesh(positions, net.quads, uvs, np.concatenate([tile.colours, back], axis=1))


@dataclass(frozen=True, eq=False)
class Solid:
    """What is between a front and a back over a grid."""

    grid: grids.Grid
    front: level_set.Half
    back: level_set.Half
    pressed: float
    """The mesh is to be scaled by this in depth."""

    @classmethod
    def build(cls, cutout: Cutout, tile: texture.Tile, cells: float, settings: Settings) -> Solid:
        """Lay a grid with ``cells`` cells along the longer side of the subject, and give it its profile's depth."""
        grid = grids.lay(cutout, cells)
        body = PROFILES[settings.profile](grid, lambda: _brightness(tile, grid), settings)
        halves = [body.front, body.back]
        if settings.symmetric:  # The outline is; what was computed from it is nearly.
            halves = [(each + each[:, ::-1]) / np.float32(2) for each in halves]
        front, back = (level_set.half(each, grid.inside, has_walls=body.has_walls) for each in halves)
        return cls(grid, front, back, body.pressed)

    def count_quads(self) -> int:
        """Faces of the mesh."""
        return level_set.count_quads(self.front, self.back)

    def crossings(self) -> tuple[level_set.Crossings, int]:
        """See ``level_set.crossings``."""
        return level_set.crossings(self.front, self.back, (self.grid.rim_distance(0), self.grid.rim_distance(1)))


def _brightness(tile: texture.Tile, grid: grids.Grid) -> Floats:
    """Brightness, 0 to 1, of the texture at each point of the grid."""
    rows, columns = grid.inside.shape
    top = grid.bottom - rows * grid.cell
    origin = ((top - tile.top) / tile.step, (grid.left - tile.left) / tile.step)
    step = grid.cell / tile.step
    return raster.resample(tile.brightness, origin, step, (rows, columns), outside_is_zero=False)[::-1]
