# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures from the clipboard.

Blender can paste one on Windows, on macOS and under Wayland, and only in an Image Editor; under X11 a small program
does it. The name of a file works everywhere: as text, or as what a file manager copies.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

import bpy

from ...errors import BadPicture
from ...pictures.facts import PictureFormat
from ...pictures.inspect import inspect
from . import x11_clipboard

_CHECK_SECONDS = 2.0
_ANSWERS_AT_ONCE = sys.platform in {"win32", "darwin"}
"""Elsewhere the program that owns the clipboard is asked, and Blender stands still for as long as it does not answer:
that is only done when the user pastes."""

_SUFFIXES = {suffix for each in PictureFormat for suffix in each.suffixes}
_LONGEST = 10_000
"""Characters of a text that may be a list of files."""

_checked = -_CHECK_SECONDS
_found = True


def clipboard_has_picture() -> bool:
    """Return whether pasting may work: also where that only shows when it is tried. Cheap enough for drawing code."""
    global _checked, _found
    if bpy.app.background:
        return False
    now = time.monotonic()
    if _ANSWERS_AT_ONCE and now - _checked >= _CHECK_SECONDS:
        _checked = now
        _found = _has_picture()
    return _found


def _has_picture() -> bool:
    editor = _image_editor()
    if editor is None or file_in(bpy.context.window_manager.clipboard):
        return True
    with bpy.context.temp_override(window=editor[0], area=editor[1]):
        return bool(bpy.ops.image.clipboard_paste.poll())


def paste() -> Path | bpy.types.Image:
    """Return the picture that is in the clipboard: a file, or a new packed image of this .blend.

    Raises:
        BadPicture: there is none.
    """
    file = file_in(bpy.context.window_manager.clipboard)
    if file is not None:
        return file
    image = _paste_under_x11() if _is_x11() else _paste_image()
    if image is None:
        raise BadPicture("There is no picture in the clipboard.", hint="Copy a picture first, or a picture's file.")
    return image


def _paste_under_x11() -> bpy.types.Image | None:
    """Return a new image of what the clipboard's owner says is a picture."""
    try:
        data = subprocess.run([sys.executable, "-I", x11_clipboard.__file__], capture_output=True, timeout=10).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    with tempfile.TemporaryDirectory(dir=bpy.app.tempdir) as folder:
        file = Path(folder, "Clipboard")
        file.write_bytes(data)
        try:
            facts = inspect(file)
        except BadPicture:
            return None
        image = bpy.data.images.load(str(file.rename(file.with_suffix(facts.format.suffixes[0]))))
        image.pack()
    image.filepath_raw = image.packed_files[0].filepath = f"//{bpy.path.basename(image.filepath)}"
    return image


def _paste_image() -> bpy.types.Image | None:
    """Return the new image that Blender pastes."""
    before = set(bpy.data.images)
    with _in_image_editor():
        if bpy.ops.image.clipboard_paste.poll():
            bpy.ops.image.clipboard_paste()
    image = next((each for each in bpy.data.images if each not in before), None)
    if image is not None:
        image.pack()
    return image


def _is_x11() -> bool:
    from _bpy import _ghost_backend

    return _ghost_backend() == "X11"


def file_in(text: str) -> Path | None:
    """Return the first picture file that a text names: as a path or an address, one a line."""
    if len(text) > _LONGEST:
        return None
    for line in text.splitlines():
        path = _path(line.strip().strip("\"'"))
        if path is not None and path.suffix.lower() in _SUFFIXES and _is_file(path):
            return path
    return None


def _path(line: str) -> Path | None:
    """Return a full path; a name alone says nothing about where the file is."""
    try:
        if line.startswith("file:"):
            parts = urlsplit(line)
            host = f"//{parts.netloc}" if parts.netloc not in {"", "localhost"} else ""
            line = host + (url2pathname(parts.path) if sys.platform == "win32" else unquote(parts.path))
        path = Path(line).expanduser()
    except (ValueError, RuntimeError):
        return None
    return path if path.is_absolute() else None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _image_editor() -> tuple[bpy.types.Window, bpy.types.Area] | None:
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "IMAGE_EDITOR":
                return window, area
    return None


@contextmanager
def _in_image_editor() -> Iterator[None]:
    """Lend an Image Editor, which shows again what it showed; if there is none, an area becomes one for the moment.

    Nothing is drawn in between.
    """
    found = _image_editor()
    lent = None if found else _least_area()
    window, area = found or (bpy.context.window, lent)
    kind = area.ui_type
    if lent:
        area.type = "IMAGE_EDITOR"
    shown = area.spaces.active.image
    try:
        with bpy.context.temp_override(window=window, area=area):
            yield
    finally:
        area.spaces.active.image = shown
        if lent:
            area.ui_type = kind


def _least_area() -> bpy.types.Area:
    """Return the smallest area beside the one that is used now."""
    areas = bpy.context.window.screen.areas
    others = [each for each in areas if each != bpy.context.area] or list(areas)
    return min(others, key=lambda area: area.width * area.height)
