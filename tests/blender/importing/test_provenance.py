# SPDX-License-Identifier: GPL-3.0-or-later
"""An object says where it came from, wherever it goes."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import bpy
import pytest

from .. import given

pytestmark = pytest.mark.everywhere

OPTIONS = {
    "thickness": 0.75,
    "resolution": 192,
    "texture": True,
    "style": 'a "clay" cup 🏺',
    "seed": 2**63 - 1,
    "faces": None,
    "size": [1, 2.5],
    "extra": {"a": [1, None]},
    "negative": -(2**31) - 1,
}
PRIVATE = {
    "webhook": "anything",
    "my_Webhook_secret": 7,
    "callback": "https://user:pass@example.org/hook",
    "picture": "data:image/png;base64,AAAA",
    "mask": "/home/me/mask.png",
    "style_file": "C:\\Users\\me\\style.png",
    "share": "\\\\server\\share\\x.png",
    "home": "~/x.png",
    "nested": {"files": ["fine", "file:///home/me/x"]},
}


@pytest.fixture
def provenance(package: ModuleType) -> Any:
    return given.module(package, "blender.importing.provenance")


@pytest.fixture
def cup(package: ModuleType, provenance: Any) -> bpy.types.Object:
    root = bpy.data.objects.new("Cup", bpy.data.meshes.new("Cup"))
    bpy.context.scene.collection.objects.link(root)
    job = given.job(package, model="fast", options={**OPTIONS, **PRIVATE})
    provenance.write(root, job, {"thickness": "How thick it is"})
    return root


def plain(root: bpy.types.Object) -> dict[str, Any]:
    return {key: value for key, value in root.items() if key.startswith("image_to_3d_")}


def test_every_option_is_there_under_its_name_and_nothing_private(cup: bpy.types.Object) -> None:
    found = plain(cup)
    request = json.loads(found.pop("image_to_3d_request"))
    created = found.pop("image_to_3d_created")
    assert found == {
        "image_to_3d_job": "2026-cup",
        "image_to_3d_provider": "offline_shape",
        "image_to_3d_model": "fast",
        "image_to_3d_image": "cup.png",
        "image_to_3d_image_sha256": given.DIGEST,
        "image_to_3d_thickness": 0.75,
        "image_to_3d_resolution": 192,
        "image_to_3d_texture": True,
        "image_to_3d_style": 'a "clay" cup 🏺',
        "image_to_3d_seed": str(2**63 - 1),
        "image_to_3d_size": "[1, 2.5]",
        "image_to_3d_extra": '{"a": [1, null]}',
        "image_to_3d_negative": str(-(2**31) - 1),
    }
    assert created[:4].isdigit() and created.endswith("+00:00")
    assert request["options"] == OPTIONS
    everything = json.dumps({**found, **request})
    assert not [value for value in ("hook", "/home", "Users", "server", "base64") if value in everything]


def test_every_property_has_a_tooltip(package: ModuleType, provenance: Any) -> None:
    root = bpy.data.objects.new("Cup", None)
    job = given.job(package, model="m", options={"thickness": 0.5}, seed=3)
    provenance.write(root, job, {"thickness": "How thick it is"})
    tooltips = {key: root.id_properties_ui(key).as_dict()["description"] for key in root.keys()}
    assert tooltips["image_to_3d_thickness"] == "How thick it is"
    assert all(tooltips.values()) and len(tooltips) == 9


def test_the_seed_that_was_used_counts_more_than_the_one_asked_for(package: ModuleType, provenance: Any) -> None:
    root = bpy.data.objects.new("Cup", None)
    provenance.write(root, given.job(package, options={"seed": -1}, seed=2**31), {})
    assert root["image_to_3d_seed"] == str(2**31)
    provenance.write(root, given.job(package, options={"seed": -1}, seed=2**31 - 1), {})
    assert root["image_to_3d_seed"] == 2**31 - 1


def test_an_option_cannot_take_the_place_of_a_fact(package: ModuleType, provenance: Any) -> None:
    root = bpy.data.objects.new("Cup", None)
    provenance.write(root, given.job(package, options={"job": "x", "provider": "y", "request": "z"}), {})
    assert root["image_to_3d_job"] == "2026-cup" and root["image_to_3d_provider"] == "offline_shape"
    assert provenance.request_of(root).options == {"job": "x", "provider": "y", "request": "z"}


def test_a_long_name_is_cut_between_letters(package: ModuleType, provenance: Any) -> None:
    root = bpy.data.objects.new("Cup", None)
    provenance.write(root, given.job(package, options={"ü" * 60: 1}), {})
    [key] = [key for key in root.keys() if "ü" in key]
    assert key == "image_to_3d_" + "ü" * 25


def test_a_picture_called_by_its_path_is_named_only(package: ModuleType, provenance: Any) -> None:
    for name in ("/home/me/cup.png", "C:\\Users\\me\\cup.png", "me/cup.png"):
        root = bpy.data.objects.new("Cup", None)
        views = {"front": {"file": "front.png", "name": name, "sha256": given.DIGEST}}
        provenance.write(root, given.job(package, views=views), {})
        assert root["image_to_3d_image"] == "cup.png"
        assert "me" not in json.loads(root["image_to_3d_request"])["views"]["front"]["name"]


def test_the_request_can_be_read_back(package: ModuleType, provenance: Any, cup: bpy.types.Object) -> None:
    assert provenance.request_of(cup) == given.job(package, model="fast", options=OPTIONS).request


@pytest.mark.parametrize("nonsense", [None, 7, "", "{", "[]", '{"provider": "x"}', b"\xff", {"a": 1}, [1.0, 2.0]])
def test_nonsense_typed_by_hand_is_no_request(provenance: Any, cup: bpy.types.Object, nonsense: object) -> None:
    if nonsense is None:
        del cup["image_to_3d_request"]
    else:
        cup["image_to_3d_request"] = nonsense
    assert provenance.request_of(cup) is None


def test_saved_reopened_copied_and_exported_objects_still_say_it(
    provenance: Any, cup: bpy.types.Object, tmp_path: Path
) -> None:
    facts, request = plain(cup), provenance.request_of(cup)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "cup.blend"))
    given.new_file()
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "cup.blend"))
    again = bpy.data.objects["Cup"]
    assert plain(again) == facts == plain(again.copy())
    assert again.id_properties_ui("image_to_3d_thickness").as_dict()["description"] == "How thick it is"

    again.data.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    bpy.ops.export_scene.gltf(filepath=str(tmp_path / "cup.glb"), export_extras=True)
    given.new_file()
    bpy.ops.import_scene.gltf(filepath=str(tmp_path / "cup.glb"))
    back = bpy.data.objects["Cup"]
    assert plain(back) == facts and provenance.request_of(back) == request
