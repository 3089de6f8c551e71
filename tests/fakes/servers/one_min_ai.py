# SPDX-License-Identifier: GPL-3.0-or-later
"""1min.ai's 3D image generator, from its documents and from what clients saw of it, without the generator.

Upload a picture, ask for the feature, wait or poll, and fetch the result from a storage that is S3's. Stricter than the
service, which ignores fields that it does not know: here they are refused.
"""

from __future__ import annotations

import io
import json
import re
import secrets
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from .loopback import Exchange
from .shop import Shop, picture_type, strict_json

FEATURE = "IMAGE_3D_GENERATOR"
TROUBLES = frozenset({"auth", "busy", "credit", "external", "522", "524"})
# The provider's own words, in a string, below a message that says something else: as they were captured.
EXTERNAL_DETAILS = {
    "response": {
        "status": 400,
        "data": {"id": "0645484e", "name": "bad_request", "errors": ["image: could not find an object in the image"]},
    },
    "request": {"method": "post", "url": "/v2beta/3d/stable-fast-3d"},
}
_EXTENSIONS = {"image/jpeg": (".jpg", ".jpeg"), "image/png": (".png",), "image/webp": (".webp",)}
_CLOUDFLARE = """<!DOCTYPE html>
<html lang="en-US"><head><title>api.1min.ai | {status}: {title}</title></head>
<body><h1>{title} <span>Error code {status}</span></h1><p>Visit cloudflare.com for more information.</p></body></html>
"""


class _Refused(Exception):
    def __init__(self, status: int, code: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details: Any = more.get("details")
        self.context: Any = more.get("context")
        self.headers: dict[str, str] = more.get("headers", {})


@dataclass
class _Record:
    """A generation, begun or finished."""

    body: dict[str, Any]
    polls: int
    is_working: bool
    failure: str
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))
    created: str = field(default_factory=lambda: _now())
    paths: list[str] = field(default_factory=list)


class OneMinAiServer(Shop):
    """result: what lies behind `temporaryUrl`, whatever its address says."""

    def __init__(self, key: str, result: bytes) -> None:
        self.result = result
        self.extension = "jpg"
        """Of the result's address, as in the documents' example."""
        self.result_count = 1
        """Entries in resultObject; temporaryUrl is the first one's."""
        self.models_known = ["stable-image"]
        self.polls = 1
        """How often an asynchronous generation is still at work."""
        self.has_async = "yes"
        """ "yes", "ignored" (it waits nevertheless), or "refused" (as a field that nobody knows)."""
        self.fails = ""
        """If anything, what a FAILURE says."""
        self.error_shape = "observed"
        """Or "documented"."""
        self.has_file_content = True
        """Whether an upload is answered with fileContent, or with the asset alone."""
        self.rejects_small = False
        """Whether pictures below 512 x 512 are refused; the documents ask for more, but do not say what happens."""
        self.max_upload_bytes = 50 * 1024 * 1024
        self.price = 1_500_000
        self.credit_limit = 100_000_000
        self.used_credit = 45_000
        self.no_credit_status = 400
        self.uploads = 0
        self.assets: dict[str, bytes] = {}
        """The pictures that were uploaded, by path."""
        self._used_credit_shown = self.used_credit
        self.records: dict[str, _Record] = {}
        super().__init__(key, "api-key", TROUBLES)

    def answer(self, exchange: Exchange) -> None:
        try:
            self._route(exchange)
        except _Refused as refused:
            self._refuse(exchange, refused)

    def _route(self, exchange: Exchange) -> None:
        parts = urlsplit(exchange.path).path.split("/")[1:]
        match parts:
            case ["api", "assets"]:
                self._only("POST", exchange)
                self._upload(exchange)
            case ["api", "features"]:
                self._only("POST", exchange)
                self._create(exchange)
            case ["api", "results", result]:
                self._only("GET", exchange)
                self._answer_result(exchange, result)
            case ["models"] | ["api", "models"]:
                self._only("GET", exchange)
                self._models(exchange)
            case _:
                raise _Refused(404, "NOT_FOUND", f"Cannot {exchange.method} /{'/'.join(parts)}")

    def _only(self, method: str, exchange: Exchange) -> None:
        if exchange.method != method:
            raise _Refused(405, "METHOD_NOT_ALLOWED", "Method Not Allowed", headers={"allow": method})

    def _check_key(self, exchange: Exchange) -> None:
        if not self.is_authorised(exchange):
            raise _Refused(401, "INVALID_AUTH_TOKEN", "Invalid auth token")

    def _check_query(self, exchange: Exchange) -> None:
        if urlsplit(exchange.path).query:
            raise _Refused(400, "UNKNOWN_ERROR", "isStreaming is for chats; there is no other query")

    def _refuse(self, exchange: Exchange, refused: _Refused) -> None:
        if self.error_shape == "documented":
            body: dict[str, Any] = {"success": False, "error": {"code": refused.code, "message": refused.message}}
        else:
            body = {"errorCode": refused.code, "message": refused.message}
            if refused.details is not None:
                body["details"] = json.dumps(refused.details)
            if refused.context is not None:
                body["context"] = refused.context
        exchange.json(body, refused.status, **refused.headers)

    # Pictures.

    def _upload(self, exchange: Exchange) -> None:
        self._check_key(exchange)
        self._check_query(exchange)
        if len(exchange.body) > self.max_upload_bytes:
            raise _Refused(413, "UNKNOWN_ERROR", "File too large")
        name, media_type, content = _asset(exchange)
        if PurePosixPath(name).suffix.lower() not in _EXTENSIONS[media_type]:
            self.complaints.append(f"a file of the type {media_type} is called {name!r}")
        with self.lock:
            path = self._new_path(re.sub(r"[^\w.-]", "_", name))
            self.uploads += 1
            self.assets[path] = content
        exchange.json(self._uploaded(path, name, media_type, content))

    def _new_path(self, name: str) -> str:
        """A storage key: with the moment, which here never comes twice."""
        moment = datetime.now(UTC).strftime("%Y_%m_%d_%H_%M_%S")
        return f"images/{moment}_{secrets.randbelow(1000):03}_{secrets.token_hex(3)}_{name}"

    def _uploaded(self, path: str, name: str, media_type: str, content: bytes) -> dict[str, Any]:
        asset = {
            "fieldname": "asset",
            "originalname": name,
            "encoding": "7bit",
            "mimetype": media_type,
            "size": len(content),
            "bucket": "asset.1min.ai",
            "key": path,
            "acl": "private",
            "metadata": {},
            "location": f"{self.cdn.url}/asset.1min.ai/{path}",
            "etag": f'"{secrets.token_hex(16)}"',
        }
        if not self.has_file_content:
            return {"asset": asset}
        file = {"uuid": str(uuid.uuid4()), "path": path, "type": path.rpartition(".")[2], "name": name}
        return {"asset": asset, "fileContent": {**file, "status": "ACTIVE", "createdAt": _now()}}

    # Generations.

    def _create(self, exchange: Exchange) -> None:
        with self.lock:
            self.creates += 1
        self._check_key(exchange)
        self._check_query(exchange)
        try:
            body = strict_json(exchange)
        except ValueError as error:
            raise _Refused(400, "UNKNOWN_ERROR", str(error)) from error
        self._check(body)
        trouble, headers = self.next_trouble() or ("", {})
        self._check_trouble(trouble, headers)
        record = self._sell(body)
        if trouble:
            self._cloudflare(exchange, trouble, headers)
        else:
            exchange.json(self._reply(record))

    def _sell(self, body: dict[str, Any]) -> _Record:
        """Return the record, at once or when it is finished."""
        waits = self.has_async != "yes" or not body.get("async")
        record = _Record(body, polls=0 if waits else self.polls, is_working=waits, failure=self.fails)
        with self.lock:
            if self.used_credit + self.price > self.credit_limit:
                self._no_credit({})
            self.accept(body)
            self.used_credit += self.price
            record.paths = [self._new_path(f"3d_generated.{self.extension}") for _ in range(self.result_count)]
            self.records[record.uuid] = record
        if waits:
            self.over.wait(self.seconds)
            record.is_working = False
        return record

    def _check_trouble(self, trouble: str, headers: dict[str, str]) -> None:
        """Refuse what is refused before it costs anything."""
        match trouble:
            case "auth":
                raise _Refused(401, "INVALID_AUTH_TOKEN", "Invalid auth token", headers=headers)
            case "busy":
                raise _Refused(429, "TOO_MANY_REQUESTS", "Too many requests, try again later.", headers=headers)
            case "credit":
                self._no_credit(headers)
            case "external":
                message = "The stabilityai service is a bit busy right now or facing a temporary issue."
                context = {"service": "stabilityai"}
                code = "EXTERNAL_API_RESPONSE_WITH_ERROR"
                raise _Refused(400, code, message, details=EXTERNAL_DETAILS, context=context, headers=headers)

    def _no_credit(self, headers: dict[str, str]) -> None:
        """Nobody has written down how it says this. 400, as all its refusals except that of a key."""
        message = "Insufficient credits. Please top up your credits to continue."
        raise _Refused(self.no_credit_status, "INSUFFICIENT_CREDITS", message, headers=headers)

    def _cloudflare(self, exchange: Exchange, status: str, headers: dict[str, str]) -> None:
        """The service has begun; what stands before it has lost patience."""
        title = {"522": "Connection timed out", "524": "A timeout occurred"}[status]
        page = _CLOUDFLARE.format(status=status, title=title).encode()
        exchange.reply(int(status), page, content_type="text/html; charset=UTF-8", server="cloudflare", **headers)

    def _answer_result(self, exchange: Exchange, result: str) -> None:
        self._check_key(exchange)
        self._check_query(exchange)
        with self.lock:
            record = self.records.get(result)
        exchange.json(self._reply(record) if record else {"aiRecord": None})

    def _reply(self, record: _Record) -> dict[str, Any]:
        with self.lock:
            status = self._status(record)
            user = self._team_user()
        entries = {"PROCESSING": [], "FAILURE": [record.failure], "SUCCESS": record.paths}[status]
        reply: dict[str, Any] = {
            "uuid": record.uuid,
            "userId": user["userId"],
            "teamId": user["teamId"],
            "teamUser": user,
            "model": record.body["model"],
            "type": FEATURE,
            **dict.fromkeys(("metadata", "rating", "feedback", "conversationId")),
            "status": status,
            "createdAt": record.created,
            "aiRecordDetail": {
                "promptObject": record.body["promptObject"],
                "resultObject": entries,
                "responseObject": {},
            },
            "additionalData": None,
        }
        if status == "SUCCESS":
            reply["temporaryUrl"] = self._temporary_url(record.paths[0])
        return {"aiRecord": reply}

    def _status(self, record: _Record) -> str:
        if record.is_working:
            return "PROCESSING"
        if record.polls:
            record.polls -= 1
            return "PROCESSING"
        return "FAILURE" if record.failure else "SUCCESS"

    def _team_user(self) -> dict[str, Any]:
        """The account as it was at the request before: it lags by one."""
        shown, self._used_credit_shown = self._used_credit_shown, self.used_credit
        return {
            "teamId": "team-67890",
            "userId": "user-12345",
            "userName": "John Doe",
            "userAvatar": "https://example.com/avatar.jpg",
            "status": "ACTIVE",
            "role": "ADMIN",
            "creditLimit": self.credit_limit,
            "usedCredit": shown,
            "createdAt": "2025-01-01T00:00:00.000Z",
            "createdBy": "SYSTEM",
            "updatedAt": "2025-01-15T15:00:00.000Z",
            "updatedBy": "SYSTEM",
        }

    def _temporary_url(self, path: str) -> str:
        """A new one each time, as it is signed anew."""
        moment = datetime.now(UTC)
        credential = f"EXAMPLECREDENTIAL/{moment:%Y%m%d}/us-east-1/s3/aws4_request"
        query = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD",
            "X-Amz-Credential": credential,
            "X-Amz-Date": f"{moment:%Y%m%dT%H%M%SZ}",
            "X-Amz-Expires": "604800",
            "X-Amz-Signature": secrets.token_hex(32),
            "X-Amz-SignedHeaders": "host",
            "x-amz-checksum-mode": "ENABLED",
            "x-id": "GetObject",
        }
        signed = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
        return self.cdn.link(f"/asset.1min.ai/{path}?{signed}", self.result)

    # What is wrong with a request.

    def _check(self, body: Any) -> None:
        if not isinstance(body, dict):
            raise _Refused(400, "UNKNOWN_ERROR", "The body is not an object")
        _check_fields(body, {"type": str, "model": str, "promptObject": dict}, self._optional())
        if body["type"] != FEATURE:
            raise _Refused(400, "UNKNOWN_ERROR", f"Unsupported feature type: {body['type']}")
        if body["model"] not in self.models_known:
            message = f"Model {body['model']} is not supported for feature {FEATURE}"
            raise _Refused(400, "UNSUPPORTED_MODEL", message)
        _check_fields(body["promptObject"], {"imageUrl": str}, {})
        self._check_picture(body["promptObject"]["imageUrl"])

    def _optional(self) -> dict[str, type]:
        return {} if self.has_async == "refused" else {"async": bool}

    def _check_picture(self, address: str) -> None:
        if address in self.known_urls:
            return
        content = self.assets.get(address)
        if content is None:
            raise _Refused(400, "UNKNOWN_ERROR", "The image is not an uploaded asset, and cannot be downloaded")
        if self.rejects_small and min(_size(content)) < 512:
            code, message = "EXTERNAL_API_RESPONSE_WITH_ERROR", "The stabilityai service refused the image."
            details = {"response": {"status": 400, "data": {"errors": ["image: must be at least 512x512 pixels"]}}}
            raise _Refused(400, code, message, details=details, context={"service": "stabilityai"})

    def _models(self, exchange: Exchange) -> None:
        features = parse_qs(urlsplit(exchange.path).query).get("feature", [])
        models = [self._model(name) for name in self.models_known] if features == [FEATURE] else []
        exchange.json({"models": models, "total": len(models)})

    def _model(self, name: str) -> dict[str, Any]:
        return {
            "uuid": str(uuid.uuid5(uuid.NAMESPACE_URL, name)),
            "modelId": name,
            "name": name.replace("-", " ").title(),
            "group": "STABILITY",
            "provider": "stabilityai",
            "status": "ACTIVE",
            "features": [FEATURE],
            "creditMetadata": {},
            "modality": {"INPUT": ["image"], "OUTPUT": ["image"]},
            "creditEstimation": self.price,
        }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _size(content: bytes) -> tuple[int, int]:
    from PIL import Image  # only the tests that ask for it need Pillow

    width, height = Image.open(io.BytesIO(content)).size
    return width, height


def _check_fields(value: dict[str, Any], required: dict[str, type], optional: dict[str, type]) -> None:
    missing = [name for name in required if name not in value or value[name] in (None, "")]
    if missing:
        message = f"Missing required fields: {', '.join(missing)}. Please provide all required parameters."
        details = [{"field": name, "message": f"Field '{name}' is required"} for name in missing]
        raise _Refused(400, "MISSING_REQUIRED_FIELDS", message, details=details)
    known = required | optional
    wrong = [name for name, each in value.items() if name not in known or not isinstance(each, known[name])]
    if wrong:
        raise _Refused(400, "UNKNOWN_ERROR", f"Unknown fields, or of a wrong type: {', '.join(wrong)}")


def _asset(exchange: Exchange) -> tuple[str, str, bytes]:
    """Return the name, the type and the bytes of the one file in a form."""
    part = _only_part(exchange.seen.headers.get("content-type", ""), exchange.body)
    name, content = part.get_filename(), part.get_payload(decode=True)
    if not name or not isinstance(content, bytes) or "content-transfer-encoding" in part:
        raise _Refused(400, "UNKNOWN_ERROR", "The asset is not a plain file with a name")
    media_type = part.get_content_type()
    if media_type not in _EXTENSIONS or picture_type(content) != media_type:
        raise _Refused(400, "UNKNOWN_ERROR", f"Unsupported file: {media_type}, and in it {picture_type(content)}")
    return name, media_type, content


def _only_part(content_type: str, body: bytes) -> EmailMessage:
    form = _parse(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    boundary = form.get_boundary()
    if form.get_content_type() != "multipart/form-data" or boundary is None:
        raise _Refused(400, "UNKNOWN_ERROR", "The body is not a form")
    ends = (f"--{boundary}\r\n".encode(), f"\r\n--{boundary}--".encode())
    if not body.startswith(ends[0]) or not body.removesuffix(b"\r\n").endswith(ends[1]):
        raise _Refused(400, "UNKNOWN_ERROR", "Unexpected end of form")
    parts = [part for part in form.iter_parts() if isinstance(part, EmailMessage)]
    if form.defects or any(part.defects for part in parts):
        raise _Refused(400, "UNKNOWN_ERROR", "Malformed part header")
    names = [part.get_param("name", header="content-disposition") for part in parts]
    if names != ["asset"] or parts[0].get_content_disposition() != "form-data":
        raise _Refused(400, "MISSING_REQUIRED_FIELDS", f"Expected one file in the field 'asset', received {names}")
    return parts[0]


def _parse(message: bytes) -> EmailMessage:
    return BytesParser(EmailMessage, policy=policy.HTTP).parsebytes(message)
