# SPDX-License-Identifier: GPL-3.0-or-later
"""The zip of the extension: what goes into it, and always as the same bytes.

Blender's own builder takes whatever lies in the folder, in the order and with the times, modes and time zone that it
finds there. So Blender's tool only judges what is written here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import zipfile
from pathlib import Path

from environment import ROOT, give_up, read_toml

PACKAGE = "blender_image_to_3d"
MANIFEST = "blender_manifest.toml"
SOURCES = (PACKAGE, "LICENSE", MANIFEST)
_EARLIEST = 315532800
"""1980, when the time of zip files begins."""


def archive_name(platform: str | None) -> str:
    """Return the name of the zip for a platform, or of the one for all."""
    manifest = read_toml(ROOT / MANIFEST)
    return "-".join([manifest["id"], manifest["version"], *([platform] if platform else [])]) + ".zip"


def write_archive(target: Path, platform: str | None, wheels: list[Path]) -> None:
    """Write the zip for a platform, or for all of them: the same files, date and wheels make the same bytes."""
    files = source_files()
    content = {path.relative_to(ROOT).as_posix().removeprefix(f"{PACKAGE}/"): path.read_bytes() for path in files}
    content |= {f"wheels/{wheel.name}": wheel.read_bytes() for wheel in wheels}
    content[MANIFEST] = _manifest(platform, wheels).encode()
    moment = time.gmtime(max(source_date(files), _EARLIEST))[:6]
    temporary = target.with_name(f".{os.getpid()}-{target.name}")
    with zipfile.ZipFile(temporary, "w") as archive:
        for name in sorted(content):
            entry = zipfile.ZipInfo(name, moment)
            entry.create_system = 3  # Unix: the mode is for it
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_STORED if name.endswith(".whl") else zipfile.ZIP_DEFLATED
            archive.writestr(entry, content[name], compresslevel=9)
    temporary.replace(target)


def source_files() -> list[Path]:
    """Return what goes in besides the wheels: what git tracks.

    An unpacked source archive has nothing else, but for Python's caches.
    """
    if _is_checkout():
        names = _git("ls-files", "-z", "--", *SOURCES).split("\0")
        return [path for path in (ROOT / name for name in names if name) if path.is_file()]
    found = [*(ROOT / PACKAGE).rglob("*"), ROOT / "LICENSE", ROOT / MANIFEST]
    return [path for path in found if path.is_file() and "__pycache__" not in path.parts]


def source_date(files: list[Path]) -> int:
    """Return the time of the sources: SOURCE_DATE_EPOCH, or the commit's, which is that of a source archive's files."""
    if "SOURCE_DATE_EPOCH" in os.environ:
        return int(os.environ["SOURCE_DATE_EPOCH"])
    if _is_checkout():
        return int(_git("log", "-1", "--format=%ct"))
    return max(int(path.stat().st_mtime) for path in files)


def untracked() -> list[str]:
    """Return the files that look like the extension's and stay out, because git does not track them."""
    return [name for state, name in _status() if state == "??"]


def uncommitted() -> list[str]:
    """Return the files that go in, or are missing, and are not as in the commit."""
    return [name for state, name in _status() if state != "??"]


def _manifest(platform: str | None, wheels: list[Path]) -> str:
    """Return the manifest with what only the zip knows: its platform and its wheels."""
    lines = [f'platforms = ["{platform}"]'] if platform else []
    lines += ["wheels = [", *(f'    "./wheels/{wheel.name}",' for wheel in wheels), "]"]
    head, permissions, tail = (ROOT / MANIFEST).read_text(encoding="utf-8").partition("[permissions]")
    return head + "\n".join(lines) + "\n\n" + permissions + tail


def _status() -> list[tuple[str, str]]:
    """Return the state, in git's two letters, and the name of every file that differs from the commit."""
    if not _is_checkout():
        return []
    lines = _git("status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--", *SOURCES).split("\0")
    return [(line[:2], line[3:]) for line in lines if line]


def _is_checkout() -> bool:
    return (ROOT / ".git").exists()


def _git(*words: str) -> str:
    if shutil.which("git") is None:
        give_up("git is missing: it knows which files are the extension's, and from when they are.")
    answer = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
    if answer.returncode:
        give_up(f"git does not say what belongs to the extension: {answer.stderr.strip()}")
    return answer.stdout
