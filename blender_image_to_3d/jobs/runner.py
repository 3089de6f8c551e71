# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts, watches, stops and resumes workers. Never blocks: Blender's timer and the command line both call `step`."""

from __future__ import annotations

import importlib.util
import math
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any, NamedTuple

from .. import providers
from ..errors import (
    BadOption,
    BrokenPackage,
    Cancelled,
    Charged,
    ImageTo3DError,
    InputError,
    JobBusy,
    Offline,
    OutcomeUnknown,
    Paused,
    StorageError,
)
from ..host import system
from ..host.keys import key_of
from ..models import Job, JobState, Problem, Start
from ..providers.contract import ProviderInfo
from . import orders
from .claims import LEASE_SECONDS, Lease
from .library import JobFolder, Library
from .recovery import recovered
from .request import Draft

STEP_SECONDS = 0.02
"""How long the blocking callers wait between two steps."""

_LOOKS = 2
"""Jobs whose folder a step looks into: with eight that report five times a second, all would cost two milliseconds."""

_CANCEL_PATIENCE_SECONDS = 5.0
_FOLLOW_SECONDS = 0.2
_CLAIM_SECONDS = 1.0
_CANNOT_BE_RECALLED = "The request cannot be recalled; waiting for its answer. Ctrl-C again waits no longer"
_DEPENDENCIES = ("pydantic", "numpy", "requests", "PIL")


class News(NamedTuple):
    """A job as it is now."""

    folder: JobFolder
    job: Job
    has_ended: bool
    """No worker has it any more."""


@dataclass(frozen=True)
class Surroundings:
    """What the program around us gives its workers."""

    blender: str | None = None
    """The binary that can be started for work that needs a Blender."""
    is_online: bool = True
    """Whether the network may be used. This computer's own servers may be asked in any case."""


NOTHING_AROUND = Surroundings()


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
        info = _info(folder)
        check_access(info, self.around)
        start = Start(
            key=key_of(info),
            base_url=base_url_of(info),
            patience_seconds=patience_of(info),
            lease_seconds=lease_seconds(),
            blender=self.around.blender,
            take_over=self._take_over,
        )
        with folder.log.open("ab") as log:
            return spawn_program(["worker", str(folder.path)], start.model_dump_json().encode(), log)


def _last_line(log: Path) -> str:
    with suppress(OSError):
        return log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
    return ""


def settled(folder: JobFolder) -> Job:
    """Return the job; if its worker died, first write down what that means.

    Raises:
        StorageError: the job cannot be read or written.
    """
    job = folder.load()
    if job.state.is_final:
        return job
    try:
        with folder.claim(patience_seconds=0) as claim:
            return folder.save(recovered(folder.load(), _info(folder), folder, claim), claim=claim)
    except JobBusy:
        return job


def reopen(folder: JobFolder, *, again: bool = False, take_over: bool = False) -> Job:
    """Make a stopped job ready for a worker, and return it; a job that has its result is returned as it is.

    again: send a request again that may have been, or was, charged.

    Raises:
        JobBusy: a worker is busy with it.
        OutcomeUnknown: it may have been charged, and nobody said `again`.
        StorageError: the job cannot be read or written.
    """
    if (job := folder.load()).state.has_result:
        return job
    with folder.claim(patience_seconds=0, take_over=take_over) as claim:
        # Written down first: if it goes no further, everybody shall see why.
        job = folder.save(recovered(folder.load(), _info(folder), folder, claim), claim=claim)
        return job if job.state.has_result else folder.save(_reopened(job, again=again), claim=claim)


def _reopened(job: Job, *, again: bool) -> Job:
    if job.handle is not None and not again:  # asking costs nothing, whatever happened
        return job.evolve(state=JobState.RUNNING, problem=None)
    was_charged = job.problem is not None and job.problem.charged is not Charged.NO
    if was_charged and not again:
        assert job.problem is not None
        raise OutcomeUnknown(
            f'"{job.request.name}" may have been charged already: {job.problem.message}',
            hint="Look at the service's own history; to send it again all the same, use --again.",
            charged=job.problem.charged,
        )
    return job.evolve(state=JobState.QUEUED, handle=None, problem=None, message="")


def check_access(info: ProviderInfo, around: Surroundings) -> None:
    """Say before anything is done whether a provider may be asked at all.

    Raises:
        AccountError: it needs a key, and there is none that could be one.
        BadOption: its address is none.
        Offline: the user does not want the network to be used.
        ModuleNotFoundError: requests is missing; Blender brings it.
    """
    key = key_of(info)
    base_url = base_url_of(info)
    if base_url is None:
        return
    find_package("requests")
    if around.is_online:
        return
    from ..http.addresses import Service  # not for those who are online

    if not Service.at(base_url, has_key=key is not None).is_loopback:
        raise Offline(
            f"{info.label} needs the network, and Blender is set not to use it.",
            hint="Allow Online Access in the preferences (System > Network), or start Blender with --online-mode.",
        )


def base_url_of(info: ProviderInfo, environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the address that the user put in place of the service's own, if any."""
    return environment.get(info.url_variable, "").strip() or info.base_url


def patience_of(info: ProviderInfo, environment: Mapping[str, str] = os.environ) -> float:
    """Return how long a service may say nothing new: its own time, or what the user says in its place.

    Raises:
        BadOption: what the user says is not a number of seconds.
    """
    return _seconds("IMAGE_TO_3D_PATIENCE_SECONDS", info.patience_seconds, environment)


def lease_seconds(environment: Mapping[str, str] = os.environ) -> float:
    """Return how long a claim of another machine counts without a sign of life; see claims.

    Raises:
        BadOption: what the user says is not a number of seconds.
    """
    return _seconds("IMAGE_TO_3D_LEASE_SECONDS", LEASE_SECONDS, environment)


def _seconds(variable: str, usual: float, environment: Mapping[str, str]) -> float:
    text = environment.get(variable, "").strip()
    try:
        seconds = float(text) if text else usual
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < math.inf:
        raise BadOption(f'{variable} is "{text}", and must be a number of seconds.')
    return seconds


def program(*arguments: str) -> list[str]:
    """Return how to start our command line in a Python of its own, with the modules that this one would find."""
    folders: dict[str, None] = {}
    for name in _DEPENDENCIES:
        with suppress(ModuleNotFoundError):
            folders[str(find_package(name))] = None
    bootstrap = Path(__file__).with_name("bootstrap.py")
    return [sys.executable, "-I", "-S", str(bootstrap), *folders, "--", *arguments]


@cache  # of what was found: a search takes a while, and what is missing may be installed meanwhile
def find_package(module: str) -> Path:
    """Return the folder in which a module is found, without importing it.

    Raises:
        ModuleNotFoundError: it is not.
    """
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{module} is missing", name=module)
    return Path(spec.origin).parent.parent


def spawn_program(arguments: Sequence[str], line: bytes, output: IO[Any]) -> subprocess.Popen[bytes]:
    """Start our command line in a process that outlives us, give it one line on its input, and return at once.

    line: without its end, and shorter than a pipe holds (64 kB). output: an open file for what it prints.

    Raises:
        OSError: it cannot be started.
    """
    process = system.spawn(program(*arguments), output)
    assert process.stdin is not None
    with process.stdin, suppress(OSError):  # it died at once, and its end says so
        system.feed(process, line + b"\n")
    return process


def generate(
    draft: Draft,
    library: Library,
    *,
    again: bool = False,
    around: Surroundings = NOTHING_AROUND,
    on_news: Callable[[News], None] = lambda news: None,
) -> News:
    """Make the model of a request, and return when it is there. What was bought before is not bought again.

    again: buy anew what was bought before.

    Raises:
        ImageTo3DError: why there is no model. Where nothing is to be gained from the job, it is deleted.
    """
    info = providers.info(draft.request.provider)
    check_access(info, around)
    patience_of(info)
    lease_seconds()
    taken = orders.take(draft, library, again=again)
    if taken.doubt is not None:
        raise taken.doubt
    news = _brought(taken.folder, around=around, on_news=on_news)
    if _is_worthless(news.job):
        taken.folder.delete()
    return _result_or_error(news)


def _brought(
    folder: JobFolder,
    *,
    around: Surroundings = NOTHING_AROUND,
    again: bool = False,
    take_over: bool = False,
    on_news: Callable[[News], None],
) -> News:
    """Take a job to its end, with a worker of ours or by waiting for somebody else's."""
    while True:
        job = take_up(folder, again=again, take_over=take_over, on_news=on_news)
        if job.state.has_result:
            return News(folder, job, has_ended=True)
        again = False
        news = run_to_the_end(folder, around=around, take_over=take_over, on_news=on_news)
        if news.job.state.is_final or not folder.is_claimed():
            return news


def _is_worthless(job: Job) -> bool:
    """What was given could not be used, and nothing was, or may have been, bought with it."""
    problem = job.problem
    is_input = problem is not None and problem.exit_status == InputError.exit_status
    return is_input and job.worth == 0


def take_up(
    folder: JobFolder,
    *,
    again: bool = False,
    take_over: bool = False,
    on_news: Callable[[News], None] = lambda news: None,
) -> Job:
    """As `reopen`, but where a worker is busy with the job, wait until it is done, or its lease is over.

    Raises:
        JobBusy: a worker of an older version on another machine claims it.
        OutcomeUnknown: it may have been charged, and nobody said `again`.
        BadOption: the user gave no usable lease.
    """
    lease = Lease(folder.path, lease_seconds())
    while True:
        try:
            return reopen(folder, again=again, take_over=take_over)
        except JobBusy:
            if not lease.end() and lease.host is not None and not lease.ends_by_itself:
                raise
        on_news(News(folder, folder.load(), has_ended=False))
        time.sleep(_FOLLOW_SECONDS)


def finish(
    folder: JobFolder,
    *,
    again: bool = False,
    around: Surroundings = NOTHING_AROUND,
    take_over: bool = False,
    on_news: Callable[[News], None] = lambda news: None,
) -> News:
    """Go on with a job until its result is there.

    again: send a request again that may have been, or was, charged.

    Raises:
        JobBusy: a worker on another machine claims it.
        ImageTo3DError: why there is no model.
    """
    return _result_or_error(_brought(folder, around=around, again=again, take_over=take_over, on_news=on_news))


def cancel(folder: JobFolder, *, take_over: bool = False) -> Job:
    """Give a job up, and return it. A worker that is busy with it is asked to stop, and given a moment to do so.

    Raises:
        JobBusy: a worker on another machine claims it.
        StorageError: the job cannot be read or written.
    """
    folder.ask_to("cancel")
    try:
        return cancel_waiting(folder, take_over=take_over)
    except JobBusy:
        if folder.is_claimed_elsewhere():
            raise
        return _wait_for_the_end(folder)


def cancel_waiting(folder: JobFolder, *, take_over: bool = False) -> Job:
    """Give up a job that no worker has, without waiting for anything, and return it.

    Raises:
        JobBusy: a worker has it; it can be asked to stop (`JobFolder.ask_to`), and says so in its own time.
        StorageError: the job cannot be read or written.
    """
    with folder.claim(patience_seconds=0, take_over=take_over) as claim:
        folder.forget_stop_request()
        return folder.save(_cancelled(recovered(folder.load(), _info(folder), folder, claim)), claim=claim)


def _cancelled(job: Job) -> Job:
    if job.state.is_final:
        return job
    if job.handle is None:
        problem = Problem.of(Cancelled("Cancelled, nothing was charged."))
    else:
        problem = Problem.of(
            Cancelled(
                "Cancelled here; the service may still work on it.",
                hint=f"If you want the result after all: jobs resume {job.id}.",
                charged=Charged.MAYBE,
            )
        )
    return job.evolve(state=JobState.CANCELLED, problem=problem, progress=None, message="")


def _wait_for_the_end(folder: JobFolder) -> Job:
    deadline = time.monotonic() + _CANCEL_PATIENCE_SECONDS
    while not (job := folder.load()).state.is_final and time.monotonic() < deadline:
        time.sleep(STEP_SECONDS)
    return job


def _info(folder: JobFolder) -> ProviderInfo:
    return providers.info(folder.load().request.provider)


def run_to_the_end(
    folder: JobFolder,
    *,
    around: Surroundings = NOTHING_AROUND,
    take_over: bool = False,
    on_news: Callable[[News], None] = lambda news: None,
) -> News:
    """Let one worker work until it ends, and return what it left. Ctrl-C pauses it; a second one leaves it alone.

    Raises:
        Paused: Ctrl-C.
    """
    runner = Runner(around=around, take_over=take_over)
    runner.start(folder)
    try:
        return _last_news(runner, on_news)
    except KeyboardInterrupt:
        runner.stop("pause")
        if (job := folder.load()).state is JobState.SUBMITTING:
            on_news(News(folder, job.evolve(message=_CANNOT_BE_RECALLED), has_ended=False))
        with suppress(KeyboardInterrupt):
            while runner.is_busy:
                runner.step()
                time.sleep(STEP_SECONDS)
        raise Paused("Interrupted.", hint=f"Go on with: jobs resume {folder.id}.") from None


def _last_news(runner: Runner, on_news: Callable[[News], None]) -> News:
    while True:
        for news in runner.step():
            on_news(news)
            if news.has_ended:
                return news
        time.sleep(STEP_SECONDS)


def _result_or_error(news: News) -> News:
    if news.job.problem is not None:
        raise news.job.problem.error()
    if not news.job.state.has_result:
        raise ImageTo3DError(
            f'The worker of "{news.folder.id}" ended unexpectedly; nothing is lost.',
            hint=f"Go on with: jobs resume {news.folder.id}. Its log is {news.folder.log}.",
        )
    return news
