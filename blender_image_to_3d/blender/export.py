# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects to a file in any format that this Blender writes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bpy

from ..errors import BadOption, StorageError
from ..host import system
from ..jobs import output
from . import foreign
from .importing import naming
from .importing.staging import shown, staging_scene

_BLEND = ".blend"
_PROBE_BYTES = 2**16
_GLTF = {
    "use_active_scene": True,
    "export_extras": True,
    "export_cameras": False,
    "export_lights": False,
}
_USD = {"export_textures": True, "export_textures_mode": "NEW", "relative_paths": True}
_WRITERS: Mapping[str, tuple[str, dict[str, Any]]] = {
    ".glb": ("export_scene.gltf", {**_GLTF, "export_format": "GLB"}),
    ".gltf": ("export_scene.gltf", {**_GLTF, "export_format": "GLTF_SEPARATE"}),
    # The textures are written beside it by us: Blender writes no packed ones.
    ".obj": ("wm.obj_export", {"path_mode": "STRIP"}),
    ".stl": ("wm.stl_export", {}),
    ".ply": ("wm.ply_export", {}),
    ".fbx": (
        "export_scene.fbx",
        {"path_mode": "COPY", "embed_textures": True, "use_custom_props": True, "add_leaf_bones": False},
    ),
    ".usdc": ("wm.usd_export", _USD),
    ".usda": ("wm.usd_export", _USD),
    ".usdz": ("wm.usd_export", _USD),
}


def check(path: Path) -> None:
    """Say whether this Blender writes such a file, by its name's ending.

    Raises:
        BadOption: it does not.
    """
    possible = [_BLEND, *(suffix for suffix, (name, _) in _WRITERS.items() if foreign.find(name))]
    if path.suffix.lower() in possible:
        return
    raise BadOption(f'Blender cannot write "{path.name}" here.', hint=f"Choose one of: {', '.join(possible)}.")


def save(objects: Sequence[bpy.types.Object], path: Path) -> None:
    """Write the objects, their children and what they use; each file is the old one or the whole new one.

    A .blend opens with a scene of its own that holds them. A format of several files puts the others beside `path`;
    they replace another file only where `path` itself is replaced.

    Raises:
        BadOption: Blender writes no such file.
        StorageError: the file cannot be written, or one that belongs beside it is there already.
    """
    check(path)
    try:
        # An exporter that failed may still have its file open, which Windows does not remove.
        with tempfile.TemporaryDirectory(prefix=".image_to_3d-", dir=path.parent, ignore_cleanup_errors=True) as folder:
            _write(objects, Path(folder, path.name))
            check_room(Path(folder))
            output.move_together(Path(folder), path)
    except OSError as error:
        raise StorageError(f'"{path}" cannot be written: {system.explain(error)}.') from error


def _write(objects: Iterable[bpy.types.Object], draft: Path) -> None:
    family = {each: None for top in objects for each in (top, *top.children_recursive)}
    with staging_scene() as (scene, view_layer):
        for each in family:
            scene.collection.objects.link(each)
        try:
            if draft.suffix.lower() == _BLEND:
                view_layer.objects.active = next(iter(family), None)
                bpy.data.libraries.write(str(draft), {scene}, fake_user=False, compress=False)
            else:
                with shown(scene), _textures_named_after(family, draft.stem):
                    _export(draft)
                    if draft.suffix.lower() == ".obj":
                        _write_textures(family, draft.parent)
        except RuntimeError as error:
            raise StorageError(f'Blender cannot write "{draft.name}": {foreign.reason(error)}') from error
    if not draft.is_file() or not draft.stat().st_size:
        raise StorageError(f'Blender did not write "{draft.name}".', hint="Look at its console for the reason.")


def _export(draft: Path) -> None:
    name, settings = _WRITERS[draft.suffix.lower()]
    if operator := foreign.find(name):
        foreign.call(operator, draft, settings)


@contextmanager
def _textures_named_after(objects: Iterable[bpy.types.Object], stem: str) -> Iterator[None]:
    """Let a texture that is written beside the model have a name that the picture it was made from cannot have."""
    before = {image: image.filepath_raw for image in _packed_images(objects)}
    try:
        for image, path in before.items():
            naming.call_packed(image, f"//{stem}_{bpy.path.basename(path)}")
        yield
    finally:
        for image, path in before.items():
            naming.call_packed(image, path)


def _write_textures(objects: Iterable[bpy.types.Object], folder: Path) -> None:
    """Write the packed images under the names that Blender put into the .mtl file."""
    for image in _packed_images(objects):
        (folder / bpy.path.basename(image.filepath)).write_bytes(bytes(image.packed_file.data))


def _packed_images(objects: Iterable[bpy.types.Object]) -> set[bpy.types.Image]:
    materials = {slot.material for each in objects for slot in each.material_slots if slot.material}
    nodes = [node for material in materials if material.node_tree for node in material.node_tree.nodes]
    return {node.image for node in nodes if node.type == "TEX_IMAGE" and node.image and node.image.packed_file}


def check_room(folder: Path) -> None:
    """Raise OSError if the disk is full: some of Blender's exporters then leave a part of a file and say nothing."""
    probe = folder / "~"
    probe.write_bytes(bytes(_PROBE_BYTES))
    probe.unlink()
