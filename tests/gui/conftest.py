# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests in a window: a machine with the extension installed as a user does it, and windows that leave their picture.

scripts/test says where the root with Blender is (BLENDER_ROOT), and the zip (EXTENSION_ZIP).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from ..conftest import draw_disc
from .machine import Machine
from .window import Window

OpenWindow = Callable[..., Window]
_LONGEST = ("test_farm", "test_auto_save", "asset_browser", "test_looks", "switched_off", "test_lifecycle")
"""Parts of the names of tests."""


def _temporary_folder() -> Path:
    # Not pytest's: the path of a socket has little room.
    return Path(tempfile.mkdtemp(prefix="window-", dir="/tmp"))


@pytest.fixture(scope="session")
def installed_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which Blender has the extension, installed and enabled as its manual says; made once for a run."""
    if "EXTENSION_ZIP" not in os.environ:
        pytest.fail("these tests are run by: scripts/test --only window-4.3.2")
    of_this_run = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        of_this_run = of_this_run.parent
    home = of_this_run / "installed"
    with (of_this_run / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.exists():
            folder = _temporary_folder()
            _install(folder)
            shutil.move(folder / "home", home)
            shutil.rmtree(folder)
    return home


def _install(folder: Path) -> None:
    archive = shutil.copy(os.environ["EXTENSION_ZIP"], folder)
    with Machine(Path(os.environ["BLENDER_ROOT"]), folder) as machine:
        command = ("blender", "--command", "extension", "install-file", "-r", "user_default", "--enable", archive)
        said = machine.run(*command)
        # It does not always say so.
        assert list(machine.home.glob(".config/blender/*/extensions/user_default/blender_image_to_3d")), said
        # So that all others find the shaders compiled, which takes ten seconds.
        window = Window(machine, "first")
        window.open_tab()
        window.close()


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
    with ExitStack() as last:
        for window in opened:
            last.callback(window.close)
            last.callback(window.picture, window.name)
            last.callback(window.look_away)


@pytest.fixture
def window(open_window: OpenWindow) -> Window:
    """One window, with everything as Blender has it at first."""
    return open_window()


@pytest.fixture
def cup(machine: Machine) -> Path:
    """A picture in a folder of its own, in the user's home."""
    folder = machine.home / "pictures"
    folder.mkdir()
    return draw_disc(folder / "cup.png", (200, 40, 40))


@pytest.fixture
def services() -> Iterator[ExitStack]:
    """Where a test enters the services that it starts."""
    with ExitStack() as stack:
        yield stack


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, beside which the others can work."""
    items.sort(
        key=lambda item: next((place for place, part in enumerate(_LONGEST) if part in item.nodeid), len(_LONGEST))
    )
