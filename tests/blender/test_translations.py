# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be tested of the translations in a bpy module, which knows no languages; tests/gui has the rest."""

from __future__ import annotations

import time
from types import ModuleType
from typing import Any

import pytest

from . import given


@pytest.fixture
def translations(package: ModuleType) -> Any:
    return given.module(package, "blender.translations")


def test_what_is_unknown_stays_as_it_is(package: ModuleType) -> None:
    texts = given.module(package, "blender.interface.texts")
    for text in ("", "Nobody has ever said this.", "{", "a {b} c"):
        assert texts.tr(text) == texts.tr_problem(text) == text


def test_every_sentence_with_blanks_is_found_again(translations: Any) -> None:
    """Whichever other sentences there are, each is known by its own words."""
    for pattern, text in translations._patterns():
        filled = text.format(**{name: f"<{name}>" for name in pattern.groupindex})
        first = next(each for each, _ in translations._patterns() if each.fullmatch(filled))
        assert first is pattern, f"{filled} is taken for {first.pattern}"


def test_it_is_registered_quickly(translations: Any) -> None:
    seconds = []
    for _ in range(5):
        translations.unregister()
        started = time.process_time()
        translations.register()
        seconds.append(time.process_time() - started)
    assert min(seconds) < 0.03, "CPU seconds; enabling the add-on takes a tenth of a second"
