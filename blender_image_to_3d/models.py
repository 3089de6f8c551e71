# SPDX-License-Identifier: GPL-3.0-or-later
"""The nouns: what is asked for (`GenerationRequest`), what became of it (`Job`), and what went wrong (`Problem`).

All of them are frozen, JSON-able and free of secrets; they are what `job.json` holds.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from . import errors
from .errors import Charged, ImageTo3DError

DIGEST_PATTERN = r"^[0-9a-f]{64}$"
# Written by NAME in job folders and shown in scenes: long enough for people, short enough for Blender's 63 bytes.
MAX_NAME_LENGTH = 200


class Model(BaseModel):
    """Base of everything we write ourselves. Values never change.

    Unknown fields are kept: the library is shared by all versions, and what a newer one wrote must not be lost, or
    bought again, because an older one cannot read it.
    """

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)

    def evolve(self, **changes: Any) -> Self:
        """Return a validated copy with `changes`.

        Raises:
            pydantic.ValidationError: a new value does not fit its field.
            TypeError: there is no such field.
        """
        if unknown := changes.keys() - type(self).model_fields:
            raise TypeError(f"{type(self).__name__} has no {', '.join(sorted(unknown))}")
        return type(self).model_validate({**dict(self), **changes})


def _base_name(name: str) -> str:
    if not name or name in {".", ".."} or any(character in name for character in "/\\\0:"):
        raise ValueError("must be the plain name of a file in the job folder")
    return name


FileName = Annotated[str, AfterValidator(_base_name)]
"""The name of a file directly inside a job folder: a job.json from elsewhere cannot point out of it."""


class View(StrEnum):
    """What a picture of a request shows: a side of the subject, or which part of the front is the subject."""

    FRONT = "front"
    BACK = "back"
    LEFT = "left"
    RIGHT = "right"
    MASK = "mask"


class Picture(Model):
    """One picture of a request, as it lies in the job folder."""

    file: FileName
    name: str = Field(description="What the user calls it: a base name, never a path")
    sha256: str = Field(pattern=DIGEST_PATTERN, description="Of the bytes, or of the pixels, that were handed over")


class Spot(StrEnum):
    """Where the model is put."""

    CURSOR = "cursor"
    """Where the cursor was when the model was asked for."""

    CURSOR_NOW = "cursor_now"
    """Where the cursor is when the model arrives; for a script that waits for it, the same."""

    ORIGIN = "origin"


class Stance(StrEnum):
    """How the model stands on its spot."""

    GROUND = "ground"
    CENTRE = "centre"
    FILE = "file"


class Placement(Model):
    """How the result comes into the scene."""

    spot: Spot = Spot.CURSOR
    stance: Stance = Stance.GROUND
    height: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="In scene units; nothing: as the file says"
    )
    collection: str | None = Field(default=None, description="Made if it is missing; nothing: the active one")
    faces: int | None = Field(default=None, ge=4, description="At most so many triangles; nothing: as the file says")
    as_asset: bool = Field(default=False, description="Mark it as an asset, with the front picture as its preview")


class ProviderInfo(Model):
    """What a provider is, for everyone who has to choose, check or draw."""

    id: str
    label: str
    summary: str = Field(description="One line: what it does, and what it cannot")
    views: tuple[View, ...] = (View.FRONT,)
    models: tuple[str, ...] = Field(default=(), description="The first is the default; none: there is no choice")
    picture_formats: tuple[str, ...] = Field(description="What it takes as it is, as PictureFormat values")
    max_picture_bytes: int | None = Field(
        default=None, gt=0, description="Of one picture file as it is sent; larger pictures are scaled down"
    )
    good_picture_side: int | None = Field(
        default=None, gt=0, description="Shorter side in pixels below which its results are poor; only a warning"
    )
    result_formats: tuple[str, ...] = ("glb",)
    key_variables: tuple[str, ...] = Field(default=(), description="The service's own names; none: it needs no key")
    key_url: str | None = Field(default=None, description="Where a key is to be had")
    base_url: str | None = Field(default=None, description="None: it works on this computer")
    paid: bool = Field(description="A request may cost money, and is never repeated by itself")
    price: str | None = Field(
        default=None, description='Of a request as its service tells it, such as "about 0.04 USD"; nothing: it does not'
    )
    resumable: bool = Field(description="A result can be asked for again in another process, on another day")
    cancellable: bool = Field(description="The service can be told to stop")
    patience_seconds: float = Field(default=1800.0, description="How long it may say nothing new until we stop asking")

    @property
    def needs_key(self) -> bool:
        return bool(self.key_variables)

    @property
    def all_key_variables(self) -> tuple[str, ...]:
        """The environment variables in which a key is looked for, ours first."""
        return (f"IMAGE_TO_3D_{self.id.upper()}_KEY", *self.key_variables) if self.needs_key else ()

    @property
    def url_variable(self) -> str:
        """The environment variable that puts another address in place of `base_url`."""
        return f"IMAGE_TO_3D_{self.id.upper()}_URL"


class GenerationRequest(Model):
    """Everything that decides the result, and how it is to be placed."""

    provider: str
    model: str | None = None
    views: dict[View, Picture]
    options: dict[str, JsonValue] = Field(default_factory=dict, description="Every option, defaults included")
    placement: Placement = Placement()
    name: str = Field(default="Model", min_length=1, max_length=MAX_NAME_LENGTH)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over what would be bought: pictures, provider, model and options; not the name or the placement."""
        bought = {
            "provider": self.provider,
            "model": self.model,
            "views": {view.value: picture.sha256 for view, picture in self.views.items()},
            "options": self.options,
        }
        return hashlib.sha256(json.dumps(bought, sort_keys=True).encode()).hexdigest()


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    """Nothing was sent yet."""

    SUBMITTING = "submitting"
    """The call that may cost money is under way. Found without a live worker, its outcome is unknown."""

    RUNNING = "running"
    """The service works; the handle is written down, so that asking for the result is free and repeatable."""

    DOWNLOADING = "downloading"
    """The result exists and is being fetched."""

    READY = "ready"
    """The result lies in the job folder."""

    IMPORTED = "imported"
    """The result is, or was, in a scene."""

    FAILED = "failed"
    CANCELLED = "cancelled"

    UNKNOWN = "unknown"
    """The request may have been accepted; only a person decides to send it again."""

    @property
    def has_result(self) -> bool:
        return self in {JobState.READY, JobState.IMPORTED}

    @property
    def is_final(self) -> bool:
        """No worker will do anything with it unless a person asks."""
        return self.has_result or self in {JobState.FAILED, JobState.CANCELLED, JobState.UNKNOWN}


class Problem(Model):
    """Why a job stopped, in words for its user."""

    kind: str = Field(description="Name of the class in errors.py")
    message: str
    hint: str = ""
    charged: Charged = Charged.NO
    exit_status: int = 1

    @classmethod
    def of(cls, error: ImageTo3DError) -> Self:
        return cls(
            kind=type(error).__name__,
            message=str(error),
            hint=error.hint,
            charged=error.charged,
            exit_status=error.exit_status,
        )

    @property
    def would_recur(self) -> bool:
        """Whether another machine would fare no better with this picture."""
        return self.error().would_recur

    def error(self) -> ImageTo3DError:
        """Return the exception that this problem was."""
        kind = getattr(errors, self.kind, None)
        if not (isinstance(kind, type) and issubclass(kind, ImageTo3DError)):
            kind = ImageTo3DError
        return kind(self.message, hint=self.hint, charged=self.charged)


class ResultFile(Model):
    """One file of the result, in the job folder."""

    file: FileName
    sha256: str = Field(pattern=DIGEST_PATTERN)
    size_bytes: int = Field(ge=0)


class Start(Model):
    """What only the parent knows. It is never written down: it may hold a key."""

    key: str | None = None
    base_url: str | None = None
    patience_seconds: float | None = None
    lease_seconds: float | None = None
    blender: str | None = None
    take_over: bool = False

    def __repr__(self) -> str:
        return "Start(…)"


def now() -> datetime:
    return datetime.now(UTC)


class Job(Model):
    """One generation, from request to result; the content of `job.json`."""

    id: FileName
    request: GenerationRequest
    state: JobState = JobState.QUEUED
    handle: dict[str, JsonValue] | None = Field(default=None, description="What the provider's poll() needs")
    progress: float | None = Field(default=None, ge=0, le=1, description="Only where it is known")
    message: str = ""
    eta_seconds: float | None = None
    results: tuple[ResultFile, ...] = Field(default=(), description="The model first")
    problem: Problem | None = None
    notes: tuple[str, ...] = Field(
        default=(), description="What the user should know of what was sent, and of the result"
    )
    cost: str | None = Field(default=None, description="As the service says it, with its unit")
    seed: int | None = Field(default=None, description="The seed the service says it used")
    service_seconds: float | None = Field(default=None, description="How long it took, as the service says")
    created: AwareDatetime = Field(default_factory=now)
    updated: AwareDatetime = Field(default_factory=now)

    @property
    def is_unfinished(self) -> bool:
        """It may still bring a result without being paid for again."""
        return not self.state.has_result and (self.handle is not None or not self.state.is_final)

    @property
    def worth(self) -> int:
        """How much would be lost with it: 3 the result, 2 what may still bring it, 1 a charge, 0 nothing."""
        if self.state.has_result:
            return 3
        if self.is_unfinished:
            return 2
        was_charged = self.problem is not None and self.problem.charged is not Charged.NO
        return int(self.state is JobState.UNKNOWN or was_charged)

    def evolve(self, **changes: Any) -> Self:
        """Return a validated copy with `changes` and the time of the change."""
        return super().evolve(**{"updated": now(), **changes})
