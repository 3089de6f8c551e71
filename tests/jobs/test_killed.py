# SPDX-License-Identifier: GPL-3.0-or-later
"""SIGKILL for the worker at fifty moments of a job's life, at every service: nothing is bought twice, nothing is lost.

Most moments are random, the others aimed: when a request of each phase arrives, when half of its answer has left, and
when all of it has. Every job has a fake of its own, so that its purchases are known for certain.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import IO, Any

import pytest

from blender_image_to_3d import providers
from blender_image_to_3d.errors import OutcomeUnknown
from blender_image_to_3d.jobs import completion, request, runner
from blender_image_to_3d.jobs.library import JobFolder, Library
from blender_image_to_3d.models import Job, Start, View

from ..conftest import HANGS_SECONDS, KEY, ROOT, User
from ..fakes.servers.loopback import Exchange
from ..forked import Command
from ..services import MODELS, SERVICES, Service

AT_ONCE = 6
ONLINE = [name for name in providers.ids() if providers.info(name).base_url]
# What can be asked about later has more to lose than what answers at once.
MOMENTS = {name: 50 if providers.info(name).resumable else 20 for name in ONLINE}
SEED = int(os.environ.get("KILL_SEED", "20261121"))
# So long does each request, and each half of an answer, take at the fakes: without, only waiting would ever be hit.
_SLOWNESS_SECONDS = 0.03
_POINTS = ("arrives", "half answered", "answered")
_AIMED_DELAYS = (0.0, 0.004, 0.015)


@dataclass
class Life:
    """A job, the fake that it deals with, and its first worker's end."""

    service: Service
    folder: JobFolder
    moment: float | None = None
    """Seconds after the worker has claimed the job."""
    aim: tuple[str, str] | None = None
    """A phase, and a point in it."""
    delay: float = 0.0
    came: list[tuple[float, str]] = field(default_factory=list)
    """When which phase's requests arrived."""
    worker: subprocess.Popen[bytes] = field(init=False)
    claimed: float = 0.0
    ended: float = 0.0
    killed: float = 0.0

    def kill(self) -> None:
        if not self.killed and self.worker.poll() is None:
            self.killed = time.time()
            self.worker.kill()

    # What the fake's threads call.

    def request_came(self, exchange: Exchange) -> None:
        phase = self.service.phase(exchange)
        self.came.append((time.time(), phase))
        self._reached(phase, "arrives")
        time.sleep(_SLOWNESS_SECONDS)
        write, writes = exchange.write, 0

        def slow_write(data: bytes) -> None:
            nonlocal writes
            writes += 1
            if writes == 2:
                self._reached(phase, "half answered")
            time.sleep(_SLOWNESS_SECONDS)
            write(data)

        exchange.write = slow_write  # type: ignore[method-assign]

    def answer_left(self, exchange: Exchange) -> None:
        self._reached(self.service.phase(exchange), "answered")

    def _reached(self, phase: str, point: str) -> None:
        if self.aim == (phase, point):
            time.sleep(self.delay)
            self.kill()

    # What the job's thread calls.

    def go_on(self) -> None:
        """Let the worker live, or die at its moment."""
        while self.worker.poll() is None and not _is_claimed(self.folder):
            time.sleep(0.003)
        self.claimed = time.time()
        if self.moment is not None:
            try:
                self.worker.wait(self.moment)
            except subprocess.TimeoutExpired:
                self.kill()
        self.worker.wait(HANGS_SECONDS)
        self.ended = time.time()


def _is_claimed(folder: JobFolder) -> bool:
    lock = folder.path / "lock"
    return lock.exists() and b"pid" in lock.read_bytes()


@dataclass
class Bench:
    """Where jobs live and die, several at once."""

    provider: str
    home: Path
    picture: Path
    place: threading.local

    def live(self, how: dict[str, Any], then: Callable[[Life], str]) -> str:
        """Lead one life, and return what `then` says of it."""
        home = self.home / f"{threading.get_ident()}-{time.monotonic_ns()}"
        home.mkdir()
        with SERVICES[self.provider](User(ROOT, home)) as service:
            self.place.url = service.base_url
            draft = request.draft({View.FRONT: self.picture}, provider=self.provider)
            folder = draft.create(Library(home / "library"))
            life = Life(service, folder, **how)
            service.watch(life.request_came, life.answer_left)
            key = KEY if providers.info(self.provider).needs_key else None
            start = Start(key=key, base_url=service.base_url).model_dump_json().encode()
            with folder.log.open("ab") as log:
                life.worker = begin(["worker", str(folder.path)], log)
            feed(life.worker, start)
            life.go_on()
            said = then(life)
            assert service.complaints() == []
            return said

    def live_all(self, ways: list[dict[str, Any]], then: Callable[[Life], str]) -> list[str]:
        with ThreadPoolExecutor(AT_ONCE) as threads:
            return list(threads.map(lambda how: self.live(how, then), ways))


def begin(words: list[str], output: IO[Any]) -> subprocess.Popen[bytes]:
    return Command(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=output, stderr=output)


def feed(process: subprocess.Popen[bytes], line: bytes) -> None:
    assert process.stdin is not None
    with process.stdin as start:
        start.write(line + b"\n")


def spawn(words: list[str], line: bytes, output: IO[Any]) -> subprocess.Popen[bytes]:
    """Do what `programs.spawn_program` does."""
    process = begin(words, output)
    feed(process, line)
    return process


@pytest.fixture
def bench(provider: str, tmp_path: Path, cup: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    info = providers.info(provider)
    if info.needs_key:
        monkeypatch.setenv(info.key_variables[0], KEY)
    place = threading.local()
    # Every thread has a fake of its own; the environment is the same for all of them.
    monkeypatch.setattr(runner, "base_url_of", lambda info: place.url)
    monkeypatch.setattr(runner, "spawn_program", spawn)
    return Bench(provider, tmp_path, cup, place)


@pytest.mark.parametrize("provider", MOMENTS)
def test_wherever_the_worker_dies_the_job_ends_with_the_model_bought_once(
    bench: Bench, provider: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lives: list[float] = []
    phases: list[str] = []

    def measure(life: Life) -> str:
        _check_result(life, life.folder.load())
        lives.append(life.ended - life.claimed)
        phases[:] = life.service.phases
        return "lived"

    bench.live_all([{}] * 3, measure)
    dice = random.Random(f"{SEED} {provider}")
    aimed = [(phase, point) for phase in phases for point in _POINTS]
    ways: list[dict[str, Any]] = [{"aim": aim, "delay": dice.choice(_AIMED_DELAYS)} for aim in aimed]
    while len(ways) < MOMENTS[provider]:
        ways.append({"moment": dice.uniform(0.0, median(lives) * 1.1)})
    dice.shuffle(ways)
    ends = Counter(bench.live_all(ways, _finish))
    with capsys.disabled():
        print(f"\n  {provider}: seed {SEED}, life {median(lives):.2f} s, {dict(sorted(ends.items()))}", end=" ")
    assert sum(ends.values()) == MOMENTS[provider]


def _finish(life: Life) -> str:
    """Resume a job whose worker is dead, check what comes of it, and return how that went."""
    service, folder = life.service, life.folder
    left: dict[str, Any] = json.loads((folder.path / "job.json").read_bytes())
    context = f"{service.provider}, killed {_when(life)}, {left['state']}, came: {[phase for _, phase in life.came]}"
    was_buying = left["state"] == "submitting" and left["handle"] is None
    if service.is_paid:
        _check_the_journal(life, left, was_buying=was_buying, context=context)
    try:
        job = completion.finish(folder).job
    except OutcomeUnknown:
        job = folder.load()
        assert service.is_paid and was_buying and job.state == "unknown", context
        assert job.problem is not None and job.problem.charged == "maybe"
        assert service.purchases() <= 1 and service.posts <= 1, context
        return "unknown, in the purchase" if service.posts else "unknown, right before the purchase"
    _check_result(life, job, context)
    if not life.killed:
        return "too late"
    return f"killed while {left['state']}"


def _check_the_journal(life: Life, left: dict[str, Any], *, was_buying: bool, context: str) -> None:
    """Hold what the journal says at the moment of death against what the fake saw."""
    bought = [moment for moment, phase in life.came if phase == "buy"]
    assert len(bought) <= 1, context
    if left["state"] == "queued":
        assert not bought, context
    if any(phase in {"ask", "download"} for _, phase in life.came):
        assert not was_buying and left["handle"] is not None, f"used before it was written down: {context}"
    if was_buying and bought:
        written = (life.folder.path / "job.json").stat().st_mtime
        assert written <= bought[0] <= life.killed + 1, f"sent before it was written down: {context}"
    if life.aim and life.killed and life.aim[0] == "buy" and life.aim[1] != "answered":
        assert was_buying, f"nobody had the answer yet: {context}"


def _check_result(life: Life, job: Job, context: str = "") -> None:
    """The model is there, whole, and was bought once."""
    service = life.service
    assert job.state == "ready" and job.problem is None, (context, job.problem)
    content = life.folder.result_files(job)[0].read_bytes()
    assert content == MODELS[life.folder.result_files(job)[0].suffix[1:]], context
    assert not (life.folder.path / "links.json").exists() and not (life.folder.path / "result~").exists(), context
    most = 1 if service.is_paid else 2
    assert 1 <= service.purchases() <= most and 1 <= service.posts <= most, (context, service.posts)


def _when(life: Life) -> str:
    if not life.killed:
        return "never"
    return f"when {' '.join(life.aim)}" if life.aim else f"after {life.killed - life.claimed:.3f} s"
