# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests inside a real Blender, of the installed extension: the zip, not the checkout."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import bpy
import pytest

EXTENSION = "bl_ext.user_default.blender_image_to_3d"


def _installed_package() -> ModuleType:
    """Enable the extension, and make sure that no test gets the checkout instead."""
    import addon_utils  # found only after bpy

    addon_utils.enable(EXTENSION, default_set=True)
    module = importlib.import_module(EXTENSION)
    installed = Path(os.environ["BLENDER_USER_RESOURCES"])
    assert Path(str(module.__file__)).is_relative_to(installed), "not the installed extension"
    sys.modules["blender_image_to_3d"] = module
    return module


PACKAGE = _installed_package()


@pytest.fixture(scope="session")
def package() -> ModuleType:
    """The package as Blender installed it."""
    return PACKAGE


@pytest.fixture(autouse=True)
def empty_scene(package: ModuleType) -> Iterator[None]:
    """Every test begins with a new file, and leaves nothing that the next one could trip over."""
    import addon_utils

    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    if EXTENSION not in bpy.context.preferences.addons.keys():
        addon_utils.enable(EXTENSION, default_set=True)
    yield


_exit_status = 0


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    global _exit_status
    _exit_status = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave without tearing Blender down: with a class registered, the bpy module 4.2 crashes and 4.5 hangs."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(_exit_status)
