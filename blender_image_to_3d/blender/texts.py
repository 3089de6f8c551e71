# SPDX-License-Identifier: GPL-3.0-or-later
"""Words for the window, in its language. What Blender draws as `text`, label or tooltip it translates by itself."""

from __future__ import annotations

from functools import lru_cache

import blf
import bpy

_MARGIN = 52.0
"""Pixels beside a text in a panel, at resolution scale 1."""


def tr(text: str) -> str:
    """Return a text of the interface in the language that the user reads."""
    return bpy.app.translations.pgettext_iface(text)


def tr_report(text: str) -> str:
    """Return a report in the language that the user reads."""
    return bpy.app.translations.pgettext_rpt(text)


def draw_wrapped(
    layout: bpy.types.UILayout, context: bpy.types.Context, text: str, *, active: bool = True, beside: int = 0
) -> None:
    """Draw a sentence on as many lines as the region's width needs.

    text: in the user's language. beside: pixels, at resolution scale 1, that something in front of it takes.
    """
    column = layout.column(align=True)
    column.active = active
    column.scale_y = 0.9
    for line in _lines(text, context, beside):
        column.label(text=line, translate=False)


@lru_cache(maxsize=256)
def _wrapped(text: str, pixels: int, size: float) -> tuple[str, ...]:
    """Break a text at its spaces, or anywhere where it has none: not every script has."""
    blf.size(0, size)
    lines, line = [], ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if line and blf.dimensions(0, longer)[0] > pixels:
            lines.append(line)
            longer = word
        while blf.dimensions(0, longer)[0] > pixels and len(longer) > 1:
            fit = next((n for n in range(len(longer) - 1, 1, -1) if blf.dimensions(0, longer[:n])[0] <= pixels), 1)
            lines.append(longer[:fit])
            longer = longer[fit:]
        line = longer
    return (*lines, line)


def _lines(text: str, context: bpy.types.Context, beside: int) -> tuple[str, ...]:
    preferences = context.preferences
    scale = preferences.system.ui_scale
    return _wrapped(
        text, int(context.region.width - (_MARGIN + beside) * scale), preferences.ui_styles[0].widget.points * scale
    )
