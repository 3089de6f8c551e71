# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts, watches, stops and resumes workers. Never blocks: Blender's timer and the command line both call `step`."""

from __future__ import annotations

import subprocess
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ..errors import BrokenPackage, ImageTo3DError, StorageError
from ..host import system
from ..host.keys import key_of
from ..host.programs import spawn_program
from ..models import Job, JobState, Problem, Start
from ..providers.access import NOTHING_AROUND, Surroundings, base_url_of, check_access, patience_of
from .claims import LEASE_SECONDS, Lease, chosen_lease_seconds
from .library import JobFolder
from .unattended import info_of, settled

STEP_SECONDS = 0.02
"""How long the blocking callers wait between two steps."""

_LOOKS = 2
"""Jobs whose folder a step looks into: with eight that report five times a second, all would cost two milliseconds."""

_CLAIM_SECONDS = 1.0


class News(NamedTuple):
    """A job as it is now."""

    folder: JobFolder
    job: Job
    has_ended: bool
    """No worker has it any more."""


class Runner:
    """The workers of one process."""

    def __init__(
        self,
        *,
        jobs_at_once: int = 1,
        around: Surroundings = NOTHING_AROUND,
        take_over: bool = False,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        """lease_seconds: how long a watched machine may give no sign of life; its claim may ask for more."""
        self.jobs_at_once = jobs_at_once
        """It may be changed at any time; nobody who works is stopped for it."""
        self.around = around
        """It may be changed at any time, and counts for the next worker."""
        self._take_over = take_over
        self._lease_seconds = lease_seconds
        self._waiting: deque[JobFolder] = deque()
        self._workers: dict[JobFolder, subprocess.Popen[bytes]] = {}
        self._watched: dict[JobFolder, float] = {}
        """The jobs that others work on, and when to ask for their claims again."""
        self._leases: dict[JobFolder, Lease] = {}
        self._stamps: dict[JobFolder, int] = {}
        self._known: dict[JobFolder, Job] = {}
        self._turn = 0

    @property
    def is_busy(self) -> bool:
        """There will be news: of jobs that wait, of our workers, or of others'."""
        return bool(self._waiting or self._workers or self._watched)

    @property
    def running(self) -> list[JobFolder]:
        return list(self._workers)

    @property
    def waiting(self) -> list[JobFolder]:
        """The jobs that have no worker yet, the next one first."""
        return list(self._waiting)

    def start(self, folder: JobFolder) -> None:
        """Let a worker have this job as soon as there is a place, unless one of ours has it. Raises `StorageError`."""
        if folder in self._workers or folder in self._waiting:
            return
        folder.forget_stop_request()
        self._known[folder] = folder.load()
        self._forget(folder)
        self._waiting.append(folder)

    def withdraw(self, folder: JobFolder) -> bool:
        """Take a job that still waits out of the queue; whether it was there."""
        if folder not in self._waiting:
            return False
        self._waiting.remove(folder)
        return True

    def watch(self, folder: JobFolder) -> None:
        """Say in `step` what becomes of a job that somebody else's worker has, until nobody claims it any more.

        A machine that gives no sign of life for a whole lease loses it.

        Raises:
            StorageError: the job cannot be read.
        """
        if folder in self._workers or folder in self._waiting:
            return
        self._known[folder] = folder.load()
        self._watched[folder] = 0.0
        self._leases.setdefault(folder, Lease(folder.path, self._lease_seconds))

    def step(self) -> list[News]:
        """Start what waits, notice what ended, and return the jobs that changed since the last call.

        Blender's timer calls it: it starts one worker at a time, which takes about a millisecond, and else much less.
        """
        news = [self._last_news(folder, status) for folder, status in self._ended()]
        news += [self._news(folder, has_ended=False) for folder in self._next_ones() if self._was_written(folder)]
        if self._waiting and len(self._workers) < self.jobs_at_once:
            folder = self._waiting.popleft()
            try:
                self._workers[folder] = self._spawn(folder)
            except (ImageTo3DError, OSError) as error:
                news.append(self._lost(folder, error))
            except ModuleNotFoundError as error:
                reason = StorageError(f'The Python package "{error.name}" is missing.', hint="Install it, then resume.")
                news.append(self._lost(folder, reason))
        return news

    def _next_ones(self) -> list[JobFolder]:
        """Return the jobs whose turn it is to be looked at."""
        active = [*self._workers, *self._watched]
        self._turn += _LOOKS
        return [active[(self._turn + number) % len(active)] for number in range(min(_LOOKS, len(active)))]

    def _news(self, folder: JobFolder, *, has_ended: bool) -> News:
        try:
            self._known[folder] = settled(folder) if has_ended else folder.load()
        except StorageError as error:  # somebody deleted it, or the disk is gone: the others must not suffer
            return self._lost(folder, error)
        return News(folder, self._known[folder], has_ended)

    def _last_news(self, folder: JobFolder, status: int | None) -> News:
        """status: with which the worker has ended, if it was ours."""
        news = self._news(folder, has_ended=True)
        if status == BrokenPackage.exit_status and not news.job.state.is_final:
            # It could not even begin, and another one would not either: pydantic was replaced while we run.
            return self._lost(folder, BrokenPackage(_last_line(folder.log)))
        return news

    def _lost(self, folder: JobFolder, error: ImageTo3DError | OSError) -> News:
        """Say of a job that cannot be read or started what it was, and why it goes no further."""
        if isinstance(error, ImageTo3DError):
            reason = error
        else:
            reason = StorageError(f"The worker of {folder.path} cannot be started: {system.explain(error)}.")
        job = self._known[folder].evolve(state=JobState.FAILED, problem=Problem.of(reason))
        return News(folder, job, has_ended=folder not in self._workers and folder not in self._watched)

    def stop(self, request: str) -> None:
        """Ask all our workers to "pause" or to "cancel", start no more, and leave the others' alone."""
        self._waiting.clear()
        self._watched.clear()
        self._leases.clear()
        for folder in self._workers:
            folder.ask_to(request)

    def _ended(self) -> list[tuple[JobFolder, int | None]]:
        """Return the jobs that nobody works on any more, and with which status our workers have ended."""
        ended: list[tuple[JobFolder, int | None]] = [
            (folder, status) for folder, worker in self._workers.items() if (status := worker.poll()) is not None
        ]
        ended += [(folder, None) for folder in self._watched if not self._is_worked_on(folder)]
        for folder, _ in ended:
            self._forget(folder)
        return ended

    def _forget(self, folder: JobFolder) -> None:
        self._workers.pop(folder, None)
        self._watched.pop(folder, None)
        self._leases.pop(folder, None)
        self._stamps.pop(folder, None)

    def _is_worked_on(self, folder: JobFolder) -> bool:
        """Whether somebody else's worker still has a job; asked now and then, and often once the job is at its end."""
        if time.monotonic() < self._watched[folder] and not self._known[folder].state.is_final:
            return True
        self._watched[folder] = time.monotonic() + _CLAIM_SECONDS
        return not self._leases[folder].end() and folder.is_claimed()

    def _was_written(self, folder: JobFolder) -> bool:
        try:
            stamp = (folder.path / "job.json").stat().st_mtime_ns
        except OSError:
            return False
        is_new = self._stamps.get(folder) != stamp
        self._stamps[folder] = stamp
        return is_new

    def _spawn(self, folder: JobFolder) -> subprocess.Popen[bytes]:
        info = info_of(folder)
        check_access(info, self.around)
        start = Start(
            key=key_of(info),
            base_url=base_url_of(info),
            patience_seconds=patience_of(info),
            lease_seconds=chosen_lease_seconds(),
            blender=self.around.blender,
            take_over=self._take_over,
        )
        with folder.log.open("ab") as log:
            return spawn_program(["worker", str(folder.path)], start.model_dump_json().encode(), log)


def _last_line(log: Path) -> str:
    with suppress(OSError):
        return log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
    return ""
