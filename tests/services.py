# SPDX-License-Identifier: GPL-3.0-or-later
"""The services as their users meet them: a fake of each, written from its documents, and how one asks for a model."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import trimesh

from .conftest import KEY, User
from .fakes.servers.aimlapi import AimlApiServer
from .fakes.servers.hunyuan3d import Hunyuan3DServer
from .fakes.servers.loopback import Server
from .fakes.servers.meshy import MeshyServer
from .fakes.servers.modelslab import ModelsLabServer
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
    is_paid: bool = True

    @property
    def words(self) -> tuple[str, str]:
        return "--provider", self.provider

    @property
    def posts(self) -> int:
        """How often the request that costs money came in, accepted or not."""
        return self.server.count("POST", self.buys)


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
                provider,
                server,
                server.cdn,
                "/api/v6/3d/image_to_3d",
                "/api/v6/3d/fetch/",
                "/api/v6/base64_to_url",
                lambda: server.billable,
                lambda: server.complaints,
            )

    return running


@contextlib.contextmanager
def _aimlapi(user: User) -> Iterator[Service]:
    with AimlApiServer(KEY, MODELS) as server:
        user.environment |= {"AIMLAPI_API_KEY": KEY, "IMAGE_TO_3D_AIMLAPI_URL": server.url}
        yield Service(
            "aimlapi",
            server,
            server.cdn,
            "/v1/images/generations",
            None,
            None,
            lambda: server.billable,
            lambda: server.complaints,
        )


@contextlib.contextmanager
def _one_min_ai(user: User) -> Iterator[Service]:
    with OneMinAiServer(KEY, MODELS["glb"]) as server:
        user.environment |= {"ONE_MIN_AI_API_KEY": KEY, "IMAGE_TO_3D_ONE_MIN_AI_URL": f"{server.url}/api"}
        yield Service(
            "one_min_ai",
            server,
            server.cdn,
            "/api/features",
            "/api/results/",
            "/api/assets",
            lambda: server.billable,
            lambda: server.complaints,
        )


@contextlib.contextmanager
def _meshy(user: User) -> Iterator[Service]:
    with MeshyServer(KEY, MODELS) as server:
        user.environment |= {"MESHY_API_KEY": KEY, "IMAGE_TO_3D_MESHY_URL": f"{server.url}/openapi/v1"}
        yield Service(
            "meshy",
            server,
            server.cdn,
            "/openapi/v1/image-to-3d",
            "/openapi/v1/image-to-3d/",
            None,
            lambda: server.billable,
            lambda: server.complaints,
        )


@contextlib.contextmanager
def _hunyuan3d(user: User) -> Iterator[Service]:
    with Hunyuan3DServer("2.0", MODELS) as server:
        user.environment["IMAGE_TO_3D_HUNYUAN3D_URL"] = server.url
        yield Service(
            "hunyuan3d",
            server,
            server,
            "/send",
            "/status/",
            None,
            lambda: len(server.generated),
            list,
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


def files_with(user: User, secret: str, *folders: Path) -> list[Path]:
    """Return the files of a user in which a secret stands."""
    found = [path for folder in (user.home, *folders) for path in folder.rglob("*") if path.is_file()]
    return [path for path in found if secret.encode() in path.read_bytes()]
