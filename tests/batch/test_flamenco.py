# SPDX-License-Identifier: GPL-3.0-or-later
"""The job type for Flamenco: what it asks, and the tasks that it makes of the answers."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from blender_image_to_3d import providers
from blender_image_to_3d.batch.batch import find_pictures
from blender_image_to_3d.cli.main import build_parser
from blender_image_to_3d.pictures.facts import PictureFormat

from ..conftest import PACKAGE, ROOT
from ..flamenco import Manager, Refused, Task

FOLDERS = {"pictures": "/storage/cups", "output": "/storage/cups_models"}
# Schemas AvailableJobSetting and AvailableJobType of Flamenco's OpenAPI description.
_SETTING = {
    "key": str,
    "type": ("string", "int32", "float", "bool"),
    "subtype": ("file_path", "dir_path", "file_name", "hashed_file_path"),
    "choices": list,
    "propargs": dict,
    "description": str,
    "label": str,
    "default": object,
    "eval": str,
    "evalInfo": dict,
    "visible": ("visible", "hidden", "submission", "web"),
    "required": bool,
    "editable": bool,
}
_PYTHON_TYPES = {"string": str, "int32": int, "float": (int, float), "bool": bool}
# What bpy.props' functions take, of what Flamenco's add-on passes on as it is; min and max it makes fit for the type.
_PROPERTY_ARGUMENTS = {"min", "max"}


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Manager:
    return Manager(tmp_path_factory.mktemp("flamenco-manager"))


@pytest.fixture(scope="module")
def settings(manager: Manager) -> dict[str, dict[str, Any]]:
    """The settings by their keys."""
    found: list[dict[str, Any]] = manager.job_type()["settings"]
    assert len({each["key"] for each in found}) == len(found)
    return {each["key"]: each for each in found}


def options_of(task: Task) -> Any:
    """The task's command, as our command line understands it."""
    words = task.command["Parameters"]["args"]
    assert words[:2] == ["--command", "image_to_3d"], "Blender reads nothing that comes later"
    return build_parser("image_to_3d", words[2:]).parse_args(words[2:])


def evaluated(expression: str, folder: str, output: str = "") -> Any:
    """What Flamenco's add-on makes of an expression: no name is global."""

    class Settings:
        pictures_folder = folder
        output_folder = output

    return eval(expression, {}, {"settings": Settings(), "Path": Path, "abspath": lambda path: Path(path)})


# What it asks.


def test_flamenco_knows_everything_that_the_settings_say(manager: Manager, settings: dict[str, dict[str, Any]]) -> None:
    assert {"name", "label", "description", "settings"} == manager.job_type().keys() - {"etag"}
    for key, setting in settings.items():
        assert re.fullmatch(r"[a-z_]+", key)
        for name, value in setting.items():
            allowed = _SETTING[name]
            assert value in allowed if isinstance(allowed, tuple) else isinstance(value, allowed), (key, name)
        assert not ("subtype" in setting or "choices" in setting) or setting["type"] == "string"
        assert setting.get("propargs", {}).keys() <= _PROPERTY_ARGUMENTS
        if "default" in setting:
            assert isinstance(setting["default"], _PYTHON_TYPES[setting["type"]])
            assert setting["default"] in setting.get("choices", [setting["default"]])
        if "evalInfo" in setting:
            assert setting["evalInfo"].keys() == {"showLinkButton", "description"} and "eval" in setting


def test_everything_that_a_person_fills_in_has_a_label_and_says_what_it_is_for(
    settings: dict[str, dict[str, Any]],
) -> None:
    for setting in settings.values():
        assert setting["description"][-1] not in ".,:" and len(setting["description"]) > 10
        assert setting.get("visible") == "web" or setting["label"]


def test_the_choices_are_those_of_the_package(settings: dict[str, dict[str, Any]]) -> None:
    assert sorted(settings["provider"]["choices"]) == sorted(providers.ids())
    source = ast.parse((ROOT / PACKAGE / "blender" / "export.py").read_text(encoding="utf-8"))
    (writers,) = (
        each.value
        for each in source.body
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name) and each.target.id == "_WRITERS"
    )
    assert isinstance(writers, ast.Dict)
    suffixes = {key.value for key in writers.keys if isinstance(key, ast.Constant)} | {".blend"}
    assert {f".{each}" for each in settings["format"]["choices"]} == suffixes


def test_flamenco_counts_the_pictures_that_a_batch_finds(settings: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    for kind in PictureFormat:
        for suffix in kind.suffixes:
            (tmp_path / f"a{suffix}").touch()
            (tmp_path / f"b{suffix.upper()}").touch()
            (tmp_path / f"c{suffix}.txt").touch()
    (tmp_path / "folder.png").mkdir()
    count = settings["picture_count"]["eval"]
    assert evaluated(count, str(tmp_path)) == len(find_pictures(tmp_path)) > 20
    assert evaluated(count, "") == evaluated(count, str(tmp_path / "nothing")) == 0
    assert evaluated(count, str(tmp_path / "a.png")) == 0


def test_models_go_beside_the_pictures_unless_one_says_where(settings: dict[str, dict[str, Any]]) -> None:
    pictures, output = settings["pictures"]["eval"], settings["output"]["eval"]
    assert evaluated(pictures, "/storage/cups/") == "/storage/cups"
    assert evaluated(output, "/storage/cups/") == "/storage/cups_models"
    assert evaluated(output, "/storage/cups/", "/storage/made") == "/storage/made"
    assert evaluated(pictures, "") == evaluated(output, "") == ""


# The tasks that it makes.


@pytest.mark.parametrize(
    ("count", "size"), [(50, 8), (50, 1), (50, 50), (50, 1000), (50, 49), (1, 1), (7, 2), (1000, 10)]
)
def test_the_chunks_are_all_pictures_and_each_once(manager: Manager, count: int, size: int) -> None:
    *chunks, last = manager.compile(**FOLDERS, picture_count=count, chunk_size=size)
    shares = [list(range(count))[options_of(task).chunk] for task in chunks]
    assert sorted(number for share in shares for number in share) == list(range(count))
    assert all(0 < len(share) <= size for share in shares) and len(chunks) == -(-count // size)
    assert [task.command["TotalStepCount"] for task in chunks] == [len(share) for share in shares]
    assert len({task.name for task in [*chunks, last]}) == len(chunks) + 1
    assert len({options_of(task).report for task in [*chunks, last]}) == len(chunks) + 1
    assert all(task.type == "blender" and not task.dependencies for task in chunks)
    assert last.dependencies == [task.name for task in chunks]


def test_the_last_task_makes_up_for_what_is_missing_and_puts_all_together(manager: Manager) -> None:
    *_, last = manager.compile(**FOLDERS, picture_count=50)
    options = options_of(last)
    assert list(range(50))[options.chunk] == list(range(50)) and last.command["TotalStepCount"] == 50
    assert options.resume and options.farm and options.report == Path("/storage/cups_models/report.jsonl")
    assert options.asset_library == Path("/storage/cups_models/assets") and options.asset_files == "each"
    assert options.contact_sheet == Path("/storage/cups_models/contact_sheet.png")
    *chunks, bare = manager.compile(**FOLDERS, picture_count=50, asset_library="none", contact_sheet=False)
    for options in map(options_of, [*chunks, bare]):
        assert options.asset_library is None and options.contact_sheet is None and options.resume and options.farm
    assert options_of(manager.compile(**FOLDERS, picture_count=1, asset_library="one")[-1]).asset_files == "one"


def test_everything_that_is_chosen_reaches_every_task(manager: Manager) -> None:
    words = {"provider": "meshy", "model": "meshy-6", "height": 0.1, "jobs": 4, "format": "blend"}
    options = """should_remesh=yes  'texture_prompt=old wood' pose_mode="a b" topology=a\\ b"""
    as_blender_has_it = {**words, "height": 0.10000000149011612}
    for task in manager.compile(**FOLDERS, picture_count=3, chunk_size=2, options=options, **as_blender_has_it):
        chosen = options_of(task)
        assert {name: getattr(chosen, name) for name in words} == words
        assert chosen.option == ["should_remesh=yes", "texture_prompt=old wood", "pose_mode=a b", "topology=a b"]
        assert (chosen.source, chosen.output_dir) == (Path("/storage/cups"), Path("/storage/cups_models"))


def test_what_nobody_fills_in_is_as_the_command_line_has_it(manager: Manager) -> None:
    chosen = options_of(manager.compile(**FOLDERS, picture_count=1)[0])
    usual = build_parser("", []).parse_args(["batch", "a", "--output-dir", "b"])
    for name in (
        "provider",
        "model",
        "option",
        "height",
        "format",
        "jobs",
        "again",
        "overwrite",
        "take_over",
        "stance",
    ):
        assert getattr(chosen, name) == getattr(usual, name), name


@pytest.mark.parametrize("provider", providers.ids())
def test_only_a_service_lets_blender_go_online(manager: Manager, provider: str) -> None:
    online = [] if provider == "offline_shape" else ["--online-mode"]
    for task in manager.compile(**FOLDERS, picture_count=1, provider=provider):
        assert task.words[: 5 + len(online)] == ["blender", "-b", "-y", *online, "--command", "image_to_3d"]


@pytest.mark.parametrize(
    ("pictures", "output"),
    [
        ("/storage/cups/", "/storage/cups models/"),
        ("C:\\cups\\", "C:\\cups models"),
        ("\\\\server\\share\\cups", "\\\\server\\share\\made"),
        ("{storage}/cups", "{storage}\\made"),
        ("{cups}", "{made}"),
    ],
)
def test_every_path_is_an_argument_of_its_own(manager: Manager, pictures: str, output: str) -> None:
    """Otherwise Flamenco would not turn it into the path that the worker's platform has for it."""
    for task in manager.compile(pictures=pictures, output=output, picture_count=2):
        words = task.command["Parameters"]["args"]
        paths = [word for word in words if any(each in word for each in ("cups", "made"))]
        assert paths[0] == pictures.rstrip("/\\") and paths[1] == output.rstrip("/\\")
        assert len(paths) >= 3 and all(path.startswith(output.rstrip("/\\") + "/") for path in paths[2:])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"pictures": ""}, "Choose the folder for the pictures."),
        ({"output": None}, "Choose the folder for the models."),
        ({"pictures": "cups"}, '"cups" is not a whole path.'),
        ({"output": "//models"}, '"//models" is not a whole path.'),
        ({"output": "/storage/cups/"}, "The models cannot go into the folder with the pictures."),
        ({"picture_count": 0}, 'There is no picture in "/storage/cups".'),
        ({"picture_count": -1}, "Number of Pictures cannot be -1."),
        ({"chunk_size": 0}, "Pictures per Task cannot be 0."),
        ({"chunk_size": 2.5}, "Pictures per Task cannot be 2.5."),
        ({"jobs": "two"}, "At the Same Time cannot be two."),
        ({"height": -1}, "Height cannot be -1."),
        ({"provider": "nobody"}, 'Made by cannot be "nobody". Choose one of: offline_shape, '),
        ({"format": ""}, 'File Format cannot be "".'),
        ({"asset_library": "some"}, 'Asset Library cannot be "some". Choose one of: each, one, none.'),
        ({"options": 'profile="round'}, "The options cannot be read: a quotation mark is missing."),
        ({"options": "detail 0.3"}, '"detail" is not an option. Options look like this: '),
        ({"options": "--again"}, '"--again" is not an option.'),
        ({"options": "api_key=abc"}, 'The option "api_key" looks like a key'),
        ({"options": "detail=0.3 token=abc"}, 'The option "token" looks like a key'),
        ({"options": "webhook=sk-0123456789"}, 'The option "webhook" looks like a key'),
    ],
)
def test_wrong_settings_are_refused_in_a_sentence(manager: Manager, changed: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused) as refused:
        manager.compile(**{**FOLDERS, "picture_count": 50, **changed})
    assert str(refused.value).startswith(said) and str(refused.value).endswith(".")
    assert "\n" not in str(refused.value)
    assert "0123456789" not in str(refused.value) and "abc" not in str(refused.value)


@pytest.mark.parametrize("provider", providers.ids())
def test_no_option_of_a_provider_looks_like_a_key(manager: Manager, provider: str) -> None:
    found = providers.get(provider)
    for model in found.info.models or (None,):
        names = sorted(found.options_of(model).model_fields)
        tasks = manager.compile(
            **FOLDERS, picture_count=1, provider=provider, options=" ".join(f"{name}=1" for name in names)
        )
        assert options_of(tasks[0]).option == [f"{name}=1" for name in names]
