# SPDX-License-Identifier: GPL-3.0-or-later
"""The offline generator: whatever the picture, a closed and well-textured mesh comes out, and the same one each
time."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from blender_image_to_3d.offline_shape import generator, level_set, surface_nets
from blender_image_to_3d.offline_shape.generator import Settings, Shape, UnusablePicture, Views
from blender_image_to_3d.offline_shape.mask import EmptyMask
from blender_image_to_3d.offline_shape.settings import Profile

from .. import generated, shapes
from ..generated import OUTLINES, antialiased, assert_well_formed, overlap, sampled_texels

ROOT = Path(__file__).parents[2]


def make(picture: shapes.Picture, **chosen: object) -> Shape:
    return generator.generate(Views(picture), Settings(**chosen), lambda share, what: None)  # type: ignore[arg-type]


# --- any outline -----------------------------------------------------------------------------------------------------


@settings(max_examples=220, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(
    outline=st.sampled_from(OUTLINES),
    seed=st.integers(0, 2**32 - 1),
    size=st.tuples(st.integers(1, 64), st.integers(1, 64)),
    thickness=st.floats(0.05, 2),
    detail=st.floats(0, 1),
    resolution=st.integers(32, 160),
    target_faces=st.sampled_from([0, 0, 0, 24, 300, 3000]),
    back=st.sampled_from(["auto", "mirror", "soft"]),
    profile=st.sampled_from(get_args(Profile)),
    depth=st.floats(0.01, 2),
    bevel=st.floats(0, 1),
    symmetric=st.booleans(),
)
@example(generated.noise, 1, (1, 1), 0.75, 0.15, 160, 0, "auto", "inflate", 0.2, 0.15, True)
@example(generated.lines, 1, (1, 64), 0.05, 1.0, 32, 0, "auto", "extrude", 2, 1, True)
def test_every_outline_becomes_a_closed_oriented_textured_manifold(
    outline: generated.Outline,
    seed: int,
    size: tuple[int, int],
    thickness: float,
    detail: float,
    resolution: int,
    target_faces: int,
    back: str,
    profile: str,
    depth: float,
    bevel: float,
    symmetric: bool,
) -> None:
    rng = np.random.default_rng(seed)
    picture = shapes.cutout(outline(rng, *size))
    picture[..., :3] = rng.integers(0, 256, (*size, 3))
    try:
        with generated.without_network:
            shape = make(
                picture,
                profile=profile,
                thickness=thickness,
                depth=depth,
                bevel=bevel,
                detail=detail,
                symmetric=symmetric,
                resolution=resolution,
                target_faces=target_faces,
                back=back,
                texture_size=128,
            )
    except EmptyMask:
        assert not picture[..., 3].any()
        return
    assert not shapes.manifold_faults(shape.quads)
    assert shapes.signed_volume(shape.positions, shape.quads) > 0
    assert_well_formed(shape)
    assert_within_its_tile(shape)
    if target_faces:
        assert len(shape.quads) <= target_faces


def assert_within_its_tile(shape: Shape) -> None:
    """Each face stays half a texel within one of the two tiles, front or back."""
    columns = shape.texture.shape[1] // 2
    column = shape.uvs[..., 0] * np.float32(2 * columns)
    within = column - np.floor(column[:, :1] / columns) * columns
    assert within.min() >= 0.5 - generated.SLACK
    assert within.max() <= columns - 0.5 + generated.SLACK


@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
@settings(max_examples=60, derandomize=True)
def test_smoothing_turns_no_face_over(seed: int, highest: int) -> None:
    rng = np.random.default_rng(seed)
    thickness = np.zeros((16, 16), np.float32)
    thickness[2:-2, 2:-2] = rng.uniform(0.1, highest, (12, 12)) * (rng.random((12, 12)) < 0.6)
    inside = level_set.well_composed((thickness > 0).astype(np.int32)) > 0
    half = level_set.half(thickness, inside)
    rim = (np.full((15, 16), 0.3, np.float32), np.full((16, 15), 0.3, np.float32))
    crossings, _ = level_set.crossings(half, half, rim)
    net = surface_nets.build(crossings, lambda: None)
    corners = surface_nets.smooth(net, lambda: None)[net.quads]
    areas = np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
    outwards = np.where(crossings.leaves, 1, -1)
    assert (areas[np.arange(len(areas)), crossings.axis] * outwards > 0).all()


@given(st.integers(0, 2**32 - 1), st.integers(1, 9))
@settings(max_examples=60, derandomize=True)
def test_repaired_columns_only_grow_and_have_no_diagonal_contact(seed: int, highest: int) -> None:
    before = np.random.default_rng(seed).integers(0, highest + 1, (20, 20)).astype(np.int32)
    after = level_set.well_composed(before)
    assert (after >= before).all()
    assert after.max() == before.max()
    a, b, c, d = after[:-1, :-1], after[:-1, 1:], after[1:, :-1], after[1:, 1:]
    assert (np.minimum(a, d) <= np.maximum(b, c)).all()
    assert (np.minimum(b, c) <= np.maximum(a, d)).all()


# --- known shapes ----------------------------------------------------------------------------------------------------


@pytest.mark.everywhere
def test_a_disc_becomes_an_exact_ellipsoid_and_overlaps_the_sphere() -> None:
    picture = shapes.cutout(shapes.disc(512, 0.4))
    flat = make(picture, detail=0)
    assert shapes.signed_volume(flat.positions, flat.quads) == pytest.approx(0.75 * np.pi / 6, rel=0.01)
    assert overlap(make(picture), lambda p: (p**2).sum(axis=1) < 1, (1, 1, 1)) > 0.74
    assert overlap(make(picture, thickness=1), lambda p: (p**2).sum(axis=1) < 1, (1, 1, 1)) > 0.98


@pytest.mark.everywhere
def test_a_ring_becomes_a_torus() -> None:
    shape = make(shapes.cutout(shapes.ring(512, 0.3, 0.12)))
    major, minor = 0.3, 0.12

    def torus(p: np.ndarray) -> np.ndarray:
        return (np.hypot(p[:, 0], p[:, 1]) - major) ** 2 + p[:, 2] ** 2 < minor**2

    assert overlap(shape, torus, (major + minor, major + minor, minor)) > 0.88


def test_an_upright_bar_overlaps_the_cylinder() -> None:
    picture = np.zeros((512, 512), bool)
    picture[56:456, 156:356] = True
    shape = make(shapes.cutout(picture))
    assert overlap(shape, lambda p: (p[:, 0] ** 2 + p[:, 2] ** 2 < 1) & (abs(p[:, 1]) < 2), (1, 2, 1)) > 0.8


def test_thickness_scales_the_depth() -> None:
    picture = shapes.cutout(shapes.disc(256, 0.4))
    for thickness in (0.05, 0.4, 0.75, 1.0):
        depth = np.ptp(make(picture, thickness=thickness, detail=0).positions[:, 2])
        assert depth == pytest.approx(thickness, rel=0.02)
    deep = np.ptp(make(picture, thickness=2, detail=0).positions, axis=0)
    assert deep == pytest.approx([0.5, 0.5, 1], rel=0.02)


@pytest.mark.everywhere
def test_relief_is_on_the_front_only() -> None:
    picture = shapes.cutout(shapes.disc(256, 0.4))
    picture[100:110, :, :3] = 255
    flat, raised = make(picture, detail=0).positions, make(picture, detail=1).positions
    assert np.ptp(raised[:, 2]) > np.ptp(flat[:, 2]) * 1.02

    def roughness(positions: np.ndarray, side: int) -> float:
        near = (abs(positions[:, 0]) < 0.003) & (abs(positions[:, 1] - 0.5) < 0.4)
        column = positions[near & (side * positions[:, 2] > 0)]
        return float(np.abs(np.diff(column[np.argsort(column[:, 1]), 2], 2)).max())

    assert roughness(raised, 1) > 2 * roughness(raised, -1)
    assert roughness(raised, -1) == pytest.approx(roughness(flat, -1), rel=0.2)


@pytest.mark.everywhere
def test_the_outline_keeps_its_place_to_a_fraction_of_a_cell() -> None:
    x, y = make(shapes.cutout(shapes.disc(512, 0.4)), resolution=64, detail=0).positions[:, :2].T
    distance = np.hypot(x, y - 0.5)
    rim = distance[distance > 0.49]
    assert distance.max() < 0.503
    assert len(rim) > 100


def thin_line(size: int, width: int, kind: str) -> shapes.Mask:
    """A head with an antenna of ``width`` pixels."""
    along = np.linspace(0, 1, 8 * size)
    x, y = {
        "upright": (0.5 + 0 * along, 0.06 + 0.5 * along),
        "slanted": (0.1 + 0.35 * along, 0.1 + 0.5 * along),
        "curved": (0.5 + 0.3 * np.sin(6 * along), 0.06 + 0.5 * along),
    }[kind]
    result = shapes.disc(size, 0.2, (0.5, 0.72))
    for down in range(width):
        for right in range(width):
            result[(y * size).astype(int) + down, (x * size).astype(int) + right] = True
    return result


@pytest.mark.parametrize("kind", ["upright", "slanted", "curved"])
@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.parametrize("size", [512, 1024, 2048])
def test_a_thin_part_stays_whole_and_in_one_piece(size: int, width: int, kind: str) -> None:
    outline = thin_line(size, width, kind)
    rows, columns = np.nonzero(outline)
    shape = make(shapes.cutout(outline), resolution=96, texture_size=256)
    across, up, _ = np.ptp(shape.positions, axis=0)
    assert up / across == pytest.approx(np.ptp(rows) / np.ptp(columns), rel=0.02)
    edges = shape.quads[:, [0, 1, 1, 2, 2, 3]].reshape(-1, 2)
    joined = coo_matrix((np.ones(len(edges)), edges.T), shape=[len(shape.positions)] * 2)
    assert connected_components(joined)[0] == 1


# --- what the pictures are for ---------------------------------------------------------------------------------------


def test_a_mask_says_what_the_subject_is() -> None:
    picture = shapes.opaque(shapes.disc(300, 0.2, (0.3, 0.5)) | shapes.disc(300, 0.2, (0.75, 0.5)))
    wide = make(picture)
    mask = np.zeros((150, 150, 4), np.uint8)
    mask[...] = np.where(shapes.disc(150, 0.2, (0.75, 0.5))[..., None], 255, (0, 0, 0, 255))
    shape = generator.generate(Views(picture, mask=mask), Settings(), lambda share, what: None)
    assert np.ptp(wide.positions, axis=0)[:2] == pytest.approx([1, 0.47], abs=0.02)
    assert np.ptp(shape.positions, axis=0)[:2] == pytest.approx([1, 1], abs=0.02)
    assert "2 separate parts" in wide.notes[0] and not shape.notes


@pytest.mark.parametrize("view", ["front", "back", "left", "mask"])
def test_a_picture_that_cannot_be_used_is_named(view: str) -> None:
    good = shapes.cutout(shapes.disc(64, 0.3))
    pictures = {"front": good, view: np.zeros_like(good)}
    with pytest.raises(UnusablePicture) as caught:
        generator.generate(Views(**pictures), Settings(), lambda share, what: None)
    assert caught.value.view == view


def test_a_mask_of_another_picture_is_refused_with_both_sizes() -> None:
    with pytest.raises(UnusablePicture, match="30 x 20 pixels and the picture 64 x 64") as caught:
        mask = np.full((20, 30, 4), 255, np.uint8)
        generator.generate(Views(shapes.cutout(shapes.disc(64, 0.3)), mask=mask), Settings(), lambda share, what: None)
    assert caught.value.view == "mask"


def test_what_is_worth_saying_of_several_pictures_is_said_once() -> None:
    cropped = shapes.cutout(shapes.disc(200, 0.4, (0.5, 0.9)))
    shape = generator.generate(Views(cropped, left=cropped, back=cropped), Settings(), lambda share, what: None)
    assert len(shape.notes) == 1 and "lower edge" in shape.notes[0]


@pytest.mark.everywhere
def test_the_picture_of_the_back_is_on_the_back_and_the_right_way_round() -> None:
    outline = np.tri(200, dtype=bool)[:, ::-1]
    front, back = shapes.cutout(outline, (250, 0, 0)), shapes.cutout(outline[:, ::-1], (0, 0, 250))
    back[:100, :, :3] = (0, 250, 0)
    shape = generator.generate(Views(front, back=back), Settings(), lambda share, what: None)
    middles, uvs = shape.positions[shape.quads].mean(axis=1), shape.uvs.mean(axis=1)
    rows, columns = shape.texture.shape[:2]
    colours = shape.texture[(uvs[:, 1] * rows).astype(int), (uvs[:, 0] * columns).astype(int)]
    behind = (middles[:, 2] < -0.03) & (abs(middles[:, 1] - 0.5) > 0.05)
    assert (colours[middles[:, 2] > 0.03].argmax(axis=1) == 0).all()
    assert (colours[behind].argmax(axis=1) == np.where(middles[behind, 1] > 0.5, 1, 2)).all()


# --- texture ---------------------------------------------------------------------------------------------------------


OBJECTS = {
    "disc": shapes.disc(1200, 0.4),
    "ring": shapes.ring(1200, 0.3, 0.1),
    "cropped": shapes.disc(1200, 0.4, (0.5, 0.9)),
    "small": shapes.disc(1200, 0.1),
    "thin": shapes.disc(1200, 0.2) | (np.abs(np.arange(1200) - 600) < 12)[:, None],
}


@pytest.mark.parametrize("back", ["mirror", "soft"])
@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.parametrize("picture_of", [shapes.cutout, shapes.opaque])
def test_no_colour_of_the_background_bleeds_into_the_object(
    name: str, picture_of: Callable[..., shapes.Picture], back: str
) -> None:
    if name == "ring" and picture_of is shapes.opaque:
        pytest.skip("what a plain background encloses counts as the subject: it may be an eye or a label")
    shape = make(antialiased(picture_of(OBJECTS[name], (255, 0, 0), (0, 255, 0)), 3), back=back)
    assert sampled_texels(shape)[:, 1].max() <= 2


def test_front_and_back_do_not_bleed_into_each_other() -> None:
    picture = shapes.cutout(np.ones((100, 100), bool))
    picture[:, 50:, :3] = (0, 0, 255)
    picture[0, 0, 3] = 0
    shape = make(picture, back="mirror")
    is_right = shape.positions[shape.quads].mean(axis=1)[:, 0] > 0.3  # The rim's colours come from further away.
    right = Shape(shape.positions, shape.quads[is_right], shape.uvs[is_right], shape.texture)
    assert sampled_texels(right)[:, 0].max() == 0


def test_the_front_shows_the_picture_the_right_way_round() -> None:
    picture = shapes.cutout(np.ones((90, 90), bool), (10, 10, 10))
    picture[0, 0, 3] = 0
    picture[:45, 45:, :3] = (250, 0, 0)
    shape = make(picture)
    middles, uvs = shape.positions[shape.quads].mean(axis=1), shape.uvs.mean(axis=1)
    rows, columns = shape.texture.shape[:2]
    colours = shape.texture[(uvs[:, 1] * rows).astype(int), (uvs[:, 0] * columns).astype(int)]
    front = (middles[:, 2] > 0.02) & (abs(middles[:, 0]) > 0.05) & (abs(middles[:, 1] - 0.5) > 0.05)
    is_upper_right = (middles[:, 0] > 0) & (middles[:, 1] > 0.5)
    assert ((colours[:, 0] > 128) == is_upper_right)[front].all()
    assert (uvs[middles[:, 2] > 0.02, 0] < 0.5).all()
    assert (uvs[middles[:, 2] < -0.02, 0] > 0.5).all()


def test_the_back_of_a_symmetric_outline_is_soft_and_of_another_mirrored() -> None:
    stripes = (np.arange(200) // 4 % 2 == 0)[:, None, None]

    def contrast(outline: shapes.Mask) -> float:
        picture = shapes.cutout(outline)
        picture[..., :3] = np.where(stripes, 255, 0)
        texture = make(picture).texture.astype(int)
        return float(np.ptp(texture[texture.shape[0] // 2 - 8 :][:16, texture.shape[1] * 3 // 4, 0]))

    triangle = np.tri(200, dtype=bool)
    assert contrast(shapes.disc(200, 0.4)) < 60
    assert contrast(triangle) > 200


def test_the_texture_is_no_larger_than_asked() -> None:
    texture = make(shapes.cutout(shapes.disc(300, 0.4)), texture_size=100).texture
    assert max(texture.shape[0], texture.shape[1] // 2) == 100


# --- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outline", [shapes.disc(400, 0.4), shapes.ring(400, 0.35, 0.05), np.tri(400, dtype=bool)])
def test_target_faces_are_nearly_reached_and_never_exceeded(outline: shapes.Mask) -> None:
    picture = shapes.cutout(outline)
    finest = len(make(picture, resolution=384).quads)
    for target in (24, 100, 1000, 5000, 20_000, 60_000):
        count = len(make(picture, target_faces=target).quads)
        assert count <= target
        if target >= 1000:
            assert count >= 0.9 * min(target, finest), target


def test_a_target_out_of_reach_gives_the_finest_grid() -> None:
    picture = shapes.cutout(shapes.disc(64, 0.1))
    assert len(make(picture, target_faces=10**9).quads) == len(make(picture, resolution=384).quads)


@pytest.mark.everywhere
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("thickness", 0.04),
        ("thickness", 2.1),
        ("thickness", float("nan")),
        ("detail", -0.1),
        ("resolution", 31),
        ("resolution", 385),
        ("texture_size", 0),
        ("target_faces", -1),
        ("target_faces", 23),
        ("back", "front"),
        ("mask", "neural"),
        ("profile", "flat"),
        ("depth", 0.0),
        ("bevel", 1.1),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be"):
        Settings(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(0, 5, 4), (5, 5, 3), (5, 5)])
def test_an_array_that_is_no_picture_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="a picture is an array of bytes"):
        make(np.zeros(shape, np.uint8))


# --- how it runs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sides", [["front"], ["front", "left"]])
@pytest.mark.parametrize("target_faces", [0, 5000])
def test_progress_never_goes_back_and_ends_at_one(target_faces: int, sides: list[str]) -> None:
    seen: list[float] = []
    generator.generate(
        Views(**dict.fromkeys(sides, shapes.cutout(shapes.disc(300, 0.4)))),
        Settings(target_faces=target_faces),
        lambda share, what: seen.append(share),
    )
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (0, 1)
    assert len(seen) > 10 * len(sides)


CUT_OUT, BEFORE_WHITE = shapes.cutout(shapes.disc(64, 0.4)), shapes.opaque(shapes.disc(64, 0.4), behind=(255, 255, 255))


@pytest.mark.parametrize(
    ("views", "most"),
    [(Views(CUT_OUT), 10**9), (Views(BEFORE_WHITE), 11), (Views(CUT_OUT, back=CUT_OUT, left=CUT_OUT), 10**9)],
    ids=["one side", "one side before a background", "several"],
)
def test_progress_can_stop_the_work_at_every_call(views: Views, most: int) -> None:
    calls, stop_at = 0, 0

    def count(share: float, what: str) -> None:
        nonlocal calls
        calls += 1
        if calls == stop_at:
            raise KeyboardInterrupt(what)

    generator.generate(views, Settings(resolution=32), count)
    for stop_at in range(1, min(calls, most) + 1):
        calls = 0
        with pytest.raises(KeyboardInterrupt):
            generator.generate(views, Settings(resolution=32), count)
        assert calls == stop_at


DIGEST = """
import hashlib
import numpy as np
from blender_image_to_3d.offline_shape import generator
from tests import shapes
digest = hashlib.sha256()
picture = shapes.opaque(shapes.ring(300, 0.3, 0.1), behind=(240, 240, 240))
noise = np.random.default_rng(0).integers(-3, 4, (300, 300, 3))
picture[..., :3] = np.clip(picture[..., :3].astype(int) + noise, 0, 255)
front, left = shapes.cutout(shapes.ring(300, 0.3, 0.1)), shapes.cutout(shapes.disc(300, 0.3))
front[..., :3] = picture[..., :3]
for target in (0, 4000):
    for views in (generator.Views(picture), generator.Views(front, left=left)):
        shape = generator.generate(views, generator.Settings(target_faces=target), lambda share, what: None)
        for array in (shape.positions, shape.quads, shape.uvs, shape.texture):
            digest.update(np.ascontiguousarray(array).tobytes())
print(digest.hexdigest())
"""


@pytest.mark.everywhere
def test_two_processes_make_the_same_bytes() -> None:
    digests = set()
    for seed in ("1", "2"):
        environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "PYTHONHASHSEED": seed,
            "OPENBLAS_NUM_THREADS": seed,
        }
        done = subprocess.run(
            [sys.executable, "-c", DIGEST], env=environment, capture_output=True, text=True, check=True
        )
        digests.add(done.stdout)
    assert len(digests) == 1


def test_the_picture_is_not_changed() -> None:
    picture = shapes.cutout(shapes.disc(100, 0.4))
    before = picture.copy()
    picture.flags.writeable = False
    make(picture)
    assert (picture == before).all()


@pytest.mark.parametrize(("sides", "most"), [(["front"], 200e6), (["front", "left", "back"], 300e6)])
def test_memory_stays_below_200_or_300_mb_for_pictures_of_a_megapixel(sides: list[str], most: float) -> None:
    picture = shapes.cutout(shapes.disc(1024, 0.45))
    tracemalloc.start()
    try:
        generator.generate(Views(**dict.fromkeys(sides, picture)), Settings(), lambda share, what: None)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < most
