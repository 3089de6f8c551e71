# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes that are quick to draw: without normals of their own where Blender's are the same."""

from __future__ import annotations

import math

import bpy
import numpy as np
from numpy.typing import NDArray

from . import evaluated

_ANGLE = math.radians(10.0)
"""What nobody sees on a surface that is shaded smooth."""
_SHARE = 0.995
"""Of the corners whose normals must be as close as that: where there are hard edges, more are not."""


def simplify(mesh: bpy.types.Mesh) -> None:
    """Put in its place one that is welded and shaded smooth, if that looks the same.

    A file has a normal for every vertex, and several vertices where the texture has a seam. Before the first picture
    Blender works its own normals out again from such a mesh, which stops the window for longer than everything else
    about a model. Welded, it is also what somebody who goes on modelling wants: sculpting opens no seams.
    """
    if not mesh.has_custom_normals or mesh.shape_keys:
        return
    welded = evaluated.welded(mesh)
    # Welding keeps the corners' order; where it removes any, they cannot be compared.
    if len(welded.loops) == len(mesh.loops) and _look_the_same(_normals(mesh), _normals(welded)):
        evaluated.swap(mesh, welded)
    else:
        bpy.data.meshes.remove(welded)


def _normals(mesh: bpy.types.Mesh) -> NDArray[np.float32]:
    """Return (corners, 3)."""
    normals = np.zeros(len(mesh.loops) * 3, dtype=np.float32)
    mesh.corner_normals.foreach_get("vector", normals)
    return normals.reshape(-1, 3)


def _look_the_same(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    cosines = np.einsum("ij,ij->i", one, other)
    return bool((cosines > math.cos(_ANGLE)).mean() >= _SHARE)
