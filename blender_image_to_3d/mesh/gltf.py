# SPDX-License-Identifier: GPL-3.0-or-later
"""The description in a glTF or GLB file: which files it names besides itself. Standard library only."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

MOST_JSON_BYTES = 256 * 2**20
"""Larger than real files whose data is in them as base64."""

# Blender opens everything else as a path, also what begins with "data:" and then goes on in another way.
_DATA_URI = re.compile(r"data:[\w.+-]*/?[\w.+-]*(?:;[\w.+=-]+)*;base64,")
_GLB_HEAD = struct.Struct("<4sIII4s")


class GltfError(ValueError):
    """The file is damaged, or names what it must not; the message is the end of a sentence for the user."""


def read(path: Path) -> dict[str, Any]:
    """Return the JSON of a glTF file or of a GLB file.

    Raises:
        GltfError: there is none.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_GLB_HEAD.size)
        if head.startswith(b"glTF"):
            text = file.read(_length_of_description(head))
        else:
            text = head + file.read(MOST_JSON_BYTES)
    if len(text) > MOST_JSON_BYTES:
        raise GltfError("its description is too large")
    try:
        document = json.loads(text.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise GltfError("its description is not valid JSON") from error
    if not isinstance(document, dict):
        raise GltfError("its description is no JSON object")
    return document


def _length_of_description(head: bytes) -> int:
    if len(head) < _GLB_HEAD.size:
        raise GltfError("it ends within its header")
    length: int
    *_, length, kind = _GLB_HEAD.unpack(head)
    if kind != b"JSON" or length > MOST_JSON_BYTES:
        raise GltfError("it does not begin with a sensible description")
    return length


def rename_files(document: dict[str, Any], find: Callable[[str], str | None]) -> bool:
    """Let the description name its files by their new names, and return whether that changed it.

    find: returns the new name of a file, which is named as somebody wrote it; nothing if there is no such file.

    Raises:
        GltfError: it names a file that is not there.
    """
    is_changed = False
    for item in _items_with_uri(document):
        uri = item["uri"]
        if not isinstance(uri, str):
            raise GltfError("an address in it is no text")
        if _DATA_URI.match(uri):
            continue
        name = find(unquote(uri))
        if name is None:
            raise GltfError(f'it refers to "{_shortened(uri)}", which did not come with it')
        item["uri"] = quote(name)
        is_changed |= item["uri"] != uri
    return is_changed


def _items_with_uri(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for key in ("buffers", "images"):
        items = document.get(key, [])
        if not isinstance(items, list) or not all(isinstance(each, dict) for each in items):
            raise GltfError(f'its "{key}" are no list of objects')
        yield from (each for each in items if each.get("uri") is not None)


def _shortened(uri: str) -> str:
    text = "".join(letter if letter.isprintable() else "?" for letter in uri)
    return text if len(text) <= 80 else f"{text[:79]}…"
