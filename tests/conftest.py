# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests share: pictures, a user of one's own, and the package with a provider that costs money."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from .forked import Command

try:
    import hypothesis
except ModuleNotFoundError:  # in Blender
    pass
else:
    hypothesis.settings.register_profile("busy", deadline=None)
    hypothesis.settings.load_profile("busy")

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "blender_image_to_3d"
KEY = "sk-very-secret-0123456789"
HANGS_SECONDS = 600.0
"""What takes longer hangs; no test may depend on how busy the machine is."""
LITTLE_SECONDS = 4.0
"""The patience with a service that is waited out. A third of it is what each answer may take on a busy machine."""
# What Python reads when it starts.
_OF_PYTHON = ("PYTHONPATH", "PYTHONIOENCODING")
# Where Linux and Windows keep what is a user's own; macOS has it in the home.
_DATA_FOLDERS = ("XDG_DATA_HOME", "LOCALAPPDATA")

LONGEST = ("test_contributing.py", "test_killed.py", "test_leases.py", "test_network.py", "test_hull.py")
"""They come first, so that nothing long is left when the other processes have nothing more to do."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture(autouse=True)
def own_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test sees the library, the settings or the keys of whoever runs it."""
    library = tmp_path / "library"
    for name in _DATA_FOLDERS:
        monkeypatch.setenv(name, str(tmp_path / "data"))
    if sys.platform == "darwin":
        monkeypatch.setenv("HOME", str(tmp_path))
    for name in list(os.environ):
        if name.startswith("IMAGE_TO_3D_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("IMAGE_TO_3D_LIBRARY", str(library))
    return library


@pytest.fixture(scope="session")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package in it, and one more provider: adding one is adding a file."""
    folder = tmp_path_factory.mktemp("staged")
    shutil.copytree(ROOT / PACKAGE, folder / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
    for fake in (ROOT / "tests" / "fakes").glob("*.py"):
        shutil.copy(fake, folder / PACKAGE / "providers")
    return folder


@dataclass
class Answer:
    """What a command left."""

    status: int
    output: str
    errors: str

    @property
    def lines(self) -> list[Any]:
        """Standard output as JSON lines; fails if anything else is in it."""
        return [json.loads(line) for line in self.output.splitlines()]


@dataclass
class User:
    """Somebody with a home, a library, a key, and a shell."""

    staged: Path
    home: Path
    environment: dict[str, str] = field(default_factory=dict)
    starts_anew: bool = False
    """Every command and every worker is a Python that starts from nothing (see forked.py)."""

    def __post_init__(self) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("IMAGE_TO_3D_")}
        self.environment = {
            **kept,
            "HOME": str(self.home),
            **{name: str(self.data) for name in _DATA_FOLDERS},
            "IMAGE_TO_3D_LIBRARY": str(self.library),
            "TILL": str(self.till),
            "PAID_SERVICE_KEY": KEY,
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    @property
    def library(self) -> Path:
        return self.home / "library"

    @property
    def data(self) -> Path:
        """Where the settings and the keys are."""
        return self.home / "Library" / "Application Support" if sys.platform == "darwin" else self.home / "data"

    @property
    def till(self) -> Path:
        return self.home / "till"

    @property
    def sold(self) -> list[Path]:
        """The billable requests."""
        return sorted((self.till / "sold").glob("*"))

    def command(self, *words: str | Path) -> list[str]:
        return [sys.executable, "-m", PACKAGE, *map(str, words)]

    def run(self, *words: str | Path, says: str = "") -> Answer:
        """says: on the standard input."""
        with self.start(*words, stdin=subprocess.PIPE) as command:
            output, errors = command.communicate(says, timeout=HANGS_SECONDS)
            return Answer(command.returncode, output, errors)

    def start(self, *words: str | Path, stdin: int | None = None) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        how: dict[str, Any] = {"cwd": self.staged, "env": self.environment, "text": True}
        how |= {"stdin": stdin, "stdout": pipe, "stderr": pipe}
        if self.starts_anew or any(self.environment.get(each) != os.environ.get(each) for each in _OF_PYTHON):
            return subprocess.Popen(self.command(*words), **how)
        return Command([*map(str, words)], **how)

    def have_patience(self, seconds: float = 60.0) -> None:
        """Wait so long for a service that says nothing new."""
        self.environment["IMAGE_TO_3D_PATIENCE_SECONDS"] = str(seconds)

    def hold(self, what: Literal["answer", "result"]) -> None:
        """Let the paid service keep its answer to the purchase, or its result, until it is told otherwise."""
        self.till.mkdir(exist_ok=True)
        (self.till / f"hold {what}").touch()

    def let_go(self) -> None:
        for held in self.till.glob("hold *"):
            held.unlink()

    def jobs(self) -> list[dict[str, Any]]:
        """The job.json files of the library, the oldest first."""
        jobs = [json.loads(path.read_bytes()) for path in self.library.glob("[!.]*/job.json")]
        return sorted(jobs, key=lambda job: str(job["created"]))


@pytest.fixture
def user(staged: Path, tmp_path: Path) -> User:
    home = tmp_path / "home of a üser"
    home.mkdir()
    return User(staged, home)


@pytest.fixture
def cup(tmp_path: Path) -> Path:
    """A small picture with a transparent background."""
    return draw_disc(tmp_path / "cup.png", (200, 40, 40))


def draw_disc(path: Path, colour: tuple[int, int, int], size: int = 96) -> Path:
    """Write a coloured disc on a transparent background, in the format of the name."""
    from PIL import Image, ImageDraw

    image = Image.new("RGBA", (size, size))
    ImageDraw.Draw(image).ellipse((size // 8, size // 8, size * 7 // 8, size * 7 // 8), fill=(*colour, 255))
    image.save(path)
    return path


@pytest.fixture
def read_only_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in which not even root can write."""
    folder = tmp_path / "read-only"
    folder.mkdir()
    yield from _mounted(folder, "ro,size=64k")


@pytest.fixture
def full_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk that has room for a few kilobytes."""
    folder = tmp_path / "full"
    folder.mkdir()
    yield from _mounted(folder, "size=16k")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk that has room for pictures and journals, but for no model."""
    folder = tmp_path / "small"
    folder.mkdir()
    yield from _mounted(folder, "size=1m")


def _mounted(folder: Path, options: str) -> Iterator[Path]:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"needs the right to mount a file system: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
