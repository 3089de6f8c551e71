# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the worked example in CONTRIBUTING.md works: taken from the page, put where it says, and used."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from .conftest import KEY, PACKAGE, ROOT, User
from .services import MODELS

GUIDE = ROOT / "CONTRIBUTING.md"
PROVIDER = f"{PACKAGE}/providers/example_3d.py"
FAKE = "tests/fakes/servers/example_3d.py"
ENTRY = "tests/services.py"
MOST_LINES = 100
"""Whoever wants to add a provider shall not need courage."""
EXAMPLE = ("--provider", "example_3d")


def files() -> dict[str, str]:
    """The files of the example, by their paths, each from all its blocks, with the blank lines that belong between."""
    found: dict[str, str] = {}
    for path, code in re.findall(r"^```python (\S+)\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.M | re.S):
        found[path] = _joined(found.get(path, ""), code)
    return found


def _joined(before: str, code: str) -> str:
    return f"{before}{chr(10) * (1 if code.startswith(' ') else 2)}{code}" if before else code


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A contributor's clone, in which the example was followed."""
    folder = tmp_path_factory.mktemp("checkout")
    without = shutil.ignore_patterns("__pycache__", "blender", "gui")
    shutil.copytree(ROOT / PACKAGE, folder / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "tests", folder / "tests", ignore=without)
    shutil.copy(ROOT / "pyproject.toml", folder)
    for path, code in files().items():
        before = (folder / path).read_text(encoding="utf-8") if path == ENTRY else ""
        (folder / path).write_text(_joined(before, code), encoding="utf-8")
    return folder


@pytest.fixture
def contributor(checkout: Path, user: User) -> User:
    user.staged = checkout
    return user


@pytest.fixture
def service(checkout: Path, contributor: User) -> Iterator[Any]:
    """The fake of the page, running, and the key and the address in the contributor's shell."""
    with _module(checkout / FAKE).Example3DServer(KEY, MODELS["glb"]) as server:
        contributor.environment |= {"EXAMPLE_3D_API_KEY": KEY, "IMAGE_TO_3D_EXAMPLE_3D_URL": f"{server.url}/v1"}
        yield server
        assert server.complaints == []


def _module(path: Path) -> ModuleType:
    """A module that lies elsewhere, as if it were beside the other fakes."""
    spec = importlib.util.spec_from_file_location(f"{__package__}.fakes.servers.{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_is_one_short_file_for_the_provider_and_what_tests_it() -> None:
    assert list(files()) == [PROVIDER, FAKE, ENTRY]
    assert not [path for path in (PROVIDER, FAKE) if (ROOT / path).exists()]
    code = [line for line in files()[PROVIDER].splitlines() if line.strip()]
    assert len(code) <= MOST_LINES


@pytest.mark.parametrize("path", [PROVIDER, FAKE, ENTRY])
def test_what_is_copied_reads_as_the_rest_does(checkout: Path, path: str) -> None:
    """Line length and indentation; ruff is no dependency of the tests."""
    lines = (checkout / path).read_text(encoding="utf-8").splitlines()
    assert not [line for line in lines if len(line) > 120 or line != line.rstrip()]
    if path != ENTRY:
        assert lines[0] == "# SPDX-License-Identifier: GPL-3.0-or-later"


def test_a_picture_becomes_a_model_and_is_bought_once(
    contributor: User, service: Any, cup: Path, tmp_path: Path
) -> None:
    words = ("generate", cup, *EXAMPLE, "--option", "detail=5", "--option", "texture=false")
    answer = contributor.run(*words, "--output", tmp_path / "cup.glb")
    assert answer.status == 0, answer.errors
    assert (tmp_path / "cup.glb").read_bytes() == MODELS["glb"]
    (sent,) = service.generated
    assert (sent["detail"], sent["texture"]) == (5, False)
    again = contributor.run(*words, "--output", tmp_path / "again.glb")
    assert again.status == 0 and "was made before" in again.errors
    assert (tmp_path / "again.glb").read_bytes() == MODELS["glb"]
    assert service.count("POST") == 1


def test_a_key_that_is_refused(contributor: User, service: Any, cup: Path) -> None:
    contributor.environment["EXAMPLE_3D_API_KEY"] = "sk-somebody-elses"
    answer = contributor.run("generate", cup, *EXAMPLE)
    assert answer.status == 3 and "Example 3D does not accept the key (401)" in answer.errors
    assert service.billable == 0
    checked = contributor.run("providers", "example_3d", "--check")
    assert checked.status == 3


def test_it_is_listed_explained_and_checked(contributor: User, service: Any) -> None:
    answer = contributor.run("providers", "example_3d", "--json")
    assert answer.status == 0, answer.errors
    (facts,) = answer.lines
    assert [each["name"] for each in facts["options"]] == ["detail", "texture"]
    said = contributor.run("providers", "example_3d").output
    assert "Example 3D" in said and "1 to 5 (default 3)" in said and "https://3d.example/keys" in said
    checked = contributor.run("providers", "example_3d", "--check")
    assert checked.status == 0 and "1,200 credits" in checked.output
    assert service.count("POST") == 0


# What is asked a hundred times in other words is left out: the answers that nobody documented, and keys said back.
_CONTRACT = ("tests/providers/test_contract.py", "-k", "example_3d and not nobody_documented and not says_back")
_FAULTS = (
    "tests/providers/test_faults.py::test_every_fault_meets_every_service_and_every_phase",
    "tests/providers/test_faults.py::test_a_fault[reset_after_the_request-purchase-example_3d]",
    "tests/providers/test_faults.py::test_a_fault[a_link_that_expired,_then_a_fresh_one-download-example_3d]",
)


@pytest.mark.parametrize(("words", "least"), [(_CONTRACT, 25), (_FAULTS, 3)], ids=["contract", "faults"])
def test_what_every_provider_is_asked_this_one_passes(
    checkout: Path, tmp_path: Path, words: tuple[str, ...], least: int
) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *words]
    command += [f"--basetemp={tmp_path / 'inner'}"]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-6000:]
    (passed,) = re.findall(r"(\d+) passed", done.stdout)
    assert int(passed) >= least


# What the page says besides.


def test_the_guide_names_only_what_is_there() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    named = {*re.findall(r"\b(scripts/\w+)", text), *re.findall(rf"`((?:tests|{PACKAGE})/[\w./]*)`", text)}
    assert {"scripts/check", "scripts/test", "tests/services.py"} <= named
    assert not [path for path in named - files().keys() if not (ROOT / path).exists()]
    providers = set(re.findall(r"`(\w+\.py)`\)", text))
    assert not [name for name in providers if not (ROOT / PACKAGE / "providers" / name).is_file()]


def test_the_guide_names_the_suites_that_there_are() -> None:
    command = [sys.executable, ROOT / "scripts" / "test", "--only", "none"]
    said = subprocess.run(command, capture_output=True, text=True).stderr.partition("choose from")[2]
    suites = set(re.findall(r"[\w.-]*\d", said))
    rows = re.findall(r"^\| (`.*?) \| `tests/", GUIDE.read_text(encoding="utf-8"), re.M)
    assert suites and suites == {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
