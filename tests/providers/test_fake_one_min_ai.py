# SPDX-License-Identifier: GPL-3.0-or-later
"""The fake of 1min.ai takes what the documents show, and nothing else."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from ..conftest import draw_disc
from ..fakes.servers.one_min_ai import FEATURE, OneMinAiServer

KEY = "min-key-0123456789"
AUTH = {"API-KEY": KEY}
PNG = b"\x89PNG\r\n\x1a\n and more"
JPEG = b"\xff\xd8\xff\xe0 and more"
WEBP = b"RIFF\x10\0\0\0WEBPVP8 and more"
GLB = b"glTF\x02\0\0\0" + bytes(range(256)) * 20
DRESS = "development/images/2025_10_27_16_40_04_213_dress.png"
ELSEWHERE = "https://example.com/dress.png"


@pytest.fixture
def server() -> Iterator[OneMinAiServer]:
    with OneMinAiServer(KEY, GLB) as server:
        server.known_urls |= {DRESS, ELSEWHERE}
        yield server


def post(server: OneMinAiServer, body: Any, **words: Any) -> requests.Response:
    return requests.post(f"{server.url}/api/features", **{"json": body, "headers": AUTH, "timeout": 600, **words})


def get(server: OneMinAiServer, path: str, **words: Any) -> requests.Response:
    return requests.get(f"{server.url}{path}", **{"headers": AUTH, "timeout": 600, **words})


def upload(server: OneMinAiServer, **words: Any) -> requests.Response:
    words = {"files": {"asset": ("cup.png", PNG, "image/png")}, "headers": AUTH, "timeout": 600, **words}
    return requests.post(f"{server.url}/api/assets", **words)


def feature(image: Any = DRESS, **more: Any) -> dict[str, Any]:
    return {"type": FEATURE, "model": "stable-image", "promptObject": {"imageUrl": image}, **more}


@pytest.mark.parametrize("image", [DRESS, ELSEWHERE])
def test_what_the_documents_show_is_accepted(server: OneMinAiServer, image: str) -> None:
    answer = post(server, feature(image))
    record = answer.json()["aiRecord"]
    assert answer.status_code == 200 and record["status"] == "SUCCESS"
    assert record["aiRecordDetail"]["promptObject"] == {"imageUrl": image}
    (path,) = record["aiRecordDetail"]["resultObject"]
    assert path.startswith("images/") and path.endswith("_3d_generated.jpg") and path in record["temporaryUrl"]
    assert requests.get(record["temporaryUrl"], timeout=600).content == GLB
    assert (server.creates, server.billable, server.generated, server.complaints) == (1, 1, [feature(image)], [])


def test_the_record_has_the_fields_of_the_documents(server: OneMinAiServer) -> None:
    record = post(server, feature()).json()["aiRecord"]
    assert set(record) == {
        *("uuid", "userId", "teamId", "teamUser", "model", "type", "metadata", "rating", "feedback"),
        *("conversationId", "status", "createdAt", "aiRecordDetail", "additionalData", "temporaryUrl"),
    }


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("cup.png", PNG, "image/png"),
        ("cup.jpeg", JPEG, "image/jpeg"),
        ("cup.webp", WEBP, "image/webp"),
        ("a cüp ☕.png", PNG, "image/png"),
        ('a "cup".png', PNG, "image/png"),
        ("large.png", PNG + random.Random(1).randbytes(2_000_000), "image/png"),
        ("lines.png", PNG + b"\r\n\n\r--\r\n" * 99, "image/png"),
        ("end.png", PNG + b"\r\n", "image/png"),
    ],
)
def test_an_upload_arrives_whole(server: OneMinAiServer, name: str, content: bytes, kind: str) -> None:
    answer = upload(server, files={"asset": (name, content, kind)})
    assert answer.status_code == 200, answer.text
    path = answer.json()["fileContent"]["path"]
    assert server.assets == {path: content} and path.startswith("images/") and server.uploads == 1
    assert answer.json()["asset"]["key"] == path and answer.json()["asset"]["mimetype"] == kind
    assert post(server, feature(path)).status_code == 200 and server.complaints == []


def form(*lines: bytes) -> dict[str, Any]:
    return {
        "files": None,
        "data": b"\r\n".join(lines),
        "headers": {**AUTH, "Content-Type": "multipart/form-data; boundary=b"},
    }


PART = (b'Content-Disposition: form-data; name="asset"; filename="a.png"', b"Content-Type: image/png", b"", PNG)


def test_a_form_by_hand_is_accepted(server: OneMinAiServer) -> None:
    assert upload(server, **form(b"--b", *PART, b"--b--", b"")).status_code == 200
    assert upload(server, **form(b"--b", PART[0].replace(b"a.", "ä.".encode()), *PART[1:], b"--b--")).status_code == 200


WRONG_FORMS: list[dict[str, Any]] = [
    {"files": {}},
    {"files": None, "json": {"asset": "cup.png"}},
    {"files": None, "data": PNG, "headers": {**AUTH, "Content-Type": "image/png"}},
    {"files": {"file": ("cup.png", PNG, "image/png")}},
    {"files": [("asset", ("a.png", PNG, "image/png")), ("asset", ("b.png", PNG, "image/png"))]},
    {"files": {"asset": ("a.png", PNG, "image/png")}, "data": {"type": "png"}},
    {"files": {"asset": (None, PNG, "image/png")}},
    {"files": {"asset": ("", PNG, "image/png")}},
    {"files": {"asset": ("cup.png", PNG)}, "data": {"key": "x"}},
    {"files": {"asset": ("cup.png", JPEG, "image/png")}},
    {"files": {"asset": ("cup.jpg", PNG, "image/jpeg")}},
    {"files": {"asset": ("cup.jpg", JPEG, "image/jpg")}},
    {"files": {"asset": ("cup.gif", b"GIF89a", "image/gif")}},
    {"files": {"asset": ("cup.png", PNG, "application/octet-stream")}},
    {"files": {"asset": ("cup.png", PNG, "")}},
    {"files": {"asset": ("cup.png", b"", "image/png")}},
    {"files": {"asset": ("cup.glb", GLB, "model/gltf-binary")}},
    {"params": {"isStreaming": "true"}},
    form(),
    form(b"--b", *PART),
    form(b"--b--"),
    form(b"hello", b"--b", *PART, b"--b--"),
    form(b"--c", *PART, b"--c--"),
    form(b"--b", b"Content-Transfer-Encoding: base64", *PART, b"--b--"),
    form(b"--b", PART[0].replace(b"form-data", b"attachment"), *PART[1:], b"--b--"),
    {**form(b"--b", *PART, b"--b--"), "headers": {**AUTH, "Content-Type": "multipart/form-data"}},
]


@pytest.mark.parametrize("words", WRONG_FORMS, ids=lambda words: str(words)[:80])
def test_other_uploads_are_refused(server: OneMinAiServer, words: dict[str, Any]) -> None:
    answer = upload(server, **words)
    assert answer.status_code == 400 and answer.json()["errorCode"] in ("UNKNOWN_ERROR", "MISSING_REQUIRED_FIELDS")
    assert server.assets == {} and server.uploads == 0


def test_large_uploads_are_refused(server: OneMinAiServer) -> None:
    server.max_upload_bytes = 1000
    assert upload(server, files={"asset": ("cup.png", PNG + bytes(1000), "image/png")}).status_code == 413


def test_a_wrong_name_is_complained_of(server: OneMinAiServer) -> None:
    assert upload(server, files={"asset": ("cup.jpg", PNG, "image/png")}).status_code == 200
    assert "cup.jpg" in server.complaints[0]


REFUSED: list[tuple[Any, str]] = [
    ([], "UNKNOWN_ERROR"),
    ({}, "MISSING_REQUIRED_FIELDS"),
    ({"model": "stable-image", "promptObject": {"imageUrl": DRESS}}, "MISSING_REQUIRED_FIELDS"),
    ({"type": FEATURE, "promptObject": {"imageUrl": DRESS}}, "MISSING_REQUIRED_FIELDS"),
    ({"type": FEATURE, "model": "stable-image"}, "MISSING_REQUIRED_FIELDS"),
    ({"type": FEATURE, "model": "stable-image", "imageUrl": DRESS}, "MISSING_REQUIRED_FIELDS"),
    (feature(promptObject={}), "MISSING_REQUIRED_FIELDS"),
    (feature(promptObject={"imageList": [DRESS]}), "MISSING_REQUIRED_FIELDS"),
    (feature(promptObject={"imageUrl": DRESS, "prompt": "a dress"}), "UNKNOWN_ERROR"),
    (feature(promptObject=[DRESS]), "UNKNOWN_ERROR"),
    (feature(promptObject=json.dumps({"imageUrl": DRESS})), "UNKNOWN_ERROR"),
    (feature(""), "MISSING_REQUIRED_FIELDS"),
    (feature(None), "MISSING_REQUIRED_FIELDS"),
    (feature([DRESS]), "UNKNOWN_ERROR"),
    (feature("images/2026_01_01_never_uploaded.png"), "UNKNOWN_ERROR"),
    (feature("https://example.com/unknown.png"), "UNKNOWN_ERROR"),
    (feature("data:image/png;base64,iVBORw0KGgo="), "UNKNOWN_ERROR"),
    (feature("/" + DRESS), "UNKNOWN_ERROR"),
    (feature(type="IMAGE_GENERATOR"), "UNKNOWN_ERROR"),
    (feature(type="image_3d_generator"), "UNKNOWN_ERROR"),
    (feature(type=3), "UNKNOWN_ERROR"),
    (feature(model="dall-e-2"), "UNSUPPORTED_MODEL"),
    (feature(model="Qubico/trellis"), "UNSUPPORTED_MODEL"),
    (feature(model="Stable-Image"), "UNSUPPORTED_MODEL"),
    (feature(model=None), "MISSING_REQUIRED_FIELDS"),
    (feature(conversationId=FEATURE), "UNKNOWN_ERROR"),
    (feature(**{"async": "true"}), "UNKNOWN_ERROR"),
    (feature(**{"async": 1}), "UNKNOWN_ERROR"),
    (feature(**{"async": None}), "UNKNOWN_ERROR"),
    (feature(isAsync=True), "UNKNOWN_ERROR"),
]


@pytest.mark.parametrize("shape", ["observed", "documented"])
@pytest.mark.parametrize(("body", "code"), REFUSED, ids=str)
def test_anything_else_is_refused(server: OneMinAiServer, body: Any, code: str, shape: str) -> None:
    server.error_shape = shape
    answer = post(server, body)
    error = answer.json()
    assert answer.status_code == 400 and (server.creates, server.billable, server.used_credit) == (1, 0, 45_000)
    if shape == "documented":
        assert error["success"] is False and error["error"]["code"] == code and error["error"]["message"]
    else:
        assert error["errorCode"] == code and error["message"]
        assert code != "MISSING_REQUIRED_FIELDS" or json.loads(error["details"])[0]["field"]


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (json.dumps(feature()).encode(), "text/plain"),
        (json.dumps(feature()).encode()[:-1], "application/json"),
        (b'{"type": NaN}', "application/json"),
        (b"", "application/json"),
        (b"type=IMAGE_3D_GENERATOR", "application/x-www-form-urlencoded"),
    ],
)
def test_what_is_not_json_is_refused(server: OneMinAiServer, data: bytes, content_type: str) -> None:
    answer = post(server, None, data=data, headers={**AUTH, "Content-Type": content_type})
    assert answer.status_code == 400 and server.billable == 0


@pytest.mark.parametrize(
    ("headers", "query", "complaint"),
    [
        ({}, "", ""),
        ({"API-KEY": "another"}, "", ""),
        ({"API-KEY": f"Bearer {KEY}"}, "", "api-key"),
        ({"Authorization": f"Bearer {KEY}"}, "", "authorization"),
        ({"X-Auth-Token": KEY}, "", "x-auth-token"),
        ({}, f"?api-key={KEY}", "the address"),
    ],
)
@pytest.mark.parametrize("path", ["POST /api/features", "POST /api/assets", "GET /api/results/1"])
def test_a_key_belongs_into_its_header(
    server: OneMinAiServer, headers: dict[str, str], query: str, complaint: str, path: str
) -> None:
    method, path = path.split()
    answer = requests.request(method, server.url + path + query, headers=headers, timeout=600)
    assert answer.status_code == 401 and answer.json()["errorCode"] == "INVALID_AUTH_TOKEN"
    assert complaint in " ".join(server.complaints) and bool(server.complaints) == bool(complaint)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/features", 405),
        ("GET", "/api/assets", 405),
        ("POST", "/api/results/1", 405),
        ("POST", "/models", 405),
        ("GET", "/api/result/1", 404),
        ("GET", "/api/results/", 200),
        ("POST", "/teams/1/features", 404),
        ("POST", "/api/features?isStreaming=true", 400),
    ],
)
def test_other_addresses_and_methods(server: OneMinAiServer, method: str, path: str, status: int) -> None:
    assert requests.request(method, server.url + path, headers=AUTH, timeout=600).status_code == status
    assert server.billable == 0


def test_an_asynchronous_generation(server: OneMinAiServer) -> None:
    server.polls, server.seconds = 2, 9.0
    record = post(server, feature(**{"async": True})).json()["aiRecord"]
    assert record["status"] == "PROCESSING" and record["aiRecordDetail"]["resultObject"] == []
    assert "temporaryUrl" not in record
    path = f"/api/results/{record['uuid']}"
    records = [get(server, path).json()["aiRecord"] for _ in range(3)]
    assert [each["status"] for each in records] == ["PROCESSING", "SUCCESS", "SUCCESS"]
    assert records[1]["temporaryUrl"] != records[2]["temporaryUrl"]
    assert get(server, "/api/results/unknown").json() == {"aiRecord": None} and server.billable == 1


def test_a_service_that_ignores_async(server: OneMinAiServer) -> None:
    server.has_async, server.seconds = "ignored", 0.3
    began = time.monotonic()
    assert post(server, feature(**{"async": True})).json()["aiRecord"]["status"] == "SUCCESS"
    assert time.monotonic() - began > 0.3


def test_a_service_that_refuses_async(server: OneMinAiServer) -> None:
    server.has_async = "refused"
    assert post(server, feature(**{"async": True})).status_code == 400 and server.billable == 0
    assert post(server, feature()).status_code == 200


@pytest.mark.parametrize("is_async", [False, True])
def test_a_failure_comes_with_200(server: OneMinAiServer, is_async: bool) -> None:
    server.fails, server.polls = "The image shows nothing.", 0
    record = post(server, feature(**{"async": is_async})).json()["aiRecord"]
    assert record["status"] == "FAILURE" and "temporaryUrl" not in record
    assert record["aiRecordDetail"]["resultObject"] == ["The image shows nothing."]


def test_credits_lag_by_one_request(server: OneMinAiServer) -> None:
    shown = [post(server, feature()).json()["aiRecord"]["teamUser"]["usedCredit"] for _ in range(3)]
    assert shown == [45_000, 1_545_000, 3_045_000]


def test_credits_run_out(server: OneMinAiServer) -> None:
    server.used_credit = server.credit_limit - server.price
    assert post(server, feature()).status_code == 200
    answer = post(server, feature())
    assert answer.status_code == 400 and answer.json()["errorCode"] == "INSUFFICIENT_CREDITS" and server.billable == 1


@pytest.mark.parametrize(
    ("trouble", "status", "billed"),
    [("auth", 401, 0), ("busy", 429, 0), ("credit", 400, 0), ("external", 400, 0), ("522", 522, 1), ("524", 524, 1)],
)
def test_every_trouble(server: OneMinAiServer, trouble: str, status: int, billed: int) -> None:
    server.go_wrong(trouble, retry_after="7")
    answer = post(server, feature())
    assert answer.status_code == status and answer.headers["retry-after"] == "7" and server.billable == billed
    assert ("text/html" in answer.headers["content-type"]) == bool(billed)
    assert (
        trouble != "external"
        or "could not find" in json.loads(answer.json()["details"])["response"]["data"]["errors"][0]
    )
    assert post(server, feature()).status_code == 200


def test_small_pictures(server: OneMinAiServer, cup: Path, tmp_path: Path) -> None:
    server.rejects_small = True
    large = draw_disc(tmp_path / "large.png", (200, 40, 40), size=512)
    pictures = [upload(server, files={"asset": ("cup.png", each.read_bytes(), "image/png")}) for each in (cup, large)]
    answers = [post(server, feature(each.json()["fileContent"]["path"])) for each in pictures]
    assert [each.status_code for each in answers] == [400, 200] and "512" in answers[0].json()["details"]


def test_an_upload_without_file_content(server: OneMinAiServer) -> None:
    server.has_file_content = False
    answer = upload(server).json()
    assert set(answer) == {"asset"} and post(server, feature(answer["asset"]["key"])).status_code == 200
    assert post(server, feature(answer["asset"]["location"])).status_code == 400


def test_two_results(server: OneMinAiServer) -> None:
    server.result_count, server.extension = 2, "glb"
    record = post(server, feature()).json()["aiRecord"]
    first, second = record["aiRecordDetail"]["resultObject"]
    assert first != second and first in record["temporaryUrl"] and first.endswith(".glb")


@pytest.mark.parametrize("change", ["no query", "signature", "path", "more"])
def test_links_must_be_used_as_they_are(server: OneMinAiServer, change: str) -> None:
    url = post(server, feature()).json()["aiRecord"]["temporaryUrl"]
    changed = {
        "no query": url.partition("?")[0],
        "signature": url.replace("X-Amz-Signature=", "X-Amz-Signature=0"),
        "path": url.replace(".jpg?", ".glb?"),
        "more": url + "&download=1",
    }[change]
    answer = requests.get(changed, timeout=600)
    assert answer.status_code == 403 and b"<Code>SignatureDoesNotMatch</Code>" in answer.content
    assert "%2Fus-east-1%2F" in url and requests.get(url, timeout=600).content == GLB


@pytest.mark.parametrize("headers", [AUTH, {"Authorization": f"Bearer {KEY}"}, {"API-KEY": "x"}, {"Cookie": "a=b"}])
def test_the_storage_must_not_see_the_key(server: OneMinAiServer, headers: dict[str, str]) -> None:
    url = post(server, feature()).json()["aiRecord"]["temporaryUrl"]
    assert requests.get(url, headers=headers, timeout=600).status_code == (400 if "Authorization" in headers else 200)
    assert server.complaints


def test_links_expire_and_are_made_anew(server: OneMinAiServer) -> None:
    server.cdn.link_uses = 1
    record = post(server, feature()).json()["aiRecord"]
    assert [requests.get(record["temporaryUrl"], timeout=600).status_code for _ in range(2)] == [200, 403]
    again = [get(server, f"/api/results/{record['uuid']}").json()["aiRecord"]["temporaryUrl"] for _ in range(2)]
    assert requests.get(again[0], timeout=600).content == GLB
    server.expire_links()
    answer = requests.get(again[1], timeout=600)
    assert answer.status_code == 403 and b"<Message>Request has expired</Message>" in answer.content


def test_who_gives_up_still_pays_and_can_ask_later(server: OneMinAiServer) -> None:
    server.seconds = 0.6
    with pytest.raises(requests.ReadTimeout):
        post(server, feature(), timeout=0.2)
    (uuid,) = server.records
    states = [get(server, f"/api/results/{uuid}").json()["aiRecord"]["status"]]
    time.sleep(0.8)
    states.append(get(server, f"/api/results/{uuid}").json()["aiRecord"]["status"])
    assert states == ["PROCESSING", "SUCCESS"] and server.billable == 1


def test_the_catalogue_needs_no_key(server: OneMinAiServer) -> None:
    server.models_known = ["stable-image", "Qubico/trellis"]
    for path in ("/models", "/api/models"):
        answer = get(server, f"{path}?feature={FEATURE}", headers={}).json()
        assert [each["modelId"] for each in answer["models"]] == server.models_known and answer["total"] == 2
        assert get(server, path, headers={}).json() == {"models": [], "total": 0}
    assert post(server, feature(model="Qubico/trellis")).status_code == 200


def test_many_at_once(server: OneMinAiServer) -> None:
    server.seconds, server.credit_limit = 0.2, server.used_credit + 12 * server.price
    threads = [threading.Thread(target=post, args=(server, feature())) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (server.creates, server.billable, server.used_credit) == (16, 12, server.credit_limit)
