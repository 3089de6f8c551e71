# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line inside Blender: the same words, and .blend files besides."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress

import bpy

from ..cli.host_program import HostProgram
from ..cli.main import main
from ..errors import BrokenPackage
from ..host import dependencies


class BlenderHost(HostProgram):
    """What Blender adds to the command line: every format that it can write, and pictures that only it can read."""

    install_hint = "Install the extension in Blender; scripts/build makes its zip."

    def __init__(self) -> None:
        self.blender = bpy.app.binary_path or None
        self.is_online = bpy.app.online_access
        with suppress(BrokenPackage):  # the command itself says so
            dependencies.check()
            from .assets.batch_products import Assembler
            from .scripting import Exporter

            self.exporter, self.assembler = Exporter(), Assembler()


def run(arguments: Sequence[str], *, program: str) -> int:
    """Run one command and return its exit status. Blender has nothing else to do in this process, and ends then."""
    with _answers_only():
        return main(arguments, program=program, host=BlenderHost())


@contextmanager
def _answers_only() -> Iterator[None]:
    """Send to standard error, for good, what Blender's own code prints: some of it comes out when the process ends."""
    sys.stdout.flush()
    with open(os.dup(1), "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors) as answers:  # noqa: PTH123
        os.dup2(2, 1)
        with redirect_stdout(answers):
            yield
