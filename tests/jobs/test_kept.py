# SPDX-License-Identifier: GPL-3.0-or-later
"""What was paid for is kept, and never bought twice, when something goes wrong right after the answer came."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ..conftest import KEY, User
from ..fakes.servers.loopback import Answer, Exchange
from ..services import MODELS, SERVICES, files_with

PROCESSING = {"status": "processing", "id": 7, "eta": 1, "future_links": ["https://files.example/7.glb?sig=1"]}


def buying(answer: Answer, before: Callable[[], None] = lambda: None) -> Answer:
    """An answer to a purchase, and what happens to the buyer's disk meanwhile."""

    def sell(exchange: Exchange) -> None:
        _ = exchange.body
        before()
        answer(exchange)

    return sell


def answers(value: Any, status: int = 200) -> Answer:
    return lambda exchange: exchange.json(value, status)


def block(user: User, pattern: str, name: str) -> Callable[[], None]:
    """Let a file of the job's folder be one that cannot be written, as on a full disk.

    name: TOKEN stands for the worker's.
    """

    def make() -> None:
        folder = next(user.library.glob(pattern))
        token = json.loads(next(user.library.glob("[!.]*/lock")).read_bytes())["token"]
        (folder / name.replace("TOKEN", token) / "in the way").mkdir(parents=True)

    return make


def job(user: User) -> dict[str, Any]:
    (found,) = user.jobs()
    return found


def test_links_that_cannot_be_written_lose_no_handle(user: User, cup: Path) -> None:
    with SERVICES["aimlapi"](user) as service:
        way = block(user, "[!.]*", "links.json.TOKEN~")
        service.server.fail(service.buys, buying(service.server.answer, way))  # type: ignore[attr-defined]
        answer = user.run("generate", cup, *service.words)
        assert answer.status == 0, answer.errors
        assert service.posts == 1
        assert "links.json cannot be written" in next(user.library.glob("[!.]*/worker.log")).read_text()


def test_an_answer_that_cannot_be_written_leaves_the_outcome_unknown(user: User, cup: Path) -> None:
    with SERVICES["aimlapi"](user) as service:
        way = block(user, "[!.]*/result.*~", "answer.json")
        service.server.fail(service.buys, buying(answers({"data": []}), way))
        assert user.run("generate", cup, *service.words).status == 1
        assert (job(user)["state"], job(user)["problem"]["charged"]) == ("unknown", "maybe")
        assert user.run("generate", cup, *service.words).status == 1 and service.posts == 1


def test_a_model_that_came_with_the_answer_survives_a_full_disk(user: User, cup: Path) -> None:
    with SERVICES["aimlapi"](user) as service:
        way = block(user, "[!.]*/result.*~", "finished.json~")
        model = {"data": [{"b64_json": base64.b64encode(MODELS["glb"]).decode()}]}
        service.server.fail(service.buys, buying(answers(model), way))
        assert user.run("generate", cup, *service.words).status != 0
        kept = [path for path in user.library.rglob("*.glb") if path.read_bytes() == MODELS["glb"]]
        assert job(user)["state"] == "unknown" and kept


@pytest.mark.parametrize(
    "odd",
    [
        {"eta": "soon"},
        {"generationTime": ""},
        {"meta": {"seed": "none"}},
        {"future_links": {"0": "x"}},
        {"proxy_links": [None]},
    ],
    ids=str,
)
def test_an_odd_detail_loses_no_number(user: User, cup: Path, odd: dict[str, Any]) -> None:
    user.have_patience(1)
    with SERVICES["modelslab"](user) as service:
        service.server.fail(service.buys, answers({**PROCESSING, **odd}))
        user.run("generate", cup, *service.words)
        assert service.server.count("POST", f"{service.asks}7")


@pytest.mark.parametrize(
    ("provider", "status", "body"),
    [
        ("modelslab", 502, {"status": "error", "message": "The load balancer lost the connection"}),
        ("modelslab", 500, {"status": "error", "message": "Could not book the credits"}),
        ("one_min_ai", 500, {"errorCode": "CREDIT_BOOKING", "message": "Could not book the credits"}),
        ("one_min_ai", 408, {"errorCode": "TIMEOUT", "message": "It took too long"}),
        ("modelslab", 102, {}),
        ("modelslab", 103, {}),
        ("modelslab", 303, {}),
    ],
)
def test_disorder_is_no_refusal(user: User, cup: Path, provider: str, status: int, body: dict[str, Any]) -> None:
    with SERVICES[provider](user) as service:
        service.server.fail(service.buys, lambda exchange: exchange.json(body, status, location="/elsewhere"))
        user.run("generate", cup, *service.words)
        assert (job(user)["state"], job(user)["problem"]["charged"]) == ("unknown", "maybe")


def test_an_answer_that_names_no_model_is_kept(user: User, cup: Path) -> None:
    with SERVICES["aimlapi"](user) as service:
        strange = {"asset": {"href": "https://cdn.example/file?X-Sig=abc"}}
        service.server.fail(service.buys, answers(strange))
        user.run("generate", cup, *service.words)
        (kept,) = files_with(user, "https://cdn.example/file?X-Sig=abc")
        assert kept.parent.name == "rejected" and not kept.parent.stat().st_mode & 0o077


def test_a_companion_is_not_taken_for_the_note_that_all_is_done(user: User, cup: Path) -> None:
    with SERVICES["modelslab"](user) as service:
        service.server.assets = {"finished.json": b'{"files": ["model"]}', "slow.mtl": b"newmtl a\n"}
        seen: list[list[str]] = []

        def slow(exchange: Exchange) -> None:
            seen.append([path.name for path in user.library.glob("*/result.*~/*")])
            exchange.reply(200, b"newmtl a\n")

        original = service.results._answer_of
        service.results._answer_of = lambda exchange, usual: (  # type: ignore[method-assign]
            slow if "slow" in exchange.path else original(exchange, usual)
        )
        assert user.run("generate", cup, *service.words, "--option", "output_format=obj").status == 0
        assert seen and "finished.json" not in seen[0]


@pytest.mark.parametrize("key", ["sk-one\nX-Evil: 1", "sk-ключ", "sk with space"])
def test_a_key_that_can_be_none_is_said_before_anything_is_sent(user: User, cup: Path, key: str) -> None:
    with SERVICES["aimlapi"](user) as service:
        user.environment["AIMLAPI_API_KEY"] = key
        answer = user.run("generate", cup, *service.words)
        assert answer.status == 3 and "AIMLAPI_API_KEY" in answer.errors and key not in answer.errors
        assert service.server.seen == [] and user.jobs() == []


def test_a_balance_is_made_fit_to_be_shown(user: User) -> None:
    with SERVICES["modelslab"](user) as service:
        said = {"status": "success", "data": {"balance": f"\x1b]0;x\x07{KEY}", "currency": "\x1b[31mUSD"}}
        service.server.fail("/api/wallet_balance", answers(said))
        answer = user.run("providers", service.provider, "--check")
        assert answer.status == 0 and "USD" in answer.output
        assert KEY not in answer.output and "\x1b" not in answer.output


def test_a_result_that_repeats_the_key_does_not_write_it_down(user: User, cup: Path) -> None:
    with SERVICES["aimlapi"](user) as service:
        service.server.fail(service.buys, answers({"model_mesh": {"url": f"{service.server.url}/echo"}}))
        service.server.fail("/echo", answers({"message": f"The key {KEY} may not see this"}), 5)
        user.run("generate", cup, *service.words)
        assert "may not see this" in job(user)["problem"]["message"]
        assert [path.name for path in files_with(user, KEY) if path.parent.name != "rejected"] == []
