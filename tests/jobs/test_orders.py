# SPDX-License-Identifier: GPL-3.0-or-later
"""Orders as Blender gives them: a program, one line on its standard input, and a file that says what became of it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blender_image_to_3d.errors import Stopped
from blender_image_to_3d.jobs.orders import Order, Outcome, place
from blender_image_to_3d.models import View
from blender_image_to_3d.pictures import png

from ..conftest import HANGS_SECONDS, User, draw_disc
from ..forked import Command

PAID = "paid_service"


def order_of(user: User, picture: Path, **words: Any) -> Order:
    return Order.model_validate(
        {"library": str(user.library), "views": {"front": str(picture)}, "provider": PAID, **words}
    )


def start(user: User, outcome: Path) -> subprocess.Popen[bytes]:
    """Start the program; it waits for its order."""
    pipe = subprocess.PIPE
    words = ["order", str(outcome)]
    return Command(words, cwd=user.staged, env=user.environment, stdin=pipe, stdout=pipe, stderr=pipe)


def run(user: User, order: Order, outcome: Path) -> Outcome:
    output, errors = start(user, outcome).communicate(order.model_dump_json().encode() + b"\n", timeout=HANGS_SECONDS)
    assert (output, errors) == (b"", b"")
    return Outcome.model_validate_json(outcome.read_bytes())


@pytest.mark.everywhere
def test_an_order_becomes_a_job_that_waits_for_its_worker(user: User, cup: Path, tmp_path: Path) -> None:
    back = draw_disc(tmp_path / "from behind.png", (20, 90, 200))
    order = order_of(
        user,
        cup,
        views={"back": str(back), "front": str(cup)},
        names={"front": "Painted Cup"},
        provider="modelslab",
        placement={"spot": "cursor_now", "faces": 5000, "as_asset": True},
        name="My Cup",
    )
    outcome = run(user, order, tmp_path / "outcome.json")
    (job,) = user.jobs()
    assert outcome == Outcome(job=job["id"], is_new=True)
    assert (job["state"], job["request"]["name"]) == ("queued", "My Cup")
    assert {view: each["name"] for view, each in job["request"]["views"].items()} == {
        "front": "Painted Cup",
        "back": "from behind.png",
    }
    assert job["request"]["placement"] == order.placement.model_dump(mode="json")
    files = sorted(path.name for path in (user.library / job["id"]).iterdir())
    assert files == ["back.png", "front.png", "job.json"]
    assert user.sold == []


def test_thirty_orders_at_once_for_the_same_paid_picture_make_one_job(user: User, cup: Path, tmp_path: Path) -> None:
    outcomes = [tmp_path / f"outcome {number}.json" for number in range(30)]
    programs = [start(user, outcome) for outcome in outcomes]
    line = order_of(user, cup).model_dump_json().encode() + b"\n"
    for program in programs:  # all of them have started
        assert program.stdin is not None
        program.stdin.write(line)
        program.stdin.flush()
    assert [program.communicate(timeout=HANGS_SECONDS) for program in programs] == [(b"", b"")] * 30
    (job,) = user.jobs()
    placed = [Outcome.model_validate_json(outcome.read_bytes()) for outcome in outcomes]
    assert {each.job for each in placed} == {job["id"]} and {each.problem for each in placed} == {None}
    assert [each.is_new for each in placed].count(True) == 1
    assert run(user, order_of(user, cup, name="Another Name"), tmp_path / "later") == Outcome(job=job["id"])
    assert run(user, order_of(user, cup, again=True), tmp_path / "again").is_new
    assert run(user, order_of(user, cup, options={"seed": 1}), tmp_path / "other").is_new
    assert len(user.jobs()) == 3 and user.sold == []


def test_what_was_finished_is_offered_and_what_costs_nothing_is_made_anew(
    user: User, cup: Path, tmp_path: Path
) -> None:
    assert user.run("generate", cup, "--provider", PAID).status == 0
    (job,) = user.jobs()
    assert run(user, order_of(user, cup), tmp_path / "outcome") == Outcome(job=job["id"])
    assert len(user.sold) == 1
    free = [run(user, order_of(user, cup, provider="offline_shape"), tmp_path / f"{number}") for number in range(2)]
    assert len({each.job for each in free}) == 2 and all(each.is_new for each in free)


def test_what_may_have_been_charged_is_named_and_not_ordered(user: User, cup: Path, tmp_path: Path) -> None:
    fails = {"options": {"fails": "unknown"}}
    user.run("generate", cup, "--provider", PAID, "--option", "fails=unknown")
    (job,) = user.jobs()
    outcome = run(user, order_of(user, cup, **fails), tmp_path / "outcome")
    assert outcome.problem is not None and outcome.job == job["id"] and not outcome.is_new
    assert (outcome.problem.kind, outcome.problem.charged) == ("OutcomeUnknown", "maybe")
    assert len(user.jobs()) == 1
    assert run(user, order_of(user, cup, **fails, again=True), tmp_path / "again").is_new


def test_what_failed_and_cost_nothing_is_ordered_anew(user: User, cup: Path, tmp_path: Path) -> None:
    user.run("generate", cup, "--provider", PAID, "--option", "fails=key")
    assert run(user, order_of(user, cup, options={"fails": "key"}), tmp_path / "outcome").is_new
    assert len(user.jobs()) == 2


@pytest.mark.parametrize(
    ("words", "kind", "says"),
    [
        ({"views": {"front": "/gone/cup.png"}}, "BadPicture", "cup.png"),
        ({"views": {"front": "/gone/cup.linear.npy"}}, "BadPicture", "gone"),
        ({"provider": "nobody"}, "BadOption", "nobody"),
        ({"options": {"colour": "red"}}, "BadOption", "colour"),
        ({"views": {}}, "BadOption", "front"),
        ({"model": "big"}, "BadOption", "big"),
    ],
)
def test_what_cannot_be_made_is_said(user: User, cup: Path, words: dict[str, Any], kind: str, says: str) -> None:
    outcome = place(order_of(user, cup, **{"provider": "offline_shape", **words}))
    assert outcome.problem is not None and outcome.job is None
    assert outcome.problem.kind == kind and says in outcome.problem.message
    assert not user.library.exists()


def test_a_picture_that_vanished_is_said_by_the_program(user: User, tmp_path: Path) -> None:
    outcome = run(user, order_of(user, tmp_path / "vanished.png"), tmp_path / "outcome")
    assert outcome.problem is not None and outcome.problem.kind == "BadPicture"
    assert "vanished.png" in outcome.problem.message and "does not exist" in outcome.problem.message


def test_a_library_that_cannot_be_written_is_said(
    user: User, cup: Path, read_only_folder: Path, full_folder: Path
) -> None:
    for folder, says in ((read_only_folder, "read-only"), (full_folder, "full"), (cup, "")):
        picture = draw_disc(cup.with_name("large.png"), (20, 90, 200), size=2000)
        outcome = place(order_of(user, picture, provider="meshy", library=str(folder)))
        assert outcome.problem is not None and outcome.problem.kind == "StorageError", folder
        assert says in outcome.problem.message and outcome.job is None
    assert [path.name for path in full_folder.iterdir() if path.name != ".lock"] == []


@pytest.mark.everywhere
def test_an_order_that_is_none_is_said(user: User, cup: Path, tmp_path: Path) -> None:
    good = json.loads(order_of(user, cup).model_dump_json())
    lines = (b"{}\n", b"cup\n", json.dumps({**good, "views": {"above": str(cup)}}).encode() + b"\n")
    for number, line in enumerate(lines):
        _, errors = start(user, tmp_path / f"{number}").communicate(line, timeout=HANGS_SECONDS)
        outcome = Outcome.model_validate_json((tmp_path / f"{number}").read_bytes())
        assert outcome.problem is not None and outcome.problem.kind == "BadOption" and errors == b""
    assert not user.library.exists()


def test_an_order_whose_giver_died_is_not_placed(user: User, cup: Path, tmp_path: Path) -> None:
    half = order_of(user, cup).model_dump_json().encode()
    for line in (b"", half):
        program = start(user, tmp_path / "outcome")
        program.communicate(line, timeout=HANGS_SECONDS)
        assert program.returncode == Stopped.exit_status
    assert not user.library.exists() and not (tmp_path / "outcome").exists()


@pytest.mark.parametrize(("suffix", "shade"), [(".srgb.npy", 128), (".linear.npy", 188)])
def test_raw_pixels_get_a_thumbnail_and_their_files_are_removed(
    user: User, tmp_path: Path, suffix: str, shade: int
) -> None:
    handed_over = tmp_path / "handed over"
    handed_over.mkdir()
    dump = handed_over / f"front{suffix}"
    pixels = np.zeros((600, 1200, 4), np.float32)
    pixels[:, :, 3] = 1
    pixels[:300, :, 0] = 0.5  # Blender's rows begin at the bottom
    np.save(dump, pixels)
    order = order_of(user, dump, delete=(str(dump), str(handed_over)), names={"front": "Painted"})
    outcome = place(order.evolve(provider="offline_shape"))
    assert outcome.problem is None and outcome.job is not None and not handed_over.exists()
    folder = user.library / outcome.job
    assert sorted(path.name for path in folder.iterdir()) == [f"front{suffix}", "job.json", "thumbnail.png"]
    small = png.decode((folder / "thumbnail.png").read_bytes())
    assert small.shape == (128, 256, 4)
    assert np.abs(small[70:].astype(int) - (shade, 0, 0, 255)).max() <= 1
    assert (small[:58] == (0, 0, 0, 255)).all()
    (entry,) = [each["request"]["views"]["front"] for each in user.jobs()]
    assert entry["name"] == "Painted"


def test_a_thumbnail_is_never_larger_than_its_picture_and_a_tall_one_stays_tall(user: User, tmp_path: Path) -> None:
    from PIL import Image

    for (width, height), expected in (((20, 40), (20, 40)), ((100, 5000), (5, 256)), ((257, 255), (256, 254))):
        np.save(tmp_path / "front.srgb.npy", np.ones((height, width, 4), np.float32))
        outcome = place(order_of(user, tmp_path / "front.srgb.npy", provider="offline_shape"))
        assert outcome.problem is None and outcome.job is not None
        with Image.open(user.library / outcome.job / "thumbnail.png") as small:
            assert small.size == expected


def test_the_files_of_an_order_are_removed_even_if_it_fails_and_nothing_else_is(user: User, tmp_path: Path) -> None:
    handed_over = tmp_path / "handed over"
    handed_over.mkdir()
    (handed_over / "front.srgb.npy").write_bytes(b"half a file")
    (handed_over / "mine.txt").write_text("mine")
    names = (str(handed_over / "front.srgb.npy"), str(handed_over), str(tmp_path / "missing"))
    outcome = place(order_of(user, handed_over / "front.srgb.npy", provider="offline_shape", delete=names))
    assert outcome.problem is not None and outcome.problem.kind == "BadPicture"
    assert [path.name for path in handed_over.iterdir()] == ["mine.txt"]


def test_views_are_checked_for_the_provider(user: User, cup: Path) -> None:
    views = {View.FRONT: str(cup), View.BACK: str(cup)}
    outcome = place(order_of(user, cup, provider="modelslab_instantmesh", views=views))
    assert outcome.problem is not None and "back" in outcome.problem.message
