# SPDX-License-Identifier: GPL-3.0-or-later
"""One job from QUEUED to READY, with every way to die on the road: nothing is bought twice, nothing paid is lost."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ..conftest import HANGS_SECONDS, KEY, PACKAGE, ROOT, User
from ..forked import FIRST

PAID = ("--provider", "paid_service")
AT_ONCE = ("--provider", "paid_at_once")


def option(**options: object) -> list[str]:
    return [word for name, value in options.items() for word in ("--option", f"{name}={value}")]


def wait_for(condition: Any, seconds: float = HANGS_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def state(user: User) -> str:
    jobs = user.jobs()
    return jobs[0]["state"] if jobs else ""


def worker_pids(user: User) -> list[int]:
    """The workers that say they are busy in this library."""
    claims = [json.loads(path.read_bytes() or b"{}") for path in user.library.glob("*/lock")]
    return [claim["pid"] for claim in claims if claim]


@pytest.mark.everywhere
def test_a_paid_result_arrives_once_with_its_receipt(user: User, cup: Path, tmp_path: Path) -> None:
    answer = user.run("generate", cup, *PAID, "--output", tmp_path / "cup.ply", "--json")
    assert answer.status == 0, answer.errors
    done = answer.lines[-1]
    assert (done["event"], done["cost"], done["seed"]) == ("done", "0.05 USD", 3480183101)
    assert (tmp_path / "cup.ply").read_bytes().startswith(b"ply\n")
    (job,) = user.jobs()
    assert job["state"] == "ready" and job["seed"] == 3480183101
    (receipt,) = user.sold
    assert json.loads(receipt.read_text())["key"] == KEY


@pytest.mark.everywhere
def test_the_same_request_is_not_bought_again_unless_asked(user: User, cup: Path, tmp_path: Path) -> None:
    first = user.run("generate", cup, *PAID)
    second = user.run("generate", cup, *PAID, "--output", tmp_path / "cup.ply")
    assert (first.status, second.status) == (0, 0)
    assert "was made before" in second.errors and (tmp_path / "cup.ply").is_file()
    assert len(user.sold) == 1
    assert user.run("generate", cup, *PAID, *option(seed=1)).status == 0
    assert len(user.sold) == 2
    again = user.run("generate", cup, *PAID, "--again")
    assert again.status == 0 and "was made before" not in again.errors
    assert len(user.sold) == 3


def test_the_key_is_in_no_file(user: User, cup: Path) -> None:
    for fails in ("", "key", "unknown", "bug", "html"):
        user.run("generate", cup, *PAID, *option(fails=fails))
    written = [path for path in user.home.rglob("*") if path.is_file() and user.till not in path.parents]
    assert {path.name for path in written} >= {"job.json", "worker.log", "lock"}
    assert [path for path in written if KEY.encode() in path.read_bytes()] == []


@pytest.mark.everywhere
def test_the_key_is_in_no_argument_and_the_worker_gets_it_all_the_same(user: User, cup: Path) -> None:
    user.starts_anew = True
    user.hold("answer")
    command = user.start("generate", cup, *PAID)
    wait_for(lambda: user.sold)
    (pid,) = worker_pids(user)
    assert KEY.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
    user.let_go()
    command.communicate(timeout=HANGS_SECONDS)
    assert command.returncode == 0


@pytest.mark.everywhere
@pytest.mark.parametrize(
    ("fails", "status", "final", "charged", "sold"),
    [
        ("key", 3, "failed", "no", 0),
        ("credit", 3, "failed", "no", 0),
        ("refused", 1, "failed", "no", 0),
        ("offline", 4, "failed", "no", 0),
        ("unknown", 1, "unknown", "maybe", 1),
        ("bug", 1, "unknown", "maybe", 1),
        ("reset", 1, "unknown", "maybe", 1),
        ("poll", 1, "failed", "yes", 1),
        ("html", 1, "failed", "maybe", 1),
        ("empty", 1, "failed", "maybe", 1),
        ("picture", 1, "failed", "maybe", 1),
    ],
)
def test_every_failure_says_what_happened_and_what_it_cost(
    user: User, cup: Path, fails: str, status: int, final: str, charged: str, sold: int
) -> None:
    answer = user.run("generate", cup, *PAID, *option(fails=fails, polls=0), "--json")
    assert answer.status == status
    error = answer.lines[-1]
    assert error["event"] == "error" and error["message"] and error["charged"] == charged
    (job,) = user.jobs()
    assert job["state"] == final and job["problem"]["message"] == error["message"]
    assert len(user.sold) == sold


def test_what_the_service_has_given_up_is_not_asked_for_again(user: User, cup: Path) -> None:
    user.run("generate", cup, *PAID, *option(fails="poll"))
    asked = len(list((user.till / "asked").iterdir()))
    again = user.run("generate", cup, *PAID, *option(fails="poll"))
    assert again.status == 1 and "--again" in again.errors, "it was charged: only a person buys it anew"
    assert len(list((user.till / "asked").iterdir())) == asked and len(user.sold) == 1


@pytest.mark.parametrize("fails", ["unknown", "bug"])
def test_what_may_have_been_charged_is_sent_again_only_by_a_person(user: User, cup: Path, fails: str) -> None:
    user.run("generate", cup, *PAID, *option(fails=fails))
    job = user.jobs()[0]["id"]
    for words in (["jobs", "resume", job], ["generate", cup, *PAID, *option(fails=fails)]):
        answer = user.run(*words)
        assert answer.status == 1 and "may have been charged" in answer.errors and "--again" in answer.errors
    assert len(user.sold) == 1
    user.run("jobs", "resume", job, "--again")
    assert len(user.sold) == 2


def test_what_was_sold_is_kept_even_if_it_is_no_model(user: User, cup: Path) -> None:
    user.run("generate", cup, *PAID, *option(fails="html", polls=0))
    (folder,) = user.library.glob("[!.]*")
    assert b"Sorry" in (folder / "rejected" / "model.ply").read_bytes()
    assert not (folder / "result").exists() and not (folder / "result~").exists()


def test_nothing_is_bought_when_there_is_no_room_for_it(user: User, cup: Path, small_disk: Path) -> None:
    user.environment["IMAGE_TO_3D_LIBRARY"] = str(small_disk)
    answer = user.run("generate", cup, *PAID)
    assert answer.status == 2 and "The disk is full" in answer.errors and "Nothing was sent" in answer.errors
    assert not user.sold


def test_a_worker_that_crashed_in_the_request_leaves_an_unknown(user: User, cup: Path) -> None:
    answer = user.run("generate", cup, *PAID, *option(fails="crash"))
    assert answer.status == 1 and "died while it was sending" in answer.errors
    assert state(user) == "unknown" and len(user.sold) == 1


def test_a_rejected_request_can_be_resumed_when_the_reason_is_gone(user: User, cup: Path) -> None:
    user.run("generate", cup, *PAID, *option(fails="credit"))
    path = next(user.library.glob("[!.]*/job.json"))
    job = json.loads(path.read_bytes())
    job["request"]["options"]["fails"] = ""
    path.write_text(json.dumps(job))
    answer = user.run("jobs", "resume", job["id"])
    assert answer.status == 0, answer.errors
    assert len(user.sold) == 1


@pytest.mark.everywhere
def test_ctrl_c_while_the_service_works_keeps_what_was_bought(user: User, cup: Path, tmp_path: Path) -> None:
    user.hold("result")
    command = user.start("generate", cup, *PAID)
    wait_for(lambda: state(user) == "running")
    command.send_signal(signal.SIGINT)
    _, errors = command.communicate(timeout=HANGS_SECONDS)
    assert command.returncode == 130
    job = user.jobs()[0]
    assert f"jobs resume {job['id']}" in errors and job["state"] == "running"
    user.let_go()
    answer = user.run("jobs", "resume", job["id"], "--output", tmp_path / "cup.ply")
    assert answer.status == 0 and (tmp_path / "cup.ply").is_file()
    assert len(user.sold) == 1


@pytest.mark.everywhere
def test_ctrl_c_during_the_request_waits_for_its_answer(user: User, cup: Path) -> None:
    user.hold("answer")
    command = user.start("generate", cup, *PAID, *option(polls=10_000))
    wait_for(lambda: user.sold)
    command.send_signal(signal.SIGINT)
    wait_for(lambda: list(user.library.glob("*/stop")))
    assert command.poll() is None and state(user) == "submitting"
    user.let_go()
    command.communicate(timeout=HANGS_SECONDS)
    assert command.returncode == 130
    assert user.jobs()[0]["state"] == "running" and user.jobs()[0]["handle"]


@pytest.mark.everywhere
def test_the_worker_goes_on_when_its_parent_is_killed(user: User, cup: Path) -> None:
    user.hold("result")
    command = user.start("generate", cup, *PAID)
    wait_for(lambda: state(user) == "running")
    command.kill()
    command.communicate()
    user.let_go()
    wait_for(lambda: state(user) == "ready")
    assert user.run("generate", cup, *PAID).status == 0
    assert len(user.sold) == 1


def test_without_the_key_from_its_parent_a_worker_leaves_the_job_waiting(user: User, cup: Path) -> None:
    del user.environment["PAID_SERVICE_KEY"]
    user.environment["IMAGE_TO_3D_PAID_SERVICE_KEY"] = KEY
    user.run("generate", cup, *PAID, *option(fails="offline"))
    folder = user.library / user.jobs()[0]["id"]
    for beginning in (b"", b'{"key": "sk-'):
        worker = subprocess.run(user.command("worker", folder), cwd=user.staged, env=user.environment, input=beginning)
        assert worker.returncode == 130
    path = folder / "job.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "state": "queued", "problem": None}))
    subprocess.run(user.command("worker", folder), cwd=user.staged, env=user.environment, input=b'{"key": "sk-')
    assert state(user) == "queued"
    assert user.run("jobs", "list").output.split()[1] == "waiting"


def test_a_missing_key_is_said_before_anything_is_written(user: User, cup: Path) -> None:
    del user.environment["PAID_SERVICE_KEY"]
    answer = user.run("generate", cup, *PAID)
    assert answer.status == 3
    assert "IMAGE_TO_3D_PAID_SERVICE_KEY" in answer.errors and "https://service.example/keys" in answer.errors
    assert not user.library.exists()


def test_cancelling_before_the_request_costs_nothing(user: User, cup: Path) -> None:
    user.run("generate", cup, *PAID, *option(fails="offline"))
    folder = user.library / user.jobs()[0]["id"]
    path = folder / "job.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "state": "queued", "problem": None}))
    answer = user.run("jobs", "cancel", folder.name)
    assert answer.status == 0 and "nothing was charged" in answer.output
    assert state(user) == "cancelled" and not user.sold


@pytest.mark.parametrize("cancels", ["yes", "no"])
def test_cancelling_while_the_service_works(user: User, cup: Path, cancels: str) -> None:
    user.environment["TILL_CANCELS"] = cancels
    user.hold("result")
    command = user.start("generate", cup, *PAID)
    wait_for(lambda: state(user) == "running")
    job = user.jobs()[0]["id"]
    cancelling = user.start("jobs", "cancel", job)
    if cancels == "no":
        wait_for(lambda: "cannot be told to stop" in (user.library / job / "worker.log").read_text())
        user.let_go()
    for each in (cancelling, command):
        each.communicate(timeout=HANGS_SECONDS)
    if cancels == "yes":
        assert state(user) == "cancelled" and len(list((user.till / "stopped").iterdir())) == 1
    else:
        assert state(user) == "ready", "what cannot be recalled is kept"
    assert len(user.sold) == 1


@pytest.mark.everywhere
def test_two_workers_never_take_the_same_job(user: User, cup: Path) -> None:
    user.run("generate", cup, *PAID, *option(fails="offline"))
    folder = user.library / user.jobs()[0]["id"]
    path = folder / "job.json"
    job = json.loads(path.read_bytes())
    job["request"]["options"] |= {"fails": "", "polls": 3}
    path.write_text(json.dumps({**job, "state": "queued", "problem": None}))
    line = json.dumps({"key": KEY}).encode() + b"\n"
    workers = [
        subprocess.Popen(user.command("worker", folder), cwd=user.staged, env=user.environment, stdin=subprocess.PIPE)
        for _ in range(6)
    ]
    lister = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from pathlib import Path\n"
            "from blender_image_to_3d.jobs.library import Library\n"
            "while True: [(f.is_claimed(), f.seems_claimed()) for f in Library(Path(sys.argv[1])).folders()]",
            user.library,
        ],
        cwd=user.staged,
    )
    for worker in workers:
        worker.communicate(line)
    lister.kill()
    lister.wait()
    assert len(user.sold) == 1 and state(user) == "ready"


@pytest.mark.parametrize("seed", range(12))
def test_a_worker_killed_at_any_moment_leaves_what_the_next_command_can_finish(
    user: User, cup: Path, tmp_path: Path, seed: int
) -> None:
    command = user.start("generate", cup, *PAID, *option(submit_seconds=0.15, polls=3))
    wait_for(lambda: worker_pids(user) or command.poll() is not None)
    time.sleep(random.Random(seed).uniform(0.0, 0.6))
    for pid in worker_pids(user):
        subprocess.run(["kill", "-9", str(pid)], check=False)
    command.communicate(timeout=HANGS_SECONDS)
    (job,) = user.jobs()
    bought = len(user.sold)
    answer = user.run("jobs", "resume", job["id"], "--output", tmp_path / "cup.ply")
    if job["state"] == "unknown":  # it died between writing down that the request leaves and the answer
        assert answer.status == 1 and "--again" in answer.errors
        assert len(user.sold) == bought <= 1
    else:
        assert answer.status == 0, (job, answer.errors)
        assert (tmp_path / "cup.ply").is_file() and state(user) == "ready"
        assert len(user.sold) == 1


@pytest.mark.parametrize("seed", range(6))
def test_a_command_killed_at_any_moment_leaves_what_the_next_command_can_finish(
    user: User, cup: Path, tmp_path: Path, seed: int
) -> None:
    command = user.start("generate", cup, *PAID, *option(submit_seconds=0.1, polls=2))
    time.sleep(random.Random(seed).uniform(0.05, 0.8))
    command.kill()
    command.communicate()
    if not user.jobs():
        assert not user.sold
        return
    answer = user.run("jobs", "resume", user.jobs()[0]["id"], "--output", tmp_path / "cup.ply")
    assert answer.status == 0, answer.errors
    assert (tmp_path / "cup.ply").is_file() and len(user.sold) == 1


def test_a_request_that_is_under_way_is_followed_not_bought_again(user: User, cup: Path) -> None:
    user.hold("result")
    words = ["generate", cup, *PAID]
    first = user.start(*words)
    wait_for(lambda: user.sold)
    second = user.start(*words)
    assert second.stderr is not None
    said = second.stderr.readline()
    assert "Working" in said, "it follows the job"
    user.let_go()
    for each in (first, second):
        each.communicate(timeout=HANGS_SECONDS)
    assert (first.returncode, second.returncode) == (0, 0)
    assert len(user.sold) == 1 and len(user.jobs()) == 1


@pytest.mark.parametrize("fails", ["html", "empty", "picture", "poll", "unknown", "reset", "bug"])
def test_what_a_synchronous_service_was_paid_for_is_not_bought_again_without_a_word(
    user: User, cup: Path, fails: str
) -> None:
    for _ in range(2):
        answer = user.run("generate", cup, *AT_ONCE, *option(fails=fails))
        assert answer.status == 1, answer.errors
    assert "--again" in answer.errors and len(user.sold) == 1


def test_a_synchronous_result_that_nobody_journalled_is_found(user: User, cup: Path, tmp_path: Path) -> None:
    user.run("generate", cup, *AT_ONCE)
    (folder,) = user.library.glob("[!.]*")
    job = json.loads((folder / "job.json").read_bytes())
    for name in ("result", "result~"):
        if name == "result~":
            (folder / "result").rename(folder / "result~")
        (folder / "job.json").write_text(json.dumps({**job, "state": "submitting", "results": []}))
        answer = user.run("generate", cup, *AT_ONCE, "--output", tmp_path / "cup.ply", "--overwrite")
        assert answer.status == 0 and len(user.sold) == 1, answer.errors


@pytest.mark.everywhere
@pytest.mark.parametrize("provider", [PAID, AT_ONCE], ids=["asynchronous", "synchronous"])
def test_the_worst_moment_for_a_full_disk_buys_nothing_twice(
    user: User, cup: Path, tmp_path: Path, provider: tuple[str, str]
) -> None:
    (tmp_path / "full.py").write_text(FULL_DISK)
    ends = []
    for nth in range(1, 25):
        words = ["generate", cup, *provider, *option(polls=1, seed=nth)]
        before = len(user.sold)
        user.environment |= {FIRST: str(tmp_path / "full.py"), "FULL_AT": str(nth)}
        first = user.run(*words)
        del user.environment[FIRST]
        second = user.run(*words)
        assert len(user.sold) - before <= 1, (provider, nth)
        assert "Traceback" not in first.errors + second.errors
        assert second.status == 0 or "--again" in second.errors
        ends.append(first.status)
    assert 2 in ends and ends[-1] == 0, "the disk is full at each moment, and at last has room for all"


FULL_DISK = """
import errno, os, sys
count = 0
real = os.fsync
def full(descriptor):
    global count
    count += 1
    if count == int(os.environ["FULL_AT"]):
        raise OSError(errno.ENOSPC, "No space left on device")
    return real(descriptor)
if sys.argv[1] == "worker":
    os.fsync = full
"""


def test_the_newest_job_is_not_always_the_best(user: User, cup: Path, tmp_path: Path) -> None:
    user.run("generate", cup, *PAID)
    user.run("generate", cup, *PAID, "--again")
    newest = max(user.library.glob("[!.]*"))
    job = json.loads((newest / "job.json").read_bytes())
    problem = {"kind": "GenerationFailed", "message": "It could not.", "charged": "no"}
    (newest / "job.json").write_text(json.dumps({**job, "state": "failed", "handle": None, "problem": problem}))
    shutil.rmtree(newest / "result")
    assert user.run("generate", cup, *PAID, "--output", tmp_path / "cup.ply").status == 0
    assert len(user.sold) == 2


def test_a_job_of_a_newer_version_counts_and_keeps_what_it_says(user: User, cup: Path) -> None:
    user.run("generate", cup, *PAID)
    path = next(user.library.glob("[!.]*/job.json"))
    job = json.loads(path.read_bytes())
    job |= {"invented_later": {"a": 1}, "state": "downloading", "results": []}
    path.write_text(json.dumps(job))
    assert user.run("generate", cup, *PAID).status == 0
    assert len(user.sold) == 1
    assert json.loads(path.read_bytes())["invented_later"] == {"a": 1}


@pytest.mark.parametrize("provider", [PAID, AT_ONCE], ids=["asynchronous", "synchronous"])
def test_commands_at_the_same_moment_buy_once(user: User, cup: Path, provider: tuple[str, str]) -> None:
    commands = [user.start("generate", cup, *provider, *option(submit_seconds=0.2, polls=1)) for _ in range(4)]
    answers = [command.communicate(timeout=HANGS_SECONDS) for command in commands]
    assert [command.returncode for command in commands] == [0] * 4, answers
    assert len(user.sold) == 1 and len(user.jobs()) == 1


def test_a_result_is_handed_out_from_a_library_that_cannot_be_written(
    user: User, cup: Path, tmp_path: Path, read_only_folder: Path
) -> None:
    user.run("generate", cup, *PAID)
    job = user.jobs()[0]["id"]
    subprocess.run(["mount", "--bind", user.library, read_only_folder], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", read_only_folder], check=True)
        words = ["--library", read_only_folder]
        answer = user.run("jobs", "resume", job, *words, "--output", tmp_path / "cup.ply")
        assert answer.status == 0, answer.errors
        refused = user.run("jobs", "cancel", job, *words)
        assert refused.status == 2 and "Traceback" not in refused.errors
    finally:
        subprocess.run(["umount", read_only_folder], check=True)


def test_a_claim_of_another_machine_can_be_cleared_by_hand(user: User, cup: Path) -> None:
    user.run("generate", cup, *PAID, *option(fails="offline"))
    (folder,) = user.library.glob("[!.]*")
    (folder / "lock").write_text(json.dumps({"pid": 1, "host": "another-machine"}))
    for words in (["resume"], ["cancel"], ["delete"]):
        answer = user.run("jobs", *words, folder.name)
        assert answer.status == 1 and "another-machine" in answer.errors and "--take-over" in answer.errors
    assert user.run("jobs", "delete", folder.name, "--take-over").status == 0
    assert not folder.exists()


@pytest.mark.everywhere
def test_the_wheels_come_before_what_the_python_has_installed_but_not_before_its_own_library(tmp_path: Path) -> None:
    """Linux distributions start Blender with the system's Python, whose packages may be older than our wheels need."""
    (tmp_path / "pydantic.py").write_text("raise SystemExit('pydantic of the wheels')")
    (tmp_path / "argparse.py").write_text("raise SystemExit('argparse of the wheels')")
    bootstrap = ROOT / PACKAGE / "bootstrap.py"
    command = [sys.executable, "-I", "-S", bootstrap, tmp_path, "--", "worker", tmp_path]
    assert "pydantic of the wheels" in subprocess.run(command, capture_output=True, text=True, timeout=60).stderr
