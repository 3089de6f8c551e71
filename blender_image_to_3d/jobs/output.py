# SPDX-License-Identifier: GPL-3.0-or-later
"""From a job's result to the file that the user asked for."""

from __future__ import annotations

import contextlib
import filecmp
import json
import secrets
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from ..errors import BadOption, StorageError
from ..host import system
from ..mesh import glb_height, gltf, wavefront
from ..mesh.formats import Format
from ..mesh.glb import MeshError
from ..models import Job
from ..results import adopt
from .library import JobFolder

_PICTURE_SUFFIXES = {each.suffix for each in Format if each.is_picture}


class Exporter(Protocol):
    """Writes a job's result in another format, by its file name's ending. Only Blender has one."""

    def check(self, path: Path) -> None:
        """Raise `BadOption` if it writes no such file."""

    def write(self, folder: JobFolder, job: Job, path: Path) -> None:
        """Write the result; raise `StorageError` if that fails, leaving nothing half-written."""


def check(path: Path, *, result_formats: tuple[str, ...], exporter: Exporter | None, overwrite: bool) -> None:
    """Say before anything is sent whether the result could be written to `path`; leaves no trace.

    Raises:
        BadOption: nothing here writes this kind of file.
        StorageError: the file exists, or the folder cannot be written.
    """
    if path.is_dir():
        raise StorageError(f'"{path}" is a folder.', hint="Name a file, such as model.glb.")
    check_format(path, result_formats=result_formats, exporter=exporter)
    if path.exists() and not overwrite:
        raise StorageError(f'"{path}" exists and is kept.', hint="Choose another name, or add --overwrite.")
    check_folder(path.parent)


def check_format(path: Path, *, result_formats: tuple[str, ...], exporter: Exporter | None) -> None:
    """Say whether anything here writes this kind of file.

    Raises:
        BadOption: nothing does.
    """
    if path.suffix.lower().lstrip(".") in result_formats:
        return
    if exporter is None:
        raise BadOption(
            f'Writing "{path.name}" needs Blender.',
            hint=f"Choose .{result_formats[0]}, or run the same words inside Blender: blender --command image_to_3d.",
        )
    exporter.check(path)


def check_folder(folder: Path) -> None:
    """Say whether files can be made in `folder`; leaves no trace.

    Raises:
        StorageError: the folder does not exist, or cannot be written.
    """
    probe = folder / f".image_to_3d-{secrets.token_hex(4)}~"
    try:
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise StorageError(f'Nothing can be written to "{folder}": {system.explain(error)}.') from error


def deliver(folder: JobFolder, job: Job, path: Path, *, exporter: Exporter | None) -> None:
    """Write the result to `path`: the old file or the whole new one, never a part.

    What the model refers to comes along, under names that begin with the model's.

    Raises:
        StorageError: it cannot be written. The result is still in the job folder.
        BadOption: the result is of another kind than `path`, and nothing here can change that.
    """
    model, *others = folder.result_files(job)
    hint = f"The model is kept: jobs resume {folder.id} --output FILE."
    try:
        if model.suffix.lower() == path.suffix.lower():
            _copy_all(model, others, path.resolve(), job.request.placement.height)  # a link stays a link
        elif exporter is not None:
            exporter.write(folder, job, path)
        elif model.suffix.lower() in _PICTURE_SUFFIXES:
            raise BadOption(
                f'The service made a picture, not a model: it cannot become "{path.name}".',
                hint=f'It is kept as "{model}".',
            )
        else:
            raise BadOption(f"The result is a {model.suffix} file; another kind needs Blender.", hint=hint)
    except OSError as error:
        raise StorageError(f'"{path}" cannot be written: {system.explain(error)}.', hint=hint) from error
    except (StorageError, MeshError) as error:
        raise StorageError(str(error), hint=hint) from error


def move_together(folder: Path, path: Path) -> None:
    """Move what was written into `folder` to the folder of `path`, which comes last: it refers to the others.

    Raises:
        StorageError: beside a new `path`, one would replace a file with another content, which may be the user's.
        OSError: they cannot be moved.
    """
    companions = [each for each in folder.rglob("*") if each.is_file() and each != folder / path.name]
    if not path.exists():
        _check_companions(companions, folder, path)
    for each in [*companions, folder / path.name]:
        target = path.parent / each.relative_to(folder)
        target.parent.mkdir(exist_ok=True, parents=True)
        system.replace(each, target)


def _check_companions(companions: Sequence[Path], folder: Path, path: Path) -> None:
    for draft in companions:
        target = path.parent / draft.relative_to(folder)
        if target.exists() and not (target.is_file() and filecmp.cmp(draft, target, shallow=False)):
            raise StorageError(f'"{target}" belongs to "{path.name}", but exists and is kept.')


def _copy_all(model: Path, others: Sequence[Path], target: Path, height: float | None) -> None:
    """Copy a model with what it refers to; a GLB with the height it is to have."""
    if height is not None and model.suffix == Format.GLB.suffix:
        _copy(model, target, lambda source, draft: glb_height.write(source, draft, height))
        return
    if not others or model.suffix not in {Format.OBJ.suffix, Format.GLTF.suffix}:
        _copy(model, target)
        return
    with tempfile.TemporaryDirectory(prefix=".image_to_3d-", dir=target.parent, ignore_cleanup_errors=True) as folder:
        copy = _Copy(others, Path(folder), target.stem)
        try:
            copy.model(model, Path(folder, target.name))
        except (wavefront.LineTooLong, gltf.GltfError) as error:
            raise StorageError(f'"{model.name}" in the job folder is damaged: {error}.') from error
        move_together(Path(folder), target)


class _Copy:
    """A copy of a model whose companions have names of their own: several models may share a folder."""

    def __init__(self, others: Sequence[Path], folder: Path, stem: str) -> None:
        self._others = {each.name: each for each in others}
        self._folder = folder
        self._stem = stem if _is_plain(stem) else adopt.safe_name(stem)
        self._names: dict[str, str] = {}

    def model(self, model: Path, target: Path) -> None:
        """Write the model, and what it refers to."""
        if model.suffix == Format.OBJ.suffix:
            self._rewrite(model, target)
        else:
            document = gltf.read(model)
            gltf.rename_files(document, self._renamed)
            target.write_text(json.dumps(document), encoding="utf-8")
        written: set[str] = set()
        while missing := self._names.keys() - written:  # a library brings its textures
            for name in missing:
                self._write(self._others[name], self._folder / self._names[name])
            written |= missing

    def _write(self, source: Path, target: Path) -> None:
        if source.suffix.lower() == ".mtl":
            self._rewrite(source, target)
        else:
            shutil.copyfile(source, target)

    def _rewrite(self, source: Path, target: Path) -> None:
        with source.open("rb") as file, target.open("wb") as draft:
            draft.writelines(new for _, new in wavefront.renamed(file, lambda _, name: self._renamed(name)))

    def _renamed(self, name: str) -> str | None:
        if name not in self._others:
            return None
        if name not in self._names:
            suffix = Path(name).suffix
            is_first = suffix in {".mtl", ".bin"} and self._stem + suffix not in self._names.values()
            self._names[name] = self._stem + suffix if is_first else f"{self._stem}-{name}"
        return self._names[name]


def _is_plain(stem: str) -> bool:
    """Whether a name can stand in an OBJ or MTL file as it is."""
    return stem.isprintable() and stem == stem.strip(" \"'") and not stem.startswith("-")


def _copy(source: Path, target: Path, copy: Callable[[Path, Path], object] = shutil.copyfile) -> None:
    # Not our number: in containers, processes on several machines have the same.
    draft = target.with_name(f".image_to_3d-{secrets.token_hex(4)}~")
    try:
        copy(source, draft)
        system.replace(draft, target)
    except BaseException:  # Ctrl-C as well
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
