# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner as Blender's timer uses it: many jobs, in its own time, beside the workers of others."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from blender_image_to_3d.errors import JobBusy, StorageError
from blender_image_to_3d.host import programs
from blender_image_to_3d.jobs import runner, unattended
from blender_image_to_3d.jobs.library import JobFolder, Library
from blender_image_to_3d.jobs.request import draft
from blender_image_to_3d.jobs.runner import News, Runner
from blender_image_to_3d.models import Job, JobState, View

from ..conftest import HANGS_SECONDS, User
from .test_library import hold, let_go
from .test_worker import wait_for

pytestmark = pytest.mark.everywhere


@pytest.fixture
def folders(own_library: Path, cup: Path) -> list[JobFolder]:
    """Three jobs that nobody works on."""
    made = draft({View.FRONT: cup}, provider="offline_shape")
    return [made.create(Library(own_library)) for _ in range(3)]


@pytest.fixture
def running() -> Iterator[Runner]:
    """A runner whose workers do not outlive the test."""
    made = Runner()
    yield made
    made.stop("cancel")
    wait_for(lambda: not made.step() and not made.is_busy)


def steps(running: Runner, seconds: float = HANGS_SECONDS) -> Iterator[News]:
    """Yield the news until there will be none any more."""
    deadline = time.monotonic() + seconds
    while running.is_busy:
        assert time.monotonic() < deadline, "waited in vain"
        yield from running.step()
        time.sleep(0.01)


def test_the_number_of_workers_can_be_changed_at_any_time(running: Runner, folders: list[JobFolder]) -> None:
    for folder in folders:
        running.start(folder)
    running.step()
    assert (running.running, running.waiting) == (folders[:1], folders[1:])
    running.jobs_at_once = 3
    running.step()
    assert (running.running, running.waiting) == (folders[:2], folders[2:]), "one at a time"
    running.step()
    assert (running.running, running.waiting) == (folders, [])
    running.jobs_at_once = 1
    ended = [news for news in steps(running) if news.has_ended]
    assert {news.folder for news in ended} == set(folders) and len(ended) == 3
    assert {news.job.state for news in ended} == {JobState.READY}


def test_a_job_that_was_started_twice_has_one_worker(running: Runner, folders: list[JobFolder]) -> None:
    for _ in range(2):
        running.start(folders[0])
        running.step()
        running.start(folders[0])
        running.step()
    assert (running.running, running.waiting) == (folders[:1], [])


def test_a_job_that_waits_can_be_withdrawn(running: Runner, folders: list[JobFolder]) -> None:
    for folder in folders[:2]:
        running.start(folder)
    running.step()
    assert running.withdraw(folders[1]) and not running.withdraw(folders[1])
    assert not running.withdraw(folders[0]) and not running.withdraw(folders[2])
    ended = [news.folder for news in steps(running) if news.has_ended]
    assert ended == folders[:1]
    assert folders[1].load().state is JobState.QUEUED


def test_a_job_that_waits_is_cancelled_without_waiting(running: Runner, folders: list[JobFolder]) -> None:
    for folder in folders[:2]:
        running.start(folder)
    running.step()
    running.withdraw(folders[1])
    job = unattended.cancel_waiting(folders[1])
    assert job == folders[1].load() and job.state is JobState.CANCELLED
    assert job.problem is not None and job.problem.message == "Cancelled, nothing was charged."
    assert folders[1].stop_request() is None


def test_a_job_that_somebody_works_on_is_not_cancelled_behind_their_back(folders: list[JobFolder]) -> None:
    holder = hold(folders[0])
    with pytest.raises(JobBusy):
        unattended.cancel_waiting(folders[0])
    let_go(holder)
    assert folders[0].load().state is JobState.QUEUED and folders[0].stop_request() is None


def test_the_worker_of_another_process_is_watched_to_its_end(
    running: Runner, user: User, cup: Path, tmp_path: Path
) -> None:
    user.hold("result")
    command = user.start("generate", cup, "--provider", "paid_service")
    wait_for(lambda: user.jobs() and user.jobs()[0]["state"] == "running")
    folder = JobFolder(user.library / user.jobs()[0]["id"])
    running.watch(folder)
    running.watch(folder)
    news = running.step()
    user.let_go()
    news += steps(running)
    assert {each.folder for each in news} == {folder}
    assert [each.has_ended for each in news] == [False] * (len(news) - 1) + [True]
    assert news[0].job.state is JobState.RUNNING and news[-1].job == folder.load()
    assert news[-1].job.state is JobState.READY and not folder.is_claimed()
    command.communicate(timeout=HANGS_SECONDS)
    assert command.returncode == 0
    assert running.step() == [] and len(user.sold) == 1


def test_the_end_of_a_watched_worker_is_noticed_although_it_said_nothing(
    running: Runner, folders: list[JobFolder]
) -> None:
    holder = hold(folders[0])
    folders[0].save(folders[0].load().evolve(state=JobState.SUBMITTING, progress=0.5))
    running.watch(folders[0])
    (first,) = running.step()
    assert (first.job.state, first.has_ended) == (JobState.SUBMITTING, False)
    assert running.step() == [] and running.is_busy
    holder.kill()
    holder.communicate()
    (last,) = steps(running)
    assert last.has_ended and last.job.state is JobState.QUEUED, "it was free, and can be made again"
    assert folders[0].load() == last.job


def test_a_job_of_a_machine_that_died_is_watched_no_longer_than_its_lease(folders: list[JobFolder]) -> None:
    folder = folders[0]
    said = {"pid": 1, "host": "another machine", "token": "0123abcd", "beat": 7, "lease": 0.2}
    (folder.path / "lock").write_text(json.dumps(said))
    folder.save(folder.load().evolve(state=JobState.RUNNING, handle={"id": 1}))
    patient, running = Runner(), Runner(lease_seconds=0.2)
    patient.watch(folder)
    running.watch(folder)
    news = list(steps(running))
    assert news[-1].has_ended and news[-1].job.state is JobState.RUNNING
    assert not folder.is_claimed() and not folder.is_claimed_elsewhere()
    (folder.path / "lock").write_text(json.dumps(said))
    assert not any(each.has_ended for each in patient.step()), "two minutes, if nobody says otherwise"


def test_what_is_watched_takes_no_place_and_is_never_stopped(running: Runner, folders: list[JobFolder]) -> None:
    holder = hold(folders[0])
    running.watch(folders[0])
    running.start(folders[1])
    running.step()
    assert running.running == folders[1:2]
    running.stop("cancel")
    assert folders[0].stop_request() is None and folders[1].stop_request() == "cancel"
    list(steps(running))
    let_go(holder)


def test_a_watched_job_that_is_deleted_ends(running: Runner, folders: list[JobFolder]) -> None:
    holder = hold(folders[0])
    running.watch(folders[0])
    running.step()
    let_go(holder)
    folders[0].delete()
    (last,) = steps(running)
    assert last.has_ended and last.job.problem is not None and last.job.problem.kind == "StorageError"
    with pytest.raises(StorageError):
        running.watch(folders[0])


def test_a_job_that_was_watched_can_be_started(running: Runner, folders: list[JobFolder]) -> None:
    running.watch(folders[0])
    running.start(folders[0])
    running.watch(folders[0])
    ended = [news for news in steps(running) if news.has_ended]
    assert [news.job.state for news in ended] == [JobState.READY]


def test_a_program_is_found_once_and_what_is_missing_is_looked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[str] = []
    real = programs.importlib.util.find_spec

    def find_spec(name: str) -> object:
        searched.append(name)
        return None if name == "requests" else real(name)

    programs.find_package.cache_clear()
    monkeypatch.setattr(programs.importlib.util, "find_spec", find_spec)
    for _ in range(3):
        command = programs.program("order", "outcome.json")
    assert command[0] == sys.executable and command[-3:] == ["--", "order", "outcome.json"]
    assert searched.count("pydantic") == searched.count("numpy") == 1 and searched.count("requests") == 3
    programs.find_package.cache_clear()


def test_a_program_that_is_started_gets_its_line_and_ours_does_not_wait(tmp_path: Path) -> None:
    with (tmp_path / "log").open("ab") as log:
        program = programs.spawn_program(["order", str(tmp_path / "outcome")], b"{}", log)
    assert program.stdin is not None and program.stdin.closed
    assert program.wait(HANGS_SECONDS) == 2 and (tmp_path / "outcome").is_file()
    assert (tmp_path / "log").read_bytes() == b""


def test_a_program_that_dies_before_it_reads_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "program", lambda *arguments: [sys.executable, "-c", "import os; os.close(0)"])
    with (tmp_path / "log").open("ab") as log:
        program = programs.spawn_program([], b"x" * 40_000, log)
    assert program.wait(HANGS_SECONDS) == 0 and isinstance(program, subprocess.Popen)


def test_a_job_is_known_by_its_newest_words(running: Runner, folders: list[JobFolder]) -> None:
    """What was written while nobody looked is in the last news."""
    running.start(folders[0])
    running.step()
    wait_for(lambda: folders[0].load().state is JobState.READY)
    (*_, last) = steps(running)
    assert isinstance(last.job, Job) and last.job == folders[0].load()
