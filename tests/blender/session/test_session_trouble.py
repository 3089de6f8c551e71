# SPDX-License-Identifier: GPL-3.0-or-later
"""What the session does when something goes wrong, or somebody is quick: no money, result or click may be lost."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import bpy
import pytest

from ...conftest import KEY
from ...fakes.servers.one_min_ai import OneMinAiServer
from .. import given
from ..test_extension import disc
from .test_session import chosen, library, session, until

pytestmark = pytest.mark.once

__all__ = ["disc", "library", "session"]


@contextmanager
def paid_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OneMinAiServer]:
    given.textured_monkey(tmp_path)
    monkey = given.write(tmp_path / "monkey.glb").read_bytes()
    given.new_file()
    with OneMinAiServer(KEY, monkey) as server:
        monkeypatch.setenv("IMAGE_TO_3D_ONE_MIN_AI_URL", f"{server.url}/api")
        monkeypatch.setenv("ONE_MIN_AI_API_KEY", KEY)
        yield server


def job_in(package: ModuleType, session: Any, disc: Path, provider: str = "offline_shape", **changes: Any) -> Any:
    """A job folder as another program left it."""
    draft = given.module(package, "jobs.request").draft
    front = given.module(package, "models").View.FRONT
    folder = draft({front: disc}, provider=provider).create(session.library)
    folder.save(folder.load().evolve(**changes))
    return folder


def problem(package: ModuleType, kind: str, **changes: Any) -> Any:
    return given.module(package, "models").Problem(kind=kind, message="Something happened.", **changes)


def adopted(session: Any, folder: Any) -> Any:
    """The row of a job that was found in the library."""
    session.adopt(folder, folder.load())
    return next(row for row in session.rows if row.key == folder.id)


def stages(package: ModuleType) -> Any:
    return given.module(package, "blender.session.job_rows").Stage


def milliseconds(step: Callable[[], object]) -> float:
    """The median of what a step costs in processor time."""
    times = []
    for _ in range(51):
        start = time.process_time()
        step()
        times.append(time.process_time() - start)
    return sorted(times)[25] * 1000


# Money ----------------------------------------------------------------------------------------------------------------


def test_clearing_failed_jobs_keeps_what_somebody_else_finished(package: ModuleType, session: Any, disc: Path) -> None:
    folder = job_in(package, session, disc, state="failed", problem=problem(package, "Unreachable"))
    adopted(session, folder)
    folder.save(folder.load().evolve(state="ready", problem=None))  # the command line resumed it
    session.clear()
    assert folder.load().state == "ready"
    (row,) = session.rows
    assert row.job.state == "ready" and row.problem is None


def test_a_resume_that_is_refused_leaves_the_problem_to_be_read(package: ModuleType, session: Any, disc: Path) -> None:
    errors, rows = given.module(package, "errors"), given.module(package, "blender.session.job_rows")
    unknown = problem(package, "OutcomeUnknown", charged="maybe")
    row = adopted(session, job_in(package, session, disc, "one_min_ai", state="unknown", problem=unknown))
    with pytest.raises(errors.OutcomeUnknown):
        session.resume(row.key)
    assert row.problem == unknown and row.stage is stages(package).STOPPED
    assert rows.next_steps(row) == (rows.Step.SEND_AGAIN,)


def test_what_is_found_half_sent_says_so_when_it_is_resumed(package: ModuleType, session: Any, disc: Path) -> None:
    errors, rows = given.module(package, "errors"), given.module(package, "blender.session.job_rows")
    folder = job_in(package, session, disc, "one_min_ai", state="queued")
    row = adopted(session, folder)
    folder.save(folder.load().evolve(state="submitting"))  # another Blender tried, and its worker died
    with pytest.raises(errors.OutcomeUnknown):
        session.resume(row.key)
    assert row.job.state == "unknown" and row.problem.charged == "maybe"
    assert rows.next_steps(row) == (rows.Step.SEND_AGAIN,)


def test_a_result_that_cannot_be_read_is_not_taken_for_none(package: ModuleType, session: Any, disc: Path) -> None:
    """A paid one would be offered to be bought again."""
    errors = given.module(package, "errors")
    folder = job_in(package, session, disc, "one_min_ai", state="submitting")
    (folder.path / "result" / "finished.json").mkdir(parents=True)
    row = adopted(session, folder)
    with pytest.raises(errors.StorageError):
        session.resume(row.key)
    assert folder.load().state == "submitting" and row.problem.kind == "StorageError"


def test_a_request_that_cannot_be_recalled_is_not_bought_again(
    package: ModuleType, session: Any, disc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancel while it is being sent, then Generate: the first one comes in."""
    with paid_service(tmp_path, monkeypatch) as server:
        server.has_async, server.seconds = "ignored", 4.0
        wish = chosen(package, disc, provider="one_min_ai", options={})
        session.order(bpy.context, wish)
        until(session, lambda: server.billable == 1)
        session.cancel(session.rows[0].key)
        session.order(bpy.context, wish)
        until(session, lambda: not session.rows)
        assert server.billable == 1
        assert [each for each in bpy.context.scene.objects if each.parent is None]


def test_generate_again_pays_once_for_as_long_as_it_is_being_made(
    package: ModuleType, session: Any, disc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with paid_service(tmp_path, monkeypatch) as server:
        server.has_async, server.seconds = "ignored", 5.0
        folder = job_in(package, session, disc, "one_min_ai", state="imported")
        session.order_again(bpy.context, folder.id)
        until(session, lambda: server.billable == 1)
        monkeypatch.setattr(given.module(package, "blender.session.clicks"), "_SAME_CLICK_SECONDS", 0.0)
        for _ in range(3):
            session.order_again(bpy.context, folder.id)
            session.step(bpy.context)
        until(session, lambda: not session.rows)
        assert server.billable == 1


def test_generate_sends_what_an_earlier_session_did_not(
    package: ModuleType, session: Any, disc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with paid_service(tmp_path, monkeypatch) as server:
        row = adopted(session, job_in(package, session, disc, "one_min_ai"))
        assert row.stage is stages(package).STOPPED and server.creates == 0
        session.order(bpy.context, chosen(package, disc, provider="one_min_ai", options={}))
        until(session, lambda: not session.rows)
        assert server.billable == 1 and len(session.library.folders()) == 1


@pytest.mark.parametrize("stage", ["ORDERED", "WORKING", "IMPORTING"])
def test_a_session_that_ends_at_any_stage_buys_once(
    package: ModuleType, session: Any, disc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    current = given.module(package, "blender.session.current")
    with paid_service(tmp_path, monkeypatch) as server:
        wish = chosen(package, disc, provider="one_min_ai", options={})
        session.order(bpy.context, wish)
        if stage == "WORKING":
            server.has_async, server.seconds = "ignored", 2.0
            until(session, lambda: server.billable == 1)
        else:
            until(session, lambda: session.rows[0].stage is stages(package)[stage])
        workers = list(session._supervisor._runner._workers.values())
        current.close()
        later = current.session()
        for folder, job in later.history.read_on(1.0):
            later.adopt(folder, job)
        later.order(bpy.context, wish)
        until(later, lambda: not later.is_active)
        assert server.billable == 1 and len(later.library.folders()) == 1
        for row in list(later.rows):
            later.bring(bpy.context, row.key)
        until(later, lambda: not later.rows)
        assert len([each for each in bpy.context.scene.objects if each.parent is None]) == 1
        for each in workers:
            each.wait(30)


def test_a_script_does_not_agree_to_costs_for_its_user(
    package: ModuleType, session: Any, disc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONE_MIN_AI_API_KEY", KEY)
    monkeypatch.setenv("IMAGE_TO_3D_ONE_MIN_AI_URL", "http://127.0.0.1:9/api")
    given.module(package, "blender.session.services").forget_keys()
    form = bpy.context.scene.image_to_3d
    form.provider = "one_min_ai"
    form.picture_path = str(disc)
    assert bpy.ops.image_to_3d.start() == {"FINISHED"}
    assert given.module(package, "host.settings").load().agreed == ()
    session.cancel(session.rows[0].key)
    until(session, lambda: not session.is_active)


# Cancel, resume and delete --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0.0, 0.2, 2.0])
def test_cancelling_while_the_picture_is_read_leaves_nothing(
    package: ModuleType, session: Any, disc: Path, seconds: float
) -> None:
    session.order(bpy.context, chosen(package, disc))
    time.sleep(seconds)
    session.cancel(session.rows[0].key)
    assert not session.rows
    until(session, lambda: not session.is_active)
    assert not [folder for folder in session.library.folders() if folder.load().worth]
    fresh = given.module(package, "blender.session.session").Session()
    for folder, job in fresh.history.read_on(1.0):
        fresh.adopt(folder, job)
    assert not fresh.rows, "who cancelled it does not want to see it again"


def test_a_click_right_after_cancelling_counts(package: ModuleType, session: Any, disc: Path) -> None:
    row = adopted(session, job_in(package, session, disc))
    session.order(bpy.context, chosen(package, disc))
    until(session, lambda: session.rows[0].stage is not stages(package).ORDERED)
    session.cancel(session.rows[0].key)
    session.order(bpy.context, chosen(package, disc))
    assert session.rows[0].stage is stages(package).ORDERED
    assert row in session.rows
    until(session, lambda: not session.is_active)


def test_a_waiting_job_whose_folder_is_gone_can_be_cancelled(package: ModuleType, session: Any, disc: Path) -> None:
    folder = job_in(package, session, disc)
    row = adopted(session, folder)
    session.resume(row.key)
    shutil.rmtree(folder.path)
    session.cancel(row.key)
    assert row.stage is stages(package).STOPPED and row.problem is not None and not session.is_active


def test_a_job_that_cannot_be_asked_to_stop_still_brings_its_result(
    package: ModuleType, session: Any, disc: Path
) -> None:
    errors = given.module(package, "errors")
    session.order(bpy.context, chosen(package, disc))
    until(session, lambda: session.rows[0].stage is stages(package).WORKING)
    (session.rows[0].folder.path / "stop").mkdir()
    with pytest.raises(errors.StorageError):
        session.cancel(session.rows[0].key)
    until(session, lambda: not session.rows)
    assert len(bpy.context.scene.objects) == 1


def test_who_tries_again_gets_the_model(package: ModuleType, session: Any, disc: Path) -> None:
    row = adopted(session, job_in(package, session, disc))
    bpy.context.scene.cursor.location = (0, 2, 0)
    assert bpy.ops.image_to_3d.resume(job=row.key) == {"FINISHED"}
    assert bpy.ops.image_to_3d.resume(job=row.key) == {"FINISHED"}, "pressed twice"
    until(session, lambda: not session.rows)
    (made,) = bpy.context.scene.objects
    assert tuple(made.location) == (0, 2, 0)


def test_what_has_no_result_cannot_be_imported(package: ModuleType, session: Any, disc: Path) -> None:
    row = adopted(session, job_in(package, session, disc))
    with pytest.raises(given.module(package, "errors").StorageError):
        session.bring(bpy.context, row.key)
    assert row.stage is stages(package).STOPPED


def test_a_part_of_an_id_names_no_job(package: ModuleType, session: Any, disc: Path) -> None:
    """It does on the command line; the properties of an object could send another job's picture by it."""
    folder = job_in(package, session, disc, state="imported")
    with pytest.raises(given.module(package, "errors").StorageError):
        session.delete(folder.id[:4])
    assert folder.path.exists()


def test_no_room_for_temporary_files_is_said_in_words(
    package: ModuleType, session: Any, disc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with pytest.raises(given.module(package, "errors").StorageError, match="temporary"):
        session.order(bpy.context, chosen(package, disc))
    assert not session.rows


# The pump -------------------------------------------------------------------------------------------------------------


def test_a_job_that_cannot_be_started_does_not_stop_the_others(package: ModuleType, session: Any, disc: Path) -> None:
    session.order(bpy.context, chosen(package, disc, name="Bad"))
    session.order(bpy.context, chosen(package, disc, name="Good"))
    for _, each in session._clicks._queue._new_jobs:
        each.process.wait(30)
    bad = next(folder for folder in session.library.folders() if folder.load().request.name == "Bad")
    (bad.path / "stop").mkdir()  # nobody can take the request to stop back
    until(session, lambda: not session.is_active)
    (row,) = session.rows
    assert row.title == "Bad" and row.problem.kind == "StorageError"
    assert [each.name for each in bpy.context.scene.objects] == ["Good"]


def test_a_scene_that_takes_no_objects_does_not_stop_the_others(
    package: ModuleType, session: Any, disc: Path, tmp_path: Path
) -> None:
    linked_scene(tmp_path)
    session.order(bpy.context, chosen(package, disc))
    until(session, lambda: not session.is_active)
    (row,) = session.rows
    rows = given.module(package, "blender.session.job_rows")
    assert row.problem is not None and row.job.state == "ready" and rows.next_steps(row) == (rows.Step.IMPORT,)
    assert not [each for each in bpy.data.objects if each.library is None], "nothing is left of what did not come in"


def linked_scene(tmp_path: Path) -> None:
    """Let the window show a scene of another file."""
    bpy.context.scene.name = "Set"
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "set.blend"))
    given.new_file()
    with bpy.data.libraries.load(str(tmp_path / "set.blend"), link=True) as (there, here):
        here.scenes = list(there.scenes)
    bpy.context.window.scene = here.scenes[0]


def test_a_job_that_vanishes_while_it_is_found_is_left_out(package: ModuleType, session: Any, disc: Path) -> None:
    folder = job_in(package, session, disc, state="running", handle={"uid": "1"})
    job = folder.load()
    claim = {"pid": os.getpid(), "host": given.module(package, "host.system").host_name()}
    (folder.path / "lock").write_text(json.dumps(claim))
    (folder.path / "job.json").unlink()
    session.adopt(folder, job)
    assert not session.is_active


def test_two_blenders_take_over_the_same_job(package: ModuleType, session: Any, disc: Path) -> None:
    """The one whose worker comes too late watches the other's."""
    folder = job_in(package, session, disc, "hunyuan3d", state="running", handle={"uid": "1"})
    row = adopted(session, folder)
    session.step(bpy.context)
    with folder.claim():  # the other one's worker was quicker
        until(session, lambda: not session._supervisor._runner.running)
        session.step(bpy.context)
        assert row.stage is stages(package).WORKING
        folder.save(folder.load().evolve(state="ready", handle=None))
    until(session, lambda: not session.is_active)
    assert row.job.state == "ready" and row.problem is None


def test_shifts_begin_for_whatever_is_active_and_for_nothing_else(
    package: ModuleType, session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    timer = given.module(package, "blender.session.modal_timer")
    monkeypatch.setattr(timer._Clock, "last_step", 0.0)
    watched = SimpleNamespace(is_active=True)
    timer.wake(watched)
    assert timer._next_shift() == timer.GAP_SECONDS and not timer._timers, "the window gets an event first"
    assert timer._next_shift() == timer.GAP_SECONDS and len(timer._timers) == 1
    watched.is_active = False
    assert timer._next_shift() is None
    watched.is_active = True
    timer.close()
    assert timer._next_shift() is None and not timer._timers


def test_a_shift_leaves_no_timer_when_the_session_ends(package: ModuleType, session: Any) -> None:
    timers = given.module(package, "blender.session.modal_timer")._timers
    bpy.ops.image_to_3d.watch()
    assert len(timers) == 1
    given.module(package, "blender.session.current").close()
    assert not timers


def test_a_thousand_failed_jobs_do_not_slow_anything_down(package: ModuleType, session: Any, disc: Path) -> None:
    rows = given.module(package, "blender.session.job_rows")
    job_folder = given.module(package, "jobs.library").JobFolder
    folder = job_in(package, session, disc, state="failed", problem=problem(package, "Unreachable"))
    job = folder.load()
    for number in range(1000):
        session.adopt(job_folder(folder.path.with_name(f"failed-{number}")), job)
    assert len(session.rows) == 1000
    all_in_words = milliseconds(lambda: [rows.state_text(row, None) for row in session.rows])
    assert milliseconds(lambda: session.step(bpy.context)) < all_in_words
    assert milliseconds(lambda: rows.most_important(session.rows, 12)) < all_in_words


# Scenes and files -----------------------------------------------------------------------------------------------------


def test_one_undo_takes_the_model_away_and_redo_brings_it_back(package: ModuleType, session: Any, disc: Path) -> None:
    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.ed.undo_push(message="Cube")
    session.order(bpy.context, chosen(package, disc))
    bpy.context.object.location.x = 5
    bpy.ops.ed.undo_push(message="Move")
    bpy.ops.ed.undo()
    until(session, lambda: not session.rows)
    assert len(bpy.context.scene.objects) == 2
    bpy.ops.ed.undo()
    (cube,) = bpy.context.scene.objects
    assert cube.location.x == 0
    bpy.ops.ed.redo()
    assert len(bpy.context.scene.objects) == 2


def test_an_object_that_is_in_no_scene_any_more_is_not_replaced(package: ModuleType, session: Any, disc: Path) -> None:
    """What nobody sees must not swallow a model."""
    session.order(bpy.context, chosen(package, disc))
    until(session, lambda: not session.rows)
    made = bpy.context.object
    session.regenerate(bpy.context, made, in_place=True)
    made.use_fake_user = True
    bpy.context.scene.collection.objects.unlink(made)
    until(session, lambda: not session.rows)
    (new,) = bpy.context.scene.objects
    assert new != made


def destination_now(package: ModuleType) -> Any:
    return given.module(package, "blender.session.destination").Destination.of(bpy.context, at_cursor=True)


def test_a_file_is_the_same_after_it_was_saved_and_loaded(package: ModuleType, tmp_path: Path) -> None:
    destination = destination_now(package)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "one.blend"))
    assert destination.is_here
    bpy.ops.wm.revert_mainfile()
    assert destination.is_here
    given.new_file()
    assert not destination.is_here


def test_what_was_made_for_a_copy_does_not_come_into_the_original(package: ModuleType, tmp_path: Path) -> None:
    one, two = str(tmp_path / "one.blend"), str(tmp_path / "two.blend")
    bpy.ops.wm.save_as_mainfile(filepath=one)
    bpy.ops.wm.save_as_mainfile(filepath=two)
    destination = destination_now(package)
    bpy.ops.wm.open_mainfile(filepath=one)
    assert not destination.is_here
    bpy.ops.wm.open_mainfile(filepath=two)
    assert destination.is_here


def test_a_copy_that_is_saved_aside_is_another_file(package: ModuleType, tmp_path: Path) -> None:
    one, aside = str(tmp_path / "one.blend"), str(tmp_path / "aside.blend")
    bpy.ops.wm.save_as_mainfile(filepath=one)
    destination = destination_now(package)
    bpy.ops.wm.save_as_mainfile(filepath=aside, copy=True)
    assert destination.is_here
    bpy.ops.wm.open_mainfile(filepath=aside)
    assert not destination.is_here
    bpy.ops.wm.open_mainfile(filepath=one)
    assert destination.is_here


def test_a_file_that_was_open_before_the_add_on_was_enabled_is_known(package: ModuleType, tmp_path: Path) -> None:
    module, path = given.module(package, "blender.session.destination"), str(tmp_path / "one.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    module._files.__init__()
    destination = destination_now(package)
    given.new_file()
    bpy.ops.wm.open_mainfile(filepath=path)
    assert destination.is_here


def test_a_saved_file_says_nothing_of_other_models(
    package: ModuleType, session: Any, disc: Path, tmp_path: Path
) -> None:
    """The history, its filter, and what the buttons were told: the id of a job, and the folder of the library."""
    folder = job_in(package, session, disc, state="imported")
    assert session.history.read_on(1.0) == [] and session.history.get(folder.id)
    bpy.context.window_manager.image_to_3d_filter = "Confidential"
    assert session.history.entries("Confidential") == ()
    bpy.ops.image_to_3d.use_settings(job=folder.id)
    bpy.context.scene.image_to_3d.picture_path = ""  # the user's own choice
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shared.blend"), compress=False)
    content = (tmp_path / "shared.blend").read_bytes()
    for secret in ("Confidential", folder.id, "Bücher & 3D"):
        assert secret.encode() not in content, secret
