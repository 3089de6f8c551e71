# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has a job: one process at a time, also among machines whose locks do not reach each other."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest
from pydantic import JsonValue

from blender_image_to_3d.errors import JobBusy
from blender_image_to_3d.host import system
from blender_image_to_3d.jobs import claims
from blender_image_to_3d.jobs.claims import Lease
from blender_image_to_3d.jobs.library import JobFolder, Library
from blender_image_to_3d.models import JobState, View

from ..batch.test_batch import PAID, models
from ..conftest import User
from .test_library import request_for

pytestmark = pytest.mark.everywhere

SHORT = 0.05
OLD_CLAIM = {"pid": 1, "host": "old-node"}


@pytest.fixture
def folder(own_library: Path, cup: Path) -> JobFolder:
    return Library(own_library).create(request_for(cup), {View.FRONT: cup})


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Move this process to another machine."""
    return lambda name: monkeypatch.setattr(system, "host_name", lambda: name)


def expire(lease: Lease) -> bool:
    lease.end()
    time.sleep(2 * SHORT)
    return lease.end()


def test_a_claim_without_a_new_beat_ends_with_its_lease(folder: JobFolder, on: Callable[[str], None]) -> None:
    with folder.claim(lease_seconds=SHORT) as claim:
        on("node2")
        lease = Lease(folder.path, SHORT)
        for _ in range(4):
            time.sleep(0.6 * SHORT)
            on("here")
            claim.beat()
            on("node2")
            assert not lease.end() and lease.ends_by_itself
        with pytest.raises(JobBusy, match="busy"), folder.claim(patience_seconds=0):
            pass
        assert expire(lease)
        with folder.claim(patience_seconds=0) as other:
            other.check()
            with pytest.raises(JobBusy, match="over"):
                claim.check()
            claim.beat()
            other.check()
    assert not folder.is_claimed()


def test_who_lost_a_claim_leaves_the_next_one_alone(folder: JobFolder, on: Callable[[str], None]) -> None:
    lost = folder.claim(lease_seconds=SHORT)
    lost.__enter__()
    on("node2")
    assert expire(Lease(folder.path, SHORT))
    with folder.claim(patience_seconds=0) as claim:
        lost.__exit__(None, None, None)
        claim.check()
        assert folder.seems_claimed()


@pytest.mark.parametrize("asks", [0.01, 3600.0])
def test_whoever_has_a_job_says_how_long_to_wait(folder: JobFolder, on: Callable[[str], None], asks: float) -> None:
    with folder.claim(lease_seconds=asks):
        on("node2")
        assert expire(Lease(folder.path, SHORT)) == (asks < SHORT)
        assert not expire(Lease(folder.path, 3600.0))


def test_what_was_being_written_while_the_job_was_lost_is_never_seen(
    folder: JobFolder, on: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worst moment to fall asleep: after the last look at the claim, before the new journal is in place."""
    with folder.claim(lease_seconds=SHORT) as claim:
        look = claim.check
        job = folder.load()

        def look_and_fall_asleep() -> None:
            look()
            on("node2")
            assert expire(Lease(folder.path, SHORT))
            with folder.claim(patience_seconds=0) as other:
                folder.save(folder.load().evolve(message="theirs"), claim=other)
            on("here")

        monkeypatch.setattr(claim, "check", look_and_fall_asleep)
        with pytest.raises(Exception, match="cannot be written"):
            folder.save(job.evolve(state=JobState.SUBMITTING), claim=claim)
    assert (folder.load().state, folder.load().message) == (JobState.QUEUED, "theirs")
    assert not list(folder.path.glob("*~"))


@pytest.mark.parametrize("mine", [{}, {"glb": "https://files.example/1"}])
def test_who_lost_a_claim_leaves_the_next_one_s_links_alone(
    folder: JobFolder, on: Callable[[str], None], mine: dict[str, JsonValue]
) -> None:
    theirs: dict[str, JsonValue] = {"glb": "https://files.example/2"}
    with folder.claim(lease_seconds=SHORT) as claim:
        on("node2")
        assert expire(Lease(folder.path, SHORT))
        with folder.claim(patience_seconds=0) as other:
            folder.save_links(theirs, claim=other)
            with pytest.raises(JobBusy, match="over"):
                folder.save_links(mine, claim=claim)
            assert folder.load_links() == theirs
            folder.save_links({}, claim=other)
            assert folder.load_links() == {} and not list(folder.path.glob("links*"))


def test_of_two_machines_that_have_waited_one_gets_the_job(folder: JobFolder, on: Callable[[str], None]) -> None:
    with folder.claim(lease_seconds=SHORT):
        leases = {name: Lease(folder.path, SHORT) for name in ("node2", "node3")}
        time.sleep(2 * SHORT)
        taken = []
        for name, lease in leases.items():
            on(name)
            taken.append(lease.end())
        assert taken == [True, False] and leases["node3"].host == "node2"


def test_a_machine_that_died_while_it_took_a_job_over_is_in_nobody_s_way(
    folder: JobFolder, on: Callable[[str], None]
) -> None:
    with folder.claim(lease_seconds=SHORT) as claim:
        (folder.path / f"lock.{claim.token}~").write_bytes(b"")
        on("node2")
        lease = Lease(folder.path, SHORT)
        assert [expire(lease), expire(lease)] == [False, True]


def test_a_lost_claim_can_be_had_again_when_nobody_has_it(folder: JobFolder, on: Callable[[str], None]) -> None:
    with folder.claim(lease_seconds=SHORT) as claim:
        on("node2")
        assert expire(Lease(folder.path, SHORT))
        with folder.claim(lease_seconds=SHORT):
            on("here")
            with pytest.raises(JobBusy):
                claim.regain(lambda: True)
        (folder.path / "lock").write_text("{}")  # which the other machine would have written as it let go
        with pytest.raises(JobBusy):
            claim.regain(lambda: False)
        with pytest.raises(JobBusy):
            claim.check()
        claim.regain(lambda: True)
        claim.check()
        assert folder.is_claimed()
    assert not folder.is_claimed()


def test_a_beat_on_its_way_outlives_the_file_that_it_was_for(
    folder: JobFolder, on: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beats come from a thread of their own; `regain` may change the file between two steps of one."""
    with folder.claim(lease_seconds=SHORT) as claim:
        on("node2")
        assert expire(Lease(folder.path, SHORT))
        (folder.path / "lock").write_text("{}")
        on("here")
        look = claim.check

        def look_late() -> None:
            monkeypatch.setattr(claim, "check", look)
            write = claims._write

            def write_late(file: IO[bytes], said: claims.Said) -> None:
                monkeypatch.setattr(claims, "_write", write)
                claim.regain(lambda: True)
                write(file, said)

            monkeypatch.setattr(claims, "_write", write_late)

        monkeypatch.setattr(claim, "check", look_late)
        claim.beat()
        claim.check()
        claim.beat()
        assert claims.said_of(folder.path) is not None
    assert not folder.is_claimed()


@pytest.mark.parametrize("said", [OLD_CLAIM, {**OLD_CLAIM, "token": "../../xx", "beat": 1, "lease": 0.01}])
def test_a_claim_without_beats_is_for_a_person(folder: JobFolder, said: dict[str, object]) -> None:
    (folder.path / "lock").write_text(json.dumps(said))
    lease = Lease(folder.path, SHORT)
    assert not expire(lease) and (lease.host, lease.ends_by_itself) == ("old-node", False)
    with pytest.raises(JobBusy, match="old-node"), folder.claim(patience_seconds=0):
        pass
    with folder.claim(patience_seconds=0, take_over=True):
        pass
    assert not folder.is_claimed()


def test_a_reader_always_finds_a_whole_claim(folder: JobFolder) -> None:
    with folder.claim() as claim:
        for _ in range(12):
            claim.beat()
            said = claims.said_of(folder.path)
            assert said is not None and said.token == claim.token
        assert said is not None and said.beat == 12
    assert claims.said_of(folder.path) is None


def test_a_batch_leaves_the_claim_of_an_older_version_alone(user: User, cup: Path, tmp_path: Path) -> None:
    user.environment["IMAGE_TO_3D_LEASE_SECONDS"] = "0.2"
    (tmp_path / "list.txt").write_text("cup.png")
    words = ["batch", tmp_path / "list.txt", "--output-dir", tmp_path / "out", *PAID, "--resume"]
    assert user.run(*words).status == 0
    (tmp_path / "out" / "cup.ply").unlink()
    job = next((tmp_path / "out" / ".image_to_3d").glob("[!.]*/job.json"))
    left = json.dumps({**json.loads(job.read_bytes()), "state": "running", "results": []})
    job.write_text(left)
    (job.parent / "lock").write_text(json.dumps(OLD_CLAIM))
    answer = user.run(*words)
    assert answer.status == 1 and "--take-over" in answer.errors and "old-node" in answer.errors
    assert job.read_text() == left and json.loads((job.parent / "lock").read_bytes()) == OLD_CLAIM
    assert user.run(*words, "--take-over").status == 0
    assert models(tmp_path / "out") == ["cup.ply"] and len(user.sold) == 1


@pytest.mark.parametrize("seconds", ["0", "soon", "-1", "inf"])
def test_a_lease_that_cannot_be_is_said_before_anything_is_made(user: User, cup: Path, seconds: str) -> None:
    user.environment["IMAGE_TO_3D_LEASE_SECONDS"] = seconds
    answer = user.run("batch", cup.parent, "--output-dir", cup.parent / "out")
    assert answer.status == 2 and "IMAGE_TO_3D_LEASE_SECONDS" in answer.errors and not (cup.parent / "out").exists()
