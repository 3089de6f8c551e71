# SPDX-License-Identifier: GPL-3.0-or-later
"""Which part of the picture is the subject.

A strategy is a function from a picture to a coverage, (rows, columns) from 0 to 1; a new one is a new line of
``STRATEGIES``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from . import components, network, raster, refine
from .arrays import Bools, Bytes, Floats, Side, Tick
from .settings import MaskSource

INSIDE = 0.5
"""The outline is where the coverage has this value."""

ALPHA_IN_USE = 10
"""A picture whose least alpha (of 255) is below this has been cut out."""

ALPHA_VISIBLE = 10
"""A picture whose greatest alpha (of 255) is below this shows nothing."""

KEPT_PART = 0.05
"""Parts of the subject smaller than this share of the largest are dropped: they would become debris."""

KEPT_PART_OF_ALPHA = 0.01
"""The same where a person cut out the subject: small parts are meant, but not specks."""

FILLED_HOLE = 0.0015
"""Holes smaller than this share of the subject are filled."""

BORDER = 2
"""Width in pixels of the border that a plain background is fitted to."""

BORDER_FITS = 0.6
BORDER_RESIDUAL = 3.0
"""A background is plain if this share of the border fits (a bust reaches the lower border), with a median colour
distance (CIE76) below this (photographs of a place have more)."""

FLAT_RESIDUAL = 0.3
"""A plain background is flat if the median colour distance is below this: not even noise."""

FIT_ROUNDS = 8
LEAST_RESIDUAL = 0.5
"""Of the fit of the background; colours nearer than this (CIE76) are the same to the eye."""

LEAST_TOLERANCE = 6.0
"""Colour distances below this are noise. See ``_tolerance``."""

FAINT = 0.3
"""Pixels with this share of the greatest opacity may belong to a thin part: a line of one pixel, drawn smoothly, is
shared by two."""

LEAST_BLOCKS = 4
"""A thin part crosses at least so many blocks of pixels."""

MARGIN = 0.1
"""Room left around the subject, as a share of its size, when it is looked at more closely."""


LEAST_CONTRAST = 0.3
"""Where the range of the network's map, which goes from 0 to 1, is below this, there is no subject."""

AGREES, AGREES_IF_FLAT = 0.85, 0.5
"""What differs from a plain background is the subject if the network's subject shares at least this much with it
(intersection over union): bricks are plain but for the mortar between them. Where the background is one flat colour, as
around a drawing, it is trusted more than the network, which knows photographs."""

SAME_PROPORTIONS = 0.02
"""A mask may have other proportions than its picture by this share."""

LARGE, SMALL = 0.9, 0.02
"""Subjects above or below this share of the picture are worth a word."""

CUT_OFF = 0.1
CUT_OFF_DEPTH, CUT_OFF_STEEPNESS = 0.03, 0.6
"""A subject is cut off by an edge of the picture of which it covers the first share, if it is hardly wider further in:
at this share of the picture's size it must not be wider than by the last. A cut-out that was trimmed to its bounding
box touches every edge too, but mostly with something round."""


FoundBy: TypeAlias = MaskSource | Literal["given"]


class UnusablePicture(ValueError):
    """Nothing can be made of a picture; the text is a sentence for the user."""

    view: Side | Literal["mask"] = "front"
    """Which picture it is."""


class EmptyMask(UnusablePicture):
    """There is no subject in the picture."""


class MaskDoesNotFit(UnusablePicture):
    """The mask belongs to another picture."""


@dataclass(frozen=True, eq=False)
class Cutout:
    """Where the subject is. Pixel (r, c) of the coverage is a block of ``factor`` x ``factor`` pixels of the picture,
    the first of which is row ``top`` + r * ``factor``, column ``left`` + c * ``factor``."""

    coverage: Floats
    top: int
    left: int
    factor: int
    picture_size: tuple[int, int] = (0, 0)
    """Rows and columns of the picture."""
    source: FoundBy = "whole"
    """How it was found; "auto" where nothing was, so that all of the picture is taken."""

    def box(self) -> tuple[int, int, int, int]:
        """Top, left, bottom, right of the subject in pixels of the picture."""
        box = raster.bounding_box(self.coverage >= INSIDE)
        top, left, bottom, right = (self.factor * value for value in box)
        return self.top + top, self.left + left, self.top + bottom, self.left + right


def find(picture: Bytes, source: MaskSource, least_size: int, tick: Tick, given: Bytes | None = None) -> Cutout:
    """Find the subject of ``picture`` (rows, columns, RGBA), or take a person's word for it.

    ``given`` (rows, columns, RGBA) is a mask of any size that overrides ``source``: its opacity if it has transparent
    pixels, else its brightness. The longer side of the coverage has at least ``least_size`` pixels where the picture
    has as many. A small subject is found twice: in the whole picture and then, more exactly, in the part around it.
    Raises EmptyMask, MaskDoesNotFit.
    """
    everything = (0, 0, picture.shape[0], picture.shape[1])
    if given is not None:
        return _given(picture, given, least_size, tick)
    cutout = _find_within(picture, everything, source, least_size, tick)
    top, left, bottom, right = cutout.box()
    if cutout.factor > 1 and 2 * max(bottom - top, right - left) <= max(picture.shape[:2]):
        margin = cutout.factor + int(MARGIN * max(bottom - top, right - left))
        part = (max(0, top - margin), max(0, left - margin), bottom + margin, right + margin)
        cutout = _find_within(picture, part, cutout.source, least_size, tick)
    return cutout


def concerns(cutout: Cutout) -> tuple[str, ...]:
    """What a person should know about a subject that ``find`` found: sentences."""
    if cutout.source == "whole":
        return ()
    if cutout.source == "auto":
        return ("No subject was found, so the whole picture became one: choose one with a mask.",)
    sentences: list[str] = []
    inside = cutout.coverage >= INSIDE
    sentences += _cut_off(cutout, inside)
    share = np.count_nonzero(inside) * cutout.factor**2 / (cutout.picture_size[0] * cutout.picture_size[1])
    if share < SMALL:
        percent = f"{100 * max(share, 0.001):.1f}"
        sentences.append(f"The subject is only {percent} % of the picture: crop the picture for more detail.")
    elif share > LARGE and cutout.source not in {"alpha", "given"}:
        sentences.append(
            "The subject is over 90 % of the picture: probably the background was taken for a part of it. Choose "
            "another way to find the subject, or give a mask."
        )
    count = len(components.find(inside, over_corners=True).areas)
    if count > 1 and cutout.source != "given":
        sentences.append(f"{count} separate parts were found and all became shapes: choose one with a mask.")
    return tuple(sentences)


def _cut_off(cutout: Cutout, inside: Bools) -> list[str]:
    """A sentence for each edge of the picture that goes through the subject."""
    rows, columns = inside.shape
    height, width = cutout.picture_size
    bottom, right = cutout.top + rows * cutout.factor, cutout.left + columns * cutout.factor
    # Seen from each edge of the picture, rows from there inwards.
    views = {
        "The subject touches the left edge of the picture: it is cut off there, and so is its shape.": (
            cutout.left == 0,
            inside.T,
        ),
        "The subject touches the right edge of the picture: it is cut off there, and so is its shape.": (
            right >= width,
            inside.T[::-1],
        ),
        "The subject touches the upper edge of the picture: it is cut off there, and so is its shape.": (
            cutout.top == 0,
            inside,
        ),
        "The subject touches the lower edge of the picture: it is cut off there, and so is its shape.": (
            bottom >= height,
            inside[::-1],
        ),
    }
    found = []
    for sentence, (is_at_edge, view) in views.items():
        at_edge, further_in = (np.count_nonzero(view[depth]) for depth in (0, int(CUT_OFF_DEPTH * len(view))))
        if is_at_edge and at_edge >= max(CUT_OFF * view.shape[1], CUT_OFF_STEEPNESS * further_in):
            found.append(sentence)
    return found


def _given(picture: Bytes, given: Bytes, least_size: int, tick: Tick) -> Cutout:
    """All parts of a mask stay: a person meant them."""
    (rows, columns), (height, width) = picture.shape[:2], given.shape[:2]
    if abs(height * columns - width * rows) > SAME_PROPORTIONS * min(height * columns, width * rows):
        raise MaskDoesNotFit(
            f"The mask is {width} x {height} pixels and the picture {columns} x {rows}: they must have the same "
            "proportions."
        )
    factor = max(1, max(rows, columns) // least_size)
    is_cut_out = given[..., 3].min() < ALPHA_IN_USE
    small = raster.shrink(given, max(1, max(height, width) // least_size), tick)
    if is_cut_out:
        values = small[..., 3].astype(np.float32)
    else:
        values = raster.luminance(np.moveaxis(small[..., :3], 2, 0))
    coverage: Floats = raster.fit(values, (-(-rows // factor), -(-columns // factor))) / np.float32(255)
    if not (coverage >= INSIDE).any():
        raise EmptyMask("The mask is black (or transparent) everywhere: white is the subject.")
    return Cutout(coverage, 0, 0, factor, (rows, columns), "given")


def _find_within(
    picture: Bytes, part: tuple[int, int, int, int], source: FoundBy, least_size: int, tick: Tick
) -> Cutout:
    top, left, bottom, right = part
    cropped = picture[top:bottom, left:right]
    factor = max(1, max(cropped.shape[:2]) // least_size)
    small = raster.shrink(cropped, factor, tick)
    tick()
    coverage, found_by = _chosen(small, tick) if source == "auto" else (STRATEGIES[source](small, tick), source)
    tick()
    if found_by == "alpha" and factor > 1:
        coverage = np.maximum(coverage, _thin_parts(cropped[..., 3], factor))
        tick()
    coverage = _without_debris(coverage, KEPT_PART_OF_ALPHA if found_by == "alpha" else KEPT_PART)
    return Cutout(coverage, top, left, factor, (picture.shape[0], picture.shape[1]), found_by)


def _thin_parts(alpha: Bytes, factor: int) -> Floats:
    """Which blocks of ``factor`` x ``factor`` pixels are crossed by a part that is thinner than a block, 0 or 1: an
    antenna of one pixel would vanish in their averages."""
    opaque: Bools = alpha >= max(1, FAINT * int(alpha.max()))
    thin = raster.thin(opaque, factor // 2)
    rows, columns = -(-thin.shape[0] // factor), -(-thin.shape[1] // factor)
    padded = np.pad(thin, ((0, rows * factor - thin.shape[0]), (0, columns * factor - thin.shape[1])))
    blocks: Bools = np.asarray(padded.reshape(rows, factor, columns, factor).any(axis=(1, 3)))
    # Single blocks are the corners of thicker parts.
    parts = components.find(blocks, over_corners=True)
    return parts.select(parts.areas >= LEAST_BLOCKS).astype(np.float32)


def _chosen(picture: Bytes, tick: Tick) -> tuple[Floats, FoundBy]:
    """The coverage by what fits, and what that is."""
    if picture[..., 3].min() < ALPHA_IN_USE:
        return _by_alpha(picture, tick), "alpha"
    background = Background.fit(picture)
    differs = background.differs(picture)
    if background.is_plain and not differs.any():
        return _whole(picture, tick), "auto"
    try:
        salient = _by_network(picture, tick)
    except EmptyMask:
        if background.is_plain:
            return _with_enclosed(differs).astype(np.float32), "background"
        return _whole(picture, tick), "auto"
    if background.is_plain:
        subject = _with_enclosed(differs, salient >= INSIDE)
        if raster.overlap(subject, salient >= INSIDE) >= (AGREES_IF_FLAT if background.is_flat else AGREES):
            return subject.astype(np.float32), "background"
    return salient, "network"


def _with_enclosed(differs: Bools, salient: Bools | None = None) -> Bools:
    """What differs from the background, and what of its colours is enclosed by that: an eye or a label. With
    ``salient``, what the network takes for the subject, only if that is most of it: not the hole of a ring."""
    alike = components.find(~differs)
    filled = ~alike.touches_border
    if salient is not None:
        count = len(alike.areas)
        seen = np.bincount(alike.at_pixels(np.arange(count)), salient[alike.mask], count)
        filled &= 2 * seen >= alike.areas
    return differs | alike.select(filled)


def _by_alpha(picture: Bytes, tick: Tick) -> Floats:
    """Opacity, relative to the most opaque pixel: a faint watermark has a shape too."""
    alpha = picture[..., 3]
    most = int(alpha.max())
    if most < ALPHA_VISIBLE:
        raise EmptyMask("The picture is fully transparent.")
    opacity: Floats = alpha.astype(np.float32) / np.float32(most)
    return opacity


def _by_background(picture: Bytes, tick: Tick) -> Floats:
    """What cannot be reached from the border without leaving the background's colour."""
    differs = Background.fit(picture).differs(picture)
    if not differs.any():
        raise EmptyMask("Nothing in the picture differs from its background.")
    return _with_enclosed(differs).astype(np.float32)


def _by_network(picture: Bytes, tick: Tick) -> Floats:
    """What the network finds salient, its outline on the edges of the picture."""
    planes = np.stack([picture[..., channel].astype(np.float32) for channel in range(3)])
    salient = network.saliency(network.normalised(raster.fit(planes, (network.SIDE, network.SIDE))), tick)
    low, high = float(salient.min()), float(salient.max())
    if high - low < LEAST_CONTRAST:
        raise EmptyMask("No subject stands out in the picture.")
    # Yes or no: last bits differ between versions of numpy, and must not become a matter of degree.
    coarse = ((salient - low) / (high - low) >= INSIDE).astype(np.float32)
    coverage = refine.to_edges(raster.fit(coarse, (picture.shape[0], picture.shape[1])), picture, tick)
    if not (coverage >= INSIDE).any():
        raise EmptyMask("No subject stands out in the picture.")
    return coverage


def _whole(picture: Bytes, tick: Tick) -> Floats:
    return np.ones(picture.shape[:2], np.float32)


STRATEGIES: Mapping[str, Callable[[Bytes, Tick], Floats]] = MappingProxyType(
    {"alpha": _by_alpha, "background": _by_background, "network": _by_network, "whole": _whole}
)


def _without_debris(coverage: Floats, kept_part: float) -> Floats:
    """Clear the small parts and fill the small holes."""
    parts = components.find(coverage >= INSIDE, over_corners=True)
    if not len(parts.areas):
        raise EmptyMask("The subject of the picture is too thin or too faint to become a shape.")
    kept = parts.areas >= kept_part * parts.areas.max()
    debris = parts.select(~kept)
    if debris.any():
        # Their soft rims go as well.
        coverage = np.where(raster.dilate(debris, 1) & ~parts.select(kept), np.float32(0), coverage)
    outside = components.find(coverage < INSIDE)
    holes = ~outside.touches_border & (outside.areas < FILLED_HOLE * parts.areas[kept].sum())
    return np.where(outside.select(holes), np.float32(1), coverage) if holes.any() else coverage


@dataclass(frozen=True, eq=False)
class Background:
    """A plain background: each channel of CIE Lab is a quadratic function of the place, which follows soft light."""

    coefficients: NDArray[np.float64]
    """(6, 3): for 1, x, y, xx, xy, yy."""
    tolerance: float
    """Pixels whose colour is nearer than this belong to the background."""
    is_plain: bool
    is_flat: bool
    """Plain without noise."""

    @classmethod
    def fit(cls, picture: Bytes) -> Background:
        """Fit most of the border of ``picture``, not all: a subject may reach it.

        Least squares, again and again, each pixel weighted by how well it fitted (iteratively reweighted, as in
        Chartrand and Yin, 2008, for p = 0), beginning with the distance from the median colour.
        """
        border = np.ones(picture.shape[:2], bool)
        border[BORDER:-BORDER, BORDER:-BORDER] = False
        colours = _lab(picture[border]).astype(np.float64)
        terms = _terms(*_coordinates(picture.shape))[:, border].T.astype(np.float64)
        residual = np.linalg.norm(colours - np.median(colours, axis=0), axis=1)
        for _ in range(FIT_ROUNDS):
            weights = 1 / np.maximum(residual, LEAST_RESIDUAL)[:, None]
            coefficients: NDArray[np.float64] = np.linalg.lstsq(weights * terms, weights * colours, rcond=None)[0]
            residual = np.linalg.norm(colours - terms @ coefficients, axis=1)
        median = float(np.median(residual))
        fits = bool((residual <= _tolerance(median)).mean() > BORDER_FITS)
        return cls(coefficients, _tolerance(median), fits and median < BORDER_RESIDUAL, fits and median < FLAT_RESIDUAL)

    def differs(self, picture: Bytes) -> Bools:
        """The pixels, (rows, columns), whose colour (CIE76) is further away than the tolerance."""
        terms = _terms(*_coordinates(picture.shape))
        lab = _lab(picture.reshape(-1, picture.shape[2])).reshape(*picture.shape[:2], 3)
        squared = np.zeros(picture.shape[:2], np.float32)
        for channel in range(3):
            expected = sum(np.float32(c) * term for c, term in zip(self.coefficients[:, channel], terms, strict=True))
            squared += (lab[..., channel] - expected) ** 2
        result: Bools = np.sqrt(squared) > self.tolerance
        return result


def _tolerance(median_residual: float) -> float:
    """Largest colour distance that still counts as background; tuned on 20 cut-outs over plain backgrounds."""
    return max(LEAST_TOLERANCE, 3.5 * median_residual + 2.0)


def _coordinates(shape: tuple[int, ...]) -> tuple[Floats, Floats]:
    """x (1, columns) and y (rows, 1), from -1 to 1."""
    x = np.linspace(-1, 1, shape[1], dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, shape[0], dtype=np.float32)[:, None]
    return x, y


def _terms(x: Floats, y: Floats) -> Floats:
    """The six terms of a quadratic function, (6, rows, columns)."""
    one = np.ones((y.shape[0], x.shape[1]), np.float32)
    return np.stack([one, x * one, y * one, x * x * one, x * y, y * y * one])


SRGB_TO_LINEAR = np.where(
    np.arange(256) <= 0.04045 * 255, np.arange(256) / 255 / 12.92, ((np.arange(256) / 255 + 0.055) / 1.055) ** 2.4
).astype(np.float32)
"""IEC 61966-2-1, for each of the 256 values."""

LINEAR_TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ],
    np.float32,
) / np.array([[0.95047], [1.0], [1.08883]], np.float32)
"""IEC 61966-2-1, each row divided by its value for the white point D65."""

LAB_KNEE = (6 / 29) ** 3
"""Below this CIE Lab is linear (CIE 15)."""


def _lab(pixels: Bytes) -> Floats:
    """CIE Lab (n, 3) of sRGB ``pixels`` (n, 3 or 4)."""
    red, green, blue = (SRGB_TO_LINEAR[pixels[:, channel]] for channel in range(3))
    root = np.zeros((3, len(pixels)), np.float32)
    for axis, weights in enumerate(LINEAR_TO_XYZ):
        value = weights[0] * red + weights[1] * green + weights[2] * blue
        linear = value * np.float32((29 / 6) ** 2 / 3) + np.float32(4 / 29)
        root[axis] = np.where(value > LAB_KNEE, np.cbrt(value), linear)
    return np.stack([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])], axis=1)
