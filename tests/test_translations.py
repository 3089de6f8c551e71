# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether every text of the window is there in every language, and fit to stand in its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from blender_image_to_3d.blender import translations
from blender_image_to_3d.blender.translations import po

from . import translatable

LANGUAGES = ("de", "es", "fr", "ja", "zh_HANS")
STOPS = (".", "。")
PRODUCTS = {"Image to 3D", "Image to 3D (.png/.jpg/.webp)"}
THE_SAME_EVERYWHERE = {"2K", "4K", "8K", "GLB", "OBJ", "PLY", "STL", "PBR", "Webhook"}
MEANT = {
    "de": {"A-Pose", "Alpha", "Auto", "Detail", "Filter", "Lowpoly", "Name", "Pose", "Standard", "T-Pose", "Video"},
    "es": {"Auto", "Pose", "Video"},
    "fr": {"Alpha", "Auto", "Collection", "Faces", "Options", "Pose", "Quad", "Services", "Standard"}
    | {"Texture", "Triangle"},
    "ja": set(),
    "zh_HANS": {"Alpha"},
}
"""What a language says with the same word."""


@pytest.fixture(scope="module", params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def translated(language: str) -> dict[str, str]:
    return po.read(translations.languages()[language])


def test_there_are_the_languages_that_were_promised() -> None:
    assert tuple(translations.languages()) == LANGUAGES


def test_every_text_is_translated(language: str) -> None:
    missing = translatable.missing(language)
    entries = "\n".join(po.entry(text, "", place) for text, place in missing.items())
    assert not missing, f"run scripts/translations, and fill in, in {language}.po:\n\n{entries}"


def test_nothing_is_translated_that_nobody_shows(language: str) -> None:
    surplus = translated(language).keys() - translatable.texts()
    assert not surplus, f"scripts/translations takes out of {language}.po: {sorted(surplus)}"


def test_what_is_filled_in_stays(language: str) -> None:
    for text, translation in translated(language).items():
        assert translatable.placeholders(translation) == translatable.placeholders(text), translation


def test_it_ends_as_the_english_does(language: str) -> None:
    """A sentence in a list has a full stop, a label and a tooltip have none, and a menu item may have three dots."""
    for text, translation in translated(language).items():
        assert translation.endswith(STOPS) is text.endswith("."), translation
        assert translation.endswith("...") is text.endswith("..."), translation
        assert translation == translation.strip(" "), translation


def test_nothing_is_left_in_english(language: str) -> None:
    same = {text for text, translation in translated(language).items() if text == translation}
    blanks_only = {text for text in same if not any(part.isalpha() for part in _own_letters(text))}
    assert same - blanks_only == PRODUCTS | THE_SAME_EVERYWHERE | MEANT[language]


def _own_letters(text: str) -> str:
    return translations._BLANK.sub("", text)


def test_names_of_products_stay(language: str) -> None:
    names = ("Blender", "Image to 3D", "Meshy", "ModelsLab", "Hunyuan3D", "Offline Shape", "PNG", "JPEG", "pydantic")
    for text, translation in translated(language).items():
        for name in names:
            assert (name in translation) >= (name in text), translation


def test_french_does_not_break_a_line_before_a_colon() -> None:
    for translation in translated("fr").values():
        assert not any(f" {sign}" in translation for sign in ":;?!»") and "« " not in translation, translation


def test_reading_a_file_that_an_editor_has_wrapped(tmp_path: Path) -> None:
    file = tmp_path / "de.po"
    file.write_text(
        'msgid ""\nmsgstr ""\n"Language: de\\n"\n\n'
        "#: somewhere\n#, python-brace-format\n"
        'msgid ""\n"A \\"long\\" "\n"text"\nmsgstr ""\n"Ein \\"langer\\" "\n"Text"\n\n'
        'msgid "Later"\nmsgstr ""\n\n'
        '#~ msgid "Gone"\n#~ msgstr "Weg"\n\n'
        'msgid "Last"\nmsgstr "Letzter"',
        encoding="utf-8",
    )
    assert po.read(file) == {'A "long" text': 'Ein "langer" Text', "Last": "Letzter"}


def test_an_entry_is_read_as_it_was_written(tmp_path: Path) -> None:
    texts = {'It says: "é\\n"': 'Es sagt: „é\\n“ "x"', "tab\tand\nline": "Tab\tund\nZeile"}
    file = tmp_path / "de.po"
    file.write_text("\n".join(po.entry(*each, place="here") for each in texts.items()), encoding="utf-8")
    assert po.read(file) == texts


def test_the_extraction_finds_what_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One text of every kind; the rest of the tests would be content with an extraction that finds nothing."""
    found = translatable.texts()
    for text in (
        "Generate",  # bl_label
        "Make a textured mesh from the picture while you go on working",  # docstring of an operator
        "Import Now",  # a table of buttons
        "Finished models appear here",  # text=
        "Paste your key",  # placeholder=
        "Choose a picture first",  # tr()
        "Copied",  # tr_report()
        "The add-on is not ready yet",  # poll_message_set()
        "Jobs at Once",  # a property
        "Back Picture",  # marked()
        "On the Ground",  # labels of a field
        "Thickness",  # an option
        "Smart Topology",  # a choice of an option
        "TRELLIS at ModelsLab: textured models of single objects, in seconds to minutes",  # a summary
        "Smoothing the mesh",  # progress
        "{label} does not accept the key ({status}){quote}.",  # a problem
        "the disk is full",  # a reason
        "Choose another picture.",  # a hint
    ):
        assert text in found, text
