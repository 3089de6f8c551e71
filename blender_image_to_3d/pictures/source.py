# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture file that is being inspected: bounded reads, and the sentences for what can be wrong with it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import BinaryIO

from ..errors import BadPicture
from .facts import MAX_PIXELS, MAX_SIDE, MIN_SIDE

PIECE = 1 << 18
"""Bytes read at once where a file is read through, so that memory does not grow with the file."""

_SAVE_AGAIN = "Open it in an image editor and save it again as PNG."
_COPY_AGAIN = "Copy, download or export it again."


def label(path: Path) -> str:
    """Return the quoted base name of a file as a message shows it."""
    return quoted(path.name or str(path))


def quoted(name: str) -> str:
    """Return a name in quotation marks; what cannot be printed becomes "?"."""
    return '"' + "".join(letter if letter.isprintable() else "?" for letter in name) + '"'


def check_size(shown_name: str, width: int, height: int) -> None:
    """Raise BadPicture for a picture that is too small or too large to be worked on.

    shown_name: the file as ``label`` returns it, or another subject for the sentence. width, height: pixels.
    """
    size = f"{shown_name} has {width:,} x {height:,} pixels"
    if min(width, height) < MIN_SIDE:
        raise BadPicture(f"{size}; at least {MIN_SIDE} x {MIN_SIDE} are needed.", hint="Choose a larger picture.")
    scale_down = "Scale it down, for example to 2048 pixels, and try again."
    if max(width, height) > MAX_SIDE:
        raise BadPicture(f"{size}; a side may have at most {MAX_SIDE:,}.", hint=scale_down)
    if width * height > MAX_PIXELS:
        megapixels, limit = round(width * height / 1e6), round(MAX_PIXELS / 1e6)
        raise BadPicture(f"{size} ({megapixels:,} megapixels); at most {limit} megapixels are read.", hint=scale_down)


class Source:
    """An open, seekable picture file.

    file: the open file. name: its shown name (``label``). size: its length in bytes. suffix: its name's ending in
    lower case. ``kind`` is the format for the messages, set as soon as it is known.
    """

    def __init__(self, file: BinaryIO, name: str, size: int, suffix: str) -> None:
        self._file = file
        self.name = name
        self.size = size
        self.suffix = suffix
        self.kind = "picture"

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes at ``offset``; raise BadPicture if the file ends before."""
        if offset < 0 or length < 0:
            raise self.damaged("it points outside itself")
        if offset + length > self.size:
            raise self.incomplete()
        self._file.seek(offset)
        content = self._file.read(length)
        if len(content) != length:
            raise self.incomplete()
        return content

    def peek(self, offset: int, length: int) -> bytes:
        """Return up to ``length`` bytes at ``offset``, fewer at the end of the file."""
        return self.read(offset, max(0, min(length, self.size - offset))) if offset < self.size else b""

    def require(self, offset: int, length: int) -> None:
        """Raise BadPicture unless ``length`` bytes at ``offset`` lie inside the file."""
        if offset < 0 or length < 0:
            raise self.damaged("it points outside itself")
        if offset + length > self.size:
            raise self.incomplete()

    def find(self, pattern: re.Pattern[bytes], offset: int, length: int) -> int:
        """Return where ``pattern``, which matches exactly ``length`` bytes, next occurs; -1 if it does not."""
        while offset + length <= self.size:
            piece = self.peek(offset, PIECE)
            if match := pattern.search(piece):
                return offset + match.start()
            offset += len(piece) - (length - 1)
        return -1

    def check_size(self, width: int, height: int) -> None:
        """Raise BadPicture if the declared size is impossible, too small or too large."""
        if width <= 0 or height <= 0:
            raise self.damaged("it declares no pixels")
        check_size(self.name, width, height)

    def incomplete(self) -> BadPicture:
        """Return the error for a file that ends too early."""
        return BadPicture(f"{self.name} is incomplete: the {self.kind} file ends too early.", hint=_COPY_AGAIN)

    def damaged(self, what: str) -> BadPicture:
        """Return the error for a file that contradicts itself; ``what`` completes "NAME is damaged: …"."""
        return BadPicture(f"{self.name} is damaged: {what}.", hint=_SAVE_AGAIN)

    def unsupported(self, what: str) -> BadPicture:
        """Return the error for a file that is sound but cannot be used; ``what`` completes "NAME is …"."""
        return BadPicture(f"{self.name} is {what}, which is not supported.", hint="Save it as PNG or JPEG.")
