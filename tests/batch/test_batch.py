# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of pictures: every one gets its model, none is bought twice, and stopping loses nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blender_image_to_3d.batch.batch import plan

from ..conftest import HANGS_SECONDS, User, draw_disc
from ..jobs.test_worker import option, wait_for

PAID = ("--provider", "paid_service", "--format", "ply", *option(polls=1))


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(5):
        draw_disc(folder / f"cup {number}.png", (40 * number, 90, 120))
    (folder / "notes.txt").write_text("not a picture")
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def report(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def models(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


@pytest.mark.everywhere
def test_every_picture_becomes_a_model(user: User, pictures: Path, out: Path, tmp_path: Path) -> None:
    answer = user.run("batch", pictures, "--output-dir", out, "--jobs", 2, "--report", tmp_path / "report.jsonl")
    assert answer.status == 0, answer.errors
    assert models(out) == [f"cup {number}.glb" for number in range(5)]
    assert all((out / name).read_bytes()[:4] == b"glTF" for name in models(out))
    lines = report(tmp_path / "report.jsonl")
    assert sorted(Path(line["picture"]).name for line in lines) == [f"cup {number}.png" for number in range(5)]
    assert {line["state"] for line in lines} == {"done"}
    assert not user.library.exists(), "a batch keeps its jobs with its output"


def test_folders_may_be_named_from_where_the_user_is(user: User, pictures: Path, out: Path) -> None:
    """A worker has another current folder."""
    relative = [os.path.relpath(path, user.staged) for path in (pictures, out)]
    answer = user.run("batch", relative[0], "--output-dir", relative[1], "--limit", 2)
    assert answer.status == 0, answer.errors
    assert models(out) == ["cup 0.glb", "cup 1.glb"]


def test_one_bad_picture_does_not_stop_the_others(user: User, pictures: Path, out: Path, tmp_path: Path) -> None:
    (pictures / "cup 1.png").write_bytes(b"no picture")
    (pictures / "cup 3.png").write_bytes((pictures / "cup 2.png").read_bytes()[:300])
    answer = user.run("batch", pictures, "--output-dir", out, "--report", tmp_path / "report.jsonl")
    assert answer.status == 1
    assert models(out) == ["cup 0.glb", "cup 2.glb", "cup 4.glb"]
    problems = {Path(line["picture"]).name: line["problem"] for line in report(tmp_path / "report.jsonl")}
    assert problems["cup 1.png"]["kind"] == problems["cup 3.png"]["kind"] == "BadPicture"
    assert problems["cup 0.png"] is None


def test_on_a_farm_a_bad_picture_is_reported_and_the_task_succeeds(
    user: User, pictures: Path, out: Path, tmp_path: Path
) -> None:
    (pictures / "cup 1.png").write_bytes(b"no picture")
    words = ["batch", pictures, "--output-dir", out, "--report", tmp_path / "report.jsonl", "--farm"]
    answer = user.run(*words)
    assert answer.status == 0, answer.errors
    assert [line["picture"] for line in report(tmp_path / "report.jsonl") if line["problem"]] == [
        str(pictures / "cup 1.png")
    ]
    assert answer.output == "4 done, 0 were there, 1 failed\n"
    # What Flamenco looks for at the beginning of a line.
    assert len(re.findall(r"^Time: [0-9:.]+$", answer.errors, re.MULTILINE)) == 5
    assert user.run(*words, "--resume").status == 0


@pytest.mark.parametrize(
    ("fails", "status"),
    [
        ("refused", 0),
        ("unknown", 0),
        ("poll", 0),
        ("html", 0),
        ("picture", 0),
        ("crash", 0),
        ("offline", 1),
        ("key", 3),
    ],
)
def test_on_a_farm_only_what_another_machine_may_do_better_fails_the_task(
    user: User, pictures: Path, out: Path, fails: str, status: int
) -> None:
    words = ["batch", pictures, "--output-dir", out, *PAID, "--limit", 2, *option(fails=fails)]
    assert user.run(*words, "--farm").status == status
    sold = len(user.sold)
    assert user.run(*words, "--farm", "--resume").status in {status, 0} and len(user.sold) == sold


def test_on_a_farm_a_wrong_option_fails_the_task(user: User, pictures: Path, out: Path) -> None:
    answer = user.run("batch", pictures, "--output-dir", out, "--farm", *option(thickness="thick"))
    assert answer.status == 1 and "thickness" in answer.errors.lower()


@pytest.mark.parametrize(("fails", "sold"), [("key", 0), ("credit", 0)])
def test_the_first_refused_key_or_missing_credit_stops_the_batch(
    user: User, pictures: Path, out: Path, tmp_path: Path, fails: str, sold: int
) -> None:
    answer = user.run(
        "batch", pictures, "--output-dir", out, *PAID, *option(fails=fails), "--report", tmp_path / "report.jsonl"
    )
    assert answer.status == 3
    assert len(report(tmp_path / "report.jsonl")) == 1 and len(user.sold) == sold


def test_a_missing_key_is_said_before_anything_is_made(user: User, pictures: Path, out: Path) -> None:
    del user.environment["PAID_SERVICE_KEY"]
    assert user.run("batch", pictures, "--output-dir", out, *PAID).status == 3
    assert not out.exists()


def test_a_dry_run_says_what_would_be_sent_and_touches_nothing(user: User, pictures: Path, out: Path) -> None:
    answer = user.run("batch", pictures, "--output-dir", out, *PAID, "--limit", 3, "--dry-run", "--json")
    assert [Path(line["picture"]).name for line in answer.lines] == ["cup 0.png", "cup 1.png", "cup 2.png"]
    assert {line["sent_to"] for line in answer.lines} == {"https://service.example"}
    assert not out.exists() and not user.sold
    local = user.run("batch", pictures, "--output-dir", out, "--dry-run")
    assert local.output.count("Offline Shape on this computer") == 5


def test_resuming_makes_only_what_is_missing(user: User, pictures: Path, out: Path, tmp_path: Path) -> None:
    words = ["batch", pictures, "--output-dir", out, *PAID]
    assert user.run(*words, "--limit", 2).status == 0
    refused = user.run(*words)
    assert refused.status == 2 and "--resume" in refused.errors and "--overwrite" in refused.errors
    answer = user.run(*words, "--resume", "--report", tmp_path / "report.jsonl")
    assert answer.status == 0 and len(user.sold) == 5
    states = [line["state"] for line in sorted(report(tmp_path / "report.jsonl"), key=lambda line: line["picture"])]
    assert states == ["skipped", "skipped", "done", "done", "done"]
    (out / "cup 0.ply").unlink()
    assert user.run(*words, "--resume").status == 0
    assert len(user.sold) == 5 and "cup 0.ply" in models(out)


def test_another_machine_with_another_home_goes_on(user: User, pictures: Path, out: Path, tmp_path: Path) -> None:
    words = ["batch", pictures, "--output-dir", out, *PAID]
    assert user.run(*words, "--limit", 3).status == 0
    moved = shutil.move(pictures, tmp_path / "mounted elsewhere")
    other = User(user.staged, tmp_path / "other home")
    other.home.mkdir()
    assert other.run("batch", moved, "--output-dir", out, *PAID, "--resume").status == 0
    assert len(user.sold) == 3 and len(other.sold) == 2
    for name in models(out):
        (out / name).unlink()
    assert other.run("batch", moved, "--output-dir", out, *PAID, "--resume").status == 0
    assert len(models(out)) == 5 and len(user.sold) + len(other.sold) == 5


@pytest.mark.everywhere
def test_ctrl_c_leaves_nothing_half_written_and_the_rest_can_be_made(
    user: User, pictures: Path, out: Path, tmp_path: Path
) -> None:
    words = ["batch", pictures, "--output-dir", out, "--jobs", 2, *PAID]
    assert user.run(*words, "--limit", 1).status == 0
    user.hold("result")
    command = user.start(*words, "--resume")
    wait_for(lambda: len(user.sold) == 3)
    command.send_signal(signal.SIGINT)
    _, errors = command.communicate(timeout=HANGS_SECONDS)
    assert command.returncode == 130 and "--resume" in errors
    assert not [path for path in out.rglob("*~")] and all((out / name).read_bytes() for name in models(out))
    assert models(out) == ["cup 0.ply"] and len(user.sold) == 3
    user.let_go()
    answer = user.run(*words, "--resume", "--report", tmp_path / "report.jsonl")
    assert answer.status == 0, answer.errors
    assert len(models(out)) == 5 and len(user.sold) == 5


def test_a_killed_batch_goes_on_without_buying_again(user: User, pictures: Path, out: Path) -> None:
    words = ["batch", pictures, "--output-dir", out, "--jobs", 2, *PAID]
    assert user.run(*words, "--limit", 1).status == 0
    user.hold("result")
    command = user.start(*words, "--resume")
    wait_for(lambda: len(user.sold) == 3)
    command.kill()
    command.communicate()
    user.let_go()
    assert user.run(*words, "--resume").status == 0
    assert len(models(out)) == 5 and len(user.sold) == 5


def test_what_may_have_been_charged_is_reported_and_not_repeated(
    user: User, pictures: Path, out: Path, tmp_path: Path
) -> None:
    words = ["batch", pictures, "--output-dir", out, *PAID, *option(fails="unknown"), "--limit", 2]
    jobs = []
    for _ in range(2):
        answer = user.run(*words, "--resume", "--report", tmp_path / "report.jsonl")
        assert answer.status == 1
        assert {line["state"] for line in report(tmp_path / "report.jsonl")} == {"unknown"}
        jobs.append({line["picture"]: line["job"] for line in report(tmp_path / "report.jsonl")})
    assert jobs[0] == jobs[1] and all(jobs[0].values()), "whoever looks into it finds the job"
    assert len(user.sold) == 2


def test_the_same_picture_twice_is_bought_once(user: User, pictures: Path, out: Path) -> None:
    shutil.copy(pictures / "cup 0.png", pictures / "copy of cup 0.png")
    assert user.run("batch", pictures, "--output-dir", out, "--jobs", 2, *PAID).status == 0
    assert len(models(out)) == 6 and len(user.sold) == 5


def test_a_list_names_its_pictures(user: User, pictures: Path, out: Path, tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text("# the good ones\npictures/cup 1.png\n\npictures/cup 3.png\n", encoding="utf-8")
    assert user.run("batch", listed, "--output-dir", out).status == 0
    assert models(out) == ["cup 1.glb", "cup 3.glb"]


@pytest.mark.parametrize("source", ["nothing", "empty", "picture.png"])
def test_a_source_without_pictures_is_refused(user: User, tmp_path: Path, out: Path, source: str) -> None:
    (tmp_path / "empty").mkdir()
    draw_disc(tmp_path / "picture.png", (1, 2, 3))
    answer = user.run("batch", tmp_path / source, "--output-dir", out)
    assert answer.status == 2 and "Traceback" not in answer.errors and not out.exists()


def test_an_output_folder_that_cannot_be_written_is_refused(user: User, pictures: Path, read_only_folder: Path) -> None:
    for folder in (read_only_folder, read_only_folder / "below"):
        answer = user.run("batch", pictures, "--output-dir", folder)
        assert answer.status == 2 and "read-only" in answer.errors


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["a", "A", "b", "a.png"]), st.sampled_from([".png", ".jpg", ".PNG"]))))
def test_no_two_pictures_share_an_output(names: list[tuple[str, str]]) -> None:
    found = [Path(f"folder{number % 2}") / (stem + suffix) for number, (stem, suffix) in enumerate(names)]
    outputs = [str(item.output).casefold() for item in plan(found, Path("out"), ".glb")]
    assert len(outputs) == len(set(outputs)) == len(names)


def test_outputs_do_not_depend_on_what_is_already_there() -> None:
    found = [Path("cup.png"), Path("cup.jpg"), Path("fox.png")]
    assert [item.output.name for item in plan(found, Path(), ".glb")] == ["cup.png.glb", "cup.jpg.glb", "fox.glb"]


def test_batches_at_the_same_moment_buy_everything_once(user: User, pictures: Path, out: Path) -> None:
    words = ["batch", pictures, "--output-dir", out, "--jobs", 2, *PAID, "--resume"]
    commands = [user.start(*words) for _ in range(3)]
    answers = [command.communicate(timeout=HANGS_SECONDS) for command in commands]
    assert [command.returncode for command in commands] == [0] * 3, answers
    assert len(models(out)) == 5 and len(user.sold) == 5


def test_again_fetches_what_is_under_way_and_buys_the_rest_anew(user: User, pictures: Path, out: Path) -> None:
    words = ["batch", pictures, "--output-dir", out, "--limit", 2, *PAID]
    assert user.run(*words).status == 0
    path = sorted(out.glob(".image_to_3d/*/job.json"))[0]
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "state": "running", "results": []}))
    shutil.rmtree(path.parent / "result")
    assert user.run(*words, "--again", "--overwrite").status == 0
    assert len(user.sold) == 3


def test_what_exists_but_was_made_with_other_options_is_said(user: User, pictures: Path, out: Path) -> None:
    words = ["batch", pictures, "--output-dir", out, "--limit", 1]
    assert user.run(*words).status == 0
    before = (out / "cup 0.glb").read_bytes()
    answer = user.run(*words, "--resume", *option(thickness=0.3))
    assert answer.status == 1 and "other options" in answer.errors and "--overwrite" in answer.errors
    assert (out / "cup 0.glb").read_bytes() == before
    assert user.run(*words, "--overwrite", *option(thickness=0.3)).status == 0
    assert (out / "cup 0.glb").read_bytes() != before


def test_a_job_that_vanishes_does_not_stop_the_others(user: User, pictures: Path, out: Path, tmp_path: Path) -> None:
    command = user.start(
        "batch", pictures, "--output-dir", out, *PAID, *option(polls=8), "--report", tmp_path / "report.jsonl"
    )
    wait_for(lambda: len(user.sold) == 1)
    shutil.rmtree(next(out.glob(".image_to_3d/[!.]*")), ignore_errors=True)
    command.communicate(timeout=HANGS_SECONDS)
    assert command.returncode == 1
    assert len(report(tmp_path / "report.jsonl")) == 5 and len(models(out)) == 4


def test_limits_do_not_change_names(user: User, pictures: Path, out: Path) -> None:
    draw_disc(pictures / "cup 0.tga", (1, 2, 3))
    answer = user.run("batch", pictures, "--output-dir", out, "--limit", 1, "--dry-run", "--json")
    assert Path(answer.lines[0]["output"]).name == "cup 0.png.glb"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_lists_from_windows_work(user: User, pictures: Path, out: Path, tmp_path: Path, encoding: str) -> None:
    (tmp_path / "list.txt").write_bytes("pictures/cup 1.png\r\npictures/cup 3.png\r\n".encode(encoding))
    assert user.run("batch", tmp_path / "list.txt", "--output-dir", out).status == 0
    assert models(out) == ["cup 1.glb", "cup 3.glb"]


@pytest.mark.everywhere
def test_a_name_that_is_no_text_works(user: User, pictures: Path, out: Path) -> None:
    for path in pictures.glob("cup [1-4].png"):
        path.unlink()
    (pictures / "cup 0.png").rename(Path(os.fsdecode(os.fsencode(pictures) + b"/caf\xe9.png")))
    answer = user.run("batch", pictures, "--output-dir", out)
    assert answer.status == 0, answer.errors
    assert len(models(out)) == 1


def test_chunks_share_a_batch_and_agree_on_its_names(user: User, pictures: Path, out: Path, tmp_path: Path) -> None:
    draw_disc(pictures / "cup 0.tga", (1, 2, 3))
    words = ["batch", pictures, "--output-dir", out, "--resume", *PAID]
    machines = [User(user.staged, tmp_path / f"machine {number}") for number in (1, 2)]
    commands = []
    for number, machine in enumerate(machines, start=1):
        machine.home.mkdir()
        chunk = ["--chunk", f"{number}/2", "--report", out / "reports" / f"chunk-{number}.jsonl"]
        commands.append(machine.start(*words, *chunk))
    answers = [command.communicate(timeout=HANGS_SECONDS) for command in commands]
    assert [command.returncode for command in commands] == [0, 0], answers
    made = [[Path(line["output"]).name for line in report(out / "reports" / f"chunk-{k}.jsonl")] for k in (1, 2)]
    assert made == [["cup 0.png.ply", "cup 1.ply", "cup 3.ply"], ["cup 0.tga.ply", "cup 2.ply", "cup 4.ply"]]
    assert sorted(made[0] + made[1]) == [name for name in models(out) if name != "reports"]
    assert [len(machine.sold) for machine in machines] == [3, 3]
    answer = user.run(*words, "--report", out / "report.jsonl")
    assert answer.status == 0 and not user.sold
    lines = report(out / "report.jsonl")
    assert {(line["state"], line["cost"]) for line in lines} == {("skipped", "0.05 USD")} and len(lines) == 6


def test_a_chunk_knows_only_its_own_pictures(user: User, pictures: Path, out: Path) -> None:
    words = ["batch", pictures, "--output-dir", out]
    assert user.run(*words, "--limit", 1).status == 0
    assert user.run(*words, "--chunk", "1/2", "--dry-run").output.count("->") == 6
    assert user.run(*words, "--chunk", "1/2").status == 2, "one of its models is there"
    assert user.run(*words, "--chunk", "2/2", "--limit", 2).status == 0
    assert models(out) == ["cup 0.glb", "cup 1.glb"], "the limit is that of the whole batch"


def test_a_chunk_without_pictures_is_done_at_once(user: User, pictures: Path, out: Path) -> None:
    del user.environment["PAID_SERVICE_KEY"]
    path = out / "reports" / "chunk.jsonl"
    answer = user.run("batch", pictures, "--output-dir", out, *PAID, "--chunk", "9/9", "--report", path)
    assert (answer.status, answer.output) == (0, "0 done, 0 were there, 0 failed\n"), answer.errors
    assert path.read_bytes() == b""


@pytest.mark.everywhere
@pytest.mark.parametrize("text", ["0/2", "3/2", "1/0", "2", "1/2/3", "-1/2", "a/b", "/", ""])
def test_a_chunk_that_cannot_be_is_wrong_usage(user: User, pictures: Path, out: Path, text: str) -> None:
    answer = user.run("batch", pictures, "--output-dir", out, f"--chunk={text}")
    assert answer.status == 2 and "must be K/N with K from 1 to N" in answer.errors
    assert len(answer.errors.splitlines()) == 1 and not out.exists()


def test_a_batch_that_is_stopped_early_keeps_what_was_reported_before(
    user: User, pictures: Path, out: Path, tmp_path: Path
) -> None:
    path = tmp_path / "report.jsonl"
    words = ["batch", pictures, "--output-dir", out, "--report", path, *PAID]
    assert user.run(*words).status == 0
    before = report(path)
    for model in ("cup 1.ply", "cup 3.ply"):
        (out / model).unlink()
    refused = user.run(*words, "--resume", *option(seed=5, fails="key"))
    assert refused.status == 3
    after = {Path(line["picture"]).name: line for line in report(path)}
    assert after["cup 1.png"]["problem"]["kind"] == "KeyRefused"
    assert len(after) == 5 and all(after[f"cup {number}.png"] == before[number] for number in (2, 3, 4))
    assert sorted(each.name for each in tmp_path.iterdir() if "report" in each.name) == ["report.jsonl"]


def test_a_report_may_go_where_no_file_is(user: User, pictures: Path, out: Path) -> None:
    answer = user.run("batch", pictures, "--output-dir", out, "--limit", 1, "--json", "--report", "/dev/stdout")
    assert answer.status == 0 and [line["state"] for line in answer.lines if "event" not in line] == ["done"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--asset-library", "assets"], "An asset library needs Blender."),
        (["--contact-sheet", "sheet.png"], "A contact sheet needs Blender."),
    ],
)
def test_what_only_blender_can_do_is_said_before_anything_is_made(
    user: User, pictures: Path, out: Path, words: list[str], says: str
) -> None:
    answer = user.run("batch", pictures, "--output-dir", out, *words)
    assert answer.status == 2 and says in answer.errors and "blender --command image_to_3d" in answer.errors
    assert not out.exists()


def test_what_makes_no_sense_of_all_models_together_is_refused(user: User, pictures: Path, out: Path) -> None:
    for words, says in (
        (["--asset-library", out], "a folder of its own"),
        (["--contact-sheet", "sheet.jpg"], "PNG"),
        (["--contact-sheet", pictures / "sheet.png"], "one of the pictures"),
        (["--catalog", "Cups"], "There is no asset library"),
        (["--asset-files", "one"], "There is no asset library"),
        (["--asset-library", "assets", "--catalog", "//"], "is no catalogue"),
        (["--asset-library", "assets", "--asset-files", "none"], "invalid choice"),
    ):
        answer = user.run("batch", pictures, "--output-dir", out, *words)
        assert answer.status == 2 and says in answer.errors, answer.errors
    assert not out.exists()


@pytest.mark.parametrize("command", ["generate", "batch"])
def test_what_cannot_be_read_now_is_not_bought_again(user: User, cup: Path, out: Path, command: str) -> None:
    words = {"generate": ["generate", cup, *PAID[:2]], "batch": ["batch", cup.parent, "--output-dir", out, *PAID]}
    library = {"generate": user.library, "batch": out / ".image_to_3d"}[command]
    assert user.run(*words[command]).status == 0
    for model in out.glob("*.ply"):
        model.unlink()
    (job,) = library.glob("[!.]*/job.json")
    job.rename(job.with_name("aside"))
    job.symlink_to(job)  # stands for a share that has its troubles
    answer = user.run(*words[command])
    assert answer.status != 0 and "cannot be read" in answer.errors and len(user.sold) == 1
    job.with_name("aside").replace(job)
    assert user.run(*words[command]).status == 0 and len(user.sold) == 1
