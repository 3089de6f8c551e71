# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user chose for every Blender and for the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from blender_image_to_3d.errors import StorageError
from blender_image_to_3d.host import settings, system
from blender_image_to_3d.host.settings import Settings
from blender_image_to_3d.models import Job, Placement, Spot

from ..conftest import User

pytestmark = pytest.mark.everywhere

EVERYTHING = Settings(library="/models of a üser", jobs_at_once=7, agreed=("meshy", "modelslab"))


@pytest.fixture
def here(tmp_path: Path) -> dict[str, str]:
    """The environment of somebody whose data folder does not exist yet."""
    return {"XDG_DATA_HOME": str(tmp_path / "d"), "LOCALAPPDATA": str(tmp_path / "d"), "HOME": str(tmp_path)}


def file_of(environment: dict[str, str]) -> Path:
    return system.user_folder(environment) / settings.FILE_NAME


def test_what_was_chosen_is_there_the_next_time(here: dict[str, str]) -> None:
    assert settings.load(here) == Settings()
    settings.save(EVERYTHING, here)
    assert settings.load(here) == EVERYTHING
    assert [path.name for path in file_of(here).parent.iterdir()] == [settings.FILE_NAME]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"library": 3, "agreed": "all"}'])
def test_a_damaged_file_is_as_if_nothing_was_chosen(here: dict[str, str], content: bytes) -> None:
    settings.save(EVERYTHING, here)
    file_of(here).write_bytes(content)
    assert settings.load(here) == Settings()
    settings.save(EVERYTHING, here)
    assert settings.load(here) == EVERYTHING


@pytest.mark.parametrize("jobs", [0, 17, -1, "3", 2.5, None])
def test_a_value_that_means_nothing_does_not_spoil_the_others(here: dict[str, str], jobs: Any) -> None:
    settings.save(EVERYTHING, here)
    file_of(here).write_text(json.dumps({"library": "/mine", "jobs_at_once": jobs, "agreed": ["meshy", 3]}))
    assert settings.load(here) == Settings(library="/mine", agreed=("meshy",))


def test_what_a_newer_version_has_chosen_stays(here: dict[str, str]) -> None:
    settings.save(EVERYTHING, here)
    file_of(here).write_text(json.dumps({"colour": "red"}))
    settings.save(Settings(jobs_at_once=3), here)
    assert json.loads(file_of(here).read_bytes()) == {"colour": "red", "library": "", "jobs_at_once": 3, "agreed": []}


def test_settings_that_cannot_be_written_are_said_and_the_old_ones_hold(
    here: dict[str, str], read_only_folder: Path
) -> None:
    with pytest.raises(StorageError, match="read-only"):
        settings.save(EVERYTHING, {**here, "XDG_DATA_HOME": str(read_only_folder)})


def test_the_library_is_the_variable_s_else_the_chosen_one_else_the_usual_one(here: dict[str, str]) -> None:
    assert settings.library_folder(here) == system.user_folder(here) / "image_to_3d"
    settings.save(EVERYTHING, here)
    assert settings.library_folder(here) == Path("/models of a üser")
    assert settings.library_folder({**here, "IMAGE_TO_3D_LIBRARY": "/mine"}) == Path("/mine")
    settings.save(Settings(library="~/mine"), here)
    assert settings.library_folder(here) == Path.home() / "mine"


def test_the_command_line_uses_the_library_that_was_chosen(user: User, cup: Path, tmp_path: Path) -> None:
    chosen = tmp_path / "my modèls"
    del user.environment["IMAGE_TO_3D_LIBRARY"]
    settings.save(Settings(library=str(chosen)), user.environment)
    answer = user.run("generate", cup)
    assert answer.status == 0, answer.errors
    assert Path(answer.output.strip()).is_relative_to(chosen)
    (listed,) = user.run("jobs", "list", "--json").lines
    assert (chosen / listed["job"] / "job.json").is_file()


def test_a_job_that_knows_nothing_of_newer_placements_still_loads() -> None:
    request = {"provider": "offline_shape", "views": {}, "placement": {"spot": "cursor", "stance": "ground"}}
    job = Job.model_validate_json(json.dumps({"id": "old", "request": request}))
    assert job.request.placement == Placement(spot=Spot.CURSOR, faces=None, as_asset=False)


def test_where_a_model_is_put_does_not_decide_what_is_bought() -> None:
    request = Job.model_validate({"id": "a", "request": {"provider": "offline_shape", "views": {}}}).request
    moved = request.evolve(placement=Placement(spot=Spot.CURSOR_NOW, faces=4, as_asset=True))
    assert moved.fingerprint == request.fingerprint
