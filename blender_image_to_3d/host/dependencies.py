# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether pydantic works, and if not, who brought the one that does not. Standard library only.

All extensions of a Blender share one folder of packages, and of each package the newest that any of them brings is
there (wheel_manager.py in Blender 4.2 to 5.2). So another extension may replace pydantic, its compiled core, or both;
and what a Blender has imported stays as it was until it is restarted, whatever happens to the files.
"""

from __future__ import annotations

import re
import sys
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from ..errors import BrokenPackage

# Another extension's package may fail with anything; these are what was seen, and their relatives.
WAYS_TO_BREAK = (
    ImportError, AttributeError, TypeError, ValueError, NameError, LookupError, RuntimeError, SystemError, SyntaxError,
    OSError,
)  # fmt: skip

_NEW_ENOUGH = (2, 12)
"""The pydantic that our wheels bring."""
_NAMES = ("pydantic", "pydantic_core")
_MANIFEST = "blender_manifest.toml"
_OURS = Path(__file__).parents[1] / _MANIFEST
_SHARED = ".local/lib/python{}.{}/site-packages".format(*sys.version_info)
"""Where Blender unpacks the wheels of all extensions, in the folder that has them all."""

_DISABLE = "Disable that add-on or update it, and restart Blender."
_INSTALL_AGAIN = "Install Image to 3D again from its zip, and restart Blender."
_PIP = "Install it with: {python} -m pip install --upgrade pydantic."


@dataclass(frozen=True)
class _Place:
    """A folder with packages."""

    folder: Path
    versions: dict[str, str]
    """Of pydantic and its core, as far as the packages say so."""
    core: str | None
    """The version of the core that the pydantic in there needs."""

    @classmethod
    def of(cls, folder: Path) -> _Place:
        found = {str(each.name).lower().replace("-", "_"): each for each in metadata.distributions(path=[str(folder)])}
        needs = found["pydantic"].requires or [] if "pydantic" in found else []
        core = next((each for each in needs if each.startswith(("pydantic-core==", "pydantic_core=="))), "")
        versions = {name: found[name].version for name in _NAMES if name in found}
        return cls(folder, versions, core.partition("==")[2] or None)

    @property
    def is_sound(self) -> bool:
        """Whether it would work in a program that has not imported anything yet."""
        return is_new_enough(self.versions.get("pydantic", "0")) and self.versions.get("pydantic_core") == self.core

    def who_brings(self, name: str) -> str | None:
        """Return the name of another extension that brings what is there of a package; nothing, if none does."""
        return self.who_brought(name, self.versions.get(name))

    def who_brought(self, name: str, version: str | None) -> str | None:
        """Return the name of another extension that has this version of a package; nothing, if none has, or we have."""
        if not self.folder.as_posix().endswith(_SHARED) or (name, version) in _wheels(_read(_OURS)):
            return None
        manifests = map(_read, sorted(self.folder.parents[3].glob(f"*/*/{_MANIFEST}")))
        return next((str(each.get("name")) for each in manifests if (name, version) in _wheels(each)), None)


@cache  # of success alone
def check() -> None:
    """Import what our models stand on.

    Raises:
        BrokenPackage: it does not work, and why, as far as that can be known.
    """
    try:
        _try_pydantic()
    except WAYS_TO_BREAK as error:
        raise explain(error) from error


def _try_pydantic() -> None:
    # All that our modules need of it, and it imports its parts on demand: from now on this session does not look at
    # the files again, which Blender may replace at any time.
    from pydantic import (  # noqa: F401
        VERSION,
        AfterValidator,
        AwareDatetime,
        BaseModel,
        BeforeValidator,
        ConfigDict,
        Field,
        JsonValue,
        ValidationError,
        ValidatorFunctionWrapHandler,
        WrapValidator,
        model_validator,
    )

    if not is_new_enough(VERSION):
        raise ImportError(f"pydantic {VERSION} is too old")

    class Sample(BaseModel):
        value: JsonValue
        when: AwareDatetime | None = Field(default=None, strict=True)

    Sample.model_validate_json('{"value": 1}').model_dump_json()


def is_new_enough(version: str) -> bool:
    """Whether a pydantic of this version may work."""
    numbers = re.match(r"(\d+)\.(\d+)", version)
    return numbers is not None and tuple(map(int, numbers.groups())) >= _NEW_ENOUGH


def explain(error: Exception) -> BrokenPackage:
    """Return what is wrong with pydantic, and what to do."""
    folder = _folder()
    if folder is None or (isinstance(error, ModuleNotFoundError) and error.name in _NAMES):
        return BrokenPackage('The Python package "pydantic" is missing.', hint=_hint(_INSTALL_AGAIN))
    place = _Place.of(folder)
    if place.is_sound and (used := _used_instead(place)) is not None:
        return _replaced(*used, place)
    for name in _NAMES:
        if (other := place.who_brings(name)) is not None:
            version = place.versions[name]
            return BrokenPackage(
                f'The add-on "{other}" brings the Python package "{name}" {version}, which does not work here.',
                hint=_DISABLE,
            )
    return BrokenPackage(
        f'The Python package "pydantic" ({folder / "pydantic"}) does not work; perhaps another add-on brought it.',
        hint=_hint(_DISABLE),
    )


def _replaced(name: str, version: str, place: _Place) -> BrokenPackage:
    """This program imported a package before Blender put another version in its place."""
    if (other := place.who_brought(name, version)) is None:
        return BrokenPackage(
            f'Blender still uses "{name}" {version}, which another add-on brought.', hint="Restart Blender."
        )
    return BrokenPackage(
        f'Blender still uses "{name}" {version}, which the add-on "{other}" brought.', hint="Restart Blender."
    )


def _hint(in_blender: str) -> str:
    return in_blender if _OURS.exists() else _PIP.format(python=Path(sys.executable).name)


def _folder() -> Path | None:
    """Return the folder in which Python finds, or found, pydantic."""
    origin = getattr(sys.modules.get("pydantic"), "__file__", None)
    if origin is None and (spec := PathFinder.find_spec("pydantic")) is not None:
        origin = spec.origin
    return Path(origin).parent.parent if origin else None


def _used_instead(place: _Place) -> tuple[str, str] | None:
    """Return a package that was imported, and its version, if another one is there now."""
    for name in _NAMES:
        # What failed to be imported leaves those of its modules behind that did not fail.
        for module in (f"{name}.version", name):
            there = sys.modules.get(module)
            version = getattr(there, "VERSION", None) or getattr(there, "__version__", None)
            if isinstance(version, str) and version != place.versions.get(name):
                return name, version
    return None


def _wheels(manifest: dict[str, Any]) -> set[tuple[str, str]]:
    """Return the names and versions of the packages that an extension brings."""
    files = [str(wheel).rpartition("/")[2].split("-") for wheel in manifest.get("wheels", ())]
    return {(parts[0].lower(), parts[1]) for parts in files if len(parts) > 1}


def _read(manifest: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(manifest.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
