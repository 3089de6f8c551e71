# SPDX-License-Identifier: GPL-3.0-or-later
"""From a result to objects in the scene that it was made for: imported beside this Blender, placed at a good moment."""

from __future__ import annotations

import traceback
from contextlib import suppress

import bpy

from ...errors import ImageTo3DError, JobBusy, StorageError
from ...models import JobState, Problem, Spot
from ...pictures.blender_process import find_blender
from .. import scripting
from ..importing import appending, replacing
from ..importing.import_process import Failed, ImportProcess, Prepared, Task, units_of
from ..interface.texts import tr_problem, tr_report
from .destination import Destination, obstacle
from .history import History
from .job_list import JobList
from .job_rows import Row, Stage, front_file
from .messages import Messages


class Arrivals:
    """The models that are imported, and those that wait until they disturb nobody."""

    def __init__(self, jobs: JobList, history: History, messages: Messages) -> None:
        self._jobs = jobs
        self._history = history
        self._messages = messages
        command = find_blender(bpy.app.binary_path or None)
        self._import_process = ImportProcess(command) if command else None

    def close(self) -> None:
        if self._import_process:
            self._import_process.stop()

    def rest(self) -> None:
        """Let the import process end: nothing goes on."""
        if self._import_process:
            self._import_process.rest()

    def warm_up(self) -> None:
        """Start the import process: a model is being made."""
        if self._import_process:
            self._import_process.warm_up()

    def receive(self, row: Row) -> None:
        """Take a job that has its result: import it if its file is open, and nobody has cancelled it meanwhile."""
        if row.destination is not None and row.destination.is_here and not row.is_cancelled:
            self.start_import(row)
        else:
            row.is_cancelled = False
            self._jobs.stop(row, None)

    def start_import(self, row: Row) -> None:
        """Have the import process make a .blend of a result, where one can be started."""
        assert row.folder is not None and row.job is not None and row.destination is not None
        row.problem = None
        if self._import_process is None:
            row.stage = Stage.ARRIVED
            return
        row.stage = Stage.IMPORTING
        scene = row.destination.find_scene() or bpy.context.scene
        preview = front_file(row.folder, row.job)
        placement = row.job.request.placement.model_dump(mode="json")
        task = Task(row.folder.path, placement, units_of(scene), str(preview) if preview else None)
        self._import_process.prepare(task)

    def step(self, context: bpy.types.Context) -> None:
        """Take what the import process has made, and place what may come in."""
        self._take_prepared()
        for row in [each for each in self._jobs.rows if each.stage is Stage.ARRIVED]:
            self._bring_in(row, context)

    def _take_prepared(self) -> None:
        for each in self._import_process.step() if self._import_process else ():
            row = self._jobs.with_folder(each.task.folder)
            match each:
                case Prepared() if row is None or row.stage is not Stage.IMPORTING:
                    self._import_process.discard(each)
                case Prepared():
                    row.prepared, row.stage = each, Stage.ARRIVED
                case Failed() if row is not None:
                    self._jobs.stop(row, Problem(kind="BadResult", message=each.message, hint=each.hint))

    def _bring_in(self, row: Row, context: bpy.types.Context) -> None:
        assert row.destination is not None
        if not row.destination.is_here:  # another file was opened meanwhile
            self._discard(row)
            self._jobs.stop(row, None)
            return
        row.obstacle = obstacle(context.window_manager, row.destination.background)
        if row.obstacle is not None:
            return
        try:
            place(row, context)
            self._note_import(row)
        except ImageTo3DError as error:
            self._jobs.stop(row, Problem.of(error))
        except Exception as error:  # noqa: BLE001 - the one place: whatever Blender says to one, the others go on
            traceback.print_exc()
            message = f"The model cannot be put into the scene: {type(error).__name__}."
            self._jobs.stop(row, Problem(kind="BadResult", message=message, hint="Import it again."))
        else:
            self._jobs.remove(row)
            self._say_it_has_come(row)
        finally:
            self._discard(row)

    def _say_it_has_come(self, row: Row) -> None:
        assert row.job is not None
        for note in row.job.notes:
            self._messages.say("WARNING", f"{row.title}: {tr_problem(note)}")
        if not row.job.notes:
            self._messages.say_unseen("INFO", tr_report("{name} is in the scene").format(name=row.title))

    def _discard(self, row: Row) -> None:
        if row.prepared is not None and self._import_process is not None:
            self._import_process.discard(row.prepared)
        row.prepared = None

    def _note_import(self, row: Row) -> None:
        assert row.folder is not None and row.job is not None
        with suppress(JobBusy, StorageError), row.folder.claim(patience_seconds=0) as claim:
            row.folder.save(row.job.evolve(state=JobState.IMPORTED), claim=claim, durable=False)
        self._history.add(row.folder, row.job)


def place(row: Row, context: bpy.types.Context) -> None:
    """Put the model of a job into the scene that it was made for, as one undo step.

    Raises:
        BadResult: Blender cannot read it.
        StorageError: a file is missing, or the scene takes no objects.
    """
    assert row.folder is not None and row.job is not None and row.destination is not None
    destination = row.destination
    scene = destination.find_scene() or context.scene
    if scene.library is not None:
        message = f'The scene "{scene.name}" is linked from another file.'
        raise StorageError(message, hint="Import it into a scene of this file.")
    view_layer = _view_layer_of(scene, context)
    select = destination.is_untouched(context.window_manager, view_layer)
    target = destination.find_replaced() if destination.replaces is not None else None
    if row.prepared is None:
        scripting.import_into_scene(row.folder, row.job, select=select)
    elif target is not None:
        replacing.replace(row.prepared.blend, target)
    else:
        appending.append(
            row.prepared.blend,
            location=_location(row.job.request.placement.spot, destination, scene),
            scene=scene,
            view_layer=view_layer,
            collection_name=row.job.request.placement.collection,
            select=select,
        )
    bpy.ops.ed.undo_push(message=f"Image to 3D: {row.title}")


def _view_layer_of(scene: bpy.types.Scene, context: bpy.types.Context) -> bpy.types.ViewLayer:
    """Return the view layer that a window shows of a scene, else its first."""
    shown = (window.view_layer for window in context.window_manager.windows if window.scene == scene)
    return next(shown, scene.view_layers[0])


def _location(spot: Spot, destination: Destination, scene: bpy.types.Scene) -> tuple[float, float, float]:
    if spot is Spot.ORIGIN:
        return 0.0, 0.0, 0.0
    return destination.location or tuple(scene.cursor.location)
