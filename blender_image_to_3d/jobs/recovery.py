# SPDX-License-Identifier: GPL-3.0-or-later
"""Says what has become of a job whose worker died or stopped, from what that worker wrote last."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import ValidationError

from ..errors import OutcomeUnknown, StorageError
from ..host import system
from ..models import Job, JobState, Problem, ProviderInfo, ResultFile
from ..providers.contract import Finished
from ..results.adopt import FINISHED
from .claims import Claim
from .library import JobFolder


def recovered(job: Job, info: ProviderInfo, folder: JobFolder, claim: Claim) -> Job:
    """Return the job as it is now, its claim being ours.

    Raises:
        JobBusy: it no longer is.
        StorageError: what is there of its result cannot be read, and nobody may say that there is none.
    """
    try:
        if not job.state.has_result and (found := _whole_result(folder)) is not None:
            folder.save_links({}, claim=claim)
            return ready(job, found, folder)
    except OSError as error:
        raise StorageError(f"The result in {folder.path} cannot be read: {system.explain(error)}.") from error
    if job.state is not JobState.SUBMITTING:
        return job
    if not info.paid:
        return job.evolve(state=JobState.QUEUED, progress=None, message="")
    unknown = OutcomeUnknown(f"The worker died while it was sending the request to {info.label}.")
    return job.evolve(state=JobState.UNKNOWN, problem=Problem.of(unknown))


def _whole_result(folder: JobFolder) -> Finished | None:
    """Return what the provider said of a result that is whole, though nobody came to journal it."""
    for draft in folder.result_drafts():
        if not folder.result.exists() and (finished := _finished(draft)) is not None:
            system.replace(draft, folder.result)
            return finished
    return _finished(folder.result)


def _finished(result: Path) -> Finished | None:
    try:
        finished = Finished.model_validate_json((result / FINISHED).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    return finished if all((result / name).is_file() for name in finished.files) else None


def ready(job: Job, finished: Finished, folder: JobFolder) -> Job:
    """Return the job with the result that lies in its folder; what was noted on the way to it stays noted."""
    return job.evolve(
        state=JobState.READY,
        results=tuple(_result_file(folder.result / name) for name in finished.files),
        progress=None,
        message="",
        eta_seconds=None,
        problem=None,
        notes=tuple(dict.fromkeys((*job.notes, *finished.notes))),
        **finished.model_dump(exclude={"files", "notes"}),
    )


def _result_file(path: Path) -> ResultFile:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return ResultFile(file=path.name, sha256=digest, size_bytes=path.stat().st_size)
