# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts our command line in a Python of its own, which finds the modules that this one finds."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, Any

from . import system

_DEPENDENCIES = ("pydantic", "numpy", "requests", "PIL")
_BOOTSTRAP = Path(__file__).parents[1] / "bootstrap.py"


def program(*arguments: str) -> list[str]:
    """Return how to start our command line in a Python of its own, with the modules that this one would find."""
    folders: dict[str, None] = {}
    for name in _DEPENDENCIES:
        with suppress(ModuleNotFoundError):
            folders[str(find_package(name))] = None
    return [sys.executable, "-I", "-S", str(_BOOTSTRAP), *folders, "--", *arguments]


@cache  # of what was found: a search takes a while, and what is missing may be installed meanwhile
def find_package(module: str) -> Path:
    """Return the folder in which a module is found, without importing it.

    Raises:
        ModuleNotFoundError: it is not.
    """
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{module} is missing", name=module)
    return Path(spec.origin).parent.parent


def spawn_program(arguments: Sequence[str], line: bytes, output: IO[Any]) -> subprocess.Popen[bytes]:
    """Start our command line in a process that outlives us, give it one line on its input, and return at once.

    line: without its end, and shorter than a pipe holds (64 kB). output: an open file for what it prints.

    Raises:
        OSError: it cannot be started.
    """
    process = system.spawn(program(*arguments), output)
    assert process.stdin is not None
    with process.stdin, suppress(OSError):  # it died at once, and its end says so
        system.feed(process, line + b"\n")
    return process
