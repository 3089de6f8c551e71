# SPDX-License-Identifier: GPL-3.0-or-later
"""Words for the window, in its language. What Blender draws as `text`, label or tooltip it translates by itself."""

from __future__ import annotations

import bpy


def tr(text: str) -> str:
    """Return a text of the interface in the language that the user reads."""
    return bpy.app.translations.pgettext_iface(text)


def tr_report(text: str) -> str:
    """Return a report in the language that the user reads."""
    return bpy.app.translations.pgettext_rpt(text)
