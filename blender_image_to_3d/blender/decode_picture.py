# SPDX-License-Identifier: GPL-3.0-or-later
"""Program for a child Blender: decode one picture file to 8-bit sRGB RGBA pixels with straight alpha.

    blender --background --factory-startup --python decode_picture.py -- INPUT OUTPUT.npy [--linear] [--premultiplied]

--linear: the file holds scene-linear light (OpenEXR). --premultiplied: its colours are multiplied by alpha.
OUTPUT becomes a (h, w, 4) uint8 array, top row first, as stored: Blender ignores EXIF orientation, and whoever
inspected the file applies it. OUTPUT appears only when it is complete.

It imports nothing of ours, so that it runs in any Blender whether or not the add-on is enabled there.
"""

from __future__ import annotations

import sys
from pathlib import Path

import bpy
import numpy as np

BAND_PIXELS = 1 << 20


def load(path: str, *, linear: bool, at_most: int | None = None) -> np.ndarray:
    """Return the file's values as (h, w, 4) float32, bottom row first, without any conversion but EXR's to Rec. 709.

    at_most: pixels along the longer side; what is larger is made smaller. Only for what is opaque.

    Raises:
        ValueError: Blender cannot read it.
        RuntimeError: not even open it.
    """
    image = bpy.data.images.load(path, check_existing=False)
    if not linear:
        # Blender linearises 16-bit files as if their colours were multiplied by alpha, which TIFF's usually are not.
        image.colorspace_settings.name = "Non-Color"
    width, height = image.size
    if not (width and height) or len(image.pixels) != width * height * 4:
        raise ValueError("Blender cannot read this picture.")
    if at_most is not None and max(width, height) > at_most:
        width, height = (max(1, side * at_most // max(image.size)) for side in (width, height))
        image.scale(width, height)
    pixels = np.zeros(width * height * 4, np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    return pixels.reshape(height, width, 4)


def to_bytes(pixels: np.ndarray, *, linear: bool, premultiplied: bool) -> np.ndarray:
    """Turn (h, w, 4) floats, bottom row first, into (h, w, 4) uint8 sRGB with straight alpha, top row first."""
    height, width, _ = pixels.shape
    result = np.zeros((height, width, 4), np.uint8)
    rows = max(1, BAND_PIXELS // width)
    flipped = pixels[::-1]
    for start in range(0, height, rows):
        band = np.nan_to_num(flipped[start : start + rows], nan=0.0, posinf=1e30, neginf=0.0)
        if premultiplied:
            alpha = band[:, :, 3:]
            np.divide(band[:, :, :3], alpha, out=band[:, :, :3], where=alpha > 0.0)
        band = np.clip(band, 0.0, 1.0)
        if linear:
            light = band[:, :, :3]
            curve = np.float32(1.055) * light ** np.float32(1.0 / 2.4) - np.float32(0.055)
            band[:, :, :3] = np.where(light <= np.float32(0.0031308), light * np.float32(12.92), curve)
        result[start : start + rows] = np.rint(band * np.float32(255.0))
    return result


def main(arguments: list[str]) -> None:
    source, target, *flags = arguments
    linear = "--linear" in flags
    pixels = to_bytes(load(source, linear=linear), linear=linear, premultiplied="--premultiplied" in flags)
    draft = Path(target + "~")
    with draft.open("wb") as file:
        np.save(file, pixels, allow_pickle=False)
    draft.replace(target)


if __name__ == "__main__":
    main(sys.argv[sys.argv.index("--") + 1 :])
