# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``usage``, which Blender starts: measures how much room the jobs take on the disk."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ..errors import StorageError
from ..host import system
from .console import Console
from .host_program import HostProgram
from .parser import Commands


def add_parser(commands: Commands) -> None:
    command = commands.add_parser("usage")
    command.add_argument("library", type=Path)
    command.add_argument("outcome", type=Path)
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace, console: Console, host: HostProgram) -> int:
    from ..jobs.library import Library

    usage = json.dumps(Library(options.library).usage()._asdict())
    try:
        system.write_atomically(options.outcome, usage.encode(), durable=False)
    except OSError as error:
        raise StorageError(f"{options.outcome} cannot be written: {system.explain(error)}.") from error
    return 0
