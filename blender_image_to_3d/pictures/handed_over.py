# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures as they come into a job: files that are sent as they are, and raw pixels that Blender wrote down.

Blender writes the pixels of a datablock as ``….linear.npy`` or ``….srgb.npy``: float32 (height, width, 4), the bottom
row first, straight alpha. That is quick; encoding them is the worker's business.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BadPicture
from .facts import MAX_PIXELS, MIN_SIDE, PictureFormat
from .inspect import inspect

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LINEAR_SUFFIX = ".linear.npy"
SRGB_SUFFIX = ".srgb.npy"


def suffix_of(path: Path) -> str:
    """Return the ending that a picture has in a job folder: by its bytes, not by its name.

    Raises:
        BadPicture: it is missing, damaged, too small or too large.
    """
    for suffix in (LINEAR_SUFFIX, SRGB_SUFFIX):
        if path.name.endswith(suffix):
            _check_size(path)
            return suffix
    return inspect(path).format.suffixes[0]


def has_picture_suffix(path: Path) -> bool:
    """Whether a file is called a picture; whether it is one, `inspect` says."""
    return any(path.suffix.lower() in each.suffixes for each in PictureFormat)


def prepare(path: Path, accepted: Collection[str], *, blender: str | None) -> Path:
    """Return the file to send: `path` itself if the provider takes its format, else a PNG beside it.

    accepted: `PictureFormat` values.

    Raises:
        BadPicture: it cannot be decoded.
        OSError: the PNG cannot be written.
    """
    from . import pixels, png

    is_dump = path.name.endswith((LINEAR_SUFFIX, SRGB_SUFFIX))
    if not is_dump and inspect(path).format in accepted:
        return path
    decoded = _from_dump(path) if is_dump else pixels.read(path, blender=pixels.find_blender(blender))
    target = path.with_name(path.name.partition(".")[0] + ".png")
    target.write_bytes(png.encode(decoded))
    return target


def _check_size(dump: Path) -> None:
    import numpy as np

    height, width, _ = np.load(dump, mmap_mode="r", allow_pickle=False).shape
    if min(height, width) < MIN_SIDE or height * width > MAX_PIXELS:
        raise BadPicture(f"The image has {width} x {height} pixels: too few or too many.")


def _from_dump(path: Path) -> NDArray[np.uint8]:
    import numpy as np

    from . import pixels

    return pixels.pixels_from_floats(np.load(path, allow_pickle=False), linear=path.name.endswith(LINEAR_SUFFIX))
