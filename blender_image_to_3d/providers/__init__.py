# SPDX-License-Identifier: GPL-3.0-or-later
"""The providers, one file each: a file's name is the provider's id. Adding a file here is all it takes."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from ..errors import BadOption
from .contract import Provider, ProviderInfo


def ids() -> list[str]:
    """Return the ids of all providers, without importing any of them."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


@cache
def get(provider_id: str) -> Provider:
    """Return one provider.

    Raises:
        BadOption: there is none of this id.
    """
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
