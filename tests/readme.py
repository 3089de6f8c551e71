# SPDX-License-Identifier: GPL-3.0-or-later
"""The page that is made from the code: every provider with every option.

As a program (`scripts/readme`) it writes that page anew.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import Any

from blender_image_to_3d import providers
from blender_image_to_3d.models import ProviderInfo
from blender_image_to_3d.providers import describe
from blender_image_to_3d.providers.contract import Provider

from .conftest import PACKAGE, ROOT

PAGE = ROOT / PACKAGE / "providers" / "README.md"
_SIGNS_OF_MARKDOWN = re.compile(r"([\\`*_{}\[\]#|~!])")
_CONTINUES = re.compile(r"(?:Of|From|For|In) ")
"""How a description begins that is no sentence without its label."""

_SILENCE_MINUTES = ProviderInfo.model_fields["patience_seconds"].default / 60

_BEGIN = f"""\
<!-- Written by scripts/readme from the code. Change it there. -->

# Every provider and every option

A provider makes the model. Choose one with `--provider ID`, or under *Provider* in the sidebar. Set an option with
`--option NAME=VALUE`, or under *Options*. The command `providers ID` prints the same.

- **Key**: the first of a provider's variables that is set in the environment counts. If none is set, the key counts
  that you entered in Blender's preferences, on the command line too.
- **Address**: the variable puts another address in place of the usual one.
- **Silence**: when a service reports nothing new for {_SILENCE_MINUTES:g} minutes, the job stops waiting.
  `jobs resume ID` goes on later. `IMAGE_TO_3D_PATIENCE_SECONDS` sets another time.
"""
_HEAD = "| option | values | default | meaning |\n|---|---|---|---|"


def written() -> str:
    """Return the page as it should be."""
    every = [providers.get(each) for each in providers.ids()]
    contents = "\n".join(f"- [{in_markdown(each.info.label)}](#{anchor(each.info.label)})" for each in every)
    return "\n\n".join([_BEGIN.rstrip(), contents, *map(of_provider, every)]) + "\n"


def anchor(heading: str) -> str:
    """Return what a link to a heading says behind its #, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def of_provider(provider: Provider) -> str:
    """Return the section of one provider."""
    info = provider.info
    parts = [f"## {in_markdown(info.label)}", f"{_code(info.id)}. {in_markdown(info.summary)}"]
    parts.append("\n".join(f"- {line}" for line in _terms(provider)))
    for (options, views), models in describe.kinds_of_models(provider).items():
        if len(info.models) > 1:
            only = "" if views == info.views else f" ({_listed([view.value for view in views])} only)"
            parts.append(f"With {' or '.join(f'`--model {model}`' for model in models)}{only}:")
        facts = describe.option_facts(options)
        parts.append("\n".join([_HEAD, *map(row, facts)]) if facts else "No options.")
    return "\n\n".join(parts)


def row(facts: dict[str, Any]) -> str:
    """Return the line of one option in its table."""
    meaning = f"**{in_markdown(facts['label'])}**{_continued(facts['description'])}."
    for name, values in facts["only_if"].items():
        meaning += f" Only with {_code(name)} {' or '.join(_value(each) for each in values)}."
    return f"| {_code(facts['name'])} | {_values(facts)} | {_value(facts['default'])} | {meaning} |"


def _continued(description: str) -> str:
    """Return a description behind its label: "Of the model" makes one sentence of both."""
    text = in_markdown(description)
    if description.startswith("Of those "):
        return f": One {text[0].lower()}{text[1:]}"
    return f" {text[0].lower()}{text[1:]}" if _CONTINUES.match(description) else f": {text}"


def in_markdown(text: str) -> str:
    """Return a text that a page of Markdown shows as it is, in a table too."""
    return _SIGNS_OF_MARKDOWN.sub(r"\\\1", _in_html(text))


def _in_html(text: str) -> str:
    return html.escape(text, quote=False)


def _terms(provider: Provider) -> list[str]:
    """Return what else one has to know before anything is sent."""
    facts = describe.provider_facts(provider)
    pictures = f"{_listed(facts['picture_formats'], 'and')} as they are; others are converted"
    if facts["max_picture_bytes"]:
        pictures += f"; files of more than {facts['max_picture_bytes'] / 1e6:g} MB are scaled down"
    lines = [f"Views: {_listed(facts['views'])}", f"Pictures: {pictures}"]
    lines.append(f"Models: {_listed([each.upper() for each in facts['result_formats']])}")
    if facts["needs_key"]:
        lines.append(f"Key: {_listed([_code(each) for each in facts['key_variables']], 'or')}; from {facts['key_url']}")
    if facts["base_url"]:
        lines.append(f"Address: {_code(facts['base_url'])}, or what {_code(facts['url_variable'])} says")
        price = f"may cost money{': ' + facts['price'] if facts['price'] else ''}" if facts["paid"] else "costs nothing"
        later = "can" if facts["resumable"] else "cannot"
        stop = "can be stopped at the service" if facts["cancellable"] else "cannot be stopped"
        lines.append(f"A request {price}. Its result {later} be asked for again later. What was sent {stop}.")
    return lines


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


def _listed(texts: Sequence[str], word: str = "") -> str:
    """Return texts with commas, and a word before the last one."""
    if word and len(texts) > 1:
        return f"{', '.join(texts[:-1])} {word} {texts[-1]}"
    return ", ".join(texts)


def main() -> None:
    """Bring the page up to date."""
    PAGE.write_text(written(), encoding="utf-8")


if __name__ == "__main__":
    main()
