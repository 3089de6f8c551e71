# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user is told of the jobs in Blender's status bar."""

from __future__ import annotations

from ..interface import redraw
from .modal_timer import Report


class Messages:
    """Sentences that the modal timer takes with its next step."""

    def __init__(self) -> None:
        self._waiting: list[Report] = []

    def say(self, level: str, text: str) -> None:
        """level: as operators report it."""
        self._waiting.append((level, text))

    def say_unseen(self, level: str, text: str) -> None:
        """Say what the list of jobs shows, unless that is in sight."""
        if not redraw.is_tab_visible():
            self.say(level, text)

    def take(self) -> list[Report]:
        """Return what is to be said, once."""
        taken, self._waiting = self._waiting, []
        return taken
