# SPDX-License-Identifier: GPL-3.0-or-later
"""A Hunyuan3D server of one's own, of both versions, through the command line and the worker."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trimesh

from ..conftest import HANGS_SECONDS, LITTLE_SECONDS, User
from ..fakes.servers import loopback
from ..fakes.servers.hunyuan3d import TRAFFIC, Hunyuan3DServer
from ..fakes.servers.loopback import Answer
from ..jobs.test_worker import option, state, wait_for, worker_pids
from ..services import FOR_EVER

HUNYUAN = ("--provider", "hunyuan3d")
BOX = trimesh.creation.box()
MODELS = {
    kind: _ if isinstance(_ := BOX.export(file_type=kind), bytes) else _.encode()
    for kind in ("glb", "obj", "ply", "stl")
}


@pytest.fixture
def older(user: User) -> Iterator[Hunyuan3DServer]:
    yield from _started(user, "2.0")


@pytest.fixture
def newer(user: User) -> Iterator[Hunyuan3DServer]:
    yield from _started(user, "2.1")


def _started(user: User, version: str) -> Iterator[Hunyuan3DServer]:
    user.have_patience()
    with Hunyuan3DServer(version, MODELS) as server:
        user.environment["IMAGE_TO_3D_HUNYUAN3D_URL"] = server.url
        yield server


def test_version_2_0_works_in_the_background(user: User, cup: Path, older: Hunyuan3DServer, tmp_path: Path) -> None:
    answer = user.run("generate", cup, *HUNYUAN, "--output", tmp_path / "cup.glb")
    assert answer.status == 0, answer.errors
    assert (tmp_path / "cup.glb").read_bytes() == MODELS["glb"]
    assert [seen.path.split("/")[1] for seen in older.seen] == ["health", "send", "status", "status"]
    (params,) = older.generated
    assert (params["seed"], params["texture"], params["type"]) == (1234, False, "glb")
    assert {path.name for path in next(user.library.glob("*/result")).iterdir()} == {"finished.json", "model.glb"}


def test_every_option_arrives(user: User, cup: Path, older: Hunyuan3DServer) -> None:
    chosen = {
        "texture": True,
        "seed": 4_000_000_000,
        "octree_resolution": 384,
        "num_inference_steps": 30,
        "guidance_scale": 7.5,
        "face_count": 90_000,
        "num_chunks": 20_000,
    }
    assert user.run("generate", cup, *HUNYUAN, *option(**chosen)).status == 0
    (params,) = older.generated
    assert {name: params[name] for name in chosen} == chosen


@pytest.mark.parametrize("kind", ["obj", "ply", "stl"])
def test_version_2_0_cannot_say_when_other_files_are_done(
    user: User, cup: Path, older: Hunyuan3DServer, tmp_path: Path, kind: str
) -> None:
    answer = user.run("generate", cup, *HUNYUAN, *option(type=kind), "--output", tmp_path / f"cup.{kind}")
    assert answer.status == 0, answer.errors
    assert (tmp_path / f"cup.{kind}").read_bytes() == MODELS[kind]
    assert [seen.path for seen in older.seen] == ["/health", "/generate"]


def test_version_2_1_makes_a_bare_shape_only_at_once(user: User, cup: Path, newer: Hunyuan3DServer) -> None:
    assert user.run("generate", cup, *HUNYUAN, *option(remove_background=False)).status == 0
    assert [seen.path for seen in newer.seen] == ["/health", "/generate"]
    assert newer.generated[0]["remove_background"] is False and "type" not in newer.generated[0]


def test_version_2_1_paints_in_the_background(user: User, cup: Path, newer: Hunyuan3DServer) -> None:
    answer = user.run("generate", cup, *HUNYUAN, *option(texture=True), "--json")
    assert answer.status == 0, answer.errors
    assert {seen.path.split("/")[1] for seen in newer.seen} == {"health", "send", "status"}
    assert "Painting the model" in [line.get("message") for line in answer.lines]


@pytest.mark.parametrize("options", [{"num_inference_steps": 30}, {"octree_resolution": 32}, {"type": "obj"}])
def test_what_version_2_1_does_not_take_is_said_before_it_is_sent(
    user: User, cup: Path, newer: Hunyuan3DServer, options: dict[str, object]
) -> None:
    answer = user.run("generate", cup, *HUNYUAN, *option(**options))
    assert answer.status == 2 and "2.1" in answer.errors and newer.posts == 0 and user.jobs() == []


def test_views_go_to_version_2_0(user: User, cup: Path, older: Hunyuan3DServer) -> None:
    answer = user.run("generate", cup, *HUNYUAN, "--view", f"back={cup}", "--view", f"left={cup}")
    assert answer.status == 0, answer.errors
    assert {name for name in older.generated[0] if name.startswith("image")} == {"image", "image_back", "image_left"}


def test_views_do_not_go_to_version_2_1(user: User, cup: Path, newer: Hunyuan3DServer) -> None:
    answer = user.run("generate", cup, *HUNYUAN, "--view", f"back={cup}")
    assert answer.status == 2 and "only a picture of the front" in answer.errors


def test_a_server_without_send_is_asked_to_generate(user: User, cup: Path, older: Hunyuan3DServer) -> None:
    older.has_send = False
    assert user.run("generate", cup, *HUNYUAN).status == 0
    assert [seen.path for seen in older.seen] == ["/health", "/send", "/generate"]


def test_without_a_server_it_says_how_to_get_one(user: User, cup: Path) -> None:
    user.environment["IMAGE_TO_3D_HUNYUAN3D_URL"] = f"http://127.0.0.1:{loopback.refused_port()}"
    answer = user.run("generate", cup, *HUNYUAN)
    assert answer.status == 4 and "refused" in answer.errors
    assert "api_server.py" in answer.errors and "IMAGE_TO_3D_HUNYUAN3D_URL" in answer.errors
    assert state(user) == "failed" and user.jobs()[0]["problem"]["charged"] == "no"


@pytest.mark.parametrize("url", ["127.0.0.1:8081", "http://8.8.8.8:8081", "file:///tmp", "http://me:pw@127.0.0.1"])
def test_a_wrong_address_is_refused(user: User, cup: Path, url: str) -> None:
    user.environment["IMAGE_TO_3D_HUNYUAN3D_URL"] = url
    answer = user.run("generate", cup, *HUNYUAN)
    assert answer.status == 2 and "http" in answer.errors and "pw" not in answer.errors


def test_a_wrong_patience_is_refused(user: User, cup: Path, older: Hunyuan3DServer) -> None:
    user.environment["IMAGE_TO_3D_PATIENCE_SECONDS"] = "long"
    assert user.run("generate", cup, *HUNYUAN).status == 2 and older.seen == []


def test_something_else_at_the_address_is_noticed(user: User, cup: Path) -> None:
    for answer in (loopback.html, loopback.null, loopback.status(404, body={"detail": "Not Found"})):
        with loopback.serving(answer) as server:
            user.environment["IMAGE_TO_3D_HUNYUAN3D_URL"] = server.url
            done = user.run("generate", cup, *HUNYUAN)
            assert done.status == 1 and "something else" in done.errors and "api_server.py" in done.errors


@pytest.mark.parametrize("texture", [False, True])
def test_a_job_that_dies_on_the_server_stalls_here_and_can_be_sent_again(
    user: User, cup: Path, older: Hunyuan3DServer, texture: bool
) -> None:
    """`processing` for ever."""
    user.have_patience(LITTLE_SECONDS)
    older.fails = True
    answer = user.run("generate", cup, *HUNYUAN, *option(texture=texture))
    assert answer.status == 1 and "nothing new" in answer.errors and "Working" in answer.errors
    (job,) = user.jobs()
    assert job["state"] == "failed" and job["handle"]["uid"] and older.posts == 1
    older.fails = False
    assert user.run("jobs", "resume", job["id"]).status == 1, "the server still does not know"
    assert older.posts == 1
    user.have_patience()
    assert user.run("jobs", "resume", job["id"], "--again").status == 0
    assert older.posts == 2


def test_painting_that_never_ends_stalls_and_can_be_resumed(user: User, cup: Path, newer: Hunyuan3DServer) -> None:
    user.have_patience(LITTLE_SECONDS)
    newer.fail("/status", loopback.status(200, body={"status": "texturing"}), times=FOR_EVER)
    answer = user.run("generate", cup, *HUNYUAN, *option(texture=True))
    assert answer.status == 1 and "Painting the model" in answer.errors and state(user) == "failed"
    newer.faults.clear()
    user.have_patience()
    assert user.run("jobs", "resume", user.jobs()[0]["id"]).status == 0
    assert newer.posts == 1


def test_a_failure_that_the_server_explains_with_traffic_is_not_traffic(
    user: User, cup: Path, newer: Hunyuan3DServer
) -> None:
    newer.fails = True
    answer = user.run("generate", cup, *HUNYUAN)
    assert answer.status == 1 and "does not say why" in answer.errors and TRAFFIC not in answer.errors
    assert state(user) == "failed" and newer.posts == 1


def test_a_refused_value_is_named(user: User, cup: Path, newer: Hunyuan3DServer) -> None:
    wrong = {"detail": [{"loc": ["body", "seed"], "msg": "Input should be less than 10", "input": 1234}]}
    newer.fail("/generate", loopback.status(422, body=wrong))
    answer = user.run("generate", cup, *HUNYUAN)
    assert answer.status == 2 and "seed: Input should be less than 10" in answer.errors and newer.posts == 1


WHILE_SENDING: list[tuple[Answer, str, int]] = [
    (loopback.reset_before, "failed", 4),
    (loopback.reset_after, "failed", 4),
    (loopback.hang_up, "failed", 4),
    (loopback.silence, "failed", 4),
    (loopback.truncated, "failed", 4),
    (loopback.one_byte_a_moment, "failed", 4),
    (loopback.gzip_bomb, "failed", 4),
    (loopback.large_json, "failed", 4),
    (loopback.html, "failed", 1),
    (loopback.null, "failed", 1),
    (loopback.wrong_types, "failed", 1),
    (loopback.redirect("file:///etc/passwd"), "failed", 1),
    (loopback.status(500, body={"error": "Failed to start generation"}), "failed", 1),
    (loopback.status(502), "failed", 4),
    (loopback.status(429, retry_after="3600"), "failed", 4),
    (loopback.status(429, retry_after="0.1"), "ready", 0),
    (loopback.status(429), "ready", 0),
    (loopback.too_long, "failed", 1),
]


@pytest.mark.parametrize(("fault", "final", "status"), WHILE_SENDING)
def test_a_fault_while_sending(
    user: User, cup: Path, older: Hunyuan3DServer, fault: Answer, final: str, status: int
) -> None:
    """It costs nothing, so the next command sends it again; but no command sends it twice by itself."""
    user.have_patience(60 if final == "ready" else LITTLE_SECONDS)
    older.fail("/send", fault)
    answer = user.run("generate", cup, *HUNYUAN)
    assert (answer.status, state(user)) == (status, final), answer.errors
    if final == "ready":
        assert older.posts == 2, "one that was put off, and one"
        return
    assert older.posts == 1 and "Traceback" not in answer.errors
    assert user.jobs()[0]["problem"]["charged"] == "no"
    user.have_patience()
    assert user.run("jobs", "resume", user.jobs()[0]["id"]).status == 0
    assert older.posts == 2


WHILE_ASKING: list[tuple[Answer, int, str, int]] = [
    (loopback.reset_after, 1, "ready", 0),
    (loopback.hang_up, 2, "ready", 0),
    (loopback.silence, 1, "ready", 0),
    (loopback.slow_head, 1, "ready", 0),
    (loopback.truncated, 1, "ready", 0),
    (loopback.one_byte_a_moment, 1, "ready", 0),
    (loopback.status(500), 2, "ready", 0),
    (loopback.status(503, retry_after="0.1"), 3, "ready", 0),
    (loopback.status(429), 1, "ready", 0),
    (loopback.status(429, retry_after="3600"), 1, "failed", 4),
    (loopback.status(500), FOR_EVER, "failed", 4),
    (loopback.html, 1, "failed", 1),
    (loopback.null, 1, "failed", 1),
    (loopback.wrong_types, 1, "failed", 1),
    (loopback.large_json, 1, "failed", 1),
    (loopback.redirect("http://169.254.169.254/"), 1, "failed", 1),
    (loopback.status(200, body={"status": "completed"}), 1, "failed", 1),
    (loopback.status(200, body={"status": "completed", "model_base64": "%%%"}), 1, "failed", 1),
    (loopback.status(200, body={"status": "completed", "model_base64": ""}), 1, "failed", 1),
    (loopback.status(200, body={"status": "completed", "model_base64": "PGh0bWw+"}), 1, "failed", 1),
    (loopback.status(200, body={"status": "completed", "model_base64": "Z2xURgIAAAD/"}), 1, "failed", 1),
]


@pytest.mark.parametrize(("fault", "times", "final", "status"), WHILE_ASKING)
def test_a_fault_while_asking(
    user: User, cup: Path, older: Hunyuan3DServer, fault: Answer, times: int, final: str, status: int
) -> None:
    """Asking is repeated, or the next command does it: nothing is sent again."""
    user.have_patience(LITTLE_SECONDS if final == "failed" else 60)
    older.fail("/status", fault, times=times)
    answer = user.run("generate", cup, *HUNYUAN)
    assert (answer.status, state(user)) == (status, final), answer.errors
    assert "Traceback" not in answer.errors
    older.faults.clear()
    if final == "failed":
        user.have_patience()
        assert user.run("jobs", "resume", user.jobs()[0]["id"]).status == 0
    assert older.posts == 1


def test_what_the_server_has_given_up_is_sent_anew(user: User, cup: Path, older: Hunyuan3DServer) -> None:
    older.fail("/status", loopback.status(500, body={"status": "error", "message": "Failed to read generated file"}))
    answer = user.run("generate", cup, *HUNYUAN)
    assert answer.status == 1 and "Failed to read generated file" in answer.errors
    assert user.run("jobs", "resume", user.jobs()[0]["id"]).status == 0
    assert older.posts == 2


def test_a_model_larger_than_any_json_comes_through(user: User, cup: Path, older: Hunyuan3DServer) -> None:
    older.models = {**MODELS, "glb": _large_glb()}
    assert user.run("generate", cup, *HUNYUAN).status == 0
    assert next(user.library.glob("*/result/model.glb")).read_bytes() == older.models["glb"]


def _large_glb() -> bytes:
    mesh = trimesh.creation.icosphere(subdivisions=8)
    data: bytes = mesh.export(file_type="glb")
    assert len(data) > 11_000_000
    return data


@pytest.mark.parametrize("path", ["/generate", "/send", "/status"])
def test_cancelling_is_quick_in_every_phase(user: User, cup: Path, newer: Hunyuan3DServer, path: str) -> None:
    user.have_patience()
    newer.fail(path, loopback.silence)
    command = user.start("generate", cup, *HUNYUAN, *option(texture=path != "/generate"))
    wait_for(lambda: newer.count("GET" if path == "/status" else "POST", path))
    assert user.run("jobs", "cancel", user.jobs()[0]["id"]).status == 0
    command.communicate(timeout=HANGS_SECONDS)
    assert state(user) == "cancelled", "it did not wait for the silent server"


def test_ctrl_c_keeps_the_job_and_the_next_day_brings_the_model(user: User, cup: Path, older: Hunyuan3DServer) -> None:
    older.polls = FOR_EVER
    command = user.start("generate", cup, *HUNYUAN)
    wait_for(lambda: state(user) == "running")
    command.send_signal(signal.SIGINT)
    command.communicate(timeout=HANGS_SECONDS)
    assert command.returncode == 130 and state(user) == "running"
    older.polls = 0
    for job in older.jobs.values():
        job["polls"] = 0
    assert user.run("jobs", "resume", user.jobs()[0]["id"]).status == 0
    assert older.posts == 1


@pytest.mark.parametrize("seed", range(6))
def test_a_worker_killed_at_any_moment_ends_with_the_model(
    user: User, cup: Path, older: Hunyuan3DServer, seed: int
) -> None:
    command = user.start("generate", cup, *HUNYUAN)
    wait_for(lambda: worker_pids(user) or command.poll() is not None)
    time.sleep(0.2 * seed)
    for pid in worker_pids(user):
        os.kill(pid, signal.SIGKILL)
    command.communicate(timeout=HANGS_SECONDS)
    answer = user.run("jobs", "resume", user.jobs()[0]["id"])
    assert answer.status == 0, answer.errors
    assert state(user) == "ready" and older.posts <= 2


def test_options_are_told(user: User) -> None:
    (facts,) = user.run("providers", "hunyuan3d", "--json").lines
    assert facts["needs_key"] is False and facts["resumable"] and facts["views"] == ["front", "back", "left", "right"]
    told = {each["name"]: (each["default"], each["minimum"], each["maximum"]) for each in facts["options"]}
    assert told["octree_resolution"] == (256, 16, 512) and told["guidance_scale"] == (5.0, 0.1, 20.0)
    assert all(each["description"] and each["label"] for each in facts["options"]) and len(told) == 9
