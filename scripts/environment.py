# SPDX-License-Identifier: GPL-3.0-or-later
"""What the scripts stand on: Pythons, virtual environments, Blenders. Everything they make lies in .venv/."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".venv"
BPY_PYTHONS = {"4.2.23": "3.11", "4.5.15": "3.11", "5.0.1": "3.11", "5.2.3": "3.13"}
"""The bpy modules that everything is tested on, and the Python that each is made for."""

OLDEST_BLENDER = (4, 2)
EXTENSION = "bl_ext.user_default.blender_image_to_3d"
# What the bpy module links to, and a machine without a desktop lacks.
DEBIAN_LIBRARIES = (
    "libx11-6 libxi6 libxxf86vm1 libxfixes3 libxrender1 libxkbcommon0 libsm6 libice6 libgl1 libegl1 libgomp1"
).split()


def give_up(sentence: str) -> NoReturn:
    """End the script with one sentence."""
    print(f"{Path(sys.argv[0]).name}: {sentence}", file=sys.stderr)
    sys.exit(1)


if sys.version_info < (3, 11):  # noqa: UP036 - whoever starts a script may have any Python
    give_up("this Python is older than 3.11. Run the script with a newer one: python3.11 scripts/…")

import tomllib  # noqa: E402 - an older Python has none


def read_toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def find_python(version: str) -> Path | None:
    """Return a Python of this minor version, or nothing: running, on PATH, or pyenv's."""
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        return Path(sys.executable)
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    on_path = shutil.which(f"python{version}")
    candidates = [Path(on_path)] if on_path else []
    for candidate in [*candidates, *pyenv.glob(f"versions/{version}.*/bin/python{version}")]:
        # pyenv's shims exist for Pythons that are not active, and fail.
        if subprocess.run([candidate, "-c", ""], capture_output=True).returncode == 0:
            return candidate
    return None


def last_line(text: str) -> str:
    """Return what a program said in the end: pip repeats itself before."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it gave no reason")


def requirements(group: str) -> list[str]:
    """Return a dependency group of pyproject.toml."""
    groups = read_toml(ROOT / "pyproject.toml")["dependency-groups"]
    listed: list[str] = []
    for entry in groups[group]:
        listed += requirements(entry["include-group"]) if isinstance(entry, dict) else [entry]
    return listed


def virtual_environment(name: str, version: str, needs: list[str]) -> Path:
    """Return the Python of a virtual environment that has `needs`; made, or made anew, where it has not."""
    folder = HOME / name
    python = folder / "bin" / "python"
    stamp = folder / "stamp"
    wanted = hashlib.sha256("\n".join([version, *needs]).encode()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return python
    base = find_python(version)
    if base is None:
        give_up(f"Python {version} is missing (on Debian and Ubuntu: apt-get install python{version}-venv).")
    shutil.rmtree(folder, ignore_errors=True)
    print(f"setting up {folder.relative_to(ROOT)} …", file=sys.stderr, flush=True)
    if subprocess.run([base, "-m", "venv", folder], capture_output=True).returncode:
        give_up(f"Python {version} cannot make virtual environments: apt-get install python{version}-venv")
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *needs]
    installed = subprocess.run(command, capture_output=True, text=True)
    if installed.returncode:
        give_up(f"pip could not install {' '.join(needs)}: {last_line(installed.stderr)}")
    stamp.write_text(wanted)
    return python


@dataclass(frozen=True)
class Blender:
    """A Blender that runs Python scripts: an installed one, or the bpy module in a Python of its own."""

    version: str
    program: Path
    is_module: bool

    def script(self, script: Path, *arguments: str | Path) -> list[str]:
        """Return the command that runs a script with arguments in it."""
        tail = [str(script), "--", *map(str, arguments)]
        if self.is_module:
            return [str(self.program), *tail]
        return [str(self.program), "--background", "--python-exit-code", "1", "--python", *tail]

    @property
    def resources(self) -> Path:
        """The folder that holds its preferences and extensions, apart from the user's own."""
        return HOME / f"blender-{self.version}"

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "BLENDER_USER_RESOURCES": str(self.resources)}


def bpy_environment(version: str) -> Path:
    """Return the Python of the bpy module of this version; whether it starts is another question."""
    return virtual_environment(f"bpy-{version}", BPY_PYTHONS[version], [f"bpy=={version}", *requirements("blender")])


def bpy_module(version: str) -> Blender:
    """Return the bpy module of this version, with pytest beside it."""
    python = bpy_environment(version)
    _ensure_libraries(python)
    return Blender(version, python, is_module=True)


def any_blender() -> Blender:
    """Return an installed Blender that is new enough, else the newest bpy module that a Python is here for."""
    installed = _installed_blender()
    if installed is not None:
        return installed
    for version, python in reversed(BPY_PYTHONS.items()):
        if find_python(python):
            return bpy_module(version)
    give_up("Neither Blender 4.2 or newer nor Python 3.11 or 3.13 (for the bpy module) is installed.")


def _installed_blender() -> Blender | None:
    program = shutil.which("blender")
    if program is None:
        return None
    answer = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
    found = re.match(r"Blender (\d+)\.(\d+)\.(\d+)", answer)
    if found is None or tuple(map(int, found.groups()[:2])) < OLDEST_BLENDER:
        return None
    return Blender(".".join(found.groups()), Path(program), is_module=False)


def _ensure_libraries(python: Path) -> None:
    """Install, or ask for, the system libraries that the bpy module links to."""
    for attempt in ("first", "after installing"):
        result = subprocess.run([python, "-c", "import bpy"], capture_output=True, text=True)
        if result.returncode == 0:
            return
        is_root = hasattr(os, "geteuid") and os.geteuid() == 0
        if "cannot open shared object file" not in result.stderr:
            give_up(f"the bpy module does not start: {result.stderr.strip()[-300:]}")
        if attempt == "first" and is_root and shutil.which("apt-get"):
            subprocess.run(["apt-get", "update", "-q"], check=False)
            subprocess.run(["apt-get", "install", "-yq", "--no-install-recommends", *DEBIAN_LIBRARIES], check=False)
        else:
            break
    give_up(f"libraries are missing: sudo apt-get install {' '.join(DEBIAN_LIBRARIES)}")


def blender_extension_tool(*words: str | Path) -> None:
    """Run Blender's own tool for extensions, and end the script if it refuses."""
    result = subprocess.run([*_extension_tool(), *map(str, words)], capture_output=True, text=True)
    if result.returncode:
        give_up(f"Blender's tool refuses: {(result.stdout + result.stderr).strip()}")


def check_with_blender(archive: Path) -> None:
    """Let Blender's own tool say whether a zip is an extension, with tags that Blender knows."""
    script = Path(_extension_tool()[-1])
    # Blender itself finds its list of tags.
    tags = script.parents[3] / "modules" / "_bpy_internal" / "extensions" / "tags.py" if script.is_file() else None
    blender_extension_tool("validate", archive, *([f"--valid-tags={tags}"] if tags else []))


@cache
def _extension_tool() -> list[str]:
    """Return its command: from the newest bpy module that is here, else an installed Blender, else a new bpy module."""
    modules = [HOME / f"bpy-{version}" for version in reversed(BPY_PYTHONS)]
    if not any(module.is_dir() for module in modules):
        blender = any_blender()
        if not blender.is_module:
            return [str(blender.program), "--command", "extension"]
    for module in modules:
        for script in module.glob("lib/python*/site-packages/bpy/*/scripts/addons_core/bl_pkg/cli/blender_ext.py"):
            return [sys.executable, str(script)]  # any Python runs it
    give_up("there is no Blender's tool for extensions in the bpy module.")


def build_extension() -> Path:
    """Build the extension for this machine, and return its zip."""
    built = subprocess.run([sys.executable, ROOT / "scripts" / "build", "--here"], stdout=subprocess.PIPE, text=True)
    if built.returncode:
        sys.exit(built.returncode)  # it has said why
    return Path(built.stdout.splitlines()[-1])


def install_extension(blender: Blender) -> Path:
    """Build the extension and install it into the folder that this Blender has for the project; return the zip."""
    archive = build_extension()
    shutil.rmtree(blender.resources, ignore_errors=True)
    command = blender.script(ROOT / "scripts" / "install_extension.py", archive)
    result = subprocess.run(command, env=blender.environment, capture_output=True, text=True)
    if result.returncode:
        give_up(f"Blender {blender.version} does not install the extension: {(result.stdout + result.stderr)[-2000:]}")
    return archive
