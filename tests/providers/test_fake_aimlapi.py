# SPDX-License-Identifier: GPL-3.0-or-later
"""The fake of AI/ML API takes what the documents show, and nothing else."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from ..fakes.servers import loopback
from ..fakes.servers.aimlapi import NO_CREDIT, SHAPES, TROUBLES, AimlApiServer

KEY = "aiml-key-0123456789"
AUTH = {"Authorization": f"Bearer {KEY}"}
PNG = b"\x89PNG\r\n\x1a\n and more"
JPEG = b"\xff\xd8\xff\xe0 and more"
WEBP = b"RIFF\x10\0\0\0WEBPVP8 and more"
AVIF = b"\0\0\0\x1cftypavif and more"
HEIC = b"\0\0\0\x1cftypheic and more"
GLB, OBJ = b"glTF\x02\0\0\0" + bytes(range(256)) * 20, b"o cup\nv 0 0 0\n"
MUSHROOM = (
    "https://upload.wikimedia.org/wikipedia/commons/thumb/2/22/Fly_Agaric_mushroom_05.jpg/"
    "576px-Fly_Agaric_mushroom_05.jpg"
)
REFERENCE = "https://example.com/your-reference.jpg"
MESHY = "meshy/meshy-6-image-to-3d"


def uri(content: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


PICTURE = uri(PNG)


@pytest.fixture
def server() -> Iterator[AimlApiServer]:
    with AimlApiServer(KEY, {"glb": GLB, "obj": OBJ, "fbx": b"Kaydara"}) as server:
        server.known_urls |= {MUSHROOM, REFERENCE}
        yield server


def post(server: AimlApiServer, body: Any, **words: Any) -> requests.Response:
    return requests.post(
        f"{server.url}/v1/images/generations", **{"json": body, "headers": AUTH, "timeout": 600, **words}
    )


def get(server: AimlApiServer, path: str, **words: Any) -> requests.Response:
    return requests.get(f"{server.url}{path}", **{"headers": AUTH, "timeout": 600, **words})


ACCEPTED: list[dict[str, Any]] = [
    {"model": "magic/image-to-3d", "front_image_url": MUSHROOM},
    {"model": "triposr", "image_url": MUSHROOM},
    {"model": MESHY, "image_url": MUSHROOM},
    {
        "model": "meshy/v6/image-to-3d",
        "image_url": REFERENCE,
        "model_type": "lowpoly",
        "target_polycount": 5000,
        "topology": "quad",
        "enable_pbr": True,
    },
    {"model": "magic/image-to-3d", "front_image_url": PICTURE, "back_image_url": PICTURE},
    {"model": "magic/image-to-3d", "front_image_url": uri(WEBP, "webp"), "left_image_url": uri(JPEG, "jpeg")},
    {"model": "triposr", "image_url": PICTURE, "output_format": "glb", "foreground_ratio": 1, "mc_resolution": 32},
    {"model": MESHY, "image_url": uri(AVIF, "avif"), "pose_mode": "", "texture_prompt": "x" * 600},
    {"model": MESHY, "image_url": uri(HEIC, "heic"), "symmetry_mode": "off", "should_remesh": False},
    {"model": MESHY, "image_url": PICTURE, "model_type": "smart-topology", "target_polycount": 15_000},
]


@pytest.mark.parametrize("body", ACCEPTED, ids=str)
def test_what_the_documents_show_is_accepted(server: AimlApiServer, body: dict[str, Any]) -> None:
    answer = post(server, body)
    assert answer.status_code == 200, answer.text
    made = answer.json()
    file = made.get("model_mesh") or made["model_glb"]
    assert requests.get(file["url"], timeout=600).content == GLB
    assert (server.creates, server.billable, server.generated, server.complaints) == (1, 1, [body], [])
    assert answer.headers["x-aimlapi-credits-used"] == str(made["meta"]["usage"]["credits_used"])
    assert answer.headers["x-inference-id"]


def front(value: Any, **more: Any) -> dict[str, Any]:
    return {"model": "magic/image-to-3d", "front_image_url": value, **more}


def tripo(**more: Any) -> dict[str, Any]:
    return {"model": "triposr", "image_url": PICTURE, **more}


def meshy(**more: Any) -> dict[str, Any]:
    return {"model": MESHY, "image_url": PICTURE, **more}


REFUSED: list[tuple[Any, str]] = [
    ([], "Expected object, received array"),
    (None, "is not application/json"),
    ({}, "Required: 'model'"),
    ({"model": None}, "received null"),
    ({"model": "flux", "image_url": PICTURE}, "Expected 'magic/image-to-3d' | 'triposr' | "),
    ({"model": "magic/image-to-3d"}, "Required: 'front_image_url'"),
    ({"model": "magic/image-to-3d", "image_url": PICTURE}, "Unrecognized key(s) in object: 'image_url'"),
    ({"model": "triposr", "front_image_url": PICTURE}, "Required: 'image_url'"),
    (front(PICTURE, seed=1), "'seed'"),
    (front(PICTURE, left_image_url=None), "Expected string, received null"),
    (front([PICTURE]), "Expected string, received array"),
    (front(""), "Invalid url"),
    (front("file:///etc/passwd"), "Invalid url"),
    (front("https://example.com/unknown.png"), "could not be downloaded"),
    (front(base64.b64encode(PNG).decode()), "Invalid url"),
    (front(uri(PNG, "jpeg")), "Expected image/jpeg, received image/png"),
    (front(uri(PNG, "jpg")), "Expected a Base64 data URI"),
    (front(uri(b"GIF89a", "gif")), "Expected a Base64 data URI"),
    (front(uri(b"no picture")), "received None"),
    (front(uri(b"")), "received None"),
    (front("data:image/png;base64,a_-b"), "Invalid base64"),
    (front(PICTURE[:-1]), "Invalid base64"),
    (front(PICTURE[:40] + "\n" + PICTURE[40:]), "Invalid base64"),
    (front(PICTURE.replace(";base64", "")), "Expected a Base64 data URI"),
    (front(uri(AVIF, "avif")), "Expected a Base64 data URI"),
    (tripo(output_format="stl"), "Invalid enum value. Expected 'glb' | 'obj', received 'stl'"),
    (tripo(do_remove_background="true"), "Expected boolean, received string"),
    (tripo(foreground_ratio=0.4), "greater than or equal to 0.5"),
    (tripo(foreground_ratio=1.01), "less than or equal to 1"),
    (tripo(foreground_ratio=True), "Expected number, received boolean"),
    (tripo(mc_resolution=31), "greater than or equal to 32"),
    (tripo(mc_resolution=1025), "less than or equal to 1024"),
    (tripo(mc_resolution=256.0), "Expected integer"),
    (tripo(enable_pbr=True), "Unrecognized key(s)"),
    (meshy(image_url=uri(WEBP, "webp")), "Expected a Base64 data URI"),
    (meshy(target_polycount=99), "greater than or equal to 100"),
    (meshy(target_polycount=300_001), "less than or equal to 300000"),
    (meshy(model_type="smart-topology", target_polycount=15_001), "less than or equal to 15000"),
    (meshy(topology="tris"), "'triangle' | 'quad', received 'tris'"),
    (meshy(symmetry_mode=True), "received boolean"),
    (meshy(pose_mode="A-pose"), "received 'A-pose'"),
    (meshy(texture_prompt="x" * 601), "at most 600"),
    (meshy(image_url=uri(HEIC, "avif")), "Expected image/avif, received image/heif"),
]


@pytest.mark.parametrize(("body", "line"), REFUSED, ids=str)
def test_anything_else_is_refused(server: AimlApiServer, body: Any, line: str) -> None:
    answer = post(server, body)
    error = answer.json()
    assert answer.status_code == 400 and set(error) == {"message", "path", "requestId", "statusCode", "timestamp"}
    assert error["message"].startswith("Body validation error\n") and line in error["message"]
    assert error["statusCode"] == "400" and error["path"] == "/v1/images/generations"
    assert (server.creates, server.billable, server.credits) == (1, 0, 20_000_000)
    assert answer.headers["x-inference-id"] and "x-aimlapi-credits-used" not in answer.headers


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (b'{"model": "triposr"', "application/json"),
        (b'{"model": "triposr", "image_url": "%s", "mc_resolution": NaN}', "application/json"),
        (b'{"model": "triposr", "model": "triposr"}', "application/json"),
        (b'{"model": "\xff"}', "application/json"),
        (b'{"model": "triposr"}', "text/plain"),
        (b"model=triposr", "application/x-www-form-urlencoded"),
    ],
)
def test_what_is_not_json_is_refused(server: AimlApiServer, data: bytes, content_type: str) -> None:
    answer = post(server, None, data=data, json=None, headers={**AUTH, "Content-Type": content_type})
    assert answer.status_code == 400 and server.billable == 0


@pytest.mark.parametrize(
    ("headers", "path", "complaint"),
    [
        ({}, "", ""),
        ({"Authorization": KEY}, "", "authorization"),
        ({"Authorization": f"Key {KEY}"}, "", "authorization"),
        ({"Authorization": "Bearer another"}, "", ""),
        ({"X-Api-Key": KEY}, "", "x-api-key"),
        ({}, f"?key={KEY}", "the address"),
    ],
)
def test_a_key_belongs_into_its_header(
    server: AimlApiServer, headers: dict[str, str], path: str, complaint: str
) -> None:
    answer = requests.post(
        f"{server.url}/v1/images/generations{path}", json=front(PICTURE), headers=headers, timeout=600
    )
    assert answer.status_code == 401 and "valid API key" in answer.json()["message"]
    assert complaint in " ".join(server.complaints) and bool(server.complaints) == bool(complaint)


@pytest.mark.parametrize("place", ["body", "header", "cdn", "cdn header", "client id"])
def test_what_the_service_would_overlook_is_complained_of(server: AimlApiServer, place: str) -> None:
    body, headers = front(PICTURE), dict(AUTH)
    if place == "body":
        body = {"model": KEY}
    elif place == "header":
        headers["X-Api-Key"] = KEY
    elif place == "client id":
        headers["X-Client-Request-Id"] = "an order"
    answer = post(server, body, headers=headers)
    if place.startswith("cdn"):
        url, query = answer.json()["model_mesh"]["url"], f"?key={KEY}" if place == "cdn" else ""
        requests.get(url + query, headers={} if query else AUTH, timeout=600)
    assert server.complaints and "x-client-request-id" not in answer.headers


def test_a_client_s_own_id_comes_back(server: AimlApiServer) -> None:
    answer = post(server, front(PICTURE), headers={**AUTH, "X-Client-Request-Id": "blender-9c1f02"})
    assert answer.headers["x-client-request-id"] == "blender-9c1f02" and server.complaints == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/images/generations", 405), ("POST", "/v2/billing", 405), ("GET", "/v1/3d", 404), ("GET", "/", 404)],
)
def test_other_addresses_and_methods(server: AimlApiServer, method: str, path: str, status: int) -> None:
    answer = requests.request(method, server.url + path, headers=AUTH, timeout=600)
    assert answer.status_code == status and answer.json()["statusCode"] == str(status)


def _first_url(value: Any) -> str:
    """The first address of a GLB, wherever it is."""
    if isinstance(value, dict) and value.get("url") and "preview" not in value.get("file_name", ""):
        return str(value["url"])
    found = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next((url for each in found if (url := _first_url(each))), "")


@pytest.mark.parametrize("status", [200, 201])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape(server: AimlApiServer, shape: str, status: int) -> None:
    server.shape, server.status = shape, status
    answer = post(server, meshy())
    made = answer.json()
    assert answer.status_code == status and made["meta"]["usage"]["credits_used"] == 2_080_000
    if shape == "data_b64":
        assert base64.b64decode(made["data"][0]["b64_json"]) == GLB
    else:
        assert requests.get(_first_url(made), timeout=600).content == GLB


def test_what_meshy_makes(server: AimlApiServer) -> None:
    made = post(server, meshy(enable_pbr=True)).json()
    assert "." not in made["model_glb"]["url"].rpartition("/")[2]
    assert made["model_urls"]["blend"] is None and made["model_urls"]["fbx"]["file_name"] == "model.fbx"
    assert all(made["texture_urls"][0].values())
    assert post(server, meshy(should_texture=False)).json()["texture_urls"] is None


def test_triposr_makes_obj(server: AimlApiServer) -> None:
    mesh = post(server, tripo(output_format="obj")).json()["model_mesh"]
    assert mesh["file_name"] == "model.obj" and mesh["content_type"] == "application/octet-stream"
    assert requests.get(mesh["url"], timeout=600).content == OBJ


@pytest.mark.parametrize("trouble", sorted(TROUBLES))
def test_every_trouble(server: AimlApiServer, trouble: str) -> None:
    server.go_wrong(trouble, times=2, retry_after="7")
    for _ in range(2):
        answer = post(server, front(PICTURE))
        assert answer.status_code == TROUBLES[trouble][0] and answer.headers["retry-after"] == "7"
        assert TROUBLES[trouble][1].split("{")[0] in answer.text
    assert server.billable == 0 and post(server, front(PICTURE)).status_code == 200


def test_a_wrong_request_does_not_use_up_a_trouble(server: AimlApiServer) -> None:
    server.go_wrong("busy")
    assert [post(server, body).status_code for body in ({}, front(PICTURE))] == [400, 429]
    with pytest.raises(ValueError):
        server.go_wrong("typo")


def test_credit_runs_out(server: AimlApiServer) -> None:
    server.credits = 400_000
    assert post(server, front(PICTURE)).status_code == 200
    answer = post(server, front(PICTURE))
    assert answer.status_code == 403 and answer.json()["message"] == NO_CREDIT and server.billable == 1


def test_the_balance(server: AimlApiServer) -> None:
    assert get(server, "/v2/billing").json() == {"current_balance": 10.0, "currency": "USD"}
    assert post(server, meshy()).headers["x-aimlapi-usd-spent"] == "1.040000000"
    assert get(server, "/v2/billing").json()["current_balance"] == 8.96
    assert get(server, "/v1/billing/balance").json()["balance"] == 17_920_000
    assert get(server, "/v2/billing", headers={}).status_code == 401


def test_the_catalogue_needs_no_key(server: AimlApiServer) -> None:
    answer = get(server, "/v1/models?id=meshy/v6/image-to-3d&include=pricing,capabilities", headers={}).json()
    (model,) = answer["data"]
    assert answer["object"] == "list" and model["id"] == MESHY and model["pricing"]["units"][0]["price"] == 1.04
    assert "modalities" not in model and len(get(server, "/v1/models", headers={}).json()["data"]) == 3


@pytest.mark.parametrize("status", [400, 404])
def test_a_withdrawn_model(server: AimlApiServer, status: int) -> None:
    server.withdrawn["magic/image-to-3d"] = status
    answer = post(server, front(PICTURE))
    assert answer.status_code == status and answer.json()["statusCode"] == str(status)
    assert get(server, "/v1/models?id=magic/image-to-3d").json()["data"] == []
    assert post(server, tripo()).status_code == 200 and server.billable == 1


def test_who_gives_up_still_pays(server: AimlApiServer) -> None:
    server.seconds = 1.0
    with pytest.raises(requests.ReadTimeout):
        post(server, front(PICTURE), timeout=0.3)
    assert server.billable == 1 and server.credits == 19_600_000


def test_many_at_once(server: AimlApiServer) -> None:
    server.seconds, server.credits = 0.2, 400_000 * 12
    threads = [threading.Thread(target=post, args=(server, front(PICTURE))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (server.creates, server.billable, server.credits) == (16, 12, 0)


def test_links_expire(server: AimlApiServer) -> None:
    server.cdn.link_uses = 2
    url = post(server, front(PICTURE)).json()["model_mesh"]["url"]
    assert [requests.get(url, timeout=600).status_code for _ in range(3)] == [200, 200, 403]
    other = post(server, front(PICTURE)).json()["model_mesh"]["url"]
    server.expire_links()
    assert b"Request has expired" in requests.get(other, timeout=600).content


def test_downloads_can_be_resumed(server: AimlApiServer) -> None:
    server.cdn.cut_at = [100]
    url = post(server, front(PICTURE)).json()["model_mesh"]["url"]
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        _ = requests.get(url, timeout=600).content
    etag = requests.get(url, timeout=600, headers={"Range": "bytes=5000-"}).headers["etag"]
    rest = requests.get(url, timeout=600, headers={"Range": "bytes=100-", "If-Range": etag})
    assert rest.status_code == 206 and rest.content == GLB[100:]


@pytest.mark.parametrize("fault", [loopback.truncated, loopback.html, loopback.status(503)])
def test_the_faults_of_every_server_work_too(server: AimlApiServer, fault: Callable[..., None]) -> None:
    server.fail("/v1/images", fault)
    try:
        assert "model_mesh" not in post(server, front(PICTURE)).text
    except requests.exceptions.ChunkedEncodingError:
        pass
    assert post(server, front(PICTURE)).status_code == 200 and server.billable == 1
