# SPDX-License-Identifier: GPL-3.0-or-later
"""Left and right: whether a subject is its own mirror image, and how to make it one."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .arrays import Bools, Bytes, Value
from .mask import INSIDE, Cutout

SEARCH = 1 / 16
"""How far to each side of the middle the mirror may stand, as a share of the width."""


class Mirror(NamedTuple):
    """An upright mirror. Column j of a mask has column ``twice_place`` - j as its mirror image."""

    twice_place: int
    likeness: float
    """Intersection over union of the mask with its mirror image."""


def best_mirror(mask: Bools) -> Mirror:
    """The mirror, near the middle of ``mask`` (rows, columns), in which it looks most like itself."""
    columns = mask.shape[1]
    reach = math.ceil(2 * SEARCH * columns)
    weights = mask.sum(axis=0)
    twice_middle = round(2 * float((weights * np.arange(columns)).sum() / weights.sum()))
    mirrored = np.pad(mask, ((0, 0), (columns + reach, columns + reach)))[:, ::-1]
    area = 2 * np.count_nonzero(mask)
    best = Mirror(twice_middle, 0.0)
    for place in range(twice_middle - reach, twice_middle + reach + 1):
        start = 2 * columns + reach - 1 - place
        common = np.count_nonzero(mask & mirrored[:, start : start + columns])
        if common > best.likeness * (area - common):
            best = Mirror(place, common / (area - common))
    return best


def symmetrical(picture: Bytes, cutout: Cutout) -> tuple[Bytes, Cutout]:
    """The subject's half that has more of it, and its mirror image; picture (rows, columns, 4) and where it is."""
    twice_place = best_mirror(cutout.coverage >= INSIDE).twice_place
    # The mirror stands between two pixels of the coverage, so that both halves have whole ones.
    middle = min(max((twice_place + 1) // 2, 1), cutout.coverage.shape[1] - 1)
    left, right = cutout.coverage[:, :middle], cutout.coverage[:, middle:]
    is_left = np.count_nonzero(left >= INSIDE) > np.count_nonzero(right >= INSIDE)
    place = cutout.left + middle * cutout.factor
    # Each half as the left one.
    half, covered = (picture[:, :place], left) if is_left else (picture[:, place:][:, ::-1], right[:, ::-1])
    start = half.shape[1] - covered.shape[1] * cutout.factor
    size = half.shape[0], 2 * half.shape[1]
    return _both(half), replace(cutout, coverage=_both(covered), left=start, picture_size=size)


def _both(half: NDArray[Value]) -> NDArray[Value]:
    """A left half (rows, columns, ...) and its mirror image."""
    return np.concatenate([half, half[:, ::-1]], axis=1)
