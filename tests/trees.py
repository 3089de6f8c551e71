# SPDX-License-Identifier: GPL-3.0-or-later
"""The project in other folders, as somebody else would have it: to build it there, and to publish its next version."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pytest

from .conftest import PACKAGE, ROOT


@dataclass(frozen=True)
class Tree:
    """The project in another folder, with the wheels that are here."""

    folder: Path

    def commit(self) -> None:
        """Commit everything, at a time that is always the same."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=All of it")

    def git(self, *words: str) -> None:
        identity = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]
        environment = {**os.environ, "GIT_COMMITTER_DATE": "2026-11-21T12:00:00+0000"}
        subprocess.run(["git", *identity, *words], cwd=self.folder, env=environment, check=True)

    def publish(self, *words: str | Path) -> str:
        """Run scripts/build; return nothing, or why it refuses. It needs Blender's tool."""
        command = [sys.executable, self.folder / "scripts" / "build", *words]
        return "" if (done := subprocess.run(command, capture_output=True, text=True)).returncode == 0 else done.stderr

    def becomes(self, version: str) -> None:
        """Become the next version, whose package says so in a constant, and commit it."""
        manifest = self.folder / "blender_manifest.toml"
        text, count = re.subn(r'^version = ".*"$', f'version = "{version}"', manifest.read_text(), flags=re.MULTILINE)
        assert count == 1
        manifest.write_text(text)
        with (self.folder / PACKAGE / "__init__.py").open("a") as module:
            module.write(f"\nTHIS_IS = {version!r}\n")
        self.commit()

    def build(self, **environment: str) -> str:
        """Write the zip for Linux, and return its SHA-256."""
        self._run("write_archive(Path('built.zip'), 'linux-x64', wheels_for('linux-x64'))", environment)
        return hashlib.sha256((self.folder / "built.zip").read_bytes()).hexdigest()

    def changes(self) -> tuple[list[str], list[str]]:
        """Return what is not tracked, and what is not committed."""
        untracked, uncommitted = json.loads(self._run("print(json.dumps([untracked(), uncommitted()]))"))
        return untracked, uncommitted

    def names(self) -> set[str]:
        with zipfile.ZipFile(self.folder / "built.zip") as archive:
            return set(archive.namelist())

    def _run(self, line: str, environment: Mapping[str, str] = MappingProxyType({})) -> str:
        code = "import json, sys; from pathlib import Path; sys.path.insert(0, 'scripts')\n"
        code += f"from extension_wheels import *; from extension_zip import *\n{line}\n"
        command = [sys.executable, "-c", code]
        done = subprocess.run(
            command, cwd=self.folder, env={**os.environ, **environment}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def committed(folder: Path, *, umask: int = 0o022) -> Tree:
    """A repository of its own with the project as it is now, committed once."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip(f"needs a checkout: {listed.stderr.strip()}")
    previous = os.umask(umask)
    try:
        for name in filter(None, listed.stdout.split("\0")):
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, folder / name)
    finally:
        os.umask(previous)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    tree = Tree(folder)
    tree.git("init", "--quiet")
    tree.commit()
    return tree
