# SPDX-License-Identifier: GPL-3.0-or-later
"""What a click on Generate comes to: a new row and a job for it, or the row that is there already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress

import bpy

from ... import providers
from ...errors import ImageTo3DError, StorageError
from ...jobs import unattended
from ...jobs.library import JobFolder, Library
from ...jobs.orders import Outcome
from ...models import Placement, Spot
from ..form.scene_form import Chosen
from ..interface import redraw
from ..interface.texts import tr_report
from .destination import Destination
from .job_list import JobList
from .job_rows import Row, Stage
from .messages import Messages
from .new_jobs import NewJob, NewJobQueue

_SAME_CLICK_SECONDS = 2.0
"""Somebody who presses Generate again this soon does not want a second model."""


class Clicks:
    """The clicks whose jobs are being made."""

    def __init__(self, library: Library, jobs: JobList, messages: Messages) -> None:
        self._library = library
        self._jobs = jobs
        self._messages = messages
        self._queue = NewJobQueue()

    @property
    def is_busy(self) -> bool:
        """Whether a job is still to be made."""
        return self._queue.is_busy

    def close(self) -> None:
        self._queue.close()

    def order(
        self,
        context: bpy.types.Context,
        chosen: Chosen,
        *,
        again: bool,
        names: Mapping[str, str],
        replaces: bpy.types.Object | None,
    ) -> None:
        """As `Session.order`."""
        identity = f"{chosen}{again}{replaces}"
        placement = Placement.model_validate(chosen.placement)
        destination = Destination.of(context, at_cursor=placement.spot is Spot.CURSOR, replaces=replaces)
        if (known := self._same_click(identity, again=again)) is not None:
            self._join(known, destination)
            return
        new = NewJob.of(chosen, self._library.root, again=again, names=names)
        info = providers.info(chosen.provider)
        row = Row(
            title=new.title,
            provider=info.id,
            label=info.label,
            stage=Stage.ORDERED,
            destination=destination,
            picture=new.front,
            identity=identity,
            is_paid=info.paid,
            account_url=info.key_url or "",
            is_cancellable=info.cancellable,
        )
        self._jobs.insert(row)
        self._queue.give(row, new)

    def cancel(self, row: Row) -> None:
        """Give a row up that has no job yet; whoever reads its pictures comes to an end: see `step`."""
        row.is_cancelled = True
        self._jobs.remove(row)
        self._queue.withdraw(row)

    def step(self) -> Iterator[tuple[Row, Outcome]]:
        """Yield the rows that have a job now, one by one: each is to be taken up before the next one is looked at."""
        for row, outcome in self._queue.step():
            if row.is_cancelled:
                self._give_up(outcome)
            elif outcome.job is None:
                self._jobs.stop(row, outcome.problem)
            elif (ready := self._with_job(row, outcome.job)) is not None:
                yield ready, outcome

    def _same_click(self, identity: str, *, again: bool) -> Row | None:
        """Return what the user has just asked for with the same words.

        again: nobody else looks whether it is being bought already, so it must not be as long as it is being made.
        """
        for row in self._jobs.rows:
            is_new = row.elapsed_seconds() < _SAME_CLICK_SECONDS and not row.is_cancelled
            if row.identity == identity and (row.stage is Stage.ORDERED or (row.is_active and (again or is_new))):
                return row
        return None

    def _join(self, row: Row, destination: Destination | None) -> None:
        """Let a model that is being made go there too, also if it was given up and cannot be recalled."""
        if row.is_cancelled and row.folder is not None:
            row.is_cancelled = False
            row.destination = destination
            with suppress(StorageError):  # whoever has it stops, and then says so
                row.folder.forget_stop_request()
        elif row.destination is None or not row.destination.is_here:
            row.destination = destination
        if row.elapsed_seconds() >= _SAME_CLICK_SECONDS:
            self._messages.say("INFO", tr_report("This model is being made already"))
        redraw.tabs()

    def _with_job(self, row: Row, job: str) -> Row | None:
        """Return the row of a job, if it is to be taken up: the new one, or that of the same paid request."""
        known = self._jobs.find(job)
        if known is None:
            row.folder = JobFolder(self._library.root / job)
            row.key = job
            return row
        self._jobs.remove(row)
        if known.is_active:
            self._join(known, row.destination)
            return None
        known.destination = row.destination
        self._jobs.move_to_top(known)
        return known

    def _give_up(self, outcome: Outcome) -> None:
        """Undo what became of a picture that nobody wants any more; nothing was sent."""
        if outcome.job is None or not outcome.is_new or self._jobs.find(outcome.job) is not None:
            return
        folder = JobFolder(self._library.root / outcome.job)
        with suppress(ImageTo3DError):
            # A later click may have been told of this job.
            unattended.cancel_waiting(folder) if self._queue.is_busy else folder.delete()
