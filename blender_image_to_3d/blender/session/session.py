# SPDX-License-Identifier: GPL-3.0-or-later
"""What this Blender knows of the jobs, and what it does for them a little at a time; never blocks.

Reading pictures, the network and importing happen in other processes: here folders are looked at, and what has
arrived is appended. The modal timer calls `step`; the panels draw `rows` and `history`. The way of a job:

    clicks       a click on Generate becomes a row, and gets a job, or joins the row that is there already
    supervisor   a worker has the job, until there is a result or a problem
    arrivals     the result is imported beside this Blender, and placed as soon as that disturbs nobody
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import bpy

from ...errors import BadOption, BadPicture, ImageTo3DError, StorageError
from ...host import settings
from ...jobs.library import JobFolder, Library
from ...models import GenerationRequest, Job, Spot
from ..form.scene_form import Chosen
from ..importing import provenance
from ..importing.origin import JOB_KEY, root_of
from ..interface import redraw
from . import modal_timer
from .arrivals import Arrivals
from .clicks import Clicks
from .destination import Destination
from .history import History
from .job_list import JobList, row_of
from .job_rows import Row, Stage, UsualTimes
from .list_redraw import ListRedraw
from .messages import Messages
from .modal_timer import Report
from .new_jobs import chosen_from
from .supervisor import Supervisor


class Session:
    """The jobs of this Blender, and what the buttons do with them."""

    def __init__(self) -> None:
        self.library = Library(settings.library_folder())
        self.history = History(self.library)
        self.usual = UsualTimes()
        self._messages = Messages()
        self._jobs = JobList(self.library, self._messages)
        self._redraw = ListRedraw(self._jobs, self.usual)
        self._clicks = Clicks(self.library, self._jobs, self._messages)
        self._arrivals = Arrivals(self._jobs, self.history, self._messages)
        self._supervisor = Supervisor(self._jobs, self.history, self.usual, self._arrivals)

    @property
    def rows(self) -> list[Row]:
        """The list of jobs."""
        return self._jobs.rows

    @property
    def is_active(self) -> bool:
        """Whether anything goes on that has to be looked after."""
        return self._clicks.is_busy or self._jobs.is_active

    def close(self) -> None:
        """Let go of everything. The workers go on, and the next session finds what they leave."""
        self._clicks.close()
        self._arrivals.close()
        redraw.tabs()

    def step(self, context: bpy.types.Context) -> list[Report]:
        """Look what has changed, and bring in what has arrived. Returns what the user should be told."""
        for row, outcome in self._clicks.step():
            self._supervisor.take_up(row, outcome)
        self._supervisor.step()
        self._arrivals.step(context)
        self._redraw.step()
        if not self.is_active:
            self._arrivals.rest()
        return self._messages.take()

    def order(
        self,
        context: bpy.types.Context,
        chosen: Chosen,
        *,
        again: bool = False,
        names: Mapping[str, str] | None = None,
        replaces: bpy.types.Object | None = None,
    ) -> None:
        """Have a model made.

        again: buy anew what was bought before.
        names: what the user calls the pictures, where that is not their file's name.
        replaces: the object whose mesh becomes the model.

        Raises:
            BadPicture: there is nothing in an image of this .blend.
            StorageError: its pixels cannot be written down.
        """
        self._clicks.order(context, chosen, again=again, names=names or {}, replaces=replaces)
        self._go_on()

    def order_again(self, context: bpy.types.Context, key: str) -> None:
        """Have the same model made once more, with the pictures of its job. Raises `ImageTo3DError`."""
        folder = self.folder_of(key)
        self._order_as(context, folder.load().request, folder, replaces=None)

    def regenerate(self, context: bpy.types.Context, made: bpy.types.Object, *, in_place: bool) -> None:
        """Have the model that an object is made once more. Raises `ImageTo3DError`."""
        root = root_of(made)
        request, folder = self.origin_of(made)
        if folder is None:
            raise BadPicture("The picture of this object is no longer in the library.", hint="Choose it anew.")
        self._order_as(context, request, folder, replaces=root if in_place else None)

    def origin_of(self, made: bpy.types.Object | None) -> tuple[GenerationRequest, JobFolder | None]:
        """Return what an object of ours was made by, and the job that has its pictures, if there is one.

        Raises:
            BadOption: it is not one of ours, or what it says makes no sense.
        """
        root = root_of(made)
        request = provenance.request_of(root) if root else None
        if request is None:
            raise BadOption("This object does not say how it was made.")
        with suppress(StorageError):
            folder = self.folder_of(str(root.get(JOB_KEY, "")))
            # With what the object does not say: addresses, for one.
            return folder.load().request, folder
        return request, None

    def cancel(self, key: str) -> None:
        """Give a job up. Raises `StorageError`."""
        row = self._jobs.get(key)
        if not row.can_cancel:
            return
        if row.folder is None:
            self._clicks.cancel(row)
        else:
            self._supervisor.cancel(row)
        self._go_on()

    def resume(self, key: str, *, again: bool = False, context: bpy.types.Context | None = None) -> None:
        """Go on with a job that stopped.

        context: where the model goes, if the file that it was for is not open any more.
        again: send, and pay, what may have been charged already.

        Raises:
            ImageTo3DError: it cannot go on.
        """
        row = self._jobs.get(key)
        if not row.is_active:  # a button may be pressed twice before it is drawn anew
            if context is not None and row.job is not None and not (row.destination and row.destination.is_here):
                row.destination = _destination_now(row.job, context)
            self._supervisor.resume(row, again=again)
        self._go_on()

    def bring(self, context: bpy.types.Context, key: str) -> None:
        """Import a finished model where the user is now. Raises `StorageError`."""
        row = self._jobs.find(key)
        if row is not None and row.stage is Stage.ARRIVED and row.destination:
            row.destination = row.destination.without_modal_operators(context.window_manager)
        elif row is None or row.stage is Stage.STOPPED:
            folder = self.folder_of(key)
            job = folder.load()
            if not job.state.has_result:
                raise StorageError(f'"{job.request.name}" has no model yet.')
            if row is None:
                row = row_of(folder, job)
                self._jobs.insert(row)
            row.take(job)
            row.destination = _destination_now(job, context)
            row.is_cancelled = False
            self._arrivals.start_import(row)
        self._go_on()

    def delete(self, key: str) -> None:
        """Delete a job with its files. Raises `ImageTo3DError`."""
        self.folder_of(key).delete()
        self._jobs.forget(key)
        self.history.remove(key)
        self._go_on()

    def dismiss(self, key: str) -> None:
        """Take a job out of the list; its files stay."""
        self._jobs.dismiss(key)
        self._go_on()

    def clear(self) -> None:
        """Delete the jobs that failed without having cost, or brought, anything."""
        for row in [each for each in self.rows if not each.is_active]:
            if row.folder is None:
                self.dismiss(row.key)
            elif row.worth == 0:
                with suppress(ImageTo3DError):
                    row.take(row.folder.load())  # somebody else may have finished, or paid for it, meanwhile
                    if row.worth == 0:
                        self.delete(row.key)

    def adopt(self, folder: JobFolder, job: Job) -> None:
        """Take over an unfinished job that was found in the library: what can go on for nothing goes on."""
        if self._supervisor.adopt(folder, job):
            self._go_on()

    def folder_of(self, key: str) -> JobFolder:
        """Return the folder of a job. Raises `StorageError`."""
        return self._jobs.folder_of(key)

    def log_of(self, key: str) -> str:
        """Return all that is known of a job's problem, for whoever is asked for help."""
        return self._jobs.log_of(key)

    def _order_as(
        self,
        context: bpy.types.Context,
        request: GenerationRequest,
        folder: JobFolder,
        *,
        replaces: bpy.types.Object | None,
    ) -> None:
        """Buy anew what a job was made by, with the pictures in its folder."""
        names = {view.value: picture.name for view, picture in request.views.items()}
        self.order(context, chosen_from(request, folder), again=True, names=names, replaces=replaces)

    def _go_on(self) -> None:
        redraw.tabs()
        modal_timer.wake(self)


def _destination_now(job: Job, context: bpy.types.Context) -> Destination:
    """Return where a model goes now that was made earlier: to the cursor as it is now."""
    return Destination.of(context, at_cursor=job.request.placement.spot is not Spot.ORIGIN)
