# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line inside Blender: blender --background --python scripts/image_to_3d.py -- generate cup.png …

Uses the installed extension, or the checkout that this file lies in. Also runs in a Python that has the bpy module.
"""

import importlib
import os
import sys
import traceback
from pathlib import Path

import bpy

PACKAGE = "blender_image_to_3d"


def installed_package() -> str:
    """Return the name under which Blender knows the extension; of the checkout if it is not installed."""
    preferences = bpy.context.preferences
    for repository in preferences.extensions.repos:
        name = f"bl_ext.{repository.module}.{PACKAGE}"
        if not bpy.app.binary_path and (Path(repository.directory) / PACKAGE).is_dir():
            import addon_utils  # found only after bpy

            addon_utils.enable(name, default_set=True)  # the bpy module starts without the user's preferences
        if name in preferences.addons:
            return name
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    return PACKAGE


def arguments() -> list[str]:
    """Return what follows ``--``; in a plain Python everything is ours."""
    if "--" in sys.argv:
        return sys.argv[sys.argv.index("--") + 1 :]
    return [] if bpy.app.binary_path else sys.argv[1:]


def main() -> int:
    command = importlib.import_module(f"{installed_package()}.blender.command")
    status: int = command.run(arguments(), program="scripts/image_to_3d.py --")
    return status


if __name__ == "__main__":
    try:
        exit_status = main()
    except SystemExit as stop:  # argparse: wrong words, or --help
        exit_status = stop.code if isinstance(stop.code, int) else 2
    except Exception:  # noqa: BLE001 - Blender itself would end with 0
        traceback.print_exc()
        exit_status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    # Blender would print, and the bpy module may hang, while it tears itself down with the add-on still enabled.
    os._exit(exit_status)
