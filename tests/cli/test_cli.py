# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line as its user sees it: words, sentences, exit statuses, and what is left behind."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import trimesh

from ..conftest import HANGS_SECONDS, KEY, User, draw_disc


def everything_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def assert_refused(user: User, *words: str | Path, says: str, status: int = 2) -> None:
    """The command says why in one sentence and a next step, and leaves nothing behind."""
    before = everything_below(user.home)
    answer = user.run("generate", *words)
    assert answer.status == status, answer
    assert says.lower() in answer.errors.lower()
    last = answer.errors.strip().splitlines()[-1]
    assert last.count(". ") <= 3 and last.endswith("."), last
    assert "Traceback" not in answer.errors and answer.output == ""
    library = user.library
    assert not [path for path in library.glob("*")], "a job was left"
    assert everything_below(user.home) - {"library"} == before - {"library"}


@pytest.mark.everywhere
def test_a_picture_becomes_a_glb(user: User, cup: Path, tmp_path: Path) -> None:
    output = tmp_path / "cup.glb"
    answer = user.run("generate", cup, "--output", output)
    assert answer.status == 0, answer.errors
    assert answer.output == f"{output}\n"
    assert output.read_bytes()[:4] == b"glTF"
    (job,) = user.jobs()
    assert (user.library / job["id"] / "result" / "model.glb").read_bytes() == output.read_bytes()


def test_without_an_output_the_model_is_in_the_library(user: User, cup: Path) -> None:
    answer = user.run("generate", cup)
    path = Path(answer.output.strip())
    assert path.is_relative_to(user.library) and path.read_bytes()[:4] == b"glTF"


def test_the_same_input_gives_the_same_bytes(user: User, cup: Path, tmp_path: Path) -> None:
    for name in ("one.glb", "two.glb"):
        assert user.run("generate", cup, "--output", tmp_path / name).status == 0
    assert (tmp_path / "one.glb").read_bytes() == (tmp_path / "two.glb").read_bytes()


@pytest.mark.everywhere
def test_json_is_all_that_json_prints(user: User, cup: Path) -> None:
    answer = user.run("generate", cup, "--json")
    assert answer.errors == ""
    assert {line["event"] for line in answer.lines} == {"progress", "done"}
    states = [line["state"] for line in answer.lines if line["event"] == "progress"]
    assert states[-1] == "ready"
    refused = user.run("generate", "missing.png", "--json")
    assert [line["event"] for line in refused.lines] == ["error"] and refused.errors == ""


BadFile = Callable[[Path], Path]


def _missing(folder: Path) -> Path:
    return folder / "missing.png"


def _directory(folder: Path) -> Path:
    path = folder / "directory.png"
    path.mkdir()
    return path


def _file(name: str, content: bytes) -> BadFile:
    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content)
        return path

    return make


def _truncated(suffix: str) -> BadFile:
    def make(folder: Path) -> Path:
        from PIL import Image

        whole = folder / f"whole{suffix}"
        Image.effect_noise((200, 200), 50).convert("RGB").save(whole)
        path = folder / f"truncated{suffix}"
        data = whole.read_bytes()
        path.write_bytes(data[: len(data) * 3 // 4])
        return path

    return make


def _drawn(mode: str, size: tuple[int, int], colour: object = 0) -> BadFile:
    def make(folder: Path) -> Path:
        from PIL import Image

        path = folder / "drawn.png"
        Image.new(mode, size, colour).save(path)  # type: ignore[arg-type]
        return path

    return make


@pytest.mark.everywhere
@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_missing, "missing.png"),
        (_directory, "folder"),
        (_file("empty.png", b""), "empty"),
        (_file("text.png", b"this is a text, not a picture\n" * 9), "not a picture"),
        (_truncated(".jpg"), "truncated.jpg"),
        (_truncated(".png"), "truncated.png"),
        (_drawn("RGB", (1, 1)), "1 x 1"),
        (_drawn("RGBA", (64, 64)), "transparent"),
        (_drawn("1", (20_000, 20_000)), "20,000 x 20,000"),
    ],
    ids=["missing", "directory", "empty", "text", "cut JPEG", "cut PNG", "1x1", "transparent", "20,000x20,000"],
)
def test_a_bad_picture_is_refused(user: User, tmp_path: Path, make: BadFile, says: str) -> None:
    assert_refused(user, make(tmp_path), "--output", tmp_path / "out.glb", says=says)
    assert not (tmp_path / "out.glb").exists()


@pytest.mark.parametrize("mode", ["L", "LA", "P", "I;16", "RGB", "RGBA", "CMYK", "1"])
def test_unusual_kinds_of_pictures_work(user: User, tmp_path: Path, mode: str) -> None:
    from PIL import Image

    path = tmp_path / ("picture.jpg" if mode == "CMYK" else "picture.png")
    disc = Image.open(draw_disc(tmp_path / "disc.png", (200, 40, 40)))
    white = Image.new("RGBA", disc.size, "white")
    white.alpha_composite(disc)
    if mode == "I;16":
        Image.frombytes("I;16", disc.size, b"".join(bytes((0, value)) for value in white.convert("L").tobytes())).save(
            path
        )
    else:
        (disc if mode in {"LA", "RGBA"} else white.convert("RGB")).convert(mode).save(path)
    answer = user.run("generate", path)
    assert answer.status == 0, answer.errors


@pytest.mark.everywhere
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--provider", "nobody"], "nobody"),
        (["--option", "colour=red"], "colour"),
        (["--option", "thickness"], "NAME=VALUE"),
        (["--option", "thickness=99"], "thickness"),
        (["--option", "thickness=thick"], "thickness"),
        (["--option", "thickness=nan"], "thickness"),
        (["--option", "back=front"], "back"),
        (["--model", "big"], "big"),
        (["--view", "above=x.png"], "above"),
        (["--provider", "modelslab_instantmesh", "--view", "back=x.png"], "back"),
        (["--provider", "modelslab_instantmesh", "--mask", "x.png"], "does not take a mask"),
        (["--view", "mask=x.png"], "--mask"),
        (["--height", "0"], "height"),
        (["--output", "cup.blend"], "Blender"),
        (["--output", "missing/cup.glb"], "does not exist"),
        (["--output", "."], "folder"),
    ],
)
def test_wrong_words_are_refused(user: User, cup: Path, words: list[str], says: str) -> None:
    assert_refused(user, cup, *words, says=says)


@pytest.mark.everywhere
def test_wrong_usage_has_status_2(user: User) -> None:
    for words in (
        [],
        ["generate"],
        ["generate", "a", "b"],
        ["dance"],
        ["batch", "x"],
        ["generate", "x", "--outp", "y"],
    ):
        answer = user.run(*words)
        assert answer.status == 2 and "--help" in answer.errors


def test_a_model_may_have_its_real_height(user: User, cup: Path, tmp_path: Path) -> None:
    for height in (0.3, 0.1):  # the second time it is the same model
        target = tmp_path / f"{height}.glb"
        assert user.run("generate", str(cup), "--height", str(height), "--output", str(target)).status == 0
        low, high = trimesh.load(target).bounds
        assert high[1] - low[1] == pytest.approx(height, rel=1e-5)


def test_an_existing_output_is_kept_unless_told_otherwise(user: User, cup: Path, tmp_path: Path) -> None:
    output = tmp_path / "cup.glb"
    output.write_bytes(b"mine")
    assert_refused(user, cup, "--output", output, says="exists")
    assert output.read_bytes() == b"mine"
    assert user.run("generate", cup, "--output", output, "--overwrite").status == 0
    assert output.read_bytes()[:4] == b"glTF"


def test_a_read_only_output_folder_is_refused(user: User, cup: Path, read_only_folder: Path) -> None:
    assert_refused(user, cup, "--output", read_only_folder / "cup.glb", says="read-only")


def test_a_full_output_folder_keeps_the_model_for_later(
    user: User, cup: Path, full_folder: Path, tmp_path: Path
) -> None:
    answer = user.run("generate", cup, "--output", full_folder / "cup.glb")
    assert answer.status == 2 and "the disk is full" in answer.errors
    assert list(full_folder.iterdir()) == []
    (job,) = user.jobs()
    assert f"jobs resume {job['id']}" in answer.errors
    assert user.run("jobs", "resume", job["id"], "--output", tmp_path / "cup.glb").status == 0


def test_a_full_library_is_said(user: User, cup: Path, full_folder: Path) -> None:
    user.environment["IMAGE_TO_3D_LIBRARY"] = str(full_folder)
    answer = user.run("generate", cup)
    assert answer.status == 2 and "the disk is full" in answer.errors
    assert "Traceback" not in answer.errors


@pytest.mark.everywhere
@pytest.mark.parametrize(
    "name",
    ["my cup.png", "it's a “cup”.png", "茶碗 ☕🍵.png", "-cup.png", "a;b&c$(d).png", "x" * 200 + ".png", ".hidden.png"],
)
def test_any_file_name_works(user: User, tmp_path: Path, name: str) -> None:
    picture = draw_disc(tmp_path / "cup.png", (20, 90, 200)).rename(tmp_path / name)
    output = tmp_path / Path(name).with_suffix(".glb")
    answer = user.run("generate", "--output", output, "--", picture)
    assert answer.status == 0, answer.errors
    assert output.is_file()
    assert user.jobs()[0]["request"]["views"]["front"]["name"] == name


def test_a_name_cannot_leave_the_library(user: User, cup: Path) -> None:
    before = everything_below(user.home)
    assert user.run("generate", cup, "--name", "../../evil").status == 0
    outside = {path for path in everything_below(user.home) - before if not path.startswith("library")}
    assert outside == set()


@pytest.mark.everywhere
def test_a_reader_that_leaves_is_no_error(user: User, cup: Path) -> None:
    user.run("generate", cup)
    user.starts_anew = True
    for words in (["jobs", "list"], ["generate", "missing.png", "--json"]):
        command = user.start(*words)
        assert command.stdout is not None and command.stderr is not None
        command.stdout.close()
        assert "Traceback" not in command.stderr.read()
        command.stderr.close()
        command.wait(HANGS_SECONDS)


@pytest.mark.everywhere
def test_names_that_a_console_cannot_write_are_no_error(user: User, tmp_path: Path) -> None:
    user.environment["PYTHONIOENCODING"] = "cp1252"
    picture = draw_disc(tmp_path / "cup.png", (20, 90, 200)).rename(tmp_path / "茶碗.png")
    answer = user.run("generate", picture, "--output", tmp_path / "茶碗.glb")
    assert answer.status == 0 and (tmp_path / "茶碗.glb").is_file()


def test_a_file_beside_the_output_is_left_alone(user: User, cup: Path, tmp_path: Path) -> None:
    (tmp_path / "cup.glb~").write_bytes(b"mine")
    (tmp_path / "real.glb").write_bytes(b"old")
    (tmp_path / "link.glb").symlink_to("real.glb")
    assert user.run("generate", cup, "--output", tmp_path / "link.glb", "--overwrite").status == 0
    assert (tmp_path / "cup.glb~").read_bytes() == b"mine"
    assert (tmp_path / "link.glb").is_symlink() and (tmp_path / "real.glb").read_bytes()[:4] == b"glTF"


@pytest.mark.everywhere
def test_help_names_every_option_of_the_provider(user: User) -> None:
    (facts,) = user.run("providers", "offline_shape", "--json").lines
    text = user.run("generate", "--help").output
    assert len(facts["options"]) >= 6
    for option in facts["options"]:
        assert option["name"] in text and option["description"] in text
        assert option["default"] is not None and option["description"] and option["label"]
    paid = user.run("generate", "--provider", "paid_service", "--help").output
    assert "submit_seconds" in paid and "thickness" not in paid


def test_providers_are_listed_by_adding_a_file(user: User) -> None:
    listed = {line["id"]: line for line in user.run("providers", "--json").lines}
    assert {"offline_shape", "paid_service"} <= set(listed)
    assert listed["offline_shape"]["needs_key"] is False and listed["paid_service"]["needs_key"] is True
    assert "paid_service" in user.run("providers").output


@pytest.mark.everywhere
def test_jobs_are_listed_shown_and_deleted(user: User, cup: Path, tmp_path: Path) -> None:
    assert user.run("jobs", "list").output == ""
    user.run("generate", cup)
    (listed,) = user.run("jobs", "list", "--json").lines
    shown = user.run("jobs", "show", listed["job"]).output
    assert listed["state"] == "ready" and "thickness=0.75" in shown and "model.glb" in shown
    answer = user.run("jobs", "resume", listed["job"], "--output", tmp_path / "again.glb")
    assert answer.status == 0 and (tmp_path / "again.glb").is_file()
    assert user.run("jobs", "delete", listed["job"]).status == 0
    assert user.run("jobs", "list").output == ""
    assert user.run("jobs", "show", listed["job"]).status == 2


def test_a_damaged_job_does_not_hide_the_others(user: User, cup: Path) -> None:
    user.run("generate", cup)
    broken = user.library / "20260101-000000-broken-0000"
    broken.mkdir()
    (broken / "job.json").write_text("{")
    assert [line["state"] for line in user.run("jobs", "list", "--json").lines] == ["unreadable", "ready"]
    assert user.run("jobs", "delete", broken.name).status == 0
    assert not broken.exists()


@pytest.mark.everywhere
def test_without_pydantic_it_says_what_is_missing(user: User, cup: Path, tmp_path: Path) -> None:
    blocker = tmp_path / "blocker"
    blocker.mkdir()
    (blocker / "sitecustomize.py").write_text("import sys; sys.modules['pydantic'] = None\n")
    user.environment["PYTHONPATH"] = str(blocker)
    answer = user.run("generate", cup)
    assert (
        answer.status == 2
        and '"pydantic" is missing' in answer.errors
        and "pip install --upgrade pydantic" in answer.errors
    )


@pytest.mark.everywhere
@pytest.mark.parametrize("code", ["VERSION = '1.10.2'", "raise SystemError('incompatible core')", "def broken(:"])
@pytest.mark.parametrize("words", [["jobs", "list"], ["worker", "folder"], ["generate", "cup.png", "--json"]])
def test_a_pydantic_that_does_not_work_is_one_sentence(user: User, tmp_path: Path, code: str, words: list[str]) -> None:
    broken = tmp_path / "broken" / "pydantic"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text(code)
    user.environment["PYTHONPATH"] = str(broken.parent)
    answer = user.run(*words)
    assert answer.status == 2 and "Traceback" not in answer.errors
    said = answer.lines[0]["message"] + answer.lines[0]["hint"] if "--json" in words else answer.errors
    assert f'"pydantic" ({broken}) does not work' in said and "pip install --upgrade pydantic" in said
    assert user.run("generate", "--help").status == 0


def test_the_result_of_a_batch_can_be_found_by_its_job(user: User, cup: Path, tmp_path: Path) -> None:
    shutil.copytree(cup.parent, tmp_path / "pictures", ignore=lambda *_: ["home of a üser", "pictures"])
    user.run("batch", tmp_path / "pictures", "--output-dir", tmp_path / "out")
    library = tmp_path / "out" / ".image_to_3d"
    (listed,) = user.run("jobs", "list", "--library", library, "--json").lines
    assert json.loads((library / listed["job"] / "job.json").read_bytes())["state"] == "ready"


def test_a_user_who_is_offline_is_told_so_before_anything_is_done() -> None:
    """What Blender's "Allow Online Access" switches off; a server on this computer may be asked in any case."""
    from blender_image_to_3d import providers
    from blender_image_to_3d.errors import Unreachable
    from blender_image_to_3d.providers import access

    offline = access.Surroundings(is_online=False)
    for provider_id in providers.ids():
        info = providers.info(provider_id)
        is_remote = info.base_url is not None and "127.0.0.1" not in info.base_url
        with pytest.MonkeyPatch.context() as environment:
            for name in info.key_variables:
                environment.setenv(name, KEY)
            if not is_remote:
                access.check_access(info, offline)
                continue
            with pytest.raises(Unreachable, match="network"):
                access.check_access(info, offline)
