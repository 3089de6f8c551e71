# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests in a window: a machine with the extension installed as a user does it, and windows that leave their picture.

scripts/test says where the root with Blender is (BLENDER_ROOT), and the zip (EXTENSION_ZIP).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .machine import Machine
from .window import Window

OpenWindow = Callable[..., Window]


def _temporary_folder() -> Path:
    # Not pytest's: the path of a socket has little room.
    return Path(tempfile.mkdtemp(prefix="window-"))


@pytest.fixture(scope="session")
def installed_home() -> Iterator[Path]:
    """A home in which Blender has the extension, installed and enabled as its manual says."""
    folder = _temporary_folder()
    archive = shutil.copy(os.environ["EXTENSION_ZIP"], folder)
    with Machine(Path(os.environ["BLENDER_ROOT"]), folder) as machine:
        command = ("blender", "--command", "extension", "install-file", "-r", "user_default", "--enable", archive)
        said = machine.run(*command)
        assert "blender_image_to_3d" in said or "Installed" in said, said
    yield folder / "home"
    shutil.rmtree(folder)


@pytest.fixture
def machine(installed_home: Path) -> Iterator[Machine]:
    """A machine of its own for a test."""
    folder = _temporary_folder()
    shutil.copytree(installed_home, folder / "home", symlinks=True)
    with Machine(Path(os.environ["BLENDER_ROOT"]), folder) as machine:
        yield machine
    shutil.rmtree(folder)


@pytest.fixture
def open_window(machine: Machine, request: pytest.FixtureRequest) -> Iterator[OpenWindow]:
    """Opens windows with the words of `Window`; each leaves its last picture in out/gui."""
    opened: list[Window] = []

    def open_one(**words: Any) -> Window:
        suffix = f"-{len(opened) + 1}" if opened else ""
        opened.append(Window(machine, f"{request.node.name}{suffix}", **words))
        return opened[-1]

    yield open_one
    for window in opened:
        window.picture(window.name)
        window.close()


@pytest.fixture
def window(open_window: OpenWindow) -> Window:
    """One window, with everything as Blender has it at first."""
    return open_window()
