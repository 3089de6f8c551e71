# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules that hold for every service, on real sockets."""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from email import message_from_bytes
from email.utils import formatdate
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from blender_image_to_3d import errors
from blender_image_to_3d.errors import BadOption, BadResult, Cancelled, ImageTo3DError, OutcomeUnknown, Unreachable
from blender_image_to_3d.host import system
from blender_image_to_3d.http import (
    Base64File,
    Form,
    FormFile,
    Http,
    Limits,
    Reply,
    addresses,
    redacted,
    said,
    take_out_base64,
    transport,
)
from blender_image_to_3d.http.bodies import Json

from ..conftest import HANGS_SECONDS, KEY, ROOT
from ..fakes.servers import loopback
from ..fakes.servers.loopback import Answer, Exchange, Server, serving

pytestmark = pytest.mark.everywhere

QUICK = Limits(
    connect_seconds=2.0,
    answer_seconds=2.5,
    stall_seconds=1.0,
    patience_seconds=4.0,
    quick_seconds=0.3,
    buy_patience_seconds=4.0,
    first_pause_seconds=0.02,
    longest_pause_seconds=0.1,
    gone_seconds=0.2,
    max_download_bytes=50_000_000,
)
PATIENT = replace(QUICK, patience_seconds=20.0)
UNHURRIED = replace(PATIENT, answer_seconds=HANGS_SECONDS)
SIGNED = "?X-Amz-Signature=0123456789abcdef&X-Amz-Expires=604800"


class Service:
    """A client, and what it waited for."""

    def __init__(self, url: str, folder: Path, *, limits: Limits = QUICK, **words: Any) -> None:
        self.waits: list[float] = []
        self.shares: list[float | None] = []
        self.stop_at = float("inf")
        facts: dict[str, Any] = {"label": "Acme", "key": KEY, "is_paid": True, "buy_answer_seconds": 2.5, **words}
        report = lambda text, share: self.shares.append(share)  # noqa: E731
        self.http = Http(base_url=url, folder=folder, wait=self._wait, report=report, limits=limits, **facts)

    def _wait(self, seconds: float) -> None:
        if time.monotonic() > self.stop_at:
            raise Cancelled("Enough.")
        if seconds:
            self.waits.append(seconds)
            time.sleep(seconds)


def good(exchange: Exchange) -> None:
    exchange.json({"id": 7})


class _Id(BaseModel):
    id: int


def name_of(value: object) -> str:
    return getattr(value, "__name__", str(value))


# What is sent once.


def test_a_purchase_is_sent_once_and_its_answer_is_read(tmp_path: Path) -> None:
    with serving(good) as server:
        reply = Service(server.url, tmp_path).http.buy("/make", {"seed": 1}, headers={"Authorization": f"Bearer {KEY}"})
    assert reply.read(_Id) == _Id(id=7)
    (seen,) = server.seen
    assert (seen.method, seen.path, json.loads(seen.body)) == ("POST", "/make", {"seed": 1})
    assert seen.headers["authorization"] == f"Bearer {KEY}"
    assert seen.headers["content-length"] == str(len(seen.body))


@pytest.mark.parametrize("is_paid", [True, False])
@pytest.mark.parametrize(
    "fault",
    [
        loopback.reset_before,
        loopback.reset_after,
        loopback.hang_up,
        loopback.silence,
        loopback.truncated,
        loopback.one_byte_a_moment,
        loopback.large_json,
        loopback.gzip_bomb,
        loopback.status(500),
        loopback.status(502),
        loopback.status(504),
    ],
    ids=name_of,
)
def test_a_purchase_without_an_answer_is_never_repeated(tmp_path: Path, fault: Answer, is_paid: bool) -> None:
    with serving(fault) as server, pytest.raises(ImageTo3DError) as caught:
        Service(server.url, tmp_path, is_paid=is_paid).http.buy("/make", {"image": "x" * 3_000_000})
    assert type(caught.value) is (OutcomeUnknown if is_paid else Unreachable)
    assert caught.value.charged == ("maybe" if is_paid else "no")
    assert server.count("POST") == 1


@pytest.mark.parametrize("fault", [loopback.html, loopback.null, loopback.wrong_types], ids=name_of)
def test_an_answer_to_a_purchase_that_nobody_understands_leaves_it_unknown(tmp_path: Path, fault: Answer) -> None:
    with serving(fault) as server, pytest.raises(OutcomeUnknown, match="not understood"):
        Service(server.url, tmp_path).http.buy("/make", {}).read(_Id)
    assert server.count("POST") == 1


def test_what_never_left_is_tried_again_and_costs_nothing(tmp_path: Path) -> None:
    service = Service(f"http://127.0.0.1:{loopback.refused_port()}", tmp_path)
    with pytest.raises(Unreachable, match="refused") as caught:
        service.http.buy("/make", {})
    assert caught.value.charged == "no" and len(service.waits) >= 2
    assert service.waits[0] < service.waits[1]


def test_an_unknown_name_costs_nothing(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="DNS") as caught:
        Service("https://no-such-host.invalid", tmp_path).http.buy("/make", {})
    assert caught.value.charged == "no"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, errors.GenerationFailed),
        (401, errors.KeyRefused),
        (402, errors.OutOfCredit),
        (403, errors.KeyRefused),
        (413, errors.GenerationFailed),
        (422, errors.GenerationFailed),
        (307, errors.GenerationFailed),
    ],
)
def test_a_refused_purchase_says_why_and_costs_nothing(tmp_path: Path, code: int, kind: type[ImageTo3DError]) -> None:
    with serving(loopback.status(code, location="http://127.0.0.1:1/")) as server, pytest.raises(kind) as caught:
        Service(server.url, tmp_path).http.buy("/make", {})
    assert caught.value.charged == "no" and server.count("POST") == 1
    assert "Not today." in str(caught.value) or code == 307


def test_a_purchase_that_is_put_off_is_sent_again(tmp_path: Path) -> None:
    with serving(good) as server:
        server.fail("/make", loopback.status(429, retry_after="0.3"))
        server.fail("/make", loopback.status(429))
        service = Service(server.url, tmp_path)
        assert service.http.buy("/make", {}).read(_Id).id == 7
    assert server.count("POST") == 3 and service.waits[0] == 0.3


@pytest.mark.parametrize(
    "hint", ["3600", formatdate(time.time() + 3600, usegmt=True), None], ids=["seconds", "date", "none"]
)
def test_a_service_that_stays_busy_is_left_alone(tmp_path: Path, hint: str | None) -> None:
    head = {"retry_after": hint} if hint else {}
    with serving(loopback.status(429, **head)) as server, pytest.raises(errors.Busy, match="Not today") as caught:
        Service(server.url, tmp_path).http.buy("/make", {})
    assert caught.value.charged == "no"
    assert server.count("POST") == 1 if hint else 3 < server.count("POST") < 60


def test_a_service_explains_its_own_answers(tmp_path: Path) -> None:
    def explain(reply: Reply) -> None:
        if "Rate limit" in reply.words:
            raise errors.Busy(reply.words, after=0.1)
        if reply.status == 403:
            raise errors.OutOfCredit(reply.words)

    with serving(loopback.status(403)) as server:
        server.fail("/make", loopback.status(200, body={"status": "error", "messege": "Rate limit exceeded"}))
        service = Service(server.url, tmp_path)
        with pytest.raises(errors.OutOfCredit, match=r"Not today\."):
            service.http.buy("/make", {}, explain=explain)
    assert service.waits == [0.1] and server.count("POST") == 2


# What is repeated.


@pytest.mark.parametrize(
    "fault",
    [
        loopback.reset_after,
        loopback.hang_up,
        loopback.silence,
        loopback.slow_head,
        loopback.truncated,
        loopback.one_byte_a_moment,
        loopback.status(500),
        loopback.status(503, retry_after="0.1"),
        loopback.status(429, retry_after="0.1"),
    ],
    ids=name_of,
)
@pytest.mark.parametrize("method", ["get", "ask"])
def test_a_question_is_repeated_until_it_is_answered(tmp_path: Path, fault: Answer, method: str) -> None:
    with serving(good) as server:
        server.fail("/status", fault)
        http = Service(server.url, tmp_path, limits=PATIENT).http
        reply = http.get("/status") if method == "get" else http.ask("/status", {"key": KEY})
        assert reply.read(_Id).id == 7
    assert len(server.seen) == 2


def test_patience_ends(tmp_path: Path) -> None:
    with serving(loopback.status(500)) as server:
        service = Service(server.url, tmp_path)
        with pytest.raises(errors.Busy, match=r"out of order \(500\)"):
            service.http.get("/status")
    assert 5 < len(server.seen) < 60
    assert len(set(service.waits)) == len(service.waits), "each wait is a little different"


@pytest.mark.parametrize("fault", [loopback.large_json, loopback.gzip_bomb], ids=name_of)
def test_an_endless_answer_is_not_taken_in(tmp_path: Path, fault: Answer) -> None:
    with serving(fault) as server, pytest.raises(BadResult, match="larger than 10 MB"):
        Service(server.url, tmp_path, limits=UNHURRIED).http.get("/status")
    assert len(server.seen) == 1


def test_compressed_answers_are_understood(tmp_path: Path) -> None:
    packed = gzip.compress(b'{"id": 7}')
    with serving(lambda exchange: exchange.reply(200, packed, content_encoding="gzip")) as server:
        assert Service(server.url, tmp_path).http.get("/status").read(_Id).id == 7
    with serving(lambda exchange: exchange.reply(200, packed[:-9], content_encoding="gzip")) as server:
        with pytest.raises(Unreachable, match="too early"):
            Service(server.url, tmp_path).http.get("/status", patience_seconds=0.1)


def test_waiting_for_an_answer_can_be_interrupted(tmp_path: Path) -> None:
    with serving(loopback.silence) as server:
        service = Service(server.url, tmp_path, buy_answer_seconds=HANGS_SECONDS)
        service.stop_at = time.monotonic() + 0.3
        with pytest.raises(Cancelled):
            service.http.buy("/make", {})


# Where the key goes.


def endless_interim_replies(exchange: Exchange) -> None:
    while not exchange.server.over.wait(0.02):
        exchange.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def endless_head(exchange: Exchange) -> None:
    exchange.write(b"HTTP/1.1 200 OK\r\nX: ")
    while not exchange.server.over.wait(0.1):
        exchange.write(b"x")


def endless_trailer(exchange: Exchange) -> None:
    exchange.begin(transfer_encoding="chunked")
    exchange.write(b"0\r\n")
    while not exchange.server.over.wait(0.02):
        exchange.write(b"a: b\r\n")


@pytest.mark.parametrize("fault", [endless_interim_replies, endless_head, endless_trailer], ids=name_of)
def test_a_reply_that_never_ends_can_be_interrupted(tmp_path: Path, fault: Answer) -> None:
    with serving(fault) as server:
        service = Service(server.url, tmp_path, limits=UNHURRIED)
        service.stop_at = time.monotonic() + 0.5
        with pytest.raises(Cancelled):
            service.http.get("/status")


@pytest.mark.parametrize("fault", [endless_interim_replies, endless_head], ids=name_of)
def test_a_head_that_never_ends_is_given_up(tmp_path: Path, fault: Answer) -> None:
    with serving(fault) as server, pytest.raises(OutcomeUnknown):
        Service(server.url, tmp_path).http.buy("/make", {})


@pytest.mark.parametrize("link", ["https://①②⑦.0.0.1/x", "https://127。0。0。1/x", "https://%31%32%37.0.0.1/x"])
def test_an_address_in_disguise_is_none(tmp_path: Path, link: str) -> None:
    with pytest.raises(BadResult):
        Service("https://api.example.com", tmp_path).http.download(link, "model")


def test_the_key_stays_with_its_service(tmp_path: Path) -> None:
    elsewhere = Server(loopback.file(b"ply\n"))
    with elsewhere, serving(loopback.redirect(elsewhere.url + "/model" + SIGNED)) as server:
        http = Service(server.url, tmp_path).http
        http.download(server.url + "/result", "model")
        for address in (elsewhere.url + "/fetch/7", "https://127.0.0.1/", "file:///etc/passwd"):
            with pytest.raises(BadResult):
                http.ask(address, {"key": KEY})
        reply = http.get(server.url + "/fetch/7", headers={"API-KEY": KEY}, accept=(302,))
        assert reply.status == 302, "not followed"
    assert len(elsewhere.seen) == 1 and KEY not in str(elsewhere.seen)
    assert KEY not in str([seen for seen in server.seen if seen.path == "/result"])


def test_no_netrc_and_no_cookie_goes_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password mine\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with serving(lambda exchange: exchange.json({}, set_cookie="a=b")) as server:
        http = Service(server.url, tmp_path).http
        http.get("/one", headers={"Authorization": "Bearer right"})
        http.get("/two")
    assert server.seen[0].headers["authorization"] == "Bearer right"
    assert "authorization" not in server.seen[1].headers and "cookie" not in server.seen[1].headers


@pytest.mark.parametrize(
    ("url", "key", "is_fine"),
    [
        ("https://api.example.com", KEY, True),
        ("http://api.example.com", KEY, False),
        ("http://127.0.0.1:8081", KEY, True),
        ("http://[::1]:8081", KEY, True),
        ("http://localhost:8081/v1/", KEY, True),
        ("http://192.168.1.5:8081", KEY, False),
        ("http://192.168.1.5:8081", None, True),
        ("http://gpu-box:8081", None, True),
        ("http://8.8.8.8", None, False),
        ("https://8.8.8.8", None, True),
        ("127.0.0.1:8081", None, False),
        ("ftp://127.0.0.1", None, False),
        ("http://me:secret@127.0.0.1", None, False),
        ("http://127.0.0.1:99999", None, False),
        ("http://127.0.0.1/?a=b", None, False),
        ("http://a b", None, False),
        ("", None, False),
    ],
)
def test_which_address_a_service_may_have(tmp_path: Path, url: str, key: str | None, is_fine: bool) -> None:
    if is_fine:
        Service(url, tmp_path, key=key)
        return
    with pytest.raises(BadOption) as caught:
        Service(url, tmp_path, key=key)
    assert "secret" not in str(caught.value)


def test_no_name_carries_pictures_into_the_internet_in_plain_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "resolve", lambda host, port: [ip_address("8.8.8.8")])
    with pytest.raises(BadOption, match="plain http"):
        Service("http://gpu-box.example:8081", tmp_path, key=None).http.get("/health")


# Downloads.

FAR = "https://api.example.com"
NEAR = "http://127.0.0.1:8081"
LAN = "http://192.168.1.5:8081"
PRIVATE = (
    "127.0.0.1 127.1 2130706433 0x7f000001 0177.0.0.1 localhost a.localhost localhost. 10.1.2.3 172.16.0.1 192.168.0.1 "
    "169.254.169.254 100.64.0.1 0.0.0.0 224.0.0.1 [::1] [fe80::1] [fc00::1] [::ffff:10.0.0.1] [64:ff9b::a00:1] "
    "[2002:7f00:1::] [::]"
)


@pytest.mark.parametrize(
    ("service", "link", "is_fine"),
    [
        (FAR, "https://cdn.example.com/a.glb", True),
        (FAR, "https://[2606:4700::1111]/a.glb", True),
        (FAR, "http://cdn.example.com/a.glb", False),
        (FAR, "http://api.example.com/a.glb", False),
        (FAR, "file:///etc/passwd", False),
        (FAR, "ftp://cdn.example.com/a.glb", False),
        (FAR, "data:model/gltf-binary;base64,AAAA", False),
        (FAR, "/relative", False),
        (FAR, "https://me@cdn.example.com/a", False),
        (FAR, "https://cdn.example.com\\@10.0.0.1/", False),
        *((FAR, f"https://{host}/a.glb", False) for host in PRIVATE.split()),
        (NEAR, "http://127.0.0.1:9000/a.glb", True),
        (NEAR, "http://localhost:9000/a.glb", True),
        (NEAR, "http://10.0.0.1/a.glb", False),
        (NEAR, "https://10.0.0.1/a.glb", False),
        (LAN, "http://192.168.1.5:9000/a.glb", True),
        (LAN, "http://192.168.1.6/a.glb", False),
        (LAN, "http://127.0.0.1/a.glb", False),
    ],
)
def test_where_a_result_may_be(service: str, link: str, is_fine: bool) -> None:
    place = addresses.Service.at(service, has_key=False)
    if is_fine:
        place.check_link(link)
        return
    with pytest.raises(BadResult):
        place.check_link(link)


def test_the_address_that_was_checked_is_the_one_connected_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that answers with another address each time it is asked."""
    answers = [["10.0.0.1", "8.8.8.8"], ["127.0.0.1"]]
    connected = []

    def resolve(host: str, port: int, **words: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in answers.pop(0)]

    def connect(address: tuple[str, int], *rest: Any) -> Any:
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(BadResult, match="private network"):
        Service(FAR, tmp_path).http.download("https://cdn.example.com/a" + SIGNED, "model")
    assert connected == [("8.8.8.8", 443)]


def test_a_result_is_whole_or_not_there(tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    with serving(loopback.file(content)) as server:
        service = Service(server.url, tmp_path)
        path = service.http.download(server.url + "/a.glb" + SIGNED, "model")
    assert path.read_bytes() == content and [each.name for each in tmp_path.iterdir()] == ["model"]
    assert service.shares[-1] == 1.0 and len(service.shares) > 5


@pytest.mark.parametrize(("ranges", "tag"), [(True, '"v1"'), (True, None), (False, '"v1"')])
def test_a_result_that_is_cut_off_is_resumed_where_that_is_safe(tmp_path: Path, ranges: bool, tag: str | None) -> None:
    content = os.urandom(900_000)
    with serving(loopback.file(content, cut_at=[300_000, 200_000], ranges=ranges, tag=tag)) as server:
        assert Service(server.url, tmp_path).http.download(server.url + "/a", "model").read_bytes() == content
    starts = [seen.headers.get("range") for seen in server.seen]
    assert len(starts) == 3
    if ranges and tag:
        assert starts == [None, "bytes=300000-", "bytes=500000-"]


def test_a_result_that_changed_meanwhile_is_begun_anew(tmp_path: Path) -> None:
    old, new = os.urandom(500_000), os.urandom(400_000)
    with serving(loopback.file(new, tag='"v2"')) as server:
        server.fail("/a", loopback.file(old, cut_at=[100_000]))
        assert Service(server.url, tmp_path).http.download(server.url + "/a", "model").read_bytes() == new


@pytest.mark.parametrize(
    "fault",
    [
        loopback.reset_after,
        loopback.hang_up,
        loopback.silence,
        loopback.truncated,
        loopback.one_byte_a_moment,
        loopback.status(500),
        loopback.status(503, retry_after="0.2"),
        loopback.status(403),
        loopback.status(404),
        loopback.status(416),
    ],
    ids=name_of,
)
def test_a_download_gets_over_what_passes(tmp_path: Path, fault: Answer) -> None:
    with serving(loopback.file(b"ply\n" * 9)) as server:
        server.fail("/a", fault)
        http = Service(server.url, tmp_path, limits=PATIENT).http
        assert http.download(server.url + "/a", "model").read_bytes() == b"ply\n" * 9


@pytest.mark.parametrize(
    ("fault", "kind", "says"),
    [
        (loopback.status(403), errors.ResultGone, "expired"),
        (loopback.status(404), errors.ResultGone, "expired"),
        (loopback.status(400), BadResult, "400"),
        (loopback.redirect(lambda exchange: exchange.path), BadResult, "redirects"),
        (loopback.redirect("file:///etc/passwd"), BadResult, "file:"),
        (loopback.redirect("http://169.254.169.254/latest/meta-data"), BadResult, "not encrypted"),
        (loopback.redirect("https://10.0.0.1/" + SIGNED), BadResult, "private"),
        (loopback.redirect("gopher://x"), BadResult, "gopher"),
        (loopback.status(500), errors.Busy, "500"),
        (loopback.hang_up, Unreachable, "cut"),
        (lambda exchange: exchange.begin(content_length="90000000"), BadResult, "larger than 50 MB"),
    ],
)
def test_a_download_that_cannot_be(tmp_path: Path, fault: Answer, kind: type[ImageTo3DError], says: str) -> None:
    with serving(fault) as server, pytest.raises(kind, match=re.escape(says)) as caught:
        Service(server.url, tmp_path).http.download(server.url + "/a" + SIGNED, "model")
    assert type(caught.value) is kind and "0123456789abcdef" not in str(caught.value)
    assert not (tmp_path / "model").exists() and len(server.seen) < 60


def endless(exchange: Exchange) -> None:
    """Cut off at twice the limit, and then gone: a client that knows no limit shall not fill the disk."""
    if len(exchange.server.seen) > 1:
        exchange.reply(404)
        return
    exchange.begin(transfer_encoding="chunked")
    for _ in range(2 * QUICK.max_download_bytes // 0x10000):
        exchange.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")


@pytest.mark.parametrize("fault", [endless, loopback.gzip_bomb], ids=name_of)
def test_a_result_is_limited_while_it_comes(tmp_path: Path, fault: Answer) -> None:
    with serving(fault) as server, pytest.raises(BadResult, match="larger"):
        Service(server.url, tmp_path).http.download(server.url + "/a", "model")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said(full_folder: Path) -> None:
    with serving(loopback.file(b"x" * 1_000_000)) as server:
        with pytest.raises(errors.StorageError, match="disk is full"):
            Service(server.url, full_folder).http.download(server.url + "/a", "model")


MEASURE = """
import sys, time
from pathlib import Path
from blender_image_to_3d.http import Base64File, Http
http = Http(label="A", base_url=sys.argv[1], key=None, is_paid=False, folder=Path(sys.argv[2]), wait=lambda s: None,
            report=lambda *a: None)
def most():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
http.get("/")
Path("/proc/self/clear_refs").write_text("5")  # the peak so far may be that of the process that started this one
before = most()
start = time.monotonic()
if sys.argv[3] == "down":
    http.download(sys.argv[1] + "/file", "model")
else:
    http.buy("/up", {"image": Base64File(Path(sys.argv[2]) / "picture")})
print(time.monotonic() - start, (most() - before) / 1024)
"""
MEASURED_MEBIBYTES = 200


@pytest.mark.parametrize("way", ["down", "up"])
def test_memory_stays_the_same_whatever_the_size(tmp_path: Path, way: str) -> None:
    block = b"glTF" * (1 << 18)

    def answer(exchange: Exchange) -> None:
        if exchange.method == "POST":
            left = int(exchange.seen.headers["content-length"])
            while left > 0:
                left -= len(exchange.handler.rfile.read(min(left, 1 << 20)))
            exchange.is_read = True
            exchange.json({})
        elif exchange.path == "/":
            exchange.json({})
        else:
            exchange.begin(content_length=str(MEASURED_MEBIBYTES * len(block)))
            for _ in range(MEASURED_MEBIBYTES):
                exchange.write(block)

    with (tmp_path / "picture").open("wb") as file:
        file.truncate(MEASURED_MEBIBYTES << 20)
    with serving(answer) as server:
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, server.url, tmp_path, way], cwd=ROOT, capture_output=True, text=True
        )
    assert done.returncode == 0, done.stderr
    seconds, megabytes = map(float, done.stdout.split())
    print(f"{way}: {MEASURED_MEBIBYTES * 1.048 / seconds:.0f} MB/s, {megabytes:.1f} MB more memory")
    assert megabytes < 20


# Encryption and proxies.


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1, with its key, that only those trust who are told to."""
    folder = tmp_path_factory.mktemp("tls")
    words = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
    subprocess.run(
        [*words.split(), "-keyout", folder / "key.pem", "-out", folder / "cert.pem"], check=True, capture_output=True
    )
    return folder


@pytest.fixture
def encrypted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Answer], Server]]:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate / "cert.pem"))
    started = []

    def start(answer: Answer) -> Server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
        started.append(Server(answer, tls=context).__enter__())
        return started[-1]

    yield start
    for server in started:
        server.__exit__()


def test_everything_works_encrypted(tmp_path: Path, encrypted: Callable[[Answer], Server]) -> None:
    content = os.urandom(2_000_000)
    files = encrypted(loopback.file(content, cut_at=[700_000]))
    http = Service(encrypted(good).url, tmp_path).http
    assert http.buy("/make", {"image": "x" * 1_000_000}).read(_Id).id == 7
    assert http.download(files.url + "/a", "model").read_bytes() == content


def test_a_service_may_take_its_time_encrypted(tmp_path: Path, encrypted: Callable[[Answer], Server]) -> None:
    """The first bytes of an encrypted connection come at once, and are not the answer."""

    def slow(exchange: Exchange) -> None:
        _ = exchange.body
        time.sleep(1.2)
        good(exchange)

    server = encrypted(slow)
    limits = replace(QUICK, answer_seconds=0.5, stall_seconds=0.5)
    service = Service(server.url, tmp_path, limits=limits, buy_answer_seconds=60.0)
    assert service.http.buy("/make", {}).read(_Id).id == 7


def test_a_wrong_certificate_stops_everything_before_it_is_sent(
    tmp_path: Path, encrypted: Callable[[Answer], Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    server = encrypted(good)
    service = Service(server.url, tmp_path)
    with pytest.raises(Unreachable, match="certificate is not trusted") as caught:
        service.http.buy("/make", {"key": KEY})
    assert caught.value.charged == "no" and not server.seen and not service.waits


def test_plain_answers_to_encrypted_questions_are_no_answers(tmp_path: Path) -> None:
    with serving(good) as server, pytest.raises(Unreachable) as caught:
        Service(server.url.replace("http:", "https:"), tmp_path).http.buy("/make", {})
    assert caught.value.charged == "no" and not server.seen


def test_a_proxy_is_used_but_never_for_this_computer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(good) as proxy, serving(good) as server:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("https_proxy", proxy.url)
        Service(server.url, tmp_path).http.get("/here")
        assert Service("http://gpu-box.lan:8081", tmp_path, key=None).http.get("/there").is_good
        assert [seen.path for seen in proxy.seen] == ["http://gpu-box.lan:8081/there"] and len(server.seen) == 1
        proxy.fail("", loopback.status(403), times=20)
        with pytest.raises(Unreachable, match="proxy") as caught:
            Service(FAR, tmp_path).http.buy("/make", {})
        assert caught.value.charged == "no" and proxy.seen[-1].method == "CONNECT"
        with pytest.raises(BadResult, match="private"):
            Service(FAR, tmp_path).http.download("https://10.0.0.1/a", "model")


# Bodies.


@pytest.mark.parametrize("size", [0, 1, 2, 3, 196_607, 196_608, 196_610, 500_000])
def test_json_with_files_is_json(tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    (tmp_path / "a").write_bytes(content)
    body = Json({"é": [Base64File(tmp_path / "a", "data:image/png;base64,"), 'x"y'], "b": Base64File(tmp_path / "a")})
    assert len(b"".join(body)) == len(body)
    value = json.loads(b"".join(body))
    assert base64.b64decode(value["b"], validate=True) == content
    assert value["é"] == ["data:image/png;base64," + value["b"], 'x"y']


def test_a_form_is_what_servers_read(tmp_path: Path) -> None:
    content = os.urandom(400_000)
    (tmp_path / "a").write_bytes(content)
    form = Form({"type": "png", "asset": FormFile(tmp_path / "a", 'my "cup".png', "image/png")})
    data = b"".join(form)
    assert len(data) == len(form)
    read: Any = message_from_bytes(f"Content-Type: {form.content_type}\r\n\r\n".encode() + data)
    text, file = read.get_payload()
    assert text.get_payload() == "png" and text.get_param("name", header="content-disposition") == "type"
    assert file.get_payload(decode=True) == content and file.get_content_type() == "image/png"


@pytest.mark.parametrize("size", [0, 1, 100, 300_000, 2_000_000])
@pytest.mark.parametrize("prefix", ["", "data:model/gltf-binary;base64,"])
@pytest.mark.parametrize("piece", [1000, 10_000_000])
def test_a_file_is_taken_out_of_json(tmp_path: Path, size: int, prefix: str, piece: int) -> None:
    content = os.urandom(size)
    text = base64.b64encode(content).decode()
    data = json.dumps({"status": "completed", "initial": text, "model": prefix + text, "n": [1]}).encode()

    class Slow(io.BytesIO):
        def read(self, count: int | None = -1) -> bytes:
            return super().read(min(count, piece) if count and count >= 0 else piece)

    rest = take_out_base64(Slow(data), {"model": tmp_path / "model", "initial": None}, limit=1000)
    assert json.loads(rest) == {"status": "completed", "initial": "", "model": "", "n": [1]}
    assert (tmp_path / "model").read_bytes() == content


@pytest.mark.parametrize(
    "data", [b'{"model": "AAA', b'{"model": "%%%%"}', b'{"model": "AA=="AA"}', b'{"model": "AAAAA"}', b"x" * 9000]
)
def test_a_damaged_file_in_json_is_noticed(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ValueError):
        json.loads(take_out_base64(io.BytesIO(data), {"model": tmp_path / "model"}, limit=1000))


# Words.


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"message": "Invalid API key", "statusCode": "401"}, "Invalid API key"),
        ({"status": "error", "messege": "Rate limit exceeded", "tips": "wait"}, "Rate limit exceeded; wait"),
        ({"status": "error", "message": {"prompt": ["The prompt is required."]}}, "The prompt is required."),
        ({"success": False, "error": {"code": "X", "message": "No."}}, "No."),
        ({"errorCode": "E", "message": "Failed", "details": '{"error": {"message": "Too dark"}}'}, "Failed; Too dark"),
        ({"detail": [{"loc": ["body", "seed"], "msg": "too big", "input": 9}]}, "seed: too big"),
        ({"detail": "Not Found"}, "Not Found"),
        ({"error": "OK", "message": "Bad image"}, "Bad image"),
        ({"output": "", "id": 7}, ""),
        (None, ""),
        (b"<html><head><title>502 Bad\nGateway</title></head><body>x</body>", "502 Bad Gateway"),
        (b"plain \x00 words", "plain words"),
        (b"", ""),
    ],
)
def test_what_a_service_says_is_found(body: Any, words: str) -> None:
    assert said(body if isinstance(body, bytes) else json.dumps(body).encode(), [KEY]) == words


def test_what_a_service_says_is_short(tmp_path: Path) -> None:
    for body in (b"[" * 19_000, b"[" * 100_000, b"word " * 9000):
        assert len(said(body)) <= 300


def test_keys_and_signed_links_are_cut_out() -> None:
    text = f"key {KEY} for https://me:pw@s3.example/a.glb{SIGNED} and /v1/x?token=abc, why? Data {'QUJD' * 99}"
    assert redacted(text, [KEY, ""]) == "key *** for https://s3.example/a.glb?… and /v1/x?… why? Data …"


def test_private_files_are_private(tmp_path: Path) -> None:
    system.write_atomically(tmp_path / "links.json", b"{}", private=True)
    assert (tmp_path / "links.json").stat().st_mode & 0o777 == 0o600
