# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``batch`` makes of all models together in Blender: the words that ask for it, and what is said of it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadOption
from .console import Console
from .host_program import HostProgram
from .parser import Parser

if TYPE_CHECKING:
    from ..batch.assembly import Assembled, Wish
    from ..batch.batch import Item, Outcome


def add_arguments(command: Parser) -> None:
    """Add what can be wished for."""
    together = command.add_argument_group("of all models together (in Blender)")
    together.add_argument("--asset-library", type=Path, metavar="DIR", help="make assets for the Asset Browser of them")
    together.add_argument(
        "--asset-files", choices=["each", "one"], default="each", help="a .blend for each, or one for all (each)"
    )
    together.add_argument("--catalog", metavar="PATH", help="of the assets (Image to 3D)")
    together.add_argument(
        "--contact-sheet", type=Path, metavar="FILE.png", help="a picture that shows all pictures with their models"
    )


def wish_of(options: argparse.Namespace, host: HostProgram) -> Wish:
    """Return what is to be made of all models.

    Raises:
        BadOption: it makes no sense, or needs Blender.
    """
    from ..batch.assembly import wish

    wished = wish(
        asset_library=options.asset_library,
        in_one_file=options.asset_files == "one",
        catalog=options.catalog,
        contact_sheet=options.contact_sheet,
        overwrite=options.overwrite,
        pictures=options.source,
        models=options.output_dir,
    )
    if wished and host.assembler is None:
        what = "An asset library" if wished.asset_library is not None else "A contact sheet"
        raise BadOption(
            f"{what} needs Blender.", hint="Run the same words inside Blender: blender --command image_to_3d."
        )
    return wished


@dataclass
class Assembly:
    """What was made of all models."""

    news: list[Assembled] = field(default_factory=list)
    pages: Sequence[Path] = ()
    """The pictures of the contact sheet."""

    @property
    def problems(self) -> int:
        """How many models are not where they were to be."""
        return sum(each.problem is not None for each in self.news)

    def lines(self, wish: Wish) -> Iterator[str]:
        """Say it to a person."""
        if wish.asset_library is not None:
            counts = f"{self._count('added')} added, {self._count('there')} were there"
            yield f"Asset library: {wish.asset_library} ({counts})"
            yield "  Edit > Preferences > File Paths > Asset Libraries adds this folder to Blender's Asset Browser."
        if self.pages:
            yield f"Contact sheet: {', '.join(map(str, self.pages))}"

    def facts(self, wish: Wish) -> dict[str, Any]:
        """Say it to a program."""
        facts: dict[str, Any] = {}
        if wish.asset_library is not None:
            counts = {state: self._count(state) for state in ("added", "there", "missing")}
            facts["asset_library"] = {"folder": str(wish.asset_library), **counts}
        if self.pages:
            facts["contact_sheet"] = list(map(str, self.pages))
        return facts

    def _count(self, state: str) -> int:
        return sum(each.asset == state for each in self.news)


def assemble(
    items: Sequence[Item], outcomes: Sequence[Outcome], wish: Wish, console: Console, host: HostProgram
) -> Assembly:
    """Make what is wished for of all models that there are.

    Raises:
        ImageTo3DError: the asset library or the contact sheet cannot be made.
    """
    from ..batch.assembly import exhibits

    assembly = Assembly()
    if not wish or host.assembler is None:
        return assembly

    def hear(news: Assembled) -> None:
        assembly.news.append(news)
        _say(news, console)

    console.note(f"Assembling {len(items)} models ...")
    assembly.pages = host.assembler.assemble(exhibits(items, outcomes), wish, hear)
    return assembly


def _say(news: Assembled, console: Console) -> None:
    problem = news.problem.model_dump(mode="json") if news.problem else None
    console.event("assembled", picture=str(news.exhibit.picture), asset=news.asset, problem=problem)
    if news.problem is not None:
        console.note(f"{news.exhibit.title}: {news.problem.message} {news.problem.hint}".rstrip())
