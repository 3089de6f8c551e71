# SPDX-License-Identifier: GPL-3.0-or-later
"""The Blender beside this one: what it makes, and what becomes of its tasks whatever happens to it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import bpy
import pytest

from .. import given

PATIENCE_SECONDS = 60.0


@pytest.fixture
def import_process(package: ModuleType) -> Any:
    return given.module(package, "blender.importing.import_process")


def command(package: ModuleType) -> list[str]:
    found: list[str] = given.module(package, "pictures.blender_process").find_blender()
    return found


@pytest.fixture
def running(package: ModuleType, import_process: Any) -> Iterator[Any]:
    """An import process whose child is there."""
    started = import_process.ImportProcess(command(package))
    started.warm_up()
    wait_for(lambda: started.is_warm)
    yield started
    started.stop()


@pytest.fixture
def cup(package: ModuleType, tmp_path: Path) -> Path:
    """The folder of a finished job: a textured monkey that is called Cup."""
    folder = tmp_path / "made"
    folder.mkdir()
    given.textured_monkey(tmp_path)
    model = given.write(folder / "model.glb")
    given.new_file()
    return given.finished(package, tmp_path / "job", model)


def wait_for(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def task(import_process: Any, folder: Path, **changes: Any) -> Any:
    placement = changes.pop("placement", {})
    return import_process.Task(
        **{"folder": folder, "placement": placement, "units": import_process.units_of(bpy.context.scene), **changes}
    )


def outcomes(started: Any, count: int) -> list[Any]:
    """Step until so many tasks have ended."""
    found: list[Any] = []
    wait_for(lambda: found.extend(started.step()) or len(found) >= count)
    assert len(found) == count
    return found


def process_of(started: Any) -> subprocess.Popen[bytes]:
    process = started._child
    assert isinstance(process, subprocess.Popen)
    return process


def exists(pid: int) -> bool:
    """Whether the process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def contents(blend: Path) -> dict[str, list[str]]:
    with bpy.data.libraries.load(str(blend)) as (there, _):
        return {kind: list(getattr(there, kind)) for kind in dir(there) if kind != "version" and getattr(there, kind)}


def test_a_model_is_prepared_alone_and_with_the_names_of_the_request(
    import_process: Any, running: Any, cup: Path
) -> None:
    wanted = task(import_process, cup)
    running.prepare(wanted)
    assert running.is_busy

    [prepared] = outcomes(running, 1)

    assert isinstance(prepared, import_process.Prepared) and prepared.task is wanted and not running.is_busy
    assert contents(prepared.blend) == {
        "images": ["skin"], "materials": ["Fur"], "meshes": ["Cup"], "objects": ["Cup"]
    }  # fmt: skip
    assert prepared.blend.read_bytes()[:7] == b"BLENDER", "it is compressed"


def test_any_number_of_tasks_is_done_by_one_child_and_leaves_nothing_in_it(
    import_process: Any, running: Any, cup: Path
) -> None:
    tasks = [task(import_process, cup) for _ in range(5)]
    child = process_of(running)
    for each in tasks:
        running.prepare(each)

    done = outcomes(running, 5)

    assert [each.task for each in done] == tasks and process_of(running) is child
    assert len({each.blend for each in done}) == 5
    assert all(contents(each.blend) == contents(done[0].blend) for each in done)


def test_what_can_be_said_of_a_result_is_said(
    package: ModuleType, import_process: Any, running: Any, tmp_path: Path
) -> None:
    bad = tmp_path / "made" / "model.glb"
    bad.parent.mkdir()
    bad.write_bytes(b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>")
    child = process_of(running)
    running.prepare(task(import_process, given.finished(package, tmp_path / "job", bad)))
    running.prepare(task(import_process, tmp_path / "nowhere"))

    page, gone = outcomes(running, 2)

    assert (page.message, page.hint) == ('"model.glb" is a .html file, not a model.', "")
    assert gone.message == 'There is no job "nowhere".'
    assert process_of(running) is child


def test_a_killed_child_costs_its_task_and_no_other(import_process: Any, running: Any, cup: Path) -> None:
    os.kill(process_of(running).pid, signal.SIGSTOP)
    tasks = [task(import_process, cup) for _ in range(3)]
    for each in tasks:
        running.prepare(each)
    assert running.step() == []
    os.kill(process_of(running).pid, signal.SIGKILL)

    failed, *others = outcomes(running, 3)

    assert failed.task is tasks[0] and failed.message == "Blender ended unexpectedly while it read the model."
    assert failed.hint.startswith("Import it again.")
    assert [each.task for each in others] == tasks[1:] and all(contents(each.blend) for each in others)


def test_a_child_that_died_while_it_had_nothing_to_do_is_replaced(import_process: Any, running: Any, cup: Path) -> None:
    os.kill(process_of(running).pid, signal.SIGSEGV)
    wait_for(lambda: process_of(running).poll() is not None)
    assert not running.is_warm

    running.prepare(task(import_process, cup))

    [prepared] = outcomes(running, 1)
    assert isinstance(prepared, import_process.Prepared) and running.is_warm


def test_a_child_that_hangs_is_ended(package: ModuleType, import_process: Any, cup: Path) -> None:
    started = import_process.ImportProcess(command(package), task_seconds=20.0)
    started.warm_up()
    wait_for(lambda: started.is_warm)
    hanging = process_of(started).pid
    os.kill(hanging, signal.SIGSTOP)
    started._task_seconds = 0.2
    started.prepare(task(import_process, cup))
    started.step()
    started._task_seconds = 20.0
    started.prepare(task(import_process, cup))

    failed, prepared = outcomes(started, 2)

    assert failed.message == "Blender took too long to read the model."
    assert isinstance(prepared, import_process.Prepared) and not exists(hanging)
    started.stop()


def test_a_blender_that_does_not_start_is_told_for_every_task(import_process: Any, cup: Path, tmp_path: Path) -> None:
    missing = import_process.ImportProcess([str(tmp_path / "blender"), "--background", "--python"])
    broken = import_process.ImportProcess([sys.executable, "-c", "raise SystemExit(3)"])
    for started in (missing, broken):
        started.warm_up()
        started.prepare(task(import_process, cup))
        started.prepare(task(import_process, cup))

        first, second = outcomes(started, 2)

        assert "beside this one" in first.message and first.message == second.message
        assert first.message.endswith(".") and "Traceback" not in first.message
        started.stop()


def test_an_answer_without_sense_fails_its_task_only(import_process: Any, running: Any, cup: Path) -> None:
    os.kill(process_of(running).pid, signal.SIGSTOP)
    running.prepare(task(import_process, cup))
    running.prepare(task(import_process, cup))
    assert running.step() == []
    (running._folder / "1.json").write_text('["garb')

    failed, prepared = outcomes(running, 2)

    assert "makes no sense" in failed.message and isinstance(prepared, import_process.Prepared)


def test_stop_ends_the_child_whatever_it_does_and_removes_its_files(
    import_process: Any, running: Any, cup: Path
) -> None:
    running.prepare(task(import_process, cup))
    [prepared] = outcomes(running, 1)
    running.prepare(task(import_process, cup))
    running.step()
    pid, folder = process_of(running).pid, prepared.blend.parent

    running.stop()

    assert not exists(pid) and not folder.exists() and not running.is_busy and not running.is_warm
    assert running.step() == []
    running.prepare(task(import_process, cup))
    assert isinstance(outcomes(running, 1)[0], import_process.Prepared)


def test_a_file_that_is_not_needed_any_more_is_removed(import_process: Any, running: Any, cup: Path) -> None:
    running.prepare(task(import_process, cup))
    running.prepare(task(import_process, cup))
    first, second = outcomes(running, 2)

    running.discard(first)
    wait_for(lambda: not first.blend.exists())
    assert second.blend.exists()
    os.kill(process_of(running).pid, signal.SIGKILL)
    wait_for(lambda: process_of(running).poll() is not None)
    running.discard(second)
    assert not second.blend.exists()


def test_a_step_costs_nothing_while_nothing_happens(running: Any) -> None:
    started = time.process_time()
    for _ in range(1000):
        assert running.step() == []
    assert time.process_time() - started < 0.2


PARENT = """
    import os, sys, time, types, importlib, bpy, addon_utils
    addon_utils.enable({extension!r}, default_set=True)
    import_process = importlib.import_module({extension!r} + ".blender.importing.import_process")
    started = import_process.ImportProcess({command!r})
    started.warm_up()
    while not started.is_warm:
        time.sleep(0.01)
    print(started._child.pid, started._folder, flush=True)
    {end}
"""


@pytest.mark.parametrize("end", ["os._exit(0)", "os.kill(os.getpid(), 9)", "os.kill(os.getpid(), 11)"])
def test_the_child_goes_when_the_blender_that_started_it_goes(package: ModuleType, tmp_path: Path, end: str) -> None:
    program = textwrap.dedent(PARENT).format(extension=package.__name__, command=command(package), end=end)
    parent = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    pid, folder = parent.stdout.split()[-2:]

    wait_for(lambda: not exists(int(pid)))

    assert not Path(folder).exists()


def test_the_child_is_alone(
    package: ModuleType, import_process: Any, cup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """No keys, no start-up scripts of the user, no temporary files elsewhere, nothing in the user's terminal."""
    scripts = tmp_path / "scripts" / "startup"
    scripts.mkdir(parents=True)
    (scripts / "loud.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\ndef register(): pass\n")
    monkeypatch.setenv("BLENDER_USER_SCRIPTS", str(tmp_path / "scripts"))
    monkeypatch.setenv("MODELSLAB_API_KEY", "sk-secret")
    started = import_process.ImportProcess(command(package))
    started.prepare(task(import_process, cup))
    [prepared] = outcomes(started, 1)
    seen = Path(f"/proc/{process_of(started).pid}/environ").read_bytes().decode()

    assert "sk-secret" not in seen and "BLENDER_USER_SCRIPTS" not in seen
    assert f"TMPDIR={prepared.blend.parent}\0" in seen
    assert not (tmp_path / "ran").exists()
    assert capfd.readouterr() == ("", "")
    started.stop()


@pytest.mark.parametrize("room_left", [0, 2**16 + 2**14])
def test_a_full_disk_is_told(
    package: ModuleType, import_process: Any, cup: Path, tmp_path: Path, room_left: int
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("needs the right to mount a file system")
    started = import_process.ImportProcess(command(package))
    try:
        started._folder = disk / "child"
        started._folder.mkdir()
        started.warm_up()
        wait_for(lambda: started.is_warm)
        filler = disk / "filler"
        filler.write_bytes(bytes(shutil.disk_usage(disk).free - room_left))
        started.prepare(task(import_process, cup))
        [failed] = outcomes(started, 1)
        assert "disk is full" in failed.message, failed
        assert failed.hint.startswith("Free some")

        filler.unlink()
        started.prepare(task(import_process, cup))
        [prepared] = outcomes(started, 1)
        assert isinstance(prepared, import_process.Prepared)
    finally:
        started.stop()
        subprocess.run(["umount", "--lazy", disk], check=True)
