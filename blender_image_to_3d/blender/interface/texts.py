# SPDX-License-Identifier: GPL-3.0-or-later
"""Words for the window, in its language. What Blender draws as `text`, label or tooltip it translates by itself."""

from __future__ import annotations

import re
from functools import lru_cache

import blf
import bpy

from ...errors import ImageTo3DError
from .. import translations

CONTEXT = translations.CONTEXT
"""Of our texts: Blender translates them as we say, although it has some of the words itself, with other meanings."""

_MARGINS = 52.0
"""Of a region on both sides of a panel's content, with the tabs, in pixels at resolution scale 1."""
_ICON = 24.0
_NO_SPACES = r"\u2e80-\u9fff\uac00-\ud7af\uff00-\uffef"
_NEVER_FIRST = "、。，．：；？！）」』】”"
_PIECES = re.compile(rf"[ \n]*(?:[{_NO_SPACES}]|[^ \n/\\{_NO_SPACES}]+[/\\]?|[/\\])[{_NEVER_FIRST}]*")
"""What a line may end after: words, parts of a path, and most signs of the languages that write without spaces. Not a
space that does not break: French has one before a colon."""


def tr(text: str) -> str:
    """Return a text of the interface in the language that the user reads."""
    return bpy.app.translations.pgettext_iface(text, CONTEXT)


def marked(text: str) -> str:
    """Return a text as it is. It is translated where it is shown, and the translations know of it because of this."""
    return text


def tr_problem(sentence: str) -> str:
    """Return a sentence of the core, which may hold names and numbers, in the language that the user reads."""
    return translations.of_sentence(sentence)


def tr_error(error: ImageTo3DError) -> str:
    """Return what is wrong, and what to do about it, in the language that the user reads."""
    return f"{tr_problem(str(error))} {tr_problem(error.hint)}".strip()


def tr_report(text: str) -> str:
    """Return a report in the language that the user reads."""
    return bpy.app.translations.pgettext_rpt(text)


def draw_wrapped(
    layout: bpy.types.UILayout,
    context: bpy.types.Context,
    text: str,
    *,
    active: bool = True,
    beside: float = 0.0,
    icon: str = "NONE",
) -> None:
    """Draw a sentence on as many lines as the region's width needs.

    text: in the user's language. beside: what else is in the row, in pixels at resolution scale 1.
    """
    column = layout.column(align=True)
    column.active = active
    column.scale_y = 0.85
    has_icon = icon != "NONE"
    preferences = context.preferences
    scale = preferences.system.ui_scale
    room = int(context.region.width - (_MARGINS + beside + (_ICON if has_icon else 0.0)) * scale)
    for line in _wrapped(text, room, preferences.ui_styles[0].widget.points * scale):
        column.label(text=line, translate=False, icon=icon)
        icon = "BLANK1" if has_icon else "NONE"


@lru_cache(maxsize=256)
def _wrapped(text: str, room: int, size: float) -> tuple[str, ...]:
    """Break a text into lines of at most `room` pixels, where its pieces allow that."""
    blf.size(0, size)
    lines: list[str] = []
    for piece in _PIECES.findall(text):
        longer = lines[-1] + piece if lines else piece
        if lines and blf.dimensions(0, longer)[0] <= room:
            lines[-1] = longer
        else:
            lines.append(piece.lstrip())
    return tuple(lines)
