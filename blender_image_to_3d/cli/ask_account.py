# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``account``, which Blender starts: asks a service whether a key is good, and what is left to spend."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .console import Console
from .host_program import HostProgram
from .parser import Commands


def add_parser(commands: Commands) -> None:
    command = commands.add_parser("account")
    command.add_argument("provider")
    command.add_argument("outcome", type=Path)
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace, console: Console, host: HostProgram) -> int:
    from ..providers import accounts

    return accounts.main(options.provider, options.outcome, sys.stdin.buffer)
