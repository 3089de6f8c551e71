# SPDX-License-Identifier: GPL-3.0-or-later
"""What the offline generator made of some pictures when it was last looked at, so that every Python, numpy and Blender
makes the same.

``python -m tests.reference`` writes it anew, and is only run when the shapes are meant to change.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from . import shapes

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "tests" / "data" / "offline_shape_reference.json"
BEAR = ROOT / "scripts" / "sample" / "bear.png"

SAMPLES = 40
"""Vertices of each shape whose positions are kept."""

DECIMALS = 5
TOLERANCE = 1e-4
"""How far a vertex may be from where it was; the longest side of a shape is 1."""

Made = dict[str, Any]


def measure(case: str) -> Made:
    """What the generator makes of a case now."""
    from blender_image_to_3d.offline_shape import generator

    views, options = CASES[case]()
    shape = generator.generate(generator.Views(**views), generator.Settings(**options), lambda share, what: None)
    places = np.linspace(0, len(shape.positions) - 1, SAMPLES).astype(int)
    return {
        "quads": len(shape.quads),
        "topology": hashlib.sha256(shape.quads.astype("<i4").tobytes()).hexdigest(),
        "positions": [[round(float(value), DECIMALS) for value in place] for place in shape.positions[places]],
    }


def check(case: str) -> None:
    """Fail if the generator makes something else of a case than it did."""
    expected: Made = json.loads(FILE.read_text(encoding="utf-8"))[case]
    made = measure(case)
    assert (made["quads"], made["topology"]) == (expected["quads"], expected["topology"])
    assert np.abs(np.subtract(made["positions"], expected["positions"])).max() < TOLERANCE


# --- pictures, of integers alone: no version draws them in another way ----------------------------------------------


def _painted(mask: shapes.Mask) -> shapes.Picture:
    """A cut-out with chequers that get lighter to the right."""
    picture = shapes.cutout(mask)
    row, column = np.indices(mask.shape)
    light = (row // 16 + column // 16) % 2 * 90 + column * 120 // mask.shape[1]
    picture[..., :3] = np.stack([light + 40, light + 20, 220 - light], axis=-1)
    return picture


def _ellipse(size: int, centre: tuple[int, int], radii: tuple[int, int]) -> shapes.Mask:
    """Centre and radii in pixels, the row first."""
    row, column = np.indices((size, size))
    result: shapes.Mask = ((row - centre[0]) * radii[1]) ** 2 + ((column - centre[1]) * radii[0]) ** 2 < (
        radii[0] * radii[1]
    ) ** 2
    return result


def _blobs() -> shapes.Mask:
    mask = _ellipse(300, (170, 150), (100, 120)) | _ellipse(300, (60, 80), (40, 30))
    mask[10:120, 200:203] = True  # An antenna.
    return mask & ~_ellipse(300, (190, 170), (30, 40))


def _noise() -> shapes.Mask:
    blocks = np.random.RandomState(5).randint(0, 2, (24, 18)) > 0  # This generator is frozen.
    return np.repeat(np.repeat(blocks, 7, axis=0), 7, axis=1)


def bear_before(background: shapes.Picture) -> shapes.Picture:
    """A photograph of a bear before a ``background`` (rows, columns, 3)."""
    from blender_image_to_3d.pictures import pixels

    bear = pixels.read(BEAR)
    bear = np.pad(bear, ((40, 40), (50, 50), (0, 0)))
    cover = bear[..., 3:].astype(np.int32)
    rows, columns = bear.shape[:2]
    mixed = (bear[..., :3] * cover + background[:rows, :columns] * (255 - cover) + 127) // 255
    return np.concatenate([mixed, np.full_like(cover, 255)], axis=-1).astype(np.uint8)


def _wall() -> shapes.Picture:
    """A plain background, lit from above."""
    row, column = np.indices((600, 600))
    return np.stack([220 - row // 20, 225 - row // 20 + column // 60, 230 - row // 16], axis=-1).astype(np.uint8)


def bricks() -> shapes.Picture:
    row, column = np.indices((600, 600))
    joint = (row % 24 < 3) | ((column + row // 24 % 2 * 30) % 60 < 3)
    grain = np.random.RandomState(8).randint(0, 40, (600, 600))
    tone = np.where(joint, 190, 110 + (row // 24 * 7 + (column + row // 24 % 2 * 30) // 60 * 13) % 40) + grain
    return np.stack([tone, tone * 2 // 3, tone // 2], axis=-1).astype(np.uint8)


def _views() -> dict[str, shapes.Picture]:
    body, arm = _ellipse(256, (150, 128), (90, 50)), _ellipse(256, (110, 128), (14, 110))
    head = _ellipse(256, (50, 128), (40, 40))
    side = _ellipse(256, (150, 128), (90, 36)) | _ellipse(256, (50, 116), (40, 34))
    return {"front": _painted(body | arm | head), "left": _painted(side), "back": _painted(body | arm | head)}


Case = Callable[[], tuple[dict[str, shapes.Picture], dict[str, Any]]]
CASES: Mapping[str, Case] = MappingProxyType(
    {
        "blobs": lambda: ({"front": _painted(_blobs())}, {}),
        "noise": lambda: ({"front": _painted(_noise())}, {"thickness": 1.3, "detail": 1.0, "resolution": 96}),
        "turned": lambda: ({"front": _painted(_blobs())}, {"profile": "round", "symmetric": True}),
        "plate": lambda: (
            {"front": _painted(_blobs())},
            {"profile": "extrude", "depth": 0.3, "bevel": 0.5, "target_faces": 4000},
        ),
        "relief": lambda: ({"front": bear_before(bricks())}, {"profile": "relief", "mask": "whole"}),
        "bear before a wall": lambda: ({"front": bear_before(_wall())}, {}),
        "bear before bricks": lambda: ({"front": bear_before(bricks())}, {}),
        "views": lambda: (_views(), {}),
    }
)


def main() -> None:
    made = {case: measure(case) for case in CASES}
    lines = [f"  {json.dumps(case)}: {json.dumps(result)}" for case, result in made.items()]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
