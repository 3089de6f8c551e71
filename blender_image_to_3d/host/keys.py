# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the services' keys are: in the environment, else in one file that only its owner can open.

The file lies beside the usual library, and never in a library, which may be a network share. It has one key for each
service, by the name of the service's own variable: providers of the same service share it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ..errors import KeyMissing, KeyRefused, StorageError
from . import system

if TYPE_CHECKING:
    from ..models import ProviderInfo

FILE_NAME = "image_to_3d.keys.json"
_DAMAGED_SUFFIX = ".damaged"


class Source(NamedTuple):
    """Where a key comes from."""

    kind: Literal["environment", "file", "none"]
    name: str
    """The variable, or the file."""


def key_of(info: ProviderInfo, environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the provider's key, or nothing if it needs none.

    Raises:
        KeyMissing: it needs one, and there is none, or the file of the keys cannot be read.
        KeyRefused: what there is can be none.
    """
    if not info.needs_key:
        return None
    if variable := _variable(info, environment):
        return _checked(environment[variable], where=f"What {variable} holds")
    hint = f"Enter it in the add-on's preferences, or set the environment variable {info.all_key_variables[0]}."
    where = f" One is to be had at {info.key_url}." if info.key_url else ""
    try:
        key = _stored(environment).get(info.key_variables[0])
    except StorageError as error:
        raise KeyMissing(f"{info.label} needs a key. {error}", hint=hint) from None
    if not key:
        raise KeyMissing(f"{info.label} needs a key.", hint=hint + where)
    return _checked(key, where=f"What {_file(environment)} holds for {info.label}")


def source_of(info: ProviderInfo, environment: Mapping[str, str] = os.environ) -> Source:
    """Return where the provider's key comes from, without judging it."""
    if variable := _variable(info, environment):
        return Source("environment", variable)
    try:
        is_stored = info.needs_key and bool(_stored(environment).get(info.key_variables[0]))
        return Source("file", str(_file(environment))) if is_stored else Source("none", "")
    except StorageError:
        return Source("none", "")


def store(info: ProviderInfo, key: str | None, environment: Mapping[str, str] = os.environ) -> None:
    """Keep a provider's key for every Blender and the command line; nothing, or an empty text, forgets it.

    Raises:
        KeyRefused: it can be none, or the provider needs none.
        StorageError: it cannot be written; the old one is still there.
    """
    if not info.needs_key:
        raise KeyRefused(f"{info.label} needs no key.", hint="")
    name, checked = info.key_variables[0], _checked(key or "", where="What was entered")
    path = _file(environment)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stored = _stored_or_put_aside(environment)
        if checked:
            stored[name] = checked
        elif stored.pop(name, None) is None:
            return
        system.write_atomically(path, json.dumps(stored, indent=1).encode(), private=True)
    except OSError as error:
        raise StorageError(f"The key file {path} cannot be written: {system.explain(error)}.") from error


def _variable(info: ProviderInfo, environment: Mapping[str, str]) -> str | None:
    """Return the first variable that holds something."""
    return next((name for name in info.all_key_variables if environment.get(name, "").strip()), None)


def _checked(text: str, *, where: str) -> str:
    key = text.strip()
    if key and (not key.isascii() or not key.isprintable() or " " in key):
        raise KeyRefused(f"{where} is no key: it has spaces, line breaks or unusual characters in it.")
    return key


def _file(environment: Mapping[str, str]) -> Path:
    return system.user_folder(environment) / FILE_NAME


def _stored(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the keys by variable; without a home there are none. Raises `StorageError`."""
    try:
        path = _file(environment)
    except StorageError:
        return {}
    try:
        data = system.read_shared(path)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise StorageError(f"The key file {path} cannot be read: {system.explain(error)}.") from error
    try:
        stored = json.loads(data)
    except ValueError:
        stored = None
    if not isinstance(stored, dict) or not all(isinstance(key, str) for key in stored.values()):
        # What is in it must not be shown: it may hold keys.
        raise StorageError(f"The key file {path} is damaged.")
    return stored


def _stored_or_put_aside(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the keys; a damaged file is renamed, so that whoever edited it can still repair it. Raises `OSError`."""
    try:
        return _stored(environment)
    except StorageError:
        path = _file(environment)
        system.replace(path, path.with_name(path.name + _DAMAGED_SUFFIX))
        return {}
