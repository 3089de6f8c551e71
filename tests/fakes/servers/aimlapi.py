# SPDX-License-Identifier: GPL-3.0-or-later
"""AI/ML API's 3D models, from its documents (aimlapi/api-docs), without the models.

One request makes the model and waits for it. Stricter than the service in what its documents leave open: unknown fields
are refused, and pictures from elsewhere must be in `known_urls`.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from .loopback import Exchange
from .shop import Shop, picture_type, strict_json

CREATE = "/v1/images/generations"
CREDITS_PER_USD = 2_000_000
NO_KEY = (
    "This request requires a valid API key. You can create a new API key on the Billing page: "
    "https://aimlapi.com/app/keys"
)
NO_CREDIT = (
    "You've run out of credits. Please top up your balance or update your payment method to continue: "
    "https://aimlapi.com/app/billing/"
)
# What the documents say, except for "forbidden" and "gateway", for which they have only the status.
TROUBLES: dict[str, tuple[int, str]] = {
    "credit": (403, NO_CREDIT),
    "forbidden": (403, "Forbidden resource"),
    "busy": (429, "Too Many Requests"),
    "failure": (500, "Something wrong with the server. Please, try again later."),
    "maintenance": (
        500,
        "The model is under maintenance, please contact us at help@aimlapi.com. Your Request ID is {request}.",
    ),
    "gateway": (502, "Bad Gateway"),
    "gateway_page": (502, "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"),
    "unavailable": (503, "Service unavailable"),
    "timeout": (504, "Generation timeout"),
    "openai": (400, "The image could not be processed."),
}
SHAPES = ("model_mesh", "meshy", "meshy_urls_only", "data", "data_b64", "segmented_mesh", "nested")
_CLIENT_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

Check = Callable[[Any], str | None]
"""Return what is wrong with a value, as the service says it."""


def _received(value: Any) -> str:
    names = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")


def _enum_line(choices: Iterable[str], value: Any) -> str:
    shown = f"'{value}'" if isinstance(value, str) else _received(value)
    expected = " | ".join(f"'{each}'" for each in choices)
    return f"Invalid enum value. Expected {expected}, received {shown}"


def _one_of(*choices: str) -> Check:
    return lambda value: None if isinstance(value, str) and value in choices else _enum_line(choices, value)


def _boolean(value: Any) -> str | None:
    return None if isinstance(value, bool) else f"Expected boolean, received {_received(value)}"


def _number(least: float, most: float, *, whole: bool = False) -> Check:
    def check(value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return f"Expected number, received {_received(value)}"
        if whole and not isinstance(value, int):
            return "Expected integer, received float"
        if value < least:
            return f"Number must be greater than or equal to {least}"
        return f"Number must be less than or equal to {most}" if value > most else None

    return check


def _text(most: int) -> Check:
    def check(value: Any) -> str | None:
        if not isinstance(value, str):
            return f"Expected string, received {_received(value)}"
        return f"String must contain at most {most} character(s)" if len(value) > most else None

    return check


@dataclass(frozen=True)
class _Model:
    name: str
    developer: str
    shape: str
    price: int
    pictures: tuple[str, ...]
    """Fields for pictures; the first is required."""
    picture_types: frozenset[str] = frozenset({"image/jpeg", "image/png", "image/webp"})
    options: Mapping[str, Check] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()


_SIDES = ("front_image_url", "left_image_url", "back_image_url", "right_image_url")
MODELS: dict[str, _Model] = {
    "magic/image-to-3d": _Model("Image to 3D", "Magic", "model_mesh", 400_000, _SIDES),
    "triposr": _Model(
        "TripoSR",
        "Stability AI",
        "model_mesh",
        182_000,
        ("image_url",),
        options={
            "output_format": _one_of("glb", "obj"),
            "do_remove_background": _boolean,
            "foreground_ratio": _number(0.5, 1),
            "mc_resolution": _number(32, 1024, whole=True),
        },
    ),
    "meshy/meshy-6-image-to-3d": _Model(
        "Meshy 6 Image to 3D",
        "Meshy",
        "meshy",
        2_080_000,
        ("image_url",),
        frozenset({"image/jpeg", "image/png", "image/avif", "image/heif"}),
        {
            "model_type": _one_of("standard", "lowpoly", "smart-topology"),
            "topology": _one_of("triangle", "quad"),
            "target_polycount": _number(100, 300_000, whole=True),
            "symmetry_mode": _one_of("off", "auto", "on"),
            "should_remesh": _boolean,
            "should_texture": _boolean,
            "enable_pbr": _boolean,
            "pose_mode": _one_of("a-pose", "t-pose", ""),
            "texture_prompt": _text(600),
        },
        ("meshy/v6/image-to-3d",),
    ),
}
_CANONICAL = {name: each for each, model in MODELS.items() for name in (each, *model.aliases)}
_MESHY_TYPES = {
    "glb": "model/gltf-binary",
    "fbx": "application/octet-stream",
    "obj": "text/plain",
    "usdz": "model/vnd.usdz+zip",
    "blend": "application/octet-stream",
    "stl": "application/octet-stream",
}


@dataclass(frozen=True)
class _Order:
    """A generation that was accepted."""

    body: dict[str, Any]
    model: str
    price: int
    request: str

    @property
    def usd(self) -> float:
        return self.price / CREDITS_PER_USD

    @property
    def usage(self) -> dict[str, Any]:
        return {"usage": {"credits_used": self.price}}

    @property
    def kind(self) -> str:
        return str(self.body.get("output_format", "glb"))


class AimlApiServer(Shop):
    """models: what comes out, by file type; "glb" must be there, "obj" for triposr's, the others for Meshy's."""

    def __init__(self, key: str, models: dict[str, bytes]) -> None:
        self.models = models
        self.shape: str | None = None
        """One of SHAPES; None: the one that was captured for the model."""
        self.status = 200
        """Of a success: 200 or 201."""
        self.credits = 20_000_000
        """Too few for a generation: it is refused as without credit."""
        self.withdrawn: dict[str, int] = {}
        """Models that are no longer sold, and whether that is said with 404 or 400."""
        self.data_extension = "png"
        """Of the address in the shape "data"; the documents' example is the one of pictures."""
        self._routes: dict[str, tuple[str, bool, Callable[[Exchange], None]]] = {
            CREATE: ("POST", True, self._generate),
            "/v2/billing": ("GET", True, self._balance),
            "/v1/billing/balance": ("GET", True, self._older_balance),
            "/v1/models": ("GET", False, self._models),
        }
        super().__init__(key, "authorization", frozenset(TROUBLES))

    def key_value(self) -> str:
        return f"Bearer {self.key}"

    def answer(self, exchange: Exchange) -> None:
        path = urlsplit(exchange.path).path
        method, needs_key, answer = self._routes.get(path, ("", False, None))
        self._mind_the_client_id(exchange)
        if path == CREATE:
            with self.lock:
                self.creates += exchange.method == "POST"
            if path != exchange.path:
                self.complaints.append(f"{exchange.path[:60]}: nobody reads the query")
        if answer is None:
            self._refuse(exchange, 404, f"Cannot {exchange.method} {path}")
        elif exchange.method != method:
            self._refuse(exchange, 405, "Method Not Allowed", allow=method)
        elif needs_key and not self.is_authorised(exchange):
            self._refuse(exchange, 401, NO_KEY)
        else:
            answer(exchange)

    # What it says.

    def _say(self, exchange: Exchange, value: Any, status: int = 200, **headers: str) -> None:
        client = exchange.seen.headers.get("x-client-request-id", "")
        echo = {"x_client_request_id": client} if _CLIENT_ID.fullmatch(client) else {}
        exchange.json(value, status, x_inference_id=secrets.token_urlsafe(15), **echo, **headers)

    def _refuse(self, exchange: Exchange, status: int, message: str, **headers: str) -> None:
        request = str(uuid.uuid4())
        error = {
            "message": message.replace("{request}", request),
            "path": urlsplit(exchange.path).path,
            "requestId": request,
            "statusCode": str(status),
            "timestamp": _now(),
        }
        self._say(exchange, error, status, **headers)

    def _mind_the_client_id(self, exchange: Exchange) -> None:
        """The service drops one that is malformed, silently."""
        client = exchange.seen.headers.get("x-client-request-id")
        if client is not None and not _CLIENT_ID.fullmatch(client):
            self.complaints.append(f"X-Client-Request-Id is malformed: {client[:140]!r}")

    # The account and the catalogue.

    def _balance(self, exchange: Exchange) -> None:
        self._say(exchange, {"current_balance": round(self.credits / CREDITS_PER_USD, 9), "currency": "USD"})

    def _older_balance(self, exchange: Exchange) -> None:
        balance = {
            "balance": self.credits,
            "lowBalance": self.credits < 10_000,
            "lowBalanceThreshold": 10_000,
            "lastUpdated": _now(),
            "autoDebitStatus": "disabled",
            "status": "current",
            "statusExplanation": "Balance is current and up to date",
        }
        self._say(exchange, balance)

    def _models(self, exchange: Exchange) -> None:
        query = parse_qs(urlsplit(exchange.path).query)
        wanted = {each.lower() for value in query.get("id", []) for each in value.split(",")}
        included = {each for value in query.get("include", []) for each in value.split(",")}
        found = [
            _catalogue_entry(name, model, included)
            for name, model in MODELS.items()
            if name not in self.withdrawn and (not wanted or wanted & {name, *model.aliases})
        ]
        self._say(exchange, {"object": "list", "data": found})

    # A generation.

    def _generate(self, exchange: Exchange) -> None:
        try:
            body = strict_json(exchange)
        except ValueError as error:
            self._refuse(exchange, 400, f"Body validation error\n{error}")
            return
        gone = isinstance(body, dict) and self._gone(body.get("model"))
        wrong = [] if gone else self._what_is_wrong(body)
        if gone:
            self._refuse(exchange, 404, f"Model {body['model']} not found")
        elif wrong:
            self._refuse(exchange, 400, "\n".join(["Body validation error", *wrong]))
        elif trouble := self.next_trouble():
            self._go_wrong(exchange, *trouble)
        else:
            self._sell(exchange, body)

    def _sell(self, exchange: Exchange, body: dict[str, Any]) -> None:
        name = _CANONICAL[body["model"]]
        order = _Order(body, name, MODELS[name].price, str(uuid.uuid4()))
        with self.lock:
            is_paid = self.credits >= order.price
            if is_paid:
                self.accept(body)
                self.credits -= order.price
        if not is_paid:
            self._refuse(exchange, 403, NO_CREDIT)
            return
        self.over.wait(self.seconds)
        cost = {"x_aimlapi_credits_used": str(order.price), "x_aimlapi_usd_spent": f"{order.usd:.9f}"}
        self._say(exchange, self._result(order), self.status, **cost)

    def _go_wrong(self, exchange: Exchange, trouble: str, headers: dict[str, str]) -> None:
        status, message = TROUBLES[trouble]
        if trouble == "timeout":
            self.over.wait(self.seconds)
        if trouble == "gateway_page":
            exchange.reply(status, message.encode(), content_type="text/html", **headers)
        elif trouble == "openai":
            error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
            self._say(exchange, {"error": error}, status, **headers)
        else:
            self._refuse(exchange, status, message, **headers)

    # What is wrong with a request.

    def _gone(self, name: Any) -> bool:
        return isinstance(name, str) and self.withdrawn.get(_CANONICAL.get(name, "")) == 404

    def _what_is_wrong(self, body: Any) -> list[str]:
        if not isinstance(body, dict):
            return [f"Expected object, received {_received(body)}"]
        sold = [name for name, canonical in _CANONICAL.items() if canonical not in self.withdrawn]
        name = body.get("model")
        if not isinstance(name, str) or name not in sold:
            return [_enum_line(sold, name) if "model" in body else "Required: 'model'"]
        model = MODELS[_CANONICAL[name]]
        lines = [f"Required: '{model.pictures[0]}'"] if model.pictures[0] not in body else []
        for key, value in body.items():
            if key in model.pictures:
                lines.append(self._wrong_picture(value, model.picture_types) or "")
            elif key in model.options:
                lines.append(model.options[key](value) or "")
            elif key != "model":
                lines.append(f"Unrecognized key(s) in object: '{key}'")
        if not any(lines) and body.get("model_type") == "smart-topology" and body.get("target_polycount", 0) > 15_000:
            lines.append("Number must be less than or equal to 15000")
        return [line for line in lines if line]

    def _wrong_picture(self, value: Any, types: frozenset[str]) -> str | None:
        if not isinstance(value, str):
            return f"Expected string, received {_received(value)}"
        if value.startswith("data:"):
            return _wrong_data(value, types)
        if urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).netloc:
            return "Invalid url"
        return None if value in self.known_urls else "The image could not be downloaded from the url"

    # What comes out.

    def _result(self, order: _Order) -> dict[str, Any]:
        shape = self.shape or MODELS[order.model].shape
        shapes: dict[str, Callable[[_Order], dict[str, Any]]] = {
            "model_mesh": self._model_mesh,
            "meshy": self._meshy,
            "meshy_urls_only": self._meshy_urls_only,
            "data": self._data,
            "data_b64": self._data_b64,
            "segmented_mesh": self._segmented_mesh,
            "nested": self._nested,
        }
        return shapes[shape](order)

    def _file(self, content: bytes, name: str, media_type: str = "application/octet-stream") -> dict[str, Any]:
        """A file as fal.ai's passed on: with its name at the end of the address."""
        path = f"/flamingo/files/b/{secrets.token_hex(4)}/{secrets.token_urlsafe(16)}_{name}"
        return self._file_at(path, content, name, media_type)

    def _file_at(self, path: str, content: bytes, name: str, media_type: str) -> dict[str, Any]:
        url = self.cdn.link(path, content)
        return {"url": url, "content_type": media_type, "file_name": name, "file_size": len(content)}

    def _model_mesh(self, order: _Order) -> dict[str, Any]:
        return {
            "model_mesh": self._file(self.models[order.kind], f"model.{order.kind}"),
            "timings": {"prepare": 3.6838808893226087, "generation": 0.0709337661974132, "export": 0.69070376409},
            "remeshing_dir": None,
            "requestId": order.request,
            "meta": order.usage,
        }

    def _meshy(self, order: _Order) -> dict[str, Any]:
        glb = self._file_at(f"/files/file-{uuid.uuid4()}", self.models["glb"], "model.glb", _MESHY_TYPES["glb"])
        others = {kind: self._meshy_export(kind) for kind in _MESHY_TYPES if kind != "glb"}
        usage = {"credits_used": order.price, "usd_spent": order.usd}
        return {
            **dict.fromkeys(("animation_glb", "animation_fbx")),
            "model_glb": glb,
            "thumbnail": self._file(_PIXEL, "preview.png", "image/png"),
            "model_urls": {"glb": glb, **others},
            "texture_urls": self._textures(order.body),
            "seed": 107751191,
            **dict.fromkeys(("rigged_character_glb", "rigged_character_fbx", "basic_animations", "rig_task_id")),
            "requestId": order.request,
            "meta": {
                "model": "meshy/v6/image-to-3d",
                "provider": "falai",
                "usage": usage,
                "metrics": {"duration_ms": 323751},
            },
        }

    def _meshy_export(self, kind: str) -> dict[str, Any] | None:
        content = self.models.get(kind)
        return self._file(content, f"model.{kind}", _MESHY_TYPES[kind]) if content is not None else None

    def _textures(self, body: dict[str, Any]) -> list[dict[str, Any]] | None:
        if not body.get("should_texture", True):
            return None
        more = body.get("enable_pbr", False)
        maps = [("base_color", True), ("metallic", more), ("normal", more), ("roughness", more)]
        return [
            {
                name: self._file(_PIXEL, f"texture_{number}.png", "image/png") if is_made else None
                for number, (name, is_made) in enumerate(maps)
            }
        ]

    def _meshy_urls_only(self, order: _Order) -> dict[str, Any]:
        return {name: value for name, value in self._meshy(order).items() if name != "model_glb"}

    def _data(self, order: _Order) -> dict[str, Any]:
        path = f"/generations/hedgehog/1749730923700-{uuid.uuid4()}.{self.data_extension}"
        url = self.cdn.link(path, self.models[order.kind])
        return {"data": [{"url": url, "b64_json": None}], "meta": order.usage}

    def _data_b64(self, order: _Order) -> dict[str, Any]:
        content = base64.b64encode(self.models[order.kind]).decode()
        return {"data": [{"b64_json": content}], "meta": order.usage}

    def _segmented_mesh(self, order: _Order) -> dict[str, Any]:
        glb = self.models["glb"]
        return {
            "segmented_mesh": self._file(glb, "segmented.glb"),
            **{f"mask_{number}_mesh": self._file(glb, f"mask_{number}.glb") for number in (1, 2, 3)},
            "best_mask_index": 2,
            "iou_scores": [0.49007099866867065, 0.5047933459281921, 0.4866638779640198],
            "seed": 3285486654,
            "requestId": order.request,
            "meta": order.usage,
        }

    def _nested(self, order: _Order) -> dict[str, Any]:
        """A shape that nobody has seen yet: the file lies deeper, beside a picture."""
        model = self._file(self.models["glb"], "object.glb", "model/gltf-binary")
        del model["file_size"]
        preview = self._file(_PIXEL, "preview.png", "image/png")
        result = {"preview": preview, "asset": {"download": model}}
        return {"result": result, "requestId": order.request, "meta": order.usage}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _wrong_data(uri: str, types: frozenset[str]) -> str | None:
    head, comma, data = uri.partition(",")
    media_type = head.removeprefix("data:").removesuffix(";base64")
    if not comma or not head.endswith(";base64") or media_type not in types | {"image/heic"}:
        return f"Invalid image. Expected a Base64 data URI of {' | '.join(sorted(types))}, received '{head[:60]}'"
    try:
        found = picture_type(base64.b64decode(data, validate=True))
    except binascii.Error:
        return "Invalid base64"
    declared = "image/heif" if media_type == "image/heic" else media_type
    return None if found == declared and found in types else f"Invalid image. Expected {media_type}, received {found}"


def _catalogue_entry(name: str, model: _Model, included: set[str]) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "id": name,
        "aliases": list(model.aliases),
        "type": "image",
        "info": {"name": model.name, "developer": model.developer},
        "tags": ["playground:3d"],
    }
    price = {"price": model.price / CREDITS_PER_USD, "unit": "generation", "per": 1}
    sections: dict[str, Any] = {
        "pricing": {"kind": "fixed", "units": [price]},
        "modalities": {"input": ["image"], "output": ["3d"]},
        "capabilities": ["image_to_3d"],
    }
    return entry | {key: value for key, value in sections.items() if included & {key, "all"}}
