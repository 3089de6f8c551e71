# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder for the Asset Browser: the models of a batch as assets, in a .blend for each or in one for all."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import bpy

from ...batch import asset_catalogs
from ...batch.assembly import Exhibit, Wish
from ...errors import StorageError
from ...host import system
from ...models import Job
from .. import export, foreign
from ..importing import asset_data, provenance, staging
from ..importing.origin import PREFIX

TITLE_KEY = f"{PREFIX}asset"
"""What a model is called in its library: names of datablocks are cut, and may be taken."""

Asset = bpy.types.Object | bpy.types.Collection


class AssetLibrary:
    """The assets that are in the folder, and those that come in."""

    def __init__(self, folder: Path, wish: Wish, parts: Path) -> None:
        """parts: a folder for what is to be put together in the end.

        Raises:
            StorageError: the folder cannot be written, or has a file of that name that is none of ours.
        """
        self._folder = folder
        self._parts = parts
        self._overwrite = wish.overwrite
        self._one = folder / f"{folder.resolve().name or 'models'}.blend" if wish.in_one_file else None
        self._added: dict[str, Path] = {}
        self._there = _jobs_in(self._one) if self._one else {}
        self._catalog = asset_catalogs.ensure(folder, wish.catalog)

    def has(self, exhibit: Exhibit, job: Job) -> bool:
        """Whether this very model is there, and may stay.

        Raises:
            StorageError: a file of its name is there, and is none of ours.
        """
        there = self._there if self._one else _jobs_in(self._file(exhibit))
        return there.get(exhibit.title) == job.id and not self._overwrite

    def add(
        self, exhibit: Exhibit, job: Job, root: bpy.types.Object, scene: bpy.types.Scene, picture: Path | None
    ) -> None:
        """Write a model that stands alone in `scene` as an asset; an old file is replaced as a whole.

        Raises:
            StorageError: it cannot be written.
        """
        asset = asset_data.whole(root, scene.collection)
        asset.name = exhibit.title
        asset[TITLE_KEY] = exhibit.title
        asset_data.mark(asset, job, picture)
        asset.asset_data.catalog_id = str(self._catalog)
        if self._one is None:
            _write({scene}, self._file(exhibit))
        else:
            part = self._parts / f"{len(self._added)}.blend"
            _write({asset}, part)
            self._added[exhibit.title] = part

    def finish(self) -> None:
        """Put what came in into the one file, if there is to be one; what else is in there stays.

        Raises:
            StorageError: it cannot be written; the old one is still there.
        """
        if self._one is None or not self._added:
            return
        with _locked(self._folder), staging.staging_scene():
            kept = _without(self._added, _load(self._one))
            added = [each for part in self._added.values() for each in _load(part)]
            for each in added:
                each.name = each[TITLE_KEY]  # what it uses may have been called so
            _write({*kept, *added}, self._one)

    def _file(self, exhibit: Exhibit) -> Path:
        return self._folder / f"{exhibit.title}.blend"


def _jobs_in(blend: Path) -> dict[str, str]:
    """Return the generations of the models in a file by their titles; none if there is no file.

    Raises:
        StorageError: it is none of ours.
    """
    if not blend.exists():
        return {}
    with staging.staging_scene():
        found = [(each.get(TITLE_KEY), provenance.job_of(each)) for each in _load(blend, link=True)]
    jobs = {title: job for title, job in found if title and job}
    if not jobs:
        hint = "Move it away, or choose another folder for the asset library."
        raise StorageError(f'"{blend}" exists and is kept: it holds no model of ours.', hint=hint)
    return jobs


def _load(blend: Path, *, link: bool = False) -> list[bpy.types.ID]:
    """Return the assets in a file, with what they use.

    Raises:
        StorageError: it is damaged, or was written by a later Blender.
    """
    if not blend.exists():
        return []
    try:
        with bpy.data.libraries.load(str(blend), link=link, assets_only=True) as (there, here):
            kinds = [each.identifier for each in bpy.data.bl_rna.properties if each.type == "COLLECTION"]
            kinds = [kind for kind in kinds if getattr(there, kind, ())]
            for kind in kinds:
                setattr(here, kind, list(getattr(there, kind)))
    except OSError as error:
        raise StorageError(f'"{blend}" cannot be read: {foreign.reason(error)}', hint="Move it away.") from error
    return [block for kind in kinds for block in getattr(here, kind) if block is not None]


def _without(titles: Collection[str], blocks: Sequence[bpy.types.ID]) -> list[bpy.types.ID]:
    """Return those that are not called so, after the others have made room for their successors' names."""
    old = [each for each in blocks if each.get(TITLE_KEY) in titles]
    kept = [each for each in blocks if each not in old]
    objects = [one for each in old if isinstance(each, bpy.types.Collection) for one in each.objects]
    bpy.data.batch_remove({*old, *objects})
    return kept


def _write(blocks: set[bpy.types.ID], target: Path) -> None:
    try:
        with tempfile.TemporaryDirectory(prefix=".image_to_3d-", dir=target.parent) as folder:
            draft = Path(folder, target.name)
            bpy.data.libraries.write(str(draft), blocks, fake_user=False, compress=False)
            export.check_room(draft.parent)
            system.replace(draft, target)
    except (OSError, RuntimeError) as error:
        # Blender raises either, with words of its own and without a number.
        is_of_system = isinstance(error, OSError) and error.errno is not None
        reason = f"{system.explain(error)}." if is_of_system else foreign.reason(error)
        raise StorageError(f'"{target}" cannot be written: {reason}') from error


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    lock = folder / asset_catalogs.LOCK_NAME
    with ExitStack() as held:
        try:
            held.enter_context(system.locked(lock))
        except OSError as error:
            raise StorageError(f'"{lock}" cannot be written: {system.explain(error)}.') from error
        yield
