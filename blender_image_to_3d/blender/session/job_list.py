# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of jobs as the sidebar shows it: the newest click first, what was found in the library at the end."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ... import providers
from ...errors import ImageTo3DError, StorageError
from ...jobs.library import JobFolder, Library
from ...models import Job, Problem
from ..interface.texts import tr_problem, tr_report
from .job_rows import Row, Stage, front_file
from .messages import Messages


class JobList:
    """The rows of the list."""

    def __init__(self, library: Library, messages: Messages) -> None:
        self.rows: list[Row] = []
        self._library = library
        self._messages = messages

    @property
    def is_active(self) -> bool:
        """Whether any job goes on."""
        return any(row.is_active for row in self.rows)

    def find(self, key: str) -> Row | None:
        return next((row for row in self.rows if row.key == key), None)

    def get(self, key: str) -> Row:
        """Return the row of a button. Raises `StorageError` if it is gone."""
        row = self.find(key)
        if row is None:
            raise StorageError(tr_report("This job is no longer in the list"))
        return row

    def with_folder(self, path: Path) -> Row | None:
        return next((row for row in self.rows if row.folder and row.folder.path == path), None)

    def insert(self, row: Row) -> None:
        """Add a row at the top."""
        self.rows.insert(0, row)

    def append(self, row: Row) -> None:
        self.rows.append(row)

    def move_to_top(self, row: Row) -> None:
        self.rows.remove(row)
        self.rows.insert(0, row)

    def remove(self, row: Row) -> None:
        self.rows.remove(row)

    def forget(self, key: str) -> None:
        """Remove a row, if it is there."""
        self.rows = [row for row in self.rows if row.key != key]

    def dismiss(self, key: str) -> None:
        """Remove a row, unless its job goes on."""
        self.rows = [row for row in self.rows if row.key != key or row.is_active]

    def stop(self, row: Row, problem: Problem | None) -> None:
        """Note that a job goes no further by itself, and why."""
        row.stage = Stage.STOPPED
        row.problem = problem
        if problem is not None:
            self._messages.say_unseen("WARNING", f"{row.title}: {tr_problem(problem.message)}")

    def folder_of(self, key: str) -> JobFolder:
        """Return the folder of a job in the list, in the history, or in the library. Raises `StorageError`."""
        for row in self.rows:
            if row.key == key and row.folder is not None:
                return row.folder
        folder = self._library.find(key)
        if folder.id != key:  # a part of an id could be another job's
            raise StorageError(f'There is no job "{key}" in {self._library.root}.')
        return folder

    def log_of(self, key: str) -> str:
        """Return all that is known of a job's problem, for whoever is asked for help."""
        row = self.find(key)
        problem = row.problem if row else None
        lines = [f"{problem.kind}: {problem.message} {problem.hint}".strip()] if problem else []
        with suppress(ImageTo3DError, OSError):
            lines.append(self.folder_of(key).log.read_text(encoding="utf-8", errors="replace"))
        return "\n".join(lines)


def row_of(folder: JobFolder, job: Job) -> Row:
    """Return a row for a job that was made earlier, or elsewhere."""
    try:
        info = providers.info(job.request.provider)
    except ImageTo3DError:  # of a newer version
        info = None
    row = Row(
        title=job.request.name,
        provider=job.request.provider,
        label=info.label if info else job.request.provider,
        stage=Stage.STOPPED,
        key=folder.id,
        folder=folder,
        started=job.created,
        picture=front_file(folder, job),
        is_paid=info is None or info.paid,
        account_url=(info and info.key_url) or "",
        is_cancellable=info is not None and info.cancellable,
    )
    row.take(job)
    return row
