# SPDX-License-Identifier: GPL-3.0-or-later
"""PNG both ways: bit-exact against Pillow where Pillow keeps all bits, else against a slow reader that follows the text
of the specification."""

from __future__ import annotations

import io
import itertools
import struct
import subprocess
import sys
import time
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from blender_image_to_3d.errors import BadPicture
from blender_image_to_3d.pictures import png

pytestmark = pytest.mark.everywhere

Bytes = NDArray[np.uint8]

KINDS = [(0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (2, 8), (2, 16), (3, 1), (3, 2), (3, 4), (3, 8), (4, 8), (4, 16)]
KINDS += [(6, 8), (6, 16)]
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def filter_row(kind: int, row: bytes, above: bytes, step: int) -> bytes:
    """Filter one row as section 9 words it, byte by byte."""
    result = bytearray([kind])
    for index, value in enumerate(row):
        left = row[index - step] if index >= step else 0
        corner = above[index - step] if index >= step else 0
        up = above[index]
        estimate = left + up - corner
        nearest = min((abs(estimate - left), 0, left), (abs(estimate - up), 1, up), (abs(estimate - corner), 2, corner))
        result.append((value - (0, left, up, (left + up) // 2, nearest[2])[kind]) & 255)
    return bytes(result)


def pack_row(samples: NDArray[np.uint16], depth: int) -> bytes:
    if depth == 16:
        return samples.astype(">u2").tobytes()
    if depth == 8:
        return samples.astype(np.uint8).tobytes()
    bits = "".join(f"{int(value):0{depth}b}" for value in samples.ravel())
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[start : start + 8], 2) for start in range(0, len(bits), 8))


def write(
    samples: NDArray[np.uint16],
    colour: int,
    depth: int,
    *,
    interlaced: bool = False,
    filters: itertools.cycle[int] | None = None,
    palette: bytes = b"",
    transparency: bytes = b"",
    pieces: int = 1,
) -> bytes:
    """Write samples, (h, w, channels), as any kind of PNG."""
    height, width, channels = samples.shape
    filters = filters or itertools.cycle(range(5))
    step = max(1, channels * depth // 8)
    stream = b""
    for left, top, across, down in ADAM7 if interlaced else ((0, 0, 1, 1),):
        part = samples[top::down, left::across]
        if not part.size:
            continue
        above = bytes(len(pack_row(part[0], depth)))
        for row in part:
            packed = pack_row(row, depth)
            stream += filter_row(next(filters), packed, above, step)
            above = packed
    body = zlib.compress(stream)
    cut = -(-len(body) // pieces)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced)))
        + (chunk(b"PLTE", palette) if palette else b"")
        + (chunk(b"tRNS", transparency) if transparency else b"")
        + b"".join(chunk(b"IDAT", body[start : start + cut]) for start in range(0, len(body), cut))
        + chunk(b"IEND", b"")
    )


def expected_rgba(
    samples: NDArray[np.uint16], colour: int, depth: int, palette: bytes = b"", transparency: bytes = b""
) -> Bytes:
    """What a picture shows, computed with floats and one sample at a time where it is short to write."""
    rgba = np.full((*samples.shape[:2], 4), 255.0)
    if colour == 3:
        table = np.array([[*palette[3 * i : 3 * i + 3], 255] for i in range(len(palette) // 3)], np.uint8)
        table[: len(transparency), 3] = list(transparency)
        return np.asarray(table[samples[:, :, 0]], np.uint8)
    scaled = samples * 255.0 / ((1 << depth) - 1)
    rgba[:, :, :3] = scaled[:, :, : (3 if CHANNELS[colour] > 2 else 1)]
    if colour in (4, 6):
        rgba[:, :, 3] = scaled[:, :, -1]
    elif transparency:
        key = [value & ((1 << depth) - 1) for value in struct.unpack(f">{CHANNELS[colour]}H", transparency)]
        rgba[:, :, 3] = np.where((samples == key).all(axis=2), 0, 255)
    return np.floor(rgba + 0.5).astype(np.uint8)


def random_samples(seed: int, height: int, width: int, colour: int, depth: int) -> NDArray[np.uint16]:
    """Noise in one half and a gradient in the other, so that every branch of the predictors is taken."""
    rng = np.random.default_rng(seed)
    shape = (height, width, CHANNELS[colour])
    noise = rng.integers(0, 1 << depth, shape)
    ramp = np.add.outer(np.arange(height), np.arange(width))[:, :, None] * (1 + rng.integers(0, 5)) % (1 << depth)
    return np.where(np.arange(width)[None, :, None] < width // 2, noise, ramp).astype(np.uint16)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("colour", "depth"), KINDS)
def test_every_kind_of_png_decodes_exactly(colour: int, depth: int, interlaced: bool) -> None:
    rng = np.random.default_rng(depth)
    for seed, (height, width) in enumerate([(16, 16), (17, 23), (31, 16), (40, 19)]):
        samples = random_samples(seed, height, width, colour, depth)
        palette = rng.bytes(3 << depth) if colour == 3 else b""
        for transparency in (
            b"",
            rng.bytes((1 << depth) // 2) if colour == 3 else samples[3, 3].astype(">u2").tobytes(),
        ):
            if transparency and colour in (4, 6):
                continue
            written = write(
                samples, colour, depth, interlaced=interlaced, palette=palette, transparency=transparency, pieces=3
            )
            decoded = png.decode(written)
            assert np.array_equal(decoded, expected_rgba(samples, colour, depth, palette, transparency))
            if depth < 16 and not (transparency and depth < 8 and colour == 0):
                with Image.open(io.BytesIO(written)) as image:
                    assert np.array_equal(decoded, np.asarray(image.convert("RGBA")))


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 1 << 30),
    kind=st.sampled_from(KINDS),
    height=st.integers(16, 40),
    width=st.integers(16, 40),
    filters=st.lists(st.integers(0, 4), min_size=1, max_size=12),
    interlaced=st.booleans(),
)
def test_any_order_of_filters_is_undone(
    seed: int, kind: tuple[int, int], height: int, width: int, filters: list[int], interlaced: bool
) -> None:
    colour, depth = kind
    samples = random_samples(seed, height, width, colour, depth)
    palette = bytes(range(256)) * 3 if colour == 3 else b""
    written = write(samples, colour, depth, interlaced=interlaced, filters=itertools.cycle(filters), palette=palette)
    assert np.array_equal(png.decode(written), expected_rgba(samples, colour, depth, palette))


@pytest.mark.parametrize("band_rows", [1, 2, 7, 64])
def test_the_height_of_a_band_does_not_show(band_rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png, "_BAND_ROWS", band_rows)
    samples = random_samples(5, 61, 33, 2, 8)
    filters = itertools.cycle([4, 3, 0, 1, 2, 1, 1, 4, 2, 0, 3, 3])
    assert np.array_equal(png.decode(write(samples, 2, 8, filters=filters))[:, :, :3], samples)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P", "1"])
def test_photographs_written_by_pillow_decode_exactly(mode: str) -> None:
    for photograph in (data.astronaut(), data.chelsea(), data.coffee()):
        image = Image.fromarray(photograph).convert(mode)
        if "A" in mode:
            image.putalpha(Image.fromarray(photograph[:, :, 0]))
        for options in ({}, {"compress_level": 1}, {"optimize": True}):
            stream = io.BytesIO()
            image.save(stream, "PNG", **options)
            assert np.array_equal(png.decode(stream.getvalue()), np.asarray(image.convert("RGBA")))


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("size", [(16, 16), (33, 17), (97, 64), (200, 301)])
@pytest.mark.parametrize("level", [0, 1, 2, 6, 9])
def test_what_is_encoded_is_read_back_by_pillow_and_by_us(channels: int, size: tuple[int, int], level: int) -> None:
    pixels = random_samples(level, *size, {3: 2, 4: 6}[channels], 8).astype(np.uint8)
    for array in (pixels, np.asfortranarray(pixels), pixels[::-1]):
        written = png.encode(array, level=level)
        with Image.open(io.BytesIO(written)) as image:
            image.load()
            assert np.array_equal(np.asarray(image), array)
        assert np.array_equal(png.decode(written)[:, :, :channels], array)


def test_the_same_pixels_give_the_same_bytes() -> None:
    pixels = data.astronaut()
    assert png.encode(pixels) == png.encode(pixels.copy())


def test_a_photograph_is_compressed_at_least_as_well_as_by_pillows_fast_level() -> None:
    photograph = data.astronaut()
    stream = io.BytesIO()
    Image.fromarray(photograph).save(stream, "PNG", compress_level=1)
    assert len(png.encode(photograph)) < len(stream.getvalue())


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 2), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)],
)
def test_encoding_refuses_arrays_that_are_no_picture(pixels: Bytes) -> None:
    with pytest.raises(ValueError, match="uint8"):
        png.encode(pixels)


def small_png() -> bytes:
    return write(random_samples(1, 20, 20, 6, 8), 6, 8, pieces=2)


def with_stream(stream: bytes, *, width: int = 20, height: int = 20) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", stream) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (b"", "does not begin as a PNG"),
        (b"hello", "does not begin as a PNG"),
        (small_png()[:-1], "ends too early"),
        (small_png()[:60], "ends too early"),
        (with_stream(zlib.compress(bytes(20 * 81 - 1))), "fewer pixels than it declares"),
        (with_stream(zlib.compress(bytes(20 * 81 + 1))), "more pixels than it declares"),
        (with_stream(zlib.compress(bytes(20 * 81))[:-1]), "fewer pixels than it declares"),
        (with_stream(b""), "fewer pixels than it declares"),
        (with_stream(b"not zlib"), "cannot be decompressed"),
        (with_stream(zlib.compress(bytes([5]) * 20 * 81)), "a filter that PNG does not have"),
        (write(random_samples(1, 20, 20, 3, 8), 3, 8), "palette is missing"),
        (write(random_samples(1, 20, 20, 3, 8), 3, 8, palette=bytes(6)), "colours that its palette does not have"),
        (write(random_samples(1, 20, 20, 3, 8), 3, 8, palette=bytes(5)), "palette is missing or has a wrong length"),
        (with_stream(b"", width=20000, height=20000), "20,000 x 20,000"),
        (with_stream(b"", width=1, height=1), "1 x 1"),
    ],
)
def test_a_damaged_png_is_refused_with_a_sentence(written: bytes, sentence: str) -> None:
    with pytest.raises(BadPicture, match=sentence) as caught:
        png.decode(written, name='"cup.png"')
    assert str(caught.value).startswith('"cup.png"')
    assert str(caught.value).endswith(".")
    assert caught.value.hint


def test_bytes_behind_the_end_do_not_matter() -> None:
    assert np.array_equal(png.decode(small_png() + b"more"), png.decode(small_png()))


@settings(max_examples=300)
@given(changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=4), cut=st.integers(0, 10_000))
def test_any_bytes_give_a_picture_or_a_sentence(changes: list[tuple[int, int]], cut: int) -> None:
    mutated = bytearray(small_png())
    for position, value in changes:
        mutated[position % len(mutated)] = value
    del mutated[len(mutated) - cut % len(mutated) if cut % 3 == 0 else len(mutated) :]
    try:
        decoded = png.decode(bytes(mutated))
    except BadPicture:
        return
    assert decoded.dtype == np.uint8
    assert decoded.ndim == 3


def test_a_zip_bomb_stops_at_the_declared_size() -> None:
    bomb = with_stream(zlib.compress(bytes(1 << 28), 9))
    tracemalloc.start()
    try:
        with pytest.raises(BadPicture, match="more pixels"):
            png.decode(bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < len(bomb) * 4 + (1 << 20)


def test_decoding_needs_little_more_memory_than_the_pixels() -> None:
    pixels = np.tile(data.astronaut(), (4, 4, 1))
    written = png.encode(pixels)
    tracemalloc.start()
    try:
        png.decode(written)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * pixels.size + (80 << 20)


def test_decoding_and_encoding_are_quick() -> None:
    """Several times what it takes, so that a loop over pixels fails and a busy machine does not."""
    texture = np.asarray(Image.fromarray(data.astronaut()).resize((2048, 1024)))
    started = time.process_time()
    written = png.encode(texture)
    encoded = time.process_time()
    png.decode(written)
    assert encoded - started < 0.8
    assert time.process_time() - encoded < 1.8


def test_decoding_imports_numpy_and_zlib_only() -> None:
    root = Path(__file__).parents[2]
    names = ("PIL", "bpy", "requests", "pydantic")
    code = f"import sys, blender_image_to_3d.pictures.png; print([n for n in {names} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
