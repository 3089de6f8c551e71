# SPDX-License-Identifier: GPL-3.0-or-later
"""The way to one service, as a question and a download share it: where it is, how it is reached, who waits."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from ..errors import Busy, Unreachable
from .addresses import Address, Service
from .bodies import Body
from .patience import Limits, Patience

if TYPE_CHECKING:
    from .transport import Incoming

log = logging.getLogger(__name__)


class Connection:
    """What goes to one service, and to where its results lie."""

    def __init__(
        self,
        label: str,
        service: Service,
        limits: Limits,
        wait: Callable[[float], None],
        report: Callable[[str, float | None], None],
    ) -> None:
        """See `Http`."""
        self.label = label
        self.service = service
        self.limits = limits
        self.wait = wait
        self.report = report
        from . import transport  # imports requests, and with it everything that a paid job needs later

        self.transport = transport

    def sent(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Body | None,
        answer_seconds: float,
    ) -> AbstractContextManager[Incoming]:
        """Send one request, and return its reply while it comes. answer_seconds: until it begins to."""
        is_plain = url[:5].lower() == "http:"

        def allowed(name: str, found: list[Address]) -> list[Address]:
            return self.service.allowed(name.rstrip("."), found, is_plain=is_plain)

        request = self.transport.Request(
            method=method,
            url=url,
            headers=headers,
            body=body,
            addresses=allowed,
            on_wait=lambda: self.wait(0),
            connect_seconds=self.limits.connect_seconds,
            answer_seconds=answer_seconds,
            stall_seconds=self.limits.stall_seconds,
            slowest_bytes_per_second=self.limits.slowest_bytes_per_second,
            is_loopback=self.service.is_loopback,
        )
        return self.transport.sent(request)

    def pause(self, patience: Patience, error: Unreachable) -> None:
        """Wait before the next try. Raises `error` where patience is over, or where waiting would not help."""
        pause = patience.next_pause(error.after if isinstance(error, Busy) else None)
        if pause is None or getattr(error.__cause__, "is_lasting", False):
            raise error from None
        log.info("again in %.1f s: %s", pause, error)
        self.wait(pause)
