# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist has filled in, in each scene: pictures, provider, options, placement.

The property groups are made from what the providers' models say. That takes pydantic, so they are registered by
`ensure`, some moments after the add-on was enabled. What drawing needs is kept here then.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import PointerProperty, StringProperty

from ...errors import BadOption
from .. import EXTENSION
from ..interface.texts import CONTEXT, marked
from . import provider_facts
from .fields import Choice, Field, Maybe, Number, Switch, Text, field_of
from .provider_facts import Entry

if TYPE_CHECKING:
    from ...models import GenerationRequest

FRONT = "front"
SIDES = ("back", "left", "right", "mask")
"""What a picture may show besides the front; the last, which part of the front is the subject."""

_SIDE_WORDS = {
    "front": (marked("Front Picture"), marked("The picture that shows the front")),
    "back": (marked("Back Picture"), marked("The picture that shows the back")),
    "left": (marked("Left Picture"), marked("The picture that shows the left side")),
    "right": (marked("Right Picture"), marked("The picture that shows the right side")),
    "mask": (marked("Mask Picture"), marked("White where the front shows the subject, and of the same proportions")),
}
"""What the properties of a side are called, and their tooltips."""

Picture = Path | bpy.types.Image
Form = bpy.types.PropertyGroup
FieldsOfAll = dict[str, dict[str | None, tuple[Field, ...]]]
"""By provider and model."""


def _collections(_group: Form, _context: bpy.types.Context, typed: str) -> list[str]:
    return [each.name for each in bpy.data.collections if typed.lower() in each.name.lower()]


@dataclass(frozen=True)
class _Name(Text):
    """A text without spaces around it."""

    def tidy(self, text: str) -> str:
        return super().tidy(text.strip())


NAME = _Name(
    "name",
    "object_name",
    "Name",
    "Of the object",
    default=None,
    is_optional=True,
    longest=200,
    when_empty="From the Picture",
)
PLACEMENT = (
    Choice(
        "spot",
        "spot",
        "Place",
        "Where the model is put",
        default="cursor",
        values=("cursor", "cursor_now", "origin"),
        labels=("3D Cursor", "3D Cursor on Arrival", "World Origin"),
        descriptions=(
            "Where the 3D cursor is when the model is asked for",
            "Where the 3D cursor is when the model arrives",
            "At the origin of the world",
        ),
    ),
    Choice(
        "stance",
        "stance",
        "Stance",
        "How the model stands on its place",
        default="ground",
        values=("ground", "centre", "file"),
        labels=("On the Ground", "Centered", "As in the File"),
        descriptions=(
            "The middle of its underside is put there",
            "The middle of its bounding box is put there",
            "The origin of the file is put there",
        ),
    ),
    Maybe(
        "height",
        "height",
        "Height",
        "Scale the model to this height; else it is as high as the file says",
        default=None,
        of=Number("height", "height", "Height", "Of the model", default=1.0, lowest=1e-6, subtype="DISTANCE"),
    ),
    Maybe(
        "faces",
        "faces",
        "Face Limit",
        "Remove details until the model has at most so many triangles",
        default=None,
        of=Number("faces", "faces", "Face Limit", "Triangles at most", default=50_000, is_whole=True, lowest=4),
    ),
    _Name(
        "collection",
        "collection",
        "Collection",
        "Where the model is linked; made if it is missing",
        default=None,
        is_optional=True,
        when_empty="Active Collection",
        suggest=_collections,
    ),
    NAME,
    Switch(
        "as_asset",
        "as_asset",
        "Mark as Asset",
        "Show the model in the Asset Browser, with the picture as its preview",
        default=False,
    ),
)
"""A `Placement`, and the name, in the order in which they are drawn."""


@dataclass(frozen=True)
class Chosen:
    """What is to be generated. `placement` is a `Placement` as JSON; `name`: nothing for the front picture's."""

    pictures: dict[str, Picture]
    provider: str
    model: str | None
    options: dict[str, Any]
    placement: dict[str, Any]
    name: str | None


@dataclass(frozen=True)
class _Ready:
    """What is registered; closing `registered` ends that."""

    entries: dict[str, Entry]
    fields: FieldsOfAll
    provider: Choice
    models: dict[str, Choice]
    registered: ExitStack


_ready: _Ready | None = None
_problem: str | None = None


def ensure() -> str | None:
    """Register the forms if they are not, and return None; else a sentence that says why there are none."""
    global _ready, _problem
    if _ready is None:
        try:
            _ready = _registered(provider_facts.read(_cache_folder()))
            _problem = None
        except provider_facts.Unusable as error:
            _problem = str(error)
    return _problem


def release() -> None:
    """Unregister the forms. What the scenes hold stays in them."""
    global _ready, _problem
    if _ready is not None:
        _ready.registered.close()
    _ready = _problem = None


def is_ready() -> bool:
    return _ready is not None


def problem() -> str | None:
    """Return why there are no forms, in one sentence; nothing, if `ensure` was not called yet or succeeded."""
    return _problem


# What the panels ask.


def of(scene: bpy.types.Scene) -> Form:
    """Return a scene's form. Only while the forms are ready."""
    return scene.image_to_3d


def entry(scene: bpy.types.Scene) -> Entry:
    """Return the provider that is chosen."""
    return _now().entries[_now().provider.read(of(scene))]


def label_of(provider: str) -> str:
    """Return what a provider is called; one that is unknown here by its id."""
    return _ready.entries[provider].label if _ready and provider in _ready.entries else provider


def model(scene: bpy.types.Scene) -> str | None:
    """Return the model that is chosen; nothing, if the provider has none."""
    chosen_entry = entry(scene)
    if chosen_entry.id in _now().models:
        name: str = _now().models[chosen_entry.id].read(of(scene).models)
        return name
    return next(iter(chosen_entry.models), None)


def has_choice_of_models(scene: bpy.types.Scene) -> bool:
    return entry(scene).id in _now().models


def sides(scene: bpy.types.Scene) -> tuple[str, ...]:
    """Return the sides besides the front that the chosen provider and model take."""
    return entry(scene).views(model(scene))[1:]


def fields(scene: bpy.types.Scene) -> tuple[Field, ...]:
    """Return the options of the chosen provider and model."""
    return _now().fields[entry(scene).id][model(scene)]


def effective_fields(scene: bpy.types.Scene) -> tuple[Field, ...]:
    """Return those of `fields` that have an effect as the form is filled in now."""
    group, known = options(scene), {field.name: field for field in fields(scene)}
    return tuple(
        field
        for field in known.values()
        if all(known[name].read(group) in values for name, values in field.only_if.items())
    )


def options(scene: bpy.types.Scene) -> bpy.types.PropertyGroup:
    """Return the group that holds `fields`."""
    group: bpy.types.PropertyGroup = getattr(of(scene).options, entry(scene).id)
    return group


def picture(scene: bpy.types.Scene, side: str = FRONT) -> Picture | None:
    """Return the picture of a side, as a file or as an image of this .blend."""
    group, path, image = slots(scene, side)
    if getattr(group, image) is not None:
        return getattr(group, image)
    return Path(bpy.path.abspath(getattr(group, path))) if getattr(group, path) else None


def set_picture(scene: bpy.types.Scene, side: str, chosen_picture: Picture | None) -> None:
    """Set, or with None clear, the picture of a side."""
    group, path, image = slots(scene, side)
    is_image = isinstance(chosen_picture, bpy.types.Image)
    setattr(group, image, chosen_picture if is_image else None)
    setattr(group, path, "" if is_image or chosen_picture is None else str(chosen_picture))


def preset_folder(scene: bpy.types.Scene) -> str:
    """Return where the presets of the chosen provider lie; those of a model with options of its own lie deeper."""
    chosen_entry, of_model = entry(scene), model(scene)
    parts = ["image_to_3d", chosen_entry.id]
    models_differ = len(set(_now().fields[chosen_entry.id].values())) > 1
    return "/".join([*parts, _slug(of_model or "")] if models_differ else parts)


# From a form to a request, and back.


def chosen(scene: bpy.types.Scene) -> Chosen:
    """Return what the form says; of the pictures only those that the provider and model take.

    Raises:
        BadOption: the forms cannot be registered.
    """
    if problem_now := ensure():
        raise BadOption(problem_now)
    pictures = {side: picture(scene, side) for side in (FRONT, *sides(scene))}
    group, placement = options(scene), of(scene).placement
    return Chosen(
        pictures={side: each for side, each in pictures.items() if each is not None},
        provider=entry(scene).id,
        model=model(scene),
        options={field.name: field.read(group) for field in fields(scene)},
        placement={field.name: field.read(placement) for field in PLACEMENT if field is not NAME},
        name=NAME.read(placement),
    )


def fill(scene: bpy.types.Scene, request: GenerationRequest, pictures: Mapping[str, Path]) -> None:
    """Set the form to what a request says. Options that are unknown here are left out.

    pictures: the files by side, where they are still there.

    Raises:
        BadOption: this version does not have the provider, or the forms cannot be registered.
    """
    if problem_now := ensure():
        raise BadOption(problem_now)
    if request.provider not in _now().entries:
        raise BadOption(f'There is no provider "{request.provider}".', hint="Update Image to 3D.")
    form = of(scene)
    _now().provider.write(form, request.provider)
    if request.provider in _now().models:
        _now().models[request.provider].write(form.models, request.model)
    group = options(scene)
    for field in fields(scene):
        field.write(group, request.options.get(field.name, field.default))
    for side in (FRONT, *SIDES):
        set_picture(scene, side, pictures.get(side))
    placement = request.placement.model_dump(mode="json")
    titles = {Path(each.name).stem for view, each in request.views.items() if view == FRONT}
    placement["name"] = None if request.name in titles else request.name
    for field in PLACEMENT:
        field.write(form.placement, placement[field.name])


def slots(scene: bpy.types.Scene, side: str) -> tuple[bpy.types.PropertyGroup, str, str]:
    """Return where the picture of a side is: the group, and the names of its two properties."""
    form = of(scene)
    return (form, "picture_path", "picture_image") if side == FRONT else (form.views, f"{side}_path", f"{side}_image")


# Making the groups.


def _now() -> _Ready:
    assert _ready is not None, "ensure() was not called, or failed"
    return _ready


def _cache_folder() -> Path | None:
    try:
        return Path(bpy.utils.extension_path_user(EXTENSION, create=True))
    except (ValueError, OSError):  # not installed as an extension; or there is no place to write
        return None


def _registered(entries: tuple[Entry, ...]) -> _Ready:
    provider = _choice_of_provider(entries)
    models = {each.id: _choice_of_model(each) for each in entries if len(each.models) > 1}
    by_model = {each.id: _fields_by_model(each) for each in entries}
    with ExitStack() as stack:  # all of them, or none
        form = _form(stack, provider, models, by_model)
        bpy.types.Scene.image_to_3d = form
        stack.callback(delattr, bpy.types.Scene, "image_to_3d")
        return _Ready({each.id: each for each in entries}, by_model, provider, models, stack.pop_all())


def _form(stack: ExitStack, provider: Choice, models: dict[str, Choice], by_model: FieldsOfAll) -> Any:
    """Register all groups; `stack` unregisters them."""

    def group(name: str, properties: dict[str, Any]) -> Any:
        made = type(f"IMAGE_TO_3D_PG_{name}", (bpy.types.PropertyGroup,), {"__annotations__": properties})
        bpy.utils.register_class(made)
        stack.callback(bpy.utils.unregister_class, made)
        return PointerProperty(type=made)

    views = {name: each for side in SIDES for name, each in _picture_properties(side, side).items()}
    options_of_all = {
        each: group(f"options_{each}", _properties(field for fields in by_model[each].values() for field in fields))
        for each in by_model
    }
    properties = {
        **_picture_properties("picture", FRONT),
        "views": group("views", views),
        **provider.properties(),
        "models": group("models", _properties(models.values())),
        "options": group("options", options_of_all),
        "placement": group("placement", _properties(PLACEMENT)),
    }
    return group("form", properties)


def _properties(fields_of_group: Iterable[Field]) -> dict[str, Any]:
    distinct = {field.attribute: field for field in fields_of_group}
    return {name: each for field in distinct.values() for name, each in field.properties().items()}


def _picture_properties(name: str, side: str) -> dict[str, Any]:
    """Return the two places where a picture may be: setting one clears the other."""
    path, image = f"{name}_path", f"{name}_image"

    def path_is_set(group: Form, _context: bpy.types.Context) -> None:
        if getattr(group, path) and getattr(group, image) is not None:
            setattr(group, image, None)

    def image_is_set(group: Form, _context: bpy.types.Context) -> None:
        if getattr(group, image) is not None and getattr(group, path):
            setattr(group, path, "")

    label, description = _SIDE_WORDS[side]
    return {
        path: StringProperty(name=label, description=description, translation_context=CONTEXT, update=path_is_set),
        image: PointerProperty(
            name=label,
            description=description,
            translation_context=CONTEXT,
            type=bpy.types.Image,
            update=image_is_set,
        ),
    }


def _choice_of_provider(entries: tuple[Entry, ...]) -> Choice:
    return Choice(
        "provider",
        "provider",
        "Provider",
        "Who makes the model",
        default=entries[0].id,
        values=tuple(each.id for each in entries),
        labels=tuple(each.label for each in entries),
        descriptions=tuple(str(each.facts["summary"]).removesuffix(".") for each in entries),
    )


def _choice_of_model(each: Entry) -> Choice:
    models = tuple(each.models)
    return Choice(
        each.id, each.id, "Model", "Which of its models the provider uses", models[0], values=models, labels=models
    )


def _fields_by_model(each: Entry) -> dict[str | None, tuple[Field, ...]]:
    """Return the fields of every model. What models have in common is one property, and keeps its value among them."""
    attributes: dict[str, list[dict[str, Any]]] = {}
    made: dict[str | None, tuple[Field, ...]] = {}
    for name in each.models or [None]:
        found = []
        for facts in each.options(name):
            variants = attributes.setdefault(facts["name"], [])
            if facts not in variants:
                variants.append(facts)
            number = variants.index(facts)
            attribute = facts["name"] if number == 0 else f"{facts['name']}__{number + 1}"
            found.append(field_of(facts, _safe(attribute), each.facts["result_formats"]))
        made[name] = tuple(field for field in found if field is not None)
    return made


def _safe(attribute: str) -> str:
    """Return a name that a property group does not need for itself."""
    return f"{attribute}_" if attribute == "name" or hasattr(bpy.types.PropertyGroup, attribute) else attribute


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
