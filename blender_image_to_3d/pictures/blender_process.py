# SPDX-License-Identifier: GPL-3.0-or-later
"""A Blender in another process that decodes what nothing else here can."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import BadPicture
from .facts import PictureFacts, PictureFormat
from .source import label

BINARY_VARIABLE = "IMAGE_TO_3D_BLENDER"

TIMEOUT_SECONDS = 180.0
"""A cold start on a slow disk plus the largest picture; a sound Blender needs a second or two."""

_SCRIPT = Path(__file__).parent.parent / "blender" / "decode_picture.py"
_OPTIONS = ("--background", "--factory-startup", "--python-exit-code", "1", "--python")
_SAVE_AS_PNG = "Save it as PNG and try again."


def find_blender(binary: str | None = None) -> list[str] | None:
    """Return the command that runs a Python script inside Blender (append script, "--", arguments), or None.

    binary: path or name of a Blender executable. Without it: the environment variable IMAGE_TO_3D_BLENDER, the bpy
    module of this Python if it is the one from a wheel, then "blender" on the search path. Nothing is started, and
    bpy is not imported.
    """
    binary = binary or os.environ.get(BINARY_VARIABLE)
    if binary:
        return [shutil.which(binary) or binary, *_OPTIONS]
    if sys.executable and _has_bpy_wheel():
        # -P: the script's folder holds modules of ours that must not shadow anyone's.
        return [sys.executable, "-P"]
    found = shutil.which("blender")
    return [found, *_OPTIONS] if found else None


def decode(path: Path, facts: PictureFacts, command: Sequence[str]) -> NDArray[np.uint8]:
    """Decode a picture in a child Blender; returns (h, w, 4) straight sRGB RGBA as stored, top row first.

    command: as returned by ``find_blender``. Raises BadPicture if that Blender cannot be run or cannot read the file.
    """
    name = label(path)
    with tempfile.TemporaryDirectory(prefix="image_to_3d_", ignore_cleanup_errors=True) as folder:
        # A copy under a plain name: Blender finds neither paths beyond 260 characters on Windows nor names that are
        # not UTF-8, and it takes some names for tiles or frames.
        picture = Path(folder, "picture" + facts.format.suffixes[0])
        result = Path(folder, "pixels.npy")
        flags = ["--linear"] if facts.format is PictureFormat.EXR else []
        flags += ["--premultiplied"] if facts.premultiplied else []
        try:
            shutil.copyfile(path, picture)
        except OSError as error:
            raise BadPicture(f"{name} cannot be copied: {error.strerror}.", hint="Free some disk space.") from error
        _run([*command, str(_SCRIPT), "--", str(picture), str(result), *flags], name)
        if not result.is_file():
            raise BadPicture(f"{name} cannot be read by Blender.", hint=_hint(facts))
        pixels: NDArray[np.uint8] = np.load(result, allow_pickle=False)
    if pixels.dtype != np.uint8 or pixels.shape != (facts.height, facts.width, 4):
        raise BadPicture(f"{name} is read by Blender in another size than it declares.", hint=_SAVE_AS_PNG)
    if facts.format is PictureFormat.BMP and facts.channels != 4:
        # Blender takes the unused fourth byte for alpha.
        pixels[:, :, 3] = 255
    return pixels


def _has_bpy_wheel() -> bool:
    """Return whether bpy is a compiled module; inside Blender it is a Python file that no other process can import."""
    try:
        spec = importlib.util.find_spec("bpy")
    except ValueError:
        return False
    return spec is not None and spec.origin is not None and spec.origin.endswith((".so", *EXTENSION_SUFFIXES))


def _hint(facts: PictureFacts) -> str:
    # Blender gives scripts no pixels of an OpenEXR file with layers, as its own renders often are.
    return "Save it as PNG, or with a single layer." if facts.format is PictureFormat.EXR else _SAVE_AS_PNG


def _run(command: list[str], name: str) -> None:
    """Run the child to its end. Its exit status does not matter: it leaves a result or it does not."""
    try:
        subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=TIMEOUT_SECONDS,
            check=False,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except subprocess.TimeoutExpired as error:
        raise BadPicture(
            f"{name} could not be read by Blender within {TIMEOUT_SECONDS:.0f} seconds.", hint=_SAVE_AS_PNG
        ) from error
    except OSError as error:
        raise BadPicture(
            f"{name} cannot be read: Blender does not start ({command[0]}).",
            hint=f"Set {BINARY_VARIABLE} to Blender's executable, or save the picture as PNG.",
        ) from error
