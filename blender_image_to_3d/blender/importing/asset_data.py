# SPDX-License-Identifier: GPL-3.0-or-later
"""Models as assets, which look in the Asset Browser like the picture that they were made from."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray

from ... import providers
from ...errors import BadOption, BadPicture
from ...jobs.library import JobFolder
from ...models import Job, View
from ...pictures import pixels, scaling
from ...pictures.facts import PictureFormat
from ...pictures.inspect import inspect
from .. import decode_picture
from . import provenance

PREVIEW_SIZE = 256
"""Of the longer side, in pixels: what Blender's own previews have."""
TAG = "image_to_3d"
_MAX_TAG_BYTES = 63
_OVERSAMPLING = 4
"""What Blender shrinks, which it does coarsely, is still so many times as large."""


def picture_of(folder: JobFolder, job: Job) -> Path | None:
    """Return the picture that shows what a job is about; nothing if it has none of the front."""
    front = job.request.views.get(View.FRONT)
    thumbnail = folder.path / "thumbnail.png"
    return thumbnail if thumbnail.is_file() else front and folder.path / front.file


def whole(root: bpy.types.Object, parent: bpy.types.Collection) -> bpy.types.Object | bpy.types.Collection:
    """Return what has to be an asset so that all of a model comes when it is dragged into a scene.

    An object brings what it uses, but not its children: a model of several objects is put into a collection of its
    own, below `parent`, out of the others that it is in.
    """
    family = [root, *root.children_recursive]
    if len(family) == 1:
        return root
    collection = bpy.data.collections.new(root.name)
    collection.instance_offset = root.location
    parent.children.link(collection)
    for each in family:
        for other in each.users_collection:
            other.objects.unlink(each)
        collection.objects.link(each)
    return collection


def is_model(collection: bpy.types.Collection) -> bool:
    """Whether it is the asset that `whole` made of a model."""
    return collection.asset_data is not None and provenance.job_of(collection) is not None


def mark(asset: bpy.types.Object | bpy.types.Collection, job: Job, picture: Path | None) -> None:
    """Make it an asset. A picture that cannot be read is no preview, and no reason to fail."""
    asset.asset_mark()
    asset.asset_data.description = _description(job)
    for tag in (TAG, job.request.provider, job.request.model):
        if tag:
            asset.asset_data.tags.new(tag.encode()[:_MAX_TAG_BYTES].decode(errors="ignore"), skip_if_exists=True)
    if isinstance(asset, bpy.types.Collection):
        provenance.note_job(asset, job.id)
    if picture is None:
        return
    try:
        shown = thumbnail(picture, PREVIEW_SIZE)
    except (BadPicture, RuntimeError, ValueError):
        return
    height, width, _ = shown.shape
    preview = asset.preview_ensure()
    preview.image_size = (width, height)
    preview.image_pixels_float.foreach_set((shown[::-1].astype(np.float32) / 255).ravel())


def _description(job: Job) -> str:
    request = job.request
    try:
        maker = providers.info(request.provider).label
    except BadOption:  # this version does not know it
        maker = request.provider
    front = request.views.get(View.FRONT)
    picture = f'Made from the picture "{front.name}"' if front else "Made"
    return f"{picture} by {maker}{f' ({request.model})' if request.model else ''}, {job.created:%Y-%m-%d}"


def thumbnail(picture: Path, longest: int) -> NDArray[np.uint8]:
    """Return (h, w, 4) straight sRGB RGBA as a viewer shows it, top row first, at most `longest` pixels long.

    Raises:
        BadPicture: it is damaged, or no picture.
        RuntimeError, ValueError: Blender cannot read it.
    """
    facts = inspect(picture)
    linear = facts.format is PictureFormat.EXR
    # Photographs are large; where nothing is transparent, Blender may make them smaller before we see them.
    at_most = longest * _OVERSAMPLING if facts.format is PictureFormat.JPEG else None
    floats = decode_picture.load(str(picture), linear=linear, at_most=at_most)
    stored = decode_picture.to_bytes(floats, linear=linear, premultiplied=facts.premultiplied)
    if facts.format is PictureFormat.BMP and facts.channels != 4:
        stored[:, :, 3] = 255  # Blender takes the unused fourth byte for alpha
    upright = pixels.upright(stored, facts.orientation)
    scale = min(1.0, longest / max(upright.shape[:2]))
    height, width = (max(1, round(side * scale)) for side in upright.shape[:2])
    return scaling.shrink(upright, width, height)
