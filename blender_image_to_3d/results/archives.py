# SPDX-License-Identifier: GPL-3.0-or-later
"""Zip archives from strangers: what is in them, and one member at a time onto the disk.

Nothing that they say is believed.
"""

from __future__ import annotations

import errno
import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ..errors import BadResult

MOST_MEMBERS = 2000
MOST_BYTES = 2**30
"""Of all that is unpacked."""
MOST_RATIO = 200
"""How many times larger than the archive all that is unpacked may be. A model shrinks to a tenth at best; deflate
reaches a thousandth, and members that overlap far more."""
HARMLESS_BYTES = 64 * 2**20
"""So much may come out of any archive, however small it is."""

_MOST_DIRECTORY_BYTES = 2**20
_BLOCK_BYTES = 2**18
# Others need memory as the archive wants it.
_COMPRESSIONS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_ENCRYPTED = 1
# Everything that `zipfile` raises for archives that are not as they should be.
_DAMAGED = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, RuntimeError, OverflowError)


@dataclass(frozen=True)
class Member:
    """A file in an archive."""

    place: str
    """Its path there, with forward slashes: fit to be compared with, never to be opened."""
    size: int
    """Bytes, as the archive says."""
    _info: zipfile.ZipInfo

    @property
    def name(self) -> str:
        return self.place.rpartition("/")[2]


class Archive:
    """An open zip archive."""

    def __init__(self, file: zipfile.ZipFile, size: int) -> None:
        self._file = file
        self._most_bytes = min(MOST_BYTES, max(HARMLESS_BYTES, size * MOST_RATIO))
        self._unpacked_bytes = 0

    def members(self) -> list[Member]:
        """Return the files in it that have no business elsewhere: no links, no devices, nothing with ".." in its path.

        Raises:
            BadResult: there are too many.
        """
        infos = self._file.infolist()
        if len(infos) > MOST_MEMBERS:
            raise BadResult(f"The archive holds {len(infos):,} files.")
        members = [Member(info.filename.replace("\\", "/"), info.file_size, info) for info in infos]
        return [each for each in members if _is_ordinary(each)]

    def head(self, member: Member, size: int) -> bytes:
        """Return the first bytes of a member. Raises `BadResult`."""
        with _suspicious(), self._open(member) as source:
            return source.read(size)

    def unpack(self, member: Member, target: Path) -> None:
        """Write a member to a new file.

        Raises:
            BadResult: it is damaged, or larger than anything sensible.
            OSError: the file cannot be written.
        """
        with target.open("xb") as file, _suspicious(), self._open(member) as source:
            while block := source.read(_BLOCK_BYTES):
                self._unpacked_bytes += len(block)
                if self._unpacked_bytes > self._most_bytes:
                    raise BadResult(f"The archive unpacks to more than {self._most_bytes // 2**20:,} MB.")
                file.write(block)

    @contextmanager
    def _open(self, member: Member) -> Iterator[IO[bytes]]:
        info = member._info
        if info.flag_bits & _ENCRYPTED:
            raise BadResult("The archive is locked with a password.")
        if info.compress_type not in _COMPRESSIONS:
            raise BadResult("The archive is packed in a way that is not known here.")
        with self._file.open(info) as source:
            yield source


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """Open an archive.

    Raises:
        BadResult: it is damaged, or its list of files is larger than anything sensible.
        OSError: it cannot be read.
    """
    with _Cautious(path) as raw, _closing(raw) as file:
        yield Archive(file, path.stat().st_size)


@contextmanager
def _closing(raw: io.RawIOBase) -> Iterator[zipfile.ZipFile]:
    with _suspicious():
        file = zipfile.ZipFile(raw)
    with file:
        yield file


class _Cautious(io.FileIO):
    """A file of which nobody gets a large piece: `zipfile` reads the list of files in one, and makes objects of it."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _MOST_DIRECTORY_BYTES:
            raise BadResult("The archive's list of files is too long.")
        return super().read(-1 if size is None else size) or b""


@contextmanager
def _suspicious() -> Iterator[None]:
    """Turn what damaged archives lead to into `BadResult`."""
    try:
        yield
    except _DAMAGED as error:
        raise BadResult("The archive is damaged.") from error
    except OSError as error:
        if error.errno != errno.EINVAL:  # a place before the file's beginning
            raise
        raise BadResult("The archive is damaged.") from error


def _is_ordinary(member: Member) -> bool:
    kind = stat.S_IFMT(member._info.external_attr >> 16)
    parts = member.place.split("/")
    return (
        kind in {0, stat.S_IFREG}
        and bool(parts[-1])
        and ".." not in parts
        and parts[0] != "__MACOSX"
        and not parts[-1].startswith("._")
    )
