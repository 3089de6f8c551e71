# SPDX-License-Identifier: GPL-3.0-or-later
"""For scripts: from a picture to an object in the scene, in one call that returns when it is there."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import bpy

from ..errors import BadOption, JobBusy, StorageError
from ..host import settings
from ..jobs import completion
from ..jobs.library import JobFolder, Library
from ..jobs.request import draft
from ..models import Job, JobState, Placement, View
from ..providers import access
from . import export
from .form import images
from .importing import asset_data, provenance
from .importing.import_model import import_job
from .importing.staging import staging_scene


def generate(
    picture: Path | bpy.types.Image,
    *,
    provider: str = "offline_shape",
    views: Mapping[str, Path] | None = None,
    model: str | None = None,
    options: Mapping[str, Any] | None = None,
    placement: Placement | None = None,
    name: str | None = None,
    again: bool = False,
) -> bpy.types.Object:
    """Make the model of a picture and return its root object, selected in Object Mode, in the current scene.

    picture: the front, as a file or as any image in this .blend; it is not changed.
    views: further files by side ("back", "left", "right", "mask"), where the provider takes them.
    options: by the provider's names; what is not given has its default.
    name: of the object; nothing: the picture's.
    again: buy anew what was bought before.

    Raises:
        ImageTo3DError: why there is no object.
    """
    library = Library(settings.library_folder())
    with tempfile.TemporaryDirectory(prefix="image_to_3d-") as folder:
        front, title = _front(picture, Path(folder))
        request = draft(
            {View.FRONT: front, **{_side(name): path for name, path in (views or {}).items()}},
            names={View.FRONT: title},
            provider=provider,
            model=model,
            options=options,
            placement=placement,
            name=name,
        )
        done = completion.generate(request, library, again=again, around=_surroundings())
    # Selecting it in Edit Mode, say, would end what the user is doing.
    return import_into_scene(done.folder, done.job, select=bpy.context.mode == "OBJECT")


def import_into_scene(
    folder: JobFolder, job: Job, *, placement: Placement | None = None, select: bool = False
) -> bpy.types.Object:
    """Bring the result of a job into the current scene, and return its root object.

    Raises:
        BadResult: Blender cannot read it.
        StorageError: it is not there.
    """
    root = import_job(
        job,
        folder.result_files(job),
        placement=placement,
        descriptions=provenance.descriptions_of(job),
        select=select,
        preview=asset_data.picture_of(folder, job),
    )
    with contextlib.suppress(JobBusy, StorageError), folder.claim(patience_seconds=0) as claim:
        folder.save(job.evolve(state=JobState.IMPORTED), claim=claim)  # only a note: the object is there in any case
    return root


class Exporter:
    """Writes the result of a job in any format that Blender writes, by the ending of the file's name."""

    def check(self, path: Path) -> None:
        """Raise `BadOption` if Blender writes no such file."""
        export.check(path)

    def write(self, folder: JobFolder, job: Job, path: Path) -> None:
        """Write the result as it stands at the origin of an empty scene.

        Raises:
            BadResult: Blender cannot read the result.
            StorageError: the file cannot be written.
        """
        with staging_scene() as (scene, view_layer):
            files = folder.result_files(job)
            import_job(job, files, descriptions=provenance.descriptions_of(job), scene=scene, view_layer=view_layer)
            export.save(list(scene.objects), path)


def _side(name: str) -> View:
    if name not in list(View):
        raise BadOption(f'"{name}" is not a side.', hint=f"The sides are: {', '.join(View)}.")
    return View(name)


def _surroundings() -> access.Surroundings:
    return access.Surroundings(bpy.app.binary_path or None, bpy.app.online_access)


def _front(picture: Path | bpy.types.Image, folder: Path) -> tuple[Path, str]:
    if isinstance(picture, bpy.types.Image):
        return images.hand_over(picture, folder, View.FRONT), picture.name
    return picture, picture.name
