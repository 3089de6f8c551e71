# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogues of an asset library: Blender can read the file, and its user's own catalogues stay."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from blender_image_to_3d.batch import asset_catalogs
from blender_image_to_3d.errors import BadOption, StorageError


def content(library: Path) -> list[str]:
    """The lines that say something."""
    lines = (library / asset_catalogs.FILE_NAME).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_a_new_file_has_a_version_and_one_catalogue(tmp_path: Path) -> None:
    number = asset_catalogs.ensure(tmp_path, "Image to 3D/Cups")
    assert content(tmp_path) == ["VERSION 1", f"{number}:Image to 3D/Cups:Image to 3D-Cups"]
    assert (tmp_path / asset_catalogs.FILE_NAME).read_text().startswith("# This is an Asset Catalog Definition file")


def test_the_number_is_the_same_on_every_machine_and_another_for_every_path(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    assert asset_catalogs.ensure(tmp_path / "one", "Cups") == asset_catalogs.ensure(tmp_path / "two", "Cups")
    assert asset_catalogs.ensure(tmp_path / "one", "Mugs") != asset_catalogs.ensure(tmp_path / "one", "Cups")
    assert asset_catalogs.ensure(tmp_path / "one", "Image to 3D") == UUID("6bd76bd4-690f-5bfd-af3f-4a38ad14c2df")


def test_a_second_time_changes_nothing(tmp_path: Path) -> None:
    asset_catalogs.ensure(tmp_path, "Cups")
    file = tmp_path / asset_catalogs.FILE_NAME
    before = (file.read_bytes(), file.stat().st_mtime_ns)
    asset_catalogs.ensure(tmp_path, "Cups")
    assert (file.read_bytes(), file.stat().st_mtime_ns) == before


def test_what_its_user_has_in_it_stays_as_it_is(tmp_path: Path) -> None:
    own = f"# mine\nVERSION 1\n\n{uuid4()}:Räume/Küche:Räume-Küche\n{uuid4()}:Cups & more:no newline at the end"
    file = tmp_path / asset_catalogs.FILE_NAME
    file.write_text(own, encoding="utf-8")
    number = asset_catalogs.ensure(tmp_path, "Image to 3D")
    assert file.read_text(encoding="utf-8") == f"{own}\n{number}:Image to 3D:Image to 3D\n"


def test_a_catalogue_of_that_path_is_used_and_one_that_was_renamed_as_well(tmp_path: Path) -> None:
    own = uuid4()
    file = tmp_path / asset_catalogs.FILE_NAME
    file.write_text(f"VERSION 1\n{own}:Props/Cups:whatever\n")
    assert asset_catalogs.ensure(tmp_path, "Props/Cups") == own
    ours = asset_catalogs.ensure(tmp_path, "Image to 3D")
    moved = file.read_text().replace(":Image to 3D:", ":Attic/Made by computers:")
    file.write_text(moved)
    assert asset_catalogs.ensure(tmp_path, "Image to 3D") == ours and file.read_text() == moved


def test_a_file_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / asset_catalogs.FILE_NAME
    file.write_text("VERSION 2\n")
    with pytest.raises(StorageError, match="later Blender"):
        asset_catalogs.ensure(tmp_path, "Cups")
    assert file.read_text() == "VERSION 2\n"


def test_a_folder_that_cannot_be_written_is_said(read_only_folder: Path) -> None:
    with pytest.raises(StorageError, match="cannot be written"):
        asset_catalogs.ensure(read_only_folder, "Cups")


def test_at_the_same_moment_none_is_lost(tmp_path: Path) -> None:
    paths = [f"Cups/{number}" for number in range(12)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda path: asset_catalogs.ensure(tmp_path, path), paths))
    assert sorted(line.split(":")[1] for line in content(tmp_path)[1:]) == sorted(paths)


@pytest.mark.parametrize(
    ("said", "meant"),
    [("Cups", "Cups"), (" /Props / Cups:red/ ", "Props/Cups-red"), ("a\\b", "a-b"), ("猫/ñ", "猫/ñ"), ("a\tb", "a b")],
)
def test_paths_are_written_as_blender_writes_them(said: str, meant: str) -> None:
    assert asset_catalogs.clean(said) == meant


@pytest.mark.parametrize("said", ["", "/", "  ", "a\x00b"])
def test_a_path_of_nothing_is_refused(said: str) -> None:
    with pytest.raises(BadOption):
        asset_catalogs.clean(said)


def test_names_that_are_too_long_for_blender_keep_their_end(tmp_path: Path) -> None:
    number = asset_catalogs.ensure(tmp_path, "猫" * 50 + "/end")
    name = content(tmp_path)[1].removeprefix(f"{number}:").split(":")[1]
    assert len(name.encode()) <= 63 and name.startswith("...") and name.endswith("-end")
