# SPDX-License-Identifier: GPL-3.0-or-later
"""U²-Netp, a neural network that finds the salient object of a picture, in numpy.

Qin, Zhang, Huang, Dehghan, Zaiane, Jagersand, "U²-Net: Going deeper with nested U-structure for salient object
detection", Pattern Recognition 106, 2020. A U-Net whose stages are small U-Nets themselves (RSU, residual
U-blocks). Names of layers are those of the authors' program; the weights' origin stands in ``u2netp/README.md``.

Large maps are convolved in strips, which a pool of threads shares; no sum is split between them, so that its schedule
changes no bit. The product of matrices is the faster of two, see ``_fastest_product``: its last bits depend on numpy's
build.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from . import raster
from .arrays import Floats, Tick

WEIGHTS = Path(__file__).parent / "u2netp" / "u2netp.npz"

SIDE = 352
"""Rows and columns at which a picture is best shown to the network. It was trained on 320; with a little more it finds
more of what is thin: before gravel 0.937 of 49 cut-outs (intersection over union) in place of 0.926, 0.932 with 384."""

STEP = 32
"""Rows and columns must be a multiple of this: they are halved five times."""

CHANNELS, INNER_CHANNELS = 64, 16
"""Of the maps between the stages, and within a stage."""


@dataclass(frozen=True)
class Stage:
    """A residual U-block: RSU-``height`` of the paper, or RSU-4F if ``is_flat``."""

    name: str
    height: int
    inputs: int
    is_flat: bool = False
    """Dilated more and more instead of halved more and more."""


ENCODER = (
    Stage("stage1", 7, 3),
    Stage("stage2", 6, CHANNELS),
    Stage("stage3", 5, CHANNELS),
    Stage("stage4", 4, CHANNELS),
    Stage("stage5", 4, CHANNELS, is_flat=True),
    Stage("stage6", 4, CHANNELS, is_flat=True),
)
"""From the picture down; each stage sees half the size of the one before."""

DECODER = (
    Stage("stage5d", 4, 2 * CHANNELS, is_flat=True),
    Stage("stage4d", 4, 2 * CHANNELS),
    Stage("stage3d", 5, 2 * CHANNELS),
    Stage("stage2d", 6, 2 * CHANNELS),
    Stage("stage1d", 7, 2 * CHANNELS),
)
"""And up again; each stage sees what the one below says, enlarged, and the encoder's map of its own size."""


@dataclass(frozen=True)
class Layer:
    """A convolution, its batch normalisation folded into it."""

    name: str
    inputs: int
    outputs: int
    dilation: int = 1
    side: int = 3
    has_relu: bool = True


def _layers_of(stage: Stage) -> Iterator[Layer]:
    """In the order of execution: in, down to the bottom, and up again."""
    last = stage.height
    yield Layer(f"{stage.name}.rebnconvin", stage.inputs, CHANNELS)
    for level in range(1, last + 1):
        dilation = 2 ** (level - 1) if stage.is_flat else 2 if level == last else 1
        yield Layer(
            f"{stage.name}.rebnconv{level}", CHANNELS if level == 1 else INNER_CHANNELS, INNER_CHANNELS, dilation
        )
    for level in range(last - 1, 0, -1):
        dilation = 2 ** (level - 1) if stage.is_flat else 1
        outputs = CHANNELS if level == 1 else INNER_CHANNELS
        yield Layer(f"{stage.name}.rebnconv{level}d", 2 * INNER_CHANNELS, outputs, dilation)


SIDES = tuple(Layer(f"side{level}", CHANNELS, 1, has_relu=False) for level in range(1, 7))
FUSION = Layer("outconv", len(SIDES), 1, side=1, has_relu=False)

LAYERS = (*(layer for stage in (*ENCODER, *DECODER) for layer in _layers_of(stage)), *SIDES, FUSION)
"""All convolutions in the order of execution."""


def saliency(picture: Floats, tick: Tick) -> NDArray[np.float64]:
    """How salient each pixel is, (rows, columns) from 0 to 1, of ``picture`` (3, rows, columns) as ``normalised`` makes
    it; rows and columns are multiples of STEP.

    ``tick`` is called at least every 0.1 s.
    """
    pool = ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1))
    try:
        return _saliency(_Network(_weights(), _fastest_product(), pool, tick), picture)
    finally:
        pool.shutdown(cancel_futures=True)


def _saliency(net: _Network, picture: Floats) -> NDArray[np.float64]:
    maps: list[Floats] = []
    deep = picture
    for stage in ENCODER:
        deep = net.stage(stage, _halved(deep) if maps else deep)
        maps.append(deep)
    outlooks = [deep]
    for stage, level in zip(DECODER, reversed(maps[:-1]), strict=True):
        deep = net.stage(stage, np.concatenate([raster.double(deep, level.shape[1:]), level]))
        outlooks.append(deep)
    logits = [
        _enlarged(net.convolve(layer.name, outlook), picture)
        for layer, outlook in zip(SIDES, reversed(outlooks), strict=True)
    ]
    fused = net.convolve(FUSION.name, np.concatenate(logits))[0]
    salient: NDArray[np.float64] = 1 / (1 + np.exp(-fused.astype(np.float64)))
    return salient


MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
"""Of the red, green and blue of ImageNet's pictures, from 0 to 1."""


def normalised(planes: Floats) -> Floats:
    """``planes`` (3, rows, columns), sRGB of any range, as the network was trained to see them: the brightest value
    is 1."""
    scale = np.float32(1) / max(planes.max(), np.float32(1e-6))
    return np.stack(
        [(plane * scale - np.float32(m)) / np.float32(d) for plane, m, d in zip(planes, MEAN, DEVIATION, strict=True)]
    )


@cache
def _weights() -> Mapping[str, Floats]:
    with np.load(WEIGHTS, allow_pickle=False) as stored:
        return {name: stored[name].astype(np.float32) for name in stored.files}


@dataclass(frozen=True, eq=False)
class _Network:
    weights: Mapping[str, Floats]
    product: Product
    pool: Executor
    tick: Tick

    def stage(self, stage: Stage, x: Floats) -> Floats:
        """A residual U-block: ``x`` (inputs, rows, columns) to (CHANNELS, rows, columns)."""
        entered = self.convolve(f"{stage.name}.rebnconvin", x)
        levels = [self.convolve(f"{stage.name}.rebnconv1", entered)]
        for level in range(2, stage.height + 1):
            is_smaller = not stage.is_flat and level < stage.height
            levels.append(
                self.convolve(f"{stage.name}.rebnconv{level}", _halved(levels[-1]) if is_smaller else levels[-1])
            )
        deep = levels.pop()
        for level in range(stage.height - 1, 0, -1):
            beside = levels.pop()
            if deep.shape != beside.shape:
                deep = raster.double(deep, beside.shape[1:])
            deep = self.convolve(f"{stage.name}.rebnconv{level}d", np.concatenate([deep, beside]))
        deep += entered
        return deep

    def convolve(self, name: str, x: Floats) -> Floats:
        """The layer's convolution of ``x`` (inputs, rows, columns), then ReLU if it has one."""
        layer = LAYER[name]
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        is_even = x.shape[1] % 2 == 0 and x.shape[2] % 2 == 0
        if layer.side == 3 and layer.dilation == 1 and is_even:
            result = _by_winograd(x, weight, self.product, self.pool, self.tick)
        else:
            result = _by_columns(x, weight, layer.dilation, self.product)
        result += bias[:, None, None]
        self.tick()
        return np.maximum(result, np.float32(0), out=result) if layer.has_relu else result


LAYER = {layer.name: layer for layer in LAYERS}


Product: TypeAlias = Callable[[Floats, Floats, Floats], object]
"""Writes the matrix products (..., m, k) x (..., k, n) into the third argument."""


def _rows_of_rows(a: Floats, b: Floats, result: Floats) -> None:
    """So written, numpy's innermost loop adds a multiple of a row of ``b`` to a row of the result, which is vectorised
    in every build: 12 to 15 GFLOP/s on one core, measured. It keeps the interpreter's lock, so threads do not help."""
    for left, right, product in zip(
        a.reshape(-1, *a.shape[-2:]), b.reshape(-1, *b.shape[-2:]), result.reshape(-1, *result.shape[-2:]), strict=True
    ):
        np.einsum("mk,kn->mn", left, right, out=product)


def _matmul(a: Floats, b: Floats, result: Floats) -> None:
    """40 to 75 GFLOP/s on one core with OpenBLAS, but 0.2 without a BLAS: Blender's numpy may have none."""
    np.matmul(a, b, out=result)


TRIAL_SHAPE = (CHANNELS, 2 * INNER_CHANNELS, 1600)
TRIALS = 3


@cache
def _fastest_product() -> Product:
    """The faster way to multiply matrices with this numpy, by trying both. They differ by a factor of three at least,
    so that a busy machine does not change the choice."""
    m, k, n = TRIAL_SHAPE
    a, b, result = np.ones((m, k), np.float32), np.ones((k, n), np.float32), np.zeros((m, n), np.float32)
    ways: tuple[Product, ...] = (_rows_of_rows, _matmul)
    seconds = []
    for way in ways:
        times = []
        for _ in range(TRIALS):
            started = time.perf_counter()
            way(a, b, result)
            times.append(time.perf_counter() - started)
        seconds.append(min(times))
    return ways[seconds.index(min(seconds))]


MOST_THREADS = 4
"""More would wait for memory."""

STRIP_BYTES = 1 << 22
"""Of the picture's part that is transformed and multiplied at a time: it should fit a core's own cache."""


def _by_columns(x: Floats, weight: Floats, dilation: int, product: Product) -> Floats:
    """Cross-correlation with zeros outside: each pixel's neighbourhood becomes a column, then one product."""
    outputs, _, side, _ = weight.shape
    _, rows, columns = x.shape
    margin = side // 2 * dilation
    padded = np.pad(x, ((0, 0), (margin, margin), (margin, margin)))
    places = [(dilation * row, dilation * column) for row in range(side) for column in range(side)]
    neighbours = np.stack([padded[:, top : top + rows, left : left + columns] for top, left in places])
    matrix = weight.transpose(0, 2, 3, 1).reshape(outputs, -1)
    result = np.zeros((outputs, rows, columns), np.float32)
    product(matrix, neighbours.reshape(-1, rows * columns), result.reshape(outputs, -1))
    return result


WINOGRAD_WEIGHTS = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]], np.float32)
"""The matrix G of Lavin and Gray."""

WINOGRAD_INPUTS = ((np.subtract, 0, 2), (np.add, 1, 2), (np.subtract, 2, 1), (np.subtract, 1, 3))
"""Their matrix B^T: what each of its rows does with which of four values."""


def _by_winograd(x: Floats, weight: Floats, product: Product, pool: Executor, tick: Tick) -> Floats:
    """Cross-correlation with zeros outside, with 4 multiplications in place of 9.

    F(2 x 2, 3 x 3) of Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016: blocks of 2 x 2
    outputs from overlapping blocks of 4 x 4 inputs. Rows and columns of ``x`` must be even.
    """
    inputs, rows, columns = x.shape
    outputs = weight.shape[0]
    transformed = np.einsum("ia,jb,mkab->ijmk", WINOGRAD_WEIGHTS, WINOGRAD_WEIGHTS, weight).reshape(16, outputs, inputs)
    width = columns // 2
    # Column 2 c + p of the padded picture is column c of part p: contiguous rows are faster.
    parts = np.zeros((2, inputs, rows + 2, width + 1), np.float32)
    parts[0, :, 1:-1, 1:] = x[:, :, 1::2]
    parts[1, :, 1:-1, :-1] = x[:, :, ::2]
    result = np.zeros((outputs, rows, columns), np.float32)
    height = max(1, STRIP_BYTES // (64 * inputs * width))

    def convolve_strip(top: int) -> None:
        strip = parts[:, :, 2 * top : 2 * min(top + height, rows // 2) + 2]
        blocks = _winograd_inputs(strip).reshape(16, inputs, -1)
        products = np.zeros((16, outputs, blocks.shape[2]), np.float32)
        product(transformed, blocks, products)
        _winograd_outputs(products.reshape(4, 4, outputs, -1, width), result[:, 2 * top : 2 * (top + height)])

    for _ in pool.map(convolve_strip, range(0, rows // 2, height)):
        tick()
    return result


def _winograd_inputs(parts: Floats) -> Floats:
    """B^T d B of each block: (4, 4, inputs, h, w) of (2, inputs, 2 h + 2, w + 1), even and odd columns."""
    height, width = parts.shape[2] // 2 - 1, parts.shape[3] - 1
    row = [parts[:, :, i : i + 2 * height : 2] for i in range(4)]
    across = np.zeros((4, *row[0].shape), np.float32)
    for target, (operation, a, b) in zip(across, WINOGRAD_INPUTS, strict=True):
        operation(row[a], row[b], out=target)
    even, odd = across[:, 0], across[:, 1]
    column = (even[..., :width], odd[..., :width], even[..., 1:], odd[..., 1:])
    blocks = np.zeros((4, 4, parts.shape[1], height, width), np.float32)
    for index, (operation, a, b) in enumerate(WINOGRAD_INPUTS):
        operation(column[a], column[b], out=blocks[:, index])
    return blocks


def _winograd_outputs(products: Floats, result: Floats) -> None:
    """Put A^T m A of each block, (4, 4, outputs, h, w), into ``result`` (outputs, 2 h, 2 w)."""
    across = (products[0] + products[1] + products[2], products[1] - products[2] - products[3])
    for row, part in enumerate(across):
        result[:, row::2, ::2] = part[0] + part[1] + part[2]
        result[:, row::2, 1::2] = part[1] - part[2] - part[3]


def _halved(x: Floats) -> Floats:
    """The greatest value of each 2 x 2 block; rows and columns are even."""
    tall = np.maximum(x[:, ::2], x[:, 1::2])
    return np.maximum(tall[..., ::2], tall[..., 1::2])


def _enlarged(x: Floats, picture: Floats) -> Floats:
    """``x`` (1, rows, columns) at the size of ``picture``, by linear interpolation."""
    rows, columns = picture.shape[1:]
    return raster.resample(x, (0, 0), x.shape[1] / rows, (rows, columns), outside_is_zero=False)
