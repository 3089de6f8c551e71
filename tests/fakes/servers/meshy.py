# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshy's image-to-3D tasks, from its documents (docs.meshy.ai) and its own clients, without the models.

Create a task, ask for it, and fetch the model from another server. Stricter than the service, which ignores fields that
it does not know: here they are refused. The documents give statuses and the field `message`; the words are inferred,
and so is that every question signs the links anew.
"""

from __future__ import annotations

import base64
import binascii
import secrets
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from .loopback import Exchange
from .shop import Shop, picture_type, strict_json

BASE = "/openapi/v1"
SINGLE = "image-to-3d"
MULTI = "multi-image-to-3d"
TROUBLES: dict[str, tuple[int, str]] = {
    "auth": (401, "Invalid API key"),
    "busy": (429, "NoMorePendingTasks: the queue of your plan is full"),
    "credit": (402, "Insufficient credits"),
    "forbidden": (403, "Forbidden"),
    "picture": (400, "The image could not be processed"),
    "server": (500, "Internal server error"),
    "unavailable": (503, "Service unavailable"),
}
MODELS = ("meshy-5", "meshy-6", "meshy-7", "latest")
FORMATS = ("glb", "obj", "fbx", "stl", "usdz", "3mf")
ERROR_SHAPES = ("message", "error_code")
_PICTURE_TYPES = ("image/jpeg", "image/png")
_NOT_FOR = {
    "meshy-5": ("image_enhancement", "remove_lighting", "texture_resolution"),
    "meshy-7": ("image_enhancement", "remove_lighting"),
}
_NEED_TEXTURE = ("enable_pbr", "texture_prompt", "texture_resolution")
_PRICE = 20
_MESHY_5_PRICE = 5
_TEXTURE_PRICE = 10
_8K_TEXTURE_PRICE = 15


class _Refused(Exception):
    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers


Check = Callable[[Any], bool]


def _one_of(*choices: str) -> Check:
    return lambda value: isinstance(value, str) and value in choices


def _boolean(value: Any) -> bool:
    return isinstance(value, bool)


def _faces(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 100 <= value <= 300_000


def _prompt(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 600


def _formats(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(each in FORMATS for each in value)


OPTIONS: dict[str, Check] = {
    "ai_model": _one_of(*MODELS),
    "topology": _one_of("quad", "triangle"),
    "target_polycount": _faces,
    "should_remesh": _boolean,
    "pose_mode": _one_of("", "a-pose", "t-pose"),
    "should_texture": _boolean,
    "enable_pbr": _boolean,
    "texture_prompt": _prompt,
    "texture_resolution": _one_of("2k", "4k", "8k"),
    "image_enhancement": _boolean,
    "remove_lighting": _boolean,
    "target_formats": _formats,
}
"""What both endpoints take and still heed, as far as a client here may send it."""


@dataclass
class _Task:
    """What was asked for, and how far it is."""

    kind: str
    body: dict[str, Any]
    price: int
    polls: int
    ends_as: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    created: int = field(default_factory=lambda: int(time.time() * 1000))
    asked: int = 0
    is_over: bool = False


class MeshyServer(Shop):
    """models: what comes out, by file type; "glb" must be there."""

    def __init__(self, key: str, models: dict[str, bytes]) -> None:
        self.models = models
        self.polls = 2
        """How often a task is not finished yet."""
        self.waits = 1
        """How often of these it waits; then it is at work."""
        self.ends_as = "SUCCEEDED"
        """Or FAILED, CANCELED, EXPIRED; or anything else, for ever."""
        self.fails = "The image shows nothing that can be modelled."
        """What `task_error` says of a task that has FAILED."""
        self.error_shape = "message"
        """Of refusals: as documented, or "error_code", which Meshy's own client looks for too."""
        self.has_consumed_credits = True
        self.balance = 1000
        self.models_retired: set[str] = set()
        self.tasks: dict[str, _Task] = {}
        super().__init__(key, "authorization", frozenset(TROUBLES))

    def key_value(self) -> str:
        return f"Bearer {self.key}"

    def answer(self, exchange: Exchange) -> None:
        try:
            self._route(exchange)
        except _Refused as refused:
            body = {"message": refused.message}
            if self.error_shape == "error_code":
                body["error_code"] = refused.message.partition(":")[0].title().replace(" ", "")
            exchange.json(body, refused.status, **refused.headers)

    def _route(self, exchange: Exchange) -> None:
        parts = urlsplit(exchange.path)
        if exchange.method == "POST":
            with self.lock:
                self.creates += 1
        if parts.query:
            raise _Refused(400, "there is no query")
        match exchange.method, parts.path.removeprefix(f"{BASE}/").split("/"):
            case "POST", [(("image-to-3d" | "multi-image-to-3d") as kind)]:
                self._check_key(exchange)
                self._create(exchange, kind)
            case "GET", ["balance"]:
                self._check_key(exchange)
                exchange.json({"balance": self.balance})
            case "GET", [(("image-to-3d" | "multi-image-to-3d") as kind), task]:
                self._check_key(exchange)
                exchange.json(self._seen_task(self._task(kind, task)))
            case "DELETE", [(("image-to-3d" | "multi-image-to-3d") as kind), task]:
                self._check_key(exchange)
                self._delete(self._task(kind, task))
                exchange.reply(200)
            case _:
                raise _Refused(404, "Not found")

    def _check_key(self, exchange: Exchange) -> None:
        if not self.is_authorised(exchange):
            raise _Refused(*TROUBLES["auth"])

    def _task(self, kind: str, task: str) -> _Task:
        found = self.tasks.get(task)
        if found is None or found.kind != kind:
            raise _Refused(404, "Task not found")
        return found

    # A new task.

    def _create(self, exchange: Exchange, kind: str) -> None:
        try:
            body = strict_json(exchange)
        except ValueError as error:
            raise _Refused(400, str(error)) from error
        self._check(body, kind)
        trouble, headers = self.next_trouble() or ("", {})
        if trouble:
            raise _Refused(*TROUBLES[trouble], **headers)
        task = _Task(kind, body, _price(body), self.polls, self.ends_as)
        with self.lock:
            if self.balance < task.price:
                raise _Refused(*TROUBLES["credit"])
            self.balance -= task.price
            self.accept(body)
            self.tasks[task.id] = task
        exchange.json({"result": task.id}, 202)

    def _check(self, body: Any, kind: str) -> None:
        if not isinstance(body, dict):
            raise _Refused(400, "the body is not an object")
        name = "image_url" if kind == SINGLE else "image_urls"
        if name not in body:
            raise _Refused(400, f"{name} is required")
        pictures = [body[name]] if kind == SINGLE else body[name]
        if not isinstance(pictures, list) or not 1 <= len(pictures) <= 4:
            raise _Refused(400, f"{name} must be 1 to 4 images")
        for each in pictures:
            self._check_picture(each)
        for option, value in body.items():
            if option != name and option not in OPTIONS:
                raise _Refused(400, f"unknown field {option}")
            if option != name and not OPTIONS[option](value):
                raise _Refused(400, f"{option} is invalid")
        self._check_together(body)

    def _check_picture(self, value: Any) -> None:
        if not isinstance(value, str):
            raise _Refused(400, "an image is not a text")
        if value in self.known_urls:
            return
        head, _, data = value.partition(",")
        media_type = head.removeprefix("data:").removesuffix(";base64")
        if head != f"data:{media_type};base64" or media_type not in _PICTURE_TYPES:
            raise _Refused(400, "an image is neither a data URI of a JPEG or PNG nor a public address")
        try:
            found = picture_type(base64.b64decode(data, validate=True))
        except binascii.Error:
            raise _Refused(400, "an image is not base64") from None
        if found != media_type:
            raise _Refused(400, f"an image is {found}, and called {media_type}")

    def _check_together(self, body: dict[str, Any]) -> None:
        """Refuse what does not fit, and complain of what the service would pass over in silence."""
        model = body.get("ai_model", "latest")
        if model in self.models_retired:
            raise _Refused(400, f"ai_model {model} is retired")
        if not body.get("should_texture", True) and (wrong := [each for each in _NEED_TEXTURE if each in body]):
            raise _Refused(400, f"{wrong[0]} requires should_texture")
        if not body.get("should_remesh", model == "meshy-5"):
            idle = [each for each in ("topology", "target_polycount") if each in body]
            self.complaints += [f"{each} without should_remesh is ignored" for each in idle]
        self.complaints += [f"{each} is not for {model}" for each in _NOT_FOR.get(model, ()) if each in body]

    # A task that is there.

    def _seen_task(self, task: _Task) -> dict[str, Any]:
        with self.lock:
            status, progress = self._status(task)
            if status in {"SUCCEEDED", "FAILED", "CANCELED", "EXPIRED"} and not task.is_over:
                task.is_over = True
                if status == "FAILED":
                    self.balance += task.price
        is_made = status == "SUCCEEDED"
        seen: dict[str, Any] = {
            "id": task.id,
            "type": task.kind,
            "status": status,
            "progress": progress,
            "preceding_tasks": 3 if status == "PENDING" else 0,
            "created_at": task.created,
            "started_at": 0 if status == "PENDING" else task.created + 1000,
            "finished_at": task.created + 66_000 if task.is_over else 0,
            "expires_at": task.created + 259_200_000 if is_made else 0,
            "task_error": {"message": self.fails if status == "FAILED" else ""},
            "model_urls": self._links(task) if is_made else {},
            "texture_urls": [],
            "thumbnail_url": "",
        }
        if self.has_consumed_credits:
            seen["consumed_credits"] = 0 if status == "FAILED" else task.price
        return seen

    def _status(self, task: _Task) -> tuple[str, int]:
        task.asked += 1
        if task.asked <= task.polls:
            return ("PENDING", 0) if task.asked <= self.waits else ("IN_PROGRESS", 100 * (task.asked - 1) // task.polls)
        return task.ends_as, 100 if task.ends_as == "SUCCEEDED" else 0

    def _links(self, task: _Task) -> dict[str, str]:
        kinds = [each for each in task.body.get("target_formats", FORMATS) if each in self.models]
        return {each: self._link(task, each) for each in kinds}

    def _link(self, task: _Task, kind: str) -> str:
        """A new one each time, as it is signed anew."""
        query = f"Expires={task.created // 1000 + 259_200}&Signature={secrets.token_urlsafe(40)}&Key-Pair-Id=KL5I"
        path = f"/{uuid.uuid5(uuid.NAMESPACE_URL, self.key)}/tasks/{task.id}/output/model.{kind}?{query}"
        return self.cdn.link(path, self.models[kind])

    def _delete(self, task: _Task) -> None:
        """A waiting task is refunded, one at work goes on, and a finished one is gone with its files."""
        with self.lock:
            if task.asked > 1 and not task.is_over:
                raise _Refused(400, "a task in progress cannot be deleted")
            if not task.is_over:
                self.balance += task.price
            del self.tasks[task.id]


def _price(body: dict[str, Any]) -> int:
    mesh = _MESHY_5_PRICE if body.get("ai_model") == "meshy-5" else _PRICE
    texture = _8K_TEXTURE_PRICE if body.get("texture_resolution") == "8k" else _TEXTURE_PRICE
    return mesh + (texture if body.get("should_texture", True) else 0)
