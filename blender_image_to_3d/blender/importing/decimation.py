# SPDX-License-Identifier: GPL-3.0-or-later
"""Fewer triangles, where somebody asked for at most so many."""

from __future__ import annotations

import math
from collections.abc import Iterable

import bpy

from . import evaluated

_SHARP_ANGLE = math.radians(60.0)
"""From here on an edge of the coarser mesh is an edge, and no part of something round."""
_MAX_PASSES = 4
_MARGIN = 0.97
"""What each further pass aims at, of what the one before aimed at: modifiers do not hit their target exactly."""


def decimate(objects: Iterable[bpy.types.Object], faces: int) -> bool:
    """Collapse edges until the mesh objects have at most `faces` triangles together; returns whether there were more.

    They are welded first, or every seam of a texture would open. UV maps, colours, materials and vertex groups stay;
    normals of the file's own do not. A mesh with shape keys is left as it is, and what is closed stays closed: a few
    triangles more than asked for may be needed for that.
    """
    carriers = [each for each in objects if each.type == "MESH" and not each.data.shape_keys]
    goal = float(faces)
    for _ in range(_MAX_PASSES):
        total = sum(_triangles(each.data) for each in carriers)
        if total <= faces:
            break
        for mesh in {each.data for each in carriers}:
            new = evaluated.welded(mesh, ratio=goal / total)
            new.set_sharp_from_angle(angle=_SHARP_ANGLE)
            evaluated.swap(mesh, new)
        goal *= _MARGIN
    return goal < faces


def _triangles(mesh: bpy.types.Mesh) -> int:
    return len(mesh.loops) - 2 * len(mesh.polygons)
