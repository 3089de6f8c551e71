# SPDX-License-Identifier: GPL-3.0-or-later
"""All that the command line prints: answers on standard output, what is said meanwhile on standard error.

With ``--json`` standard output has JSON lines, and nothing else is printed.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..errors import ImageTo3DError
    from ..jobs.runner import News


class Console:
    """Prints for a person, for a program that reads JSON lines, or for the manager of a render farm."""

    def __init__(self, program: str, *, is_json: bool, is_farm: bool) -> None:
        """program: what the user calls us."""
        self._program = program
        self._is_json = is_json
        self._is_farm = is_farm
        self._last = ""

    def answer(self, text: str, **facts: Any) -> None:
        """Print the answer, or with --json its facts."""
        print(json.dumps(facts) if self._is_json else _printable(text), flush=True)

    def event(self, event: str, **facts: Any) -> None:
        """With --json, say what has happened."""
        if self._is_json:
            print(json.dumps({"event": event, **facts}), flush=True)

    def note(self, text: str) -> None:
        """Tell a person what is going on."""
        if not self._is_json:  # what a file or a service is called must not steer the terminal
            print(_printable(text), file=sys.stderr, flush=True)

    def step(self, seconds: float) -> None:
        """Tell a farm's manager that a picture is done, as Blender tells it of a frame."""
        if self._is_farm:
            minutes, seconds = divmod(seconds, 60)
            self.note(f"Time: {minutes:02.0f}:{seconds:05.2f}")

    def saved(self, picture: Path) -> None:
        """Tell a farm's manager, which shows it, that a picture was written, as Blender tells it of a frame."""
        if self._is_farm:
            self.note(f"Saved: '{picture}'")

    def error(self, error: ImageTo3DError) -> None:
        """Say why there is no result, and what to do next."""
        # "jobs" alone is a command of its own in most shells.
        hint = re.sub(r"\bjobs (?=list|show|resume)", f"{self._program} jobs ", error.hint)
        self.event("error", kind=type(error).__name__, message=str(error), hint=hint, charged=error.charged.value)
        self.note(f"{error} {hint}".strip())

    def news(self, news: News) -> None:
        """Say how far a job is; the same sentence once."""
        job = news.job
        self.event("progress", job=job.id, state=job.state, progress=job.progress, message=job.message)
        share = "" if job.progress is None else f" {job.progress:.0%}"
        line = f"{job.request.name}: {job.message}{share}"
        if job.message and line != self._last:
            self.note(line)
        self._last = line


def _printable(text: str) -> str:
    return "".join(each for each in text if each.isprintable() or each == "\n")
