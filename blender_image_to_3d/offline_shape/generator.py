# SPDX-License-Identifier: GPL-3.0-or-later
"""The way from a picture to a shape; see the package for its stations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from . import grid as grids
from . import level_set, raster, surface_nets, symmetry, texture
from . import mask as masks
from .arrays import Bytes, Floats, Ints, Side, Tick
from .mask import Cutout, EmptyMask
from .profiles import PROFILES
from .settings import RESOLUTION, Settings

__all__ = ("EmptyMask", "Progress", "Settings", "Shape", "Views", "generate")

Progress = Callable[[float, str], None]
"""Called with the share that is done, 0 to 1, and what is going on; at least every 0.3 s. It may raise to stop the
work."""

COVERAGE_FINER = 3
"""Pixels of the coverage to a cell of the grid, where the picture has as many."""

LEAST_COVERAGE = 512
"""Below this many pixels along the longer side, the background is not told from the subject well enough."""

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
    notes: tuple[str, ...] = ()
    """Sentences for the user: why it may not be what was expected."""


@dataclass(frozen=True, eq=False)
class Views:
    """Pictures of one subject, each (rows, columns, 4) sRGB with straight alpha.

    Raises ValueError for another kind of array.
    """

    front: Bytes
    back: Bytes | None = None
    left: Bytes | None = None
    """The subject's own left side: if it faces the viewer in front, it looks to the left here."""
    right: Bytes | None = None
    mask: Bytes | None = None
    """White where the front shows the subject, and of the same proportions."""

    def __post_init__(self) -> None:
        for picture in (*self.sides.values(), *([] if self.mask is None else [self.mask])):
            if picture.ndim != 3 or picture.shape[2] != 4 or picture.dtype != np.uint8 or not picture.size:
                raise ValueError(
                    f"a picture is an array of bytes (rows, columns, 4), not {picture.dtype} {picture.shape}"
                )

    @property
    def sides(self) -> dict[Side, Bytes]:
        """The pictures that there are, the front first."""
        pictures: dict[Side, Bytes | None] = {
            "front": self.front,
            "back": self.back,
            "left": self.left,
            "right": self.right,
        }
        return {side: picture for side, picture in pictures.items() if picture is not None}


def generate(views: Views, settings: Settings, progress: Progress) -> Shape:
    """Make a shape of the subject of ``views``.

    Raises EmptyMask where there is no subject, and whatever ``progress`` raises.
    """
    pictures, cutouts = _cut_out(views, settings, lambda: progress(0.1, "Finding the subject"))
    progress(0.25, "Cutting out the texture")
    tiles = {
        side: texture.cut(
            pictures[side], cutouts[side], settings.texture_size, lambda: progress(0.3, "Cutting out the texture")
        )
        for side in cutouts
    }
    return _from_one_side(cutouts["front"], tiles["front"], settings, progress)


def _cut_out(views: Views, settings: Settings, tick: Tick) -> tuple[dict[Side, Bytes], dict[Side, Cutout]]:
    """The picture of each side, and where the subject is in it."""
    finest = RESOLUTION[1] if settings.target_faces else settings.resolution
    coverage_size = max(LEAST_COVERAGE, COVERAGE_FINER * finest)
    pictures, cutouts = views.sides, {}
    for side, picture in pictures.items():
        tick()
        try:
            cutouts[side] = masks.find(picture, settings.mask, coverage_size, tick)
        except EmptyMask as error:
            error.view = side
            raise
        if settings.symmetric and side in {"front", "back"}:
            pictures[side], cutouts[side] = symmetry.symmetrical(picture, cutouts[side])
    return pictures, cutouts


def _from_one_side(cutout: Cutout, tile: texture.Tile, settings: Settings, progress: Progress) -> Shape:
    """A shape whose depth is made up."""
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
    atlas = texture.atlas(tile, texture.back_for(settings, solid.grid.inside))
    z = (vertices[:, 2] + np.float32(0.5 - middle)) * np.float32(solid.pressed)
    progress(1.0, "Done")
    return Shape(_normalised(np.stack([vertices[:, 0], vertices[:, 1], z], axis=1)), net.quads, uvs, atlas)


@dataclass(frozen=True, eq=False)
class _Solid:
    grid: grids.Grid
    front: level_set.Half
    back: level_set.Half
    pressed: float

    @classmethod
    def build(cls, cutout: Cutout, tile: texture.Tile, cells: float, settings: Settings) -> _Solid:
        grid = grids.lay(cutout, cells)
        body = PROFILES[settings.profile](grid, _brightness(tile, grid), settings)
        halves = [body.front, body.back]
        if settings.symmetric:  # The outline is; what was computed from it is nearly.
            halves = [(each + each[:, ::-1]) / np.float32(2) for each in halves]
        front, back = (level_set.half(each, grid.inside, has_walls=body.has_walls) for each in halves)
        return cls(grid, front, back, body.pressed)

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
