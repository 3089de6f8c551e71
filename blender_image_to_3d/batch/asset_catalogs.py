# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogues of an asset library: the text file in which Blender keeps them. Users may have some of their own.

Format: https://developer.blender.org/docs/features/asset_system/backend/asset_catalogs/
"""

from __future__ import annotations

import re
from pathlib import Path
from uuid import UUID, uuid5

from ..errors import BadOption, StorageError
from ..host import system

FILE_NAME = "blender_assets.cats.txt"
DEFAULT_PATH = "Image to 3D"

_NAMESPACE = UUID("3b8f9d1e-5a83-4c2e-9a4b-6d0f6c1f7e21")
"""Ours, so that a catalogue has the same number on every machine and in every run."""
_HEADER = """\
# This is an Asset Catalog Definition file for Blender.
#
# Empty lines and lines starting with `#` will be ignored.
# The first non-ignored line should be the version indicator.
# Other lines are of the format "UUID:catalog/path/for/assets:simple catalog name"

VERSION 1
"""
_MAX_NAME_BYTES = 63
LOCK_NAME = ".image_to_3d.lock"


def clean(path: str) -> str:
    """Return the path of a catalogue as Blender would write it: "Props / Cups:red" is "Props/Cups-red".

    Raises:
        BadOption: nothing is left of it.
    """
    parts = [re.sub(r"[:\\]", "-", " ".join(part.split())) for part in path.split("/")]
    cleaned = "/".join(part for part in parts if part)
    if not cleaned or not cleaned.isprintable():
        raise BadOption(f'"{path}" is no catalogue.', hint=f'For example: --catalog "{DEFAULT_PATH}/Cups".')
    return cleaned


def ensure(library: Path, path: str) -> UUID:
    """Return the number of a catalogue of the library in the folder `library`; made if it is missing.

    What else is in the file stays as it is. One that its user renamed or moved in Blender keeps its number, and is
    the same one.

    Raises:
        StorageError: the file cannot be read or written, or is of a later version.
    """
    file = library / FILE_NAME
    try:
        with system.locked(library / LOCK_NAME):
            text = file.read_text(encoding="utf-8", errors="surrogateescape") if file.exists() else _HEADER
            known, number = _parse(text), uuid5(_NAMESPACE, path)
            if number in known:
                return number
            for other, its_path in known.items():
                if its_path == path:
                    return other
            text = f"{text.rstrip()}\n{'' if known else chr(10)}{number}:{path}:{_simple_name(path)}\n"
            system.write_atomically(file, text.encode("utf-8", errors="surrogateescape"))
    except OSError as error:
        raise StorageError(f'"{file}" cannot be written: {system.explain(error)}.') from error
    return number


def _parse(text: str) -> dict[UUID, str]:
    """Return the paths by number; a line that is none of a catalogue says nothing."""
    lines = [line for line in (line.strip() for line in text.splitlines()) if line and not line.startswith("#")]
    if lines and lines[0].startswith("VERSION ") and lines[0] != "VERSION 1":
        raise StorageError(
            f'"{FILE_NAME}" was written by a later Blender.', hint="Use that Blender, or another folder."
        )
    found = {}
    for line in lines:
        number, _, rest = line.partition(":")
        try:
            found[UUID(number)] = rest.partition(":")[0]
        except ValueError:
            continue
    return found


def _simple_name(path: str) -> str:
    """Return what an asset keeps of its catalogue, to be recognised by people if the file is lost."""
    name = path.replace("/", "-").encode()
    if len(name) <= _MAX_NAME_BYTES:
        return name.decode()
    return "..." + name[3 - _MAX_NAME_BYTES :].decode(errors="ignore")
