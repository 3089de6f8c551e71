# SPDX-License-Identifier: GPL-3.0-or-later
"""Job folders: create, load, list, replace job.json atomically, delete. Who may do that is in claims.

LIBRARY/20261121-033458-cup-7f3a/
    job.json       the job; always whole, because it is only ever replaced
    lock           locked by the worker that works on it; says which process on which machine, and that it lives
    stop           "cancel" or "pause": what somebody asks of that worker
    worker.log     what the worker did
    links.json     signed addresses of a result that was not fetched yet; only its owner can open it
    front.png …    the pictures as they were handed over
    thumbnail.png  the front picture in small, where no viewer reads what was handed over
    result/        the model, known to be whole; finished.json beside it says what it cost; result.…~ is on its way
    rejected/      what a service sold that is no model, or could not be made the result
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import time
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pydantic import JsonValue, ValidationError

from ..errors import InputError, StorageError
from ..host import system
from ..models import GenerationRequest, Job, Picture, View, now
from . import claims
from .claims import LEASE_SECONDS, LOCK_PATIENCE_SECONDS, Claim

_DRAFT_PREFIX = ".new-"
_DRAFT_MAX_AGE_SECONDS = 3600.0


@dataclass(frozen=True)
class JobFolder:
    """One job on disk."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def log(self) -> Path:
        return self.path / "worker.log"

    @property
    def result(self) -> Path:
        return self.path / "result"

    def result_drafts(self) -> list[Path]:
        """Return the folders of results that were on their way: every worker that came here has one of its own."""
        return sorted(self.path.glob("result*~"))

    @property
    def thumbnail(self) -> Path:
        return self.path / "thumbnail.png"

    def load(self) -> Job:
        """Return the job.

        Raises:
            StorageError: there is no readable job.json.
        """
        try:
            return self._read()
        except FileNotFoundError:
            raise StorageError(f'There is no job "{self.id}".', hint="See: jobs list.") from None
        except ValidationError as error:
            raise StorageError(
                f'Job "{self.id}" was written by another version, or is damaged.',
                hint=f"Its files are still in {self.path}.",
            ) from error

    def load_if_any(self) -> Job | None:
        """Return the job; nothing if there is none, or none that can be understood.

        Raises:
            StorageError: nobody knows what there is, and nobody may say that there is nothing.
        """
        try:
            return self._read()
        except (FileNotFoundError, ValidationError):
            return None

    def _read(self) -> Job:
        try:
            return Job.model_validate_json(system.read_shared(self.path / "job.json"))
        except FileNotFoundError:
            raise
        except OSError as error:
            raise StorageError(f'Job "{self.id}" cannot be read: {system.explain(error)}.') from error

    def save(self, job: Job, *, claim: Claim | None = None, durable: bool = True) -> Job:
        """Replace job.json.

        claim: the caller's. Only whoever makes the job needs none.

        Raises:
            JobBusy: another machine has taken the claim over; its job.json is still there.
            StorageError: the disk is full, or the folder cannot be written; the old job.json is still there.
        """
        content = job.model_dump_json().encode()
        try:
            if claim is None:
                system.write_atomically(self.path / "job.json", content, durable=durable)
            else:
                claim.write("job.json", content, durable=durable)
        except OSError as error:
            raise StorageError(f"{self.path} cannot be written: {system.explain(error)}.") from error
        return job

    def load_links(self) -> dict[str, JsonValue]:
        """Return the part of the handle that is not for everybody's eyes.

        Raises:
            StorageError: it cannot be read.
        """
        try:
            links: dict[str, JsonValue] = json.loads((self.path / "links.json").read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise StorageError(f"{self.path / 'links.json'} cannot be read.") from error
        return links

    def save_links(self, links: dict[str, JsonValue], *, claim: Claim) -> None:
        """Keep the part of the handle that is not for everybody's eyes; nothing: forget it.

        claim: the caller's.

        Raises:
            JobBusy: another machine has taken the claim over; its links are still there.
            StorageError: it cannot be written.
        """
        path = self.path / "links.json"
        try:
            if links:
                claim.write(path.name, json.dumps(links).encode(), private=True)
            else:
                claim.check()
                path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"{path} cannot be written: {system.explain(error)}.") from error

    def result_files(self, job: Job) -> list[Path]:
        """Return the files of the result, the model first."""
        return [self.result / each.file for each in job.results]

    def claim(
        self,
        *,
        patience_seconds: float = LOCK_PATIENCE_SECONDS,
        take_over: bool = False,
        lease_seconds: float = LEASE_SECONDS,
    ) -> AbstractContextManager[Claim]:
        """Be the only one who works on this job, as `claims.held` says. Raises `JobBusy`, `StorageError`."""
        return claims.held(
            self.path, patience_seconds=patience_seconds, take_over=take_over, lease_seconds=lease_seconds
        )

    def is_claimed(self) -> bool:
        """Whether a worker has it, asked of the lock itself. For single jobs: it disturbs a worker that just starts."""
        try:
            return claims.is_locked(self.path)
        except StorageError:
            return False

    def is_claimed_elsewhere(self) -> bool:
        """Whether a worker on another machine claims it."""
        said = claims.said_of(self.path)
        return said is not None and said.is_foreign

    def seems_claimed(self) -> bool:
        """Whether a worker seems to have it, without touching the lock: for lists and for drawing."""
        said = claims.said_of(self.path)
        return said is not None and (said.is_foreign or system.process_exists(said.pid))

    def ask_to(self, stop: str) -> None:
        """Ask the worker to "cancel" or to "pause".

        Raises:
            StorageError: the folder cannot be written.
        """
        try:
            system.write_atomically(self.path / "stop", stop.encode(), durable=False)
        except OSError as error:
            raise StorageError(f"{self.path} cannot be written: {system.explain(error)}.") from error

    def stop_request(self) -> str | None:
        """Return "cancel" or "pause" if somebody asked for it."""
        try:
            return (self.path / "stop").read_text()
        except OSError:
            return None

    def forget_stop_request(self) -> None:
        """Let the next worker work. Raises `StorageError`."""
        try:
            (self.path / "stop").unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"{self.path} cannot be written: {system.explain(error)}.") from error

    def delete(self, *, take_over: bool = False) -> None:
        """Delete the job with everything in it.

        take_over: although a worker on another machine claims it.

        Raises:
            JobBusy: a worker is busy with it.
            StorageError: something in it cannot be deleted.
        """
        with self.claim(patience_seconds=0, take_over=take_over):
            # Out of the list at once, and whole: what cannot be deleted now goes with the next clean-up.
            (self.path / "job.json").unlink(missing_ok=True)
        try:
            shutil.rmtree(system.long_path(self.path))
        except OSError as error:
            raise StorageError(f"{self.path} cannot be deleted: {system.explain(error)}.") from error


class Usage(NamedTuple):
    """How much is in a library."""

    jobs: int
    size_bytes: int


class Library:
    """The folder that holds the job folders of a user, or of a batch."""

    def __init__(self, root: Path) -> None:
        self.root = system.long_path(root.absolute())  # a worker has another current folder

    def create(self, request: GenerationRequest, pictures: Mapping[View, Path]) -> JobFolder:
        """Make the folder of a new job with its pictures in it; it appears whole or not at all.

        pictures: the file to take for each view of `request`.

        Raises:
            StorageError: the library cannot be written; nothing is left of the job.
        """
        job_id = f"{now():%Y%m%d-%H%M%S}-{slug(request.name)}-{secrets.token_hex(4)}"
        draft = self.root / (_DRAFT_PREFIX + job_id)
        try:
            self._clean_up()
            draft.mkdir(parents=True)
            for view, picture in request.views.items():
                shutil.copyfile(pictures[view], draft / picture.file)
            JobFolder(draft).save(Job(id=job_id, request=request))
            system.replace(draft, self.root / job_id)
        except (OSError, InputError) as error:
            shutil.rmtree(draft, ignore_errors=True)
            if isinstance(error, OSError):
                raise StorageError(
                    f"The library {self.root} cannot be written: {system.explain(error)}.",
                    hint="Choose another folder with the environment variable IMAGE_TO_3D_LIBRARY.",
                ) from error
            raise
        return JobFolder(self.root / job_id)

    def folders(self) -> list[JobFolder]:
        """Return all job folders, the oldest first."""
        try:
            names = [entry.name for entry in os.scandir(self.root) if entry.is_dir() and entry.name[0] != "."]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StorageError(f"The library {self.root} cannot be read: {system.explain(error)}.") from error
        return [JobFolder(self.root / name) for name in sorted(names)]

    def usage(self) -> Usage:
        """Return how much there is; may take a while. Raises `StorageError`."""
        jobs = len(self.folders())
        sizes = 0
        for folder, _, names in os.walk(self.root):
            for name in names:
                with suppress(OSError):  # it was deleted meanwhile
                    sizes += os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118 - thousands of files
        return Usage(jobs, sizes)

    def jobs(self) -> Iterator[tuple[JobFolder, Job]]:
        """Yield every job that can be understood, the oldest first. Raises `StorageError`: one cannot be read now."""
        for folder in self.folders():
            if (job := folder.load_if_any()) is not None:
                yield folder, job

    def find(self, text: str) -> JobFolder:
        """Return the job whose id is, begins or ends with `text`.

        Raises:
            StorageError: there is none, or more than one.
        """
        matches = [each for each in self.folders() if each.id.startswith(text) or each.id.endswith(text)]
        exact = [each for each in matches if each.id == text]
        found = exact or matches
        if len(found) != 1 or not text:
            many = "more than one job" if found else "no job"
            raise StorageError(f'There is {many} "{text}" in {self.root}.', hint="See: jobs list.")
        return found[0]

    def same(self, fingerprint: str) -> list[tuple[JobFolder, Job]]:
        """Return the jobs that ask for the same thing, the newest first. Raises `StorageError`, as `jobs`."""
        return [(folder, job) for folder, job in self.jobs() if job.request.fingerprint == fingerprint][::-1]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only one who looks for a job and makes it: two clicks must not buy the same thing.

        Raises:
            StorageError: the library cannot be written, or another process has kept it to itself for a whole lease.
        """
        lock = ExitStack()
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            lock.enter_context(system.locked(self.root / ".lock", patience_seconds=LEASE_SECONDS))
        except TimeoutError:
            hint = "It may be frozen, or have died on another machine. Try again, or delete the file."
            raise StorageError(f'Another process has locked "{self.root / ".lock"}".', hint=hint) from None
        except OSError as error:
            raise StorageError(f"The library {self.root} cannot be written: {system.explain(error)}.") from error
        with lock:
            yield

    def _clean_up(self) -> None:
        """Delete what a process left that died while it made a job: nothing was sent for it."""
        for draft in self.root.glob(_DRAFT_PREFIX + "*"):
            try:
                age_seconds = time.time() - draft.stat().st_mtime
            except FileNotFoundError:  # it has just become a job
                continue
            if age_seconds > _DRAFT_MAX_AGE_SECONDS:
                shutil.rmtree(draft, ignore_errors=True)


class JobIndex:
    """The jobs of a library by what they ask for; of several, the one that would be the greatest loss."""

    def __init__(self, library: Library, *, only_unfinished: bool = False) -> None:
        self._library = library
        self._only_unfinished = only_unfinished
        self._seen: set[JobFolder] = set()
        self._best: dict[str, tuple[int, JobFolder]] = {}
        self._pictures: set[str] = set()

    def find(self, fingerprint: str) -> JobFolder | None:
        """Return the job for a request, or nothing. Also sees what another process has made meanwhile.

        Raises:
            StorageError: a job cannot be read now, and could be the one.
        """
        self._read_new_ones()
        return self._best[fingerprint][1] if fingerprint in self._best else None

    def add(self, folder: JobFolder) -> None:
        """Take a job in. Raises `StorageError` if it cannot be read."""
        self._take_in(folder, folder.load())

    def knows(self, picture: Picture) -> bool:
        """Whether any job was made from this picture."""
        return picture.sha256 in self._pictures

    def _read_new_ones(self) -> None:
        for folder in self._library.folders():
            if folder in self._seen:
                continue
            if (job := folder.load_if_any()) is not None:
                self._take_in(folder, job)
            self._seen.add(folder)

    def _take_in(self, folder: JobFolder, job: Job) -> None:
        self._seen.add(folder)
        self._pictures |= {picture.sha256 for picture in job.request.views.values()}
        if self._only_unfinished and not job.is_unfinished:
            return
        known = self._best.get(job.request.fingerprint)
        if known is None or job.worth >= known[0]:
            self._best[job.request.fingerprint] = (job.worth, folder)


def picture_of(path: Path, view: View, suffix: str) -> Picture:
    """Return the entry of a request for a picture file: its name in the job folder, and its hash.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Picture(file=f"{view}{suffix}", name=readable(path.name), sha256=digest)


def readable(name: str) -> str:
    """Return a file's name as text that can be stored: Linux allows names that are no text."""
    return os.fsencode(name).decode(errors="replace")


def slug(name: str, max_length: int = 24) -> str:
    """Return `name` as lower-case ASCII letters, digits and dashes, for file names everywhere."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii_name)[:max_length].strip("-") or "model"
