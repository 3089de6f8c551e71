# SPDX-License-Identifier: GPL-3.0-or-later
"""Text as pixels, in any script that Blender's own fonts have, without a graphics card.

Blender turns text objects into triangles on the processor; numpy fills them. Drawing with `blf` would need a window.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import bpy
import numpy as np
from numpy.typing import NDArray

_OVERSAMPLING = 4
"""Rows and columns of samples in a pixel."""
_LINE_HEIGHT = 1.45
"""Of a line in sizes of the font, with what goes below the base line."""
_BASE_LINE = 1.05
"""How far below the top of the line it is."""
_ELLIPSIS = "…"

Mask = NDArray[np.float32]
"""(h, w): how much of each pixel is covered, 0 to 1, top row first."""


class Pen:
    """Writes lines of text, one below the other."""

    def __init__(self, curve: bpy.types.TextCurve, carrier: bpy.types.Object) -> None:
        self._curve = curve
        self._carrier = carrier

    def width(self, text: str, size: float) -> float:
        """Return how many pixels wide a line is. size: of the font, in pixels."""
        triangles = self._triangles(text)
        return float(triangles[:, :, 0].max(initial=0.0)) * size

    def shortened(self, text: str, size: float, width: float) -> str:
        """Return what of `text` fits into one line, with … where something is missing."""
        if self.width(text, size) <= width:
            return text
        fits, too_many = 0, len(text)
        while too_many - fits > 1:
            middle = (fits + too_many) // 2
            if self.width(text[:middle].rstrip() + _ELLIPSIS, size) <= width:
                fits = middle
            else:
                too_many = middle
        return text[:fits].rstrip() + _ELLIPSIS

    def lines(self, text: str, size: float, width: float, most: int) -> list[str]:
        """Return `text` broken between words into at most so many lines, the last one shortened."""
        words, lines = text.split(), list[str]()
        while words and len(lines) < most - 1:
            count = 1
            while count < len(words) and self.width(" ".join(words[: count + 1]), size) <= width:
                count += 1
            lines.append(self.shortened(" ".join(words[:count]), size, width))
            words = words[count:]
        return [*lines, self.shortened(" ".join(words), size, width)] if words else lines

    def line(self, text: str, size: float) -> Mask:
        """Return one line of text, as wide as it is."""
        fine = self._triangles(text) * np.float32(size * _OVERSAMPLING)
        height = round(size * _LINE_HEIGHT) * _OVERSAMPLING
        columns = max(1, int(np.ceil(fine[:, :, 0].max(initial=0.0) / _OVERSAMPLING)))
        fine[:, :, 1] = size * _BASE_LINE * _OVERSAMPLING - fine[:, :, 1]
        covered = np.zeros((height, columns * _OVERSAMPLING), np.bool_)
        for triangle in fine:
            _fill(covered, triangle)
        blocks = covered.reshape(height // _OVERSAMPLING, _OVERSAMPLING, columns, _OVERSAMPLING)
        return blocks.mean(axis=(1, 3), dtype=np.float32)

    def _triangles(self, text: str) -> NDArray[np.float32]:
        """Return (n, 3, 2) corners in sizes of the font, from the left end of the base line."""
        self._curve.body = "".join(each if each.isprintable() else " " for each in text)
        mesh = bpy.data.meshes.new_from_object(self._carrier)
        try:
            mesh.calc_loop_triangles()
            positions = np.zeros(len(mesh.vertices) * 3, np.float32)
            mesh.vertices.foreach_get("co", positions)
            corners = np.zeros(len(mesh.loop_triangles) * 3, np.int32)
            mesh.loop_triangles.foreach_get("vertices", corners)
        finally:
            bpy.data.meshes.remove(mesh)
        return positions.reshape(-1, 3)[corners, :2].reshape(-1, 3, 2)


@contextmanager
def pen() -> Iterator[Pen]:
    """A pen; what it needs in Blender is gone afterwards."""
    fonts = set(bpy.data.fonts)
    curve = bpy.data.curves.new("Lettering", "FONT")
    carrier = bpy.data.objects.new("Lettering", curve)
    curve.resolution_u = 3
    try:
        yield Pen(curve, carrier)
    finally:
        bpy.data.batch_remove([carrier, curve, *set(bpy.data.fonts).difference(fonts)])


def _fill(covered: NDArray[np.bool_], triangle: NDArray[np.float32]) -> None:
    """Set the samples that lie in a triangle of (column, row) corners."""
    low = np.clip(np.floor(triangle.min(axis=0) - 0.5).astype(int), 0, None)
    high = np.ceil(triangle.max(axis=0) + 0.5).astype(int)
    part = covered[low[1] : high[1], low[0] : high[0]]
    x = np.arange(low[0], low[0] + part.shape[1], dtype=np.float32)[None, :] + np.float32(0.5)
    y = np.arange(low[1], low[1] + part.shape[0], dtype=np.float32)[:, None] + np.float32(0.5)
    sides = [
        (end[0] - start[0]) * (y - start[1]) - (end[1] - start[1]) * (x - start[0])
        for start, end in zip(triangle, np.roll(triangle, -1, axis=0), strict=True)
    ]
    part |= (np.min(sides, axis=0) >= 0) | (np.max(sides, axis=0) <= 0)
