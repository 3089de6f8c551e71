# SPDX-License-Identifier: GPL-3.0-or-later
"""Other people's Blenders: the zips in all of them, and a repository on the web that keeps them up to date."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import bpy
import pytest

from ..conftest import HANGS_SECONDS, KEY
from ..trees import Tree, committed
from .subscriber import ANSWER, PACKAGE

SUBSCRIBER = Path(__file__).parent / "subscriber.py"
NEXT = "99.0.0"
# As Python calls the platforms, each with the Pythons of the Blenders on it.
SYSTEMS = {
    "linux-x86_64": [(3, 11), (3, 12), (3, 13), (3, 14)],
    "macosx-11.2-arm64": [(3, 11), (3, 13)],
    "macosx-11.2-x86_64": [(3, 11)],
    "win-amd64": [(3, 11), (3, 13)],
    "win-arm64": [(3, 11), (3, 13)],
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """A copy of the project with all its zips in dist/."""
    tree = committed(tmp_path_factory.mktemp("project") / "tree")
    assert tree.publish() == ""
    return tree


@pytest.fixture(scope="module")
def zip_for_all(tree: Tree) -> Path:
    return min((tree.folder / "dist").glob("*.zip"), key=lambda path: len(path.name))


class Subscriber:
    """Somebody with a Blender that has never run before."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._process = subprocess.Popen(
            [sys.executable, SUBSCRIBER],
            env={**os.environ, "BLENDER_USER_RESOURCES": str(home)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def says(self, line: str) -> Any:
        """Let that Blender evaluate an expression, and return what comes of it."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        said = []
        for answer in self._process.stdout:
            if answer.startswith(ANSWER):
                return json.loads(answer.removeprefix(ANSWER))
            said += [] if answer.startswith("PROGRESS") else [answer]
        raise AssertionError(f"{line}: {''.join(said)}")

    def leaves(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        assert self._process.wait(HANGS_SECONDS) == 0


@pytest.fixture
def subscriber(tmp_path: Path) -> Iterator[Subscriber]:
    home = tmp_path / "Blender of a üser"
    home.mkdir()
    subscriber = Subscriber(home)
    yield subscriber
    subscriber.leaves()


class WebServer(ThreadingHTTPServer):
    """A web server for files; it writes down what was asked for."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
        self.asked: list[str] = []
        self.address = f"http://127.0.0.1:{self.server_port}/index.json"


class _Handler(SimpleHTTPRequestHandler):
    server: WebServer

    def log_message(self, *words: object) -> None:
        self.server.asked.append(self.path.partition("?")[0])


@pytest.fixture(scope="module")
def first_version(tree: Tree, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository of the first version."""
    folder = tmp_path_factory.mktemp("published") / "repository"
    assert tree.publish("--repository", folder) == ""
    return folder


@pytest.fixture
def repository(first_version: Path, tmp_path: Path) -> Iterator[WebServer]:
    """The same, on the web."""
    folder = Path(shutil.copytree(first_version, tmp_path / "repository"))
    with WebServer(folder) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A picture of a red block on a transparent background."""
    image = bpy.data.images.new("block", 64, 64, alpha=True)
    inside = [16 <= x < 48 and 8 <= y < 56 for y in range(64) for x in range(64)]
    image.pixels.foreach_set([value for each in inside for value in ((0.8, 0.1, 0.1, 1.0) if each else (0.0,) * 4)])
    image.filepath_raw = str(tmp_path / "block.png")
    image.file_format = "PNG"
    image.save()
    bpy.data.images.remove(image)
    return tmp_path / "block.png"


def tool(*words: str | Path) -> str:
    """Run this Blender's own tool for extensions, and return what it prints."""
    scripts = Path(bpy.utils.system_resource("SCRIPTS"))
    command = [sys.executable, scripts / "addons_core" / "bl_pkg" / "cli" / "blender_ext.py", *words]
    if words[0] == "validate":
        command.append(f"--valid-tags={scripts / 'modules' / '_bpy_internal' / 'extensions' / 'tags.py'}")
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def contents(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def files(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.everywhere
def test_this_blender_finds_all_zips_valid(tree: Tree) -> None:
    archives = sorted((tree.folder / "dist").glob("*.zip"))
    assert len(archives) == 6
    for archive in archives:
        tool("validate", archive)


@pytest.mark.everywhere
def test_this_blender_would_build_the_same_zip(zip_for_all: Path, tmp_path: Path) -> None:
    stage, built = tmp_path / "stage", tmp_path / "built.zip"
    with zipfile.ZipFile(zip_for_all) as opened:
        opened.extractall(stage)
    tool("build", f"--source-dir={stage}", f"--output-filepath={built}")
    assert contents(built) == contents(zip_for_all)


@pytest.mark.everywhere
@pytest.mark.parametrize("system", SYSTEMS)
def test_this_blender_picks_each_distribution_once_of_the_zip_for_all(
    zip_for_all: Path, system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bl_pkg import bl_extension_ops  # found only after bpy

    wheels = [name for name in contents(zip_for_all) if name.endswith(".whl")]
    monkeypatch.setattr(sysconfig, "get_platform", lambda: system)
    for python in SYSTEMS[system]:
        monkeypatch.setattr(sys, "version_info", (*python, 0, "final", 0))
        picked = bl_extension_ops._extensions_wheel_filter_for_this_system(wheels)
        assert sorted(Path(wheel).name.split("-")[0] for wheel in picked) == [
            *("annotated_types", "pydantic", "pydantic_core", "typing_extensions", "typing_inspection")
        ]


@pytest.mark.everywhere
def test_the_zip_for_all_generates_in_this_blender(zip_for_all: Path, subscriber: Subscriber, picture: Path) -> None:
    assert subscriber.says(f"extension('install-file', '--repo=user_default', '--enable', {str(zip_for_all)!r})") == 0
    assert subscriber.says("enabled()") == [f"bl_ext.user_default.{PACKAGE}"]
    assert subscriber.says(f"generate({str(picture)!r})") == [["block", "offline_shape"]]
    assert Path(subscriber.says("__import__('pydantic').__file__")).is_relative_to(subscriber.home)


@pytest.mark.everywhere
def test_a_repository_installs_and_updates(
    repository: WebServer, subscriber: Subscriber, picture: Path, tree: Tree, tmp_path: Path, own_library: Path
) -> None:
    add = f"extension('repo-add', '--name=Studio', '--url={repository.address}', 'studio')"
    assert subscriber.says(add) == 0
    assert subscriber.says("extension('sync')") == 0
    assert subscriber.says(f"extension('install', '--enable', {PACKAGE!r})") == 0
    assert subscriber.says("enabled()") == [f"bl_ext.studio.{PACKAGE}"]
    (downloaded,) = [name for name in repository.asked if name.endswith(".zip")]
    here = subscriber.says("__import__('bl_pkg.cli.blender_ext', fromlist=['_']).platform_from_this_system()")
    assert downloaded.endswith(f"-{here}.zip")

    assert subscriber.says(f"generate({str(picture)!r})") == [["block", "offline_shape"]]
    subscriber.says(f"setattr(preferences(), 'key_meshy', {KEY!r})")
    subscriber.says("setattr(preferences(), 'jobs_at_once', 3)")
    kept, chosen = files(own_library), files(tmp_path / "data")
    assert any(path.name == "job.json" for path in kept) and len(chosen) == 2

    following = committed(tmp_path / "next")
    following.becomes(NEXT)
    assert following.publish("--here", "--repository", tmp_path / "repository") == ""
    assert subscriber.says("extension('sync')") == 0
    assert subscriber.says("extension('update')") == 0
    assert subscriber.says("enabled()") == [f"bl_ext.studio.{PACKAGE}"]
    assert subscriber.says("ours().THIS_IS") == NEXT
    assert files(own_library) == kept and files(tmp_path / "data") == chosen
    assert subscriber.says("[bool(preferences().key_meshy), preferences().jobs_at_once]") == [True, 3]
    assert subscriber.says(f"generate({str(picture)!r})") == [
        ["block", "offline_shape"],
        ["block.001", "offline_shape"],
    ]
    assert len(list(own_library.glob("[!.]*/job.json"))) == 2


def listed(folder: Path) -> dict[str, str]:
    """The versions in the index by their platforms; the zips are there, and are what the index says."""
    versions = {}
    for package in json.loads((folder / "index.json").read_bytes())["data"]:
        archive = (folder / package["archive_url"]).read_bytes()
        assert package["archive_hash"] == f"sha256:{hashlib.sha256(archive).hexdigest()}"
        assert package["archive_size"] == len(archive)
        (platform,) = package["platforms"]
        assert platform not in versions
        versions[platform] = package["version"]
    return versions


def test_the_index_lists_the_last_zip_of_every_platform(first_version: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(first_version, tmp_path / "repository"))
    before, former = listed(folder), files(folder)
    assert set(before) == {"linux-x64", "macos-arm64", "macos-x64", "windows-arm64", "windows-x64"}
    following = committed(tmp_path / "next")
    following.becomes(NEXT)
    assert following.publish("--platform=macos-x64", "--repository", folder) == ""
    assert listed(folder) == {**before, "macos-x64": NEXT}
    # A Blender that has the former index still finds what that lists.
    assert {path: each for path, each in files(folder).items() if path in former and path.suffix == ".zip"} == {
        path: each for path, each in former.items() if path.suffix == ".zip"
    }
    page = (folder / "index.html").read_text()
    assert f"{PACKAGE}-{NEXT}-macos-x64.zip" in page and "$" not in page


def test_what_is_published_never_changes(tree: Tree, tmp_path: Path) -> None:
    folder = tmp_path / "repository"
    assert tree.publish("--here", "--repository", folder) == ""
    assert tree.publish("--here", "--repository", folder) == ""  # the same again
    published = files(folder)
    other = committed(tmp_path / "other")
    (other.folder / PACKAGE / "models.py").write_text("# changed\n")
    assert f"commit first what is to be published: {PACKAGE}/models.py" in other.publish(
        "--here", "--repository", folder
    )
    other.commit()
    assert "Raise the version" in other.publish("--here", "--repository", folder)
    assert {**files(folder), Path("index.html"): b""} == {**published, Path("index.html"): b""}
