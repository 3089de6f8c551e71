# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be done with a job that no worker has: say what it is, make it ready for the next one, or give it up."""

from __future__ import annotations

from .. import providers
from ..errors import Cancelled, Charged, JobBusy, OutcomeUnknown
from ..models import Job, JobState, Problem, ProviderInfo
from .library import JobFolder
from .recovery import recovered


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
            return folder.save(recovered(folder.load(), info_of(folder), folder, claim), claim=claim)
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
        job = folder.save(recovered(folder.load(), info_of(folder), folder, claim), claim=claim)
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


def cancel_waiting(folder: JobFolder, *, take_over: bool = False) -> Job:
    """Give up a job that no worker has, without waiting for anything, and return it.

    Raises:
        JobBusy: a worker has it; it can be asked to stop (`JobFolder.ask_to`), and says so in its own time.
        StorageError: the job cannot be read or written.
    """
    with folder.claim(patience_seconds=0, take_over=take_over) as claim:
        folder.forget_stop_request()
        return folder.save(_cancelled(recovered(folder.load(), info_of(folder), folder, claim)), claim=claim)


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


def info_of(folder: JobFolder) -> ProviderInfo:
    """Return the provider of a job. Raises `StorageError` or `BadOption`."""
    return providers.info(folder.load().request.provider)
