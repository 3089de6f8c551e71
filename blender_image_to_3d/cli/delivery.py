# SPDX-License-Identifier: GPL-3.0-or-later
"""Where one model goes: ``--output`` is checked before anything is sent, and written when the model is there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .console import Console
from .host_program import HostProgram

if TYPE_CHECKING:
    from ..jobs.library import JobFolder
    from ..models import Job


def check(path: Path, provider_id: str, host: HostProgram, *, overwrite: bool) -> None:
    """Say before anything is sent whether what the provider makes could be written to `path`.

    Raises:
        BadOption: there is no such provider, or nothing here writes this kind of file.
        StorageError: the file exists, or the folder cannot be written.
    """
    from .. import providers
    from ..jobs import output

    info = providers.info(provider_id)
    output.check(path, result_formats=info.result_formats, exporter=host.exporter, overwrite=overwrite)


def deliver(folder: JobFolder, job: Job, path: Path | None, console: Console, host: HostProgram) -> None:
    """Write the model where the user wants it, and say where it is.

    path: nothing: it stays in the job's folder.

    Raises:
        StorageError: it cannot be written. The model is still in the job's folder.
        BadOption: the model is of another kind than `path`, and nothing here can change that.
    """
    from ..jobs import output

    for note in job.notes:
        console.note(f"Note: {note}")
    if path is not None:
        output.deliver(folder, job, path, exporter=host.exporter)
    place = str(path or folder.result_files(job)[0])
    console.answer(place, event="done", job=job.id, output=place, cost=job.cost, seed=job.seed, notes=list(job.notes))
