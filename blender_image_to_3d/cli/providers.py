# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``providers``: says who makes models, with which options, and whether a service takes the user's key."""

from __future__ import annotations

import argparse

from ..errors import BadOption
from .console import Console
from .host_program import HostProgram
from .parser import Commands


def add_parser(commands: Commands) -> None:
    command = commands.add_parser("providers", help="say what there is, and every option")
    command.add_argument("id", nargs="?", metavar="ID", help="only this one")
    command.add_argument("--check", action="store_true", help="ask its service whether the key is good; costs nothing")
    command.add_argument("--json", action="store_true", help="one JSON line for each")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace, console: Console, host: HostProgram) -> int:
    from .. import providers
    from ..providers.describe import provider_facts, provider_help

    if options.check:
        return _check_account(options, console, host)
    for provider_id in [options.id] if options.id else providers.ids():
        provider = providers.get(provider_id)
        console.answer(provider_help(provider), **provider_facts(provider))
    return 0


def _check_account(options: argparse.Namespace, console: Console, host: HostProgram) -> int:
    from .. import providers
    from ..providers import accounts

    if not options.id:
        raise BadOption("Which provider is to be checked?", hint=f"One of: {', '.join(providers.ids())}.")
    account = accounts.account_of(options.id, host.around())
    info = providers.info(options.id)
    text = f"{info.label} takes the key." if info.needs_key else f"{info.label} answers."
    balance = f" Balance: {account.balance}." if account.balance else ""
    console.answer(text + balance, id=info.id, **account.model_dump(mode="json"))
    return 0
