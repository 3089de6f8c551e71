# SPDX-License-Identifier: GPL-3.0-or-later
"""A provider and its options in words and as plain facts: for help, for JSON, for whoever draws a form."""

from __future__ import annotations

from typing import Any

from ..models import View
from .contract import Options, Provider


def provider_facts(provider: Provider) -> dict[str, Any]:
    """Return all that is known of a provider before anything is sent, JSON-able."""
    info = provider.info
    return {
        **info.model_dump(mode="json"),
        "needs_key": info.needs_key,
        "key_variables": list(info.all_key_variables),
        "url_variable": info.url_variable if info.base_url else None,
        "options": option_facts(provider.options_of(None)),
        "by_model": {model: option_facts(provider.options_of(model)) for model in info.models},
        "views_by_model": {model: [view.value for view in provider.views_of(model)] for model in info.models},
    }


def provider_help(provider: Provider) -> str:
    """Return what a person has to know to use a provider."""
    info = provider.info
    lines = [f"{info.id}: {info.label}. {info.summary}", f"  pictures: {_views(info.views)}; {_pictures(provider)}"]
    if info.needs_key:
        lines.append(f"  key: {' or '.join(info.all_key_variables)}, to be had at {info.key_url}")
    if info.base_url:
        lines.append(f"  address: {info.base_url}, or what {info.url_variable} says")
    later = "can be resumed on another day" if info.resumable else "cannot be asked for again"
    stop = "can be stopped at the service" if info.cancellable else "cannot be stopped once it was sent"
    lines.append(f"  what was sent {later}, {stop}, and {'may cost money' if info.paid else 'costs nothing'}")
    for (options, views), models in kinds_of_models(provider).items():
        only = "" if views == info.views else f" ({_views(views)} only)"
        of = f" of --model {' or '.join(models)}" if len(info.models) > 1 else ""
        lines += [f"  options{of}{only}:", options_help(options) or "    none"]
    return "\n".join(lines)


def kinds_of_models(provider: Provider) -> dict[tuple[type[Options], tuple[View, ...]], list[str]]:
    """Return the models that take the same options and views, together."""
    kinds: dict[tuple[type[Options], tuple[View, ...]], list[str]] = {}
    for model in provider.info.models or (None,):
        kinds.setdefault((provider.options_of(model), provider.views_of(model)), []).append(model or "")
    return kinds


def _views(views: tuple[View, ...]) -> str:
    sides = [view.value for view in views if view not in {View.FRONT, View.MASK}]
    more = [f"--view {' or '.join(sides)}"] if sides else []
    more += ["--mask"] if View.MASK in views else []
    return ", and ".join(["front", *more])


def _pictures(provider: Provider) -> str:
    info = provider.info
    text = f"{', '.join(info.picture_formats)} as they are, others are converted"
    if info.max_picture_bytes:
        text += f"; larger than {info.max_picture_bytes / 1e6:g} MB are scaled down"
    return text


def option_facts(options: type[Options]) -> list[dict[str, Any]]:
    """Return for each option its name, label, description, type, default, limits and choices, and if it is advanced.

    `type` is that of JSON schema, or None for what cannot be said in one value. `optional`: null is a value, too.
    `above_minimum`, `below_maximum`: the limit itself is not allowed.
    `only_if`: the values of other options with which it has an effect, by their names; empty: always.
    """
    schema = options.model_json_schema()
    shared = schema.get("$defs", {})
    return [_facts(name, _inlined(field, shared)) for name, field in schema.get("properties", {}).items()]


def options_help(options: type[Options]) -> str:
    """Return two lines for each option: name, range and default; meaning."""
    facts_of_all = option_facts(options)
    width = max((len(facts["name"]) for facts in facts_of_all), default=0)
    lines = []
    for facts in facts_of_all:
        if facts["choices"]:
            values = "|".join(str(each) or '""' for each in facts["choices"])
        elif facts["maximum"] is not None:
            values = f"{facts['minimum']} to {facts['maximum']}"
        elif facts["minimum"] is not None:
            values = f"{facts['minimum']} or more"
        else:
            values = facts["type"]
        default = "nothing" if facts["default"] in (None, "") else facts["default"]
        lines.append(f"    {facts['name']:<{width}}  {values} (default {default})\n        {facts['description']}")
    return "\n".join(lines)


def _inlined(field: dict[str, Any], shared: dict[str, Any]) -> dict[str, Any]:
    """Return a field's schema with what it refers to (an enumeration, what it is if it is not null) in it."""
    if "$ref" in field:
        return {**shared[field["$ref"].rsplit("/", 1)[-1]], **field}
    variants = [_inlined(each, shared) for each in field.get("anyOf", ()) if each.get("type") != "null"]
    if not variants:
        return field
    kind = variants[0] if len(variants) == 1 else {"type": None}
    return {**kind, **field, "optional": len(variants) < len(field["anyOf"])}


def _facts(name: str, field: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "label": field.get("title", name),
        "description": field.get("description", ""),
        "type": field.get("type", "string"),
        "optional": field.get("optional", False),
        "default": field.get("default"),
        "minimum": field.get("minimum", field.get("exclusiveMinimum")),
        "maximum": field.get("maximum", field.get("exclusiveMaximum")),
        "above_minimum": "exclusiveMinimum" in field,
        "below_maximum": "exclusiveMaximum" in field,
        "shortest": field.get("minLength"),
        "longest": field.get("maxLength"),
        "choices": [field["const"]] if "const" in field else field.get("enum"),
        "advanced": field.get("advanced", False),
        "only_if": field.get("only_if", {}),
    }
