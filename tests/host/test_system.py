# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between systems. Windows' half runs here against stand-ins for what only Windows has."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from blender_image_to_3d.host import settings, system

from ..conftest import PACKAGE, ROOT

pytestmark = pytest.mark.everywhere


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """The module as Windows would load it."""
    return _loaded("win32", monkeypatch)


def _loaded(platform: str, monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(f"{PACKAGE}.host.elsewhere", ROOT / PACKAGE / "host" / "system.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    elsewhere = types.SimpleNamespace(**{**vars(sys), "platform": platform})
    monkeypatch.setattr(module, "sys", elsewhere)
    return module


class Msvcrt:
    """Locks as Windows has them: of bytes of a file, refused with an OSError."""

    LK_NBLCK = 2

    def __init__(self) -> None:
        self.locked: dict[tuple[int, int], int] = {}

    def locking(self, descriptor: int, mode: int, length: int) -> None:
        assert (mode, length) == (self.LK_NBLCK, 1)
        key = (os.fstat(descriptor).st_ino, os.lseek(descriptor, 0, os.SEEK_CUR))
        if self.locked.setdefault(key, descriptor) != descriptor:
            raise OSError(13, "Permission denied")


def test_windows_locks_a_byte_that_no_content_reaches(
    windows: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    msvcrt = Msvcrt()
    monkeypatch.setitem(sys.modules, "msvcrt", msvcrt)
    file = tmp_path / "lock"
    file.write_bytes(b"{}")
    with file.open("r+b") as first, file.open("r+b") as second:
        assert windows.try_lock(first.fileno())
        assert not windows.try_lock(second.fileno())
    ((_, offset),) = msvcrt.locked
    assert offset > 1_000_000
    assert file.read_bytes() == b"{}"


def test_windows_starts_workers_without_a_window_and_out_of_reach_of_ctrl_c(
    windows: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "CREATE_NO_WINDOW", 0x08000000, raising=False)
    monkeypatch.setattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0x00000200, raising=False)
    seen: dict[str, Any] = {}
    monkeypatch.setattr(subprocess, "Popen", lambda command, **words: seen.update(words))
    with (tmp_path / "log").open("ab") as log:
        windows.spawn(["worker"], log)
    assert seen["creationflags"] == 0x08000200
    assert "start_new_session" not in seen


def test_windows_waits_while_a_file_is_open_and_gives_up_in_the_end(
    windows: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = [PermissionError(13, "in use")] * 3
    real = Path.replace

    def busy(source: Path, target: Path) -> Path:
        if refusals:
            raise refusals.pop()
        return real(source, target)

    monkeypatch.setattr(windows.Path, "replace", busy)
    (tmp_path / "new").write_bytes(b"new")
    windows.replace(tmp_path / "new", tmp_path / "old")
    assert (tmp_path / "old").read_bytes() == b"new"
    refusals.extend([PermissionError(13, "in use")] * 10_000)
    monkeypatch.setattr(windows, "_PATIENCE_SECONDS", 0.1)
    (tmp_path / "new").write_bytes(b"new")
    with pytest.raises(PermissionError):
        windows.replace(tmp_path / "new", tmp_path / "old")


def test_windows_opens_long_paths(windows: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    short, long = "C:\\jobs", "C:\\jobs\\" + "x" * 300
    monkeypatch.setattr(windows.os.path, "abspath", str)
    assert windows.long_path(Path(short)) == Path(short)
    assert str(windows.long_path(Path(long))) == "\\\\?\\" + long
    share = "\\\\server\\share\\" + "x" * 300
    assert str(windows.long_path(Path(share))) == "\\\\?\\UNC\\server\\share\\" + "x" * 300
    assert str(windows.long_path(Path("\\\\?\\" + long))) == "\\\\?\\" + long


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {}, "{home}/.local/share/image_to_3d"),
        ("linux", {"XDG_DATA_HOME": "/data"}, "/data/image_to_3d"),
        ("darwin", {}, "{home}/Library/Application Support/image_to_3d"),
        ("win32", {"LOCALAPPDATA": "/appdata"}, "/appdata/image_to_3d"),
        ("win32", {}, "{home}/AppData/Local/image_to_3d"),
        ("linux", {"IMAGE_TO_3D_LIBRARY": "/mine"}, "/mine"),
        ("win32", {"IMAGE_TO_3D_LIBRARY": "~/mine"}, "{home}/mine"),
    ],
)
def test_each_system_has_its_place_for_data(
    platform: str, environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "system", _loaded(platform, monkeypatch))
    assert settings.library_folder(environment) == Path(expected.format(home=Path.home()))


def test_a_process_exists_until_it_ends() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert system.process_exists(process.pid)
    process.communicate()
    assert not system.process_exists(process.pid)


def test_a_worker_outlives_ctrl_c_in_our_terminal(tmp_path: Path) -> None:
    with (tmp_path / "log").open("ab") as log:
        worker = system.spawn([sys.executable, "-c", "import os; print(os.getsid(0) == os.getpid())"], log)
    worker.communicate()
    assert (tmp_path / "log").read_text() == "True\n"


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "job.json"
    system.write_atomically(file, b"old")
    with pytest.raises(OSError, match=r".*"):
        system.write_atomically(tmp_path / "missing" / "job.json", b"new")
    system.write_atomically(file, b"new")
    assert file.read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["job.json"]


def test_the_second_lock_is_refused_at_once(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    file.touch()
    with file.open("r+b") as first, file.open("r+b") as second:
        assert system.try_lock(first.fileno())
        assert not system.try_lock(second.fileno())
    with file.open("r+b") as third:
        assert system.try_lock(third.fileno())
