# SPDX-License-Identifier: GPL-3.0-or-later
"""What a 3D viewport shows, as an image: without grid and handles, transparent where nothing is, and close enough.

The user's render result, render settings and viewport are as before.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import bpy
import gpu

from ...errors import BadPicture

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SIDE = 1024
"""Pixels of the longer side: what services scale pictures to."""

_MOST = 2048
"""Pixels of the viewport's longer side, of which the picture is a part."""

_PREVIEW_SIDE = 256
"""Pixels of the longer side, at most."""

_LOOK_SIDE = 256
"""Pixels of the longer side of the first look, which finds where anything is."""

_MARGIN = 0.06
"""Of the picture's size, left free on each side."""

_SAMPLES = 16
"""Of a pixel, where EEVEE draws the viewport: enough for smooth edges and shadows."""

_IN_BLENDER = {"BLENDER_EEVEE", "BLENDER_EEVEE_NEXT", "BLENDER_WORKBENCH"}
"""The engines that draw whenever they are asked to. Others render for minutes into the viewport itself."""

Box = tuple[float, float, float, float]
"""Left, bottom, right and top, each from 0 to 1 across the viewport."""


def picture(context: bpy.types.Context, name: str) -> bpy.types.Image:
    """Return a new packed image of `context`'s viewport.

    Raises:
        BadPicture: nothing is to be seen there.
    """
    area = context.area
    region = next(each for each in area.regions if each.type == "WINDOW")
    space = area.spaces.active
    with _set(space.overlay, show_overlays=False):
        # Only a few of the ways to draw are quick, and all show things at the same place.
        with _set(space.shading, type="WIREFRAME" if space.shading.type == "WIREFRAME" else "SOLID"):
            box = _around(_draw(context, space, region, _LOOK_SIDE)[..., 3] > 0)
        # EEVEE draws the whole viewport, whatever projection it is given.
        with _for_a_picture(space, context.scene):
            pixels = _draw(context, space, region, min(_SIDE / _longer(box, region), _MOST))
    return _image(name, _cut(pixels, box))


def _longer(box: Box, region: bpy.types.Region) -> float:
    """Return the longer side of a box, as part of the viewport's longer side."""
    width, height = (box[2] - box[0]) * region.width, (box[3] - box[1]) * region.height
    return max(width, height) / max(region.width, region.height)


@contextmanager
def _for_a_picture(space: bpy.types.SpaceView3D, scene: bpy.types.Scene) -> Iterator[None]:
    """Render for a moment as Blender itself draws it, quickly and without a background."""
    in_blender = scene.render.engine in _IN_BLENDER
    kind = "MATERIAL" if space.shading.type == "RENDERED" and not in_blender else space.shading.type
    samples = min(scene.eevee.taa_render_samples, _SAMPLES)
    with (
        _set(space.shading, type=kind, show_object_outline=False),
        _set(scene.render, film_transparent=True),
        _set(scene.eevee, taa_render_samples=samples),
    ):
        yield


@contextmanager
def _set(owner: Any, **wanted: Any) -> Iterator[None]:
    """Lend values to properties; those that have them already are not touched, which would make Blender draw anew."""
    before = {name: getattr(owner, name) for name, value in wanted.items() if getattr(owner, name) != value}
    try:
        for name in before:
            setattr(owner, name, wanted[name])
        yield
    finally:
        for name, value in before.items():
            setattr(owner, name, value)


def _draw(
    context: bpy.types.Context, space: bpy.types.SpaceView3D, region: bpy.types.Region, longer: float
) -> NDArray[np.uint8]:
    """Return the whole viewport, (height, width, 4), the bottom row first, colours multiplied by alpha.

    longer: pixels of its longer side.
    """
    import numpy as np

    scale = longer / max(region.width, region.height)
    width, height = max(1, round(region.width * scale)), max(1, round(region.height * scale))
    view = space.region_3d
    context.view_layer.update()
    target = gpu.types.GPUOffScreen(width, height)
    try:
        target.draw_view3d(
            context.scene,
            context.view_layer,
            space,
            region,
            view.view_matrix,
            view.window_matrix,
            do_color_management=True,
            draw_background=False,
        )
        read = target.texture_color.read()
    finally:
        target.free()
    # Its rows have a wrong length for numpy.
    read.dimensions = width * height * 4
    return np.array(read, dtype=np.uint8).reshape(height, width, 4)


def _around(seen: NDArray[np.bool_]) -> Box:
    """Return the box around what is seen, with a margin, and as square as the viewport allows.

    seen: (height, width), the bottom row first.
    """
    import numpy as np

    height, width = seen.shape
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    if not rows.size:
        raise BadPicture("Nothing is to be seen in this view.", hint="Turn the view so that it shows something.")
    side = max(columns[-1] + 1 - columns[0], rows[-1] + 1 - rows[0]) * (1 + 2 * _MARGIN)
    left, right = _widened(columns[0], columns[-1] + 1, side, width)
    bottom, top = _widened(rows[0], rows[-1] + 1, side, height)
    return left / width, bottom / height, right / width, top / height


def _widened(low: int, high: int, length: float, limit: int) -> tuple[float, float]:
    """Return an interval of `length` around the one given, moved or cut so that it is between 0 and `limit`."""
    length = min(length, limit)
    start = min(max((low + high - length) / 2, 0), limit - length)
    return start, start + length


def _cut(pixels: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    height, width, _ = pixels.shape
    left, bottom, right, top = box
    return pixels[round(bottom * height) : round(top * height), round(left * width) : round(right * width)]


def _image(name: str, pixels: NDArray[np.uint8]) -> bpy.types.Image:
    """Return a packed image. pixels: (height, width, 4) uint8, the bottom row first, multiplied by alpha."""
    import numpy as np

    height, width, _ = pixels.shape
    values = pixels.astype(np.float32) / 255
    at_edges = (pixels[..., 3] > 0) & (pixels[..., 3] < 255)
    values[at_edges] = _straight(values[at_edges])
    values[pixels[..., 3] == 0] = 0
    image = bpy.data.images.new(name, width, height, alpha=True)
    image.pixels.foreach_set(values.ravel())
    image.pack()
    _set_preview(image, pixels)
    return image


def _set_preview(image: bpy.types.Image, pixels: NDArray[np.uint8]) -> None:
    """Give an image its preview: Blender's own has white edges where the image is transparent."""
    import numpy as np

    height, width, _ = pixels.shape
    step = -(-max(height, width) // _PREVIEW_SIDE)
    height, width = height // step, width // step
    blocks = pixels[: height * step, : width * step].reshape(height, step, width, step, 4)
    small = blocks.mean(axis=(1, 3)).astype(np.uint8)
    preview = image.preview_ensure()
    preview.image_size = (width, height)
    preview.image_pixels = small.view(np.int32).ravel().tolist()


def _straight(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (n, 4) colours that are not multiplied by alpha any more. Blender multiplied them before it made them
    fit for a screen, so they are made linear for that, as the sRGB curve does it but for its foot.
    """
    import numpy as np

    colours = (values[:, :3] ** 2.2 / values[:, 3:]) ** (1 / 2.2)
    return np.hstack((np.minimum(colours, 1), values[:, 3:]))
