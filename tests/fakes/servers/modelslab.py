# SPDX-License-Identifier: GPL-3.0-or-later
"""ModelsLab's image to 3D as its documents describe it, and the host that its results lie on.

From docs.modelslab.com: 3d-api/image-to-3d (v6), 3d-api/fetch, general-api/base64-to-url, general-api/wallet-balance,
error-codes, enterprise-api/3d-api/image-to-3d; the legacy page of InstantMesh; the old error page of
stablediffusionapi.com. Stricter than the service may be: fields that no page knows are refused, and so are numbers as
strings. What no document says is marked “inferred”.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import itertools
import json
import math
import re
import ssl
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Self
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .loopback import Answer, Exchange, Seen, Server, file

# The seed that the legacy page shows in its reply to the seed 0.
RANDOM_SEED = 3480183101
LARGEST_UPLOAD = 5 * 1024 * 1024
VIDEO = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom\x00\x00\x00\x08free"

Reply = tuple[int, dict[str, Any]]
FAILURES: dict[str, Reply] = {
    # error-codes: the first six
    "key": (401, {"status": "error", "message": "Invalid API key"}),
    "credits": (402, {"status": "error", "message": "Insufficient credits. Please add more credits to continue."}),
    "plan": (403, {"status": "error", "message": "This feature requires a premium subscription"}),
    "server": (500, {"status": "error", "message": "Internal server error. Please try again."}),
    "busy": (503, {"status": "error", "message": "Service temporarily unavailable. Please try again later."}),
    "image": (400, {"status": "error", "message": "Unable to fetch image from provided URL"}),
    # the old pages, with the HTTP status 200
    "old key": (200, {"status": "error", "messege": "Invalid Api Key", "tip": "Please check the key that you sent."}),
    "old failure": (200, {"status": "failed", "id": "", "message": "Failed, Try Again", "output": ""}),
}


def queue_full(retry_after: float = 30) -> Reply:
    """error-codes, 429: the time to wait stands in the body, not in a header."""
    message = "Rate limit exceeded. Maximum 5 queued requests allowed."
    return 429, {"status": "error", "message": message, "retry_after": retry_after}


def old_rate_limit(seconds: int = 30) -> Reply:
    """The old page: HTTP 200, `messege`, and the time to wait in words."""
    tips = f"You have sent too many requests. Please wait for {seconds} seconds before you try again."
    return 200, {"status": "error", "messege": "Rate limit exceeded", "tips": tips}


@dataclass(frozen=True)
class Rule:
    """What a field may hold."""

    kind: Literal["boolean", "integer", "number", "string", "picture"]
    least: float = -math.inf
    most: float = math.inf
    choices: tuple[str, ...] = ()
    nullable: bool = False
    required: bool = False

    def complaint(self, name: str, value: Any) -> str | None:
        if value is None and self.nullable:
            return None
        if not self._is_of_kind(value):
            return f"The {name} must be of the type {self.kind}."
        if self.choices and value not in self.choices:
            return f"The {name} must be one of {', '.join(self.choices)}."
        if self.kind in ("integer", "number") and not self.least <= value <= self.most:
            return f"{name} must be between {self.least:g} and {self.most:g}"
        if self.kind == "picture" and not re.fullmatch(r"https?://[^\s/]+/\S+", value):
            return f"The {name} must be a valid URL."
        return None

    def _is_of_kind(self, value: Any) -> bool:
        if isinstance(value, bool) or self.kind == "boolean":
            return isinstance(value, bool) and self.kind == "boolean"
        if self.kind == "number":
            return isinstance(value, int | float)
        return isinstance(value, int if self.kind == "integer" else str)


# No page gives a lower end for resolution and chunk_size, nor any for seed; these are inferred.
_SHARED = {
    "render": Rule("boolean"),
    "resolution": Rule("integer", 1, 512),
    "chunk_size": Rule("integer", 1, 12000),
    "seed": Rule("integer", 0, 2**32 - 1),
    "temp": Rule("string", choices=("yes", "no")),
}
_V6 = {
    **_SHARED,
    "init_image": Rule("picture"),
    "image": Rule("picture"),
    "output_format": Rule("string", choices=("obj", "stl", "ply", "glb")),
    "multi_image": Rule("boolean"),
    "ss_guidance_strength": Rule("number"),
    "ss_sampling_steps": Rule("integer", 1, 50),
    "slat_guidance_strength": Rule("number", 0, 10),
    "slat_sampling_steps": Rule("integer", 1, 50),
    "mesh_simplify": Rule("number", 0.9, 0.98),
    "webhook": Rule("string", nullable=True),
    "track_id": Rule("string", nullable=True),
}
# The legacy page says of two fields that they are required and have a default; required is the stricter reading.
_INSTANT_MESH = {
    **_SHARED,
    "model_id": Rule("string", choices=("instantmesh",)),
    "image": Rule("picture", required=True),
    "foreground_ratio": Rule("number", 0, 1, required=True),  # the range is inferred: it is a ratio
    "remove_bg": Rule("boolean"),
    "resolution": Rule("integer", 1, 512, required=True),
}
_HISTORY = {
    "type": Rule("string", choices=("3d",), required=True),
    "page": Rule("integer", 1),
    "per_page": Rule("integer", 1, 30),
}
_V6_DEFAULTS: dict[str, Any] = {
    "output_format": "glb",
    "render": False,
    "resolution": 256,
    "multi_image": False,
    "ss_guidance_strength": 7.5,
    "ss_sampling_steps": 12,
    "slat_guidance_strength": 3,
    "slat_sampling_steps": 12,
    "mesh_simplify": 0.9,
    "chunk_size": 8192,
    "seed": 0,
    "temp": "no",
}
_NOT_FOUND = b"<!DOCTYPE html><html><head><title>Not Found</title></head><body>404 | Not Found</body></html>"
_CREATE = {"v6": "/api/v6/3d/image_to_3d", "enterprise": "/api/v1/enterprise/3d/image_to_3d"}
_MAGIC = {"png": b"\x89PNG\r\n\x1a\n", "jpeg": b"\xff\xd8\xff", "webp": b"RIFF"}


class Refused(Exception):
    """The answer is this failure."""

    def __init__(self, failure: Reply) -> None:
        super().__init__(failure)
        self.failure = failure


@dataclass
class Job:
    """A generation that was paid for."""

    id: int
    family: str
    params: dict[str, Any]
    """The accepted body, without the key."""
    kind: str
    polls: int
    name: str
    fetches: int = 0
    is_done: bool = False

    @property
    def picture(self) -> str:
        return str(self.params.get("init_image", self.params.get("image")))


class ResultHost(Server):
    """The host of pictures and results, which needs no key and must never see one.

    lags: each finished file is missing (404) the first so many times. forbids_output: 403 for everything in /out/.
    """

    def __init__(self, key: str, complaints: list[str], tls: ssl.SSLContext | None = None) -> None:
        self.key = key
        self.complaints = complaints
        self.files: dict[str, bytes] = {}
        self.lags = 0
        self.forbids_output = False
        self._misses: dict[str, int] = {}
        self._lock = threading.Lock()
        super().__init__(self._answer, tls=tls)

    def _answer_of(self, exchange: Exchange, usual: Answer) -> Answer:
        if self.key in exchange.body.decode("latin-1") or _shows_key(exchange.seen, self.key):
            self.complaints.append(f"the key went to the host of the results, in {exchange.method} {exchange.path}")
        return super()._answer_of(exchange, usual)

    def _answer(self, exchange: Exchange) -> None:
        path = exchange.path.partition("?")[0]
        content = self.files.get(path)
        if exchange.method != "GET":
            exchange.reply(405, allow="GET")
        elif content is None or self._is_late(path):
            exchange.reply(404, _NOT_FOUND, content_type="text/html")
        elif self.forbids_output and path.startswith("/out/"):
            exchange.reply(403, b"<Error><Code>AccessDenied</Code></Error>", content_type="application/xml")
        else:
            file(content, tag=f'"{hashlib.sha256(content).hexdigest()[:16]}"')(exchange)

    def _is_late(self, path: str) -> bool:
        if path.startswith("/generations/"):
            return False
        with self._lock:
            self._misses[path] = self._misses.get(path, 0) + 1
            return self._misses[path] <= self.lags


class ModelsLabServer(Server):
    """key: the only right one. models: what comes out, by format. polls: how often fetch says that it is at work.

    dialect: "v6" (TRELLIS) or "instantmesh" (the legacy page). image_names: how the picture may be called on v6;
    the schema requires `image` and describes `init_image`, so each alone is possible, and then the other is unknown.
    key_error: a wrong key is answered with 401 (error-codes) or 200 (the old page).

    What is seen: complaints (must be empty after a good test), uploads (URL: bytes; clear it, and the 24 hours of
    base64-to-url are over), creates (calls that arrived, also those that a fault of Server.fail answered), billable
    (calls that were accepted) and generated (their bodies, without the key).

    What can be set:

    * fails_with(failure): answers to the next create calls that are otherwise right. See FAILURES, queue_full (429 of
      error-codes) and old_rate_limit.
    * ends_as: "success"; "failed", as on the old page; "error", as on the page of fetch; "never" leaves processing.
    * empty_outputs: so many times success comes with `output: ""`. The page of fetch has it in processing; in success
      it is inferred.
    * without_links: success without any URL (inferred).
    * short_success: fetch answers {status, id, output}, the page's own example; otherwise as the create call would.
    * cdn.lags, cdn.forbids_output: results that are late, or only there through `proxy_links` (inferred).
    * assets: files beside an .obj, by name; `extra_assets` holds their URLs. In success replies that is inferred.
    * video_in: where the .mp4 of `render` is listed, which no page says: "output" (after the model), "first" (before
      it) or "extra_assets".
    * fetch_result_host: `fetch_result` leads there instead, where the key must not go.
    * known_urls: pictures on foreign hosts that it can fetch.
    * eta, balance: what the replies say.
    """

    def __init__(
        self,
        key: str,
        models: dict[str, bytes],
        *,
        polls: int = 1,
        dialect: Literal["v6", "instantmesh"] = "v6",
        image_names: Literal["both", "init_image", "image"] = "both",
        key_error: Literal[401, 200] = 401,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.key = key
        self.models = models
        self.polls = polls
        self.dialect = dialect
        self.image_names = image_names
        self.key_error = key_error
        self.ends_as: Literal["success", "failed", "error", "never"] = "success"
        self.empty_outputs = 0
        self.without_links = False
        self.short_success = False
        self.assets: dict[str, bytes] = {}
        self.video_in: Literal["output", "first", "extra_assets"] = "output"
        self.fetch_result_host: str | None = None
        self.known_urls: set[str] = set()
        self.eta = 1
        self.balance = 43.6
        self.complaints: list[str] = []
        self.uploads: dict[str, bytes] = {}
        self.generated: list[dict[str, Any]] = []
        self.jobs: dict[int, Job] = {}
        self._failures: list[Reply] = []
        self._ids = itertools.count(109655545)
        self._lock = threading.RLock()
        self.cdn = ResultHost(key, self.complaints, tls)
        super().__init__(self._answer, tls=tls)

    def __enter__(self) -> Self:
        self.cdn.__enter__()
        super().__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self.cdn.__exit__(*error)

    @property
    def base_url(self) -> str:
        return f"{self.url}/api"

    @property
    def creates(self) -> int:
        return sum(self.count("POST", path) for path in _CREATE.values())

    @property
    def billable(self) -> int:
        return len(self.generated)

    def fails_with(self, failure: Reply, times: int = 1) -> None:
        self._failures += [failure] * times

    # Requests come in.

    def _answer_of(self, exchange: Exchange, usual: Answer) -> Answer:
        if "?" in exchange.path or _shows_key(exchange.seen, self.key):
            self.complaints.append(f"a key or a query outside the body, in {exchange.method} {exchange.path}")
        return super()._answer_of(exchange, usual)

    def _answer(self, exchange: Exchange) -> None:
        path = exchange.path.partition("?")[0]
        routes = {
            _CREATE["v6"]: lambda: self._create(exchange, "v6"),
            _CREATE["enterprise"]: lambda: self._create(exchange, "enterprise"),
            "/api/v6/base64_to_url": lambda: self._upload(exchange),
            "/api/wallet_balance": lambda: self._balance(exchange),
            "/api/assets_generated": lambda: self._history(exchange),
        }
        fetch = re.fullmatch(r"/api/(v6|v1/enterprise)/3d/fetch/([^/]+)", path)
        if fetch is None and path not in routes:
            exchange.reply(404, _NOT_FOUND, content_type="text/html")
        elif exchange.method != "POST":
            message = f"The {exchange.method} method is not supported for this route. Supported methods: POST."
            exchange.json({"message": message}, 405, allow="POST")
        else:
            call = routes[path] if fetch is None else lambda: self._fetch(exchange, fetch[1].split("/")[-1], fetch[2])
            status, body = self._called(exchange, call)
            exchange.json(body, status)

    def _called(self, exchange: Exchange, call: Callable[[], dict[str, Any]]) -> Reply:
        """Return the status and the body that a call ends with; one at a time, once the request has come."""
        _ = exchange.body
        try:
            with self._lock:
                return 200, call()
        except Refused as refused:
            return refused.failure

    def _body(self, exchange: Exchange, rules: dict[str, Rule]) -> dict[str, Any]:
        """Return the body without the key, or refuse it."""
        if exchange.seen.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
            raise _refused("The Content-Type must be application/json.")
        try:
            body = json.loads(exchange.body, parse_constant=_no_number)
        except ValueError:
            raise _refused("Malformed JSON in request body") from None
        if not isinstance(body, dict):
            raise _refused("The request body must be a JSON object.")
        if body.pop("key", None) != self.key:
            raise Refused(FAILURES["key" if self.key_error == 401 else "old key"])
        if any(isinstance(value, str) and self.key in value for value in body.values()):
            self.complaints.append(f"the key in another field of the body, in {exchange.path}")
        _check(body, rules)
        return body

    # The calls.

    def _upload(self, exchange: Exchange) -> dict[str, Any]:
        body = self._body(exchange, {"base64_string": Rule("string", required=True)})
        kind, content = _picture_in(body["base64_string"])
        path = f"/generations/{uuid.uuid4()}-0.{'jpg' if kind == 'jpeg' else kind}"
        self.cdn.files[path] = content
        self.uploads[self.cdn.url + path] = content
        return {"status": "success", "id": next(self._ids), "output": [self.cdn.url + path]}

    def _balance(self, exchange: Exchange) -> dict[str, Any]:
        self._body(exchange, {})
        return {"status": "success", "data": {"balance": self.balance, "currency": "USD"}}

    def _history(self, exchange: Exchange) -> dict[str, Any]:
        """Newest first; what is in `pagination` is inferred. Asking takes time, as fetch does."""
        body = self._body(exchange, _HISTORY)
        page, size = body.get("page", 1), body.get("per_page", 30)
        for job in self.jobs.values():
            self._later_outcome(job)
        data = [{"id": job.id, "output": self._links(job, "out")} for job in self.jobs.values() if job.is_done][::-1]
        pagination = {
            "current_page": page,
            "per_page": size,
            "total": len(data),
            "last_page": max(1, math.ceil(len(data) / size)),
        }
        return {"status": "success", "data": data[(page - 1) * size : page * size], "pagination": pagination}

    def _create(self, exchange: Exchange, family: str) -> dict[str, Any]:
        params = self._body(exchange, self._rules())
        self._check_picture(params)
        if self._failures:
            raise Refused(self._failures.pop(0))
        # The page of v6 says that the default is glb; that of enterprise said obj, and all old samples show it.
        usual = "glb" if self.dialect == "v6" and family == "v6" else "obj"
        kind = params.get("output_format", usual)
        if kind not in self.models:
            raise Refused((500, {"status": "error", "message": f"This test has no {kind}."}))
        job = Job(next(self._ids), family, params, kind, self.polls, str(uuid.uuid4()))
        self.jobs[job.id] = job
        self.generated.append(params)
        outcome = self._outcome(job)
        return self._success(job) if outcome == "success" else self._unfinished(job, outcome, self._processing(job))

    def _fetch(self, exchange: Exchange, family: str, number: str) -> dict[str, Any]:
        """That an unknown id is an error, and which one, is inferred."""
        self._body(exchange, {})
        job = self.jobs.get(int(number)) if re.fullmatch(r"[0-9]{1,12}", number) else None
        if job is None or job.family != family:
            raise _refused("Invalid request id")
        outcome = self._later_outcome(job)
        if outcome == "success":
            success = self._success(job)
            return {name: success[name] for name in ("status", "id", "output")} if self.short_success else success
        job.fetches += 1
        return self._unfinished(job, outcome, self._words_of_processing(job))

    # Jobs, and what is said of them.

    def _rules(self) -> dict[str, Rule]:
        if self.dialect == "instantmesh":
            return _INSTANT_MESH
        if self.image_names == "both":
            return _V6
        (other,) = {"init_image", "image"} - {self.image_names}
        rules = {name: rule for name, rule in _V6.items() if name != other}
        return {**rules, self.image_names: Rule("picture", required=True)}

    def _check_picture(self, params: dict[str, Any]) -> None:
        urls = {params[name] for name in ("init_image", "image") if name in params}
        if not urls:
            raise _refused({"image": ["The image field is required."]})
        if len(urls) > 1:
            raise _refused({"image": ["The image and the init_image differ."]})
        (url,) = urls
        if url not in self.uploads and url not in self.known_urls:
            raise Refused(FAILURES["image"])
        if params.get("multi_image") and _count_views(self.uploads.get(url, b"")) < 2:
            raise _refused("multi_image needs a transparent PNG with two or more views.")

    def _outcome(self, job: Job) -> str:
        """Return "processing", "empty" or how the job ends."""
        if job.polls or self.ends_as == "never":
            return "processing"
        if self.ends_as == "success" and self.empty_outputs:
            self.empty_outputs -= 1
            return "empty"
        if self.ends_as == "success" and not job.is_done:
            self._publish(job)
        return self.ends_as

    def _later_outcome(self, job: Job) -> str:
        """Return the outcome of this moment, and let time pass."""
        outcome = self._outcome(job)
        job.polls = max(0, job.polls - 1)
        return outcome

    def _publish(self, job: Job) -> None:
        job.is_done = True
        for folder in ("out", "proxy"):
            self.cdn.files[f"/{folder}/{job.name}.{job.kind}"] = self.models[job.kind]
            if job.params.get("render"):
                self.cdn.files[f"/{folder}/{job.name}.mp4"] = VIDEO
        if job.kind == "obj":
            self.cdn.files |= {f"/out/{job.name}/{name}": content for name, content in self.assets.items()}

    def _links(self, job: Job, folder: str) -> list[str]:
        if self.without_links:
            return []
        model = f"{self.cdn.url}/{folder}/{job.name}.{job.kind}"
        video = f"{self.cdn.url}/{folder}/{job.name}.mp4"
        if not job.params.get("render") or self.video_in == "extra_assets":
            return [model]
        return [video, model] if self.video_in == "first" else [model, video]

    def _extra_assets(self, job: Job) -> list[str]:
        assets = [f"{self.cdn.url}/out/{job.name}/{name}" for name in self.assets if job.kind == "obj"]
        if job.params.get("render") and self.video_in == "extra_assets":
            assets.append(f"{self.cdn.url}/out/{job.name}.mp4")
        return [] if self.without_links else assets

    def _success(self, job: Job) -> dict[str, Any]:
        """Success3DResponse."""
        extra = self._extra_assets(job)
        return {
            "status": "success",
            "generationTime": 10.62,
            "id": job.id,
            "output": self._links(job, "out"),
            "proxy_links": self._links(job, "proxy"),
            "meta": self._meta(job),
            **({"extra_assets": extra} if extra else {}),
        }

    def _unfinished(self, job: Job, outcome: str, processing: dict[str, Any]) -> dict[str, Any]:
        match outcome:
            case "processing":
                return processing
            case "empty":
                return {"status": "success", "id": job.id, "output": ""}
            case "failed":
                return FAILURES["old failure"][1]
            case _:
                return {"status": "error", "message": "Error message"}

    def _processing(self, job: Job) -> dict[str, Any]:
        """Processing3DResponse."""
        family = "v1/enterprise" if job.family == "enterprise" else "v6"
        return {
            "status": "processing",
            "tip": "Your request is processing in background, you can get this after some time.",
            "eta": self.eta,
            "message": "Try to fetch request after seconds estimated",
            "fetch_result": f"{self.fetch_result_host or self.url}/api/{family}/3d/fetch/{job.id}",
            "id": job.id,
            "output": [],
            "meta": self._meta(job),
            "future_links": self._links(job, "out"),
            "extra_assets": self._extra_assets(job),
        }

    def _words_of_processing(self, job: Job) -> dict[str, Any]:
        """Fetch says it in three ways: as was seen, as its page has it, as the create call does."""
        match (job.fetches - 1) % 3:
            case 0:
                return {"status": "processing", "id": "", "messege": "Request processing", "output": ""}
            case 1:
                tip = "Get 20x faster image generation using enterprise plan."
                return {"status": "processing", "message": "try again later.", "output": "", "tip": tip}
            case _:
                return self._processing(job)

    def _meta(self, job: Job) -> dict[str, Any]:
        given = {"file_prefix": job.name, "image": job.picture, "seed": job.params.get("seed") or RANDOM_SEED}
        if self.dialect == "v6":
            said = {name: job.params.get(name, default) for name, default in _V6_DEFAULTS.items()}
            return {**said, **given, "output_format": job.kind, "texture_size": 1024}
        names = ("chunk_size", "render", "resolution", "temp")
        said = {name: job.params.get(name, _V6_DEFAULTS[name]) for name in names}
        # The page asked for 0.85 and false, and shows ".85" and true.
        ratio = f"{job.params['foreground_ratio']:g}".removeprefix("0")
        return {**said, **given, "foreground_ratio": ratio, "remove_bg": True}


def textured_obj() -> tuple[bytes, dict[str, bytes]]:
    """Return an .obj that names a material and a texture, and those two by name."""
    corners = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
    lines = ["mtllib material.mtl", *(f"v {x} {y} {z}" for x, y, z in corners)]
    lines += ["vt 0 0", "vt 1 0", "vt 0 1", "vt 1 1", "usemtl material_0"]
    lines += [f"f {a}/{a} {b}/{b} {c}/{c}" for a, b, c in [(1, 3, 2), (1, 2, 4), (1, 4, 3), (2, 3, 4)]]
    texture = io.BytesIO()
    Image.new("RGB", (8, 8), (200, 60, 40)).save(texture, "PNG")
    material = b"newmtl material_0\nKd 1 1 1\nmap_Kd texture.png\n"
    return "\n".join([*lines, ""]).encode(), {"material.mtl": material, "texture.png": texture.getvalue()}


def _refused(message: str | dict[str, list[str]]) -> Refused:
    return Refused((400, {"status": "error", "message": message}))


def _check(body: dict[str, Any], rules: dict[str, Rule]) -> None:
    """Refuse a body with all that is wrong in it; the old page has such messages, an object of lists."""
    found = dict(_complaints(body, rules))
    if found:
        raise _refused(found)


def _complaints(body: dict[str, Any], rules: dict[str, Rule]) -> Iterator[tuple[str, list[str]]]:
    for name, value in body.items():
        known = rules.get(name)
        complaint = known.complaint(name, value) if known else f"The field {name} is not known."
        if complaint:
            yield name, [complaint]
    for name, rule in rules.items():
        if rule.required and name not in body:
            yield name, [f"The {name} field is required."]


def _no_number(text: str) -> float:
    raise ValueError(text)


def _shows_key(seen: Seen, key: str) -> bool:
    """Whether a key, the right one or any other, stands in the path or the head."""
    names = {"authorization", "key", "x-api-key", "api-key"}
    basic = base64.b64encode(key.encode()).decode().rstrip("=")
    text = unquote(seen.path) + "\n" + "\n".join(seen.headers.values())
    return bool(names & set(seen.headers)) or key in text or basic in text


def _picture_in(text: str) -> tuple[str, bytes]:
    """Return the type and the bytes of a data URI, or refuse it. The sentences are inferred."""
    if len(text) > LARGEST_UPLOAD:
        raise _refused("The file is larger than 5 MB.")
    kind, mark, encoded = text.removeprefix("data:image/").partition(";base64,")
    if not text.startswith("data:image/") or kind not in _MAGIC or not mark:
        raise _refused("The base64_string must be a data URI of a PNG, JPEG or WebP.")
    try:
        content = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise _refused("The base64_string is not valid base64.") from None
    if not content.startswith(_MAGIC[kind]) or _decoded(content) is None:
        raise _refused(f"The base64_string does not hold a {kind}.")
    return kind, content


def _decoded(content: bytes) -> Image.Image | None:
    try:
        image = Image.open(io.BytesIO(content), formats=["PNG", "JPEG", "WEBP"])
        image.load()
    except (OSError, SyntaxError, ValueError):
        return None
    return image


def _count_views(content: bytes) -> int:
    """Count what split_image of TRELLIS finds: it needs transparent columns before, between and after the views."""
    image = _decoded(content)
    if image is None or image.format != "PNG" or image.mode != "RGBA":
        return 0
    filled: NDArray[np.bool_] = np.any(np.asarray(image)[..., 3] > 0, axis=0)
    starts = int((~filled[:-1] & filled[1:]).sum())
    ends = int((filled[:-1] & ~filled[1:]).sum())
    touches_an_edge = bool(filled[0] or filled[-1])
    return 0 if touches_an_edge else min(starts, ends)
