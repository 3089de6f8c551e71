# SPDX-License-Identifier: GPL-3.0-or-later
"""Hunyuan3D: a server of one's own, started with the `api_server.py` of Hunyuan3D-2 or Hunyuan3D-2.1.

What is known comes from those two files (Tencent-Hunyuan/Hunyuan3D-2@9cc41a3, Hunyuan3D-2.1@0406efe with its
api_models.py@4ebf83b and model_worker.py@024fd42):

- `POST /send` -> `{"uid"}`, then `GET /status/{uid}` -> `processing`, `texturing` (2.1), `completed` with the GLB as
  `model_base64`. A failed job says `processing` (or `texturing`) for ever, and so does an unknown uid.
- `POST /generate` answers with the file. A failure is a 404 with `{"text", "error_code"}`, and always the same text.
- Only 2.1 has `GET /health`. Its `/send` never completes without a texture; that of 2.0 never unless the type is glb.
- Pictures are bare base64: what stands before a comma would be decoded too.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, Field

from ..errors import BadOption, BadResult, GenerationFailed, Unreachable
from ..http import Base64File, replies, take_out_base64
from ..models import GenerationRequest, ProviderInfo, View
from ..results.adopt import adopt
from .contract import Account, Context, Finished, Handle, Options, Pending, Provider

if TYPE_CHECKING:
    from ..http import Http, Reply

# Larger than any model without its picture; what a status says besides the model is a few words.
_MAX_STATUS_BYTES = 1_000_000
_SERVER_WINDOW = "The window in which the server runs says more."
_FIELD_OF_VIEW = {
    View.FRONT: "image",
    View.BACK: "image_back",
    View.LEFT: "image_left",
    View.RIGHT: "image_right",
}
_NO_SUCH_CALL = (404, 405)
"""What FastAPI answers to a call that it does not have. The server's own failures are 404s too, with an error_code."""
_ONLY_NEWER = {"remove_background"}
_ONLY_OLDER = {"type"}
_MOST_STEPS_OF_NEWER = 20
_FEWEST_CELLS_OF_NEWER = 64


class Hunyuan3DOptions(Options):
    texture: bool = Field(
        default=False,
        title="Texture",
        description="Paint the model too; a server of version 2.0 must have been started with --enable_tex",
    )
    seed: int = Field(
        default=1234, ge=0, le=2**32 - 1, title="Seed", description="The same seed and picture give the same model"
    )
    octree_resolution: int = Field(
        default=256,
        ge=16,
        le=512,
        title="Resolution",
        description="Grid cells along each side when the mesh is made; version 2.1 takes 64 or more",
    )
    num_inference_steps: int = Field(
        default=5,
        ge=1,
        le=50,
        title="Steps",
        description="More steps are slower and finer; turbo models need 5, others 30; version 2.1 takes up to 20",
    )
    guidance_scale: float = Field(
        default=5.0, ge=0.1, le=20.0, title="Guidance", description="How closely the shape follows the picture"
    )
    face_count: int = Field(
        default=40_000,
        ge=1000,
        le=100_000,
        title="Faces",
        description="Triangles that a textured model may have at most",
    )
    remove_background: bool = Field(
        default=True,
        title="Remove Background",
        description="Cut the subject out first; version 2.0 always does",
    )
    num_chunks: int = Field(
        default=8000,
        ge=1000,
        le=20_000,
        title="Chunks",
        description="Grid points worked on at once; fewer need less graphics memory",
        json_schema_extra={"advanced": True},
    )
    type: Literal["glb", "obj", "ply", "stl"] = Field(
        default="glb",
        title="File Type",
        description="Of the file that the server writes; version 2.1 knows only glb",
        json_schema_extra={"advanced": True},
    )


class _Sent(BaseModel):
    uid: str = Field(min_length=1)


class _Status(BaseModel):
    status: str
    message: replies.Text = None


class Hunyuan3D(Provider):
    """Asks a server on this computer, or on one in the same network."""

    info = ProviderInfo(
        id="hunyuan3d",
        label="Hunyuan3D",
        summary="A Hunyuan3D 2.0 or 2.1 server of your own, on this computer or in your network.",
        views=(View.FRONT, View.BACK, View.LEFT, View.RIGHT),
        picture_formats=("PNG", "JPEG", "WebP"),
        result_formats=("glb", "obj", "ply", "stl"),
        base_url="http://127.0.0.1:8081",
        paid=False,
        resumable=True,
        cancellable=False,
    )
    options = Hunyuan3DOptions

    def submit(self, request: GenerationRequest, context: Context) -> Pending | Finished:
        """Start the work: in the background where the server can tell when it is done, else wait for the file.

        Raises:
            Unreachable: there is no server.
            BadOption: this server's version does not take an option or a view.
            GenerationFailed: the server refuses, or is something else.
        """
        options = Hunyuan3DOptions.model_validate(request.options)
        context.report("Looking for the server")
        is_newer = _is_newer(context)
        body = _body(options, request, context, is_newer=is_newer)
        if options.texture if is_newer else options.type == "glb":
            context.report("Sending the picture")
            reply = context.http.buy("/send", body, accept=_NO_SUCH_CALL, explain=_explain)
            if not _has_no_such_call(reply):
                return Pending(handle={"uid": reply.read(_Sent).uid}, message="Working")
        context.report("Working, without saying how far it is")
        reply = context.http.buy("/generate", body, into="model", explain=_explain_generate)
        assert reply.file is not None
        return Finished(files=adopt(reply.file), seed=options.seed)

    def account(self, http: Http, key: str | None) -> Account:
        """Look whether the server is there. Raises `Unreachable`, or `GenerationFailed` for something else."""
        http.get("/health", accept=_NO_SUCH_CALL, explain=_explain_health)
        return Account()

    def poll(self, handle: Handle, context: Context) -> Pending | Finished:
        """Ask whether the model is there; the answer that says so brings it along.

        Raises:
            GenerationFailed: the server says that it failed.
            BadResult: what it sends is damaged.
        """
        uid = quote(str(handle["uid"]), safe="")
        reply = context.http.get(f"/status/{uid}", into="status.json", explain=_explain)
        assert reply.file is not None
        model = context.result_folder / "model"
        status = _without_model(reply, reply.file, model)
        match status.status:
            case "completed":
                if not model.is_file():
                    raise BadResult("Hunyuan3D says that the model is complete, and sends none.", hint=_SERVER_WINDOW)
                reply.file.unlink()
                return Finished(files=adopt(model))
            case "error" | "failed":
                raise _failed(status.message or "")
            case "texturing":
                return Pending(handle=handle, message="Painting the model")
            case _:
                return Pending(handle=handle, message="Working")


def _is_newer(context: Context) -> bool:
    """Whether it is a server of version 2.1: only that has /health.

    Raises:
        Unreachable: there is no server.
        GenerationFailed: it is something else.
    """
    try:
        reply = context.http.get("/health", patience_seconds=2.0, accept=_NO_SUCH_CALL, explain=_explain_health)
    except Unreachable as error:
        raise type(error)(
            str(error),
            hint="Start its api_server.py, or say with IMAGE_TO_3D_HUNYUAN3D_URL where it runs (now: "
            f"{context.base_url}); then resume.",
        ) from None
    return reply.is_good


def _body(options: Hunyuan3DOptions, request: GenerationRequest, context: Context, *, is_newer: bool) -> dict[str, Any]:
    """Return the fields that this version knows: 2.0 passes what it does not know on to its pipeline."""
    fields = options.model_dump(exclude=_ONLY_OLDER if is_newer else _ONLY_NEWER)
    if is_newer:
        _check_for_newer(options, request)
    views = {_FIELD_OF_VIEW[view]: Base64File(context.picture(view)) for view in request.views}
    return {**views, **fields}


def _check_for_newer(options: Hunyuan3DOptions, request: GenerationRequest) -> None:
    """Raise `BadOption` for what 2.1 would refuse, or worse, ignore."""
    wrong = {
        f"at most {_MOST_STEPS_OF_NEWER} steps": options.num_inference_steps > _MOST_STEPS_OF_NEWER,
        f"a resolution of at least {_FEWEST_CELLS_OF_NEWER}": options.octree_resolution < _FEWEST_CELLS_OF_NEWER,
        "only the type glb": options.type != "glb",
        "only a picture of the front": len(request.views) > 1,
    }
    for limit, is_wrong in wrong.items():
        if is_wrong:
            raise BadOption(f"This server is Hunyuan3D 2.1, which takes {limit}.")


def _without_model(reply: Reply, file: Path, model: Path) -> _Status:
    """Return a status, writing the model that may be in it to `model`."""
    targets = {"model_base64": model, "initial_model_base64": None, "model_base64_initial": None}
    try:
        with file.open("rb") as source:
            rest = take_out_base64(source, targets, limit=_MAX_STATUS_BYTES)
    except ValueError as error:
        raise BadResult(f"The model that Hunyuan3D sends is damaged: {error}.", hint=_SERVER_WINDOW) from None
    return replace(reply, body=rest).read(_Status)


def _explain_health(reply: Reply) -> None:
    """Raise `GenerationFailed` for what is no FastAPI server at all."""
    if not isinstance(reply.json(), dict) and reply.status < 500:
        raise _something_else()


def _explain_generate(reply: Reply) -> None:
    _explain(reply)
    if _has_no_such_call(reply):
        raise _something_else()


def _has_no_such_call(reply: Reply) -> bool:
    return reply.status in _NO_SUCH_CALL


def _something_else() -> GenerationFailed:
    return GenerationFailed(
        "At the address of Hunyuan3D there is something else.",
        hint="Is it the Gradio app (port 8080)? Start api_server.py, and name it with IMAGE_TO_3D_HUNYUAN3D_URL.",
    )


def _explain(reply: Reply) -> None:
    """Raise what the server means: its failures are 404s, and 500s with a word or two.

    Raises:
        GenerationFailed: it could not make the model.
        BadOption: a value does not fit (FastAPI's 422).
    """
    answer = reply.json()
    if not isinstance(answer, dict):
        return
    if "error_code" in answer:
        raise _failed("")
    if reply.status == 422:
        raise BadOption(f"Hunyuan3D refuses a value: {reply.words}.", hint="See: providers hunyuan3d.")
    if reply.status == 500 and ("error" in answer or answer.get("status") == "error"):
        raise _failed(reply.words)


def _failed(words: str) -> GenerationFailed:
    # What the server says in a 404 is always that there is high traffic, whatever happened.
    said = f': "{words}"' if words else ", and does not say why"
    return GenerationFailed(f"Hunyuan3D could not make the model{said}.", hint=_SERVER_WINDOW)
