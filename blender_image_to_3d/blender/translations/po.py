# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of gettext's .po format, as far as they are needed here: no contexts, no plurals."""

from __future__ import annotations

import json
import re
from pathlib import Path

_TEXT = r'(".*"(?:\n".*")*)'
_ENTRY = re.compile(rf"^msgid {_TEXT}\nmsgstr {_TEXT}$", re.MULTILINE)


def read(path: Path) -> dict[str, str]:
    """Return the translations of a file; what has none yet is left out, and so is the head. Raises `OSError`."""
    entries = _ENTRY.findall(path.read_text(encoding="utf-8"))
    return {_text(source): _text(translation) for source, translation in entries if '""' not in (source, translation)}


def entry(text: str, translation: str = "", place: str = "") -> str:
    """Return the lines of one text. place: where it is shown."""
    comment = f"#: {place}\n" if place else ""
    return f"{comment}msgid {_quoted(text)}\nmsgstr {_quoted(translation)}\n"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _text(lines: str) -> str:
    """Return what is quoted, on one line or on several."""
    if "\\" not in lines and "\n" not in lines:
        return lines[1:-1]
    return "".join(json.loads(line) for line in lines.splitlines())
