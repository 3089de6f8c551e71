# SPDX-License-Identifier: GPL-3.0-or-later
"""What the fakes of paid services share: a key, counters, the next trouble, and links to results on a second server."""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import unquote

from . import loopback
from .loopback import Answer, Exchange, Server

_HEIF = (b"heic", b"heix", b"heif", b"mif1", b"msf1")


def picture_type(content: bytes) -> str | None:
    """Return what the first bytes say: a media type, or None."""
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    if content[4:8] == b"ftyp":
        return "image/avif" if content[8:12] == b"avif" else "image/heif" if content[8:12] in _HEIF else None
    return None


def strict_json(exchange: Exchange) -> Any:
    """Return the body; ValueError if it is not plain JSON that says that it is JSON."""
    if exchange.seen.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        raise ValueError("The Content-Type is not application/json")
    return json.loads(exchange.body.decode(), object_pairs_hook=_without_doubles, parse_constant=_refuse_constant)


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("A key stands twice in the same object")
    return dict(pairs)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def xml_error(code: str, message: str, status: int = 403) -> Answer:
    """An error as S3 says it."""
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message>'
        f"<RequestId>{secrets.token_hex(8).upper()}</RequestId></Error>"
    )

    def answer(exchange: Exchange) -> None:
        exchange.reply(status, text.encode(), content_type="application/xml")

    return answer


@dataclass
class _Link:
    file: Answer
    uses: int | None


class Cdn(Server):
    """Serves what it made links for, and nothing else; path and query must be exactly those of the link."""

    def __init__(self, complain: Callable[[Exchange], None]) -> None:
        self.link_uses: int | None = None
        """How many requests, ranges included, a link lasts that is made from now on; None: for ever."""
        self.cut_at: list[int] = []
        """loopback.file's, for the links that are made from now on."""
        self._complain = complain
        self._lock = threading.Lock()
        self._links: dict[str, _Link] = {}
        super().__init__(self._serve)

    def link(self, path: str, content: bytes) -> str:
        tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        file = loopback.file(content, cut_at=self.cut_at, tag=tag)
        with self._lock:
            self._links[path] = _Link(file, self.link_uses)
        return f"{self.url}{path}"

    def expire_links(self) -> None:
        """All that were made so far."""
        with self._lock:
            for link in self._links.values():
                link.uses = 0

    def _serve(self, exchange: Exchange) -> None:
        self._complain(exchange)
        if exchange.method != "GET":
            xml_error("MethodNotAllowed", "The specified method is not allowed.", 405)(exchange)
        elif exchange.seen.headers.get("authorization") and "X-Amz-Signature" in exchange.path:
            xml_error("InvalidArgument", "Only one auth mechanism allowed", 400)(exchange)
        else:
            self._file_of(exchange)(exchange)

    def _file_of(self, exchange: Exchange) -> Answer:
        with self._lock:
            link = self._links.get(exchange.path)
            if link is None:
                return xml_error("SignatureDoesNotMatch", "The signature does not match.")
            if link.uses == 0:
                return xml_error("AccessDenied", "Request has expired")
            if link.uses is not None:
                link.uses -= 1
            return link.file


class Shop(Server):
    """A service that takes a key and money. A good client leaves no `complaints`."""

    def __init__(self, key: str, key_header: str, troubles: frozenset[str]) -> None:
        self.key = key
        self.seconds = 0.0
        """How long a synchronous generation takes."""
        self.known_urls: set[str] = set()
        """Addresses elsewhere, from which this service would get a picture."""
        self.creates = 0
        """Requests for a generation, whatever became of them."""
        self.billable = 0
        """Generations that were begun; counted before the work, so that an abandoned one counts."""
        self.generated: list[dict[str, Any]] = []
        """The bodies of those."""
        self.complaints: list[str] = []
        """What a client did that the service would have put up with, but must not be done."""
        self.lock = threading.RLock()
        self.cdn = Cdn(self._mind_the_stranger)
        self._key_header = key_header
        self._known_troubles = troubles
        self._troubles: deque[tuple[str, dict[str, str]]] = deque()
        super().__init__(self._receive)

    def __enter__(self) -> Self:
        self.cdn.__enter__()
        super().__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self.cdn.__exit__(*error)

    def go_wrong(self, trouble: str, times: int = 1, **headers: str) -> None:
        """Let the next generations, whose requests are right, go wrong so; `headers` come with the answer."""
        if trouble not in self._known_troubles:
            raise ValueError(f"{trouble} is none of {sorted(self._known_troubles)}")
        self._troubles.extend([(trouble, headers)] * times)

    def expire_links(self) -> None:
        self.cdn.expire_links()

    def next_trouble(self) -> tuple[str, dict[str, str]] | None:
        with self.lock:
            return self._troubles.popleft() if self._troubles else None

    def accept(self, body: dict[str, Any]) -> None:
        with self.lock:
            self.billable += 1
            self.generated.append(body)

    def answer(self, exchange: Exchange) -> None:
        raise NotImplementedError

    def key_value(self) -> str:
        """Return what stands in the header of the key."""
        return self.key

    def is_authorised(self, exchange: Exchange) -> bool:
        return exchange.seen.headers.get(self._key_header) == self.key_value()

    def _receive(self, exchange: Exchange) -> None:
        headers = {name: value for name, value in exchange.seen.headers.items() if name != self._key_header}
        given = exchange.seen.headers.get(self._key_header, "")
        if given != self.key_value() and self.key in given:
            self.complaints.append(f"the key stands wrongly in {self._key_header}")
        self._mind_the_key(exchange, headers)
        self.answer(exchange)

    def _mind_the_key(self, exchange: Exchange, headers: dict[str, str]) -> None:
        where = [f"the header {name}" for name, value in headers.items() if self.key in value]
        where += ["the address"] * (self.key in unquote(exchange.path))
        where += ["the body"] * (self.key.encode() in exchange.body)
        self.complaints += [f"{exchange.method} {exchange.path[:60]}: the key is in {place}" for place in where]

    def _mind_the_stranger(self, exchange: Exchange) -> None:
        """The server of the files is another company's."""
        self._mind_the_key(exchange, exchange.seen.headers)
        for name in {"authorization", self._key_header, "cookie"} & set(exchange.seen.headers):
            self.complaints.append(f"{exchange.path[:60]}: the header {name} goes to the server of the files")
