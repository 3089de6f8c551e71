# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made of all models of a batch together: an asset library, and a contact sheet. Only Blender can."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from ..errors import BadOption, StorageError
from ..host import system
from ..jobs import output
from ..jobs.library import JobFolder, readable
from ..models import Problem
from . import asset_catalogs
from .batch import Item, Outcome

_NOT_MADE = "Not made."


@dataclass(frozen=True)
class Wish:
    """What is to be made, and where."""

    asset_library: Path | None = None
    in_one_file: bool = False
    catalog: str = asset_catalogs.DEFAULT_PATH
    contact_sheet: Path | None = None
    overwrite: bool = False
    """Also make those assets anew that are there."""

    def __bool__(self) -> bool:
        return self.asset_library is not None or self.contact_sheet is not None

    def prepare(self) -> None:
        """Say before anything is made whether it could be written.

        Raises:
            StorageError: it could not.
        """
        for folder in (self.asset_library, self.contact_sheet and self.contact_sheet.parent):
            if folder is None:
                continue
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StorageError(f'"{folder}" cannot be made: {system.explain(error)}.') from error
            output.check_folder(folder)
        if self.contact_sheet is not None and self.contact_sheet.is_dir():
            raise StorageError(f'"{self.contact_sheet}" is a folder.', hint="Name a file, such as contact_sheet.png.")


def wish(
    *,
    asset_library: Path | None,
    in_one_file: bool,
    catalog: str | None,
    contact_sheet: Path | None,
    overwrite: bool,
    pictures: Path,
    models: Path,
) -> Wish:
    """Check what a user says.

    pictures: the folder with the pictures of the batch, or the list of them. models: the folder of the models.

    Raises:
        BadOption: it makes no sense.
    """
    if contact_sheet is not None and contact_sheet.suffix.lower() != ".png":
        raise BadOption(f'A contact sheet is a PNG picture, not "{contact_sheet.name}".', hint="Name a .png file.")
    if contact_sheet is not None and contact_sheet.resolve().parent == pictures.resolve():
        hint = "Put the contact sheet into another folder."
        raise BadOption(f'"{contact_sheet.name}" would be one of the pictures the next time.', hint=hint)
    if asset_library is None and (in_one_file or catalog is not None):
        raise BadOption("There is no asset library.", hint="Say where with --asset-library DIR.")
    if asset_library is not None and asset_library.resolve() == models.resolve():
        raise BadOption("The asset library needs a folder of its own.", hint=f'For example: "{models / "assets"}".')
    path = asset_catalogs.clean(asset_catalogs.DEFAULT_PATH if catalog is None else catalog)
    return Wish(asset_library, in_one_file, path, contact_sheet, overwrite)


@dataclass(frozen=True)
class Exhibit:
    """One picture, with the job that has its model, or with the reason why there is none."""

    picture: Path
    title: str
    """Another one for every picture; it may be a file's name."""
    folder: JobFolder | None = None
    reason: str = ""


def exhibits(items: Sequence[Item], outcomes: Sequence[Outcome]) -> list[Exhibit]:
    """Return what became of every picture of a batch, in the order of the pictures."""
    known = {outcome.item: outcome for outcome in outcomes}
    return [_exhibit(item, known.get(item)) for item in items]


def _exhibit(item: Item, outcome: Outcome | None) -> Exhibit:
    title = readable(item.output.stem)
    if outcome is None:
        return Exhibit(item.picture, title, reason=_NOT_MADE)
    if outcome.problem is not None:
        return Exhibit(item.picture, title, reason=outcome.problem.message)
    return Exhibit(item.picture, title, outcome.folder)


class AssetState(StrEnum):
    """What became of a model in the asset library."""

    ADDED = "added"
    THERE = "there"
    """It was there, and was left alone."""

    MISSING = "missing"
    """There is no model, or it could not be added."""


@dataclass(frozen=True)
class Assembled:
    """What became of one picture."""

    exhibit: Exhibit
    asset: AssetState | None = None
    """Nothing: no asset library is wished for."""
    problem: Problem | None = None


class Assembler(Protocol):
    """Makes what is wished for."""

    def assemble(self, exhibits: Sequence[Exhibit], wish: Wish, on_news: Callable[[Assembled], None]) -> Sequence[Path]:
        """Make it, and return the files of the contact sheet. One broken model does not stop the others.

        Raises:
            ImageTo3DError: the asset library or the contact sheet cannot be made.
        """
