# SPDX-License-Identifier: GPL-3.0-or-later
"""Bodies with files in them, in pieces: their length is known before, and no file is ever in memory whole."""

from __future__ import annotations

import binascii
import json
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from ..pictures.inspect import inspect

PIECE_BYTES = 3 * 64 * 1024
"""Divisible by 3 and by 4: base64 of one piece ends where the next begins."""

_PREFIX_BYTES = 128
"""The longest `data:…;base64,` in front of a file."""


class Body(Protocol):
    """What a request carries. It can be gone through more than once, and is the same each time."""

    content_type: str

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[bytes]: ...


@dataclass(frozen=True)
class Base64File:
    """A file inside JSON, as base64. `prefix`: what stands before it, such as "data:image/png;base64,"."""

    path: Path
    prefix: str = ""


@dataclass(frozen=True)
class FormFile:
    """A file inside a form."""

    path: Path
    name: str
    content_type: str


def data_uri(picture: Path) -> Base64File:
    """Return a picture as a `data:` URI. Raises `BadPicture`."""
    return Base64File(picture, f"data:{inspect(picture).format.mime};base64,")


class Json:
    """A JSON value in which files may stand where text may stand."""

    content_type = "application/json"

    def __init__(self, value: Any) -> None:
        self._parts = _with_files(value)
        self._length = sum(map(_length, self._parts))

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        return _pieces(self._parts)


class Form:
    """A form (multipart/form-data) with texts and files."""

    def __init__(self, fields: Mapping[str, str | FormFile]) -> None:
        boundary = secrets.token_hex(16)
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self._parts: list[bytes | Path | Base64File] = []
        for name, value in fields.items():
            head = f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(name)}"'
            if isinstance(value, FormFile):
                head += f'; filename="{_quoted(value.name)}"\r\nContent-Type: {value.content_type}'
            self._parts += [f"{head}\r\n\r\n".encode(), value.path if isinstance(value, FormFile) else value.encode()]
            self._parts.append(b"\r\n")
        self._parts.append(f"--{boundary}--\r\n".encode())
        self._length = sum(map(_length, self._parts))

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        return _pieces(self._parts)


def _quoted(name: str) -> str:
    return name.replace("%", "%25").replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _with_files(value: Any) -> list[bytes | Path | Base64File]:
    """Write JSON, leaving a hole for every file."""
    mark = secrets.token_hex(16)
    files: list[Base64File] = []

    def hole(each: Any) -> str:
        if not isinstance(each, Base64File):
            raise TypeError(f"{type(each).__name__} is not for JSON")
        files.append(each)
        return mark

    texts = json.dumps(value, default=hole, ensure_ascii=False, allow_nan=False).split(f'"{mark}"')
    parts: list[bytes | Path | Base64File] = [texts[0].encode()]
    for file, text in zip(files, texts[1:], strict=True):
        parts += [f'"{file.prefix}'.encode(), file, f'"{text}'.encode()]
    return parts


def _length(part: bytes | Path | Base64File) -> int:
    if isinstance(part, bytes):
        return len(part)
    if isinstance(part, Path):
        return part.stat().st_size
    return (part.path.stat().st_size + 2) // 3 * 4


def _pieces(parts: list[bytes | Path | Base64File]) -> Iterator[bytes]:
    for part in parts:
        if isinstance(part, bytes):
            yield part
            continue
        with (part.path if isinstance(part, Base64File) else part).open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                yield binascii.b2a_base64(piece, newline=False) if isinstance(part, Base64File) else piece


def take_out_base64(source: IO[bytes], targets: Mapping[str, Path | None], *, limit: int) -> bytes:
    """Copy a JSON text, writing files that are in it as base64 to `targets` and leaving "" in their place.

    targets: where the file of each field goes; None: nowhere.
    limit: of the bytes that are left.

    Raises:
        ValueError: a file is not base64, or not whole; or too much is left.
    """
    names = b"|".join(re.escape(json.dumps(name).encode()) for name in targets)
    beginning = re.compile(rb"(" + names + rb')\s*:\s*"')
    longest = max((len(name) for name in targets), default=0) + 64
    rest, window = bytearray(), b""
    while piece := source.read(PIECE_BYTES):
        window += piece
        while found := beginning.search(window):
            rest += window[: found.end()]
            window = _take_out_one(source, window[found.end() :], targets[json.loads(found.group(1))])
        if len(rest) > limit:
            raise ValueError("it is too long")
        rest += window[:-longest]
        window = window[-longest:]
    return bytes(rest + window)


def _take_out_one(source: IO[bytes], begun: bytes, target: Path | None) -> bytes:
    """Decode until the quote that ends the text, and return what was read from there on."""
    text = begun
    while len(text) < _PREFIX_BYTES and b'"' not in text and (piece := source.read(PIECE_BYTES)):
        text += piece
    if text.startswith(b"data:"):
        text = text.partition(b",")[2]
    with target.open("wb") if target else _Nowhere() as file:
        while True:
            inside, quote, after = text.partition(b'"')
            usable = len(inside) if quote else len(inside) // 4 * 4
            file.write(binascii.a2b_base64(inside[:usable], strict_mode=True) if usable else b"")
            if quote:
                return quote + after
            piece = source.read(PIECE_BYTES)
            if not piece:
                raise ValueError("it ends in the middle of a file")
            text = inside[usable:] + piece


class _Nowhere:
    """A file for what nobody wants."""

    def __enter__(self) -> _Nowhere:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def write(self, data: bytes) -> int:
        return len(data)
