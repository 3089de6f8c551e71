# SPDX-License-Identifier: GPL-3.0-or-later
"""The one session of this Blender, and reading its library. Imports nothing that is slow, as drawing asks here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bpy

from ..interface import redraw
from . import modal_timer

if TYPE_CHECKING:
    from .session import Session

_READ_SECONDS = 0.002
_READ_AGAIN_SECONDS = 0.01

_session: Session | None = None


def session() -> Session:
    """Return the session; the first call opens it.

    Raises:
        ImportError: pydantic is missing or broken.
    """
    global _session
    if _session is None:
        from .session import Session

        _session = Session()
    return _session


def if_open() -> Session | None:
    """Return the session if there is one: for drawing."""
    return _session


def read_library() -> None:
    """Read the library in small pieces, as one reads a book in breaks."""
    if not bpy.app.timers.is_registered(_read_on):
        bpy.app.timers.register(_read_on, persistent=True)


def close() -> None:
    """End the modal timer, and forget the session; the workers go on."""
    global _session
    if bpy.app.timers.is_registered(_read_on):
        bpy.app.timers.unregister(_read_on)
    modal_timer.close()
    if _session is not None:
        _session.close()
        _session = None


def _read_on() -> float | None:
    opened = session()
    for folder, job in opened.history.read_on(_READ_SECONDS):
        opened.adopt(folder, job)
    if not opened.history.is_read:
        return _READ_AGAIN_SECONDS
    redraw.tabs()
    return None
