# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the importer, the exporter and the custom properties begin with."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import bpy
import numpy as np
from mathutils import Vector
from numpy.typing import NDArray

DIGEST = "0123456789abcdef" * 4

LOSES_PREVIEWS_OF_COLLECTIONS = bpy.app.version[:2] in {(4, 3), (5, 0)}
"""These Blenders do not write them; 4.2, 4.5 and 5.2 do."""


def module(package: ModuleType, name: str) -> Any:
    return importlib.import_module(f"{package.__name__}.{name}")


def job(package: ModuleType, **changes: Any) -> Any:
    """A job for a cup; `changes` are of its request, but `seed` is of the job."""
    models = module(package, "models")
    seed = changes.pop("seed", None)
    request = {
        "provider": "offline_shape",
        "views": {"front": {"file": "front.png", "name": "cup.png", "sha256": DIGEST}},
        "name": "Cup",
        **changes,
    }
    return models.Job(id="2026-cup", request=models.GenerationRequest.model_validate(request), seed=seed)


def disc(path: Path, colour: tuple[int, int, int] = (204, 26, 26), size: int = 96) -> Path:
    """Write a PNG picture of a disc, red if nothing else is said, on a transparent background."""
    across = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    is_inside = across[:, None] ** 2 + across**2 < 0.4**2
    image = bpy.data.images.new("disc", size, size, alpha=True)
    painted = np.float32((*colour, 255)) / 255
    image.pixels.foreach_set(np.where(is_inside[..., None], painted, np.float32(0)).ravel())
    image.filepath_raw = str(path)
    image.file_format = "PNG"
    image.save()
    bpy.data.images.remove(image)
    return path


def pixels(path: Path) -> NDArray[np.float32]:
    """What Blender reads from a picture file."""
    image = bpy.data.images.load(str(path))
    values = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(values)
    bpy.data.images.remove(image)
    return values


def textured_monkey(folder: Path, picture_name: str = "skin.png") -> bpy.types.Object:
    """A mesh with UVs, and a material whose picture is a file in `folder`."""
    bpy.ops.mesh.primitive_monkey_add()
    monkey = bpy.context.object
    monkey.data.shade_smooth()
    picture = bpy.data.images.new("Skin", 16, 16)
    picture.pixels.foreach_set(np.linspace(0, 1, 16 * 16 * 4, dtype=np.float32))
    picture.filepath_raw = str(folder / picture_name)
    picture.file_format = "PNG"
    picture.save()
    bpy.data.images.remove(picture)
    material = bpy.data.materials.new("Fur")
    if material.node_tree is None:
        material.use_nodes = True
    node = material.node_tree.nodes.new("ShaderNodeTexImage")
    node.image = bpy.data.images.load(str(folder / picture_name))
    shader = material.node_tree.nodes["Principled BSDF"]
    material.node_tree.links.new(node.outputs["Color"], shader.inputs["Base Color"])
    monkey.data.materials.append(material)
    return monkey


def write(path: Path) -> Path:
    """Export the scene in the format of the suffix, by Blender's own exporter."""
    match path.suffix:
        case ".glb":
            bpy.ops.export_scene.gltf(filepath=str(path), export_format="GLB", export_cameras=True, export_lights=True)
        case ".gltf":
            bpy.ops.export_scene.gltf(filepath=str(path), export_format="GLTF_SEPARATE")
        case ".obj":
            bpy.ops.wm.obj_export(filepath=str(path), path_mode="COPY")
        case ".stl":
            bpy.ops.wm.stl_export(filepath=str(path))
        case ".ply":
            bpy.ops.wm.ply_export(filepath=str(path))
        case ".fbx":
            bpy.ops.export_scene.fbx(filepath=str(path), path_mode="COPY", embed_textures=True)
        case suffix:
            raise ValueError(suffix)
    return path


def files(model: Path) -> list[Path]:
    """The model first, then everything beside it."""
    return [model, *(path for path in sorted(model.parent.iterdir()) if path != model and path.is_file())]


def new_file() -> None:
    """Begin with nothing, and the add-on still enabled."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)


_NO_CONTENT = {"all_ids", "screens", "workspaces", "window_managers"}


def datablocks() -> dict[int, str]:
    """Everything there is, the user interface apart."""
    return {
        block.session_uid: f"{type(block).__name__} {block.name}"
        for field in bpy.data.bl_rna.properties
        if field.type == "COLLECTION" and field.identifier not in _NO_CONTENT
        for block in getattr(bpy.data, field.identifier)
    }


def situation() -> dict[str, Any]:
    """What a user would notice if it changed."""
    scene, layer = bpy.context.scene, bpy.context.view_layer
    views = [space for area in bpy.context.window.screen.areas for space in area.spaces if space.type == "VIEW_3D"]
    return {
        "scene": scene.name,
        "layer": layer.name,
        "active": layer.objects.active and layer.objects.active.name,
        "selected": sorted(each.name for each in bpy.context.selected_objects),
        "mode": bpy.context.mode,
        "modes": {each.name: each.mode for each in bpy.data.objects if each.mode != "OBJECT"},
        "collection": layer.active_layer_collection.collection.name,
        "cursor": scene.cursor.matrix.copy(),
        "frames": (scene.frame_start, scene.frame_current, scene.frame_end, scene.render.fps),
        "views": [(space.camera, space.region_3d.view_perspective) for space in views if space.region_3d],
    }


def box(root: bpy.types.Object) -> tuple[Vector, Vector]:
    """The corners of the bounding box of the root's family in the world."""
    bpy.context.view_layer.update()
    graph = bpy.context.evaluated_depsgraph_get()
    points = [
        each.evaluated_get(graph).matrix_world @ vertex.co
        for each in (root, *root.children_recursive)
        if each.type == "MESH"
        for vertex in each.evaluated_get(graph).data.vertices
    ]
    array = np.array(points)
    return Vector(array.min(axis=0)), Vector(array.max(axis=0))


def close(one: Any, other: Any, tolerance: float = 1e-5) -> bool:
    return bool(np.allclose(np.array(one), np.array(other), atol=tolerance))


def torus(rings: int, sides: int) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
    """Positions (n, 3), quads (m, 4) and the corners' UVs (m, 4, 2), which are cut along two seams."""
    ring, side = (each.ravel() for each in np.meshgrid(np.arange(rings), np.arange(sides), indexing="ij"))
    around, across = 2 * np.pi * ring / rings, 2 * np.pi * side / sides
    distance = 2 + 0.7 * np.cos(across)
    positions = np.stack([distance * np.cos(around), 0.7 * np.sin(across), distance * np.sin(around)], axis=1)
    steps = [(0, 0), (0, 1), (1, 1), (1, 0)]
    quads = np.stack([(ring + r) % rings * sides + (side + s) % sides for r, s in steps], axis=1)
    uvs = np.stack([np.stack([(ring + r) / rings, (side + s) / sides], axis=1) for r, s in steps], axis=1)
    return positions.astype(np.float32), quads, uvs.astype(np.float32)


def box_of_all() -> tuple[Vector, Vector]:
    """The bounding box of all mesh objects of the scene."""
    boxes = [box(each) for each in bpy.context.scene.objects if each.type == "MESH"]
    array = np.array(boxes)
    return Vector(array[:, 0].min(axis=0)), Vector(array[:, 1].max(axis=0))


def finished(package: ModuleType, path: Path, model: Path, **changes: Any) -> Path:
    """A job folder whose result is `model` and what lies beside it; `changes` are of its request."""
    result = path / "result"
    result.mkdir(parents=True)
    results = []
    for file in files(model):
        shutil.copy(file, result)
        size = file.stat().st_size
        results.append(module(package, "models").ResultFile(file=file.name, sha256=DIGEST, size_bytes=size))
    told = job(package, **changes).evolve(results=tuple(results), state="ready")
    module(package, "jobs.library").JobFolder(path).save(told)
    return path
