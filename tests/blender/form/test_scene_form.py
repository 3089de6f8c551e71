# SPDX-License-Identifier: GPL-3.0-or-later
"""The forms in the sidebar: made from what the providers say, and saying what the command line would say."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import bpy
import pytest

from ...conftest import HANGS_SECONDS
from .. import given
from ..conftest import EXTENSION, PACKAGE
from ..test_extension import disc

__all__ = ["disc"]

PROVIDERS = given.module(PACKAGE, "providers")
VIEW = given.module(PACKAGE, "models").View
DESCRIBE = given.module(PACKAGE, "providers.describe")
MODELS_OF_ALL = [(each, model) for each in PROVIDERS.ids() for model in PROVIDERS.info(each).models or (None,)]
ROUNDS = 150


@pytest.fixture
def forms(package: ModuleType) -> Iterator[Any]:
    module = given.module(package, "blender.form.scene_form")
    assert module.ensure() is None
    yield module
    module.release()


@pytest.fixture
def panels(package: ModuleType, forms: Any) -> Iterator[Any]:
    """The panels, registered, whether or not enabling the add-on did it."""
    module = given.module(package, "blender.sidebar.form_panels")
    ours = [each for each in module.CLASSES if not each.is_registered]
    for each in ours:
        bpy.utils.register_class(each)
    yield module
    for each in reversed(ours):
        bpy.utils.unregister_class(each)


def choose(forms: Any, provider: str, model: str | None) -> None:
    form = forms.of(bpy.context.scene)
    form.provider = provider
    if forms.has_choice_of_models(bpy.context.scene):
        setattr(form.models, provider, model)


def validated(chosen: Any) -> dict[str, Any]:
    """The options as they would be sent."""
    model, options = PROVIDERS.get(chosen.provider).validate(chosen.model, chosen.options, (VIEW.FRONT,))
    assert model == chosen.model
    return dict(options)


def request_of(provider: str, model: str | None, options: dict[str, Any], **more: Any) -> Any:
    return given.job(PACKAGE, provider=provider, model=model, options=options, **more).request


# What the providers say becomes the form.


@pytest.mark.everywhere
@pytest.mark.parametrize(("provider", "model"), MODELS_OF_ALL)
def test_every_option_is_in_the_form_with_its_words_and_limits(forms: Any, provider: str, model: str | None) -> None:
    choose(forms, provider, model)
    scene = bpy.context.scene
    options = DESCRIBE.option_facts(PROVIDERS.get(provider).options_of(model))
    assert [each.name for each in forms.fields(scene)] == [each["name"] for each in options]
    properties = forms.options(scene).bl_rna.properties
    for field, facts in zip(forms.fields(scene), options, strict=True):
        found = properties[field.attribute]
        assert (found.name, found.description) == (facts["label"], facts["description"])
        assert field.is_advanced == facts["advanced"]
        if found.type in {"INT", "FLOAT"}:
            limits = pytest.approx((facts["minimum"], facts["maximum"]), abs=2e-6)
            assert (found.hard_min, found.hard_max) == limits
            assert (found.soft_min, found.soft_max) == limits
        if found.type == "ENUM":
            assert len(found.enum_items) == len(facts["choices"])
            assert all(item.identifier and item.name for item in found.enum_items)


@pytest.mark.everywhere
def test_the_provider_that_needs_nothing_comes_first_and_all_say_what_they_are(forms: Any) -> None:
    assert forms.chosen(bpy.context.scene).provider == "offline_shape"
    items = forms.of(bpy.context.scene).bl_rna.properties["provider"].enum_items
    assert {item.identifier for item in items} == set(PROVIDERS.ids())
    for item in items:
        info = PROVIDERS.info(item.identifier)
        assert (item.name, f"{item.description}.") == (info.label, info.summary)


@pytest.mark.everywhere
@pytest.mark.parametrize(("provider", "model"), MODELS_OF_ALL)
def test_defaults_are_what_the_command_line_sends(forms: Any, disc: Path, provider: str, model: str | None) -> None:
    choose(forms, provider, model)
    chosen = forms.chosen(bpy.context.scene)
    assert (chosen.provider, chosen.model) == (provider, model)
    draft = given.module(PACKAGE, "jobs.request").draft
    typed = draft({VIEW.FRONT: disc}, provider=provider, model=model).request
    placement = given.module(PACKAGE, "models").Placement.model_validate(chosen.placement)
    clicked = draft(
        {VIEW.FRONT: disc}, provider=provider, model=chosen.model, options=chosen.options, placement=placement
    ).request
    assert clicked == typed and clicked.fingerprint == typed.fingerprint


@pytest.mark.parametrize("provider", PROVIDERS.ids())
def test_models_share_the_values_of_what_they_have_in_common(forms: Any, provider: str) -> None:
    """And nothing else: what differs, if only by its default, is another property."""
    scene = bpy.context.scene
    seen: dict[str, Any] = {}
    for model in PROVIDERS.info(provider).models or (None,):
        choose(forms, provider, model)
        facts = {each["name"]: each for each in DESCRIBE.option_facts(PROVIDERS.get(provider).options_of(model))}
        for field in forms.fields(scene):
            assert seen.setdefault(field.attribute, facts[field.name]) == facts[field.name]
    assert len({json.dumps(each) for each in seen.values()}) == len(seen)


# Values come out as they went in.


def a_value(facts: dict[str, Any], dice: random.Random) -> Any:
    """Any value that an option can have."""
    if facts["optional"] and dice.random() < 0.2:
        return None
    if facts["choices"]:
        return dice.choice(facts["choices"])
    match facts["type"]:
        case "boolean":
            return dice.random() < 0.5
        case "integer":
            return dice.choice([facts["minimum"], facts["maximum"], dice.randint(facts["minimum"], facts["maximum"])])
        case "number":
            value = dice.uniform(facts["minimum"], facts["maximum"])
            return dice.choice([facts["maximum"], round(value, dice.randint(1, 6)), value])
        case "string":
            length = dice.randint(facts["shortest"] or 0, min(facts["longest"] or 40, 600))
            return "".join(dice.choice(" aZ9'\"\\{}é漢☕\n") for _ in range(length))
    raise AssertionError(facts)


@pytest.mark.parametrize(("provider", "model"), MODELS_OF_ALL)
def test_any_request_fills_the_form_and_comes_out_of_it(forms: Any, provider: str, model: str | None) -> None:
    dice = random.Random(f"{provider} {model}")
    chosen_provider, bad_option = PROVIDERS.get(provider), given.module(PACKAGE, "errors").BadOption
    scene, tried = bpy.context.scene, 0
    all_facts = DESCRIBE.option_facts(chosen_provider.options_of(model))
    for _ in range(ROUNDS):
        values = {facts["name"]: a_value(facts, dice) for facts in all_facts if dice.random() < 0.8}
        try:
            _, options = chosen_provider.validate(model, values, (VIEW.FRONT,))
        except bad_option:  # options that do not fit each other
            continue
        tried += 1
        request = request_of(provider, model, options)
        forms.fill(scene, request, {})
        chosen = forms.chosen(scene)
        assert validated(chosen) == options
        again = request_of(chosen.provider, chosen.model, validated(chosen))
        assert again.fingerprint == request.fingerprint
    assert tried >= ROUNDS / 10


@pytest.mark.everywhere
def test_a_number_is_what_was_typed_not_what_is_left_of_it_in_32_bits(forms: Any) -> None:
    scene = bpy.context.scene
    options = forms.options(scene)
    for hundredths in range(5, 201):
        options.thickness = hundredths / 100
        assert forms.chosen(scene).options["thickness"] == hundredths / 100
    for digits in range(1, 7):
        options.detail = round(1 / 7, digits)
        assert forms.chosen(scene).options["detail"] == round(1 / 7, digits)


def test_what_was_kept_exactly_is_forgotten_as_soon_as_somebody_changes_it(forms: Any) -> None:
    scene = bpy.context.scene
    exact = 0.123456789012345
    forms.fill(scene, request_of("offline_shape", None, {"detail": exact}), {})
    assert forms.chosen(scene).options["detail"] == exact
    forms.options(scene).detail = 0.5
    assert forms.chosen(scene).options["detail"] == 0.5


@pytest.mark.everywhere
def test_seeds_may_be_larger_than_an_integer_of_blender(forms: Any) -> None:
    choose(forms, "modelslab", None)
    scene = bpy.context.scene
    options = forms.options(scene)
    for typed, meant in {
        "4294967295": 2**32 - 1,
        "4294967296": 2**32 - 1,
        "-5": 0,
        " 007 ": 7,
        "many": 0,
        "": 0,
        "1e3": 0,
        "99" * 4000: 0,
    }.items():
        options.seed = "12"
        options.seed = typed
        assert (options.seed, forms.chosen(scene).options["seed"]) == (str(meant), meant), typed


@pytest.mark.everywhere
def test_a_text_is_never_longer_than_allowed(forms: Any) -> None:
    choose(forms, "meshy", "latest")
    options = forms.options(bpy.context.scene)
    options.texture_prompt = "漢" * 700
    assert options.texture_prompt == "漢" * 600
    choose(forms, "modelslab_instantmesh", None)
    options = forms.options(bpy.context.scene)
    options.model_id = ""
    assert options.model_id == "instantmesh", "it may not be empty"


@pytest.mark.everywhere
class TestAnyKindOfOption:
    """Kinds that no provider has yet."""

    @pytest.fixture
    def kinds(self, package: ModuleType) -> Iterator[tuple[dict[str, Any], Any, Any]]:
        """Fields by name, their group, and the options' model."""
        pydantic = sys.modules["pydantic"]
        Field, base = pydantic.Field, given.module(package, "providers.contract").Options
        kinds = {
            "maybe_int": (int | None, Field(default=None, ge=4, le=90)),
            "maybe_float": (float | None, Field(default=0.25, ge=0, le=1)),
            "maybe_bool": (bool | None, None),
            "maybe_choice": (Literal["a", "b"] | None, None),
            "maybe_seed": (int | None, Field(default=None, ge=0, le=2**53)),
            "maybe_text": (str | None, "words"),
            "sizes": (Literal[512, 1024], 1024),
            "above": (int, Field(default=5, gt=3, lt=9)),
            "free": (float, 1.0),
            "whole": (int, 7),
            "name": (str, ""),
            "keys": (bool, True),
            "fixed": (Literal["one"], "one"),
            "several": (list[int], Field(default=[])),
            "either": (int | str, 3),
        }
        model = pydantic.create_model("Kinds", __base__=base, **kinds)
        forms, fields = given.module(package, "blender.form.scene_form"), given.module(package, "blender.form.fields")
        made = [fields.field_of(facts, forms._safe(facts["name"])) for facts in DESCRIBE.option_facts(model)]
        found = {field.name: field for field in made if field is not None}
        properties = {name: each for field in found.values() for name, each in field.properties().items()}
        group = type("TEST_PG_kinds", (bpy.types.PropertyGroup,), {"__annotations__": properties})
        bpy.utils.register_class(group)
        bpy.types.Scene.test_kinds = bpy.props.PointerProperty(type=group)
        yield found, bpy.context.scene.test_kinds, model
        del bpy.types.Scene.test_kinds
        bpy.utils.unregister_class(group)

    def test_what_no_form_can_hold_is_left_out(self, kinds: Any) -> None:
        fields, _, model = kinds
        assert set(model.model_fields) - set(fields) == {"fixed", "several", "either"}

    def test_defaults_are_the_model_s(self, kinds: Any) -> None:
        fields, group, model = kinds
        assert {name: field.read(group) for name, field in fields.items()} == {
            name: value for name, value in model().model_dump().items() if name in fields
        }

    @pytest.mark.parametrize(
        ("name", "values"),
        {
            "maybe_int": (None, 4, 90),
            "maybe_float": (None, 0.85, 0.25, 1.0, 1 / 3),
            "maybe_bool": (None, True, False),
            "maybe_choice": (None, "a", "b"),
            "maybe_seed": (None, 0, 2**53),
            "maybe_text": (None, "words", "☕"),
            "sizes": (512, 1024),
            "above": (4, 8),
            "free": (-1e30, 0.0, 1e-30, 123456.7, 2.0**24 + 1, 1e300),
            "whole": (-(2**31), 2**31 - 1, 2**40, 0),
            "name": ("", "cup"),
            "keys": (True, False),
        }.items(),
    )
    def test_values_come_out_as_they_went_in(self, kinds: Any, name: str, values: tuple[Any, ...]) -> None:
        fields, group, _ = kinds
        for value in values:
            fields[name].write(group, value)
            read = fields[name].read(group)
            assert read == value and type(read) is type(value)

    def test_what_is_not_possible_becomes_what_is(self, kinds: Any) -> None:
        fields, group, model = kinds
        for name, wrong in {"above": 3, "sizes": 2048, "maybe_choice": "z", "whole": "many", "free": None}.items():
            fields[name].write(group, wrong)
        read = {name: field.read(group) for name, field in fields.items()}
        assert read["above"] == 4 and read["sizes"] == 1024 and read["maybe_choice"] is None
        model.model_validate(read)


# Placement and pictures.


@pytest.mark.everywhere
def test_the_placement_comes_out_as_it_went_in(forms: Any) -> None:
    models = given.module(PACKAGE, "models")
    scene, dice = bpy.context.scene, random.Random(4)
    for number in range(ROUNDS):
        placement = models.Placement(
            spot=dice.choice(list(models.Spot)),
            stance=dice.choice(list(models.Stance)),
            height=dice.choice([None, 0.85, 1.8, dice.uniform(0.001, 1000)]),
            collection=dice.choice([None, "Props", "Küche"]),
            faces=dice.choice([None, 4, 2**31, dice.randint(4, 10**7)]),
            as_asset=dice.random() < 0.5,
        )
        name = dice.choice(["cup", f"Cup {number}"])
        forms.fill(scene, request_of("offline_shape", None, {}, placement=placement, name=name), {})
        chosen = forms.chosen(scene)
        assert models.Placement.model_validate(chosen.placement) == placement
        assert chosen.name == (None if name == "cup" else name), "the picture is cup.png"


def test_only_the_views_that_the_model_takes_are_chosen(forms: Any, disc: Path) -> None:
    scene = bpy.context.scene
    for view in VIEW:
        forms.set_picture(scene, view.value, disc)
    for provider, model in MODELS_OF_ALL:
        choose(forms, provider, model)
        views = PROVIDERS.get(provider).views_of(model)
        assert forms.chosen(scene).pictures == {view.value: disc for view in views}


@pytest.mark.everywhere
def test_only_options_that_have_an_effect_are_shown(forms: Any) -> None:
    choose(forms, "offline_shape", None)
    group = forms.options(bpy.context.scene)
    for profile, expected in {
        "inflate": {"thickness", "detail"},
        "round": set(),
        "extrude": {"depth", "bevel"},
        "relief": {"depth", "detail"},
    }.items():
        group.profile = profile
        shown = {field.name for field in forms.effective_fields(bpy.context.scene)}
        assert {"thickness", "depth", "bevel", "detail"} & shown == expected
        assert {"profile", "mask", "resolution"} < shown
        assert forms.chosen(bpy.context.scene).options.keys() > {"thickness", "depth"}, "all of them are sent"


@pytest.mark.everywhere
def test_a_side_has_one_picture(forms: Any, disc: Path) -> None:
    scene, image = bpy.context.scene, bpy.data.images.new("Painted", 32, 32)
    form = forms.of(scene)
    for group, name, side in ((form, "picture", "front"), (form.views, "left", "left")):
        setattr(group, f"{name}_path", str(disc))
        assert forms.picture(scene, side) == disc
        setattr(group, f"{name}_image", image)
        assert forms.picture(scene, side) == image and getattr(group, f"{name}_path") == ""
        setattr(group, f"{name}_path", str(disc))
        assert forms.picture(scene, side) == disc and getattr(group, f"{name}_image") is None
        forms.set_picture(scene, side, None)
        assert forms.picture(scene, side) is None
    assert forms.chosen(scene).pictures == {}


@pytest.mark.everywhere
def test_a_path_may_be_relative_to_the_blend(forms: Any, disc: Path) -> None:
    bpy.ops.wm.save_as_mainfile(filepath=str(disc.with_name("a.blend")))
    forms.of(bpy.context.scene).picture_path = "//disc.png"
    assert forms.chosen(bpy.context.scene).pictures == {"front": disc}


def test_a_request_of_a_newer_version_is_taken_as_far_as_it_is_known(forms: Any, disc: Path) -> None:
    scene, errors = bpy.context.scene, given.module(PACKAGE, "errors")
    request = request_of("meshy", "meshy-99", {"texture_resolution": "32k", "wings": 2, "target_polycount": 10**9})
    forms.fill(scene, request, {"front": disc})
    chosen = forms.chosen(scene)
    assert (chosen.provider, chosen.model) == ("meshy", "latest")
    assert (chosen.options["texture_resolution"], chosen.options["target_polycount"]) == ("2k", 300_000)
    assert chosen.pictures == {"front": disc}
    with pytest.raises(errors.BadOption, match="no provider"):
        forms.fill(scene, request_of("from_the_future", None, {}), {})
    assert forms.chosen(scene) == chosen


# Values live with the scene.


def changed(forms: Any, disc: Path) -> Any:
    """Change something of every kind."""
    scene = bpy.context.scene
    forms.set_picture(scene, "front", disc)
    options = {"seed": 2**32 - 1, "ss_guidance_strength": 0.123456789, "output_format": "ply", "temp": "yes"}
    more = {"placement": {"spot": "origin", "height": 1.85, "collection": "Props"}, "name": "Bear"}
    forms.fill(scene, request_of("modelslab", None, options, **more), {"front": disc, "left": disc})
    return forms.chosen(scene)


@pytest.mark.everywhere
def test_values_survive_saving_and_loading(forms: Any, disc: Path) -> None:
    before = changed(forms, disc)
    bpy.ops.wm.save_as_mainfile(filepath=str(disc.with_name("a.blend")))
    given.new_file()
    assert forms.chosen(bpy.context.scene) != before
    bpy.ops.wm.open_mainfile(filepath=str(disc.with_name("a.blend")))
    assert forms.chosen(bpy.context.scene) == before


@pytest.mark.everywhere
def test_values_survive_being_disabled_even_if_the_file_is_saved_meanwhile(forms: Any, disc: Path) -> None:
    before = changed(forms, disc)
    forms.release()
    assert not hasattr(bpy.types.Scene, "image_to_3d") and not forms.is_ready()
    assert forms.ensure() is None
    assert forms.chosen(bpy.context.scene) == before
    forms.release()
    bpy.ops.wm.save_as_mainfile(filepath=str(disc.with_name("a.blend")))
    given.new_file()
    bpy.ops.wm.open_mainfile(filepath=str(disc.with_name("a.blend")))
    assert forms.ensure() is None
    assert forms.chosen(bpy.context.scene) == before


@pytest.mark.everywhere
def test_values_are_undone_and_redone(forms: Any, disc: Path) -> None:
    bpy.ops.ed.undo_push(message="before")
    first = forms.chosen(bpy.context.scene)
    second = changed(forms, disc)
    bpy.ops.ed.undo_push(message="changed")
    bpy.ops.ed.undo()
    assert forms.chosen(bpy.context.scene) == first
    bpy.ops.ed.redo()
    assert forms.chosen(bpy.context.scene) == second


@pytest.mark.everywhere
def test_a_choice_of_a_newer_version_is_the_default_here_and_stays_in_the_file(forms: Any, tmp_path: Path) -> None:
    scene = bpy.context.scene
    choose(forms, "meshy", "meshy-5")
    forms.options(scene).topology_kept = "hexagon"
    assert forms.options(scene).topology == forms.chosen(scene).options["topology"] == "triangle"
    forms.of(scene).models.meshy_kept = "meshy-99"
    assert forms.model(scene) == "latest"
    forms.of(scene).provider_kept = "from_the_future"
    assert forms.entry(scene).id == forms.of(scene).provider == "offline_shape"
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    given.new_file()
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    form = forms.of(bpy.context.scene)
    assert (form.provider, form.provider_kept) == ("offline_shape", "from_the_future")


@pytest.mark.everywhere
def test_registering_often_leaves_nothing(forms: Any) -> None:
    for _ in range(10):
        forms.release()
        assert not [name for name in dir(bpy.types) if name.startswith("IMAGE_TO_3D_PG_")]
        assert forms.ensure() is None and forms.ensure() is None
    forms.release()
    forms.release()


# Presets.


@pytest.fixture
def preset_files() -> Iterator[Path]:
    folder = Path(bpy.utils.user_resource("SCRIPTS", path="presets")) / "image_to_3d"
    yield folder
    for file in folder.rglob("*.py"):
        file.unlink()


@pytest.mark.everywhere
@pytest.mark.parametrize(
    ("provider", "model", "folder"),
    [("offline_shape", None, "offline_shape"), ("modelslab", None, "modelslab"), ("meshy", "meshy-7", "meshy/meshy_7")],
)
def test_a_preset_brings_the_options_back_and_nothing_else(
    forms: Any, panels: Any, preset_files: Path, disc: Path, provider: str, model: str | None, folder: str
) -> None:
    scene, dice = bpy.context.scene, random.Random(7)
    all_facts = DESCRIBE.option_facts(PROVIDERS.get(provider).options_of(model))
    options = {facts["name"]: a_value(facts, dice) for facts in all_facts}
    forms.fill(scene, request_of(provider, model, options), {"front": disc})
    wanted = forms.chosen(scene).options
    assert bpy.ops.image_to_3d.preset_add(name="My Own") == {"FINISHED"}
    (file,) = preset_files.rglob("*.py")
    assert file == preset_files / folder / "My_Own.py" and disc.name not in file.read_text(encoding="utf-8")
    forms.fill(scene, request_of(provider, model, {}, name="Other"), {})
    before = forms.chosen(scene)
    assert before.options != wanted
    loaded = bpy.ops.script.execute_preset(filepath=str(file), menu_idname="IMAGE_TO_3D_PT_presets")
    after = forms.chosen(scene)
    assert loaded == {"FINISHED"} and after.options == wanted
    assert (after.placement, after.pictures, after.name) == (before.placement, before.pictures, before.name)
    assert bpy.ops.image_to_3d.preset_add(name="My Own", remove_name=True) == {"FINISHED"} and not file.exists()


# Without what we need.

TRY = f"""
import bpy, addon_utils, importlib, os, sys, time
assert addon_utils.enable({EXTENSION!r})
for folder in sys.argv[1:] or [os.curdir]:
    sys.stdout.flush()
    if (child := os.fork()) == 0:  # as new as a Blender that is started for it
        sys.path.insert(0, folder)
        print("folder:", folder)
        break
    assert os.waitpid(child, 0)[1] == 0
else:
    os._exit(0)
forms = importlib.import_module({EXTENSION + ".blender.form.scene_form"!r})
started = time.perf_counter()
print("answer:", forms.ensure())
print("problem:", forms.problem(), forms.is_ready())
print("providers:", [each for each in sys.modules if each.startswith({EXTENSION + ".providers."!r})])
print("again:", forms.ensure())
assert hasattr(bpy.types.Scene, "image_to_3d") == forms.is_ready()
importlib.import_module({EXTENSION!r}).unregister()  # disabling would take away the wheels of the other tests
sys.stdout.flush()
os._exit(0)
"""
WAYS_TO_BREAK = {
    "import": "from pydantic_core import nothing_of_the_kind",
    "compiled": "raise SystemError('The installed pydantic-core version (1.0) is incompatible')",
    "attribute": "import sys; sys.nothing_of_the_kind",
    "too old": "VERSION = '1.10.2'\nclass BaseModel: pass\nJsonValue = object",
    "too old, and lacking": "VERSION = '2.0'",
    "of another Python": "def broken(:",
    "type": "raise TypeError('metaclass conflict')",
    "half of it": "VERSION = '2.12.5'\nclass BaseModel: pass\nJsonValue = object",
}


def in_a_new_blender(*folders: Path, **environment: str) -> list[dict[str, str]]:
    """Return what a Blender says: one, or one for each folder that is first where modules are looked for."""
    done = subprocess.run(
        [sys.executable, "-c", TRY, *map(str, folders)],
        capture_output=True,
        text=True,
        timeout=HANGS_SECONDS,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0 and "Traceback" not in done.stderr + done.stdout, done.stderr
    _, *parts = done.stdout.split("folder: ")
    return [dict(line.split(": ", 1) for line in f"folder: {part}".splitlines() if ": " in line) for part in parts]


@pytest.mark.everywhere
@pytest.mark.parametrize(
    "text",
    [
        "Not (/home/somebody/.config/blender/5.2/extensions/.local/lib/python3.13/site-packages/pydantic) that one.",
        r"C:\Users\Somebody\AppData\Roaming\Blender Foundation\Blender\5.2 does not work: restart Blender.",
        "画像が見つかりません。ファイルを開き直してから、もう一度「生成」を押してください。",
    ],
)
def test_a_sentence_is_as_wide_as_the_sidebar(package: ModuleType, text: str) -> None:
    import blf

    texts = given.module(package, "blender.interface.texts")
    blf.size(0, 11.0)
    for room in (130, 250, 4000):
        lines = texts._wrapped(text, room, 11.0)
        assert "".join("".join(lines).split()) == "".join(text.split())
        assert all(blf.dimensions(0, line)[0] <= room for line in lines)
        assert (len(lines) == 1) == (room == 4000)


def test_a_broken_pydantic_of_somebody_else_is_one_sentence(tmp_path: Path) -> None:
    for way, code in WAYS_TO_BREAK.items():
        (tmp_path / way / "pydantic").mkdir(parents=True)
        (tmp_path / way / "pydantic" / "__init__.py").write_text(code)
    folders = [tmp_path / way for way in WAYS_TO_BREAK]
    for folder, said in zip(folders, in_a_new_blender(*folders), strict=True):
        answer = said["answer"]
        assert said["folder"] == str(folder)
        assert answer.startswith('The Python package "pydantic"') and answer.endswith("restart Blender."), folder
        assert str(folder / "pydantic") in answer, "one wants to know whose it is"
        assert said["again"] == answer and said["problem"] == f"{answer} False"


@pytest.mark.everywhere
def test_a_missing_pydantic_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nclass Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'pydantic':\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Missing())\n"
    )
    [said] = in_a_new_blender(PYTHONPATH=str(tmp_path))
    assert '"pydantic" is missing. Install Image to 3D again' in said["answer"]


@pytest.mark.everywhere
def test_the_second_time_no_provider_has_to_be_imported(forms: Any) -> None:
    """The first time is this Blender's."""
    [said] = in_a_new_blender()
    assert said["answer"] == "None" and said["providers"] == "[]"


def test_a_provider_that_is_added_as_a_file_has_a_form(package: ModuleType, forms: Any) -> None:
    folder = Path(str(package.__file__)).parent / "providers"
    text = (folder / "offline_shape.py").read_text(encoding="utf-8")
    added = folder / "added_today.py"
    code = TRY.replace(
        'print("again:"',
        'scene = bpy.context.scene; scene.image_to_3d.provider = "added_today"\n'
        'print("form:", forms.chosen(scene).options["wings"], scene.image_to_3d.options.added_today.wings)\n'
        'print("again:"',
    )
    try:
        added.write_text(
            text.replace('"offline_shape"', '"added_today"').replace(
                "    thickness: float",
                '    wings: int = Field(default=2, ge=0, le=9, title="Wings")\n    thickness: float',
            ),
            encoding="utf-8",
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=HANGS_SECONDS)
    finally:
        added.unlink()
    assert "form: 2 2" in done.stdout, done.stderr


@pytest.mark.everywhere
def test_what_is_kept_of_the_providers_may_be_damaged(forms: Any) -> None:
    folder = forms._cache_folder()
    assert folder is not None
    before = forms.chosen(bpy.context.scene)
    for damage in (b"", b"[]", b'{"state": 1}', b"\xff\x00"):
        forms.release()
        (folder / "providers.json").write_bytes(damage)
        assert forms.ensure() is None and forms.chosen(bpy.context.scene) == before


def test_a_32_bit_number_is_never_longer_than_it_has_to_be(package: ModuleType) -> None:
    fields, dice = given.module(package, "blender.form.fields"), random.Random(1)
    for _ in range(10_000):
        value = fields.single(dice.choice([dice.uniform(-10, 10), 10 ** dice.uniform(-30, 30), dice.randint(0, 2**30)]))
        found = fields.shortest(value)
        assert fields.single(found) == value and len(repr(found)) <= len(repr(value))
        digits = max(1, sum(map(str.isdigit, f"{found:.15g}".partition("e")[0].strip("-0."))) - 1)
        assert found == 0 or digits == 1 or fields.single(float(f"{value:.{digits}g}")) != value
