# SPDX-License-Identifier: GPL-3.0-or-later
"""Services inside Blender: their results in the scene, their keys nowhere, and nothing for who is offline."""

from __future__ import annotations

import base64
from pathlib import Path

import bpy
import numpy as np
import pytest

from ...conftest import KEY
from ...fakes.servers.hunyuan3d import Hunyuan3DServer
from ...fakes.servers.one_min_ai import OneMinAiServer
from .. import given
from ..test_extension import disc

__all__ = ["disc"]


@pytest.mark.everywhere
def test_the_model_of_a_server_of_one_s_own_stands_in_the_scene(
    disc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It needs neither a key nor online access."""
    given.textured_monkey(tmp_path)
    monkey = given.write(tmp_path / "monkey.glb").read_bytes()
    given.new_file()
    with Hunyuan3DServer("2.0", {"glb": monkey}) as server:
        monkeypatch.setenv("IMAGE_TO_3D_HUNYUAN3D_URL", server.url)
        done = bpy.ops.image_to_3d.generate(filepath=str(disc), provider="hunyuan3d", options='{"seed": 7}')
        assert done == {"FINISHED"}
    sent = base64.b64decode(server.generated[0]["image"])
    assert b"eXIf" in disc.read_bytes() and b"eXIf" not in sent, "the pixels are sent, and nothing else"
    (tmp_path / "sent.png").write_bytes(sent)
    assert np.array_equal(given.pixels(tmp_path / "sent.png"), given.pixels(disc))
    (root,) = [each for each in bpy.context.scene.objects if each.parent is None]
    assert root["image_to_3d_provider"] == "hunyuan3d" and root["image_to_3d_seed"] == 7
    assert any(image.packed_file for image in bpy.data.images), "its texture came along"


@pytest.mark.everywhere
def test_a_picture_instead_of_a_model_becomes_a_plane_and_the_key_stays_out_of_the_file(
    disc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with OneMinAiServer(KEY, disc.read_bytes()) as server:
        monkeypatch.setenv("IMAGE_TO_3D_ONE_MIN_AI_URL", f"{server.url}/api")
        monkeypatch.setenv("ONE_MIN_AI_API_KEY", KEY)
        assert bpy.ops.image_to_3d.generate(filepath=str(disc), provider="one_min_ai") == {"FINISHED"}
        assert server.complaints == []
    (root,) = bpy.context.scene.objects
    assert len(root.data.polygons) == 1 and root.dimensions.z == pytest.approx(root.dimensions.x)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "plane.blend"), compress=False)
    assert KEY.encode() not in (tmp_path / "plane.blend").read_bytes()


@pytest.mark.everywhere
def test_who_is_offline_is_told_where_to_allow_it(disc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if bpy.app.online_access:
        pytest.skip("this Blender may go online")
    monkeypatch.setenv("MODELSLAB_API_KEY", KEY)
    with pytest.raises(RuntimeError, match="Allow Online Access"):
        bpy.ops.image_to_3d.generate(filepath=str(disc), provider="modelslab")
    assert not bpy.context.scene.objects
