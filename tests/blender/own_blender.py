# SPDX-License-Identifier: GPL-3.0-or-later
"""A user with a home and a Blender of their own, in which nothing is installed: for tests of what comes and goes.

As a program it is one session of that Blender: own_blender.py CODE. What the code says with `say` is the last line.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ID = "blender_image_to_3d"
REPOSITORY = "user_default"
PREFIX = f"bl_ext.{REPOSITORY}."
OURS = PREFIX + ID
_SAID = "said: "
# What Blender itself tells.
_USUAL = ("STATUS ", "Info: ", "Saved ", "Read ", "| Writing", "| Read", "| Saved", "Blender quit", "glTF", "Draco")


@dataclass
class Session:
    """What one session of Blender left."""

    said: Any
    output: str

    @property
    def unusual(self) -> list[str]:
        """The lines that Blender does not print by itself."""
        lines = [line for line in self.output.splitlines() if line.strip()]
        return [line for line in lines if not any(each in line for each in _USUAL)]


@dataclass
class OwnBlender:
    """Its folder holds everything that a user has."""

    folder: Path

    def __post_init__(self) -> None:
        for each in (self.home, self.resources, self.temporary):
            each.mkdir(parents=True, exist_ok=True)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def resources(self) -> Path:
        """Where Blender has the preferences and the extensions."""
        return self.folder / "resources"

    @property
    def temporary(self) -> Path:
        return self.folder / "temporary"

    @property
    def library(self) -> Path:
        return self.home / ".local" / "share" / "image_to_3d"

    @property
    def packages(self) -> Path:
        """Where the wheels of all extensions are unpacked."""
        return next((self.resources / "extensions" / ".local").glob("lib/python*/site-packages"))

    @property
    def environment(self) -> dict[str, str]:
        kept = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT")
        return {
            **{name: os.environ[name] for name in kept if name in os.environ},
            "HOME": str(self.home),
            "BLENDER_USER_RESOURCES": str(self.resources),
            "TMPDIR": str(self.temporary),
            "LC_ALL": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def run(self, code: str, **environment: str) -> Session:
        """Start Blender with what was installed and enabled before, and run statements in it."""
        with self.start(code, **environment) as process:
            output, _ = process.communicate(timeout=600)
        assert process.returncode == 0 and "Traceback" not in output, output
        said = [line for line in output.splitlines() if line.startswith(_SAID)]
        rest = "\n".join(line for line in output.splitlines() if not line.startswith(_SAID))
        return Session(json.loads(said[-1].removeprefix(_SAID)) if said else None, rest)

    def start(self, code: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, __file__, code],
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def files(self) -> Iterator[str]:
        """Yield all files that the user has, and the empty folders."""
        for path in sorted(self.folder.rglob("*")):
            if not path.is_dir() or not any(path.iterdir()):
                yield path.relative_to(self.folder).as_posix()


# Inside.


def say(what: object) -> None:
    """Tell the test something that JSON can say."""
    print(f"{_SAID}{json.dumps(what, default=str)}", flush=True)


def install(archive: str) -> None:
    """Install a zip as "Install from Disk" does."""
    import bpy

    bpy.ops.extensions.package_install_files(filepath=archive, repo=REPOSITORY, enable_on_install=True, overwrite=True)


def uninstall(extension: str = ID) -> None:
    import bpy

    repositories = [each.module for each in bpy.context.preferences.extensions.repos]
    bpy.ops.extensions.package_uninstall(repo_index=repositories.index(REPOSITORY), pkg_id=extension)


def enable(extension: str = ID) -> None:
    import bpy

    bpy.ops.preferences.addon_enable(module=PREFIX + extension)


def disable(extension: str = ID) -> None:
    import bpy

    bpy.ops.preferences.addon_disable(module=PREFIX + extension)


def enabled() -> list[str]:
    """Return the extensions that are enabled."""
    import bpy

    names = bpy.context.preferences.addons.keys()
    return sorted(name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX))


def module(name: str) -> Any:
    """Return a module of the extension."""
    import importlib

    return importlib.import_module(f"{OURS}.{name}")


def attempt(operator: Any, **words: object) -> str:
    """Call an operator, and return what it reports when it fails."""
    try:
        operator(**words)
    except RuntimeError as error:
        return str(error)
    return ""


def _begin(kept: Path) -> None:
    """Do what Blender does when it starts, and the bpy module does not: enable what was enabled."""
    import bpy  # isort: skip
    import addon_utils  # found only after bpy

    if bpy.app.version >= (4, 5):  # the bpy module 4.2 crashes
        bpy.ops.wm.read_userpref()
        return
    names = json.loads(kept.read_text()) if kept.exists() else []
    for name in names:
        bpy.context.preferences.addons.new().module = PREFIX + name
    addon_utils.extensions_refresh()
    for name in names:
        addon_utils.enable(PREFIX + name, default_set=False)


def main() -> None:
    kept = Path(os.environ["BLENDER_USER_RESOURCES"]).parent / "enabled.json"
    _begin(kept)
    import bpy

    exec(sys.argv[1], {**globals(), "bpy": bpy})
    bpy.ops.wm.save_userpref()
    kept.write_text(json.dumps(enabled()))


if __name__ == "__main__":
    status = 1
    try:
        main()
        status = 0
    except BaseException:  # noqa: BLE001 - whatever it is, the test shall see it
        import traceback

        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    # Leaving with an add-on enabled crashes the bpy module 4.2 and hangs 4.5.
    os._exit(status)
