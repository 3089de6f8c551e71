# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshy: a model from one picture, or from up to four of the same object, with Meshy's own key.

What is known comes from the service's documents (docs.meshy.ai) and from its own clients (meshy-dev/meshy-mcp-server,
meshy-dev/meshy-cli):

- One picture goes to `image-to-3d`, several go to `multi-image-to-3d`, which is not told which side each shows. A task
  is asked for at the address where it was created.
- `should_remesh` is off by default except for meshy-5. Without it `topology` and `target_polycount` are ignored.
  Settings of the texture without `should_texture` are refused. Without `target_formats` every format is made, which
  takes longer. `symmetry_mode` has no effect any more; `model_type` and `ultra_mode` are for one picture only.
- A task that FAILED is refunded. A waiting one can be deleted for its price; one at work cannot be stopped.
- Links are signed, and models are kept for 3 days.

Inferred: meshy-7 does not remesh by default; a new question brings newly signed links; EXPIRED, which older documents
list, was paid for; pictures may have 20 MB, because Meshy's own client stops there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from urllib.parse import quote

from pydantic import BaseModel, Field, model_validator

from ..errors import BadResult, Charged, GenerationFailed, ResultGone
from ..http import Reply, data_uri, replies
from ..models import GenerationRequest, ProviderInfo, View
from ..pictures.facts import PictureFormat
from ..results.adopt import adopt
from .contract import Account, Context, Finished, Handle, Options, Pending, Provider

if TYPE_CHECKING:
    from ..http import Http

_SINGLE = "image-to-3d"
_MULTI = "multi-image-to-3d"
_OLDEST = "meshy-5"
_NEWEST = "meshy-7"
_FACES = 30_000
_REMESHING = {"topology", "target_polycount"}
_TEXTURING = {"enable_pbr", "texture_prompt", "texture_resolution", "remove_lighting"}


class OldestMeshyOptions(Options):
    """What meshy-5 takes."""

    should_remesh: bool = Field(
        default=True, title="Remesh", description="Make the mesh anew with the face count; else it stays as it came"
    )
    topology: Literal["triangle", "quad"] = Field(
        default="triangle", title="Faces", description="Triangles or quads, if it is made anew"
    )
    target_polycount: int = Field(
        default=_FACES,
        ge=100,
        le=300_000,
        title="Face Count",
        description="Faces that the mesh shall have, if it is made anew",
    )
    pose_mode: Literal["", "a-pose", "t-pose"] = Field(
        default="", title="Pose", description="Of a figure: as in the picture, or with the arms down or out"
    )
    should_texture: bool = Field(default=True, title="Texture", description="Paint the model; costs more")
    enable_pbr: bool = Field(
        default=False, title="PBR", description="Paint metal, roughness and relief too, not only colours"
    )
    texture_prompt: str = Field(
        default="", max_length=600, title="Texture Prompt", description="Words that say how it shall be painted"
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        """Refuse what would be paid for and ignored, or refused there."""
        if not self.should_remesh and (self.topology != "triangle" or self.target_polycount != _FACES):
            raise ValueError("topology and target_polycount need should_remesh=true")
        if not self.should_texture and (self.enable_pbr or self.texture_prompt):
            raise ValueError("enable_pbr and texture_prompt need should_texture=true")
        return self


class NewestMeshyOptions(OldestMeshyOptions):
    """What meshy-7 takes."""

    should_remesh: bool = Field(
        default=False, title="Remesh", description="Make the mesh anew with the face count; else it stays as it came"
    )
    texture_resolution: Literal["2k", "4k", "8k"] = Field(
        default="2k", title="Texture Size", description="Pixels along each side of the texture; 8k costs more"
    )

    @model_validator(mode="after")
    def _fits_texture(self) -> Self:
        if not self.should_texture and self.texture_resolution != "2k":
            raise ValueError("texture_resolution needs should_texture=true")
        return self


class MeshyOptions(NewestMeshyOptions):
    """What latest and meshy-6 take."""

    image_enhancement: bool = Field(
        default=True, title="Enhance Picture", description="Let the service improve the picture before it begins"
    )
    remove_lighting: bool = Field(
        default=True, title="Remove Lighting", description="Paint without the picture's highlights and shadows"
    )


_OPTIONS: dict[str, type[Options]] = {_OLDEST: OldestMeshyOptions, _NEWEST: NewestMeshyOptions}


class _Created(BaseModel):
    result: str = Field(min_length=1)


class _TaskError(BaseModel):
    message: replies.Text = None


class _ModelUrls(BaseModel):
    glb: replies.Text = None


class _Task(BaseModel):
    status: str
    progress: replies.Number = None
    preceding_tasks: replies.Whole = None
    started_at: replies.Whole = None
    finished_at: replies.Whole = None
    consumed_credits: replies.Number = None
    model_urls: Annotated[_ModelUrls, replies.AsObject] = _ModelUrls()
    task_error: Annotated[_TaskError, replies.AsObject] = _TaskError()


class _Balance(BaseModel):
    balance: float


class Meshy(Provider):
    """Creates a task, asks how far it is, and fetches the GLB."""

    info = ProviderInfo(
        id="meshy",
        label="Meshy",
        summary="Models from 1 to 4 pictures of the same object, at Meshy itself; what is at work cannot be stopped.",
        views=(View.FRONT, View.BACK, View.LEFT, View.RIGHT),
        models=("latest", _NEWEST, "meshy-6", _OLDEST),
        picture_formats=(PictureFormat.PNG, PictureFormat.JPEG),
        max_picture_bytes=20_000_000,
        key_variables=("MESHY_API_KEY",),
        key_url="https://www.meshy.ai/settings/api",
        base_url="https://api.meshy.ai/openapi/v1",
        paid=True,
        resumable=True,
        cancellable=False,
    )
    options = MeshyOptions

    def options_of(self, model: str | None) -> type[Options]:
        return _OPTIONS.get(model or "", MeshyOptions)

    def submit(self, request: GenerationRequest, context: Context) -> Pending | Finished:
        """Send the pictures.

        Raises:
            AccountError: key or credit are not enough.
            GenerationFailed: the service refuses.
            OutcomeUnknown: nobody knows whether it accepted.
        """
        context.report("Sending the picture")
        kind = _SINGLE if len(request.views) == 1 else _MULTI
        options = self.options_of(request.model).model_validate(request.options)
        body = {**_pictures(request, context), "ai_model": request.model, **_sent(options), "target_formats": ["glb"]}
        reply = context.http.buy(f"/{kind}", body, headers=_headers(context.key))
        return Pending(handle={"kind": kind, "task": reply.read(_Created).result}, message="Accepted")

    def poll(self, handle: Handle, context: Context) -> Pending | Finished:
        """Ask how far it is, or fetch the model.

        Raises:
            GenerationFailed: the service says that it failed.
            ResultGone: the service no longer has it.
        """
        return _fetched(handle, context) if context.links else _asked(handle, context)

    def account(self, http: Http, key: str | None) -> Account:
        """Return the credits that are left. Raises `AccountError` if the key is wrong."""
        left = http.get("/balance", headers=_headers(key)).read(_Balance).balance
        return Account(balance=f"{left:,.0f} credits")


def _headers(key: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def _pictures(request: GenerationRequest, context: Context) -> dict[str, Any]:
    files = [data_uri(context.picture(view)) for view in request.views]
    return {"image_url": files[0]} if len(files) == 1 else {"image_urls": files}


def _sent(options: Options) -> dict[str, Any]:
    """Return the options that go together: the service ignores some of the others, and refuses some."""
    fields = options.model_dump()
    idle: set[str] = set()
    if not fields["should_remesh"]:
        idle |= _REMESHING
    if not fields["should_texture"]:
        idle |= _TEXTURING
    if not fields["texture_prompt"]:
        idle.add("texture_prompt")
    return {name: value for name, value in fields.items() if name not in idle}


def _asked(handle: Handle, context: Context) -> Pending:
    path = f"/{handle['kind']}/{quote(str(handle['task']), safe='')}"
    task = context.http.get(path, headers=_headers(context.key), explain=_explain_question).read(_Task)
    match task.status.upper():
        case "SUCCEEDED":
            return _made(task, handle)
        case "FAILED":
            words = task.task_error.message
            reason = f': "{words}"' if words else ", and does not say why"
            raise GenerationFailed(f"Meshy could not make it{reason}.", hint="The credits were given back.")
        case "CANCELED":
            raise GenerationFailed("The task was cancelled at Meshy.", charged=Charged.MAYBE)
        case "EXPIRED":
            raise GenerationFailed("Meshy has thrown the task away: it was too old.", charged=Charged.YES)
        case "PENDING":
            before = f", behind {task.preceding_tasks} others" if task.preceding_tasks else ""
            return Pending(handle=handle, message=f"Waiting{before}")
        case _:
            share = None if task.progress is None else min(max(task.progress / 100, 0.0), 1.0)
            return Pending(handle=handle, message="Working", progress=share)


def _made(task: _Task, handle: Handle) -> Pending:
    link = task.model_urls.glb
    if not link:
        raise BadResult("Meshy says that it is done, and names no model.", charged=Charged.YES)
    facts: Handle = {}
    if task.consumed_credits is not None:
        facts["cost"] = f"{task.consumed_credits:,.0f} credits"
    if task.started_at and task.finished_at:
        facts["service_seconds"] = (task.finished_at - task.started_at) / 1000
    return Pending(handle={**handle, "facts": facts}, links={"model": link}, is_made=True, message="Downloading")


def _fetched(handle: Handle, context: Context) -> Finished:
    file = context.http.download(str(context.links["model"]), "model")
    facts = handle.get("facts")
    return Finished.model_validate({**(facts if isinstance(facts, dict) else {}), "files": adopt(file)})


def _explain_question(reply: Reply) -> None:
    """Raise `ResultGone` for a task that the service does not know, or does not know any more."""
    if reply.status == 404:
        raise ResultGone(
            f'Meshy does not have this task: "{reply.words}".',
            hint="Models are kept for 3 days; look at the service, or send it anew with --again.",
            charged=Charged.MAYBE,
        )
