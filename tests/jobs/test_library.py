# SPDX-License-Identifier: GPL-3.0-or-later
"""Job folders: whole or absent, claimed by one, and readable by everyone."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blender_image_to_3d.errors import JobBusy, StorageError
from blender_image_to_3d.host import system
from blender_image_to_3d.jobs import library as library_module
from blender_image_to_3d.jobs.library import JobFolder, JobIndex, Library, picture_of, slug
from blender_image_to_3d.models import GenerationRequest, JobState, View

from ..conftest import ROOT, User

pytestmark = pytest.mark.everywhere

HOLDER = """
import sys
from pathlib import Path
from blender_image_to_3d.jobs.library import JobFolder
with JobFolder(Path(sys.argv[1])).claim():
    print("mine", flush=True)
    sys.stdin.read()
"""


def request_for(picture: Path, **options: object) -> GenerationRequest:
    return GenerationRequest(
        provider="offline_shape",
        views={View.FRONT: picture_of(picture, View.FRONT, ".png")},
        options=dict(options),
        name=picture.stem,
    )


@pytest.fixture
def library(own_library: Path) -> Library:
    return Library(own_library)


@pytest.fixture
def folder(library: Library, cup: Path) -> JobFolder:
    return library.create(request_for(cup), {View.FRONT: cup})


def hold(folder: JobFolder) -> subprocess.Popen[str]:
    """Start a process that claims the job, and return when it has it."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, folder.path], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "mine\n"
    return process


def let_go(process: subprocess.Popen[str]) -> None:
    process.communicate()
    assert process.returncode == 0


def test_a_new_job_has_its_pictures_and_its_request(folder: JobFolder, cup: Path) -> None:
    job = folder.load()
    picture = job.request.views[View.FRONT]
    assert (job.state, job.id) == (JobState.QUEUED, folder.id)
    assert (folder.path / picture.file).read_bytes() == cup.read_bytes()
    assert picture.sha256 == hashlib.sha256(cup.read_bytes()).hexdigest()
    assert sorted(path.name for path in folder.path.iterdir()) == ["front.png", "job.json"]


def test_a_job_that_cannot_be_made_leaves_nothing(library: Library, cup: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        library.create(request_for(cup), {View.FRONT: tmp_path / "gone.png"})
    assert list(library.root.iterdir()) == []


def test_a_full_disk_leaves_nothing_of_a_new_job(full_folder: Path, cup: Path) -> None:
    with cup.open("ab") as file:
        file.write(b"\0" * 100_000)
    with pytest.raises(StorageError, match="the disk is full"):
        Library(full_folder).create(request_for(cup), {View.FRONT: cup})
    assert list(full_folder.iterdir()) == []


def test_a_full_disk_keeps_the_old_journal(full_folder: Path, cup: Path) -> None:
    folder = Library(full_folder).create(request_for(cup), {View.FRONT: cup})
    job = folder.load()
    with pytest.raises(StorageError, match="the disk is full"):
        folder.save(job.evolve(message="x" * 100_000))
    assert folder.load() == job


def test_what_a_dying_process_left_of_a_new_job_is_never_listed_and_goes_away(library: Library, cup: Path) -> None:
    half = library.root / ".new-20260101-000000-cup-aaaa"
    half.mkdir(parents=True)
    assert library.folders() == []
    os.utime(half, (time.time() - 7200,) * 2)
    library.create(request_for(cup), {View.FRONT: cup})
    assert not half.exists()


def test_the_fingerprint_is_what_would_be_bought(cup: Path, tmp_path: Path) -> None:
    request = request_for(cup, seed=1)
    same = request.evolve(name="other", placement={"height": 2.0})
    copy = tmp_path / "copy.png"
    copy.write_bytes(cup.read_bytes())
    assert same.fingerprint == request.fingerprint == request_for(copy, seed=1).fingerprint
    different = [
        request_for(cup, seed=2),
        request.evolve(provider="other"),
        request.evolve(model="other"),
        request.evolve(views={View.FRONT: request.views[View.FRONT].evolve(sha256="0" * 64)}),
    ]
    assert request.fingerprint not in {each.fingerprint for each in different}


def test_one_job_has_one_worker(folder: JobFolder) -> None:
    holder = hold(folder)
    started = time.monotonic()
    with pytest.raises(JobBusy), folder.claim(patience_seconds=0.2):
        pass
    assert time.monotonic() - started >= 0.2
    assert folder.is_claimed() and folder.seems_claimed()
    let_go(holder)
    assert not folder.is_claimed() and not folder.seems_claimed()
    with folder.claim(patience_seconds=0):
        assert folder.seems_claimed()


def test_the_claim_of_a_killed_worker_is_gone(folder: JobFolder) -> None:
    holder = hold(folder)
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    assert not folder.is_claimed() and not folder.seems_claimed()
    with folder.claim(patience_seconds=0):
        pass


def test_looking_whether_a_job_is_taken_never_keeps_a_worker_from_it(folder: JobFolder) -> None:
    code = f"while True: JobFolder(Path({str(folder.path)!r})).is_claimed()"
    prelude = "from pathlib import Path; from blender_image_to_3d.jobs.library import JobFolder\n"
    lookers = [subprocess.Popen([sys.executable, "-c", prelude + code], cwd=ROOT) for _ in range(2)]
    try:
        time.sleep(0.5)
        for _ in range(50):
            with folder.claim():
                pass
    finally:
        for looker in lookers:
            looker.kill()
            looker.wait()


def test_a_claim_from_another_machine_counts_until_a_person_says_otherwise(
    folder: JobFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = hold(folder)
    holder.kill()
    holder.communicate()
    monkeypatch.setattr(system, "host_name", lambda: "another-machine")
    assert folder.is_claimed() and folder.seems_claimed()
    with pytest.raises(JobBusy, match="machine"), folder.claim(patience_seconds=0):
        pass
    with folder.claim(patience_seconds=0, take_over=True):
        pass
    assert not folder.is_claimed()


def test_readers_see_the_old_job_or_the_new_one(folder: JobFolder) -> None:
    code = (
        "import sys; from pathlib import Path; from blender_image_to_3d.jobs.library import JobFolder\n"
        f"folder = JobFolder(Path({str(folder.path)!r}))\n"
        "while True: folder.load()"
    )
    reader = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    job = folder.load()
    for number in range(300):
        job = folder.save(job.evolve(message="x" * (number * 37 % 4000)), durable=False)
    assert reader.poll() is None, reader.stderr.read() if reader.stderr else ""
    reader.kill()
    reader.communicate()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"id": "x"}', b"null"])
def test_a_damaged_job_is_a_clear_error(folder: JobFolder, content: bytes) -> None:
    (folder.path / "job.json").write_bytes(content)
    with pytest.raises(StorageError, match="damaged"):
        folder.load()


def test_a_job_from_elsewhere_cannot_point_out_of_its_folder(folder: JobFolder) -> None:
    job = json.loads((folder.path / "job.json").read_bytes())
    for name in ("../../secret.png", "/etc/passwd", "..", "C:\\secret.png", ""):
        job["request"]["views"]["front"]["file"] = name
        (folder.path / "job.json").write_text(json.dumps(job))
        with pytest.raises(StorageError):
            folder.load()


def test_a_deleted_job_is_gone_and_a_busy_one_stays(folder: JobFolder, library: Library) -> None:
    holder = hold(folder)
    with pytest.raises(JobBusy):
        folder.delete()
    let_go(holder)
    folder.delete()
    assert not folder.path.exists() and library.folders() == []


def test_jobs_are_found_by_how_they_begin_or_end(library: Library, cup: Path) -> None:
    first, second = (library.create(request_for(cup), {View.FRONT: cup}) for _ in range(2))
    assert library.find(first.id) == first
    assert library.find(second.id[-4:]) == second
    for text in ("20", "nothing-like-it", ""):
        with pytest.raises(StorageError):
            library.find(text)


@settings(deadline=None)
@given(st.text())
def test_slugs_are_file_names_everywhere(name: str) -> None:
    short = slug(name)
    assert short and len(short) <= 24
    assert set(short) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert short[0] != "-" and short[-1] != "-"


def test_a_claim_that_was_half_written_is_no_claim(folder: JobFolder) -> None:
    for content in (b"", b"{", b'{"pid": "x"}', b"[1]", b'{"host": "elsewhere"}'):
        (folder.path / "lock").write_bytes(content)
        assert not folder.seems_claimed() and not folder.is_claimed()


def test_who_keeps_a_library_to_itself_does_not_stop_a_farm_for_ever(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library_module, "LEASE_SECONDS", 0.1)
    with library.locked(), pytest.raises(StorageError, match="locked"), library.locked():
        pass
    with library.locked():
        pass


def test_how_much_is_in_a_library(library: Library, cup: Path, user: User) -> None:
    assert library.usage() == (0, 0)
    for _ in range(2):
        folder = library.create(request_for(cup), {View.FRONT: cup})
    (folder.path / "result").mkdir()
    (folder.path / "result" / "model.glb").write_bytes(b"x" * 100_000)
    expected = sum(path.stat().st_size for path in library.root.rglob("*") if path.is_file())
    assert library.usage() == (2, expected) and expected > 100_000
    answer = user.run("usage", library.root, cup.with_name("usage"))
    assert (answer.status, answer.output, answer.errors) == (0, "", "")
    assert json.loads(cup.with_name("usage").read_bytes()) == {"jobs": 2, "size_bytes": expected}


def test_an_index_reads_later_what_it_could_not_read_at_first(folder: JobFolder, library: Library) -> None:
    index, fingerprint = JobIndex(library), folder.load().request.fingerprint
    job = folder.path / "job.json"
    job.rename(folder.path / "aside")
    job.symlink_to(job)
    with pytest.raises(StorageError, match="cannot be read"):
        index.find(fingerprint)
    (folder.path / "aside").replace(job)
    assert index.find(fingerprint) == folder


@pytest.mark.skipif(sys.platform == "win32", reason="what is told by network shares of Linux and macOS")
def test_a_file_that_a_share_replaced_while_it_was_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "job.json").write_bytes(b"whole")
    read, failures = Path.read_bytes, [OSError(errno.ESTALE, os.strerror(errno.ESTALE))] * 3

    def read_bytes(path: Path) -> bytes:
        if failures:
            raise failures.pop()
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    assert system.read_shared(tmp_path / "job.json") == b"whole"
