# SPDX-License-Identifier: GPL-3.0-or-later
"""A Blender of its own that does what a test says: for every line of Python it answers with one of JSON."""

import importlib
import json
import os
import sys
from types import ModuleType

import bpy

ANSWER = "ANSWER "
PACKAGE = "blender_image_to_3d"


def extension(*words: str) -> int:
    """As `blender --command extension WORDS`, in a Blender that may go online; return the exit status."""
    from bl_pkg.bl_extension_cli import cli_extension_handler

    bpy.context.preferences.system.use_online_access = True
    return cli_extension_handler(list(words))


def enabled() -> list[str]:
    """Return the names under which Blender has the extension enabled."""
    return [name for name in bpy.context.preferences.addons.keys() if name.endswith(PACKAGE)]


def ours() -> ModuleType:
    """Return the extension."""
    return importlib.import_module(enabled()[0])


def preferences() -> bpy.types.AddonPreferences:
    """Return its preferences."""
    return bpy.context.preferences.addons[enabled()[0]].preferences


def generate(picture: str) -> list[list[str]]:
    """Generate a model without a service; return the names of the objects, each with its provider."""
    assert bpy.ops.image_to_3d.generate(filepath=picture, provider="offline_shape") == {"FINISHED"}
    return [[each.name, each.get("image_to_3d_provider", "")] for each in bpy.context.scene.objects]


def main() -> None:
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    for repository in bpy.context.preferences.extensions.repos:
        repository.enabled = not repository.use_remote_url  # a test asks nobody else
    names = dict(globals())
    for line in sys.stdin:
        value = eval(line, names)
        print(ANSWER + json.dumps(value), flush=True)
    # Leaving with an add-on enabled crashes the bpy module 4.2 and hangs 4.5.
    os._exit(0)


if __name__ == "__main__":
    main()
