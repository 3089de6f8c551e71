# SPDX-License-Identifier: GPL-3.0-or-later
"""How deep the subject is at each place: what makes a cushion, a vase, a letter or a coin of the same outline.

A profile is a function from the outline on a grid to a :class:`Body`; a new one is a new line of ``PROFILES``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from . import distance, inflation, raster, row_runs
from .arrays import Floats
from .grid import Grid
from .settings import Profile, Settings

FLATTEST_LATTICE = 0.5
"""A thinner cushion is meshed at this thickness and then pressed, so that it keeps enough layers for a smooth rim."""

LEAST_PLATE = 0.5
"""Half thickness, in cells, that a plate keeps at least."""

RELIEF_SMOOTHING = 1.0
"""Blur of a picture, in cells, before it becomes a relief: grain is no shape."""

DARKEST, BRIGHTEST = 1, 99
"""Percentiles of the brightness that become the lowest and the highest parts of a relief."""


Brightness: TypeAlias = Callable[[], Floats]
"""Makes the brightness, 0 to 1, of the picture at each point of the grid, (rows, columns)."""


@dataclass(frozen=True, eq=False)
class Body:
    """Half thicknesses in cells over a grid, (rows, columns), from the middle plane to the front and to the back."""

    front: Floats
    back: Floats
    has_walls: bool
    """See :class:`level_set.Half`."""
    pressed: float = 1.0
    """The mesh is to be scaled by this in depth."""


def inflate(grid: Grid, brightness: Brightness, settings: Settings) -> Body:
    """A cushion: wide parts are thick, thin ones thin; light and dark become a slight relief on its front."""
    lattice_thickness = max(settings.thickness, FLATTEST_LATTICE)
    half_thickness = np.float32(lattice_thickness) * inflation.inflate(grid)
    front = half_thickness
    if settings.detail:
        relief = inflation.relief(brightness(), half_thickness, grid.inside)
        front = half_thickness + np.float32(settings.detail) * relief
    return Body(front, half_thickness, has_walls=False, pressed=settings.thickness / lattice_thickness)


def turn(grid: Grid, _brightness: Brightness, _settings: Settings) -> Body:
    """What a lathe makes: each row of each part is a circle."""
    found = row_runs.find(grid)
    offset = np.arange(grid.inside.shape[1], dtype=np.float32) - found.spread(found.middle)
    radius = found.spread(found.half_width)
    half_thickness = np.sqrt(np.maximum(radius * radius - offset * offset, 0))
    return Body(half_thickness, half_thickness, has_walls=True)


def extrude(grid: Grid, _brightness: Brightness, settings: Settings) -> Body:
    """A plate with upright walls, whose edges are rounded by a quarter of a circle."""
    half_depth = max(_cells(grid, settings.depth) / 2, LEAST_PLATE)
    bevel = np.float32(settings.bevel * half_depth)
    to_edge = np.maximum(bevel - distance.to_outline(grid, float(bevel)), 0)
    lowered = bevel - np.sqrt(np.maximum(bevel * bevel - to_edge * to_edge, 0))
    half_thickness = _plane(np.float32(half_depth) - lowered)
    return Body(half_thickness, half_thickness, has_walls=True)


def relief(grid: Grid, brightness: Brightness, settings: Settings) -> Body:
    """A plate with a flat back; on its front, what is bright stands out by the share ``detail`` of the depth."""
    depth = _cells(grid, settings.depth)
    smooth = raster.blur(brightness(), RELIEF_SMOOTHING)
    low, high = np.percentile(smooth[grid.inside], [DARKEST, BRIGHTEST])
    raised = np.clip((smooth - np.float32(low)) / np.float32(max(high - low, inflation.LEAST_CONTRAST)), 0, 1)
    plate = max(depth * (1 - settings.detail) / 2, LEAST_PLATE)
    front = np.float32(plate) + np.float32(depth * settings.detail) * raised
    return Body(_plane(front), _plane(np.full_like(front, plate)), has_walls=True)


def _plane(half_thickness: Floats) -> Floats:
    """What the level set needs to have exactly this height: it lies a little higher, see :mod:`level_set`."""
    result: Floats = np.sqrt(np.maximum(half_thickness * half_thickness - np.float32(0.25), 0))
    return result


def _cells(grid: Grid, share: float) -> float:
    """A share of the subject's longer side, in cells."""
    return share * grid.cells


PROFILES: Mapping[Profile, Callable[[Grid, Brightness, Settings], Body]] = MappingProxyType(
    {"inflate": inflate, "round": turn, "extrude": extrude, "relief": relief}
)
