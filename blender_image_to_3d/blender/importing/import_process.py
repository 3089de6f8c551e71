# SPDX-License-Identifier: GPL-3.0-or-later
"""A Blender beside this one that imports results, so that this one only has to append what it made.

Nothing here waits. Whoever has an `ImportProcess` calls `step` now and then. Standard library and bpy only.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import bpy

from ...host import system

TASK_SECONDS = 600.0
"""How long the child may take for one model, its own start included."""

_PROGRAM = Path(__file__).with_name("import_program.py")
_DEPENDENCIES = ("pydantic",)
"""What the child needs and a Blender without the extension lacks; numpy comes with Blender."""

_ISOLATED = ("-noaudio", "--offline-mode", "--disable-autoexec")
_IMPORT_AGAIN = "Import it again. If that fails too, open the folder of the job, and import the file yourself."
_FREE_SPACE = "Free some space on the disk of the temporary files."
_NO_ROOM = 73
"""Exit status of the child, which cannot be imported from here; see import_program.py."""
_BROKEN = 74
"""And this one; what the child needs does not work."""
_LEAVING_SECONDS = 5.0


@dataclass(frozen=True)
class Task:
    """One result that is to be imported."""

    folder: Path
    """Of the job."""
    placement: dict[str, Any]
    """As JSON. Where it is put, and into which collection, is for `appending` to know."""
    units: dict[str, Any]
    """Of the scene that it is for; see `units_of`."""
    preview: str | None = None
    """The picture that an asset shows; nothing: that of the job."""


@dataclass(frozen=True)
class Prepared:
    """A task that was done."""

    task: Task
    blend: Path
    """What is to be appended. It belongs to the import process: tell it when it is not needed any more."""


@dataclass(frozen=True)
class Failed:
    """A task that was not done, and why, in words for the user."""

    task: Task
    message: str
    hint: str


@dataclass(frozen=True)
class _Begun:
    """What the child is busy with."""

    task: Task
    number: int
    deadline: float


class ImportProcess:
    """Starts the child, hands it one task after the other, and starts another one if it dies."""

    def __init__(self, command: Sequence[str], *, task_seconds: float = TASK_SECONDS) -> None:
        """command: runs a Python script inside Blender, as `find_blender` in pictures/blender_process returns it."""
        self._command = _isolated(command)
        self._task_seconds = task_seconds
        self._waiting: deque[Task] = deque()
        self._begun: _Begun | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._leaving: list[subprocess.Popen[bytes]] = []
        self._folder: Path | None = None
        self._tasks = self._children = 0

    @property
    def is_busy(self) -> bool:
        return bool(self._waiting or self._begun)

    @property
    def is_warm(self) -> bool:
        """Whether the child runs and waits for a task, or works on one."""
        return self._lives() and self._ready_file().exists()

    def warm_up(self) -> None:
        """Start the child if it is not running. If it cannot be started, the tasks will say so."""
        with contextlib.suppress(OSError):
            self._ensure_child()

    def prepare(self, task: Task) -> None:
        """Have a task done after those that wait already."""
        self._waiting.append(task)

    def step(self) -> list[Prepared | Failed]:
        """Return what is done, and hand over what waits. It takes microseconds, or a fork."""
        self._leaving = [child for child in self._leaving if child.poll() is None]
        outcomes = [outcome] if (outcome := self._outcome()) else []
        while self._waiting and not self._begun:
            task = self._waiting.popleft()
            try:
                self._hand_over(task)
            except OSError as error:
                outcomes.append(
                    Failed(task, f"Blender cannot be started beside this one: {system.explain(error)}.", "")
                )
        return outcomes

    def discard(self, prepared: Prepared) -> None:
        """Remove the file of a task. The child does it: giving back 200 MB takes a while."""
        if not self._lives() or not self._send({"remove": prepared.blend.name}):
            prepared.blend.unlink(missing_ok=True)

    def rest(self) -> None:
        """Let the child end when it has done all that it was told; the next task starts another."""
        if self._child is None or self.is_busy:
            return
        assert self._child.stdin is not None
        with contextlib.suppress(OSError):
            self._child.stdin.close()
        self._leaving.append(self._child)
        self._child = self._folder = None  # it takes its folder with it

    def stop(self) -> None:
        """End the child now, forget the tasks, and remove all files. It may be used again afterwards."""
        self._waiting.clear()
        self._begun = None
        self._kill()
        for child in self._leaving:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(_LEAVING_SECONDS)
        self._leaving.clear()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _hand_over(self, task: Task) -> None:
        """Raises OSError if the child cannot be started."""
        self._ensure_child()
        self._tasks += 1
        self._begun = _Begun(task, self._tasks, time.monotonic() + self._task_seconds)
        self._send({"number": self._tasks, "task": {**asdict(task), "folder": str(task.folder)}})

    def _send(self, message: dict[str, Any]) -> bool:
        """Returns whether the child lives; if it does not, `step` will notice."""
        assert self._child is not None
        try:
            system.feed(self._child, json.dumps(message).encode() + b"\n")
        except OSError:
            return False
        return True

    def _outcome(self) -> Prepared | Failed | None:
        """Return what came of the task that the child is busy with, if anything did."""
        begun = self._begun
        if begun is None or self._folder is None:
            return None
        is_dead = not self._lives()  # asked first: what it wrote before it died counts
        answer = self._folder / f"{begun.number}.json"
        if answer.exists():
            outcome = self._read(answer, begun.task)
        elif is_dead:
            outcome = Failed(begun.task, *self._last_words())
        elif time.monotonic() > begun.deadline:
            self._kill()
            outcome = Failed(begun.task, "Blender took too long to read the model.", _IMPORT_AGAIN)
        else:
            return None
        self._begun = None
        return outcome

    def _read(self, answer: Path, task: Task) -> Prepared | Failed:
        try:
            said = json.loads(system.read_shared(answer))
            answer.unlink(missing_ok=True)
            if "blend" in said:
                return Prepared(task, answer.parent / said["blend"])
            return Failed(task, said["message"], said["hint"])
        except (OSError, ValueError, KeyError, TypeError):
            self._kill()
            return Failed(task, "Blender prepared the model, and what it says about it makes no sense.", _IMPORT_AGAIN)

    def _last_words(self) -> tuple[str, str]:
        """Return why the child has ended, and what to do."""
        if self._child is not None and self._child.poll() == _NO_ROOM:
            return "The model was read and cannot be handed over: the disk is full.", _FREE_SPACE
        if self._child is not None and self._child.poll() == _BROKEN and (reason := self._broken()) is not None:
            return reason
        if not self._ready_file().exists():
            return f"Blender does not start beside this one ({self._command[0]}).", ""
        return "Blender ended unexpectedly while it read the model.", _IMPORT_AGAIN

    def _broken(self) -> tuple[str, str] | None:
        assert self._folder is not None
        try:
            message, hint = json.loads((self._folder / "broken").read_bytes())
        except (OSError, ValueError):
            return None
        return str(message), str(hint)

    def _lives(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def _ready_file(self) -> Path:
        assert self._folder is not None
        return self._folder / f"ready{self._children}"

    def _ensure_child(self) -> None:
        """Raises OSError if it cannot be started."""
        if self._lives():
            return
        if self._folder is None or not self._folder.is_dir():
            # Where the user wants temporary files; Blender removes what is left there.
            self._folder = Path(tempfile.mkdtemp(prefix="image_to_3d-", dir=bpy.app.tempdir))
        self._kill()
        self._children += 1
        arguments = [str(self._folder), self._ready_file().name, *_dependency_folders()]
        with (self._folder / "log").open("ab") as log:
            self._child = system.spawn(
                [*self._command, str(_PROGRAM), "--", *arguments], log, _environment(self._folder)
            )

    def _kill(self) -> None:
        if self._child is None:
            return
        self._child.kill()
        assert self._child.stdin is not None
        with contextlib.suppress(OSError):
            self._child.stdin.close()
        self._leaving.append(self._child)
        self._child = None


def units_of(scene: bpy.types.Scene) -> dict[str, Any]:
    """Return the settings by which importers convert lengths and times, for a `Task`."""
    return {
        "units": {name: getattr(scene.unit_settings, name) for name in ("system", "scale_length", "length_unit")},
        "render": {name: getattr(scene.render, name) for name in ("fps", "fps_base")},
        "frames": {name: getattr(scene, name) for name in ("frame_start", "frame_end")},
    }


def _isolated(command: Sequence[str]) -> list[str]:
    """Keep a Blender program, not the bpy module, from sound, the network, and the scripts of a file."""
    if "--background" not in command:
        return list(command)
    split = command.index("--background") + 1
    return [*command[:split], *_ISOLATED, *command[split:]]


def _environment(folder: Path) -> dict[str, str]:
    """Return ours, without the user's start-up scripts and add-ons, and with temporary files in `folder`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BLENDER_USER_")}
    temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))
    return {**kept, **temporary, "BLENDER_USER_RESOURCES": str(folder / "user")}


def _dependency_folders() -> list[str]:
    """Return where the modules are that the child cannot find by itself."""
    specs = [importlib.util.find_spec(name) for name in _DEPENDENCIES]
    return [str(Path(spec.origin).parent.parent) for spec in specs if spec is not None and spec.origin is not None]
