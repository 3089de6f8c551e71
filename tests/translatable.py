# SPDX-License-Identifier: GPL-3.0-or-later
"""Every text of ours that a window shows, found in the source: what the translations have to have.

As a program (`scripts/translations`) it brings the files of all languages up to date: what is new has an empty
translation then, to be filled in, and what nobody shows any more is gone.
"""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

from blender_image_to_3d import providers
from blender_image_to_3d.blender import translations
from blender_image_to_3d.blender.interface.labels import label_of_choice
from blender_image_to_3d.blender.translations import po
from blender_image_to_3d.providers import describe

from .conftest import ROOT

PACKAGE = ROOT / "blender_image_to_3d"

_FIELDS = {"Choice", "LongNumber", "Maybe", "Number", "Switch", "Text", "_Name"}
"""Of blender/form/fields.py: the third and the fourth argument are a label and a tooltip."""
_DRAWN = {"text", "heading", "placeholder", "title", "message", "confirm_text", "when_empty"}
"""Arguments that are shown, whatever is called with them."""
_TRANSLATED = {"tr", "tr_report", "marked"}
_SAID = {"poll_message_set", "report"}
"""Their last argument is shown."""

_PROBLEMS_OF = (
    "blender",
    "host/dependencies.py",
    "errors.py",
    "http/client.py",
    "http/download.py",
    "http/received.py",
    "host/keys.py",
    "jobs/library.py",
    "offline_shape",
    "pictures/inspect.py",
    "pictures/source.py",
    "providers/offline_shape.py",
    "jobs/recovery.py",
    "results/adopt.py",
    "jobs/completion.py",
    "jobs/runner.py",
    "jobs/unattended.py",
    "providers/access.py",
    "host/settings.py",
    "jobs/worker.py",
)
"""Where the problems come from that a job, the history or the preferences show; nobody meets the others in a window."""
_FOR_SCRIPTS = {"blender/command.py", "blender/export.py", "blender/operators.py", "blender/scripting.py"}
"""What stands there is said to who writes a script, or in a shell."""

_WORDS_OF_PROBLEMS = {
    "default_hint",
    "size",
    "scale_down",
    "_COPY_AGAIN",
    "_SAVE_AGAIN",
    "_IMPORT_AGAIN",
    "_FREE_SPACE",
    "_DISABLE",
    "_INSTALL_AGAIN",
}
"""What they are made with is given these names first."""
_OF_COMMAND_LINE = re.compile(r"\bjobs (list|resume)\b|--(again|take-over)\b")
"""A hint that names a command is not shown in a window."""
_NEVER_MET = {
    'There is {many} "{text}" in {root}.',  # the window knows its jobs by their whole names
    'IMAGE_TO_3D_PATIENCE_SECONDS is "{text}", and must be a number of seconds.',
    "Interrupted.",
    "No picture was named.",
}


class Found(NamedTuple):
    """One text, and where it is."""

    text: str
    place: str


@cache
def texts() -> dict[str, str]:
    """Return all texts, and for each the first place where it is."""
    found: dict[str, str] = {}
    shapes: set[str] = set()
    for each in sorted((*_of_window(), *_of_core(), *_of_providers())):
        shape = re.sub(r"{\w+}", "{}", each.text)
        is_same_sentence = "{}" in shape and shape in shapes and each.text not in found
        is_met = each.text not in _NEVER_MET and not _OF_COMMAND_LINE.search(each.text)
        if each.text.strip() and is_met and not is_same_sentence:
            found.setdefault(each.text, each.place)
            shapes.add(shape)
    return found


def missing(language: str) -> dict[str, str]:
    """Return the texts that have no translation, and their places."""
    known = po.read(translations.languages()[language])
    return {text: place for text, place in texts().items() if text not in known}


def updated(language: str) -> str:
    """Return the file of a language as it should be: its head, and all texts in the order of their places."""
    path = translations.languages()[language]
    head = path.read_text(encoding="utf-8").partition("\n\n")[0]
    known = po.read(path)
    files = {text: place.partition(":")[0] for text, place in texts().items()}
    ordered = sorted(files, key=lambda text: (files[text], text))
    return "\n".join([f"{head}\n", *(po.entry(text, known.get(text, ""), files[text]) for text in ordered)])


def main() -> None:
    """Bring all files up to date, and say what is to be done."""
    before = {language: len(po.read(path)) for language, path in translations.languages().items()}
    for language, path in translations.languages().items():
        path.write_text(updated(language), encoding="utf-8")
    for language, path in translations.languages().items():
        empty = missing(language)
        gone = before[language] - len(po.read(path))
        print(f"{path}: {len(empty)} to be translated, {gone} removed")
        print("".join(f"    {place}: {text}\n" for text, place in empty.items()), end="")


def placeholders(text: str) -> list[str]:
    """Return what stands in braces in a text, sorted."""
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name is not None)


def _of_window() -> Iterator[Found]:
    for path in sorted((PACKAGE / "blender").rglob("*.py")):
        yield from _Reader(path).read()


def _of_core() -> Iterator[Found]:
    """Yield what jobs say while they work, and the problems."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        tree = ast.parse(path.read_bytes())
        if not name.startswith("blender/"):
            yield from (Found(text, _place(path, node)) for node, text in _progress(tree))
        if name.startswith(_PROBLEMS_OF) and name not in _FOR_SCRIPTS:
            yield from (Found(text, _place(path, node)) for node, text in _problems(tree))
    for function in ("concerns", "_cut_off"):
        yield from _sentences(PACKAGE / "offline_shape" / "mask.py", function)
    yield from _returned(PACKAGE / "host" / "system.py", "explain")
    yield from _returned(PACKAGE / "results" / "adopt.py", "_called")
    yield from _returned(PACKAGE / "blender" / "importing" / "import_process.py", "_last_words")


def _of_providers() -> Iterator[Found]:
    """Yield what the providers' models say: their summaries, and the options with their choices."""
    for each in providers.ids():
        facts = describe.provider_facts(providers.get(each))
        place = f"blender_image_to_3d/providers/{each}.py"
        yield Found(facts["summary"].removesuffix("."), place)
        prices = {facts["price"], *(providers.get(each).price_of(model) for model in facts["models"])}
        yield from (Found(price, place) for price in prices if price)
        for options in (facts["options"], *facts["by_model"].values()):
            for option in options:
                yield Found(option["label"], place)
                yield Found(option["description"], place)
                for choice in _shown_choices(option):
                    yield Found(label_of_choice(choice, facts["result_formats"]), place)


def _shown_choices(option: dict[str, object]) -> Sequence[object]:
    """Return what a list in the form shows: yes and no are a box to tick, a single choice is none, a number is its
    digits."""
    choices = list(option["choices"] or ())  # type: ignore[call-overload]
    if option["type"] == "boolean" and option["optional"]:
        choices = [True, False]
    if option["optional"] and choices:
        choices = [None, *choices]
    if len(choices) < 2 or set(choices) == {"yes", "no"}:
        return ()
    return [each for each in choices if isinstance(each, bool | str | None)]


@dataclass
class _Reader:
    """Finds what one module of the window shows."""

    path: Path
    _constants: dict[str, ast.expr] = field(default_factory=dict)
    """By the names that the module gives them."""

    def read(self) -> Iterator[Found]:
        tree = ast.parse(self.path.read_bytes())
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                self._constants[node.targets[0].id] = node.value
        for node in ast.walk(tree):
            for text in self._texts(node):
                yield Found(text, _place(self.path, node))

    def _texts(self, node: ast.AST) -> Iterator[str]:
        match node:
            case ast.ClassDef():
                yield from self._of_class(node)
            case ast.Call():
                yield from self._of_call(node)
            case ast.Tuple(elts=[ast.Constant(value=str(name)), ast.Constant(value=str(text))]):
                if name.startswith("image_to_3d."):  # a table of buttons
                    yield text

    def _of_class(self, node: ast.ClassDef) -> Iterator[str]:
        """Blender's own classes have labels; of operators and menus it shows the docstring, too."""
        kind = node.name.removeprefix("IMAGE_TO_3D_")[:2]
        for statement in node.body:
            match statement:
                case ast.Assign(targets=[ast.Name(id="bl_label" | "bl_description")], value=value):
                    yield from _strings(value)
        if kind in {"OT", "MT"} and (text := ast.get_docstring(node)):
            yield text

    def _of_call(self, node: ast.Call) -> Iterator[str]:
        name = _name_of(node)
        if name in _TRANSLATED:
            yield from _strings(node.args[0])
        elif name in _SAID and node.args:
            yield from _strings(node.args[-1])
        elif name.endswith("Property"):
            yield from self._of_property(node)
        elif name in _FIELDS:
            yield from self._of_field(node)
        keywords = {each.arg: each.value for each in node.keywords}
        if _is_false(keywords.get("translate")) or name.endswith("Property"):
            return
        for argument in _DRAWN & keywords.keys():
            yield from _strings(keywords[argument])

    def _of_property(self, node: ast.Call) -> Iterator[str]:
        keywords = {each.arg: each.value for each in node.keywords}
        options = ast.walk(self._meant(keywords.get("options")))
        if any(isinstance(each, ast.Constant) and each.value == "HIDDEN" for each in options):
            return
        for argument in ("name", "description"):
            yield from _strings(keywords.get(argument))
        items = self._meant(keywords.get("items"))
        for item in items.elts if isinstance(items, ast.Tuple | ast.List) else ():
            assert isinstance(item, ast.Tuple), "an item of an enumeration is a tuple"
            yield from (text for part in item.elts[1:3] for text in _strings(part))

    def _of_field(self, node: ast.Call) -> Iterator[str]:
        keywords = {each.arg: each.value for each in node.keywords}
        lists = [keywords.get(argument) for argument in ("labels", "descriptions")]
        parts = [part for each in lists if isinstance(each, ast.Tuple) for part in each.elts]
        yield from (text for part in (*node.args[2:4], *parts) for text in _strings(part))

    def _meant(self, node: ast.expr | None) -> ast.AST:
        """Return what a name stands for."""
        meant = self._constants.get(node.id) if isinstance(node, ast.Name) else node
        return meant or ast.Constant(None)


def _progress(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Yield what is told of a job's progress."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name_of(node) in {"report", "progress"}:
            yield from ((node, text) for argument in node.args for text in _strings(argument))


def _problems(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Yield the sentences of problems: what an error is made with, as a pattern if it holds names or numbers."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name_of(node) in _errors():
            arguments = [*node.args, *(each.value for each in node.keywords if each.arg in {"message", "hint"})]
            yield from ((node, text) for argument in arguments for text in _patterns(argument))
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            if node.targets[0].id in _WORDS_OF_PROBLEMS:
                yield from ((node, text) for text in _patterns(node.value))


def _returned(path: Path, function: str) -> Iterator[Found]:
    """Yield what a function returns: the first of several."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.FunctionDef) and node.name == function:
            for each in ast.walk(node):
                if isinstance(each, ast.Return) and each.value is not None:
                    value = each.value.elts[0] if isinstance(each.value, ast.Tuple) else each.value
                    yield from (Found(text, _place(path, each)) for text in _patterns(value))


def _sentences(path: Path, function: str) -> Iterator[Found]:
    """Yield all sentences that stand in a function, but for its docstring."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.FunctionDef) and node.name == function:
            for each in (each for statement in node.body[1:] for each in ast.walk(statement)):
                if isinstance(each, ast.expr):
                    yield from (Found(text, _place(path, each)) for text in _patterns(each) if _is_whole(text))


def _is_whole(text: str) -> bool:
    """Whether it is a sentence, and not the part of one that stands between two names."""
    return text.endswith(".") and not text.startswith(" ")


@cache
def _errors() -> set[str]:
    """Return what problems are made of: our errors, and what passes them on."""
    tree = ast.parse((PACKAGE / "errors.py").read_bytes())
    return {node.name for node in tree.body if isinstance(node, ast.ClassDef)} | {
        "Failed",
        "Problem",
        "refusal",
        "_lost",
        "EmptyMask",
        "MaskDoesNotFit",
    }


def _patterns(node: ast.expr) -> Iterator[str]:
    """Yield the sentence, or both of them where it depends."""
    branches = [node.body, node.orelse] if isinstance(node, ast.IfExp) else [node]
    yield from (text for branch in branches if (text := _pattern(branch)))


def _pattern(node: ast.expr) -> str:
    """Return a sentence, with names in braces for what is filled in; nothing, if no words of ours are in it."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            text, names = "", []
            for part in parts:
                if isinstance(part, ast.Constant):
                    text += str(part.value)
                elif isinstance(part, ast.FormattedValue):
                    names.append(_last_name(part.value))
                    text += f"{{{names[-1]}{names.count(names[-1]) if names.count(names[-1]) > 1 else ''}}}"
            return text if len(re.findall(r"\w{2,}", re.sub(r"{\w+}", "", text))) > 1 else ""
    return ""


def _last_name(node: ast.expr) -> str:
    """Return what to call a value in a pattern: the last name that says anything of it."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.strip("_").lower()
        case ast.Call(func=function):
            return {"explain": "reason"}.get(found := _last_name(function), found)
        case ast.Subscript(slice=ast.Constant(value=str(name))):
            return name
        case ast.Subscript(value=value) | ast.BinOp(left=value):
            return _last_name(value)
    return "value"


def _strings(node: ast.AST | None) -> Iterator[str]:
    """Yield a literal text, or those of both branches."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp(body=first, orelse=second):
            yield from _strings(first)
            yield from _strings(second)


def _name_of(call: ast.Call) -> str:
    function = call.func
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


def _is_false(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def _place(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(PACKAGE.parent)}:{getattr(node, 'lineno', 0)}"


if __name__ == "__main__":
    main()
