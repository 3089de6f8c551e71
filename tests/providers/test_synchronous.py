# SPDX-License-Identifier: GPL-3.0-or-later
"""A service that answers a purchase with a signed link: nothing paid is lost, and the link and the key stay secret."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..conftest import HANGS_SECONDS, KEY, LITTLE_SECONDS, User
from ..fakes.servers import loopback
from ..fakes.servers.loopback import Exchange, Server
from ..jobs.test_worker import state, wait_for, worker_pids
from ..services import FOR_EVER

TRIANGLE = b"ply\nformat ascii 1.0\nelement vertex 0\nend_header\n"
LINK = ("--provider", "link_service")
SIGNATURE = "X-Amz-Signature=5ecre7"


@pytest.fixture
def files() -> Iterator[Server]:
    with Server(loopback.file(TRIANGLE)) as server:
        yield server


@pytest.fixture
def shop(user: User, files: Server) -> Iterator[Server]:
    def sell(exchange: Exchange) -> None:
        assert exchange.method == "POST" and exchange.path == "/v1/make"
        assert exchange.seen.headers["authorization"] == f"Bearer {KEY}"
        picture = json.loads(exchange.body)["image_url"].removeprefix("data:image/png;base64,")
        assert base64.b64decode(picture).startswith(b"\x89PNG")
        exchange.json({"request": "r-1", "url": f"{files.url}/model.glb?{SIGNATURE}", "credits_used": 40})

    with Server(sell) as server:
        user.environment |= {"LINK_SERVICE_KEY": KEY, "IMAGE_TO_3D_LINK_SERVICE_URL": server.url}
        yield server


def secrets_in_files(user: User) -> list[Path]:
    """The files in which the key is, or the signature where it may not be."""
    written = [path for path in user.home.rglob("*") if path.is_file()]
    assert any(path.name == "worker.log" for path in written)
    return [
        path
        for path in written
        if KEY.encode() in path.read_bytes()
        or (SIGNATURE.encode() in path.read_bytes() and path.name != "links.json")
        or (path.name == "links.json" and path.stat().st_mode & 0o077)
    ]


def test_a_link_becomes_a_model(user: User, cup: Path, shop: Server, files: Server) -> None:
    answer = user.run("generate", cup, *LINK, "--json")
    assert answer.status == 0, answer.errors
    assert answer.lines[-1]["cost"] == "40 credits"
    assert (shop.count("POST"), files.count("GET")) == (1, 1)
    assert KEY not in str(files.seen)
    assert secrets_in_files(user) == [] and not list(user.library.rglob("links.json"))


def test_a_crash_between_answer_and_download_loses_nothing(
    user: User, cup: Path, shop: Server, files: Server, tmp_path: Path
) -> None:
    files.fail("/model", loopback.silence)
    command = user.start("generate", cup, *LINK)
    wait_for(lambda: files.seen)
    assert state(user) == "downloading"
    for pid in worker_pids(user):
        os.kill(pid, 9)
    command.communicate(timeout=HANGS_SECONDS)
    assert secrets_in_files(user) == []
    answer = user.run("jobs", "resume", user.jobs()[0]["id"], "--output", tmp_path / "cup.ply")
    assert answer.status == 0, answer.errors
    assert (tmp_path / "cup.ply").read_bytes() == TRIANGLE and shop.count("POST") == 1
    assert not list(user.library.rglob("links.json"))


def test_a_crash_in_the_purchase_leaves_it_unknown(user: User, cup: Path, shop: Server) -> None:
    shop.fail("/v1/make", loopback.silence)
    command = user.start("generate", cup, *LINK)
    wait_for(lambda: shop.seen and shop.seen[0].body)
    for pid in worker_pids(user):
        os.kill(pid, 9)
    command.communicate(timeout=HANGS_SECONDS)
    assert state(user) == "unknown"
    answer = user.run("jobs", "resume", user.jobs()[0]["id"])
    assert answer.status == 1 and "--again" in answer.errors and shop.count("POST") == 1


@pytest.mark.everywhere
@pytest.mark.parametrize(
    ("fault", "final", "charged", "status"),
    [
        (loopback.status(401, body={"message": f"Bad key {KEY}"}), "failed", "no", 3),
        (loopback.status(402), "failed", "no", 3),
        (loopback.status(422), "failed", "no", 1),
        (loopback.status(500), "unknown", "maybe", 1),
        (loopback.reset_after, "unknown", "maybe", 1),
        (loopback.silence, "unknown", "maybe", 1),
        (loopback.html, "unknown", "maybe", 1),
    ],
    ids=["401", "402", "422", "500", "reset", "silence", "html"],
)
def test_a_purchase_that_goes_wrong(
    user: User, cup: Path, shop: Server, fault: loopback.Answer, final: str, charged: str, status: int
) -> None:
    user.have_patience(LITTLE_SECONDS)
    shop.fail("/v1/make", fault)
    answer = user.run("generate", cup, *LINK)
    (job,) = user.jobs()
    assert (answer.status, job["state"], job["problem"]["charged"]) == (status, final, charged)
    assert shop.count("POST") == 1 and secrets_in_files(user) == [] and KEY not in answer.errors
    user.have_patience()
    again = user.run("jobs", "resume", job["id"])
    if final == "unknown":
        assert again.status == 1 and "--again" in again.errors and shop.count("POST") == 1
    else:
        assert again.status == 0 and shop.count("POST") == 2


@pytest.mark.parametrize("fault", [loopback.status(403), loopback.hang_up, loopback.html, loopback.status(400)])
def test_a_result_that_cannot_be_fetched_is_not_bought_again(
    user: User, cup: Path, shop: Server, files: Server, fault: loopback.Answer
) -> None:
    user.have_patience(LITTLE_SECONDS)
    files.fail("/model", fault, times=FOR_EVER)
    assert user.run("generate", cup, *LINK).status in {1, 4}
    (job,) = user.jobs()
    assert (job["state"], job["problem"]["charged"]) == ("failed", "yes")
    assert secrets_in_files(user) == []
    files.faults.clear()
    user.have_patience()
    assert user.run("jobs", "resume", job["id"]).status == 0
    assert shop.count("POST") == 1
