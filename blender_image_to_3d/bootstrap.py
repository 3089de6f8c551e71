# SPDX-License-Identifier: GPL-3.0-or-later
"""Run this package from an isolated Python: ``python -I -S bootstrap.py FOLDER… -- worker JOB``.

It stays where it lies: a process that began before an upgrade of the add-on, such as a batch, starts the new version by
this path.

Blender starts its Python with ``-I``: no current folder, no PYTHONPATH, and the package's real name there
(``bl_ext.user_default.blender_image_to_3d``) does not exist. So the package is loaded from where this file lies, under
its own name, and the folders in front of ``--`` are where its dependencies are found. They come before what this
Python has installed, as in Blender: Linux distributions start Blender with the system's Python, and its packages may be
older than the wheels need. With ``-S`` that is not in sys.path yet.
"""

import importlib.util
import site
import sys
from pathlib import Path


def _load(folder: Path) -> None:
    """Put the package into sys.modules without putting its neighbours on sys.path."""
    spec = importlib.util.spec_from_file_location(folder.name, folder / "__init__.py")
    if spec is None or spec.loader is None:
        raise ImportError(f"no package in {folder}")
    package = importlib.util.module_from_spec(spec)
    sys.modules[folder.name] = package
    spec.loader.exec_module(package)


def main() -> int:
    folder = Path(__file__).resolve().parent
    split = sys.argv.index("--")
    # This file's own folder comes first on sys.path where -I is not given, and would hide modules of other names.
    sys.path = [*(entry for entry in sys.path if entry != str(folder)), *sys.argv[1:split]]
    site.main()
    _load(folder)
    command_line = importlib.import_module(f"{folder.name}.cli.main")
    status: int = command_line.main(sys.argv[split + 1 :])
    return status


if __name__ == "__main__":
    sys.exit(main())
