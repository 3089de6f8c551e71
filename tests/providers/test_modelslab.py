# SPDX-License-Identifier: GPL-3.0-or-later
"""ModelsLab, both endpoints: what is sent, and every answer that its documents know, through the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from ..conftest import KEY, ROOT, User, draw_disc
from ..fakes.servers import loopback
from ..fakes.servers.loopback import Exchange
from ..fakes.servers.modelslab import (
    FAILURES,
    RANDOM_SEED,
    VIDEO,
    ModelsLabServer,
    old_rate_limit,
    queue_full,
    textured_obj,
)
from ..jobs.test_worker import option, state
from ..prism import needs_prism, prism
from ..services import MODELS, SERVICES, Service, files_with

V6 = ("--provider", "modelslab")
INSTANT_MESH = ("--provider", "modelslab_instantmesh")


@pytest.fixture
def service(user: User) -> Iterator[Service]:
    user.have_patience()
    with SERVICES["modelslab"](user) as running:
        yield running
        assert running.complaints() == []


@pytest.fixture
def lab(service: Service) -> ModelsLabServer:
    assert isinstance(service.server, ModelsLabServer)
    return service.server


@pytest.fixture
def older(user: User) -> Iterator[ModelsLabServer]:
    with SERVICES["modelslab_instantmesh"](user) as running:
        assert isinstance(running.server, ModelsLabServer)
        yield running.server
        assert running.complaints() == []


def result_names(user: User) -> set[str]:
    return {path.name for path in next(user.library.glob("*/result")).iterdir()} - {"finished.json"}


def test_a_picture_becomes_a_model(user: User, cup: Path, lab: ModelsLabServer, tmp_path: Path) -> None:
    answer = user.run("generate", cup, *V6, "--output", tmp_path / "cup.glb", "--json")
    assert answer.status == 0, answer.errors
    assert (tmp_path / "cup.glb").read_bytes() == MODELS["glb"]
    assert lab.billable == 1 and list(lab.uploads.values()) == [cup.read_bytes()]
    (job,) = user.jobs()
    assert (job["seed"], job["service_seconds"]) == (RANDOM_SEED, 10.62)


def test_every_option_arrives(user: User, cup: Path, lab: ModelsLabServer) -> None:
    chosen = {
        "output_format": "stl",
        "ss_guidance_strength": 6.5,
        "ss_sampling_steps": 25,
        "slat_guidance_strength": 4.5,
        "slat_sampling_steps": 50,
        "mesh_simplify": 0.95,
        "resolution": 512,
        "chunk_size": 12000,
        "render": True,
        "seed": 3480183101,
        "temp": "yes",
        "webhook": "https://example.com/hook?token=5",
        "track_id": "shop-7",
    }
    answer = user.run("generate", cup, *V6, *option(**chosen))
    assert answer.status == 0, answer.errors
    (sent,) = lab.generated
    address = next(iter(lab.uploads))
    assert sent == {**chosen, "multi_image": False, "init_image": address, "image": address}


def test_defaults_are_those_of_the_documents(user: User, cup: Path, lab: ModelsLabServer) -> None:
    assert user.run("generate", cup, *V6).status == 0
    (sent,) = lab.generated
    assert {name: sent[name] for name in sent if name not in {"init_image", "image"}} == {
        "output_format": "glb",
        "ss_guidance_strength": 7.5,
        "ss_sampling_steps": 12,
        "slat_guidance_strength": 3.0,
        "slat_sampling_steps": 12,
        "mesh_simplify": 0.9,
        "resolution": 256,
        "chunk_size": 8192,
        "render": False,
        "multi_image": False,
        "seed": 0,
        "temp": "no",
        "webhook": None,
        "track_id": None,
    }


@pytest.mark.parametrize("name", ["init_image", "image"])
def test_a_service_that_knows_one_name_of_the_picture(user: User, cup: Path, lab: ModelsLabServer, name: str) -> None:
    lab.image_names = name  # type: ignore[assignment]
    answer = user.run("generate", cup, *V6)
    assert answer.status == 0, answer.errors
    assert lab.billable == 1 and lab.creates == 2, "refused once, for nothing"
    assert set(lab.generated[0]) & {"init_image", "image"} == {name}


def test_views_go_side_by_side(user: User, cup: Path, lab: ModelsLabServer, tmp_path: Path) -> None:
    back = draw_disc(tmp_path / "back.png", (40, 40, 200), 128)
    left = draw_disc(tmp_path / "left.png", (40, 200, 40), 64)
    answer = user.run("generate", cup, *V6, "--view", f"back={back}", "--view", f"left={left}")
    assert answer.status == 0, answer.errors
    assert lab.generated[0]["multi_image"] is True and len(lab.uploads) == 1


@pytest.mark.parametrize("polls", [0, 1, 5])
@pytest.mark.parametrize("short", [False, True])
def test_however_often_it_says_that_it_works(
    user: User, cup: Path, lab: ModelsLabServer, polls: int, short: bool
) -> None:
    lab.polls, lab.short_success = polls, short
    assert user.run("generate", cup, *V6).status == 0
    assert lab.billable == 1


def test_a_success_without_an_address_is_asked_again(user: User, cup: Path, lab: ModelsLabServer) -> None:
    lab.empty_outputs = 2
    assert user.run("generate", cup, *V6).status == 0
    assert lab.billable == 1


def test_the_second_address_is_tried(user: User, cup: Path, lab: ModelsLabServer) -> None:
    lab.cdn.forbids_output = True
    assert user.run("generate", cup, *V6).status == 0
    assert any(seen.path.startswith("/proxy/") for seen in lab.cdn.seen)


def test_a_late_file_is_waited_for(user: User, cup: Path, lab: ModelsLabServer) -> None:
    lab.cdn.lags = 2
    assert user.run("generate", cup, *V6).status == 0


@pytest.mark.parametrize("place", ["output", "first", "extra_assets"])
def test_the_video_is_kept_beside_the_model(user: User, cup: Path, lab: ModelsLabServer, place: str) -> None:
    lab.video_in = place  # type: ignore[assignment]
    answer = user.run("generate", cup, *V6, *option(render=True))
    assert answer.status == 0, answer.errors
    (job,) = user.jobs()
    model, video = (next(user.library.glob("*/result")) / each["file"] for each in job["results"])
    assert model.read_bytes() == MODELS["glb"] and video.read_bytes() == VIDEO


def test_material_and_texture_stay_with_an_obj(user: User, cup: Path, lab: ModelsLabServer) -> None:
    content, lab.assets = textured_obj()
    lab.models = {"obj": content}
    answer = user.run("generate", cup, *V6, *option(output_format="obj"))
    assert answer.status == 0, answer.errors
    folder = next(user.library.glob("*/result"))
    model = next(folder.glob("*.obj"))
    material = folder / model.read_text().partition("mtllib ")[2].split()[0]
    texture = folder / material.read_text().partition("map_Kd ")[2].split()[0]
    assert texture.read_bytes() == lab.assets["texture.png"]


FAILED = [
    ("key", 3, "no"),
    ("old key", 3, "no"),
    ("credits", 3, "no"),
    ("plan", 3, "no"),
    ("image", 1, "no"),
    ("old failure", 1, "no"),
    ("server", 1, "maybe"),
    ("busy", 1, "maybe"),
]


@pytest.mark.parametrize(("name", "status", "charged"), FAILED)
def test_what_the_service_refuses(
    user: User, cup: Path, service: Service, lab: ModelsLabServer, name: str, status: int, charged: str
) -> None:
    lab.fails_with(FAILURES[name])
    answer = user.run("generate", cup, *V6, "--json")
    assert answer.status == status
    (job,) = user.jobs()
    assert job["problem"]["charged"] == charged and service.posts == 1
    body = FAILURES[name][1]
    assert (body.get("message") or body["messege"]).rstrip(".") in job["problem"]["message"]
    assert KEY not in answer.output + answer.errors


@pytest.mark.parametrize("failure", [queue_full(0.2), old_rate_limit(1)])
def test_a_full_queue_is_waited_for(
    user: User, cup: Path, service: Service, lab: ModelsLabServer, failure: tuple[int, dict[str, object]]
) -> None:
    lab.fails_with(failure, times=2)
    assert user.run("generate", cup, *V6).status == 0
    assert (service.posts, lab.billable) == (3, 1)


@pytest.mark.parametrize("end", ["failed", "error"])
def test_a_failure_of_the_work_is_said_in_its_words(user: User, cup: Path, lab: ModelsLabServer, end: str) -> None:
    lab.ends_as = end  # type: ignore[assignment]
    answer = user.run("generate", cup, *V6)
    assert answer.status == 1 and ("Failed, Try Again" in answer.errors or "Error message" in answer.errors)
    assert user.jobs()[0]["problem"]["charged"] == "maybe"


def test_work_that_never_ends_can_be_asked_for_later(user: User, cup: Path, lab: ModelsLabServer) -> None:
    user.have_patience(1)
    lab.ends_as = "never"
    answer = user.run("generate", cup, *V6)
    assert answer.status == 1 and "nothing new" in answer.errors
    lab.ends_as = "success"
    user.have_patience()
    assert user.run("jobs", "resume", user.jobs()[0]["id"]).status == 0
    assert (state(user), lab.billable) == ("ready", 1)


def test_the_key_does_not_follow_fetch_result_to_another_host(user: User, cup: Path, lab: ModelsLabServer) -> None:
    lab.fetch_result_host = lab.cdn.url
    answer = user.run("generate", cup, *V6)
    assert answer.status == 0, answer.errors
    assert not any("fetch" in seen.path for seen in lab.cdn.seen)


def test_a_key_in_fetch_result_is_not_written_down(user: User, cup: Path, lab: ModelsLabServer) -> None:
    """The handle stands in job.json, which anybody may read."""

    def answer(exchange: Exchange) -> None:
        exchange.json({"status": "processing", "fetch_result": f"{lab.base_url}/v6/3d/fetch/7?key={KEY}"})

    lab.fail("/api/v6/3d/image_to_3d", answer)
    assert user.run("generate", cup, *V6).status == 1, "the fake does not know a job 7"
    assert lab.count("POST", "/api/v6/3d/fetch/7") and files_with(user, KEY) == []


def test_an_address_in_an_answer_that_says_processing_is_none_yet(user: User, cup: Path, lab: ModelsLabServer) -> None:
    body = {"status": "processing", "output": [f"{lab.cdn.url}/out/not-there-yet.glb"]}
    lab.fail("/api/v6/3d/fetch/", loopback.status(200, body=body), times=2)
    answer = user.run("generate", cup, *V6)
    assert answer.status == 0, answer.errors
    assert not any("not-there-yet" in seen.path for seen in lab.cdn.seen)


def test_the_enterprise_address(user: User, cup: Path, lab: ModelsLabServer) -> None:
    user.environment["IMAGE_TO_3D_MODELSLAB_URL"] = f"{lab.base_url}/v1/enterprise"
    answer = user.run("generate", cup, *V6)
    assert answer.status == 0, answer.errors
    assert lab.billable == 1 and lab.count("POST", "/api/v1/enterprise/3d/fetch/") == 2


def test_a_large_picture_is_made_small_enough(user: User, lab: ModelsLabServer, tmp_path: Path) -> None:
    import numpy as np
    from PIL import Image

    noise = np.random.default_rng(1).integers(0, 256, (1500, 1800, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    answer = user.run("generate", tmp_path / "noise.png", *V6)
    assert answer.status == 0, answer.errors
    assert "scaled down" in " ".join(user.jobs()[0]["notes"])


def test_instant_mesh_sends_what_its_page_says(user: User, cup: Path, older: ModelsLabServer, tmp_path: Path) -> None:
    chosen = {
        "model_id": "instantmesh",
        "foreground_ratio": 0.7,
        "remove_bg": True,
        "resolution": 128,
        "chunk_size": 4096,
        "seed": 5,
        "temp": "yes",
        "render": False,
    }
    answer = user.run("generate", cup, *INSTANT_MESH, *option(**chosen), "--output", tmp_path / "cup.obj")
    assert answer.status == 0, answer.errors
    (sent,) = older.generated
    assert sent == {**chosen, "image": next(iter(older.uploads))}
    assert (tmp_path / "cup.obj").read_bytes() == MODELS["obj"]
    assert json.dumps(user.jobs()[0]["seed"]) == "5"


WAYS: list[dict[str, object]] = [
    {},
    {"output_format": "obj", "render": True, "temp": "yes", "webhook": "https://example.com/hook", "track_id": "7"},
    {"ss_sampling_steps": 1, "slat_sampling_steps": 50, "mesh_simplify": 0.98, "resolution": 512, "seed": 9},
]


@needs_prism
def test_the_service_s_own_schema_accepts_what_we_send(user: User, cup: Path, lab: ModelsLabServer) -> None:
    """The schema demands `image` and describes `init_image`: a slip of the document, for which both are sent."""
    for chosen in WAYS:
        assert user.run("generate", cup, *V6, *option(**chosen)).status == 0
    bodies = [seen.body for seen in lab.seen if seen.path == "/api/v6/3d/image_to_3d"]
    assert len(bodies) == len(WAYS)
    with prism(ROOT / "tests" / "data" / "modelslab_v6_openapi.yaml") as url:

        def sent(body: bytes) -> requests.Response:
            headers = {"Content-Type": "application/json"}
            return requests.post(f"{url}/3d/image_to_3d", body, headers=headers, timeout=600)

        assert [sent(body).headers.get("sl-violations") for body in bodies] == [None] * len(WAYS)
        as_described = {name: value for name, value in json.loads(bodies[0]).items() if name != "image"}
        assert "image" in sent(json.dumps(as_described).encode()).headers["sl-violations"]
