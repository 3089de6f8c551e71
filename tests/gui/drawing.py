# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside the Blender of a test: keeps what a panel puts into its layout, while it is drawn as ever.

`UILayout.introspect()` would tell the same, but in Blender 5.2.2 its second call is the end of Blender, whatever is in
the layout: a crash in Python's PyDict_New.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from types import FunctionType, MethodType
from typing import Any

import bpy

Item = Callable[[], dict[str, str]]
"""What a button says and does; known when all is drawn, since its arguments are set after it is made."""


class Recorder:
    """A layout that hands everything on to Blender's, and keeps it."""

    def __init__(self, layout: bpy.types.UILayout, items: list[Item]) -> None:
        object.__setattr__(self, "_layout", layout)
        object.__setattr__(self, "_items", items)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._layout, name, value)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._layout, name)
        if not callable(value):
            return value

        def call(*arguments: Any, **words: Any) -> Any:
            arguments = tuple(each.drawn if isinstance(each, _Panel) else each for each in arguments)
            result = value(*arguments, **words)
            if name in _KEPT:
                self._items.append(_KEPT[name](result, *arguments, **words))
            return self._covered(result)

        return call

    def _covered(self, result: Any) -> Any:
        if isinstance(result, bpy.types.UILayout):
            return Recorder(result, self._items)
        if isinstance(result, tuple):  # the header and the body of a panel
            return tuple(map(self._covered, result))
        return result


class _Panel:
    """A panel, or preferences, with another layout; Blender lets nobody replace its own."""

    def __init__(self, drawn: Any, layout: Recorder) -> None:
        self.drawn = drawn
        self.layout = layout

    def __getattr__(self, name: str) -> Any:
        found = getattr(type(self.drawn), name, None)
        return MethodType(found, self) if isinstance(found, FunctionType) else getattr(self.drawn, name)


def watch(panel: type, drawn: dict[str, list[dict[str, str]]]) -> None:
    """From now on, keep by its name what a panel says whenever it is drawn."""
    draw = panel.draw

    def draw_and_tell(self: bpy.types.Panel, context: bpy.types.Context) -> None:
        items: list[Item] = []
        draw(_Panel(self, Recorder(self.layout, items)), context)
        drawn[panel.__name__] = [item() for item in items]

    panel.draw = draw_and_tell


def _said(words: str, whole: str = "") -> Item:
    return lambda: {"text": words, "whole": whole}


def _shown(words: str, *, translate: bool = True, context: str = "") -> str:
    return bpy.app.translations.pgettext_iface(words, context or None) if words and translate else words


def _label(_: None, *, text: str = "", text_ctxt: str = "", translate: bool = True, **_words: Any) -> Item:
    return _said(_shown(text, translate=translate, context=text_ctxt))


def _operator(
    given: bpy.types.OperatorProperties,
    operator: str,
    *,
    text: str | None = None,
    text_ctxt: str = "",
    translate: bool = True,
    **_words: Any,
) -> Item:
    if text is None:
        kind = given.bl_rna
        words = _shown(kind.name, context=kind.translation_context)
    else:
        words = _shown(text, translate=translate, context=text_ctxt)
    return lambda: {"text": words, "whole": f"bpy.ops.{operator}({', '.join(_arguments(given))})"}


def _arguments(given: bpy.types.OperatorProperties) -> Iterator[str]:
    """Yield the arguments that are set, as Blender writes a call."""
    for each in given.bl_rna.properties:
        if each.identifier != "rna_type" and given.is_property_set(each.identifier):
            yield f"{each.identifier}={json.dumps(getattr(given, each.identifier), default=repr)}"


def _prop(
    _: None,
    data: bpy.types.bpy_struct,
    name: str,
    *,
    text: str | None = None,
    text_ctxt: str = "",
    translate: bool = True,
    index: int = -1,
    **_words: Any,
) -> Item:
    found = data.bl_rna.properties[name]
    if text is None:
        words = _shown(found.name, context=found.translation_context)
    else:
        words = _shown(text, translate=translate, context=text_ctxt)
    return _said(words, f"{data.bl_rna.identifier}.{name}[{index}]")


_KEPT: dict[str, Callable[..., Item]] = {
    "label": _label,
    "progress": _label,
    "operator": _operator,
    "prop": _prop,
}
