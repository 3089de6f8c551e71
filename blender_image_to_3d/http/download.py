# SPDX-License-Identifier: GPL-3.0-or-later
"""One file of a result on its way to the disk: resumed where it was cut off, and never with a key."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BadResult, Busy, ResultGone, Unreachable
from . import addresses
from .patience import Patience, retry_after

if TYPE_CHECKING:
    from .connection import Connection
    from .transport import Incoming

_BIG_STEP_BYTES = 1 << 20
_GONE = (403, 404, 410)
_REDIRECTS = (301, 302, 303, 307, 308)
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class Download:
    """One file on its way."""

    def __init__(self, connection: Connection, link: str, target: Path, patience_seconds: float | None = None) -> None:
        self._connection = connection
        self._limits = connection.limits
        self._patience = Patience(self._limits, patience_seconds)
        self._link = link
        self._target = target
        self._draft = target.with_name(target.name + "~")
        self._total: int | None = None
        self._stamp = ""
        """What says that a rest belongs to the same file; nothing: the server cannot resume."""

    def to_the_end(self) -> None:
        """Try until the file is there. Raises as `Http.download`, and OSError."""
        patience = self._patience
        gone_until = time.monotonic() + self._limits.gone_seconds
        transport = self._connection.transport
        self._draft.unlink(missing_ok=True)
        while True:
            size = self._size()
            try:
                self._once(size)
                self._draft.replace(self._target)
                return
            except ResultGone:
                if time.monotonic() >= gone_until:
                    raise
                self._connection.wait(self._limits.first_pause_seconds)
            except (transport.NotSent, transport.Broken) as error:
                if self._size() - size >= _BIG_STEP_BYTES:  # it does come on
                    patience.begin_anew()
                self._connection.pause(patience, self._unreachable(error))
            except Busy as busy:
                self._connection.pause(patience, busy)

    def _unreachable(self, error: Exception) -> Unreachable:
        found = Unreachable(f"The result of {self._connection.label} cannot be fetched: {error}.")
        found.__cause__ = error
        return found

    def _size(self) -> int:
        return self._draft.stat().st_size if self._draft.exists() else 0

    def _once(self, begun: int) -> None:
        """Follow the link, and write what comes behind the `begun` bytes that are there."""
        link = self._link
        for _ in range(self._limits.max_redirects + 1):
            self._connection.service.check_link(link)
            headers = {"Range": f"bytes={begun}-", "If-Range": self._stamp} if begun and self._stamp else {}
            with self._connection.sent("GET", link, headers, None, self._limits.answer_seconds) as incoming:
                location = incoming.headers.get("location")
                if incoming.status not in _REDIRECTS or not location:
                    self._take(incoming, begun)
                    return
            link = addresses.next_link(link, location)
        raise BadResult(
            f"The result of {self._connection.label} is behind more than {self._limits.max_redirects} redirects."
        )

    def _take(self, incoming: Incoming, begun: int) -> None:
        self._judge(incoming)
        start = self._start(incoming, begun)
        if start == 0:
            self._total = None if incoming.is_encoded else incoming.length
            tag = incoming.headers.get("etag", "")
            self._stamp = "" if incoming.is_encoded else (tag if not tag.startswith("W/") else "")
            self._stamp = self._stamp or ("" if incoming.is_encoded else incoming.headers.get("last-modified", ""))
            self._check_size(incoming.length or 0)
        with self._draft.open("r+b" if start else "wb") as file:
            file.seek(start)
            file.truncate()
            size = start
            for piece in incoming.pieces():
                size += len(piece)
                self._check_size(size)
                file.write(piece)
                self._connection.report(*_progress(size, self._total))
        if self._total is not None and size != self._total:
            raise self._connection.transport.Broken(f"it was cut off after {size:,} of {self._total:,} bytes")

    def _judge(self, incoming: Incoming) -> None:
        """Raise what a status means, unless a file follows."""
        if incoming.status in {200, 206}:
            return
        label = self._connection.label
        if incoming.status in _GONE:
            raise ResultGone(f"The link to the result of {label} leads nowhere, or has expired ({incoming.status}).")
        if incoming.status == 416:
            self._stamp = ""
            self._draft.unlink(missing_ok=True)
            raise self._connection.transport.Broken("it cannot be resumed")
        if incoming.status in {408, 425, 429} or incoming.status >= 500:
            after = retry_after(incoming.headers)
            raise Busy(f"The result of {label} cannot be fetched now ({incoming.status}).", after=after)
        raise BadResult(f"The result of {label} cannot be fetched ({incoming.status}).")

    def _start(self, incoming: Incoming, begun: int) -> int:
        """Return where in the file the body belongs."""
        if incoming.status != 206:
            return 0
        found = _CONTENT_RANGE.fullmatch(incoming.headers.get("content-range", ""))
        if found is None or int(found[1]) != begun or found[2] != str(self._total):
            self._stamp = ""
            raise self._connection.transport.Broken("the rest does not fit")
        return begun

    def _check_size(self, size: int) -> None:
        if size > self._limits.max_download_bytes:
            self._draft.unlink(missing_ok=True)
            limit = self._limits.max_download_bytes / 1e6
            raise BadResult(f"The result of {self._connection.label} is larger than {limit:,.0f} MB.")


def _progress(size: int, total: int | None) -> tuple[str, float | None]:
    """Return what to say of a download of `size` bytes so far, and the share that is done if it is known."""
    if not total:
        return f"Downloading {size / 1e6:.1f} MB", None
    return f"Downloading {size / 1e6:.1f} of {total / 1e6:.1f} MB", min(size / total, 1.0)
