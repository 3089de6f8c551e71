# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job is that no worker has: judged by what its last one wrote before it died or stopped."""

from __future__ import annotations

import hashlib
from pathlib import Path

from .errors import OutcomeUnknown
from .library import JobFolder
from .models import Job, JobState, Problem, ResultFile
from .provider import Finished, ProviderInfo

FINISHED = "finished.json"
"""In the result folder, and so there exactly when the result is whole: what the provider said of it."""


def recovered(job: Job, info: ProviderInfo, folder: JobFolder) -> Job:
    """Return the job as it is now, its claim being ours."""
    finished = folder.result / FINISHED
    if not job.state.is_final and finished.is_file():
        return ready(job, Finished.model_validate_json(finished.read_bytes()), folder)
    if job.state is not JobState.SUBMITTING:
        return job
    if not info.paid:
        return job.evolve(state=JobState.QUEUED, progress=None, message="")
    error = OutcomeUnknown(f"The worker died while it was sending the request to {info.label}.")
    return job.evolve(state=JobState.UNKNOWN, problem=Problem.of(error))


def ready(job: Job, finished: Finished, folder: JobFolder) -> Job:
    """Return the job with the result that lies in its folder."""
    return job.evolve(
        state=JobState.READY,
        results=tuple(_result_file(folder.result / name) for name in finished.files),
        progress=None,
        message="",
        eta_seconds=None,
        problem=None,
        **finished.model_dump(exclude={"files"}),
    )


def _result_file(path: Path) -> ResultFile:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return ResultFile(file=path.name, sha256=digest, size_bytes=path.stat().st_size)
