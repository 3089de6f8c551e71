# SPDX-License-Identifier: GPL-3.0-or-later
"""The contact sheet: what is seen on it, cell by cell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import bpy
import numpy as np
import pytest
from numpy.typing import NDArray

from .. import given

RED, GREEN = (200, 30, 30), (30, 160, 40)
Pixels = NDArray[np.int16]


@pytest.fixture
def sheets(package: ModuleType) -> Any:
    return given.module(package, "blender.assets.contact_sheet")


@pytest.fixture
def assembly(package: ModuleType) -> Any:
    return given.module(package, "batch.assembly")


@pytest.fixture
def exhibit(package: ModuleType, assembly: Any, tmp_path: Path) -> Callable[..., Any]:
    """A picture of a disc, and a cube of that colour or what is in the scene, as the model that was made of it."""

    def make(title: str, colour: tuple[int, int, int] = RED, suffix: str = ".glb") -> Any:
        made = tmp_path / f"made {title}"
        made.mkdir()
        if not bpy.context.scene.objects:
            coloured_cube(colour)
        folder = given.finished(package, made / "job", given.write(made / f"model{suffix}"))
        given.new_file()
        picture = given.disc(made / "picture.png", colour)
        return assembly.Exhibit(picture, title, given.module(package, "jobs.library").JobFolder(folder))

    return make


def coloured_cube(colour: tuple[int, int, int], size: float = 2.0) -> None:
    bpy.ops.mesh.primitive_cube_add(size=size)
    material = bpy.data.materials.new("Colour")
    if material.node_tree is None:
        material.use_nodes = True
    linear = [(each / 255) ** 2.2 for each in colour]
    material.node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value = (*linear, 1)
    bpy.context.object.data.materials.append(material)


@pytest.fixture
def make_sheet(package: ModuleType, assembly: Any, tmp_path: Path) -> Callable[..., list[Path]]:
    """Makes `tmp_path / "sheet.png"` of exhibits, and returns its pages."""

    def make(*exhibits: Any) -> list[Path]:
        before, situation = given.datablocks(), given.situation()
        wish = assembly.Wish(contact_sheet=tmp_path / "sheet.png")
        pages: list[Path] = (
            given.module(package, "blender.assets.batch_products")
            .Assembler()
            .assemble(exhibits, wish, lambda news: None)
        )
        assert given.datablocks() == before and given.situation() == situation
        return list(pages)

    return make


@pytest.fixture
def cells(package: ModuleType, sheets: Any) -> Callable[..., list[tuple[Pixels, Pixels, Pixels]]]:
    """Cuts a page: of each card the picture, the model and the name, each (h, w, 3)."""

    def cut(page: Path, columns: int) -> list[tuple[Pixels, Pixels, Pixels]]:
        pixels = given.module(package, "pictures.png").decode(page.read_bytes())[:, :, :3].astype(np.int16)
        side, pad, gap = sheets.SIDE, sheets._PAD, sheets._GAP
        step_down, step_right = sheets._CARD_HEIGHT + gap, sheets._CARD_WIDTH + gap
        assert pixels.shape[1] == columns * step_right + gap

        def cards() -> Iterator[tuple[Pixels, Pixels, Pixels]]:
            for top in range(sheets._HEAD_HEIGHT + gap // 2, pixels.shape[0] - step_down + 1, step_down):
                for left in range(gap, pixels.shape[1] - gap, step_right):
                    card = pixels[top : top + sheets._CARD_HEIGHT, left : left + sheets._CARD_WIDTH]
                    boxes = (card[pad : pad + side, x : x + side] for x in (pad, 2 * pad + side))
                    yield (*boxes, card[pad + side :])

        return list(cards())

    return cut


def share_of(pixels: Pixels, colour: tuple[int, int, int]) -> float:
    """How much of an area has the hue of a colour, however it is lit."""
    strongest = int(np.argmax(colour))
    others = np.delete(pixels, strongest, axis=2).max(axis=2)
    return float((pixels[:, :, strongest] > others + 40).mean())


def has_text(pixels: Pixels) -> bool:
    """Whether something dark stands on something light."""
    return bool(pixels.max() - pixels.min() > 150)


@pytest.mark.everywhere
def test_every_picture_is_shown_beside_its_model_with_its_name(
    exhibit: Callable[..., Any], make_sheet: Callable[..., list[Path]], cells: Callable[..., Any], tmp_path: Path
) -> None:
    pages = make_sheet(exhibit("Red"), exhibit("猫 кот", GREEN))

    assert pages == [tmp_path / "sheet.png"]
    red, green = cells(pages[0], 2)
    for (picture, model, name), colour, other in ((red, RED, GREEN), (green, GREEN, RED)):
        assert share_of(picture, colour) == pytest.approx(np.pi * 0.4**2 * (96 / 176) ** 2, abs=0.02)
        assert tuple(picture[88, 88]) == colour, "a picture is not changed"
        assert 0.3 < share_of(model, colour) < 0.8 and share_of(model, colour) > 100 * share_of(model, other)
        assert has_text(name)
    assert not np.array_equal(red[2], green[2])


@pytest.mark.everywhere
def test_models_are_framed_alike_whatever_their_size(
    exhibit: Callable[..., Any], make_sheet: Callable[..., list[Path]], cells: Callable[..., Any]
) -> None:
    shown = []
    for size in (0.001, 2.0, 5000.0):
        coloured_cube(RED, size)
        shown.append(exhibit(f"of {size}"))
    models = [model for _, model, _ in cells(make_sheet(*shown)[0], 3)]

    boxes = []
    for model in models:
        rows, columns = np.nonzero(model[:, :, 0] > model[:, :, 1] + 40)
        boxes.append((rows.min(), rows.max(), columns.min(), columns.max()))
    assert np.ptp(boxes, axis=0).max() <= 1
    top, bottom, left, right = boxes[0]
    assert abs((top + bottom) / 2 - 87.5) <= 2 and abs((left + right) / 2 - 87.5) <= 2
    assert 0.8 < (max(bottom - top, right - left) + 1) / 176 < 0.95


@pytest.mark.everywhere
def test_a_texture_is_seen(
    exhibit: Callable[..., Any], make_sheet: Callable[..., list[Path]], cells: Callable[..., Any], tmp_path: Path
) -> None:
    monkey = given.textured_monkey(tmp_path)
    image = next(node.image for node in monkey.active_material.node_tree.nodes if node.type == "TEX_IMAGE")
    pixels = np.ones((16, 16, 4), np.float32)
    pixels[:, :8, 1:3] = pixels[:, 8:, :2] = 0  # red on the left, blue on the right
    image.pixels.foreach_set(pixels.ravel())
    image.save()
    [(_, model, _)] = cells(make_sheet(exhibit("Monkey"))[0], 1)
    assert share_of(model, (255, 0, 0)) > 0.05 and share_of(model, (0, 0, 255)) > 0.05


@pytest.mark.everywhere
def test_what_failed_says_why(
    assembly: Any, exhibit: Callable[..., Any], make_sheet: Callable[..., list[Path]], cells: Callable[..., Any]
) -> None:
    good, broken = exhibit("Good"), exhibit("Broken")
    (broken.folder.result / "model.glb").write_bytes(b"glTF\2\0\0\0")
    refused = assembly.Exhibit(good.picture, "Refused", reason="The service does not take this picture. " * 20)
    missing = assembly.Exhibit(good.picture.with_name("no.png"), "Gone", reason="There is no picture.")

    _, *failed = cells(make_sheet(good, broken, refused, missing)[0], 4)

    reasons = [model for _, model, _ in failed]
    for reason in reasons:
        assert has_text(reason) and (reason[:, :, 0] >= reason[:, :, 1]).all(), "red ink on red ground"
        for edge in (reason[:, -8:], reason[:8], reason[-8:]):
            assert np.ptp(edge.reshape(-1, 3), axis=0).max() == 0, "it does not leave its box"
    assert not np.array_equal(reasons[0], reasons[1])
    assert share_of(failed[1][0], RED) > 0.1, "the picture is shown in any case"
    assert np.ptp(failed[2][0].reshape(-1, 3), axis=0).max() == 0, "where there is one"


@pytest.mark.everywhere
def test_the_same_again_gives_the_same_picture(
    exhibit: Callable[..., Any], make_sheet: Callable[..., list[Path]]
) -> None:
    cup = exhibit("Cup")
    [page] = make_sheet(cup)
    first = page.read_bytes()
    make_sheet(cup)
    assert page.read_bytes() == first


def test_many_pictures_take_several_pages_and_old_pages_go(
    assembly: Any, make_sheet: Callable[..., list[Path]], cells: Callable[..., Any], tmp_path: Path
) -> None:
    picture = tmp_path / "no.png"
    many = [assembly.Exhibit(picture, f"Number {number}", reason="Not made.") for number in range(50)]
    pages = make_sheet(*many)
    assert [page.name for page in pages] == ["sheet.png", "sheet-2.png", "sheet-3.png"]
    assert [sum(has_text(name) for *_, name in cells(page, 6)) for page in pages] == [24, 24, 2]
    for own in ("sheet-4.png", "sheet-of-mine.png"):
        (tmp_path / own).write_bytes(b"\x89PNG my own")

    assert make_sheet(*many[:3]) == [tmp_path / "sheet.png"]

    assert {path.name for path in tmp_path.glob("*.png")} == {"sheet.png", "sheet-4.png", "sheet-of-mine.png"}


@pytest.mark.everywhere
def test_a_long_name_is_shortened_and_stays_in_its_card(
    assembly: Any, make_sheet: Callable[..., list[Path]], cells: Callable[..., Any], tmp_path: Path
) -> None:
    names = ["A very long name, " * 8, "W" * 200, "猫" * 70, "a\nb\tc\x00d", " "]
    shown = [assembly.Exhibit(tmp_path / "no.png", name, reason="Not made.") for name in names]
    labels = [name for *_, name in cells(make_sheet(*shown)[0], 5)]
    assert [has_text(label) for label in labels] == [True, True, True, True, False]
    for label in labels:
        assert np.ptp(label[:, -8:]) == 0
        assert np.ptp(label[:, 2:9]) == 0


def test_a_million_triangles_are_no_trouble(
    exhibit: Callable[..., Any], make_sheet: Callable[..., list[Path]], cells: Callable[..., Any]
) -> None:
    positions, quads, _ = given.torus(1000, 500)
    mesh = bpy.data.meshes.new("Torus")
    mesh.from_pydata(positions, [], quads)
    torus = bpy.data.objects.new("Torus", mesh)
    bpy.context.scene.collection.objects.link(torus)
    # Blender reads this format several times as quickly as glTF.
    [(_, model, _)] = cells(make_sheet(exhibit("Torus", suffix=".ply"))[0], 1)
    assert 0.15 < float((model.min(axis=2) < 225).mean()) < 0.8
