# SPDX-License-Identifier: GPL-3.0-or-later
"""A web server on a real socket that sees what is sent, and can misbehave in every way that servers do."""

from __future__ import annotations

import contextlib
import functools
import gzip
import io
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[["Exchange"], None]


@dataclass
class Seen:
    """A request that arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""
    """Empty until somebody reads it."""


@dataclass
class Exchange:
    """One request, and the means to answer it."""

    seen: Seen
    handler: BaseHTTPRequestHandler
    server: Server
    is_read: bool = False

    @property
    def method(self) -> str:
        return self.seen.method

    @property
    def path(self) -> str:
        return self.seen.path

    @property
    def body(self) -> bytes:
        """The body; a request without a length has none, as with many gateways."""
        if not self.is_read:
            self.is_read = True
            self.seen.body = self.handler.rfile.read(int(self.seen.headers.get("content-length", "0")))
        return self.seen.body

    def reply(self, status: int = 200, body: bytes = b"", **headers: str) -> None:
        """Answer as it should be; `content_length` in the headers may lie."""
        self.begin(status, **{"content_length": str(len(body)), **headers})
        self.write(body)

    def json(self, value: Any, status: int = 200, **headers: str) -> None:
        self.reply(status, json.dumps(value).encode(), content_type="application/json", **headers)

    def begin(self, status: int = 200, **headers: str) -> None:
        """Send the head alone."""
        _ = self.body
        lines = [f"HTTP/1.1 {status} Whatever"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.write("\r\n".join([*lines, "Connection: close", "", ""]).encode())

    def write(self, data: bytes) -> None:
        self.handler.wfile.write(data)
        self.handler.wfile.flush()

    def reset(self) -> None:
        """Cut the connection, hard."""
        self.handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.handler.rfile.close()
        self.handler.wfile.close()
        self.handler.connection.close()

    def stay_silent(self, seconds: float = 30.0) -> None:
        """Say nothing until the test is over."""
        self.server.over.wait(seconds)


class Server:
    """A loopback server; use it in a with statement."""

    def __init__(self, answer: Answer, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.seen: list[Seen] = []
        self.usual = answer
        self.over = threading.Event()
        self.faults: list[tuple[str, str, Answer]] = []
        """The next requests of this method, or any, whose path begins so are answered so instead."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except (OSError, ValueError):
                    self.close_connection = True

            def _any(self) -> None:
                self.close_connection = True
                headers = {name.lower(): value for name, value in self.headers.items()}
                exchange = Exchange(Seen(self.command, self.path, headers), self, outer)
                outer.seen.append(exchange.seen)
                outer._answer_of(exchange, answer)(exchange)

            do_GET = do_POST = do_CONNECT = do_PUT = do_DELETE = _any

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 128  # on a busy machine many wait, and none may be turned away

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass

        self._server = Quiet((host, 0), Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://{host}:{self.port}"

    def _answer_of(self, exchange: Exchange, usual: Answer) -> Answer:
        for number, (method, path, fault) in enumerate(self.faults):
            if exchange.method.startswith(method) and exchange.path.startswith(path):
                del self.faults[number]
                return fault
        return usual

    def fail(self, path: str, fault: Answer, times: int = 1, *, method: str = "") -> None:
        self.faults += [(method, path, fault)] * times

    def count(self, method: str, path: str = "") -> int:
        return sum(each.method == method and each.path.startswith(path) for each in self.seen)

    def __enter__(self) -> Server:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()


# What goes wrong.


def reset_before(exchange: Exchange) -> None:
    """Cut while the request is still coming."""
    exchange.reset()


def reset_after(exchange: Exchange) -> None:
    _ = exchange.body
    exchange.reset()


def hang_up(exchange: Exchange) -> None:
    """Close politely, without a word."""
    _ = exchange.body


def silence(exchange: Exchange) -> None:
    _ = exchange.body
    exchange.stay_silent()


def slow_head(exchange: Exchange) -> None:
    """A head that takes half a second to come, and then says 503."""
    _ = exchange.body
    for byte in b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n":
        exchange.write(bytes([byte]))
        time.sleep(0.01)


def one_byte_a_moment(exchange: Exchange) -> None:
    """Never stops, and never gets anywhere."""
    exchange.begin(content_length="1000000")
    for _ in range(600):
        exchange.write(b" ")
        if exchange.server.over.wait(0.05):
            return


def truncated(exchange: Exchange) -> None:
    exchange.reply(200, b'{"status": "proc', content_length="5000")


def too_long(exchange: Exchange) -> None:
    """More than the head says."""
    exchange.reply(200, b'{"status": "processing"}   and more', content_length="5")


def html(exchange: Exchange) -> None:
    page = b"<!DOCTYPE html><html><head><title>Welcome to nginx!</title></head><body>It works</body></html>"
    exchange.reply(200, page, content_type="text/html")


def null(exchange: Exchange) -> None:
    exchange.json(None)


def wrong_types(exchange: Exchange) -> None:
    exchange.json({"uid": {"a": 1}, "status": 7, "model_base64": [1, 2]})


def large_json(exchange: Exchange) -> None:
    """More than ten megabytes, none of it of use."""
    exchange.reply(200, b'{"status": "processing", "log": "' + b"x" * 11_000_000 + b'"}')


def gzip_bomb(exchange: Exchange) -> None:
    """A hundred kilobytes that would be a hundred megabytes."""
    exchange.reply(200, bomb(), content_encoding="gzip")


@functools.cache
def bomb() -> bytes:
    """Return a bomb; packing it takes longer than some clients wait."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb") as file:
        for _ in range(100):
            file.write(b"\0" * 1_000_000)
    return buffer.getvalue()


def status(code: int, *, body: Any = None, **headers: str) -> Answer:
    def answer(exchange: Exchange) -> None:
        exchange.json({"message": "Not today."} if body is None else body, code, **headers)

    return answer


def redirect(location: str | Callable[[Exchange], str], code: int = 302) -> Answer:
    def answer(exchange: Exchange) -> None:
        exchange.reply(code, location=location if isinstance(location, str) else location(exchange))

    return answer


def file(content: bytes, *, cut_at: list[int] | None = None, tag: str | None = '"v1"', ranges: bool = True) -> Answer:
    """A file as S3 serves it: with ranges and a tag. `cut_at`: after so many bytes each answer in turn is cut."""
    cuts = list(cut_at or [])

    def answer(exchange: Exchange) -> None:
        start = 0
        asked = exchange.seen.headers.get("range", "")
        if ranges and asked and exchange.seen.headers.get("if-range", tag) == tag:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
        head = {"etag": tag} if tag else {}
        body = content[start:]
        if start:
            head["content_range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        cut = cuts.pop(0) if cuts else len(body)
        exchange.begin(206 if start else 200, content_length=str(len(body)), accept_ranges="bytes", **head)
        with contextlib.suppress(OSError):
            exchange.write(body[:cut])

    return answer


@contextlib.contextmanager
def serving(answer: Answer, **words: Any) -> Iterator[Server]:
    with Server(answer, **words) as server:
        yield server


def refused_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
