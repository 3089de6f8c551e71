# SPDX-License-Identifier: GPL-3.0-or-later
"""Words for the window, in its language. What Blender draws as `text`, label or tooltip it translates by itself."""

from __future__ import annotations

import re
from functools import lru_cache

import blf
import bpy

_MARGINS = 52.0
"""Of a region on both sides of a panel's content, with the tabs, in pixels at resolution scale 1."""
_ICON = 24.0
_NO_SPACES = r"\u2e80-\u9fff\uac00-\ud7af\uff00-\uffef"
_PIECES = re.compile(rf"\s*(?:[{_NO_SPACES}]|[^\s/\\{_NO_SPACES}]+[/\\]?|[/\\])")
"""What a line may end after: words, parts of a path, and each sign of the languages that write without spaces."""


def tr(text: str) -> str:
    """Return a text of the interface in the language that the user reads."""
    return bpy.app.translations.pgettext_iface(text)


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
