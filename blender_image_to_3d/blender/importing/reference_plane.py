# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture as an object: a plane that stands upright and shows it."""

from __future__ import annotations

from pathlib import Path

import bpy

from ...errors import BadResult

_CORNERS = ((-0.5, 0.0), (0.5, 0.0), (0.5, 1.0), (-0.5, 1.0))
"""Of a plane that is one unit high: counter-clockwise seen from the front, -Y."""
_DEPTHS_WITH_ALPHA = {32, 64, 128}


def add_plane(picture: Path) -> None:
    """Add a plane of the picture's proportions, one unit high, to the scene that the context shows.

    Raises:
        BadResult: Blender cannot read the picture.
    """
    image = _load(picture)
    width = image.size[0] / image.size[1]
    mesh = bpy.data.meshes.new("Picture")
    mesh.from_pydata([(x * width, 0.0, z) for x, z in _CORNERS], [], [(0, 1, 2, 3)])
    layer = mesh.uv_layers.new(name="UVMap")
    for corner, (x, z) in zip(layer.data, _CORNERS, strict=True):
        corner.uv = (x + 0.5, z)
    mesh.materials.append(_material(image))
    bpy.context.scene.collection.objects.link(bpy.data.objects.new("Picture", mesh))


def _load(picture: Path) -> bpy.types.Image:
    try:
        image = bpy.data.images.load(str(picture))
    except RuntimeError as error:
        raise BadResult(f'Blender cannot read "{picture.name}".') from error
    if not all(image.size):
        raise BadResult(f'Blender cannot read "{picture.name}".')
    image.pack()
    image.name = "Image"
    return image


def _material(image: bpy.types.Image) -> bpy.types.Material:
    material = bpy.data.materials.new("Material")
    if material.node_tree is None:
        material.use_nodes = True
    tree = material.node_tree
    shader = next(node for node in tree.nodes if node.type == "BSDF_PRINCIPLED")
    texture = tree.nodes.new("ShaderNodeTexImage")
    texture.image = image
    texture.location = (-300.0, 300.0)
    tree.links.new(texture.outputs["Color"], shader.inputs["Base Color"])
    if image.depth in _DEPTHS_WITH_ALPHA:
        tree.links.new(texture.outputs["Alpha"], shader.inputs["Alpha"])
    return material
