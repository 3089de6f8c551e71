# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws the tab anew when what the list of jobs says has changed."""

from __future__ import annotations

import time

from ..interface import redraw
from .job_list import JobList
from .job_rows import UsualTimes, state_text

_REDRAW_SECONDS = 0.2


class ListRedraw:
    """Remembers what the list said when it was drawn, and when that was."""

    def __init__(self, jobs: JobList, usual: UsualTimes) -> None:
        self._jobs = jobs
        self._usual = usual
        self._drawn: object = None
        self._drawn_at = 0.0

    def step(self) -> None:
        # What stopped stays as it is, and there may be a thousand of them.
        active = [row for row in self._jobs.rows if row.is_active]
        shown = (
            len(self._jobs.rows),
            [
                (
                    row.key,
                    row.stage,
                    row.progress(),
                    state_text(row, self._usual.of(row.provider)),
                    int(row.elapsed_seconds()),
                )
                for row in active
            ],
        )
        now = time.monotonic()
        # What changes sooner is drawn with one of the next steps; nobody reads faster.
        if shown != self._drawn and (not active or now - self._drawn_at >= _REDRAW_SECONDS):
            self._drawn, self._drawn_at = shown, now
            redraw.tabs()
