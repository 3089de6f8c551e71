# SPDX-License-Identifier: GPL-3.0-or-later
"""From a job's result to the file that the user asked for."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Protocol

from . import system
from .errors import BadOption, StorageError
from .library import JobFolder
from .models import Job


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
    probe = folder / f".image_to_3d-{os.getpid()}~"
    try:
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise StorageError(f'Nothing can be written to "{folder}": {system.explain(error)}.') from error


def deliver(folder: JobFolder, job: Job, path: Path, *, exporter: Exporter | None) -> None:
    """Write the result to `path`: the old file or the whole new one, never a part.

    Raises:
        StorageError: it cannot be written. The result is still in the job folder.
    """
    model = folder.result_files(job)[0]
    hint = f"The model is kept: jobs resume {folder.id} --output FILE."
    try:
        if model.suffix.lower() == path.suffix.lower():
            _copy(model, path.resolve())  # a link stays a link
        elif exporter is not None:
            exporter.write(folder, job, path)
        else:
            raise BadOption(f"The result is a {model.suffix} file; another kind needs Blender.", hint=hint)
    except OSError as error:
        raise StorageError(f'"{path}" cannot be written: {system.explain(error)}.', hint=hint) from error
    except StorageError as error:
        raise StorageError(str(error), hint=hint) from error


def _copy(source: Path, target: Path) -> None:
    draft = target.with_name(f".image_to_3d-{os.getpid()}~")
    try:
        shutil.copyfile(source, draft)
        system.replace(draft, target)
    except BaseException:  # Ctrl-C as well
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
