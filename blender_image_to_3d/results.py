# SPDX-License-Identifier: GPL-3.0-or-later
"""What arrived from a service: known by its bytes, whatever its name or its content type say."""

from __future__ import annotations

from pathlib import Path

from .errors import BadResult
from .http import said
from .mesh import formats


def named_by_content(path: Path) -> str:
    """Give a file the ending that its bytes call for, and return its new name.

    Raises:
        BadResult: it is no model; what it says instead is quoted.
    """
    with path.open("rb") as file:
        head = file.read(formats.HEAD_SIZE)
    kind = formats.detect(head, path.stat().st_size)
    if kind is None or not kind.is_mesh:
        what = "is empty" if not head else f"is not a model but {_called(kind)}"
        quote = f': "{said(head)}"' if kind in {formats.Format.HTML, formats.Format.JSON} and said(head) else ""
        raise BadResult(f"What the service made {what}{quote}.")
    target = path.with_name(path.name.partition(".")[0] + kind.suffix)
    path.replace(target)
    return target.name


def _called(kind: formats.Format | None) -> str:
    match kind:
        case formats.Format.HTML:
            return "a web page"
        case formats.Format.JSON:
            return "a message"
        case formats.Format.ZIP:
            return "an archive"
        case _:
            return "something unknown"
