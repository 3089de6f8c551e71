# SPDX-License-Identifier: GPL-3.0-or-later
"""The zips of the extension: what is in them, that every Blender finds its wheels there, and that they never vary.

What Blender's own tool says of them, tests/blender/test_repository.py knows.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from packaging import tags
from packaging.utils import parse_wheel_filename

from .conftest import PACKAGE, ROOT
from .trees import Tree, committed

DISTRIBUTIONS = {"annotated-types", "pydantic", "pydantic-core", "typing-extensions", "typing-inspection"}
# The oldest systems that Blender 4.2 runs on, as pip calls them: Linux with glibc 2.28, macOS 11.2, Windows 8.1.
SYSTEMS = {
    "linux-x64": [*(f"manylinux_2_{minor}_x86_64" for minor in range(28, 4, -1)), "linux_x86_64"],
    "macos-arm64": list(tags.mac_platforms((11, 2), "arm64")),
    "macos-x64": list(tags.mac_platforms((11, 2), "x86_64")),
    "windows-arm64": ["win_arm64"],
    "windows-x64": ["win_amd64"],
}
# Blender 4.2 to 5.0, and 5.1 and newer. Intel Macs have none after 4.5; the distributions have Pythons of theirs.
OFFICIAL = {(3, 11), (3, 13)}
PYTHONS = {platform: OFFICIAL for platform in SYSTEMS}
PYTHONS |= {"linux-x64": OFFICIAL | {(3, 12), (3, 14)}, "macos-x64": {(3, 11)}}
BLENDERS = [(platform, python) for platform, pythons in PYTHONS.items() for python in sorted(pythons)]


@pytest.fixture(scope="session")
def scripts() -> Iterator[dict[str, ModuleType]]:
    """The modules that scripts/build consists of."""
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        yield {name: importlib.import_module(f"extension_{name}") for name in ("wheels", "zip", "repository")}
    finally:
        sys.path.remove(str(ROOT / "scripts"))


@pytest.fixture(scope="session")
def wheels(scripts: dict[str, ModuleType], tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """The wheels of every platform; a test session in several processes downloads them once."""
    with (tmp_path_factory.getbasetemp().parent / "downloading").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return {platform: scripts["wheels"].wheels_for(platform) for platform in SYSTEMS}


@pytest.fixture(scope="session")
def archives(
    scripts: dict[str, ModuleType], wheels: dict[str, list[Path]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, zipfile.ZipFile]:
    """The zips by their platforms, and the one for all."""
    folder = tmp_path_factory.mktemp("dist")
    every = {wheel.name: wheel for each in wheels.values() for wheel in each}
    found = {}
    for platform, brought in {**wheels, "all": [every[name] for name in sorted(every)]}.items():
        scripts["zip"].write_archive(folder / f"{platform}.zip", None if platform == "all" else platform, brought)
        found[platform] = zipfile.ZipFile(folder / f"{platform}.zip")
    return found


def wheel_names(archive: zipfile.ZipFile) -> list[str]:
    return [name.removeprefix("wheels/") for name in archive.namelist() if name.startswith("wheels/")]


def manifest(archive: zipfile.ZipFile) -> dict[str, Any]:
    return tomllib.loads(archive.read("blender_manifest.toml").decode())


def loadable(names: list[str], platform: str, python: tuple[int, int]) -> list[str]:
    """The distributions that a Blender of this platform and Python would load, once for every wheel that fits."""
    systems = SYSTEMS[platform]
    abi = f"cp{python[0]}{python[1]}"
    fitting = {*tags.cpython_tags(python, [abi], systems), *tags.compatible_tags(python, abi, systems)}
    parsed = [parse_wheel_filename(name) for name in names]
    return sorted(str(name) for name, _, _, each in parsed if each & fitting)


@pytest.mark.parametrize(("platform", "python"), BLENDERS)
def test_every_blender_finds_every_distribution_once(
    archives: dict[str, zipfile.ZipFile], platform: str, python: tuple[int, int]
) -> None:
    for which in (platform, "all"):
        assert loadable(wheel_names(archives[which]), platform, python) == sorted(DISTRIBUTIONS)


@pytest.mark.parametrize("platform", SYSTEMS)
def test_no_wheel_is_there_for_nobody(archives: dict[str, zipfile.ZipFile], platform: str) -> None:
    names = wheel_names(archives[platform])
    assert {name for name in names for python in PYTHONS[platform] if loadable([name], platform, python)} == set(names)
    assert set(names) <= set(wheel_names(archives["all"]))


def test_the_wheels_are_those_of_the_lock(
    scripts: dict[str, ModuleType], archives: dict[str, zipfile.ZipFile], wheels: dict[str, list[Path]]
) -> None:
    bundled = {
        hashlib.sha256(archive.read(f"wheels/{name}")).hexdigest()
        for archive in archives.values()
        for name in wheel_names(archive)
    }
    assert bundled == scripts["wheels"].locked_hashes()
    every = {wheel.name: wheel for each in wheels.values() for wheel in each}
    assert scripts["wheels"].lock_of(every.values()) == (ROOT / "scripts" / "wheels.lock").read_text()
    brought = {"{}=={}".format(*parse_wheel_filename(name)[:2]) for name in every}
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["wheels"]
    assert set(asked) <= brought


def test_a_wheel_that_is_not_in_the_lock_is_refused(
    scripts: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wheels: dict[str, list[Path]]
) -> None:
    folder = tmp_path / ".venv" / "wheels"
    shutil.copytree(wheels["macos-x64"][0].parent, folder / wheels["macos-x64"][0].parent.name)
    monkeypatch.setattr(scripts["wheels"], "ROOT", tmp_path)
    monkeypatch.setattr(scripts["wheels"], "WHEELS", folder)
    assert len(scripts["wheels"].wheels_for("macos-x64")) == len(wheels["macos-x64"])
    next(folder.glob("*/pydantic-*.whl")).write_bytes(b"other")
    with pytest.raises(SystemExit):
        scripts["wheels"].wheels_for("macos-x64")


def test_every_wheel_carries_its_licence(wheels: dict[str, list[Path]]) -> None:
    for wheel in {path.name: path for each in wheels.values() for path in each}.values():
        with zipfile.ZipFile(wheel) as content:
            assert any(re.search(r"\.dist-info/.*LICEN[CS]E", name) for name in content.namelist()), wheel.name


@pytest.mark.parametrize("which", [*SYSTEMS, "all"])
def test_nothing_else_is_in_the_zip(archives: dict[str, zipfile.ZipFile], which: str) -> None:
    archive = archives[which]
    names = {name for name in archive.namelist() if not name.startswith("wheels/")}
    package = [path.relative_to(ROOT / PACKAGE) for path in (ROOT / PACKAGE).rglob("*") if path.is_file()]
    assert names == {path.as_posix() for path in package if "__pycache__" not in path.parts} | {
        "blender_manifest.toml",
        "LICENSE",
    }
    # The translations are among them: Blender's session reads the .po files themselves.
    assert {Path(name).suffix for name in names} == {".py", ".toml", "", ".npz", ".md", ".po"}
    assert len(archive.namelist()) == len(set(archive.namelist())) and archive.testzip() is None
    assert [f"./wheels/{name}" for name in wheel_names(archive)] == manifest(archive)["wheels"]


@pytest.mark.parametrize("which", [*SYSTEMS, "all"])
def test_the_manifest_says_what_blender_and_its_users_need(archives: dict[str, zipfile.ZipFile], which: str) -> None:
    read = manifest(archives[which])
    assert read.pop("platforms", None) == (None if which == "all" else [which])
    # An unknown key would pass unnoticed.
    assert set(read) == {
        *("schema_version", "id", "version", "name", "tagline", "maintainer", "type", "tags", "license", "copyright"),
        *("blender_version_min", "permissions", "wheels"),
    }
    assert read["id"] == PACKAGE and read["blender_version_min"] == "4.2.0"
    assert set(read["permissions"]) == {"network", "files", "clipboard"}
    for reason in [read["tagline"], *read["permissions"].values()]:
        assert len(reason) <= 64 and reason[-1].isalnum()
    # Of the add-on itself and of the network's weights in it; wheels carry theirs.
    assert read["license"] == ["SPDX:GPL-3.0-or-later", "SPDX:Apache-2.0"]
    assert "GNU GENERAL PUBLIC LICENSE" in archives[which].read("LICENSE").decode()
    assert "Apache License" in archives[which].read("offline_shape/u2netp/LICENSE").decode()


@pytest.fixture
def tree(tmp_path: Path, wheels: dict[str, list[Path]]) -> Tree:
    return committed(tmp_path / "one")


@pytest.mark.everywhere
def test_the_same_commit_makes_the_same_bytes(tree: Tree, tmp_path: Path) -> None:
    built = tree.build(TZ="UTC")
    assert tree.changes() == ([], [])
    other = committed(tmp_path / "an öther folder", umask=0o077)
    assert other.build(TZ="Pacific/Auckland", LC_ALL="C", PYTHONHASHSEED="1") == built
    assert tree.build(SOURCE_DATE_EPOCH="1800000000") != built
    assert tree.build() == built


@pytest.mark.everywhere
def test_a_source_archive_makes_the_same_bytes(tree: Tree, tmp_path: Path) -> None:
    unpacked = tmp_path / "two"
    unpacked.mkdir()
    tree.git("archive", "--output=source.tar", "HEAD")
    subprocess.run(["tar", "-xf", tree.folder / "source.tar"], cwd=unpacked, check=True)
    (unpacked / ".venv").symlink_to(ROOT / ".venv")
    cache = unpacked / PACKAGE / "__pycache__"
    cache.mkdir()
    (cache / "models.cpython-311.pyc").write_bytes(b"cache")
    assert Tree(unpacked).build() == tree.build()
    assert Tree(unpacked).changes() == ([], [])


@pytest.mark.everywhere
def test_only_what_git_tracks_goes_in(tree: Tree) -> None:
    tree.build()
    names = tree.names()
    package = tree.folder / PACKAGE
    (package / "keys.json").write_text("{}")
    (package / "a note.txt").write_bytes(b"")
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "models.cpython-311.pyc").write_bytes(b"")
    (package / "models.py").write_text("# changed\n")
    (package / "errors.py").unlink()
    tree.build()
    assert tree.names() == names - {"errors.py"}
    left_out, changed = tree.changes()
    assert sorted(left_out) == [f"{PACKAGE}/a note.txt", f"{PACKAGE}/keys.json"]
    assert sorted(changed) == [f"{PACKAGE}/errors.py", f"{PACKAGE}/models.py"]
