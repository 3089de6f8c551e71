# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a provider may be asked from here, at which address, and how long it may say nothing new."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import Offline
from ..host import settings
from ..host.keys import key_of
from ..host.programs import find_package
from ..models import ProviderInfo


@dataclass(frozen=True)
class Surroundings:
    """What the program around us gives its workers."""

    blender: str | None = None
    """The binary that can be started for work that needs a Blender."""
    is_online: bool = True
    """Whether the network may be used. This computer's own servers may be asked in any case."""


NOTHING_AROUND = Surroundings()


def check_access(info: ProviderInfo, around: Surroundings) -> None:
    """Say before anything is done whether a provider may be asked at all.

    Raises:
        AccountError: it needs a key, and there is none that could be one.
        BadOption: its address is none.
        Offline: the user does not want the network to be used.
        ModuleNotFoundError: requests is missing; Blender brings it.
    """
    key = key_of(info)
    base_url = base_url_of(info)
    if base_url is None:
        return
    find_package("requests")
    if around.is_online:
        return
    from ..http.addresses import Service  # not for those who are online

    if not Service.at(base_url, has_key=key is not None).is_loopback:
        raise Offline(
            f"{info.label} needs the network, and Blender is set not to use it.",
            hint="Allow Online Access in the preferences (System > Network), or start Blender with --online-mode.",
        )


def base_url_of(info: ProviderInfo, environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the address that the user put in place of the service's own, if any."""
    return environment.get(info.url_variable, "").strip() or info.base_url


def patience_of(info: ProviderInfo, environment: Mapping[str, str] = os.environ) -> float:
    """Return how long a service may say nothing new: its own time, or what the user says in its place.

    Raises:
        BadOption: what the user says is not a number of seconds.
    """
    return settings.seconds("IMAGE_TO_3D_PATIENCE_SECONDS", info.patience_seconds, environment)
