# SPDX-License-Identifier: GPL-3.0-or-later
"""A provider's options in words and as plain facts: for help, for JSON, for whoever draws a form."""

from __future__ import annotations

from typing import Any

from .provider import Options


def option_facts(options: type[Options]) -> list[dict[str, Any]]:
    """Return for each option its name, label, description, type, default, range and choices, and if it is advanced."""
    schema = options.model_json_schema()
    shared = schema.get("$defs", {})
    return [_facts(name, _inlined(field, shared)) for name, field in schema.get("properties", {}).items()]


def options_help(options: type[Options]) -> str:
    """Return two lines for each option: name, range and default; meaning."""
    lines = []
    for facts in option_facts(options):
        if facts["choices"]:
            values = "|".join(map(str, facts["choices"]))
        elif facts["maximum"] is not None:
            values = f"{facts['minimum']} to {facts['maximum']}"
        elif facts["minimum"] is not None:
            values = f"{facts['minimum']} or more"
        else:
            values = facts["type"]
        lines.append(f"  {facts['name']:<16} {values} (default {facts['default']})\n      {facts['description']}")
    return "\n".join(lines)


def _inlined(field: dict[str, Any], shared: dict[str, Any]) -> dict[str, Any]:
    """Return a field's schema with what it refers to (an enumeration) in it."""
    if "$ref" not in field:
        return field
    return {**shared[field["$ref"].rsplit("/", 1)[-1]], **field}


def _facts(name: str, field: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "label": field.get("title", name),
        "description": field.get("description", ""),
        "type": field.get("type", "string"),
        "default": field.get("default"),
        "minimum": field.get("minimum", field.get("exclusiveMinimum")),
        "maximum": field.get("maximum", field.get("exclusiveMaximum")),
        "choices": field.get("enum"),
        "advanced": field.get("advanced", False),
    }
