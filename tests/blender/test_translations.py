# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender makes of our translations."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator
from types import ModuleType

import bpy
import pytest

from .conftest import EXTENSION

texts = importlib.import_module(f"{EXTENSION}.blender.texts")
translations = importlib.import_module(f"{EXTENSION}.blender.translations")

CODES = {"de_DE": "de", "fr_FR": "fr", "es": "es", "ja_JP": "ja", "zh_HANS": "zh_HANS"}
"""What Blender calls its languages from 4.2 to 5.2, and our files."""


@pytest.fixture
def speak() -> Iterator[Callable[[str], None]]:
    """Choose a language, and go back to English in the end."""
    view = bpy.context.preferences.view
    try:
        view.language = "de_DE"
    except TypeError:
        pytest.skip("this bpy module has no languages: only a whole Blender shows what they say")

    def choose(code: str) -> None:
        view.language = code
        view.use_translate_interface = view.use_translate_tooltips = True

    yield choose
    view.language = "en_US"


@pytest.mark.parametrize("code", CODES)
def test_blender_says_what_the_file_says(speak: Callable[[str], None], code: str) -> None:
    speak(code)
    for text, translation in translations.po.read(translations.languages()[CODES[code]]).items():
        assert texts.tr(text) == translation


def test_a_sentence_of_the_core(speak: Callable[[str], None]) -> None:
    speak("de_DE")
    assert texts.tr_problem('"cup.png" is a folder, not a picture.') == '"cup.png" ist ein Ordner, kein Bild.'
    full = texts.tr_problem("The library /a {b} cannot be written: the disk is full.")
    assert full == "In die Bibliothek /a {b} kann nicht geschrieben werden: der Datenträger ist voll."


def test_what_is_unknown_stays_as_it_is() -> None:
    for text in ("", "Nobody has ever said this.", "{", "a {b} c"):
        assert texts.tr(text) == texts.tr_problem(text) == text


def test_every_sentence_with_blanks_is_found_again() -> None:
    """Whichever other sentences there are, each is known by its own words."""
    for pattern, text in translations._patterns():
        filled = text.format(**{name: f"<{name}>" for name in pattern.groupindex})
        first = next(each for each, _ in translations._patterns() if each.fullmatch(filled))
        assert first is pattern, f"{filled} is taken for {first.pattern}"


@pytest.mark.skipif(not bpy.app.build_options.international, reason="this bpy module knows no languages")
def test_nothing_is_left_behind(package: ModuleType) -> None:
    assert _is_registered()
    for _ in range(10):
        package.unregister()
        assert not _is_registered()
        package.register()
        assert _is_registered()


def test_it_is_registered_quickly() -> None:
    seconds = []
    for _ in range(5):
        translations.unregister()
        started = time.process_time()
        translations.register()
        seconds.append(time.process_time() - started)
    assert min(seconds) < 0.03, "CPU seconds; enabling the add-on takes a tenth of a second"


def _is_registered() -> bool:
    """Blender tells by refusing to register a name twice."""
    try:
        bpy.app.translations.register(EXTENSION, {})
    except ValueError:
        return True
    bpy.app.translations.unregister(EXTENSION)
    return False
