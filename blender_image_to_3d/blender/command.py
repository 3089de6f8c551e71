# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line inside Blender: the same words, and .blend files besides."""

from __future__ import annotations

from collections.abc import Sequence

import bpy

from .. import cli


class BlenderHost(cli.Host):
    """What Blender adds to the command line: every format that it can write, and pictures that only it can read."""

    def __init__(self) -> None:
        from .scripting import Exporter

        self.exporter = Exporter()
        self.blender = bpy.app.binary_path or None


def run(arguments: Sequence[str], *, program: str) -> int:
    """Run one command and return its exit status."""
    try:
        host: cli.Host = BlenderHost()
    except ModuleNotFoundError:
        host = cli.Host()  # the command itself says what is missing
    return cli.main(arguments, program=program, host=host)
