# SPDX-License-Identifier: GPL-3.0-or-later
"""1min.ai: its feature IMAGE_3D_GENERATOR, of which nobody outside knows what comes out.

What is known comes from the service's documents (docs.1min.ai) and from public clients:

- The picture is uploaded (`assets`), and its path in the service's storage stands in the request (`features`).
- `"async": true` answers at once, and `results/{uuid}` says how it goes. Without, or where it is ignored, the answer
  comes when the work is done, and a gateway may give up before (522, 524).
- The page promises models, and shows the path of a .jpg: what arrives may be either.
- Only `temporaryUrl` can be fetched. It is signed and lasts 7 days; every question brings a new one.
- Errors are `{errorCode, message, details}`, where `details` may be JSON in a text, or `{success, error: {…}}`.
"""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

from pydantic import BaseModel, Field

from ..errors import BadResult, Charged, GenerationFailed, KeyRefused, OutOfCredit
from ..http import Form, FormFile, Reply, replies
from ..models import GenerationRequest, ProviderInfo, View
from ..pictures.facts import PictureFormat
from ..pictures.inspect import inspect
from ..results.adopt import adopt
from .contract import Context, Finished, Handle, Options, Pending, Provider

_FEATURE = "IMAGE_3D_GENERATOR"
_A_PICTURE = (
    "1min.ai made a picture, not a model: its documents show that for this feature. "
    "It comes into the scene as a reference plane."
)
_SEVERAL = "1min.ai made {count} files, and gives access to the first one only."


class OneMinAiOptions(Options):
    """It has none: the documents name no parameter besides the picture."""


class _TeamUser(BaseModel):
    used_credit: replies.Number = Field(default=None, alias="usedCredit")


class _Detail(BaseModel):
    result: replies.Texts = Field(default=[], alias="resultObject")


class _Record(BaseModel):
    uuid: str = Field(min_length=1)
    status: str
    detail: Annotated[_Detail, replies.AsObject] = Field(default=_Detail(), alias="aiRecordDetail")
    team_user: Annotated[_TeamUser, replies.AsObject] = Field(default=_TeamUser(), alias="teamUser")
    temporary_url: replies.Text = Field(default=None, alias="temporaryUrl")


class _Answer(BaseModel):
    record: _Record = Field(alias="aiRecord")


class _Asked(BaseModel):
    """For an id that the service does not know, or does not know yet, the record is null."""

    record: _Record | None = Field(alias="aiRecord")


class _Asset(BaseModel):
    key: replies.Text = None


class _FileContent(BaseModel):
    path: replies.Text = None


class _Uploaded(BaseModel):
    asset: Annotated[_Asset, replies.AsObject] = _Asset()
    file: Annotated[_FileContent, replies.AsObject] = Field(default=_FileContent(), alias="fileContent")


class _NotAsynchronous(GenerationFailed):
    """The service does not know `async` for this feature. Not charged."""


class OneMinAi(Provider):
    """Asks for the work in the background; where the service does not do that, waits for it."""

    info = ProviderInfo(
        id="one_min_ai",
        label="1min.ai",
        summary="Stable Image at 1min.ai. What comes may be a model or a picture; both are kept.",
        models=("stable-image",),
        picture_formats=(PictureFormat.PNG, PictureFormat.JPEG, PictureFormat.WEBP),
        max_picture_bytes=50_000_000,
        good_picture_side=512,
        key_variables=("ONE_MIN_AI_API_KEY", "ONEMIN_API_KEY"),
        key_url="https://app.1min.ai/api",
        base_url="https://api.1min.ai/api",
        paid=True,
        resumable=True,
        cancellable=False,
    )
    options = OneMinAiOptions

    def submit(self, request: GenerationRequest, context: Context) -> Pending | Finished:
        """Upload the picture, then ask for the work.

        Raises:
            AccountError: key or credit are not enough.
            GenerationFailed: the service refuses, or says that it failed.
            OutcomeUnknown: nobody knows whether it accepted.
        """
        context.report("Sending the picture")
        path = _uploaded(context)
        context.report("Asking for the model")
        body = {"type": _FEATURE, "model": request.model, "promptObject": {"imageUrl": path}}
        try:
            record = _bought(context, {**body, "async": True})
        except _NotAsynchronous:
            context.report("Working, without saying how far it is")
            record = _bought(context, body)
        return _pending(record, {"uuid": record.uuid, "used": record.team_user.used_credit})

    def poll(self, handle: Handle, context: Context) -> Pending | Finished:
        """Ask for the result, or fetch it.

        Raises:
            GenerationFailed: the service says that it failed.
        """
        return self._fetched(handle, context) if context.links else self._asked(handle, context)

    def _asked(self, handle: Handle, context: Context) -> Pending:
        path = f"/results/{quote(str(handle['uuid']), safe='')}"
        reply = context.http.get(path, headers=_headers(context), explain=_explain)
        record = reply.read(_Asked).record
        if record is None:
            return Pending(handle=handle, message="The service does not know it, or does not know it yet")
        return _pending(record, handle)

    def _fetched(self, handle: Handle, context: Context) -> Finished:
        link = str(context.links["url"])
        files = adopt(context.http.download(link, "model"), pictures=True)
        count = handle.get("count")
        notes = [_A_PICTURE] if _is_picture(files[0]) else []
        notes += [_SEVERAL.format(count=count)] if isinstance(count, int) and count > 1 else []
        cost = handle.get("cost")
        return Finished(files=files, notes=tuple(notes), cost=str(cost) if cost else None)


def _headers(context: Context) -> dict[str, str]:
    return {"API-KEY": context.key or ""}


def _uploaded(context: Context) -> str:
    """Return the picture's path in the service's storage."""
    picture = context.picture(View.FRONT)
    form = Form({"asset": FormFile(picture, picture.name, inspect(picture).format.mime)})
    reply = context.http.ask("/assets", form, headers=_headers(context), explain=_explain)
    uploaded = reply.read(_Uploaded)
    path = uploaded.file.path or uploaded.asset.key
    if not path:
        raise BadResult("1min.ai took the picture, and does not say where it is.")
    return path


def _bought(context: Context, body: dict[str, Any]) -> _Record:
    is_asynchronous = "async" in body

    def explain(reply: Reply) -> None:
        if is_asynchronous and reply.status in {400, 422} and "async" in reply.words.lower():
            raise _NotAsynchronous(f'1min.ai says: "{reply.words}".')
        _explain(reply)

    return context.http.buy("/features", body, headers=_headers(context), explain=explain).read(_Answer).record


def _pending(record: _Record, handle: Handle) -> Pending:
    """Return where the work stands.

    Raises:
        GenerationFailed: it has failed.
    """
    match record.status.upper():
        case "SUCCESS":
            return _made(record, handle)
        case "FAILURE" | "FAILED" | "ERROR":
            words = "; ".join(record.detail.result)
            reason = f': "{words}"' if words else ", and does not say why"
            raise GenerationFailed(f"1min.ai could not make it{reason}.", charged=Charged.MAYBE)
        case _:
            return Pending(handle=handle, message="Working")


def _made(record: _Record, handle: Handle) -> Pending:
    if not record.temporary_url:
        return Pending(handle=handle, message="The result is made; waiting for its address")
    facts: Handle = {"count": len(record.detail.result)}
    used, before = record.team_user.used_credit, handle.get("used")
    if used is not None and isinstance(before, int | float) and used > before:
        facts["cost"] = f"{used - before:,.0f} credits"
    return Pending(handle={**handle, **facts}, links={"url": record.temporary_url}, is_made=True, message="Downloading")


def _is_picture(name: str) -> bool:
    return name.endswith((".png", ".jpg", ".webp"))


def _explain(reply: Reply) -> None:
    """Raise what an error means, in either of its forms.

    Raises:
        AccountError: key or credit.
        GenerationFailed: anything else that the service says in words of its own.
    """
    answer = reply.json()
    if reply.is_good or not isinstance(answer, dict):
        return
    if reply.status == 408 or reply.status >= 500:  # whatever it says, it does not say that nothing was accepted
        return
    error = answer.get("error")
    code = str(answer.get("errorCode") or (error.get("code") if isinstance(error, dict) else "") or "")
    said = f'1min.ai says: "{reply.words}"{f" ({code})" if code else ""}.'
    if "AUTH" in code or "API_KEY" in code:
        raise KeyRefused(said)
    if "CREDIT" in code or "credit" in reply.words.lower():
        raise OutOfCredit(said)
    if code and reply.status < 429:
        raise GenerationFailed(said)
