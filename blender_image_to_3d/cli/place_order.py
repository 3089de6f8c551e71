# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``order``, which Blender starts: makes the job for a click, while Blender goes on."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .console import Console
from .host_program import HostProgram
from .parser import Commands


def add_parser(commands: Commands) -> None:
    command = commands.add_parser("order")
    command.add_argument("outcome", type=Path)
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace, console: Console, host: HostProgram) -> int:
    from ..jobs import orders

    return orders.main(options.outcome, sys.stdin.buffer)
