# SPDX-License-Identifier: GPL-3.0-or-later
"""The services as the preferences show them: whose key is known, and what the service said when it was asked.

Drawing reads what stands here. Files are read by `refresh`, which a timer calls, and services are asked by a program.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import bpy

from ...errors import BrokenPackage, ImageTo3DError, StorageError, Unreachable
from ...host import dependencies
from ..interface import redraw
from ..interface.texts import tr, tr_problem
from .short_programs import ShortProgram

if TYPE_CHECKING:
    from ...host.keys import Source
    from ...models import ProviderInfo

_BULLET = "\u2022"
_MASK = _BULLET * 12
"""Stands for a key, which is never shown."""

_CHECK_SECONDS = 40.0
"""The program itself gives up after 15, and has to start first."""


@dataclass
class Service:
    """One service. Providers that share a key are one."""

    infos: list[ProviderInfo]
    source: Source | None = None
    """Where its key comes from; nothing: nobody has looked."""
    message: str = ""
    """What became of the last question, or of the key that was entered."""
    is_problem: bool = False
    balance: str | None = None
    short_program: ShortProgram | None = None

    @property
    def info(self) -> ProviderInfo:
        return self.infos[0]

    @property
    def has_key(self) -> bool:
        return self.source is not None and self.source.kind != "none"

    @property
    def is_key_fixed(self) -> bool:
        """A variable holds the key: what is entered here would have no effect."""
        return self.source is not None and self.source.kind == "environment"

    @property
    def address(self) -> str:
        from ...providers import access

        return access.base_url_of(self.info) or ""

    @property
    def state_text(self) -> str:
        """Where its key comes from, who else uses it, and what became of the last question, in the user's language."""
        parts = [self._origin(), self.message]
        if self.short_program is not None:
            parts[1] = tr("Asking ...")
        if len(self.infos) > 1 and not self.is_problem:
            others = ", ".join(info.label for info in self.infos[1:])
            parts.insert(1, tr("Also for {providers}").format(providers=others))
        return " · ".join(filter(None, parts[1:] if self.is_problem else parts))

    def _origin(self) -> str:
        if self.source is None or not self.info.needs_key:
            return ""
        match self.source.kind:
            case "environment":
                return tr("From {variable}").format(variable=self.source.name)
            case "file":
                return tr("From your key file")
            case _:
                return ""  # the field says so

    @property
    def can_be_asked(self) -> bool:
        return self.short_program is None and (self.has_key or not self.info.needs_key)

    def say(self, message: str, *, is_problem: bool) -> None:
        self.message, self.is_problem = message, is_problem

    def forget_answer(self) -> None:
        """Another key is another account."""
        self.message, self.is_problem, self.balance = "", False, None
        self.stop()

    def stop(self) -> None:
        if self.short_program is not None:
            self.short_program.answer()
            self.short_program = None


@dataclass
class _Known:
    services: list[Service] = field(default_factory=list)
    by_provider: dict[str, Service] = field(default_factory=dict)


_known = _Known()


def are_known() -> bool:
    return bool(_known.services)


def known() -> list[Service]:
    """Return the services in the order of their names; none before `load`."""
    return _known.services


def load() -> None:
    """Find out which services there are, and where their keys are. Imports all providers.

    Raises:
        BrokenPackage: pydantic is missing or broken.
    """
    dependencies.check()
    from ... import providers

    if are_known():
        return
    by_key: dict[str, Service] = {}
    for info in map(providers.info, providers.ids()):
        if info.base_url is None:
            continue
        service = by_key.setdefault(info.key_variables[0] if info.needs_key else info.id, Service([]))
        service.infos.append(info)
        _known.by_provider[info.id] = service
    _known.services[:] = sorted(by_key.values(), key=lambda each: each.info.label.lower())
    refresh()


def refresh() -> bool:
    """Look where the keys are; whether that has changed."""
    from ...host import keys

    before = [service.source for service in _known.services]
    for service in _known.services:
        service.source = keys.source_of(service.info)
    return before != [service.source for service in _known.services]


def forget() -> None:
    """End what runs, and forget everything."""
    for service in _known.services:
        service.stop()
    _known.services.clear()
    _known.by_provider.clear()


_has_key: dict[str, bool] = {}
"""By provider, also before `load`: drawing must not read files."""


def is_key_there(info: ProviderInfo) -> bool:
    """Whether a provider's key is known, as far as anybody has looked."""
    if info.id not in _has_key:
        from ...host import keys

        _has_key[info.id] = keys.source_of(info).kind != "none"
    return _has_key[info.id]


def forget_keys() -> None:
    """Look again for keys: one was set or cleared."""
    _has_key.clear()


def balance_of(provider_id: str) -> str | None:
    """Return what is left at a provider's service, if it was asked and said so."""
    service = of(provider_id)
    return service.balance if service is not None else None


def of(provider_id: str) -> Service | None:
    """Return the service of a provider; nothing, if it has none or nobody has called `load`."""
    return _known.by_provider.get(provider_id)


def shown_key(provider_id: str) -> str:
    """Return what the field of a key shows: nothing, or bullets."""
    try:
        load()
    except BrokenPackage:
        return ""
    if bpy.app.background:  # no timer does it there
        refresh()
    service = of(provider_id)
    return _MASK if service is not None and service.has_key else ""


def enter_key(provider_id: str, text: str) -> None:
    """Keep what was typed into the field of a key; an empty field forgets it. What is wrong is said beside it."""
    from ...host import keys

    load()
    service = of(provider_id)
    if service is None:
        return
    key = text.replace(_BULLET, "").strip()  # typed behind the bullets, or in their place
    if text and not key:
        return
    service.forget_answer()
    try:
        keys.store(service.info, key or None)
    except ImageTo3DError as error:
        service.say(tr_problem(str(error)), is_problem=True)
    refresh()
    forget_keys()
    redraw.tabs()


def ask(service: Service) -> None:
    """Start to ask a service whether it takes the key.

    Raises:
        ImageTo3DError: why it cannot be asked.
    """
    from ...host import keys, system
    from ...models import Start
    from ...providers import access

    service.forget_answer()
    try:
        access.check_access(service.info, access.Surroundings(is_online=bpy.app.online_access))
        start = Start(key=keys.key_of(service.info), base_url=access.base_url_of(service.info))
        words = ("account", service.info.id, ShortProgram.ANSWER)
        service.short_program = ShortProgram(*words, line=start.model_dump_json(), most_seconds=_CHECK_SECONDS)
    except OSError as error:
        raise StorageError(f"The program that asks cannot be started: {system.explain(error)}.") from error
    except ModuleNotFoundError as error:
        raise StorageError(
            f'The Python package "{error.name}" is missing.', hint="Install the add-on again."
        ) from error


def step() -> bool:
    """Take the answers that have come; whether there were any."""
    answered = [
        service for service in _known.services if service.short_program is not None and service.short_program.is_over
    ]
    for service in answered:
        _take_answer(service)
    if answered:
        redraw.tabs()  # the balance stands there
    return bool(answered)


def is_waiting() -> bool:
    """Whether an answer is still to come."""
    return any(service.short_program is not None for service in _known.services)


def _take_answer(service: Service) -> None:
    from ...providers.accounts import AccountOutcome

    assert service.short_program is not None
    data = service.short_program.answer()
    service.short_program = None
    if data is None:
        service.say(tr("There was no answer"), is_problem=True)
        return
    outcome = AccountOutcome.model_validate_json(data)
    if outcome.problem is not None:
        is_about_jobs = outcome.problem.exit_status == Unreachable.exit_status  # to resume them, for one
        hint = "" if is_about_jobs else outcome.problem.hint
        service.say(f"{tr_problem(outcome.problem.message)} {tr_problem(hint)}".strip(), is_problem=True)
        return
    service.balance = outcome.balance
    good = tr("The key is good") if service.info.needs_key else tr("It answers")
    left = tr("{balance} left").format(balance=outcome.balance) if outcome.balance else ""
    service.say(" · ".join(filter(None, (good, left))), is_problem=False)
