# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the README and the pages that it links say what is true now.

Every option, every key, sentences that somebody can really meet, exit statuses, and whatever can be looked up by name.
"""

from __future__ import annotations

import ast
import html
import io
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from functools import cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from pydantic import Field

from blender_image_to_3d import providers
from blender_image_to_3d.cli.main import main
from blender_image_to_3d.errors import ImageTo3DError
from blender_image_to_3d.models import ProviderInfo, View
from blender_image_to_3d.providers import describe
from blender_image_to_3d.providers.contract import Context, Options, Pending, Provider

from . import readme
from .conftest import PACKAGE, ROOT

README = ROOT / "README.md"
HELP = ROOT / PACKAGE / "HELP.md"
MOST_BYTES = 12_000
"""Of the README: nobody reads more before the first try."""
MET_BY_MOST = 10
"""So many errors stand in the README, too."""


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def section(page: Path, title: str) -> str:
    """What stands below a heading, up to the next one."""
    _, below = re.split(rf"^#+ {re.escape(title)}\n", read(page), flags=re.MULTILINE)
    return re.split(r"^#+ ", below, maxsplit=1, flags=re.MULTILINE)[0]


def table(page: Path, title: str) -> list[list[str]]:
    """The cells of the table below a heading, without its head."""
    (first, *_) = re.findall(r"(?:^\|.*\n)+", section(page, title), re.MULTILINE)
    return [[cell.strip("| ") for cell in line.split(" | ")] for line in first.splitlines()[2:]]


# The page of the providers, which is written by a program.


def test_every_option_stands_there_as_it_is() -> None:
    name = readme.PAGE.relative_to(ROOT)
    assert readme.written() == read(readme.PAGE), f"run scripts/readme, and look at what it changes in {name}"


class AwkwardOptions(Options):
    style: Literal["", "a|b"] = Field(default="a|b", title="Style_1", description="One of <i>two</i> *or* `none` | [x]")
    size: float = Field(default=2.0, gt=0, lt=1e6, title="Size", description="In metres & more")
    count: int | None = Field(default=None, ge=3, title="Count", description="Nothing counts them")
    kind: Literal["x", "y"] = Field(default="x", title="Kind", description="Of *model*; x is the usual one")
    those: str = Field(default="x", title="Those", description="Of those that there are")
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
            "## A &lt;b&gt; &amp; Co",
            "",
            "`awkward`. Makes &lt;models&gt; &amp; more.",
            "",
            "- Views: front, mask",
            "- Pictures: PNG as they are; others are converted",
            "- Models: GLB",
            "- Address: `https://awkward.example`, or what `IMAGE_TO_3D_AWKWARD_URL` says",
            "- A request may cost money: about 1 USD. Its result cannot be asked for again later. "
            "What was sent can be stopped at the service.",
            "",
            "| option | values | default | meaning |",
            "|---|---|---|---|",
            r"| `style` | nothing, `a\|b` | `a\|b` | **Style\_1**: "
            r"One of &lt;i&gt;two&lt;/i&gt; \*or\* \`none\` \| \[x\]. |",
            "| `size` | number, more than 0, less than 1000000 | `2` | **Size** in metres &amp; more. |",
            "| `count` | whole number, at least 3 | nothing | **Count**: Nothing counts them. |",
            r"| `kind` | `x`, `y` | `x` | **Kind** of \*model\*; x is the usual one. |",
            "| `those` | text | `x` | **Those**: One of those that there are. |",
            r"| `words` | text, up to 9 characters | nothing | **Words**: \~Some\~. Only with `size` `1` or `2.5`. |",
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
    (block,) = [each for each in read(readme.PAGE).split("\n## ") if f"\n\n`{provider}`. " in each]
    lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in block.splitlines() if line.startswith("| `")]
    cells = [[html.unescape(re.sub(r"\\(.)", r"\1", cell)).strip() for cell in line] for line in lines]
    # Capitals aside: "Of the model" goes on where its label ends.
    meaning = facts["description"].lower()
    said = [each for each in cells if each[0] == f"`{facts['name']}`" and meaning in each[3].lower()]
    assert said and all(len(each) == 4 for each in said)
    values = facts["choices"] or [each for each in (facts["minimum"], facts["maximum"]) if each is not None]
    wanted = [f"{each:.10g}" if isinstance(each, float) else str(each or 0) for each in values if each != ""]
    assert any(all(value in each[1] for value in wanted) for each in said)
    default = facts["default"]
    shown = "nothing" if default in (None, "") else f"`{json.dumps(default).strip(chr(34)).removesuffix('.0')}`"
    assert any(each[2] == shown for each in said)


def test_every_meaning_reads_as_a_sentence() -> None:
    """A label, a colon and "Of the model" is none."""
    meanings = [
        cells[3] for cells in re.findall(r"^\| (`.*) \| (.*) \| (.*) \| (.*) \|$", read(readme.PAGE), re.MULTILINE)
    ]
    assert len(meanings) >= len({str(each.values[1]) for each in OPTIONS})
    sentence = re.compile(r"\*\*[^*]+\*\*(?: (?:of|from|for|in) \w|: (?!(?:Of|From|For|In) )[A-Z])[^*]*\.$")
    assert not [each for each in meanings if not sentence.match(each)]


# What is written by hand.


@pytest.mark.parametrize("provider", providers.ids())
def test_a_provider_has_its_line_with_its_keys_and_where_the_picture_goes(provider: str) -> None:
    info = providers.info(provider)
    (cells,) = [each for each in table(README, "Providers") if each[0] == f"`{provider}`"]
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
    assert sorted(each[0].strip("`") for each in table(README, "Providers")) == providers.ids()


# The errors.

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


ERRORS = table(HELP, "Errors")
SAID = [sentence for cells in ERRORS for sentence in re.findall(r"`([^`]+)`", cells[0])]


@pytest.mark.parametrize("sentence", SAID)
def test_a_sentence_in_the_table_of_errors_can_be_met(sentence: str) -> None:
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


def test_the_errors_that_most_people_meet_stand_in_the_readme_in_the_same_words() -> None:
    rows = table(README, "When something goes wrong")
    assert len(rows) == MET_BY_MOST and all(row in ERRORS for row in rows)
    assert len({row[0] for row in ERRORS}) == len(ERRORS)


def _errors(kind: type[ImageTo3DError]) -> Iterator[type[ImageTo3DError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from _errors(each)


def test_the_exit_statuses_are_those_of_the_command_line() -> None:
    rows = {int(status): meaning for status, meaning in table(README, "Exit status")}
    said = " ".join(help_of().partition("exit status: ")[2].split())
    assert rows == {int(status): meaning for status, meaning in re.findall(r"(\d+) ([^;]+)", said)}
    assert set(rows) == {0} | {each.exit_status for each in _errors(ImageTo3DError)}


# What can be looked up.


@cache
def help_of(*command: str) -> str:
    """What the command line says on --help."""
    with redirect_stdout(io.StringIO()) as said, suppress(SystemExit):
        main([*command, "--help"])
    return said.getvalue()


def test_it_is_short() -> None:
    assert len(README.read_bytes()) <= MOST_BYTES


def test_version_licence_and_blender_are_those_of_the_manifest() -> None:
    manifest = tomllib.loads(read(ROOT / "blender_manifest.toml"))
    head = read(README).partition("\n## ")[0]
    assert f"**Version**: {manifest['version']}" in head
    assert f"**Licence**: {manifest['license'][0].removeprefix('SPDX:')}" in head
    assert f"**Blender**: {manifest['blender_version_min'].removesuffix('.0')} or newer" in head


LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)")


def prose(page: Path) -> str:
    """A page without what is code."""
    text = re.sub(r"^```.*?^```$", "", read(page), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"^ {4}.*$|`[^`\n]*`", "", text, flags=re.MULTILINE)


def linked(page: Path) -> list[tuple[Path, str]]:
    """Where the links of a page lead inside the project: a file or folder, and the heading in it."""
    return [((page.parent / path).resolve() if path else page, title) for path, title in LINK.findall(prose(page))]


def with_all_linked(start: Path) -> list[Path]:
    """A page, and every page that one comes to from there."""
    found = [start]
    for page in found:
        found += dict.fromkeys(to for to, _ in linked(page) if to.suffix == ".md" and to.is_file() and to not in found)
    return found


PAGES = with_all_linked(README)
BY_HAND = [HELP, README, ROOT / PACKAGE / "offline_shape" / "README.md", ROOT / "scripts" / "flamenco" / "README.md"]


def ids(pages: list[Path]) -> list[str]:
    return [page.relative_to(ROOT).as_posix() for page in pages]


def test_one_comes_to_every_page_from_the_readme() -> None:
    assert {*BY_HAND, readme.PAGE, ROOT / "CONTRIBUTING.md", ROOT / "findings" / "README.md"} <= set(PAGES)


@pytest.mark.parametrize("page", PAGES, ids=ids(PAGES))
def test_a_link_leads_somewhere(page: Path) -> None:
    for target, title in linked(page):
        assert target.exists() and target.is_relative_to(ROOT), target
        if title:
            headings = re.findall(r"^#+ (.+)$", read(target), re.MULTILINE)
            assert title in map(readme.anchor, headings), f"{target} has no heading #{title}"


PATH = re.compile(rf"(?<![\w./-])(?:scripts|tests|findings|\.ci|{PACKAGE})/[\w./-]*\w")
FILE = re.compile(r"`([\w./-]+\.(?:md|toml|py|js|sh))`")
NOT_HERE = re.compile("example_3d|NAME|^api_server.py$")
"""What the guide makes up, which test_contributing knows; what stands for any name; and Hunyuan3D's program."""


@pytest.mark.parametrize("page", PAGES, ids=ids(PAGES))
def test_a_file_that_a_page_names_exists(page: Path) -> None:
    folders = [ROOT / name for name in (PACKAGE, "scripts", "tests", "findings")]
    files = {each.name for folder in folders for each in folder.rglob("*")} | {each.name for each in ROOT.iterdir()}
    text = read(page)
    named = [each for each in PATH.findall(text) if not NOT_HERE.search(each)]
    assert not [each for each in named if not (ROOT / each).exists()]
    called = [each for each in FILE.findall(text) if not NOT_HERE.search(each)]
    assert not [each for each in called if each.rpartition("/")[2] not in files]


OF_OTHERS = {"--command", "--background", "--python", "--enable", "--online-mode"}
"""Blender's own."""
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


@cache
def options_of(command: str) -> frozenset[str]:
    """The options of one command with its actions; of scripts/build, too."""
    if command == "scripts/build":
        done = subprocess.run([sys.executable, ROOT / command, "--help"], capture_output=True, text=True, check=True)
        return frozenset(OPTION.findall(done.stdout))
    actions = re.findall(r"^ {4}(\w+)", help_of(command), re.MULTILINE) if command == "jobs" else [()]
    texts = [help_of(command, *([action] if action else [])) for action in actions]
    return frozenset(OPTION.findall("".join(texts)))


COMMANDS = ("generate", "batch", "jobs", "providers")


@pytest.mark.parametrize("page", BY_HAND, ids=ids(BY_HAND))
def test_an_option_that_a_page_names_exists(page: Path) -> None:
    known = OF_OTHERS.union(*map(options_of, (*COMMANDS, "scripts/build")))
    assert not set(OPTION.findall(read(page))) - known
    for line in read(page).splitlines():
        if command := re.match(r" {4}… (\w+)", line):
            assert command[1] in COMMANDS and set(OPTION.findall(line)) <= options_of(command[1]), line


@pytest.mark.parametrize("page", PAGES, ids=ids(PAGES))
def test_a_variable_that_a_page_names_is_asked_for(page: Path) -> None:
    infos = [providers.info(each) for each in providers.ids()]
    known = {each for info in infos for each in (*info.all_key_variables, info.url_variable)}
    known |= set(sentences())
    named = re.findall(r"\b(?:IMAGE_TO_3D_[A-Z_]+|[A-Z_]+_API_KEY)\b", read(page))
    assert not {each for each in named if "EXAMPLE_3D" not in each} - known
