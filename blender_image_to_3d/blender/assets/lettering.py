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
        covered = _filled(fine, height, columns * _OVERSAMPLING)
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


def _filled(triangles: NDArray[np.float32], height: int, width: int) -> NDArray[np.bool_]:
    """Return the samples, (height, width), that lie in any of the triangles, (n, 3, 2) as column and row.

    A row crosses a triangle in one piece: where it begins is counted up, where it ends down.
    """
    first = np.clip(np.ceil(triangles[:, :, 1].min(axis=1) - 0.5), 0, height).astype(int)
    end = np.clip(np.ceil(triangles[:, :, 1].max(axis=1) - 0.5), 0, height).astype(int)
    counts = np.maximum(end - first, 0)
    which = np.repeat(np.arange(len(triangles)), counts)
    row = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts) + first[which]
    x, y = triangles[which, :, 0], triangles[which, :, 1]
    next_x, next_y = np.roll(x, -1, axis=1), np.roll(y, -1, axis=1)
    middle = (row + 0.5)[:, None]
    crosses = (y <= middle) != (next_y <= middle)
    rise = np.where(crosses, next_y - y, 1.0)
    crossing = x + (middle - y) / rise * (next_x - x)
    left = np.where(crosses, crossing, np.inf).min(axis=1, initial=np.inf)
    right = np.where(crosses, crossing, -np.inf).max(axis=1, initial=-np.inf)
    is_crossed = left <= right
    begin, stop = (np.clip(np.ceil(edge[is_crossed] - 0.5), 0, width).astype(int) for edge in (left, right))
    steps = np.zeros((height, width + 1), np.int32)
    np.add.at(steps, (row[is_crossed], begin), 1)
    np.add.at(steps, (row[is_crossed], stop), -1)
    return steps.cumsum(axis=1)[:, :-1] > 0
