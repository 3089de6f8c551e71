# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known about a picture without decoding it, and how large it may be."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MIN_SIDE = 16
"""Pixels. The smallest usual icon; fewer pixels have no outline that a model could be made from."""

MAX_SIDE = 32768
"""Pixels. Decoders and graphics cards stop around here, whatever the area."""

MAX_PIXELS = 2**26
"""67 megapixels are 256 MiB as 8-bit RGBA; larger than any usual camera's picture, and it still fits in memory."""


class PictureFormat(StrEnum):
    """The formats that can be read; the value is the name that a message shows."""

    PNG = "PNG"
    JPEG = "JPEG"
    WEBP = "WebP"
    TIFF = "TIFF"
    BMP = "BMP"
    EXR = "OpenEXR"
    TGA = "TGA"

    @property
    def suffixes(self) -> tuple[str, ...]:
        """File name endings with the dot, in lower case, the usual one first."""
        return _SUFFIXES[self]

    @property
    def mime(self) -> str:
        """The media type for an upload."""
        return _MIMES[self]


_SUFFIXES = {
    PictureFormat.PNG: (".png",),
    PictureFormat.JPEG: (".jpg", ".jpeg", ".jpe", ".jfif"),
    PictureFormat.WEBP: (".webp",),
    PictureFormat.TIFF: (".tif", ".tiff"),
    PictureFormat.BMP: (".bmp", ".dib"),
    PictureFormat.EXR: (".exr",),
    PictureFormat.TGA: (".tga", ".vda", ".icb", ".vst"),
}
_MIMES = {
    PictureFormat.PNG: "image/png",
    PictureFormat.JPEG: "image/jpeg",
    PictureFormat.WEBP: "image/webp",
    PictureFormat.TIFF: "image/tiff",
    PictureFormat.BMP: "image/bmp",
    PictureFormat.EXR: "image/x-exr",
    PictureFormat.TGA: "image/x-tga",
}


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What the bytes of a complete picture file say about it."""

    format: PictureFormat
    #: Pixels as stored, before the orientation is applied.
    width: int
    height: int
    #: EXIF orientation, 1 to 8; 1 is upright.
    orientation: int = 1
    #: Samples per pixel as stored: a palette picture has 1.
    channels: int = 3
    #: Bits per sample as stored, the largest one where they differ.
    bits: int = 8
    #: The colours are stored multiplied by alpha (OpenEXR, and TIFF with associated alpha).
    premultiplied: bool = False

    @property
    def upright_size(self) -> tuple[int, int]:
        """Width and height as a viewer shows the picture."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)
