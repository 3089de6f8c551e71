# SPDX-License-Identifier: GPL-3.0-or-later
"""The wheels that the extension brings: which for which Blender, pinned in scripts/wheels.lock, and how they come."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from environment import HOME, ROOT, give_up, last_line, requirements, virtual_environment

LOCK = ROOT / "scripts" / "wheels.lock"
LOCK_HEAD = """\
# The wheels that the extension brings, for all platforms. Made by `scripts/build --lock` from the dependency group
# "wheels" of pyproject.toml; in the format of pip's requirements files, and pip takes nothing that has another hash.
"""
WHEELS = HOME / "wheels"

_BLENDERS_OWN = ("3.11", "3.13")
"""Blender 4.2 to 5.0, and 5.1 and newer."""


@dataclass(frozen=True)
class Platform:
    """A platform of Blender: which wheels run on the oldest system that Blender 4.2 supports, and for which Pythons."""

    tag: str
    pythons: tuple[str, ...] = _BLENDERS_OWN


PLATFORMS = {
    # Distributions build Blender with the Python that they have.
    "linux-x64": Platform("manylinux_2_17_x86_64", ("3.11", "3.12", "3.13", "3.14")),
    "macos-arm64": Platform("macosx_11_0_arm64"),
    # Blender 4.5 was the last for Intel.
    "macos-x64": Platform("macosx_10_12_x86_64", ("3.11",)),
    "windows-arm64": Platform("win_arm64"),
    "windows-x64": Platform("win_amd64"),
}
"""By the names that they have in the manifest."""

# By sysconfig's names, without the version of the system.
_NAMES = {
    "linux-x86_64": "linux-x64",
    "macosx-arm64": "macos-arm64",
    "macosx-x86_64": "macos-x64",
    "win-amd64": "windows-x64",
    "win-arm64": "windows-arm64",
}


def this_platform() -> str:
    """Return the name of the platform that this runs on."""
    parts = sysconfig.get_platform().split("-")
    key = f"{parts[0]}-{parts[-1]}"
    if key not in _NAMES:
        give_up(f"there is no Blender, and there are no wheels, for {key}.")
    return _NAMES[key]


def wheels_for(platform: str) -> list[Path]:
    """Return the wheels for a platform, as the lock has them; they are downloaded once."""
    if not LOCK.is_file():
        give_up(f"{LOCK.name} is missing: scripts/build --lock makes it.")
    which = f"{PLATFORMS[platform]}\n{LOCK.read_text()}"
    folder = WHEELS / f"{platform}-{hashlib.sha256(which.encode()).hexdigest()[:12]}"
    if not folder.is_dir():
        WHEELS.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=WHEELS, prefix=".") as temporary:
            complete = Path(temporary) / "complete"
            _download(platform, complete, ["--require-hashes", "--no-deps", f"--requirement={LOCK}"])
            if not folder.is_dir():  # a second process may have been faster
                complete.rename(folder)
    wheels = sorted(folder.iterdir())
    known = locked_hashes()
    for wheel in wheels:
        if sha256(wheel) not in known:
            give_up(f"{wheel.relative_to(ROOT)} is not what {LOCK.name} says. Delete its folder.")
    return wheels


def renew_lock() -> None:
    """Choose the newest wheels that pyproject.toml allows, and write them down."""
    needs = requirements("wheels")
    with tempfile.TemporaryDirectory() as temporary:
        for platform in PLATFORMS:
            _download(platform, Path(temporary), needs)
        LOCK.write_text(lock_of(Path(temporary).iterdir()))


def lock_of(wheels: Iterable[Path]) -> str:
    """Return a requirements file for pip: every distribution once, with the SHA-256 of all its wheels."""
    hashes: dict[str, list[str]] = {}
    for wheel in wheels:
        name, version, *_ = wheel.name.split("-")
        hashes.setdefault(f"{name.replace('_', '-')}=={version}", []).append(f"    --hash=sha256:{sha256(wheel)}")
    entries = [" \\\n".join([requirement, *sorted(hashes[requirement])]) for requirement in sorted(hashes)]
    return "\n".join([LOCK_HEAD.rstrip(), *entries, ""])


def locked_hashes() -> set[str]:
    """Return the SHA-256 of every wheel in the lock."""
    return set(re.findall(r"--hash=sha256:([0-9a-f]{64})", LOCK.read_text()))


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _download(platform: str, folder: Path, what: list[str]) -> None:
    """Let pip choose and check the wheels for every Python that Blender has there."""
    pip = [str(_python_with_pip()), "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    print(f"fetching the wheels for {platform} …", file=sys.stderr, flush=True)
    for python in PLATFORMS[platform].pythons:
        command = [*pip, "--only-binary=:all:", "--implementation=cp", f"--python-version={python}"]
        command += [f"--platform={PLATFORMS[platform].tag}", f"--dest={folder}", *what]
        downloaded = subprocess.run(command, capture_output=True, text=True)
        if downloaded.returncode:
            give_up(f"pip has no wheels for {platform} and Python {python}: {last_line(downloaded.stderr)}")


def _python_with_pip() -> Path:
    """Return this Python, or, as Debian's and Ubuntu's has no pip, one in a virtual environment."""
    if importlib.util.find_spec("pip"):
        return Path(sys.executable)
    return virtual_environment("pip", "{}.{}".format(*sys.version_info), ["pip"])
