# SPDX-License-Identifier: GPL-3.0-or-later
"""How near to the truth Offline Shape comes, and what it costs: scripts/bench offline_shape [--pictures FILE.jpg]"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from environment import (
    HOME,
    ROOT,
    Blender,
    any_blender,
    find_python,
    give_up,
    requirements,
    virtual_environment,
)
from numpy.typing import NDArray
from PIL import Image

sys.path.insert(0, str(ROOT))

from blender_image_to_3d.mesh import glb_writer
from blender_image_to_3d.offline_shape import generator
from blender_image_to_3d.pictures import png
from tests import reference
from tests.truth import Truth

SOLIDS = ROOT / "tests" / "blender" / "solids.py"
LOOKS = ROOT / "scripts" / "render_looks.py"
BEAR = ROOT / "scripts" / "sample" / "bear.png"

REPEATS = 5
WITHOUT_BLAS = (
    "--no-binary=numpy",
    "-Csetup-args=-Dblas=none",
    "-Csetup-args=-Dlapack=none",
    "-Csetup-args=-Dallow-noblas=true",
)
"""What pip needs to be told to compile numpy as Blender's builders do."""

BLAS = "import numpy; print(numpy.show_config('dicts')['Build Dependencies']['blas']['name'])"

WORK = """
import resource, sys, time
started = time.perf_counter()
from pathlib import Path
from blender_image_to_3d.jobs import worker
from blender_image_to_3d.jobs.library import JobFolder
imported = time.perf_counter()
folder = JobFolder(Path(sys.argv[1]))
with folder.claim() as claim:
    job = worker.work(folder, claim, worker.Start())
assert job.state == "ready", job
ended = time.perf_counter()
usage = resource.getrusage(resource.RUSAGE_SELF)
print(imported - started, ended - imported, time.process_time(), usage.ru_maxrss / 1024)
"""
"""Says how many seconds the imports and the work took, how many the processor gave to both, and the peak memory in
MB."""

SHOWN: Mapping[str, tuple[tuple[str, ...], dict[str, object]]] = {
    "bear": (("front",), {}),
    "fish": (("front",), {"thickness": 0.5}),
    "bottle": (("front",), {"profile": "round"}),
    "letter": (("front",), {"profile": "extrude", "depth": 0.35}),
    "coin": (("front",), {"profile": "relief", "depth": 0.1, "detail": 0.4}),
    "suzanne": (("front", "left", "back"), {}),
    "duck": (("front", "left", "back"), {}),
    "teapot": (("front", "left", "back"), {}),
}
"""What is on the contact sheet: the views, and the options."""

MASKS = ROOT / "scripts" / "bench_masks.py"

TILE, COLUMNS = 150, 2
ANGLES = (-35, 50, 150)

Picture = NDArray[np.uint8]


def row(what: str, measured: str, target: str = "") -> None:
    print(f"{what:<52} {measured:>12}   {target}", flush=True)


def run(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        give_up(f"{' '.join(map(str, command))}: {(done.stdout + done.stderr)[-1000:]}")
    return done.stdout


# --- seconds and memory ----------------------------------------------------------------------------------------------


def draw(folder: Path) -> dict[str, list[str | Path]]:
    """Draw the pictures of the measurements, and return what follows ``generate`` for each."""
    bear = Image.open(BEAR)
    side = 960 * bear.height // bear.width
    cutout = Image.new("RGBA", (1024, 1024))
    cutout.paste(bear.resize((960, side), Image.Resampling.LANCZOS), (32, (1024 - side) // 2))
    cutout.save(folder / "cutout.png")
    # A narrower bear is as high as this one: that is enough for a view from the side.
    beside = Image.new("RGBA", (1024, 1024))
    beside.paste(bear.resize((500, side), Image.Resampling.LANCZOS), (262, (1024 - side) // 2))
    beside.save(folder / "left.png")
    photograph = Image.fromarray(reference.bear_before(reference.bricks())[..., :3])
    photograph.resize((1400, 1400 * photograph.height // photograph.width)).save(folder / "photograph.jpg", quality=92)
    views = ["--view", f"left={folder / 'left.png'}", "--view", f"back={folder / 'cutout.png'}"]
    return {
        "cutout": [folder / "cutout.png"],
        "photograph": [folder / "photograph.jpg"],
        "views": [folder / "cutout.png", *views],
    }


def worker(python: Path, words: Sequence[str | Path], what: str, target: float) -> str:
    """Measure a worker process, print it, and return what goes into offline_shape/README.md."""
    with tempfile.TemporaryDirectory() as name:
        environment = {**os.environ, "IMAGE_TO_3D_LIBRARY": name}
        run([python, "-m", "blender_image_to_3d", "generate", *words, "--output", Path(name, "x.glb")], environment)
        folder = next(path.parent for path in Path(name).glob("*/job.json"))
        job = json.loads((folder / "job.json").read_bytes())
        measured = []
        for _ in range(REPEATS):
            shutil.rmtree(folder / "result")
            (folder / "job.json").write_text(json.dumps({**job, "state": "queued", "results": []}))
            measured.append([float(value) for value in run([python, "-c", WORK, folder], environment).split()])
    start, work, processor, megabytes = (statistics.median(column) for column in zip(*measured, strict=True))
    row(what, f"{work:.2f} s", f"under {target} s")
    row("  starting, before that", f"{start:.2f} s")
    row("  processor time of both", f"{processor:.2f} s")
    row("  peak memory", f"{megabytes:.0f} MB", "under 450 MB")
    return f"{work:.1f} s, {megabytes:.0f} MB"


def costs(folder: Path) -> list[tuple[str, str]]:
    """Measure, and return rows for offline_shape/README.md."""
    inputs = draw(folder)
    targets = {
        "1024x1024 cut-out": ("cutout", 0.6),
        "1.7 MP photograph": ("photograph", 2.5),
        "3 views": ("views", 1.5),
    }
    table = [
        (what, worker(Path(sys.executable), inputs[name], f"{what} to GLB, worker", target))
        for what, (name, target) in targets.items()
    ]
    python = python_without_blas()
    if python is not None:
        what = "photograph, numpy without BLAS"
        table.append((what, worker(python, inputs["photograph"], what, 5.0)))
    for what, sides in {"one view": ("front",), "3 views": ("front", "left", "back")}.items():
        views = reference.CASES["views"]()[0]
        pictures = {side: np.repeat(np.repeat(views[side], 4, axis=0), 4, axis=1) for side in sides}
        times = [fastest(pictures, resolution) for resolution in (160, 320)]
        row(f"resolution 160 to 320, {what}", f"{times[1] / times[0]:.2f} times", "at most 4.5")
    return table


def python_without_blas() -> Path | None:
    """A Python with a numpy that has no BLAS, as Blender's is thought to be. Compiling it takes minutes."""
    version = next(each for each in ("3.11", "3.13") if find_python(each))
    if not any(map(shutil.which, ("cc", "gcc", "clang"))):
        row("photograph with a numpy without BLAS", "not measured", "compiling numpy needs a C and a C++ compiler")
        return None
    python = virtual_environment("no-blas", version, [*requirements("core"), "pillow", *WITHOUT_BLAS])
    if (blas := run([python, "-c", BLAS]).strip()) not in {"none", ""}:
        give_up(f"the numpy in {python.parent.parent} has a BLAS after all: {blas}")
    return python


def fastest(pictures: Mapping[str, Picture], resolution: int) -> float:
    times = []
    for _ in range(3):
        started = time.perf_counter()
        make(pictures, {"resolution": resolution})
        times.append(time.perf_counter() - started)
    return min(times)


# --- truth -----------------------------------------------------------------------------------------------------------


def make(pictures: Mapping[str, Picture], options: Mapping[str, Any]) -> generator.Shape:
    return generator.generate(generator.Views(**pictures), generator.Settings(**options), lambda share, what: None)


def photographed(blender: Blender) -> Path:
    """A folder with photographs of all solids, see tests/blender/solids.py, and their options. Making it takes
    minutes."""
    folder = HOME / f"solids-{hashlib.sha256(SOLIDS.read_bytes()).hexdigest()[:12]}"
    if not (folder / "options.json").exists():
        print("photographing the solids …", file=sys.stderr, flush=True)
        run(blender.script(SOLIDS, folder))
    return folder


def load(folder: Path, sides: Iterable[str]) -> dict[str, Picture]:
    return {side: np.asarray(Image.open(folder / f"{side}.png").convert("RGBA")) for side in sides}


def accuracy(solids: Path) -> list[str]:
    """Measure every solid, and return a Markdown table."""
    options = json.loads((solids / "options.json").read_text(encoding="utf-8"))
    lines = ["| solid | 1 view, best profile | front + left | front + left + back |", "|---|---|---|---|"]
    print(f"{'IoU, Chamfer distance in % of the longest side':<52} {'1 view':>12} {'+ left':>12} {'+ back':>12}")
    measured = []
    for name, chosen in options.items():
        truth = Truth.load(solids / name)
        pairs = []
        for sides in (("front",), ("front", "left"), ("front", "left", "back")):
            shape = make(load(solids / name, sides), chosen if len(sides) == 1 else {})
            pairs.append((truth.iou(shape.positions, shape.quads), truth.chamfer(shape.positions, shape.quads)))
        measured.append(pairs)
        lines.append(f"| {name} ({chosen.get('profile', 'inflate')}) | {' | '.join(map(_pair, pairs))} |")
        print(f"  {name:<50} {' '.join(f'{_pair(pair):>12}' for pair in pairs)}", flush=True)
    means = [(float(iou), float(distance)) for iou, distance in np.mean(measured, axis=0)]
    print(f"  {'mean':<50} {' '.join(f'{_pair(pair):>12}' for pair in means)}   front + left at least 0.85")
    return [*lines, f"| **mean of {len(measured)}** | {' | '.join(map(_pair, means))} |"]


def _pair(pair: tuple[float, float]) -> str:
    return f"{pair[0]:.2f}, {pair[1]:.1f} %"


# --- pictures --------------------------------------------------------------------------------------------------------


def contact_sheet(solids: Path, blender: Blender, target: Path) -> None:
    """Some results beside what they were made of."""
    width = TILE * (1 + len(ANGLES))
    sheet = Image.new("RGB", (width * COLUMNS, TILE * -(-len(SHOWN) // COLUMNS)), (245, 245, 245))
    with tempfile.TemporaryDirectory() as name:
        for number, (solid, (sides, options)) in enumerate(SHOWN.items()):
            if solid == "bear":
                pictures = {"front": reference.bear_before(reference.bricks())}
            else:
                pictures = load(solids / solid, sides)
            shape = make(pictures, options)
            model = Path(name, f"{solid}.glb")
            model.write_bytes(packed(shape))
            looks = [Path(name, f"{solid}{angle}.png") for angle in ANGLES]
            wanted = [f"{angle}={look}" for angle, look in zip(ANGLES, looks, strict=True)]
            run(blender.script(LOOKS, model, str(TILE * 3 // 2), *wanted))
            x, y = number % COLUMNS * width, number // COLUMNS * TILE
            for place, tile in enumerate([Image.fromarray(pictures["front"]), *map(Image.open, looks)]):
                tile.thumbnail((TILE, TILE), Image.Resampling.LANCZOS)
                centre = (x + place * TILE + (TILE - tile.width) // 2, y + (TILE - tile.height) // 2)
                sheet.paste(tile, centre, tile.convert("RGBA").getchannel("A"))
    sheet.save(target, quality=85, optimize=True)
    print(f"{target}: {target.stat().st_size // 1000} kB")


def packed(shape: generator.Shape) -> bytes:
    texture = png.encode(shape.texture)
    return glb_writer.encode(
        positions=shape.positions, quads=shape.quads, uvs=shape.uvs, texture_png=texture, name="Shape"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--pictures", type=Path, metavar="FILE.jpg", help="draw a contact sheet of results, and no more"
    )
    target = parser.parse_args().pictures
    if target is not None:
        blender = any_blender()
        contact_sheet(photographed(blender), blender, target)
        return
    with tempfile.TemporaryDirectory() as name:
        table = costs(Path(name))
    lines = accuracy(photographed(any_blender()))
    subprocess.run([sys.executable, MASKS], cwd=ROOT, check=True)
    print("\nFor offline_shape/README.md; intersection over union of the volumes, and Chamfer distance:\n")
    print("\n".join([*lines, "", "| on 2 cores | |", "|---|---|", *(f"| {what} | {cost} |" for what, cost in table)]))


if __name__ == "__main__":
    main()
