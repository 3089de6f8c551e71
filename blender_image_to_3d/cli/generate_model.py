# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``generate``: makes the model of one picture."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ..host import settings
from . import delivery, request
from .console import Console
from .host_program import HostProgram
from .parser import Commands


def add_parser(commands: Commands, arguments: Sequence[str]) -> None:
    """arguments: all that the user said; the help at the end depends on them."""
    command = commands.add_parser(
        "generate",
        help="make one model",
        epilog=request.options_epilog(arguments),
        description="Make the model of one picture.",
    )
    command.add_argument("image", type=Path, metavar="IMAGE", help="the picture, from the front")
    command.add_argument("--output", type=Path, metavar="FILE", help="where the model goes (in Blender also .blend …)")
    command.add_argument("--name", help="of the object; otherwise the picture's")
    request.add_arguments(command)
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace, console: Console, host: HostProgram) -> int:
    from ..jobs import completion
    from ..jobs.library import Library

    if options.output is not None:
        delivery.check(options.output, options.provider, host, overwrite=options.overwrite)
    draft = request.draft_of(options, options.image, name=options.name)
    library = Library(settings.library_folder())
    before = {folder.id for folder in library.folders()}
    done = completion.generate(draft, library, again=options.again, around=host.around(), on_news=console.news)
    if done.folder.id in before:
        console.note(f"This was made before, as {done.job.id}; --again makes it anew.")
    delivery.deliver(done.folder, done.job, options.output, console, host)
    return 0
