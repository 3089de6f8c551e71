# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture as a texture: two tiles of the same size side by side, front and back.

Near its outline a subject is mixed with its background, and there the surface turns away, so that few pixels cover much
of it. So only the pixels well inside are used; the others are filled in from them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np

from . import raster, symmetry
from .arrays import Bools, Bytes, Floats, Tick
from .mask import INSIDE, Cutout
from .settings import Settings

MARGIN = 0.03
LEAST_MARGIN = 2
"""Room around the subject, as a share of its longer side, and in pixels."""

RIM = 0.006
LEAST_RIM = 2
"""Width of the rim that is filled in, as a share of the tile's longer side, and in texels."""

SOFT_BLUR = 1 / 28
SOFT_SIDE = 128
"""Blur of a soft back as a share of the tile's longer side, and the side in texels at which it is computed."""

SYMMETRIC = 0.82
"""An outline that is at least this much like its mirror image is symmetric, as most things are that are seen from the
front."""


@dataclass(frozen=True, eq=False)
class Tile:
    """The part of the picture around the subject, filled beyond the outline."""

    colours: Bytes
    """(rows, columns, 3)"""
    top: float
    left: float
    step: float
    """Pixels of the picture to a texel."""

    @cached_property
    def brightness(self) -> Floats:
        """(rows, columns), 0 to 1."""
        return raster.luminance(np.moveaxis(self.colours, 2, 0)) / np.float32(255)

    def uv(self, x: Floats, y: Floats, is_back: Bools) -> Floats:
        """Texture coordinates (..., 2), v down, in the atlas for places in pixels of the picture.

        They keep half a texel away from the tile's border, so that filtering never mixes the two tiles.
        """
        rows, columns = self.colours.shape[:2]
        u = np.clip((x - np.float32(self.left)) / np.float32(self.step), 0.5, columns - 0.5) + columns * is_back
        v = np.clip((y - np.float32(self.top)) / np.float32(self.step), 0.5, rows - 0.5)
        uv: Floats = np.stack([u / (2 * columns), v / rows], axis=-1).astype(np.float32)
        return uv


def cut(picture: Bytes, cutout: Cutout, longest_side: int, tick: Tick) -> Tile:
    """Cut the subject out of ``picture`` (rows, columns, RGBA) and fill beyond its outline."""
    box = np.array(cutout.box())
    margin = LEAST_MARGIN + math.ceil(MARGIN * max(box[2:] - box[:2]))
    top, left, bottom, right = (int(value) for value in box + np.array([-margin, -margin, margin, margin]))
    colours = with_edges(picture, top, left, bottom, right)
    factor = max(1, max(colours.shape[:2]) // longest_side)
    colours = raster.shrink(colours, factor, tick)
    finer = max(1.0, max(colours.shape[:2]) / longest_side)
    if finer > 1:
        shape = max(1, int(colours.shape[0] / finer)), max(1, int(colours.shape[1] / finer))
        colours = resampled(colours, (0, 0), finer, shape, tick)
    step = factor * finer
    known = known_texels(cutout, (top, left), step, (colours.shape[0], colours.shape[1]))
    tick()
    return Tile(fill(colours, known), top, left, step)


def fill(colours: Bytes, known: Bools) -> Bytes:
    """Replace the pixels of ``colours`` (rows, columns, 3) that are not ``known`` by a smooth continuation of those
    that are.

    Pull and push (Gortler, Grzeszczuk, Szeliski, Cohen, "The Lumigraph", 1996): average what is known to ever
    coarser pictures, then fill each picture's gaps from the next coarser one.
    """
    planes = np.zeros((4, *known.shape), np.float32)
    planes[:3] = np.moveaxis(colours, 2, 0)
    planes[3] = 1
    planes *= known
    filled = np.moveaxis(raster.double(pull_push(_halved(planes)), known.shape), 0, 2)
    return np.where(known[..., None], colours, (filled + np.float32(0.5)).astype(np.uint8))


def back_for(settings: Settings, inside: Bools) -> str:
    """What is painted on the back of the subject ``inside`` (rows, columns) of a grid: a key of ``BACKS``.

    The pattern of a vase goes on around it, and a letter has two sides. Of the others, what is symmetric is seen from
    the front, most likely, and has no second face on its back.
    """
    if settings.back != "auto":
        return settings.back
    is_alike = settings.profile in {"round", "extrude"}
    return "mirror" if is_alike or symmetry.best_mirror(inside).likeness < SYMMETRIC else "soft"


def _soft(colours: Bytes) -> Bytes:
    """The colours without the picture: no second face on the back of a head."""
    doublings = max(0, math.ceil(math.log2(max(colours.shape[:2]) / SOFT_SIDE)))
    small = raster.shrink(colours, 2**doublings, lambda: None)
    planes = raster.blur(np.moveaxis(small, 2, 0).astype(np.float32), max(0.5, SOFT_BLUR * max(small.shape[:2])))
    for level in range(doublings):
        last = level == doublings - 1
        planes = raster.double(planes, colours.shape[:2] if last else tuple(2 * side for side in planes.shape[1:]))
    return np.moveaxis(planes + np.float32(0.5), 0, 2).astype(np.uint8)


def _mirrored(colours: Bytes) -> Bytes:
    """The same tile: seen from behind, the picture is mirrored by itself."""
    return colours


BACKS: Mapping[str, Callable[[Bytes], Bytes]] = MappingProxyType({"soft": _soft, "mirror": _mirrored})


def with_edges(picture: Bytes, top: int, left: int, bottom: int, right: int) -> Bytes:
    """RGB of a part of the picture that may reach beyond it; there the edge pixels are repeated."""
    rows, columns = picture.shape[:2]
    inner = picture[max(0, top) : bottom, max(0, left) : right, :3]
    beyond = ((max(0, -top), max(0, bottom - rows)), (max(0, -left), max(0, right - columns)), (0, 0))
    return np.pad(inner, beyond, mode="edge")


def resampled(colours: Bytes, origin: tuple[float, float], step: float, shape: tuple[int, int], tick: Tick) -> Bytes:
    """``raster.resample`` of (rows, columns, 3); one channel after another, which needs less memory."""
    result = np.zeros((*shape, 3), np.uint8)
    for channel in range(3):
        tick()
        plane = raster.resample(colours[..., channel].astype(np.float32), origin, step, shape, outside_is_zero=False)
        result[..., channel] = plane + np.float32(0.5)
    return result


def known_texels(cutout: Cutout, origin: tuple[float, float], step: float, shape: tuple[int, int]) -> Bools:
    """The texels of a tile whose colour surely is the subject's."""
    factor = cutout.factor
    start = ((origin[0] - cutout.top) / factor, (origin[1] - cutout.left) / factor)
    subject = raster.resample(cutout.coverage, start, step / factor, shape, outside_is_zero=True) >= INSIDE
    blurred = math.ceil(factor / step)  # The outline is not known better than to this many texels.
    rim = max(LEAST_RIM, math.ceil(RIM * max(shape))) + blurred
    deep = raster.erode(subject, rim)
    # Parts too thin to have a deep pixel keep their middle.
    thin = raster.erode(subject, blurred) & ~raster.dilate(deep, rim + 1)
    for known in (deep | thin, raster.erode(subject, 1), subject):
        if known.any():
            return known
    return np.ones_like(subject)


def pull_push(planes: Floats) -> Floats:
    """Filled colours (3, rows, columns) of weighted colours and weights (4, rows, columns)."""
    if planes.shape[1] * planes.shape[2] == 1:
        single: Floats = planes[:3] / np.maximum(planes[3], np.float32(1e-6))
        return single
    coarser = raster.double(pull_push(_halved(planes)), planes.shape[1:])
    coarser *= 1 - planes[3]
    coarser += planes[:3]
    return coarser


def _halved(planes: Floats) -> Floats:
    """Sums over blocks of 2 x 2, with a weight of at most 1."""
    _, rows, columns = planes.shape
    planes = np.pad(planes, ((0, 0), (0, rows % 2), (0, columns % 2)))
    tall = planes[:, ::2] + planes[:, 1::2]
    total = tall[..., ::2] + tall[..., 1::2]
    averages: Floats = total / np.maximum(total[3], np.float32(1))
    return averages
