# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys: where they are kept, who finds them, and where they never appear."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from blender_image_to_3d import providers
from blender_image_to_3d.errors import ImageTo3DError, KeyMissing, KeyRefused, StorageError
from blender_image_to_3d.host import keys, system
from blender_image_to_3d.host.keys import Source

from ..conftest import KEY, PACKAGE, Answer, User
from ..services import files_with

OTHER = "sk-another-one-9876543210"
MESHY = providers.info("meshy")
STORE = (
    f"import sys; from {PACKAGE} import providers; from {PACKAGE}.host import keys\n"
    "keys.store(providers.info('paid_service'), sys.stdin.read())\n"
)


@pytest.fixture
def here(tmp_path: Path) -> dict[str, str]:
    """The environment of somebody whose data folder does not exist yet."""
    return {"XDG_DATA_HOME": str(tmp_path / "d"), "LOCALAPPDATA": str(tmp_path / "d"), "HOME": str(tmp_path)}


@pytest.fixture
def keyless(user: User) -> User:
    """Somebody in whose environment no key stands."""
    del user.environment["PAID_SERVICE_KEY"]
    return user


def file_of(environment: dict[str, str]) -> Path:
    return system.user_folder(environment) / keys.FILE_NAME


def store(user: User, key: str) -> None:
    """Store the key of the paid service, as the preferences would."""
    command = [sys.executable, "-c", STORE]
    subprocess.run(command, cwd=user.staged, env=user.environment, input=key, text=True, check=True)


def buy(user: User, cup: Path) -> Answer:
    return user.run("generate", cup, "--provider", "paid_service", "--again")


def keys_at_the_till(user: User) -> set[str]:
    return {json.loads(receipt.read_text())["key"] for receipt in user.sold}


def test_a_stored_key_is_used_where_no_variable_is_set(keyless: User, cup: Path) -> None:
    refused = buy(keyless, cup)
    assert refused.status == 3 and "preferences" in refused.errors and "IMAGE_TO_3D_PAID_SERVICE_KEY" in refused.errors
    store(keyless, f"  {KEY}\n")
    assert buy(keyless, cup).status == 0
    assert keys_at_the_till(keyless) == {KEY}


@pytest.mark.parametrize("variable", ["PAID_SERVICE_KEY", "IMAGE_TO_3D_PAID_SERVICE_KEY"])
def test_a_variable_goes_before_the_file(keyless: User, cup: Path, variable: str) -> None:
    store(keyless, KEY)
    keyless.environment[variable] = OTHER
    assert buy(keyless, cup).status == 0
    assert keys_at_the_till(keyless) == {OTHER}


def test_only_its_owner_can_open_the_file(here: dict[str, str]) -> None:
    file_of(here).parent.mkdir()
    file_of(here).write_text("{}")
    file_of(here).chmod(0o666)
    before = os.umask(0)
    try:
        keys.store(MESHY, KEY, here)
    finally:
        os.umask(before)
    assert stat.S_IMODE(file_of(here).stat().st_mode) == 0o600
    assert [path.name for path in file_of(here).parent.iterdir()] == [keys.FILE_NAME]


@pytest.mark.parametrize("content", [b"", b"{", b'"sk-stray"', b"\xff\xfe\x00", b'{"MESHY_API_KEY": ["sk-stray"]}'])
def test_a_damaged_file_is_said_without_what_is_in_it_and_put_aside(here: dict[str, str], content: bytes) -> None:
    file_of(here).parent.mkdir()
    file_of(here).write_bytes(content)
    with pytest.raises(KeyMissing, match=r"needs a key.*is damaged") as found:
        keys.key_of(MESHY, here)
    assert "stray" not in str(found.value) + found.value.hint and found.value.__cause__ is None
    assert keys.source_of(MESHY, here) == Source("none", "")
    keys.store(MESHY, KEY, here)
    assert keys.key_of(MESHY, here) == KEY
    assert file_of(here).with_name(keys.FILE_NAME + ".damaged").read_bytes() == content


def test_a_damaged_file_is_one_sentence_in_a_shell(keyless: User, cup: Path) -> None:
    keyless.data.mkdir()
    file_of(keyless.environment).write_text("sk-stray")
    answer = buy(keyless, cup)
    assert answer.status == 3 and "damaged" in answer.errors
    assert "Traceback" not in answer.errors and "stray" not in answer.errors and not keyless.library.exists()


def test_providers_of_the_same_service_share_its_key(here: dict[str, str]) -> None:
    trellis, instant_mesh = providers.info("modelslab"), providers.info("modelslab_instantmesh")
    keys.store(instant_mesh, KEY, here)
    keys.store(MESHY, OTHER, here)
    assert keys.key_of(trellis, here) == keys.key_of(instant_mesh, here) == KEY
    assert keys.source_of(trellis, here) == Source("file", str(file_of(here)))
    keys.store(trellis, None, here)
    with pytest.raises(KeyMissing):
        keys.key_of(instant_mesh, here)
    assert keys.key_of(MESHY, here) == OTHER


@pytest.mark.parametrize("nothing", [None, "", "  \n"])
def test_a_key_can_be_forgotten(here: dict[str, str], nothing: str | None) -> None:
    keys.store(MESHY, nothing, here)
    assert not file_of(here).exists()
    keys.store(MESHY, KEY, here)
    keys.store(MESHY, nothing, here)
    assert keys.source_of(MESHY, here) == Source("none", "")
    assert KEY.encode() not in file_of(here).read_bytes()


@pytest.mark.parametrize("wrong", ["sk two words", "sk-line\nbreak", "sk-ünusual", "sk-\x07bell", "sk-\u200binvisible"])
def test_what_can_be_no_key_is_refused_and_not_quoted(here: dict[str, str], wrong: str) -> None:
    keys.store(MESHY, KEY, here)
    with pytest.raises(KeyRefused) as found:
        keys.store(MESHY, wrong, here)
    assert keys.key_of(MESHY, here) == KEY
    assert "sk-" not in str(found.value) + found.value.hint and "two" not in str(found.value)
    file_of(here).write_text(json.dumps({"MESHY_API_KEY": wrong}))
    with pytest.raises(KeyRefused, match="Meshy") as found:
        keys.key_of(MESHY, here)
    assert "sk-" not in str(found.value) + found.value.hint


def test_who_needs_no_key_has_none_and_keeps_none(here: dict[str, str]) -> None:
    offline = providers.info("offline_shape")
    assert keys.key_of(offline, here) is None
    assert keys.source_of(offline, here) == Source("none", "")
    with pytest.raises(KeyRefused, match="needs no key"):
        keys.store(offline, KEY, here)


def test_where_a_key_comes_from(here: dict[str, str]) -> None:
    assert keys.source_of(MESHY, here) == Source("none", "")
    assert keys.source_of(MESHY, {**here, "MESHY_API_KEY": KEY}) == Source("environment", "MESHY_API_KEY")
    both = {**here, "MESHY_API_KEY": KEY, "IMAGE_TO_3D_MESHY_KEY": OTHER}
    assert keys.source_of(MESHY, both) == Source("environment", "IMAGE_TO_3D_MESHY_KEY")


def test_a_file_that_cannot_be_written_is_said(here: dict[str, str], read_only_folder: Path) -> None:
    with pytest.raises(StorageError, match="read-only") as found:
        keys.store(MESHY, KEY, {**here, "XDG_DATA_HOME": str(read_only_folder)})
    assert KEY not in str(found.value) + repr(found.value)


def test_a_stored_key_is_printed_by_nothing_and_stands_in_no_other_file(keyless: User, cup: Path) -> None:
    store(keyless, KEY)
    words = (
        ("providers",),
        ("providers", "--json"),
        ("providers", "paid_service", "--check"),
        ("generate", cup, "--provider", "paid_service", "--option", "fails=bug"),
        ("generate", cup, "--provider", "paid_service", "--option", "fails=key", "--json"),
        ("generate", cup, "--provider", "paid_service", "--json"),
        ("jobs", "list", "--json"),
    )
    for each in words:
        answer = keyless.run(*each)
        assert KEY not in answer.output + answer.errors, each
    assert len(keyless.jobs()) == 3
    written = [path for path in files_with(keyless, KEY) if keyless.till not in path.parents]
    assert written == [file_of(keyless.environment)]


def test_errors_and_sources_do_not_hold_the_key(here: dict[str, str]) -> None:
    keys.store(MESHY, KEY, here)
    said = [repr(keys.source_of(MESHY, here)), repr(MESHY)]
    try:
        keys.store(MESHY, f"{KEY} {KEY}", here)
    except ImageTo3DError as error:
        said += [repr(error), str(error), error.hint]
    assert len(said) == 5 and not [text for text in said if KEY in text]
