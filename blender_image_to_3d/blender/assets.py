# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects as assets, which look in the Asset Browser like the picture that they were made from."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray

from ..errors import BadPicture
from ..library import JobFolder
from ..models import Job, View
from ..pictures import pixels, scaling
from ..pictures.facts import PictureFormat
from ..pictures.inspect import inspect
from . import decode_picture

PREVIEW_SIZE = 256
"""Of the longer side, in pixels: what Blender's own previews have."""


def picture_of(folder: JobFolder, job: Job) -> Path | None:
    """Return the picture that shows what a job is about; nothing if it has none of the front."""
    front = job.request.views.get(View.FRONT)
    thumbnail = folder.path / "thumbnail.png"
    return thumbnail if thumbnail.is_file() else front and folder.path / front.file


def mark(root: bpy.types.Object, picture: Path | None) -> None:
    """Make `root` an asset. A picture that cannot be read is no preview, and no reason to fail."""
    root.asset_mark()
    if picture is None:
        return
    try:
        shown = _thumbnail(picture)
    except (BadPicture, RuntimeError, ValueError):
        return
    height, width, _ = shown.shape
    preview = root.preview_ensure()
    preview.image_size = (width, height)
    preview.image_pixels_float.foreach_set((shown[::-1].astype(np.float32) / 255).ravel())


def _thumbnail(picture: Path) -> NDArray[np.uint8]:
    """Return (h, w, 4) straight sRGB RGBA as a viewer shows it, top row first, at most `PREVIEW_SIZE` long.

    Raises:
        BadPicture: it is damaged, or no picture.
        RuntimeError, ValueError: Blender cannot read it.
    """
    facts = inspect(picture)
    linear = facts.format is PictureFormat.EXR
    floats = decode_picture.load(str(picture), linear=linear)
    stored = decode_picture.to_bytes(floats, linear=linear, premultiplied=facts.premultiplied)
    if facts.format is PictureFormat.BMP and facts.channels != 4:
        stored[:, :, 3] = 255  # Blender takes the unused fourth byte for alpha
    upright = pixels.upright(stored, facts.orientation)
    scale = min(1.0, PREVIEW_SIZE / max(upright.shape[:2]))
    height, width = (max(1, round(side * scale)) for side in upright.shape[:2])
    return scaling.shrink(upright, width, height)
