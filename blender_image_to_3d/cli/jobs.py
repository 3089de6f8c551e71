# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``jobs``: lists, shows, resumes, cancels or deletes what was begun."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import StorageError
from ..host import settings
from . import delivery
from .console import Console
from .host_program import HostProgram
from .parser import Commands, Parser

if TYPE_CHECKING:
    from ..jobs.library import JobFolder, Library
    from ..models import Job


def add_parser(commands: Commands) -> None:
    jobs = commands.add_parser("jobs", help="list, show, resume, cancel or delete jobs")
    actions = jobs.add_subparsers(metavar="ACTION", required=True)
    for name, run, text in (
        ("list", _list, "list all jobs, the oldest first"),
        ("show", _show, "say everything about one job, and what can be done"),
        ("resume", _resume, "go on with a job, or fetch its result"),
        ("cancel", _cancel, "give a job up"),
        ("delete", _delete, "delete a job with its pictures and its model"),
    ):
        command = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        _add_arguments(command, name)
        command.set_defaults(run=run)


def _add_arguments(command: Parser, name: str) -> None:
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


def _list(options: argparse.Namespace, console: Console, host: HostProgram) -> int:
    for folder in _library(options).folders():
        try:
            job = folder.load()
        except StorageError as error:
            console.answer(f"{folder.id}  unreadable: {error}", job=folder.id, state="unreadable", message=str(error))
            continue
        state = _state(folder, job)
        problem = job.problem.message if job.problem else job.message
        console.answer(
            f"{folder.id}  {state:<12} {job.request.provider:<16} {problem}".rstrip(),
            job=job.id,
            state=state,
            provider=job.request.provider,
            name=job.request.name,
            message=problem,
            created=job.created.isoformat(),
        )
    return 0


def _show(options: argparse.Namespace, console: Console, host: HostProgram) -> int:
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
    console.answer("\n".join(lines), **facts)
    return 0


def _resume(options: argparse.Namespace, console: Console, host: HostProgram) -> int:
    from ..jobs import completion

    folder = _library(options).find(options.id)
    if options.output is not None:
        delivery.check(options.output, folder.load().request.provider, host, overwrite=options.overwrite)
    done = completion.finish(
        folder, again=options.again, around=host.around(), take_over=options.take_over, on_news=console.news
    )
    delivery.deliver(folder, done.job, options.output, console, host)
    return 0


def _cancel(options: argparse.Namespace, console: Console, host: HostProgram) -> int:
    from ..jobs import completion

    job = completion.cancel(_library(options).find(options.id), take_over=options.take_over)
    text = job.problem.message if job.problem else job.state.value
    if not job.state.is_final:
        text = "asked to stop; what cannot be recalled any more is kept when it arrives"
    console.answer(f"{job.id}: {text}", job=job.id, state=job.state, message=text)
    return 0


def _delete(options: argparse.Namespace, console: Console, host: HostProgram) -> int:
    folder = _library(options).find(options.id)
    folder.delete(take_over=options.take_over)
    console.answer(f"{folder.id}: deleted", job=folder.id, state="deleted")
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
