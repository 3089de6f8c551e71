# SPDX-License-Identifier: GPL-3.0-or-later
"""The words with which ``generate`` and ``batch`` say what to make, their help, and the request that they become."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BadOption, BrokenPackage
from ..host import dependencies
from .parser import Parser

if TYPE_CHECKING:
    from ..jobs.request import Draft
    from ..models import Placement, View

_DEFAULT_PROVIDER = "offline_shape"


def add_arguments(command: Parser) -> None:
    """Add what can be said of every request."""
    command.add_argument(
        "--provider", default=_DEFAULT_PROVIDER, metavar="ID", help=f"who makes it ({_DEFAULT_PROVIDER})"
    )
    command.add_argument("--model", metavar="NAME", help="of the provider, where there is a choice")
    command.add_argument(
        "--view", action="append", default=[], metavar="SIDE=FILE", help="a picture from the back, left or right"
    )
    command.add_argument(
        "--mask", type=Path, metavar="FILE", help="a picture that is white where the front shows the subject"
    )
    command.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="see the end")
    command.add_argument("--overwrite", action="store_true", help="replace what exists")
    command.add_argument("--again", action="store_true", help="make (and pay) anew what was made before")
    command.add_argument("--json", action="store_true", help="print JSON lines")
    command.add_argument("--height", type=float, metavar="H", help="the real height of the model, in metres")
    place = command.add_argument_group("in a scene")
    place.add_argument(
        "--stance", choices=["ground", "centre", "file"], default="ground", help="how it stands (ground)"
    )
    place.add_argument("--collection", metavar="NAME", help="put it there")


def options_epilog(arguments: Sequence[str]) -> str | None:
    """Return the options of the provider that the user names; only help needs it, and only it takes the time."""
    if not {"-h", "--help"} & set(arguments[1:]):
        return None
    try:
        dependencies.check()
    except BrokenPackage:
        return None
    from .. import providers
    from ..providers.describe import options_help

    chosen = _named_provider(arguments)
    if chosen not in providers.ids():
        return f"providers: {', '.join(providers.ids())}"
    others = ", ".join(each for each in providers.ids() if each != chosen)
    more = f"\nother providers: {others}" if others else ""
    return f"options of {chosen} (--option NAME=VALUE):\n{options_help(providers.get(chosen).options)}{more}"


def _named_provider(arguments: Sequence[str]) -> str:
    """Return what stands behind the last --provider: help is asked for before all words were parsed."""
    chosen = _DEFAULT_PROVIDER
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
        if argument == "--provider":
            chosen = following
        elif argument.startswith("--provider="):
            chosen = argument.partition("=")[2]
    return chosen


def draft_of(options: argparse.Namespace, image: Path, *, name: str | None = None) -> Draft:
    """Return the checked request for the picture of one subject.

    name: of the object; nothing: the picture's.

    Raises:
        BadOption: a word means nothing, or its value does not fit.
        BadPicture: a picture is missing, damaged, empty or too large.
        StorageError: a picture cannot be read.
    """
    from ..jobs.request import draft
    from ..models import View

    return draft(
        {View.FRONT: image, **_other_views(options)},
        provider=options.provider,
        model=options.model,
        options=_pairs(options.option),
        placement=_placement(options),
        name=name,
    )


def _other_views(options: argparse.Namespace) -> dict[View, Path]:
    """Return the pictures besides the front."""
    from ..models import View

    sides = [view.value for view in View if view is not View.MASK]
    views = {} if options.mask is None else {View.MASK: options.mask}
    for side, file in _pairs(options.view).items():
        if side not in sides:
            raise BadOption(f'"{side}" is not a side.', hint=f"The sides are: {', '.join(sides)}; see also --mask.")
        views[View(side)] = Path(file)
    return views


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise BadOption(f'"{text}" is not NAME=VALUE.', hint="For example: --option detail=0.3.")
        pairs[name] = value
    return pairs


def _placement(options: argparse.Namespace) -> Placement:
    from pydantic import ValidationError

    from ..models import Placement, Spot, Stance

    try:
        return Placement(
            spot=Spot.ORIGIN,
            stance=Stance(options.stance),
            height=options.height,
            collection=options.collection,
        )
    except ValidationError:
        raise BadOption(f"A height of {options.height} cannot be.", hint="It must be more than 0.") from None
