# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user may choose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

MaskSource: TypeAlias = Literal["auto", "alpha", "background", "whole"]
Back: TypeAlias = Literal["auto", "mirror", "soft"]

THICKNESS = (0.05, 2.0)
DETAIL = (0.0, 1.0)
RESOLUTION = (32, 384)
TEXTURE_SIZE = (16, 4096)
LEAST_FACES = 24
"""The coarsest grid has one cell along the longer side; no subject needs more faces than this on it."""


@dataclass(frozen=True)
class Settings:
    """Options of :func:`generate`. Raises ValueError for a value out of range."""

    thickness: float = 0.75
    """Depth of the shape: 1 makes a sphere of a disc."""
    detail: float = 0.15
    """How strongly light and dark in the picture become relief on the front."""
    resolution: int = 160
    """Grid cells along the longer side of the subject. Not used where ``target_faces`` is given."""
    back: Back = "auto"
    """What is painted on the back: the mirrored picture (animals from the side), its blurred colours (faces), or
    'auto': blurred if the outline is symmetric."""
    target_faces: int = 0
    """Quads that the mesh may have at most; 0 leaves it to ``resolution``. The grid, which need not have a whole number
    of cells, is made as fine as it can be: the mesh then has rarely more than 10 % fewer. The finest grid is that of
    the highest ``resolution``, so a very large number is not reached."""
    mask: MaskSource = "auto"
    """What the subject is: what is not transparent, what differs from a plain background, the whole picture, or 'auto':
    the first of these that fits."""
    texture_size: int = 1024
    """Longest side in pixels of each half (front and back) of the texture."""

    def __post_init__(self) -> None:
        for name, (low, high) in {
            "thickness": THICKNESS,
            "detail": DETAIL,
            "resolution": RESOLUTION,
            "texture_size": TEXTURE_SIZE,
        }.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} must be from {low} to {high}, not {getattr(self, name)}")
        if self.target_faces and self.target_faces < LEAST_FACES:
            raise ValueError(f"target_faces must be 0 or at least {LEAST_FACES}, not {self.target_faces}")
        if self.back not in get_args(Back):
            raise ValueError(f"back must be one of {', '.join(get_args(Back))}, not {self.back}")
        if self.mask not in get_args(MaskSource):
            raise ValueError(f"mask must be one of {', '.join(get_args(MaskSource))}, not {self.mask}")
