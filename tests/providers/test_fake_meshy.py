# SPDX-License-Identifier: GPL-3.0-or-later
"""The fake of Meshy takes what the documents show, and nothing else."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from ..fakes.servers.meshy import BASE, ERROR_SHAPES, MULTI, SINGLE, MeshyServer

KEY = "msy_0123456789abcdef"
AUTH = {"Authorization": f"Bearer {KEY}"}
PNG = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n and more").decode()
JPEG = "data:image/jpeg;base64," + base64.b64encode(b"\xff\xd8\xff\xe0 and more").decode()
ELSEWHERE = "https://example.com/chair.png"
GLB = b"glTF\x02\0\0\0" + bytes(range(256))


@pytest.fixture
def server() -> Iterator[MeshyServer]:
    with MeshyServer(KEY, {"glb": GLB, "obj": b"v 0 0 0\n"}) as server:
        server.known_urls.add(ELSEWHERE)
        yield server


def call(server: MeshyServer, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
    words = {"json": body} if body is not None else {}
    return requests.request(method, f"{server.url}{BASE}/{path}", headers={**AUTH, **headers}, timeout=600, **words)


def create(server: MeshyServer, kind: str = SINGLE, **more: Any) -> requests.Response:
    picture = {"image_url": PNG} if kind == SINGLE else {"image_urls": [PNG, JPEG]}
    return call(server, "POST", kind, {**picture, **more})


def statuses(server: MeshyServer, path: str, times: int) -> list[tuple[str, int]]:
    seen = [call(server, "GET", path).json() for _ in range(times)]
    return [(each["status"], each["progress"]) for each in seen]


@pytest.mark.parametrize("picture", [PNG, JPEG, ELSEWHERE])
def test_a_task_goes_from_waiting_to_a_model(server: MeshyServer, picture: str) -> None:
    answer = create(server, image_url=picture)
    assert answer.status_code == 202 and set(answer.json()) == {"result"}
    path = f"{SINGLE}/{answer.json()['result']}"
    assert statuses(server, path, 2) == [("PENDING", 0), ("IN_PROGRESS", 50)]
    task = call(server, "GET", path).json()
    assert (task["status"], task["progress"], task["consumed_credits"]) == ("SUCCEEDED", 100, 30)
    assert set(task["model_urls"]) == {"glb", "obj"}
    assert requests.get(task["model_urls"]["glb"], timeout=600).content == GLB
    assert (server.creates, server.billable, server.complaints) == (1, 1, [])


def test_several_pictures_are_another_kind_of_task(server: MeshyServer) -> None:
    answer = create(server, MULTI, target_formats=["glb"])
    task = answer.json()["result"]
    assert call(server, "GET", f"{SINGLE}/{task}").status_code == 404
    assert call(server, "GET", f"{MULTI}/{task}").json()["type"] == MULTI


@pytest.mark.parametrize(
    "more",
    [
        {"image_url": "data:image/webp;base64,UklGRg=="},
        {"image_url": PNG.replace("image/png", "image/jpeg")},
        {"image_url": PNG + "!"},
        {"image_url": "https://example.com/unknown.png"},
        {"image_url": [PNG]},
        {"art_style": "realistic"},
        {"symmetry_mode": "on"},
        {"texture_resolution": "1k"},
        {"ai_model": "meshy-1"},
        {"target_polycount": 99},
        {"target_polycount": 300_001},
        {"target_polycount": True},
        {"texture_prompt": "x" * 601},
        {"texture_prompt": ""},
        {"target_formats": []},
        {"target_formats": ["blend"]},
        {"should_texture": "false"},
        {"should_texture": False, "enable_pbr": True},
        {"pose_mode": "A-pose"},
        {"image_urls": [PNG]},
    ],
)
@pytest.mark.parametrize("shape", ERROR_SHAPES)
def test_what_is_wrong_is_refused(server: MeshyServer, more: dict[str, Any], shape: str) -> None:
    server.error_shape = shape
    answer = create(server, **more)
    assert answer.status_code == 400 and answer.json()["message"]
    assert ("error_code" in answer.json()) == (shape == "error_code")
    assert (server.creates, server.billable, server.balance) == (1, 0, 1000)


@pytest.mark.parametrize("pictures", [[], [PNG] * 5, PNG])
def test_one_to_four_pictures(server: MeshyServer, pictures: Any) -> None:
    assert create(server, MULTI, image_urls=pictures).status_code == 400


@pytest.mark.parametrize(
    ("trouble", "status"),
    [("auth", 401), ("credit", 402), ("forbidden", 403), ("busy", 429), ("server", 500), ("unavailable", 503)],
)
def test_troubles_come_once(server: MeshyServer, trouble: str, status: int) -> None:
    server.go_wrong(trouble, retry_after="7")
    answer = create(server)
    assert (answer.status_code, answer.headers["retry-after"]) == (status, "7")
    assert server.billable == 0 and create(server).status_code == 202


@pytest.mark.parametrize(("method", "path"), [("GET", "balance"), ("POST", SINGLE), ("GET", f"{SINGLE}/1")])
def test_the_key_is_asked_for(server: MeshyServer, method: str, path: str) -> None:
    assert call(server, method, path, Authorization=KEY).status_code == 401
    assert server.complaints == ["the key stands wrongly in authorization"]


def test_an_empty_account(server: MeshyServer) -> None:
    server.balance = 29
    assert create(server).status_code == 402
    assert create(server, should_texture=False).status_code == 202
    assert call(server, "GET", "balance").json() == {"balance": 9}
    assert create(server, ai_model="meshy-5").status_code == 402
    assert create(server, ai_model="meshy-5", should_texture=False).status_code == 202


@pytest.mark.parametrize(("end", "balance"), [("FAILED", 1000), ("CANCELED", 970), ("EXPIRED", 970)])
def test_other_ends(server: MeshyServer, end: str, balance: int) -> None:
    server.polls, server.ends_as = 0, end
    path = f"{SINGLE}/{create(server).json()['result']}"
    task = [call(server, "GET", path).json() for _ in range(2)][-1]
    assert task["status"] == end and task["model_urls"] == {} and server.balance == balance
    assert bool(task["task_error"]["message"]) == (end == "FAILED")


def test_only_a_waiting_task_is_refunded_when_it_is_deleted(server: MeshyServer) -> None:
    waiting, working, done = (f"{SINGLE}/{create(server).json()['result']}" for _ in range(3))
    statuses(server, working, 2)
    statuses(server, done, 3)
    answers = [call(server, "DELETE", path).status_code for path in (waiting, working, done)]
    assert answers == [200, 400, 200] and server.balance == 1000 - 60
    assert [call(server, "GET", path).status_code for path in (waiting, working, done)] == [404, 200, 404]


def test_what_would_be_ignored_and_where_the_key_must_not_go(server: MeshyServer) -> None:
    server.polls = 0
    create(server, topology="quad")
    create(server, ai_model="meshy-5", remove_lighting=True, topology="quad")
    task = create(server, should_remesh=True, topology="quad").json()["result"]
    requests.get(call(server, "GET", f"{SINGLE}/{task}").json()["model_urls"]["glb"], headers=AUTH, timeout=600)
    assert server.complaints[:2] == ["topology without should_remesh is ignored", "remove_lighting is not for meshy-5"]
    assert "goes to the server of the files" in server.complaints[-1]


def test_links_are_signed_anew(server: MeshyServer) -> None:
    server.polls = 0
    path = f"{SINGLE}/{create(server).json()['result']}"
    first, second = (call(server, "GET", path).json()["model_urls"]["glb"] for _ in range(2))
    server.expire_links()
    assert first != second and requests.get(second, timeout=600).status_code == 403
