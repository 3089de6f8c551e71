# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures as they come into a job, files or raw pixels that Blender wrote down, and as they are sent.

Blender writes the pixels of a datablock as ``….linear.npy`` or ``….srgb.npy``: float32 (height, width, 4), the bottom
row first, straight alpha. That is quick; encoding them is the worker's business.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BadPicture
from ..host import system
from .facts import MAX_PIXELS, MIN_SIDE, PictureFacts, PictureFormat
from .inspect import inspect
from .plain import plain
from .source import quoted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LINEAR_SUFFIX = ".linear.npy"
SRGB_SUFFIX = ".srgb.npy"
_SENT = ".sent"
"""Before the ending of what `prepare` makes."""

_DUMP_SUFFIXES = (LINEAR_SUFFIX, SRGB_SUFFIX)
_THUMBNAIL_SIDE = 256
_THUMBNAIL_SAMPLES = 4
"""Pixels of a dump that a pixel of its thumbnail is made of, at least, along each side."""


def suffix_of(path: Path) -> str:
    """Return the ending that a picture has in a job folder: by its bytes, not by its name.

    Raises:
        BadPicture: it is missing, damaged, too small or too large.
    """
    for suffix in _DUMP_SUFFIXES:
        if path.name.endswith(suffix):
            _check_size(path)
            return suffix
    return inspect(path).format.suffixes[0]


def is_dump(path: Path) -> bool:
    """Whether a file has raw pixels, which no viewer of pictures reads."""
    return path.name.endswith(_DUMP_SUFFIXES)


def thumbnail(dump: Path) -> bytes:
    """Return the picture of a dump as a small upright PNG file.

    Raises:
        OSError: the dump cannot be read.
    """
    import numpy as np

    from . import pixels, png, scaling

    floats = np.load(dump, mmap_mode="r", allow_pickle=False)
    height, width, _ = floats.shape
    step = max(1, max(height, width) // (_THUMBNAIL_SIDE * _THUMBNAIL_SAMPLES))
    picture = pixels.pixels_from_floats(floats[::step, ::step], linear=dump.name.endswith(LINEAR_SUFFIX))
    scale = min(1.0, _THUMBNAIL_SIDE / max(picture.shape))
    small = scaling.shrink(picture, max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    return png.encode(scaling.without_idle_alpha(small))


def has_picture_suffix(path: Path) -> bool:
    """Whether a file is called a picture; whether it is one, `inspect` says."""
    return any(path.suffix.lower() in each.suffixes for each in PictureFormat)


@dataclass(frozen=True)
class Wanted:
    """What a provider takes, and what it is good at."""

    taker: str
    """What notes call it."""
    formats: Collection[str]
    """`PictureFormat` values."""
    must_be_upright: bool = False
    """It does not look at EXIF orientations."""
    must_be_plain: bool = False
    """It is somebody else, who is not told where, when and with what a picture was taken."""
    max_bytes: int | None = None
    """Of the file."""
    good_side: int | None = None
    """Shorter side in pixels below which the user is warned."""


@dataclass(frozen=True)
class Prepared:
    """The file to send, and what the user should know of it."""

    path: Path
    notes: tuple[str, ...] = ()


def prepare(path: Path, wanted: Wanted, *, name: str, blender: str | None) -> Prepared:
    """Return `path` itself if it is as wanted, else a file beside it: its plain copy, or a PNG as large as may be.

    name: what the user calls the picture. What `prepare` made is returned as it is, without notes.

    Raises:
        BadPicture: it cannot be decoded, or not be made small enough.
        OSError: the file cannot be written.
    """
    if path.stem.endswith(_SENT):
        return Prepared(path)
    facts = None if is_dump(path) else inspect(path)
    size = facts.upright_size if facts else _dump_size(path)
    warnings = _warnings(size, wanted, name)
    # Another name than any picture that is handed over: a half-finished job shows what was done, and what was not.
    draft = path.with_name(path.name.partition(".")[0] + _SENT)
    if facts and _is_as_wanted(path, facts, wanted):
        copy = plain(path, facts.format) if wanted.must_be_plain else None
        if copy is None:
            return Prepared(path, warnings)
        target = draft.with_name(draft.name + facts.format.suffixes[0])
        system.write_atomically(target, copy)
        return Prepared(target, warnings)
    from . import pixels, scaling

    decoded = _from_dump(path) if facts is None else pixels.read(path, blender=pixels.find_blender(blender))
    fitted = scaling.fit(scaling.without_idle_alpha(decoded), wanted.max_bytes)
    target = draft.with_name(draft.name + ".png")
    system.write_atomically(target, fitted.data)
    if wanted.max_bytes is None or size == (fitted.width, fitted.height):
        return Prepared(target, warnings)
    note = (
        f"{quoted(name)} was scaled down from {size[0]} x {size[1]} to {fitted.width} x {fitted.height} pixels: "
        f"{wanted.taker} takes at most {megabytes(wanted.max_bytes)}."
    )
    return Prepared(target, (note, *warnings))


def megabytes(size: int) -> str:
    """Return a limit in bytes as a note shows it."""
    return f"{size / 1e6:.3g} MB"


def _is_as_wanted(path: Path, facts: PictureFacts, wanted: Wanted) -> bool:
    return (
        facts.format in wanted.formats
        and (facts.orientation == 1 or not wanted.must_be_upright)
        and (wanted.max_bytes is None or path.stat().st_size <= wanted.max_bytes)
    )


def _warnings(size: tuple[int, int], wanted: Wanted, name: str) -> tuple[str, ...]:
    """size: width and height as handed over."""
    if wanted.good_side is None or min(size) >= wanted.good_side:
        return ()
    width, height = size
    return (f"{quoted(name)} has {width} x {height} pixels; {wanted.taker} recommends at least {wanted.good_side}.",)


def _dump_size(dump: Path) -> tuple[int, int]:
    """Return width and height. Raises `BadPicture`."""
    import numpy as np

    try:
        height, width, _ = np.load(dump, mmap_mode="r", allow_pickle=False).shape
    except FileNotFoundError:
        raise BadPicture("The pixels of the image are gone.", hint="Choose the image again.") from None
    except (OSError, ValueError, EOFError) as error:
        raise BadPicture("The pixels of the image are damaged.", hint="Choose the image again.") from error
    return width, height


def _check_size(dump: Path) -> None:
    width, height = _dump_size(dump)
    if min(height, width) < MIN_SIDE or height * width > MAX_PIXELS:
        raise BadPicture(f"The image has {width} x {height} pixels: too few or too many.")


def _from_dump(path: Path) -> NDArray[np.uint8]:
    import numpy as np

    from . import pixels

    return pixels.pixels_from_floats(np.load(path, allow_pickle=False), linear=path.name.endswith(LINEAR_SUFFIX))
