# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of who may import what. They keep the add-on quick to enable, and the core free of Blender."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from itertools import combinations, pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from blender_image_to_3d import providers

from .conftest import PACKAGE, ROOT

FILES = sorted((ROOT / PACKAGE).rglob("*.py"))
FOLDERS = sorted({path.parent for path in FILES})
# Lowest first: a room may import from those in the rows above its own.
LAYERS = (
    {"errors"},
    {"models"},
    {"host", "mesh", "offline_shape"},
    {"pictures"},
    {"http"},
    {"results"},
    {"providers"},
    {"jobs"},
    {"batch"},
    {"cli"},
    {"blender", "bootstrap", "__main__"},
)
MOST_ROOMS = 16
"""In one list: more are not seen at a glance."""
ENDINGS = {"", "s", "es", "e", "d", "ed", "t", "r", "er", "ers", "or", "ors", "al", "als", "y", "ly", "ing", "ings"}
ENDINGS |= {"ion", "ions", "ment", "ments"}


class Import(NamedTuple):
    """One module imports another, or something out of it; both by their parts below the package."""

    importer: tuple[str, ...]
    imported: tuple[str, ...]
    line: int

    def __str__(self) -> str:
        return f"{'.'.join(self.importer)} imports {'.'.join(self.imported)} (line {self.line})"


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Yield every imported module, with its relative level, wherever in the file it is imported."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((f"{node.module or ''}.{alias.name}".strip("."), node.level) for alias in node.names)


def module(path: Path) -> tuple[str, ...]:
    """The parts of a module's name below the package; a folder's own module is its `__init__`."""
    return path.relative_to(ROOT / PACKAGE).with_suffix("").parts


def part(path: Path) -> str:
    """The module or sub-package directly below the package."""
    return module(path)[0]


@cache
def known() -> frozenset[tuple[str, ...]]:
    return frozenset(map(module, FILES))


def found(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Return the module that a name stands for: itself, a folder's own, or the one that it is taken out of."""
    for candidate in (parts, (*parts, "__init__"), parts[:-1], (*parts[:-1], "__init__")):
        if candidate in known():
            return candidate
    raise AssertionError(f"nothing is called {'.'.join(parts)}")


@cache
def our_imports() -> list[Import]:
    """All imports of ours, those for type checkers and inside functions too."""
    ours = []
    for path in FILES:
        importer = module(path)
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.ImportFrom) and node.level:
                base = (*importer[: len(importer) - node.level], *(node.module.split(".") if node.module else ()))
                ours += [Import(importer, found((*base, alias.name)), node.lineno) for alias in node.names]
    return [each for each in ours if each.importer != each.imported]


def between_rooms(folder: tuple[str, ...]) -> dict[str, dict[str, Import]]:
    """Return which room of a folder imports which, each with one example. Its modules and sub-folders are the rooms."""
    depth = len(folder)
    rooms: dict[str, dict[str, Import]] = {}
    for each in our_imports():
        if each.importer[:depth] == folder == each.imported[:depth] and each.importer[depth] != each.imported[depth]:
            rooms.setdefault(each.importer[depth], {})[each.imported[depth]] = each
    return rooms


def ids(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT / PACKAGE)) for path in paths]


@pytest.mark.parametrize("folder", FOLDERS, ids=ids(FOLDERS))
def test_no_circle_of_imports(folder: Path) -> None:
    """Every arrow between two rooms points one way, in the package and in each of its folders."""
    rooms = between_rooms(folder.relative_to(ROOT / PACKAGE).parts)
    try:
        TopologicalSorter(rooms).prepare()
    except CycleError as error:
        circle = error.args[1][::-1]
        pytest.fail("; ".join(str(rooms[one][other]) for one, other in pairwise(circle)))


def test_the_rooms_stand_on_each_other() -> None:
    ranks = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
    for room, others in between_rooms(()).items():
        for other, example in others.items():
            assert room == "__init__" or ranks[other] < ranks[room], example


@pytest.mark.parametrize("name", ["", "blender"])
def test_there_are_few_rooms_in_a_list(name: str) -> None:
    rooms = {each.stem for each in (ROOT / PACKAGE / name).iterdir() if each.suffix == ".py" or each in FOLDERS}
    assert len(rooms - {"__init__", "__main__"}) <= MOST_ROOMS


@pytest.mark.parametrize("folder", FOLDERS, ids=ids(FOLDERS))
def test_a_folder_says_what_it_is_for_and_what_may_not_be_in_it(folder: Path) -> None:
    said = ast.get_docstring(ast.parse((folder / "__init__.py").read_bytes())) or ""
    first = said.partition("\n\n")[0]
    assert first.endswith(".") and (folder == ROOT / PACKAGE or re.search(r"\b(no|not|nothing|never|only)\b", first)), (
        said
    )


def test_no_two_modules_have_names_that_differ_by_an_ending() -> None:
    services = {path.stem for path in (ROOT / PACKAGE / "providers").glob("*.py")} & set(providers.ids())
    names = sorted({name for path in FILES for name in module(path) if name not in services})
    alike = [
        (one, other)
        for one, other in combinations(names, 2)
        if len(stem := os.path.commonprefix([one, other])) >= 3
        and {one.removeprefix(stem), other.removeprefix(stem)} <= ENDINGS
    ]
    assert not alike


def test_the_tests_have_the_same_rooms() -> None:
    rooms = {each.name for each in FOLDERS if each.parent == ROOT / PACKAGE}
    here = {each.parent.relative_to(ROOT / "tests").parts for each in (ROOT / "tests").rglob("test_*.py")}
    assert {parts[0] for parts in here if parts} - {"gui"} == rooms
    assert all((ROOT / PACKAGE).joinpath(*parts).is_dir() for parts in here if parts != ("gui",))


def foreign(path: Path) -> set[str]:
    """Return the packages of others that a file imports."""
    return {name.split(".")[0] for name, level in imports(path) if level == 0}


def test_bpy_is_a_place() -> None:
    """Only `blender/` knows Blender."""
    assert {part(path) for path in FILES if foreign(path) & {"bpy", "mathutils", "bmesh", "addon_utils"}} == {"blender"}


def test_only_http_talks_http() -> None:
    assert {part(path) for path in FILES if foreign(path) & {"requests", "urllib3", "http", "socketserver"}} == {"http"}


def test_only_the_console_prints() -> None:
    def prints(path: Path) -> bool:
        nodes = ast.walk(ast.parse(path.read_bytes()))
        return any(isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print" for node in nodes)

    assert {module(path) for path in FILES if prints(path)} == {("cli", "console")}


# Only workers import them: a pool that lives no longer than a call, and the beat of a claim, which goes on while the
# worker waits for a service.
WITH_THREADS = {ROOT / PACKAGE / "offline_shape" / "network.py", ROOT / PACKAGE / "jobs" / "heartbeat.py"}
THREADS = {"threading", "_thread", "concurrent.futures.ThreadPoolExecutor"}


def test_only_workers_have_threads() -> None:
    assert {path for path in FILES if THREADS & {name for name, _ in imports(path)}} == WITH_THREADS


def test_only_the_worker_has_a_pulse() -> None:
    importers = {
        name: {each.importer for each in our_imports() if each.imported == ("jobs", name)}
        for name in ("heartbeat", "worker")
    }
    assert importers["heartbeat"] == {("jobs", "worker")}
    assert {importer[0] for importer in importers["worker"]} == {"cli"}


def test_imports_of_our_own_are_relative() -> None:
    """Installed, the package has another name."""
    assert not [path for path in FILES if PACKAGE in foreign(path)]


@pytest.mark.parametrize("room", ["offline_shape", "mesh"])
def test_the_generator_and_the_mesh_formats_import_nothing_of_ours_and_no_pydantic(room: str) -> None:
    assert not between_rooms(()).get(room)
    for path in (ROOT / PACKAGE / room).rglob("*.py"):
        assert "pydantic" not in {name.split(".")[0] for name, _ in imports(path)}, path


@pytest.mark.everywhere
def test_the_command_line_does_not_wait_for_numpy_or_requests() -> None:
    code = (
        f"import sys; from {PACKAGE} import providers; from {PACKAGE}.batch import batch\n"
        f"from {PACKAGE}.cli import main\n"
        "[providers.get(each) for each in providers.ids()]; print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "pydantic" in loaded.split() and not {"requests", "numpy", "PIL"} & set(loaded.split())


@pytest.mark.everywhere
def test_importing_the_package_imports_nothing_that_is_slow() -> None:
    code = f"import sys; import {PACKAGE}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not {"pydantic", "requests", "numpy", "argparse", "bpy"} & set(loaded.split())


@pytest.mark.everywhere
def test_only_a_worker_that_talks_to_a_service_imports_requests() -> None:
    code = f"import sys; from {PACKAGE}.jobs import completion; from {PACKAGE}.cli import main\n"
    code += f"from {PACKAGE} import providers; providers.get('hunyuan3d'); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not {"requests", "urllib3"} & set(loaded.split())


def test_what_is_used_of_pydantic_is_imported_at_once() -> None:
    """Where other add-ons may replace its files, nothing of it may be left to be imported later."""
    names = {path: {name for name, _ in imports(path) if name.startswith("pydantic.")} for path in FILES}
    at_once = names.pop(ROOT / PACKAGE / "host" / "dependencies.py")
    assert set().union(*names.values()) <= at_once
