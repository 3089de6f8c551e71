# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of README.md that is made from the code: every provider with every option.

As a program (`scripts/readme`) it writes that part anew.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import Any

from blender_image_to_3d import providers
from blender_image_to_3d.providers import describe
from blender_image_to_3d.providers.contract import Provider

from .conftest import ROOT

README = ROOT / "README.md"
BEGIN = "<!-- providers: written by scripts/readme -->"
END = "<!-- end of providers -->"
_SIGNS_OF_MARKDOWN = re.compile(r"([\\`*_{}\[\]#|~!])")
_HEAD = "| option | values | default | meaning |\n|---|---|---|---|"


def written(text: str) -> str:
    """Return a README with its part as it should be.

    Raises:
        ValueError: it does not hold each of the two comments once, in this order.
    """
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end) or BEGIN in tail or END in head + tail:
        raise ValueError(f"README.md must hold the lines {BEGIN} and {END} once each")
    return "\n\n".join([head + BEGIN, *(of_provider(providers.get(each)) for each in providers.ids()), END + tail])


def of_provider(provider: Provider) -> str:
    """Return one provider, folded up until somebody clicks on it."""
    info = provider.info
    summary = f"<b>{_in_html(info.label)}</b> <code>{info.id}</code>: {_in_html(info.summary)}"
    summary += f" <i>Views: {_listed([view.value for view in info.views])}.</i>"
    parts = [f"<details>\n<summary>{summary}</summary>", "\n".join(_terms(provider))]
    for (options, views), models in describe.kinds_of_models(provider).items():
        if len(info.models) > 1:
            only = "" if views == info.views else f" ({_listed([view.value for view in views])} only)"
            parts.append(f"With {' or '.join(f'`--model {model}`' for model in models)}{only}:")
        facts = describe.option_facts(options)
        parts.append("\n".join([_HEAD, *map(row, facts)]) if facts else "No options.")
    return "\n\n".join([*parts, "</details>"])


def row(facts: dict[str, Any]) -> str:
    """Return the line of one option in its table."""
    meaning = f"**{in_markdown(facts['label'])}**: {in_markdown(facts['description'])}."
    for name, values in facts["only_if"].items():
        meaning += f" Only with {_code(name)} {' or '.join(_value(each) for each in values)}."
    return f"| {_code(facts['name'])} | {_values(facts)} | {_value(facts['default'])} | {meaning} |"


def in_markdown(text: str) -> str:
    """Return a text that a page of Markdown shows as it is, in a table too."""
    return _SIGNS_OF_MARKDOWN.sub(r"\\\1", _in_html(text))


def _in_html(text: str) -> str:
    return html.escape(text, quote=False)


def _terms(provider: Provider) -> list[str]:
    """Return what else one has to know before anything is sent, as a list."""
    facts = describe.provider_facts(provider)
    pictures = f"{_listed(facts['picture_formats'])} as they are, others are converted"
    if facts["max_picture_bytes"]:
        pictures += f"; larger than {facts['max_picture_bytes'] / 1e6:g} MB are scaled down"
    lines = [f"Pictures: {pictures}", f"Models: {_listed([each.upper() for each in facts['result_formats']])}"]
    if facts["needs_key"]:
        lines.append(f"Key: {' or '.join(map(_code, facts['key_variables']))}, to be had at {facts['key_url']}")
    if facts["base_url"]:
        lines.append(f"Address: {_code(facts['base_url'])}, or what {_code(facts['url_variable'])} says")
        price = f"may cost money{': ' + facts['price'] if facts['price'] else ''}" if facts["paid"] else "costs nothing"
        later = "can be asked for again on another day" if facts["resumable"] else "cannot be asked for again"
        stop = "can be stopped at the service" if facts["cancellable"] else "cannot be stopped"
        lines.append(f"What was sent {price}, {later}, and {stop}")
    return [f"- {line}" for line in lines]


def _values(facts: dict[str, Any]) -> str:
    """Return what an option may be: its choices, or its type and range."""
    if facts["choices"]:
        return ", ".join(_value(each) for each in facts["choices"])
    match facts["type"]:
        case "boolean":
            return f"{_value(True)}, {_value(False)}"
        case "integer" | "number" as kind:
            name = "whole number" if kind == "integer" else "number"
            return f"{name}{_range(facts)}"
        case _:
            return f"text, up to {facts['longest']} characters" if facts["longest"] else "text"


def _range(facts: dict[str, Any]) -> str:
    lowest, highest = (None if each is None else f"{each:.10g}" for each in (facts["minimum"], facts["maximum"]))
    if lowest and highest and not facts["above_minimum"] and not facts["below_maximum"]:
        return f", {lowest} to {highest}"
    above = f", {'more than' if facts['above_minimum'] else 'at least'} {lowest}" if lowest else ""
    below = f", {'less than' if facts['below_maximum'] else 'at most'} {highest}" if highest else ""
    return above + below


def _value(value: Any) -> str:
    """Return a value as one writes it behind `--option NAME=`."""
    match value:
        case None | "":
            return "nothing"
        case bool():
            return _code(str(value).lower())
        case float():
            return _code(f"{value:g}")
        case _:
            return _code(str(value))


def _code(text: str) -> str:
    """Return a text between back ticks; only a table's own sign means anything there."""
    assert "`" not in text, f"more back ticks are needed around {text}"
    return "`{}`".format(text.replace("|", r"\|"))


def _listed(texts: Sequence[str]) -> str:
    return ", ".join(texts)


def main() -> None:
    """Bring the README up to date."""
    README.write_text(written(README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
