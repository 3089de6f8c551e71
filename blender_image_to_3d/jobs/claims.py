# SPDX-License-Identifier: GPL-3.0-or-later
"""Who works on a job: one process on one machine, for as long as it lives.

The claim is the file `lock` in the job folder. Between the processes of one machine its lock decides: the system ends
it when the process dies. Locks do not reach across every network share, so the file also says who has the job, and a
worker renews that with a beat, `BEATS_PER_LEASE` times in a lease. Whoever has seen no new beat for a whole lease, by
its own clock (those of two machines are never compared), may break the claim of another machine: it puts a new file in
the place of `lock`. A claim without beats was written by an older version, and only a person breaks it.

A machine that was merely asleep, or cut off from the share, then has the lock of a file that is no longer there, and
can write nothing more about the job:

    who has the job    1 writes a draft     2 looks whether `lock` is its own    3 renames the draft
    who comes next     1 replaces `lock`    2 deletes all drafts                 3 reads the job

Either the rename comes before the deletion, and the next one reads what it says; or nothing is left to rename.
"The request that costs money is about to leave" is written this way: the next one finds it, and asks a person before
it sends another, or the request never leaves. The same holds for two machines that claim a free job at the same moment.

What remains: a share that still shows a machine what was true a whole lease ago. Network file systems keep what they
know of a file for up to a minute, but look again when it is opened; so everything here opens anew. And a machine that
fell asleep between the journal and the request sends it when it wakes up: until then the outcome is unknown, which is
why nobody but a person sends another.
"""

from __future__ import annotations

import json
import math
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple

from ..errors import JobBusy, StorageError
from ..host import settings, system

LEASE_SECONDS = 120.0
BEATS_PER_LEASE = 8
"""Even if a share shows each beat a minute late, several come in every lease."""

LOCK_PATIENCE_SECONDS = 2.0
"""A starting worker tries this long for its lock: somebody may just be looking whether it is taken."""

_LOCK_NAP_SECONDS = 0.02
_MAX_RECORD_BYTES = 4000
# Every record is written over the one before, in one go: a reader must not find a half of it, or nothing.
_RECORD_BYTES = 400
_TOKEN = re.compile(r"[0-9a-f]{8}")


def chosen_lease_seconds(environment: Mapping[str, str] = os.environ) -> float:
    """Return how long a claim of another machine counts without a sign of life.

    Raises:
        BadOption: what the user says is not a number of seconds.
    """
    return settings.seconds("IMAGE_TO_3D_LEASE_SECONDS", LEASE_SECONDS, environment)


class Said(NamedTuple):
    """What a lock file says."""

    pid: int
    host: str
    token: str = ""
    """Of this claim alone; nothing: an older version wrote it."""
    beat: int = 0
    lease: float = 0.0
    """Seconds in which there will be a new beat, if its process lives."""

    @property
    def is_foreign(self) -> bool:
        """It is the claim of another machine."""
        return self.host != system.host_name()


class Claim:
    """A claim of this process; see `held`."""

    def __init__(self, folder: Path, file: IO[bytes], lease_seconds: float) -> None:
        self._folder = folder
        self._file = file
        self._said = _own(lease_seconds)
        self._assert()

    @property
    def token(self) -> str:
        """Eight hexadecimal digits that no other claim has."""
        return self._said.token

    @property
    def beat_seconds(self) -> float:
        return self._said.lease / BEATS_PER_LEASE

    def check(self) -> None:
        """Look whether the job is still ours.

        Raises:
            JobBusy: another machine has taken it over.
            OSError: nobody knows, for the folder cannot be read.
        """
        said = _read(self._folder)
        if said is None or said.token != self.token:
            raise JobBusy(f'Another machine has taken "{self._folder.name}" over.')

    def beat(self) -> None:
        """Say that we live, unless the job was taken over: who writes next will notice that."""
        with suppress(JobBusy, OSError, ValueError):  # the last: `regain`, in another thread, has closed the file
            self.check()
            self._said = self._said._replace(beat=self._said.beat + 1)
            _write(self._file, self._said)
            os.fsync(self._file.fileno())  # or a network share may show it to others much later

    def write(self, name: str, data: bytes, *, durable: bool = True, private: bool = False) -> None:
        """Replace a file of the job folder, if the job is still ours.

        durable, private: as for `system.write_atomically`.

        Raises:
            JobBusy: another machine has taken it over.
            OSError: it cannot be written; what it was is still there.
        """
        draft = f"{name}.{self.token}~"
        system.write_atomically(
            self._folder / name, data, durable=durable, private=private, draft_name=draft, before_replacing=self.check
        )

    def regain(self, is_wanted: Callable[[], bool]) -> None:
        """Claim the job anew after it was taken over, if nobody has it now.

        is_wanted: asked when nobody else can change the job any more.

        Raises:
            JobBusy: somebody has it, or it is not wanted.
            StorageError: the folder cannot be written.
        """
        self._unlock()
        file = _locked(self._folder, LOCK_PATIENCE_SECONDS)
        _raise_if_foreign(self._folder, file)
        lost, self._file = self._file, file
        lost.close()
        self._assert()
        if not is_wanted():
            _write(self._file, None)
            self.check()

    def release(self) -> None:
        """Let others have the job."""
        with suppress(JobBusy, OSError):
            self.check()
            _write(self._file, None)
        self._unlock()
        self._file.close()

    def _unlock(self) -> None:
        with suppress(OSError):  # on Windows, after an attempt to regain it
            system.unlock(self._file.fileno())

    def _assert(self) -> None:
        """Say that the job is ours, and make sure that nobody can finish what others began to write."""
        _write(self._file, self._said)
        for draft in self._folder.glob(f"*.{'[0-9a-f]' * 8}~"):
            with suppress(OSError):  # a folder; or open on Windows, and then its writer has yet to look at the lock
                draft.unlink()


@contextmanager
def held(
    folder: Path,
    *,
    patience_seconds: float = LOCK_PATIENCE_SECONDS,
    take_over: bool = False,
    lease_seconds: float = LEASE_SECONDS,
) -> Iterator[Claim]:
    """Be the only one who works on a job.

    take_over: also if a process on another machine claims it, alive or not.
    lease_seconds: how long others wait for a beat.

    Raises:
        JobBusy: another process has it.
        StorageError: the folder cannot be written.
    """
    if take_over and (said := said_of(folder)) is not None and said.is_foreign:
        break_claim(folder, said)
    file = _locked(folder, patience_seconds)
    try:
        _raise_if_foreign(folder, file)
        claim = Claim(folder, file, lease_seconds)
    except OSError as error:
        file.close()
        raise _unwritable(folder, error) from error
    try:
        yield claim
    finally:
        claim.release()


def is_locked(folder: Path) -> bool:
    """Whether a process has the lock, or one on another machine says so. Disturbs a worker that just starts.

    Raises:
        StorageError: the folder cannot be written.
    """
    with _open(folder) as file:
        if not system.try_lock(file.fileno()):
            return True
        system.unlock(file.fileno())
        said = _record_of(file)
        return said is not None and said.is_foreign


def said_of(folder: Path) -> Said | None:
    """Return who says to work on a job, without touching the lock; nothing if nobody does, or it cannot be read."""
    try:
        return _read(folder)
    except OSError:
        return None


def break_claim(folder: Path, said: Said) -> bool:
    """Put a claim of ours in the place of another machine's, if it is still what it said; whether that was done."""
    # Who makes this file alone may do it: of several machines, one.
    draft = folder / f"lock.{said.token or '0' * 8}~"
    try:
        try:
            file = draft.open("xb", buffering=0)
        except FileExistsError:
            draft.unlink(missing_ok=True)  # if whoever made it has died, the next attempt succeeds
            return False
        with file:
            _write(file, _own(LEASE_SECONDS))
        if _read(folder) == said:
            system.replace(draft, folder / "lock")
            return True
        draft.unlink()
    except OSError:  # on Windows, a process that lives has it open
        with suppress(OSError):
            draft.unlink()
    return False


class Lease:
    """Watches the claim of another machine, for as long as its worker may still be alive."""

    def __init__(self, folder: Path, lease_seconds: float) -> None:
        """lease_seconds: at least so long; the claim may ask for more."""
        self._folder = folder
        self._seconds = lease_seconds
        self._since = time.monotonic()
        self._said = said_of(folder)

    @property
    def host(self) -> str | None:
        """The other machine, if there is a claim of one."""
        return self._said.host if self._said is not None and self._said.is_foreign else None

    @property
    def ends_by_itself(self) -> bool:
        """There are beats, and without them nobody needs to be asked."""
        return self._said is not None and bool(self._said.token)

    def end(self) -> bool:
        """Break the claim if it has not changed for a whole lease; whether that was done."""
        said = said_of(self._folder)
        if said != self._said:
            self._said, self._since = said, time.monotonic()
        if self.host is None or not self.ends_by_itself or self._said is None:
            return False
        if time.monotonic() - self._since <= max(self._seconds, self._said.lease):
            return False
        self._since = time.monotonic()  # if somebody was quicker, there is a whole lease to wait again
        return break_claim(self._folder, self._said)


def _own(lease_seconds: float) -> Said:
    return Said(os.getpid(), system.host_name(), secrets.token_hex(4), 0, lease_seconds)


def _locked(folder: Path, patience_seconds: float) -> IO[bytes]:
    """Return the lock file, opened and locked."""
    deadline = time.monotonic() + patience_seconds
    while True:
        file = _open(folder)
        if system.try_lock(file.fileno()) and _is_in_place(folder, file):
            return file
        file.close()
        if time.monotonic() >= deadline:
            raise JobBusy(f'Another worker is busy with "{folder.name}".')
        time.sleep(_LOCK_NAP_SECONDS)


def _is_in_place(folder: Path, file: IO[bytes]) -> bool:
    """Whether an open lock file was not replaced before it was locked."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), (folder / "lock").stat())
    except OSError:
        return False


def _open(folder: Path) -> IO[bytes]:
    try:
        # Who else may write it is for the user's umask to say: the machines of a farm may work as several users.
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise _unwritable(folder, error) from error
    return os.fdopen(descriptor, "r+b", buffering=0)


def _unwritable(folder: Path, error: OSError) -> StorageError:
    return StorageError(f"{folder} cannot be written: {system.explain(error)}.")


def _raise_if_foreign(folder: Path, file: IO[bytes]) -> None:
    """Close and unlock the file of a job that a process on another machine claims.

    Raises:
        JobBusy: one does.
    """
    said = _record_of(file)
    if said is None or not said.is_foreign:
        return
    system.unlock(file.fileno())
    file.close()
    raise JobBusy(
        f'A worker on the machine "{said.host}" is busy with "{folder.name}".',
        hint="If that machine no longer works on it, say so with --take-over.",
    )


def _read(folder: Path) -> Said | None:
    """Return who says to work on a job. Raises OSError."""
    with (folder / "lock").open("rb") as file:
        return _record_of(file)


def _record_of(file: IO[bytes]) -> Said | None:
    """Return what a lock file says; nothing if it says nothing, or if its writer died in the middle."""
    file.seek(0)
    try:
        match json.loads(file.read(_MAX_RECORD_BYTES)):
            case {"pid": int(pid), "host": str(host), "token": str(token), "beat": int(beat), "lease": float(lease)}:
                is_sound = _TOKEN.fullmatch(token) and 0 < lease < math.inf
                return Said(pid, host, token, beat, lease) if is_sound else Said(pid, host)
            case {"pid": int(pid), "host": str(host)}:
                return Said(pid, host)
    except ValueError:
        pass
    return None


def _write(file: IO[bytes], said: Said | None) -> None:
    """Replace the record. Raises OSError."""
    record = json.dumps({} if said is None else said._asdict()).encode().ljust(_RECORD_BYTES)
    file.seek(0)
    file.write(record)
    file.truncate()
