# SPDX-License-Identifier: GPL-3.0-or-later
"""How well the subject of a picture is found, on cut-outs before six kinds of background. Started by
scripts/bench offline_shape.

The cut-outs are photographs of Debian's package tuxpaint-stamps-default, the backgrounds come with scikit-image and
scikit-learn. Half of the cut-outs were looked at while the thresholds were chosen; the size of picture that the network
sees was chosen by all of them.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import skimage.data
import sklearn.datasets
from numpy.typing import NDArray
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from blender_image_to_3d.offline_shape import mask, raster  # noqa: E402

PACKAGE = "tuxpaint-stamps-default"
STAMPS = "usr/share/tuxpaint/stamps"

SEEN = """
    animals/birds/crowned_crane animals/birds/pelican animals/birds/owl animals/amphibians/frog animals/insects/mantis
    animals/mammals/bears/european-bear animals/mammals/bovines/gnu-baby animals/mammals/aquatic/otter
    animals/mammals/dogs/dog animals/mammals/equines/zebra animals/mammals/rhino_black vehicles/construction/dumper
    vehicles/emergency/firetruck vehicles/flight/balloon360 vehicles/flight/planes/747 plants/flowers/daffodil
    plants/trees/tree336 food/fruit/Cherry_Stella food/fruit/avocado household/cylinder household/tools/cementmixer
    hobbies/music/string/guitar_classical hobbies/music/percussion/cymbal_crash medical/bandage_adhesive
""".split()
HELD_OUT = """
    animals/birds/pink_flamingo animals/birds/helmeted_guineafowl animals/birds/pigeon animals/fish/coraltrout
    animals/insects/Woodlouse animals/mammals/bovines/gnu-stand animals/mammals/bovines/indian_blackbuck
    animals/mammals/cats/tiger_sumatran animals/mammals/pig_golden2 animals/mammals/rodents/squirrel
    animals/marsupials/koala animals/marsupials/wombat animals/mammals/dogs/fox vehicles/wheel_tractor
    vehicles/masstransit/green_korean_bus vehicles/garbagetruck vehicles/ship/chineseJunk plants/flowers/anemone_red
    plants/trees/liberia-palm plants/mushrooms/cep-1 food/fruit/Strawberry2 food/spices/ginger household/toilet
    hobbies/music/string/cello medical/stethoscope
""".split()

FRAME = 720
"""Longer side in pixels of the pictures."""

TARGET, BACKGROUNDS_AT_TARGET = 0.93, 5

Picture = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Case:
    name: str
    background: str
    is_held_out: bool
    picture: Picture
    """(rows, columns, RGBA), opaque."""
    truth: NDArray[np.bool_]


def unpack(folder: Path) -> Path:
    """Fetch the cut-outs and return their folder."""
    for command in (["apt-get", "download", "-q", PACKAGE], ["sh", "-c", f"dpkg -x {PACKAGE}_*.deb ."]):
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder / STAMPS


@cache
def backgrounds() -> dict[str, Picture]:
    """Opaque pictures (FRAME, FRAME, 3)."""
    y, x = np.mgrid[0:FRAME, 0:FRAME] / FRAME
    grey = 225 - 60 * y - 25 * (x - 0.4) ** 2
    made = {
        "white": np.full((FRAME, FRAME), 255.0),
        "grey gradient": grey + np.random.default_rng(0).normal(0, 1.5, grey.shape),
    }
    photographs = {
        "brick": skimage.data.brick(),
        "gravel": skimage.data.gravel(),
        # The table beside the saucer; the pagoda is a subject of its own.
        "table": skimage.data.coffee()[:, 480:],
        "pagoda": sklearn.datasets.load_sample_image("china.jpg"),
    }
    result = {name: np.repeat(plane[..., None].clip(0, 255).astype(np.uint8), 3, 2) for name, plane in made.items()}
    for name, picture in photographs.items():
        image = Image.fromarray(picture).convert("RGB")
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        square = image.crop((left, top, left + side, top + side))
        result[name] = np.asarray(square.resize((FRAME, FRAME), Image.Resampling.BICUBIC))
    return result


def composite(stamp: Image.Image, background: Picture, share: float, place: tuple[float, float]) -> Case:
    """Put a cut-out before a background; its longer side takes ``share`` of the frame's."""
    stamp = stamp.crop(stamp.getchannel("A").getbbox())
    scale = share * FRAME / max(stamp.size)
    size = (max(1, round(stamp.width * scale)), max(1, round(stamp.height * scale)))
    # Premultiplied, so that colours behind transparent pixels do not come to light.
    stamp = stamp.convert("RGBa").resize(size, Image.Resampling.BICUBIC)
    left, top = (round((FRAME - side) * (0.5 + 0.25 * p)) for side, p in zip(size, place, strict=True))
    values = np.zeros((FRAME, FRAME, 4))
    values[top : top + size[1], left : left + size[0]] = np.asarray(stamp)
    alpha = values[..., 3:] / 255
    picture = np.full((FRAME, FRAME, 4), 255, np.uint8)
    picture[..., :3] = (values[..., :3] + (1 - alpha) * background).clip(0, 255).round()
    return Case("", "", False, picture, alpha[..., 0] >= 0.5)


def cases(stamps: Path) -> Iterator[Case]:
    rng = np.random.default_rng(5)
    for name in sorted([*SEEN, *HELD_OUT]):
        stamp = Image.open(stamps / f"{name}.png").convert("RGBA")
        share, place = rng.uniform(0.6, 0.8), tuple(rng.uniform(-1, 1, 2))
        for background, behind in backgrounds().items():
            case = composite(stamp, behind, share, (place[0], place[1]))
            yield Case(name.split("/")[-1], background, name in HELD_OUT, case.picture, case.truth)


def found(picture: Picture, least_size: int = 512) -> NDArray[np.bool_]:
    """The mask that is chosen by itself, at the size of the picture."""
    try:
        cutout = mask.find(picture, "auto", least_size, lambda: None)
    except mask.EmptyMask:
        return np.zeros(picture.shape[:2], bool)
    small = cutout.coverage >= mask.INSIDE
    large = np.repeat(np.repeat(small, cutout.factor, 0), cutout.factor, 1)
    result = np.zeros(picture.shape[:2], bool)
    part = result[cutout.top : cutout.top + large.shape[0], cutout.left : cutout.left + large.shape[1]]
    part[:] = large[: part.shape[0], : part.shape[1]]
    return result


def sheet(rows: list[tuple[Picture, NDArray[Any]]], target: Path) -> None:
    """Pictures beside their masks."""
    side, columns = 144, 6
    canvas = Image.new("RGB", (2 * side * columns, side * -(-len(rows) // columns)))
    for number, (picture, found_mask) in enumerate(rows):
        shown = np.where(found_mask[..., None], picture[..., :3], np.array([255, 0, 255]))
        for offset, each in ((0, picture[..., :3]), (side, shown.astype(np.uint8))):
            place = (number % columns * 2 * side + offset, number // columns * side)
            canvas.paste(Image.fromarray(np.ascontiguousarray(each)).resize((side, side)), place)
    canvas.save(target)


def row(what: str, measured: str, target: str) -> None:
    print(f"{what:<52} {measured:>24}   {target}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stamps", type=Path, help=f"the folder {STAMPS} of {PACKAGE}, if it is here already")
    parser.add_argument("--sheet", type=Path, help="write all pictures and masks to this PNG file")
    arguments = parser.parse_args()
    scores: dict[tuple[str, bool], list[tuple[float, str]]] = {}
    shown = []
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        for case in cases(arguments.stamps or unpack(Path(folder))):
            started = time.perf_counter()
            result = found(case.picture)
            seconds.append(time.perf_counter() - started)
            score = raster.overlap(result, case.truth)
            scores.setdefault((case.background, case.is_held_out), []).append((score, case.name))
            shown.append((case.picture, result))
    reached = 0
    for background in backgrounds():
        seen, held_out = ([score for score, _ in scores[background, half]] for half in (False, True))
        worst = min([*scores[background, False], *scores[background, True]])
        reached += statistics.mean([*seen, *held_out]) >= TARGET
        texts = [f"{statistics.mean(half):.3f} ({min(half):.2f})" for half in (seen, held_out)]
        row(f"mask IoU on {background}: seen, held out", "  ".join(texts), f"worst: {worst[1]}")
    row(f"  backgrounds with a mean of {TARGET}", str(reached), f"at least {BACKGROUNDS_AT_TARGET}")
    row("  seconds", f"{statistics.median(seconds):.2f}, at most {max(seconds):.2f}", "")
    if arguments.sheet:
        sheet(shown, arguments.sheet)


if __name__ == "__main__":
    main()
