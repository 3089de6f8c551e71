# SPDX-License-Identifier: GPL-3.0-or-later
"""OBJ and MTL: the same text with other files named in it. Memory does not grow with the file.

What is a statement is read as widely as Blender and other readers do it: in any case, after any control characters,
and with lines that go on after a backslash.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import BinaryIO

Find = Callable[[str, str], str | None]
"""From a statement's word, in lower case, and the file that it names as somebody wrote it, to the name that this file
has; nothing if there is no such file."""

_BLOCK_BYTES = 2**20
LONGEST_LINE_BYTES = 2**21
_WORDS = (b"mtllib", b"maplib", b"call", b"csh", b"trace_obj", b"shadow_obj")
_MAPS = (b"map_", b"bump", b"disp", b"decal", b"refl", b"norm")
_STATEMENT = re.compile(
    rb"(?:\A(?:\xef\xbb\xbf)?|(?<=[\r\n]))[\x00-\x09\x0b\x0c\x0e-\x20]*+"
    rb"(" + b"|".join(_WORDS) + rb"|map_[a-z0-9_]+|bump|disp|decal|refl|norm)(?=[\x00-\x20])"
    rb"([^\r\n]*+(?:(?<=\\)\r?\n[^\r\n]*+)*+)(\r?\n|\r|\Z)",
    re.IGNORECASE,
)
_CONTINUATION = re.compile(rb"\\\r?\n")
_NUMBER = rb"[ \t]+[-+]?[0-9.][-+0-9.e]*(?=[ \t])"
_OPTIONS = re.compile(
    rb"(?:[ \t]*-(?:"
    rb"(?:blendu|blendv|cc|clamp|imfchan|type|bm|boost|texres)[ \t]+[a-z0-9_.+-]+"
    rb"|mm(?:" + _NUMBER + rb"){2}|[ost](?:" + _NUMBER + rb"){1,3}"
    rb")(?=[ \t]))*+",
    re.IGNORECASE,
)


class LineTooLong(ValueError):
    """It is no text of this kind."""


def renamed(file: BinaryIO, find: Find) -> Iterator[tuple[bytes, bytes]]:
    """Yield an OBJ or MTL file in pieces: each as it is, and as it should be.

    What names a file that there is not, is left out, and so is what would run a program or include another OBJ file.

    Raises:
        LineTooLong: it is no text of this kind.
    """
    for block in _blocks(file):
        lower = block.lower()
        if any(word in lower for word in (*_WORDS, *_MAPS)):
            yield block, _STATEMENT.sub(lambda match: _statement(match, find), block)
        else:
            yield block, block


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    """Yield a file in pieces that end where a line does."""
    rest = b""
    while block := file.read(_BLOCK_BYTES):
        rest += block
        end = _end_of_last_line(rest)
        if end:
            yield rest[:end]
        rest = rest[end:]
        if len(rest) > LONGEST_LINE_BYTES:
            raise LineTooLong("a line in it is too long")
    if rest:
        yield rest


def _end_of_last_line(text: bytes) -> int:
    """Return where the last line ends that does not go on after a backslash; 0 if none does."""
    end = text.rfind(b"\n") + 1
    while end and text[max(end - 3, 0) : end - 1].rstrip(b"\r").endswith(b"\\"):
        end = text.rfind(b"\n", 0, end - 1) + 1
    return end


def _statement(match: re.Match[bytes], find: Find) -> bytes:
    """Return a statement with the names that its files have now, or an empty line."""
    word, rest = match[1], _CONTINUATION.sub(b" ", match[2])
    end = b"\n" if match[3] == b"\r" else match[3]
    key = word.decode().lower()
    if key == "mtllib":
        return (b"\n".join(b"mtllib " + _bytes(name) for name in _libraries(_text(rest), find))) + end
    if word.lower() in _WORDS:
        return end
    options = _OPTIONS.match(rest)
    assert options is not None, "it matches nothing at all too"
    name = find(key, _text(rest[options.end() :]))
    return end if name is None else word + options[0] + b" " + _bytes(name) + end


def _libraries(text: str, find: Find) -> list[str]:
    """Return the libraries of one statement: one whose name may have spaces, or several."""
    if name := find("mtllib", text):
        return [name]
    found = [find("mtllib", each) for each in text.split()]
    return list(dict.fromkeys(name for name in found if name))


def _text(rest: bytes) -> str:
    return rest.decode("utf-8", "surrogateescape").strip("".join(map(chr, range(33)))).strip("\"'")


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
