# SPDX-License-Identifier: GPL-3.0-or-later
"""What this Blender knows of the jobs, and what it does for them a little at a time; never blocks.

Reading pictures, the network and importing happen in other processes: here folders are looked at, and what has
arrived is appended. The modal timer calls `step`; the panel draws `rows` and `history`.
"""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Mapping

import bpy

from ... import providers
from ...errors import BadOption, BadPicture, ImageTo3DError, JobBusy, OutcomeUnknown, StorageError
from ...host import settings
from ...jobs import unattended
from ...jobs.library import JobFolder, Library
from ...jobs.orders import Outcome
from ...jobs.runner import News, Runner
from ...models import GenerationRequest, Job, JobState, Placement, Problem, Spot
from ...providers.access import Surroundings
from ..form.scene_form import Chosen
from ..importing import provenance
from ..importing.import_process import Failed, ImportProcess, Prepared, Task, units_of
from ..importing.origin import JOB_KEY, root_of
from ..interface import redraw
from ..interface.texts import tr_problem, tr_report
from . import arriving, modal_timer
from .destination import Destination, obstacle
from .history import History
from .job_rows import Row, Stage, UsualTimes, front_file, state_text
from .modal_timer import Report
from .new_jobs import NewJob, NewJobQueue, chosen_from

_REDRAW_SECONDS = 0.2
_SAME_CLICK_SECONDS = 2.0
"""Somebody who presses Generate again this soon does not want a second model."""


class Session:
    """The jobs of this Blender."""

    def __init__(self) -> None:
        self.library = Library(settings.library_folder())
        self.history = History(self.library)
        self.rows: list[Row] = []
        self.usual = UsualTimes()
        self._runner = Runner(jobs_at_once=settings.load().jobs_at_once, around=_surroundings())
        self._import_process = _new_import_process()
        self._queue = NewJobQueue()
        self._reports: list[Report] = []
        self._drawn: object = None
        self._drawn_at = 0.0

    @property
    def is_active(self) -> bool:
        """Whether anything goes on that has to be looked after."""
        return self._queue.is_busy or any(row.is_active for row in self.rows)

    def close(self) -> None:
        """Let go of everything. The workers go on, and the next session finds what they leave."""
        self._queue.close()
        if self._import_process:
            self._import_process.stop()
        redraw.tabs()

    # What the buttons do ------------------------------------------------------------------------------------------

    def order(
        self,
        context: bpy.types.Context,
        chosen: Chosen,
        *,
        again: bool = False,
        names: Mapping[str, str] | None = None,
        replaces: bpy.types.Object | None = None,
    ) -> None:
        """Have a model made. Never blocks.

        again: buy anew what was bought before.
        names: what the user calls the pictures, where that is not their file's name.
        replaces: the object whose mesh becomes the model.

        Raises:
            BadPicture: there is nothing in an image of this .blend.
            StorageError: its pixels cannot be written down.
        """
        identity = f"{chosen}{again}{replaces}"
        placement = Placement.model_validate(chosen.placement)
        destination = Destination.of(context, at_cursor=placement.spot is Spot.CURSOR, replaces=replaces)
        if (known := self._same_click(identity, again=again)) is not None:
            self._join(known, destination)
            return
        new = NewJob.of(chosen, self.library.root, again=again, names=names or {})
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
        self.rows.insert(0, row)
        self._queue.give(row, new)
        self._go_on()

    def order_again(self, context: bpy.types.Context, key: str, *, replaces: bpy.types.Object | None = None) -> None:
        """Have the same model made once more, with the pictures of its job. Raises `ImageTo3DError`."""
        folder = self.folder_of(key)
        request = folder.load().request
        self.order(
            context,
            chosen_from(request, folder),
            again=True,
            names={view.value: picture.name for view, picture in request.views.items()},
            replaces=replaces,
        )

    def regenerate(self, context: bpy.types.Context, made: bpy.types.Object, *, in_place: bool) -> None:
        """Have the model that an object is made once more. Raises `ImageTo3DError`."""
        root = root_of(made)
        request, folder = self.origin_of(made)
        if folder is None:
            raise BadPicture("The picture of this object is no longer in the library.", hint="Choose it anew.")
        chosen = chosen_from(request, folder)
        names = {view.value: picture.name for view, picture in request.views.items()}
        self.order(context, chosen, again=True, names=names, replaces=root if in_place else None)

    def origin_of(self, made: bpy.types.Object | None) -> tuple[GenerationRequest, JobFolder | None]:
        """Return what an object of ours was made by, and the job that has its pictures, if there is one.

        Raises:
            BadOption: it is not one of ours, or what it says makes no sense.
        """
        root = root_of(made)
        request = provenance.request_of(root) if root else None
        if request is None:
            raise BadOption("This object does not say how it was made.")
        with contextlib.suppress(StorageError):
            folder = self._find(str(root.get(JOB_KEY, "")))
            # With what the object does not say: addresses, for one.
            return folder.load().request, folder
        return request, None

    def cancel(self, key: str) -> None:
        """Give a job up. Raises `StorageError`."""
        row = self._row(key)
        if not row.can_cancel:
            return
        if row.folder is None:  # its pictures are being read; whoever reads them comes to an end: see `_ordered`
            row.is_cancelled = True
            self.rows.remove(row)
            self._queue.withdraw(row)
        elif self._runner.withdraw(row.folder):
            self._cancel_waiting(row)
        else:
            row.folder.ask_to("cancel")
            row.is_cancelled = True
        self._go_on()

    def resume(self, key: str, *, again: bool = False, context: bpy.types.Context | None = None) -> None:
        """Go on with a job that stopped.

        context: where the model goes, if the file that it was for is not open any more.
        again: send, and pay, what may have been charged already.

        Raises:
            ImageTo3DError: it cannot go on.
        """
        row = self._row(key)
        if not row.is_active:  # a button may be pressed twice before it is drawn anew
            if context is not None and row.job is not None and not (row.destination and row.destination.is_here):
                row.destination = _destination_for(row.job, context)
            self._resume(row, again=again)
        self._go_on()

    def bring(self, context: bpy.types.Context, key: str) -> None:
        """Import a finished model where the user is now. Raises `StorageError`."""
        row = next((each for each in self.rows if each.key == key), None)
        if row is not None and row.stage is Stage.ARRIVED and row.destination:
            row.destination = row.destination.without_modal_operators(context.window_manager)
        elif row is None or row.stage is Stage.STOPPED:
            folder = self.folder_of(key)
            job = folder.load()
            if not job.state.has_result:
                raise StorageError(f'"{job.request.name}" has no model yet.')
            row = row or self._row_for(folder, job)
            row.take(job)
            row.destination = _destination_for(job, context)
            row.is_cancelled = False
            self._import(row)
        self._go_on()

    def delete(self, key: str) -> None:
        """Delete a job with its files. Raises `ImageTo3DError`."""
        self.folder_of(key).delete()
        self.rows = [row for row in self.rows if row.key != key]
        self.history.remove(key)
        self._go_on()

    def dismiss(self, key: str) -> None:
        """Take a job out of the list; its files stay."""
        self.rows = [row for row in self.rows if row.key != key or row.is_active]
        self._go_on()

    def clear(self) -> None:
        """Delete the jobs that failed without having cost, or brought, anything."""
        for row in [each for each in self.rows if not each.is_active]:
            if row.folder is None:
                self.dismiss(row.key)
            elif row.worth == 0:
                with contextlib.suppress(ImageTo3DError):
                    row.take(row.folder.load())  # somebody else may have finished, or paid for it, meanwhile
                    if row.worth == 0:
                        self.delete(row.key)

    def folder_of(self, key: str) -> JobFolder:
        """Return the folder of a job in the list, in the history, or in the library. Raises `StorageError`."""
        for row in self.rows:
            if row.key == key and row.folder is not None:
                return row.folder
        return self._find(key)

    def log_of(self, key: str) -> str:
        """Return all that is known of a job's problem, for whoever is asked for help."""
        row = next((each for each in self.rows if each.key == key), None)
        problem = row.problem if row else None
        lines = [f"{problem.kind}: {problem.message} {problem.hint}".strip()] if problem else []
        with contextlib.suppress(ImageTo3DError, OSError):
            lines.append(self.folder_of(key).log.read_text(encoding="utf-8", errors="replace"))
        return "\n".join(lines)

    def adopt(self, folder: JobFolder, job: Job) -> None:
        """Take over an unfinished job that was found in the library: what can go on for nothing goes on."""
        if any(row.key == folder.id for row in self.rows):
            return
        if job.state is JobState.CANCELLED and job.worth == 0:  # whoever gave it up does not want to see it again
            return
        row = self._row_for(folder, job)
        self.rows.append(self.rows.pop(0))  # they come with the newest first
        if folder.seems_claimed():
            self._watch(row)
        elif job.state in {JobState.RUNNING, JobState.DOWNLOADING}:
            self._go_on_with(row)
        elif not job.state.is_final:
            with contextlib.suppress(ImageTo3DError):
                row.take(unattended.settled(folder))
        if row.is_active:
            self._go_on()

    # What happens by itself ---------------------------------------------------------------------------------------

    def step(self, context: bpy.types.Context) -> list[Report]:
        """Look what has changed, and bring in what has arrived. Returns what the user should be told."""
        self._runner.around = _surroundings()
        for row, outcome in self._queue.step():
            self._ordered(row, outcome)
        for news in self._runner.step():
            self._take(news)
        self._start_waiting()
        self._take_prepared()
        for row in [each for each in self.rows if each.stage is Stage.ARRIVED]:
            self._bring_in(row, context)
        self._redraw()
        if self._import_process and not self.is_active:
            self._import_process.rest()
        reports, self._reports = self._reports, []
        return reports

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
            self._stop(row, Problem.of(error))

    def _same_click(self, identity: str, *, again: bool) -> Row | None:
        """Return what the user has just asked for with the same words.

        again: nobody else looks whether it is being bought already, so it must not be as long as it is being made.
        """
        for row in self.rows:
            is_new = row.elapsed_seconds() < _SAME_CLICK_SECONDS and not row.is_cancelled
            if row.identity == identity and (row.stage is Stage.ORDERED or (row.is_active and (again or is_new))):
                return row
        return None

    def _join(self, row: Row, destination: Destination | None) -> None:
        """Let somebody have the model that is being made, also if it was given up and cannot be recalled."""
        if row.is_cancelled and row.folder is not None:
            row.is_cancelled = False
            row.destination = destination
            with contextlib.suppress(StorageError):  # whoever has it stops, and then says so
                row.folder.forget_stop_request()
        elif row.destination is None or not row.destination.is_here:
            row.destination = destination
        if row.elapsed_seconds() >= _SAME_CLICK_SECONDS:
            self._say("INFO", tr_report("This model is being made already"))
        self._go_on()

    def _ordered(self, row: Row, outcome: Outcome) -> None:
        """Take what became of a picture: a job, the job that there was already, or a problem."""
        if row.is_cancelled:
            self._give_up(outcome)
            return
        if outcome.job is None:
            self._stop(row, outcome.problem)
            return
        known = next((each for each in self.rows if each.key == outcome.job), None)
        if known is not None:
            self.rows.remove(row)
            self._asked_again(known, row, outcome)
            return
        row.folder = JobFolder(self.library.root / outcome.job)
        row.key = outcome.job
        self._take_up(row, outcome)

    def _give_up(self, outcome: Outcome) -> None:
        """Undo what became of a picture that nobody wants any more; nothing was sent."""
        if outcome.job is None or not outcome.is_new or any(row.key == outcome.job for row in self.rows):
            return
        folder = JobFolder(self.library.root / outcome.job)
        with contextlib.suppress(ImageTo3DError):
            # A later click may have been told of this job.
            unattended.cancel_waiting(folder) if self._queue.is_busy else folder.delete()

    def _asked_again(self, known: Row, row: Row, outcome: Outcome) -> None:
        """The same paid request is in the list already."""
        if known.is_active:
            self._join(known, row.destination)
            return
        known.destination = row.destination
        self.rows.remove(known)
        self.rows.insert(0, known)
        self._take_up(known, outcome)

    def _take_up(self, row: Row, outcome: Outcome) -> None:
        assert row.folder is not None
        try:
            job = row.folder.load()
        except StorageError as error:
            self._stop(row, Problem.of(error))
            return
        row.take(job)
        row.picture = front_file(row.folder, job)
        if outcome.problem is not None or job.state.has_result:
            self._stop(row, outcome.problem)
        elif outcome.is_new:
            self._start(row)
        elif row.folder.seems_claimed():
            self._watch(row)
        else:
            self._go_on_with(row)

    def _go_on_with(self, row: Row) -> None:
        """Resume a job of which nobody pressed a button; if it cannot go on, its row says why."""
        with contextlib.suppress(ImageTo3DError):
            self._resume(row)

    def _resume(self, row: Row, *, again: bool = False) -> None:
        """Raises `ImageTo3DError`: it cannot go on, and its row says why."""
        assert row.folder is not None
        row.stage = Stage.STOPPED
        row.is_cancelled = False
        try:
            job = unattended.reopen(row.folder, again=again)
        except JobBusy:
            self._watch(row)
        except OutcomeUnknown:
            with contextlib.suppress(StorageError):
                row.take(row.folder.load())
            raise
        except ImageTo3DError as error:
            self._stop(row, Problem.of(error))
            raise
        else:
            row.take(job)
            self._ended(row) if job.state.has_result else self._start(row)

    def _start(self, row: Row) -> None:
        assert row.folder is not None
        row.stage = Stage.WAITING
        self._runner.jobs_at_once = settings.load().jobs_at_once
        try:
            self._runner.start(row.folder)
        except StorageError as error:
            self._stop(row, Problem.of(error))

    def _watch(self, row: Row) -> None:
        assert row.folder is not None
        row.stage = Stage.WORKING
        try:
            self._runner.watch(row.folder)
        except StorageError as error:
            self._stop(row, Problem.of(error))

    def _start_waiting(self) -> None:
        running = set(self._runner.running)
        for row in self.rows:
            if row.stage is Stage.WAITING and row.folder in running:
                row.stage = Stage.WORKING
                if self._import_process and row.destination:
                    self._import_process.warm_up()  # it starts while the provider works

    def _take(self, news: News) -> None:
        row = next((each for each in self.rows if each.folder == news.folder), None)
        if row is None:
            return
        row.take(news.job)
        if not news.has_ended:
            return
        if news.job.state.has_result:
            self.usual.add(row.provider, news.job.service_seconds or row.elapsed_seconds())
            self.history.add(news.folder, news.job)
            self._ended(row)
            return
        if not news.job.state.is_final and news.folder.seems_claimed():  # another Blender's worker was quicker
            self._watch(row)
            return
        row.is_cancelled = False
        self._stop(row, news.job.problem)

    def _ended(self, row: Row) -> None:
        if row.destination is not None and row.destination.is_here and not row.is_cancelled:
            self._import(row)
        else:
            row.is_cancelled = False
            self._stop(row, None)

    def _stop(self, row: Row, problem: Problem | None) -> None:
        row.stage = Stage.STOPPED
        row.problem = problem
        if problem is not None and not redraw.is_tab_visible():
            self._say("WARNING", f"{row.title}: {tr_problem(problem.message)}")

    def _import(self, row: Row) -> None:
        """Have the child Blender make a .blend of it, where one can be started."""
        assert row.folder is not None and row.job is not None and row.destination is not None
        row.problem = None
        if self._import_process is None:
            row.stage = Stage.ARRIVED
            return
        row.stage = Stage.IMPORTING
        scene = row.destination.find_scene() or bpy.context.scene
        preview = front_file(row.folder, row.job)
        placement = row.job.request.placement.model_dump(mode="json")
        self._import_process.prepare(
            Task(row.folder.path, placement, units_of(scene), str(preview) if preview else None)
        )

    def _take_prepared(self) -> None:
        for each in self._import_process.step() if self._import_process else ():
            row = next((row for row in self.rows if row.folder and row.folder.path == each.task.folder), None)
            match each:
                case Prepared() if row is None or row.stage is not Stage.IMPORTING:
                    self._import_process.discard(each)
                case Prepared():
                    row.prepared, row.stage = each, Stage.ARRIVED
                case Failed() if row is not None:
                    self._stop(row, Problem(kind="BadResult", message=each.message, hint=each.hint))

    def _bring_in(self, row: Row, context: bpy.types.Context) -> None:
        assert row.destination is not None
        if not row.destination.is_here:  # another file was opened meanwhile
            self._discard(row)
            self._stop(row, None)
            return
        row.obstacle = obstacle(context.window_manager, row.destination.background)
        if row.obstacle is not None:
            return
        try:
            arriving.place(row, context)
            self._note_import(row)
        except ImageTo3DError as error:
            self._stop(row, Problem.of(error))
        except Exception as error:  # noqa: BLE001 - the one place: whatever Blender says to one, the others go on
            traceback.print_exc()
            message = f"The model cannot be put into the scene: {type(error).__name__}."
            self._stop(row, Problem(kind="BadResult", message=message, hint="Import it again."))
        else:
            self.rows.remove(row)
            self._say_it_has_come(row)
        finally:
            self._discard(row)

    def _say_it_has_come(self, row: Row) -> None:
        assert row.job is not None
        for note in row.job.notes:
            self._say("WARNING", f"{row.title}: {tr_problem(note)}")
        if not row.job.notes and not redraw.is_tab_visible():
            self._say("INFO", tr_report("{name} is in the scene").format(name=row.title))

    def _discard(self, row: Row) -> None:
        if row.prepared is not None and self._import_process is not None:
            self._import_process.discard(row.prepared)
        row.prepared = None

    def _note_import(self, row: Row) -> None:
        assert row.folder is not None and row.job is not None
        with contextlib.suppress(JobBusy, StorageError), row.folder.claim(patience_seconds=0) as claim:
            row.folder.save(row.job.evolve(state=JobState.IMPORTED), claim=claim, durable=False)
        self.history.add(row.folder, row.job)

    # Small things -------------------------------------------------------------------------------------------------

    def _row(self, key: str) -> Row:
        for row in self.rows:
            if row.key == key:
                return row
        raise StorageError(tr_report("This job is no longer in the list"))

    def _find(self, key: str) -> JobFolder:
        """Return the folder of a job. Its whole id is needed: a part of it could be another one's."""
        folder = self.library.find(key)
        if folder.id != key:
            raise StorageError(f'There is no job "{key}" in {self.library.root}.')
        return folder

    def _row_for(self, folder: JobFolder, job: Job) -> Row:
        try:
            info = providers.info(job.request.provider)
        except ImageTo3DError:  # of a newer version
            info = None
        row = Row(
            title=job.request.name,
            provider=job.request.provider,
            label=info.label if info else job.request.provider,
            stage=Stage.STOPPED,
            key=folder.id,
            folder=folder,
            started=job.created,
            picture=front_file(folder, job),
            is_paid=info is None or info.paid,
            account_url=(info and info.key_url) or "",
            is_cancellable=info is not None and info.cancellable,
        )
        row.take(job)
        self.rows.insert(0, row)
        return row

    def _say(self, level: str, text: str) -> None:
        self._reports.append((level, text))

    def _go_on(self) -> None:
        redraw.tabs()
        modal_timer.wake(self)

    def _redraw(self) -> None:
        # What stopped stays as it is, and there may be a thousand of them.
        active = [row for row in self.rows if row.is_active]
        shown = (
            len(self.rows),
            [
                (
                    row.key,
                    row.stage,
                    row.progress(),
                    state_text(row, self.usual.of(row.provider)),
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


def _destination_for(job: Job, context: bpy.types.Context) -> Destination:
    """Return where a model goes now that was made earlier: to the cursor as it is now."""
    return Destination.of(context, at_cursor=job.request.placement.spot is not Spot.ORIGIN)


def _new_import_process() -> ImportProcess | None:
    from ...pictures.blender_process import find_blender

    command = find_blender(bpy.app.binary_path or None)
    return ImportProcess(command) if command else None


def _surroundings() -> Surroundings:
    return Surroundings(bpy.app.binary_path or None, bpy.app.online_access)
