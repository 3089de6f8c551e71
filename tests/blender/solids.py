# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of known geometry, built and photographed inside Blender: the truth that the offline generator is held to.

As a script it writes all of them: ``… solids.py -- FOLDER`` makes NAME/{front,back,left,right}.png, NAME/truth.npz
and options.json.

Blender's axes here: x right, z up, and -y towards whoever looks at the front. A solid is the union of its parts, each a
closed surface that faces outwards: a point is inside where its winding number is positive. What no outline can show is
not there: cups and pots are full. Every solid is centred by its bounding box, and its longest side is ``LONGEST``.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import bpy
import numpy as np

LONGEST = 2.0
FRAME = 2.4
"""Width of every picture in the scene's units: the same scale in all views."""

SIDES = MappingProxyType({"front": 0.0, "left": 90.0, "back": 180.0, "right": 270.0})
"""Where the camera stands, in degrees around the solid; ``left`` shows its own left side, from +x."""

Colour = tuple[float, float, float]
RED, ORANGE, YELLOW = (0.6, 0.06, 0.04), (0.8, 0.25, 0.04), (0.85, 0.6, 0.08)
GREEN, BLUE, PURPLE = (0.08, 0.35, 0.07), (0.05, 0.16, 0.55), (0.25, 0.07, 0.4)
WHITE, GREY, BLACK = (0.8, 0.8, 0.78), (0.3, 0.31, 0.33), (0.03, 0.03, 0.035)
BROWN, TAN, PINK = (0.2, 0.08, 0.03), (0.6, 0.38, 0.2), (0.8, 0.35, 0.38)


class Surface(NamedTuple):
    """A closed surface that faces outwards."""

    vertices: np.ndarray
    """(n, 3)"""
    faces: list[list[int]]


class Part(NamedTuple):
    surface: Surface
    colour: Colour


@dataclass(frozen=True)
class Solid:
    build: Callable[[], Sequence[Part]]
    pattern: str = "plain"
    """What is painted over the parts' colours; see ``_PATTERNS``."""
    options: Mapping[str, object] = field(default_factory=dict)
    """Options of the generator that somebody would choose who has one picture, and has seen the object."""


# --- surfaces --------------------------------------------------------------------------------------------------------


def lathe(profile: Sequence[tuple[float, float]], sides: int = 64) -> Surface:
    """Turn (radius, height) points, from the lowest on the axis to the highest on it, around z."""
    angles = np.arange(sides) * (2 * np.pi / sides)
    rings = [
        np.stack([r * np.cos(angles), r * np.sin(angles), np.full(sides, z)], axis=1)
        if r > 0
        else np.array([[0.0, 0.0, z]])
        for r, z in profile
    ]
    return _loft(rings)


def tube(path: np.ndarray, radii: np.ndarray | float, sides: int = 24) -> Surface:
    """A round rod along ``path`` (n, 3), with flat ends; ``radii`` (n,) may change along it."""
    path = np.asarray(path, float)
    radii = np.broadcast_to(np.asarray(radii, float), len(path))
    tangents = np.gradient(path, axis=0)
    tangents /= np.linalg.norm(tangents, axis=1)[:, None]
    # The direction in which the path turns least keeps the rings from twisting.
    least = np.eye(3)[np.abs(tangents).max(axis=0).argmin()]
    u = np.cross(tangents, least)
    u /= np.linalg.norm(u, axis=1)[:, None]
    v = np.cross(tangents, u)
    angles = np.arange(sides)[:, None] * (2 * np.pi / sides)
    rings = [p + r * (np.cos(angles) * a + np.sin(angles) * b) for p, r, a, b in zip(path, radii, u, v, strict=True)]
    return _loft([path[:1], *rings, path[-1:]])


def prism(outline: np.ndarray, depth: float) -> Surface:
    """A polygon of x and z, counter-clockwise for the viewer, ``depth`` deep, centred in y."""
    count = len(outline)
    front = np.stack([outline[:, 0], np.full(count, -depth / 2), outline[:, 1]], axis=1)
    around = [[i, i + count, (i + 1) % count + count, (i + 1) % count] for i in range(count)]
    faces = [list(range(count)), list(range(2 * count - 1, count - 1, -1)), *around]
    return Surface(np.concatenate([front, front + np.array([0, depth, 0])]), faces)


def pierced(outer: np.ndarray, inner: np.ndarray, depth: float) -> Surface:
    """A prism with a hole: both polygons (n, 2) have as many corners."""
    count = len(outer)
    loops = [(outer, -1), (outer, 1), (inner, 1), (inner, -1)]
    vertices = [np.stack([p[:, 0], np.full(count, s * depth / 2), p[:, 1]], axis=1) for p, s in loops]
    faces = []
    for loop in range(4):
        here, there = loop * count, (loop + 1) % 4 * count
        faces += [[here + i, there + i, there + (i + 1) % count, here + (i + 1) % count] for i in range(count)]
    return Surface(np.concatenate(vertices), faces)


def box(width: float, depth: float, height: float) -> Surface:
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    return prism(corners * [width / 2, height / 2], depth)


def ball(*radii: float) -> Surface:
    """An ellipsoid; one radius is a sphere."""
    angles = np.linspace(-np.pi / 2, np.pi / 2, 33)
    sphere = lathe([(0 if abs(a) > 1.57 else math.cos(a), math.sin(a)) for a in angles])
    return Surface(sphere.vertices * np.array(radii), sphere.faces)


def torus(major: float, minor: float) -> Surface:
    """A ring around z."""
    rows, columns = 96, 48
    a, b = np.meshgrid(np.arange(rows) / rows, np.arange(columns) / columns, indexing="ij")
    a, b = 2 * np.pi * a.ravel(), 2 * np.pi * b.ravel()
    ring = major + minor * np.cos(b)
    vertices = np.stack([ring * np.cos(a), ring * np.sin(a), minor * np.sin(b)], axis=1)

    def number(i: int, j: int) -> int:
        return i % rows * columns + j % columns

    faces = [
        [number(i, j), number(i + 1, j), number(i + 1, j + 1), number(i, j + 1)]
        for i in range(rows)
        for j in range(columns)
    ]
    return Surface(vertices, faces)


def _loft(rings: Sequence[np.ndarray]) -> Surface:
    """Join rings of points, single points at the ends."""
    starts = np.cumsum([0, *map(len, rings)])
    faces: list[list[int]] = []
    for ring, following, a, b in zip(rings, rings[1:], starts, starts[1:], strict=False):
        sides = max(len(ring), len(following))
        for i in range(sides):
            j = (i + 1) % sides
            corners = [a + i % len(ring), a + j % len(ring), b + j % len(following), b + i % len(following)]
            faces.append([int(c) for c in dict.fromkeys(corners)])
    return Surface(np.concatenate(rings), faces)


def moved(surface: Surface, x: float = 0, y: float = 0, z: float = 0) -> Surface:
    return Surface(surface.vertices + np.array([x, y, z]), surface.faces)


def turned(surface: Surface, axis: str, degrees: float) -> Surface:
    """Turn around an axis through the origin, counter-clockwise seen from its end."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    vertices = surface.vertices.copy()
    vertices[:, i] = c * surface.vertices[:, i] - s * surface.vertices[:, j]
    vertices[:, j] = s * surface.vertices[:, i] + c * surface.vertices[:, j]
    return Surface(vertices, surface.faces)


def around(count: int, radii: Sequence[float], start: float = 90) -> np.ndarray:
    """Points (count, 2) around the origin, at ``radii`` in turn."""
    angles = np.radians(start) + np.arange(count) * (2 * np.pi / count)
    lengths = np.resize(np.asarray(radii, float), count)
    return np.stack([lengths * np.cos(angles), lengths * np.sin(angles)], axis=1)


def curve(points: Sequence[tuple[float, ...]], count: int = 40) -> np.ndarray:
    """A smooth line (count, d) through points (Catmull and Rom's)."""
    knots = np.asarray(points, float)
    knots = np.concatenate([[2 * knots[0] - knots[1]], knots, [2 * knots[-1] - knots[-2]]])
    place = np.linspace(0, len(points) - 1 - 1e-9, count)
    i, t = place.astype(int), (place % 1)[:, None]
    p0, p1, p2, p3 = (knots[i + k] for k in range(4))
    result: np.ndarray = 0.5 * (
        2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3
    )
    return result


def turned_curve(points: Sequence[tuple[float, float]], count: int = 40) -> Surface:
    """A lathe of a smooth profile; the ends are put on the axis."""
    profile = [(max(float(r), 0.005), float(z)) for r, z in curve(points, count)]
    return lathe([(0, profile[0][1]), *profile, (0, profile[-1][1])])


def made_by_blender(data: bpy.types.ID, weld: float = 0.0, subdivisions: int = 0) -> Surface:
    """The surface that Blender makes of an object's data; ``weld`` joins vertices that are as near."""
    import bmesh  # found only after bpy

    thing = bpy.data.objects.new("Draft", data)
    bpy.context.scene.collection.objects.link(thing)
    if subdivisions:
        thing.modifiers.new("Subdivision", "SUBSURF").levels = subdivisions
    mesh = bpy.data.meshes.new_from_object(thing.evaluated_get(bpy.context.evaluated_depsgraph_get()))
    bpy.data.objects.remove(thing)
    draft = bmesh.new()
    draft.from_mesh(mesh)
    if weld:
        bmesh.ops.remove_doubles(draft, verts=draft.verts, dist=weld)
        bmesh.ops.dissolve_degenerate(draft, edges=draft.edges, dist=weld)
    bmesh.ops.holes_fill(draft, edges=draft.edges, sides=0)
    bmesh.ops.recalc_face_normals(draft, faces=draft.faces)
    draft.verts.index_update()
    surface = Surface(np.array([v.co[:] for v in draft.verts]), [[v.index for v in f.verts] for f in draft.faces])
    draft.free()
    bpy.data.meshes.remove(mesh)
    return surface


# --- solids ----------------------------------------------------------------------------------------------------------


def _sphere() -> list[Part]:
    return [Part(ball(1), BLUE)]


def _torus() -> list[Part]:
    """Its axis points to the viewer."""
    return [Part(turned(torus(0.7, 0.3), "x", 90), ORANGE)]


def _cylinder() -> list[Part]:
    """As wide as it is high."""
    return [Part(lathe([(0, -1), (1, -1), (1, 1), (0, 1)], 96), GREEN)]


def _cone() -> list[Part]:
    return [Part(lathe([(0, -1), (1, -1), (0, 1)], 96), RED)]


def _cube() -> list[Part]:
    return [Part(box(2, 2, 2), TAN)]


def _suzanne() -> list[Part]:
    import bmesh

    mesh = bpy.data.meshes.new("Suzanne")
    draft = bmesh.new()
    bmesh.ops.create_monkey(draft)
    draft.to_mesh(mesh)
    draft.free()
    surface = made_by_blender(mesh, subdivisions=1)
    bpy.data.meshes.remove(mesh)
    return [Part(surface, BROWN)]


def _capsule() -> list[Part]:
    angles = np.linspace(0, np.pi / 2, 17)[1:-1]
    low = [(0.4 * math.sin(a), -0.6 - 0.4 * math.cos(a)) for a in angles]
    profile = [(0.0, -1.0), *low, (0.4, -0.6), (0.4, 0.6), *[(r, -z) for r, z in low[::-1]], (0.0, 1.0)]
    return [Part(lathe(profile), RED)]


def _pebble() -> list[Part]:
    """A pebble: wider than high, and flatter than both."""
    return [Part(ball(1, 0.5, 0.7), GREY)]


def _vase() -> list[Part]:
    return [Part(turned_curve([(0.3, -1), (0.5, -0.7), (0.62, -0.2), (0.4, 0.4), (0.2, 0.7), (0.33, 1)]), BLUE)]


def _bottle() -> list[Part]:
    body = [
        (0, -1),
        (0.3, -1),
        (0.34, -0.95),
        (0.34, 0.15),
        (0.3, 0.3),
        (0.16, 0.5),
        (0.11, 0.6),
        (0.11, 0.9),
        (0, 0.9),
    ]
    cork = moved(lathe([(0, 0), (0.09, 0), (0.1, 0.12), (0, 0.12)]), z=0.88)
    label = moved(lathe([(0, 0), (0.345, 0), (0.345, 0.5), (0, 0.5)]), z=-0.65)
    return [Part(lathe(body), GREEN), Part(cork, TAN), Part(label, WHITE)]


def _wine_glass() -> list[Part]:
    outside = curve([(0.42, -1), (0.4, -0.96), (0.08, -0.88), (0.05, -0.5), (0.07, -0.1), (0.35, 0.1)], 30)
    cup = curve([(0.35, 0.1), (0.47, 0.4), (0.46, 0.7), (0.38, 1)], 20)
    profile = [(float(r), float(z)) for r, z in [*outside, *cup[1:]]]
    return [Part(lathe([(0, -1), *profile, (0, 1)]), PURPLE)]


def _mushroom() -> list[Part]:
    cap = turned_curve([(0.3, 0.15), (0.85, 0.2), (0.8, 0.5), (0.45, 0.85), (0.01, 0.95)])
    return [Part(turned_curve([(0.3, -1), (0.26, -0.6), (0.2, 0.3)]), WHITE), Part(cap, RED)]


def _snowman() -> list[Part]:
    nose = moved(turned(lathe([(0, 0), (0.06, 0), (0, 0.35)]), "x", 90), y=-0.2, z=0.68)
    coals = [Part(moved(ball(0.05), x=x, y=-0.24, z=0.76), BLACK) for x in (-0.1, 0.1)]
    coals += [Part(moved(ball(0.05), y=-0.42, z=z), BLACK) for z in (0.05, 0.25)]
    hat = lathe([(0, 0.9), (0.32, 0.9), (0.32, 0.95), (0.2, 0.95), (0.2, 1.25), (0, 1.25)])
    balls = [(0.6, -0.6), (0.43, 0.15), (0.3, 0.7)]
    return [*(Part(moved(ball(r), z=z), WHITE) for r, z in balls), Part(nose, ORANGE), *coals, Part(hat, BLACK)]


def _rocket() -> list[Part]:
    hull = turned_curve([(0.22, -0.8), (0.36, -0.3), (0.34, 0.3), (0.16, 0.8), (0.01, 1.05)])
    fin = prism(np.array([(0.15, -0.3), (0.15, -0.8), (0.7, -1.05), (0.66, -0.7)])[::-1] * [-1, 1], 0.07)
    fins = [Part(turned(fin, "z", 90 * i), RED) for i in range(4)]
    window = moved(turned(lathe([(0, -0.05), (0.15, -0.05), (0.15, 0.05), (0, 0.05)]), "x", 90), y=-0.33, z=0.25)
    return [Part(hull, WHITE), *fins, Part(window, BLUE)]


def _dumbbell() -> list[Part]:
    bar = turned(lathe([(0, -0.6), (0.14, -0.6), (0.14, 0.6), (0, 0.6)]), "y", 90)
    return [Part(bar, GREY), Part(moved(ball(0.42), x=-0.62), BLUE), Part(moved(ball(0.42), x=0.62), BLUE)]


def _star() -> list[Part]:
    return [Part(prism(around(10, (1, 0.45)), 0.4), YELLOW)]


def _letter() -> list[Part]:
    text = bpy.data.curves.new("Letter", "FONT")
    text.body = "R"
    text.extrude = 0.12
    surface = made_by_blender(text, weld=1e-4)
    bpy.data.curves.remove(text)
    return [Part(turned(surface, "x", 90), PURPLE)]


def _gear() -> list[Part]:
    teeth = around(96, [1, 1, 1, 0.98, 0.8, 0.78, 0.78, 0.8], 90 - 3.75)
    return [Part(pierced(teeth, around(96, [0.32], 90 - 3.75), 0.45), GREY)]


def _fish() -> list[Part]:
    tail = prism(np.array([(0.5, 0), (1.0, -0.42), (0.9, 0), (1.0, 0.42)]), 0.08)
    fin = prism(np.array([(-0.1, 0.3), (0.35, 0.25), (0.3, 0.55), (0.05, 0.6)]), 0.06)
    body = moved(ball(0.72, 0.24, 0.42), x=-0.1)
    eyes = [Part(moved(ball(0.07), x=-0.55, y=y, z=0.1), BLACK) for y in (-0.15, 0.15)]
    return [Part(body, ORANGE), Part(tail, RED), Part(fin, RED), *eyes]


def _metaballs(name: str, elements: Sequence[tuple[float, ...]]) -> Surface:
    """Blobs (x, y, z, radius) that flow into each other; a radius is nearly what is seen."""
    blobs = bpy.data.metaballs.new(name)
    blobs.resolution = 0.05
    blobs.threshold = 0.2
    for x, y, z, radius in elements:
        element = blobs.elements.new()
        element.co, element.radius = (x, y, z), radius * 1.3
    surface = made_by_blender(blobs)
    bpy.data.metaballs.remove(blobs)
    return surface


def _along(start: Sequence[float], end: Sequence[float], count: int) -> list[tuple[float, ...]]:
    return [tuple(row) for row in np.linspace(start, end, count)]


def _figure() -> list[Part]:
    """A gingerbread child with its arms out."""
    blobs = [(0.0, 0.0, 0.72, 0.28), *_along((0, 0, 0.42, 0.16), (0, 0, -0.2, 0.26), 6)]
    for side in (-1, 1):
        blobs += _along((side * 0.15, 0, 0.3, 0.13), (side * 0.72, 0, 0.12, 0.1), 7)
        blobs += _along((side * 0.14, 0, -0.3, 0.16), (side * 0.26, 0, -0.95, 0.12), 8)
        blobs += [(side * 0.27, -0.1, -1.0, 0.13)]
    return [Part(_metaballs("Figure", blobs), TAN)]


def _dog() -> list[Part]:
    """It looks to the left of the front picture."""
    blobs = [
        *_along((-0.45, 0, 0.05, 0.24), (0.5, 0, 0.05, 0.22), 7),
        *_along((-0.5, 0, 0.2, 0.17), (-0.68, 0, 0.5, 0.2), 4),
    ]
    blobs += [
        *_along((-0.75, 0, 0.48, 0.15), (-1.0, 0, 0.42, 0.1), 4),
        *_along((0.65, 0, 0.2, 0.07), (0.9, 0, 0.65, 0.05), 8),
    ]
    for y in (-0.17, 0.17):
        for x in (-0.45, 0.48):
            blobs += _along((x, y, -0.05, 0.14), (x, y, -0.7, 0.1), 7)
    ears = [Part(turned(moved(ball(0.1, 0.05, 0.2), x=-0.6, z=0.55), "x", side * 22), BROWN) for side in (-1, 1)]
    return [Part(_metaballs("Dog", blobs), TAN), *ears, Part(moved(ball(0.06), x=-1.08, z=0.46), BLACK)]


def _heart() -> list[Part]:
    t = np.arange(120) * (2 * np.pi / 120)
    outline = np.stack(
        [-(np.sin(t) ** 3), (13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)) / 16], 1
    )
    return [Part(prism(outline, 0.5), RED)]


def _teapot() -> list[Part]:
    body = turned_curve([(0.35, -0.6), (0.62, -0.3), (0.6, 0.1), (0.35, 0.42), (0.3, 0.45)])
    lid = turned_curve([(0.32, 0.42), (0.22, 0.54), (0.08, 0.58), (0.1, 0.68), (0.02, 0.74)])
    spout = tube(
        curve([(0.5, 0, -0.25), (0.75, 0, -0.1), (0.85, 0, 0.2), (1.05, 0, 0.35)]), np.linspace(0.17, 0.07, 40)
    )
    handle = tube(curve([(-0.45, 0, 0.3), (-0.85, 0, 0.35), (-0.95, 0, 0), (-0.5, 0, -0.3)]), 0.075)
    return [Part(body, BLUE), Part(lid, WHITE), Part(spout, BLUE), Part(handle, WHITE)]


def _mug() -> list[Part]:
    handle = tube(curve([(0.5, 0, 0.4), (0.95, 0, 0.4), (0.95, 0, -0.35), (0.5, 0, -0.4)]), 0.08)
    return [Part(lathe([(0, -0.75), (0.55, -0.75), (0.6, -0.7), (0.6, 0.75), (0, 0.75)]), YELLOW), Part(handle, RED)]


def _chair() -> list[Part]:
    legs = [moved(box(0.12, 0.12, 0.9), x, y, -0.55) for x in (-0.44, 0.44) for y in (-0.44, 0.44)]
    seat, back = moved(box(1.04, 1.04, 0.12), z=-0.08), moved(box(1, 0.12, 1), y=0.44, z=0.45)
    return [*(Part(leg, BROWN) for leg in legs), Part(seat, TAN), Part(back, TAN)]


def _table() -> list[Part]:
    foot = turned_curve([(0.5, -0.7), (0.42, -0.6), (0.12, -0.45), (0.1, 0.2), (0.2, 0.42)])
    return [Part(lathe([(0, 0.4), (0.96, 0.4), (1, 0.44), (1, 0.52), (0, 0.52)]), BROWN), Part(foot, GREY)]


def _hammer() -> list[Part]:
    grip = lathe([(0, -1), (0.1, -1), (0.12, -0.9), (0.08, -0.3), (0.07, 0.8), (0, 0.8)])
    head = turned(
        lathe([(0, -0.45), (0.18, -0.45), (0.18, -0.15), (0.13, -0.1), (0.13, 0.15), (0.02, 0.5), (0, 0.5)]), "y", 90
    )
    return [Part(grip, TAN), Part(moved(head, z=0.72), GREY)]


def _house() -> list[Part]:
    roof = prism(np.array([(-0.95, 0.1), (0.95, 0.1), (0, 0.9)]), 1.7)
    chimney, door = moved(box(0.2, 0.2, 0.6), 0.45, 0.3, 0.6), moved(box(0.35, 0.06, 0.6), 0, -0.75, -0.5)
    windows = [Part(moved(box(0.28, 0.06, 0.28), x, -0.75, -0.25), BLUE) for x in (-0.5, 0.5)]
    return [
        Part(moved(box(1.6, 1.5, 0.9), z=-0.35), WHITE),
        Part(roof, RED),
        Part(chimney, BROWN),
        Part(door, BROWN),
        *windows,
    ]


def _tree() -> list[Part]:
    tiers = [lathe([(0, z), (r, z), (0, z + 0.8)]) for z, r in ((-0.6, 0.75), (-0.15, 0.6), (0.3, 0.42))]
    return [Part(lathe([(0, -1), (0.16, -1), (0.12, -0.5), (0, -0.5)]), BROWN), *(Part(tier, GREEN) for tier in tiers)]


def _duck() -> list[Part]:
    """A bath duck that looks at the viewer."""
    blobs = [
        *_along((0, -0.2, -0.35, 0.5), (0, 0.35, -0.35, 0.45), 4),
        *_along((0, 0.6, -0.2, 0.25), (0, 0.85, 0, 0.12), 4),
    ]
    blobs += [(0.0, -0.3, 0.35, 0.42)]
    beak = moved(ball(0.2, 0.25, 0.08), y=-0.72, z=0.28)
    eyes = [Part(moved(ball(0.07), x, -0.62, 0.48), BLACK) for x in (-0.18, 0.18)]
    return [Part(_metaballs("Duck", blobs), YELLOW), Part(beak, ORANGE), *eyes]


def _coin() -> list[Part]:
    """A disc with a rim and a star that stand out of its front."""
    disc = turned(lathe([(0, -0.06), (1, -0.06), (1, 0.06), (0, 0.06)], 96), "x", 90)
    rim = moved(pierced(around(96, [1]), around(96, [0.88]), 0.08), y=-0.1)
    return [
        Part(disc, (0.35, 0.2, 0.04)),
        Part(rim, YELLOW),
        Part(moved(prism(around(10, (0.65, 0.3)), 0.08), y=-0.1), YELLOW),
    ]


ROUND = {"profile": "round"}


def _flat(depth: float) -> dict[str, object]:
    """Of flat things; ``depth`` as a share of the longer side."""
    return {"profile": "extrude", "depth": depth, "bevel": 0.0}


SOLIDS: Mapping[str, Solid] = MappingProxyType(
    {
        "sphere": Solid(_sphere, "checks", ROUND),
        "torus": Solid(_torus, "noise"),
        "cylinder": Solid(_cylinder, "stripes", ROUND),
        "cone": Solid(_cone, "stripes", ROUND),
        "cube": Solid(_cube, "checks", _flat(1.0)),
        "suzanne": Solid(_suzanne, "noise", {"thickness": 1.0}),
        "capsule": Solid(_capsule, "stripes", ROUND),
        "pebble": Solid(_pebble, "noise"),
        "vase": Solid(_vase, "stripes", ROUND),
        "bottle": Solid(_bottle, "plain", ROUND),
        "glass": Solid(_wine_glass, "plain", ROUND),
        "mushroom": Solid(_mushroom, "noise", ROUND),
        "snowman": Solid(_snowman, "plain", ROUND),
        "rocket": Solid(_rocket),
        "dumbbell": Solid(_dumbbell, "plain", {"thickness": 1.0}),
        "star": Solid(_star, "plain", _flat(0.2)),
        "letter": Solid(_letter, "checks", _flat(0.35)),
        "gear": Solid(_gear, "noise", _flat(0.225)),
        "fish": Solid(_fish, "stripes", {"thickness": 0.5}),
        "figure": Solid(_figure),
        "dog": Solid(_dog, "noise"),
        "heart": Solid(_heart, "plain", _flat(0.25)),
        "teapot": Solid(_teapot, "plain", {"thickness": 1.0}),
        "mug": Solid(_mug, "stripes", ROUND),
        "chair": Solid(_chair, "noise", _flat(0.52)),
        "table": Solid(_table, "noise", ROUND),
        "hammer": Solid(_hammer),
        "house": Solid(_house, "plain", _flat(0.9)),
        "tree": Solid(_tree, "noise", ROUND),
        "duck": Solid(_duck, "plain", {"thickness": 1.0}),
        "coin": Solid(_coin, "plain", {"profile": "relief", "depth": 0.1, "detail": 0.4}),
    }
)


# --- photographs -----------------------------------------------------------------------------------------------------


def add(name: str) -> bpy.types.Object:
    """Put the solid into the scene, centred and scaled."""
    solid = SOLIDS[name]
    parts = solid.build()
    vertices = np.concatenate([part.surface.vertices for part in parts])
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    vertices = (vertices - (low + high) / 2) * (LONGEST / (high - low).max())
    starts = np.cumsum([0, *(len(part.surface.vertices) for part in parts)])
    faces = [
        [start + i for i in face] for start, part in zip(starts, parts, strict=False) for face in part.surface.faces
    ]
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(vertices.tolist(), [], faces)
    mesh.polygons.foreach_set("use_smooth", np.ones(len(faces), bool))
    mesh.set_sharp_from_angle(angle=math.radians(40))
    colours = [(*part.colour, 1.0) for part in parts for face in part.surface.faces for _ in face]
    mesh.color_attributes.new("Colour", "FLOAT_COLOR", "CORNER").data.foreach_set("color", np.ravel(colours))
    mesh.materials.append(_material(solid.pattern))
    thing = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(thing)
    return thing


def truth(thing: bpy.types.Object) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (n, 3) in glTF's axes (x right, y up, z towards the viewer) and triangles (m, 3)."""
    mesh = thing.data
    mesh.calc_loop_triangles()
    vertices = np.empty(len(mesh.vertices) * 3)
    mesh.vertices.foreach_get("co", vertices)
    triangles = np.empty(len(mesh.loop_triangles) * 3, np.int32)
    mesh.loop_triangles.foreach_get("vertices", triangles)
    return vertices.reshape(-1, 3)[:, [0, 2, 1]] * [1, 1, -1], triangles.reshape(-1, 3)


_PATTERNS = MappingProxyType(
    {
        "checks": ("ShaderNodeTexChecker", {"Scale": 3.5}),
        "stripes": ("ShaderNodeTexWave", {"Scale": 1.2, "Distortion": 0.6}),
        "noise": ("ShaderNodeTexNoise", {"Scale": 4.0, "Detail": 3.0}),
    }
)


def _material(pattern: str) -> bpy.types.Material:
    """The colours of the mesh, with a pattern that makes them lighter and darker."""
    material = bpy.data.materials.new(pattern)
    if bpy.app.version < (5, 0):
        material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    shader = next(node for node in nodes if node.type == "BSDF_PRINCIPLED")
    shader.inputs["Roughness"].default_value = 0.6
    colour = nodes.new("ShaderNodeVertexColor")
    colour.layer_name = "Colour"
    source = colour.outputs["Color"]
    if pattern in _PATTERNS:
        kind, inputs = _PATTERNS[pattern]
        texture = nodes.new(kind)
        for name, value in inputs.items():
            texture.inputs[name].default_value = value
        if pattern == "stripes":
            texture.bands_direction = "Z"
        place = nodes.new("ShaderNodeTexCoord")
        links.new(place.outputs["Object"], texture.inputs["Vector"])
        span = nodes.new("ShaderNodeMapRange")
        span.inputs["To Min"].default_value, span.inputs["To Max"].default_value = 0.35, 1.15
        links.new(next(out for out in texture.outputs if out.name in ("Fac", "Factor")), span.inputs["Value"])
        scaled = nodes.new("ShaderNodeVectorMath")
        scaled.operation = "SCALE"
        links.new(source, scaled.inputs[0])
        links.new(span.outputs["Result"], scaled.inputs["Scale"])
        source = scaled.outputs["Vector"]
    links.new(source, shader.inputs["Base Color"])
    return material


@contextmanager
def studio(size: int, samples: int) -> Iterator[bpy.types.Scene]:
    """A scene with a camera and soft light, which goes away with all that was added to it."""
    before = bpy.context.window.scene
    scene = bpy.data.scenes.new("Studio")
    bpy.context.window.scene = scene
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    camera.data.type = "ORTHO"
    camera.data.ortho_scale = FRAME
    light = bpy.data.objects.new("Light", bpy.data.lights.new("Light", "SUN"))
    light.data.energy, light.data.angle = 2.5, 0.6
    # It comes from the upper left in every picture.
    light.parent, light.rotation_euler = camera, (math.radians(-40), math.radians(-35), 0)
    for each in (camera, light):
        scene.collection.objects.link(each)
    scene.camera = camera
    world = scene.world = bpy.data.worlds.new("Studio")
    if bpy.app.version < (5, 0):  # later ones always do, and warn of the question
        world.use_nodes = True
    background = next(node for node in world.node_tree.nodes if node.type == "BACKGROUND")
    background.inputs["Color"].default_value = (0.9, 0.95, 1.0, 1.0)
    background.inputs["Strength"].default_value = 0.7
    render = scene.render
    render.engine = "CYCLES"
    scene.cycles.samples = samples
    scene.cycles.use_denoising = False
    scene.cycles.max_bounces = 1
    render.film_transparent = True
    render.resolution_x = render.resolution_y = size
    render.resolution_percentage = 100
    render.image_settings.file_format = "PNG"
    render.image_settings.color_mode = "RGBA"
    scene.view_settings.view_transform = "Standard"
    try:
        yield scene
    finally:
        bpy.context.window.scene = before
        for each in list(scene.collection.objects):
            bpy.data.objects.remove(each)
        bpy.data.scenes.remove(scene)
        bpy.data.orphans_purge(do_recursive=True)


def photograph(scene: bpy.types.Scene, side: str, file: Path) -> None:
    """Write what the camera sees from a side."""
    angle = math.radians(SIDES[side])
    scene.camera.location = (5 * math.sin(angle), -5 * math.cos(angle), 0)
    scene.camera.rotation_euler = (math.pi / 2, 0, angle)
    scene.render.filepath = str(file)
    bpy.ops.render.render(write_still=True, scene=scene.name)


def main(folder: Path, names: Sequence[str]) -> None:
    for name in names or SOLIDS:
        (folder / name).mkdir(parents=True, exist_ok=True)
        with studio(512, 8) as scene:
            vertices, triangles = truth(add(name))
            np.savez_compressed(folder / name / "truth.npz", vertices=vertices, triangles=triangles)
            for side in SIDES:
                photograph(scene, side, folder / name / f"{side}.png")
    # In the end: who finds it, finds everything.
    options = {name: dict(solid.options) for name, solid in SOLIDS.items()}
    (folder / "options.json").write_text(json.dumps(options), encoding="utf-8")


if __name__ == "__main__":
    words = sys.argv[sys.argv.index("--") + 1 :]
    main(Path(words[0]), words[1:])
    sys.stdout.flush()
    os._exit(0)  # Tearing the bpy module down may crash or hang.
