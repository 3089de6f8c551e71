# SPDX-License-Identifier: GPL-3.0-or-later
"""What the list says of a job, and offers: for every state in which a job can be."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import bpy
import pytest

from .. import given

KINDS = [
    None,
    "BadPicture",
    "BadResult",
    "Cancelled",
    "GenerationFailed",
    "KeyMissing",
    "KeyRefused",
    "Offline",
    "OutOfCredit",
    "OutcomeUnknown",
    "Stalled",
    "StorageError",
]
URL = "https://service.example/account"


@pytest.fixture
def rows(package: ModuleType) -> Any:
    return given.module(package, "blender.session.job_rows")


def row(package: ModuleType, stage: str = "STOPPED", **changes: Any) -> Any:
    """A row; `state`, `handle` and `problem` are of its job."""
    rows = given.module(package, "blender.session.job_rows")
    told = {name: changes.pop(name) for name in ("state", "handle", "problem") if name in changes}
    made = rows.Row("Cup", "service", "Service", rows.Stage[stage], is_paid=True, account_url=URL, **changes)
    made.take(given.job(package).evolve(**told))
    return made


def problem(package: ModuleType, kind: str, charged: str = "no") -> Any:
    return given.module(package, "models").Problem(kind=kind, message="Something happened.", charged=charged)


def stopped_rows(package: ModuleType) -> Iterator[Any]:
    states = list(given.module(package, "models").JobState)
    for state, kind, charged, handle in itertools.product(states, KINDS, ["no", "maybe", "yes"], [None, {"id": 1}]):
        if state == "unknown" and kind is not None and charged == "no":
            continue  # no worker writes that
        yield row(package, state=state, handle=handle, problem=problem(package, kind, charged) if kind else None)


def test_whatever_happened_there_is_a_way_on(package: ModuleType, rows: Any) -> None:
    goes_on = {rows.Step.IMPORT, rows.Step.RESUME, rows.Step.CHECK_AGAIN, rows.Step.SEND_AGAIN}
    for each in stopped_rows(package):
        assert len(goes_on & set(rows.next_steps(each))) == 1, each


def test_no_button_sends_again_without_saying_so(package: ModuleType, rows: Any) -> None:
    """`unattended.reopen` decides what is sent; what the buttons are called must agree with it."""
    unattended, errors = given.module(package, "jobs.unattended"), given.module(package, "errors")
    for each in stopped_rows(package):
        steps, job = rows.next_steps(each), each.job
        if job.state.has_result or job.state == "submitting":  # which is judged anew before anything is sent
            assert rows.Step.RESUME not in steps and rows.Step.SEND_AGAIN not in steps
            continue
        try:
            is_sent = unattended._reopened(job, again=False).state == "queued"
        except errors.OutcomeUnknown:
            assert rows.Step.SEND_AGAIN in steps
            continue
        if job.state != "unknown" or not is_sent:
            assert (rows.Step.RESUME if is_sent else rows.Step.CHECK_AGAIN) in steps, each


def test_what_may_have_been_charged_is_said(package: ModuleType, rows: Any) -> None:
    for each in stopped_rows(package):
        text, charged = rows.state_text(each, None), each.problem.charged if each.problem else "no"
        if rows.Step.SEND_AGAIN in rows.next_steps(each):
            assert "charged" in text and "nothing was charged" not in text
        assert ("It was charged" in text) == (charged == "yes")
        if charged == "maybe":
            assert "may have been charged" in text
        assert "http" not in text and ".." not in text


class Layout:
    """Notes the buttons that a panel draws: there is no region to draw into without a window."""

    def __init__(self) -> None:
        self.buttons: list[tuple[str, SimpleNamespace]] = []

    def row(self, *, align: bool) -> Layout:
        return self

    def operator(self, name: str, *, text: str) -> SimpleNamespace:
        assert text
        self.buttons.append((name, SimpleNamespace(job="", url="")))
        return self.buttons[-1][1]


def test_every_step_has_a_button(package: ModuleType, rows: Any) -> None:
    """A step without one would break the panel."""
    job_panels = given.module(package, "blender.sidebar.job_panels")
    obstacle = given.module(package, "blender.session.destination").Obstacle("Waiting", is_operator=True)
    waits = row(package, "ARRIVED", state="ready", obstacle=obstacle)
    seen = set()
    for each in [*stopped_rows(package), waits]:
        layout = Layout()
        job_panels._draw_next_steps(layout, each)
        steps = rows.next_steps(each)
        seen |= set(steps)
        assert len(layout.buttons) == len(steps)
        for name, properties in layout.buttons:
            category, operator = name.split(".")
            getattr(getattr(bpy.ops, category), operator).get_rna_type()
            assert (properties.url, properties.job) == ((URL, "") if name == "wm.url_open" else ("", each.key))
    assert seen == set(rows.Step)


@pytest.mark.parametrize(
    ("state", "handle", "is_paid", "is_cancellable", "is_kept"),
    [
        ("queued", None, True, False, False),
        ("submitting", None, True, False, True),
        ("submitting", None, True, True, True),
        ("submitting", None, False, False, False),
        ("running", {"id": 1}, True, False, True),
        ("downloading", {"id": 1}, True, False, True),
        ("running", {"id": 1}, True, True, False),
        ("running", {"id": 1}, False, False, False),
    ],
)
def test_cancel_says_whether_the_result_is_kept(
    package: ModuleType, rows: Any, state: str, handle: Any, is_paid: bool, is_cancellable: bool, is_kept: bool
) -> None:
    each = row(package, "WORKING", state=state, handle=handle, is_cancelled=True)
    each.is_paid, each.is_cancellable = is_paid, is_cancellable
    kept = "Cancelled; the request cannot be recalled, its result will be kept"
    assert rows.state_text(each, None) == (kept if is_kept else "Cancelling")
    assert not each.can_cancel


def test_what_goes_on_is_shown_however_long_the_list_is(package: ModuleType, rows: Any) -> None:
    waiting = [row(package, "WAITING", state="queued") for _ in range(30)]
    over = [row(package, state="cancelled", problem=problem(package, "Cancelled")) for _ in range(30)]
    unknown = row(package, state="unknown", problem=problem(package, "OutcomeUnknown", "maybe"))
    working = [row(package, "WORKING", state="running") for _ in range(2)]
    shown = rows.most_important([*waiting, *over, unknown, *working], 12)
    assert [each.key for each in shown] == [each.key for each in [*waiting[:9], unknown, *working]]
