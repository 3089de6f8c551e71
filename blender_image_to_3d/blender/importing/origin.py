# SPDX-License-Identifier: GPL-3.0-or-later
"""Which object says that we made it. `provenance` knows what else it says."""

from __future__ import annotations

import bpy

PREFIX = "image_to_3d_"
JOB_KEY = f"{PREFIX}job"


def root_of(part: bpy.types.Object | None) -> bpy.types.Object | None:
    """Return the object that carries the properties: itself, or the nearest one that it is parented to."""
    while part is not None and JOB_KEY not in part:
        part = part.parent
    return part
