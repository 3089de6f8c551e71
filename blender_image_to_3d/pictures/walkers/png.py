# SPDX-License-Identifier: GPL-3.0-or-later
"""PNG: chunks from the signature to IEND, with the checksums of the critical ones (PNG specification, section 5)."""

from __future__ import annotations

import struct
import zlib

from .. import exif
from ..facts import PictureFacts, PictureFormat
from ..source import PIECE, Source

SIGNATURE = b"\x89PNG\r\n\x1a\n"

DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""Bit depths allowed for each colour type (table 11.1)."""

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Samples per pixel of each colour type."""

_MAX_CHUNKS = 1 << 18
_MAX_EXIF = 1 << 16
_KNOWN_CRITICAL = frozenset((b"IHDR", b"PLTE", b"IDAT", b"IEND"))


def walk(source: Source) -> PictureFacts:
    """Follow a PNG file to its IEND chunk; raise BadPicture if it is cut or damaged."""
    if source.peek(12, 4) != b"IHDR":
        source.require(8, 33)
        raise source.damaged("its first chunk is not IHDR")
    width, height, depth, colour, compression, filtering, interlace = struct.unpack(">IIBBBBB", source.read(16, 13))
    if depth not in DEPTHS.get(colour, ()) or compression or filtering or interlace > 1:
        raise source.damaged("its header declares a kind of pixels that PNG does not have")
    source.check_size(width, height)
    orientation = _walk_chunks(source, needs_palette=colour == 3)
    return PictureFacts(PictureFormat.PNG, width, height, orientation, CHANNELS[colour], depth)


def _walk_chunks(source: Source, *, needs_palette: bool) -> int:
    """Check every chunk and return the orientation from eXIf."""
    orientation = 1
    seen: set[bytes] = set()
    offset = len(SIGNATURE)
    for _ in range(_MAX_CHUNKS):
        length, kind = struct.unpack(">I4s", source.read(offset, 8))
        if not kind.isalpha() or length >= 1 << 31:
            raise source.damaged("it has bytes where a chunk should begin")
        source.require(offset, length + 12)
        if kind[:1].isupper():
            if kind not in _KNOWN_CRITICAL or (kind == b"IHDR" and seen):
                raise source.damaged(f"it has an unexpected {kind.decode('ascii')} chunk")
            _check_sum(source, offset + 4, length + 4, kind)
        elif kind == b"eXIf":
            orientation = exif.orientation(source.peek(offset + 8, min(length, _MAX_EXIF)))
        if kind == b"IEND":
            break
        if length or kind != b"IDAT":
            seen.add(kind)
        offset += length + 12
    else:
        raise source.damaged("it has too many chunks")
    if b"IDAT" not in seen or (needs_palette and b"PLTE" not in seen):
        raise source.damaged("it has a header but no pixels" if b"IDAT" not in seen else "its palette is missing")
    return orientation


def _check_sum(source: Source, offset: int, length: int, kind: bytes) -> None:
    """Compare the checksum behind ``length`` bytes at ``offset`` with these bytes."""
    end = offset + length
    checksum = 0
    while offset < end:
        piece = source.read(offset, min(PIECE, end - offset))
        checksum = zlib.crc32(piece, checksum)
        offset += len(piece)
    if checksum != int.from_bytes(source.read(end, 4), "big"):
        raise source.damaged(f"the checksum of its {kind.decode('ascii')} chunk is wrong")
