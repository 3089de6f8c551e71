# SPDX-License-Identifier: GPL-3.0-or-later
"""The session behind the sidebar, step by step: from a click to an object, and what it does with jobs it finds.

A window is not needed for it; `tests/gui` clicks the same things with a mouse.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import bpy
import numpy as np
import pytest

from ...conftest import HANGS_SECONDS, KEY
from ...fakes.servers.one_min_ai import OneMinAiServer
from .. import given
from ..test_extension import disc

__all__ = ["disc"]


@pytest.fixture(autouse=True)
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A library and a user's folder of its own."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("IMAGE_TO_3D_LIBRARY", str(tmp_path / "Bücher & 3D"))
    return tmp_path / "Bücher & 3D"


@pytest.fixture
def session(package: ModuleType) -> Iterator[Any]:
    current = given.module(package, "blender.session.current")
    current.close()
    assert given.module(package, "blender.form.scene_form").ensure() is None
    yield current.session()
    current.close()


def chosen(package: ModuleType, picture: Path | bpy.types.Image, **changes: Any) -> Any:
    values = {"provider": "offline_shape", "model": None, "options": {"resolution": 32}, "placement": {}, "name": None}
    return given.module(package, "blender.form.scene_form").Chosen(pictures={"front": picture}, **{**values, **changes})


def until(session: Any, condition: Callable[[], bool]) -> None:
    """Do what the timer does until `condition` holds; it may not end before."""
    deadline = time.monotonic() + HANGS_SECONDS
    while not condition():
        is_running = session.is_active and time.monotonic() < deadline
        assert is_running, [(row.title, row.stage, row.problem) for row in session.rows]
        session.step(bpy.context)
        time.sleep(0.02)


@pytest.mark.everywhere
def test_a_click_brings_the_model_to_where_the_cursor_was(package: ModuleType, session: Any, disc: Path) -> None:
    bpy.context.scene.cursor.location = (1, 2, 3)
    started = time.process_time()
    session.order(bpy.context, chosen(package, disc, placement={"height": 0.5}))
    assert time.process_time() - started < 0.5
    bpy.context.scene.cursor.location = (0, 0, 0)
    until(session, lambda: not session.rows)
    (made,) = bpy.context.scene.objects
    assert tuple(made.location) == (1, 2, 3) and made.dimensions.z == pytest.approx(0.5)
    assert made["image_to_3d_provider"] == "offline_shape" and made["image_to_3d_image"] == "disc.png"
    assert made.select_get() and bpy.context.view_layer.objects.active == made
    (entry,) = session.history.entries()
    assert entry.folder.load().state == "imported"
    assert not session.is_active


def test_a_model_arrives_unselected_if_something_was_selected_meanwhile(
    package: ModuleType, session: Any, disc: Path
) -> None:
    session.order(bpy.context, chosen(package, disc))
    bpy.ops.mesh.primitive_cube_add()
    cube = bpy.context.object
    until(session, lambda: not session.rows)
    assert bpy.context.view_layer.objects.active == cube and bpy.context.selected_objects == [cube]
    assert len(bpy.context.scene.objects) == 2


def test_a_model_comes_into_the_scene_that_asked_whichever_is_shown(
    package: ModuleType, session: Any, disc: Path
) -> None:
    asked = bpy.context.scene
    session.order(bpy.context, chosen(package, disc))
    shown = bpy.context.window.scene = bpy.data.scenes.new("Shown")
    until(session, lambda: not session.rows)
    assert bpy.context.scene == shown and not shown.objects
    (made,) = asked.objects
    assert made["image_to_3d_image"] == "disc.png"


@pytest.mark.everywhere
def test_a_model_waits_until_edit_mode_is_left(package: ModuleType, session: Any, disc: Path) -> None:
    bpy.ops.mesh.primitive_cube_add()
    session.order(bpy.context, chosen(package, disc))
    bpy.ops.object.mode_set(mode="EDIT")
    until(session, lambda: session.rows[0].obstacle is not None)
    assert "Edit Mode" in session.rows[0].obstacle.text and len(bpy.context.scene.objects) == 1
    bpy.ops.object.mode_set(mode="OBJECT")
    until(session, lambda: not session.rows)
    assert len(bpy.context.scene.objects) == 2


@pytest.mark.everywhere
def test_another_file_does_not_get_the_model_and_the_history_has_it(
    package: ModuleType, session: Any, disc: Path
) -> None:
    session.order(bpy.context, chosen(package, disc))
    given.new_file()
    until(session, lambda: not session.is_active)
    assert not bpy.context.scene.objects
    (row,) = session.rows
    assert row.job.state == "ready" and row.problem is None
    session.bring(bpy.context, row.key)
    until(session, lambda: not session.rows)
    assert len(bpy.context.scene.objects) == 1


@pytest.mark.everywhere
def test_the_file_that_it_was_made_for_gets_it_although_it_was_closed_for_a_moment(
    package: ModuleType, session: Any, disc: Path, tmp_path: Path
) -> None:
    path = str(tmp_path / "scene.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    session.order(bpy.context, chosen(package, disc))
    given.new_file()
    bpy.ops.wm.open_mainfile(filepath=path)
    until(session, lambda: not session.rows)
    assert len(bpy.context.scene.objects) == 1


def test_a_picture_that_is_gone_is_said_in_words(package: ModuleType, session: Any, tmp_path: Path) -> None:
    session.order(bpy.context, chosen(package, tmp_path / "gone.png"))
    until(session, lambda: not session.is_active)
    (row,) = session.rows
    assert row.problem.kind in {"BadPicture", "StorageError"} and "gone.png" in row.problem.message
    session.dismiss(row.key)
    assert not session.rows


@pytest.mark.everywhere
def test_a_painted_image_is_taken_as_it_is_at_the_click(package: ModuleType, session: Any) -> None:
    image = bpy.data.images.new("Painted", 64, 64, alpha=True)
    image.pixels[:] = [0.0] * (64 * 64 * 4)
    for y in range(16, 48):
        for x in range(16, 48):
            start = (y * 64 + x) * 4
            image.pixels[start : start + 4] = (0.2, 0.4, 0.9, 1.0)
    session.order(bpy.context, chosen(package, image))
    bpy.data.images.remove(image)
    until(session, lambda: not session.rows)
    assert bpy.context.object["image_to_3d_image"] == "Painted"


def test_thirty_clicks_buy_once(
    package: ModuleType, session: Any, disc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given.textured_monkey(tmp_path)
    monkey = given.write(tmp_path / "monkey.glb").read_bytes()
    given.new_file()
    with OneMinAiServer(KEY, monkey) as server:
        monkeypatch.setenv("IMAGE_TO_3D_ONE_MIN_AI_URL", f"{server.url}/api")
        monkeypatch.setenv("ONE_MIN_AI_API_KEY", KEY)
        wish = chosen(package, disc, provider="one_min_ai", options={})
        for _ in range(30):
            session.order(bpy.context, wish)
            session.step(bpy.context)
        until(session, lambda: not session.rows)
        assert server.billable == 1
        session.order(bpy.context, wish)
        until(session, lambda: not session.is_active)
        (row,) = session.rows
        assert row.job.state == "imported" and server.billable == 1
        roots = [each for each in bpy.context.scene.objects if each.parent is None]
        assert len(roots) == 1, "it is offered, not imported a second time unasked"


@pytest.mark.everywhere
def test_regenerate_puts_a_new_mesh_into_the_same_object(package: ModuleType, session: Any, disc: Path) -> None:
    session.order(bpy.context, chosen(package, disc))
    until(session, lambda: not session.rows)
    made = bpy.context.object
    made.name, made.location = "Shield", (3, 0, 1)
    made.modifiers.new("Thin", "DECIMATE").ratio = 0.5
    first_job, first_mesh = made["image_to_3d_job"], made.data.session_uid
    session.regenerate(bpy.context, made, in_place=True)
    until(session, lambda: not session.rows)
    (same,) = bpy.context.scene.objects
    assert same.name == "Shield" and tuple(same.location) == (3, 0, 1) and same.modifiers["Thin"].ratio == 0.5
    assert same.data.session_uid != first_mesh and same["image_to_3d_job"] != first_job


def painted(name: str, opaque: np.ndarray, white: np.ndarray) -> bpy.types.Image:
    """An image of this .blend that is nowhere on disk; its rows go up."""
    image = bpy.data.images.new(name, *opaque.shape[::-1], alpha=True)
    pixels = np.ones((*opaque.shape, 4), np.float32)
    pixels[..., :3], pixels[..., 3] = white[..., None], opaque
    image.pixels.foreach_set(pixels.ravel())
    return image


def test_a_painted_mask_says_what_the_subject_is(package: ModuleType, session: Any, disc: Path) -> None:
    everything = np.ones((64, 64), bool)
    mask = painted("Mask", everything, everything & (np.arange(64) >= 32))
    front = painted("Front", everything, everything)
    both = given.module(package, "blender.form.scene_form").Chosen(
        {"front": front, "mask": mask}, "offline_shape", None, {"resolution": 32}, {}, None
    )
    session.order(bpy.context, both)
    until(session, lambda: not session.rows)
    (made,) = bpy.context.scene.objects
    assert made.dimensions.x / made.dimensions.z == pytest.approx(0.5, abs=0.05)
    request = given.module(package, "blender.importing.provenance").request_of(made)
    assert [view.value for view in request.views] == ["front", "mask"]


def test_what_a_user_should_know_of_a_model_is_said_and_kept(package: ModuleType, session: Any) -> None:
    opaque = np.zeros((64, 64), bool)
    opaque[:40, 20:44] = True
    session.order(bpy.context, chosen(package, painted("Bust", opaque, opaque)))
    reports: list[tuple[str, str]] = []
    deadline = time.monotonic() + HANGS_SECONDS
    while session.rows:
        assert time.monotonic() < deadline
        reports += session.step(bpy.context)
        time.sleep(0.02)
    sentence = "The subject touches the lower edge of the picture: it is cut off there, and so is its shape."
    assert ("WARNING", f"Bust: {sentence}") in reports
    (entry,) = session.history.entries()
    assert entry.notes == (sentence,)


@pytest.mark.everywhere
def test_the_settings_of_an_object_come_back_into_the_form(package: ModuleType, session: Any, disc: Path) -> None:
    session.order(bpy.context, chosen(package, disc, options={"thickness": 0.4, "resolution": 32}))
    until(session, lambda: not session.rows)
    assert bpy.ops.image_to_3d.use_settings() == {"FINISHED"}
    form = given.module(package, "blender.form.scene_form").chosen(bpy.context.scene)
    assert form.options["thickness"] == 0.4 and form.provider == "offline_shape"
    assert form.pictures["front"].read_bytes() == disc.read_bytes()


def test_nothing_runs_when_no_job_is_active(package: ModuleType, session: Any, disc: Path) -> None:
    session.order(bpy.context, chosen(package, disc))
    until(session, lambda: not session.rows)
    session.step(bpy.context)
    assert not session.is_active and not session._arrivals._import_process.is_warm
    for child in session._arrivals._import_process._leaving:
        child.wait(HANGS_SECONDS)
    session.order(bpy.context, chosen(package, disc, name="Second"))
    until(session, lambda: not session.rows)
    assert {each.name for each in bpy.context.scene.objects} == {"disc", "Second"}
