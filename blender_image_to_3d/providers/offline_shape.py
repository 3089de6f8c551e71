# SPDX-License-Identifier: GPL-3.0-or-later
"""Offline Shape: our own generator. On this computer, without a key, a network or a graphics card."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ..errors import BadPicture
from ..models import GenerationRequest, View
from ..offline_shape import settings as limits
from ..pictures.facts import PictureFormat
from ..provider import Context, Finished, Options, Pending, Provider, ProviderInfo

MODEL_FILE = "model.glb"


def _none_or_enough(faces: int) -> int:
    if 0 < faces < limits.LEAST_FACES:
        raise ValueError(f"must be 0 or at least {limits.LEAST_FACES}")
    return faces


class OfflineShapeOptions(Options):
    thickness: float = Field(
        default=0.75,
        ge=limits.THICKNESS[0],
        le=limits.THICKNESS[1],
        title="Thickness",
        description="How far the outline is inflated: 1 makes a sphere of a disc, less a flatter shape",
    )
    detail: float = Field(
        default=0.15,
        ge=limits.DETAIL[0],
        le=limits.DETAIL[1],
        title="Detail",
        description="How strongly light and dark in the picture become relief on the front",
    )
    resolution: int = Field(
        default=160,
        ge=limits.RESOLUTION[0],
        le=limits.RESOLUTION[1],
        title="Resolution",
        description="Grid cells along the longer side; twice as many make four times as many faces",
    )
    target_faces: Annotated[int, AfterValidator(_none_or_enough)] = Field(
        default=0,
        ge=0,
        le=1_000_000,
        title="Target Faces",
        description="Quads that the mesh may have at most, instead of a resolution; 0 leaves it to the resolution",
    )
    back: Literal["auto", "mirror", "soft"] = Field(
        default="auto",
        title="Back",
        description="What is painted on the back: the mirrored picture, its blurred colours, or what fits the outline",
    )
    mask: Literal["auto", "alpha", "background", "whole"] = Field(
        default="auto",
        title="Subject",
        description="What is inflated: what is not transparent, what differs from a plain background, or everything",
    )
    texture_size: int = Field(
        default=1024,
        ge=limits.TEXTURE_SIZE[0],
        le=limits.TEXTURE_SIZE[1],
        title="Texture Size",
        description="Longest side in pixels of each half, front and back, of the texture",
        json_schema_extra={"advanced": True},
    )


class OfflineShape(Provider):
    """Inflates the outline of the subject; depth and back are guesses."""

    info = ProviderInfo(
        id="offline_shape",
        label="Offline Shape",
        summary="Inflates the outline of the subject, on this computer. Depth and back are guesses.",
        picture_formats=tuple(PictureFormat),
        paid=False,
        resumable=False,
        cancellable=False,
    )
    options = OfflineShapeOptions

    def submit(self, request: GenerationRequest, context: Context) -> Pending | Finished:
        """Make the model; there is nothing to ask for later.

        Raises:
            BadPicture: there is no subject in the picture.
        """
        # Only a worker comes here. Whoever just wants to know the options should not wait for numpy.
        from ..mesh import glb_writer
        from ..offline_shape import generator
        from ..pictures import pixels, png

        context.report("Reading the picture")
        picture = pixels.read(context.picture(View.FRONT), blender=pixels.find_blender(context.blender))
        settings = limits.Settings(**OfflineShapeOptions.model_validate(request.options).model_dump())
        try:
            shape = generator.generate(picture, settings, lambda share, text: context.report(text, share))
        except generator.EmptyMask as error:
            raise BadPicture(f'"{request.views[View.FRONT].name}": {error}') from None
        context.report("Writing the model")
        data = glb_writer.encode(
            positions=shape.positions,
            quads=shape.quads,
            uvs=shape.uvs,
            texture_png=png.encode(shape.texture),
            name=request.name,
        )
        (context.result_folder / MODEL_FILE).write_bytes(data)
        return Finished(files=(MODEL_FILE,), cost=None)
