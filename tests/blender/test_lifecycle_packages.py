# SPDX-License-Identifier: GPL-3.0-or-later
"""Another extension that brings pydantic too, older or newer, whole or a part: which one works, and what is said.

Blender 4.2, 4.5, 5.0 and 5.2 do the same: of every package the newest that an enabled extension brings is there for all
of them; and what a session has imported stays until it ends.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import bpy
import pytest

from ..conftest import PACKAGE
from ..other_extension import OTHER, lay_out, wheels
from .own_blender import OwnBlender
from .test_lifecycle import archive, own, picture

__all__ = ("archive", "own", "picture")

STILL = re.compile(
    rf'Blender still uses "(pydantic|pydantic_core)" [\d.]+, which the add-on "{OTHER}" brought\. Restart Blender\.'
)
BRINGS = re.compile(
    rf'The add-on "{OTHER}" brings the Python package "(pydantic|pydantic_core)" [\d.]+, which does not work here\. '
    r"Disable that add-on or update it, and restart Blender\."
)


def other_extension(folder: Path, brought: list[Path], imports: str = "") -> Path:
    """Build another extension with Blender's own tool."""
    source, target = lay_out(folder, brought, imports), folder / "other.zip"
    tool = Path(bpy.utils.system_resource("SCRIPTS"), "addons_core", "bl_pkg", "cli", "blender_ext.py")
    command = [sys.executable, tool, "build", f"--source-dir={source}", f"--output-filepath={target}"]
    subprocess.run(command, check=True, capture_output=True)
    return target


def asked(own: OwnBlender, picture: str, before: str = "") -> dict[str, Any]:
    """Return what everything says that needs pydantic, in a new session; before: what happens in it first."""
    words = ["jobs", "list"]
    session = own.run(
        f"{before}\n"
        "panels = [getattr(bpy.types, each) for each in dir(bpy.types) if each.startswith('IMAGE_TO_3D_PT')]\n"
        "drawn = [panel.__name__ for panel in panels if not hasattr(panel, 'poll') or panel.poll(bpy.context)]\n"
        "preferences = bpy.context.preferences.addons[OURS].preferences\n"
        "said = {'form': module('blender.form.scene_form').ensure(), 'drawn': drawn, 'key': preferences.key_meshy,\n"
        "        'library': preferences.library,\n"
        f"        'generate': attempt(bpy.ops.image_to_3d.generate, filepath={picture!r}),\n"
        "        'refresh': attempt(bpy.ops.image_to_3d.refresh),\n"
        "        'check': attempt(bpy.ops.image_to_3d.forget_key, provider='meshy'),\n"
        f"        'status': module('blender.registration').run_command({words!r})}}\n"
        "say(said)"
    )
    return {**session.said, "output": session.output}


def assert_works(said: dict[str, Any]) -> None:
    assert (said["form"], said["generate"], said["refresh"], said["status"]) == (None, "", "", 0), said


def assert_says(pattern: re.Pattern[str], said: dict[str, Any]) -> None:
    """The same sentence everywhere, and what needs no pydantic is there."""
    assert said["form"] is not None and pattern.fullmatch(said["form"]), said
    for place in ("generate", "refresh", "check", "output"):
        assert said["form"] in said[place], (place, said)
    assert said["status"] == 2
    assert "IMAGE_TO_3D_PT_main" in said["drawn"] and said["library"] and said["key"] == ""


@pytest.mark.once
@pytest.mark.parametrize("kind", ["1", "older"])
def test_an_older_one_that_is_in_use_takes_a_restart(
    own: OwnBlender, archive: Path, picture: str, tmp_path: Path, kind: str
) -> None:
    other = other_extension(tmp_path, wheels(kind), "import pydantic")
    own.run(f"install({str(other)!r})")

    assert_says(STILL, asked(own, picture, f"install({str(archive)!r})"))

    assert_works(asked(own, picture))
    assert_works(asked(own, picture, "disable('other')"))


def test_a_newer_one_is_used(own: OwnBlender, archive: Path, picture: str, tmp_path: Path) -> None:
    other = other_extension(tmp_path, wheels("newest"), "import pydantic")
    own.run(f"install({str(archive)!r})")

    assert_works(asked(own, picture, f"assert not module('blender.form.scene_form').ensure(); install({str(other)!r})"))
    assert_works(asked(own, picture, "import pydantic; assert not pydantic.VERSION.startswith('2.12.')"))
    assert_works(asked(own, picture, "assert not module('blender.form.scene_form').ensure(); uninstall('other')"))
    assert_works(asked(own, picture, "import pydantic; assert pydantic.VERSION.startswith('2.12.')"))


@pytest.mark.once
@pytest.mark.parametrize("part", ["pydantic", "pydantic_core"])
@pytest.mark.parametrize("first", ["ours", "the other"])
def test_a_part_of_another_one_is_told_by_the_name_of_who_brought_it(
    own: OwnBlender, archive: Path, picture: str, tmp_path: Path, part: str, first: str
) -> None:
    brought = [each for each in wheels("newest") if each.name.startswith(f"{part}-")]
    other = other_extension(tmp_path, brought)
    if first == "ours":
        # What this session has imported works. What begins with the new mixture says why it cannot.
        own.run(f"install({str(archive)!r})")
        said = asked(own, picture, f"assert not module('blender.form.scene_form').ensure(); install({str(other)!r})")
        assert said["form"] is None and f'The add-on "{OTHER}" brings' in said["generate"], said
    else:
        own.run(f"install({str(other)!r})")
        assert_says(BRINGS, asked(own, picture, f"install({str(archive)!r})"))

    assert_says(BRINGS, asked(own, picture))
    assert_says(
        STILL, asked(own, picture, "module('blender.form.scene_form').ensure(); disable('other'); disable(); enable()")
    )
    assert_works(asked(own, picture))
    assert f"{PACKAGE}" in own.run("say(enabled())").said


def test_a_worker_says_it_too(own: OwnBlender, archive: Path, tmp_path: Path) -> None:
    brought = [each for each in wheels("newest") if each.name.startswith("pydantic_core-")]
    own.run(f"install({str(archive)!r}); install({str(other_extension(tmp_path, brought))!r})")
    bootstrap = own.resources / "extensions" / "user_default" / PACKAGE / "bootstrap.py"
    command = [sys.executable, "-I", "-S", bootstrap, own.packages, "--", "worker", tmp_path]
    worker = subprocess.run(command, capture_output=True, text=True, env=own.environment, stdin=subprocess.DEVNULL)
    assert worker.returncode == 2 and BRINGS.fullmatch(worker.stderr.strip()), worker.stderr
