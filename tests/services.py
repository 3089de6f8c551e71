# SPDX-License-Identifier: GPL-3.0-or-later
"""The services as their users meet them: a fake of each, written from its documents, and how one asks for a model."""

from __future__ import annotations

import base64
import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trimesh

from .conftest import HANGS_SECONDS, KEY, User
from .fakes.servers import loopback
from .fakes.servers.aimlapi import AimlApiServer
from .fakes.servers.hunyuan3d import TRAFFIC, Hunyuan3DServer
from .fakes.servers.loopback import Answer, Exchange, Server
from .fakes.servers.meshy import MeshyServer
from .fakes.servers.modelslab import FAILURES, ModelsLabServer, old_rate_limit, queue_full
from .fakes.servers.one_min_ai import OneMinAiServer

BOX = trimesh.creation.box()
MODELS: dict[str, bytes] = {
    kind: content if isinstance(content := BOX.export(file_type=kind), bytes) else content.encode()
    for kind in ("glb", "obj", "ply", "stl")
}


@dataclass
class Service:
    """A running fake, seen from outside."""

    provider: str
    server: Server
    results: Server
    """Where the results lie."""
    buys: str
    """The path of the request that costs money."""
    asks: str | None
    """The path of the question for the result; nothing: the answer to the purchase is the result."""
    uploads: str | None
    purchases: Callable[[], int]
    """How many requests were accepted, and are billed."""
    complaints: Callable[[], list[str]]
    """What the service would not put up with, or nobody should see."""
    base_url: str
    """What the user says in place of the service's own."""
    sent: Callable[[], dict[str, Any]]
    """The options in the last request that was accepted, as they arrived."""
    pictures: Callable[[], list[bytes]]
    """The pictures that arrived, in the order of the views."""
    spare: tuple[str, ...]
    """Fields of its answers without which a model can be had."""
    at_work: Any = None
    """What it answers to the question for a result that is not made yet."""
    empty: Any = None
    """What it answers if the result is made, and it forgets to say where."""
    is_paid: bool = True

    @property
    def words(self) -> tuple[str, str]:
        return "--provider", self.provider

    @property
    def posts(self) -> int:
        """How often the request that costs money came in, accepted or not."""
        return self.server.count("POST", self.buys)

    @property
    def phases(self) -> list[str]:
        """What a job goes through here, one request or more each."""
        there = {"upload": self.uploads, "buy": self.buys, "ask": self.asks, "download": self.has_links}
        return [name for name, is_there in there.items() if is_there]

    @property
    def has_links(self) -> bool:
        """Whether the result is fetched with a request of its own."""
        return self.results is not self.server

    def phase(self, exchange: Exchange) -> str:
        """Which of the phases a request belongs to; nothing: none."""
        if self.has_links and exchange.server is self.results:
            return "download"
        # What is asked about may lie below what is bought.
        paths = {"upload": self.uploads, "ask": self.asks, "buy": self.buys}
        return next((name for name, path in paths.items() if path and exchange.path.startswith(path)), "")

    def watch(self, before: Answer, after: Answer = lambda exchange: None) -> None:
        """Look at every request when it has arrived, and when its answer has left; who looks may wait."""
        for server in {id(each): each for each in (self.server, self.results)}.values():
            _watch(server, before, after)

    def fail(self, phase: str, fault: Answer, times: int = 1) -> None:
        """Answer the next requests of a phase so instead."""
        paths = {"upload": self.uploads, "buy": self.buys, "ask": self.asks, "download": "/"}
        path = paths[phase]
        assert path is not None, f"{self.provider} has no phase {phase}"
        # What is asked about may lie below what is bought.
        method = "POST" if phase == "buy" else ""
        (self.results if phase == "download" else self.server).fail(path, fault, times, method=method)

    def forget_faults(self) -> None:
        self.server.faults.clear()
        self.results.faults.clear()


def _watch(server: Server, before: Answer, after: Answer) -> None:
    chosen = server._answer_of

    def answer_of(exchange: Exchange, usual: Answer) -> Answer:
        def watched(exchange: Exchange) -> None:
            _ = exchange.body
            before(exchange)
            chosen(exchange, usual)(exchange)
            after(exchange)

        return watched

    server._answer_of = answer_of  # type: ignore[method-assign]


class Gate:
    """Keeps the first request of a phase waiting, after it has arrived, until somebody lets it through."""

    def __init__(self, service: Service, phase: str) -> None:
        self._service, self._phase = service, phase
        self._has_come, self._is_open = threading.Event(), threading.Event()
        service.watch(self._look)

    def _look(self, exchange: Exchange) -> None:
        if self._service.phase(exchange) == self._phase and not self._has_come.is_set():
            self._has_come.set()
            self._is_open.wait(HANGS_SECONDS)

    def wait(self) -> None:
        assert self._has_come.wait(HANGS_SECONDS), f"no request of the phase {self._phase} came"

    def let_through(self) -> None:
        self._is_open.set()


def _decoded(text: str) -> bytes:
    """A picture in JSON: base64, with or without the beginning of a data URI."""
    return base64.b64decode(text.rpartition(",")[2], validate=True)


def _without(fields: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in names}


def _sides_in(fields: dict[str, Any]) -> list[str]:
    """The fields that hold a picture."""
    return [name for name in fields if name.startswith("image") or name.endswith("image_url")]


def _modelslab(provider: str, dialect: str) -> Callable[[User], contextlib.AbstractContextManager[Service]]:
    @contextlib.contextmanager
    def running(user: User) -> Iterator[Service]:
        server = ModelsLabServer(KEY, MODELS, dialect=dialect)  # type: ignore[arg-type]
        with server:
            user.environment |= {
                "MODELSLAB_API_KEY": KEY,
                f"IMAGE_TO_3D_{provider.upper()}_URL": f"{server.base_url}/v6",
            }
            yield Service(
                provider=provider,
                server=server,
                results=server.cdn,
                buys="/api/v6/3d/image_to_3d",
                asks="/api/v6/3d/fetch/",
                uploads="/api/v6/base64_to_url",
                purchases=lambda: server.billable,
                complaints=lambda: server.complaints,
                base_url=f"{server.base_url}/v6",
                sent=lambda: _without(server.generated[-1], "init_image", "image"),
                pictures=lambda: list(server.uploads.values()),
                spare=("eta", "generationTime", "meta", "tip", "future_links", "extra_assets", "fetch_result", "seed"),
                at_work={"status": "processing", "messege": "Request processing", "output": ""},
                empty={"status": "success", "output": ""},
            )

    return running


@contextlib.contextmanager
def _aimlapi(user: User) -> Iterator[Service]:
    with AimlApiServer(KEY, MODELS) as server:
        user.environment |= {"AIMLAPI_API_KEY": KEY, "IMAGE_TO_3D_AIMLAPI_URL": server.url}
        yield Service(
            provider="aimlapi",
            server=server,
            results=server.cdn,
            buys="/v1/images/generations",
            asks=None,
            uploads=None,
            purchases=lambda: server.billable,
            complaints=lambda: server.complaints,
            base_url=server.url,
            sent=lambda: _without(server.generated[-1], "model", *_sides_in(server.generated[-1])),
            pictures=lambda: [_decoded(server.generated[-1][side]) for side in _sides_in(server.generated[-1])],
            spare=("meta", "usage", "timings", "requestId", "seed", "remeshing_dir"),
            empty={"data": [], "meta": None},
        )


@contextlib.contextmanager
def _one_min_ai(user: User) -> Iterator[Service]:
    with OneMinAiServer(KEY, MODELS["glb"]) as server:
        user.environment |= {"ONE_MIN_AI_API_KEY": KEY, "IMAGE_TO_3D_ONE_MIN_AI_URL": f"{server.url}/api"}
        yield Service(
            provider="one_min_ai",
            server=server,
            results=server.cdn,
            buys="/api/features",
            asks="/api/results/",
            uploads="/api/assets",
            purchases=lambda: server.billable,
            complaints=lambda: server.complaints,
            base_url=f"{server.url}/api",
            sent=lambda: _without(server.generated[-1]["promptObject"], "imageUrl"),
            pictures=lambda: list(server.assets.values()),
            spare=("teamUser", "usedCredit", "aiRecordDetail", "createdAt", "metadata", "additionalData"),
            at_work={"aiRecord": {"uuid": "a-b-c", "status": "PROCESSING"}},
            empty={"aiRecord": {"uuid": "a-b-c", "status": "SUCCESS", "temporaryUrl": None}},
        )


_MESHY_PICTURES = ("image_url", "image_urls")


@contextlib.contextmanager
def _meshy(user: User) -> Iterator[Service]:
    with MeshyServer(KEY, MODELS) as server:
        user.environment |= {"MESHY_API_KEY": KEY, "IMAGE_TO_3D_MESHY_URL": f"{server.url}/openapi/v1"}
        yield Service(
            provider="meshy",
            server=server,
            results=server.cdn,
            buys="/openapi/v1/image-to-3d",
            asks="/openapi/v1/image-to-3d/",
            uploads=None,
            purchases=lambda: server.billable,
            complaints=lambda: server.complaints,
            base_url=f"{server.url}/openapi/v1",
            sent=lambda: _without(server.generated[-1], "ai_model", "target_formats", *_MESHY_PICTURES),
            pictures=lambda: [
                _decoded(text)
                for name in _MESHY_PICTURES
                if (value := server.generated[-1].get(name))
                for text in (value if isinstance(value, list) else [value])
            ],
            spare=("progress", "preceding_tasks", "started_at", "finished_at", "consumed_credits", "task_error"),
            at_work={"id": "a-b-c", "status": "IN_PROGRESS", "progress": 50},
            empty={"id": "a-b-c", "status": "SUCCEEDED", "model_urls": {}},
        )


@contextlib.contextmanager
def _hunyuan3d(user: User) -> Iterator[Service]:
    with Hunyuan3DServer("2.0", MODELS) as server:
        user.environment["IMAGE_TO_3D_HUNYUAN3D_URL"] = server.url
        yield Service(
            provider="hunyuan3d",
            server=server,
            results=server,
            buys="/send",
            asks="/status/",
            uploads=None,
            purchases=lambda: len(server.generated),
            complaints=list,
            base_url=server.url,
            sent=lambda: _without(server.generated[-1], *_sides_in(server.generated[-1])),
            pictures=lambda: [_decoded(server.generated[-1][side]) for side in _sides_in(server.generated[-1])],
            spare=("message", "initial_model_base64"),
            at_work={"status": "processing"},
            empty={"status": "completed", "model_base64": ""},
            is_paid=False,
        )


SERVICES: dict[str, Callable[[User], contextlib.AbstractContextManager[Service]]] = {
    "modelslab": _modelslab("modelslab", "v6"),
    "modelslab_instantmesh": _modelslab("modelslab_instantmesh", "instantmesh"),
    "aimlapi": _aimlapi,
    "one_min_ai": _one_min_ai,
    "meshy": _meshy,
    "hunyuan3d": _hunyuan3d,
}

FOR_EVER = 1_000_000
"""More often than anybody asks."""


# Errors that the services document.


@dataclass
class Documented:
    """An error of a service, and what it means."""

    name: str
    script: Callable[[Any], None]
    """Lets the fake say it."""
    kind: str
    exit_status: int
    charged: str = "no"


def _fails_with(failure: Any) -> Callable[[ModelsLabServer], None]:
    return lambda server: server.fails_with(failure, times=9)


def _ends_as(end: Any) -> Callable[[ModelsLabServer], None]:
    return lambda server: setattr(server, "ends_as", end)


def _goes_wrong(trouble: str, **headers: str) -> Callable[[Any], None]:
    return lambda server: server.go_wrong(trouble, times=9, **headers)


def _answers(path: str, status: int, body: Any) -> Callable[[Any], None]:
    return lambda server: server.fail(path, loopback.status(status, body=body), times=9)


def _withdraw(server: AimlApiServer) -> None:
    server.withdrawn["magic/image-to-3d"] = 404


def _fail_later(server: OneMinAiServer) -> None:
    server.fails = "The picture shows nothing."


def _end(server: MeshyServer) -> None:
    server.ends_as = "FAILED"


def _hang(server: Hunyuan3DServer) -> None:
    server.fails = True


MODELSLAB_ERRORS = [
    Documented("key", _fails_with(FAILURES["key"]), "KeyRefused", 3),
    Documented("old key", _fails_with(FAILURES["old key"]), "KeyRefused", 3),
    Documented("credits", _fails_with(FAILURES["credits"]), "OutOfCredit", 3),
    Documented("plan", _fails_with(FAILURES["plan"]), "AccountError", 3),
    Documented("image", _fails_with(FAILURES["image"]), "GenerationFailed", 1),
    Documented("old failure", _fails_with(FAILURES["old failure"]), "GenerationFailed", 1),
    Documented("server", _fails_with(FAILURES["server"]), "OutcomeUnknown", 1, "maybe"),
    Documented("busy", _fails_with(FAILURES["busy"]), "OutcomeUnknown", 1, "maybe"),
    Documented("queue full", _fails_with(queue_full(3600)), "Busy", 4),
    Documented("old rate limit", _fails_with(old_rate_limit(3600)), "Busy", 4),
    Documented("failed later", _ends_as("failed"), "GenerationFailed", 1, "maybe"),
    Documented("error later", _ends_as("error"), "GenerationFailed", 1, "maybe"),
    Documented("never ends", _ends_as("never"), "Stalled", 1, "maybe"),
]
ERRORS: dict[str, list[Documented]] = {
    "modelslab": MODELSLAB_ERRORS,
    "modelslab_instantmesh": MODELSLAB_ERRORS,
    "aimlapi": [
        Documented("credit", _goes_wrong("credit"), "OutOfCredit", 3),
        Documented("forbidden", _goes_wrong("forbidden"), "KeyRefused", 3),
        Documented("failure", _goes_wrong("failure"), "GenerationFailed", 1),
        Documented("maintenance", _goes_wrong("maintenance"), "GenerationFailed", 1),
        Documented("gateway", _goes_wrong("gateway"), "GenerationFailed", 1),
        Documented("gateway page", _goes_wrong("gateway_page"), "OutcomeUnknown", 1, "maybe"),
        Documented("unavailable", _goes_wrong("unavailable"), "GenerationFailed", 1),
        Documented("timeout", _goes_wrong("timeout"), "GenerationFailed", 1),
        Documented("openai", _goes_wrong("openai"), "GenerationFailed", 1),
        Documented("busy", _goes_wrong("busy", retry_after="3600"), "Busy", 4),
        Documented("withdrawn", _withdraw, "GenerationFailed", 1),
    ],
    "one_min_ai": [
        Documented("auth", _goes_wrong("auth"), "KeyRefused", 3),
        Documented("credit", _goes_wrong("credit"), "OutOfCredit", 3),
        Documented("external", _goes_wrong("external"), "GenerationFailed", 1),
        Documented("busy", _goes_wrong("busy", retry_after="3600"), "Busy", 4),
        Documented("522", _goes_wrong("522"), "OutcomeUnknown", 1, "maybe"),
        Documented("524", _goes_wrong("524"), "OutcomeUnknown", 1, "maybe"),
        Documented("failure", _fail_later, "GenerationFailed", 1, "maybe"),
    ],
    "meshy": [
        Documented("auth", _goes_wrong("auth"), "KeyRefused", 3),
        Documented("busy", _goes_wrong("busy", retry_after="3600"), "Busy", 4),
        Documented("credit", _goes_wrong("credit"), "OutOfCredit", 3),
        Documented("forbidden", _goes_wrong("forbidden"), "KeyRefused", 3),
        Documented("picture", _goes_wrong("picture"), "GenerationFailed", 1),
        Documented("server", _goes_wrong("server"), "OutcomeUnknown", 1, "maybe"),
        Documented("unavailable", _goes_wrong("unavailable"), "OutcomeUnknown", 1, "maybe"),
        Documented("failed", _end, "GenerationFailed", 1),
    ],
    "hunyuan3d": [
        Documented("hangs", _hang, "Stalled", 1),
        Documented("traffic", _answers("/send", 404, {"text": TRAFFIC, "error_code": 1}), "GenerationFailed", 1),
        Documented("not started", _answers("/send", 500, {"error": "Failed to start"}), "GenerationFailed", 1),
        Documented("unreadable", _answers("/status", 500, {"status": "error", "message": "No"}), "GenerationFailed", 1),
        Documented(
            "value", _answers("/send", 422, {"detail": [{"loc": ["body", "seed"], "msg": "No"}]}), "BadOption", 2
        ),
    ],
}


def files_with(user: User, secret: str, *folders: Path) -> list[Path]:
    """Return the files of a user in which a secret stands."""
    found = [path for folder in (user.home, *folders) for path in folder.rglob("*") if path.is_file()]
    return [path for path in found if secret.encode() in path.read_bytes()]
