# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshy: one picture or several, what becomes of a task, and links that expire, through the command line."""

from __future__ import annotations

import base64
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from ..conftest import HANGS_SECONDS, KEY, User, draw_disc
from ..fakes.servers import loopback
from ..fakes.servers.meshy import MeshyServer
from ..jobs.test_worker import option, state, wait_for, worker_pids
from ..services import FOR_EVER, MODELS, SERVICES, Service, files_with

MESHY = ("--provider", "meshy")
DEFAULTS = {
    "ai_model": "latest",
    "should_remesh": False,
    "pose_mode": "",
    "should_texture": True,
    "enable_pbr": False,
    "texture_resolution": "2k",
    "image_enhancement": True,
    "remove_lighting": True,
    "target_formats": ["glb"],
}


@pytest.fixture
def service(user: User) -> Iterator[Service]:
    user.have_patience()
    with SERVICES["meshy"](user) as running:
        yield running
        assert running.complaints() == []


@pytest.fixture
def shop(service: Service) -> MeshyServer:
    assert isinstance(service.server, MeshyServer)
    return service.server


def decoded(uri: str) -> tuple[str, bytes]:
    head, _, data = uri.partition(",")
    return head, base64.b64decode(data)


def test_a_picture_becomes_a_model(user: User, cup: Path, service: Service, shop: MeshyServer, tmp_path: Path) -> None:
    answer = user.run("generate", cup, *MESHY, "--output", tmp_path / "cup.glb")
    assert answer.status == 0, answer.errors
    assert (tmp_path / "cup.glb").read_bytes() == MODELS["glb"]
    (sent,) = shop.generated
    assert decoded(sent.pop("image_url")) == ("data:image/png;base64", cup.read_bytes())
    assert sent == DEFAULTS and (service.posts, shop.billable) == (1, 1)
    (job,) = user.jobs()
    assert (job["cost"], job["service_seconds"]) == ("30 credits", 65)


def test_several_pictures_go_to_the_other_endpoint(
    user: User, cup: Path, service: Service, shop: MeshyServer, tmp_path: Path
) -> None:
    others = {side: draw_disc(tmp_path / f"{side}.png", (9, 9, 200)) for side in ("right", "back", "left")}
    Image.open(cup).convert("RGB").save(tmp_path / "front.jpg")
    views = [word for side, path in others.items() for word in ("--view", f"{side}={path}")]
    answer = user.run("generate", tmp_path / "front.jpg", *MESHY, *views)
    assert answer.status == 0, answer.errors
    (sent,) = shop.generated
    pictures = [decoded(each) for each in sent.pop("image_urls")]
    assert pictures[0] == ("data:image/jpeg;base64", (tmp_path / "front.jpg").read_bytes())
    assert sorted(pictures[1:]) == sorted(("data:image/png;base64", path.read_bytes()) for path in others.values())
    assert sent == DEFAULTS
    assert shop.count("GET", "/openapi/v1/multi-image-to-3d/") == 3 and service.posts == 0


CHOSEN = {
    "should_remesh": True,
    "topology": "quad",
    "target_polycount": 300_000,
    "pose_mode": "t-pose",
    "should_texture": True,
    "enable_pbr": True,
    "texture_prompt": "old brass",
}
LARGE = {"texture_resolution": "8k"}
CLEAN = {"image_enhancement": False, "remove_lighting": False}


@pytest.mark.parametrize(
    ("model", "chosen"),
    [
        ("latest", CHOSEN | LARGE | CLEAN),
        ("meshy-6", CHOSEN | LARGE | CLEAN),
        ("meshy-7", CHOSEN | LARGE),
        ("meshy-5", CHOSEN),
    ],
)
def test_every_option_arrives(user: User, cup: Path, shop: MeshyServer, model: str, chosen: dict[str, object]) -> None:
    answer = user.run("generate", cup, *MESHY, "--model", model, *option(**chosen))
    assert answer.status == 0, answer.errors
    sent = {name: value for name, value in shop.generated[0].items() if name != "image_url"}
    assert sent == {"ai_model": model, "target_formats": ["glb"], **chosen}


def test_a_model_without_texture_is_cheaper(user: User, cup: Path, shop: MeshyServer) -> None:
    assert user.run("generate", cup, *MESHY, *option(should_texture=False)).status == 0
    assert user.jobs()[0]["cost"] == "20 credits"
    assert not {"enable_pbr", "texture_resolution", "remove_lighting"} & set(shop.generated[0])


@pytest.mark.parametrize(
    ("model", "chosen", "words"),
    [
        ("latest", {"topology": "quad"}, "should_remesh"),
        ("latest", {"target_polycount": 500}, "should_remesh"),
        ("latest", {"should_texture": False, "texture_prompt": "brass"}, "should_texture"),
        ("latest", {"should_remesh": True, "target_polycount": 99}, "target_polycount"),
        ("latest", {"should_texture": False, "texture_resolution": "4k"}, "should_texture"),
        ("meshy-7", {"remove_lighting": True}, "remove_lighting"),
        ("meshy-5", {"texture_resolution": "4k"}, "texture_resolution"),
        ("meshy-1", {}, "meshy-1"),
    ],
)
def test_what_would_be_paid_for_and_ignored_is_refused_before(
    user: User, cup: Path, service: Service, model: str, chosen: dict[str, object], words: str
) -> None:
    answer = user.run("generate", cup, *MESHY, "--model", model, *option(**chosen))
    assert answer.status == 2 and words in answer.errors
    assert service.posts == 0


def test_progress_is_shown(user: User, cup: Path, shop: MeshyServer) -> None:
    shop.polls = shop.waits = FOR_EVER
    command = user.start("generate", cup, *MESHY)
    wait_for(lambda: any("behind 3 others" in job["message"] for job in user.jobs()))
    (task,) = shop.tasks.values()
    shop.waits, task.asked = 0, FOR_EVER // 2
    wait_for(lambda: any(0 < (job["progress"] or 0) < 1 for job in user.jobs()))
    task.polls = 0
    command.communicate(timeout=HANGS_SECONDS)
    assert (command.returncode, state(user)) == (0, "ready")


ENDS = [
    ("FAILED", "no", "The image shows nothing that can be modelled."),
    ("CANCELED", "maybe", "cancelled at Meshy"),
    ("EXPIRED", "yes", "too old"),
]


@pytest.mark.parametrize(("end", "charged", "words"), ENDS)
def test_a_task_that_ends_without_a_model(
    user: User, cup: Path, shop: MeshyServer, end: str, charged: str, words: str
) -> None:
    shop.ends_as = end
    answer = user.run("generate", cup, *MESHY)
    assert answer.status == 1 and words in answer.errors
    (job,) = user.jobs()
    assert (job["state"], job["problem"]["charged"]) == ("failed", charged)
    assert (job["handle"] is not None) == (charged == "maybe"), "only then it may be worth to ask again"


TROUBLES = [
    ("auth", 3, "failed", "no", "Invalid API key"),
    ("forbidden", 3, "failed", "no", "Forbidden"),
    ("credit", 3, "failed", "no", "Insufficient credits"),
    ("picture", 1, "failed", "no", "could not be processed"),
    ("server", 1, "unknown", "maybe", "500"),
    ("unavailable", 1, "unknown", "maybe", "503"),
]


@pytest.mark.parametrize("shape", ["message", "error_code"])
@pytest.mark.parametrize(("trouble", "status", "final", "charged", "words"), TROUBLES)
def test_what_goes_wrong_there(
    user: User,
    cup: Path,
    service: Service,
    shop: MeshyServer,
    shape: str,
    trouble: str,
    status: int,
    final: str,
    charged: str,
    words: str,
) -> None:
    shop.error_shape = shape
    shop.go_wrong(trouble)
    answer = user.run("generate", cup, *MESHY)
    assert (answer.status, state(user)) == (status, final), answer.errors
    assert user.jobs()[0]["problem"]["charged"] == charged and words in answer.errors
    assert service.posts == 1 and KEY not in answer.output + answer.errors


def test_a_full_queue_is_waited_for(user: User, cup: Path, service: Service, shop: MeshyServer) -> None:
    shop.go_wrong("busy", times=2, retry_after="0.2")
    assert user.run("generate", cup, *MESHY).status == 0
    assert (service.posts, shop.billable) == (3, 1)


def test_a_model_that_is_retired(user: User, cup: Path, shop: MeshyServer) -> None:
    shop.models_retired.add("meshy-5")
    answer = user.run("generate", cup, *MESHY, "--model", "meshy-5")
    assert answer.status == 1 and "retired" in answer.errors and shop.billable == 0


def test_an_expired_link_is_asked_for_again(user: User, cup: Path, shop: MeshyServer) -> None:
    shop.polls = 0
    shop.cdn.fail("/", loopback.status(403))
    assert user.run("generate", cup, *MESHY).status == 0
    assert (state(user), shop.billable, shop.cdn.count("GET")) == ("ready", 1, 2)


def test_a_link_that_has_expired_since_is_asked_for_by_resume(user: User, cup: Path, shop: MeshyServer) -> None:
    shop.polls, shop.cdn.link_uses = 0, 0
    assert user.run("generate", cup, *MESHY).status == 1
    links = files_with(user, "Key-Pair-Id")
    assert links and all(path.stat().st_mode & 0o077 == 0 for path in links), "only its owner may read them"
    shop.cdn.link_uses = None
    assert user.run("jobs", "resume", user.jobs()[0]["id"]).status == 0
    assert (state(user), shop.billable) == ("ready", 1)


def test_a_task_that_is_gone_is_said(user: User, cup: Path, shop: MeshyServer) -> None:
    user.have_patience(1)
    shop.ends_as = "IN_PROGRESS"
    assert "nothing new" in user.run("generate", cup, *MESHY).errors
    shop.tasks.clear()
    answer = user.run("jobs", "resume", user.jobs()[0]["id"])
    assert answer.status == 1 and "does not have this task" in answer.errors
    assert user.jobs()[0]["problem"]["charged"] == "maybe"


def test_a_killed_worker_is_followed_and_pays_once(user: User, cup: Path, shop: MeshyServer, tmp_path: Path) -> None:
    shop.polls = FOR_EVER
    command = user.start("generate", cup, *MESHY)
    wait_for(lambda: state(user) == "running" and worker_pids(user))
    for pid in worker_pids(user):
        os.kill(pid, signal.SIGKILL)
    command.communicate(timeout=HANGS_SECONDS)
    shop.tasks[next(iter(shop.tasks))].polls = 0
    answer = user.run("jobs", "resume", user.jobs()[0]["id"], "--output", tmp_path / "cup.glb")
    assert answer.status == 0, answer.errors
    assert (tmp_path / "cup.glb").is_file() and shop.billable == 1


def test_what_cannot_be_stopped_is_kept(user: User, cup: Path, shop: MeshyServer) -> None:
    shop.polls = FOR_EVER
    command = user.start("generate", cup, *MESHY)
    wait_for(lambda: state(user) == "running")
    job = user.jobs()[0]["id"]
    cancelling = user.start("jobs", "cancel", job)
    wait_for(lambda: "cannot be told to stop" in (user.library / job / "worker.log").read_text())
    next(iter(shop.tasks.values())).polls = 0
    cancelling.communicate(timeout=HANGS_SECONDS)
    command.communicate(timeout=HANGS_SECONDS)
    assert state(user) == "ready" and shop.count("DELETE") == 0


def test_neither_key_nor_link_is_written_down(user: User, cup: Path, shop: MeshyServer) -> None:
    answer = user.run("generate", cup, *MESHY, "--json")
    assert answer.status == 0
    assert files_with(user, KEY) == [] == files_with(user, shop.cdn.url) == files_with(user, "Key-Pair-Id")
    assert KEY not in answer.output + answer.errors


def test_the_balance_is_told(user: User, shop: MeshyServer) -> None:
    shop.balance = 1_234_567
    answer = user.run("providers", "meshy", "--check")
    assert answer.status == 0 and "1,234,567 credits" in answer.output
    shop.key = "another"
    assert user.run("providers", "meshy", "--check").status == 3
