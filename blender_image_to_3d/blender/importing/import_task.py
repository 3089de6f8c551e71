# SPDX-License-Identifier: GPL-3.0-or-later
"""What the import process does for a task: import the result of a job into a .blend that only has to be appended."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import bpy

from ...errors import BadOption, ImageTo3DError, StorageError
from ...jobs.library import JobFolder
from ...models import Placement
from . import asset_data, provenance, shading, staging
from .import_model import import_job

_PROBE_BYTES = 2**16


def begin() -> None:
    """Start from a file without anything, in which every name is free."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)


def answer(task: Mapping[str, Any], blend: Path) -> dict[str, str]:
    """Write `blend` and say so, or say why not: {"blend"} or {"message", "hint"}. Afterwards all is as before.

    Raises:
        OSError: there is no room even for that.
    """
    try:
        hand_over(task, blend)
    except ImageTo3DError as error:
        return {"message": str(error), "hint": error.hint}
    except Exception as error:  # noqa: BLE001 - the one place: whatever an importer does, the task must say so
        traceback.print_exc()
        message = f"The model cannot be read: {type(error).__name__}."
        return {"message": message, "hint": "Open the folder of the job, and import the file yourself."}
    return {"blend": blend.name}


def hand_over(task: Mapping[str, Any], blend: Path) -> None:
    """Import the result of a job as `task` says and write the objects, alone and at the origin, to `blend`.

    Raises:
        ImageTo3DError: why there is no model.
    """
    folder = JobFolder(Path(task["folder"]))
    job = folder.load()
    descriptions: dict[str, str] = {}
    with contextlib.suppress(BadOption):  # it was made by a provider that this version does not know
        descriptions = provenance.descriptions_of(job)
    with staging.staging_scene() as (scene, view_layer):
        _measure_like(task["units"], scene)
        root = import_job(
            job,
            folder.result_files(job),
            placement=Placement.model_validate({**task["placement"], "collection": None}),
            location=(0.0, 0.0, 0.0),
            descriptions=descriptions,
            scene=scene,
            view_layer=view_layer,
            preview=Path(task["preview"]) if task["preview"] else asset_data.picture_of(folder, job),
        )
        family = {root, *root.children_recursive}
        for mesh in {each.data for each in family if each.type == "MESH"}:
            shading.simplify(mesh)
        _write({*family, *filter(asset_data.is_model, root.users_collection)}, blend)


def _measure_like(units: Mapping[str, Any], scene: bpy.types.Scene) -> None:
    """Give the scene the units and frames that `import_process.units_of` found."""
    for owner, settings in ((scene.unit_settings, "units"), (scene.render, "render"), (scene, "frames")):
        for name, value in units.get(settings, {}).items():
            setattr(owner, name, value)


def _write(objects: set[bpy.types.ID], blend: Path) -> None:
    try:
        # Uncompressed: whoever appends it waits three times as long otherwise.
        bpy.data.libraries.write(str(blend), objects, fake_user=False, compress=False)
        _check_room(blend.parent)
    except (OSError, RuntimeError) as error:  # Blender's own say nothing, or "Success"
        blend.unlink(missing_ok=True)
        raise StorageError(
            "The model was read and cannot be handed over: the disk is full.",
            hint="Free some space on the disk of the temporary files.",
        ) from error


def _check_room(folder: Path) -> None:
    """Raise OSError if the disk is full."""
    probe = folder / "~"
    try:
        probe.write_bytes(bytes(_PROBE_BYTES))
    finally:
        probe.unlink(missing_ok=True)
