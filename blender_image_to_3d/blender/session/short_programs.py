# SPDX-License-Identifier: GPL-3.0-or-later
"""Short programs of ours that leave their answer in a file: what would take Blender's time, in a process of its own."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from ...host import programs

_ANSWER = "{answer}"


class ShortProgram:
    """One program that runs. It is over when it ended or took too long, and leaves nothing behind after `answer`."""

    ANSWER = _ANSWER
    """Stands in the arguments for the file that the answer goes to."""

    def __init__(self, *arguments: str, line: str = "", most_seconds: float = 60.0) -> None:
        """Start it. line: what it gets on its standard input.

        Raises:
            OSError: it cannot be started.
        """
        self._folder = TemporaryDirectory(prefix="image_to_3d-", ignore_cleanup_errors=True)
        self._file = Path(self._folder.name, "answer")
        self._deadline = time.monotonic() + most_seconds
        words = [str(self._file) if each == _ANSWER else each for each in arguments]
        try:
            with Path(self._folder.name, "log").open("wb") as log:
                self._process = programs.spawn_program(words, line.encode(), log)
        except OSError:
            self._folder.cleanup()
            raise

    @property
    def is_over(self) -> bool:
        """Whether there is nothing to wait for any more. Never waits."""
        return self._process.poll() is not None or time.monotonic() > self._deadline

    def wait(self) -> None:
        """Wait until it is over: for scripts, not for windows."""
        while not self.is_over:
            time.sleep(0.02)

    def answer(self) -> bytes | None:
        """Return what it left, if anything, and clean up. Ends it if it still runs."""
        self._process.kill()
        self._process.wait()
        try:
            return self._file.read_bytes()
        except OSError:
            return None
        finally:
            self._folder.cleanup()
