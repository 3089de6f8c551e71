# SPDX-License-Identifier: GPL-3.0-or-later
"""The child Blender that decodes what Pillow is not there for, run for real under this Python's bpy.

The files are written by bpy itself and, where bpy cannot write them, byte by byte; Pillow is a second opinion where it
is installed.
"""

from __future__ import annotations

import base64
import importlib.util
import struct
import sys
import zlib
from pathlib import Path

import bpy
import numpy as np
import pytest

from blender_image_to_3d.errors import BadPicture
from blender_image_to_3d.pictures import blender_process, pixels
from blender_image_to_3d.pictures.facts import PictureFormat
from blender_image_to_3d.pictures.inspect import inspect

pytestmark = pytest.mark.everywhere

COMMAND = [sys.executable, "-P"]
WIDTH, HEIGHT = 48, 32
COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255))
"""Top left, top right, bottom left, bottom right: enough to see every turn and every swap of channels."""

CMYK_JPEG = base64.b64decode(
    "/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwADAgIDAgIDAwMDBAMDBAUIBQUEBAUKBwcGCAwKDAwLCgsLDQ4SEA0OEQ4LCxAWEBETFBUVFQwPFxgWFB"
    "gSFBUU/8AAFAgAIAAwBEMRAE0RAFkRAEsRAP/EABYAAQEBAAAAAAAAAAAAAAAAAAAKCf/EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAOBEMATQBZ"
    "AEsAAD8A1TZVMqmqYAAJV1VAAAAqoSrgAACVdVQAAACVdVQAAAqoVUAAACVdKuAAAKqFVAAAA//Z"
)
"""48 x 32, the four colours above as CMYK with Adobe's marker (values inverted), written by Pillow."""


def quarters(alpha: int = 255) -> np.ndarray:
    """The test picture, (h, w, 4) uint8, top row first."""
    picture = np.full((HEIGHT, WIDTH, 4), alpha, np.uint8)
    for number, colour in enumerate(COLOURS):
        rows = slice(0, HEIGHT // 2) if number < 2 else slice(HEIGHT // 2, HEIGHT)
        columns = slice(0, WIDTH // 2) if number % 2 == 0 else slice(WIDTH // 2, WIDTH)
        picture[rows, columns, :3] = colour
    return picture


def save(path: Path, picture: np.ndarray, file_format: str, *, mode: str = "RGB", depth: str = "8") -> Path:
    """Let Blender write ``picture``, (h, w, 4) uint8, with its values as they are."""
    image = bpy.data.images.new("picture", WIDTH, HEIGHT, alpha=True, float_buffer=depth != "8")
    scene = bpy.data.scenes.new("settings")
    try:
        image.colorspace_settings.name = "Non-Color"
        image.pixels.foreach_set((picture[::-1].astype(np.float32) / 255.0).ravel())
        settings = scene.render.image_settings
        settings.file_format = file_format
        settings.color_mode = mode
        if file_format in ("TIFF", "OPEN_EXR"):
            settings.color_depth = depth
        settings.quality = 100
        scene.view_settings.view_transform = "Raw"
        image.save_render(str(path), scene=scene)
    finally:
        bpy.data.images.remove(image)
        bpy.data.scenes.remove(scene)
    return path


def tiff(samples: np.ndarray, *, extra: int | None = None, orientation: int = 1, sample_format: int = 1) -> bytes:
    """An uncompressed little-endian TIFF. samples: (h, w, channels); extra: meaning of the last channel."""
    height, width, channels = samples.shape
    body = samples.astype(samples.dtype.newbyteorder("<")).tobytes()
    bits = samples.dtype.itemsize * 8
    tags = [(256, 4, width), (257, 4, height), (259, 3, 1), (262, 3, 2 if channels > 2 else 1), (274, 3, orientation)]
    tags += [(277, 3, channels), (278, 4, height), (279, 4, len(body)), (284, 3, 1)]
    tags += [(338, 3, extra)] if extra is not None else []
    count = len(tags) + 3
    after = 8 + 2 + count * 12 + 4
    lists = struct.pack("<H", bits) * channels + struct.pack("<H", sample_format) * channels
    entries = [struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags]
    if channels > 2:
        entries.append(struct.pack("<HHII", 258, 3, channels, after))
        entries.append(struct.pack("<HHII", 339, 3, channels, after + 2 * channels))
    else:
        entries.append(struct.pack("<HHIHH", 258, 3, 1, bits, 0))
        entries.append(struct.pack("<HHIHH", 339, 3, 1, sample_format, 0))
    entries.append(struct.pack("<HHII", 273, 4, 1, after + len(lists)))
    entries.sort(key=lambda entry: struct.unpack_from("<H", entry))
    return b"II*\0" + struct.pack("<IH", 8, count) + b"".join(entries) + bytes(4) + lists + body


def exr(values: np.ndarray, names: bytes = b"ABGR") -> bytes:
    """An uncompressed OpenEXR file. values: (h, w, len(names)) float32."""
    height, width, channels = values.shape

    def attribute(name: bytes, kind: bytes, value: bytes) -> bytes:
        return name + b"\0" + kind + b"\0" + struct.pack("<i", len(value)) + value

    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    listed = b"".join(bytes([name]) + b"\0" + struct.pack("<i4xii", 2, 1, 1) for name in names) + b"\0"
    head = b"v/1\x01" + struct.pack("<I", 2) + attribute(b"channels", b"chlist", listed)
    head += attribute(b"compression", b"compression", b"\0") + attribute(b"lineOrder", b"lineOrder", b"\0")
    head += attribute(b"dataWindow", b"box2i", window) + attribute(b"displayWindow", b"box2i", window)
    head += attribute(b"pixelAspectRatio", b"float", struct.pack("<f", 1))
    head += attribute(b"screenWindowCenter", b"v2f", bytes(8)) + attribute(b"screenWindowWidth", b"float", bytes(4))
    head += b"\0"
    planar = np.ascontiguousarray(values.transpose(0, 2, 1), "<f4")
    chunks = [struct.pack("<ii", row, channels * width * 4) + planar[row].tobytes() for row in range(height)]
    offsets = np.cumsum([len(head) + 8 * height, *map(len, chunks)])[:-1]
    return head + offsets.astype("<u8").tobytes() + b"".join(chunks)


def with_exif(jpeg: bytes, orientation: int) -> bytes:
    block = b"Exif\0\0II*\0" + struct.pack("<IHHHIHHI", 8, 1, 274, 3, 1, orientation, 0, 0)
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + jpeg[2:]


def by_blender(path: Path) -> np.ndarray:
    return blender_process.decode(path, inspect(path), COMMAND)


def agrees_with_pillow(path: Path, decoded: np.ndarray, tolerance: int = 1) -> bool:
    """Whether Pillow, where it is installed, shows the same, apart from what lies under no alpha."""
    if importlib.util.find_spec("PIL") is None:
        return True
    facts = inspect(path)
    if facts.format is PictureFormat.PNG:
        return np.array_equal(pixels.read(path), decoded)
    stored, orientation = pixels._read_with_pillow(path, facts)
    seen = stored[:, :, 3:] > 0
    shown = pixels.upright(decoded, facts.orientation).astype(int) - pixels.upright(stored, orientation)
    return bool(np.abs(np.where(seen, shown, 0)).max() <= tolerance)


@pytest.mark.parametrize(
    ("file_format", "suffix", "tolerance"),
    [
        ("PNG", ".png", 0),
        ("JPEG", ".jpg", 3),
        ("WEBP", ".webp", 0),
        ("TIFF", ".tif", 0),
        ("BMP", ".bmp", 0),
        ("TARGA", ".tga", 0),
        ("TARGA_RAW", ".tga", 0),
    ],
)
def test_colours_and_rows_come_back(file_format: str, suffix: str, tolerance: int, tmp_path: Path) -> None:
    path = save(tmp_path / f"picture{suffix}", quarters(), file_format)
    decoded = by_blender(path)
    # The middle of each quarter: JPEG bleeds at the borders.
    for rows, columns in ((4, 6), (4, 30), (20, 6), (20, 30)):
        block = slice(rows, rows + 8), slice(columns, columns + 12)
        assert np.abs(decoded[block].astype(int) - quarters()[block]).max() <= tolerance
    assert agrees_with_pillow(path, decoded)


def test_a_grey_jpeg(tmp_path: Path) -> None:
    path = save(tmp_path / "grey.jpg", np.full((HEIGHT, WIDTH, 4), (90, 90, 90, 255), np.uint8), "JPEG", mode="BW")
    assert inspect(path).channels == 1
    decoded = by_blender(path)
    assert np.abs(decoded[:, :, :3].astype(int) - 90).max() <= 1
    assert agrees_with_pillow(path, decoded)


def test_a_cmyk_jpeg_is_not_a_negative(tmp_path: Path) -> None:
    path = tmp_path / "print.jpg"
    path.write_bytes(CMYK_JPEG)
    assert inspect(path).channels == 4
    decoded = by_blender(path)
    assert np.abs(decoded[4:12, 4:20].astype(int) - quarters()[4:12, 4:20]).max() <= 3
    assert np.abs(decoded[20:28, 28:44].astype(int) - quarters()[20:28, 28:44]).max() <= 3
    assert agrees_with_pillow(path, decoded)


@pytest.mark.parametrize(("file_format", "suffix"), [("TIFF", ".tif"), ("TARGA", ".tga"), ("WEBP", ".webp")])
def test_alpha_stays_straight(file_format: str, suffix: str, tmp_path: Path) -> None:
    path = save(tmp_path / f"glass{suffix}", quarters(100), file_format, mode="RGBA")
    decoded = by_blender(path)
    assert np.array_equal(decoded, quarters(100))
    assert agrees_with_pillow(path, decoded)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("extra", [1, 2])
def test_both_kinds_of_alpha_in_a_tiff(kind: type, extra: int, tmp_path: Path) -> None:
    largest = np.iinfo(kind).max
    straight = quarters(100) / 255.0
    stored = straight * np.concatenate([straight[:, :, 3:]] * 3 + [np.ones((HEIGHT, WIDTH, 1))], axis=2)
    path = tmp_path / "glass.tif"
    path.write_bytes(tiff(np.rint((stored if extra == 1 else straight) * largest).astype(kind), extra=extra))
    assert inspect(path).premultiplied == (extra == 1)
    decoded = by_blender(path)
    assert np.array_equal(decoded, quarters(100))
    assert agrees_with_pillow(path, decoded)


def test_sixteen_bits_are_rounded_without_a_transfer_function(tmp_path: Path) -> None:
    shades = np.linspace(0, 65535, HEIGHT * WIDTH * 3).round().astype(np.uint16).reshape(HEIGHT, WIDTH, 3)
    path = tmp_path / "scan.tif"
    path.write_bytes(tiff(shades))
    assert np.abs(by_blender(path)[:, :, :3] - shades / 257.0).max() <= 0.5 + 1e-3
    grey = tmp_path / "grey.tif"
    grey.write_bytes(tiff(shades[:, :, :1]))
    assert np.abs(by_blender(grey)[:, :, :3] - shades[:, :, :1] / 257.0).max() <= 0.5 + 1e-3


def test_a_float_tiff_that_pillow_cannot_read_is_read_by_blender(tmp_path: Path) -> None:
    path = tmp_path / "float.tif"
    path.write_bytes(tiff((quarters()[:, :, :3] / 510.0).astype(np.float32), sample_format=3))
    expected = quarters()
    expected[:, :, :3] = np.where(expected[:, :, :3] > 0, 128, 0)
    assert np.array_equal(pixels.read(path, blender=COMMAND), expected)


def test_blender_ignores_orientation_and_the_caller_applies_it_once(tmp_path: Path) -> None:
    """`tests/pictures` has the other orientations."""
    orientation = 6
    jpeg = save(tmp_path / "upright.jpg", quarters(), "JPEG").read_bytes()
    path = tmp_path / "turned.jpg"
    path.write_bytes(with_exif(jpeg, orientation))
    assert inspect(path).orientation == orientation
    assert np.array_equal(by_blender(path), by_blender(tmp_path / "upright.jpg"))
    turned = tmp_path / "turned.tif"
    turned.write_bytes(tiff(quarters()[:, :, :3], orientation=orientation))
    assert np.array_equal(by_blender(turned), quarters())
    assert np.array_equal(pixels.read(turned, blender=COMMAND), np.rot90(quarters(), -1))


def test_an_exr_gets_the_srgb_curve_and_straight_alpha(tmp_path: Path) -> None:
    # Channels A, B, G, R. Colours are stored multiplied by alpha.
    values = np.full((20, 30, 4), (0.5, 0.0, 0.25, 0.125), np.float32)
    values[:10] = (1.0, 0.0, 4.0, 0.5)
    values[0, 0] = (0.0, 0.0, 0.0, 0.0)
    path = tmp_path / "render.exr"
    path.write_bytes(exr(values))
    decoded = pixels.read(path, blender=COMMAND)
    assert decoded[0, 0].tolist() == [0, 0, 0, 0]
    assert decoded[5, 5].tolist() == [188, 255, 0, 255]
    assert decoded[15, 5].tolist() == [137, 188, 0, 128]


def test_an_exr_that_blender_wrote_is_whole_and_is_read(tmp_path: Path) -> None:
    path = save(tmp_path / "render.exr", quarters(), "OPEN_EXR", mode="RGBA", depth="16")
    facts = inspect(path)
    assert (facts.width, facts.height, facts.channels, facts.bits) == (WIDTH, HEIGHT, 4, 16)
    assert np.array_equal(by_blender(path), quarters())
    content = path.read_bytes()
    for length in range(0, len(content), 37):
        path.write_bytes(content[:length])
        with pytest.raises(BadPicture):
            inspect(path)


def test_the_transfer_function_of_the_script_is_that_of_the_package(tmp_path: Path) -> None:
    light = np.linspace(0.0, 1.1, 20 * 40, dtype=np.float32).reshape(20, 40)
    values = np.repeat(light[:, :, None], 4, axis=2)
    values[:, :, 0] = 1.0
    path = tmp_path / "ramp.exr"
    path.write_bytes(exr(values))
    expected = pixels.pixels_from_floats(values[::-1, :, ::-1], linear=True)
    assert np.array_equal(pixels.read(path, blender=COMMAND), expected)


def test_the_unused_byte_of_a_bmp_is_not_alpha(tmp_path: Path) -> None:
    rows = quarters(0)[::-1, :, [2, 1, 0, 3]].tobytes()
    header = struct.pack("<IiiHHIIiiII", 40, WIDTH, HEIGHT, 1, 32, 0, len(rows), 2835, 2835, 0, 0)
    path = tmp_path / "screen.bmp"
    path.write_bytes(b"BM" + struct.pack("<IHHI", 54 + len(rows), 0, 0, 54) + header + rows)
    assert np.array_equal(by_blender(path), quarters())


def test_what_blender_cannot_decode_gives_a_sentence(tmp_path: Path) -> None:
    # A whole PNG by its chunks, whose compressed pixels are not.
    head = b"IHDR" + struct.pack(">IIBBBBB", 32, 32, 8, 6, 0, 0, 0)
    parts = (head, b"IDAT" + b"not compressed", b"IEND")
    content = b"".join(struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in parts)
    path = tmp_path / "broken.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    with pytest.raises(BadPicture, match=r'"broken.png" cannot be read by Blender\.'):
        by_blender(path)


def test_any_name_reaches_blender(tmp_path: Path) -> None:
    """One that is no ASCII, that is a name of tiles or frames, and that is long."""
    path = save(tmp_path / "plain.jpg", quarters(), "JPEG").rename(tmp_path / f"my ćup's 🏺 <UDIM> {'x' * 180}.0001")
    assert by_blender(path).shape == (HEIGHT, WIDTH, 4)


def test_the_wheel_is_found_without_importing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IMAGE_TO_3D_BLENDER", raising=False)
    assert pixels.find_blender() == COMMAND
