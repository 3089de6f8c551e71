# SPDX-License-Identifier: GPL-3.0-or-later
"""Program for a child Blender: import results into .blend files, one after the other, until its input ends.

    blender --background --factory-startup … --python import_program.py -- FOLDER NAME DEPENDENCIES…

Standard input has one JSON object a line: {"number", "task"} becomes FOLDER/number.json, which says what came of it,
and {"remove"} names a file in FOLDER that is not needed any more. FOLDER/NAME appears when it is ready for the first
one. The end of the input means that the Blender that started it is gone: then FOLDER goes as well.

Standard library and bpy only, until the folders of the dependencies are known; see bootstrap.py.
"""

from __future__ import annotations

import faulthandler
import importlib
import importlib.util
import json
import os
import shutil
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

import bpy  # noqa: F401 - as a module, it must be there before our package

NO_ROOM = 73
"""Exit status: not even an answer could be written. import_process.py knows it."""
BROKEN = 74
"""Exit status: pydantic does not work, and FOLDER/broken says why."""

_LONGEST_TASK_SECONDS = 660.0
"""Whoever asked has given up before; this is for a task that hangs while nobody is there any more."""


def _load(folder: Path, dependencies: list[str]) -> ModuleType:
    """Load our package from where this file lies, as bootstrap.py does."""
    sys.path = [*dependencies, *sys.path]
    spec = importlib.util.spec_from_file_location(folder.name, folder / "__init__.py")
    if spec is None or spec.loader is None:
        raise ImportError(f"no package in {folder}")
    package = importlib.util.module_from_spec(spec)
    sys.modules[folder.name] = package
    spec.loader.exec_module(package)
    return package


def _check(package: ModuleType, folder: Path) -> None:
    """End with a sentence if the dependencies do not work."""
    dependencies = importlib.import_module(f"{package.__name__}.host.dependencies")
    try:
        dependencies.check()
    except dependencies.BrokenPackage as error:
        _write(folder / "broken", json.dumps([str(error), error.hint]))
        sys.exit(BROKEN)


def _work(import_task: ModuleType, folder: Path, lines: BinaryIO) -> None:
    for line in iter(lines.readline, b""):
        message = json.loads(line)
        if "remove" in message:
            (folder / message["remove"]).unlink(missing_ok=True)
            continue
        number = message["number"]
        faulthandler.dump_traceback_later(_LONGEST_TASK_SECONDS, exit=True)
        answer = import_task.answer(message["task"], folder / f"{number}.blend")
        faulthandler.cancel_dump_traceback_later()
        try:
            _write(folder / f"{number}.json", json.dumps(answer))
        except OSError:
            sys.exit(NO_ROOM)


def _write(path: Path, text: str) -> None:
    draft = path.with_name(path.name + "~")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def main() -> int:
    folder, name, *dependencies = sys.argv[sys.argv.index("--") + 1 :]
    package = _load(Path(__file__).resolve().parents[2], dependencies)
    _check(package, Path(folder))
    import_task = importlib.import_module(f"{package.__name__}.blender.importing.import_task")
    import_task.begin()
    _write(Path(folder, name), "")
    with open(0, "rb", closefd=False) as lines:
        _work(import_task, Path(folder), lines)
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    status = 1
    try:
        status = main()
    except SystemExit as end:
        status = end.code if end.code in {NO_ROOM, BROKEN} else 1
    except BaseException:  # noqa: BLE001 - whatever it is, this process ends here
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # Without tearing Blender down: as a module, some versions crash or hang then.
        os._exit(status)
