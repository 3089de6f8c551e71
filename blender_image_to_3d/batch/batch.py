# SPDX-License-Identifier: GPL-3.0-or-later
"""A model for every picture of a folder or a list. What exists is not made, and above all not bought, again.

Several machines may work in one output folder. Where two want the same job, one has it, and the other goes on with its
other pictures; it delivers what the first one makes, or takes the job over when that machine gives no sign of life for
a whole lease (see claims). Each makes its own chunk: where locks do not reach across a share, two machines that begin
with the same picture in the same moment would make two jobs of it.
"""

from __future__ import annotations

import codecs
import itertools
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import AccountError, BadPicture, ImageTo3DError, JobBusy, OutcomeUnknown, StorageError
from ..host import system
from ..jobs import output
from ..jobs.claims import LEASE_SECONDS, Lease
from ..jobs.library import JobFolder, JobIndex, Library
from ..jobs.output import Exporter
from ..jobs.request import Draft
from ..jobs.runner import STEP_SECONDS, Runner
from ..jobs.unattended import reopen
from ..models import Job, JobState, Problem, View
from ..pictures.handed_over import has_picture_suffix

LIBRARY_NAME = ".image_to_3d"
"""The jobs of a batch live in its output folder, so that another machine with another home can go on."""


_LOOK_AGAIN_SECONDS = 0.2
_RUN_AGAIN = "Run the same command again with --resume."


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

    folder: JobFolder | None = None
    """The job's; also of one that was done before."""

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
            lines = _text_of(source).splitlines()
            found = [source.parent / line.strip() for line in lines if line.strip() and line.strip()[0] != "#"]
    except UnicodeDecodeError:
        hint = "Save the list as UTF-8."
        raise StorageError(f'"{source}" is neither a folder nor a list of pictures.', hint=hint) from None
    except OSError as error:
        raise StorageError(f'"{source}" cannot be read: {system.explain(error)}.') from error
    if not found:
        raise BadPicture(f'There is no picture in "{source}".', hint="Name a folder with pictures, or a list of them.")
    return found


def _text_of(file: Path) -> str:
    """Return a text file's content; Windows' PowerShell writes UTF-16 if nobody tells it otherwise."""
    data = file.read_bytes()
    is_utf16 = data[:2] in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}
    return data.decode("utf-16" if is_utf16 else "utf-8-sig")


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
class _Busy:
    """A picture whose job somebody else has."""

    item: Item
    folder: JobFolder
    lease: Lease

    @property
    def is_over(self) -> bool:
        """There is something to do, or to say: the job is free, or only a person can free it."""
        return self.lease.end() or not self.folder.is_claimed() or self.is_for_a_person

    @property
    def is_for_a_person(self) -> bool:
        return self.lease.host is not None and not self.lease.ends_by_itself


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
    lease_seconds: float = LEASE_SECONDS
    on_wait: Callable[[Item, str], None] = lambda item, host: None
    """Called once nothing else is left to do, for each picture that a machine of this name works on."""

    _waiting_for: dict[JobFolder, list[tuple[Item, float]]] = field(default_factory=dict)
    _busy: deque[_Busy] = field(default_factory=deque)
    _said: set[tuple[Item, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        # Even --again does not drop what is under way: its result is paid for, and only has to be fetched.
        self._index = JobIndex(self.library, only_unfinished=self.again)

    def run(self, items: Sequence[Item]) -> Iterator[Outcome]:
        """Yield the outcomes in the order in which they are known.

        Raises:
            AccountError: the key was refused or the credit is used up: the next picture would fail the same way. What
                was under way was finished first.
        """
        waiting = deque(items)
        stopped_by: Problem | None = None
        look_again = 0.0
        while self._waiting_for or (stopped_by is None and (waiting or self._busy)):
            while waiting and stopped_by is None and len(self._waiting_for) < self.jobs_at_once:
                yield from self._begin(waiting.popleft())
            for outcome in self._step():
                stopped_by = stopped_by or _reason_to_stop(outcome)
                yield outcome
            if self._busy and time.monotonic() > look_again:
                look_again = time.monotonic() + _LOOK_AGAIN_SECONDS
                busy = self._busy.popleft()
                if busy.is_over:
                    waiting.append(busy.item)
                else:
                    self._busy.append(busy)
                    if not waiting and not self._waiting_for:
                        self._say_that_we_wait(busy)
            time.sleep(STEP_SECONDS)
        if stopped_by is not None:
            raise stopped_by.error()

    def pause(self) -> None:
        """Let the workers stop so that what they were doing can be resumed, and wait until they have."""
        self.runner.stop("pause")
        while self.runner.is_busy:
            self.runner.step()
            time.sleep(STEP_SECONDS)

    def _begin(self, item: Item) -> Iterator[Outcome]:
        """Start what has to be made for one picture; yield its outcome if that is known already."""
        started = time.monotonic()
        folder: JobFolder | None = None
        try:
            draft = self.draft(item.picture)
            if item.output.exists() and not self.overwrite:
                yield self._kept(item, draft)
                return
            folder = self._job_for(draft)
            if folder not in self._waiting_for:
                job = reopen(folder, take_over=self.take_over)
                if job.state.has_result:
                    yield self._delivered(item, folder, job, started)
                    return
                self.runner.start(folder)
            self._waiting_for.setdefault(folder, []).append((item, started))
        except JobBusy as error:
            busy = None if folder is None else self._busy_with(item, folder)
            if busy is None or busy.is_for_a_person:
                yield Outcome(item, problem=Problem.of(error))
            else:
                self._busy.append(busy)
        except ImageTo3DError as error:
            yield Outcome(item, _if_readable(folder), Problem.of(error), folder=folder)

    def _job_for(self, draft: Draft) -> JobFolder:
        """Return the job that has, or may bring, what the draft asks for; made now if there is none."""
        with self.library.locked():
            found = self._index.find(draft.request.fingerprint)
            if found is None:
                found = draft.create(self.library)
                self._index.add(found)
            return found

    def _kept(self, item: Item, draft: Draft) -> Outcome:
        """Say of an output that exists whether it is what is asked for."""
        folder = self._index.find(draft.request.fingerprint)
        if folder is not None:
            return Outcome(item, folder.load(), was_there=True, folder=folder)  # what it cost belongs in every report
        if not self._index.knows(draft.request.views[View.FRONT]):
            return Outcome(item, was_there=True)
        hint = "Add --overwrite, or choose another folder."
        problem = StorageError(f'"{item.output}" was made with other options, and is kept.', hint=hint)
        return Outcome(item, problem=Problem.of(problem))

    def _step(self) -> Iterator[Outcome]:
        for news in self.runner.step():
            if not news.has_ended:
                continue
            items = self._waiting_for.pop(news.folder)
            if not news.job.state.is_final and news.folder.is_claimed():  # another command was quicker
                self._busy += [self._busy_with(item, news.folder) for item, _ in items]
                continue
            for item, started in items:
                yield self._delivered(item, news.folder, news.job, started)

    def _busy_with(self, item: Item, folder: JobFolder) -> _Busy:
        return _Busy(item, folder, Lease(folder.path, self.lease_seconds))

    def _say_that_we_wait(self, busy: _Busy) -> None:
        if busy.lease.host is not None and (busy.item, busy.lease.host) not in self._said:
            self._said.add((busy.item, busy.lease.host))
            self.on_wait(busy.item, busy.lease.host)

    def _delivered(self, item: Item, folder: JobFolder, job: Job, started: float) -> Outcome:
        problem = job.problem
        if problem is None and not job.state.has_result:
            problem = Problem.of(ImageTo3DError("The worker ended unexpectedly; nothing is lost.", hint=_RUN_AGAIN))
        if problem is None:
            try:
                output.deliver(folder, job, item.output, exporter=self.exporter)
            except ImageTo3DError as error:
                problem = Problem.of(error).evolve(hint=_RUN_AGAIN)
        return Outcome(item, job, problem, folder=folder, seconds=time.monotonic() - started)


def _if_readable(folder: JobFolder | None) -> Job | None:
    """Return the job that stands behind a problem, for the report: what may have been charged has to be found."""
    with suppress(StorageError):
        return folder.load_if_any() if folder else None
    return None


def _reason_to_stop(outcome: Outcome) -> Problem | None:
    if outcome.problem is not None and outcome.problem.exit_status == AccountError.exit_status:
        return outcome.problem
    return None
