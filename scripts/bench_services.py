# SPDX-License-Identifier: GPL-3.0-or-later
"""What users of a paid service wait for besides the service. Started by scripts/bench."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.fakes.servers.loopback import Exchange, Server, file  # noqa: E402
from tests.fakes.servers.modelslab import Job, ModelsLabServer  # noqa: E402

KEY = "bench-key"
FOR_EVER = 10**9
WORK_SECONDS = (5.0, 5.0, 5.0, 20.0, 60.0)
FAST_JOB_SECONDS = 30.0
LARGE_BYTES = 500 * 1000 * 1000
REPEATS = 3


def row(what: str, measured: str, target: str) -> None:
    print(f"{what:<52} {measured:>12}   {target}", flush=True)


class SlowLab(ModelsLabServer):
    """Works as many seconds on each model as it should, by the clock and not by the number of questions."""

    seconds = 0.0

    def _create(self, exchange: Exchange, family: str) -> dict[str, object]:
        answer = super()._create(exchange, family)
        job = next(reversed(self.jobs.values()))
        threading.Timer(self.seconds, self._finish, [job]).start()
        return answer

    def _finish(self, job: Job) -> None:
        job.polls = 0


def glb(size: int) -> bytes:
    """Return a valid GLB of about `size` bytes."""
    empty = size - 200
    text = json.dumps({"asset": {"version": "2.0"}, "buffers": [{"byteLength": empty}]}).encode()
    text += b" " * (-len(text) % 4)
    body = bytes(empty + -empty % 4)
    head = struct.pack("<4sII", b"glTF", 2, 12 + 8 + len(text) + 8 + len(body))
    return b"".join(
        [head, struct.pack("<I4s", len(text), b"JSON"), text, struct.pack("<I4s", len(body), b"BIN\0"), body]
    )


def environment(folder: Path, server: ModelsLabServer) -> dict[str, str]:
    return {
        **os.environ,
        "IMAGE_TO_3D_LIBRARY": str(folder / "library"),
        "IMAGE_TO_3D_MODELSLAB_KEY": KEY,
        "IMAGE_TO_3D_MODELSLAB_URL": f"{server.base_url}/v6",
    }


def waiting(folder: Path, picture: Path) -> None:
    """The whole command against the seconds that the service works."""
    with SlowLab(KEY, {"glb": glb(2_000_000)}, polls=FOR_EVER) as server:
        found: dict[float, list[tuple[float, float]]] = {}
        for seconds in WORK_SECONDS:
            server.seconds = seconds
            command = [sys.executable, "-m", "blender_image_to_3d", "generate", str(picture), "--provider", "modelslab"]
            started = time.perf_counter()
            subprocess.run(
                [*command, "--again"], cwd=ROOT, env=environment(folder, server), capture_output=True, check=True
            )
            whole = time.perf_counter() - started
            job = json.loads((max((folder / "library").glob("2*")) / "job.json").read_bytes())
            journalled = datetime.fromisoformat(job["updated"]) - datetime.fromisoformat(job["created"])
            found.setdefault(seconds, []).append((journalled.total_seconds() - seconds, whole - seconds))
    for seconds, extra in found.items():
        is_fast = seconds < FAST_JOB_SECONDS
        target = "under 0.5 s" if is_fast else f"under {seconds * 0.05:.1f} s"
        ours, whole = (statistics.median(values) for values in zip(*extra, strict=True))
        row(f"a service that works {seconds:.0f} s: what the job adds", f"{ours:.2f} s", target)
        row("  what the whole command adds", f"{whole:.2f} s", "")


def downloading(folder: Path, picture: Path) -> None:
    """A worker that fetches a large model, against curl."""
    content = glb(LARGE_BYTES)
    with ModelsLabServer(KEY, {"glb": content}, polls=0) as server, Server(file(content)) as files:
        ours = [_fetched(folder, picture, server) for _ in range(REPEATS)]
        curl = [_curled(folder, files.url) for _ in range(REPEATS)] if shutil.which("curl") else []
    rate = LARGE_BYTES / 1e6 / statistics.median(seconds for seconds, _ in ours)
    row("downloading 500 MB", f"{rate:.0f} MB/s", "")
    if curl:
        theirs = LARGE_BYTES / 1e6 / statistics.median(curl)
        row("  against curl", f"{rate / theirs:.2f} x", f"at least 0.8 x ({theirs:.0f} MB/s)")
    else:
        row("  against curl", "not measured", "curl is missing")
    row("  memory of the worker above its start", f"{max(memory for _, memory in ours):.0f} MB", "under 80 MB")


def _curled(folder: Path, url: str) -> float:
    started = time.perf_counter()
    subprocess.run(["curl", "-s", "-o", folder / "curled.glb", f"{url}/model.glb"], check=True)
    return time.perf_counter() - started


def _fetched(folder: Path, picture: Path, server: ModelsLabServer) -> tuple[float, float]:
    """Return the seconds of the download, and the megabytes that the worker grew by."""
    command = [sys.executable, str(Path(__file__)), "work", str(picture), f"{server.base_url}/v6"]
    done = subprocess.run(command, env=environment(folder, server), capture_output=True, text=True, check=True)
    seconds, memory = map(float, done.stdout.split())
    return seconds, memory


def work(picture: Path, url: str) -> None:
    """Be a worker, and say what it took."""
    import logging

    from blender_image_to_3d import http, providers
    from blender_image_to_3d.jobs import worker
    from blender_image_to_3d.jobs.library import Library
    from blender_image_to_3d.jobs.request import draft
    from blender_image_to_3d.models import Start, View

    class Stopwatch(logging.Handler):
        seconds = 0.0

        def emit(self, record: logging.LogRecord) -> None:
            if str(record.msg).startswith("downloaded"):
                assert isinstance(record.args, tuple)
                self.seconds = float(str(record.args[-1]))

    watch = Stopwatch()
    logging.basicConfig(level=logging.INFO, handlers=[watch])
    assert http and providers.get("modelslab")
    library = Library(Path(os.environ["IMAGE_TO_3D_LIBRARY"]))
    folder = draft({View.FRONT: picture}, provider="modelslab").create(library)
    with folder.claim() as claim:
        _forget_peak()
        before = _peak_megabytes()
        job = worker.work(folder, claim, Start(key=KEY, base_url=url))
        after = _peak_megabytes()
    assert job.state == "ready", job
    print(watch.seconds, after - before)
    folder.delete()


def _peak_megabytes() -> float:
    """Return the most memory that this process has had since `_forget_peak`."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def _forget_peak() -> None:
    """What the kernel says of a new process may be the peak of the one that started it."""
    Path("/proc/self/clear_refs").write_text("5")


def main() -> None:
    if sys.argv[1:2] == ["work"]:
        work(Path(sys.argv[2]), sys.argv[3])
        return
    with tempfile.TemporaryDirectory() as name:
        folder, picture = Path(name), ROOT / "scripts" / "sample" / "bear.png"
        waiting(folder, picture)
        downloading(folder, picture)


if __name__ == "__main__":
    main()
