# SPDX-License-Identifier: GPL-3.0-or-later
"""From pictures to a shape: the steps in their order, as the package lists them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from . import mask as masks
from . import one_side, several, symmetry
from .arrays import Bytes, Floats, Ints, Progress, Side, Tick
from .mask import Cutout, UnusablePicture
from .settings import RESOLUTION, Settings

__all__ = ("Progress", "Settings", "Shape", "UnusablePicture", "Views", "generate")

COVERAGE_FINER = 3
"""Pixels of the coverage to a cell of the grid, where the picture has as many."""

LEAST_COVERAGE = 512
"""Below this many pixels along the longer side, the background is not told from the subject well enough."""

SEARCH_STEPS = 10
NEAR_ENOUGH = 0.97
LEAST_SHARE = 0.01
"""The search for a grid ends when it has this share of the target's faces, or after so many steps; a share is never
taken for less than the last."""


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
    """(rows, columns, 3) sRGB: front, back and sides beside each other."""
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

    Raises UnusablePicture where there is no subject, a mask does not fit, or views have nothing in common, and whatever
    ``progress`` raises.
    """
    progress(0.0, "Finding the subject")
    pictures, cutouts, notes = _cut_out(views, settings, lambda: progress(0.1, "Finding the subject"))
    if "left" in cutouts or "right" in cutouts:
        mesh = several.make(pictures, cutouts, settings, lambda build: _chosen(build, settings), progress)
    else:
        mesh = one_side.make(pictures, cutouts, settings, lambda build: _chosen(build, settings), progress)
    progress(1.0, "Done")
    return Shape(_normalised(mesh.positions), mesh.quads, mesh.uvs, mesh.texture, tuple(notes))


def _cut_out(
    views: Views, settings: Settings, tick: Tick
) -> tuple[dict[Side, Bytes], dict[Side, Cutout], dict[str, None]]:
    """The picture of each side, where the subject is in it, and what is to be said of that, once."""
    finest = RESOLUTION[1] if settings.target_faces else settings.resolution
    coverage_size = max(LEAST_COVERAGE, COVERAGE_FINER * finest)
    pictures: dict[Side, Bytes] = views.sides
    cutouts: dict[Side, Cutout] = {}
    notes: dict[str, None] = {}
    for side, picture in pictures.items():
        tick()
        given = views.mask if side == "front" else None
        try:
            cutouts[side] = masks.find(picture, settings.mask, coverage_size, tick, given)
        except UnusablePicture as error:
            error.view = side if given is None else "mask"
            raise
        notes |= dict.fromkeys(masks.concerns(cutouts[side]))
        if settings.symmetric and side in {"front", "back"}:
            pictures[side], cutouts[side] = symmetry.symmetrical(picture, cutouts[side])
    return pictures, cutouts, notes


class _Countable(Protocol):
    def count_quads(self) -> int: ...


Solid = TypeVar("Solid", bound=_Countable)


def _chosen(build: Callable[[float], Solid], settings: Settings) -> Solid:
    """The solid that ``build`` makes with the wanted number of cells, or on the finest grid that does not need more
    faces than are wanted.

    Faces grow with the square of the cells, nearly: each guess takes the last one's proportion, then the gap is halved.
    Views that have little in common may have nothing in common on a coarse grid: no faces.
    """
    if not settings.target_faces:
        return build(settings.resolution)
    low, high = 1.0, float(RESOLUTION[1])
    best = build(low)
    cells = min(64.0, high)
    for _ in range(SEARCH_STEPS):
        solid = build(cells)
        share = solid.count_quads() / settings.target_faces
        if share <= 1:
            low = cells
            if share or not best.count_quads():
                best = solid
            if share >= NEAR_ENOUGH or cells == high:
                break
        else:
            high = cells
        cells *= ((1 + NEAR_ENOUGH) / 2 / max(share, LEAST_SHARE)) ** 0.5
        if not low < cells < high:
            cells = high if high == RESOLUTION[1] and cells >= high else (low + high) / 2
    return best


def _normalised(positions: Floats) -> Floats:
    low, high = positions.min(axis=0), positions.max(axis=0)
    origin = np.array([(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2], np.float32)
    result: Floats = (positions - origin) / (high - low).max()
    return result
