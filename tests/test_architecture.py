# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of who may import what. They keep the add-on quick to enable, and the core free of Blender."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import PACKAGE, ROOT

FILES = sorted((ROOT / PACKAGE).rglob("*.py"))
# Lowest first: a module may import from its own row and from those above it.
LAYERS = (
    {"errors", "system", "settings", "dependencies"},
    {"report"},
    {"offline_shape", "mesh", "pictures", "http"},
    {"models"},
    {"provider", "archives"},
    {"keys"},
    {"results"},
    {"claims"},
    {"providers", "library", "heartbeat"},
    {"recovery", "request", "output", "describe", "catalogs"},
    {"worker", "orders"},
    {"runner"},
    {"batch", "accounts"},
    {"assembly"},
    {"cli"},
    {"blender", "__main__"},
)
# Programs of their own, which no module imports.
PROGRAMS = {"bootstrap", "__init__"}


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Yield every imported module, with its relative level, wherever in the file it is imported."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((f"{node.module or ''}.{alias.name}".strip("."), node.level) for alias in node.names)


def part(path: Path) -> str:
    """The module or sub-package directly below the package."""
    return path.relative_to(ROOT / PACKAGE).parts[0].removesuffix(".py")


def imported_parts(path: Path) -> Iterator[str]:
    """Yield the parts of the package that a file imports."""
    depth = len(path.relative_to(ROOT / PACKAGE).parts)
    for name, level in imports(path):
        if level == depth:
            yield name.split(".")[0]


def ids(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT / PACKAGE)) for path in paths]


@pytest.mark.parametrize("path", FILES, ids=ids(FILES))
def test_imports_point_one_way(path: Path) -> None:
    ranks = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
    if part(path) in PROGRAMS:
        return
    for imported in imported_parts(path):
        assert ranks[imported] <= ranks[part(path)], f"{part(path)} may not import {imported}"


@pytest.mark.parametrize("path", FILES, ids=ids(FILES))
def test_bpy_is_a_place(path: Path) -> None:
    names = {name.split(".")[0] for name, level in imports(path) if level == 0}
    assert part(path) == "blender" or not names & {"bpy", "mathutils", "bmesh", "addon_utils"}


@pytest.mark.parametrize("path", FILES, ids=ids(FILES))
def test_only_http_talks_http_and_only_the_command_line_prints(path: Path) -> None:
    tree = ast.parse(path.read_bytes())
    names = {name.split(".")[0] for name, level in imports(path) if level == 0}
    prints = any(isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print" for node in ast.walk(tree))
    assert not names & {"requests", "urllib3", "http", "socketserver"} or part(path) == "http"
    assert not prints or part(path) == "cli"


# Only workers import them: a pool that lives no longer than a call, and the beat of a claim, which goes on while the
# worker waits for a service.
WITH_THREADS = {ROOT / PACKAGE / "offline_shape" / "network.py", ROOT / PACKAGE / "heartbeat.py"}
WITHOUT_THREADS = [path for path in FILES if path not in WITH_THREADS]


@pytest.mark.parametrize("path", WITHOUT_THREADS, ids=ids(WITHOUT_THREADS))
def test_no_threads(path: Path) -> None:
    names = {name for name, level in imports(path) if level == 0}
    assert not names & {"threading", "_thread", "concurrent.futures.ThreadPoolExecutor"}


def test_only_the_worker_has_a_pulse() -> None:
    assert [part(path) for path in FILES if "heartbeat" in imported_parts(path)] == ["worker"]
    assert not [part(path) for path in FILES if "worker" in imported_parts(path) and part(path) != "cli"]


@pytest.mark.parametrize("path", FILES, ids=ids(FILES))
def test_imports_of_our_own_are_relative(path: Path) -> None:
    assert not [name for name, level in imports(path) if level == 0 and name.split(".")[0] == PACKAGE]


@pytest.mark.parametrize("part_name", ["offline_shape", "mesh"])
def test_the_generator_and_the_mesh_formats_import_nothing_of_ours_and_no_pydantic(part_name: str) -> None:
    for path in (ROOT / PACKAGE / part_name).rglob("*.py"):
        assert not list(imported_parts(path)), path
        assert "pydantic" not in {name.split(".")[0] for name, _ in imports(path)}, path


def test_the_command_line_does_not_wait_for_numpy_or_requests() -> None:
    code = (
        f"import sys; from {PACKAGE} import batch, cli, providers, runner\n"
        "[providers.get(each) for each in providers.ids()]; print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "pydantic" in loaded.split() and not {"requests", "numpy", "PIL"} & set(loaded.split())


def test_importing_the_package_imports_nothing_that_is_slow() -> None:
    code = f"import sys; import {PACKAGE}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not {"pydantic", "requests", "numpy", "argparse", "bpy"} & set(loaded.split())


def test_only_a_worker_that_talks_to_a_service_imports_requests() -> None:
    code = f"import sys; from {PACKAGE} import cli, runner, providers; providers.get('hunyuan3d'); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not {"requests", "urllib3"} & set(loaded.split())


def test_what_is_used_of_pydantic_is_imported_at_once() -> None:
    """Where other add-ons may replace its files, nothing of it may be left to be imported later."""
    names = {path: {name for name, _ in imports(path) if name.startswith("pydantic.")} for path in FILES}
    at_once = names.pop(ROOT / PACKAGE / "dependencies.py")
    assert set().union(*names.values()) <= at_once
