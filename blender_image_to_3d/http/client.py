# SPDX-License-Identifier: GPL-3.0-or-later
"""`Http`: what a provider sends and fetches with, and what becomes of a request, in the words of our errors."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import (
    BadResult,
    Busy,
    GenerationFailed,
    ImageTo3DError,
    KeyRefused,
    OutcomeUnknown,
    OutOfCredit,
    StorageError,
    Unreachable,
)
from ..host import system
from .addresses import Service
from .bodies import Body, Json
from .connection import Connection
from .download import Download
from .patience import Limits, Patience
from .received import Explain, Reply, nothing_special
from .words import redacted

if TYPE_CHECKING:
    from .transport import Incoming

log = logging.getLogger(__name__)


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
        self.limits = limits or Limits()
        service = Service.at(base_url, has_key=key is not None)
        self._connection = Connection(label, service, self.limits, wait, report)
        self._secrets = (key,) if key else ()
        self._is_paid = is_paid
        self._folder = folder
        self._buy_answer_seconds = buy_answer_seconds
        self._before_buying = before_buying
        self._not_bought = not_bought

    # What a provider calls.

    @property
    def base_url(self) -> str:
        return self._connection.service.url

    def is_own(self, url: str) -> bool:
        """Whether an address is the service's own, so that the key may go there."""
        return self._connection.service.is_own(url)

    def get(
        self,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        into: str | None = None,
        patience_seconds: float | None = None,
        accept: Collection[int] = (),
        explain: Explain = nothing_special,
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
        explain: Explain = nothing_special,
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
        explain: Explain = nothing_special,
    ) -> Reply:
        """Send the request that starts the work and may cost money: once.

        It is sent again only if nothing of it had left, or if the service said that it does not take it now (`Busy`).

        Raises:
            Unreachable: nothing was sent; for a service that costs nothing also: the answer did not come.
            OutcomeUnknown: it was sent to a service that costs money, and no answer says what became of it.
            ImageTo3DError: what `explain`, or the status, says.
        """
        patience = Patience(self.limits, self.limits.quick_seconds)
        busy_patience = Patience(self.limits, self.limits.buy_patience_seconds)
        checked = _body(body)
        while True:
            self._before_buying()
            try:
                reply = self._call("POST", path, checked, headers, into, self._buy_answer_seconds)
                reply = replace(reply, unreadable=OutcomeUnknown if self._is_paid else BadResult)
                self._judge(reply, accept, explain, is_purchase=True)
                return reply
            except self._connection.transport.NotSent as error:
                self._not_bought()
                self._connection.pause(patience, self._unreachable(error))
            except self._connection.transport.Broken as error:
                raise self._lost(f"the request was sent, but {error}") from None
            except StorageError as error:
                if not self._is_paid:
                    raise
                raise self._lost(f"it answered, but {error}") from error
            except Busy as busy:
                self._not_bought()
                self._connection.pause(busy_patience, busy)

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
        fetching = Download(self._connection, link, target, patience_seconds)
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
        patience = Patience(self.limits, patience_seconds)
        while True:
            try:
                reply = self._call(method, path, body, headers, into, self.limits.answer_seconds)
                self._judge(reply, accept, explain, is_purchase=False)
                return reply
            except self._connection.transport.Endless as error:
                raise BadResult(f"{self.label} gives no answer that can be read: {error}.") from None
            except (self._connection.transport.NotSent, self._connection.transport.Broken) as error:
                self._connection.pause(patience, self._unreachable(error))
            except Busy as busy:
                self._connection.pause(patience, busy)

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
        url = self._connection.service.address_of(path)
        started = time.monotonic()
        with self._connection.sent(method, url, headers or {}, body, answer_seconds) as incoming:
            is_good = 200 <= incoming.status < 300
            file = self._folder / into if into and is_good else None
            content = self._taken_in(incoming, file)
        seconds = time.monotonic() - started
        log.info("%s %s: %d after %.2f s", method, self._shown(path), incoming.status, seconds)
        return Reply(self.label, incoming.status, incoming.headers, content, file, self._secrets)

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
                raise self._connection.transport.Endless(f"it is larger than {limit / 1e6:,.0f} MB")
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

    def _unreachable(self, error: Exception) -> Unreachable:
        found = Unreachable(f"{self.label} cannot be reached: {error}.")
        found.__cause__ = error
        return found

    def _shown(self, text: str) -> str:
        return redacted(text, self._secrets)


def _body(value: Body | Mapping[str, Any]) -> Body:
    return Json(value) if isinstance(value, Mapping) else value
