# SPDX-License-Identifier: GPL-3.0-or-later
"""The installed extension: enabling and disabling, the operator, and the command line inside Blender."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import bpy
import pytest

from ..conftest import HANGS_SECONDS, ROOT
from . import given
from .conftest import EXTENSION

COMMAND = [sys.executable, str(ROOT / "scripts" / "image_to_3d.py"), "--"]


@pytest.fixture
def disc(tmp_path: Path) -> Path:
    return given.disc(tmp_path / "disc.png")


def run(*words: str | Path, library: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "IMAGE_TO_3D_LIBRARY": str(library)}
    return subprocess.run(
        [*COMMAND, *map(str, words)], capture_output=True, text=True, env=environment, timeout=HANGS_SECONDS
    )


@pytest.mark.everywhere
def test_enabling_ten_times_registers_once_and_leaves_nothing(package: ModuleType) -> None:
    for _ in range(10):
        package.unregister()
        assert not hasattr(bpy.types, "IMAGE_TO_3D_OT_generate")
        package.register()
        assert hasattr(bpy.types, "IMAGE_TO_3D_OT_generate")


@pytest.mark.everywhere
def test_enabling_imports_nothing_slow() -> None:
    code = (
        "import bpy, addon_utils, importlib, os, sys\n"
        "import bl_ext.user_default\n"
        "before = set(sys.modules)\n"
        f"importlib.import_module({EXTENSION!r}).register()\n"
        "new = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(new & {'pydantic', 'pydantic_core', 'requests', 'urllib3', 'numpy'}), flush=True)\n"
        "os._exit(0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.everywhere
def test_the_operator_blocks_and_returns_with_the_object_in_the_scene(disc: Path) -> None:
    bpy.context.scene.cursor.location = (1, 2, 3)
    assert bpy.ops.image_to_3d.generate(filepath=str(disc), provider="offline_shape", height=2.0) == {"FINISHED"}
    (root,) = bpy.context.scene.objects
    assert root == bpy.context.view_layer.objects.active and root.select_get()
    assert root.name == "disc" and tuple(root.location) == (1, 2, 3)
    assert root.dimensions.z == pytest.approx(2.0, rel=1e-5)
    assert root["image_to_3d_provider"] == "offline_shape" and root["image_to_3d_thickness"] == 0.75
    assert root["image_to_3d_image"] == "disc.png"


@pytest.mark.everywhere
def test_the_object_is_a_closed_mesh_of_quads(disc: Path) -> None:
    bpy.ops.image_to_3d.generate(filepath=str(disc))
    (root,) = bpy.context.scene.objects
    assert {len(face.vertices) for face in root.data.polygons} == {4}
    uses = Counter(tuple(sorted(key)) for face in root.data.polygons for key in face.edge_keys)
    assert set(uses.values()) == {2} and len(uses) == len(root.data.edges)
    assert all(face.use_smooth for face in root.data.polygons) and not root.data.has_custom_normals


@pytest.mark.everywhere
def test_the_operator_leaves_the_user_in_edit_mode(disc: Path) -> None:
    bpy.ops.mesh.primitive_cube_add()
    cube = bpy.context.object
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.image_to_3d.generate(filepath=str(disc))
    assert bpy.context.mode == "EDIT_MESH" and bpy.context.object == cube and cube.select_get()
    assert {each.name for each in bpy.context.scene.objects} == {"Cube", "disc"}
    bpy.ops.object.mode_set(mode="OBJECT")


@pytest.mark.everywhere
def test_the_operator_takes_any_image_of_the_file(disc: Path) -> None:
    image = bpy.data.images.load(str(disc))
    image.name = "Painted"
    image.pixels[0] = 0.5
    assert image.is_dirty
    bpy.ops.image_to_3d.generate(image="Painted", options=json.dumps({"thickness": 0.5}))
    (root,) = bpy.context.scene.objects
    assert root.name == "Painted" and root["image_to_3d_thickness"] == 0.5
    assert image.is_dirty and len([each for each in bpy.data.images if each.name == "Painted"]) == 1


@pytest.mark.everywhere
@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"filepath": "/missing.png"}, "missing.png"),
        ({"image": "Nobody"}, "Nobody"),
        ({"provider": "nobody"}, "nobody"),
        ({"options": '{"thickness": 99}'}, "thickness"),
        ({"options": "thickness=1"}, "JSON"),
        ({"views": '{"back": "/missing.png"}'}, "missing.png"),
        ({"views": '{"mask": "/missing.png"}', "provider": "modelslab_instantmesh"}, "does not take a mask"),
        ({"views": '{"above": "/missing.png"}'}, "above"),
    ],
)
def test_the_operator_says_what_is_wrong_and_changes_nothing(disc: Path, words: dict[str, str], says: str) -> None:
    before = {name: len(getattr(bpy.data, name)) for name in ("objects", "meshes", "materials", "images", "scenes")}
    with pytest.raises(RuntimeError, match=says):
        bpy.ops.image_to_3d.generate(**{"filepath": str(disc), **words})
    assert before == {name: len(getattr(bpy.data, name)) for name in before}


@pytest.mark.everywhere
def test_the_command_line_writes_a_blend(disc: Path, tmp_path: Path) -> None:
    output = tmp_path / "disc.blend"
    words = ("generate", disc, "--output", output, "--height", "1.5", "--option", "resolution=48", "--json")
    answer = run(*words, library=tmp_path / "library")
    assert answer.returncode == 0, answer.stderr
    assert json.loads([line for line in answer.stdout.splitlines() if line.startswith("{")][-1])["output"] == str(
        output
    )
    bpy.ops.wm.open_mainfile(filepath=str(output))
    (root,) = [each for each in bpy.context.scene.objects if "image_to_3d_job" in each]
    assert root.dimensions.z == pytest.approx(1.5, rel=1e-5)
    images = [image for image in bpy.data.images if image.users]
    assert images and all(image.packed_file for image in images)


def test_the_command_line_has_the_exit_statuses_of_the_shell(disc: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    assert run("generate", disc, "--output", tmp_path / "disc.glb", library=library).returncode == 0
    assert run("dance", library=library).returncode == 2
    assert run("--help", library=library).returncode == 0
    assert run("generate", disc, "--output", tmp_path / "disc.xyz", library=library).returncode == 2


def test_a_batch_inside_blender_writes_blends(disc: Path, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name in ("one.png", "two.png"):
        (pictures / name).write_bytes(disc.read_bytes())
    out = tmp_path / "out"
    words = ("batch", pictures, "--output-dir", out, "--format", "blend", "--option", "resolution=48")
    answer = run(*words, library=tmp_path / "library")
    assert answer.returncode == 0, answer.stderr
    assert sorted(path.name for path in out.glob("*.blend")) == ["one.blend", "two.blend"]


@pytest.mark.everywhere
def test_blender_knows_the_command() -> None:
    answer = subprocess.run(
        [
            sys.executable,
            "-c",
            "import bpy, addon_utils, importlib, os, sys\n"
            f"addon_utils.enable({EXTENSION!r}, default_set=True)\n"
            f"module = importlib.import_module({EXTENSION + '.blender.registration'!r})\n"
            "status = module.run_command(['providers', 'offline_shape', '--json'])\n"
            "sys.stdout.flush(); os._exit(status)",
        ],
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0 and '"id": "offline_shape"' in answer.stdout
