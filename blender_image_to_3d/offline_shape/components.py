# SPDX-License-Identifier: GPL-3.0-or-later
"""Connected components of a mask, by runs: work grows with the outline, not with the area, and no pixel is looped over.

A run is a stretch of True pixels in one row. Runs that touch in neighbouring rows are joined by repeatedly giving
both the smaller label and following labels to their root (Shiloach and Vishkin, "An O(log n) parallel connectivity
algorithm", 1982).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .arrays import Bools, Index, Value


@dataclass(frozen=True, eq=False)
class Components:
    """The components of a mask."""

    mask: Bools
    areas: Index
    """(n,) pixels of each component."""
    touches_border: Bools
    """(n,) whether the component has a pixel on the border of the mask."""
    run_labels: Index
    """(runs,) component of each run, in reading order."""
    run_lengths: Index

    def select(self, keep: Bools) -> Bools:
        """The mask that has only the components marked in ``keep`` (n,)."""
        result = np.zeros_like(self.mask)
        result[self.mask] = self.at_pixels(keep)
        return result

    def at_pixels(self, values: NDArray[Value]) -> NDArray[Value]:
        """The ``values`` of the components (n,) at the True pixels of the mask, in reading order."""
        # In this order the pixels are the runs, one after another.
        return np.repeat(values[self.run_labels], self.run_lengths)


def find(mask: Bools, *, over_corners: bool = False) -> Components:
    """Find the components of ``mask`` (rows, columns), joined over edges, or ``over_corners`` too: a line of one pixel
    that is not straight is in one piece only like this."""
    rows, columns = mask.shape
    pitch = columns + 1  # One False pixel after each row, so that no run goes on into the next row.
    flat = np.zeros(rows * pitch + 1, np.int8)
    flat[:-1].reshape(rows, pitch)[:, :columns] = mask
    steps = np.diff(flat, prepend=np.int8(0))
    starts, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    labels = join(len(starts), *touching(starts, ends, pitch, over_corners=over_corners))
    _, labels = np.unique(labels, return_inverse=True)
    labels = labels.reshape(-1).astype(np.int64)
    count = int(labels.max()) + 1 if len(labels) else 0
    row, first, last = starts // pitch, starts % pitch, (ends - 1) % pitch
    on_border = (row == 0) | (row == rows - 1) | (first == 0) | (last == columns - 1)
    return Components(
        mask=mask,
        areas=np.bincount(labels, ends - starts, count).astype(np.int64),
        touches_border=np.bincount(labels, on_border, count) > 0,
        run_labels=labels,
        run_lengths=ends - starts,
    )


def touching(starts: Index, ends: Index, pitch: int, *, over_corners: bool = False) -> tuple[Index, Index]:
    """Pairs (upper run, lower run) that touch in neighbouring rows."""
    # A run ends before the pixel ``ends``: over a corner, the next one begins just there.
    first = np.searchsorted(ends, starts + pitch, side="left" if over_corners else "right")
    stop = np.searchsorted(starts, ends + pitch, side="right" if over_corners else "left")
    counts = np.maximum(stop - first, 0)
    upper = np.repeat(np.arange(len(starts)), counts)
    within = np.arange(len(upper)) - np.repeat(np.cumsum(counts) - counts, counts)
    return upper, np.repeat(first, counts) + within


def join(count: int, a: Index, b: Index) -> Index:
    """The smallest member of each item's group, where ``a[i]`` and ``b[i]`` belong together."""
    labels = np.arange(count)
    while True:
        label_a, label_b = labels[a], labels[b]
        differ = label_a != label_b
        if not differ.any():
            return labels
        a, b, label_a, label_b = a[differ], b[differ], label_a[differ], label_b[differ]
        np.minimum.at(labels, np.maximum(label_a, label_b), np.minimum(label_a, label_b))
        while True:
            roots = labels[labels]
            if np.array_equal(roots, labels):
                break
            labels = roots
