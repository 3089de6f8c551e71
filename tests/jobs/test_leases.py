# SPDX-License-Identifier: GPL-3.0-or-later
"""Several machines in one output folder, and nobody watching: a dead one's jobs are finished, and bought once.

A machine is a host name of its own (a UTS namespace) and a home of its own. It dies as all its processes at once do.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from blender_image_to_3d.errors import JobBusy, OutcomeUnknown
from blender_image_to_3d.jobs.claims import Lease
from blender_image_to_3d.jobs.library import JobFolder
from blender_image_to_3d.jobs.unattended import reopen

from ..batch.test_batch import models, report
from ..conftest import HANGS_SECONDS, User, draw_disc
from ..fakes.servers.loopback import Exchange
from ..services import MODELS, SERVICES, Service
from .test_worker import wait_for

LEASE_SECONDS = 3.0
"""For machines that live, however busy this one is."""
SHORT_LEASE_SECONDS = 1.0
"""For those that do not."""


@dataclass
class Machine(User):
    """Somebody at a computer with a name."""

    name: str = ""
    starts_anew: bool = True

    def command(self, *words: str | Path) -> list[str]:
        return [*NAMESPACE, "sh", "-c", 'hostname "$0" && exec "$@"', self.name, *super().command(*words)]

    @property
    def processes(self) -> list[int]:
        mark = f"HOME={self.home}".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    found.append(int(process.name))
        return found

    def signal(self, number: signal.Signals) -> None:
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)

    def lose_power(self) -> None:
        while self.processes:
            self.signal(signal.SIGKILL)
            time.sleep(0.01)

    def freeze(self) -> None:
        def is_frozen() -> bool:
            self.signal(signal.SIGSTOP)
            stats = [Path(f"/proc/{process}/stat").read_text() for process in self.processes]
            return {stat.rpartition(")")[2].split()[0] for stat in stats} == {"T"}

        wait_for(is_frozen)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)


def _namespace() -> list[str]:
    """Return how to start a process whose host name may be changed; nothing if that is not allowed here."""
    for words in (["unshare", "--uts"], ["unshare", "--user", "--map-root-user", "--uts"]):
        with contextlib.suppress(OSError):
            if subprocess.run([*words, "hostname", "node"], capture_output=True).returncode == 0:
                return words
    return []


NAMESPACE = _namespace()
needs_namespaces = pytest.mark.skipif(not NAMESPACE, reason="needs the right to give a process another host name")


@dataclass
class Farm:
    """Machines that share the pictures, the output folder, and a service."""

    service: Service
    pictures: Path
    out: Path
    machines: list[Machine]

    def start(self, machine: Machine, *words: str | Path) -> subprocess.Popen[str]:
        common = ["batch", self.pictures, "--output-dir", self.out, *self.service.words, "--resume", "--jobs", "4"]
        return machine.start(*common, "--report", self.report_of(machine), *words)

    def report_of(self, machine: Machine) -> Path:
        return machine.home / "report.jsonl"

    def states(self, machine: Machine) -> Counter[str]:
        return Counter(line["state"] for line in report(self.report_of(machine)))

    @property
    def jobs(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_bytes()) for path in self.out.glob(".image_to_3d/[!.]*/job.json")]


@pytest.fixture(params=["locks reach", "locks do not reach"])
def share(request: pytest.FixtureRequest, staged: Path, tmp_path: Path) -> Path:
    """The package as it runs on a share where every process knows of the locks of all machines, or of none."""
    if request.param == "locks reach":
        return staged
    without = shutil.copytree(staged, tmp_path / "without locks")
    with (without / "blender_image_to_3d" / "host" / "system.py").open("a") as file:
        file.write("\n\ndef try_lock(descriptor):\n    return True\n\n\ndef unlock(descriptor):\n    pass\n")
    return without


@pytest.fixture
def farm(share: Path, tmp_path: Path) -> Iterator[Farm]:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    machines = [Machine(share, tmp_path / name, name=name) for name in ("node1", "node2")]
    with contextlib.ExitStack() as stack:
        service = stack.enter_context(SERVICES["modelslab"](machines[0]))
        for machine in machines:
            machine.home.mkdir()
            machine.environment = {**machines[0].environment, "HOME": str(machine.home)}
            machine.environment["IMAGE_TO_3D_LEASE_SECONDS"] = str(SHORT_LEASE_SECONDS)
            stack.callback(machine.lose_power)
        yield Farm(service, pictures, tmp_path / "out", machines)


LET_THROUGH = {"upload": 3, "buy": 2, "ask": 1, "download": 0}
"""How many jobs may pass each phase while they are held."""


@dataclass
class Holds:
    """Holds four jobs in the four phases of their lives, until they are all let go."""

    service: Service
    held: dict[str, str] = field(default_factory=dict)
    """What is held in each phase."""
    _is_open: threading.Event = field(default_factory=threading.Event)
    _seen: dict[str, set[str]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.service.watch(self._look)

    def _look(self, exchange: Exchange) -> None:
        phase = self.service.phase(exchange)
        # Each upload and each purchase is another job's; a job is asked for more than once.
        with self._lock:
            seen = self._seen.setdefault(phase, set())
            key = exchange.path if phase == "ask" else str(len(seen))
            passes = self._is_open.is_set() or key in seen or len(seen) < LET_THROUGH.get(phase, 99)
            if passes:
                seen.add(key)
            else:
                self.held.setdefault(phase, key)
        if not passes:
            self._is_open.wait(HANGS_SECONDS)

    def wait(self) -> None:
        wait_for(lambda: len(self.held) == len(LET_THROUGH))

    def let_go(self) -> None:
        self._is_open.set()


def draw_cups(folder: Path, count: int) -> None:
    for number in range(count):
        draw_disc(folder / f"cup {number}.png", (40 * number, 90, 120))


@needs_namespaces
@pytest.mark.parametrize("share", ["locks reach"], indirect=True)
def test_what_a_dead_machine_began_is_finished_unattended_and_bought_once(farm: Farm) -> None:
    draw_cups(farm.pictures, 5)
    first, second = farm.machines
    holds = Holds(farm.service)
    command = farm.start(first)
    holds.wait()
    assert Counter(job["state"] for job in farm.jobs) >= Counter(["queued", "submitting", "running"])
    first.lose_power()
    command.communicate()
    holds.let_go()
    other = farm.start(second)
    said = other.communicate(timeout=HANGS_SECONDS)[1]
    assert other.returncode == 1, said
    assert farm.states(second) == {"done": 4, "unknown": 1}, "the one in the purchase is for a person"
    assert farm.service.posts == farm.service.purchases() == 5
    made = [(farm.out / name).read_bytes() for name in models(farm.out)]
    assert made == [MODELS["glb"]] * 4


@needs_namespaces
def test_a_frozen_machine_that_wakes_up_buys_nothing_and_spoils_nothing(farm: Farm) -> None:
    draw_cups(farm.pictures, 5)
    first, second = farm.machines
    holds = Holds(farm.service)
    command = farm.start(first)
    holds.wait()
    first.freeze()
    holds.let_go()
    other = farm.start(second)
    said = other.communicate(timeout=HANGS_SECONDS)[1]
    assert farm.states(second) == {"done": 4, "unknown": 1}, said
    assert farm.service.posts == 5
    before = {job["id"]: job for job in farm.jobs if job["state"] == "ready"}
    first.thaw()
    said = command.communicate(timeout=HANGS_SECONDS)[1]
    assert command.returncode == 0 and farm.states(first) == {"done": 4, "skipped": 1}, said
    assert farm.service.posts == farm.service.purchases() == 5
    after = {job["id"]: job for job in farm.jobs}
    assert len(before) == 4 and all(after[name] == job for name, job in before.items())
    assert {job["state"] for job in after.values()} == {"ready"}, "the answer to its purchase was not lost"
    assert len(models(farm.out)) == 5 and not list(farm.out.rglob("*~"))


@needs_namespaces
@pytest.mark.parametrize("share", ["locks reach"], indirect=True)
def test_an_answer_that_comes_while_the_job_is_taken_over_is_not_lost(farm: Farm) -> None:
    """Who breaks a claim may have other jobs to do before it looks at this one, which says "submitting" until then."""
    draw_cups(farm.pictures, 1)
    first = farm.machines[0]
    is_open = threading.Event()
    farm.service.watch(lambda exchange: farm.service.phase(exchange) == "buy" and is_open.wait(HANGS_SECONDS) and None)
    command = farm.start(first)
    wait_for(lambda: farm.service.posts == 1)
    first.freeze()
    (folder,) = [JobFolder(path) for path in farm.out.glob(".image_to_3d/[!.]*")]
    wait_for(Lease(folder.path, SHORT_LEASE_SECONDS).end)
    is_open.set()
    first.thaw()
    wait_for(lambda: "has taken the job over" in folder.log.read_text())
    assert [job["state"] for job in farm.jobs] == ["submitting"]

    def is_judged() -> bool:
        try:
            reopen(folder)
        except JobBusy:
            return False
        except OutcomeUnknown:
            return True
        return False

    wait_for(is_judged)
    said = command.communicate(timeout=HANGS_SECONDS)[1]
    assert command.returncode == 0 and farm.states(first) == {"done": 1}, said
    assert farm.service.posts == farm.service.purchases() == len(models(farm.out)) == 1


@needs_namespaces
@pytest.mark.parametrize("share", ["locks do not reach"], indirect=True)
def test_a_machine_that_lives_keeps_its_job_however_long_it_takes(farm: Farm) -> None:
    draw_cups(farm.pictures, 1)
    first, second = farm.machines
    for machine in farm.machines:
        machine.environment["IMAGE_TO_3D_LEASE_SECONDS"] = str(LEASE_SECONDS)
    is_open = threading.Event()
    farm.service.watch(lambda exchange: farm.service.phase(exchange) == "buy" and is_open.wait(HANGS_SECONDS) and None)
    commands = [farm.start(first)]
    wait_for(lambda: farm.service.posts == 1)
    commands.append(farm.start(second))
    assert commands[1].stderr is not None
    assert commands[1].stderr.readline() == 'cup 0.png: waiting for the machine "node1" ...\n'
    time.sleep(2.5 * LEASE_SECONDS)
    assert [job["state"] for job in farm.jobs] == ["submitting"]
    is_open.set()
    said = [command.communicate(timeout=HANGS_SECONDS) for command in commands]
    assert [command.returncode for command in commands] == [0, 0], said
    assert farm.service.posts == 1
    # Whoever delivers later may find the model that the other one has delivered.
    assert {*farm.states(first), *farm.states(second)} <= {"done", "skipped"}
    assert len(models(farm.out)) == 1
