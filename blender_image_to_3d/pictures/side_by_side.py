# SPDX-License-Identifier: GPL-3.0-or-later
"""Several views as one picture, for services that take them apart again.

TRELLIS' ``split_image`` cuts wherever columns begin or end to be fully transparent, and only there. A view that begins
in the first column of the picture, or ends in the last one, would be lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import BadPicture
from ..host import system
from ..offline_shape import mask, raster, texture
from . import scaling
from .handed_over import megabytes
from .pixels import find_blender, read
from .source import quoted

Pixels = NDArray[np.uint8]

GAP = 32
"""Fully transparent columns between the views and at both ends."""

MAX_HEIGHT = 1024
"""Pixels. TRELLIS looks at 518 x 518 of each view."""

_LEAST_SIDE = MAX_HEIGHT
"""Of what a subject is looked for in, its longer side in pixels: enough for an outline of the height that is kept."""

_RIM = 2
"""Pixels along an outline that anti-aliasing and JPEG mix with the background."""

_HINT = "Cut the subject out in an image editor, and save it as PNG with a transparent background."


def write_side_by_side(
    paths: Sequence[Path],
    target: Path,
    *,
    names: Sequence[str] | None = None,
    blender: str | None,
    max_bytes: int | None,
) -> tuple[str, ...]:
    """Write the views, the front first, as one PNG; return what the user should know of it.

    names: what the user calls the pictures, where that is not their file's name.

    Raises:
        BadPicture: one cannot be decoded or cut out, or shows nothing.
        OSError: the PNG cannot be written.
    """
    views, notes = [], []
    for path, name in zip(paths, names or [path.name for path in paths], strict=True):
        pixels = read(path, blender=find_blender(blender))
        if not is_cut_out(pixels):
            pixels = cut_out(pixels, name=quoted(name))
            notes.append(f"{quoted(name)} was cut out of its background.")
        # A large picture must not stay in memory while the next one is read.
        view = _cropped(pixels, name=quoted(name))
        views.append(_scaled(view, min(len(view), MAX_HEIGHT)))
    full = min(len(view) for view in views)
    fitted = scaling.largest(lambda scale: compose(views, max_height=max(1, round(full * scale))), max_bytes)
    if max_bytes is not None and fitted.height < full:
        notes.append(
            f"The views were scaled down to a height of {fitted.height} pixels: all of them together may have at most "
            f"{megabytes(max_bytes)}."
        )
    system.write_atomically(target, fitted.data)
    return tuple(notes)


def compose(pictures: Sequence[Pixels], *, max_height: int = MAX_HEIGHT) -> Pixels:
    """Put cut-outs side by side, cropped, and as high as the lowest of them.

    pictures: each (h, w, 4) RGBA with straight alpha. Returns (height, width, 4): between two groups of fully
    transparent columns lies exactly one view, and there are such columns at both ends.
    Raises BadPicture if one of them shows nothing.
    """
    views = [_cropped(picture, name=f"Picture {number}") for number, picture in enumerate(pictures, 1)]
    height = min(max_height, *(len(view) for view in views))
    gap = np.zeros((height, GAP, 4), np.uint8)
    parts = [gap]
    for view in views:
        parts += [_in_one_piece(_scaled(view, height)), gap]
    return np.concatenate(parts, axis=1)


def is_cut_out(pixels: Pixels) -> bool:
    """Whether somebody has made the background of (h, w, 4) pixels transparent."""
    return bool(pixels[:, :, 3].min() < mask.ALPHA_IN_USE)


def cut_out(pixels: Pixels, *, name: str = "The picture") -> Pixels:
    """Make a plain background transparent.

    pixels: (h, w, 4). name: begins the message, as ``source.quoted`` returns it. Returns (h', w', 4) RGBA with straight
    alpha: the part around the subject, and less of its pixels where it had very many.

    Raises:
        BadPicture: the background is not plain, or nothing stands out from it.
    """
    try:
        found = mask.find(pixels, "auto", _LEAST_SIDE, _go_on)
    except mask.EmptyMask:
        raise BadPicture(f"{name} has no subject that stands out from its background.", hint=_HINT) from None
    if bool((found.coverage >= mask.INSIDE).all()):
        raise BadPicture(f"{name} has no plain background that the subject could be cut out of.", hint=_HINT)
    rows, columns = (found.factor * size for size in found.coverage.shape)
    part = pixels[found.top : found.top + rows, found.left : found.left + columns]
    result = raster.shrink(part, found.factor, _go_on).copy()
    result[:, :, :3] = _without_rim(result[:, :, :3], found.coverage >= mask.INSIDE)
    result[:, :, 3] = np.rint(found.coverage * np.float32(255))
    result[result[:, :, 3] == 0] = 0
    return result


def _without_rim(colours: Pixels, subject: NDArray[np.bool_]) -> Pixels:
    """Replace the colours along the outline, into which the background is mixed, by a continuation of those inside.

    colours: (h, w, 3). subject: (h, w). What is too thin to have an inside keeps its colours.
    """
    inside = raster.erode(subject, _RIM)
    if not inside.any():
        return colours
    is_rim = subject & ~inside & raster.dilate(inside, 2 * _RIM)
    return np.where(is_rim[:, :, None], texture.fill(colours, inside), colours)


def _go_on() -> None:
    """Nobody can stop it between two steps: the steps take less than a second."""


def _cropped(pixels: Pixels, *, name: str) -> Pixels:
    """Return the part of (h, w, 4) pixels in which something can be seen. Raises BadPicture if there is none."""
    is_visible = pixels[:, :, 3] >= mask.ALPHA_VISIBLE
    if not is_visible.any():
        raise BadPicture(f"{name} is fully transparent.", hint="Choose another picture of this view.")
    top, left, bottom, right = raster.bounding_box(is_visible)
    return pixels[top:bottom, left:right]


def _scaled(view: Pixels, height: int) -> Pixels:
    return scaling.shrink(view, max(1, round(view.shape[1] * height / len(view))), height)


def _in_one_piece(view: Pixels) -> Pixels:
    """Return a copy of (h, w, 4) pixels in which no column is fully transparent, as between two legs.

    What is added has the least alpha, which nothing that looks for a subject takes for one.
    """
    result = view.copy()
    result[len(view) // 2, ~view[:, :, 3].any(axis=0)] = (0, 0, 0, 1)
    return result
