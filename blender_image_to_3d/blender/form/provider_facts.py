# SPDX-License-Identifier: GPL-3.0-or-later
"""What the providers say of themselves, as plain facts that drawing can use without pydantic.

Importing all providers takes a fifth of a second, so the facts are kept in a file, for this very state of our code.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import BrokenPackage
from ...host import dependencies, system
from ..interface.texts import tr_error

_PACKAGE = Path(__file__).parents[2]


class Unusable(Exception):
    """The packages that we need do not work; the text is a sentence for the user."""


@dataclass(frozen=True)
class Entry:
    """One provider. `facts` is what `describe.provider_facts` says."""

    facts: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.facts["id"])

    @property
    def label(self) -> str:
        return str(self.facts["label"])

    @property
    def models(self) -> list[str]:
        """Its models; the first is the default."""
        return list(self.facts["models"])

    def options(self, model: str | None) -> list[dict[str, Any]]:
        """Return the facts of a model's options, see `describe.option_facts`."""
        return list(self.facts["by_model"][model] if model else self.facts["options"])

    def views(self, model: str | None) -> tuple[str, ...]:
        """Return the sides that a model takes, the front first."""
        return tuple(self.facts["views_by_model"][model] if model else self.facts["views"])

    @property
    def _distance(self) -> int:
        """What can be tried at once comes first: on this computer, then without a key."""
        return 0 if self.facts["base_url"] is None else 1 if not self.facts["needs_key"] else 2


def read(folder: Path | None) -> tuple[Entry, ...]:
    """Return all providers, those first that need the least.

    folder: where the facts may be kept.

    Raises:
        Unusable: pydantic is missing or broken.
    """
    try:
        dependencies.check()  # what is kept must not hide that nothing can be generated
        facts = _kept(folder) if folder else _asked()
    except BrokenPackage as error:
        raise Unusable(tr_error(error)) from error
    except dependencies.WAYS_TO_BREAK as error:
        raise Unusable(tr_error(dependencies.explain(error))) from error
    entries = [Entry(each) for each in facts]
    return tuple(sorted(entries, key=lambda entry: (entry._distance, entry.label.lower())))


def _asked() -> list[dict[str, Any]]:
    """Return the facts as the providers themselves tell them."""
    from ... import providers
    from ...providers.describe import provider_facts

    return [provider_facts(providers.get(each)) for each in providers.ids()]


def _kept(folder: Path) -> list[dict[str, Any]]:
    """Return the facts as they were kept; else ask, and keep them."""
    state, file = _state(), folder / "providers.json"
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
        content = json.loads(file.read_bytes())
        if content["state"] == state:
            return list(content["facts"])
    facts = _asked()
    with contextlib.suppress(OSError):  # it only takes longer the next time
        system.write_atomically(file, json.dumps({"state": state, "facts": facts}).encode(), durable=False)
    return facts


def _state() -> str:
    """Return what changes with every change of our code."""
    stats = {path: path.stat() for path in sorted(_PACKAGE.rglob("*.py"))}
    stamps = [(str(path.relative_to(_PACKAGE)), stat.st_size, stat.st_mtime_ns) for path, stat in stats.items()]
    return hashlib.sha256(repr(stamps).encode()).hexdigest()
