# SPDX-License-Identifier: GPL-3.0-or-later
"""Several views as one picture: whoever takes it apart as TRELLIS does gets every view, whole, in order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from skimage import data

from blender_image_to_3d.errors import BadPicture
from blender_image_to_3d.pictures.pixels import read
from blender_image_to_3d.pictures.side_by_side import GAP, MAX_HEIGHT, compose, cut_out, is_cut_out, write_side_by_side

Bytes = NDArray[np.uint8]
COLOURS = [(200, 40, 40), (40, 180, 60), (50, 70, 200), (210, 180, 30)]


def pieces(picture: Bytes) -> list[Bytes]:
    """Take a picture apart as TRELLIS does, column by column.

    A piece begins where a column with anything in it follows an empty one, and ends where an empty one follows. The
    first column begins nothing and the last one ends nothing, for lack of a neighbour.
    """
    found: list[Bytes] = []
    start: int | None = None
    for column in range(1, picture.shape[1]):
        was_full, is_full = bool(picture[:, column - 1, 3].any()), bool(picture[:, column, 3].any())
        if is_full and not was_full:
            start = column
        if was_full and not is_full:
            assert start is not None, "the first view has no beginning"
            found.append(picture[:, start:column])
            start = None
    assert start is None, "the last view has no end"
    return found


def solid(picture: Bytes) -> tuple[slice, slice]:
    """The box of what TRELLIS takes for the subject: alpha above 80 %."""
    rows, columns = np.nonzero(picture[:, :, 3] > 0.8 * 255)
    return slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)


def figure(colour: tuple[int, int, int], size: tuple[int, int], *, mode: str = "RGBA", place: int = 20) -> Image.Image:
    """A coloured ellipse of a size; the rest is transparent, or white if the mode has no alpha."""
    image = Image.new(mode, (size[0] + 3 * place, size[1] + 2 * place), None if mode == "RGBA" else "white")
    ImageDraw.Draw(image).ellipse((place, place, place + size[0] - 1, place + size[1] - 1), fill=colour)
    return image


@st.composite
def cut_outs(draw: st.DrawFn) -> Bytes:
    """A picture whose alpha is anything: full of gaps, faint, a single pixel, or a few rows high."""
    height, width = draw(st.integers(1, 60)), draw(st.integers(1, 60))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    picture = random.integers(0, 256, (height, width, 4), np.uint8)
    picture[:, :, 3] = random.choice([0, 1, 9, 10, 128, 255], (height, width))
    picture[random.random((height, width)) < draw(st.floats(0, 1)), 3] = 0
    picture[:, random.random(width) < draw(st.floats(0, 0.9)), 3] = 0
    picture[random.integers(height), random.integers(width), 3] = 255
    return picture


@settings(max_examples=300)
@given(st.lists(cut_outs(), min_size=1, max_size=4), st.integers(1, 70))
def test_every_view_comes_out_as_one_piece(pictures: list[Bytes], max_height: int) -> None:
    before = [picture.copy() for picture in pictures]
    composed = compose(pictures, max_height=max_height)
    found = pieces(composed)
    assert len(found) == len(pictures)
    assert composed.shape[0] <= max_height and composed.shape[2] == 4 and composed.dtype == np.uint8
    assert composed.shape[1] == sum(piece.shape[1] for piece in found) + GAP * (len(found) + 1)
    assert all(np.array_equal(picture, old) for picture, old in zip(pictures, before, strict=True))


def test_views_keep_their_order_their_colours_and_their_proportions() -> None:
    sizes = [(300, 240), (150, 480), (200, 360), (400, 300)]
    views = [np.asarray(figure(colour, size)) for colour, size in zip(COLOURS, sizes, strict=True)]
    composed = compose(views)
    assert composed.shape[0] == 240, "the lowest of them"
    for piece, colour, (width, height) in zip(pieces(composed), COLOURS, sizes, strict=True):
        assert abs(piece.shape[1] - width * 240 / height) <= 1
        seen = piece[piece[:, :, 3] > 1]
        assert (seen[:, :3] == colour).all(), "no dark rim"
        assert abs(piece[:, :, 3].mean() / 255 - np.pi / 4) < 0.01, "an ellipse fills this share of its box"
        box = piece[solid(piece)]
        assert box.shape[0] >= 238 and abs(box.shape[1] - piece.shape[1]) <= 4


def test_no_view_is_higher_than_it_has_to_be() -> None:
    view = np.full((2000, 500, 4), 255, np.uint8)
    assert compose([view, view]).shape == (MAX_HEIGHT, 2 * 256 + 3 * GAP, 4)


def test_what_keeps_a_view_together_is_not_seen() -> None:
    legs = np.zeros((80, 60, 4), np.uint8)
    legs[:, :20] = legs[:, 40:] = (90, 60, 30, 255)
    (piece,) = pieces(compose([legs]))
    assert piece.shape == (80, 60, 4)
    assert piece[:, 20:40, 3].max() == 1 and (piece[:, 20:40, 3].sum(axis=0) == 1).all()
    assert np.array_equal(piece[:, :20], legs[:, :20]) and np.array_equal(piece[:, 40:], legs[:, 40:])


def test_faint_dirt_does_not_make_the_subject_small() -> None:
    view = np.asarray(figure(COLOURS[0], (100, 100), place=100)).copy()
    view[0, 0, 3] = view[-1, -1, 3] = 5
    (piece,) = pieces(compose([view]))
    assert piece.shape == (100, 100, 4)


def test_a_view_that_shows_nothing_is_named() -> None:
    with pytest.raises(BadPicture, match="Picture 2 is fully transparent"):
        compose([np.full((20, 20, 4), 255, np.uint8), np.zeros((20, 20, 4), np.uint8)])


# Cutting out


@pytest.mark.parametrize("scale", [1, 5])
def test_a_subject_on_a_plain_background_is_cut_out(scale: int) -> None:
    image = figure(COLOURS[2], (300 * scale, 200 * scale), mode="RGB", place=40 * scale)
    cut = cut_out(np.asarray(image.convert("RGBA")))
    assert is_cut_out(cut)
    height, width = cut[solid(cut)].shape[:2]
    assert abs(width / height - 1.5) < 0.02 and abs((cut[:, :, 3] > 127).sum() / (width * height) - np.pi / 4) < 0.02
    inside = np.asarray(Image.fromarray(cut[:, :, 3]).filter(ImageFilter.MinFilter(5))) == 255
    assert (cut[inside][:, :3] == COLOURS[2]).all() and not cut[cut[:, :, 3] == 0].any()


def test_a_real_photograph_is_cut_out_of_its_black_background() -> None:
    eye = data.retina()
    cut = cut_out(np.asarray(Image.fromarray(eye).convert("RGBA")))
    # The eye's ground is red, and nothing of the background is: JPEG leaves it a little noise.
    is_eye = eye[:, :, 0] > 40
    assert abs((cut[:, :, 3] > 127).sum() / is_eye.sum() - 1) < 0.02
    assert np.abs(cut[cut[:, :, 3] > 127][:, :3].mean(axis=0) - eye[is_eye].mean(axis=0)).max() < 2


def test_the_background_leaves_no_rim(tmp_path: Path) -> None:
    path = tmp_path / "mug.jpg"
    large = figure(COLOURS[2], (1200, 800), mode="RGB", place=160)
    large.resize((380, 280), Image.Resampling.LANCZOS).save(path, quality=92)
    cut = cut_out(read(path))
    inside = np.asarray(Image.fromarray(cut[:, :, 3]).filter(ImageFilter.MinFilter(3))) > 127
    rim = cut[(cut[:, :, 3] > 127) & ~inside][:, :3].astype(int)
    # In the picture itself less than 1 % of them are: the rest is mixed with white.
    assert len(rim) > 300 and (np.abs(rim - COLOURS[2]).max(axis=1) < 20).mean() > 0.98


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8))


def test_the_subject_of_a_photograph_is_cut_out() -> None:
    photograph = np.asarray(Image.fromarray(data.coffee()).convert("RGBA"))
    assert 0.2 < (cut_out(photograph)[:, :, 3] > 127).mean() < 0.9


def test_a_picture_without_a_subject_is_refused() -> None:
    with pytest.raises(BadPicture, match=r'"back\.jpg" has no plain background') as caught:
        cut_out(np.asarray(NOISE.convert("RGBA")), name='"back.jpg"')
    assert "transparent" in caught.value.hint


def test_a_picture_of_nothing_is_refused() -> None:
    with pytest.raises(BadPicture, match=r"^The picture has no "):
        cut_out(np.full((100, 100, 4), 255, np.uint8))


# Files


@pytest.fixture
def four(tmp_path: Path) -> list[Path]:
    """Four views, each in another colour; that of the back is a photograph on white."""
    paths = []
    for side, colour in zip(("front", "back", "left", "right"), COLOURS, strict=True):
        path = tmp_path / (f"{side}.jpg" if side == "back" else f"{side}.png")
        figure(colour, (240, 400), mode="RGB" if side == "back" else "RGBA").save(path, **{"quality": 95})
        paths.append(path)
    return paths


def test_files_become_one_picture(four: list[Path], tmp_path: Path) -> None:
    target = tmp_path / "views.png"
    notes = write_side_by_side(four, target, names=["a.png", "mug.jpg", "c", "d"], blender=None, max_bytes=None)
    assert notes == ('"mug.jpg" was cut out of its background.',)
    found = pieces(read(target))
    assert len(found) == 4 and not list(tmp_path.glob("*~"))
    for piece, colour in zip(found, COLOURS, strict=True):
        assert abs(piece.shape[1] / piece.shape[0] - 0.6) < 0.01
        assert np.abs(np.median(piece[piece[:, :, 3] > 200][:, :3], axis=0) - colour).max() <= 3


def test_the_picture_is_small_enough_and_every_view_still_there(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    paths = []
    for number, colour in enumerate(COLOURS):
        view = np.asarray(figure(colour, (600, 900))).copy()
        view[:, :, :3] = np.clip(view[:, :, :3] + random.normal(0, 12, (*view.shape[:2], 3)), 0, 255)
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(view).save(paths[-1])
    target = tmp_path / "views.png"
    (note,) = write_side_by_side(paths, target, blender=None, max_bytes=300_000)
    assert 180_000 <= target.stat().st_size <= 300_000
    composed = read(target)
    assert len(pieces(composed)) == 4
    assert note == (
        f"The views were scaled down to a height of {len(composed)} pixels: all of them together may have at most "
        "0.3 MB."
    )
    assert not composed[:, :GAP, 3].any() and not composed[:, -GAP:, 3].any(), "the gaps are not scaled"


def test_a_view_that_cannot_be_cut_out_is_named_and_nothing_is_written(four: list[Path], tmp_path: Path) -> None:
    NOISE.save(four[2])
    with pytest.raises(BadPicture, match=r'"left\.png" has no plain background'):
        write_side_by_side(four, tmp_path / "views.png", blender=None, max_bytes=None)
    assert not (tmp_path / "views.png").exists()
