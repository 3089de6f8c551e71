# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a batch: one JSON line for every picture, in the order in which they became known."""

from __future__ import annotations

import json
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from ..errors import StorageError
from ..host import system


class Report:
    """Takes the place of an earlier report once the batch has ended, however it ended.

    Meanwhile its lines stand in FILE~. A batch that is stopped early does not know of every picture: the others keep
    the lines that they had. One that is killed leaves the earlier report as it was.
    """

    def __init__(self, path: Path, pictures: Collection[str]) -> None:
        """pictures: as their lines will name them.

        Raises:
            StorageError: there is no writing to `path`.
        """
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # What is no file, such as /dev/stdout, is not to be replaced by one.
            is_replaced = path.is_file() or not path.exists()
            self._target = path.resolve() if is_replaced else None  # a link stays a link
            self._former = _lines_of(path, pictures) if is_replaced else {}
            self._file: IO[str] = (_draft_of(self._target) if self._target else path).open("w", encoding="utf-8")
        except OSError as error:
            raise self._unwritable(error) from error

    def __enter__(self) -> Self:
        return self

    def write(self, facts: dict[str, Any]) -> None:
        """Write the line of a picture. Raises `StorageError`."""
        self._former.pop(facts["picture"], None)
        self._write(json.dumps(facts))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for line in self._former.values():
            self._write(line)
        try:
            self._file.close()
            if self._target:
                system.replace(_draft_of(self._target), self._target)
        except OSError as error:
            raise self._unwritable(error) from error

    def _write(self, line: str) -> None:
        try:
            self._file.write(line + "\n")
            self._file.flush()
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> StorageError:
        return StorageError(f'The report "{self._path}" cannot be written: {system.explain(error)}.')


def _draft_of(path: Path) -> Path:
    return path.with_name(path.name + "~")


def _lines_of(path: Path, pictures: Collection[str]) -> dict[str, str]:
    """Return what an earlier report says of `pictures`."""
    lines: dict[str, str] = {}
    with suppress(FileNotFoundError), path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            with suppress(ValueError, KeyError, TypeError):
                lines[json.loads(line)["picture"]] = line.rstrip("\n")
    return {picture: lines[picture] for picture in pictures if picture in lines}
