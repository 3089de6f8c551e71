# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the generator, with their ranges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

Profile: TypeAlias = Literal["inflate", "round", "extrude", "relief"]
MaskSource: TypeAlias = Literal["auto", "alpha", "background", "network", "whole"]
Back: TypeAlias = Literal["auto", "mirror", "soft"]

THICKNESS = (0.05, 2.0)
DEPTH = (0.01, 2.0)
SHARE = (0.0, 1.0)
RESOLUTION = (32, 384)
TEXTURE_SIZE = (16, 4096)
LEAST_FACES = 24
"""The coarsest grid has one cell along the longer side; no subject needs more faces than this on it."""


@dataclass(frozen=True)
class Settings:
    """Options of :func:`generate`. Raises ValueError for a value out of range."""

    profile: Profile = "inflate"
    """How the outline gets its depth: like a cushion, turned on a lathe, cut out of a plate, or as a plate with raised
    bright parts. With a view from a side that view gives the depth; the profile then says how its parts are rounded:
    'round' to ellipses, 'extrude' not at all, and otherwise as it seems."""
    thickness: float = 0.75
    """Depth of what is inflated: 1 makes a sphere of a disc."""
    depth: float = 0.2
    """Depth of what is extruded or a relief, as a share of the longer side of the outline."""
    bevel: float = 0.15
    """How far the edges of what is extruded are rounded, as a share of half its depth: 1 makes them half round."""
    detail: float = 0.15
    """How strongly light and dark in the picture become relief on the front of what is inflated, or which share of its
    depth they make out in a relief."""
    symmetric: bool = False
    """Whether the half with more of the subject is mirrored in place of the other half."""
    resolution: int = 160
    """Grid cells along the longer side of the subject. Not used where ``target_faces`` is given."""
    target_faces: int = 0
    """Quads that the mesh may have at most; 0 leaves it to ``resolution``. The grid, which need not have a whole number
    of cells, is made as fine as it can be: the mesh then has rarely more than 10 % fewer. The finest grid is that of
    the highest ``resolution``, so a very large number is not reached."""
    back: Back = "auto"
    """What is painted on the back where no picture shows it: the mirrored picture (animals from the side), its blurred
    colours (faces), or 'auto': blurred if the outline is symmetric, but for what is turned or extruded."""
    mask: MaskSource = "auto"
    """What the subject is: what is not transparent, what differs from a plain background, what a small neural network
    takes for it, the whole picture, or 'auto': the first of these that fits."""
    texture_size: int = 1024
    """Longest side in pixels of each part (front, back, side) of the texture; it is never larger than the picture."""

    def __post_init__(self) -> None:
        for name, (low, high) in {
            "thickness": THICKNESS,
            "depth": DEPTH,
            "bevel": SHARE,
            "detail": SHARE,
            "resolution": RESOLUTION,
            "texture_size": TEXTURE_SIZE,
        }.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} must be from {low} to {high}, not {getattr(self, name)}")
        if self.target_faces and self.target_faces < LEAST_FACES:
            raise ValueError(f"target_faces must be 0 or at least {LEAST_FACES}, not {self.target_faces}")
        for name, choices in {"profile": Profile, "back": Back, "mask": MaskSource}.items():
            if getattr(self, name) not in get_args(choices):
                raise ValueError(f"{name} must be one of {', '.join(get_args(choices))}, not {getattr(self, name)}")
