# SPDX-License-Identifier: GPL-3.0-or-later
"""Several views: whatever the silhouettes, a closed manifold comes out; what is round stays round, and each picture is
on its own side."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from blender_image_to_3d.offline_shape import generator, hull, mask, texture, view_texture, views, volume
from blender_image_to_3d.offline_shape.generator import Settings, Shape
from blender_image_to_3d.offline_shape.mask import EmptyMask

from .. import generated, shapes
from ..generated import OUTLINES, antialiased, assert_well_formed, overlap, sampled_texels

RED, GREEN, BLUE, YELLOW = (230, 30, 30), (30, 200, 30), (30, 30, 230), (230, 230, 30)


def make(pictures: dict[str, shapes.Picture], **chosen: object) -> Shape:
    return generator.generate(
        generator.Views(**pictures),
        Settings(**chosen),  # type: ignore[arg-type]
        lambda share, what: None,
    )


def parts(quads: np.ndarray) -> int:
    """The connected pieces of a mesh."""
    label = np.arange(quads.max() + 1)
    while True:
        before = label.copy()
        np.minimum.at(label, quads, label[quads].min(axis=1)[:, None])
        label = label[label]
        if (label == before).all():
            return len(np.unique(label))


# --- any silhouettes -------------------------------------------------------------------------------------------------


@settings(max_examples=80, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(
    outlines=st.lists(st.sampled_from(OUTLINES), min_size=2, max_size=4),
    sides=st.permutations(["left", "right", "back"]),
    seed=st.integers(0, 2**32 - 1),
    size=st.tuples(st.integers(1, 64), st.integers(1, 64)),
    profile=st.sampled_from(["inflate", "round", "extrude"]),
    resolution=st.integers(32, 64),
    target_faces=st.sampled_from([0, 0, 0, 24, 300, 3000]),
    symmetric=st.booleans(),
    back=st.sampled_from(["auto", "mirror", "soft"]),
)
@example([generated.noise] * 2, ["left", "right", "back"], 1, (1, 1), "inflate", 96, 0, False, "auto")
@example([generated.lines] * 3, ["left", "back", "right"], 1, (1, 64), "round", 32, 0, True, "auto")
def test_any_silhouettes_become_a_closed_oriented_textured_manifold(
    outlines: list[generated.Outline],
    sides: list[str],
    seed: int,
    size: tuple[int, int],
    profile: str,
    resolution: int,
    target_faces: int,
    symmetric: bool,
    back: str,
) -> None:
    rng = np.random.default_rng(seed)
    names = ["front", *sides][: len(outlines)]
    if not {"left", "right"} & set(names):
        names[-1] = "left"
    pictures = {}
    for name, outline in zip(names, outlines, strict=True):
        pictures[name] = shapes.cutout(outline(rng, *size))
        pictures[name][..., :3] = rng.integers(0, 256, (*size, 3))
    try:
        with generated.without_network:
            shape = make(
                pictures,
                profile=profile,
                resolution=resolution,
                target_faces=target_faces,
                symmetric=symmetric,
                back=back,
                texture_size=128,
            )
    except EmptyMask as refusal:
        transparent = any(not picture[..., 3].any() for picture in pictures.values())
        assert transparent or "nothing in common" in str(refusal)
        return
    assert not shapes.manifold_faults(shape.quads)
    assert shapes.signed_volume(shape.positions, shape.quads) > 0
    assert_well_formed(shape)
    if target_faces:
        assert len(shape.quads) <= target_faces


@given(st.integers(0, 2**32 - 1), st.tuples(*[st.integers(1, 9)] * 3), st.booleans())
@settings(max_examples=100, derandomize=True)
def test_repaired_voxels_only_grow_within_their_box_and_touch_over_faces(
    seed: int, size: tuple[int, int, int], mirrored: bool
) -> None:
    rng = np.random.default_rng(seed)
    before = np.pad(rng.random(size) < rng.random(), 1)
    if mirrored:
        before |= before[:, ::-1]
    after = before.copy()
    surface = volume.repair(after, mirrored=mirrored, tick=lambda: None)
    assert (after >= before).all()
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        assert not (after.any(axis=others) & ~_between(before.any(axis=others))).any()
    codes = sum(
        after[y : y - 1 or None, x : x - 1 or None, z : z - 1 or None].astype(int) << (x + 2 * y + 4 * z)
        for x in (0, 1)
        for y in (0, 1)
        for z in (0, 1)
    )
    assert not volume.FILL[codes].any()
    crossing = sum(int(np.count_nonzero(np.diff(after.astype(int), axis=axis))) for axis in range(3))
    assert surface.count_edges() == crossing
    if mirrored:
        assert (after == after[:, ::-1]).all()


def _between(line: np.ndarray) -> np.ndarray:
    """From the first True to the last."""
    return np.maximum.accumulate(line) & np.maximum.accumulate(line[::-1])[::-1]


def test_every_cell_that_needs_no_filling_has_one_sheet_of_surface() -> None:
    corners = [np.array([c & 1, c >> 1 & 1, c >> 2]) for c in range(8)]
    near = [[other for other in range(8) if np.abs(corners[c] - corners[other]).sum() == 1] for c in range(8)]

    def pieces(members: set[int]) -> int:
        count = 0
        while members:
            count, todo = count + 1, [members.pop()]
            while todo:
                found = members & set(near[todo.pop()])
                members -= found
                todo += found
        return count

    for code in range(1, 255):
        inside = {corner for corner in range(8) if code >> corner & 1}
        single = pieces(set(inside)) == 1 and pieces(set(range(8)) - inside) == 1
        assert (volume.FILL[code] == 0) == single
        assert not volume.FILL[code] & code


def test_loose_parts_agree_with_a_flood_fill() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        solid = np.pad(rng.random(rng.integers(1, 9, 3)) < 0.4, 1)
        rest, expected, found = solid.copy(), np.zeros_like(solid), []
        while rest.any():
            todo = [tuple(np.argwhere(rest)[0])]
            rest[todo[0]] = False
            part = []
            while todo:
                place = todo.pop()
                part.append(place)
                for step in np.concatenate([np.eye(3, dtype=int), -np.eye(3, dtype=int)]):
                    beside = tuple(np.array(place) + step)
                    if rest[beside]:
                        rest[beside] = False
                        todo.append(beside)
            found.append(part)
        for part in found:
            if len(part) >= 0.3 * max(map(len, found)):
                expected[tuple(np.array(part).T)] = True
        assert (volume.drop_loose_parts(solid, 0.3, lambda: None) == expected).all()


# --- known shapes ----------------------------------------------------------------------------------------------------


def bar(width: float, height: float, size: int = 512) -> shapes.Mask:
    result = np.zeros((size, size), bool)
    w, h = round(width * size / 2), round(height * size / 2)
    result[size // 2 - h : size // 2 + h, size // 2 - w : size // 2 + w] = True
    return result


def shaded(outline: shapes.Mask) -> shapes.Picture:
    """As a round thing looks: darker towards its left and right."""
    picture = shapes.cutout(outline)
    x = np.linspace(-1, 1, outline.shape[1])[None, :, None] * outline.shape[1] / max(1, outline.any(axis=0).sum())
    picture[..., :3] = picture[..., :3] * np.sqrt(np.clip(1 - x**2, 0.1, 1))
    return picture


def triangle(size: int = 512) -> shapes.Mask:
    y, x = (np.mgrid[:size, :size] + 0.5) / size
    result: shapes.Mask = np.abs(x - 0.5) < np.clip(y - 0.1, 0, 0.8) / 2 * (y < 0.9)
    return result


def capsule(reach: float, radius: float, size: int = 512) -> shapes.Mask:
    y, x = np.abs((np.mgrid[:size, :size] + 0.5) / size - 0.5)
    result: shapes.Mask = np.hypot(x, np.maximum(y - reach, 0)) < radius
    return result


SOLIDS: dict[str, tuple[shapes.Picture, shapes.Picture, Callable[[np.ndarray], np.ndarray], tuple, float]] = {
    "sphere": (
        shaded(shapes.disc(512, 0.4)),
        shaded(shapes.disc(512, 0.4)),
        lambda p: (p**2).sum(axis=1) < 1,
        (1, 1, 1),
        0.985,
    ),
    "ellipsoid": (
        shaded(shapes.disc(512, 0.4)),
        shaded(shapes.disc(512, 0.4))[:, ::2],
        lambda p: p[:, 0] ** 2 + p[:, 1] ** 2 + 4 * p[:, 2] ** 2 < 1,
        (1, 1, 0.5),
        0.98,
    ),
    "upright cylinder": (
        shaded(bar(0.4, 0.8)),
        shaded(bar(0.4, 0.8)),
        lambda p: (p[:, 0] ** 2 + p[:, 2] ** 2 < 1) & (abs(p[:, 1]) < 2),
        (1, 2, 1),
        0.98,
    ),
    "lying cylinder": (
        shapes.cutout(bar(0.8, 0.4)),
        shaded(shapes.disc(512, 0.2)),
        lambda p: (p[:, 1] ** 2 + p[:, 2] ** 2 < 1) & (abs(p[:, 0]) < 2),
        (2, 1, 1),
        0.97,
    ),
    "cone": (
        shaded(triangle()),
        shaded(triangle()),
        lambda p: (np.hypot(p[:, 0], p[:, 2]) < (1 - p[:, 1]) / 2) & (abs(p[:, 1]) < 1),
        (1, 1, 1),
        0.97,
    ),
    "box": (
        shapes.cutout(bar(0.4, 0.8)),
        shapes.cutout(bar(0.6, 0.8)),
        lambda p: (abs(p[:, 0]) < 1) & (abs(p[:, 1]) < 2) & (abs(p[:, 2]) < 1.5),
        (1, 2, 1.5),
        0.98,
    ),
    "torus": (
        shapes.cutout(shapes.ring(512, 0.3, 0.1)),
        shapes.cutout(capsule(0.3, 0.1)),
        lambda p: (np.hypot(p[:, 0], p[:, 1]) - 3) ** 2 + p[:, 2] ** 2 < 1,
        (4, 4, 1),
        0.94,
    ),
}


@pytest.mark.parametrize("name", SOLIDS)
def test_a_front_and_a_side_view_give_the_solid(name: str) -> None:
    front, side, solid, half_size, floor = SOLIDS[name]
    for sides in ("left", "right"):
        shape = make({"front": front, sides: side})
        assert overlap(shape, solid, half_size) >= floor


def test_profiles_make_sections_round_or_rectangular() -> None:
    pictures = {"front": shapes.cutout(bar(0.4, 0.8)), "left": shapes.cutout(bar(0.4, 0.8))}
    volumes = {
        profile: shapes.signed_volume(shape.positions, shape.quads)
        for profile in ("round", "extrude")
        for shape in [make(pictures, profile=profile)]
    }
    assert volumes["extrude"] == pytest.approx(0.25, rel=0.02)
    assert volumes["round"] == pytest.approx(0.25 * np.pi / 4, rel=0.02)


def test_arms_are_not_as_deep_as_the_body() -> None:
    front = bar(0.3, 0.8)
    front[150:350, 60:90] = front[150:350, 422:452] = True
    front[200:230, 60:452] = True
    shape = make({"front": shapes.cutout(front), "left": shaded(bar(0.3, 0.8))})
    middles = shape.positions[shape.quads].mean(axis=1)
    body, arm = (np.ptp(middles[np.abs(np.abs(middles[:, 0]) - x) < 0.02, 2]) for x in (0.0, 0.45))
    assert body == pytest.approx(0.3 / 0.8, rel=0.1)
    assert arm < 0.3 * body


def test_a_thin_antenna_stays_and_stays_in_one_piece() -> None:
    outline = shapes.disc(1024, 0.25, (0.5, 0.7))
    outline[50:500, 510:513] = True
    quads = make({"front": shapes.cutout(outline), "left": shapes.cutout(outline)}, resolution=96).quads
    assert parts(quads) == 1


def test_a_splinter_is_dropped_and_a_second_shoe_stays() -> None:
    shoes = shapes.disc(400, 0.2, (0.25, 0.5)) | shapes.disc(400, 0.15, (0.75, 0.5))
    side = shapes.disc(400, 0.2)
    assert parts(make({"front": shapes.cutout(shoes), "left": shapes.cutout(side)}).quads) == 2
    specks = shoes.copy()
    specks[196:204, 196:204] = True
    assert parts(make({"front": shapes.cutout(specks), "left": shapes.cutout(side)}, mask="alpha").quads) == 2


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("scale", [1, 3])
def test_views_may_have_any_scale_and_place(side: str, scale: int) -> None:
    front, size = shaded(shapes.disc(512, 0.4)), 200 * scale
    place = shaded(shapes.disc(size, 0.4))
    moved = np.zeros((size * 2, size * 3, 4), np.uint8)
    moved[size // 2 : size // 2 + size, size : 2 * size] = place
    shape = make({"front": front, side: moved})
    assert overlap(shape, lambda p: (p**2).sum(axis=1) < 1, (1, 1, 1)) > 0.97


def test_opposite_views_are_averaged() -> None:
    wide = shaded(shapes.disc(512, 0.4))
    narrow = np.delete(wide, np.s_[::8], axis=1)
    shape = make({"front": wide, "left": wide, "right": narrow})
    assert np.ptp(shape.positions, axis=0) == pytest.approx([1, 1, 15 / 16], abs=0.01)


def test_views_without_a_common_height_are_refused_in_a_sentence() -> None:
    ends = np.zeros((3000, 1000), bool)
    ends[:300] = ends[-300:] = True
    middle = np.zeros((3000, 1000), bool)
    middle[1450:1550, 300:600] = True
    middle[:10, 400:440] = middle[-10:, 400:440] = True  # They vanish between the points of the lattice.
    with pytest.raises(EmptyMask, match=r"^The views have nothing in common: no height at which"):
        make({"front": shapes.cutout(ends), "left": shapes.cutout(middle)}, mask="alpha", resolution=32)


# --- which way round -------------------------------------------------------------------------------------------------


def head(nose: str) -> shapes.Mask:
    """A disc; with a nose that points to the left or to the right of the picture."""
    result = shapes.disc(400, 0.3)
    if nose:
        result |= shapes.disc(400, 0.08, (0.2 if nose == "left" else 0.8, 0.6))
    return result


@pytest.mark.parametrize(("side", "nose"), [("left", "left"), ("right", "right")])
def test_the_nose_points_to_the_viewer_of_the_front(side: str, nose: str) -> None:
    positions = make({"front": shapes.cutout(head("")), side: shapes.cutout(head(nose))}).positions
    below = positions[np.abs(positions[:, 1] - 0.33) < 0.03]
    above = positions[np.abs(positions[:, 1] - 0.66) < 0.03]
    assert below[:, 2].max() - above[:, 2].max() > 0.1
    assert abs(below[:, 2].min() - above[:, 2].min()) < 0.05


def test_the_front_and_a_mirrored_back_have_one_outline() -> None:
    flag = bar(0.2, 0.8)
    flag[60:160, 256:400] = True
    plain = make({"front": shapes.cutout(flag), "left": shapes.cutout(bar(0.2, 0.8))})
    both = make(
        {"front": shapes.cutout(flag), "back": shapes.cutout(flag[:, ::-1]), "left": shapes.cutout(bar(0.2, 0.8))}
    )
    assert shapes.signed_volume(both.positions, both.quads) == pytest.approx(
        shapes.signed_volume(plain.positions, plain.quads), rel=0.02
    )
    height, x = both.positions[:, 1], both.positions[:, 0]
    assert x[np.abs(height - 0.85) < 0.05].max() > 0.2
    assert x[np.abs(height - 0.3) < 0.05].max() < 0.05


def colours_of(shape: Shape) -> np.ndarray:
    """The colour (m, 3) at the middle of each face."""
    rows, columns = shape.texture.shape[:2]
    uvs = shape.uvs.astype(np.float64).mean(axis=1)
    return shape.texture[(uvs[:, 1] * rows).astype(int), (uvs[:, 0] * columns).astype(int)].astype(int)


def nearest_colour(colours: np.ndarray, palette: list[tuple[int, int, int]]) -> np.ndarray:
    return np.abs(colours[:, None] - np.array(palette)).sum(axis=2).argmin(axis=1)


def test_the_colours_of_each_view_are_on_its_side() -> None:
    palette = [RED, GREEN, BLUE, YELLOW]
    disc = shapes.disc(400, 0.4)
    names = ["front", "back", "left", "right"]
    shape = make({name: shapes.cutout(disc, colour) for name, colour in zip(names, palette, strict=True)})
    middles = shape.positions[shape.quads].mean(axis=1) - [0, 0.5, 0]
    found = nearest_colour(colours_of(shape), palette)
    axes = np.stack([middles[:, 2], -middles[:, 2], middles[:, 0], -middles[:, 0]], axis=1)
    clear = np.sort(axes, axis=1)[:, -1] > 1.6 * np.sort(axes, axis=1)[:, -2]
    clear &= abs(middles[:, 1]) < 0.35
    assert clear.sum() > 1000
    assert (found == axes.argmax(axis=1))[clear].all()


@pytest.mark.parametrize("side", ["front", "back", "left", "right"])
def test_each_picture_is_the_right_way_round(side: str) -> None:
    disc = shapes.disc(400, 0.4)
    pictures = {name: shapes.cutout(disc, (120, 120, 120)) for name in {"front", "left", side}}
    picture = pictures[side]
    picture[:200, 200:, :3] = (250, 0, 0)  # The upper right quarter.
    shape = make(pictures)
    middles = shape.positions[shape.quads].mean(axis=1) - [0, 0.5, 0]
    x, z = middles[:, 0], middles[:, 2]
    towards, right = {"front": (z, x), "back": (-z, -x), "left": (x, -z), "right": (-x, z)}[side]
    seen = (towards > 0.35) & (abs(right) > 0.05) & (abs(middles[:, 1]) > 0.05)
    if side == "right":
        assert "left" in pictures
    colours = colours_of(shape)
    is_marked = colours[:, 0] - colours[:, 1] > 120
    assert (is_marked == ((right > 0) & (middles[:, 1] > 0)))[seen].mean() > 0.99


def test_a_side_without_a_picture_gets_the_other_ones_mirrored() -> None:
    pictures = {"front": shapes.cutout(shapes.disc(400, 0.4)), "left": shapes.cutout(shapes.disc(400, 0.4), GREEN)}
    pictures["left"][:, :200, :3] = BLUE  # Towards the viewer of the front.
    shape = make(pictures)
    middles = shape.positions[shape.quads].mean(axis=1)
    seen = (middles[:, 0] < -0.4) & (abs(middles[:, 2]) > 0.05)
    found = nearest_colour(colours_of(shape), [GREEN, BLUE])
    assert ((found == 1) == (middles[:, 2] > 0))[seen].all()


def test_what_is_hidden_does_not_show_what_is_in_front_of_it() -> None:
    """A blue post before a red wall: the wall is red behind the post."""
    front = shapes.cutout(bar(0.9, 0.8), RED)
    front[:, 216:296, :3] = BLUE
    wall_and_post = np.zeros((512, 512), bool)
    wall_and_post[51:461, 400:440] = True  # The wall, at the back: the left picture's right.
    wall_and_post[51:461, 60:140] = True  # The post, towards the viewer.
    side = shapes.cutout(wall_and_post, RED)
    side[:, 60:140, :3] = BLUE
    front[:40, :, 3] = 0
    pictures = {"front": front, "back": shapes.cutout(bar(0.9, 0.8), RED), "left": side}
    shape = make(pictures, profile="extrude")
    middles = shape.positions[shape.quads].mean(axis=1)
    normals = np.cross(
        shape.positions[shape.quads[:, 2]] - shape.positions[shape.quads[:, 0]],
        shape.positions[shape.quads[:, 3]] - shape.positions[shape.quads[:, 1]],
    )
    wall = (middles[:, 2] < 0) & (normals[:, 2] > 0.7 * np.linalg.norm(normals, axis=1))
    assert wall.sum() > 500
    inner = wall & (abs(middles[:, 1] - middles[:, 1].max() / 2) < 0.3)
    found = nearest_colour(colours_of(shape), [RED, BLUE])
    assert (found[inner] == 0).all()


def test_a_darker_picture_is_brought_to_the_exposure_of_the_front() -> None:
    disc = shapes.disc(400, 0.4)
    shape = make({"front": shapes.cutout(disc, (200, 150, 100)), "left": shapes.cutout(disc, (160, 120, 80))})
    middles = shape.positions[shape.quads].mean(axis=1)
    sides = colours_of(shape)[abs(middles[:, 0]) > 0.45]
    assert np.abs(sides - [200, 150, 100]).max() <= 4


OBJECTS = {
    "disc": shapes.disc(1200, 0.4),
    "ring": shapes.ring(1200, 0.3, 0.1),
    "small": shapes.disc(1200, 0.1),
    "thin": shapes.disc(1200, 0.2) | (np.abs(np.arange(1200) - 600) < 12)[:, None],
}


@pytest.mark.parametrize("back", ["mirror", "soft"])
@pytest.mark.parametrize("front", OBJECTS)
@pytest.mark.parametrize("side", OBJECTS)
def test_no_colour_of_the_background_bleeds_into_the_object(front: str, side: str, back: str) -> None:
    pictures = {
        name: antialiased(shapes.cutout(OBJECTS[outline], (250, 0, 0), (0, 255, 0)), 3)
        for name, outline in (("front", front), ("left", side))
    }
    assert sampled_texels(make(pictures, back=back, resolution=96))[:, 1].max() <= 2


def test_a_back_picture_lies_on_the_fronts_tile() -> None:
    outline = bar(0.2, 0.8, 400)
    outline[40:100, 200:320] = True  # A flag to the right.
    picture = shapes.cutout(outline, RED)
    back = np.zeros((500, 900, 4), np.uint8)
    back[60:460, 300:700] = shapes.cutout(outline[:, ::-1], BLUE)
    back[60:160, 300:460, :3] = GREEN  # The flag, seen from behind.
    back_cutout = mask.find(back, "alpha", 512, lambda: None)
    cutout = mask.find(picture, "alpha", 512, lambda: None)
    tile = texture.cut(picture, cutout, 300, lambda: None)
    behind = view_texture.back_tile(tile, cutout, back, back_cutout, lambda: None)
    assert behind.shape == tile.colours.shape
    rows, columns = ((np.array([60, 70, 300]) - tile.top) / tile.step).astype(int), 0
    flag = int((300 - tile.left) / tile.step), int((200 - tile.left) / tile.step)
    assert columns == 0
    assert behind[rows[0], flag[0]] == pytest.approx(GREEN, abs=3)
    assert behind[rows[2], flag[1]] == pytest.approx(BLUE, abs=3)


def test_the_texture_is_no_larger_than_asked() -> None:
    disc = shapes.cutout(shapes.disc(300, 0.4))
    texture_of = make({"front": disc, "left": disc}, texture_size=100).texture
    assert texture_of.shape[0] <= 100
    assert texture_of.shape[1] <= 500


# --- settings and running --------------------------------------------------------------------------------------------


def test_a_symmetric_shape_is_its_own_mirror_image() -> None:
    outline = head("left")
    shape = make({"front": shapes.cutout(outline), "left": shapes.cutout(head("left"))}, symmetric=True)
    assert distances_to_mirror_image(shape).max() < 1e-5
    plain = make({"front": shapes.cutout(outline), "left": shapes.cutout(head("left"))})
    assert distances_to_mirror_image(plain).max() > 0.01


def distances_to_mirror_image(shape: Shape) -> np.ndarray:
    """How far each vertex of the mirror image is from the nearest of the shape, along the axis where it is farthest."""
    mirrored = shape.positions * np.float32([-1, 1, 1])
    distances: np.ndarray = cKDTree(shape.positions).query(mirrored, p=np.inf)[0]
    return distances


@pytest.mark.parametrize("target", [24, 100, 1000, 5000, 20_000, 60_000])
@pytest.mark.parametrize("outline", [shapes.disc(400, 0.4), shapes.ring(400, 0.35, 0.05), np.tri(400, dtype=bool)])
def test_target_faces_are_nearly_reached_and_never_exceeded(target: int, outline: shapes.Mask) -> None:
    pictures = {"front": shapes.cutout(outline), "left": shapes.cutout(outline)}
    count = len(make(pictures, target_faces=target).quads)
    assert count <= target
    if target >= 1000:
        assert count >= 0.9 * target


def test_the_average_of_an_outline_and_itself_is_the_outline() -> None:
    placed = views.place({"front": mask.Cutout(shapes.disc(200, 0.3).astype(np.float32), 0, 0, 1)}, 60)["front"]
    coverage = placed.coverage(mask.Cutout(shapes.disc(200, 0.3).astype(np.float32), 0, 0, 1))
    averaged = views.average([coverage, coverage])
    assert ((averaged >= mask.INSIDE) == (coverage >= mask.INSIDE)).all()


def test_what_looks_the_same_from_front_and_side_was_turned_and_flat_boxes_are_square() -> None:
    def judged(front: shapes.Picture, side: shapes.Picture) -> hull.Section:
        pictures = {"front": front, "left": side}
        return hull.judge(pictures, {name: mask.find(each, "alpha", 512, int) for name, each in pictures.items()})

    box, disc = shapes.cutout(bar(0.4, 0.8)), shapes.cutout(shapes.disc(512, 0.4))
    assert judged(box, box).squareness == 1
    assert judged(shaded(bar(0.4, 0.8)), shaded(bar(0.4, 0.8))) == hull.Section(0, 1)
    assert judged(disc, box) == hull.Section(1, 0)
    assert judged(disc, disc) == hull.Section(0, 1)
