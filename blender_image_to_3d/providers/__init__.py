# SPDX-License-Identifier: GPL-3.0-or-later
"""Who makes models: the contract, and one file for each service, whose name is the provider's id; no jobs, no Blender.

Adding a file here is all it takes. Asking who there is imports none of them, and no pydantic.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import TYPE_CHECKING

from ..errors import BadOption

if TYPE_CHECKING:
    from ..models import ProviderInfo
    from .contract import Provider

_ABOUT_ALL = {"access", "accounts", "contract", "describe"}
"""The files that are about every service and none of their own."""


def ids() -> list[str]:
    """Return the ids of all providers, without importing any of them."""
    names = {module.name for module in pkgutil.iter_modules(__path__)}
    return sorted(name for name in names - _ABOUT_ALL if not name.startswith("_"))


@cache
def get(provider_id: str) -> Provider:
    """Return one provider.

    Raises:
        BadOption: there is none of this id.
    """
    from .contract import Provider

    if provider_id not in ids():
        raise BadOption(f'There is no provider "{provider_id}".', hint=f"There are: {', '.join(ids())}.")
    module = importlib.import_module(f".{provider_id}", __name__)
    classes = [
        each
        for each in vars(module).values()
        if isinstance(each, type)
        and issubclass(each, Provider)
        and "info" in vars(each)
        and each.__module__ == module.__name__
    ]
    if len(classes) != 1 or classes[0].info.id != provider_id:
        raise TypeError(f'providers/{provider_id}.py must define one provider, with the id "{provider_id}"')
    return classes[0]()


def info(provider_id: str) -> ProviderInfo:
    return get(provider_id).info
