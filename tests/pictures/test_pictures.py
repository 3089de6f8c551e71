# SPDX-License-Identifier: GPL-3.0-or-later
"""What a picture file is, whether it is whole, and its pixels.

Real files of every format, and files that are made to break the reader.
"""

from __future__ import annotations

import functools
import io
import os
import struct
import subprocess
import sys
import time
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from skimage import data

from blender_image_to_3d.errors import BadPicture
from blender_image_to_3d.pictures import blender_process, pixels, png
from blender_image_to_3d.pictures.facts import MIN_SIDE, PictureFacts, PictureFormat
from blender_image_to_3d.pictures.inspect import inspect

Bytes = NDArray[np.uint8]
ROOT = Path(__file__).parents[2]
ORIENTATION = 274


@functools.cache
def photograph(mode: str = "RGB") -> Image.Image:
    """A real photograph, not square, with a gradient of alpha if the mode has alpha."""
    image = Image.fromarray(data.coffee()).resize((90, 60)).convert(mode)
    if mode.endswith("A"):
        image.putalpha(Image.linear_gradient("L").resize((90, 60)))
    return image


def encoded(image: Image.Image, pillow_format: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, pillow_format, **options)
    return stream.getvalue()


def jpeg_with_thumbnail() -> bytes:
    """A JPEG whose EXIF block holds a whole small JPEG, as cameras write it."""
    thumbnail = encoded(photograph().resize((32, 20)), "JPEG")
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    block = exif.tobytes() + thumbnail
    whole = encoded(photograph(), "JPEG", quality=90)
    return whole[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + whole[2:]


def exr(values: NDArray[np.float32], *, tiled: bool = False) -> bytes:
    """An uncompressed OpenEXR file. values: (h, w, 4), channels A, B, G, R."""
    height, width, channels = values.shape

    def attribute(name: bytes, kind: bytes, value: bytes) -> bytes:
        return name + b"\0" + kind + b"\0" + struct.pack("<i", len(value)) + value

    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    names = b"".join(bytes([name]) + b"\0" + struct.pack("<i4xii", 2, 1, 1) for name in b"ABGR")
    head = b"v/1\x01" + struct.pack("<I", 2 | (0x200 if tiled else 0))
    head += attribute(b"channels", b"chlist", names + b"\0") + attribute(b"compression", b"compression", b"\0")
    head += attribute(b"dataWindow", b"box2i", window) + attribute(b"displayWindow", b"box2i", window)
    head += attribute(b"lineOrder", b"lineOrder", b"\0") + attribute(
        b"pixelAspectRatio", b"float", struct.pack("<f", 1)
    )
    head += attribute(b"screenWindowCenter", b"v2f", bytes(8)) + attribute(b"screenWindowWidth", b"float", bytes(4))
    head += attribute(b"tiles", b"tiledesc", struct.pack("<IIB", width, height, 0)) if tiled else b""
    head += b"\0"
    planar = np.ascontiguousarray(values.transpose(0, 2, 1), "<f4")
    if tiled:
        chunks = [struct.pack("<5i", 0, 0, 0, 0, planar.nbytes) + planar.tobytes()]
    else:
        chunks = [struct.pack("<ii", row, channels * width * 4) + planar[row].tobytes() for row in range(height)]
    offsets = np.cumsum([len(head) + 8 * len(chunks), *map(len, chunks)])[:-1]
    return head + offsets.astype("<u8").tobytes() + b"".join(chunks)


def exr_values() -> NDArray[np.float32]:
    values = np.full((20, 30, 4), 0.25, np.float32)
    values[:10, :, 0] = 1.0
    return values


SAMPLES: dict[str, Callable[[], bytes]] = {
    "rgb.png": lambda: encoded(photograph(), "PNG"),
    "alpha.png": lambda: encoded(photograph("RGBA"), "PNG"),
    "palette.png": lambda: encoded(photograph("P"), "PNG"),
    "rgb.jpg": lambda: encoded(photograph(), "JPEG"),
    "progressive.jpg": lambda: encoded(photograph(), "JPEG", progressive=True),
    "restarts.jpg": lambda: encoded(photograph(), "JPEG", restart_marker_blocks=2),
    "grey.jpg": lambda: encoded(photograph("L"), "JPEG"),
    "cmyk.jpg": lambda: encoded(photograph("CMYK"), "JPEG"),
    "thumbnail.jpg": jpeg_with_thumbnail,
    "lossy.webp": lambda: encoded(photograph(), "WEBP"),
    "lossless.webp": lambda: encoded(photograph(), "WEBP", lossless=True),
    "alpha.webp": lambda: encoded(photograph("RGBA"), "WEBP", lossless=True, exact=True),
    "rgb.tif": lambda: encoded(photograph(), "TIFF"),
    "lzw.tif": lambda: encoded(photograph(), "TIFF", compression="tiff_lzw"),
    "deflate.tif": lambda: encoded(photograph("RGBA"), "TIFF", compression="tiff_adobe_deflate"),
    "cmyk.tif": lambda: encoded(photograph("CMYK"), "TIFF"),
    "big.tif": lambda: encoded(photograph(), "TIFF", big_tiff=True),
    "grey.bmp": lambda: encoded(photograph("L"), "BMP"),
    "rgb.bmp": lambda: encoded(photograph(), "BMP"),
    "rgb.tga": lambda: encoded(photograph(), "TGA"),
    "runs.tga": lambda: encoded(photograph("RGBA"), "TGA", compression="tga_rle"),
    "lines.exr": lambda: exr(exr_values()),
    "tiles.exr": lambda: exr(exr_values(), tiled=True),
}
FORMATS = {
    ".png": PictureFormat.PNG,
    ".jpg": PictureFormat.JPEG,
    ".webp": PictureFormat.WEBP,
    ".tif": PictureFormat.TIFF,
    ".bmp": PictureFormat.BMP,
    ".tga": PictureFormat.TGA,
    ".exr": PictureFormat.EXR,
}
SAMPLE = functools.cache(lambda name: SAMPLES[name]())


def refusal(path: Path, content: bytes | None = None) -> BadPicture:
    """Return the error that ``path`` is refused with; it is a sentence about this file, and there is a next step."""
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadPicture) as caught:
        inspect(path)
    assert str(caught.value).startswith(f'"{path.name}" ')
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)
    assert caught.value.hint.endswith(".")
    assert caught.value.exit_status == 2
    return caught.value


@pytest.mark.everywhere
@pytest.mark.parametrize("name", SAMPLES)
def test_a_whole_picture_is_recognised_by_its_bytes(name: str, tmp_path: Path) -> None:
    path = tmp_path / ("no suffix" if not name.endswith(".tga") else name)
    path.write_bytes(SAMPLE(name))
    facts = inspect(path)
    assert facts.format is FORMATS[Path(name).suffix]
    assert Path(name).suffix in facts.format.suffixes
    assert facts.format.mime.startswith("image/")
    assert (facts.width, facts.height) == ((30, 20) if name.endswith(".exr") else (90, 60))
    assert facts.orientation == (6 if name == "thumbnail.jpg" else 1)
    assert facts.upright_size == (
        (facts.height, facts.width) if facts.orientation == 6 else (facts.width, facts.height)
    )
    expected = {"alpha": 4, "cmyk": 4, "grey": 1, "palette": 1, "deflate": 4, "runs": 4, "lines": 4, "tiles": 4}
    assert facts.channels == expected.get(Path(name).stem, 3)


def test_a_wrong_suffix_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(SAMPLE("rgb.jpg"))
    assert inspect(path) == PictureFacts(PictureFormat.JPEG, 90, 60, 1, 3, 8)


def test_real_photographs_as_they_were_published_are_whole(tmp_path: Path) -> None:
    import skimage

    folder = Path(skimage.__file__).parent / "data"
    found = [path for path in folder.iterdir() if path.suffix in (".png", ".jpg", ".tif")]
    assert found
    for path in found:
        try:
            with Image.open(path) as image:
                size = image.size
        except UnidentifiedImageError:
            continue
        if min(size) >= MIN_SIDE:
            facts = inspect(path)
            assert (facts.width, facts.height) == size


@pytest.mark.parametrize("name", SAMPLES)
def test_a_file_that_is_cut_anywhere_is_refused(name: str, tmp_path: Path) -> None:
    whole = SAMPLE(name)
    # Bytes that follow the picture itself: a PNG's CRC and a JPEG's marker are part of it, TGA's footer, padding of
    # the last row or chunk and TIFF directories behind the pixels are found by their own readers.
    end = len(whole) - (26 if name.endswith(".tga") else 0)
    for length in sorted({*range(0, min(end, 700)), *range(0, end, 61), *range(max(0, end - 40), end)}):
        path = tmp_path / name
        path.write_bytes(whole[:length])
        with pytest.raises(BadPicture):
            inspect(path)


@pytest.mark.everywhere
@pytest.mark.parametrize("name", SAMPLES)
def test_a_cut_file_is_called_incomplete(name: str, tmp_path: Path) -> None:
    # TIFF: Pillow writes the directory first and the pixels behind it.
    assert "is incomplete" in str(refusal(tmp_path / name, SAMPLE(name)[: len(SAMPLE(name)) * 2 // 3]))


@settings(max_examples=800, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    name=st.sampled_from(sorted(SAMPLES)),
    changes=st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), max_size=6),
    near=st.booleans(),
    cut=st.integers(0, 1 << 16),
    glue=st.binary(max_size=40),
)
def test_mutated_files_give_facts_or_a_sentence(
    name: str,
    changes: list[tuple[int, int]],
    near: bool,
    cut: int,
    glue: bytes,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    content = bytearray(SAMPLE(name))
    for position, value in changes:
        # Headers are where the lengths and offsets are, so half of the files are changed there only.
        content[position % (min(400, len(content)) if near else len(content))] = value
    if cut % 4 == 0:
        del content[cut % len(content) :]
    path = tmp_path_factory.getbasetemp() / ("fuzz" + Path(name).suffix)
    path.write_bytes(bytes(content) + glue)
    started = time.perf_counter()
    try:
        facts = inspect(path)
    except BadPicture as error:
        assert error.hint
    else:
        assert facts.width >= MIN_SIDE
        assert facts.height >= MIN_SIDE
    assert time.perf_counter() - started < 2.0


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(name=st.sampled_from([name for name in sorted(SAMPLES) if "exr" not in name]), data=st.data())
def test_reading_mutated_files_gives_pixels_or_a_sentence(
    name: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(SAMPLE(name))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / ("fuzzed" + Path(name).suffix)
    path.write_bytes(content)
    try:
        result = pixels.read(path, blender=())
    except BadPicture as error:
        assert error.hint
    else:
        assert result.dtype == np.uint8
        assert result.shape[2] == 4


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(head=st.sampled_from([b"", *(SAMPLE(name)[:24] for name in sorted(SAMPLES))]), tail=st.binary(max_size=3000))
def test_random_bytes_give_facts_or_a_sentence(
    head: bytes, tail: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "random.tga"
    path.write_bytes(head + tail)
    try:
        inspect(path)
    except BadPicture as error:
        assert error.hint


@pytest.mark.everywhere
def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "does not exist" in str(refusal(tmp_path / "nowhere" / "cup.png"))


def test_a_file_used_as_a_folder_does_not_exist(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    assert "does not exist" in str(refusal(tmp_path / "file" / "cup.png"))


def test_a_folder_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    assert "is a folder" in str(refusal(tmp_path / "folder.png"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are a POSIX thing")
def test_a_pipe_is_refused_and_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    assert "not an ordinary file" in str(refusal(tmp_path / "pipe.png"))


def test_a_file_that_may_not_be_read_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret.png"
    path.write_bytes(SAMPLE("rgb.png"))

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    # Tests may run as root, whom no permission stops.
    monkeypatch.setattr(Path, "open", refuse)
    assert "may not be read" in str(refusal(path))


def test_a_broken_disk_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "far.png"
    path.write_bytes(SAMPLE("rgb.png"))

    def fail(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "open", fail)
    assert "Input/output error" in str(refusal(path))


def test_an_empty_file_is_called_empty(tmp_path: Path) -> None:
    assert "is empty" in str(refusal(tmp_path / "cup.png", b""))


@pytest.mark.everywhere
def test_a_name_that_cannot_exist_is_refused() -> None:
    with pytest.raises(BadPicture, match="not a possible file name"):
        inspect(Path("cup\0.png"))
    with pytest.raises(BadPicture, match="cannot be read"):
        inspect(Path("c" * 5000))


@pytest.mark.parametrize(
    "name", ["my cup.png", "cup's.png", "ćup 🏺.png", "cup", "..cup", "-cup.png", "a" * 150 + ".png"]
)
def test_any_file_name_works(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(SAMPLE("rgb.png"))
    assert pixels.read(path, blender=()).shape == (60, 90, 4)
    assert inspect(tmp_path / "other" / ".." / name if (tmp_path / "other").mkdir() is None else path).width == 90


@pytest.mark.everywhere
def test_a_name_that_cannot_be_printed_does_not_break_the_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadPicture) as caught:
        inspect(tmp_path / "a\nb\udcff.png")
    assert str(caught.value) == '"a?b?.png" does not exist.'


@pytest.mark.everywhere
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"This is not a picture.\n", "is a text file, not a picture"),
        ("Schöne Grüße".encode(), "is a text file, not a picture"),
        ("Hello".encode("utf-16"), "is a text file, not a picture"),
        (b"<!DOCTYPE html>\n<html><body>404</body></html>", "is a web page, not a picture"),
        (
            b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>',
            "is an SVG drawing, which is not supported",
        ),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99), "is a HEIC picture, which is not supported"),
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1" + bytes(99), "is an AVIF picture, which is not supported"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(99), "is a video, not a picture"),
        (b"GIF89a" + bytes(99), "is a GIF picture, which is not supported"),
        (b"8BPS\0\1" + bytes(99), "is a Photoshop document, which is not supported"),
        (b"%PDF-1.7\n", "is a PDF document, which is not supported"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(99), "is a JPEG XL picture, which is not supported"),
        (b"BLENDER-v402", "is a Blender file, not a picture"),
        (b"glTF\2\0\0\0" + bytes(99), "is a 3D model, not a picture"),
        (b"PK\3\4" + bytes(99), "is an archive or office document, not a picture"),
        (bytes(range(256)), "is not a picture that is known here"),
        (bytes(100), "is not a picture that is known here"),
    ],
)
def test_what_is_not_a_picture_is_named(content: bytes, words: str, tmp_path: Path) -> None:
    assert words in str(refusal(tmp_path / "cup.png", content))


def test_a_text_file_called_tga_is_still_text(tmp_path: Path) -> None:
    assert "is a text file" in str(refusal(tmp_path / "notes.tga", b"This is not a picture.\n" * 20))


def png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return png.SIGNATURE + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("huge.png", png_header(20_000, 20_000)),
        ("huge.tif", encoded(Image.new("1", (20_000, 20_000)), "TIFF", compression="group4")),
        ("huge.bmp", SAMPLE("rgb.bmp")[:18] + struct.pack("<ii", 20_000, 20_000) + SAMPLE("rgb.bmp")[26:]),
        ("huge.tga", SAMPLE("rgb.tga")[:12] + struct.pack("<HH", 20_000, 20_000) + SAMPLE("rgb.tga")[16:]),
        ("huge.jpg", SAMPLE("rgb.jpg").replace(struct.pack(">HH", 60, 90), struct.pack(">HH", 20_000, 20_000), 1)),
    ],
)
def test_a_picture_that_is_too_large_is_refused_before_it_is_decoded(name: str, content: bytes, tmp_path: Path) -> None:
    tracemalloc.start()
    try:
        error = refusal(tmp_path / name, content)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "20,000 x 20,000 pixels (400 megapixels); at most 67 megapixels" in str(error)
    assert "Scale it down" in error.hint
    assert peak < 1 << 20


def test_a_side_that_is_too_long_is_refused(tmp_path: Path) -> None:
    assert "may have at most 32,768" in str(refusal(tmp_path / "strip.png", png_header(40_000, 16)))


@pytest.mark.parametrize(("side", "accepted"), [(1, False), (15, False), (16, True), (32, True)])
@pytest.mark.parametrize("pillow_format", ["PNG", "JPEG", "WEBP", "TIFF", "BMP"])
def test_icons_are_accepted_and_dots_are_not(pillow_format: str, side: int, accepted: bool, tmp_path: Path) -> None:
    path = tmp_path / "icon"
    path.write_bytes(encoded(Image.new("RGB", (side, side)), pillow_format))
    if accepted:
        assert (inspect(path).width, inspect(path).height) == (side, side)
    else:
        assert f"{side} x {side} pixels; at least 16 x 16" in str(refusal(path))


@pytest.mark.everywhere
def test_a_flipped_bit_in_a_png_is_found(tmp_path: Path) -> None:
    content = bytearray(SAMPLE("rgb.png"))
    content[len(content) // 2] ^= 1
    assert "the checksum of its IDAT chunk is wrong" in str(refusal(tmp_path / "cup.png", bytes(content)))


def test_an_end_marker_inside_a_thumbnail_does_not_complete_a_jpeg(tmp_path: Path) -> None:
    whole = jpeg_with_thumbnail()
    first_end = whole.index(b"\xff\xd9") + 2
    assert first_end < len(whole) // 2
    for length in (first_end, first_end + 1, len(whole) - 1, len(whole) - 2):
        assert "is incomplete" in str(refusal(tmp_path / "photo.jpg", whole[:length]))


def test_what_phones_append_to_a_jpeg_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "moving.jpg"
    path.write_bytes(SAMPLE("rgb.jpg") + b"\0\0\0\x18ftypmp42" + bytes(1000))
    assert inspect(path).format is PictureFormat.JPEG
    path.write_bytes(encoded(photograph(), "MPO", save_all=True, append_images=[photograph()]))
    assert pixels.read(path, blender=()).shape == (60, 90, 4)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (
            "moving.webp",
            encoded(photograph(), "WEBP", save_all=True, append_images=[photograph("L")]),
            "an animated WebP",
        ),
        ("raw.dng", encoded(photograph(), "TIFF", tiffinfo={50706: b"\1\4\0\0"}), "a camera's raw picture"),
        ("raw.nef", encoded(photograph(), "TIFF", tiffinfo={254: 1}), "a camera's raw picture"),
        ("map.tif", encoded(Image.new("I", (20, 20)), "TIFF"), "measurements, not colours"),
        ("deep.exr", b"v/1\x01" + struct.pack("<I", 2 | 0x800) + bytes(99), "an OpenEXR file with deep pixels"),
    ],
)
def test_rare_kinds_of_known_formats_are_named(name: str, content: bytes, words: str, tmp_path: Path) -> None:
    assert words in str(refusal(tmp_path / name, content))


def test_an_exr_whose_writer_was_interrupted_is_incomplete(tmp_path: Path) -> None:
    whole = exr(exr_values())
    table = whole.index(struct.pack("<Q", len(whole) - (8 + 4 * 30 * 4)))
    assert "is incomplete" in str(refusal(tmp_path / "render.exr", whole[:table] + bytes(8) + whole[table + 8 :]))


def test_inspecting_a_large_file_needs_little_memory_and_time(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    rng = np.random.default_rng(0)
    path.write_bytes(png.encode(rng.integers(0, 256, (3000, 4000, 3), np.uint8), level=0))
    tracemalloc.start()
    try:
        started = time.perf_counter()
        inspect(path)
        seconds = time.perf_counter() - started
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 << 20
    assert seconds < 0.5


@pytest.mark.everywhere
def test_inspecting_imports_the_standard_library_only() -> None:
    module = "blender_image_to_3d.pictures.inspect"
    code = f"import sys; old = set(sys.modules); import {module}; print(*set(sys.modules) - old)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    roots = {name.partition(".")[0] for name in done.stdout.split()} - {"blender_image_to_3d"}
    assert roots <= sys.stdlib_module_names


def with_orientation(pillow_format: str, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    lossless = {"lossless": True} if pillow_format == "WEBP" else {}
    options = {"tiffinfo": {ORIENTATION: orientation}} if pillow_format == "TIFF" else {"exif": exif, **lossless}
    return encoded(photograph(), pillow_format, **options)


@pytest.mark.everywhere
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("pillow_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_pictures_come_upright(pillow_format: str, orientation: int, tmp_path: Path) -> None:
    path = tmp_path / "photo"
    path.write_bytes(with_orientation(pillow_format, orientation))
    assert inspect(path).orientation == orientation
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGBA"))
    result = pixels.read(path, blender=())
    assert np.array_equal(result, expected)
    assert result.flags.c_contiguous
    assert inspect(path).upright_size == result.shape[1::-1]


@pytest.mark.everywhere
@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_in_both_byte_orders_and_broken_exif(order: str) -> None:
    from blender_image_to_3d.pictures.exif import orientation

    mark = b"II*\0" if order == "<" else b"MM\0*"
    entry = struct.pack(order + "HHIHH", ORIENTATION, 3, 1, 8, 0)
    block = mark + struct.pack(order + "IH", 8, 1) + entry
    assert orientation(block) == 8
    assert orientation(b"Exif\0\0" + block) == 8
    for length in range(len(block)):
        assert orientation(block[:length]) == 1
    assert orientation(block.replace(entry, struct.pack(order + "HHIHH", ORIENTATION, 3, 1, 9, 0))) == 1
    assert orientation(mark + struct.pack(order + "IH", 8, 65535) + entry) == 8


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"II*\0", b"MM\0*", b"Exif\0\0II*\0", b""]))
def test_any_exif_block_gives_an_orientation(block: bytes, head: bytes) -> None:
    from blender_image_to_3d.pictures.exif import orientation

    assert 1 <= orientation(head + block) <= 8


@pytest.mark.everywhere
@pytest.mark.parametrize(
    "name", [name for name in SAMPLES if not name.endswith(".exr") and name not in ("thumbnail.jpg",)]
)
def test_pixels_are_what_pillow_shows(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(SAMPLE(name))
    with Image.open(path) as image:
        shown = image.convert("RGB") if image.mode == "CMYK" else image
        assert np.array_equal(pixels.read(path, blender=()), np.asarray(shown.convert("RGBA")))


def test_a_cmyk_jpeg_looks_like_its_photograph(tmp_path: Path) -> None:
    path = tmp_path / "print.jpg"
    path.write_bytes(encoded(photograph("CMYK"), "JPEG", quality=95))
    difference = pixels.read(path, blender=())[:, :, :3].astype(int) - np.asarray(photograph(), int)
    assert np.abs(difference).mean() < 3


@pytest.mark.everywhere
def test_sixteen_bits_are_rounded_to_eight(tmp_path: Path) -> None:
    shades = np.linspace(0, 65535, 20 * 20).round().astype(np.uint16).reshape(20, 20)
    expected = np.rint(shades / 257.0).astype(np.uint8)
    for name in ("scan.tif", "scan.png"):
        Image.fromarray(shades).save(tmp_path / name)
        result = pixels.read(tmp_path / name, blender=())
        assert np.array_equal(result[:, :, 0], expected)
        assert np.array_equal(result[:, :, 0], result[:, :, 2])
        assert (result[:, :, 3] == 255).all()


def test_a_sixteen_bit_tiff_whose_zero_is_white_is_not_a_negative(tmp_path: Path) -> None:
    Image.fromarray(np.full((20, 20), 60000, np.uint16)).save(tmp_path / "fax.tif", tiffinfo={262: 0})
    assert inspect(tmp_path / "fax.tif").bits == 16
    assert (pixels.read(tmp_path / "fax.tif", blender=())[:, :, :3] == round((65535 - 60000) / 257)).all()


@pytest.mark.everywhere
def test_a_float_tiff_is_clipped(tmp_path: Path) -> None:
    shades = np.full((20, 20), 0.5, np.float32)
    shades[0, :4] = (-1.0, 2.0, np.nan, np.inf)
    Image.fromarray(shades).save(tmp_path / "float.tif")
    assert pixels.read(tmp_path / "float.tif", blender=())[0, :5, 0].tolist() == [0, 255, 0, 255, 128]


@pytest.mark.everywhere
@pytest.mark.parametrize("linear", [False, True])
def test_floats_become_a_picture_top_row_first(linear: bool) -> None:
    values = np.zeros((17, 19, 4), np.float32)
    values[0] = (0.25, 0.5, 1.0, 0.25)
    values[16, 0] = (np.nan, -1.0, 7.0, np.inf)
    result = pixels.pixels_from_floats(values, linear)
    assert result.shape == (17, 19, 4)
    # IEC 61966-2-1: 0.25 -> 0.5371, 0.5 -> 0.7354. Alpha is never bent.
    assert result[16, 3].tolist() == ([137, 188, 255, 64] if linear else [64, 128, 255, 64])
    assert result[0, 0].tolist() == [0, 0, 255, 255]
    assert not result[1:16].any()


@pytest.mark.everywhere
def test_the_linear_transfer_gives_back_every_shade() -> None:
    shades = np.arange(256) / 255.0
    light = np.where(shades <= 0.04045, shades / 12.92, ((shades + 0.055) / 1.055) ** 2.4).astype(np.float32)
    values = np.repeat(light[None, :, None], 4, axis=2)
    assert pixels.pixels_from_floats(values, linear=True)[0, :, 0].tolist() == list(range(256))


@pytest.mark.parametrize("name", ["rgb.jpg", "lines.exr"])
def test_without_a_decoder_the_next_step_is_named(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / name
    path.write_bytes(SAMPLE(name))
    monkeypatch.setattr(pixels.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(BadPicture, match="nothing that can decode it is installed") as caught:
        pixels.read(path, blender=())
    assert "Save it as PNG" in caught.value.hint
    assert "inside Blender" in caught.value.hint
    assert ("Pillow" in caught.value.hint) == (name == "rgb.jpg")


@pytest.mark.everywhere
def test_png_is_read_without_pillow_and_without_blender(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cup.png").write_bytes(SAMPLE("alpha.png"))
    expected = np.asarray(photograph("RGBA"))
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert np.array_equal(pixels.read(tmp_path / "cup.png", blender=()), expected)


def script(tmp_path: Path, body: str) -> list[str]:
    """Return a command that stands for Blender: it runs ``body`` with the script's arguments and ignores the script."""
    program = tmp_path / "stand_in.py"
    program.write_text("import sys, time, pathlib\n" + body, encoding="utf-8")
    return [sys.executable, str(program)]


def facts_of(path: Path) -> PictureFacts:
    path.write_bytes(SAMPLE("rgb.jpg"))
    return inspect(path)


def test_a_child_blender_gets_a_plain_name_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(blender_process.tempfile, "tempdir", str(temporary))
    body = (
        "import numpy as np\n"
        "script, dashes, source, target, *flags = sys.argv[1:]\n"
        "assert pathlib.Path(script).name == 'decode_picture.py' and dashes == '--' and flags == []\n"
        "assert pathlib.Path(source).name == 'picture.jpg' and not sys.stdin.read()\n"
        "np.save(target, np.full((60, 90, 4), 7, np.uint8))\n"
    )
    path = tmp_path / "<UDIM> 🏺.jpg"
    result = blender_process.decode(path, facts_of(path), script(tmp_path, body))
    assert (result == 7).all()
    assert list(temporary.iterdir()) == []


@pytest.mark.everywhere
@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("", "cannot be read by Blender"),
        ("sys.exit(1)", "cannot be read by Blender"),
        ("import numpy as np; np.save(sys.argv[4], np.zeros((61, 90, 4), np.uint8))", "another size"),
        ("import numpy as np; np.save(sys.argv[4], np.zeros((60, 90, 4), np.float32))", "another size"),
    ],
)
def test_a_child_that_fails_gives_a_sentence(body: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    with pytest.raises(BadPicture, match=words) as caught:
        blender_process.decode(path, facts_of(path), script(tmp_path, body))
    assert str(caught.value).startswith('"photo.jpg" ')
    assert caught.value.hint


@pytest.mark.everywhere
def test_a_child_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blender_process, "TIMEOUT_SECONDS", 0.3)
    path = tmp_path / "photo.jpg"
    with pytest.raises(BadPicture, match="within 0 seconds"):
        blender_process.decode(path, facts_of(path), script(tmp_path, "time.sleep(60)"))


def test_a_blender_that_does_not_exist_is_named(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    with pytest.raises(BadPicture, match="Blender does not start") as caught:
        blender_process.decode(path, facts_of(path), [str(tmp_path / "no blender")])
    assert "IMAGE_TO_3D_BLENDER" in caught.value.hint


def test_blender_is_found_in_the_documented_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    options = ["--background", "--factory-startup", "--python-exit-code", "1", "--python"]
    monkeypatch.setenv("IMAGE_TO_3D_BLENDER", "/somewhere/blender")
    assert pixels.find_blender("/mine/blender") == ["/mine/blender", *options]
    assert pixels.find_blender() == ["/somewhere/blender", *options]
    monkeypatch.delenv("IMAGE_TO_3D_BLENDER")
    monkeypatch.setattr(blender_process.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(blender_process, "_has_bpy_wheel", lambda: True)
    assert pixels.find_blender() == [sys.executable, "-P"]
    monkeypatch.setattr(blender_process, "_has_bpy_wheel", lambda: False)
    assert pixels.find_blender() == ["/usr/bin/blender", *options]
    monkeypatch.setattr(blender_process.shutil, "which", lambda _: None)
    assert pixels.find_blender() is None


def test_the_bpy_that_lives_inside_blender_is_not_taken_for_the_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bpy").mkdir()
    (tmp_path / "bpy" / "__init__.py").write_text("raise ImportError", encoding="utf-8")
    monkeypatch.delitem(sys.modules, "bpy", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    assert not blender_process._has_bpy_wheel()
