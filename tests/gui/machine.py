# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine for a test: processes, a home and screens of its own, in a root that has a Blender and an X server."""

from __future__ import annotations

import re
import struct
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WIDTH, HEIGHT = 1600, 900
_DISPLAYS = range(10, 40)
# The first process ends with its input, that is when we end, however that happens; and its end ends all others.
_FIRST = """
root=$1 folder=$2
hostname "$3"
mount -t proc proc "$root/proc"; mount -t sysfs sys "$root/sys"; mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/tmp"; mkdir -p "$root$folder"; mount --bind "$folder" "$root$folder"
exec chroot "$root" bash -c 'echo ready; cat; exit'
"""


LONGEST_SECONDS = 300
"""Ends what hangs. Nothing takes so long, however busy the computer is."""


@dataclass(frozen=True)
class Process:
    """A process as the machine itself sees it."""

    pid: int
    command: str


class Machine:
    """Its folder has the same path inside and outside; nothing else of the host can be seen there but the network.

    Machines with the same folder share it as they would a network drive; give each a name, which is its home's as well.
    """

    def __init__(self, root: Path, folder: Path, name: str = "home") -> None:
        self.root = root
        self.folder = folder
        self.home = folder / name
        self.home.mkdir(exist_ok=True)
        self._first = subprocess.Popen(
            [
                *("unshare", "--mount", "--pid", "--uts", "--fork", "--kill-child", "--propagation=private"),
                *("sh", "-ec", _FIRST, "sh", root, folder, name),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._first.stdout is not None and self._first.stdout.readline() == b"ready\n", "no machine"
        children = Path(f"/proc/{self._first.pid}/task/{self._first.pid}/children")
        self._inside = int(children.read_text())
        self._screens: list[Screen] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        assert self._first.stdin is not None and self._first.stdout is not None
        self._first.stdin.close()
        self._first.stdout.close()
        self._first.wait(LONGEST_SECONDS)

    def start(self, *command: str | Path, environment: Mapping[str, str], **how: Any) -> subprocess.Popen[bytes]:
        """Start a program in there, as the only user of the machine, who has the home."""
        usual = {
            "PATH": "/usr/bin:/bin:/usr/games",
            "HOME": str(self.home),
            "LC_ALL": "C.UTF-8",
            "LIBGL_ALWAYS_SOFTWARE": "1",
            "XDG_RUNTIME_DIR": "/tmp",
        }
        words = [f"{name}={value}" for name, value in {**usual, **environment}.items()]
        enter = ["nsenter", f"--target={self._inside}", "--mount", "--pid", "--uts", "--root", "--wd", "env", "-i"]
        return subprocess.Popen([*enter, *words, *map(str, command)], **how)

    def run(self, *command: str | Path, **environment: str) -> str:
        """Run a program in there, and return what it prints."""
        with self.start(
            *command, environment=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            output, _ = process.communicate(timeout=3 * LONGEST_SECONDS)
        assert process.returncode == 0, f"{command}: {output}"
        return str(output)

    def kill(self, pid: int) -> None:
        """End a process of the machine, known by the number that it has there."""
        self.run("bash", "-c", f"kill -9 {pid}")

    def crash(self) -> None:
        """End everything at once, as a power cut does."""
        self._first.kill()
        self._first.wait(LONGEST_SECONDS)

    def processes(self) -> list[Process]:
        """Return what runs now; what has ended and only waits to be noticed does not."""
        found = []
        for folder in (self.files / "proc").glob("[0-9]*"):
            try:
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
            except OSError:  # it ended meanwhile
                continue
            if command:
                found.append(Process(int(folder.name), command))
        return sorted(found, key=lambda process: process.pid)

    @property
    def files(self) -> Path:
        """Return the root of its files as they are seen from outside."""
        return Path(f"/proc/{self._inside}/root")

    def files_with(self, secret: str) -> list[Path]:
        """Return the files that hold a secret, of all that this user has written: logs and temporary ones as well."""
        temporary = self.files / "tmp"
        inside = temporary / self.folder.relative_to("/tmp")
        own = [*self.folder.rglob("*"), *(each for each in temporary.rglob("*") if not each.is_relative_to(inside))]
        return [path for path in own if path.is_file() and secret.encode() in path.read_bytes()]

    def wait_until(self, is_so: Callable[[], bool]) -> None:
        """Wait for something that no Blender is asked about."""
        deadline = time.monotonic() + LONGEST_SECONDS
        while not is_so():
            assert time.monotonic() < deadline, f"this does not happen; now there are {self.processes()}"
            time.sleep(0.05)

    def screen(self) -> Screen:
        """Return one more screen."""
        for number in _DISPLAYS:
            screen = Screen(self, number)
            if screen.is_on():
                self._screens.append(screen)
                return screen
        raise AssertionError(f"the displays {_DISPLAYS} are all taken")


class Screen:
    """An X server that keeps its picture in a file, with a mouse and a keyboard."""

    def __init__(self, machine: Machine, number: int) -> None:
        self.machine = machine
        self.name = f":{number}"
        self._folder = machine.folder / f"screen-{number}"
        self._folder.mkdir(exist_ok=True)
        self._server = machine.start(
            *("Xvfb", self.name, "-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-noreset", "-nolisten", "tcp"),
            *("-fbdir", self._folder),
            environment={},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._hand: subprocess.Popen[bytes] | None = None

    def is_on(self) -> bool:
        """Wait for the server, and return whether it has the display; another one may."""
        socket = self.machine.files / "tmp" / ".X11-unix" / f"X{self.name[1:]}"
        while self._server.poll() is None:
            if socket.exists():
                time.sleep(0.1)
                return self._server.poll() is None
            time.sleep(0.02)
        return False

    def turn_off(self) -> None:
        if self._hand is not None:
            assert self._hand.stdin is not None and self._hand.stdout is not None
            self._hand.stdin.close()
            self._hand.stdout.close()
            self._hand.wait(LONGEST_SECONDS)
            self._hand = None
        for process in self.machine.processes():
            if process.command.startswith(f"Xvfb {self.name} "):
                self.machine.kill(process.pid)
        self._server.wait(LONGEST_SECONDS)

    def pixels(self) -> NDArray[np.uint8]:
        """Return what the screen shows: (HEIGHT, WIDTH, 3), the first row on top."""
        # The server takes turns: when it has answered twice, it has drawn what others asked for before.
        self.does("getmouselocation", "getmouselocation")
        content = (self._folder / "Xvfb_screen0").read_bytes()
        head = struct.unpack(">25I", content[:100])  # XWDFileHeader
        start = head[0] + 12 * head[19]
        rows = np.frombuffer(content, np.uint8, count=HEIGHT * head[12], offset=start).reshape(HEIGHT, -1, 4)
        return rows[:, :WIDTH, 2::-1]

    def save(self, path: Path, box: tuple[int, int, int, int] | None = None) -> Path:
        """Write what the screen shows, or the box (left, top, right, bottom) of it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(self.pixels()).crop(box).save(path) if box else Image.fromarray(self.pixels()).save(path)
        return path

    def lower_what_is_above(self) -> None:
        """Move windows that begin above the screen to its top."""
        find = ("xdotool", "search", "--onlyvisible", "--name", ".*", "getwindowgeometry", "--shell", "%@")
        found = self.machine.run(*find, DISPLAY=self.name)
        for number, left, top in re.findall(r"WINDOW=(\d+)\nX=(-?\d+)\nY=(-?\d+)\n", found):
            if int(top) < 0:
                self.machine.run("xdotool", "windowmove", number, left, "0", DISPLAY=self.name)

    def does(self, *lines: str) -> None:
        """Let the hand do something, and wait until it is done: lines of an xdotool script."""
        if self._hand is None:
            self._hand = self.machine.start(
                "xdotool", "-", environment={"DISPLAY": self.name}, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        assert self._hand.stdin is not None and self._hand.stdout is not None
        self._hand.stdin.write("".join(f"{line}\n" for line in [*lines, "exec --sync echo done"]).encode())
        self._hand.stdin.flush()
        while (answer := self._hand.stdout.readline()) != b"done\n":
            assert answer, f"xdotool did not do {lines}"
