# SPDX-License-Identifier: GPL-3.0-or-later
"""One option of a provider as a form has it: its Blender properties, its value, its row in a panel.

All is derived from `describe.option_facts`. What a Blender property cannot hold exactly (a float has 32 bits, an
integer 31) is kept as text beside it, for as long as the property is not changed: what is sent is what was meant.
Choices are kept as text too, so that they mean the same in every version, whatever is added between them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, StringProperty

from ..interface.labels import label_of_choice
from ..interface.texts import CONTEXT, tr

KEPT = "_kept"
"""Ends the name of the hidden text beside a property."""

INT_LIMITS = (-(2**31), 2**31 - 1)
_FLOAT_LIMIT = 3.4028234663852886e38
_NO_CHOICE = "NONE"
_FINE_SPAN = 1.0
"""Ranges up to this are shown with a digit more."""

Group = bpy.types.PropertyGroup


@dataclass(frozen=True)
class Field:
    """One option. `attribute` is its property's name in the group."""

    name: str
    attribute: str
    label: str
    description: str
    default: Any
    is_advanced: bool = False
    only_if: Mapping[str, Sequence[Any]] = field(default_factory=dict, hash=False)
    """Values of other fields, by their names, with which it has an effect; empty: always."""

    def properties(self) -> dict[str, Any]:
        """Return the annotations that it needs in its group."""
        raise NotImplementedError

    def read(self, group: Group) -> Any:
        """Return the value, as JSON has it."""
        return getattr(group, self.attribute)

    def write(self, group: Group, value: Any) -> None:
        """Set a value as JSON has it; what is not possible becomes the next that is, or the default."""
        setattr(group, self.attribute, value)

    def preset(self, group: Group) -> dict[str, Any]:
        """Return what sets the value by plain assignments to the group, in this order."""
        return {self.attribute: getattr(group, self.attribute)}

    def draw(self, layout: bpy.types.UILayout, group: Group, *, is_narrow: bool = False) -> None:
        """Draw the label and the value: beside each other, or where that is too narrow one above the other."""
        layout.prop(group, self.attribute)

    @property
    def words(self) -> dict[str, str]:
        return {"name": self.label, "description": self.description, "translation_context": CONTEXT}


@dataclass(frozen=True)
class Switch(Field):
    """Something that is on or off; `values` are what that is called."""

    values: tuple[Any, Any] = (False, True)

    def properties(self) -> dict[str, Any]:
        return {self.attribute: BoolProperty(**self.words, default=self.default == self.values[1])}

    def read(self, group: Group) -> Any:
        return self.values[getattr(group, self.attribute)]

    def write(self, group: Group, value: Any) -> None:
        setattr(group, self.attribute, value == self.values[1])


@dataclass(frozen=True)
class Number(Field):
    """A float, or an integer that Blender can hold."""

    is_whole: bool = False
    lowest: float | None = None
    highest: float | None = None
    subtype: str = "NONE"

    def properties(self) -> dict[str, Any]:
        limits = {"min": self.lowest, "max": self.highest}
        given = {name: value for name, value in limits.items() if value is not None}
        kind, more = (IntProperty, {}) if self.is_whole else (FloatProperty, self._look())
        return {self.attribute: kind(**self.words, default=self.default, **given, **more), **kept(self.attribute)}

    def _look(self) -> dict[str, Any]:
        if self.lowest is None or self.highest is None:
            return {"subtype": self.subtype}
        span = self.highest - self.lowest
        is_share = self.lowest >= 0 and self.highest <= 1
        return {
            "subtype": "FACTOR" if is_share else self.subtype,
            "precision": 3 if span <= _FINE_SPAN else 2,
            "step": max(1, round(span)),  # hundredths
        }

    def read(self, group: Group) -> float:
        value = getattr(group, self.attribute)
        exact = _number(getattr(group, self.attribute + KEPT))
        for meant in (exact, self.default):
            if meant is not None and self._held(meant) == value:
                return self._clipped(meant)
        return self._clipped(value if self.is_whole else shortest(value))

    def write(self, group: Group, value: Any) -> None:
        meant = value if isinstance(value, int | float) else self.default
        setattr(group, self.attribute, self._held(meant))
        setattr(group, self.attribute + KEPT, "")
        if self.read(group) != meant:
            setattr(group, self.attribute + KEPT, repr(meant))

    def preset(self, group: Group) -> dict[str, Any]:
        value = getattr(group, self.attribute)
        text = self.attribute + KEPT
        return {self.attribute: value if self.is_whole else shortest(value), text: getattr(group, text)}

    def _held(self, value: float) -> float:
        """Return what becomes of a number in a property."""
        if self.is_whole:
            return int(_between(self._clipped(value), *INT_LIMITS))
        return single(self._clipped(value))

    def _clipped(self, value: float) -> float:
        clipped = _between(value, self.lowest, self.highest)
        return clipped if self.is_whole else float(clipped)


@dataclass(frozen=True)
class Text(Field):
    """A text; an optional one is null when it is empty."""

    is_optional: bool = False
    shortest: int = 0
    longest: int | None = None
    when_empty: str = ""
    """What is shown in its place."""
    suggest: Callable[[Group, bpy.types.Context, str], list[str]] | None = None
    """Returns what else could be meant, for what was typed so far."""

    def properties(self) -> dict[str, Any]:
        more = {"search": self.suggest, "search_options": {"SUGGESTION"}} if self.suggest else {}

        def tidy_up(group: Group, _context: bpy.types.Context) -> None:
            text = getattr(group, self.attribute)
            if (tidy := self.tidy(text)) != text:
                setattr(group, self.attribute, tidy)

        return {self.attribute: StringProperty(**self.words, **more, default=self._empty, update=tidy_up)}

    def draw(self, layout: bpy.types.UILayout, group: Group, *, is_narrow: bool = False) -> None:
        layout.prop(
            group, self.attribute, placeholder=tr(self.when_empty), text=_label_above(layout, self.label, is_narrow)
        )

    @property
    def _empty(self) -> str:
        return "" if self.default is None else str(self.default)

    def read(self, group: Group) -> Any:
        text = self.tidy(getattr(group, self.attribute))
        return None if self.is_optional and not text else text

    def write(self, group: Group, value: Any) -> None:
        setattr(group, self.attribute, self.tidy("" if value is None else str(value)))

    def tidy(self, text: str) -> str:
        """Return the nearest text that is allowed."""
        if self.is_optional and not text:
            return text
        return text[: self.longest] if len(text) >= self.shortest else self._empty


@dataclass(frozen=True)
class LongNumber(Text):
    """An integer that may be too large for Blender's: written as text."""

    lowest: int | None = None
    highest: int | None = None

    def read(self, group: Group) -> int | None:
        text = self.tidy(getattr(group, self.attribute))
        return int(text) if text else None

    def tidy(self, text: str) -> str:
        if self.is_optional and not text.strip():
            return ""
        try:
            return str(_between(int(text), self.lowest, self.highest))
        except ValueError:
            return self._empty


@dataclass(frozen=True)
class Choice(Field):
    """One of several values of any type; `labels` are what they are called."""

    values: tuple[Any, ...] = ()
    labels: tuple[str, ...] = ()
    descriptions: tuple[str, ...] = ()

    @property
    def identifiers(self) -> tuple[str, ...]:
        """The values as Blender wants them: texts that are not empty."""
        return tuple(_NO_CHOICE if value in ("", None) else str(value) for value in self.values)

    def properties(self) -> dict[str, Any]:
        identifiers = self.identifiers
        descriptions = self.descriptions or ("",) * len(self.values)
        numbers = {identifier: number for number, identifier in enumerate(identifiers)}
        default = self.values.index(self.default) if self.default in self.values else 0
        text = self.attribute + KEPT

        def number_of(group: Group) -> int:
            return numbers.get(getattr(group, text), default)

        def choose(group: Group, number: int) -> None:
            setattr(group, text, identifiers[number])

        items = list(zip(identifiers, self.labels, descriptions, strict=True))
        return {
            self.attribute: EnumProperty(
                **self.words, items=items, default=identifiers[default], get=number_of, set=choose
            ),
            **kept(self.attribute),
        }

    def draw(self, layout: bpy.types.UILayout, group: Group, *, is_narrow: bool = False) -> None:
        layout.prop(group, self.attribute, text=_label_above(layout, self.label, is_narrow))

    def read(self, group: Group) -> Any:
        return self.values[self.identifiers.index(getattr(group, self.attribute))]

    def write(self, group: Group, value: Any) -> None:
        known = value if value in self.values else self.default
        setattr(group, self.attribute, self.identifiers[self.values.index(known)])


@dataclass(frozen=True)
class Maybe(Field):
    """A number that may be missing: a box to tick, and the number beside it."""

    of: Field | None = None

    @property
    def _use(self) -> str:
        return f"use_{self.attribute}"

    def properties(self) -> dict[str, Any]:
        assert self.of is not None
        return {self._use: BoolProperty(**self.words, default=self.default is not None), **self.of.properties()}

    def read(self, group: Group) -> Any:
        assert self.of is not None
        return self.of.read(group) if getattr(group, self._use) else None

    def write(self, group: Group, value: Any) -> None:
        assert self.of is not None
        setattr(group, self._use, value is not None)
        if value is not None:
            self.of.write(group, value)

    def preset(self, group: Group) -> dict[str, Any]:
        assert self.of is not None
        return {self._use: getattr(group, self._use), **self.of.preset(group)}

    def draw(self, layout: bpy.types.UILayout, group: Group, *, is_narrow: bool = False) -> None:
        row = layout.column() if is_narrow else layout.row(heading=self.label, heading_ctxt=CONTEXT)
        row.prop(group, self._use, text=self.label if is_narrow else "")
        number = row.row()
        number.active = getattr(group, self._use)
        number.prop(group, self.attribute, text="")


def _label_above(layout: bpy.types.UILayout, label: str, is_narrow: bool) -> str | None:
    """Draw the label, if it has to be above, and return what is left of it for the property itself."""
    if not is_narrow:
        return None
    layout.label(text=label, text_ctxt=CONTEXT)
    return ""


def field_of(facts: Mapping[str, Any], attribute: str, upper: Sequence[str] = ()) -> Field | None:
    """Return the field of one option; None for what no form can hold: a list, an object, a single choice.

    facts: see `describe.option_facts`.
    upper: choices that are written in capitals.
    """
    common = {
        "name": facts["name"],
        "attribute": attribute,
        "label": facts["label"],
        "description": facts["description"],
        "default": facts["default"],
        "is_advanced": facts["advanced"],
        "only_if": facts["only_if"],
    }
    choices, is_optional = facts["choices"], facts["optional"]
    if choices is None and facts["type"] == "boolean" and is_optional:
        choices = [True, False]
    if choices:
        return _choice(common, choices, is_optional=is_optional, upper=upper)
    match facts["type"]:
        case "boolean":
            return Switch(**common)
        case "integer" | "number":
            return _any_number(common, facts)
        case "string":
            lengths = {"shortest": facts["shortest"] or 0, "longest": facts["longest"]}
            return Text(**common, **lengths, is_optional=is_optional)
    return None


def _choice(common: dict[str, Any], choices: list[Any], *, is_optional: bool, upper: Sequence[str]) -> Field | None:
    if len(choices) == 1 and not is_optional:
        return None
    if set(choices) == {"yes", "no"} and not is_optional:
        return Switch(**common, values=("no", "yes"))
    values = (None, *choices) if is_optional and None not in choices else tuple(choices)
    return Choice(**common, values=values, labels=tuple(label_of_choice(value, upper) for value in values))


def _any_number(common: dict[str, Any], facts: Mapping[str, Any]) -> Field:
    is_whole = facts["type"] == "integer"
    lowest, highest = _limits(facts, is_whole=is_whole)
    limits = {"lowest": lowest, "highest": highest}
    beyond = [each for each in (lowest, highest) if each is not None and _between(each, *INT_LIMITS) != each]
    if is_whole and beyond:
        return LongNumber(**common, **limits, is_optional=facts["optional"])
    if not facts["optional"]:
        return Number(**common, **limits, is_whole=is_whole)
    number = {**common, "default": _between(0 if is_whole else 0.0, lowest, highest)}
    if facts["default"] is not None:
        number["default"] = facts["default"]
    return Maybe(**common, of=Number(**number, **limits, is_whole=is_whole))


def _limits(facts: Mapping[str, Any], *, is_whole: bool) -> tuple[float | None, float | None]:
    """Return the lowest and the highest value, as near to a limit that is not allowed as makes sense."""
    lowest, highest = facts["minimum"], facts["maximum"]
    if lowest is not None and facts["above_minimum"]:
        lowest += 1 if is_whole else 1e-6 * max(1.0, abs(lowest))
    if highest is not None and facts["below_maximum"]:
        highest -= 1 if is_whole else 1e-6 * max(1.0, abs(highest))
    return lowest, highest


def kept(attribute: str) -> dict[str, Any]:
    """Return the annotation of the text that is kept beside a property."""
    return {attribute + KEPT: StringProperty(options={"HIDDEN"})}


def single(value: float) -> float:
    """Return what is left of a number in 32 bits."""
    kept_value: float = struct.unpack("f", struct.pack("f", _between(value, -_FLOAT_LIMIT, _FLOAT_LIMIT)))[0]
    return kept_value


def shortest(value: float) -> float:
    """Return the number with the fewest digits that is the same in 32 bits: the one that somebody typed."""
    for digits in range(1, 9):
        candidate = float(f"{value:.{digits}g}")
        if single(candidate) == value:
            return candidate
    return float(f"{value:.9g}")


def _between(value: Any, lowest: Any, highest: Any) -> Any:
    if lowest is not None and value < lowest:
        return lowest
    return highest if highest is not None and value > highest else value


def _number(text: str) -> float | None:
    """Return the number that was kept, if it is one; an integer stays one."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text) if text else None
    except ValueError:
        return None
