# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``batch --dry-run`` does: says what would be sent, and where, and touches nothing."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import ImageTo3DError
from . import request
from .console import Console

if TYPE_CHECKING:
    from ..batch.batch import Item
    from ..jobs.request import Draft
    from ..models import ProviderInfo
    from ..pictures.facts import PictureFacts


def run(options: argparse.Namespace, items: Sequence[Item], console: Console) -> int:
    """Say it of every picture, and return the exit status. A bad picture does not stop the others."""
    from .. import providers
    from ..pictures.inspect import inspect

    info = providers.info(options.provider)
    for item in items:
        try:
            draft = request.draft_of(options, item.picture)
            facts = inspect(item.picture)
        except ImageTo3DError as error:
            console.answer(f"{item.picture}: {error}", picture=str(item.picture), problem=str(error))
            continue
        _say(item, draft, facts, info, console)
    return 0


def _say(item: Item, draft: Draft, facts: PictureFacts, info: ProviderInfo, console: Console) -> None:
    from ..providers import access

    place = access.base_url_of(info) or "this computer"
    size = item.picture.stat().st_size
    console.answer(
        f"{item.picture} ({facts.format}, {facts.width}x{facts.height}, {size:,} bytes)"
        f" -> {info.label} on {place} -> {item.output}",
        picture=str(item.picture),
        views={view: str(path) for view, path in draft.pictures.items()},
        bytes=size,
        provider=info.id,
        model=draft.request.model,
        options=draft.request.options,
        sent_to=place,
        output=str(item.output),
        exists=item.output.exists(),
    )
