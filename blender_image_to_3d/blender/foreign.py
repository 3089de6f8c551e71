# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators of Blender's that differ between its versions, or belong to an add-on that may be switched off."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import bpy

Operator = Callable[..., set[str]]


def find(name: str) -> Operator | None:
    """Return the operator "module.function", if this Blender has it."""
    module, function = name.split(".")
    operator: Operator = getattr(getattr(bpy.ops, module), function)
    return operator if _settings_of(operator) is not None else None


def call(operator: Operator, path: Path, settings: Mapping[str, object]) -> None:
    """Call an importer or exporter with those of the settings that this version of it knows.

    Raises:
        RuntimeError: it failed; see `reason`.
        KeyboardInterrupt: Ctrl-C, which Blender reports as a failure of operators that are written in Python.
    """
    known = _settings_of(operator) or set()
    try:
        operator(filepath=str(path), **{name: value for name, value in settings.items() if name in known})
    except RuntimeError as error:
        if reason(error) == "KeyboardInterrupt.":
            raise KeyboardInterrupt from None
        raise


def reason(error: RuntimeError | OSError) -> str:
    """Return the one line of an operator's error that says something, as the end of a sentence."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # Python's own operators report a whole traceback, and some versions where it was called.
    lines = [line for line in lines if not line.startswith("Location:")] or ["it gave no reason"]
    line = lines[-1] if "Traceback" in lines[0] else lines[0]
    return line.removeprefix("Error: ").rstrip(".") + "."


def _settings_of(operator: Operator) -> set[str] | None:
    try:
        return set(operator.get_rna_type().properties.keys())  # type: ignore[attr-defined]
    except KeyError:
        return None
