# SPDX-License-Identifier: GPL-3.0-or-later
"""Which part of a picture is its subject."""

from __future__ import annotations

import numpy as np
import pytest

from blender_image_to_3d.offline_shape import components, mask, refine

from .. import shapes
from ..conftest import ROOT


def covered(picture: shapes.Picture, source: str = "auto") -> shapes.Mask:
    """The mask of the whole picture, at full size."""
    cutout = mask.find(picture, source, max(picture.shape), lambda: None)  # type: ignore[arg-type]
    result = np.zeros(picture.shape[:2], bool)
    rows, columns = cutout.coverage.shape
    result[cutout.top : cutout.top + rows, cutout.left : cutout.left + columns] = cutout.coverage >= mask.INSIDE
    return result


def test_the_mask_is_the_alpha_channel_where_it_is_used() -> None:
    disc = shapes.disc(200, 0.3)
    assert (covered(shapes.cutout(disc)) == disc).all()


@pytest.mark.everywhere
def test_the_mask_is_what_differs_from_a_plain_background_even_if_lit_unevenly_and_noisy() -> None:
    disc = shapes.disc(300, 0.3)
    picture = shapes.opaque(disc, (180, 60, 40), (200, 205, 210)).astype(np.float64)
    y, x = np.mgrid[-1:1:300j, -1:1:300j]
    noise = np.random.default_rng(0).normal(0, 2, picture.shape)
    picture[..., :3] = (picture * (1 - 0.1 * y - 0.1 * x**2)[..., None] + noise)[..., :3].clip(0, 255)
    assert shapes.iou(covered(picture.astype(np.uint8)), disc) > 0.97


def test_a_subject_that_touches_the_frame_is_found() -> None:
    for radius, height in ((0.3, 0.85), (0.4, 0.9), (0.55, 1.0)):
        disc = shapes.disc(300, radius, (0.5, height))
        assert shapes.iou(covered(shapes.opaque(disc, behind=(250, 250, 250))), disc) > 0.98


def test_a_small_subject_is_looked_at_closely() -> None:
    disc = shapes.disc(2000, 0.05, (0.3, 0.6))
    cutout = mask.find(shapes.opaque(disc, behind=(250, 250, 250)), "auto", 500, lambda: None)
    assert cutout.factor == 1
    assert (cutout.coverage >= mask.INSIDE).sum() == pytest.approx(disc.sum(), rel=0.02)


def test_the_mask_is_the_whole_picture_where_no_background_is_plain() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (64, 80, 4), np.uint8)
    picture[..., 3] = 255
    assert covered(picture).all()


def test_a_single_colour_is_a_whole_picture() -> None:
    assert covered(np.full((20, 30, 4), 255, np.uint8)).all()


def test_a_faint_watermark_has_a_shape() -> None:
    picture = shapes.cutout(shapes.disc(100, 0.3))
    picture[..., 3] //= 5
    assert (covered(picture) == shapes.disc(100, 0.3)).all()


def test_specks_go_and_the_second_shoe_stays() -> None:
    shoes = shapes.disc(200, 0.2, (0.25, 0.5)) | shapes.disc(200, 0.15, (0.75, 0.5))
    specks = shoes.copy()
    specks[5:8, 100:103] = True
    assert (covered(shapes.cutout(specks)) == shoes).all()


def test_pinholes_are_filled_and_real_holes_stay() -> None:
    ring = shapes.ring(200, 0.3, 0.1)
    pinholes = ring.copy()
    pinholes[99:101, 40:42] = False
    assert (covered(shapes.cutout(pinholes)) == ring).all()


@pytest.mark.parametrize("source", ["auto", "alpha"])
def test_a_transparent_picture_is_refused_in_a_sentence(source: str) -> None:
    with pytest.raises(mask.EmptyMask, match=r"^The picture is fully transparent\.$"):
        covered(np.zeros((20, 20, 4), np.uint8), source)


def test_a_background_without_a_subject_is_refused_in_a_sentence() -> None:
    with pytest.raises(mask.EmptyMask, match=r"^Nothing in the picture differs from its background\.$"):
        covered(np.full((20, 20, 4), 255, np.uint8), "background")


@pytest.mark.everywhere
@pytest.mark.parametrize("over_corners", [False, True])
def test_components_agree_with_a_flood_fill(over_corners: bool) -> None:
    around = [(0, 1), (1, 0), (0, -1), (-1, 0), *([(1, 1), (1, -1), (-1, 1), (-1, -1)] if over_corners else [])]
    rng = np.random.default_rng(0)
    for _ in range(50):
        rows, columns = rng.integers(1, 30, 2)
        noise = rng.random((rows, columns)) < 0.55
        found = components.find(noise, over_corners=over_corners)
        rest, areas = noise.copy(), []
        while rest.any():
            todo = [tuple(np.argwhere(rest)[0])]
            rest[todo[0]] = False
            area = 0
            while todo:
                row, column = todo.pop()
                area += 1
                for r, c in ((row + down, column + right) for down, right in around):
                    if 0 <= r < rows and 0 <= c < columns and rest[r, c]:
                        rest[r, c] = False
                        todo.append((r, c))
            areas.append(area)
        assert sorted(found.areas) == sorted(areas)
        assert (found.select(np.ones(len(areas), bool)) == noise).all()


# --- photographs -----------------------------------------------------------------------------------------------------


def bear_before(background: np.ndarray) -> tuple[shapes.Picture, shapes.Mask]:
    """The sample picture, a cut-out bear, before ``background`` (side, side, 3), and its mask."""
    from PIL import Image

    side = len(background)
    with Image.open(ROOT / "scripts" / "sample" / "bear.png") as image:
        bear = image.convert("RGBA")
    bear = bear.crop(bear.getchannel("A").getbbox())
    bear.thumbnail((side * 7 // 10, side * 7 // 10))
    canvas = Image.new("RGBA", (side, side))
    canvas.paste(bear, ((side - bear.width) // 2, (side - bear.height) // 2))
    alpha = np.asarray(canvas.getchannel("A"))[..., None] / 255
    picture = np.full((side, side, 4), 255, np.uint8)
    picture[..., :3] = np.asarray(canvas)[..., :3] * alpha + background * (1 - alpha)
    return picture, alpha[..., 0] >= 0.5


def texture(name: str) -> np.ndarray:
    """A photograph (512, 512, 3) out of scikit-image's wheel."""
    import skimage.data

    grey = getattr(skimage.data, name)()[:512, :512]
    return np.repeat(grey[..., None], 3, axis=2)


def lit_wall() -> np.ndarray:
    y, x = np.mgrid[-1:1:512j, -1:1:512j]
    noise = np.random.default_rng(0).normal(0, 1.5, (512, 512))
    return np.repeat((200 - 30 * y - 12 * x**2 + noise)[..., None], 3, axis=2)


@pytest.mark.parametrize(
    ("background", "least"),
    [("white", 0.96), ("lit wall", 0.96), ("brick", 0.93), ("gravel", 0.93), ("grass", 0.9)],
)
def test_a_photographed_subject_is_found_before_any_background(background: str, least: float) -> None:
    flat = {"white": np.full((512, 512, 3), 255.0), "lit wall": lit_wall()}
    picture, truth = bear_before(flat[background] if background in flat else texture(background))
    assert shapes.iou(covered(picture), truth) > least


@pytest.mark.everywhere
def test_refining_moves_the_outline_onto_the_edge_of_the_picture() -> None:
    disc = shapes.disc(400, 0.3)
    picture = shapes.opaque(disc, (180, 60, 40), (90, 110, 100))
    noise = np.random.default_rng(0).integers(-8, 9, (400, 400, 3))
    picture[..., :3] = picture[..., :3] + noise
    shifted = shapes.disc(400, 0.3, (0.505, 0.495)).astype(np.float32)
    assert shapes.iou(shifted >= mask.INSIDE, disc) < 0.975
    assert shapes.iou(refine.to_edges(shifted, picture, lambda: None) >= mask.INSIDE, disc) > 0.985


def test_refining_leaves_a_mask_as_it_is_where_the_picture_has_no_edge() -> None:
    for side in (1, 7, 300, 1100):
        coverage = np.full((side, side), 1, np.float32)
        picture = np.full((side, side, 4), 120, np.uint8)
        assert refine.to_edges(coverage, picture, lambda: None) == pytest.approx(coverage, abs=1e-3)


def test_before_a_plain_background_nothing_outside_the_outline_is_added() -> None:
    for outline in (shapes.disc(300, 0.3), shapes.ring(300, 0.3, 0.1), np.tri(300, dtype=bool)[::-1]):
        outside = ~outline & (np.hypot(*(np.mgrid[:300, :300] - 149.5)) > 100)
        assert not (covered(shapes.opaque(outline, behind=(250, 250, 250))) & outside).any()


# --- a person's mask -------------------------------------------------------------------------------------------------


def by_mask(picture: shapes.Picture, given: shapes.Picture, least_size: int = 400) -> mask.Cutout:
    return mask.find(picture, "auto", least_size, lambda: None, given)


def test_a_given_mask_overrides_what_would_be_found_and_keeps_all_its_parts() -> None:
    drawn = shapes.disc(200, 0.2, (0.3, 0.3))
    drawn[150:152, 150:152] = True
    picture = shapes.opaque(shapes.disc(200, 0.4), behind=(255, 255, 255))
    for given in (shapes.opaque(drawn, (255, 255, 255), (0, 0, 0)), shapes.cutout(drawn, (0, 0, 0))):
        assert ((by_mask(picture, given).coverage >= mask.INSIDE) == drawn).all()


def test_a_given_mask_may_have_another_size_but_not_other_proportions() -> None:
    picture = shapes.opaque(shapes.disc(400, 0.4))[:300]
    drawn = shapes.opaque(np.ones((75, 100), bool), (255, 255, 255))
    drawn[:, :50, :3] = 0
    coverage = by_mask(picture, drawn).coverage
    assert coverage.shape == (300, 400)
    assert (coverage[:, 204:] == 1).all() and not coverage[:, :196].any()
    with pytest.raises(
        mask.MaskDoesNotFit, match=r"^The mask is 100 x 100 pixels and the picture 400 x 300: they must have the same"
    ):
        by_mask(picture, shapes.opaque(np.ones((100, 100), bool)))


def test_a_black_mask_is_refused_in_a_sentence() -> None:
    with pytest.raises(mask.EmptyMask, match=r"^The mask is black .* everywhere: white is the subject\.$"):
        by_mask(shapes.opaque(shapes.disc(50, 0.4)), shapes.opaque(np.ones((50, 50), bool), (0, 0, 0)))


# --- what a person should know ---------------------------------------------------------------------------------------


def concerns(picture: shapes.Picture, source: str = "auto") -> str:
    return " ".join(mask.concerns(mask.find(picture, source, max(picture.shape), lambda: None)))  # type: ignore[arg-type]


def test_nothing_is_said_of_a_subject_with_room_around_it_or_trimmed_to_its_box() -> None:
    disc = shapes.disc(300, 0.35)
    assert concerns(shapes.cutout(disc)) == concerns(shapes.opaque(disc, behind=(255, 255, 255))) == ""
    top, left, bottom, right = 45, 45, 255, 255
    trimmed = shapes.cutout(disc)[top:bottom, left:right]
    assert (trimmed[0, :, 3].any(), trimmed[:, -1, 3].any()) == (True, True)
    assert concerns(trimmed) == ""


def test_a_subject_that_is_cut_off_is_told_with_the_edges() -> None:
    low = shapes.cutout(shapes.disc(300, 0.4, (0.5, 0.9)))
    assert concerns(low).startswith("The subject touches the lower edge of the picture: it is cut off there")
    corner = shapes.cutout(shapes.disc(300, 0.4, (0.1, 0.9)))
    assert all(f"touches the {edge} edge of the picture" in concerns(corner) for edge in ("left", "lower"))


def test_small_large_and_several_subjects_are_told() -> None:
    assert "only 0.8 % of the picture: crop" in concerns(shapes.cutout(shapes.disc(300, 0.05)))
    both = shapes.disc(300, 0.2, (0.25, 0.5)) | shapes.disc(300, 0.15, (0.75, 0.5))
    assert concerns(shapes.cutout(both)).startswith("2 separate parts were found")
    most = mask.Cutout(np.ones((290, 300), np.float32), 10, 0, 1, (300, 300), "background")
    assert "The subject is over 90 % of the picture" in " ".join(mask.concerns(most))


def test_the_whole_picture_is_no_concern_if_chosen_and_one_if_nothing_was_found() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 80, 4), np.uint8)
    noise[..., 3] = 255
    assert concerns(noise, "whole") == ""
    assert concerns(noise) == "No subject was found, so the whole picture became one: choose one with a mask."
