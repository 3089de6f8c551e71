# SPDX-License-Identifier: GPL-3.0-or-later
"""Which regions show the jobs, and have to be drawn anew when they change."""

from __future__ import annotations

from collections.abc import Iterator

import bpy

CATEGORY = "Image to 3D"
"""Of the sidebar's tab."""


def tabs() -> None:
    """Draw the open tabs, and the status bars, once more."""
    for region in _regions():
        region.tag_redraw()


def is_tab_visible() -> bool:
    """Whether the user sees the list of jobs."""
    return any(region.type == "UI" for region in _regions())


def _regions() -> Iterator[bpy.types.Region]:
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            for region in area.regions:
                if area.type == "STATUSBAR" or _shows_our_tab(area, region):
                    yield region


def _shows_our_tab(area: bpy.types.Area, region: bpy.types.Region) -> bool:
    return (
        area.type == "VIEW_3D" and region.type == "UI" and region.width > 1 and region.active_panel_category == CATEGORY
    )
