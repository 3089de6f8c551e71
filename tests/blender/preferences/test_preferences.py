# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's preferences: keys go through them and stay nowhere, choices are kept for every Blender."""

from __future__ import annotations

import importlib
import json
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import bpy
import pytest

from ...conftest import HANGS_SECONDS, KEY
from ...fakes.servers.hunyuan3d import Hunyuan3DServer
from ...fakes.servers.meshy import MeshyServer
from .. import given
from ..conftest import EXTENSION

pytestmark = pytest.mark.everywhere

OTHER = "sk-another-one-9876543210"
BULLETS = "\u2022" * 12


@pytest.fixture(autouse=True)
def fresh(package: ModuleType) -> Iterator[None]:
    """No test sees what another one entered, nor the keys of whoever runs it."""
    package.unregister()
    package.register()
    yield


@pytest.fixture
def preferences(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in list(os.environ):
        if name.endswith("_API_KEY"):
            monkeypatch.delenv(name)
    return bpy.context.preferences.addons[EXTENSION].preferences


@pytest.fixture
def module(package: ModuleType) -> Any:
    return importlib.import_module(f"{EXTENSION}.blender.preferences.preferences")


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "image_to_3d.keys.json"


@pytest.fixture
def settings_file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "image_to_3d.settings.json"


def files_with(text: str, *folders: Path) -> list[Path]:
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if text.encode() in path.read_bytes()]


def test_the_add_on_has_preferences_and_a_field_for_every_key(preferences: Any, module: Any) -> None:
    assert module.of(bpy.context) == preferences and isinstance(preferences, bpy.types.AddonPreferences)
    providers = importlib.import_module(f"{EXTENSION}.providers")
    fields = {name.removeprefix("key_") for name in preferences.bl_rna.properties.keys() if name.startswith("key_")}
    assert fields >= {each for each in providers.ids() if providers.info(each).needs_key}
    for name in fields:
        assert preferences.bl_rna.properties[f"key_{name}"].subtype == "PASSWORD"


def test_a_key_is_stored_in_the_user_s_file_and_shown_to_nobody(preferences: Any, key_file: Path) -> None:
    assert preferences.key_meshy == ""
    preferences.key_meshy = f"  {KEY} "
    assert preferences.key_meshy == BULLETS
    assert json.loads(key_file.read_bytes()) == {"MESHY_API_KEY": KEY}
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600


def test_no_file_of_blender_s_holds_a_key(preferences: Any, tmp_path: Path, key_file: Path) -> None:
    """Positive control: another text that is set the usual way is found in the same files."""
    witness = "sk-witness-0123456789"
    preferences.key_meshy = KEY
    bpy.context.scene["witness"] = witness
    bpy.context.preferences.filepaths.font_directory = f"/{witness}"
    bpy.ops.wm.save_userpref()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"), compress=False)
    places = (Path(os.environ["BLENDER_USER_RESOURCES"]), tmp_path, Path(bpy.app.tempdir))
    found = {path.name for path in files_with(witness, *places)}
    assert {"userpref.blend", "scene.blend"} <= found
    assert files_with(KEY, *places) == [key_file]
    assert files_with(BULLETS, *places) == []
    bpy.context.preferences.filepaths.font_directory = ""
    bpy.ops.wm.save_userpref()


def test_a_key_outlives_the_preferences_that_it_was_entered_in(preferences: Any, package: ModuleType) -> None:
    preferences.key_meshy = KEY
    package.unregister()
    package.register()
    assert bpy.context.preferences.addons[EXTENSION].preferences.key_meshy == BULLETS


@pytest.mark.parametrize("typed", [BULLETS, BULLETS[:5], BULLETS + " "])
def test_bullets_that_are_sent_back_change_nothing(preferences: Any, key_file: Path, typed: str) -> None:
    preferences.key_meshy = KEY
    preferences.key_meshy = typed
    assert json.loads(key_file.read_bytes()) == {"MESHY_API_KEY": KEY}


def test_a_key_can_be_typed_behind_the_bullets_and_an_empty_field_forgets_it(preferences: Any, key_file: Path) -> None:
    preferences.key_meshy = KEY
    preferences.key_meshy = BULLETS + OTHER
    assert json.loads(key_file.read_bytes()) == {"MESHY_API_KEY": OTHER}
    preferences.key_meshy = ""
    assert preferences.key_meshy == "" and json.loads(key_file.read_bytes()) == {}


def test_the_line_under_generate_knows_at_once_that_a_key_was_entered_or_forgotten(
    preferences: Any, package: ModuleType
) -> None:
    forms, readiness = (given.module(package, f"blender.{each}") for each in ("form.scene_form", "sidebar.readiness"))
    assert forms.ensure() is None
    forms.of(bpy.context.scene).provider = "meshy"
    lines = []
    for typed in ("", KEY, ""):
        preferences.key_meshy = typed
        lines.append(readiness.of_files(bpy.context.scene).line)
    assert ["needs a key" in line for line in lines] == [True, False, True], lines


def test_providers_of_one_service_share_a_row_and_a_key(preferences: Any, module: Any) -> None:
    preferences.key_modelslab_instantmesh = KEY
    assert preferences.key_modelslab == preferences.key_modelslab_instantmesh == BULLETS
    assert preferences.key_meshy == ""
    services = module.services.known()
    assert [[info.id for info in each.infos] for each in services if len(each.infos) > 1] == [
        ["modelslab", "modelslab_instantmesh"]
    ]
    shared = next(each for each in services if len(each.infos) > 1)
    assert shared.state_text == "From your key file · Also for ModelsLab InstantMesh"
    assert bpy.ops.image_to_3d.forget_key(provider="modelslab") == {"FINISHED"}
    assert preferences.key_modelslab_instantmesh == "" and shared.state_text == "Also for ModelsLab InstantMesh"


def test_what_can_be_no_key_is_said_beside_the_field(preferences: Any, module: Any, key_file: Path) -> None:
    preferences.key_meshy = KEY
    preferences.key_meshy = "sk two words"
    assert json.loads(key_file.read_bytes()) == {"MESHY_API_KEY": KEY}
    service = module.services.of("meshy")
    assert service.is_problem and "is no key" in service.state_text and "two" not in service.state_text
    preferences.key_meshy = OTHER
    assert not service.is_problem and service.state_text == "From your key file"


def test_a_key_in_a_variable_is_said_and_its_field_is_fixed(
    preferences: Any, module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MESHY_API_KEY", KEY)
    assert preferences.key_meshy == BULLETS
    service = module.services.of("meshy")
    assert service.is_key_fixed and service.state_text == "From MESHY_API_KEY"


def test_a_key_is_tested_and_the_balance_is_known(
    preferences: Any, module: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    preferences.key_meshy = KEY
    with MeshyServer(KEY, {}) as server:
        monkeypatch.setenv("IMAGE_TO_3D_MESHY_URL", f"{server.url}/openapi/v1")
        assert bpy.ops.image_to_3d.check_key(provider="meshy") == {"FINISHED"}
        balance = module.services.balance_of("meshy")
        assert balance is not None and balance.endswith(" credits")
        service = module.services.of("meshy")
        assert service.state_text == f"From your key file · The key is good · {balance} left"
        assert server.billable == 0
        preferences.key_meshy = OTHER
        assert module.services.balance_of("meshy") is None and service.state_text == "From your key file"
        with pytest.raises(RuntimeError, match="does not accept the key"):
            bpy.ops.image_to_3d.check_key(provider="meshy")
    assert service.is_problem and OTHER not in service.state_text
    assert files_with(OTHER, tmp_path) == [tmp_path / "data" / "image_to_3d.keys.json"]


@pytest.mark.parametrize(
    ("provider", "says"),
    [
        ("meshy", "needs a key"),
        ("offline_shape", "no service"),
        ("nobody", "no service"),
        ("hunyuan3d", "reached|answer"),
    ],
)
def test_a_test_that_fails_says_why(
    preferences: Any, monkeypatch: pytest.MonkeyPatch, provider: str, says: str
) -> None:
    monkeypatch.setenv("IMAGE_TO_3D_HUNYUAN3D_URL", "http://127.0.0.1:9")
    with pytest.raises(RuntimeError, match=says):
        bpy.ops.image_to_3d.check_key(provider=provider)


def test_a_server_of_one_s_own_is_asked_without_a_key(
    preferences: Any, module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Hunyuan3DServer("2.0", {}) as server:
        monkeypatch.setenv("IMAGE_TO_3D_HUNYUAN3D_URL", server.url)
        assert bpy.ops.image_to_3d.check_key(provider="hunyuan3d") == {"FINISHED"}
        service = module.services.of("hunyuan3d")
        assert (service.address, service.state_text) == (server.url, "It answers")


def test_choices_are_kept_for_every_blender_and_the_command_line(
    preferences: Any, settings_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("IMAGE_TO_3D_LIBRARY")
    usual = str(tmp_path / "data" / "image_to_3d")
    assert (preferences.library, preferences.jobs_at_once) == (usual, 2) and not settings_file.exists()
    preferences.jobs_at_once = 99
    preferences.library = str(tmp_path / "my modèls")
    assert json.loads(settings_file.read_bytes()) == {
        "library": str(tmp_path / "my modèls"),
        "jobs_at_once": 16,
        "agreed": [],
    }
    assert preferences.library == str(tmp_path / "my modèls") and preferences.jobs_at_once == 16
    for nothing in ("", usual):
        preferences.library = str(tmp_path / "my modèls")
        preferences.library = nothing
        assert preferences.library == usual and json.loads(settings_file.read_bytes())["library"] == ""


def test_a_library_beside_the_file_is_kept_as_it_is_found(
    preferences: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("IMAGE_TO_3D_LIBRARY")
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    preferences.library = "//models"
    assert preferences.library == str(tmp_path / "models")


def test_a_choice_that_cannot_be_kept_is_said(
    preferences: Any, module: Any, read_only_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(read_only_folder))
    preferences.jobs_at_once = 5
    assert preferences.jobs_at_once == 2 and "read-only" in module._shown.problem
    preferences.key_meshy = KEY
    assert preferences.key_meshy == "" and "read-only" in module.services.of("meshy").state_text


def test_the_timer_reads_what_is_shown_and_comes_to_rest(
    preferences: Any, module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Blender's timer does it, which never fires in background."""
    library = tmp_path / "library"
    (library / "20260101-000000-cup-0000").mkdir(parents=True)
    (library / "20260101-000000-cup-0000" / "model.glb").write_bytes(b"x" * 3 * 2**20)
    deadline = time.monotonic() + HANGS_SECONDS
    slowest = 0.0
    module._tick()
    while True:
        started = time.process_time()
        pause = module._tick()
        slowest = max(slowest, time.process_time() - started)
        if pause is None:
            break
        assert time.monotonic() < deadline, "it does not come to rest"
        time.sleep(0.02)
    assert module._shown.usage == "1 job, 3 MB"
    labels = [each.info.label for each in module.services.known()]
    assert labels == sorted(labels, key=str.lower) and "Meshy" in labels and "Offline Shape" not in labels
    print(f"slowest tick: {slowest * 1000:.2f} ms of CPU time")


def test_disabling_ends_what_runs(preferences: Any, module: Any, package: ModuleType, tmp_path: Path) -> None:
    module._tick()
    short_program = module._shown.short_program
    assert short_program is not None
    folder = Path(short_program._folder.name)
    assert folder.is_dir()
    package.unregister()
    assert short_program._process.poll() is not None and not folder.exists()
    assert module._shown is None and module.services.known() == []
    package.register()
