# SPDX-License-Identifier: GPL-3.0-or-later
"""From the .blend that the import process made to objects in the scene: what the user waits for of an import."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import bpy

from ...errors import StorageError
from . import naming, placing


@dataclass(frozen=True)
class Appended:
    """What came out of a .blend."""

    root: bpy.types.Object
    objects: list[bpy.types.Object]
    """All of them, the root among them."""
    names: dict[bpy.types.ID, str]
    """Every datablock, and what it was called; here it may have got another name because that one was taken."""
    collection: bpy.types.Collection | None = None
    """What holds a model of several objects that is an asset."""


def append(
    blend: Path,
    *,
    location: Sequence[float],
    scene: bpy.types.Scene,
    view_layer: bpy.types.ViewLayer,
    collection_name: str | None,
    select: bool,
) -> bpy.types.Object:
    """Bring what the import process prepared into a scene and return its root object; nothing else there changes.

    The caller pushes the undo step.

    select: make the root the only selected and the active object, leaving the mode that the user is in.

    Raises:
        StorageError: the file is missing or damaged; nothing is left of it.
    """
    found = load(blend)
    found.root.location = location
    collection = placing.collection(collection_name, scene, view_layer)
    if found.collection is not None:
        found.collection.instance_offset = location
        collection.children.link(found.collection)
    else:
        for each in found.objects:
            collection.objects.link(each)
    if select:
        view_layer.update()  # until then Blender does not know that the objects are in it
        placing.select(found.root, view_layer)
    return found.root


def load(blend: Path) -> Appended:
    """Append everything in `blend`; the objects are in no collection yet.

    Raises:
        StorageError: the file is missing or damaged; nothing is left of it.
    """
    libraries = set(bpy.data.libraries)
    names: dict[bpy.types.ID, str] = {}
    try:
        with bpy.data.libraries.load(str(blend), link=False) as (there, here):
            wanted = {kind: list(getattr(there, kind)) for kind in _kinds() if getattr(there, kind, ())}
            for kind, titles in wanted.items():
                setattr(here, kind, list(titles))
    except OSError as error:
        raise _unusable(blend) from error
    finally:
        _remove_libraries(libraries)
    for kind, titles in wanted.items():
        names |= {block: title for block, title in zip(getattr(here, kind), titles, strict=True) if block is not None}
    for block in names:
        if isinstance(block, bpy.types.Image) and block.packed_file:
            # Appending makes it the path beside `blend`, which is nobody's business.
            naming.call_packed(block, f"//{bpy.path.basename(block.filepath)}")
    objects = [block for block in names if isinstance(block, bpy.types.Object)]
    roots = [each for each in objects if each.parent is None]
    if len(roots) != 1:
        bpy.data.batch_remove(list(names))
        raise _unusable(blend)
    collections = [block for block in names if isinstance(block, bpy.types.Collection)]
    return Appended(roots[0], objects, names, next(iter(collections), None))


def _kinds() -> list[str]:
    return [field.identifier for field in bpy.data.bl_rna.properties if field.type == "COLLECTION"]


def _remove_libraries(before: set[bpy.types.Library]) -> None:
    """Blender keeps the file as a library of this one although nothing is linked to it."""
    for each in set(bpy.data.libraries) - before:
        bpy.data.libraries.remove(each)


def _unusable(blend: Path) -> StorageError:
    is_there = blend.is_file()
    message = "The model that was prepared cannot be read." if is_there else "The model that was prepared is gone."
    return StorageError(message, hint="Import it again.")
