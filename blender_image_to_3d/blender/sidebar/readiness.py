# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether Generate can be pressed, and what happens if it is: one quiet line under the button."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import bpy

from ..interface.texts import tr
from ..session import services

if TYPE_CHECKING:
    from ...models import ProviderInfo


@dataclass(frozen=True)
class Readiness:
    """What stands under the button."""

    line: str
    reason: str | None = None
    """Why it cannot be pressed."""
    fix: str = ""
    """The operator that helps."""


def of_form(scene: bpy.types.Scene) -> Readiness:
    """Return what the form of a scene lacks, or what it will do."""
    from ..form import scene_form

    if scene_form.picture(scene) is None:
        return _not_ready(tr("Choose a picture first"))
    return of_files(scene)


def of_files(scene: bpy.types.Scene) -> Readiness:
    """As `of_form`, where the pictures are chosen elsewhere."""
    from ... import providers
    from ..form import scene_form

    provider = providers.get(scene_form.entry(scene).id)
    return _access(provider.info) or Readiness(_promise(provider.info, provider.price_of(scene_form.model(scene))))


def _access(info: ProviderInfo) -> Readiness | None:
    """Return why a provider may not be asked at all."""
    if info.needs_key and not services.is_key_there(info):
        return _not_ready(tr("{service} needs a key").format(service=info.label), fix="image_to_3d.open_preferences")
    if info.base_url is None:
        return None
    if not _can_send():
        return _not_ready(tr('The Python package "requests", a part of Blender, is missing: install Blender again'))
    if bpy.app.online_access or _is_on_this_computer(info):
        return None
    if bpy.app.online_access_override:
        return _not_ready(tr("Blender was started in offline mode"))
    return _not_ready(tr("{service} needs online access").format(service=info.label), fix="image_to_3d.allow_online")


def _not_ready(reason: str, *, fix: str = "") -> Readiness:
    return Readiness(reason, reason, fix)


def _can_send() -> bool:
    from ...host import programs

    try:
        programs.find_package("requests")
    except ModuleNotFoundError:
        return False
    return True


def _is_on_this_computer(info: ProviderInfo) -> bool:
    from urllib.parse import urlsplit

    from ...providers import access

    host = urlsplit(access.base_url_of(info) or "").hostname or ""
    return host == "localhost" or host == "::1" or host.startswith("127.")


def _promise(info: ProviderInfo, price: str | None) -> str:
    if info.base_url is None:
        return tr("On this computer")
    if not info.paid:
        return tr("Sends the picture to {service}").format(service=info.label)
    price = tr(price) if price else None
    balance = services.balance_of(info.id)
    if price and balance:
        return tr("{price} (balance {balance})").format(price=_capital(price), balance=balance)
    if price:
        return tr("Sends the picture to {service}, {price}").format(service=info.label, price=price)
    if balance:
        return tr("Sends the picture to {service} (balance {balance})").format(service=info.label, balance=balance)
    return tr("Sends the picture to {service}").format(service=info.label)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
