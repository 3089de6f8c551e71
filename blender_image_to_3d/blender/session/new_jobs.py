# SPDX-License-Identifier: GPL-3.0-or-later
"""From a click to a job: another process reads the pictures, looks what was bought before, and makes the folder."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import bpy

from ...errors import BadPicture, StorageError
from ...host import programs, system
from ...jobs.library import JobFolder
from ...jobs.orders import Order, Outcome
from ...models import GenerationRequest, Placement, Problem, View
from ..form import images
from ..form.scene_form import Chosen
from .job_rows import Row

_PROCESSES = 2
"""Processes at the same time: somebody may drop a hundred pictures."""
_LAST_SECONDS = 2.0
"""Reading a picture takes a fraction of a second, and makes a job that the next session finds."""


@dataclass
class NewJob:
    """A job in the making: another process reads its pictures, or will when there is a place."""

    title: str
    front: Path
    wish: Order
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @classmethod
    def of(cls, chosen: Chosen, library: Path, *, again: bool, names: Mapping[str, str]) -> NewJob:
        """Write down what the images of this .blend show at this moment.

        Raises:
            BadPicture: an image is empty, or none is chosen.
            StorageError: it cannot be written.
        """
        folder = _new_folder()
        try:
            views, titles, dumps = _handed_over(chosen.pictures, folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        wish = Order(
            library=str(library),
            views=views,
            names={View(side): name for side, name in {**titles, **names}.items()},
            provider=chosen.provider,
            model=chosen.model,
            options=chosen.options,
            placement=Placement.model_validate(chosen.placement),
            name=chosen.name,
            again=again,
            delete=dumps,
        )
        front = Path(views[View.FRONT])
        return cls(chosen.name or Path(titles.get("front") or front.name).stem, front, wish, folder)

    @property
    def has_ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def start(self) -> None:
        """Raises `OSError`."""
        line = self.wish.model_dump_json().encode()
        with self._log.open("ab") as log:
            self.process = programs.spawn_program(["order", str(self._outcome)], line, log)

    def outcome(self) -> Outcome:
        """Return what became of it, and remove what it needed."""
        try:
            return Outcome.model_validate_json(self._outcome.read_bytes())
        except (OSError, ValueError):
            log = self._log.read_text(errors="replace")[-2000:] if self._log.exists() else ""
            problem = Problem(kind="ImageTo3DError", message="The picture could not be read.", hint=log)
            return Outcome(problem=problem)
        finally:
            self.forget()

    def forget(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _outcome(self) -> Path:
        return self.folder / "outcome.json"

    @property
    def _log(self) -> Path:
        return self.folder / "log.txt"


class NewJobQueue:
    """The new jobs in the order of the clicks: a few are being made, the others wait."""

    def __init__(self) -> None:
        self._new_jobs: list[tuple[Row, NewJob]] = []

    @property
    def is_busy(self) -> bool:
        return bool(self._new_jobs)

    def give(self, row: Row, new: NewJob) -> None:
        """Have pictures read: at once if there is a place, as they may change or vanish."""
        self._new_jobs.append((row, new))
        if self._running < _PROCESSES:
            with contextlib.suppress(OSError):  # `step` tries again, and says what is wrong
                new.start()

    def step(self) -> list[tuple[Row, Outcome]]:
        """Start what waits, and return what became of what has ended. Never waits."""
        done = [(row, each.outcome()) for row, each in self._take(lambda each: each.has_ended)]
        waiting = [pair for pair in self._new_jobs if pair[1].process is None]
        for row, each in waiting[: _PROCESSES - self._running]:
            try:
                each.start()
            except OSError as error:
                self._new_jobs.remove((row, each))
                each.forget()
                reason = StorageError(f"No process can be started: {system.explain(error)}.")
                done.append((row, Outcome(problem=Problem.of(reason))))
        return done

    def withdraw(self, row: Row) -> None:
        """Forget what nobody reads yet; what is being read comes to its end."""
        for _, each in self._take(lambda each: each.process is None, only=row):
            each.forget()

    def close(self) -> None:
        """Let what is being read come to its end, and forget the rest."""
        for _, each in self._take(lambda each: True):
            if each.process is not None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    each.process.wait(_LAST_SECONDS)
            each.forget()

    @property
    def _running(self) -> int:
        return sum(each.process is not None for _, each in self._new_jobs)

    def _take(self, fits: Callable[[NewJob], bool], only: Row | None = None) -> list[tuple[Row, NewJob]]:
        taken = [(row, each) for row, each in self._new_jobs if (only is None or only is row) and fits(each)]
        self._new_jobs = [pair for pair in self._new_jobs if pair not in taken]
        return taken


def chosen_from(request: GenerationRequest, folder: JobFolder) -> Chosen:
    """Return what a form would say that asks for the same."""
    return Chosen(
        pictures={view.value: folder.path / picture.file for view, picture in request.views.items()},
        provider=request.provider,
        model=request.model,
        options=dict(request.options),
        placement=request.placement.model_dump(mode="json"),
        name=request.name,
    )


def _handed_over(
    pictures: Mapping[str, Path | bpy.types.Image], folder: Path
) -> tuple[dict[View, str], dict[str, str], tuple[str, ...]]:
    """Return the files of the views, what the user calls them, and which of the files are ours.

    Raises:
        BadPicture: an image of this .blend is empty, or none is chosen.
        StorageError: it cannot be written.
    """
    if "front" not in pictures:
        raise BadPicture("Choose a picture first.")
    views, titles, ours = {}, {}, []
    for side, picture in pictures.items():
        if isinstance(picture, bpy.types.Image):
            file = images.hand_over(picture, folder, side)
            titles[side] = picture.name
            ours.append(str(file))
        else:
            file = picture
        views[View(side)] = str(file)
    return views, titles, tuple(ours)


def _new_folder() -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix="image_to_3d-order-"))
    except OSError as error:
        raise StorageError(f"No temporary folder can be made: {system.explain(error)}.") from error
