# SPDX-License-Identifier: GPL-3.0-or-later
"""Any image that Blender has becomes a file, and stays as it is."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import bpy
import numpy as np
import pytest

from .. import given

pytestmark = pytest.mark.everywhere

WIDTH, HEIGHT = 20, 16


@pytest.fixture
def images(package: ModuleType) -> Any:
    return given.module(package, "blender.form.images")


@pytest.fixture
def errors(package: ModuleType) -> Any:
    return given.module(package, "errors")


def ramp() -> np.ndarray:
    """(h, w, 4): a different colour everywhere, in steps that 8 bits can hold."""
    values = np.arange(HEIGHT * WIDTH * 4).reshape(HEIGHT, WIDTH, 4) % 256
    values[..., 3] = 255
    return (values / 255).astype(np.float32)


def generated(name: str = "Made", **settings: Any) -> bpy.types.Image:
    image = bpy.data.images.new(name, WIDTH, HEIGHT, alpha=True, **settings)
    image.pixels.foreach_set(ramp().ravel())
    return image


def saved(folder: Path, suffix: str, kind: str) -> bpy.types.Image:
    """An image that was loaded from a file."""
    made = generated()
    made.filepath_raw, made.file_format = str(folder / f"source{suffix}"), kind
    made.save()
    bpy.data.images.remove(made)
    return bpy.data.images.load(str(folder / f"source{suffix}"))


def look(image: bpy.types.Image) -> dict[str, Any]:
    """Everything that must not change."""
    return {
        "dirty": image.is_dirty,
        "source": image.source,
        "packed": [bytes(each.packed_file.data) for each in image.packed_files],
        "space": image.colorspace_settings.name,
        "users": (image.users, image.use_fake_user),
        "path": image.filepath,
        "alpha": image.alpha_mode,
        "format": image.file_format,
        "pixels": tuple(image.pixels) if image.source != "VIEWER" else None,
    }


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "job"
    folder.mkdir()
    return folder


def handed_over(images: Any, image: bpy.types.Image, target: Path) -> Path:
    """Hand it over, and see that nothing else changed."""
    before, blocks = look(image), given.datablocks()
    path: Path = images.hand_over(image, target, "front")
    assert look(image) == before and given.datablocks() == blocks
    assert list(target.iterdir()) == [path]
    return path


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [(".png", "PNG"), (".jpg", "JPEG"), (".webp", "WEBP"), (".tif", "TIFF"), (".bmp", "BMP"), (".tga", "TARGA")],
)
@pytest.mark.parametrize("packed", [False, True])
def test_the_original_bytes_are_copied(
    images: Any, tmp_path: Path, target: Path, suffix: str, kind: str, packed: bool
) -> None:
    image = saved(tmp_path, suffix, kind)
    source = (tmp_path / f"source{suffix}").read_bytes()
    if packed:
        image.pack()
        (tmp_path / f"source{suffix}").unlink()

    path = handed_over(images, image, target)

    assert path.name == f"front{suffix}" and path.read_bytes() == source


def test_the_suffix_is_by_content(images: Any, tmp_path: Path, target: Path) -> None:
    saved(tmp_path, ".png", "PNG")
    wrong = (tmp_path / "source.png").rename(tmp_path / "wrong.jpg")
    assert handed_over(images, bpy.data.images.load(str(wrong)), target).name == "front.png"


def test_a_picture_that_was_not_looked_at_yet_is_copied(images: Any, tmp_path: Path, target: Path) -> None:
    saved(tmp_path, ".png", "PNG")
    assert images.hand_over(bpy.data.images.load(str(tmp_path / "source.png")), target, "front").suffix == ".png"


def pixels(path: Path) -> np.ndarray:
    values = np.load(path, allow_pickle=False)
    assert values.dtype == np.float32 and values.shape == (HEIGHT, WIDTH, 4)
    return values


def test_painted_pixels_are_written_down_bottom_row_first(images: Any, tmp_path: Path, target: Path) -> None:
    image = saved(tmp_path, ".png", "PNG")
    image.pack()
    wanted = ramp()[::-1].copy()
    image.pixels.foreach_set(wanted.ravel())
    assert image.is_dirty

    path = handed_over(images, image, target)

    assert path.name == "front.srgb.npy" and np.allclose(pixels(path), wanted, atol=1e-6)


def test_a_generated_image_is_written_down(images: Any, target: Path) -> None:
    path = handed_over(images, generated(), target)
    assert path.name == "front.srgb.npy" and np.allclose(pixels(path), ramp(), atol=1e-6)


def test_a_generated_image_that_nobody_painted_is_written_down(images: Any, target: Path) -> None:
    image = bpy.data.images.new("Grid", WIDTH, HEIGHT)
    image.generated_color = (1, 0, 0, 1)
    assert np.array_equal(pixels(handed_over(images, image, target))[0, 0], [1, 0, 0, 1])


def test_a_float_image_is_linear_and_its_alpha_straight(images: Any, target: Path) -> None:
    image = generated(float_buffer=True)
    image.pixels.foreach_set(np.tile(np.float32([0.1, 0.2, 0.3, 0.5]), HEIGHT * WIDTH))

    path = handed_over(images, image, target)

    assert path.name == "front.linear.npy"
    assert np.allclose(pixels(path), [0.2, 0.4, 0.6, 0.5])


def test_what_was_handed_over_is_what_the_worker_reads(package: ModuleType, images: Any, target: Path) -> None:
    module = given.module(package, "pictures.handed_over")
    wanted = module.Wanted(taker="A service", formats={"PNG"})
    sent = module.prepare(images.hand_over(generated(), target, "front"), wanted, name="ramp", blender=None)
    back = bpy.data.images.load(str(sent.path))
    assert np.allclose(np.array(back.pixels[:]).reshape(HEIGHT, WIDTH, 4), ramp(), atol=1e-6)


def test_one_and_three_channels_become_four(images: Any) -> None:
    grey = images._rgba(np.float32([[[0.5], [0.25]]]))
    assert np.array_equal(grey, np.float32([[[0.5, 0.5, 0.5, 1], [0.25, 0.25, 0.25, 1]]]))
    assert np.array_equal(images._rgba(np.float32([[[0.5, 0.1]]])), np.float32([[[0.5, 0.5, 0.5, 0.1]]]))
    assert np.array_equal(images._rgba(np.float32([[[1, 2, 3]]])), np.float32([[[1, 2, 3, 1]]]))


def test_a_format_that_the_worker_cannot_read_is_written_down(images: Any, tmp_path: Path, target: Path) -> None:
    image = saved(tmp_path, ".hdr", "HDR")
    assert handed_over(images, image, target).name == "front.linear.npy"


def test_of_tiles_the_first_is_taken(images: Any, tmp_path: Path, target: Path) -> None:
    saved(tmp_path, ".png", "PNG")
    source = (tmp_path / "source.png").rename(tmp_path / "skin.1001.png")
    image = bpy.data.images.load(str(source))
    image.source, image.filepath = "TILED", str(tmp_path / "skin.<UDIM>.png")
    image.tiles.new(1002)

    path = handed_over(images, image, target)

    assert path.name == "front.png" and path.read_bytes() == source.read_bytes()


@pytest.mark.parametrize("source", ["MOVIE", "SEQUENCE"])
def test_a_movie_or_sequence_is_refused(images: Any, errors: Any, tmp_path: Path, target: Path, source: str) -> None:
    image = saved(tmp_path, ".png", "PNG")
    image.source = source
    with pytest.raises(errors.BadPicture, match=f"is an image {source.lower()}"):
        images.hand_over(image, target, "front")
    assert not list(target.iterdir())


def test_a_render_is_handed_over_as_it_is_seen(images: Any, errors: Any, target: Path) -> None:
    scene = bpy.context.scene
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(camera)
    scene.camera = camera
    scene.world = bpy.data.worlds.new("World")
    scene.world.color = (1, 0, 0)
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising = 1, False
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = WIDTH, HEIGHT, 100
    scene.view_settings.view_transform = "Standard"
    scene.render.image_settings.file_format, scene.render.image_settings.color_depth = "OPEN_EXR", "32"
    bpy.ops.render.render()
    image = bpy.data.images["Render Result"]

    path = handed_over(images, image, target)

    settings = scene.render.image_settings
    assert (settings.file_format, settings.color_depth) == ("OPEN_EXR", "32")
    assert path.name == "front.png"
    shown = bpy.data.images.load(str(path))
    assert tuple(shown.size) == (WIDTH, HEIGHT)
    red, green, blue, alpha = shown.pixels[:4]
    assert red > 0.2 and green == blue and alpha == 1.0

    path.unlink()
    with pytest.raises(errors.BadPicture, match='"Render Result" is empty'):
        images.hand_over(image, target, "front", scene=bpy.data.scenes.new("Never rendered"))
    assert not list(target.iterdir())


def test_an_image_without_anything_in_it_is_refused(images: Any, errors: Any, tmp_path: Path, target: Path) -> None:
    missing = saved(tmp_path, ".png", "PNG")
    (tmp_path / "source.png").unlink()
    text = tmp_path / "text.png"
    text.write_text("not a picture")
    for image in (missing, bpy.data.images.load(str(text))):
        with pytest.raises(errors.BadPicture) as caught:
            images.hand_over(image, target, "front")
        assert image.name in str(caught.value) and not list(target.iterdir())


def test_a_folder_that_cannot_be_written_is_told(images: Any, errors: Any, read_only_folder: Path) -> None:
    with pytest.raises(errors.StorageError, match="cannot be written"):
        images.hand_over(generated(), read_only_folder, "front")
