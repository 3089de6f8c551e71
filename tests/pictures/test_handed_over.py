# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures as a service takes them: as they are where that is possible, else upright, small enough, and no smaller."""

from __future__ import annotations

import io
import json
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from blender_image_to_3d.errors import BadPicture
from blender_image_to_3d.models import Job
from blender_image_to_3d.pictures import handed_over, pixels, png, scaling
from blender_image_to_3d.pictures.handed_over import Prepared, Wanted, prepare

from ..conftest import User, draw_disc

Bytes = NDArray[np.uint8]
ORIENTATION = 274
PAID = ("--provider", "paid_service")


def wanted(*formats: str, **limits: int | bool) -> Wanted:
    return Wanted("ModelsLab", formats or ("PNG", "JPEG"), **limits)  # type: ignore[arg-type]


def prepared(path: Path, what: Wanted, name: str = "cup.jpg") -> Prepared:
    return prepare(path, what, name=name, blender=None)


def photograph(width: int, height: int, *, noise: float = 0.0) -> Image.Image:
    """A real photograph in another size, with the noise of a sensor in place of the detail that it lacks."""
    enlarged = np.asarray(Image.fromarray(data.coffee()).resize((width, height)), np.float32)
    grain = np.random.default_rng(1).standard_normal(enlarged.shape, np.float32) * np.float32(noise)
    return Image.fromarray(np.clip(np.rint(enlarged + grain), 0, 255).astype(np.uint8))


def with_orientation(image: Image.Image, path: Path, orientation: int) -> Path:
    """Store the picture so that a viewer that looks at the orientation shows ``image``."""
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored = image.transpose(undo[orientation]) if orientation in undo else image
    stored.save(path, exif=exif, **({"quality": 95, "subsampling": 0} if path.suffix == ".jpg" else {}))
    return path


def weighted_mean(picture: Bytes) -> NDArray[np.float64]:
    """The mean colour of what can be seen, and the mean alpha; for (h, w, 3) the mean colour."""
    values = picture.reshape(-1, picture.shape[2]).astype(np.float64)
    if values.shape[1] == 3:
        return values.mean(axis=0)
    alpha = values[:, 3:]
    return np.append((values[:, :3] * alpha).sum(axis=0) / alpha.sum(), alpha.mean())


# As it is


@pytest.mark.parametrize("name", ["cup.jpg", "cup.png"])
def test_a_picture_that_is_as_wanted_is_sent_untouched(name: str, tmp_path: Path) -> None:
    path = with_orientation(photograph(300, 200), tmp_path / name, 1)
    before = path.read_bytes()
    limits = wanted(must_be_upright=True, max_bytes=len(before), good_side=200)
    assert prepared(path, limits) == Prepared(path)
    assert [each.name for each in tmp_path.iterdir()] == [name] and path.read_bytes() == before


def test_who_turns_pictures_himself_gets_them_as_they_are(tmp_path: Path) -> None:
    path = with_orientation(photograph(300, 200), tmp_path / "front.jpg", 6)
    assert prepared(path, wanted()) == Prepared(path)


# Upright


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_a_service_gets_pictures_as_a_viewer_shows_them(suffix: str, orientation: int, tmp_path: Path) -> None:
    shown = photograph(90, 60)
    path = with_orientation(shown, tmp_path / f"front{suffix}", orientation)
    sent = prepared(path, wanted("PNG", "JPEG", "WebP", must_be_upright=True))
    assert sent.path.name == "front.sent.png" and sent.notes == ()
    with Image.open(sent.path) as image:
        assert (image.size, image.mode, image.getexif().get(ORIENTATION)) == ((90, 60), "RGB", None)
        difference = np.abs(np.asarray(image).astype(int) - np.asarray(shown))
    assert difference.mean() < (0.5 if suffix == ".png" else 6)


# Small enough


@pytest.mark.parametrize("limit", [30_000, 120_000, 400_000])
@pytest.mark.parametrize(("suffix", "orientation"), [(".png", 1), (".jpg", 1), (".jpg", 8)])
def test_a_large_photograph_just_fits(limit: int, suffix: str, orientation: int, tmp_path: Path) -> None:
    original = photograph(1200, 800, noise=8)
    path = with_orientation(original, tmp_path / f"front{suffix}", orientation)
    assert path.stat().st_size > limit
    sent = prepared(path, wanted(must_be_upright=True, max_bytes=limit))
    assert 0.6 * limit <= sent.path.stat().st_size <= limit
    with Image.open(sent.path) as image:
        width, height = image.size
        small = np.asarray(image)
    assert abs(width - height * 1.5) <= 1 and small.shape[2] == 3
    assert np.abs(weighted_mean(small) - weighted_mean(np.asarray(original))).max() < 1
    # The same picture, not only the same colours: Pillow's average takes whole pixels, so that the grain differs.
    reference = np.asarray(original.resize((width, height), Image.Resampling.BOX)).astype(int)
    assert np.abs(small - reference).mean() < 4
    (note,) = sent.notes
    assert note == (
        f'"cup.jpg" was scaled down from 1200 x 800 to {width} x {height} pixels: '
        f"ModelsLab takes at most {limit / 1e6:.3g} MB."
    )


def test_what_fits_without_its_idle_alpha_keeps_all_its_pixels(tmp_path: Path) -> None:
    path = tmp_path / "front.png"
    photograph(300, 200, noise=8).convert("RGBA").save(path, compress_level=0)
    sent = prepared(path, wanted(max_bytes=path.stat().st_size * 3 // 4))
    assert sent.notes == ()
    with Image.open(sent.path) as image, Image.open(path) as original:
        assert image.mode == "RGB" and np.array_equal(np.asarray(image), np.asarray(original)[:, :, :3])


@pytest.mark.parametrize("alpha", [0, 254])
def test_a_single_pixel_that_is_not_opaque_keeps_the_alpha(alpha: int, tmp_path: Path) -> None:
    path = tmp_path / "front.tif"
    picture = photograph(300, 200).convert("RGBA")
    picture.putpixel((299, 199), (1, 2, 3, alpha))
    picture.save(path)
    with Image.open(prepared(path, wanted("PNG")).path) as image:
        assert image.mode == "RGBA" and np.array_equal(np.asarray(image), np.asarray(picture))


def test_a_drawing_is_not_scaled_down_as_if_it_were_a_photograph(tmp_path: Path) -> None:
    path = draw_disc(tmp_path / "front.png", (200, 40, 40), size=2000)
    with Image.open(path) as image:
        image.save(path, compress_level=0)
    sent = prepared(path, wanted(max_bytes=200_000))
    with Image.open(sent.path) as image, Image.open(path) as original:
        assert image.size == (2000, 2000) and np.array_equal(np.asarray(image), np.asarray(original))
    assert sent.notes == ()


def test_a_format_that_is_not_taken_is_small_enough_too(tmp_path: Path) -> None:
    path = tmp_path / "front.tif"
    photograph(600, 400, noise=8).save(path)
    sent = prepared(path, wanted("PNG", max_bytes=50_000))
    assert 30_000 <= sent.path.stat().st_size <= 50_000 and len(sent.notes) == 1


def test_raw_pixels_from_blender_are_small_enough_too(tmp_path: Path) -> None:
    path = tmp_path / "front.srgb.npy"
    floats = np.asarray(photograph(600, 400, noise=8).convert("RGBA"), np.float32)[::-1] / np.float32(255)
    np.save(path, floats)
    sent = prepared(path, wanted("PNG", max_bytes=50_000, good_side=512), name="Render Result")
    assert sent.path.name == "front.sent.png" and 30_000 <= sent.path.stat().st_size <= 50_000
    assert [note.startswith('"Render Result" ') for note in sent.notes] == [True, True]


def test_what_cannot_fit_is_refused_with_a_sentence(tmp_path: Path) -> None:
    path = with_orientation(photograph(300, 200), tmp_path / "front.png", 1)
    with pytest.raises(BadPicture, match="No picture fits into 60 bytes"):
        prepared(path, wanted(max_bytes=60))


def test_the_edges_of_a_cut_out_do_not_darken(tmp_path: Path) -> None:
    # What is transparent is black: averaged with the colours it would make a dark rim.
    path = tmp_path / "front.png"
    grain = np.random.default_rng(1).integers(0, 2, (900, 900, 1))
    canvas = np.zeros((900, 900, 4), np.uint8)
    ring = np.zeros((900, 900), bool)
    y, x = np.ogrid[-450:450, -450:450]
    ring |= (x * x + y * y < 400**2) & (x * x + y * y > 200**2)
    canvas[ring] = (250, 240, 230, 255)
    canvas[:, :, :3] += (grain * ring[:, :, None]).astype(np.uint8)
    Image.fromarray(canvas).save(path)
    sent = prepared(path, wanted(max_bytes=20_000))
    small = pixels.read(sent.path)
    rim = small[(small[:, :, 3] > 0) & (small[:, :, 3] < 255)]
    assert len(rim) > 100 and np.abs(rim[:, :3].astype(int) - (250, 240, 230)).max() <= 2
    assert not small[small[:, :, 3] == 0].any()
    assert np.abs(weighted_mean(small) - weighted_mean(canvas)).max() < 1


def test_a_camera_picture_takes_a_moment_and_little_memory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "front.jpg"
    photograph(6000, 4000, noise=4).save(path, quality=92)
    began = time.monotonic()
    sent = prepared(path, wanted(max_bytes=3_700_000))
    seconds = time.monotonic() - began
    decoded = pixels.read(path)[:, :, :3]
    tracemalloc.start()
    scaling.fit(decoded, 3_700_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    with capsys.disabled():
        print(f"\n24 megapixels, {path.stat().st_size / 1e6:.1f} MB of JPEG: {seconds:.2f} s; {sent.notes[0]}")
        print(f"besides the decoded picture: {peak / 1e6:.0f} MB")
    assert 0.6 * 3.7e6 <= sent.path.stat().st_size <= 3.7e6
    assert seconds < 20 and peak < 60e6


# Area averages


@settings(max_examples=150)
@given(
    st.tuples(st.integers(1, 70), st.integers(1, 70)),
    st.tuples(st.floats(0.01, 1), st.floats(0.01, 1)),
    st.sampled_from([3, 4]),
    st.integers(0, 2**32 - 1),
)
def test_shrinking_is_the_average_of_areas(
    size: tuple[int, int], factors: tuple[float, float], channels: int, seed: int
) -> None:
    """Against the definition: every pixel is repeated until whole blocks of them make a pixel of the result."""
    height, width = (max(1, round(side * factor)) for side, factor in zip(size, factors, strict=True))
    picture = np.random.default_rng(seed).integers(0, 256, (*size, channels), np.uint8)
    result = scaling.shrink(picture, width, height)
    assert result.shape == (height, width, channels) and result.dtype == np.uint8
    values = picture.astype(np.float64)
    if channels == 4:
        values[:, :, :3] *= values[:, :, 3:] / 255
    fine = values.repeat(height, axis=0).repeat(width, axis=1)
    exact = fine.reshape(height, size[0], width, size[1], channels).mean(axis=(1, 3))
    if channels == 4:
        assert np.abs(result[:, :, 3] - exact[:, :, 3]).max() <= 0.501
        seen = exact[:, :, 3] >= 1
        colours = exact[seen][:, :3] / exact[seen][:, 3:] * 255
        assert (np.abs(result[seen][:, :3] - colours) <= 0.51).all()
    else:
        assert np.abs(result - exact).max() <= 0.501


def test_bands_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = np.asarray(photograph(333, 217, noise=8))
    whole = scaling.shrink(picture, 101, 77)
    monkeypatch.setattr(scaling, "_BAND_PIXELS", 1000)
    monkeypatch.setattr(scaling, "_BAND_ROWS", 5)
    assert np.abs(scaling.shrink(picture, 101, 77).astype(int) - whole).max() <= 1


@settings(max_examples=100)
@given(st.floats(0.8, 4), st.floats(0.1, 8), st.floats(0.001, 1), st.floats(0.01, 1))
def test_the_largest_is_found_however_files_grow(
    power: float, bytes_per_pixel: float, share: float, first_scale: float
) -> None:
    """Files that grow as an outline (1), an area (2) or faster: the answer fits, and is not needlessly small."""
    full = 400_000 * bytes_per_pixel
    limit = max(500, int(full * share))

    def draw(scale: float) -> Bytes:
        return np.broadcast_to(np.uint8(7), (1, round(1e6 * scale) + 1, 3))

    def encode(picture: Bytes) -> bytes:
        return bytes(57 + int(full * ((picture.shape[1] - 1) / 1e6) ** power))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(png, "encode", encode)
        found = scaling.largest(draw, limit, first_scale=first_scale)
    assert len(found.data) <= limit
    assert len(found.data) >= 0.6 * limit or found.width == 1_000_001


# What is said


def test_an_icon_is_sent_with_a_warning(tmp_path: Path) -> None:
    path = draw_disc(tmp_path / "front.png", (200, 40, 40), size=64)
    sent = prepare(path, Wanted("1min.ai", ("PNG",), good_side=512), name="icon.png", blender=None)
    assert sent == Prepared(path, ('"icon.png" has 64 x 64 pixels; 1min.ai recommends at least 512.',))


def test_sizes_in_notes_are_those_that_a_viewer_shows(tmp_path: Path) -> None:
    path = with_orientation(photograph(90, 60), tmp_path / "front.jpg", 6)
    (note,) = prepared(path, wanted(must_be_upright=True, good_side=512), name="bad\nname").notes
    assert note == '"bad?name" has 90 x 60 pixels; ModelsLab recommends at least 512.'


def test_preparing_again_changes_and_says_nothing(tmp_path: Path) -> None:
    path = with_orientation(photograph(300, 200, noise=8), tmp_path / "front.jpg", 3)
    limits = wanted(must_be_upright=True, max_bytes=20_000, good_side=512)
    first = prepared(path, limits)
    before = first.path.stat().st_mtime_ns
    assert len(first.notes) == 2
    assert prepared(first.path, limits) == Prepared(first.path)
    assert first.path.stat().st_mtime_ns == before


def test_a_disk_that_is_full_leaves_what_was_handed_over(full_folder: Path) -> None:
    path = full_folder / "front.jpg"
    photograph(150, 100, noise=8).save(path, quality=50)
    before = path.read_bytes()
    with pytest.raises(OSError, match="No space left"):
        prepared(path, wanted("PNG"))
    assert path.read_bytes() == before and [each.name for each in full_folder.iterdir()] == ["front.jpg"]


# In a job


@pytest.fixture
def strict_user(user: User) -> User:
    """Somebody whose service takes small files only, and recommends large pictures."""
    user.environment |= {"TILL_PICTURE_BYTES": "50000", "TILL_PICTURE_SIDE": "700"}
    return user


@pytest.fixture
def mug(tmp_path: Path) -> Path:
    path = tmp_path / "mug.jpg"
    photograph(900, 600, noise=8).save(path, quality=92)
    return path


def test_the_job_says_what_was_done_to_its_picture(strict_user: User, mug: Path) -> None:
    answer = strict_user.run("generate", mug, *PAID, "--json")
    assert answer.status == 0, answer.errors
    (job,) = strict_user.jobs()
    scaled, warning = answer.lines[-1]["notes"]
    assert job["notes"] == [scaled, warning]
    assert scaled.startswith('"mug.jpg" was scaled down from 900 x 600 to ') and scaled.endswith("at most 0.05 MB.")
    assert warning == '"mug.jpg" has 900 x 600 pixels; Paid Service recommends at least 700.'
    (folder,) = strict_user.library.glob("[!.]*")
    assert job["request"]["views"]["front"]["file"] == "front.sent.png" and not (folder / "front.jpg").exists()
    assert (folder / "front.sent.png").stat().st_size <= 50_000
    assert f"Note: {scaled}" in strict_user.run("generate", mug, *PAID).errors
    assert len(strict_user.sold) == 1


def test_the_same_picture_is_known_again_whatever_was_sent_of_it(strict_user: User, mug: Path) -> None:
    strict_user.run("generate", mug, *PAID)
    (sold,) = strict_user.sold
    (job,) = strict_user.jobs()
    made = Job.model_validate(job)
    assert made.request.fingerprint == json.loads(sold.read_text())["fingerprint"]
    del strict_user.environment["TILL_PICTURE_BYTES"]
    again = strict_user.run("generate", mug, *PAID)
    assert "was made before" in again.errors and len(strict_user.sold) == 1


def test_resuming_prepares_once_and_notes_once(strict_user: User, mug: Path) -> None:
    strict_user.run("generate", mug, *PAID, "--option", "fails=refused")
    (folder,) = strict_user.library.glob("[!.]*")
    before = (folder / "front.sent.png").stat()
    notes = strict_user.jobs()[0]["notes"]
    assert len(notes) == 2
    strict_user.run("jobs", "resume", folder.name)
    after = (folder / "front.sent.png").stat()
    (job,) = strict_user.jobs()
    assert job["notes"] == notes and (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_limits_are_facts_of_the_provider(strict_user: User) -> None:
    (facts,) = strict_user.run("providers", "paid_service", "--json").lines
    assert (facts["max_picture_bytes"], facts["good_picture_side"]) == (50_000, 700)


def test_what_is_sent_is_a_picture_for_everyone(mug: Path) -> None:
    sent = prepared(mug, wanted(max_bytes=50_000)).path
    with Image.open(io.BytesIO(sent.read_bytes())) as image:
        image.verify()
    assert handed_over.suffix_of(sent) == ".png"
