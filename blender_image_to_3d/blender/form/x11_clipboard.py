# SPDX-License-Identifier: GPL-3.0-or-later
"""A program of its own: write the picture in the clipboard of the X server to standard output, as encoded there.

Blender cannot paste pictures under X11. In a process of its own a program that never answers only costs a second, and
the X library's global error handlers are not Blender's.
"""

from __future__ import annotations

import ctypes
import select
import sys
import time

_SECONDS = 1.0
"""How long the owner of the clipboard may take for the next piece."""

_TARGETS = ("image/png", "image/jpeg", "image/webp", "image/tiff", "image/bmp")
_PROPERTY_CHANGE_MASK = 1 << 22
_PROPERTY_NOTIFY = 28
_SELECTION_NOTIFY = 31
_NEW_VALUE = 0
_WHOLE = 1 << 28
"""In units of 4 bytes: more than a property can hold."""

_Id = ctypes.c_ulong


class _Selection(ctypes.Structure):
    """XSelectionEvent, up to what is read."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("serial", ctypes.c_ulong),
        ("send_event", ctypes.c_int),
        ("display", ctypes.c_void_p),
        ("requestor", _Id),
        ("selection", _Id),
        ("target", _Id),
        ("property", _Id),
    ]


class _Property(ctypes.Structure):
    """XPropertyEvent."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("serial", ctypes.c_ulong),
        ("send_event", ctypes.c_int),
        ("display", ctypes.c_void_p),
        ("window", _Id),
        ("atom", _Id),
        ("time", ctypes.c_ulong),
        ("state", ctypes.c_int),
    ]


class _Event(ctypes.Union):
    """XEvent."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("selection", _Selection),
        ("property", _Property),
        ("size", ctypes.c_long * 24),
    ]


class _Clipboard:
    """A connection to the X server with a window that the clipboard's owner can write to."""

    def __init__(self) -> None:
        self._x = ctypes.CDLL("libX11.so.6")
        self._x.XOpenDisplay.restype = ctypes.c_void_p
        self._x.XDefaultRootWindow.restype = self._x.XCreateSimpleWindow.restype = self._x.XInternAtom.restype = _Id
        display = self._x.XOpenDisplay(None)
        if not display:
            raise OSError("there is no X server")
        self._display = ctypes.c_void_p(display)
        root = _Id(self._x.XDefaultRootWindow(self._display))
        self._window = _Id(self._x.XCreateSimpleWindow(self._display, root, 0, 0, 1, 1, 0, _Id(0), _Id(0)))
        self._x.XSelectInput(self._display, self._window, ctypes.c_long(_PROPERTY_CHANGE_MASK))
        self._place = self._atom("IMAGE_TO_3D")
        self._in_pieces = self._atom("INCR")

    def read(self, target: str) -> bytes:
        """Return the clipboard's content in one format, empty if there is none.

        Raises:
            TimeoutError: its owner does not answer.
        """
        self._x.XConvertSelection(
            self._display, self._atom("CLIPBOARD"), self._atom(target), self._place, self._window, _Id(0)
        )
        while True:
            event = self._next()
            if event.type == _SELECTION_NOTIFY:
                break
        if not event.selection.property:
            return b""
        kind, data = self._take()
        return self._pieces() if kind == self._in_pieces.value else data

    def _pieces(self) -> bytes:
        """Return what the owner writes down one piece after the other (ICCCM 2.7.2); an empty one is the end."""
        pieces = []
        while True:
            event = self._next()
            if event.type != _PROPERTY_NOTIFY or event.property.state != _NEW_VALUE:
                continue
            _, piece = self._take()
            if not piece:
                return b"".join(pieces)
            pieces.append(piece)

    def _atom(self, name: str) -> _Id:
        return _Id(self._x.XInternAtom(self._display, name.encode(), 0))

    def _next(self) -> _Event:
        deadline = time.monotonic() + _SECONDS
        while not self._x.XPending(self._display):
            rest = deadline - time.monotonic()
            if rest <= 0:
                raise TimeoutError("the owner of the clipboard does not answer")
            select.select([self._x.XConnectionNumber(self._display)], [], [], rest)
        event = _Event()
        self._x.XNextEvent(self._display, ctypes.byref(event))
        return event

    def _take(self) -> tuple[int, bytes]:
        """Return type and content of the property that the owner wrote, and delete it: that asks for the next piece."""
        kind, bits = _Id(), ctypes.c_int()
        count, left = ctypes.c_ulong(), ctypes.c_ulong()
        data = ctypes.c_void_p()
        self._x.XGetWindowProperty(
            self._display,
            self._window,
            self._place,
            ctypes.c_long(0),
            ctypes.c_long(_WHOLE),
            1,
            _Id(0),
            *map(ctypes.byref, (kind, bits, count, left, data)),
        )
        if not data.value:
            return kind.value, b""
        content = ctypes.string_at(data, count.value) if bits.value == 8 else b""
        self._x.XFree(data)
        return kind.value, content


def main() -> int:
    try:
        clipboard = _Clipboard()
        found = next(filter(None, map(clipboard.read, _TARGETS)), b"")
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.buffer.write(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
