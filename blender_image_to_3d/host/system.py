# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between Windows, macOS and Linux, and nothing else: folders, locks, processes, replacing files."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from ..errors import StorageError

# A byte that no content reaches: Windows' locks are mandatory, and the claim in front of it must stay readable.
_LOCKED_BYTE = 1 << 30
# Virus scanners and readers hold a file open for moments, and Windows then refuses to replace or delete it.
_PATIENCE_SECONDS = 2.0
_NAP_SECONDS = 0.02
# Windows' limit for a path is 260 characters, and for a folder 12 less, unless it begins with this.
_LONG_PATH_PREFIX = "\\\\?\\"
# What a job adds to its library's path, with room to spare, is taken off.
_LONG_PATH_LENGTH = 150


def user_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where programs keep what is this user's alone: the settings and the keys, and by default the library.

    Raises:
        StorageError: this user has no home folder.
    """
    try:
        return _data_folder(environment)
    except RuntimeError as error:
        raise homeless() from error


def _data_folder(environment: Mapping[str, str]) -> Path:
    if sys.platform == "win32":
        return Path(environment.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return Path(environment.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")


def homeless() -> StorageError:
    """Return what is wrong where there is no home folder, and what helps."""
    hint = "Name a folder in the environment variable IMAGE_TO_3D_LIBRARY."
    return StorageError("This user has no home folder.", hint=hint)


def host_name() -> str:
    return socket.gethostname()


def long_path(path: Path) -> Path:
    r"""Return `path` so that Windows opens it however long it is (``\\?\C:\…``); elsewhere, and if short, as it is."""
    if sys.platform != "win32":
        return path
    text = os.path.abspath(path)  # noqa: PTH100 - the prefix needs "..", "." and "/" resolved without touching links
    if len(text) < _LONG_PATH_LENGTH or text.startswith(_LONG_PATH_PREFIX):
        return path
    if text.startswith("\\\\"):
        return Path(_LONG_PATH_PREFIX + "UNC" + text[1:])
    return Path(_LONG_PATH_PREFIX + text)


def try_lock(descriptor: int) -> bool:
    """Take the exclusive lock of an open file, or return False at once if another process has it.

    The system releases it when the file is closed, also when the process dies.
    """
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        # Not lockf: that one is lost as soon as any descriptor of the file is closed, a reader's too.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # the latter for files on a Windows share
        return False
    return True


def unlock(descriptor: int) -> None:
    """Give the lock back now: after closing alone, Windows may take its time."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
        return
    import fcntl

    fcntl.flock(descriptor, fcntl.LOCK_UN)


@contextlib.contextmanager
def locked(path: Path, *, patience_seconds: float = math.inf) -> Iterator[None]:
    """Wait until nobody else holds the lock of a file, which is made if need be, and hold it.

    Raises:
        TimeoutError: somebody else held it all the time.
        OSError: the file cannot be opened for writing.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    deadline = time.monotonic() + patience_seconds
    with os.fdopen(descriptor, "r+b"):
        while not try_lock(descriptor):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{path} is locked")
            time.sleep(_NAP_SECONDS)
        try:
            yield
        finally:
            unlock(descriptor)


def process_exists(pid: int) -> bool:
    """Whether a process of this number runs on this machine (it may be another one by now)."""
    if not 0 < pid < 2**31:
        return False
    if sys.platform == "win32":
        import ctypes

        query_limited_information, still_active = 0x1000, 259
        kernel = ctypes.windll.kernel32
        process = kernel.OpenProcess(query_limited_information, False, pid)
        if not process:
            return False
        status = ctypes.c_ulong()
        kernel.GetExitCodeProcess(process, ctypes.byref(status))
        kernel.CloseHandle(process)
        return status.value == still_active
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def spawn(
    command: Sequence[str], output: IO[Any], environment: Mapping[str, str] = os.environ
) -> subprocess.Popen[bytes]:
    """Start a worker that outlives us, in its own group: Ctrl-C in Blender's terminal must not end a paid download.

    Its standard input is a pipe (see `feed`); what it prints goes to the open file `output`, never to a pipe whose
    reader may die. It gets none of the keys that stand in the environment: the one that it needs comes through its
    input.
    """
    environment = {name: value for name, value in environment.items() if not name.upper().endswith("_KEY")}
    # Not our current folder: on Windows, the worker would keep others from deleting it.
    folder = Path(sys.executable).parent
    alone: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        alone = {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd=folder,
        env=environment,
        **alone,
    )


def feed(worker: subprocess.Popen[bytes], data: bytes) -> None:
    """Write to the standard input of a worker.

    Blender leaves the signal of a broken pipe as the system has it: a worker that died would take Blender with it.

    Raises:
        OSError: the worker has ended.
    """
    assert worker.stdin is not None
    with _without_broken_pipe_signal():
        # Not through its buffer, which would try again when it is closed.
        while data:
            data = data[os.write(worker.stdin.fileno(), data) :]


@contextlib.contextmanager
def _without_broken_pipe_signal() -> Iterator[None]:
    """Hold the signal back from this thread, and take it away if it came."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPIPE})
    try:
        yield
    finally:
        if signal.SIGPIPE not in before:
            if signal.SIGPIPE in signal.sigpending():
                signal.sigwait({signal.SIGPIPE})
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def write_atomically(
    path: Path,
    data: bytes,
    *,
    durable: bool = True,
    private: bool = False,
    draft_name: str | None = None,
    before_replacing: Callable[[], None] = lambda: None,
) -> None:
    """Replace a file's content: readers see the old one or the new one, never a part.

    durable: also survive a power cut, at the price of one or a few milliseconds.
    private: only its owner can open it.
    draft_name: where several may write, one of one's own.
    before_replacing: what it raises keeps the old content.

    Raises:
        OSError: the folder is missing or read-only, or the disk is full; the old content is still there.
    """
    draft = path.with_name(draft_name or path.name + "~")
    try:
        if private:
            draft.unlink(missing_ok=True)
        with open(draft, "wb", opener=_open_private if private else None) as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        before_replacing()
        replace(draft, path)
    except BaseException:  # Ctrl-C as well
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
    if durable:
        _sync_folder(path.parent)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def replace(source: Path, target: Path) -> None:
    """Move a file or a folder over `target`, on Windows waiting while somebody has the target open."""
    deadline = time.monotonic() + (_PATIENCE_SECONDS if sys.platform == "win32" else 0)
    while True:
        try:
            source.replace(target)
            return
        except PermissionError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(_NAP_SECONDS)


def read_shared(path: Path) -> bytes:
    """Read a file that another process replaces now and then.

    On Windows that blocks readers for moments; on NFS what was opened is stale once another machine replaced it.
    """
    passing = errno.EACCES if sys.platform == "win32" else errno.ESTALE
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return path.read_bytes()
        except OSError as error:
            if error.errno != passing or time.monotonic() >= deadline:
                raise
            time.sleep(_NAP_SECONDS)


def sync_file(path: Path) -> None:
    """Make a file that was written survive a power cut."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut. Windows cannot open folders, and does it by itself."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:  # some network shares have no fsync for folders
            raise
    finally:
        os.close(descriptor)


def explain(error: OSError) -> str:
    """Return what went wrong with a file, as the rest of a sentence."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return "the disk is full"
        case errno.EACCES | errno.EPERM:
            return "there is no permission"
        case errno.EROFS:
            return "it is read-only"
        case errno.ENOENT | errno.ENOTDIR:
            return "the folder does not exist"
        case errno.ENAMETOOLONG:
            return "the name is too long"
        case _:
            return (error.strerror or type(error).__name__).lower()
