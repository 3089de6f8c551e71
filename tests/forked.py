# SPDX-License-Identifier: GPL-3.0-or-later
"""Our command line in processes that are there at once: forked from one that has imported everything.

Most tests ask what a command and its worker do, and not how a Python starts, which takes twenty times as long. What is
forked is a process like any other: it has its number, input, output, environment, current folder, session and open
files, can be killed, and starts its worker as a process of its own. What it is not: started with options and variables
of Python, with `bootstrap.py`, and importing things one by one. For that, `User.starts_anew`.

As a program this is the process that is forked; it talks through a socket with whoever started it, and ends with it.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "blender_image_to_3d"
FIRST = "FIRST_OF_ALL"
"""Variable of the environment: a file of Python that every command and every worker runs first, if it is set."""
_STATUS = struct.Struct("i")
_LARGEST_MESSAGE = 1 << 17
_SHORTEST_POLL_SECONDS = 0.02
"""The fakes need no rest between two questions."""


class _Start(NamedTuple):
    """How `subprocess` wants a process to be started."""

    folder: Any
    environment: Mapping[str, str] | None
    files: list[int]
    """What becomes of input, output and errors; -1: as they are here."""
    is_session: bool


class _Forking(subprocess.Popen[Any]):
    """A process of `subprocess`, begun in another way: `_execute_child` is where that one forks and executes."""

    def _execute_child(self, args: Any, *more: Any) -> None:
        *_, folder, environment, _, _, _ = more[:9]
        to_read, to_write, out_read, out_write, errors_read, errors_write = more[9:15]
        start = _Start(folder, environment, [to_read, out_write, errors_write], more[20])
        if not self._fork(args, start):
            super()._execute_child(args, *more)  # type: ignore[misc]
            return
        self._child_created = True
        pipes = ((to_read, to_write), (out_write, out_read), (errors_write, errors_read))
        for ours in {theirs for theirs, here in pipes if here != -1}:
            os.close(ours)
        self._closed_child_pipe_fds = True

    def _fork(self, args: Any, start: _Start) -> bool:
        """Set `pid`; False: this is none of the processes that are forked."""
        raise NotImplementedError


# In the tests.


class Command(_Forking):
    """A command of ours, forked. Its parent is the process that was forked, which tells how it ended."""

    _ended: int

    def _fork(self, args: Any, start: _Start) -> bool:
        self._ended, tells = os.pipe()
        environment = dict(os.environ if start.environment is None else start.environment)
        message = json.dumps({"words": args, "folder": os.fspath(start.folder), "environment": environment})
        assert len(message) < _LARGEST_MESSAGE
        files = [number if each == -1 else each for number, each in enumerate(start.files)]
        try:
            with _LOCK:
                server = _server(Path(start.folder))
            socket.send_fds(server, [message.encode()], [*files, tells])
        finally:
            os.close(tells)
        (self.pid,) = _STATUS.unpack(os.read(self._ended, _STATUS.size))
        return True

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        if wait_flags == os.WNOHANG and not select.select([self._ended], [], [], 0)[0]:
            return 0, 0
        (status,) = _STATUS.unpack(os.read(self._ended, _STATUS.size))
        os.close(self._ended)
        return self.pid, status

    def _internal_poll(self, *_: Any, **__: Any) -> int | None:
        if self.returncode is None and self._waitpid_lock.acquire(False):  # type: ignore[attr-defined]
            try:
                pid, status = self._try_wait(os.WNOHANG) if self.returncode is None else (0, 0)
                if pid:
                    self._handle_exitstatus(status)  # type: ignore[attr-defined]
            finally:
                self._waitpid_lock.release()  # type: ignore[attr-defined]
        return self.returncode


_SERVERS: list[subprocess.Popen[bytes]] = []
_LOCK = threading.Lock()


@cache
def _server(folder: Path) -> socket.socket:
    """Return the way to the process that has imported the package in a folder; it is started at the first question."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    # Without -P, the folder of this file, in which folders are called as modules of Python, would be searched first.
    command = [sys.executable, "-P", __file__, str(theirs.fileno())]
    # A thread of numpy's would not be forked.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    words: dict[str, Any] = {"cwd": folder, "env": environment, "stdin": subprocess.DEVNULL}
    with theirs:
        _SERVERS.append(subprocess.Popen(command, pass_fds=[theirs.fileno()], **words))
    return ours


# In the process that is forked.


class _Worker(_Forking):
    """A worker of a command, forked from that."""

    def _fork(self, args: Any, start: _Start) -> bool:
        if not isinstance(args, list) or len(args) < 4 or Path(args[3]).name != "bootstrap.py":
            return False
        self.pid = os.fork()
        if self.pid == 0:
            _become(start, args[args.index("--") + 1 :])
        return True


def _serve(ours: socket.socket) -> None:
    children: dict[int, tuple[int, int]] = {}
    """By a descriptor that can be read when it has ended: its number, and where its end is told."""
    while True:
        for ready in select.select([ours, *children], [], [])[0]:
            if ready is not ours:
                pid, tells = children.pop(ready)
                status = os.waitpid(pid, 0)[1]
                try:
                    os.write(tells, _STATUS.pack(status))
                except BrokenPipeError:
                    pass
                os.close(tells)
                os.close(ready)
                continue
            message, files, _, _ = socket.recv_fds(ours, _LARGEST_MESSAGE, 4)
            if not message:
                return
            wanted = json.loads(message)
            *standard, tells = files
            pid = os.fork()
            if pid == 0:
                start = _Start(wanted["folder"], wanted["environment"], standard, False)
                _become(start, wanted["words"], program=f"python -m {PACKAGE}")
            os.write(tells, _STATUS.pack(pid))
            for each in standard:
                os.close(each)
            children[os.pidfd_open(pid)] = (pid, tells)


def _become(start: _Start, words: list[str], **named: str) -> NoReturn:
    """Be a new process from here on, run the command line, and end as Python ends."""
    status = 1
    try:
        if start.is_session:
            os.setsid()
        for number, each in enumerate(start.files):
            if each != -1:
                os.dup2(each, number)
        _let_go_of_files()
        os.chdir(start.folder)
        if start.environment is not None:
            os.environ.clear()
            os.environ.update(start.environment)
        sys.argv = [PACKAGE, *words]
        if FIRST in os.environ:
            exec(Path(os.environ[FIRST]).read_text(), {})
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # Not those of the parent, which may have something in their buffers.
        sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)
        sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)
        status = import_module(f"{PACKAGE}.cli.main").main(words, **named)
        sys.stdout.flush()
    except SystemExit as end:
        sys.stdout.flush()
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        if sys.exception():
            traceback.print_exc()
        os._exit(status)


def _let_go_of_files() -> None:
    """Close what the parent has open: its locks would be held for ever.

    The numbers stay taken: whoever closes a file of the parent's later shall not close another one of that number.
    """
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in [int(path.name) for path in Path("/proc/self/fd").iterdir()]:
        if number > 2 and number != nothing:
            os.dup2(nothing, number, inheritable=False)


def _modules() -> Sequence[str]:
    """The modules of the package that a command or a worker may import."""
    found = sorted((ROOT / PACKAGE).rglob("*.py"))
    paths = [path.relative_to(ROOT).with_suffix("") for path in found if path.stem not in {"__main__", "bootstrap"}]
    return [".".join(path.parts).removesuffix(".__init__") for path in paths if path.parts[1] != "blender"]


def main() -> None:
    """Import the package in the current folder, and be forked."""
    ours = socket.socket(fileno=int(sys.argv[1]))
    sys.path.insert(0, str(Path.cwd()))
    for module in _modules():
        import_module(module)
    import_module(f"{PACKAGE}.jobs.worker").SHORTEST_POLL_SECONDS = _SHORTEST_POLL_SECONDS
    gc.freeze()  # what is never looked at again is never copied
    subprocess.Popen = _Worker  # type: ignore[misc, assignment]
    _serve(ours)


if __name__ == "__main__":
    main()
