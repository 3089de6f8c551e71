# SPDX-License-Identifier: GPL-3.0-or-later
"""The texture of a hull: one tile for each of the four directions, side by side, each a mixture of all pictures.

A tile is what is seen from its direction: the first surface that a ray meets. Its colours come from every picture that
sees this surface, weighted by how directly, so that neighbouring tiles agree where they meet. What no direction sees
(the inner side of a leg) must not show the picture of what is in front of it: it gets the colours of the surface around
it, in *inner* tiles of their own, which are coarser.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from . import raster, texture
from .arrays import Bools, Bytes, Floats, Index, Ints, Side, Tick
from .hull import Hull
from .level_set import Crossings
from .mask import Cutout
from .settings import Settings
from .surface_nets import Net
from .views import OPPOSITE, SIDES, Placement

AXIS: Mapping[Side, tuple[int, int]] = MappingProxyType(
    {"front": (2, 1), "back": (2, -1), "left": (0, 1), "right": (0, -1)}
)
"""The axis along which a side looks, and on which end of it the viewer stands."""

DIRECTNESS = 4
"""A picture's weight is this power of the cosine between the surface and its direction."""

LEAST_WEIGHT = np.float32(0.02)
"""A picture that contributes less to a texel is left out."""

INVENTED = np.float32(0.3)
"""Weight of a back made from the front, beside a picture that really shows the place."""

HIDDEN_BEHIND = np.float32(2)
"""A point this many cells behind the first surface is hidden: less would hide slanted surfaces from themselves."""

GRAZING = np.float32(0.12)
"""A direction that sees a face at a smaller cosine does not give its texture."""

SMOOTHING_ROUNDS = 3
"""Each face's choice of a tile is averaged with its neighbours' so often: fewer seams."""

INNER_COARSER = 4
"""How many times narrower the inner tiles are."""

NOWHERE = np.float32(1e6)

EDGE = np.float32(9)
"""Where depths within two cells differ by more than this, the surface has an edge."""

UNLIKE = 4.0
UNLIKE_SHARE = 0.2
"""A left side is not mirrored to the right where their distances to the middle differ by more than so many cells, and
by this share."""

MOST_GAIN = 1.35
LEAST_OVERLAP = 40
"""Exposures are matched up to this factor where two pictures share at least so many cells."""


@dataclass(frozen=True, eq=False)
class _View:
    """What is seen from one side, on the lattice: rows (going up) and columns."""

    side: Side
    hit: Bools
    points: Floats
    """(rows, columns, 3) the first surface; anything where nothing is hit."""
    normals: Floats
    """(rows, columns, 3) unit vectors."""
    nearest: Floats
    """(rows, columns) how near to the viewer the first surface is; the least in the neighbourhood."""
    smooth: Bools
    """Where the surface has no edge behind which there is another one: a picture is not to be trusted there."""

    @classmethod
    def of(cls, side: Side, hull: Hull, crossings: Crossings, middles: Floats, normals: Floats) -> _View:
        axis, sign = AXIS[side]
        shape = hull.solid.shape[:2] if axis == 2 else (hull.solid.shape[0], hull.solid.shape[2])
        # Crossings are in the order of the voxels, so along each ray the last that is written is the last one met.
        ahead = np.flatnonzero((crossings.axis == axis) & (crossings.leaves == (sign > 0)))[::sign]
        row, column = crossings.points[ahead, 1], crossings.points[ahead, 2 - axis]
        first = np.full(shape, -1, np.int64)
        first[row, column] = ahead
        hit = first >= 0
        near = np.float32(sign) * middles[first, axis]
        lowest, highest = (_least_around(np.where(hit, each, NOWHERE)) for each in (near, -near))
        nearest = np.where(hit, lowest, -NOWHERE)
        lowest, highest = _least_around(lowest), -_least_around(highest)
        smooth = highest - lowest < EDGE
        return cls(side, hit, middles[first], normals[first], nearest, smooth)

    def sees(self, points: Floats) -> Bools:
        """Whether nothing is in front of ``points`` (..., 3)."""
        axis, sign = AXIS[self.side]
        result: Bools = np.float32(sign) * points[..., axis] >= self.nearest[self._place(points)] - HIDDEN_BEHIND
        return result

    def _place(self, points: Floats) -> tuple[Ints, Ints]:
        rows, columns = self.hit.shape
        row = np.clip(np.rint(points[..., 1]).astype(np.int32), 0, rows - 1)
        column = np.clip(np.rint(points[..., 2 - AXIS[self.side][0]]).astype(np.int32), 0, columns - 1)
        return row, column

    def weight(self, points: Floats, normals: Floats) -> Floats:
        """How well this side shows ``points``: 0 to 1."""
        axis, sign = AXIS[self.side]
        cosine = np.maximum(np.float32(sign) * normals[..., axis], 0)
        result: Floats = cosine**DIRECTNESS * (self.sees(points) & self.smooth[self._place(points)])
        return result


@dataclass(frozen=True, eq=False)
class _Sheet:
    """The texels of all tiles: ``scale`` of them to a cell."""

    scale: float
    rows: int
    lattice_rows: int

    def columns(self, lattice_columns: int, coarser: int = 1) -> int:
        return max(1, math.ceil(lattice_columns * self.scale / coarser))

    def spread(self, planes: Floats) -> Floats:
        """Interpolate (..., rows going up, columns) on the lattice over the texels of a tile."""
        shape = self.rows, self.columns(planes.shape[-1])
        return raster.resample(planes[..., ::-1, :], (0, 0), 1 / self.scale, shape, outside_is_zero=False)


def paint(
    pictures: Mapping[Side, Bytes],
    cutouts: Mapping[Side, Cutout],
    hull: Hull,
    crossings: Crossings,
    net: Net,
    vertices: Floats,
    settings: Settings,
    tick: Tick,
) -> tuple[Floats, Bytes]:
    """Texture coordinates (m, 4, 2) of the faces of ``net``, whose ``vertices`` were smoothed, and the texture."""
    tick()
    middles = np.take(vertices, net.quads, axis=0).mean(axis=1)
    normals = _face_normals(vertices, net.quads)
    tick()
    smooth_normals = _averaged(normals, net, len(vertices), 1)
    smooth_normals /= np.maximum(np.sqrt((smooth_normals**2).sum(axis=1)), np.float32(1e-6))[:, None]
    seen = {side: _View.of(side, hull, crossings, middles, smooth_normals) for side in SIDES}
    tick()
    longest = max(hull.solid.shape)
    scale = min(settings.texture_size / longest, max(1.0, *(placed.cell for placed in hull.placements.values())))
    sheet = _Sheet(scale, math.ceil(hull.solid.shape[0] * scale), hull.solid.shape[0])
    sources = {side: tile(pictures[side], cutouts[side], hull.placements[side], scale, tick) for side in pictures}
    sources = _matched(sources, seen, sheet)
    invented = [side for side in SIDES if side not in sources]
    for side in invented:
        if side == "back":
            sources[side] = texture.BACKS[texture.back_for(settings, hull.front.inside)](sources["front"])
        else:
            sources[side] = _mirrored_side(sources[OPPOSITE[side]], seen, hull, sheet)
    tick()
    tiles = {side: _baked(side, sources, seen, sheet, invented, tick) for side in SIDES}
    choice, hidden = _chosen(middles, normals, seen, net, len(vertices))
    tick()
    inner = _inner_tiles(tiles, choice, hidden, middles, net, vertices, hull, sheet, tick)
    return _assembled(tiles, inner, choice, hidden, vertices[net.quads], hull, sheet)


def tile(picture: Bytes, cutout: Cutout, placed: Placement, scale: float, tick: Tick) -> Bytes:
    """The part of ``picture`` that lies on the lattice, ``scale`` texels to a cell, filled beyond the outline.

    (rows, columns, 3), rows going down and columns with x or z, whichever way the picture has them: two opposite sides
    give tiles that lie on each other.
    """
    step = placed.cell / scale
    shape = math.ceil(placed.shape[0] * scale), math.ceil(placed.shape[1] * scale)
    # Where a mirrored picture's last texel ends the lattice begins.
    left = placed.left + (placed.shape[1] * placed.cell - shape[1] * step) * placed.mirrored
    known = texture.known_texels(cutout, (placed.top, left), step, shape)
    tick()
    top_pixel, left_pixel = math.floor(placed.top), math.floor(left)
    bottom, right = math.ceil(placed.top + shape[0] * step), math.ceil(left + shape[1] * step)
    pixels = texture.with_edges(picture, top_pixel, left_pixel, bottom, right)
    factor = max(1, int(step))
    pixels = raster.shrink(pixels, factor, tick)
    origin = (placed.top - top_pixel) / factor, (left - left_pixel) / factor
    filled = texture.fill(texture.resampled(pixels, origin, step / factor, shape, tick), known)
    return filled[:, ::-1] if placed.mirrored else filled


def back_tile(front: texture.Tile, cutout: Cutout, back: Bytes, back_cutout: Cutout, tick: Tick) -> Bytes:
    """The picture of the back, mirrored, so that it lies on the tile of the front: the bounding boxes of the two
    subjects get the same middle and the same size (height plus width)."""
    top, left, bottom, right = cutout.box()
    back_top, back_left, back_bottom, back_right = back_cutout.box()
    factor = (back_bottom - back_top + back_right - back_left) / (bottom - top + right - left)
    rows, columns = front.colours.shape[:2]
    # What is right of the front's middle is left of the back's.
    tile_right = front.left + columns * front.step
    placed = Placement(
        top=(back_top + back_bottom) / 2 + (front.top - (top + bottom) / 2) * factor,
        left=(back_left + back_right) / 2 - (tile_right - (left + right) / 2) * factor,
        cell=front.step * factor,
        shape=(rows, columns),
        mirrored=True,
    )
    return tile(back, back_cutout, placed, 1.0, tick)


def _face_normals(vertices: Floats, quads: Ints) -> Floats:
    a, b, c, d = (np.take(vertices, quads[:, corner], axis=0) for corner in range(4))
    normals = np.cross(c - a, d - b)
    result: Floats = normals / np.maximum(np.sqrt((normals**2).sum(axis=1)), np.float32(1e-6))[:, None]
    return result


def _averaged(values: Floats, net: Net, count: int, rounds: int) -> Floats:
    """Average ``values`` (m, k) of faces with those of their neighbours."""
    flat = net.quads.reshape(-1)
    fans = np.maximum(np.bincount(flat, minlength=count), 1)
    for _ in range(rounds):
        at_vertices = [np.bincount(flat, np.repeat(column, 4), count) / fans for column in values.T]
        values = np.stack([column.astype(np.float32)[net.quads].mean(axis=1) for column in at_vertices], axis=1)
    return values


def _least_around(depth: Floats) -> Floats:
    """The least value of each neighbourhood of 3 x 3."""
    padded = np.pad(depth, 1, mode="edge")
    tall = np.minimum(np.minimum(padded[:-2], padded[1:-1]), padded[2:])
    result: Floats = np.minimum(np.minimum(tall[:, :-2], tall[:, 1:-1]), tall[:, 2:])
    return result


def _mirrored_side(colours: Bytes, seen: Mapping[Side, _View], hull: Hull, sheet: _Sheet) -> Bytes:
    """One side's picture for the other, without what only one of them has: a handle, an arm that is stretched out."""
    left, right = seen["left"], seen["right"]
    middle = hull.front.axis[:, None].astype(np.float32)
    to_left, to_right = left.points[..., 0] - middle, middle - right.points[..., 0]
    unlike = np.abs(to_left - to_right) > np.maximum(UNLIKE, UNLIKE_SHARE * np.maximum(to_left, to_right))
    unlike = raster.dilate(unlike & left.hit, 1)
    if not unlike.any() or (unlike | ~left.hit).all():
        return colours
    return texture.fill(colours, sheet.spread(unlike.astype(np.float32)) == 0)


def _matched(sources: Mapping[Side, Bytes], seen: Mapping[Side, _View], sheet: _Sheet) -> dict[Side, Bytes]:
    """Give the pictures the same exposure and white balance, as far as they show the same places.

    The first one stays as it is; each other follows those before it.
    """
    matched: dict[Side, Bytes] = {}
    for side in SIDES:
        if side not in sources:
            continue
        ours, theirs, count = np.zeros(3), np.zeros(3), 0
        for other in matched:
            view = seen[other]
            weight = np.minimum(view.weight(view.points, view.normals), seen[side].weight(view.points, view.normals))
            common = view.hit & (weight > LEAST_WEIGHT)
            points = view.points[common]
            count += len(points)
            ours += _colours_at(sources[side], side, points, sheet).sum(axis=0, dtype=np.float64)
            theirs += _colours_at(matched[other], other, points, sheet).sum(axis=0, dtype=np.float64)
        matched[side] = sources[side]
        if count >= LEAST_OVERLAP:
            gain = np.clip(theirs / np.maximum(ours, 1), 1 / MOST_GAIN, MOST_GAIN)
            values = np.arange(256)[:, None] * gain
            lookup = np.clip(values + 0.5, 0, 255).astype(np.uint8)
            matched[side] = np.stack([lookup[sources[side][..., c], c] for c in range(3)], axis=-1)
    return matched


def _texel(side: Side, points: Floats, sheet: _Sheet) -> tuple[Floats, Floats]:
    """Row and column, in texels from the top left corner, at which ``side`` sees ``points`` (..., 3)."""
    scale = np.float32(sheet.scale)
    row = (np.float32(sheet.lattice_rows - 0.5) - points[..., 1]) * scale
    column = (points[..., 2 - AXIS[side][0]] + np.float32(0.5)) * scale
    return row, column


def _colours_at(colours: Bytes, side: Side, points: Floats, sheet: _Sheet) -> Bytes:
    row, column = _texel(side, points, sheet)
    rows, columns = colours.shape[:2]
    return colours[np.clip(row.astype(np.int32), 0, rows - 1), np.clip(column.astype(np.int32), 0, columns - 1)]


def _baked(
    side: Side,
    sources: Mapping[Side, Bytes],
    seen: Mapping[Side, _View],
    sheet: _Sheet,
    invented: list[Side],
    tick: Tick,
) -> Bytes:
    """The tile of ``side``: at each texel, a mixture of what all pictures show of this place."""
    view = seen[side]
    others = [other for other in SIDES if other not in (side, OPPOSITE[side])]
    weights = {each: seen[each].weight(view.points, view.normals) * view.hit for each in (side, *others)}
    for each in weights:
        if each in invented and each == "back":
            weights[each] = weights[each] * INVENTED
    weights[side] = np.where(view.hit, weights[side] + LEAST_WEIGHT, 1)
    total = sum(weights.values())
    axis = AXIS[side][0]
    depth = raster.blur(_continued(view.points[..., axis], view.hit), 0.7)
    tick()
    depth_of_texels = sheet.spread(depth)
    result = sources[side].astype(np.float32)
    for other in others:
        tick()
        share = raster.blur((weights[other] / total).astype(np.float32), 1.0)
        share = sheet.spread(share)
        where = np.flatnonzero(share > LEAST_WEIGHT)
        if not len(where):
            continue
        tick()
        column = (depth_of_texels.reshape(-1)[where] + np.float32(0.5)) * np.float32(sheet.scale)
        theirs = _interpolated(sources[other], where // share.shape[1], column)
        # Shares of the two others never add up to more than 1, so that the order does not matter.
        mine = sources[side].reshape(-1, 3)[where]
        result.reshape(-1, 3)[where] += share.reshape(-1)[where][:, None] * (theirs - mine)
    return (result + np.float32(0.5)).clip(0, 255).astype(np.uint8)


def _interpolated(colours: Bytes, row: Index, column: Floats) -> Floats:
    """Colours (n, 3) at places within the rows; ``column`` counts from the left border."""
    width = colours.shape[1]
    place = np.clip(column - np.float32(0.5), 0, width - 1)
    left = np.minimum(place.astype(np.int64), max(0, width - 2))
    flat = colours.reshape(-1, 3)
    start = row * width + left
    part = (place - left)[:, None].astype(np.float32)
    near = np.take(flat, start, axis=0).astype(np.float32)
    far = np.take(flat, start + min(1, width - 1), axis=0)
    result: Floats = near + part * (far - near)
    return result


def _continued(values: Floats, known: Bools) -> Floats:
    """Fill the gaps of ``values`` (rows, columns) smoothly."""
    planes = np.stack([values, values, values, np.ones_like(values)]) * known
    filled: Floats = texture.pull_push(planes)[0]
    return filled


def _chosen(middles: Floats, normals: Floats, seen: Mapping[Side, _View], net: Net, count: int) -> tuple[Index, Bools]:
    """For each face the number of the side whose tile it takes, and whether it takes the inner one."""
    cosines = np.stack([np.float32(AXIS[side][1]) * normals[:, AXIS[side][0]] for side in SIDES], axis=1)
    visible = np.stack([seen[side].sees(middles) for side in SIDES], axis=1)
    usable = visible & (cosines > 0)
    score = _averaged(np.where(usable & (cosines > GRAZING), cosines, 0), net, count, SMOOTHING_ROUNDS)
    score = np.where(usable, score, np.float32(-1))
    choice = score.argmax(axis=1)
    hidden = score.max(axis=1) <= np.float32(GRAZING / 2)
    return np.where(hidden, cosines.argmax(axis=1), choice), hidden


def _inner_tiles(
    tiles: Mapping[Side, Bytes],
    choice: Index,
    hidden: Bools,
    middles: Floats,
    net: Net,
    vertices: Floats,
    hull: Hull,
    sheet: _Sheet,
    tick: Tick,
) -> dict[Side, Bytes]:
    """For each side with hidden faces a tile with the colours of the surface around them."""
    if not hidden.any():
        return {}
    colours = np.zeros((len(choice), 3), np.float32)
    for number, side in enumerate(SIDES):
        mine = ~hidden & (choice == number)
        colours[mine] = _colours_at(tiles[side], side, middles[mine], sheet)
    average = colours[~hidden].mean(axis=0) if not hidden.all() else np.full(3, 128, np.float32)
    colours, touches = _continued_over(colours, hidden, net, len(vertices))
    tick()
    inner: dict[Side, Bytes] = {}
    for number, side in enumerate(SIDES):
        mine = hidden & (choice == number)
        if not mine.any():
            continue
        tick()
        axis = AXIS[side][0]
        shape = hull.solid.shape[0], hull.solid.shape[1 if axis == 2 else 2]
        seeds = mine & touches
        row, column = (
            np.clip(np.rint(middles[seeds, a]).astype(np.int64), 0, size - 1)
            for a, size in zip((1, 2 - axis), shape, strict=True)
        )
        place = row * shape[1] + column
        hits = np.bincount(place, minlength=shape[0] * shape[1])
        sums = [np.bincount(place, colours[seeds, c], shape[0] * shape[1]) for c in range(3)]
        means = np.where(seeds.any(), np.stack(sums, axis=1) / np.maximum(hits, 1)[:, None], average)
        known = (hits > 0) | ~seeds.any()
        filled = texture.fill((means + 0.5).astype(np.uint8).reshape(*shape, 3), known.reshape(shape))
        planes = np.moveaxis(filled, 2, 0).astype(np.float32)
        spread = sheet.spread(planes)[:, :, ::INNER_COARSER]
        width = sheet.columns(shape[1], INNER_COARSER)
        spread = np.pad(spread, ((0, 0), (0, 0), (0, max(0, width - spread.shape[2]))), mode="edge")[..., :width]
        inner[side] = np.moveaxis(spread + np.float32(0.5), 0, 2).astype(np.uint8)
    return inner


def _continued_over(colours: Floats, unknown: Bools, net: Net, count: int) -> tuple[Floats, Bools]:
    """Colours (m, 3) of the ``unknown`` faces that touch known ones, and which these are."""
    corners = net.quads[~unknown].reshape(-1)
    weight = np.bincount(corners, minlength=count).astype(np.float32)
    sums = [np.bincount(corners, np.repeat(column, 4), count) for column in colours[~unknown].T]
    around = net.quads[unknown]
    weights = weight[around].sum(axis=1)
    touches = np.zeros(len(colours), bool)
    touches[unknown] = weights > 0
    result = colours.copy()
    for channel, total in enumerate(sums):
        result[unknown, channel] = total[around].sum(axis=1) / np.maximum(weights, 1)
    return result, touches


def _assembled(
    tiles: Mapping[Side, Bytes],
    inner: Mapping[Side, Bytes],
    choice: Index,
    hidden: Bools,
    corners: Floats,
    hull: Hull,
    sheet: _Sheet,
) -> tuple[Floats, Bytes]:
    """Texture coordinates and the atlas: the four tiles, then the inner ones."""
    uvs = np.zeros((len(choice), 4, 2), np.float32)
    parts: list[Bytes] = []
    start = 0
    for is_inner, group in ((False, tiles), (True, inner)):
        for number, side in enumerate(SIDES):
            if side not in group:
                continue
            width = group[side].shape[1]
            mine = (choice == number) & (hidden == is_inner)
            row, column = _texel(side, corners[mine], sheet)
            if is_inner:
                column = column / np.float32(INNER_COARSER)
            uvs[mine, :, 0] = np.clip(column, 0.5, width - 0.5) + np.float32(start)
            uvs[mine, :, 1] = np.clip(row, 0.5, sheet.rows - 0.5)
            parts.append(group[side])
            start += width
    uvs /= np.array([start, sheet.rows], np.float32)
    return uvs, np.concatenate(parts, axis=1)
