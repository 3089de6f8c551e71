# SPDX-License-Identifier: GPL-3.0-or-later
"""Flamenco, as far as the job type needs it: the Manager that compiles a job, and the worker that runs a task.

The compiler is node with the names that Flamenco's own has. FLAMENCO_COMPILER may name a program made from Flamenco's
sources that answers the same questions; then every job goes through both, and they must agree.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .conftest import ROOT

JOB_TYPE = ROOT / "scripts" / "flamenco" / "image_to_3d.js"
_OURS = ROOT / "tests" / "fakes" / "flamenco_compiler.mjs"
_VARIABLES = {"{blender}": "blender", "{blenderArgs}": "-b -y"}
"""What Flamenco's Manager has for them at first."""


class Refused(Exception):
    """The job type threw a sentence."""


@dataclass(frozen=True)
class Task:
    """One task, which one worker does."""

    name: str
    type: str
    commands: list[dict[str, Any]]
    dependencies: list[str]

    @property
    def command(self) -> dict[str, Any]:
        """Its only command."""
        (command,) = self.commands
        return command

    @property
    def words(self) -> list[str]:
        """The whole command line, as a worker with the usual configuration runs a command blender-render."""
        assert self.command["Name"] == "blender-render"
        parameters = self.command["Parameters"]
        exe_arguments = shlex.split(_expanded(parameters["exeArgs"]))
        blend_file = [parameters["blendfile"]] if parameters["blendfile"] else []
        words = [parameters["exe"], *exe_arguments, *parameters["argsBefore"], *blend_file, *parameters["args"]]
        return [_expanded(word) for word in words]


def _expanded(text: str) -> str:
    for variable, value in _VARIABLES.items():
        text = text.replace(variable, value)
    return text


class Manager:
    """Has our job type in the folder where a Manager looks for more of them."""

    def __init__(self, folder: Path) -> None:
        node = shutil.which("node")
        if node is None:
            pytest.skip("the job type is JavaScript, and there is no node")
        folder.mkdir(exist_ok=True)
        self._compilers: list[list[str | Path]] = [[node, shutil.copy(_OURS, folder)]]
        if real := os.environ.get("FLAMENCO_COMPILER"):
            self._compilers.append([Path(shutil.copy(real, folder))])
        (folder / "scripts").mkdir(exist_ok=True)
        shutil.copy(JOB_TYPE, folder / "scripts")

    def job_type(self) -> dict[str, Any]:
        """Return what the Manager says of it (schema AvailableJobType)."""
        found = [self._ask(compiler, "types") for compiler in self._compilers]
        types = [next(each for each in answer["job_types"] if each["name"] == "image-to-3d") for answer in found]
        assert all({**each, "etag": ""} == {**types[0], "etag": ""} for each in types)
        return dict(types[0])

    def compile(self, **settings: Any) -> list[Task]:
        """Return the tasks of a job.

        Raises:
            Refused: with the sentence that the job type threw.
        """
        job = {
            "name": "Cups",
            "type": "image-to-3d",
            "priority": 50,
            "submitter_platform": "linux",
            "settings": settings,
        }
        answers = [self._answer(compiler, job) for compiler in self._compilers]
        assert all(answer == answers[0] for answer in answers), "Flamenco's own compiler makes something else of it"
        if isinstance(answers[0], str):
            raise Refused(answers[0])
        return answers[0]

    def _answer(self, compiler: list[str | Path], job: dict[str, Any]) -> list[Task] | str:
        try:
            tasks = self._ask(compiler, job=job)["Tasks"]
        except Refused as refused:
            return str(refused)
        return [
            Task(each["Name"], each["Type"], each["Commands"], [other["Name"] for other in each["omitempty"]])
            for each in tasks
        ]

    def _ask(self, compiler: list[str | Path], *words: str, job: dict[str, Any] | None = None) -> Any:
        done = subprocess.run([*compiler, *words], input=json.dumps(job), capture_output=True, text=True, timeout=60)
        if done.returncode == 0:
            return json.loads(done.stdout)
        # The real one also logs, and says where in the script it was.
        said = [line for line in done.stderr.splitlines() if not line.startswith("{")]
        assert said and done.returncode == 1, done.stderr
        raise Refused(re.sub(r" at \w+ \(image_to_3d\.js:.*", "", "\n".join(said)))
