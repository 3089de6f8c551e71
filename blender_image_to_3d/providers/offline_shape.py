# SPDX-License-Identifier: GPL-3.0-or-later
"""Offline Shape: our own generator. On this computer, without a key, a network or a graphics card."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from ..errors import BadPicture
from ..models import GenerationRequest, ProviderInfo, View
from ..offline_shape import settings as limits
from ..pictures.facts import PictureFormat
from .contract import Context, Finished, Options, Pending, Provider

MODEL_FILE = "model.glb"


def _none_or_enough(faces: int) -> int:
    if 0 < faces < limits.LEAST_FACES:
        raise ValueError(f"must be 0 or at least {limits.LEAST_FACES}")
    return faces


def _limited(limits_of: tuple[float, float]) -> dict[str, Any]:
    return {"ge": limits_of[0], "le": limits_of[1]}


def _only_for(*profiles: str) -> dict[str, Any]:
    return {"only_if": {"profile": list(profiles)}}


class OfflineShapeOptions(Options):
    profile: Literal["inflate", "round", "extrude", "relief"] = Field(
        default="inflate",
        title="Profile",
        description="Inflate like a cushion, turn as on a lathe, extrude a logo, or raise bright parts from a plate",
    )
    thickness: float = Field(
        default=0.75,
        **_limited(limits.THICKNESS),
        title="Thickness",
        description="How far the outline is inflated: 1 makes a sphere of a disc, less a flatter shape",
        json_schema_extra=_only_for("inflate"),
    )
    depth: float = Field(
        default=0.2,
        **_limited(limits.DEPTH),
        title="Depth",
        description="How deep what is extruded or a relief is, as a share of the longer side of the outline",
        json_schema_extra=_only_for("extrude", "relief"),
    )
    bevel: float = Field(
        default=0.15,
        **_limited(limits.SHARE),
        title="Bevel",
        description="How far the edges of what is extruded are rounded: 1 makes them half round",
        json_schema_extra=_only_for("extrude"),
    )
    detail: float = Field(
        default=0.15,
        **_limited(limits.SHARE),
        title="Detail",
        description="How strongly light and dark in the picture become relief on the front",
        json_schema_extra=_only_for("inflate", "relief"),
    )
    symmetric: bool = Field(
        default=False,
        title="Symmetric",
        description="Mirror the half that shows more of the subject in place of the other half",
    )
    resolution: int = Field(
        default=160,
        **_limited(limits.RESOLUTION),
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
    mask: Literal["auto", "alpha", "background", "network", "whole"] = Field(
        default="auto",
        title="Subject",
        description="What is opaque, what differs from a plain background, what a small network recognises, "
        "or everything",
    )
    back: Literal["auto", "mirror", "soft"] = Field(
        default="auto",
        title="Back",
        description="What is painted on a back that no picture shows: the mirrored picture, its blurred colours, "
        "or what fits",
    )
    texture_size: int = Field(
        default=1024,
        **_limited(limits.TEXTURE_SIZE),
        title="Texture Size",
        description="Longest side in pixels of each part (front, back, side) of the texture",
        json_schema_extra={"advanced": True},
    )


class OfflineShape(Provider):
    """Gives the outline of the subject depth; from one picture, depth and back are guesses."""

    info = ProviderInfo(
        id="offline_shape",
        label="Offline Shape",
        summary="Gives the outline of the subject depth, on this computer. Without a view from the side the depth is a "
        "guess, and so is the back.",
        views=tuple(View),
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
        blender = pixels.find_blender(context.blender)
        pictures = {view.value: pixels.read(context.picture(view), blender=blender) for view in request.views}
        settings = limits.Settings(**OfflineShapeOptions.model_validate(request.options).model_dump())
        try:
            shape = generator.generate(
                generator.Views(**pictures), settings, lambda share, text: context.report(text, share)
            )
        except generator.UnusablePicture as error:
            raise BadPicture(f'"{request.views[View(error.view)].name}": {error}') from None
        context.report("Writing the model")
        data = glb_writer.encode(
            positions=shape.positions,
            quads=shape.quads,
            uvs=shape.uvs,
            texture_png=png.encode(shape.texture),
            name=request.name,
        )
        (context.result_folder / MODEL_FILE).write_bytes(data)
        return Finished(files=(MODEL_FILE,), notes=shape.notes)
