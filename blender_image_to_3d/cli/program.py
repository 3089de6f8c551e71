# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: the same words in a shell, in ``blender --command`` and behind ``blender --python … --``.

Standard output carries the answer (with ``--json``: JSON lines and nothing else), standard error what is said
meanwhile. Modules that need pydantic are imported by the commands, so that ``--help`` is immediate.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ..errors import AccountError, BadOption, BrokenPackage, ImageTo3DError, InputError, Paused, Stopped, StorageError
from ..host import dependencies, settings, system

if TYPE_CHECKING:
    from ..batch.assembly import Assembled, Assembler, Wish
    from ..batch.batch import Batch, Item, Outcome
    from ..jobs.library import JobFolder, Library
    from ..jobs.output import Exporter
    from ..jobs.request import Draft
    from ..jobs.runner import News
    from ..models import Job, Placement
    from ..providers.access import Surroundings

DEFAULT_PROVIDER = "offline_shape"
DEFAULT_FORMAT = "glb"

_EXIT_STATUS = """\
exit status: 0 done; 1 the generation failed; 2 wrong usage or input; 3 key missing or refused, or no credit;
4 offline or service unreachable; 130 interrupted"""


def main(arguments: Sequence[str], *, program: str = "image_to_3d", host: Host | None = None) -> int:
    """Run one command and return its exit status.

    host: what Blender adds, where there is one.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a redirected Windows console cannot write every name
            stream.reconfigure(errors="backslashreplace")
    options = _parser(program, arguments).parse_args(arguments)
    try:
        say = _Say(program, is_json=getattr(options, "json", False), is_farm=getattr(options, "farm", False))
        return _run(options, say, host or Host())
    except BrokenPipeError:  # whoever read our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run(options: argparse.Namespace, say: _Say, host: Host) -> int:
    """Run a command, and say why if it fails."""
    try:
        with _interruptible():
            dependencies.check()
            status: int = options.run(options, say, host)
        return status
    except ImageTo3DError as error:
        say.error(error)
        return error.exit_status
    except ModuleNotFoundError as error:
        if error.name not in {"numpy", "requests"}:
            raise
        hint = host.install_hint.format(python=Path(sys.executable).name, module=error.name)
        say.error(InputError(f"The Python package {error.name} is missing.", hint=hint))
        return InputError.exit_status
    except KeyboardInterrupt:
        say.note("Interrupted.")
        return Stopped.exit_status


class Host:
    """What a program around the command line can do that the command line alone cannot."""

    exporter: Exporter | None = None
    assembler: Assembler | None = None
    blender: str | None = None
    is_online = True
    install_hint = "Install it with: {python} -m pip install {module}."

    def around(self) -> Surroundings:
        from ..providers.access import Surroundings

        return Surroundings(self.blender, self.is_online)


# What is said.


def _printable(text: str) -> str:
    return "".join(each for each in text if each.isprintable() or each == "\n")


class _Say:
    """The only place that prints."""

    def __init__(self, program: str, *, is_json: bool, is_farm: bool) -> None:
        self._program = program
        self.is_json = is_json
        self._is_farm = is_farm
        self._last = ""

    def answer(self, text: str, **facts: Any) -> None:
        """Print the answer, or with --json its facts."""
        print(json.dumps(facts) if self.is_json else _printable(text), flush=True)

    def event(self, event: str, **facts: Any) -> None:
        if self.is_json:
            print(json.dumps({"event": event, **facts}), flush=True)

    def note(self, text: str) -> None:
        if not self.is_json:  # what a file or a service is called must not steer the terminal
            print(_printable(text), file=sys.stderr, flush=True)

    def step(self, seconds: float) -> None:
        """Tell a farm's manager that a picture is done, as Blender tells it of a frame."""
        if self._is_farm:
            minutes, seconds = divmod(seconds, 60)
            self.note(f"Time: {minutes:02.0f}:{seconds:05.2f}")

    def saved(self, picture: Path) -> None:
        """Tell a farm's manager, which shows it, that a picture was written, as Blender tells it of a frame."""
        if self._is_farm:
            self.note(f"Saved: '{picture}'")

    def error(self, error: ImageTo3DError) -> None:
        # "jobs" alone is a command of its own in most shells.
        hint = re.sub(r"\bjobs (?=list|show|resume)", f"{self._program} jobs ", error.hint)
        self.event("error", kind=type(error).__name__, message=str(error), hint=hint, charged=error.charged.value)
        self.note(f"{error} {hint}".strip())

    def news(self, news: News) -> None:
        job = news.job
        self.event("progress", job=job.id, state=job.state, progress=job.progress, message=job.message)
        share = "" if job.progress is None else f" {job.progress:.0%}"
        line = f"{job.request.name}: {job.message}{share}"
        if job.message and line != self._last:
            self.note(line)
        self._last = line


# generate


def _generate(options: argparse.Namespace, say: _Say, host: Host) -> int:
    from .. import providers
    from ..jobs import completion, output
    from ..jobs.library import Library

    if options.output is not None:
        info = providers.info(options.provider)
        output.check(
            options.output, result_formats=info.result_formats, exporter=host.exporter, overwrite=options.overwrite
        )
    draft = _draft(options, options.image, name=options.name)
    library = Library(settings.library_folder())
    before = {folder.id for folder in library.folders()}
    done = completion.generate(draft, library, again=options.again, around=host.around(), on_news=say.news)
    if done.folder.id in before:
        say.note(f"This was made before, as {done.job.id}; --again makes it anew.")
    return _hand_out(done.folder, done.job, options.output, say, host)


def _draft(options: argparse.Namespace, image: Path, *, name: str | None = None) -> Draft:
    from ..jobs.request import draft
    from ..models import View

    return draft(
        {View.FRONT: image, **_views(options)},
        provider=options.provider,
        model=options.model,
        options=_pairs(options.option),
        placement=_placement(options),
        name=name,
    )


def _hand_out(folder: JobFolder, job: Job, output_path: Path | None, say: _Say, host: Host) -> int:
    """Write the result where the user wants it, and say where it is."""
    from ..jobs import output

    for note in job.notes:
        say.note(f"Note: {note}")
    if output_path is not None:
        output.deliver(folder, job, output_path, exporter=host.exporter)
    path = output_path or folder.result_files(job)[0]
    say.answer(
        str(path), event="done", job=job.id, output=str(path), cost=job.cost, seed=job.seed, notes=list(job.notes)
    )
    return 0


# batch


def _batch(options: argparse.Namespace, say: _Say, host: Host) -> int:
    from .. import providers
    from ..batch.batch import LIBRARY_NAME, Batch, find_pictures, plan
    from ..batch.report import Report
    from ..jobs import claims, output, runner
    from ..jobs.library import Library
    from ..providers import access

    info = providers.info(options.provider)
    suffix = "." + options.format.lstrip(".").lower()
    output.check_format(Path("model" + suffix), result_formats=info.result_formats, exporter=host.exporter)
    wish = _wish(options, host)
    # Every chunk plans the whole batch: cup.jpg and cup.png get the same names wherever they are made.
    items = plan(find_pictures(options.source), options.output_dir, suffix)[: options.limit][options.chunk]
    if options.report is not None and options.report.resolve() == options.source.resolve():
        raise StorageError(f'"{options.report}" is the list of the pictures.', hint="Name another file for --report.")
    if options.dry_run:
        return _dry_run(options, items, say)
    present = sum(item.output.exists() for item in items)
    if present and not (options.resume or options.overwrite):
        raise StorageError(
            f'{present} of {len(items)} models are already in "{options.output_dir}", and are kept.',
            hint="Add --resume to make only what is missing, or --overwrite.",
        )
    lease_seconds = claims.lease_seconds()
    if items:
        access.check_access(info, host.around())
    try:
        options.output_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f'"{options.output_dir}" cannot be made: {system.explain(error)}.') from error
    output.check_folder(options.output_dir)
    wish.prepare()
    batch = Batch(
        library=Library(options.output_dir / LIBRARY_NAME),
        runner=runner.Runner(jobs_at_once=options.jobs, around=host.around(), take_over=options.take_over),
        draft=lambda picture: _draft(options, picture),
        jobs_at_once=options.jobs,
        exporter=host.exporter,
        overwrite=options.overwrite,
        again=options.again,
        take_over=options.take_over,
        lease_seconds=lease_seconds,
        on_wait=lambda item, host: _say_that_it_waits(item, host, say),
    )
    report = Report(options.report, [str(item.picture) for item in items]) if options.report else None
    with report or nullcontext():
        outcomes, stopped_by = _run_batch(batch, items, report.write if report else lambda facts: None, say)
    assembled = _assemble(items, outcomes, wish, say, host)
    if stopped_by is not None:
        raise stopped_by
    return _conclude(outcomes, assembled, wish, say, is_farm=options.farm)


def _run_batch(
    batch: Batch, items: Sequence[Item], write: Callable[[dict[str, Any]], None], say: _Say
) -> tuple[list[Outcome], AccountError | None]:
    """Return what became of the pictures, and what stopped the batch before it was through, if anything."""
    outcomes: list[Outcome] = []
    try:
        for outcome in batch.run(items):
            outcomes.append(outcome)
            write(_outcome_facts(outcome))
            _say_outcome(outcome, f"{len(outcomes)}/{len(items)}", say)
    except AccountError as error:
        return outcomes, error
    except KeyboardInterrupt:
        say.note("Stopping ...")
        batch.pause()
        raise _interrupted() from None
    return outcomes, None


def _interrupted() -> Paused:
    return Paused("Interrupted.", hint="Go on with the same command and --resume.")


def _conclude(outcomes: Sequence[Outcome], assembled: _Assembly, wish: Wish, say: _Say, *, is_farm: bool) -> int:
    """Say what became of everything, and return the exit status."""
    failed = sum(outcome.problem is not None for outcome in outcomes)
    done = sum(outcome.state == "done" for outcome in outcomes)
    skipped = sum(outcome.was_there for outcome in outcomes)
    lines = [f"{done} done, {skipped} were there, {failed} failed", *assembled.lines(wish)]
    facts = {"done": done, "skipped": skipped, "failed": failed, **assembled.facts(wish)}
    say.answer("\n".join(lines), event="done", **facts)
    for page in assembled.pages:
        say.saved(page)
    if is_farm:
        failed = sum(outcome.problem is not None and not outcome.problem.would_recur for outcome in outcomes)
    return 1 if failed or assembled.problems else 0


# batch: what is made of all models together


def _wish(options: argparse.Namespace, host: Host) -> Wish:
    """Return what is to be made of all models.

    Raises:
        BadOption: it makes no sense, or needs Blender.
    """
    from ..batch.assembly import wish

    wished = wish(
        asset_library=options.asset_library,
        in_one_file=options.asset_files == "one",
        catalog=options.catalog,
        contact_sheet=options.contact_sheet,
        overwrite=options.overwrite,
        pictures=options.source,
        models=options.output_dir,
    )
    if wished and host.assembler is None:
        what = "An asset library" if wished.asset_library is not None else "A contact sheet"
        raise BadOption(
            f"{what} needs Blender.", hint="Run the same words inside Blender: blender --command image_to_3d."
        )
    return wished


@dataclass
class _Assembly:
    """What was made of all models."""

    news: list[Assembled] = field(default_factory=list)
    pages: Sequence[Path] = ()

    @property
    def problems(self) -> int:
        return sum(each.problem is not None for each in self.news)

    def lines(self, wish: Wish) -> Iterator[str]:
        if wish.asset_library is not None:
            counts = f"{self._count('added')} added, {self._count('there')} were there"
            yield f"Asset library: {wish.asset_library} ({counts})"
            yield "  Edit > Preferences > File Paths > Asset Libraries adds this folder to Blender's Asset Browser."
        if self.pages:
            yield f"Contact sheet: {', '.join(map(str, self.pages))}"

    def facts(self, wish: Wish) -> dict[str, Any]:
        facts: dict[str, Any] = {}
        if wish.asset_library is not None:
            counts = {state: self._count(state) for state in ("added", "there", "missing")}
            facts["asset_library"] = {"folder": str(wish.asset_library), **counts}
        if self.pages:
            facts["contact_sheet"] = list(map(str, self.pages))
        return facts

    def _count(self, state: str) -> int:
        return sum(each.asset == state for each in self.news)


def _assemble(items: Sequence[Item], outcomes: Sequence[Outcome], wish: Wish, say: _Say, host: Host) -> _Assembly:
    """Make what is wished for of all models that there are."""
    from ..batch.assembly import exhibits

    assembly = _Assembly()
    if not wish or host.assembler is None:
        return assembly

    def hear(news: Assembled) -> None:
        assembly.news.append(news)
        _say_assembled(news, say)

    say.note(f"Assembling {len(items)} models ...")
    try:
        assembly.pages = host.assembler.assemble(exhibits(items, outcomes), wish, hear)
    except KeyboardInterrupt:
        raise _interrupted() from None
    return assembly


def _say_assembled(news: Assembled, say: _Say) -> None:
    problem = news.problem.model_dump(mode="json") if news.problem else None
    say.event("assembled", picture=str(news.exhibit.picture), asset=news.asset, problem=problem)
    if news.problem is not None:
        say.note(f"{news.exhibit.title}: {news.problem.message} {news.problem.hint}".rstrip())


def _say_that_it_waits(item: Item, host: str, say: _Say) -> None:
    say.event("waiting", picture=str(item.picture), machine=host)
    say.note(f'{item.picture.name}: waiting for the machine "{host}" ...')


def _say_outcome(outcome: Outcome, count: str, say: _Say) -> None:
    say.event("picture", **_outcome_facts(outcome))
    problem = f": {outcome.problem.message} {outcome.problem.hint}".rstrip() if outcome.problem else ""
    say.note(f"[{count}] {outcome.item.picture.name}: {outcome.state}{problem}")
    say.step(outcome.seconds)


def _dry_run(options: argparse.Namespace, items: Sequence[Item], say: _Say) -> int:
    """Say what would be sent, and where; touch nothing."""
    from .. import providers
    from ..pictures.inspect import inspect
    from ..providers import access

    info = providers.info(options.provider)
    place = access.base_url_of(info) or "this computer"
    for item in items:
        try:
            draft = _draft(options, item.picture)
            facts = inspect(item.picture)
        except ImageTo3DError as error:
            say.answer(f"{item.picture}: {error}", picture=str(item.picture), problem=str(error))
            continue
        size = item.picture.stat().st_size
        say.answer(
            f"{item.picture} ({facts.format}, {facts.width}x{facts.height}, {size:,} bytes)"
            f" -> {info.label} on {place} -> {item.output}",
            picture=str(item.picture),
            views={view: str(path) for view, path in draft.pictures.items()},
            bytes=size,
            provider=info.id,
            model=draft.request.model,
            options=draft.request.options,
            sent_to=place,
            output=str(item.output),
            exists=item.output.exists(),
        )
    return 0


def _outcome_facts(outcome: Outcome) -> dict[str, Any]:
    job = outcome.job
    return {
        "picture": str(outcome.item.picture),
        "output": str(outcome.item.output),
        "state": outcome.state,
        "job": job.id if job else None,
        "cost": job.cost if job else None,
        "seed": job.seed if job else None,
        "notes": list(job.notes) if job else [],
        "seconds": round(outcome.seconds, 3),
        "problem": outcome.problem.model_dump(mode="json") if outcome.problem else None,
    }


# jobs


def _jobs_list(options: argparse.Namespace, say: _Say, host: Host) -> int:
    for folder in _library(options).folders():
        try:
            job = folder.load()
        except StorageError as error:
            say.answer(f"{folder.id}  unreadable: {error}", job=folder.id, state="unreadable", message=str(error))
            continue
        state = _state(folder, job)
        problem = job.problem.message if job.problem else job.message
        say.answer(
            f"{folder.id}  {state:<12} {job.request.provider:<16} {problem}".rstrip(),
            job=job.id,
            state=state,
            provider=job.request.provider,
            name=job.request.name,
            message=problem,
            created=job.created.isoformat(),
        )
    return 0


def _jobs_show(options: argparse.Namespace, say: _Say, host: Host) -> int:
    folder = _library(options).find(options.id)
    job = folder.load()
    state = _state(folder, job)
    lines = [
        f"{job.id}: {state}",
        f"  picture   {', '.join(f'{view} {picture.name}' for view, picture in job.request.views.items())}",
        f"  provider  {job.request.provider} {job.request.model or ''}".rstrip(),
        f"  options   {', '.join(f'{name}={value}' for name, value in job.request.options.items())}",
        f"  made      {job.created.astimezone():%Y-%m-%d %H:%M:%S}",
        *(f"  result    {path}" for path in folder.result_files(job)),
        *(f"  note      {note}" for note in job.notes),
    ]
    if job.cost:
        lines.append(f"  cost      {job.cost}")
    if job.problem:
        lines.append(f"  problem   {job.problem.message} {job.problem.hint}".rstrip())
    lines.append(f"  next      {_next_step(state, job)}")
    facts = {**job.model_dump(mode="json"), "folder": str(folder.path), "state": state}
    say.answer("\n".join(lines), **facts)
    return 0


def _jobs_resume(options: argparse.Namespace, say: _Say, host: Host) -> int:
    from .. import providers
    from ..jobs import completion, output

    folder = _library(options).find(options.id)
    if options.output is not None:
        info = providers.info(folder.load().request.provider)
        output.check(
            options.output, result_formats=info.result_formats, exporter=host.exporter, overwrite=options.overwrite
        )
    done = completion.finish(
        folder, again=options.again, around=host.around(), take_over=options.take_over, on_news=say.news
    )
    return _hand_out(folder, done.job, options.output, say, host)


def _jobs_cancel(options: argparse.Namespace, say: _Say, host: Host) -> int:
    from ..jobs import completion

    job = completion.cancel(_library(options).find(options.id), take_over=options.take_over)
    text = job.problem.message if job.problem else job.state.value
    if not job.state.is_final:
        text = "asked to stop; what cannot be recalled any more is kept when it arrives"
    say.answer(f"{job.id}: {text}", job=job.id, state=job.state, message=text)
    return 0


def _jobs_delete(options: argparse.Namespace, say: _Say, host: Host) -> int:
    folder = _library(options).find(options.id)
    folder.delete(take_over=options.take_over)
    say.answer(f"{folder.id}: deleted", job=folder.id, state="deleted")
    return 0


def _library(options: argparse.Namespace) -> Library:
    from ..jobs.library import Library

    return Library(options.library or settings.library_folder())


def _state(folder: JobFolder, job: Job) -> str:
    """Return the state as a person would say it: a job that nobody works on is not running."""
    if job.state.is_final:
        return job.state.value
    if folder.seems_claimed():
        return job.state.value
    return "waiting" if job.state == "queued" else "interrupted"


def _next_step(state: str, job: Job) -> str:
    match state:
        case "ready" | "imported":
            return f"jobs resume {job.id} --output FILE writes the model where you want it"
        case "waiting" | "interrupted" | "failed":
            return f"jobs resume {job.id}"
        case "unknown":
            return f"look at the service's own history; jobs resume {job.id} --again sends (and pays) again"
        case "cancelled":
            return f"jobs resume {job.id} starts it again; jobs delete {job.id} removes it"
        case _:
            return "wait, or jobs cancel " + job.id


# providers


def _providers(options: argparse.Namespace, say: _Say, host: Host) -> int:
    from .. import providers
    from ..providers.describe import provider_facts, provider_help

    if options.check:
        return _check_account(options, say, host)
    for provider_id in [options.id] if options.id else providers.ids():
        provider = providers.get(provider_id)
        say.answer(provider_help(provider), **provider_facts(provider))
    return 0


def _check_account(options: argparse.Namespace, say: _Say, host: Host) -> int:
    from .. import providers
    from ..providers import accounts

    if not options.id:
        raise BadOption("Which provider is to be checked?", hint=f"One of: {', '.join(providers.ids())}.")
    account = accounts.account_of(options.id, host.around())
    info = providers.info(options.id)
    text = f"{info.label} takes the key." if info.needs_key else f"{info.label} answers."
    balance = f" Balance: {account.balance}." if account.balance else ""
    say.answer(text + balance, id=info.id, **account.model_dump(mode="json"))
    return 0


# worker, order, account, usage: programs that are started by the others


def _worker(options: argparse.Namespace, say: _Say, host: Host) -> int:
    from ..jobs import worker
    from ..jobs.library import JobFolder

    return worker.main(JobFolder(options.folder), sys.stdin.buffer)


def _order(options: argparse.Namespace, say: _Say, host: Host) -> int:
    from ..jobs import orders

    return orders.main(options.outcome, sys.stdin.buffer)


def _account(options: argparse.Namespace, say: _Say, host: Host) -> int:
    from ..providers import accounts

    return accounts.main(options.provider, options.outcome, sys.stdin.buffer)


def _usage(options: argparse.Namespace, say: _Say, host: Host) -> int:
    from ..jobs.library import Library

    usage = json.dumps(Library(options.library).usage()._asdict())
    try:
        system.write_atomically(options.outcome, usage.encode(), durable=False)
    except OSError as error:
        raise StorageError(f"{options.outcome} cannot be written: {system.explain(error)}.") from error
    return 0


# The words.


def _parser(program: str, arguments: Sequence[str]) -> argparse.ArgumentParser:
    parser = _Parser(prog=program, description="Turn pictures into textured 3D models.", epilog=_EXIT_STATUS)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_generate(commands, arguments)
    _add_batch(commands, arguments)
    _add_jobs(commands)
    command = commands.add_parser("providers", help="say what there is, and every option")
    command.add_argument("id", nargs="?", metavar="ID", help="only this one")
    command.add_argument("--check", action="store_true", help="ask its service whether the key is good; costs nothing")
    command.add_argument("--json", action="store_true", help="one JSON line for each")
    command.set_defaults(run=_providers)
    # For the runner and for Blender: no help, so that they are not listed.
    command = commands.add_parser("worker")
    command.add_argument("folder", type=Path)
    command.set_defaults(run=_worker)
    command = commands.add_parser("order")
    command.add_argument("outcome", type=Path)
    command.set_defaults(run=_order)
    command = commands.add_parser("account")
    command.add_argument("provider")
    command.add_argument("outcome", type=Path)
    command.set_defaults(run=_account)
    command = commands.add_parser("usage")
    command.add_argument("library", type=Path)
    command.add_argument("outcome", type=Path)
    command.set_defaults(run=_usage)
    return parser


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence; and takes no abbreviations, or every new option would break a script."""

    def __init__(self, **words: Any) -> None:
        super().__init__(**words, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter)

    def error(self, message: str) -> NoReturn:
        self.exit(InputError.exit_status, f"{self.prog}: {message}. See: {self.prog} --help\n")


def _add_generate(commands: Any, arguments: Sequence[str]) -> None:
    command = commands.add_parser(
        "generate", help="make one model", epilog=_epilog(arguments), description="Make the model of one picture."
    )
    command.add_argument("image", type=Path, metavar="IMAGE", help="the picture, from the front")
    command.add_argument("--output", type=Path, metavar="FILE", help="where the model goes (in Blender also .blend …)")
    command.add_argument("--name", help="of the object; otherwise the picture's")
    _add_request(command)
    command.set_defaults(run=_generate)


def _add_batch(commands: Any, arguments: Sequence[str]) -> None:
    command = commands.add_parser(
        "batch",
        help="make a model for every picture of a folder",
        epilog=_epilog(arguments),
        description="Make a model for every picture of a folder, or of a text file that lists them. Several machines"
        " may share an output folder: see --chunk. A job whose machine gives no sign of life for two minutes"
        " (IMAGE_TO_3D_LEASE_SECONDS) is taken over, and nothing is bought twice.",
    )
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
    command.add_argument("--format", default=DEFAULT_FORMAT, help="of the models (glb; in Blender also blend …)")
    command.add_argument(
        "--take-over", action="store_true", help="at once, also jobs that a worker on another machine claims"
    )
    _add_request(command)
    together = command.add_argument_group("of all models together (in Blender)")
    together.add_argument("--asset-library", type=Path, metavar="DIR", help="make assets for the Asset Browser of them")
    together.add_argument(
        "--asset-files", choices=["each", "one"], default="each", help="a .blend for each, or one for all (each)"
    )
    together.add_argument("--catalog", metavar="PATH", help="of the assets (Image to 3D)")
    together.add_argument(
        "--contact-sheet", type=Path, metavar="FILE.png", help="a picture that shows all pictures with their models"
    )
    command.set_defaults(run=_batch)


def _add_request(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--provider", default=DEFAULT_PROVIDER, metavar="ID", help=f"who makes it ({DEFAULT_PROVIDER})"
    )
    command.add_argument("--model", metavar="NAME", help="of the provider, where there is a choice")
    command.add_argument(
        "--view", action="append", default=[], metavar="SIDE=FILE", help="a picture from the back, left or right"
    )
    command.add_argument(
        "--mask", type=Path, metavar="FILE", help="a picture that is white where the front shows the subject"
    )
    command.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="see the end")
    command.add_argument("--overwrite", action="store_true", help="replace what exists")
    command.add_argument("--again", action="store_true", help="make (and pay) anew what was made before")
    command.add_argument("--json", action="store_true", help="print JSON lines")
    command.add_argument("--height", type=float, metavar="H", help="the real height of the model, in metres")
    place = command.add_argument_group("in a scene")
    place.add_argument(
        "--stance", choices=["ground", "centre", "file"], default="ground", help="how it stands (ground)"
    )
    place.add_argument("--collection", metavar="NAME", help="put it there")


def _add_jobs(commands: Any) -> None:
    jobs = commands.add_parser("jobs", help="list, show, resume, cancel or delete jobs")
    actions = jobs.add_subparsers(metavar="ACTION", required=True)
    for name, run, text in (
        ("list", _jobs_list, "list all jobs, the oldest first"),
        ("show", _jobs_show, "say everything about one job, and what can be done"),
        ("resume", _jobs_resume, "go on with a job, or fetch its result"),
        ("cancel", _jobs_cancel, "give a job up"),
        ("delete", _jobs_delete, "delete a job with its pictures and its model"),
    ):
        command = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        if name != "list":
            command.add_argument("id", metavar="ID", help="the job's name, or how it begins or ends")
        if name == "resume":
            command.add_argument("--output", type=Path, metavar="FILE", help="where the model goes")
            command.add_argument("--overwrite", action="store_true", help="replace what exists")
            command.add_argument("--again", action="store_true", help="send again what may have been charged")
        if name in {"resume", "cancel", "delete"}:
            command.add_argument("--take-over", action="store_true", help="although another machine claims it")
        command.add_argument("--library", type=Path, metavar="DIR", help="the folder of the jobs, if not the usual one")
        command.add_argument("--json", action="store_true", help="print JSON lines")
        command.set_defaults(run=run)


def _epilog(arguments: Sequence[str]) -> str | None:
    """Return the options of the provider that the user names; only help needs it, and only it takes the time."""
    if not {"-h", "--help"} & set(arguments[1:]):
        return None
    try:
        dependencies.check()
    except BrokenPackage:
        return None
    from .. import providers
    from ..providers.describe import options_help

    chosen = DEFAULT_PROVIDER
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
        if argument == "--provider":
            chosen = following
        elif argument.startswith("--provider="):
            chosen = argument.partition("=")[2]
    if chosen not in providers.ids():
        return f"providers: {', '.join(providers.ids())}"
    others = ", ".join(each for each in providers.ids() if each != chosen)
    more = f"\nother providers: {others}" if others else ""
    return f"options of {chosen} (--option NAME=VALUE):\n{options_help(providers.get(chosen).options)}{more}"


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


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise BadOption(f'"{text}" is not NAME=VALUE.', hint="For example: --option detail=0.3.")
        pairs[name] = value
    return pairs


def _views(options: argparse.Namespace) -> dict[Any, Path]:
    """Return the pictures besides the front."""
    from ..models import View

    sides = [view.value for view in View if view is not View.MASK]
    views = {} if options.mask is None else {View.MASK: options.mask}
    for side, file in _pairs(options.view).items():
        if side not in sides:
            raise BadOption(f'"{side}" is not a side.', hint=f"The sides are: {', '.join(sides)}; see also --mask.")
        views[View(side)] = Path(file)
    return views


def _placement(options: argparse.Namespace) -> Placement:
    from pydantic import ValidationError

    from ..models import Placement, Spot, Stance

    try:
        return Placement(
            spot=Spot.ORIGIN,
            stance=Stance(options.stance),
            height=options.height,
            collection=options.collection,
        )
    except ValidationError:
        raise BadOption(f"A height of {options.height} cannot be.", hint="It must be more than 0.") from None


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
