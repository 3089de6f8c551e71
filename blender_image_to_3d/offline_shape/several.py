# SPDX-License-Identifier: GPL-3.0-or-later
"""From pictures of several sides to a mesh: ``views``, ``hull`` and ``view_texture``, in this order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from . import hull, surface_nets, view_texture
from .arrays import Bytes, Mesh, Progress, Side
from .hull import Hull, Section
from .mask import Cutout
from .settings import Profile, Settings

SECTIONS: Mapping[Profile, Section | None] = MappingProxyType(
    {"inflate": None, "relief": None, "round": Section(0.0, 1.0), "extrude": Section(1.0, 0.0)}
)
"""Horizontal sections of a hull for each profile; None is judged by the pictures."""


def make(
    pictures: Mapping[Side, Bytes],
    cutouts: Mapping[Side, Cutout],
    settings: Settings,
    choose: Callable[[Callable[[float], Hull]], Hull],
    progress: Progress,
) -> Mesh:
    """Make the hull of a front and a left or right view, and a back view if there is one.

    ``choose`` gets a function that builds the hull with so many cells, and returns one of these. Raises EmptyMask where
    the views have nothing in common, and whatever ``progress`` raises.
    """
    progress(0.3, "Comparing the views")
    section = SECTIONS[settings.profile] or hull.judge(pictures, cutouts)

    def build(cells: float) -> Hull:
        progress(0.4, "Carving the solid")
        return hull.build(
            cutouts, cells, section, symmetric=settings.symmetric, tick=lambda: progress(0.4, "Carving the solid")
        )

    progress(0.35, "Carving the solid")
    solid = choose(build)
    progress(0.5, "Building the mesh")
    crossings = solid.crossings(lambda: progress(0.5, "Building the mesh"))
    net = surface_nets.build(crossings, lambda: progress(0.55, "Building the mesh"))
    progress(0.6, "Smoothing the mesh")
    vertices = surface_nets.smooth(net, lambda: progress(0.65, "Smoothing the mesh"))
    progress(0.7, "Painting the sides")
    uvs, texture = view_texture.paint(
        pictures,
        cutouts,
        solid,
        crossings,
        net,
        vertices,
        settings,
        lambda: progress(0.8, "Painting the sides"),
    )
    return Mesh(vertices, net.quads, uvs, texture)
