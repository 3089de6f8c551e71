# SPDX-License-Identifier: GPL-3.0-or-later
"""ModelsLab: `3d/image_to_3d` of its API v6, which runs TRELLIS.

What is known comes from the service's documents (docs.modelslab.com, and their repository ModelsLab/docs-v2) and from
public clients:

- The key stands in the body of every request, so that every request is a POST and none may go to another host.
- A picture is uploaded first (`base64_to_url`, 5 MB, kept for 24 hours). The field for its address was renamed from
  `image` to `init_image`, but not everywhere: both are sent, and only one where the service refuses the other.
- An answer says `success`, `processing` (with `eta` and `fetch_result`), or `error`, the latter also with status 200.
  Its words are in `message` or `messege`, as a text or as an object. `output` may be "" where it should be a list.
- `future_links` are named before the files exist; a file may be missing for some seconds after `success`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import quote, unquote, urlsplit

from pydantic import BaseModel, BeforeValidator, Field

from ..errors import (
    AccountError,
    BadResult,
    Busy,
    Charged,
    GenerationFailed,
    KeyRefused,
    OutcomeUnknown,
    OutOfCredit,
    Unreachable,
)
from ..http import Http, Reply, data_uri, replies
from ..models import GenerationRequest, ProviderInfo, View
from ..pictures.facts import PictureFormat
from ..results.adopt import FINISHED, adopt, safe_name
from .contract import Account, Context, Finished, Handle, Options, Pending, Provider

_MAX_UPLOAD_BYTES = 3_700_000
"""Of a file: base64 makes a third more of it, and 5 MB are allowed."""

_IMAGE_FIELDS = ("init_image", "image")
_LINKS_TO_MODEL = ("output", "proxy_links", "future_links")
"""In the order in which they are tried."""

_NO_MODEL = (".mp4", ".webm", ".gif", ".png", ".jpg", ".jpeg", ".webp", ".mtl")
_MAX_EXTRA_FILES = 16
_LONGEST_WAIT_SECONDS = 10**6
_SECONDS_IN_WORDS = re.compile(r"(\d+)\s*(second|minute)", re.IGNORECASE)

_VERSION = re.compile(r"/api(/.*)?$")

_NoText = Annotated[str | None, BeforeValidator(lambda value: value or None)]
"""A text that is left out by leaving it empty."""


# Options that both endpoints have.
Seed = Annotated[
    int,
    Field(
        ge=0,
        le=2**32 - 1,
        title="Seed",
        description="The same seed and picture give the same model; 0 takes another one each time",
    ),
]
ChunkSize = Annotated[
    int,
    Field(
        ge=1,
        le=12000,
        title="Chunk Size",
        description="How much is worked on at once on the service's graphics card",
        json_schema_extra={"advanced": True},
    ),
]
Video = Annotated[
    bool,
    Field(
        title="Video",
        description="Also make a video of the model, kept beside it",
        json_schema_extra={"advanced": True},
    ),
]
Temporary = Annotated[
    Literal["yes", "no"],
    Field(
        title="Temporary",
        description="Let the service keep its copy in a temporary folder only",
        json_schema_extra={"advanced": True},
    ),
]


class ModelsLabOptions(Options):
    output_format: Literal["glb", "obj", "stl", "ply"] = Field(
        default="glb", title="File Type", description="Of the model; only glb and obj bring colours along"
    )
    ss_guidance_strength: float = Field(
        default=7.5,
        ge=0,
        le=10,
        title="Shape Guidance",
        description="How closely the rough shape (sparse structure) follows the picture",
    )
    ss_sampling_steps: int = Field(
        default=12,
        ge=1,
        le=50,
        title="Shape Steps",
        description="Steps in which the rough shape (sparse structure) is found; more are slower",
    )
    slat_guidance_strength: float = Field(
        default=3.0,
        ge=0,
        le=10,
        title="Detail Guidance",
        description="How closely surface and colours (structured latent) follow the picture",
    )
    slat_sampling_steps: int = Field(
        default=12,
        ge=1,
        le=50,
        title="Detail Steps",
        description="Steps in which surface and colours (structured latent) are found; more are slower",
    )
    mesh_simplify: float = Field(
        default=0.9,
        ge=0.9,
        le=0.98,
        title="Simplify",
        description="Share of the triangles that is removed: 0.98 leaves a fifth of what 0.9 leaves",
    )
    seed: Seed = 0
    multi_image: bool = Field(
        default=False,
        title="Several Views in Picture",
        description="The picture is a transparent PNG of several views side by side; on by itself for --view",
    )
    resolution: int = Field(
        default=256,
        ge=1,
        le=512,
        title="Resolution",
        description="Of the model; older than the steps above, and perhaps without effect",
        json_schema_extra={"advanced": True},
    )
    chunk_size: ChunkSize = 8192
    render: Video = False
    temp: Temporary = "no"
    webhook: _NoText = Field(
        default=None,
        title="Webhook",
        description="Address that the service calls when it is done; not needed here",
        json_schema_extra={"advanced": True},
    )
    track_id: _NoText = Field(
        default=None,
        title="Track ID",
        description="A name for this request that the service tells the webhook",
        json_schema_extra={"advanced": True},
    )


def _addresses(texts: list[str]) -> list[str]:
    return [each for each in texts if each.startswith(("https://", "http://"))]


class _Meta(BaseModel):
    seed: replies.Whole = None


class _Answer(BaseModel):
    """Success3DResponse, Processing3DResponse, and what else was seen."""

    status: str
    id: replies.Id = None
    eta: replies.Number = None
    fetch_result: replies.Text = None
    output: replies.Texts = []
    proxy_links: replies.Texts = []
    future_links: replies.Texts = []
    extra_assets: replies.Texts = []
    generation_time: replies.Number = Field(default=None, alias="generationTime")
    meta: Annotated[_Meta, replies.AsObject] = _Meta()

    @property
    def is_made(self) -> bool:
        """A success without any address is none yet."""
        return self.status == "success" and any(map(_addresses, (self.output, self.proxy_links)))

    @property
    def links(self) -> Handle:
        """The addresses in it; those of a result only if it is made, as they are fetched at once."""
        names = (*(("output", "proxy_links") if self.is_made else ()), "future_links", "extra_assets")
        found = {name: _addresses(getattr(self, name)) for name in names}
        return {name: list(addresses) for name, addresses in found.items() if addresses}


class _Uploaded(BaseModel):
    output: replies.Texts = []


class _Balance(BaseModel):
    class Data(BaseModel):
        balance: float | str
        currency: str = ""

    data: Data


class _WrongField(GenerationFailed):
    """The service knows only one of the names that the picture's address has. Not charged."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


class ModelsLabProvider(Provider):
    """What the two endpoints of ModelsLab have in common: upload, purchase, polling, download, errors."""

    create_path: ClassVar[str] = "/3d/image_to_3d"
    image_fields: ClassVar[tuple[str, ...]] = _IMAGE_FIELDS

    def fields(self, request: GenerationRequest) -> dict[str, Any]:
        """Return what is sent besides key and picture."""
        return self.options_of(request.model).model_validate(request.options).model_dump()

    def submit(self, request: GenerationRequest, context: Context) -> Pending | Finished:
        """Upload the picture, then ask for the model.

        Raises:
            AccountError: the key, the plan or the credit is not enough.
            GenerationFailed: the service refuses.
            OutcomeUnknown: nobody knows whether it accepted.
        """
        context.report("Sending the picture")
        address = _uploaded(context, self.picture(request, context), self.explainer())
        context.report("Asking for the model")
        body = {**self.fields(request), "key": context.key}
        try:
            answer = self._bought(context, body | dict.fromkeys(self.image_fields, address))
        except _WrongField as wrong:
            others = [name for name in _IMAGE_FIELDS if name != wrong.name]
            answer = self._bought(context, body | dict.fromkeys(others, address))
        # What stands in the handle anybody may read: not the query of an address, where a key may be.
        fetch = answer.fetch_result.partition("?")[0] if answer.fetch_result else None
        pending = _pending(answer, {"id": answer.id, "fetch": fetch})
        if not pending.is_made and not (answer.id or fetch):
            raise OutcomeUnknown(f"{self.info.label} works on it, but does not say under which number.")
        return pending

    def picture(self, request: GenerationRequest, context: Context) -> Path:
        """Return the one file that is uploaded."""
        return context.picture(View.FRONT)

    def _bought(self, context: Context, body: dict[str, Any]) -> _Answer:
        reply = context.http.buy(self.create_path, body, explain=self.explainer(buys=True))
        return reply.read(_Answer)

    def poll(self, handle: Handle, context: Context) -> Pending | Finished:
        """Ask for the model, or fetch it.

        Raises:
            GenerationFailed: the service says that it failed.
            ResultGone: the service has it no more.
        """
        if context.links.get("output") or context.links.get("proxy_links"):
            return self._fetched(handle, context)
        return self._asked(handle, context)

    def _asked(self, handle: Handle, context: Context) -> Pending:
        path = str(handle.get("fetch") or "")
        if handle.get("id") and not context.http.is_own(path):
            path = f"{self.create_path.rpartition('/')[0]}/fetch/{quote(str(handle['id']), safe='')}"
        reply = context.http.ask(path, {"key": context.key}, explain=self.explainer(Charged.MAYBE))
        answer = reply.read(_Answer)
        return _pending(answer, handle, known=context.links)

    def _fetched(self, handle: Handle, context: Context) -> Finished:
        links = {
            name: [str(link) for link in value] for name, value in context.links.items() if isinstance(value, list)
        }
        outputs, proxies, future = (_models_first(links.get(each, [])) for each in _LINKS_TO_MODEL)
        model = context.http.download_first([*outputs[:1], *proxies[:1], *future[:1]], "model")
        beside, notes = _extras(context, [*outputs[1:], *links.get("extra_assets", [])])
        seed, seconds = handle.get("seed"), handle.get("seconds")
        return Finished(
            files=adopt(model, beside=beside),
            notes=notes,
            seed=int(str(seed)) if seed else None,
            service_seconds=float(str(seconds)) if seconds else None,
        )

    def account(self, http: Http, key: str | None) -> Account:
        """Return the balance of the wallet; costs nothing. Raises `AccountError` if the key is wrong."""
        reply = http.ask(_general(http.base_url, "/wallet_balance"), {"key": key}, explain=self.explainer())
        data = reply.read(_Balance).data
        return Account(balance=f"{data.balance} {data.currency}".strip())

    def explainer(self, charged: Charged = Charged.NO, *, buys: bool = False) -> Callable[[Reply], None]:
        """Return what looks for errors: they come with any status, 200 included.

        charged: whether a generation that failed may have been charged.
        """

        def explain(reply: Reply) -> None:
            answer = reply.json()
            if isinstance(answer, dict) and answer.get("status") in ("error", "failed"):  # it may be of any type
                raise self._error(reply, answer, charged, buys=buys)

        return explain

    def _error(self, reply: Reply, answer: dict[str, Any], charged: Charged, *, buys: bool) -> Exception:
        """Return what an error means."""
        label, words = self.info.label, reply.words
        text = words.lower()
        quote = f'{label} says: "{words}".' if words else f"{label} refuses the request, and does not say why."
        if reply.status >= 500:  # whatever it says: a "load balancer" is no balance
            return OutcomeUnknown(quote) if buys else Busy(quote, after=_seconds(answer, reply))
        if reply.status == 401 or "api key" in text:
            return KeyRefused(quote)
        if reply.status == 402 or "credit" in text or "balance" in text:
            return OutOfCredit(quote)
        if reply.status == 403:
            return AccountError(quote, hint="Is this part of your plan?")
        if reply.status == 429 or "rate limit" in text:
            return Busy(quote, after=_seconds(answer, reply))
        if "queue" in text:  # full, or is the request in it?
            return OutcomeUnknown(quote) if buys else Busy(quote, after=_seconds(answer, reply))
        if buys and (name := _named_field(answer)):
            return _WrongField(name, quote)
        return GenerationFailed(quote, charged=charged)


class ModelsLab(ModelsLabProvider):
    """TRELLIS, with its parameters."""

    info = ProviderInfo(
        id="modelslab",
        label="ModelsLab",
        summary="TRELLIS at ModelsLab: textured models of single objects, in seconds to minutes.",
        views=(View.FRONT, View.BACK, View.LEFT, View.RIGHT),
        picture_formats=(PictureFormat.PNG, PictureFormat.JPEG, PictureFormat.WEBP),
        max_picture_bytes=_MAX_UPLOAD_BYTES,
        result_formats=("glb", "obj", "stl", "ply"),
        key_variables=("MODELSLAB_API_KEY",),
        key_url="https://modelslab.com/dashboard/api-keys",
        base_url="https://modelslab.com/api/v6",
        paid=True,
        resumable=True,
        cancellable=False,
    )
    options = ModelsLabOptions

    def fields(self, request: GenerationRequest) -> dict[str, Any]:
        fields = super().fields(request)
        return fields | {"multi_image": fields["multi_image"] or len(request.views) > 1}

    def picture(self, request: GenerationRequest, context: Context) -> Path:
        """Several views go side by side into one transparent PNG, which TRELLIS takes apart again."""
        if len(request.views) == 1:
            return context.picture(View.FRONT)
        from ..pictures.side_by_side import write_side_by_side

        target = context.result_folder.with_name("views.png")
        views = [view for view in View if view in request.views]
        notes = write_side_by_side(
            [context.picture(view) for view in views],
            target,
            names=[request.views[view].name for view in views],
            blender=context.blender,
            max_bytes=_MAX_UPLOAD_BYTES,
        )
        for note in notes:
            context.note(note)
        return target


def _uploaded(context: Context, picture: Path, explain: Callable[[Reply], None]) -> str:
    """Return the address under which the service finds a picture from now on."""
    body = {"key": context.key, "base64_string": data_uri(picture)}
    reply = context.http.ask(_general(context.http.base_url, "/v6/base64_to_url"), body, explain=explain)
    addresses = _addresses(reply.read(_Uploaded).output)
    if not addresses:
        raise BadResult("ModelsLab took the picture, and does not say where it is.")
    return addresses[0]


def _general(base_url: str, path: str) -> str:
    """Return the address of a call that all versions and plans share: the base URL says one of `…/api/VERSION`."""
    return f"{_VERSION.sub('', base_url)}/api{path}"


def _pending(answer: _Answer, handle: Handle, known: Handle | None = None) -> Pending:
    """Return where the work stands."""
    if answer.is_made:
        more: Handle = {"seed": answer.meta.seed, "seconds": answer.generation_time}
        handle = handle | {name: value for name, value in more.items() if value is not None}
    return Pending(
        handle=handle,
        links={**(known or {}), **answer.links},
        is_made=answer.is_made,
        message="Downloading" if answer.is_made else "Working",
        eta_seconds=None if answer.is_made else answer.eta,
    )


def _models_first(links: list[str]) -> list[str]:
    """Put videos, pictures and materials behind what may be the model."""
    return sorted(links, key=lambda link: _name_in(link).lower().endswith(_NO_MODEL))


def _name_in(link: str) -> str:
    """Return the name of the file that a link leads to: materials know their textures by it."""
    return safe_name(unquote(urlsplit(link).path))


def _extras(context: Context, links: Iterable[str]) -> tuple[list[Path], tuple[str, ...]]:
    """Fetch what came with the model. What cannot be had is no reason to lose the model."""
    found: list[Path] = []
    missing = 0
    for number, link in enumerate(list(dict.fromkeys(links))[:_MAX_EXTRA_FILES]):
        name = _name_in(link)
        if name == FINISHED or (context.result_folder / name).exists():
            name = f"{number}-{name}"
        try:
            found.append(context.http.download(link, name, patience_seconds=context.http.limits.next_link_seconds))
        except (GenerationFailed, Unreachable):
            missing += 1
    return found, (f"{missing} more files of the result could not be fetched.",) if missing else ()


def _named_field(answer: dict[str, Any]) -> str | None:
    """Return the one of the picture's two fields that a validation error is about."""
    message = answer.get("message") or answer.get("messege")
    named = [name for name in _IMAGE_FIELDS if isinstance(message, dict) and name in message]
    return named[0] if len(named) == 1 else None


def _seconds(answer: dict[str, Any], reply: Reply) -> float | None:
    """Return how long the service asks to wait: in the body, in the head, or in words."""
    after = answer.get("retry_after")
    if isinstance(after, int | float) and 0 <= after < _LONGEST_WAIT_SECONDS:
        return float(after)
    if reply.retry_after_seconds is not None:
        return reply.retry_after_seconds
    found = _SECONDS_IN_WORDS.search(reply.words)
    return float(found[1]) * (60 if found[2].lower() == "minute" else 1) if found else None
