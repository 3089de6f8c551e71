# SPDX-License-Identifier: GPL-3.0-or-later
"""A Blender in another language: what is registered, and what comes out."""

from __future__ import annotations

import pytest

from blender_image_to_3d.blender import translations
from blender_image_to_3d.blender.translations import po

from .window import Window

pytestmark = pytest.mark.everywhere

CODES = {"de_DE": "de", "fr_FR": "fr", "es": "es", "ja_JP": "ja", "zh_HANS": "zh_HANS"}
"""What Blender calls its languages from 4.2 to 5.2, and our files."""
EXTENSION = "bl_ext.user_default.blender_image_to_3d"


def speak(window: Window, code: str) -> None:
    if code not in window.ask("list(bpy.app.translations.locales)"):
        pytest.skip("this root has no translations of Blender's own: remove it, and it is made with them")
    window.run(f"bpy.context.preferences.view.language = {code!r}")


def test_every_text_comes_out(window: Window) -> None:
    window.open_tab()
    for code, file in CODES.items():
        speak(window, code)
        expected = po.read(translations.languages()[file])
        said = window.ask(
            f"[bpy.app.translations.pgettext_iface(each, {translations.CONTEXT!r}) for each in {list(expected)!r}]"
        )
        assert dict(zip(expected, said, strict=True)) == expected, code
        window.rest()
        window.picture(f"sidebar-{code}")
    speak(window, "de_DE")
    texts = f"__import__('importlib').import_module('{EXTENSION}.blender.interface.texts')"
    missing = '"cup.png" is a folder, not a picture.'
    full = "The library /a {b} cannot be written: the disk is full."
    assert window.ask(f"{texts}.tr_problem({missing!r})") == '"cup.png" ist ein Ordner, kein Bild.'
    said = window.ask(f"{texts}.tr_problem({full!r})")
    assert said == "In die Bibliothek /a {b} kann nicht geschrieben werden: der Datenträger ist voll."
    assert window.ask(f"{texts}.tr_problem('Nobody says this.')") == "Nobody says this."


def test_nothing_is_left_behind(window: Window) -> None:
    """Blender refuses to register a name twice."""
    for _ in range(10):
        window.run(f"import addon_utils\naddon_utils.disable({EXTENSION!r})")
        window.run(f"bpy.app.translations.register({EXTENSION!r}, {{}})")
        window.run(f"bpy.app.translations.unregister({EXTENSION!r})")
        window.run(f"import addon_utils\naddon_utils.enable({EXTENSION!r})")
    with pytest.raises(AssertionError, match="already"):
        window.run(f"bpy.app.translations.register({EXTENSION!r}, {{}})")
