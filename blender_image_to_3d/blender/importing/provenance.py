# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an object came from: custom properties that stay with it in the .blend, in copies and in glTF files."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import PurePosixPath, PureWindowsPath

import bpy
from pydantic import JsonValue, ValidationError

from ... import providers
from ...models import GenerationRequest, Job, Picture, View
from .origin import JOB_KEY, PREFIX

REQUEST_KEY = f"{PREFIX}request"
PART_KEY = f"{PREFIX}part_of"
"""On everything below the root of a model of several objects, so that it can be told from what the user put there."""
_MAX_KEY_BYTES = 63
_INT_RANGE = range(-(2**31), 2**31)
_ADDRESS = re.compile(r"\s*([a-z][a-z0-9+.\-]*://|data:|file:|mailto:|~[/\\])", re.IGNORECASE)

_DESCRIPTIONS = {
    "job": "Number of the generation that made this model",
    "provider": "Service or generator that made this model",
    "model": "Model of the provider that was used",
    "seed": "Seed that was used: the same one may give the same model again",
    "image": "Picture that this model was made from",
    "image_sha256": "SHA-256 of that picture",
    "part_of": "Number of the generation that this object came with",
    "created": "When this model was asked for",
    "cost": "What the service said that it cost",
    "request": "The whole request as JSON, so that it can be repeated",
}


def write(root: bpy.types.Object, job: Job, descriptions: Mapping[str, str]) -> None:
    """Note on `root` how it was made: readable in the Properties editor, without private addresses or paths.

    descriptions: the options' tooltips by name.
    """
    request = _shareable(job.request)
    front = request.views.get(View.FRONT)
    facts: dict[str, JsonValue] = {
        **request.options,
        "job": job.id,
        "provider": request.provider,
        "model": request.model,
        "seed": request.options.get("seed") if job.seed is None else job.seed,
        "image": front and front.name,
        "image_sha256": front and front.sha256,
        "created": job.created.isoformat(timespec="seconds"),
        "cost": job.cost,
        "request": request.model_dump_json(),
    }
    for name, value in facts.items():
        if value is not None:
            _set(root, name, value, _DESCRIPTIONS.get(name) or descriptions.get(name, ""))


def note_job(block: bpy.types.ID, job_id: str) -> None:
    """Note on what holds a model, such as its collection, which generation it is."""
    _set(block, "job", job_id, _DESCRIPTIONS["job"])


def job_of(block: bpy.types.ID) -> str | None:
    """Return the number of the generation that this is; nothing if it is none."""
    job_id = block.get(JOB_KEY)
    return job_id if isinstance(job_id, str) else None


def mark_part(part: bpy.types.Object, job_id: str) -> None:
    """Note on an object below the root that it came with it."""
    _set(part, PART_KEY.removeprefix(PREFIX), job_id, _DESCRIPTIONS["part_of"])


def descriptions_of(job: Job) -> dict[str, str]:
    """Return the options' tooltips.

    Raises:
        BadOption: this version has no such provider, or the provider no such model.
    """
    options = providers.get(job.request.provider).options_of(job.request.model)
    return {name: field.description or "" for name, field in options.model_fields.items()}


def request_of(root: bpy.types.Object) -> GenerationRequest | None:
    """Return the request that `root` was made by; nothing if it says none, or something that makes no sense."""
    text = root.get(REQUEST_KEY)
    if not isinstance(text, str):
        return None
    try:
        return GenerationRequest.model_validate_json(text)
    except ValidationError:
        return None


def _set(root: bpy.types.ID, name: str, value: JsonValue, description: str) -> None:
    key = (PREFIX + name).encode()[:_MAX_KEY_BYTES].decode(errors="ignore")
    root[key] = _storable(value)
    root.id_properties_ui(key).update(description=description)


def _storable(value: JsonValue) -> str | int | float | bool:
    """Return `value` as one of the types that Blender keeps and shows: its integers have 32 bits."""
    if isinstance(value, int) and value not in _INT_RANGE:
        return str(value)
    if isinstance(value, str | int | float):
        return value
    return json.dumps(value, ensure_ascii=False)


def _shareable(request: GenerationRequest) -> GenerationRequest:
    """Leave out what is nobody's business: a .blend is passed on."""
    options = {
        name: value
        for name, value in request.options.items()
        if "webhook" not in name.lower() and not _is_private(value)
    }
    views = {view: _without_folder(picture) for view, picture in request.views.items()}
    return request.evolve(options=options, views=views)


def _without_folder(picture: Picture) -> Picture:
    return picture.evolve(name=PureWindowsPath(picture.name).name or picture.file)


def _is_private(value: JsonValue) -> bool:
    """Whether `value` is, or holds, an address or the path of a file."""
    if isinstance(value, dict):
        return any(_is_private(each) for each in value.values())
    if isinstance(value, list):
        return any(_is_private(each) for each in value)
    return isinstance(value, str) and (
        _ADDRESS.match(value) is not None or PurePosixPath(value).is_absolute() or bool(PureWindowsPath(value).anchor)
    )
