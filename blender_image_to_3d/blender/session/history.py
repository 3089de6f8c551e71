# SPDX-License-Identifier: GPL-3.0-or-later
"""The history: every finished model of the library, newest first. Read in small pieces, so that nobody waits for it."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from datetime import datetime

from ...errors import StorageError
from ...jobs.library import JobFolder, Library
from ...models import Job, View


@dataclass(frozen=True)
class Entry:
    """A finished model."""

    folder: JobFolder
    title: str
    provider: str
    created: datetime
    when: str
    """As the list shows it."""
    picture: str
    """File name in the folder."""
    notes: tuple[str, ...]
    """What its user should know of it."""

    @classmethod
    def of(cls, folder: JobFolder, job: Job) -> Entry:
        front = job.request.views.get(View.FRONT)
        created = job.created.astimezone()
        when = f"{created:%Y-%m-%d %H:%M}"
        file = front.file if front else ""
        return cls(folder, job.request.name, job.request.provider, created, when, file, job.notes)


class History:
    """The finished models of one library."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._entries: dict[str, Entry] = {}
        self._unread: deque[JobFolder] | None = None
        self._sorted: tuple[Entry, ...] | None = None
        self._found: tuple[str, tuple[Entry, ...]] = ("", ())
        self.problem: StorageError | None = None
        """Why the library cannot be read."""

    @property
    def is_read(self) -> bool:
        return self._unread is not None and not self._unread

    def read_on(self, seconds: float) -> list[tuple[JobFolder, Job]]:
        """Read for so long, and return the jobs that are not finished."""
        deadline = time.perf_counter() + seconds
        unfinished = []
        if self._unread is None:
            self._unread = self._folders()
        while self._unread and time.perf_counter() < deadline:
            folder = self._unread.popleft()
            try:
                job = folder.load()
            except StorageError:
                continue
            if job.state.has_result:
                self.add(folder, job)
            else:
                unfinished.append((folder, job))
        return unfinished

    def read_again(self) -> None:
        """Look for what others have put there, or taken away."""
        self._unread = None

    def add(self, folder: JobFolder, job: Job) -> None:
        self._entries[folder.id] = Entry.of(folder, job)
        self._sorted = None

    def remove(self, job_id: str) -> None:
        self._entries.pop(job_id, None)
        self._sorted = None

    def get(self, job_id: str) -> Entry | None:
        return self._entries.get(job_id)

    def entries(self, words: str = "") -> tuple[Entry, ...]:
        """Return what is called like this, the newest first."""
        if self._sorted is None:
            self._sorted = tuple(sorted(self._entries.values(), key=lambda each: each.created, reverse=True))
            self._found = ("", self._sorted)
        if self._found[0] != words:
            wanted = words.casefold()
            self._found = (words, tuple(each for each in self._sorted if wanted in each.title.casefold()))
        return self._found[1]

    def _folders(self) -> deque[JobFolder]:
        self.problem = None
        try:
            folders = self._library.folders()
        except StorageError as error:
            self.problem = error
            return deque()
        ids = {each.id for each in folders}
        for gone in self._entries.keys() - ids:
            self.remove(gone)
        return deque(each for each in reversed(folders) if each.id not in self._entries)
