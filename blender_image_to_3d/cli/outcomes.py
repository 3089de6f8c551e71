# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``batch`` says of its pictures: of each one as soon as it is known what became of it, and of all in the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .assembly import Assembly
from .console import Console

if TYPE_CHECKING:
    from ..batch.assembly import Wish
    from ..batch.batch import Item, Outcome


def say_that_it_waits(item: Item, machine: str, console: Console) -> None:
    """Say that another machine works on a picture, and nothing else is left to do."""
    console.event("waiting", picture=str(item.picture), machine=machine)
    console.note(f'{item.picture.name}: waiting for the machine "{machine}" ...')


def say_outcome(outcome: Outcome, count: str, console: Console) -> None:
    """Say what became of one picture.

    count: such as 3/8: the third one of which that is known.
    """
    console.event("picture", **facts_of(outcome))
    problem = f": {outcome.problem.message} {outcome.problem.hint}".rstrip() if outcome.problem else ""
    console.note(f"[{count}] {outcome.item.picture.name}: {outcome.state}{problem}")
    console.step(outcome.seconds)


def facts_of(outcome: Outcome) -> dict[str, Any]:
    """Return what a report and a JSON line have of one picture."""
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


def conclude(outcomes: Sequence[Outcome], assembled: Assembly, wish: Wish, console: Console, *, is_farm: bool) -> int:
    """Say what became of everything, and return the exit status.

    is_farm: what would fail on another machine as well does not count as failed.
    """
    failed = sum(outcome.problem is not None for outcome in outcomes)
    done = sum(outcome.state == "done" for outcome in outcomes)
    skipped = sum(outcome.was_there for outcome in outcomes)
    lines = [f"{done} done, {skipped} were there, {failed} failed", *assembled.lines(wish)]
    facts = {"done": done, "skipped": skipped, "failed": failed, **assembled.facts(wish)}
    console.answer("\n".join(lines), event="done", **facts)
    for page in assembled.pages:
        console.saved(page)
    if is_farm:
        failed = sum(outcome.problem is not None and not outcome.problem.would_recur for outcome in outcomes)
    return 1 if failed or assembled.problems else 0
