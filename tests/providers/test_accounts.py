# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that asks a service whether a key is good, as Blender starts it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from blender_image_to_3d.errors import Stopped
from blender_image_to_3d.models import Start
from blender_image_to_3d.providers.accounts import AccountOutcome

from ..conftest import KEY, User
from ..fakes.servers.loopback import Exchange
from ..services import SERVICES, Service, files_with


@pytest.fixture
def meshy(user: User) -> Iterator[Service]:
    with SERVICES["meshy"](user) as service:
        for name in ("MESHY_API_KEY", "IMAGE_TO_3D_MESHY_URL"):  # all comes with the line
            del user.environment[name]
        yield service


def run(user: User, provider: str, line: bytes, outcome: Path) -> tuple[int, str]:
    """Return the exit status and what was printed."""
    done = user.run("account", provider, outcome, says=line.decode())
    return done.status, done.output + done.errors


def ask(user: User, provider: str, start: Start, outcome: Path) -> AccountOutcome:
    status, printed = run(user, provider, start.model_dump_json().encode() + b"\n", outcome)
    answer = AccountOutcome.model_validate_json(outcome.read_bytes())
    assert printed == "" and status == (answer.problem.exit_status if answer.problem else 0)
    return answer


def test_a_good_key_is_said_with_what_is_left(user: User, meshy: Service, tmp_path: Path) -> None:
    answer = ask(user, "meshy", Start(key=KEY, base_url=meshy.base_url), tmp_path / "outcome")
    assert answer.problem is None and answer.balance is not None and answer.balance.endswith(" credits")
    assert meshy.purchases() == 0 and meshy.complaints() == []
    assert files_with(user, KEY, tmp_path) == []


def test_a_key_that_is_refused_is_said_and_not_quoted(user: User, meshy: Service, tmp_path: Path) -> None:
    wrong = "sk-somebody-elses-9876543210"

    def quoting(exchange: Exchange) -> None:
        exchange.json({"message": f"The key {wrong} is not known"}, status=401)

    meshy.server.fail("/openapi/v1/balance", quoting)
    answer = ask(user, "meshy", Start(key=wrong, base_url=meshy.base_url), tmp_path / "outcome")
    assert answer.problem is not None and answer.problem.kind == "KeyRefused" and answer.balance is None
    assert files_with(user, wrong, tmp_path) == []


def test_a_server_of_one_s_own_needs_no_key(user: User, tmp_path: Path) -> None:
    with SERVICES["hunyuan3d"](user) as service:
        answer = ask(user, "hunyuan3d", Start(base_url=service.base_url), tmp_path / "outcome")
    assert answer == AccountOutcome()
    gone = ask(user, "hunyuan3d", Start(base_url=service.base_url), tmp_path / "outcome")
    assert gone.problem is not None and gone.problem.kind == "Unreachable"


@pytest.mark.parametrize(("provider", "kind"), [("offline_shape", "BadOption"), ("nobody", "BadOption")])
def test_who_cannot_be_asked_is_said(user: User, tmp_path: Path, provider: str, kind: str) -> None:
    answer = ask(user, provider, Start(), tmp_path / "outcome")
    assert answer.problem is not None and answer.problem.kind == kind


def test_a_line_that_is_none_leaves_nothing_and_quotes_nothing(user: User, tmp_path: Path) -> None:
    status, printed = run(user, "meshy", f'{{"key": ["{KEY}"]}}\n'.encode(), tmp_path / "outcome")
    assert status == 2 and KEY not in printed and "Traceback" not in printed
    status, printed = run(user, "meshy", f'{{"key": "{KEY}"}}'.encode(), tmp_path / "outcome")
    assert status == Stopped.exit_status and printed == ""
    assert not (tmp_path / "outcome").exists()
