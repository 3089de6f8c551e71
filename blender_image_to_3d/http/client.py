# SPDX-License-Identifier: GPL-3.0-or-later
"""`Http`: what a provider sends and fetches with, and what becomes of a request, in the words of our errors."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from pathlib import Path
from random import SystemRandom
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from ..errors import (
    BadResult,
    Busy,
    GenerationFailed,
    ImageTo3DError,
    KeyRefused,
    OutcomeUnknown,
    OutOfCredit,
    ResultGone,
    StorageError,
    Unreachable,
)
from ..host import system
from . import addresses
from .addresses import Address, Service
from .bodies import Body, Json
from .words import redacted, said

if TYPE_CHECKING:
    from .transport import Incoming

log = logging.getLogger(__name__)

_M = TypeVar("_M", bound=BaseModel)

_BIG_STEP_BYTES = 1 << 20
_SHORTEST_PAUSE_SECONDS = 0.05
_TRIES = 4
_GONE = (403, 404, 410)
_REDIRECTS = (301, 302, 303, 307, 308)
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


@dataclass(frozen=True)
class Limits:
    """How long and how much."""

    connect_seconds: float = 10.0
    answer_seconds: float = 60.0
    """Until an ordinary call begins to answer."""
    stall_seconds: float = 20.0
    """Without a byte, or with too few of them, in the middle of a reply."""
    slowest_bytes_per_second: float = 500.0
    patience_seconds: float = 180.0
    """How long what may be repeated is repeated."""
    quick_seconds: float = 5.0
    """The same where a person waits to hear that a service is not there."""
    buy_patience_seconds: float = 60.0
    """How long a purchase that the service puts off (429) is tried again; and no Retry-After is obeyed for longer."""
    first_pause_seconds: float = 0.5
    longest_pause_seconds: float = 30.0
    next_link_seconds: float = 10.0
    """How long one address of a result is tried where there are others."""
    gone_seconds: float = 3.0
    """How long a finished result may be missing: delivery networks lag behind."""
    max_reply_bytes: int = 10 * 1000 * 1000
    max_download_bytes: int = 1 << 30
    max_redirects: int = 5

    def within(self, seconds: float) -> Limits:
        """Return limits for who has only so much patience: in it, several tries that hang must find room."""
        shortened = {name: min(value, seconds) for name, value in vars(self).items() if name.endswith("_seconds")}
        for name in ("connect_seconds", "answer_seconds", "stall_seconds"):
            shortened[name] = min(shortened[name], seconds / _TRIES)
        return replace(self, **shortened)


@dataclass(frozen=True)
class Reply:
    """A reply that has arrived whole."""

    label: str
    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    file: Path | None = None
    """Where the body of a good reply lies, if it was asked for as a file; then `body` is empty."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    unreadable: type[ImageTo3DError] = BadResult
    """What it means if nobody can read it: after a purchase, that the outcome is unknown."""

    @property
    def is_good(self) -> bool:
        return 200 <= self.status < 300

    @property
    def words(self) -> str:
        """What it says, made fit to be shown; may be empty."""
        return said(self.body, self.secrets)

    @property
    def retry_after_seconds(self) -> float | None:
        """How long the service asks to wait, in the head of its reply."""
        return _retry_after(self.headers)

    def json(self) -> Any:
        """Return the reply's JSON value, or nothing if it is none: for looking at errors."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    def object(self) -> dict[str, Any]:
        """Return the reply's JSON object.

        Raises:
            BadResult: it is something else; after a purchase `OutcomeUnknown`.
        """
        value = self.json()
        if not isinstance(value, dict):
            quote = f': "{self.words}"' if self.words else ""
            raise self.unreadable(f"{self.label} gives an answer that is not understood{quote}.")
        return value

    def read(self, model: type[_M]) -> _M:
        """Return the reply as what it is documented to be.

        Raises:
            BadResult: it is something else; after a purchase `OutcomeUnknown`.
        """
        try:
            return model.model_validate_json(self.body)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            about = f' (at "{place}")' if place else ""
            quote = f': "{self.words}"' if self.words else ""
            raise self.unreadable(f"{self.label} gives an answer that is not understood{about}{quote}.") from None


Explain = Callable[[Reply], None]
"""Looks at every reply, good ones too, and raises what it means if that is an error. `Busy`: it may be sent again."""


def _nothing_special(reply: Reply) -> None:
    """Leave a reply to the rules that hold for all services."""


class Http:
    """HTTP with one service. The key goes to the service only; what costs money is sent once."""

    def __init__(
        self,
        *,
        label: str,
        base_url: str,
        key: str | None,
        is_paid: bool,
        folder: Path,
        wait: Callable[[float], None],
        report: Callable[[str, float | None], None],
        limits: Limits | None = None,
        buy_answer_seconds: float = 1800.0,
        before_buying: Callable[[], None] = lambda: None,
        not_bought: Callable[[], None] = lambda: None,
    ) -> None:
        """
        label: what the service is called in a sentence.
        folder: where files go.
        wait, report, before_buying, not_bought: as in `Context`.
        buy_answer_seconds: how long a synchronous service may work on a purchase.

        Raises:
            BadOption: `base_url` is not an address to which pictures and key may go.
        """
        self.label = label
        self._service = Service.at(base_url, has_key=key is not None)
        self._secrets = (key,) if key else ()
        self._is_paid = is_paid
        self._folder = folder
        self._wait = wait
        self._report = report
        self.limits = limits or Limits()
        self._buy_answer_seconds = buy_answer_seconds
        self._before_buying = before_buying
        self._not_bought = not_bought
        from . import transport  # imports requests, and with it everything that a paid job needs later

        self._transport = transport

    # What a provider calls.

    @property
    def base_url(self) -> str:
        return self._service.url

    def is_own(self, url: str) -> bool:
        """Whether an address is the service's own, so that the key may go there."""
        return self._service.is_own(url)

    def get(
        self,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        into: str | None = None,
        patience_seconds: float | None = None,
        accept: Collection[int] = (),
        explain: Explain = _nothing_special,
    ) -> Reply:
        """Ask the service something; repeated while it is out of order or out of reach.

        path: below the base URL, or a full address that the service gave, at its own host.
        into: a file name; the body of a good reply goes there, and may be as large as a model.
        accept: statuses besides 2xx that are answers, and no errors.
        explain: see `Explain`.

        Raises:
            Unreachable: no answer came, for as long as patience lasts.
            ImageTo3DError: what `explain`, or the status, says.
        """
        return self._repeated("GET", path, None, headers, into, patience_seconds, accept, explain)

    def ask(
        self,
        path: str,
        body: Body | Mapping[str, Any],
        *,
        headers: Mapping[str, str] | None = None,
        patience_seconds: float | None = None,
        explain: Explain = _nothing_special,
    ) -> Reply:
        """POST something that costs nothing and may be repeated, such as an upload or a poll. As `get`."""
        return self._repeated("POST", path, _body(body), headers, None, patience_seconds, (), explain)

    def buy(
        self,
        path: str,
        body: Body | Mapping[str, Any],
        *,
        headers: Mapping[str, str] | None = None,
        into: str | None = None,
        accept: Collection[int] = (),
        explain: Explain = _nothing_special,
    ) -> Reply:
        """Send the request that starts the work and may cost money: once.

        It is sent again only if nothing of it had left, or if the service said that it does not take it now (`Busy`).

        Raises:
            Unreachable: nothing was sent; for a service that costs nothing also: the answer did not come.
            OutcomeUnknown: it was sent to a service that costs money, and no answer says what became of it.
            ImageTo3DError: what `explain`, or the status, says.
        """
        patience = _Patience(self.limits, self.limits.quick_seconds)
        busy_patience = _Patience(self.limits, self.limits.buy_patience_seconds)
        checked = _body(body)
        while True:
            self._before_buying()
            try:
                reply = self._call("POST", path, checked, headers, into, self._buy_answer_seconds)
                reply = replace(reply, unreadable=OutcomeUnknown if self._is_paid else BadResult)
                self._judge(reply, accept, explain, is_purchase=True)
                return reply
            except self._transport.NotSent as error:
                self._not_bought()
                self._pause(patience, self._unreachable(error))
            except self._transport.Broken as error:
                raise self._lost(f"the request was sent, but {error}") from None
            except StorageError as error:
                if not self._is_paid:
                    raise
                raise self._lost(f"it answered, but {error}") from error
            except Busy as busy:
                self._not_bought()
                self._pause(busy_patience, busy)

    def download(self, link: str, name: str, *, patience_seconds: float | None = None) -> Path:
        """Fetch a result into the result folder, and return its path. No key goes with it.

        Resumed where it was cut off if the server can do that, else begun anew.

        Raises:
            ResultGone: the link has expired, or leads nowhere.
            BadResult: it leads where no result can be, or what comes is too large.
            Unreachable: it did not come, for as long as patience lasts.
            StorageError: it cannot be written.
        """
        started = time.monotonic()
        target = self._folder / name
        fetching = _Download(self, link, target, patience_seconds)
        try:
            fetching.to_the_end()
        except OSError as error:
            raise StorageError(f"{target} cannot be written: {system.explain(error)}.") from error
        log.info("downloaded %s: %d bytes in %.1f s", name, target.stat().st_size, time.monotonic() - started)
        return target

    def download_first(self, links: Sequence[str], name: str) -> Path:
        """Fetch a result from the first of several addresses that has it; the last one is waited for longest.

        Raises:
            ImageTo3DError: what `download` says of the last address.
        """
        for link in links[:-1]:
            try:
                return self.download(link, name, patience_seconds=self.limits.next_link_seconds)
            except (BadResult, Unreachable):
                continue
        return self.download(links[-1], name)

    # How a request goes.

    def _repeated(
        self,
        method: str,
        path: str,
        body: Body | None,
        headers: Mapping[str, str] | None,
        into: str | None,
        patience_seconds: float | None,
        accept: Collection[int],
        explain: Explain,
    ) -> Reply:
        patience = _Patience(self.limits, patience_seconds)
        while True:
            try:
                reply = self._call(method, path, body, headers, into, self.limits.answer_seconds)
                self._judge(reply, accept, explain, is_purchase=False)
                return reply
            except self._transport.Endless as error:
                raise BadResult(f"{self.label} gives no answer that can be read: {error}.") from None
            except (self._transport.NotSent, self._transport.Broken) as error:
                self._pause(patience, self._unreachable(error))
            except Busy as busy:
                self._pause(patience, busy)

    def _call(
        self,
        method: str,
        path: str,
        body: Body | None,
        headers: Mapping[str, str] | None,
        into: str | None,
        answer_seconds: float,
    ) -> Reply:
        """Send one request to the service, and take in its whole reply."""
        url = self._service.address_of(path)
        started = time.monotonic()
        with self._sent(method, url, headers or {}, body, answer_seconds) as incoming:
            is_good = 200 <= incoming.status < 300
            file = self._folder / into if into and is_good else None
            content = self._taken_in(incoming, file)
        seconds = time.monotonic() - started
        log.info("%s %s: %d after %.2f s", method, self._shown(path), incoming.status, seconds)
        return Reply(self.label, incoming.status, incoming.headers, content, file, self._secrets)

    def _sent(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Body | None,
        answer_seconds: float,
    ) -> AbstractContextManager[Incoming]:
        is_plain = url[:5].lower() == "http:"

        def allowed(name: str, found: list[Address]) -> list[Address]:
            return self._service.allowed(name.rstrip("."), found, is_plain=is_plain)

        request = self._transport.Request(
            method=method,
            url=url,
            headers=headers,
            body=body,
            addresses=allowed,
            on_wait=lambda: self._wait(0),
            connect_seconds=self.limits.connect_seconds,
            answer_seconds=answer_seconds,
            stall_seconds=self.limits.stall_seconds,
            slowest_bytes_per_second=self.limits.slowest_bytes_per_second,
            is_loopback=self._service.is_loopback,
        )
        return self._transport.sent(request)

    def _taken_in(self, incoming: Incoming, file: Path | None) -> bytes:
        """Return a body, or write it to `file`.

        Raises:
            Broken: it did not come whole, or never ends.
            StorageError: it cannot be written.
        """
        if file is not None:
            try:
                with file.open("wb") as output:
                    for piece in self._limited(incoming.pieces(), self.limits.max_download_bytes):
                        output.write(piece)
            except OSError as error:
                raise StorageError(f"{file} cannot be written: {system.explain(error)}.") from error
            return b""
        return b"".join(self._limited(incoming.pieces(), self.limits.max_reply_bytes))

    def _limited(self, pieces: Iterator[bytes], limit: int) -> Iterator[bytes]:
        size = 0
        for piece in pieces:
            size += len(piece)
            if size > limit:
                raise self._transport.Endless(f"it is larger than {limit / 1e6:,.0f} MB")
            yield piece

    def _judge(self, reply: Reply, accept: Collection[int], explain: Explain, *, is_purchase: bool) -> None:
        """Raise what a reply means, unless it is good."""
        explain(reply)
        if reply.is_good or reply.status in accept:
            return
        quote = f': "{reply.words}"' if reply.words else ""
        # A refused question says nothing of the work that was asked about.
        refusal = GenerationFailed if is_purchase else BadResult
        match reply.status:
            case 401 | 403:
                raise KeyRefused(f"{self.label} does not accept the key ({reply.status}){quote}.")
            case 402:
                raise OutOfCredit(f"{self.label}: no credit left{quote}.")
            case 408 | 425 | 429 if not (is_purchase and reply.status == 408):
                raise Busy(
                    f"{self.label} takes no request now ({reply.status}){quote}.", after=reply.retry_after_seconds
                )
            # 1xx promises another answer, which did not come; 303 says that the request was worked on.
            case status if status >= 500 or status < 200 or status == 408 or (is_purchase and status == 303):
                self._raise_for_disorder(reply, quote, is_purchase=is_purchase)
            case status if 300 <= status < 400:
                raise refusal(
                    f"{self.label} sends the request on to another address ({status}), which is not followed."
                )
            case status:
                raise refusal(f"{self.label} refuses the request ({status}){quote}.")

    def _raise_for_disorder(self, reply: Reply, quote: str, *, is_purchase: bool) -> None:
        if is_purchase:
            raise self._lost(f"it answers {reply.status}{quote}")
        raise Busy(f"{self.label} is out of order ({reply.status}){quote}.", after=reply.retry_after_seconds)

    def _lost(self, why: str) -> ImageTo3DError:
        if self._is_paid:
            return OutcomeUnknown(f"{self.label} may have taken the request: {why}.")
        return Unreachable(f"{self.label} gives no answer: {why}.", hint="It costs nothing to send it again: resume.")

    # Patience.

    def _unreachable(self, error: Exception) -> Unreachable:
        found = Unreachable(f"{self.label} cannot be reached: {error}.")
        found.__cause__ = error
        return found

    def _pause(self, patience: _Patience, error: Unreachable) -> None:
        """Wait before the next try. Raises `error` where patience is over, or where waiting would not help."""
        pause = patience.next_pause(error.after if isinstance(error, Busy) else None)
        if pause is None or getattr(error.__cause__, "is_lasting", False):
            raise error from None
        log.info("again in %.1f s: %s", pause, error)
        self._wait(pause)

    def _shown(self, text: str) -> str:
        return redacted(text, self._secrets)


class _Patience:
    """The waits between tries: they grow, each is a little different, and they end."""

    def __init__(self, limits: Limits, seconds: float | None = None) -> None:
        self._limits = limits
        # Nobody is more patient with one thing than the user is with all of it.
        self._seconds = limits.patience_seconds if seconds is None else min(seconds, limits.patience_seconds)
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget what failed: something has worked since."""
        self._deadline: float | None = None
        self._pause = self._limits.first_pause_seconds

    def next_pause(self, asked_seconds: float | None = None) -> float | None:
        """Return how long to wait, or nothing if patience is over.

        asked_seconds: what the service asks for; obeyed as it is, or not at all.
        """
        if self._deadline is None:
            self._deadline = time.monotonic() + self._seconds
        left = self._deadline - time.monotonic()
        if asked_seconds is not None and asked_seconds >= _SHORTEST_PAUSE_SECONDS:  # "at once" is no hint
            return asked_seconds if asked_seconds < left else None
        pause = min(self._pause * SystemRandom().uniform(0.7, 1.3), left)
        self._pause = min(self._pause * 2, self._limits.longest_pause_seconds)
        return pause if left > 0 else None


class _Download:
    """One file on its way."""

    def __init__(self, http: Http, link: str, target: Path, patience_seconds: float | None = None) -> None:
        self._http = http
        self._limits = http.limits
        self._patience = _Patience(self._limits, patience_seconds)
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
        transport = self._http._transport
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
                self._http._wait(self._limits.first_pause_seconds)
            except (transport.NotSent, transport.Broken) as error:
                if self._size() - size >= _BIG_STEP_BYTES:  # it does come on
                    patience.begin_anew()
                self._http._pause(patience, self._unreachable(error))
            except Busy as busy:
                self._http._pause(patience, busy)

    def _unreachable(self, error: Exception) -> Unreachable:
        found = Unreachable(f"The result of {self._http.label} cannot be fetched: {error}.")
        found.__cause__ = error
        return found

    def _size(self) -> int:
        return self._draft.stat().st_size if self._draft.exists() else 0

    def _once(self, begun: int) -> None:
        """Follow the link, and write what comes behind the `begun` bytes that are there."""
        link = self._link
        for _ in range(self._limits.max_redirects + 1):
            self._http._service.check_link(link)
            headers = {"Range": f"bytes={begun}-", "If-Range": self._stamp} if begun and self._stamp else {}
            with self._http._sent("GET", link, headers, None, self._limits.answer_seconds) as incoming:
                location = incoming.headers.get("location")
                if incoming.status not in _REDIRECTS or not location:
                    self._take(incoming, begun)
                    return
            link = addresses.next_link(link, location)
        raise BadResult(f"The result of {self._http.label} is behind more than {self._limits.max_redirects} redirects.")

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
                self._http._report(*_download_progress(size, self._total))
        if self._total is not None and size != self._total:
            raise self._http._transport.Broken(f"it was cut off after {size:,} of {self._total:,} bytes")

    def _judge(self, incoming: Incoming) -> None:
        """Raise what a status means, unless a file follows."""
        if incoming.status in {200, 206}:
            return
        label = self._http.label
        if incoming.status in _GONE:
            raise ResultGone(f"The link to the result of {label} leads nowhere, or has expired ({incoming.status}).")
        if incoming.status == 416:
            self._stamp = ""
            self._draft.unlink(missing_ok=True)
            raise self._http._transport.Broken("it cannot be resumed")
        if incoming.status in {408, 425, 429} or incoming.status >= 500:
            after = _retry_after(incoming.headers)
            raise Busy(f"The result of {label} cannot be fetched now ({incoming.status}).", after=after)
        raise BadResult(f"The result of {label} cannot be fetched ({incoming.status}).")

    def _start(self, incoming: Incoming, begun: int) -> int:
        """Return where in the file the body belongs."""
        if incoming.status != 206:
            return 0
        found = _CONTENT_RANGE.fullmatch(incoming.headers.get("content-range", ""))
        if found is None or int(found[1]) != begun or found[2] != str(self._total):
            self._stamp = ""
            raise self._http._transport.Broken("the rest does not fit")
        return begun

    def _check_size(self, size: int) -> None:
        if size > self._limits.max_download_bytes:
            self._draft.unlink(missing_ok=True)
            limit = self._limits.max_download_bytes / 1e6
            raise BadResult(f"The result of {self._http.label} is larger than {limit:,.0f} MB.")


def _body(value: Body | Mapping[str, Any]) -> Body:
    return Json(value) if isinstance(value, Mapping) else value


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a Retry-After means: a number, or a date, by the clock of whoever says it."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.replace(".", "", 1).isdigit():
        return float(text)
    moment, now = _seconds_of(text), _seconds_of(headers.get("date", ""))
    if moment is None:
        return None
    return max(moment - (time.time() if now is None else now), 0.0)


def _seconds_of(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def _download_progress(size: int, total: int | None) -> tuple[str, float | None]:
    """Return what to say of a download of `size` bytes so far, and the share that is done if it is known."""
    if not total:
        return f"Downloading {size / 1e6:.1f} MB", None
    return f"Downloading {size / 1e6:.1f} of {total / 1e6:.1f} MB", min(size / total, 1.0)
