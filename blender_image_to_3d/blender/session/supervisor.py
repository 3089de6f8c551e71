# SPDX-License-Identifier: GPL-3.0-or-later
"""Has jobs worked on: starts, resumes, watches and cancels them, and follows what becomes of them."""

from __future__ import annotations

from contextlib import suppress

import bpy

from ...errors import ImageTo3DError, JobBusy, OutcomeUnknown, StorageError
from ...host import settings
from ...jobs import unattended
from ...jobs.library import JobFolder
from ...jobs.orders import Outcome
from ...jobs.runner import News, Runner
from ...models import Job, JobState, Problem
from ...providers.access import Surroundings
from .arrivals import Arrivals
from .history import History
from .job_list import JobList, row_of
from .job_rows import Row, Stage, UsualTimes, front_file


class Supervisor:
    """The workers of this Blender, and the jobs that others' workers have."""

    def __init__(self, jobs: JobList, history: History, usual: UsualTimes, arrivals: Arrivals) -> None:
        """arrivals: takes what has its result."""
        self._jobs = jobs
        self._history = history
        self._usual = usual
        self._arrivals = arrivals
        self._runner = Runner(jobs_at_once=settings.load().jobs_at_once, around=_surroundings())

    def take_up(self, row: Row, outcome: Outcome) -> None:
        """Have the job worked on that a click was given, if anything is to be done."""
        assert row.folder is not None
        try:
            job = row.folder.load()
        except StorageError as error:
            self._jobs.stop(row, Problem.of(error))
            return
        row.take(job)
        row.picture = front_file(row.folder, job)
        if outcome.problem is not None or job.state.has_result:
            self._jobs.stop(row, outcome.problem)
        elif outcome.is_new:
            self._start(row)
        elif row.folder.seems_claimed():
            self._watch(row)
        else:
            self._go_on_with(row)

    def adopt(self, folder: JobFolder, job: Job) -> bool:
        """Take over an unfinished job that was found in the library; whether it goes on, which must cost nothing."""
        if self._jobs.find(folder.id) is not None:
            return False
        if job.state is JobState.CANCELLED and job.worth == 0:  # whoever gave it up does not want to see it again
            return False
        row = row_of(folder, job)
        self._jobs.append(row)  # they come with the newest first
        if folder.seems_claimed():
            self._watch(row)
        elif job.state in {JobState.RUNNING, JobState.DOWNLOADING}:
            self._go_on_with(row)
        elif not job.state.is_final:
            with suppress(ImageTo3DError):
                row.take(unattended.settled(folder))
        return row.is_active

    def resume(self, row: Row, *, again: bool = False) -> None:
        """Go on with a job that stopped.

        again: send, and pay, what may have been charged already.

        Raises:
            ImageTo3DError: it cannot go on, and its row says why.
        """
        assert row.folder is not None
        row.stage = Stage.STOPPED
        row.is_cancelled = False
        try:
            job = unattended.reopen(row.folder, again=again)
        except JobBusy:
            self._watch(row)
        except OutcomeUnknown:
            with suppress(StorageError):
                row.take(row.folder.load())
            raise
        except ImageTo3DError as error:
            self._jobs.stop(row, Problem.of(error))
            raise
        else:
            row.take(job)
            self._arrivals.receive(row) if job.state.has_result else self._start(row)

    def cancel(self, row: Row) -> None:
        """Give a job up that waits or is being worked on. Raises `StorageError`."""
        assert row.folder is not None
        if self._runner.withdraw(row.folder):
            self._cancel_waiting(row)
        else:
            row.folder.ask_to("cancel")
            row.is_cancelled = True

    def step(self) -> None:
        """Start what waits, and look what has changed."""
        self._runner.around = _surroundings()
        for news in self._runner.step():
            self._take(news)
        self._note_started()

    def _go_on_with(self, row: Row) -> None:
        """Resume a job of which nobody pressed a button; if it cannot go on, its row says why."""
        with suppress(ImageTo3DError):
            self.resume(row)

    def _cancel_waiting(self, row: Row) -> None:
        """Give up a job that was just taken out of the queue. Raises `StorageError`."""
        assert row.folder is not None
        try:
            row.take(unattended.cancel_waiting(row.folder))
            row.stage = Stage.STOPPED
        except JobBusy:  # somebody else's worker has it
            self._watch(row)
            row.folder.ask_to("cancel")
            row.is_cancelled = True
        except ImageTo3DError as error:
            self._jobs.stop(row, Problem.of(error))

    def _start(self, row: Row) -> None:
        assert row.folder is not None
        row.stage = Stage.WAITING
        self._runner.jobs_at_once = settings.load().jobs_at_once
        try:
            self._runner.start(row.folder)
        except StorageError as error:
            self._jobs.stop(row, Problem.of(error))

    def _watch(self, row: Row) -> None:
        assert row.folder is not None
        row.stage = Stage.WORKING
        try:
            self._runner.watch(row.folder)
        except StorageError as error:
            self._jobs.stop(row, Problem.of(error))

    def _note_started(self) -> None:
        running = set(self._runner.running)
        for row in self._jobs.rows:
            if row.stage is Stage.WAITING and row.folder in running:
                row.stage = Stage.WORKING
                if row.destination:
                    self._arrivals.warm_up()  # it starts while the provider works

    def _take(self, news: News) -> None:
        row = self._jobs.with_folder(news.folder.path)
        if row is None:
            return
        row.take(news.job)
        if not news.has_ended:
            return
        if news.job.state.has_result:
            self._usual.add(row.provider, news.job.service_seconds or row.elapsed_seconds())
            self._history.add(news.folder, news.job)
            self._arrivals.receive(row)
            return
        if not news.job.state.is_final and news.folder.seems_claimed():  # another Blender's worker was quicker
            self._watch(row)
            return
        row.is_cancelled = False
        self._jobs.stop(row, news.job.problem)


def _surroundings() -> Surroundings:
    return Surroundings(bpy.app.binary_path or None, bpy.app.online_access)
