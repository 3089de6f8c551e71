# SPDX-License-Identifier: GPL-3.0-or-later
"""AI/ML API: what is sent, and every form of answer that its documents show, through the command line."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..conftest import KEY, User, draw_disc
from ..fakes.servers.aimlapi import SHAPES, AimlApiServer
from ..jobs.test_worker import option, state
from ..services import MODELS, SERVICES, Service, files_with

AIML = ("--provider", "aimlapi")
TRIPOSR = (*AIML, "--model", "triposr")
MESHY = (*AIML, "--model", "meshy/meshy-6-image-to-3d")


@pytest.fixture
def service(user: User) -> Iterator[Service]:
    user.have_patience()
    with SERVICES["aimlapi"](user) as running:
        yield running
        assert running.complaints() == []


@pytest.fixture
def shop(service: Service) -> AimlApiServer:
    assert isinstance(service.server, AimlApiServer)
    return service.server


def test_four_views_become_a_model(user: User, cup: Path, shop: AimlApiServer, tmp_path: Path) -> None:
    others = {side: draw_disc(tmp_path / f"{side}.png", (9, 9, 200)) for side in ("back", "left", "right")}
    views = [word for side, path in others.items() for word in ("--view", f"{side}={path}")]
    answer = user.run("generate", cup, *AIML, *views, "--output", tmp_path / "cup.glb")
    assert answer.status == 0, answer.errors
    assert (tmp_path / "cup.glb").read_bytes() == MODELS["glb"]
    (sent,) = shop.generated
    assert sent.pop("model") == "magic/image-to-3d"
    expected = {f"{side}_image_url": path.read_bytes() for side, path in {**others, "front": cup}.items()}
    assert {name: base64.b64decode(uri.partition(",")[2]) for name, uri in sent.items()} == expected


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("status", [200, 201])
def test_every_form_of_answer(user: User, cup: Path, shop: AimlApiServer, shape: str, status: int) -> None:
    shop.shape, shop.status = shape, status
    answer = user.run("generate", cup, *MESHY, "--json")
    assert answer.status == 0, answer.errors
    (result,) = next(user.library.glob("*/result")).glob("*.glb")
    assert result.read_bytes() == MODELS["glb"] and shop.billable == 1


def test_what_it_cost_is_written_down(user: User, cup: Path, shop: AimlApiServer) -> None:
    assert user.run("generate", cup, *MESHY).status == 0
    assert user.jobs()[0]["cost"] == "1.04 USD"
    assert user.run("generate", cup, *TRIPOSR).status == 0
    assert user.jobs()[1]["cost"] == "182,000 credits"


def test_every_option_of_triposr_arrives(user: User, cup: Path, shop: AimlApiServer, tmp_path: Path) -> None:
    chosen = {"output_format": "obj", "do_remove_background": False, "foreground_ratio": 0.6, "mc_resolution": 512}
    answer = user.run("generate", cup, *TRIPOSR, *option(**chosen), "--output", tmp_path / "cup.obj")
    assert answer.status == 0, answer.errors
    sent = shop.generated[0]
    assert {name: sent[name] for name in sent if name != "image_url"} == {"model": "triposr", **chosen}


def test_every_option_of_meshy_arrives(user: User, cup: Path, shop: AimlApiServer) -> None:
    chosen = {
        "model_type": "lowpoly",
        "topology": "quad",
        "target_polycount": 300_000,
        "symmetry_mode": "on",
        "should_remesh": False,
        "should_texture": False,
        "enable_pbr": True,
        "pose_mode": "t-pose",
        "texture_prompt": "old brass",
    }
    assert user.run("generate", cup, *MESHY, *option(**chosen)).status == 0
    sent = shop.generated[0]
    assert {name: sent[name] for name in chosen} == chosen


@pytest.mark.parametrize("words", [TRIPOSR, MESHY])
def test_models_of_one_view_take_no_second(user: User, cup: Path, service: Service, words: tuple[str, ...]) -> None:
    answer = user.run("generate", cup, *words, "--view", f"back={cup}")
    assert answer.status == 2 and "does not take a view from the back" in answer.errors
    assert service.posts == 0


FAILED = [
    ("credit", 3, "failed", "no", "out of credits"),
    ("forbidden", 3, "failed", "no", "Forbidden"),
    ("failure", 1, "failed", "no", "Something wrong"),
    ("maintenance", 1, "failed", "no", "maintenance"),
    ("gateway", 1, "failed", "no", "Bad Gateway"),
    ("gateway_page", 1, "unknown", "maybe", "502"),
    ("unavailable", 1, "failed", "no", "unavailable"),
    ("timeout", 1, "failed", "no", "timeout"),
    ("openai", 1, "failed", "no", "could not be processed"),
]


@pytest.mark.parametrize(("trouble", "status", "final", "charged", "words"), FAILED)
def test_what_goes_wrong_there(
    user: User,
    cup: Path,
    service: Service,
    shop: AimlApiServer,
    trouble: str,
    status: int,
    final: str,
    charged: str,
    words: str,
) -> None:
    shop.go_wrong(trouble)
    answer = user.run("generate", cup, *AIML)
    assert (answer.status, state(user)) == (status, final), answer.errors
    assert user.jobs()[0]["problem"]["charged"] == charged and words in answer.errors
    assert service.posts == 1


def test_a_full_service_is_waited_for(user: User, cup: Path, service: Service, shop: AimlApiServer) -> None:
    shop.go_wrong("busy", times=2, retry_after="0.2")
    assert user.run("generate", cup, *AIML).status == 0
    assert (service.posts, shop.billable) == (3, 1)


def test_a_model_that_is_sold_no_more(user: User, cup: Path, shop: AimlApiServer) -> None:
    shop.withdrawn["magic/image-to-3d"] = 404
    answer = user.run("generate", cup, *AIML)
    assert answer.status == 1 and "--model" in answer.errors
    assert user.run("generate", cup, *TRIPOSR).status == 0


def test_links_that_have_expired_are_said_and_were_paid(user: User, cup: Path, shop: AimlApiServer) -> None:
    shop.cdn.link_uses = 0
    answer = user.run("generate", cup, *AIML)
    assert answer.status == 1 and "expired" in answer.errors
    assert user.jobs()[0]["problem"]["charged"] == "yes"


def test_neither_key_nor_link_is_written_down(user: User, cup: Path, shop: AimlApiServer) -> None:
    answer = user.run("generate", cup, *AIML, "--json")
    assert answer.status == 0
    assert files_with(user, KEY) == [] == files_with(user, shop.cdn.url)
    assert KEY not in answer.output + answer.errors


def test_the_balance_is_told(user: User, shop: AimlApiServer) -> None:
    answer = user.run("providers", "aimlapi", "--check")
    assert answer.status == 0 and "USD" in answer.output
