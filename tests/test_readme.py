# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether README.md says what is true now: every option, every key, and sentences that somebody can really meet."""

from __future__ import annotations

import ast
import html
import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from pydantic import Field

from blender_image_to_3d import providers
from blender_image_to_3d.models import ProviderInfo, View
from blender_image_to_3d.providers import describe
from blender_image_to_3d.providers.contract import Context, Options, Pending, Provider

from . import readme
from .conftest import PACKAGE, ROOT

pytestmark = pytest.mark.once

TEXT = readme.README.read_text(encoding="utf-8")


def test_every_option_stands_there_as_it_is() -> None:
    assert readme.written(TEXT) == TEXT, "run scripts/readme, and look at what it changes in README.md"


@pytest.mark.parametrize("wrong", ["", readme.BEGIN, readme.END + readme.BEGIN, (readme.BEGIN + readme.END) * 2])
def test_a_readme_without_its_place_for_the_providers_is_left_alone(wrong: str) -> None:
    with pytest.raises(ValueError, match="once each"):
        readme.written(wrong)


class AwkwardOptions(Options):
    style: Literal["", "a|b"] = Field(default="a|b", title="Style_1", description="One of <i>two</i> *or* `none` | [x]")
    size: float = Field(default=2.0, gt=0, lt=1e6, title="Size", description="In metres & more")
    count: int | None = Field(default=None, ge=3, title="Count", description="Nothing counts them")
    words: str = Field(
        default="", max_length=9, title="Words", description="~Some~", json_schema_extra={"only_if": {"size": [1, 2.5]}}
    )


class Awkward(Provider):
    info = ProviderInfo(
        id="awkward",
        label="A <b> & Co",
        summary="Makes <models> & more.",
        views=(View.FRONT, View.MASK),
        picture_formats=("PNG",),
        paid=True,
        price="about 1 USD",
        base_url="https://awkward.example",
        resumable=False,
        cancellable=True,
    )
    options = AwkwardOptions

    def submit(self, request: object, context: Context) -> Pending:
        raise NotImplementedError


def test_a_provider_is_shown_as_it_is_whatever_signs_are_in_it() -> None:
    assert readme.of_provider(Awkward()) == "\n".join(
        [
            "<details>",
            "<summary><b>A &lt;b&gt; &amp; Co</b> <code>awkward</code>: Makes &lt;models&gt; &amp; more. "
            "<i>Views: front, mask.</i></summary>",
            "",
            "- Pictures: PNG as they are, others are converted",
            "- Models: GLB",
            "- Address: `https://awkward.example`, or what `IMAGE_TO_3D_AWKWARD_URL` says",
            "- What was sent may cost money: about 1 USD, cannot be asked for again, and can be stopped at the service",
            "",
            "| option | values | default | meaning |",
            "|---|---|---|---|",
            r"| `style` | nothing, `a\|b` | `a\|b` | **Style\_1**: "
            r"One of &lt;i&gt;two&lt;/i&gt; \*or\* \`none\` \| \[x\]. |",
            "| `size` | number, more than 0, less than 1000000 | `2` | **Size**: In metres &amp; more. |",
            "| `count` | whole number, at least 3 | nothing | **Count**: Nothing counts them. |",
            r"| `words` | text, up to 9 characters | nothing | **Words**: \~Some\~. Only with `size` `1` or `2.5`. |",
            "",
            "</details>",
        ]
    )


OPTIONS = [
    pytest.param(provider, facts, id=f"{provider}-{facts['name']}-{number}")
    for provider in providers.ids()
    for number, (kind, _) in enumerate(describe.kinds_of_models(providers.get(provider)))
    for facts in describe.option_facts(kind)
]


@pytest.mark.parametrize(("provider", "facts"), OPTIONS)
def test_an_option_has_its_line_under_its_provider(provider: str, facts: dict[str, Any]) -> None:
    """Read as a reader does, without the program that wrote it."""
    (block,) = [each for each in TEXT.split("<details>") if f"<code>{provider}</code>" in each]
    lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in block.splitlines() if line.startswith("| `")]
    cells = [[html.unescape(re.sub(r"\\(.)", r"\1", cell)).strip() for cell in line] for line in lines]
    said = [each for each in cells if each[0] == f"`{facts['name']}`" and facts["description"] in each[3]]
    assert said and all(len(each) == 4 for each in said)
    values = facts["choices"] or [each for each in (facts["minimum"], facts["maximum"]) if each is not None]
    wanted = [f"{each:.10g}" if isinstance(each, float) else str(each or 0) for each in values if each != ""]
    assert any(all(value in each[1] for value in wanted) for each in said)
    default = facts["default"]
    shown = "nothing" if default in (None, "") else f"`{json.dumps(default).strip(chr(34)).removesuffix('.0')}`"
    assert any(each[2] == shown for each in said)


# What is written by hand.


def table(title: str) -> list[list[str]]:
    """The cells of the table below a heading, without its head."""
    section = TEXT.split(f"\n## {title}\n")[1].split("\n## ")[0]
    (first, *_) = re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE)
    return [[cell.strip("| ") for cell in line.split(" | ")] for line in first.splitlines()[2:]]


@pytest.mark.parametrize("provider", providers.ids())
def test_a_provider_has_its_line_with_its_keys_and_where_the_picture_goes(provider: str) -> None:
    info = providers.info(provider)
    (cells,) = [each for each in table("Providers") if each[0] == f"`{provider}`"]
    assert re.findall(r"`(\w+_KEY)`", cells[2]) == list(info.key_variables), "the service's own names, in their order"
    host = urlsplit(info.base_url).hostname if info.base_url else None
    place = cells[3]
    if host is None:
        assert (cells[2], place) == ("nothing", "nobody")
    elif host == "127.0.0.1":
        assert place == "that server"
    else:
        assert host == place or host.endswith(f".{place}")


def test_nothing_else_is_in_the_table_of_the_providers() -> None:
    assert sorted(each[0].strip("`") for each in table("Providers")) == providers.ids()


# Troubleshooting.

BLANK = "\0"
"""What stands in place of something that is filled in."""
ANYTHING = "…"


@cache
def sentences() -> list[str]:
    """Every text in the package that is not a docstring, with blanks in it."""
    found = []
    for path in (ROOT / PACKAGE).rglob("*.py"):
        tree = ast.parse(path.read_bytes())
        remarks = {id(each.value) for each in ast.walk(tree) if isinstance(each, ast.Expr)}
        found += [_text(each) for each in ast.walk(tree) if isinstance(each, ast.expr) and id(each) not in remarks]
    return [each for each in found if each]


def _text(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return re.sub(r"{\w*}", BLANK, text)
        case ast.JoinedStr(values=parts):
            return "".join(_text(each) if isinstance(each, ast.Constant) else BLANK for each in parts)
    return ""


def variants(said: str) -> Iterator[str]:
    """A sentence as it is met, and with one of its words filled in."""
    yield said
    for word in re.finditer(r"\w+", said):
        yield said[: word.start()] + BLANK + said[word.end() :]


def is_said(sentence: str) -> bool:
    """Whether the package has a text that reads so; … stands for anything."""
    patterns = [".*".join(map(re.escape, each.split(ANYTHING))) for each in variants(sentence)]
    return any(re.search(pattern, text) for pattern in patterns for text in sentences())


SAID = [sentence for cells in table("Troubleshooting") for sentence in re.findall(r"`([^`]+)`", cells[0])]


@pytest.mark.parametrize("sentence", SAID)
def test_a_sentence_in_the_troubleshooting_can_be_met(sentence: str) -> None:
    assert is_said(sentence), f'nothing says "{sentence}" (any more)'


def test_a_sentence_that_nobody_says_is_found_out() -> None:
    """The test above trusts this."""
    assert len(SAID) > 10
    assert is_said("… does not accept the key") and is_said("The link to the result … has expired")
    for wrong in (
        "… does not like the key",
        "The link to the model … has gone",
        "has expired … The link to the result",
    ):
        assert not is_said(wrong)
