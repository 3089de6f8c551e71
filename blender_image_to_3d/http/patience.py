# SPDX-License-Identifier: GPL-3.0-or-later
"""How long and how much: the limits of a request, and the waits between tries."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from random import SystemRandom

_SHORTEST_PAUSE_SECONDS = 0.05
_TRIES = 4


@dataclass(frozen=True)
class Limits:
    """How long and how much."""

    connect_seconds: float = 10.0
    answer_seconds: float = 60.0
    """Until an ordinary call begins to answer."""
    stall_seconds: float = 20.0
    """Without a byte, or with too few of them, in the middle of a reply."""
    slowest_bytes_per_second: float = 500.0
    patience_seconds: float = 180.0
    """How long what may be repeated is repeated."""
    quick_seconds: float = 5.0
    """The same where a person waits to hear that a service is not there."""
    buy_patience_seconds: float = 60.0
    """How long a purchase that the service puts off (429) is tried again; and no Retry-After is obeyed for longer."""
    first_pause_seconds: float = 0.5
    longest_pause_seconds: float = 30.0
    next_link_seconds: float = 10.0
    """How long one address of a result is tried where there are others."""
    gone_seconds: float = 3.0
    """How long a finished result may be missing: delivery networks lag behind."""
    max_reply_bytes: int = 10 * 1000 * 1000
    max_download_bytes: int = 1 << 30
    max_redirects: int = 5

    def within(self, seconds: float) -> Limits:
        """Return limits for who has only so much patience: in it, several tries that hang must find room."""
        shortened = {name: min(value, seconds) for name, value in vars(self).items() if name.endswith("_seconds")}
        for name in ("connect_seconds", "answer_seconds", "stall_seconds"):
            shortened[name] = min(shortened[name], seconds / _TRIES)
        return replace(self, **shortened)


class Patience:
    """The waits between tries: they grow, each is a little different, and they end."""

    def __init__(self, limits: Limits, seconds: float | None = None) -> None:
        self._limits = limits
        # Nobody is more patient with one thing than the user is with all of it.
        self._seconds = limits.patience_seconds if seconds is None else min(seconds, limits.patience_seconds)
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget what failed: something has worked since."""
        self._deadline: float | None = None
        self._pause = self._limits.first_pause_seconds

    def next_pause(self, asked_seconds: float | None = None) -> float | None:
        """Return how long to wait, or nothing if patience is over.

        asked_seconds: what the service asks for; obeyed as it is, or not at all.
        """
        if self._deadline is None:
            self._deadline = time.monotonic() + self._seconds
        left = self._deadline - time.monotonic()
        if asked_seconds is not None and asked_seconds >= _SHORTEST_PAUSE_SECONDS:  # "at once" is no hint
            return asked_seconds if asked_seconds < left else None
        pause = min(self._pause * SystemRandom().uniform(0.7, 1.3), left)
        self._pause = min(self._pause * 2, self._limits.longest_pause_seconds)
        return pause if left > 0 else None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a Retry-After means: a number, or a date, by the clock of whoever says it."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.replace(".", "", 1).isdigit():
        return float(text)
    moment, now = _seconds_of(text), _seconds_of(headers.get("date", ""))
    if moment is None:
        return None
    return max(moment - (time.time() if now is None else now), 0.0)


def _seconds_of(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
