# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist feels of us in a real window, against the same window doing nothing. Started by scripts/bench."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from bench_services import ROOT, row
from blender_roots import Root, RootMissing
from environment import build_extension, give_up
from numpy.typing import NDArray
from PIL import Image

from tests.fakes.servers.loopback import Exchange
from tests.fakes.servers.meshy import MeshyServer
from tests.gui.machine import Machine
from tests.gui.window import Look, Window

PROBE = ROOT / "scripts" / "bench_window_probe.py"
KEY = "bench-key"
JOBS = 8
PERIOD_SECONDS = float(os.environ.get("BENCH_SECONDS", "65"))
TRIANGLES = (250_000, 1_000_000, 2_000_000)
IMPORTS = 3
LIBRARY_JOBS, FAILED_JOBS = 1000, 20
DRAWINGS = 200
CLICKS = 5
_BYTES_PER_SECOND = 1_000_000
_CHART = 45
"""Faces along each side of a chart: its border vertices stand twice, as texture atlases have them."""


@dataclass(frozen=True)
class WithProbe(Look):
    """A window that has the probe before its first event."""

    folder: Path = PROBE.parent
    """Where it is, as Blender sees it."""
    before: str = ""
    """Statements about `probe`."""

    def statements(self) -> str:
        path = f"import sys; sys.path.insert(0, {str(self.folder)!r})"
        return "\n".join([super().statements(), path, "import bench_window_probe as probe", self.before])


class SlowMeshy(MeshyServer):
    """Works by the clock, says each moment how far it is, and sends its models slowly."""

    seconds = 0.0

    def _status(self, task: Any) -> tuple[str, int]:
        share = (time.time() - task.created / 1000) / self.seconds
        return ("IN_PROGRESS", int(100 * share)) if share < 1 else super()._status(task)

    def _link(self, task: Any, kind: str) -> str:
        link = super()._link(task, kind)
        self.cdn._links[link.removeprefix(self.cdn.url)].file = self._send_slowly
        return link

    def _send_slowly(self, exchange: Exchange) -> None:
        content = self.models["glb"]
        exchange.begin(content_length=str(len(content)))
        step = _BYTES_PER_SECOND // 20
        for start in range(0, len(content), step):
            exchange.write(content[start : start + step])
            time.sleep(0.05)


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms"


def spread(values: Mapping[str, float]) -> str:
    return " / ".join(milliseconds(values[name]) for name in ("p50", "p99", "max"))


def say_load() -> None:
    if sys.platform != "win32":
        row(
            "load average of this machine",
            " ".join(f"{each:.1f}" for each in os.getloadavg()),
            f"{os.cpu_count()} cores",
        )


class Desk:
    """A machine with the extension in its Blender, a library, and everything that is looked at."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.library = machine.folder / "library"
        shutil.copy(PROBE, machine.folder)

    @contextmanager
    def window(self, name: str, before: str = "", **environment: str) -> Iterator[Window]:
        """Open a window in which `probe` is known; it ends without ceremony."""
        look = WithProbe(folder=self.machine.folder, before=before)
        environment = {"IMAGE_TO_3D_LIBRARY": str(self.library), **environment}
        window = Window(self.machine, name, look=look, environment=environment)
        try:
            window.run("import bench_window_probe as probe")
            window.open_tab()
            yield window
        finally:
            window.close()

    def settings(self, **chosen: object) -> None:
        folder = self.machine.home / ".local" / "share"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "image_to_3d.settings.json").write_text(json.dumps(chosen))


@contextmanager
def desk(root: Path) -> Iterator[Desk]:
    archive = build_extension()
    # Not where pytest would put it: the path of a socket has little room.
    with tempfile.TemporaryDirectory(prefix="bench-") as name, Machine(root, Path(name)) as machine:
        install = ("blender", "--command", "extension", "install-file", "-r", "user_default", "--enable")
        machine.run(*install, shutil.copy(archive, machine.folder))
        yield Desk(machine)


def noise(side: int, seed: int) -> Image.Image:
    """Return a picture that compresses as badly as a painted texture does."""
    coarse = np.random.default_rng(seed).integers(0, 256, (side // 8, side // 8, 3), dtype=np.uint8)
    smooth = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
    grain = np.random.default_rng(seed + 1).integers(0, 8, (side, side, 3), dtype=np.uint8)
    return Image.fromarray((np.asarray(smooth) & 0xF8) | grain)


def picture(path: Path, side: int, seed: int = 0) -> Path:
    noise(side, seed).save(path, quality=92)
    return path


# The timer.


def timer(desk: Desk) -> None:
    pictures = desk.machine.folder / "pictures"
    pictures.mkdir()
    names = [picture(pictures / f"{number}.jpg", 512, number).name for number in range(JOBS)]
    desk.settings(jobs_at_once=JOBS, agreed=["meshy"])
    with SlowMeshy(KEY, {"glb": bytes(int(_BYTES_PER_SECOND * (PERIOD_SECONDS + 30)))}) as service:
        service.seconds = PERIOD_SECONDS + 30
        access = {"IMAGE_TO_3D_MESHY_KEY": KEY, "IMAGE_TO_3D_MESHY_URL": f"{service.url}/openapi/v1"}
        with desk.window("timer", **access) as window:
            window.run("probe.watch_timer(); probe.start_ticking()")
            window.rest(3)
            period(window, "doing nothing")
            window.run(f"probe.make_models({str(pictures)!r}, {names!r}, 'meshy')")
            window.wait_until(f"probe.states() == {JOBS * ['running']}")
            row(f"starting {JOBS} jobs", "", "")
            say_steps(window)
            period(window, f"{JOBS} jobs at work")
            window.wait_until(f"probe.states() == {JOBS * ['downloading']}")
            period(window, f"{JOBS} downloads")


def period(window: Window, name: str) -> None:
    """Let a while pass, and say what it took."""
    before = window.ask("[probe.forget(), probe.main_thread_seconds()]")[1]
    started = time.monotonic()
    time.sleep(PERIOD_SECONDS)
    after = window.ask("probe.main_thread_seconds()")
    seconds = time.monotonic() - started
    say_load()
    row(f"{name}: main thread", f"{(after - before) / seconds:.1%}", f"over {seconds:.0f} s")
    row("  60 Hz timer late, p50 / p99 / max", spread(window.ask("probe.spread(probe.lateness)")), "")
    say_steps(window)


def say_steps(window: Window) -> None:
    found = window.ask("{name: probe.spread(values) for name, values in probe.cpu.items()}")
    if "step" not in found:
        return
    row(f"  {found['step']['count']} steps, CPU p50 / p99 / max", spread(found["step"]), "p99 < 1 ms, max < 5 ms")
    row(f"  {found['modal']['count']} modal callbacks", spread(found["modal"]), "the same")
    for part in sorted(found.keys() - {"step", "modal"}, key=lambda each: -found[each]["sum"]):
        row(f"    {part} {found[part]['count']} x", spread(found[part]), f"{found[part]['sum'] * 1000:.1f} ms in all")


# Imports.


def glb(triangles: int, texture: bytes) -> bytes:
    """Return a GLB with one textured mesh: a bumpy torus in charts, with normals."""
    positions, normals, uvs, indices = torus(round((triangles / 2) ** 0.5 / _CHART))
    arrays: list[tuple[NDArray[Any] | bytes, dict[str, Any]]] = [
        (positions, {"type": "VEC3", "min": positions.min(0).tolist(), "max": positions.max(0).tolist()}),
        (normals, {"type": "VEC3"}),
        (uvs, {"type": "VEC2"}),
        (indices, {"type": "SCALAR", "componentType": 5125, "count": indices.size}),
        (texture, {}),
    ]
    views, accessors, binary = [], [], b""
    for number, (values, facts) in enumerate(arrays):
        data = values if isinstance(values, bytes) else values.tobytes()
        views.append({"buffer": 0, "byteOffset": len(binary), "byteLength": len(data)})
        if facts:
            accessors.append({"bufferView": number, "componentType": 5126, "count": len(values), **facts})
        binary += data + bytes(-len(data) % 4)
    attributes = {"POSITION": 0, "NORMAL": 1, "TEXCOORD_0": 2}
    text = json.dumps(
        {
            "asset": {"version": "2.0"},
            "scene": 0,
            "scenes": [{"nodes": [0]}],
            "nodes": [{"mesh": 0, "name": "Torus"}],
            "meshes": [{"primitives": [{"attributes": attributes, "indices": 3, "material": 0}], "name": "Torus"}],
            "materials": [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}, "metallicFactor": 0}}],
            "textures": [{"source": 0}],
            "images": [{"bufferView": 4, "mimeType": "image/png"}],
            "accessors": accessors,
            "bufferViews": views,
            "buffers": [{"byteLength": len(binary)}],
        }
    ).encode()
    text += b" " * (-len(text) % 4)
    return b"".join(
        [
            struct.pack("<4sII", b"glTF", 2, 12 + 8 + len(text) + 8 + len(binary)),
            *(struct.pack("<I4s", len(text), b"JSON"), text),
            *(struct.pack("<I4s", len(binary), b"BIN\0"), binary),
        ]
    )


def torus(charts: int) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.uint32]]:
    """Return positions, normals, uvs and indices of `charts` x `charts` charts, each with vertices of its own."""
    corners = np.arange(_CHART + 1) / _CHART
    chart = np.stack(np.meshgrid(np.arange(charts), np.arange(charts), indexing="ij"), axis=-1).reshape(-1, 1, 2)
    within = np.stack(np.meshgrid(corners, corners, indexing="ij"), axis=-1).reshape(1, -1, 2)
    uvs = ((chart + within) / charts).reshape(-1, 2)
    around, across = (2 * np.pi * uvs).T
    bump = 0.3 + 0.01 * np.sin(40 * around) * np.sin(30 * across)
    out = np.stack([np.cos(around) * np.cos(across), np.sin(across), -np.sin(around) * np.cos(across)], axis=1)
    ring = np.stack([np.cos(around), np.zeros_like(around), -np.sin(around)], axis=1)
    first = np.arange(_CHART * (_CHART + 1)).reshape(_CHART, _CHART + 1)[:, :-1].reshape(-1, 1)
    faces = first + np.array([0, _CHART + 1, _CHART + 2, 0, _CHART + 2, 1])
    indices = (np.arange(charts * charts).reshape(-1, 1, 1) * (_CHART + 1) ** 2 + faces).reshape(-1, 3)
    np.random.default_rng(1).shuffle(indices)
    return (
        (0.7 * ring + bump[:, None] * out).astype("<f4"),
        out.astype("<f4"),
        uvs.astype("<f4"),
        indices.astype("<u4"),
    )


def finished_job(desk: Desk) -> Path:
    """Have a model made, and return the folder of its job."""
    disc = picture(desk.machine.folder / "cup.jpg", 1024)
    command = [sys.executable, "-m", "blender_image_to_3d", "generate", str(disc), "--option", "mask=whole"]
    environment = {**os.environ, "IMAGE_TO_3D_LIBRARY": str(desk.library)}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    return next(path for path in desk.library.iterdir() if (path / "job.json").exists())


def copied_job(job: Path, name: str, model: bytes | None = None, **changes: object) -> Path:
    """Put one more job into the library that differs in its name, and perhaps in its result."""
    folder = job.with_name(name)
    folder.mkdir()
    for each in job.glob("*.jpg"):
        os.link(each, folder / each.name)
    content = {**json.loads((job / "job.json").read_bytes()), "id": name, "state": "ready", **changes}
    if model is not None:
        (folder / "result").mkdir()
        file = content["results"][0]["file"]
        (folder / "result" / file).write_bytes(model)
        content["results"] = [{"file": file, "sha256": hashlib.sha256(model).hexdigest(), "size_bytes": len(model)}]
    (folder / "job.json").write_text(json.dumps(content))
    return folder


def imports(desk: Desk, job: Path) -> None:
    buffer = BytesIO()
    noise(2048, 5).save(buffer, "PNG")
    texture = buffer.getvalue()
    jobs = {count: copied_job(job, f"20260102-000000-torus-{count}", glb(count, texture)) for count in TRIANGLES}
    with desk.window("imports", "probe.watch_imports()") as window:
        window.run("probe.empty()")
        for count, folder in jobs.items():
            model = next((folder / "result").glob("*.glb"))
            brought, read = [], []
            for _ in range(IMPORTS):
                brought.append(one_import(window, f"probe.bring({folder.name!r})"))
                read.append(one_import(window, f"with context_of(): probe.import_as_blender_does({str(model)!r})"))
            say_imports(count, model.stat().st_size, brought, read)


def one_import(window: Window, statement: str) -> dict[str, float]:
    window.run(statement)
    found: dict[str, float] = window.wait_until("probe.imported()")
    window.run("probe.empty()")
    window.rest(0.5)
    return found


def say_imports(count: int, size: int, ours: list[dict[str, float]], theirs: list[dict[str, float]]) -> None:
    def median(name: str, values: list[dict[str, float]]) -> float:
        return statistics.median(each[name] for each in values)

    say_load()
    stall, other = median("place", ours), median("place", theirs)
    faces = f"{median('triangles', ours):,.0f} / {median('triangles', theirs):,.0f} triangles"
    row(f"{count // 1000}k triangles, {size / 1e6:.0f} MB: append, link and undo push", milliseconds(stall), faces)
    row("  Blender's own importer and undo push", milliseconds(other), "")
    row("  ratio", f"1/{other / stall:.0f}", "at most 1/10; good is 1/30")
    used, other_used = median("place cpu", ours), median("place cpu", theirs)
    row("  ratio of CPU time", f"1/{other_used / used:.0f}", f"{milliseconds(used)}, {milliseconds(other_used)}")
    row("  of ours, appending without the undo push", milliseconds(median("append", ours)), "")
    for name in ("redraw", "next redraw"):
        row(f"  {name}: ours, Blender's", milliseconds(median(name, ours)), milliseconds(median(name, theirs)))
    row(
        "  from the button to the first redraw",
        f"{median('visible', ours):.2f} s",
        f"{median('visible', theirs):.2f} s",
    )


# Drawing, and what is there when nothing goes on.


def drawing(desk: Desk, job: Path) -> None:
    for number in range(LIBRARY_JOBS - len(list(desk.library.glob("2*")))):
        is_failed = number < FAILED_JOBS
        problem = {"kind": "GenerationFailed", "message": "Meshy could not make it: it said why, and at some length."}
        changes: dict[str, Any] = {"state": "failed", "results": [], "problem": problem} if is_failed else {}
        copied_job(job, f"20260101-000000-copy-{number:04x}", **changes)
    with desk.window("drawing", "probe.watch_start(); probe.open_panels()") as window:
        window.wait_until("probe.library_is_read()")
        say_library(window, "at the start")
        row("making the forms", wall_and_cpu(window, "open"), "once, when Blender starts")
        window.run(f"probe.bring({job.name!r})")
        window.wait_until("bpy.context.object is not None and 'image_to_3d_job' in bpy.context.object")
        window.run("probe.forget(); probe.read_library_again()")
        window.wait_until("probe.library_is_read()")
        say_library(window, "again")
        window.rest(3)
        window.run(f"probe.forget(); probe.redraw_sidebar({DRAWINGS})")
        window.wait_until(f"len(probe.cpu['IMAGE_TO_3D_PT_main.draw']) >= {DRAWINGS} * 0.8")
        say_drawing(window.ask("{name: probe.spread(values) for name, values in probe.cpu.items()}"))
        window.picture("bench-drawing")
        idle(desk, window)


def say_library(window: Window, when: str) -> None:
    found = window.ask("probe.spread(probe.cpu['read'])")
    row(f"reading {LIBRARY_JOBS} jobs {when}, {found['count']} pieces", f"{found['sum'] * 1000:.0f} ms", "CPU")
    row("  pieces, CPU p50 / p99 / max", spread(found), "")
    row("  the longest", wall_and_cpu(window, "read"), "")


def wall_and_cpu(window: Window, label: str) -> str:
    longest, used = window.ask(f"[max(probe.wall[{label!r}]), max(probe.cpu[{label!r}])]")
    return f"{milliseconds(longest)} ({milliseconds(used)} of CPU)"


def say_drawing(found: dict[str, dict[str, float]]) -> None:
    say_load()
    drawings = found["IMAGE_TO_3D_PT_main.draw"]["count"]
    whole = 0.0
    for name, values in sorted(found.items(), key=lambda each: -each[1]["sum"]):
        if "_PT_" not in name:
            continue
        whole += values["sum"] / drawings
        if values["sum"] / drawings > 2e-6:
            times = f"{values['p50'] * 1e6:.0f} / {values['max'] * 1e6:.0f} us"
            row(f"  {name.removeprefix('IMAGE_TO_3D_PT_')}, p50 / max", times, f"{values['count'] / drawings:.1f} x")
    row(f"all panels open with {LIBRARY_JOBS} jobs, CPU a drawing", milliseconds(whole), "under 1 ms")


def idle(desk: Desk, window: Window) -> None:
    window.wait_until("not probe.is_active()")
    window.rest(2)
    for what, names in window.ask("probe.running()").items():
        row(f"without an active job: {what}", str(len(names)), ", ".join(names))
    own = [each.command for each in desk.machine.processes() if "import_program" in each.command]
    row("  processes besides Blender", str(len(own)), "the one that imports, waiting" if own else "")


# The click.


def clicks(desk: Desk) -> None:
    folder = desk.machine.folder
    choices: dict[str, Callable[[int], str]] = {
        "a 1024 x 1024 PNG": lambda _: f"probe.choose({str(picture(folder / 'small.png', 1024))!r})",
        "a 4096 x 4096 JPEG": lambda _: f"probe.choose({str(picture(folder / 'large.jpg', 4096))!r})",
        "an unsaved 2048 x 2048 image": lambda number: f"probe.paint('Painted {number}', 2048)",
    }
    with desk.window("clicks", "probe.watch_timer()") as window:
        window.run("bpy.context.scene.image_to_3d.provider = 'offline_shape'")
        for what, choice in choices.items():
            took = []
            window.run("probe.forget()")
            for number in range(CLICKS):
                window.run(choice(number))
                took.append(window.ask("probe.click()"))
                window.run("probe.cancel_all()")
                window.wait_until("not probe.is_active()")
            wall = [each["wall"] for each in took]
            used = milliseconds(statistics.median(each["cpu"] for each in took))
            times = f"{milliseconds(statistics.median(wall))} / {milliseconds(max(wall))}"
            row(f"Generate with {what}, p50 / max", times, f"CPU {used}")
            say_steps(window)


PARTS: dict[str, Callable[[Desk], None]] = {
    "timer": timer,
    "imports": lambda desk: imports(desk, finished_job(desk)),
    "drawing": lambda desk: drawing(desk, finished_job(desk)),
    "clicks": clicks,
}


def main() -> None:
    try:
        root = Root("trixie").ensure()
    except RootMissing as reason:
        give_up(f"the window cannot be measured: {reason}")
    for name in sys.argv[1:] or PARTS:
        with desk(root) as each:
            PARTS[name](each)


if __name__ == "__main__":
    main()
