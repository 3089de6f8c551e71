# SPDX-License-Identifier: GPL-3.0-or-later
"""Another extension, of somebody else, that brings packages of which we have other versions."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import ROOT

NEEDS = {"1": "pydantic<2", "older": "pydantic>=2.8,<2.9", "newest": "pydantic"}
OTHER = "Other Thing"
MANIFEST = f"""schema_version = "1.0.0"
id = "other"
version = "1.0.0"
name = "{OTHER}"
tagline = "Brings packages"
maintainer = "Somebody"
type = "add-on"
blender_version_min = "4.2.0"
license = ["SPDX:GPL-3.0-or-later"]
"""
CODE = "{imports}\ndef register(): pass\ndef unregister(): pass\n"


def wheels(kind: str, python: str = "{}.{}".format(*sys.version_info[:2])) -> list[Path]:
    """Return wheels as they are on the package index, for this Python or another one; kept from run to run."""
    kept = ROOT / ".venv" / "wheels" / f"other-{python}-{kind}"
    if not kept.is_dir():
        draft = kept.with_name(f"{kept.name}~")
        shutil.rmtree(draft, ignore_errors=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        command += ["--only-binary=:all:", f"--python-version={python}", f"--dest={draft}", NEEDS[kind]]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"pip cannot download {NEEDS[kind]}: {done.stderr.strip()[-300:]}")
        draft.rename(kept)
    return sorted(kept.glob("*.whl"))


def lay_out(folder: Path, brought: list[Path], imports: str = "") -> Path:
    """Write what Blender's own tool makes a zip of, and return its folder."""
    source = folder / "other"
    (source / "wheels").mkdir(parents=True)
    for wheel in brought:
        shutil.copy(wheel, source / "wheels")
    listed = ", ".join(f'"./wheels/{wheel.name}"' for wheel in brought)
    (source / "blender_manifest.toml").write_text(f"{MANIFEST}wheels = [{listed}]\n")
    (source / "__init__.py").write_text(CODE.format(imports=imports))
    return source
