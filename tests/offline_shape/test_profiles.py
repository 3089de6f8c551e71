# SPDX-License-Identifier: GPL-3.0-or-later
"""What the profiles of the offline generator make of simple outlines: the solids that one would expect."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from blender_image_to_3d.offline_shape import distance, generator, grid, mask, symmetry
from blender_image_to_3d.offline_shape.generator import Settings, Shape, Views

from .. import shapes
from ..generated import Solid, overlap


def make(outline: shapes.Mask, **chosen: object) -> Shape:
    return generator.generate(Views(shapes.cutout(outline)), Settings(**chosen), lambda share, what: None)  # type: ignore[arg-type]


def cone(size: int = 512) -> shapes.Mask:
    y, x = np.mgrid[:size, :size] + 0.5
    result: shapes.Mask = (abs(x - size / 2) < (y - 50) * 0.4) & (y < size - 50)
    return result


def bar(size: int = 512) -> shapes.Mask:
    result = np.zeros((size, size), bool)
    result[56:456, 156:356] = True
    return result


ROUND: dict[str, tuple[shapes.Mask, Solid, tuple[float, float, float]]] = {
    "sphere": (shapes.disc(512, 0.4), lambda p: (p**2).sum(axis=1) < 1, (1, 1, 1)),
    "cylinder": (bar(), lambda p: (np.hypot(p[:, 0], p[:, 2]) < 1) & (abs(p[:, 1]) < 2), (1, 2, 1)),
    "cone": (cone(), lambda p: (np.hypot(p[:, 0], p[:, 2]) < 0.4 * (1 - p[:, 1])) & (p[:, 1] > -1), (0.8, 1, 0.8)),
}


@pytest.mark.parametrize("name", ROUND)
def test_round_makes_what_a_lathe_makes(name: str) -> None:
    outline, solid, half_size = ROUND[name]
    assert overlap(make(outline, profile="round"), solid, half_size) > 0.965


def test_round_turns_each_part_of_a_row_about_its_own_axis() -> None:
    legs = np.zeros((300, 300), bool)
    legs[20:280, 40:100] = legs[20:280, 200:260] = True
    legs[20:80, 40:260] = True
    positions = make(legs, profile="round").positions
    depth, is_low = np.abs(positions[:, 2]), positions[:, 1] < 0.74
    assert depth[is_low].max() == pytest.approx(30 / 260, rel=0.03)
    assert depth.max() == pytest.approx(110 / 260, rel=0.03)


@pytest.mark.parametrize("depth", [0.02, 0.3, 1.0])
def test_extrude_makes_a_plate_of_the_depth_with_upright_walls(depth: float) -> None:
    disc = shapes.disc(512, 0.4)
    shape = make(disc, profile="extrude", depth=depth, bevel=0)
    assert np.ptp(shape.positions[:, 2]) == pytest.approx(depth, rel=0.03)
    solid = lambda p: (np.hypot(p[:, 0], p[:, 1]) < 1) & (abs(p[:, 2]) < depth)  # noqa: E731
    assert overlap(shape, solid, (1, 1, depth)) > 0.97
    assert shapes.signed_volume(shape.positions, shape.quads) == pytest.approx(np.pi / 4 * depth, rel=0.02)


def test_the_bevel_takes_a_quarter_circle_off_the_edges() -> None:
    shape = make(shapes.disc(512, 0.4), profile="extrude", depth=0.4, bevel=0.5, resolution=256)
    radius = 0.5 * 0.4 / 2  # half of half the depth
    distance_to_axis = np.hypot(shape.positions[:, 0], shape.positions[:, 1] - 0.5)
    in_bevel = (shape.positions[:, 2] > 0.2 - 0.9 * radius) & (distance_to_axis > 0.5 - 0.9 * radius)
    around = np.hypot(distance_to_axis[in_bevel] - (0.5 - radius), shape.positions[in_bevel, 2] - (0.2 - radius))
    assert in_bevel.sum() > 1000
    assert abs(around - radius).max() < 0.5 / 256


def test_a_letter_keeps_its_hole() -> None:
    ring = make(shapes.ring(512, 0.3, 0.1), profile="extrude", depth=0.3)
    assert shapes.signed_volume(ring.positions, ring.quads) == pytest.approx(0.3 * np.pi * (0.5**2 - 0.25**2), rel=0.03)


def coin() -> shapes.Picture:
    picture = shapes.cutout(shapes.disc(512, 0.4), (60, 60, 60))
    picture[shapes.disc(512, 0.2)] = (220, 220, 220, 255)
    return picture


def test_a_relief_has_a_flat_back_and_its_bright_parts_stand_out_by_their_share() -> None:
    depth, detail = 0.2, 0.4
    settings = Settings(profile="relief", depth=depth, detail=detail)
    shape = generator.generate(Views(coin()), settings, lambda share, what: None)
    back = shape.positions[:, 2].min()
    radius = np.hypot(shape.positions[:, 0], shape.positions[:, 1] - 0.5)
    front = shape.positions[:, 2] > 0
    assert abs(shape.positions[~front & (radius < 0.48), 2] - back).max() < 1e-3
    raised = shape.positions[front & (radius < 0.2), 2] - back
    plate = shape.positions[front & (radius > 0.3) & (radius < 0.48), 2] - back
    assert raised == pytest.approx(np.full(len(raised), depth), rel=0.02)
    assert plate == pytest.approx(np.full(len(plate), depth * (1 - detail)), rel=0.02)


def test_detail_does_not_emboss_what_is_turned_or_extruded() -> None:
    for profile in ("round", "extrude"):
        shapes_of = [
            generator.generate(Views(coin()), Settings(profile=profile, detail=detail), lambda share, what: None)  # type: ignore[arg-type]
            for detail in (0.0, 1.0)
        ]
        assert (shapes_of[0].positions == shapes_of[1].positions).all()


def test_the_distance_to_the_outline_is_that_of_a_disc() -> None:
    cutout = mask.find(shapes.cutout(shapes.disc(512, 0.4)), "alpha", 512, lambda: None)
    laid = grid.lay(cutout, 100)
    row, column = np.nonzero(laid.inside)
    middle = (np.array(laid.inside.shape) - 1) / 2
    expected = 50 - np.hypot(row - middle[0], column - middle[1])
    found = distance.to_outline(laid, 100)
    error = abs(found[laid.inside] - expected)
    assert error.max() < 0.5, "it is measured to crossings with the grid, which may be a cell apart"
    assert error.mean() < 0.1
    assert not found[~laid.inside].any()


def test_the_pattern_of_a_vase_goes_on_around_it() -> None:
    picture = shapes.cutout(shapes.disc(200, 0.4))
    picture[..., :3] = np.where((np.arange(200) // 8 % 2 == 0)[:, None, None], 255, 0)
    for profile, contrast in {"inflate": (0, 60), "round": (200, 256), "extrude": (200, 256)}.items():
        settings = Settings(profile=profile)  # type: ignore[arg-type]
        texture = generator.generate(Views(picture), settings, lambda share, what: None).texture.astype(int)
        middle = texture[texture.shape[0] // 2 - 8 :][:16, texture.shape[1] * 3 // 4, 0]
        assert contrast[0] <= np.ptp(middle) < contrast[1]


# --- symmetry ---------------------------------------------------------------------------------------------------------


def lopsided() -> shapes.Picture:
    """A disc with a large arm on its right and a small one on its left; red on the right, blue on the left."""
    outline = shapes.disc(300, 0.25)
    outline[140:160, 30:150] = outline[120:180, 150:280] = True
    picture = shapes.cutout(outline, (250, 0, 0))
    picture[:, :150, :3] = (0, 0, 250)
    return picture


def test_symmetric_mirrors_the_half_that_has_more() -> None:
    shape = generator.generate(Views(lopsided()), Settings(symmetric=True, detail=0), lambda share, what: None)
    x = shape.positions[:, 0]
    assert x.max() == pytest.approx(-x.min(), abs=1e-6)
    to_mirror_image, _ = cKDTree(shape.positions).query(shape.positions * [-1, 1, 1])
    assert to_mirror_image.max() < 1e-4
    tall = np.ptp(shape.positions[abs(x) > 0.45, 1])
    assert tall == pytest.approx(60 / 260, rel=0.1)
    assert shape.texture[..., 0].min() > 200, "the blue half is gone"


@pytest.mark.parametrize("is_right", [True, False])
def test_the_mirror_image_is_in_the_middle_of_a_picture_of_its_own(is_right: bool) -> None:
    picture = lopsided()[:, :: 1 if is_right else -1]
    mirrored, cutout = symmetry.symmetrical(picture, mask.find(picture, "alpha", 100, lambda: None))
    assert (mirrored == mirrored[:, ::-1]).all()
    assert cutout.picture_size == mirrored.shape[:2]
    _, left, _, right = cutout.box()
    assert left + right == mirrored.shape[1]


def test_a_symmetric_subject_stays_as_it_is() -> None:
    plain = make(shapes.disc(300, 0.4), detail=0)
    same = make(shapes.disc(300, 0.4), detail=0, symmetric=True)
    assert len(plain.quads) == pytest.approx(len(same.quads), rel=1e-3)
    assert cKDTree(plain.positions).query(same.positions)[0].max() < 2e-3


@pytest.mark.parametrize(("offset", "expected"), [(0, 1.0), (7, 1.0)])
def test_the_mirror_is_found_where_it_stands(offset: int, expected: float) -> None:
    mirror = symmetry.best_mirror(np.roll(shapes.ring(200, 0.25, 0.05), offset, axis=1))
    assert mirror.twice_place == 199 + 2 * offset
    assert mirror.likeness == expected
