# SPDX-License-Identifier: GPL-3.0-or-later
"""What one user chose for every Blender and for the command line. Keys are not among it: see `keys`."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import BadOption, StorageError
from . import system

FILE_NAME = "image_to_3d.settings.json"
FEWEST_JOBS, MOST_JOBS = 1, 16


@dataclass(frozen=True)
class Settings:
    """The choices, each with what holds if nothing was chosen."""

    library: str = ""
    """The folder that keeps the jobs; empty: the usual one of this user."""
    jobs_at_once: int = 2
    """From `FEWEST_JOBS` to `MOST_JOBS`; the others wait for a free place."""
    agreed: tuple[str, ...] = ()
    """Ids of the providers whose first request that may cost money was confirmed."""


def load(environment: Mapping[str, str] = os.environ) -> Settings:
    """Return what the user chose. What cannot be read, or means nothing, is as if it was never chosen."""
    stored = _stored(environment)
    library, jobs, agreed = (stored.get(name) for name in ("library", "jobs_at_once", "agreed"))
    return Settings(
        library=library if isinstance(library, str) and "\0" not in library else Settings.library,
        jobs_at_once=jobs if isinstance(jobs, int) and FEWEST_JOBS <= jobs <= MOST_JOBS else Settings.jobs_at_once,
        agreed=tuple(each for each in agreed if isinstance(each, str)) if isinstance(agreed, list) else (),
    )


def save(settings: Settings, environment: Mapping[str, str] = os.environ) -> None:
    """Write it down. What a newer version has chosen besides stays.

    Raises:
        StorageError: it cannot be written; what was chosen before still holds.
    """
    path = _file(environment)
    data = json.dumps({**_stored(environment), **asdict(settings)}, indent=1).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        system.write_atomically(path, data, durable=False)
    except OSError as error:
        raise StorageError(f"The settings {path} cannot be written: {system.explain(error)}.") from error


def library_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder that keeps this user's jobs: the same for every Blender version and for the command line.

    It is what IMAGE_TO_3D_LIBRARY names, else what the user chose in the preferences, else one beside them.

    Raises:
        StorageError: this user has no home folder.
    """
    chosen = environment.get("IMAGE_TO_3D_LIBRARY") or load(environment).library
    if not chosen:
        return usual_library_folder(environment)
    try:
        return Path(chosen).expanduser().absolute()
    except RuntimeError as error:
        raise system.homeless() from error


def usual_library_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the library of a user who chose none. Raises `StorageError`."""
    return system.user_folder(environment) / "image_to_3d"


def seconds(variable: str, usual: float, environment: Mapping[str, str] = os.environ) -> float:
    """Return what an environment variable says in place of a usual number of seconds.

    Raises:
        BadOption: what it says is not a number of seconds.
    """
    text = environment.get(variable, "").strip()
    try:
        chosen = float(text) if text else usual
    except ValueError:
        chosen = 0.0
    if not 0 < chosen < math.inf:
        raise BadOption(f'{variable} is "{text}", and must be a number of seconds.')
    return chosen


def _file(environment: Mapping[str, str]) -> Path:
    return system.user_folder(environment) / FILE_NAME


def _stored(environment: Mapping[str, str]) -> dict[str, Any]:
    try:
        stored = json.loads(system.read_shared(_file(environment)))
    except (OSError, ValueError, StorageError):
        return {}
    return stored if isinstance(stored, dict) else {}
