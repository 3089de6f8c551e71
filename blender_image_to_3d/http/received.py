# SPDX-License-Identifier: GPL-3.0-or-later
"""A reply that has arrived whole, read as what it is documented to be."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ..errors import BadResult, ImageTo3DError
from .patience import retry_after
from .words import said

_M = TypeVar("_M", bound=BaseModel)


@dataclass(frozen=True)
class Reply:
    """A reply that has arrived whole."""

    label: str
    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    file: Path | None = None
    """Where the body of a good reply lies, if it was asked for as a file; then `body` is empty."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    unreadable: type[ImageTo3DError] = BadResult
    """What it means if nobody can read it: after a purchase, that the outcome is unknown."""

    @property
    def is_good(self) -> bool:
        return 200 <= self.status < 300

    @property
    def words(self) -> str:
        """What it says, made fit to be shown; may be empty."""
        return said(self.body, self.secrets)

    @property
    def retry_after_seconds(self) -> float | None:
        """How long the service asks to wait, in the head of its reply."""
        return retry_after(self.headers)

    def json(self) -> Any:
        """Return the reply's JSON value, or nothing if it is none: for looking at errors."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    def object(self) -> dict[str, Any]:
        """Return the reply's JSON object.

        Raises:
            BadResult: it is something else; after a purchase `OutcomeUnknown`.
        """
        value = self.json()
        if not isinstance(value, dict):
            quote = f': "{self.words}"' if self.words else ""
            raise self.unreadable(f"{self.label} gives an answer that is not understood{quote}.")
        return value

    def read(self, model: type[_M]) -> _M:
        """Return the reply as what it is documented to be.

        Raises:
            BadResult: it is something else; after a purchase `OutcomeUnknown`.
        """
        try:
            return model.model_validate_json(self.body)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            about = f' (at "{place}")' if place else ""
            quote = f': "{self.words}"' if self.words else ""
            raise self.unreadable(f"{self.label} gives an answer that is not understood{about}{quote}.") from None


Explain = Callable[[Reply], None]
"""Looks at every reply, good ones too, and raises what it means if that is an error. `Busy`: it may be sent again."""


def nothing_special(reply: Reply) -> None:
    """Leave a reply to the rules that hold for all services."""
