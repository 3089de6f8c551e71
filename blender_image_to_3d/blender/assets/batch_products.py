# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes an asset library and a contact sheet of the models of a batch. One model at a time is in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray

from ...batch.assembly import Assembled, AssetState, Exhibit, Wish
from ...errors import BadOption, BadPicture, BadResult, ImageTo3DError, StorageError
from ...models import Job, Problem
from .. import foreign
from ..importing import asset_data, provenance
from ..importing.import_model import import_job
from ..importing.staging import staging_scene
from . import contact_sheet, lettering, studio
from .asset_library import AssetLibrary
from .contact_sheet import Card, ContactSheet

_FIND_JOBS = "Make it anew with --overwrite."


class Assembler:
    """Makes what is wished for, in Blender."""

    def assemble(self, exhibits: Sequence[Exhibit], wish: Wish, on_news: Callable[[Assembled], None]) -> Sequence[Path]:
        """Make it, and return the files of the contact sheet. One broken model does not stop the others.

        Raises:
            StorageError: the asset library or the contact sheet cannot be written.
        """
        with ExitStack() as until_done:
            folder = Path(until_done.enter_context(tempfile.TemporaryDirectory(prefix="image_to_3d-")))
            library = AssetLibrary(wish.asset_library, wish, folder) if wish.asset_library else None
            sheet = None
            if wish.contact_sheet is not None:
                pen = until_done.enter_context(lettering.pen())
                sheet = ContactSheet(wish.contact_sheet, _title(exhibits), len(exhibits), pen)
            assembly = _Assembly(library, sheet, folder)
            for exhibit in exhibits:
                on_news(assembly.take(exhibit))
            assembly.finish()
        return sheet.pages if sheet else []


class _Assembly:
    def __init__(self, library: AssetLibrary | None, sheet: ContactSheet | None, folder: Path) -> None:
        self._library = library
        self._sheet = sheet
        self._folder = folder

    def take(self, exhibit: Exhibit) -> Assembled:
        """Take one picture in, with its model if there is one."""
        state, look, problem = None, None, None
        try:
            if not exhibit.reason:
                state, look = self._take_model(exhibit)
        except ImageTo3DError as error:
            problem = Problem.of(error)
        if self._sheet is not None:
            reason = exhibit.reason or (problem.message if problem else "")
            self._sheet.add(Card(exhibit.title, _picture(exhibit), look, reason))
        if self._library is not None and state is None:
            state = AssetState.MISSING
        return Assembled(exhibit, state, problem)

    def finish(self) -> None:
        if self._library is not None:
            self._library.finish()
        if self._sheet is not None:
            self._sheet.finish()

    def _take_model(self, exhibit: Exhibit) -> tuple[AssetState | None, NDArray[np.uint8] | None]:
        """Return what became of it in the library, and how it looks, as far as that is wished for.

        Raises:
            ImageTo3DError: there is no model, or it cannot be used.
        """
        job = _job_of(exhibit)
        is_there = self._library is not None and self._library.has(exhibit, job)
        state = AssetState.THERE if is_there else None
        look = None
        if is_there and self._sheet is None:
            return state, look
        with _model(exhibit, job) as (root, scene):
            if self._library is not None and not is_there:
                self._library.add(exhibit, job, root, scene, _front(exhibit, job))
                state = AssetState.ADDED
            if self._sheet is not None:
                look = studio.photograph(root, scene, (contact_sheet.SIDE, contact_sheet.SIDE), self._folder)
        return state, look


def _job_of(exhibit: Exhibit) -> Job:
    """Return the job with the result. Raises `StorageError`: there is none."""
    if exhibit.folder is None:
        raise StorageError(f'Nothing is known of how "{exhibit.title}" was made.', hint=_FIND_JOBS)
    job = exhibit.folder.load()
    if not job.state.has_result:
        raise StorageError(f'The job of "{exhibit.title}" has no result.', hint=_FIND_JOBS)
    return job


@contextmanager
def _model(exhibit: Exhibit, job: Job) -> Iterator[tuple[bpy.types.Object, bpy.types.Scene]]:
    """The model at the origin of a scene of its own, which is gone afterwards.

    Raises:
        BadResult: Blender cannot read it.
        StorageError: a file is missing.
    """
    assert exhibit.folder is not None
    with staging_scene() as (scene, view_layer):
        try:
            root = import_job(
                job,
                exhibit.folder.result_files(job),
                placement=job.request.placement.evolve(as_asset=False, collection=None),
                location=(0.0, 0.0, 0.0),
                descriptions=_descriptions(job),
                scene=scene,
                view_layer=view_layer,
            )
        except RuntimeError as error:
            raise BadResult(f"The model cannot be used: {foreign.reason(error)}") from error
        yield root, scene


def _descriptions(job: Job) -> dict[str, str]:
    try:
        return provenance.descriptions_of(job)
    except BadOption:  # this version does not know the provider
        return {}


def _front(exhibit: Exhibit, job: Job) -> Path | None:
    """Return the picture that the model was made from: as it was then, if that is still there."""
    kept = asset_data.picture_of(exhibit.folder, job) if exhibit.folder else None
    return kept if kept is not None and kept.is_file() else exhibit.picture


def _picture(exhibit: Exhibit) -> NDArray[np.uint8] | None:
    try:
        return contact_sheet.fitted(asset_data.thumbnail(exhibit.picture, contact_sheet.SIDE))
    except (BadPicture, RuntimeError, ValueError):
        return None


def _title(exhibits: Sequence[Exhibit]) -> str:
    folders = {exhibit.picture.resolve().parent.name for exhibit in exhibits}
    return folders.pop() if len(folders) == 1 else "Image to 3D"
