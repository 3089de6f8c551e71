# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``worker``, which we start ourselves: takes one job from its request to its result."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .console import Console
from .host_program import HostProgram
from .parser import Commands


def add_parser(commands: Commands) -> None:
    command = commands.add_parser("worker")
    command.add_argument("folder", type=Path)
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace, console: Console, host: HostProgram) -> int:
    from ..jobs import worker
    from ..jobs.library import JobFolder

    return worker.main(JobFolder(options.folder), sys.stdin.buffer)
