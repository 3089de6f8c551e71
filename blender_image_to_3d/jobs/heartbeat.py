# SPDX-License-Identifier: GPL-3.0-or-later
"""Renews a worker's claim all the time, so that other machines see that it lives; see `claims`.

Only workers import it: it needs a thread, and Blender forbids them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from .claims import Claim


@contextmanager
def beating(claim: Claim) -> Iterator[None]:
    """Renew a claim meanwhile, also while a service says nothing for minutes."""
    has_ended = threading.Event()

    def beat() -> None:
        while not has_ended.wait(claim.beat_seconds):
            claim.beat()

    claim.beat()  # before the job is read: see claims
    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        has_ended.set()
        thread.join()
