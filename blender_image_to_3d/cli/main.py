# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the command line: the same words in a shell, in ``blender --command`` and behind ``blender --python … --``.

Every command has a file: `add_parser` there names its words, and the function that runs it. Modules that need pydantic
are imported by that function, so that ``--help`` is immediate.
"""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..errors import ImageTo3DError, InputError, Stopped
from ..host import dependencies
from . import ask_account, batch, generate_model, jobs, place_order, providers, usage, worker
from .console import Console
from .host_program import HostProgram
from .parser import Parser

_EXIT_STATUS = """\
exit status: 0 done; 1 the generation failed; 2 wrong usage or input; 3 key missing or refused, or no credit;
4 offline or service unreachable; 130 interrupted"""


def main(arguments: Sequence[str], *, program: str = "image_to_3d", host: HostProgram | None = None) -> int:
    """Run one command and return its exit status.

    program: what the user calls us. host: what Blender adds, where there is one.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a redirected Windows console cannot write every name
            stream.reconfigure(errors="backslashreplace")
    options = build_parser(program, arguments).parse_args(arguments)
    try:
        console = Console(program, is_json=getattr(options, "json", False), is_farm=getattr(options, "farm", False))
        return _run(options, console, host or HostProgram())
    except BrokenPipeError:  # whoever read our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def build_parser(program: str, arguments: Sequence[str]) -> Parser:
    """Return what understands the arguments; some of its help depends on them."""
    parser = Parser(prog=program, description="Turn pictures into textured 3D models.", epilog=_EXIT_STATUS)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    generate_model.add_parser(commands, arguments)
    batch.add_parser(commands, arguments)
    jobs.add_parser(commands)
    providers.add_parser(commands)
    # Those that we start ourselves, in processes of their own: no help, so that they are not listed.
    worker.add_parser(commands)
    place_order.add_parser(commands)
    ask_account.add_parser(commands)
    usage.add_parser(commands)
    return parser


def _run(options: argparse.Namespace, console: Console, host: HostProgram) -> int:
    """Run a command, and say why if it fails."""
    try:
        with _interruptible():
            dependencies.check()
            status: int = options.run(options, console, host)
        return status
    except ImageTo3DError as error:
        console.error(error)
        return error.exit_status
    except ModuleNotFoundError as error:
        if error.name not in {"numpy", "requests"}:
            raise
        hint = host.install_hint.format(python=Path(sys.executable).name, module=error.name)
        console.error(InputError(f"The Python package {error.name} is missing.", hint=hint))
        return InputError.exit_status
    except KeyboardInterrupt:
        console.note("Interrupted.")
        return Stopped.exit_status


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C raise KeyboardInterrupt: Blender handles the signal itself, and Python would never see it."""
    try:
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
    except ValueError:  # not in the main thread: leave it as it is
        yield
        return
    try:
        yield
    finally:
        # Blender's own handler is none of Python's: there is no way back to it, and the process is about to end.
        if before is not None:
            signal.signal(signal.SIGINT, before)
