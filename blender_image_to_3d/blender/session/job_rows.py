# SPDX-License-Identifier: GPL-3.0-or-later
"""One line of the list of jobs: what the panel draws. Made by the session, so that drawing costs nothing."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, auto
from itertools import count
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from ...errors import Charged
from ...models import Job, JobState, Problem, View
from ..interface.texts import tr, tr_problem

if TYPE_CHECKING:
    from ...jobs.library import JobFolder
    from ..importing.import_process import Prepared
    from .destination import Destination, Obstacle

_numbers = count(1)
_DOWNLOAD = re.compile(r"Downloading (?P<done>[\d.]+) of (?P<total>[\d.]+) MB")


class Stage(Enum):
    """Where a job stands for the one who waits for it."""

    ORDERED = auto()
    """Its pictures are being read; there is no folder yet."""
    WAITING = auto()
    """For a free place."""
    WORKING = auto()
    """A worker has it, ours or somebody else's."""
    IMPORTING = auto()
    """The child Blender makes a .blend of it."""
    ARRIVED = auto()
    """The .blend is there; it comes in as soon as that disturbs nobody."""
    STOPPED = auto()
    """It goes no further by itself: failed, cancelled, or its result waits to be imported."""


class Step(Enum):
    """What a person can do about a job that stopped, in the order in which it is offered."""

    IMPORT = auto()
    IMPORT_NOW = auto()
    RESUME = auto()
    CHECK_AGAIN = auto()
    SEND_AGAIN = auto()
    GENERATE_AGAIN = auto()
    PREFERENCES = auto()
    ACCOUNT = auto()
    ALLOW_ONLINE = auto()


@dataclass
class Row:
    """A job, as it is known here."""

    title: str
    provider: str
    label: str
    """The provider's name."""
    stage: Stage
    key: str = field(default_factory=lambda: f"new-{next(_numbers)}")
    """What the buttons say: the job's id, once there is one."""
    folder: JobFolder | None = None
    job: Job | None = None
    problem: Problem | None = None
    worth: int = 0
    """Of the job. It is asked of every row whenever the panel is drawn."""
    destination: Destination | None = None
    prepared: Prepared | None = None
    obstacle: Obstacle | None = None
    """Why it does not come in yet."""
    is_cancelled: bool = False
    """Somebody pressed Cancel."""
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    picture: Path | None = None
    identity: str = ""
    """What was asked for, as far as a click can tell."""
    is_paid: bool = False
    """Its provider costs money."""
    account_url: str = ""
    """Where its user finds the account at the provider, if there is one."""
    is_cancellable: bool = False
    """Its provider can be told to stop what it was asked for."""

    @property
    def is_active(self) -> bool:
        return self.stage is not Stage.STOPPED

    @property
    def can_cancel(self) -> bool:
        return self.stage in {Stage.ORDERED, Stage.WAITING, Stage.WORKING} and not self.is_cancelled

    @property
    def is_beyond_recall(self) -> bool:
        """Whether it was sold, or is being sold, to the end: then its result is kept although somebody cancels."""
        if self.job is None or not self.is_paid:
            return False
        return self.job.state is JobState.SUBMITTING or (self.job.handle is not None and not self.is_cancellable)

    def take(self, job: Job) -> None:
        """Take over what is known of the job now."""
        self.job = job
        self.problem = job.problem
        self.worth = job.worth

    def elapsed_seconds(self) -> float:
        return (datetime.now(UTC) - self.started).total_seconds()

    def progress(self) -> float | None:
        """Return the share that is done, where somebody knows it."""
        return self.job.progress if self.job and self.stage is Stage.WORKING else None


def most_important(rows: Sequence[Row], number: int) -> list[Row]:
    """Return so many rows in their order: what goes on, and what may be lost, rather than what waits or is over."""
    if len(rows) <= number:
        return list(rows)
    ranks = [_rank(row) for row in rows]
    first = sorted(range(len(rows)), key=ranks.__getitem__)[:number]
    return [rows[index] for index in sorted(first)]


def _rank(row: Row) -> int:
    if row.stage is Stage.STOPPED:
        return 1 if row.worth > 0 else 3
    return 2 if row.stage is Stage.WAITING or row.stage is Stage.ORDERED else 0


def state_text(row: Row, usual_seconds: float | None) -> str:
    """Return the state as a person would say it.

    usual_seconds: what a job of this provider takes.
    """
    match row.stage:
        case Stage.ORDERED:
            return tr("Reading the picture")
        case Stage.WAITING:
            return tr("Waiting for a free place")
        case Stage.WORKING:
            return _working_text(row, usual_seconds)
        case Stage.IMPORTING:
            return tr("Importing")
        case Stage.ARRIVED:
            return row.obstacle.text if row.obstacle else tr("Importing")
    return _stopped_text(row)


def _working_text(row: Row, usual_seconds: float | None) -> str:
    job = row.job
    if job is None:
        return tr("Working")
    if row.is_cancelled:
        if row.is_beyond_recall:
            return tr("Cancelled; the request cannot be recalled, its result will be kept")
        return tr("Cancelling")
    if download := _DOWNLOAD.fullmatch(job.message):
        return tr("Downloading {done} of {total} MB").format(**download.groupdict())
    if job.message:
        return tr(job.message) + _time_left(row, usual_seconds)
    if job.state is JobState.QUEUED:
        return tr("Starting")
    if job.state is JobState.SUBMITTING:
        return tr("Sending the picture")
    if job.state is JobState.DOWNLOADING:
        return tr("Downloading")
    return tr("Working") + _time_left(row, usual_seconds)


def _time_left(row: Row, usual_seconds: float | None) -> str:
    job = row.job
    if job is None or job.state is not JobState.RUNNING:
        return ""
    left = None
    if job.eta_seconds is not None:
        left = job.eta_seconds - (datetime.now(UTC) - job.updated).total_seconds()
    elif usual_seconds is not None and job.progress is None:
        left = usual_seconds - row.elapsed_seconds()
    if left is None or left < 1:
        return ""
    return " " + tr("(about {time} left)").format(time=duration(left))


def _stopped_text(row: Row) -> str:
    job = row.job
    if row.problem is not None:
        return problem_text(row.problem)
    if job is None:
        return tr("Stopped")
    if job.state is JobState.READY:
        return tr("Done, not imported yet")
    if job.state is JobState.IMPORTED:
        return tr("You have this model already")
    if job.state is JobState.QUEUED:
        return tr("Stopped before anything was sent")
    return tr("It may have been charged") if job.state is JobState.UNKNOWN else tr("Stopped")


def problem_text(problem: Problem) -> str:
    """Return one sentence; what can be done about it are buttons."""
    is_cancelled = problem.kind == "Cancelled"
    match problem.charged:
        case Charged.NO:
            return tr("Cancelled, nothing was charged") if is_cancelled else tr_problem(problem.message)
        case Charged.MAYBE:
            charge = tr("It may have been charged")
        case Charged.YES:
            charge = tr("It was charged")
    message = tr("Cancelled; the service may still work on it") if is_cancelled else tr_problem(problem.message)
    return tr("{message}. {charge}").format(message=message.rstrip(".。"), charge=charge)


def next_steps(row: Row) -> tuple[Step, ...]:
    """Return what is offered for a job that stopped, the most likely first."""
    job, problem = row.job, row.problem
    if row.is_active:
        return (Step.IMPORT_NOW,) if row.obstacle and row.obstacle.is_operator else ()
    if job is not None and job.state.has_result:
        return (Step.IMPORT, Step.GENERATE_AGAIN) if job.state is JobState.IMPORTED else (Step.IMPORT,)
    fixes = {
        "KeyMissing": (Step.PREFERENCES,),
        "KeyRefused": (Step.PREFERENCES,),
        "OutOfCredit": (Step.ACCOUNT,) if row.account_url else (),
        "Offline": (Step.ALLOW_ONLINE,),
    }
    steps: tuple[Step, ...] = fixes.get(problem.kind, ()) if problem else ()
    if job is None:
        return steps
    if job.handle is not None or job.state is JobState.SUBMITTING:  # nobody has looked yet what that came to
        return (*steps, Step.CHECK_AGAIN)
    if job.state is JobState.UNKNOWN or (problem is not None and problem.charged is not Charged.NO):
        return (*steps, Step.SEND_AGAIN)
    return (*steps, Step.RESUME)


def duration(seconds: float) -> str:
    """Return a time as 0:41 or 1:02:03, or as "40 s" below a minute where it is a guess."""
    whole = int(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, rest = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class UsualTimes:
    """How long the last jobs of each provider took."""

    def __init__(self) -> None:
        self._seconds: dict[str, deque[float]] = {}

    def add(self, provider: str, seconds: float | None) -> None:
        if seconds is not None:
            self._seconds.setdefault(provider, deque(maxlen=9)).append(seconds)

    def of(self, provider: str) -> float | None:
        """Return seconds; nothing before two jobs are known."""
        known = self._seconds.get(provider, ())
        return median(known) if len(known) > 1 else None


def front_file(folder: JobFolder, job: Job) -> Path | None:
    """Return the picture of a job that can be shown."""
    front = job.request.views.get(View.FRONT)
    if front is None:
        return None
    return folder.thumbnail if front.file.endswith(".npy") else folder.path / front.file
