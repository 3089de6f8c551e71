# SPDX-License-Identifier: GPL-3.0-or-later
"""A model for every picture of a folder or a list. What exists is not made, and above all not bought, again."""

from __future__ import annotations

import itertools
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import output, system
from .errors import AccountError, BadPicture, ImageTo3DError, OutcomeUnknown, Paused, StorageError
from .library import JobFolder, Library
from .models import Job, JobState, Problem
from .output import Exporter
from .pictures.handed_over import has_picture_suffix
from .request import Draft
from .runner import STEP_SECONDS, Runner, reopen

LIBRARY_NAME = ".image_to_3d"
"""The jobs of a batch live in its output folder, so that another machine with another home can go on."""


@dataclass(frozen=True)
class Item:
    """One picture, and the file its model goes to."""

    picture: Path
    output: Path


@dataclass(frozen=True)
class Outcome:
    """What became of one picture."""

    item: Item
    job: Job | None = None
    problem: Problem | None = None
    was_there: bool = False
    """The output existed, and was left alone."""

    seconds: float = 0.0

    @property
    def state(self) -> str:
        if self.problem is not None:
            return JobState.UNKNOWN if self.problem.kind == OutcomeUnknown.__name__ else JobState.FAILED
        return "skipped" if self.was_there else "done"


def find_pictures(source: Path) -> list[Path]:
    """Return the pictures of a folder by name, or the files that a list names, one a line.

    Paths in a list are relative to the list; empty lines and lines that begin with # do not count.

    Raises:
        BadPicture: there is none.
        StorageError: the folder or the list cannot be read.
    """
    try:
        if source.is_dir():
            found = sorted(path for path in source.iterdir() if path.is_file() and has_picture_suffix(path))
        else:
            lines = source.read_text(encoding="utf-8-sig").splitlines()
            found = [source.parent / line.strip() for line in lines if line.strip() and line.strip()[0] != "#"]
    except UnicodeDecodeError:
        raise StorageError(f'"{source}" is neither a folder nor a list of pictures.') from None
    except OSError as error:
        raise StorageError(f'"{source}" cannot be read: {system.explain(error)}.') from error
    if not found:
        raise BadPicture(f'There is no picture in "{source}".', hint="Name a folder with pictures, or a list of them.")
    return found


def plan(found: Sequence[Path], output_folder: Path, suffix: str) -> list[Item]:
    """Give every picture an output of its own: cup.png becomes cup.glb; if there is also a cup.jpg, cup.png.glb."""
    stems = Counter(path.stem.casefold() for path in found)
    names = [path.stem if stems[path.stem.casefold()] == 1 else path.name for path in found]
    taken: set[str] = set()
    items = []
    for path, name in zip(found, names, strict=True):
        numbered = (name if number == 1 else f"{name}-{number}" for number in itertools.count(1))
        unique = next(each for each in numbered if each.casefold() not in taken)
        taken.add(unique.casefold())
        items.append(Item(path, output_folder / (unique + suffix)))
    return items


@dataclass
class Batch:
    """Works through the items with several workers. `run` yields an outcome for each as soon as it is known."""

    library: Library
    runner: Runner
    draft: Callable[[Path], Draft]
    jobs_at_once: int
    exporter: Exporter | None = None
    overwrite: bool = False
    again: bool = False
    take_over: bool = False
    _jobs: dict[str, JobFolder] = field(default_factory=dict)
    _waiting_for: dict[JobFolder, list[tuple[Item, float]]] = field(default_factory=dict)

    def run(self, items: Sequence[Item]) -> Iterator[Outcome]:
        """Yield the outcomes in the order in which they are known.

        Raises:
            AccountError: the key was refused or the credit is used up: the next picture would fail the same way. What
                was under way was finished first.
            Paused: Ctrl-C; what was under way is left so that it can be resumed.
        """
        self._jobs = {} if self.again else {job.request.fingerprint: folder for folder, job in self.library.jobs()}
        waiting = deque(items)
        stopped_by: Problem | None = None
        try:
            while self._waiting_for or (waiting and stopped_by is None):
                while waiting and stopped_by is None and len(self._waiting_for) < self.jobs_at_once:
                    yield from self._begin(waiting.popleft())
                for outcome in self._step():
                    stopped_by = stopped_by or _reason_to_stop(outcome)
                    yield outcome
                time.sleep(STEP_SECONDS)
        except KeyboardInterrupt:
            self._pause()
            raise Paused("Interrupted.", hint="Go on with the same command and --resume.") from None
        if stopped_by is not None:
            raise stopped_by.error()

    def _begin(self, item: Item) -> Iterator[Outcome]:
        """Start what has to be made for one picture; yield its outcome if that is known already."""
        try:
            if item.output.exists() and not self.overwrite:
                yield Outcome(item, was_there=True)
                return
            draft = self.draft(item.picture)
            folder = self._jobs.get(draft.request.fingerprint)
            if folder is None:
                folder = self._jobs[draft.request.fingerprint] = draft.create(self.library)
                self.runner.start(folder)
            elif folder not in self._waiting_for:
                job = reopen(folder, take_over=self.take_over)
                if job.state.has_result:
                    yield self._delivered(item, folder, job, started=time.monotonic())
                    return
                self.runner.start(folder)
            self._waiting_for.setdefault(folder, []).append((item, time.monotonic()))
        except ImageTo3DError as error:
            yield Outcome(item, problem=Problem.of(error))

    def _step(self) -> Iterator[Outcome]:
        for news in self.runner.step():
            if news.has_ended:
                for item, started in self._waiting_for.pop(news.folder):
                    yield self._delivered(item, news.folder, news.job, started)

    def _delivered(self, item: Item, folder: JobFolder, job: Job, started: float) -> Outcome:
        problem = job.problem
        if problem is None and not job.state.has_result:
            problem = Problem.of(
                ImageTo3DError("The worker ended unexpectedly; nothing is lost.", hint="Run again with --resume.")
            )
        if problem is None:
            try:
                output.deliver(folder, job, item.output, exporter=self.exporter)
            except ImageTo3DError as error:
                problem = Problem.of(error)
        return Outcome(item, job, problem, seconds=time.monotonic() - started)

    def _pause(self) -> None:
        self.runner.stop("pause")
        while self.runner.is_busy:
            self.runner.step()
            time.sleep(STEP_SECONDS)


def _reason_to_stop(outcome: Outcome) -> Problem | None:
    if outcome.problem is not None and outcome.problem.exit_status == AccountError.exit_status:
        return outcome.problem
    return None
