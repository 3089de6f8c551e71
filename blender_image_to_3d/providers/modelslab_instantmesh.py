# SPDX-License-Identifier: GPL-3.0-or-later
"""ModelsLab's older endpoint: InstantMesh, with the parameters that its page documents.

Address, upload, answers and polling are those of `modelslab`; the fields are not, and the result is an OBJ.
"""

from __future__ import annotations

from pydantic import Field

from ..models import View
from .contract import Options
from .modelslab import ChunkSize, ModelsLab, ModelsLabProvider, Seed, Temporary, Video


class InstantMeshOptions(Options):
    model_id: str = Field(
        default="instantmesh", min_length=1, title="Model", description="Of those that ModelsLab has for this"
    )
    remove_bg: bool = Field(
        default=False, title="Remove Background", description="Cut the subject out of the picture first"
    )
    foreground_ratio: float = Field(
        default=0.85,
        gt=0,
        le=1,
        title="Subject Size",
        description="Share of the picture that the subject fills after the background was removed",
    )
    resolution: int = Field(
        default=256, ge=1, le=512, title="Resolution", description="Of the model: more is finer and slower"
    )
    seed: Seed = 0
    render: Video = False
    chunk_size: ChunkSize = 8192
    temp: Temporary = "no"


class ModelsLabInstantMesh(ModelsLabProvider):
    """Untextured or simply coloured OBJ files."""

    image_fields = ("image",)
    info = ModelsLab.info.evolve(
        id="modelslab_instantmesh",
        label="ModelsLab InstantMesh",
        summary="The older InstantMesh at ModelsLab: simple models as OBJ, from one picture.",
        views=(View.FRONT,),
        result_formats=("obj",),
    )
    options = InstantMeshOptions
