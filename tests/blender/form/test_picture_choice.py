# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the panel's pictures come from, as far as it needs no window."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import bpy
import numpy as np
import pytest

from .. import given

SIDES = ("front", "back", "left", "right")


@pytest.fixture
def sources(package: ModuleType) -> Any:
    return given.module(package, "blender.form.picture_choice")


@pytest.fixture
def clipboard(package: ModuleType) -> Any:
    return given.module(package, "blender.form.clipboard")


@pytest.fixture
def previews(package: ModuleType) -> Any:
    return given.module(package, "blender.form.previews")


@pytest.fixture
def form(package: ModuleType) -> Any:
    """The scene's form."""
    assert given.module(package, "blender.form.scene_form").ensure() is None
    return bpy.context.scene.image_to_3d


def chosen(form: Any) -> dict[str, tuple[str, str | None]]:
    """Path and image name of every side."""
    found = {"front": (form.picture_path, form.picture_image)}
    for side in SIDES[1:]:
        found[side] = getattr(form.views, f"{side}_path"), getattr(form.views, f"{side}_image")
    return {side: (path, image and image.name) for side, (path, image) in found.items()}


NOTHING = dict.fromkeys(SIDES, ("", None))


def ramp(width: int = 24, height: int = 16) -> np.ndarray:
    """(height, width, 4), the bottom row first: green at the top left, red at the top, blue at the left."""
    values = np.full((height, width, 4), 0.5, dtype=np.float32)
    values[-height // 4 :, :, :3] = 1, 0, 0
    values[:, : width // 4, :3] = 0, 0, 1
    values[-height // 4 :, : width // 4, :3] = 0, 1, 0
    values[..., 3] = 1
    return values


def image(name: str, values: np.ndarray | None = None) -> bpy.types.Image:
    values = ramp() if values is None else values
    made = bpy.data.images.new(name, values.shape[1], values.shape[0])
    made.pixels.foreach_set(values.ravel())
    return made


def picture(path: Path, values: np.ndarray | None = None) -> Path:
    made = image("file", values)
    made.filepath_raw = str(path)
    made.file_format = "JPEG" if path.suffix == ".jpg" else "PNG"
    made.save()
    bpy.data.images.remove(made)
    return path


def photograph(path: Path, values: np.ndarray, orientation: int) -> Path:
    """A JPEG whose EXIF says how it is to be turned."""
    picture(path, values)
    exif = b"Exif\0\0MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 274, 3, 1, orientation, 0, 0)
    data = path.read_bytes()
    path.write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:])
    return path


@pytest.mark.parametrize("side", SIDES)
def test_a_file_is_chosen_for_one_side_and_takes_the_place_of_an_image(form: Any, side: str, tmp_path: Path) -> None:
    cup = picture(tmp_path / "cup.png")
    image("Texture")
    bpy.ops.image_to_3d.use_image(name="Texture", side=side)
    assert chosen(form) == {**NOTHING, side: ("", "Texture")}
    bpy.ops.image_to_3d.open_picture(filepath=str(cup), side=side)
    assert chosen(form) == {**NOTHING, side: (str(cup), None)}
    bpy.ops.image_to_3d.use_image(name="Texture", side=side)
    assert chosen(form) == {**NOTHING, side: ("", "Texture")}
    bpy.ops.image_to_3d.clear_picture(side=side)
    assert chosen(form) == NOTHING


@pytest.mark.parametrize("wants_relative", [True, False])
def test_a_path_is_relative_to_a_saved_file_if_the_user_likes_that(
    form: Any, wants_relative: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bpy.context.preferences.filepaths, "use_relative_paths", wants_relative)
    cup = picture(tmp_path / "cup.png")
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    bpy.ops.image_to_3d.open_picture(filepath=str(cup))
    assert bpy.context.scene.image_to_3d.picture_path == ("//cup.png" if wants_relative else str(cup))


def test_what_is_no_picture_is_refused_with_the_reason_and_changes_nothing(form: Any, tmp_path: Path) -> None:
    cup = picture(tmp_path / "cup.png")
    bpy.ops.image_to_3d.open_picture(filepath=str(cup))
    text = tmp_path / "text.png"
    text.write_text("no picture")
    with pytest.raises(RuntimeError, match=r'"text\.png" is a text file'):
        bpy.ops.image_to_3d.open_picture(filepath=str(text))
    with pytest.raises(RuntimeError, match=r'"gone\.png" does not exist'):
        bpy.ops.image_to_3d.drop_pictures(filepath=str(tmp_path / "gone.png"))
    assert chosen(form) == {**NOTHING, "front": (str(cup), None)}


def test_an_image_made_for_the_panel_goes_with_its_last_use_and_others_stay(form: Any, sources: Any) -> None:
    ours, theirs = image("View"), image("Texture")
    ours[sources._MADE_HERE] = "view"
    sources.choose_image(form, "front", ours)
    sources.choose_image(form, "back", ours)
    sources.choose_image(form, "front", theirs)
    assert set(bpy.data.images) >= {ours, theirs}
    sources.choose_image(form, "back", theirs)
    assert "View" not in bpy.data.images
    bpy.ops.image_to_3d.clear_picture(side="front")
    bpy.ops.image_to_3d.clear_picture(side="back")
    assert "Texture" in bpy.data.images


def test_only_images_that_can_be_sent_are_listed(form: Any, sources: Any) -> None:
    image("Texture")
    film = image("Film")
    film.source = "MOVIE"
    assert [each.name for each in sources.usable_images()] == ["Texture"]
    with pytest.raises(RuntimeError, match='"Film" is not a single image'):
        bpy.ops.image_to_3d.use_image(name="Film")
    with pytest.raises(RuntimeError, match='no image "Gone" in this file'):
        bpy.ops.image_to_3d.use_image(name="Gone")


def test_the_render_result_is_listed_once_there_is_one(form: Any, sources: Any) -> None:
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.samples = 1
    scene.cycles.use_denoising = False
    scene.render.resolution_x = scene.render.resolution_y = 16
    scene.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(scene.camera)
    assert sources.usable_images() == []
    bpy.ops.render.render()
    assert [each.name for each in sources.usable_images()] == ["Render Result"]
    bpy.ops.image_to_3d.use_image(name="Render Result")
    assert bpy.context.scene.image_to_3d.picture_image.type == "RENDER_RESULT"


def test_one_dropped_file_becomes_the_picture(form: Any, tmp_path: Path) -> None:
    cup = picture(tmp_path / "cup.png")
    bpy.ops.image_to_3d.drop_pictures(directory=f"{tmp_path}/", files=[{"name": "cup.png"}], filepath=str(cup))
    assert chosen(form) == {**NOTHING, "front": (str(cup), None)}


def test_several_dropped_files_are_a_job_each(
    package: ModuleType, form: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGE_TO_3D_LIBRARY", str(tmp_path / "library"))
    current = given.module(package, "blender.session.current")
    current.close()
    cup, chair = picture(tmp_path / "cup.png"), picture(tmp_path / "chair.png")
    files = [{"name": cup.name}, {"name": chair.name}]
    bpy.ops.image_to_3d.drop_pictures(directory=f"{tmp_path}/", files=files, filepath=str(cup))
    assert {row.title: row.picture for row in current.session().rows} == {"cup": cup, "chair": chair}
    assert chosen(form) == NOTHING
    current.close()


def test_what_can_be_read_can_be_dropped(package: ModuleType, form: Any, sources: Any) -> None:
    facts = given.module(package, "pictures.facts")
    suffixes = {suffix for each in facts.PictureFormat for suffix in each.suffixes}
    assert set(sources.IMAGE_TO_3D_FH_pictures.bl_file_extensions.split(";")) == suffixes
    assert sources.IMAGE_TO_3D_FH_pictures.bl_import_operator == sources.IMAGE_TO_3D_OT_drop_pictures.bl_idname
    options = bpy.ops.image_to_3d.drop_pictures.get_rna_type().properties
    assert all(options[name].is_skip_save for name in ("directory", "files", "filepath"))


def test_buttons_without_the_form_say_why_they_are_grey(package: ModuleType, form: Any) -> None:
    given.module(package, "blender.form.scene_form").release()
    with pytest.raises(RuntimeError, match="not ready yet"):
        bpy.ops.image_to_3d.clear_picture()


@pytest.mark.parametrize(
    "text",
    [
        "{path}",
        '"{path}"',
        " {path} \r\n",
        "{uri}",
        "copy\n{uri}",
        "# a comment\n{uri}\nfile:///gone.png",
        "file://localhost{path}",
    ],
)
def test_a_file_in_the_clipboard_is_found(clipboard: Any, text: str, tmp_path: Path) -> None:
    cup = picture(tmp_path / "a cup ☕.png")
    assert clipboard.file_in(text.format(path=cup, uri=cup.as_uri())) == cup


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cup.png",
        "/gone/cup.png",
        "{folder}/notes.txt",
        "{folder}",
        "file://[",
        "a\0b.png",
        "\udc89PNG\r\n\x1a\n",
        "~x/a.png",
    ],
)
def test_other_texts_are_no_picture(clipboard: Any, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture(tmp_path / "cup.png")
    (tmp_path / "notes.txt").write_text("notes")
    monkeypatch.chdir(tmp_path)
    assert clipboard.file_in(text.format(folder=tmp_path)) is None


def test_without_an_x_server_nothing_is_pasted_and_nothing_waits(clipboard: Any) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    command = [sys.executable, "-I", clipboard.x11_clipboard.__file__]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=10)
    assert (done.returncode, done.stdout) == (1, b"")


def test_without_a_window_nothing_is_offered(clipboard: Any, previews: Any, tmp_path: Path) -> None:
    assert not clipboard.clipboard_has_picture()
    assert previews.picture_icon(picture(tmp_path / "cup.png")) == 0
    assert previews.job_icon(tmp_path, "front.srgb.npy") == 0
    assert previews.image_icon(image("Texture")) == 0
    assert not bpy.app.timers.is_registered(previews._work)


def stored(shown: np.ndarray, orientation: int) -> np.ndarray:
    """How a camera stores what is shown, by the table of EXIF 2.32: where row 0 and column 0 of the file are seen."""
    top_first = shown[::-1]
    turned = {
        1: top_first,
        2: top_first[:, ::-1],
        3: top_first[::-1, ::-1],
        4: top_first[::-1],
        5: top_first.swapaxes(0, 1),
        6: top_first.swapaxes(0, 1)[::-1],
        7: top_first.swapaxes(0, 1)[::-1, ::-1],
        8: top_first.swapaxes(0, 1)[:, ::-1],
    }
    return np.ascontiguousarray(turned[orientation][::-1])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_preview_of_a_photograph_is_upright(previews: Any, orientation: int, tmp_path: Path) -> None:
    shown = ramp(96, 64)
    path = photograph(tmp_path / "cup.jpg", stored(shown, orientation), orientation)
    try:
        previews._load(path, "key")
        preview = previews._previews()["key"]
        for size, pixels in (
            (preview.image_size, preview.image_pixels_float),
            (preview.icon_size, preview.icon_pixels_float),
        ):
            width, height = size
            assert width > height
            seen = np.array(pixels).reshape(height, width, 4)
            corners = seen[-2, 1], seen[-2, -2], seen[1, 1], seen[1, -2]
            wanted = (0, 1, 0), (1, 0, 0), (0, 0, 1), (0.5, 0.5, 0.5)
            assert np.abs(np.array(corners)[:, :3] - wanted).max() < 0.1
    finally:
        previews.release()


def test_a_changed_file_has_another_icon_and_the_oldest_ones_are_forgotten(previews: Any, tmp_path: Path) -> None:
    paths = [picture(tmp_path / f"{number}.png") for number in range(previews._MOST + 3)]
    try:
        for path in paths:
            previews._entries[str(path)] = previews._Entry()
            assert previews._look(str(path))
            assert not previews._look(str(path))
        previews._work()
        assert len(previews._entries) == len(previews._previews()) == previews._MOST
        assert list(previews._entries) == [str(path) for path in paths[3:]]
        before = previews._entries[str(paths[-1])].key
        picture(paths[-1], ramp(48, 32))
        assert previews._look(str(paths[-1]))
        assert before not in previews._previews()
        paths[-1].unlink()
        assert previews._look(str(paths[-1]))
        assert previews._entries[str(paths[-1])].icon == 0
        assert len(previews._previews()) == previews._MOST - 1
    finally:
        previews.release()


def test_a_view_is_cut_to_what_is_seen_as_square_as_it_allows(package: ModuleType) -> None:
    viewport = given.module(package, "blender.form.viewport")
    seen = np.zeros((100, 200), dtype=bool)
    seen[40:60, 20:30] = True
    left, bottom, right, top = np.array(viewport._around(seen)) * (200, 100, 200, 100)
    assert right - left == pytest.approx(top - bottom) == pytest.approx(22.4)
    assert (left + right) / 2 == pytest.approx(25) and (bottom + top) / 2 == pytest.approx(50)
    seen[:, 190:] = True
    assert viewport._around(seen) == (0, 0, 1, 1)
    errors = given.module(package, "errors")
    with pytest.raises(errors.BadPicture, match="Nothing is to be seen"):
        viewport._around(np.zeros((100, 200), dtype=bool))


def test_a_view_becomes_a_packed_image_with_straight_colours_and_a_preview(package: ModuleType, tmp_path: Path) -> None:
    viewport = given.module(package, "blender.form.viewport")
    pixels = np.zeros((600, 300, 4), dtype=np.uint8)
    pixels[:300] = 200, 100, 50, 255
    pixels[300:400] = 100, 50, 25, 128
    made = viewport._image("View", pixels)
    assert bytes(made.packed_file.data).startswith(b"\x89PNG") and not made.is_dirty
    seen = np.array(made.pixels).reshape(600, 300, 4)[[0, 350, -1], 0] * 255
    assert np.abs(seen[0] - (200, 100, 50, 255)).max() < 1
    # Multiplied in linear light: half of it is (1/2)^(1/2.2) = 0.73 of the value.
    assert np.abs(seen[1] - (136.8, 68.4, 34.2, 128)).max() < 2
    assert not seen[2].any()
    assert tuple(made.preview.image_size) == (100, 200)
    handed_over = given.module(package, "blender.form.images").hand_over(made, tmp_path, "front")
    assert handed_over == tmp_path / "front.png"
    assert handed_over.read_bytes() == bytes(made.packed_file.data)
