# SPDX-License-Identifier: GPL-3.0-or-later
"""A Hunyuan3D server as `api_server.py` of versions 2.0 and 2.1 writes it, without the model.

From Tencent-Hunyuan/Hunyuan3D-2:api_server.py@9cc41a3 and Hunyuan3D-2.1:api_server.py@0406efe, api_models.py@4ebf83b,
model_worker.py@024fd42. Stricter in one thing: version 2.0 hands fields that it does not know to its pipeline, and 2.1
ignores them; here both refuse.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from typing import Any

from .loopback import Exchange, Server

# The sentence that both versions give for every failure.
TRAFFIC = "**NETWORK ERROR DUE TO HIGH TRAFFIC. PLEASE REGENERATE OR REFRESH THIS PAGE.**"
_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"RIFF")
_OLDER: dict[str, type] = {
    "image": str,
    "image_left": str,
    "image_back": str,
    "image_right": str,
    "seed": int,
    "octree_resolution": int,
    "num_inference_steps": int,
    "guidance_scale": float,
    "num_chunks": int,
    "texture": bool,
    "face_count": int,
    "type": str,
}
# name: type, least, most (pydantic's ge and le)
_NEWER: dict[str, tuple[type, float, float]] = {
    "remove_background": (bool, 0, 1),
    "texture": (bool, 0, 1),
    "seed": (int, 0, 2**32 - 1),
    "octree_resolution": (int, 64, 512),
    "num_inference_steps": (int, 1, 20),
    "guidance_scale": (float, 0.1, 20.0),
    "num_chunks": (int, 1000, 20000),
    "face_count": (int, 1000, 100000),
}


class Hunyuan3DServer(Server):
    """version: "2.0" or "2.1". models: what comes out, by file type. polls: how often it is still at work."""

    def __init__(self, version: str, models: dict[str, bytes], *, polls: int = 1) -> None:
        self.version = version
        self.models = models
        self.polls = polls
        self.has_send = True
        self.fails = False
        """Every generation goes wrong on the server."""
        self.jobs: dict[str, dict[str, Any]] = {}
        self.generated: list[dict[str, Any]] = []
        super().__init__(self._answer)

    @property
    def posts(self) -> int:
        return self.count("POST")

    def _answer(self, exchange: Exchange) -> None:
        match exchange.path.split("/")[1:]:
            case ["health"] if self.version == "2.1" and self._only("GET", exchange):
                exchange.json({"status": "healthy", "worker_id": "a1b2c3"})
            case ["generate"] if self._only("POST", exchange):
                self._generate(exchange)
            case ["send"] if self.has_send and self._only("POST", exchange):
                self._send(exchange)
            case ["status", uid] if self._only("GET", exchange):
                self._status(exchange, uid)
            case _:
                exchange.json({"detail": "Not Found"}, 404)

    def _only(self, method: str, exchange: Exchange) -> bool:
        return exchange.method == method

    def _generate(self, exchange: Exchange) -> None:
        params = self._params(exchange)
        if params is None:
            return
        if self._goes_wrong(params):
            exchange.json({"text": TRAFFIC, "error_code": 1}, 404)
            return
        kind = params.get("type", "glb") if self.version == "2.0" else "glb"
        exchange.reply(200, self.models[kind], content_type="application/octet-stream")

    def _send(self, exchange: Exchange) -> None:
        params = self._params(exchange)
        if params is None:
            return
        uid = f"{secrets.token_hex(4)}-{secrets.token_hex(2)}"
        self.jobs[uid] = {"params": params, "polls": self.polls, "fails": self._goes_wrong(params), "paints": 1}
        exchange.json({"uid": uid})

    def _status(self, exchange: Exchange, uid: str) -> None:
        job = self.jobs.get(uid)
        model = base64.b64encode(self.models["glb"]).decode()
        if job is None or job["fails"]:  # the thread died, and nobody noticed
            exchange.json({"status": "processing"})
        elif job["polls"]:
            job["polls"] -= 1
            exchange.json({"status": "processing"})
        elif self.version == "2.0" and job["params"].get("type", "glb") != "glb":
            exchange.json({"status": "processing"})  # it looks for a .glb that never comes
        elif self.version == "2.0":
            exchange.json({"status": "completed", "model_base64": model})
        elif not job["params"]["texture"] or job["paints"]:  # a bare shape never counts as complete
            job["paints"] = 0
            exchange.json({"status": "texturing"})
        else:
            exchange.json({"status": "completed", "model_base64": model, "initial_model_base64": model})

    def _params(self, exchange: Exchange) -> dict[str, Any] | None:
        """Return the parameters, or answer what is wrong with them."""
        is_json = exchange.seen.headers.get("content-type", "").split(";")[0] == "application/json"
        try:
            params = json.loads(exchange.body) if is_json else None
        except ValueError:
            params = None
        if not isinstance(params, dict):
            wrong = {"type": "model_attributes_type", "loc": ["body"], "msg": "Input should be a valid dictionary"}
            exchange.json({"detail": [wrong]}, 422)
            return None
        if self.version == "2.0":
            return params
        details = _complaints(params)
        if details:
            exchange.json({"detail": details}, 422)
            return None
        return {"texture": False, "remove_background": True, **params}

    def _goes_wrong(self, params: dict[str, Any]) -> bool:
        """Whether worker.generate would raise."""
        self.generated.append(params)
        if self.version == "2.0" and not all(name in _OLDER and _is_a(params[name], _OLDER[name]) for name in params):
            return True
        pictures = [value for name, value in params.items() if name.startswith("image")]
        return self.fails or not pictures or not all(map(_is_picture, pictures))


def _complaints(params: dict[str, Any]) -> list[dict[str, Any]]:
    """Return pydantic's complaints, and one of our own for fields that nobody knows."""
    unknown = set(params) - set(_NEWER) - {"image"}
    found = [{"type": "extra", "loc": ["body", name], "msg": "Nobody knows this field"} for name in unknown]
    if not isinstance(params.get("image"), str):
        found.append({"type": "missing", "loc": ["body", "image"], "msg": "Field required"})
    for name, (kind, least, most) in _NEWER.items():
        value = params.get(name, kind(least))
        if not _is_a(value, kind):
            found.append({"type": "type", "loc": ["body", name], "msg": f"Input should be a valid {kind.__name__}"})
        elif not least <= value <= most:
            message = f"Input should be between {least} and {most}"
            found.append({"type": "range", "loc": ["body", name], "msg": message})
    return found


def _is_a(value: Any, kind: type) -> bool:
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float)) if kind is float else isinstance(value, kind)


def _is_picture(text: str) -> bool:
    """What base64.b64decode and Image.open make of it: a data URI is not a picture."""
    try:
        return base64.b64decode(text).startswith(_PICTURES)
    except binascii.Error:
        return False
