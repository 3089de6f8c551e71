# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's own importers, called in one way for every format and version."""

from __future__ import annotations

import os
import shutil
import struct
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bpy

from ...errors import BadResult, StorageError
from ...host import system
from ...mesh.formats import HEAD_SIZE, Format, detect
from .. import foreign
from . import reference_plane

_NGON_MARK = b"FB_ngon_encoding"


@dataclass(frozen=True)
class _Reader:
    """How Blender reads one format."""

    operators: tuple[str, ...]
    """The first that this Blender has is used."""
    add_on: str
    """What the user has to enable where there is none."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Those that this version's operator does not know are left out."""


_GLTF = _Reader(
    ("import_scene.gltf",),
    "glTF 2.0 format",
    {
        "import_pack_images": True,
        "import_webp_texture": True,
        # Bones get Blender's own look, instead of an Icosphere in a collection of its own.
        "disable_bone_shape": True,
        "import_select_created_objects": False,
        "import_scene_extras": False,
        "import_scene_as_collection": False,
    },
)
_READERS = {
    Format.GLB: _GLTF,
    Format.GLTF: _GLTF,
    Format.OBJ: _Reader(("wm.obj_import",), "Wavefront OBJ", {"validate_meshes": True}),
    Format.STL: _Reader(("wm.stl_import",), "STL", {"use_mesh_validate": True}),
    Format.PLY: _Reader(("wm.ply_import",), "Stanford PLY"),
    Format.FBX: _Reader(("wm.fbx_import", "import_scene.fbx"), "FBX format", {"use_anim": True}),
}


@dataclass(frozen=True)
class Content:
    """What came out of a file besides the datablocks."""

    has_ngons: bool
    """Triangles are marked as the pieces of quads."""


def read(files: Sequence[Path]) -> Content:
    """Import the first of `files` into the scene that the context shows; the others are found beside it.

    A picture becomes a plane that shows it.

    Raises:
        BadResult: it is not a model, or Blender cannot read it.
        StorageError: it is missing, or this Blender has no importer for it.
    """
    kind = _kind_of(files[0])
    if kind.is_picture:
        with _staged(files[:1], kind.suffix) as picture:
            reference_plane.add_plane(picture)
        return Content(has_ngons=False)
    reader = _READERS[kind]
    operator = _operator(reader, kind)
    with _staged(files, kind.suffix) as model:
        has_ngons = kind in {Format.GLB, Format.GLTF} and _NGON_MARK in _gltf_json(model)
        settings = dict(reader.settings)
        if has_ngons:
            # The faces are about to be made anew: the file's normals, half of the import's time, would be thrown away.
            settings["import_shading"] = "SMOOTH"
        try:
            foreign.call(operator, model, settings)
        except RuntimeError as error:
            reason = foreign.reason(error).replace(f"{model.parent}{os.sep}", "")
            raise BadResult(f"Blender cannot read the {kind.suffix} file: {reason}") from error
        _pack_images(model.parent)
    return Content(has_ngons=has_ngons)


def _kind_of(model: Path) -> Format:
    try:
        with model.open("rb") as file:
            head = file.read(HEAD_SIZE)
        size = model.stat().st_size
    except OSError as error:
        raise StorageError(f'"{model.name}" cannot be read: {system.explain(error)}.') from error
    if not head:
        raise BadResult(f'"{model.name}" is empty.')
    kind = detect(head, size)
    if kind is None or not (kind in _READERS or kind.is_picture):
        what = "no model file" if kind is None else f"a {kind.suffix} file, not a model"
        raise BadResult(f'"{model.name}" is {what}.')
    return kind


def _operator(reader: _Reader, kind: Format) -> Callable[..., set[str]]:
    for name in reader.operators:
        if found := foreign.find(name):
            return found
    raise StorageError(
        f"This Blender has no importer for {kind.suffix} files.",
        hint=f'Enable the add-on "{reader.add_on}" in the preferences, then import again.',
    )


@contextmanager
def _staged(files: Sequence[Path], suffix: str) -> Iterator[Path]:
    """Show the files in a folder of their own, the model with the suffix that Blender's importer insists on.

    Always, not only for a wrong suffix: importers reuse, pack and change an image of the user's that has the same path.
    """
    with tempfile.TemporaryDirectory(prefix="image_to_3d-") as folder:
        model = Path(folder, files[0].name)
        if model.suffix.lower() != suffix:
            model = model.with_suffix(suffix)
        for source in files[1:]:
            _link_or_copy(source, Path(folder, source.name))
        _link_or_copy(files[0], model)
        yield model


def _link_or_copy(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    try:
        os.link(source.resolve(), target)
    except OSError:
        try:
            shutil.copyfile(source, target)
        except OSError as error:
            raise StorageError(f'"{source.name}" cannot be read: {system.explain(error)}.') from error


def _gltf_json(model: Path) -> bytes:
    """Return the JSON of a glTF or GLB file, or nothing if it is damaged: then the importer says so."""
    with model.open("rb") as file:
        head = file.read(20)
        if not head.startswith(b"glTF"):
            return head + file.read()
        if len(head) < 20:
            return b""
        return file.read(min(struct.unpack_from("<I", head, 12)[0], model.stat().st_size))


def _pack_images(folder: Path) -> None:
    """Take in the images that were loaded from `folder`, which is about to vanish.

    Those from elsewhere stay unpacked, and are taken out later: a model has no business in the user's other folders.
    """
    folder = folder.resolve()
    for image in bpy.data.images:
        if image.packed_file or image.source != "FILE" or image.library:
            continue
        path = Path(bpy.path.abspath(image.filepath)).resolve()  # what it says may lead out again
        if path.is_relative_to(folder) and path.is_file():
            image.pack()
