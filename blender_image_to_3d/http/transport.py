# SPDX-License-Identifier: GPL-3.0-or-later
"""One request out, one reply in, over requests; what was sent of it is known when it fails.

Every request has a connection of its own: a kept one that the service closed meanwhile would break in the middle of a
request, and nobody could say whether it had arrived. There is no session: no cookies, no .netrc, no redirects.
Works with requests 2.27.1 and urllib3 1.26 as with their successors.
"""

from __future__ import annotations

import io
import math
import os
import socket
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse, IncompleteRead
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies, select_proxy
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util import wait_for_read

from .addresses import Address, resolve
from .bodies import Body

USER_AGENT = "blender-image-to-3d"

_PIECE_BYTES = 256 * 1024
_GLANCE_SECONDS = 0.1
_MOST_DIGITS = 20
_KEEP_ALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPALIVE": 30, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
"""Seconds of silence before the first sign of life, between two, and how many may go unanswered."""
_ENCODINGS = {"gzip", "x-gzip", "deflate"}


class NotSent(Exception):
    """Nothing of the request has left this computer; the text says why, as the rest of a sentence."""

    def __init__(self, why: str, *, is_lasting: bool = False) -> None:
        super().__init__(why)
        self.is_lasting = is_lasting
        """Trying again will not help."""


class Broken(Exception):
    """The request, or some of it, has left, and the whole reply has not come."""

    is_lasting = False


class Endless(Broken):
    """The reply is larger than any that makes sense."""

    is_lasting = True


@dataclass(frozen=True)
class Request:
    """What is sent, and how long anything may take."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: Body | None
    addresses: Callable[[str, list[Address]], list[Address]]
    """Which addresses of a host may be connected to; raises where none may."""
    on_wait: Callable[[], None]
    """Called many times a second while the service thinks; what it raises ends the request."""
    connect_seconds: float
    answer_seconds: float
    """Until the first byte of the reply."""
    stall_seconds: float
    """Between two bytes."""
    slowest_bytes_per_second: float
    is_loopback: bool
    """Then no proxy is asked."""


class Incoming:
    """A reply whose head has arrived."""

    def __init__(self, response: requests.Response, request: Request) -> None:
        self.status = response.status_code
        self.headers = {name.lower(): value for name, value in response.headers.items()}
        self._request = request
        self._http: Any = response.raw._original_response

    @property
    def length(self) -> int | None:
        """The length of the body as it travels, where the service says it."""
        text = self.headers.get("content-length", "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < _MOST_DIGITS else None

    @property
    def is_encoded(self) -> bool:
        return self.headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}

    def pieces(self) -> Iterator[bytes]:
        """Yield the body, decoded, as it arrives; never more than a piece is in memory.

        Raises:
            Broken: it was cut off, stalls, or is not what its head says.
        """
        encoding = self.headers.get("content-encoding", "identity").strip().lower()
        if not self.is_encoded:
            yield from self._raw_pieces()
        elif encoding in _ENCODINGS:
            yield from _inflated(self._raw_pieces())
        else:
            raise Broken(f'it is encoded as "{encoding[:20]}", which nobody asked for')

    def _raw_pieces(self) -> Iterator[bytes]:
        expected, received = self.length, 0
        pace = _Pace(self._request)
        try:
            # read1 gives what is there; read would wait, perhaps for days, until its buffer is full.
            while piece := self._http.read1(_PIECE_BYTES):
                received += len(piece)
                yield piece
                pace.keep(len(piece))
        except TimeoutError:
            raise Broken(f"nothing came for {self._request.stall_seconds:.0f} seconds") from None
        except IncompleteRead:
            raise Broken("it was cut off") from None
        except (OSError, HTTPException) as error:
            raise Broken(f"it was cut off ({_reason(error)})") from None
        if expected is not None and received != expected:
            raise Broken(f"it was cut off after {received:,} of {expected:,} bytes")


class _Pace:
    """Notices a reply that trickles."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._start, self._bytes = time.monotonic(), 0

    def keep(self, count: int) -> None:
        """Count what came. Raises `Broken` if it is too little."""
        self._request.on_wait()
        self._bytes += count
        seconds = time.monotonic() - self._start
        if seconds < self._request.stall_seconds:
            return
        if self._bytes < seconds * self._request.slowest_bytes_per_second:
            raise Broken(f"only {self._bytes:,} bytes came in {seconds:.0f} seconds")
        self._start, self._bytes = time.monotonic(), 0


def _inflated(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Decode gzip or deflate in bounded steps: whoever takes the pieces can stop before a bomb is unpacked."""
    decoder = zlib.decompressobj(wbits=47)
    for piece in pieces:
        rest = piece
        while rest and not decoder.eof:
            try:
                decoded = decoder.decompress(rest, _PIECE_BYTES)
            except zlib.error:
                raise Broken("its compression is damaged") from None
            rest = decoder.unconsumed_tail
            if decoded:
                yield decoded
    if not decoder.eof:
        raise Broken("its compressed text ends too early")


@contextmanager
def sent(request: Request) -> Iterator[Incoming]:
    """Send a request, and give its reply while the connection is open.

    Raises:
        NotSent: nothing was sent.
        Broken: something was sent, and no reply came.
    """
    call = _Call(request)
    proxies = {} if request.is_loopback else get_environ_proxies(request.url)
    adapter = _Adapter(call)
    try:
        prepared = _prepared(request)
        # Without a proxy, `addresses` has the last word at the connection; with one, only what is written counts.
        call.is_checked = select_proxy(prepared.url or "", proxies) is None
        timeout = (request.connect_seconds, request.answer_seconds)
        response = adapter.send(prepared, stream=True, timeout=timeout, verify=_authorities(), proxies=proxies)
    except (requests.RequestException, urllib3.exceptions.HTTPError, HTTPException, OSError, ValueError) as error:
        adapter.close()
        raise call.failure(error) from None
    except BaseException:
        adapter.close()
        raise
    try:
        call.expect_body()
        yield Incoming(response, request)
    finally:
        response.close()
        adapter.close()


def _prepared(request: Request) -> requests.PreparedRequest:
    # Accept-Encoding: what is compressed on its way has no length to check, and cannot be resumed.
    headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", "Connection": "close", **request.headers}
    if request.body is not None:
        headers |= {"Content-Type": request.body.content_type}
    return requests.Request(request.method, request.url, headers=headers, data=request.body).prepare()


def _authorities() -> str | bool:
    """Return the certificates to trust, as requests and curl are told elsewhere."""
    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True


class _Call:
    """What one request does to its connection."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.is_checked = True
        self.is_connected = False
        self._socket: socket.socket | None = None
        self._head_deadline = math.inf
        self._next_look = 0.0

    def open_socket(self, host: str, port: int) -> socket.socket:
        """Connect to a checked address. Raises OSError."""
        addresses = self.request.addresses(host.strip("[]"), resolve(host.strip("[]"), port))
        for address in addresses[:-1]:
            try:
                return self._connected(address, port)
            except OSError:
                continue
        return self._connected(addresses[-1], port)

    def _connected(self, address: Address, port: int) -> socket.socket:
        connection = socket.create_connection((str(address), port), self.request.connect_seconds)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _keep_alive(connection)
        return connection

    def wait_for_answer(self, connection: socket.socket) -> None:
        """Wait for the first byte, looking up now and then. Raises TimeoutError, or what `on_wait` raises."""
        self._socket = connection
        deadline = time.monotonic() + self.request.answer_seconds
        self._head_deadline = deadline + self.request.stall_seconds
        while not wait_for_read(connection, timeout=_GLANCE_SECONDS):
            self.request.on_wait()
            if time.monotonic() >= deadline:
                raise TimeoutError

    def look_up(self) -> None:
        """Called before more is read. Raises TimeoutError for a head that never ends, or what `on_wait` raises."""
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + _GLANCE_SECONDS
            self.request.on_wait()
        if now >= self._head_deadline:
            raise TimeoutError

    def expect_body(self) -> None:
        """The head has come: from now on something must come all the time."""
        self._head_deadline = math.inf
        if self._socket is not None:
            self._socket.settimeout(self.request.stall_seconds)

    def failure(self, error: BaseException) -> NotSent | Broken:
        """Return what an exception of requests means."""
        why = _why(error, self.request)
        is_lasting = "certificate" in why or why == _WRONG_PROXY
        return Broken(why) if self.is_connected else NotSent(why, is_lasting=is_lasting)


def _keep_alive(connection: socket.socket) -> None:
    """Show signs of life while a service thinks for minutes, and notice when it is gone.

    Routers forget a silent connection after some minutes; then the answer to a purchase would never arrive.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEP_ALIVE.items():
        if hasattr(socket, name):  # macOS calls the first one TCP_KEEPALIVE, and old Windows has none
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _watched(call: _Call) -> dict[str, Any]:
    """Return connection pools whose connections go through `call`."""

    class Watched:
        def response_class(self, connection: Any, *args: Any, **words: Any) -> HTTPResponse:
            return HTTPResponse(_WatchedSocket(connection, call), *args, **words)  # type: ignore[arg-type]

        def _new_conn(self: Any) -> socket.socket:
            if not call.is_checked:
                connection: socket.socket = super()._new_conn()  # type: ignore[misc]
                _keep_alive(connection)
                return connection
            return call.open_socket(self.host, self.port)

        def connect(self: Any) -> None:
            super().connect()  # type: ignore[misc]
            call.is_connected = True
            self.sock.settimeout(call.request.stall_seconds)  # for sending; urllib3 sets that for reading itself

        def getresponse(self: Any, *args: Any, **words: Any) -> Any:
            call.wait_for_answer(self.sock)
            return super().getresponse(*args, **words)  # type: ignore[misc]

    class Plain(Watched, HTTPConnection):  # type: ignore[misc]
        pass

    class Secure(Watched, HTTPSConnection):  # type: ignore[misc]
        pass

    class PlainPool(urllib3.HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(urllib3.HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


class _WatchedSocket:
    """What `http.client` reads a reply from: it would read interim replies, head lines and trailers for ever."""

    def __init__(self, connection: socket.socket, call: _Call) -> None:
        self._connection = connection
        self._call = call

    def makefile(self, mode: Any) -> io.BufferedReader:
        return io.BufferedReader(_WatchedReader(self._connection.makefile(mode, buffering=0), self._call))


class _WatchedReader(io.RawIOBase):
    def __init__(self, raw: Any, call: _Call) -> None:
        self._raw = raw
        self._call = call

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._call.look_up()
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Adapter(HTTPAdapter):
    """requests' way to urllib3, with our connections."""

    def __init__(self, call: _Call) -> None:
        self._call = call
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **words: Any) -> None:
        super().init_poolmanager(*args, **words)
        self.poolmanager.pool_classes_by_scheme = _watched(self._call)

    def proxy_manager_for(self, proxy: Any, **words: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **words)
        manager.pool_classes_by_scheme = _watched(self._call)
        return manager


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and everything that it wraps."""
    waiting, seen = [error], set()
    while waiting:
        each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        inner = [each.__cause__, each.__context__, getattr(each, "reason", None), *each.args]
        waiting += [more for more in inner if isinstance(more, BaseException)]


def _why(error: BaseException, request: Request) -> str:
    """Return the cause, as the rest of a sentence."""
    causes = list(_causes(error))
    for kind, why in _KINDS:
        if any(isinstance(each, kind) for each in causes):
            return why
    text = " ".join(map(str, causes)).lower()
    if "certificate" in text:
        return "its certificate is not trusted"
    if any(isinstance(each, (requests.exceptions.SSLError, urllib3.exceptions.SSLError)) for each in causes):
        return "no encrypted connection could be made"
    if any(isinstance(each, (TimeoutError, requests.Timeout, urllib3.exceptions.TimeoutError)) for each in causes):
        return "no answer came in time"
    innermost = next((each for each in causes if isinstance(each, (OSError, HTTPException))), error)
    return _reason(innermost)


_WRONG_PROXY = "the proxy in the settings (all_proxy?) is of a kind that is not supported"
_KINDS: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, "its name is not known (DNS)"),
    (ConnectionRefusedError, "the connection was refused"),
    (requests.exceptions.ProxyError, "the proxy does not let it through"),
    (requests.exceptions.InvalidSchema, _WRONG_PROXY),
    (ConnectionResetError, "the connection was cut"),
    (BrokenPipeError, "the connection was cut"),
)


def _reason(error: BaseException) -> str:
    """Return a short reason that quotes no address."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return "the connection was cut" if isinstance(error, HTTPException) else type(error).__name__
