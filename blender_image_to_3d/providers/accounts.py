# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a service whether a key is good, and what is left; costs nothing. Also a program: ``… account ID OUTCOME_FILE``.

Blender starts it, so that it never waits for a service. It gets a `Start` as one line on standard input, and leaves an
`AccountOutcome` in the file.
"""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from pydantic import ValidationError

from .. import providers
from ..errors import BadOption, ImageTo3DError, Stopped, StorageError
from ..host import keys, system
from ..http import Http, Limits, in_one_line, redacted
from ..models import Model, Problem, Start
from . import access
from .access import NOTHING_AROUND, Surroundings
from .contract import Account

_CHECK_SECONDS = 15.0


class AccountOutcome(Model):
    """What became of the question."""

    balance: str | None = None
    """With its unit, if the service says it."""
    problem: Problem | None = None


def main(provider_id: str, outcome_file: Path, start_line: IO[bytes]) -> int:
    """Ask, write down the answer, and return the exit status.

    Raises:
        StorageError: it cannot be written down.
    """
    line = start_line.readline()
    if not line.endswith(b"\n"):  # whoever wanted it has gone
        return Stopped.exit_status
    try:
        start = Start.model_validate_json(line)
    except ValidationError:  # its text would hold the key
        raise BadOption("The first line of standard input is not a start message.") from None
    outcome = _outcome(provider_id, start)
    try:
        system.write_atomically(outcome_file, outcome.model_dump_json().encode(), durable=False)
    except OSError as error:
        raise StorageError(f"{outcome_file} cannot be written: {system.explain(error)}.") from error
    return outcome.problem.exit_status if outcome.problem else 0


def account_of(provider_id: str, around: Surroundings = NOTHING_AROUND) -> Account:
    """Ask a service whether it takes our key, and what is left of the credit.

    Raises:
        BadOption: there is no such provider, or it has no service that could be asked.
        AccountError: the key is missing or wrong.
        Unreachable: the service does not answer, or the network may not be used.
        GenerationFailed: the service has no way to ask.
    """
    info = providers.info(provider_id)
    if info.base_url is not None:
        access.check_access(info, around)
    return _ask(provider_id, keys.key_of(info), access.base_url_of(info))


def _outcome(provider_id: str, start: Start) -> AccountOutcome:
    try:
        return AccountOutcome(balance=_ask(provider_id, start.key, start.base_url).balance)
    except ImageTo3DError as error:
        problem = Problem.of(error)
    secrets = [start.key or ""]
    words = {"message": redacted(problem.message, secrets), "hint": redacted(problem.hint, secrets)}
    return AccountOutcome(problem=problem.evolve(**words))


def _ask(provider_id: str, key: str | None, base_url: str | None) -> Account:
    provider = providers.get(provider_id)
    label, address = provider.info.label, base_url or provider.info.base_url
    if address is None:
        raise BadOption(f"{label} works on this computer: there is no service to ask.")
    with TemporaryDirectory() as folder:
        http = Http(
            label=label,
            base_url=address,
            key=key,
            is_paid=False,
            folder=Path(folder),
            wait=time.sleep,
            report=lambda message, progress: None,
            limits=Limits().within(_CHECK_SECONDS),
        )
        account = provider.account(http, key)
    return account.evolve(balance=in_one_line(account.balance, [key or ""]) if account.balance else None)
