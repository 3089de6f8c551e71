# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes one job to its end, and returns when it is there: what the command line and the Python functions call."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from .. import providers
from ..errors import ImageTo3DError, InputError, JobBusy, Paused
from ..models import Job, JobState
from ..providers.access import NOTHING_AROUND, Surroundings, check_access, patience_of
from . import orders
from .claims import Lease, chosen_lease_seconds
from .library import JobFolder, Library
from .request import Draft
from .runner import STEP_SECONDS, News, Runner
from .unattended import cancel_waiting, reopen

_CANCEL_PATIENCE_SECONDS = 5.0
_FOLLOW_SECONDS = 0.2
_CANNOT_BE_RECALLED = "The request cannot be recalled; waiting for its answer. Ctrl-C again waits no longer"


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
    chosen_lease_seconds()
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
    lease = Lease(folder.path, chosen_lease_seconds())
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


def _wait_for_the_end(folder: JobFolder) -> Job:
    deadline = time.monotonic() + _CANCEL_PATIENCE_SECONDS
    while not (job := folder.load()).state.is_final and time.monotonic() < deadline:
        time.sleep(STEP_SECONDS)
    return job


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
