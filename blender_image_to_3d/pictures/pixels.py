# SPDX-License-Identifier: GPL-3.0-or-later
"""Any picture as upright 8-bit pixels.

PNG is decoded here, so that the usual input gives the same result everywhere. Other formats are decoded by Pillow if
it is installed, else by a child Blender; the two agree to within the rounding of their JPEG and CMYK arithmetic.
Colours are taken as sRGB: embedded profiles are ignored.
"""

from __future__ import annotations

import functools
import importlib.util
import io
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import BadPicture
from . import blender_process, png
from .blender_process import find_blender
from .exif import ORIENTATION
from .facts import PictureFacts, PictureFormat
from .inspect import inspect
from .source import label

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Pixels", "find_blender", "pixels_from_floats", "read", "upright"]

Pixels = NDArray[np.uint8]

_BAND_PIXELS = 1 << 20
"""Floats are converted in pieces of this size, so that the intermediates stay small."""

_PLUGINS = {
    PictureFormat.JPEG: ("JPEG", "MPO"),
    PictureFormat.WEBP: ("WEBP",),
    PictureFormat.TIFF: ("TIFF",),
    PictureFormat.BMP: ("BMP",),
    PictureFormat.TGA: ("TGA",),
}
_PILLOW_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
    Warning,
    struct.error,
)
"""What Pillow's plugins raise for broken files, besides its decompression bomb, which is a plain Exception."""


class _Unable(Exception):
    """Pillow is not there, or does not know this kind of picture."""


def read(path: Path, *, blender: Sequence[str] | None = None) -> Pixels:
    """Return the picture as a viewer shows it: (h, w, 4) 8-bit sRGB RGBA, straight alpha, upright, top row first.

    blender: the command from ``find_blender``, which is called when it is needed and this is None; empty for none.
    Raises BadPicture.
    """
    facts = inspect(path)
    if facts.format is PictureFormat.PNG:
        return upright(png.decode(_read_bytes(path), name=label(path)), facts.orientation)
    try:
        stored, orientation = _read_with_pillow(path, facts)
    except _Unable as error:
        command = find_blender() if blender is None else blender
        if not command:
            raise BadPicture(f"{label(path)} is {facts.format} and {error}.", hint=_hint(facts.format)) from error
        stored, orientation = blender_process.decode(path, facts, command), facts.orientation
    return upright(stored, orientation)


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """Apply an EXIF orientation, 1 to 8. pixels: (h, w, c) as stored. Returns a contiguous array."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def pixels_from_floats(pixels: NDArray[np.float32], linear: bool) -> Pixels:
    """Turn the pixels of a Blender image into a picture.

    pixels: (h, w, 4) RGBA with straight alpha, bottom row first, as ``foreach_get`` fills them. linear: the colours are
    scene-linear (Rec. 709) and get the sRGB transfer function; else they are sRGB already. Values outside 0 to 1 are
    clipped, NaN becomes 0. Returns (h, w, 4), top row first.
    """
    height, width, _ = pixels.shape
    result = np.zeros((height, width, 4), np.uint8)
    rows = max(1, _BAND_PIXELS // max(1, width))
    flipped = pixels[::-1]
    for start in range(0, height, rows):
        band = np.clip(np.nan_to_num(flipped[start : start + rows], nan=0.0, posinf=1.0, neginf=0.0), 0.0, 1.0)
        if linear:
            band[:, :, :3] = _to_srgb(band[:, :, :3])
        result[start : start + rows] = np.rint(band * np.float32(255.0))
    return result


def _to_srgb(linear: NDArray[np.float32]) -> NDArray[np.float32]:
    """Apply the sRGB transfer function (IEC 61966-2-1) to values from 0 to 1."""
    curve = np.float32(1.055) * linear ** np.float32(1.0 / 2.4) - np.float32(0.055)
    return np.where(linear <= np.float32(0.0031308), linear * np.float32(12.92), curve)


def _hint(picture_format: PictureFormat) -> str:
    if picture_format is PictureFormat.EXR:
        return "Save it as PNG, or run this inside Blender."
    return "Save it as PNG, install Pillow, or run this inside Blender."


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadPicture(f"{label(path)} cannot be read: {error.strerror}.") from error


def _read_with_pillow(path: Path, facts: PictureFacts) -> tuple[Pixels, int]:
    """Return (h, w, 4) pixels and the orientation that is still to be applied. Raises _Unable or BadPicture."""
    if facts.format not in _PLUGINS or importlib.util.find_spec("PIL") is None:
        raise _Unable("nothing that can decode it is installed")
    from PIL import Image

    errors = (*_PILLOW_ERRORS, Image.DecompressionBombError)
    try:
        image = Image.open(path, formats=_PLUGINS[facts.format])
    except errors as error:
        raise _Unable("its kind of pixels is not supported") from error
    with image:
        try:
            image.load()
            orientation = 1 if facts.format is PictureFormat.TIFF and _pillow_turns_tiff() else facts.orientation
            size = (facts.height, facts.width) if orientation == facts.orientation else facts.upright_size[::-1]
            pixels = _to_rgba(image, facts)
        except errors as error:
            raise BadPicture(
                f"{label(path)} is damaged: its pixels cannot be decoded.",
                hint="Open it in an image editor and save it again as PNG.",
            ) from error
    if pixels.shape != (*size, 4):
        raise BadPicture(f"{label(path)} is damaged: it declares two different sizes.")
    return pixels, orientation


@functools.cache
def _pillow_turns_tiff() -> bool:
    """Return whether this Pillow applies the orientation of a TIFF when it loads it: that differs between versions.

    Tried out on two pixels, because only some of the versions that turn the picture drop the tag.
    """
    from PIL import Image

    stream = io.BytesIO()
    Image.frombytes("L", (2, 1), b"\x00\xff").save(stream, "TIFF", tiffinfo={ORIENTATION: 3})
    with Image.open(stream) as probe:
        return bool(probe.tobytes() == b"\xff\x00")


def _to_rgba(image: Image, facts: PictureFacts) -> Pixels:
    """Convert a loaded Pillow image of any mode."""
    if image.mode.startswith("I;16"):
        return _grey_to_rgba(_reduce(np.asarray(image), facts.bits, is_inverted=_is_white_zero(image)))
    if image.mode == "F":
        shades = np.nan_to_num(np.asarray(image, np.float32), nan=0.0, posinf=1.0, neginf=0.0)
        return _grey_to_rgba(np.rint(np.clip(shades, 0.0, 1.0) * np.float32(255.0)).astype(np.uint8))
    if image.mode == "I":
        raise _Unable("its kind of pixels is not supported")
    if image.mode == "CMYK":
        # Pillow has undone the inversion that Adobe's JPEG files have. It has no direct way from CMYK to RGBA.
        image = image.convert("RGB")
    return np.array(image.convert("RGBA"), np.uint8)


def _is_white_zero(image: Image) -> bool:
    tags = getattr(image, "tag_v2", {})
    return bool(tags.get(262, 1) == 0)


def _reduce(samples: NDArray[np.uint16], bits: int, *, is_inverted: bool) -> Pixels:
    """Round samples of 9 to 16 bits to 8."""
    largest = (1 << bits) - 1
    wide = np.minimum(samples.astype(np.uint32), largest)
    if is_inverted:
        wide = largest - wide
    return ((wide * 255 + largest // 2) // largest).astype(np.uint8)


def _grey_to_rgba(shades: Pixels) -> Pixels:
    rgba = np.full((*shades.shape, 4), 255, np.uint8)
    rgba[:, :, :3] = shades[:, :, None]
    return rgba
