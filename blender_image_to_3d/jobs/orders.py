# SPDX-License-Identifier: GPL-3.0-or-later
"""From an order to a job folder, without buying anything twice. Also a plain program: ``… order OUTCOME_FILE``.

Blender starts it with a click, so that pictures are read, hashed and copied, and the library is looked through, outside
of Blender. It gets an `Order` as one line on standard input, and leaves an `Outcome` in the file. The job waits then
for whoever ordered it to start its worker.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import IO, NamedTuple

from pydantic import Field, JsonValue, ValidationError

from .. import providers
from ..errors import BadOption, ImageTo3DError, OutcomeUnknown, Stopped, StorageError
from ..host import system
from ..models import FileName, Model, Placement, Problem, View
from ..pictures import handed_over
from .library import JobFolder, Library
from .request import Draft, draft


class Order(Model):
    """What somebody wants to have made. All paths are absolute."""

    library: str
    views: dict[View, str]
    names: dict[View, str] = Field(
        default_factory=dict, description="What the pictures are called, if not as their files"
    )
    provider: str
    model: str | None = None
    options: dict[str, JsonValue] = Field(default_factory=dict)
    placement: Placement = Placement()
    name: str | None = Field(default=None, description="Of the object; nothing: the front picture's")
    again: bool = Field(default=False, description="Buy anew what was bought before")
    delete: tuple[str, ...] = Field(
        default=(), description="Files that were made for this order only, then folders that are empty without them"
    )


class Outcome(Model):
    """What became of an order."""

    job: FileName | None = None
    is_new: bool = Field(default=False, description="Nobody has asked for the same before")
    problem: Problem | None = Field(
        default=None, description="Why no worker may be started; with a job, that one may have been charged"
    )


class Taken(NamedTuple):
    """The job for a draft."""

    folder: JobFolder
    is_new: bool
    doubt: OutcomeUnknown | None = None
    """It was sent before, may have been charged, and nobody knows what became of it: only a person sends it again."""


def main(outcome_file: Path, order_line: IO[bytes]) -> int:
    """Place one order, write down what became of it, and return the exit status.

    Raises:
        StorageError: it cannot be written down.
    """
    line = order_line.readline()
    if not line.endswith(b"\n"):  # whoever wanted it has gone
        return Stopped.exit_status
    try:
        outcome = place(Order.model_validate_json(line))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the order"
        outcome = Outcome(problem=Problem.of(BadOption(f"The order cannot be understood, at {where}: {first['msg']}.")))
    try:
        system.write_atomically(outcome_file, outcome.model_dump_json().encode(), durable=False)
    except OSError as error:
        raise StorageError(f"{outcome_file} cannot be written: {system.explain(error)}.") from error
    return outcome.problem.exit_status if outcome.problem else 0


def place(order: Order) -> Outcome:
    """Return the job for an order, made now if there is none. Why there can be none is in the outcome."""
    try:
        taken = _taken(order)
    except ImageTo3DError as error:
        return Outcome(problem=Problem.of(error))
    finally:
        _delete(order.delete)
    problem = Problem.of(taken.doubt) if taken.doubt else None
    return Outcome(job=taken.folder.id, is_new=taken.is_new, problem=problem)


def take(draft: Draft, library: Library, *, again: bool = False) -> Taken:
    """Return the job for a draft; what was bought before is not bought again.

    again: buy anew what was bought before.

    Raises:
        StorageError: the library cannot be read or written.
    """
    is_paid = providers.info(draft.request.provider).paid
    with library.locked() if is_paid else nullcontext():
        earlier = _bought_before(draft, library) if is_paid and not again else None
        return earlier or Taken(draft.create(library), is_new=True)


def _taken(order: Order) -> Taken:
    checked = draft(
        {view: Path(path) for view, path in order.views.items()},
        names=order.names,
        provider=order.provider,
        model=order.model,
        options=order.options,
        placement=order.placement,
        name=order.name,
    )
    taken = take(checked, Library(Path(order.library)), again=order.again)
    front = checked.pictures[View.FRONT]
    if taken.is_new and handed_over.is_dump(front):
        with suppress(OSError):  # only for the eye
            system.write_atomically(taken.folder.thumbnail, handed_over.thumbnail(front), durable=False)
    return taken


def _bought_before(draft: Draft, library: Library) -> Taken | None:
    """Return the job that has what the draft asks for, or may still bring it, or may have been charged."""
    found = max(library.same(draft.request.fingerprint), key=lambda each: each[1].worth, default=None)
    if found is None or found[1].worth == 0:
        return None
    folder, job = found
    if job.worth > 1:
        return Taken(folder, is_new=False)
    doubt = OutcomeUnknown(
        f'The same request was sent before, as "{folder.id}", and may have been charged.',
        hint="Look at the service's own history; to send it again all the same, use --again.",
    )
    return Taken(folder, is_new=False, doubt=doubt)


def _delete(paths: Iterable[str]) -> None:
    for path in map(Path, paths):
        with suppress(OSError):  # the system's own clean-up comes for it
            path.rmdir() if path.is_dir() else path.unlink()
