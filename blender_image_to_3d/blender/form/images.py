# SPDX-License-Identifier: GPL-3.0-or-later
"""Any image that Blender has, as a file for a job; the image is not changed.

Where the original bytes exist they are copied. What has to be encoded is written down as raw pixels (see
`pictures.handed_over`): reading a large image's pixels takes Blender a fraction of the time of encoding them.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray

from ...errors import BadPicture, StorageError
from ...host import system
from ...pictures.handed_over import LINEAR_SUFFIX, SRGB_SUFFIX, suffix_of

_READ_BY_WORKERS = {"PNG", "JPEG", "WEBP", "TIFF", "BMP", "OPEN_EXR", "TARGA", "TARGA_RAW"}
"""Blender's names of the formats that need not be decoded here; of another one the pixels are handed over."""


def hand_over(image: bpy.types.Image, folder: Path, stem: str, scene: bpy.types.Scene | None = None) -> Path:
    """Write what `image` shows into `folder` and return the file, called `stem` with a suffix by its content.

    scene: whose render a Render Result is, and whose view transform it is seen through; nothing: the current one.

    Raises:
        BadPicture: there is nothing in it, or it is a movie or a sequence.
        StorageError: the file cannot be written.
    """
    if image.source in {"MOVIE", "SEQUENCE"}:
        is_movie = image.source == "MOVIE"
        raise BadPicture(
            f'"{image.name}" is an image movie.' if is_movie else f'"{image.name}" is an image sequence.',
            hint="Save one of its frames and choose that.",
        )
    try:
        if image.source == "VIEWER":
            return _save_view(image, folder / f"{stem}.png", scene or bpy.context.scene)
        return _copy(image, folder, stem) or _write_pixels(image, folder, stem)
    except OSError as error:
        raise StorageError(f'The image cannot be written to "{folder}": {system.explain(error)}.') from error


def _copy(image: bpy.types.Image, folder: Path, stem: str) -> Path | None:
    """Write the bytes that the image was loaded from; nothing, if it was painted on or made in Blender since."""
    if image.is_dirty or image.source not in {"FILE", "TILED"}:
        return None
    packed = _packed(image)
    source = _file_of(image)
    if packed is None and not source.is_file():
        raise BadPicture(f'The file of image "{image.name}" is missing: "{source.name}".')
    draft = folder / (stem + source.suffix.lower())
    if packed is None:
        shutil.copyfile(source, draft)
    else:
        draft.write_bytes(packed)
    try:
        target = folder / (stem + suffix_of(draft))
    except BadPicture as error:
        draft.unlink()
        if image.size[0] and image.file_format not in _READ_BY_WORKERS:
            return None
        raise BadPicture(f'Image "{image.name}" cannot be used: {error}', hint=error.hint) from error
    return draft.replace(target)


def _packed(image: bpy.types.Image) -> bytes | None:
    """Return the packed bytes, of the first tile where there are several."""
    if image.source == "TILED":
        number = image.tiles[0].number
        return next((bytes(each.packed_file.data) for each in image.packed_files if each.tile_number == number), None)
    return bytes(image.packed_file.data) if image.packed_file else None


def _file_of(image: bpy.types.Image) -> Path:
    path = bpy.path.abspath(image.filepath, library=image.library)
    if image.source == "TILED":
        number = image.tiles[0].number
        path = path.replace("<UDIM>", str(number)).replace(
            "<UVTILE>", f"u{(number - 1001) % 10 + 1}_v{(number - 1001) // 10 + 1}"
        )
    return Path(path)


def _save_view(image: bpy.types.Image, target: Path, scene: bpy.types.Scene) -> Path:
    """Save a Render Result or a Viewer Node as it is seen: their pixels are out of Python's reach."""
    settings = scene.render.image_settings
    wanted = {"file_format": "PNG", "color_mode": "RGBA", "color_depth": "8", "compression": 15}
    if hasattr(settings, "media_type"):
        wanted = {"media_type": "IMAGE", **wanted}
    # The render belongs to its scene: another scene's settings cannot be lent to it.
    before = {name: getattr(settings, name) for name in wanted}
    try:
        for name, value in wanted.items():
            setattr(settings, name, value)
        image.save_render(str(target), scene=scene)
    except RuntimeError as error:
        target.unlink(missing_ok=True)
        raise BadPicture(f'"{image.name}" is empty.', hint="Render first.") from error
    finally:
        for name, value in before.items():
            setattr(settings, name, value)
    if not target.is_file():
        raise StorageError(f'The image cannot be written to "{target.parent}".')
    return target


def _write_pixels(image: bpy.types.Image, folder: Path, stem: str) -> Path:
    values = _pixels(image)
    target = folder / (stem + (LINEAR_SUFFIX if _is_linear(image) else SRGB_SUFFIX))
    np.save(target, values, allow_pickle=False)
    return target


def _pixels(image: bpy.types.Image) -> NDArray[np.float32]:
    """Return (height, width, 4), the bottom row first, straight alpha."""
    width, height = image.size
    values = np.zeros(len(image.pixels), dtype=np.float32)
    if not values.size or values.size != width * height * image.channels:
        raise BadPicture(f'Image "{image.name}" is empty, or cannot be read.')
    image.pixels.foreach_get(values)
    rgba = _rgba(values.reshape(height, width, image.channels))
    # Blender multiplies the colours of float images by their alpha, unless told that they are unrelated.
    if image.is_float and image.alpha_mode not in {"CHANNEL_PACKED", "NONE"}:
        _make_alpha_straight(rgba)
    return rgba


def _rgba(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (h, w, 4) for grey, grey and alpha, RGB, or RGBA."""
    channels = values.shape[2]
    if channels == 4:
        return values
    rgba = np.ones((*values.shape[:2], 4), dtype=np.float32)
    rgba[..., :3] = values[..., :3] if channels == 3 else values[..., :1]
    if channels == 2:
        rgba[..., 3] = values[..., 1]
    return rgba


def _make_alpha_straight(rgba: NDArray[np.float32]) -> None:
    alpha = rgba[..., 3:]
    see_through = (alpha > 0) & (alpha < 1)
    np.divide(rgba[..., :3], alpha, out=rgba[..., :3], where=see_through)


def _is_linear(image: bpy.types.Image) -> bool:
    return image.is_float or image.colorspace_settings.name.startswith("Linear")
