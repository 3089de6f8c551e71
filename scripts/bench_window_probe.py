# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside the Blender of bench_window.py, loaded before its first event: measures our functions there, in seconds."""

from __future__ import annotations

import gc
import importlib
import inspect
import itertools
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from types import FunctionType
from typing import Any

import bpy

EXTENSION = "bl_ext.user_default.blender_image_to_3d"
TICK_SECONDS = 1 / 60

cpu: defaultdict[str, list[float]] = defaultdict(list)
"""Of the main thread, for each call of what is watched."""
wall: defaultdict[str, list[float]] = defaultdict(list)
ends: dict[str, float] = {}
"""When the last call ended, by time.perf_counter."""
lateness: list[float] = []
"""Of a timer that shall run 60 times a second."""
frames: list[float] = []
"""When the 3D viewport was drawn, by time.perf_counter."""


def ours(name: str) -> Any:
    """Return a module of the extension."""
    return importlib.import_module(f"{EXTENSION}.{name}")


def timed(label: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function, with each call of it measured."""

    def measured(*arguments: Any, **words: Any) -> Any:
        started, used = time.perf_counter(), time.thread_time()
        try:
            return function(*arguments, **words)
        finally:
            ends[label] = time.perf_counter()
            cpu[label].append(time.thread_time() - used)
            wall[label].append(ends[label] - started)

    return measured


def watch(label: str, owner: Any, name: str) -> None:
    setattr(owner, name, timed(label, getattr(owner, name)))


def watch_called_by_blender(label: str, owner: Any, name: str) -> None:
    """As `watch`: Blender gives a function as many arguments as it names."""
    function = getattr(owner, name)
    measured = timed(label, function)
    replacements: dict[int, Any] = {
        1: classmethod(lambda _, context: measured(context)),
        2: lambda self, context: measured(self, context),
        3: lambda self, context, event: measured(self, context, event),
    }
    setattr(owner, name, replacements[len(inspect.signature(function).parameters)])


def forget() -> None:
    """Begin anew."""
    cpu.clear()
    wall.clear()
    lateness.clear()


def spread(values: list[float]) -> dict[str, float]:
    """Return the number of values, and their median, 99th percentile, maximum and sum."""
    if not values:
        return {"count": 0, "p50": 0.0, "p99": 0.0, "max": 0.0, "sum": 0.0}
    ordered = sorted(values)
    return {
        "count": len(ordered),
        "p50": statistics.median(ordered),
        "p99": ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)],
        "max": ordered[-1],
        "sum": sum(ordered),
    }


# The timer.


def main_thread_seconds() -> float:
    return time.thread_time()


def start_ticking() -> None:
    due = time.perf_counter()

    def tick() -> float:
        nonlocal due
        now = time.perf_counter()
        lateness.append(now - due)
        due = now + TICK_SECONDS
        return TICK_SECONDS

    bpy.app.timers.register(tick, first_interval=0, persistent=True)


def watch_timer() -> None:
    """Measure all that runs by itself while there are jobs."""
    session = ours("blender.session.session").Session
    watch_called_by_blender("modal", ours("blender.session.modal_timer").IMAGE_TO_3D_OT_watch, "modal")
    watch("step", session, "step")
    watch("what changed on disk", ours("jobs.runner").Runner, "step")
    watch("starting a process", ours("host.system"), "spawn")
    watch("what is drawn", ours("blender.session.list_redraw").ListRedraw, "step")


def make_models(folder: str, names: list[str], provider: str) -> None:
    """Do what File > Import > Image to 3D does once the pictures are chosen."""
    bpy.context.scene.image_to_3d.provider = provider
    files = [{"name": name} for name in names]
    bpy.ops.image_to_3d.import_pictures("EXEC_DEFAULT", directory=folder, files=files)


def states() -> list[str]:
    """Return where each job stands."""
    return [
        row.job.state.value if row.job else row.stage.name for row in ours("blender.session.current").session().rows
    ]


# Importing.


def watch_imports() -> None:
    watch("place", ours("blender.session.arrivals"), "place")
    watch("append", ours("blender.importing.appending"), "append")
    bpy.types.SpaceView3D.draw_handler_add(lambda: frames.append(time.perf_counter()), (), "WINDOW", "POST_PIXEL")


def bring(job: str) -> None:
    """Import a finished model as its button does."""
    forget()
    frames.clear()
    ends.clear()
    ends["asked"] = time.perf_counter()
    ours("blender.session.current").session().bring(bpy.context, job)


def import_as_blender_does(path: str) -> None:
    """Let Blender's own importer read a GLB, and make it an undo step as ours is one."""

    def read() -> None:
        bpy.ops.import_scene.gltf(filepath=path)
        bpy.ops.ed.undo_push(message="glTF")

    forget()
    frames.clear()
    ends.clear()
    ends["asked"] = time.perf_counter()
    timed("place", read)()


def imported() -> dict[str, float] | None:
    """Return what the import took, once the model was drawn twice; nothing before."""
    drawn = [each for each in frames if each > ends.get("place", float("inf"))]
    if len(drawn) == 1:
        for each in bpy.context.window_manager.windows[0].screen.areas:
            if each.type == "VIEW_3D":
                each.tag_redraw()
    if len(drawn) < 2:
        return None
    return {
        "place": wall["place"][-1],
        "place cpu": cpu["place"][-1],
        "redraw": drawn[0] - ends["place"],
        "next redraw": drawn[1] - drawn[0],
        "visible": drawn[0] - ends["asked"],
        "triangles": sum(len(mesh.loop_triangles) or len(mesh.polygons) for mesh in bpy.data.meshes),
        **({"append": wall["append"][-1]} if wall["append"] else {}),
    }


def empty() -> None:
    """Remove everything from the file."""
    for objects in (bpy.data.objects, bpy.data.meshes, bpy.data.materials, bpy.data.images):
        bpy.data.batch_remove([each for each in objects if each.name not in {"Camera", "Light"}])


# Drawing.


def watch_start() -> None:
    """Measure what happens by itself once the window is there. Only before its first event."""
    registration, current = ours("blender.registration"), ours("blender.session.current")
    watch("read", current, "_read_on")
    bpy.app.timers.unregister(registration._open)
    bpy.app.timers.register(timed("open", registration._open), persistent=True)


def open_panels() -> None:
    """Let all panels be open at first. Only before the sidebar is."""
    classes = [each for name in ("form_panels", "job_panels") for each in ours(f"blender.sidebar.{name}").CLASSES]
    panels = [each for each in classes if issubclass(each, bpy.types.Panel) and "_PT_presets" not in each.__name__]
    for each in reversed(panels):
        bpy.utils.unregister_class(each)
    for each in panels:
        each.bl_options = set(getattr(each, "bl_options", ())) - {"DEFAULT_CLOSED"}
        bpy.utils.register_class(each)
        for name in ("draw", "draw_header", "draw_header_preset", "poll"):
            if any(name in vars(base) for base in each.__mro__ if _is_ours(base)):
                watch_called_by_blender(f"{each.__name__}.{name}", each, name)


def redraw_sidebar(times: int) -> None:
    """Draw the sidebar so often."""
    left = itertools.count(times, -1)

    def once() -> float | None:
        for area in bpy.context.window_manager.windows[0].screen.areas:
            for region in area.regions:
                if area.type == "VIEW_3D" and region.type == "UI":
                    region.tag_redraw()
        return 0.01 if next(left) else None

    bpy.app.timers.register(once)


def read_library_again() -> None:
    current, history = ours("blender.session.current"), ours("blender.session.history")
    session = current.session()
    session.history = history.History(session.library)
    current.read_library()


def library_is_read() -> bool:
    return bool(ours("blender.session.current").session().history.is_read)


# What is there when nothing goes on.


def running() -> dict[str, list[str]]:
    """Return what of ours runs, or waits for something to happen: timers, modal operators, handlers."""
    functions = [each for each in gc.get_objects() if isinstance(each, FunctionType)]
    timers = [each for each in functions if _is_ours(each) and bpy.app.timers.is_registered(each)]
    operators = [each for window in bpy.context.window_manager.windows for each in window.modal_operators]
    handlers = {name: getattr(bpy.app.handlers, name) for name in dir(bpy.app.handlers)}
    return {
        "timers": [each.__name__ for each in timers],
        "operators": [each.bl_idname for each in operators if each.bl_idname.startswith("IMAGE_TO_3D")],
        "handlers": sorted(
            name for name, each in handlers.items() if isinstance(each, list) for one in each if _is_ours(one)
        ),
    }


def _is_ours(function: Any) -> bool:
    return str(getattr(function, "__module__", "")).startswith(EXTENSION)


# The click.


def paint(name: str, side: int) -> None:
    """Make an image that no file has."""
    image = bpy.data.images.new(name, side, side)
    image.pixels[0] = 0.5
    image.update()
    bpy.context.scene.image_to_3d.picture_image = image


def choose(path: str) -> None:
    bpy.context.scene.image_to_3d.picture_image = None
    bpy.context.scene.image_to_3d.picture_path = path


def click() -> dict[str, float]:
    """Press Generate, and return what the window stood still for."""
    started, used = time.perf_counter(), time.thread_time()
    answer = bpy.ops.image_to_3d.start("EXEC_DEFAULT")
    took = {"wall": time.perf_counter() - started, "cpu": time.thread_time() - used}
    assert answer == {"FINISHED"}, answer
    return took


def cancel_all() -> None:
    session = ours("blender.session.current").session()
    for row in [each for each in session.rows if each.is_active]:
        session.cancel(row.key)


def is_active() -> bool:
    return bool(ours("blender.session.current").session().is_active)
