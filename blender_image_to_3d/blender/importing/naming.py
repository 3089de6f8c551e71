# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, and what else makes materials and images stand on their own in the user's file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import bpy

# What exporters write when they have no name.
_GENERIC = re.compile(
    r"(material|mat|defaultmaterial|default|defaultobject|none|unnamed|untitled|image|img|texture|tex|mesh|geometry"
    r"|object|model|node|basecolor|base_color|colou?r|diffuse|albedo|map|pbr|phong|lambert|[ _.\-]|\d)*",
    re.IGNORECASE,
)
_SUFFIXES = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"RIFF": ".webp", b"BM": ".bmp", b"II*\0": ".tif"}


def name_all(name: str, root: bpy.types.Object, made: Iterable[bpy.types.ID]) -> None:
    """Give the root and its mesh their name, and materials and images too where theirs says nothing."""
    root.name = name
    if root.data is not None:
        root.data.name = name
    images = []
    for block in made:
        if isinstance(block, bpy.types.Material | bpy.types.Image) and _GENERIC.fullmatch(Path(block.name).stem):
            block.name = name
        if isinstance(block, bpy.types.Image):
            images.append(block)
    for image in images:
        if image.packed_file:
            _forget_path(image)
        else:
            _take_out(image)


def colour_material(attribute: str) -> bpy.types.Material:
    """Make a material that shows a mesh's own colours, which Blender does not do by itself."""
    material = bpy.data.materials.new("Material")
    if material.node_tree is None:
        material.use_nodes = True
    tree = material.node_tree
    colour = tree.nodes.new("ShaderNodeVertexColor")
    colour.layer_name = attribute
    colour.location = (-300.0, 300.0)
    shader = next(node for node in tree.nodes if node.type == "BSDF_PRINCIPLED")
    tree.links.new(colour.outputs["Color"], shader.inputs["Base Color"])
    return material


def call_packed(image: bpy.types.Image, path: str) -> None:
    """Say what a packed image would be called if it were unpacked."""
    image.filepath_raw = path
    for packed in image.packed_files:
        packed.filepath = path


def _forget_path(image: bpy.types.Image) -> None:
    """Leave only a name that the image would have if it were unpacked; its path led to a folder that is gone."""
    head = bytes(image.packed_file.data[:4])
    known = (suffix for magic, suffix in _SUFFIXES.items() if head.startswith(magic))
    suffix = next(known, Path(image.filepath).suffix)
    stem = re.sub(r'[\\/:*?"<>|\x00-\x1f]', "_", image.name)
    call_packed(image, f"//{stem.removesuffix(suffix)}{suffix}")


def _take_out(image: bpy.types.Image) -> None:
    """Remove the texture nodes of an image whose file is missing: they would make the model black or pink."""
    for material in bpy.data.materials:
        if material.node_tree is None or material.library:
            continue
        for node in [node for node in material.node_tree.nodes if getattr(node, "image", None) == image]:
            material.node_tree.nodes.remove(node)
    bpy.data.images.remove(image)
