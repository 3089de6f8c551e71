# SPDX-License-Identifier: GPL-3.0-or-later
"""A farm of two machines with one shared folder runs the tasks that our job type for Flamenco makes."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from blender_image_to_3d.batch.batch import LIBRARY_NAME

from ..conftest import KEY, draw_disc
from ..fakes.servers.loopback import Exchange
from ..flamenco import Manager, Task
from ..services import SERVICES, Service
from .machine import LONGEST_SECONDS, Machine

_LEASE_SECONDS = "5"


@dataclass
class Farm:
    """The machines alpha and beta, each with a home of its own, and the folder that both see."""

    storage: Path
    alpha: Machine
    beta: Machine
    manager: Manager
    environment: dict[str, str] = field(default_factory=lambda: {"IMAGE_TO_3D_LEASE_SECONDS": _LEASE_SECONDS})
    """Of the workers: the only place where a key is."""

    @property
    def pictures(self) -> Path:
        return self.storage / "cups"

    @property
    def output(self) -> Path:
        return self.storage / "cups_models"

    @property
    def models(self) -> list[Path]:
        return sorted(self.output.glob("*.glb"))

    def tasks(self, count: int, chunk_size: int, **settings: Any) -> list[Task]:
        """Have so many pictures, and return the tasks of their job."""
        self.pictures.mkdir()
        for number in range(count):
            draw_disc(self.pictures / f"cup {number:02}.png", (5 * number, 90, 120))
        folders = {"pictures": str(self.pictures), "output": str(self.output)}
        return self.manager.compile(**folders, picture_count=count, chunk_size=chunk_size, **settings)

    def run(self, task: Task) -> str:
        """Have beta run a task, and return its log."""
        log = self.beta.run(*task.words, **self.environment)
        progress = [line for line in log.splitlines() if line.startswith("Time: ")]
        assert len(progress) == task.command["TotalStepCount"], log
        return log

    def lose(self, task: Task, *, after: Callable[[], bool]) -> None:
        """Have alpha begin a task, and lose its power after something has happened, unless the task ends first.

        Only a service can keep a task from that. Without one its end is as good a moment as any before it.
        """
        with self.alpha.start(*task.words, environment=self.environment) as process:
            self.alpha.wait_until(lambda: after() or process.poll() is not None)
            self.alpha.crash()


@pytest.fixture
def farm(installed_home: Path) -> Iterator[Farm]:
    storage = Path(tempfile.mkdtemp(prefix="farm-", dir="/tmp"))
    names = ("alpha", "beta")
    for name in names:
        shutil.copytree(installed_home, storage / name, symlinks=True)
    with ExitStack() as stack:
        alpha, beta = (stack.enter_context(Machine(Path(os.environ["BLENDER_ROOT"]), storage, name)) for name in names)
        yield Farm(storage, alpha, beta, Manager(storage / "manager"))
    shutil.rmtree(storage)


@pytest.fixture
def lab(farm: Farm) -> Iterator[Service]:
    """A paid service that the workers know."""
    with SERVICES["modelslab"](farm) as lab:  # type: ignore[arg-type]  # it wants no more than somewhere to say where
        yield lab


def lines(report: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in report.read_text().splitlines()]


def check(farm: Farm, chunks: list[Task], *, bad: str = "") -> None:
    """Every picture has its model, but for a bad one, and every task says so."""
    pictures = sorted(farm.pictures.iterdir())
    assert [path.stem for path in farm.models] == [path.stem for path in pictures if path.name != bad]
    assert all(path.read_bytes()[:4] == b"glTF" for path in farm.models)
    reports = [farm.output / "reports" / f"chunk-{number}.jsonl" for number, _ in enumerate(chunks, 1)]
    assert sorted(line["picture"] for report in reports for line in lines(report)) == list(map(str, pictures))
    states = {Path(line["picture"]).name: line["state"] for line in lines(farm.output / "report.jsonl")}
    assert states == {path.name: "failed" if path.name == bad else "skipped" for path in pictures}
    # A job that was just being made when its machine died is cleared away later.
    assert not [path for path in farm.output.rglob("*~") if LIBRARY_NAME not in path.parts]
    with Image.open(farm.output / "contact_sheet.png") as sheet:
        sheet.load()
        assert min(sheet.size) > 100


def test_a_machine_that_dies_costs_nothing(farm: Farm, lab: Service) -> None:
    *chunks, last = farm.tasks(50, 13, provider=lab.provider, jobs=4)
    kept_waiting: set[str] = set()
    power_is_gone = threading.Event()

    def look(exchange: Exchange) -> None:
        if lab.phase(exchange) == "ask" and lab.purchases() >= 5:
            kept_waiting.add(exchange.path)
            power_is_gone.wait(LONGEST_SECONDS)

    lab.watch(look)
    # Whoever asks for a model has written down that it is bought; when all four do, nobody is buying one.
    farm.lose(chunks[0], after=lambda: len(kept_waiting) == 4)
    power_is_gone.set()
    assert len(kept_waiting) == 4, "the task has ended before"
    assert lab.purchases() < 13
    for task in [*chunks[1:], chunks[0], last]:
        farm.run(task)
    check(farm, chunks)
    assert len(list((farm.output / "assets").rglob("*.blend"))) == 50
    assert lab.purchases() == lab.posts == 50 and not lab.complaints()
    assert not farm.beta.files_with(KEY)


def test_a_bad_picture_keeps_nobody_from_the_others(farm: Farm) -> None:
    *chunks, last = farm.tasks(8, 4, asset_library="one")
    (farm.pictures / "cup 05.png").write_bytes(b"no picture")
    farm.lose(chunks[0], after=lambda: bool(farm.models))
    made = {path: path.stat().st_mtime_ns for path in farm.models}
    for task in [*chunks[1:], chunks[0]]:
        farm.run(task)
    # Flamenco shows a picture that it is told of so.
    assert f"Saved: '{farm.output / 'contact_sheet.png'}'" in farm.run(last).splitlines()
    check(farm, chunks, bad="cup 05.png")
    assert {path: path.stat().st_mtime_ns for path in made} == made
    assert len(list((farm.output / "assets").rglob("*.blend"))) == 1

    draw_disc(farm.pictures / "cup 05.png", (200, 90, 120))
    farm.run(last)
    states = {Path(line["picture"]).name: line["state"] for line in lines(farm.output / "report.jsonl")}
    assert [name for name, state in states.items() if state == "done"] == ["cup 05.png"]
    assert len(states) == len(farm.models) == 8
