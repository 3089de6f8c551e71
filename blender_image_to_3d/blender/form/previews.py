# SPDX-License-Identifier: GPL-3.0-or-later
"""Icons of pictures, for drawing code: a look-up there, and everything that touches a disk in a timer.

Blender decodes a picture in the background when its icon is drawn for the first time. Photographs are stored as the
camera was held: their previews are turned here, since Blender does not.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import bpy
import bpy.utils.previews

from ...errors import BadPicture
from ...pictures import exif
from ...pictures.handed_over import LINEAR_SUFFIX, SRGB_SUFFIX
from ...pictures.inspect import inspect

_MOST = 200
"""Icons that are kept; the one that was drawn longest ago goes first."""

_CHECK_SECONDS = 1.0
_SHIFT_SECONDS = 0.005
"""How long the timer may hold Blender up before it lets it work on."""

_REDRAW_SECONDS = 0.2

_THUMBNAIL = "thumbnail.png"
_JPEG = (".jpg", ".jpeg", ".jpe", ".jfif")
_JPEG_HEAD = 1 << 17
"""Bytes. EXIF stands in one of the first segments, and a segment is at most half as long."""

_MOST_PIXELS = 1 << 22
_MOST_BYTES = 1 << 23
"""What is turned although it has to be decoded as a whole: Blender reads only a JPEG at a smaller size."""

Stamp = tuple[int, int]


@dataclass
class _Entry:
    """What is known about one file."""

    #: Time of its last change in nanoseconds, and its bytes; None while the file is missing.
    stamp: Stamp | None = None
    #: Its name in the collection.
    key: str = ""
    icon: int = 0
    #: Seconds of the monotonic clock.
    checked: float = 0.0


_entries: OrderedDict[str, _Entry] = OrderedDict()
_due: dict[str, None] = {}
_collection: bpy.utils.previews.ImagePreviewCollection | None = None
_is_old = False
"""The panels show other icons than these."""

_redrawn = 0.0
"""Seconds of the monotonic clock."""


def picture_icon(path: Path) -> int:
    """Return the icon of a file that its user may change; 0 while it is unknown or missing, and without a window."""
    return _icon(str(path), may_change=True)


def job_icon(folder: Path, file: str) -> int:
    """Return the icon of a job's picture, which never changes. What no viewer reads has a thumbnail beside it."""
    shown = _THUMBNAIL if file.endswith((SRGB_SUFFIX, LINEAR_SUFFIX)) else file
    return _icon(str(folder / shown), may_change=False)


def image_icon(image: bpy.types.Image | None) -> int:
    """Return the icon of an image of this .blend, as it is sent: upright, if the file itself is sent.

    A render has none: Blender does not let its pixels be seen.
    """
    if image is None or image.source == "VIEWER" or bpy.app.background:
        return 0
    if image.source == "FILE" and not image.is_dirty and not image.packed_file and image.filepath:
        return picture_icon(Path(bpy.path.abspath(image.filepath, library=image.library)))
    preview = image.preview_ensure()
    return preview.icon_id if preview else 0


def release() -> None:
    """Give all icons back."""
    global _collection
    if bpy.app.timers.is_registered(_work):
        bpy.app.timers.unregister(_work)
    _entries.clear()
    _due.clear()
    if _collection is not None:
        bpy.utils.previews.remove(_collection)
        _collection = None


def _icon(name: str, *, may_change: bool) -> int:
    if bpy.app.background:
        return 0
    entry = _entries.get(name)
    if entry is None:
        entry = _entries[name] = _Entry()
        _ask(name)
        return 0
    _entries.move_to_end(name)
    if (may_change or not entry.icon) and time.monotonic() - entry.checked > _CHECK_SECONDS:
        _ask(name)
    return entry.icon


def _ask(name: str) -> None:
    _due[name] = None
    if not bpy.app.timers.is_registered(_work):
        bpy.app.timers.register(_work, first_interval=0.0, persistent=True)


def _work() -> float | None:
    """Look at the files that drawing code asked for: a few at a time."""
    global _is_old, _redrawn
    started = time.monotonic()
    while _due and time.monotonic() - started < _SHIFT_SECONDS:
        name = next(iter(_due))
        del _due[name]
        _is_old |= _look(name)
    while len(_entries) > _MOST:
        forgotten, entry = _entries.popitem(last=False)
        _due.pop(forgotten, None)
        _drop(entry)
    if _is_old and (not _due or started - _redrawn > _REDRAW_SECONDS):
        _is_old, _redrawn = False, started
        _redraw()
    return 0.02 if _due else None


def _look(name: str) -> bool:
    """Bring the icon of one file up to date, and return whether it is another one now."""
    entry = _entries[name]
    stamp = _stamp(Path(name))
    entry.checked = time.monotonic()
    if stamp == entry.stamp:
        return False
    _drop(entry)
    entry.stamp = stamp
    if stamp is not None:
        entry.key = f"{name}\n{stamp}"
        entry.icon = _load(Path(name), entry.key)
    return True


def _stamp(path: Path) -> Stamp | None:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_size


def _drop(entry: _Entry) -> None:
    if entry.key:
        del _previews()[entry.key]
    entry.key, entry.icon = "", 0


def _previews() -> bpy.utils.previews.ImagePreviewCollection:
    global _collection
    if _collection is None:
        _collection = bpy.utils.previews.new()
    return _collection


def _load(path: Path, key: str) -> int:
    """Return the icon of a file under a new key."""
    previews = _previews()
    orientation = _orientation(path)
    if orientation == 1:
        return previews.load(key, str(path), "IMAGE").icon_id
    stored = previews.load(key + "\nas stored", str(path), "IMAGE")
    upright = previews.new(key)
    # Asking for the size makes Blender decode the file at once; the second time it takes what it has kept on disk.
    upright.image_size, upright.image_pixels = _turned(stored.image_size, stored.image_pixels, orientation)
    upright.icon_size, upright.icon_pixels = _turned(stored.icon_size, stored.icon_pixels, orientation)
    del previews[key + "\nas stored"]
    return upright.icon_id


def _orientation(path: Path) -> int:
    """Return the EXIF orientation, 1 to 8, of a picture that is cheap to turn, else 1."""
    try:
        if path.suffix.lower() in _JPEG:
            return _jpeg_orientation(path)
        if path.stat().st_size > _MOST_BYTES:
            return 1
        facts = inspect(path)
    except (OSError, BadPicture):
        return 1
    return facts.orientation if facts.width * facts.height <= _MOST_PIXELS else 1


def _jpeg_orientation(path: Path) -> int:
    with path.open("rb") as file:
        head = file.read(_JPEG_HEAD)
    # Between the segment's marker and its contents stands its length.
    segment = re.search(rb"\xff\xe1..Exif\0\0", head, re.DOTALL)
    return exif.orientation(head[segment.start() + 4 :]) if segment else 1


def _turned(size: tuple[int, int], pixels: list[int], orientation: int) -> tuple[tuple[int, int], list[int]]:
    """Return size and pixels as they are seen. pixels: one number each, the bottom row first."""
    width, height = size
    values = pixels[:]
    rows = [values[start : start + width] for start in range(0, width * height, width)]
    rows.reverse()
    if orientation >= 5:
        rows = [list(column) for column in zip(*rows, strict=True)]
    if orientation in {2, 3, 6, 7}:
        rows = [row[::-1] for row in rows]
    if orientation in {3, 4, 7, 8}:
        rows.reverse()
    rows.reverse()
    return (len(rows[0]), len(rows)) if rows else (0, 0), [value for row in rows for value in row]


def _redraw() -> None:
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                for region in area.regions:
                    if region.type == "UI":
                        region.tag_redraw()
