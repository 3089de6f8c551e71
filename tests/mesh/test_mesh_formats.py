# SPDX-License-Identifier: GPL-3.0-or-later
"""Files are known by their bytes."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blender_image_to_3d.mesh.formats import Format, detect

pytestmark = pytest.mark.everywhere

BINARY_STL = b"solid not text".ljust(80, b" ") + struct.pack("<I", 2) + bytes(100)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"glTF\x02\0\0\0", Format.GLB),
        (b'{"asset": {"version": "2.0"}}', Format.GLTF),
        (b'\xef\xbb\xbf\n{ "buffers": [], "asset" : {"version":"2.0"}}', Format.GLTF),
        (b'{"asset": {"id": 7}, "error": "no credit"}', Format.JSON),
        (b'{"detail": "Not found"}', Format.JSON),
        (b"[1, 2]", Format.JSON),
        (b"{\x14\x2e\xbf[\0\0\0", None),
        (b"# Blender\r\nmtllib a.mtl\r\no Cube\r\nv 1 2 3\r\n", Format.OBJ),
        (b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", Format.OBJ),
        (b"v 0 0 0\nvn 0 0 1\nv 1 0", Format.OBJ),
        (b"solid cube\n  facet normal 0 0 1\n", Format.STL),
        (b"solid\r\nfacet normal 0 0 1\n", Format.STL),
        (b"ply\nformat ascii 1.0\n", Format.PLY),
        (b"ply\r\nformat binary_little_endian 1.0\r\n", Format.PLY),
        (b"Kaydara FBX Binary  \x00\x1a\x00", Format.FBX),
        (b"; FBX 7.3.0 project file\n", Format.FBX),
        (b"PK\x03\x04\x14\x00", Format.ZIP),
        (b"PK\x05\x06" + bytes(18), Format.ZIP),
        (b"<!DOCTYPE html><html>", Format.HTML),
        (b"\n  <HTML lang=en>", Format.HTML),
        (b'<?xml version="1.0"?>\n<!-- proxy --><!doctype html>', Format.HTML),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", None),
        (b"", None),
        (b"value 1\n", None),
        (b"# only a comment\n", None),
        (b"solid ground for a novel\n", None),
        (b'{"accessors": [{"bufferView": 0, "componentType": 5126}, ', Format.GLTF),
        (b"\x89PNG\r\n\x1a\n", Format.PNG),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", Format.JPEG),
        (b"RIFF\n\x1a\0\0WEBPVP8 ", Format.WEBP),
        (b"RIFF\x24\0\0\0WAVEfmt ", None),
        (b"\0\0\0\x18ftypmp42", None),
        (b"ground truth\nfor all\n", None),
    ],
)
def test_a_file_is_known_by_its_first_bytes(head: bytes, expected: Format | None) -> None:
    assert detect(head) is expected


def test_a_binary_stl_is_known_by_its_size_even_if_it_says_solid() -> None:
    assert detect(BINARY_STL, len(BINARY_STL)) is Format.STL
    assert detect(BINARY_STL, len(BINARY_STL) + 1) is None
    assert detect(BINARY_STL[:84], len(BINARY_STL)) is Format.STL
    assert detect(BINARY_STL) is None


def test_only_what_can_be_imported_counts_as_a_mesh() -> None:
    pictures = {Format.PNG, Format.JPEG, Format.WEBP}
    assert {format for format in Format if format.is_picture} == pictures
    assert {format for format in Format if not format.is_mesh} == {*pictures, Format.ZIP, Format.HTML, Format.JSON}
    assert Format.GLB.suffix == ".glb"


@settings(deadline=None)
@given(st.binary(max_size=300), st.none() | st.integers(0, 1000))
def test_no_bytes_are_too_strange(head: bytes, size: int | None) -> None:
    detect(head, size)
