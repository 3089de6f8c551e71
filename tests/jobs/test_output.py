# SPDX-License-Identifier: GPL-3.0-or-later
"""The result arrives where the user wants it, whole, with everything that belongs to it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from blender_image_to_3d.errors import BadOption, StorageError
from blender_image_to_3d.jobs import output
from blender_image_to_3d.jobs.library import JobFolder, Library, picture_of
from blender_image_to_3d.models import GenerationRequest, Job, JobState, ResultFile, View

pytestmark = pytest.mark.everywhere

OBJ = b"mtllib model.mtl\nv 0 0 0\nusemtl clay\nf 1 1 1\n"
MTL = b"newmtl clay\nmap_Kd -s 1 1 1 skin.png\nbump -bm 1 bump.png\n"
CUP = {"model.obj": OBJ, "model.mtl": MTL, "skin.png": b"skin", "bump.png": b"bump", "turn.mp4": b"video"}


@pytest.fixture
def folder(own_library: Path, cup: Path) -> JobFolder:
    picture = picture_of(cup, View.FRONT, ".png")
    request = GenerationRequest(provider="offline_shape", views={View.FRONT: picture})
    return Library(own_library).create(request, {View.FRONT: cup})


@pytest.fixture
def target(tmp_path: Path) -> Path:
    target = tmp_path / "out"
    target.mkdir()
    return target


def made(folder: JobFolder, files: dict[str, bytes]) -> Job:
    """The job with these files as its result, the first one being the model."""
    folder.result.mkdir(exist_ok=True)
    for name, data in files.items():
        (folder.result / name).write_bytes(data)
    results = tuple(
        ResultFile(file=name, sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
        for name, data in files.items()
    )
    return folder.load().evolve(state=JobState.READY, results=results)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*")}


def test_a_model_alone_is_copied_as_it_is(folder: JobFolder, target: Path) -> None:
    output.deliver(folder, made(folder, {"model.obj": OBJ}), target / "cup.obj", exporter=None)
    assert content(target) == {"cup.obj": OBJ}


def test_an_obj_brings_its_materials_and_textures_under_its_own_name(folder: JobFolder, target: Path) -> None:
    output.deliver(folder, made(folder, CUP), target / "cup.obj", exporter=None)
    assert content(target) == {
        "cup.obj": OBJ.replace(b"model.mtl", b"cup.mtl"),
        "cup.mtl": b"newmtl clay\nmap_Kd -s 1 1 1 cup-skin.png\nbump -bm 1 cup-bump.png\n",
        "cup-skin.png": b"skin",
        "cup-bump.png": b"bump",
    }
    assert content(folder.result) == CUP, "the result stays as it is"


def test_several_objs_share_a_folder(folder: JobFolder, target: Path) -> None:
    for name in ("a.obj", "b b.obj", "-s 1.obj", "c\n.OBJ"):
        output.deliver(folder, made(folder, CUP), target / name, exporter=None)
    found = content(target)
    assert len(found) == 16 and {"b b.mtl", "b b-skin.png", "s_1.mtl", "c.mtl"} <= found.keys()
    assert b"mtllib b b.mtl\n" in found["b b.obj"] and b"map_Kd -s 1 1 1 b b-skin.png\n" in found["b b.mtl"]


def test_two_libraries_get_two_names(folder: JobFolder, target: Path) -> None:
    files = {"model.obj": b"mtllib a.mtl\nmtllib b.mtl\n" + OBJ, "a.mtl": b"newmtl a\n", "b.mtl": b"newmtl b\n"}
    output.deliver(folder, made(folder, files), target / "cup.obj", exporter=None)
    assert content(target) == {
        "cup.obj": b"mtllib cup.mtl\nmtllib cup-b.mtl\n" + OBJ.replace(b"mtllib model.mtl", b""),
        "cup.mtl": b"newmtl a\n",
        "cup-b.mtl": b"newmtl b\n",
    }


def test_a_gltf_brings_its_files(folder: JobFolder, target: Path) -> None:
    document = {
        "asset": {"version": "2.0"},
        "buffers": [{"uri": "scene.bin", "byteLength": 1}, {"uri": "more.bin", "byteLength": 1}],
        "images": [{"uri": "skin.png"}, {"uri": "data:;base64,AAAA"}],
    }
    files = {"model.gltf": json.dumps(document).encode(), "scene.bin": b"1", "more.bin": b"2", "skin.png": b"skin"}
    output.deliver(folder, made(folder, files), target / "my cup.gltf", exporter=None)
    found = content(target)
    written = json.loads(found.pop("my cup.gltf"))
    assert found == {"my cup.bin": b"1", "my cup-more.bin": b"2", "my cup-skin.png": b"skin"}
    assert [each["uri"] for each in written["buffers"]] == ["my%20cup.bin", "my%20cup-more.bin"]
    assert [each["uri"] for each in written["images"]] == ["my%20cup-skin.png", "data:;base64,AAAA"]


def test_beside_a_new_file_nothing_of_the_users_is_replaced(folder: JobFolder, target: Path) -> None:
    (target / "cup.mtl").write_bytes(b"mine")
    with pytest.raises(StorageError, match=r"exists and is kept") as caught:
        output.deliver(folder, made(folder, CUP), target / "cup.obj", exporter=None)
    assert content(target) == {"cup.mtl": b"mine"} and "jobs resume" in caught.value.hint


def test_an_old_model_is_replaced_with_what_belongs_to_it(folder: JobFolder, target: Path) -> None:
    output.deliver(folder, made(folder, CUP), target / "cup.obj", exporter=None)
    newer = {**CUP, "skin.png": b"newer"}
    output.deliver(folder, made(folder, newer), target / "cup.obj", exporter=None)
    assert content(target)["cup-skin.png"] == b"newer" and len(content(target)) == 4


def test_a_link_stays_a_link(folder: JobFolder, target: Path, tmp_path: Path) -> None:
    (tmp_path / "cup.obj").symlink_to(target / "real.obj")
    output.deliver(folder, made(folder, CUP), tmp_path / "cup.obj", exporter=None)
    assert (tmp_path / "cup.obj").is_symlink() and {"real.obj", "real.mtl"} <= content(target).keys()


def test_a_full_disk_leaves_the_old_files(folder: JobFolder, full_folder: Path) -> None:
    (full_folder / "cup.obj").write_bytes(b"old")
    job = made(folder, {**CUP, "skin.png": bytes(100_000)})
    with pytest.raises(StorageError, match="disk is full"):
        output.deliver(folder, job, full_folder / "cup.obj", exporter=None)
    assert content(full_folder) == {"cup.obj": b"old"}


def test_a_picture_does_not_become_a_model_without_blender(folder: JobFolder, target: Path) -> None:
    job = made(folder, {"picture.jpg": b"\xff\xd8\xff"})
    with pytest.raises(BadOption, match="a picture, not a model") as caught:
        output.deliver(folder, job, target / "cup.glb", exporter=None)
    assert str(folder.result / "picture.jpg") in caught.value.hint and not content(target)
    output.deliver(folder, job, target / "cup.jpg", exporter=None)
    assert content(target) == {"cup.jpg": b"\xff\xd8\xff"}
