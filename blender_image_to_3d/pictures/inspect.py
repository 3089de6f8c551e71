# SPDX-License-Identifier: GPL-3.0-or-later
"""What a picture file is, from its bytes: format, size, orientation, and whether it is complete.

Standard library only, nothing is decoded, and memory does not grow with the file.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ..errors import BadPicture
from .facts import PictureFacts, PictureFormat
from .source import Source, label
from .walkers import bmp, exr, jpeg, png, tga, tiff, webp

_HEAD = 4096

_WALKERS = {
    PictureFormat.PNG: png.walk,
    PictureFormat.JPEG: jpeg.walk,
    PictureFormat.WEBP: webp.walk,
    PictureFormat.TIFF: tiff.walk,
    PictureFormat.BMP: bmp.walk,
    PictureFormat.EXR: exr.walk,
    PictureFormat.TGA: tga.walk,
}

_STRANGERS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"GIF8", "a GIF picture"),
    (0, b"8BPS", "a Photoshop document"),
    (0, b"%PDF", "a PDF document"),
    (0, b"%!PS", "a PostScript document"),
    (0, b"\xc5\xd0\xd3\xc6", "a PostScript document"),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (0, b"\xff\x0a", "a JPEG XL picture"),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (0, b"\0\0\1\0", "an icon file"),
    (0, b"#?RADIANCE", "a Radiance HDR picture"),
    (0, b"#?RGBE", "a Radiance HDR picture"),
    (0, b"DDS ", "a DDS texture"),
    (0, b"\xabKTX ", "a KTX texture"),
    (0, b"qoif", "a QOI picture"),
    (0, b"gimp xcf", "a GIMP document"),
    (0, b"II\xbc\x01", "a JPEG XR picture"),
    (0, b"FUJIFILMCCD-RAW", "a camera's raw picture"),
    (0, b"BLENDER", "a Blender file, not a picture"),
    (0, b"glTF", "a 3D model, not a picture"),
    (0, b"PK\3\4", "an archive or office document, not a picture"),
    (0, b"\x1a\x45\xdf\xa3", "a video, not a picture"),
)
_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "a HEIC picture"),
    **dict.fromkeys((b"avif", b"avis"), "an AVIF picture"),
    b"crx ": "a camera's raw picture",
}


def inspect(path: Path) -> PictureFacts:
    """Return what ``path`` is, if it is a complete picture that can be used.

    The file's name does not matter, except for TGA, which has no signature. Raises BadPicture for a file that cannot
    be read, is no picture, is of a format that is not supported, is cut or damaged, or has too few or too many pixels.
    """
    name = label(path)
    if "\0" in str(path):
        raise BadPicture(f"{name} is not a possible file name.", hint="Rename the file.")
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise BadPicture(f"{name} is a folder, not a picture.", hint="Choose a file inside it.")
        if not stat.S_ISREG(status.st_mode):
            raise BadPicture(f"{name} is not an ordinary file.", hint="Copy the picture into a file.")
        with path.open("rb") as file:
            source = Source(file, name, file.seek(0, os.SEEK_END), path.suffix.lower())
            return _inspect_source(source)
    except (FileNotFoundError, NotADirectoryError):
        raise BadPicture(f"{name} does not exist.", hint="Check the name and the folder.") from None
    except PermissionError as error:
        raise BadPicture(f"{name} may not be read.", hint="Give yourself permission to read it.") from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise BadPicture(f"{name} cannot be read: {reason}.", hint="Copy it to another disk and try again.") from error


def _inspect_source(source: Source) -> PictureFacts:
    if source.size == 0:
        raise BadPicture(f"{source.name} is empty.", hint="Copy, download or export it again.")
    head = source.peek(0, _HEAD)
    picture_format = _recognise(source, head)
    if picture_format is None:
        raise _stranger(source, head)
    source.kind = picture_format.value
    return _WALKERS[picture_format](source)


def _recognise(source: Source, head: bytes) -> PictureFormat | None:
    if head.startswith(png.SIGNATURE):
        return PictureFormat.PNG
    if head.startswith(jpeg.SIGNATURE):
        return PictureFormat.JPEG
    if webp.is_webp(head):
        return PictureFormat.WEBP
    if head[:4] in tiff.SIGNATURES:
        return PictureFormat.TIFF
    if head.startswith(exr.SIGNATURE):
        return PictureFormat.EXR
    if bmp.is_bmp(head):
        return PictureFormat.BMP
    return PictureFormat.TGA if tga.is_tga(source) else None


def _stranger(source: Source, head: bytes) -> BadPicture:
    """Return the error for a file that is none of the formats, naming what it is where that can be seen."""
    for offset, signature, what in _STRANGERS:
        if head.startswith(signature, offset):
            return source.unsupported(what)
    if head[4:8] == b"ftyp":
        return source.unsupported(_BRANDS.get(head[8:12], "a video, not a picture"))
    # A file that is shorter than a signature was cut rather than made like that.
    if any(len(head) < 12 and known.startswith(head) for known in (png.SIGNATURE, jpeg.SIGNATURE, b"RIFF", b"BM")):
        return source.incomplete()
    if head[:4] == b"RIFF" and len(head) < 12:
        return source.incomplete()
    text = _as_text(head)
    if text is None:
        return BadPicture(
            f"{source.name} is not a picture that is known here.",
            hint="Choose a PNG, JPEG, WebP, TIFF, BMP, OpenEXR or TGA file.",
        )
    if "<svg" in text:
        return source.unsupported("an SVG drawing")
    if "<html" in text or "<!doctype html" in text:
        return BadPicture(f"{source.name} is a web page, not a picture.", hint="Download the picture itself.")
    return BadPicture(f"{source.name} is a text file, not a picture.")


def _as_text(head: bytes) -> str | None:
    """Return the beginning of a file in lower case if it is text, else None."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return head.decode("utf-16", "replace").lower()
    if any(byte < 9 or 13 < byte < 27 for byte in head):
        return None
    return head.decode("utf-8", "replace").lower()
