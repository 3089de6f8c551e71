# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a user says to a checked `GenerationRequest`: the same for a form, a script and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import providers
from ..errors import StorageError
from ..host import system
from ..models import MAX_NAME_LENGTH, GenerationRequest, Placement, View
from ..pictures.handed_over import suffix_of
from .library import JobFolder, Library, picture_of, readable


@dataclass(frozen=True)
class Draft:
    """A request that was checked, and the files it speaks of; nothing was written yet."""

    request: GenerationRequest
    pictures: Mapping[View, Path]

    def create(self, library: Library) -> JobFolder:
        """Make its job. Raises `StorageError`."""
        return library.create(self.request, self.pictures)


def draft(
    views: Mapping[View, Path],
    *,
    names: Mapping[View, str] | None = None,
    provider: str,
    model: str | None = None,
    options: Mapping[str, Any] | None = None,
    placement: Placement | None = None,
    name: str | None = None,
) -> Draft:
    """Check everything that can be checked before anything is sent or written.

    names: what the user calls the pictures, where that is not their file's name.
    name: of the object; nothing: the front picture's.

    Raises:
        BadOption: unknown provider, model, option or view, or a value that does not fit.
        BadPicture: a picture is missing, damaged, empty or too large.
        StorageError: a picture cannot be read.
    """
    chosen = providers.get(provider)
    checked_model, checked_options = chosen.validate(model, dict(options or {}), tuple(views))
    # The front first, whatever the order they were given in: it names the object.
    ordered = {view: views[view] for view in View if view in views}
    try:
        entries = {view: picture_of(path, view, suffix_of(path)) for view, path in ordered.items()}
    except OSError as error:
        raise StorageError(f'"{error.filename}" cannot be read: {system.explain(error)}.') from error
    entries |= {view: entries[view].evolve(name=title) for view, title in (names or {}).items()}
    title = (readable(name) if name else Path(entries[View.FRONT].name).stem).strip()[:MAX_NAME_LENGTH]
    request = GenerationRequest(
        provider=provider,
        model=checked_model,
        views=entries,
        options=checked_options,
        placement=placement or Placement(),
        name=title or "Model",
    )
    return Draft(request, ordered)
