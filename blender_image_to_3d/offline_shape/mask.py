# SPDX-License-Identifier: GPL-3.0-or-later
"""Which part of the picture is the subject.

A strategy is a function from a picture to a coverage, (rows, columns) from 0 to 1; a new one is a new line of
``STRATEGIES``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from . import components, raster
from .arrays import Bytes, Floats, Tick
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

FIT_ROUNDS = 8
LEAST_RESIDUAL = 0.5
"""Of the fit of the background; colours nearer than this (CIE76) are the same to the eye."""

LEAST_TOLERANCE = 6.0
"""Colour distances below this are noise. See ``_tolerance``."""

MARGIN = 0.1
"""Room left around the subject, as a share of its size, when it is looked at more closely."""


class EmptyMask(ValueError):
    """There is no subject in the picture."""

    view = "front"
    """Of which side the picture is."""


@dataclass(frozen=True, eq=False)
class Cutout:
    """Where the subject is. Pixel (r, c) of the coverage is a block of ``factor`` x ``factor`` pixels of the picture,
    the first of which is row ``top`` + r * ``factor``, column ``left`` + c * ``factor``."""

    coverage: Floats
    top: int
    left: int
    factor: int

    def box(self) -> tuple[int, int, int, int]:
        """Top, left, bottom, right of the subject in pixels of the picture."""
        box = raster.bounding_box(self.coverage >= INSIDE)
        top, left, bottom, right = (self.factor * value for value in box)
        return self.top + top, self.left + left, self.top + bottom, self.left + right


def find(picture: Bytes, source: MaskSource, least_size: int, tick: Tick) -> Cutout:
    """Find the subject of ``picture`` (rows, columns, RGBA).

    The longer side of the coverage has at least ``least_size`` pixels where the picture has as many. A small subject
    is found twice: in the whole picture and then, more exactly, in the part around it.
    Raises EmptyMask.
    """
    if source == "auto":
        source = _best_source(picture, least_size, tick)
    cutout = _find_within(picture, (0, 0, picture.shape[0], picture.shape[1]), source, least_size, tick)
    top, left, bottom, right = cutout.box()
    if cutout.factor > 1 and 2 * max(bottom - top, right - left) <= max(picture.shape[:2]):
        margin = cutout.factor + int(MARGIN * max(bottom - top, right - left))
        part = (max(0, top - margin), max(0, left - margin), bottom + margin, right + margin)
        cutout = _find_within(picture, part, source, least_size, tick)
    return cutout


def _find_within(
    picture: Bytes, part: tuple[int, int, int, int], source: MaskSource, least_size: int, tick: Tick
) -> Cutout:
    top, left, bottom, right = part
    cropped = picture[top:bottom, left:right]
    factor = max(1, max(cropped.shape[:2]) // least_size)
    small = raster.shrink(cropped, factor, tick)
    tick()
    coverage = STRATEGIES[source](small)
    tick()
    coverage = _without_debris(coverage, KEPT_PART_OF_ALPHA if source == "alpha" else KEPT_PART)
    return Cutout(coverage, top, left, factor)


def _best_source(picture: Bytes, least_size: int, tick: Tick) -> MaskSource:
    if picture[..., 3].min() < ALPHA_IN_USE:
        return "alpha"
    small = raster.shrink(picture, max(1, max(picture.shape[:2]) // least_size), tick)
    background = Background.fit(small)
    if background.is_plain and (background.distance(small) > background.tolerance).any():
        return "background"
    return "whole"


def _by_alpha(picture: Bytes) -> Floats:
    """Opacity, relative to the most opaque pixel: a faint watermark has a shape too."""
    alpha = picture[..., 3]
    most = int(alpha.max())
    if most < ALPHA_VISIBLE:
        raise EmptyMask("The picture is fully transparent.")
    opacity: Floats = alpha.astype(np.float32) / np.float32(most)
    return opacity


def _by_background(picture: Bytes) -> Floats:
    """What cannot be reached from the border without leaving the background's colour."""
    background = Background.fit(picture)
    like_background = components.find(background.distance(picture) <= background.tolerance)
    subject = ~like_background.select(like_background.touches_border)
    if not subject.any():
        raise EmptyMask("Nothing in the picture differs from its background.")
    return subject.astype(np.float32)


def _whole(picture: Bytes) -> Floats:
    return np.ones(picture.shape[:2], np.float32)


STRATEGIES: Mapping[str, Callable[[Bytes], Floats]] = MappingProxyType(
    {"alpha": _by_alpha, "background": _by_background, "whole": _whole}
)


def _without_debris(coverage: Floats, kept_part: float) -> Floats:
    """Clear the small parts and fill the small holes."""
    parts = components.find(coverage >= INSIDE)
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
        fits = residual <= _tolerance(median)
        return cls(coefficients, _tolerance(median), bool(fits.mean() > BORDER_FITS and median < BORDER_RESIDUAL))

    def distance(self, picture: Bytes) -> Floats:
        """Colour distance (CIE76) of each pixel, (rows, columns), to the background."""
        terms = _terms(*_coordinates(picture.shape))
        lab = _lab(picture.reshape(-1, picture.shape[2])).reshape(*picture.shape[:2], 3)
        squared = np.zeros(picture.shape[:2], np.float32)
        for channel in range(3):
            expected = sum(np.float32(c) * term for c, term in zip(self.coefficients[:, channel], terms, strict=True))
            squared += (lab[..., channel] - expected) ** 2
        return np.sqrt(squared)


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
