# SPDX-License-Identifier: GPL-3.0-or-later
"""The texts of the window in other languages, one .po file for each; no text is here that the code does not show.

A text that is missing is shown in English. `scripts/translations` says what is missing, ready to be filled in.
Only what talks to Blender imports bpy: tests and scripts read the files without it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from .. import EXTENSION
from . import po

CONTEXT = "Image to 3D"
"""Of what we have translated ourselves; see texts.py."""

_CONTEXTS = (CONTEXT, "*", "Operator")
"""The others are Blender's: of what it draws by itself, and of the labels of operators."""
_FOLDER = Path(__file__).parent
_BLANK = re.compile(r"{(\w+)}")
_FEWEST_LETTERS = 6
"""Of its own, by which a sentence with blanks can be told from others."""
_OWN_WORDS = {"called", "error", "message", "reason", "size", "why"}
"""Blanks that are filled with words of ours; the others hold names and numbers."""


def languages() -> dict[str, Path]:
    """Return the files by what Blender calls their languages; "de" is for all kinds of German."""
    return {path.stem: path for path in sorted(_FOLDER.glob("*.po"))}


def register() -> None:
    """Tell Blender all texts in all languages: which one it needs changes when the user chooses another one."""
    import bpy

    bpy.app.translations.register(EXTENSION, {name: _with_contexts(path) for name, path in languages().items()})


def unregister() -> None:
    """Take them back."""
    import bpy

    bpy.app.translations.unregister(EXTENSION)
    _translated.cache_clear()


def of_sentence(sentence: str) -> str:
    """Return what was made in English, with names and numbers in it, in the language that the user reads."""
    import bpy

    return _translated(sentence, bpy.app.translations.locale)


def _with_contexts(path: Path) -> dict[tuple[str, str], str]:
    return {(context, text): translation for text, translation in po.read(path).items() for context in _CONTEXTS}


@lru_cache(maxsize=256)
def _translated(sentence: str, locale: str) -> str:
    import bpy

    whole: str = bpy.app.translations.pgettext_iface(sentence, CONTEXT)
    if whole != sentence:
        return whole
    for pattern, text in _patterns():
        if match := pattern.fullmatch(sentence):
            template: str = bpy.app.translations.pgettext_iface(text, CONTEXT)
            parts = match.groupdict()
            own = {name: _translated(part, locale) for name, part in parts.items() if name in _OWN_WORDS}
            return template.format(**parts | own) if template != text else sentence
    return sentence


@lru_cache(maxsize=1)
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Return what finds each sentence that has blanks, those with the most words of their own first."""
    texts = {text for path in languages().values() for text in po.read(path) if _BLANK.search(text)}
    own = {text: _BLANK.sub("", text) for text in texts}
    usable = [text for text in texts if len(re.findall(r"\w", own[text])) >= _FEWEST_LETTERS]
    ranked = sorted(usable, key=lambda text: (-len(own[text]), text))
    return tuple((re.compile(_pattern(text), re.DOTALL), text) for text in ranked)


def _pattern(text: str) -> str:
    """Return what matches the text with anything in its blanks."""
    parts = _BLANK.split(text)
    return "".join(f"(?P<{part}>.*?)" if number % 2 else re.escape(part) for number, part in enumerate(parts))
