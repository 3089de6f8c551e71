# SPDX-License-Identifier: GPL-3.0-or-later
"""AI/ML API (aimlapi.com): several models behind one address that answers when the model is made, after minutes.

What is known comes from the service's documents (aimlapi/api-docs):

- One POST, and the answer is the result: there is nothing to ask for later. A client that gives up is billed all the
  same; 15 minutes are to be waited. Failed requests are not charged.
- The documented answer (`data[].url`) is that of the picture models. What came from the 3D models has `model_mesh`,
  `model_glb` or `model_urls`. Neither content type nor the end of an address says what a file is.
- 403 says that there is no credit left. `statusCode` may be a text. The page of `magic/image-to-3d` is hidden by now:
  perhaps it is no longer sold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Literal, Self

from pydantic import BaseModel, Field, JsonValue, model_validator

from ..errors import BadResult, Charged, GenerationFailed, OutOfCredit
from ..http import Base64File, Http, Reply, data_uri, take_out_base64
from ..models import GenerationRequest, ProviderInfo, View
from ..pictures.facts import PictureFormat
from ..results.adopt import adopt
from .contract import Account, Context, Finished, Handle, Options, Pending, Provider

MAGIC = "magic/image-to-3d"
TRIPOSR = "triposr"
MESHY = "meshy/meshy-6-image-to-3d"

_MAX_ANSWER_BYTES = 4_000_000
_MOST_SMART_FACES = 15_000
# The places where a model was seen, the likeliest first.
_MODEL_NAMES = ("model_mesh", "model_glb", "model_urls", "pbr_model", "model", "base_model", "segmented_mesh", "data")
_KINDS = ("glb", "fbx", "obj", "stl", "ply")
_MODEL_SUFFIXES = (*(f".{kind}" for kind in _KINDS), ".zip", ".gltf")
_MOST_LINKS = 8
_DEEPEST = 50
"""Of the objects in an answer: the deepest that was seen is 4."""


class MagicOptions(Options):
    """It has none."""


class TripoSROptions(Options):
    output_format: Literal["glb", "obj"] = Field(default="glb", title="File Type", description="Of the model")
    do_remove_background: bool = Field(
        default=True, title="Remove Background", description="Cut the subject out of the picture first"
    )
    foreground_ratio: float = Field(
        default=0.9, ge=0.5, le=1, title="Subject Size", description="Share of the picture that the subject fills"
    )
    mc_resolution: int = Field(
        default=256,
        ge=32,
        le=1024,
        title="Resolution",
        description="Grid cells along each side; above 512 the service advises against it",
    )


class MeshyOptions(Options):
    model_type: Literal["standard", "lowpoly", "smart-topology"] = Field(
        default="standard", title="Kind", description="Of mesh: full detail, few faces, or clean edge flow"
    )
    topology: Literal["triangle", "quad"] = Field(default="triangle", title="Faces", description="Triangles or quads")
    target_polycount: int = Field(
        default=30_000, ge=100, le=300_000, title="Face Count", description="Faces that the mesh shall have"
    )
    symmetry_mode: Literal["off", "auto", "on"] = Field(
        default="auto", title="Symmetry", description="Whether left and right are made alike"
    )
    should_remesh: bool = Field(
        default=True, title="Remesh", description="Make the mesh anew with the face count; else it stays as it came"
    )
    should_texture: bool = Field(default=True, title="Texture", description="Paint the model")
    enable_pbr: bool = Field(
        default=False, title="PBR", description="Paint metal, roughness and relief too, not only colours"
    )
    pose_mode: Literal["", "a-pose", "t-pose"] = Field(
        default="", title="Pose", description="Of a figure: as in the picture, or with the arms down or out"
    )
    texture_prompt: str = Field(
        default="", max_length=600, title="Texture Prompt", description="Words that say how it shall be painted"
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.model_type == "smart-topology" and self.target_polycount > _MOST_SMART_FACES:
            raise ValueError(f"smart-topology makes at most {_MOST_SMART_FACES:,} faces (target_polycount)")
        return self


_OPTIONS: dict[str, type[Options]] = {MAGIC: MagicOptions, TRIPOSR: TripoSROptions, MESHY: MeshyOptions}
_LEFT_OUT_WHEN_EMPTY = ("texture_prompt",)
_FIELD_OF_VIEW: dict[View, str] = {view: f"{view}_image_url" for view in View if view is not View.MASK}


class _Billing(BaseModel):
    current_balance: float
    currency: str = "USD"


class AimlApi(Provider):
    """The answer to the purchase is the result."""

    info = ProviderInfo(
        id="aimlapi",
        label="AI/ML API",
        summary="Several models behind one key; what has been sent cannot be stopped or asked for again.",
        views=(View.FRONT, View.BACK, View.LEFT, View.RIGHT),
        models=(MAGIC, TRIPOSR, MESHY),
        # WebP is not among what Meshy takes.
        picture_formats=(PictureFormat.PNG, PictureFormat.JPEG),
        max_picture_bytes=10_000_000,
        result_formats=("glb", "obj"),
        key_variables=("AIMLAPI_API_KEY", "AIML_API_KEY"),
        key_url="https://aimlapi.com/app/keys",
        base_url="https://api.aimlapi.com",
        paid=True,
        resumable=False,
        cancellable=False,
    )
    options = MagicOptions

    def options_of(self, model: str | None) -> type[Options]:
        return _OPTIONS[model or MAGIC]

    def price_of(self, model: str | None) -> str | None:
        return "about 1.04 USD" if model == MESHY else self.info.price  # what the one answer in its documents says

    def views_of(self, model: str | None) -> tuple[View, ...]:
        return self.info.views if model in {None, MAGIC} else (View.FRONT,)

    def submit(self, request: GenerationRequest, context: Context) -> Pending | Finished:
        """Send the pictures, and wait until the model is made.

        Raises:
            AccountError: key or credit are not enough.
            GenerationFailed: the service refuses or fails; not charged.
            OutcomeUnknown: no answer came.
        """
        context.report("Sending the picture; the answer takes minutes")
        reply = context.http.buy(
            "/v1/images/generations",
            _body(request, context),
            headers={"Authorization": f"Bearer {context.key}"},
            into="answer.json",
            explain=_explain_purchase,
        )
        assert reply.file is not None
        inline = context.result_folder / "inline"
        with reply.file.open("rb") as source:
            reply_without_file = replace(reply, body=_without_file(source, inline))
        answer = reply_without_file.object()
        facts = _facts(answer)
        if inline.exists() and inline.stat().st_size:
            reply.file.unlink()
            return Finished(files=adopt(inline), **facts)
        links: list[JsonValue] = list(dict.fromkeys(_links(answer)))
        if not links:
            words = reply_without_file.words
            quote = f': "{words}"' if words else ""
            # The answer stays where it is, and so is kept: it was paid for, and a person may find the model in it.
            raise BadResult(f"{self.info.label} says that it is done, and names no model{quote}.", charged=Charged.YES)
        reply.file.unlink()
        return Pending(handle=facts, links={"models": links[:_MOST_LINKS]}, is_made=True, message="Downloading")

    def poll(self, handle: Handle, context: Context) -> Pending | Finished:
        """Fetch the model.

        Raises:
            ResultGone: the links have expired, and there is no way to new ones.
        """
        links = context.links.get("models")
        assert isinstance(links, list), "it was made, so there are links"
        file = context.http.download_first([str(link) for link in links], "model")
        return Finished.model_validate({**handle, "files": adopt(file)})

    def account(self, http: Http, key: str | None) -> Account:
        """Return what is left of the credit. Raises `AccountError` if the key is wrong."""
        reply = http.get("/v2/billing", headers={"Authorization": f"Bearer {key}"}, explain=_explain)
        billing = reply.read(_Billing)
        return Account(balance=f"{billing.current_balance:g} {billing.currency}")


def _body(request: GenerationRequest, context: Context) -> dict[str, Any]:
    options = _OPTIONS[request.model or MAGIC].model_validate(request.options).model_dump()
    for name in _LEFT_OUT_WHEN_EMPTY:
        if not options.get(name, True):
            del options[name]
    return {"model": request.model or MAGIC, **_pictures(request, context), **options}


def _pictures(request: GenerationRequest, context: Context) -> dict[str, Base64File]:
    """Return the pictures as data URIs: only magic names the side that a picture shows."""
    found = {}
    for view in request.views:
        name = _FIELD_OF_VIEW[view] if request.model in {None, MAGIC} else "image_url"
        found[name] = data_uri(context.picture(view))
    return found


def _without_file(source: IO[bytes], inline: Path) -> bytes:
    """Return an answer without the model that may be in it as base64, which goes to `inline`.

    Raises:
        BadResult: that is damaged.
    """
    try:
        return take_out_base64(source, {"b64_json": inline}, limit=_MAX_ANSWER_BYTES)
    except ValueError as error:
        raise BadResult(f"The model in the answer of AI/ML API is damaged: {error}.", charged=Charged.YES) from None


def _links(answer: dict[str, Any]) -> Iterator[str]:
    """Yield the addresses that may be the model's, the likeliest first."""
    for name in _MODEL_NAMES:
        yield from _links_at(answer.get(name))
    yield from _links_below(answer)


def _links_at(value: Any, depth: int = 0) -> Iterator[str]:
    """Yield the addresses in a value that stands where a model should: a file, files by kind, a list, an address."""
    match value:
        case _ if depth > _DEEPEST:
            return
        case str() if value.startswith(("https://", "http://")):
            yield value
        case {"url": str(link)}:
            yield link
        case dict():
            for kind in _KINDS:
                yield from _links_at(value.get(kind), depth + 1)
        case list():
            for each in value:
                yield from _links_at(each, depth + 1)


def _links_below(value: Any, depth: int = 0) -> Iterator[str]:
    """Yield the addresses of files that are called models, as deep as makes sense."""
    match value:
        case _ if depth > _DEEPEST:
            return
        case {"url": str(link), **more}:
            names = (more.get("file_name"), more.get("content_type"), link.partition("?")[0])
            if any(_is_called_a_model(str(name).lower()) for name in names):
                yield link
        case dict():
            for each in value.values():
                yield from _links_below(each, depth + 1)
        case list():
            for each in value:
                yield from _links_below(each, depth + 1)


def _is_called_a_model(name: str) -> bool:
    return name.endswith(_MODEL_SUFFIXES) or name.startswith("model/")


def _facts(answer: dict[str, Any]) -> Handle:
    """Return what `Finished` says besides the files, as far as the service says it."""
    meta = _object(answer.get("meta"))
    usage, milliseconds = _object(meta.get("usage")), _object(meta.get("metrics")).get("duration_ms")
    facts: Handle = {}
    if isinstance(dollars := usage.get("usd_spent"), int | float):
        facts["cost"] = f"{dollars:g} USD"
    elif isinstance(credits_used := usage.get("credits_used"), int | float):
        facts["cost"] = f"{credits_used:,} credits"
    if isinstance(seed := answer.get("seed"), int):
        facts["seed"] = seed
    if isinstance(milliseconds, int | float):
        facts["service_seconds"] = milliseconds / 1000
    return facts


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _explain(reply: Reply) -> None:
    """Raise `OutOfCredit` for a 403 that means it: other services say 402."""
    if reply.status == 403 and "credit" in reply.words.lower():
        raise OutOfCredit(f'AI/ML API says: "{reply.words}".')


def _explain_purchase(reply: Reply) -> None:
    """Raise what an answer to a purchase means.

    Raises:
        OutOfCredit: see `_explain`.
        GenerationFailed: the service says that it failed, in its own form: that is documented not to be charged.
    """
    _explain(reply)
    if reply.status >= 500 and "statusCode" in _object(reply.json()):
        raise GenerationFailed(f'AI/ML API says: "{reply.words}".', hint="It was not charged. Try again later.")
    if reply.status in {400, 404} and "model" in reply.words.lower():
        raise GenerationFailed(f'AI/ML API says: "{reply.words}".', hint="Choose another model with --model.")
