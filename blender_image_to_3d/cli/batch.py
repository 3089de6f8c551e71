# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``batch``: makes a model for every picture of a folder or of a list."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import AccountError, Paused, StorageError
from ..host import system
from . import assembly, dry_run, request
from .console import Console
from .host_program import HostProgram
from .outcomes import conclude, facts_of, say_outcome, say_that_it_waits
from .parser import Commands, Parser

if TYPE_CHECKING:
    from ..batch.assembly import Wish
    from ..batch.batch import Batch, Item, Outcome

_DEFAULT_FORMAT = "glb"


def add_parser(commands: Commands, arguments: Sequence[str]) -> None:
    """arguments: all that the user said; the help at the end depends on them."""
    command = commands.add_parser(
        "batch",
        help="make a model for every picture of a folder",
        epilog=request.options_epilog(arguments),
        description="Make a model for every picture of a folder, or of a text file that lists them. Several machines"
        " may share an output folder: see --chunk. A job whose machine gives no sign of life for two minutes"
        " (IMAGE_TO_3D_LEASE_SECONDS) is taken over, and nothing is bought twice.",
    )
    _add_arguments(command)
    request.add_arguments(command)
    assembly.add_arguments(command)
    command.set_defaults(run=_run)


def _add_arguments(command: Parser) -> None:
    command.add_argument("source", type=Path, metavar="FOLDER|LIST", help="a folder, or a file with a path a line")
    command.add_argument("--output-dir", type=Path, metavar="DIR", required=True, help="where the models go")
    command.add_argument("--jobs", type=_positive, default=1, metavar="N", help="how many at once (1)")
    command.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        help="a JSON line for every picture; what the command did not come to keeps the line that it had",
    )
    command.add_argument("--resume", action="store_true", help="make only what is missing")
    command.add_argument("--dry-run", action="store_true", help="only say what would be sent, and where")
    command.add_argument("--limit", type=_positive, metavar="N", help="only the first N pictures of the whole batch")
    command.add_argument(
        "--chunk",
        type=_chunk,
        default=slice(None),
        metavar="K/N",
        help="only every N-th picture, from the K-th on: for N machines at once, with one output folder or several",
    )
    command.add_argument(
        "--farm",
        action="store_true",
        help="for a render farm: exit status 0 although pictures failed, if another machine would fare no better; "
        "progress as Blender tells it of frames",
    )
    command.add_argument("--format", default=_DEFAULT_FORMAT, help="of the models (glb; in Blender also blend …)")
    command.add_argument(
        "--take-over", action="store_true", help="at once, also jobs that a worker on another machine claims"
    )


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a number from 1 on, not {text}")
    return int(text)


def _chunk(text: str) -> slice:
    """Return what "K/N" takes of a list: every N-th from the K-th on, counted from 1."""
    number, _, total = text.partition("/")
    if not (number.isdecimal() and total.isdecimal() and 1 <= int(number) <= int(total)):
        raise argparse.ArgumentTypeError(f"must be K/N with K from 1 to N, such as 2/8, not {text}")
    return slice(int(number) - 1, None, int(total))


def _run(options: argparse.Namespace, console: Console, host: HostProgram) -> int:
    suffix = _checked_suffix(options, host)
    wish = assembly.wish_of(options, host)
    items = _chosen_items(options, suffix)
    if options.dry_run:
        return dry_run.run(options, items, console)
    _check_present(items, options)
    batch = _prepared(options, items, wish, console, host)
    outcomes, stopped_by = _work_through(batch, items, options.report, console)
    try:
        assembled = assembly.assemble(items, outcomes, wish, console, host)
    except KeyboardInterrupt:
        raise _interrupted() from None
    if stopped_by is not None:
        raise stopped_by
    return conclude(outcomes, assembled, wish, console, is_farm=options.farm)


def _checked_suffix(options: argparse.Namespace, host: HostProgram) -> str:
    """Return what the files of the models end with. Raises `BadOption` if nothing here writes such files."""
    from .. import providers
    from ..jobs import output

    ending: str = options.format
    suffix = "." + ending.lstrip(".").lower()
    formats = providers.info(options.provider).result_formats
    output.check_format(Path("model" + suffix), result_formats=formats, exporter=host.exporter)
    return suffix


def _chosen_items(options: argparse.Namespace, suffix: str) -> list[Item]:
    """Return the pictures that are this command's, and where their models go."""
    from ..batch.batch import find_pictures, plan

    # Every chunk plans the whole batch: cup.jpg and cup.png get the same names wherever they are made.
    planned = plan(find_pictures(options.source), options.output_dir, suffix)
    items: list[Item] = planned[: options.limit][options.chunk]
    if options.report is not None and options.report.resolve() == options.source.resolve():
        raise StorageError(f'"{options.report}" is the list of the pictures.', hint="Name another file for --report.")
    return items


def _check_present(items: Sequence[Item], options: argparse.Namespace) -> None:
    """Raise `StorageError` if models are there, and the user has not said what to do with them."""
    present = sum(item.output.exists() for item in items)
    if present and not (options.resume or options.overwrite):
        raise StorageError(
            f'{present} of {len(items)} models are already in "{options.output_dir}", and are kept.',
            hint="Add --resume to make only what is missing, or --overwrite.",
        )


def _prepared(
    options: argparse.Namespace, items: Sequence[Item], wish: Wish, console: Console, host: HostProgram
) -> Batch:
    """Return the batch, once the provider may be asked and there is room for everything that is to be written."""
    from .. import providers
    from ..batch.batch import LIBRARY_NAME, Batch
    from ..jobs import claims, runner
    from ..jobs.library import Library
    from ..providers import access

    lease_seconds = claims.chosen_lease_seconds()
    if items:
        access.check_access(providers.info(options.provider), host.around())
    _make_folder(options.output_dir)
    wish.prepare()
    return Batch(
        library=Library(options.output_dir / LIBRARY_NAME),
        runner=runner.Runner(jobs_at_once=options.jobs, around=host.around(), take_over=options.take_over),
        draft=lambda picture: request.draft_of(options, picture),
        jobs_at_once=options.jobs,
        exporter=host.exporter,
        overwrite=options.overwrite,
        again=options.again,
        take_over=options.take_over,
        lease_seconds=lease_seconds,
        on_wait=lambda item, machine: say_that_it_waits(item, machine, console),
    )


def _make_folder(folder: Path) -> None:
    from ..jobs import output

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f'"{folder}" cannot be made: {system.explain(error)}.') from error
    output.check_folder(folder)


def _work_through(
    batch: Batch, items: Sequence[Item], report_file: Path | None, console: Console
) -> tuple[list[Outcome], AccountError | None]:
    """Return what became of the pictures, and what stopped the batch before it was through, if anything."""
    from ..batch.report import Report

    report = Report(report_file, [str(item.picture) for item in items]) if report_file else None
    write: Callable[[dict[str, Any]], None] = report.write if report else lambda facts: None
    outcomes: list[Outcome] = []
    with report or nullcontext():
        try:
            for outcome in batch.run(items):
                outcomes.append(outcome)
                write(facts_of(outcome))
                say_outcome(outcome, f"{len(outcomes)}/{len(items)}", console)
        except AccountError as error:
            return outcomes, error
        except KeyboardInterrupt:
            console.note("Stopping ...")
            batch.pause()
            raise _interrupted() from None
    return outcomes, None


def _interrupted() -> Paused:
    return Paused("Interrupted.", hint="Go on with the same command and --resume.")
