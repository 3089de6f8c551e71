# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service says, made fit to be shown: in one line, without keys, signed links or HTML."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

MAX_LENGTH = 300
"""Characters of a service's own words in one of our sentences."""

_LOOK_AT = 20_000
# The places where services put their words, the most telling first. "messege" is ModelsLab's spelling.
_KEYS = ("message", "messege", "detail", "details", "error", "errors", "msg", "text", "title", "tips", "tip")
_QUERY = re.compile(r"\?[^\s\"'<>()]*=[^\s\"'<>()]*")
_USER_INFO = re.compile(r"(?<=://)[^/\s\"'@]+@")
_DATA = re.compile(r"[A-Za-z0-9+/]{200,}={0,2}")
_TAGS = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.IGNORECASE | re.DOTALL)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_HTML = re.compile(r"\s*<(!doctype|html|head|body)\b", re.IGNORECASE)


def redacted(text: str, secrets: Iterable[str]) -> str:
    """Return `text` without the secrets, without what signs a link (its query), and without long base64."""
    for secret in secrets:
        for form in {secret, quote(secret, safe=""), html.escape(secret), json.dumps(secret)[1:-1]} - {""}:
            text = text.replace(form, "***")
    return _DATA.sub("…", _USER_INFO.sub("", _QUERY.sub("?…", text)))


def said(body: bytes, secrets: Iterable[str] = ()) -> str:
    """Return what a reply says in words, whatever its form: JSON of any service, a web page, or plain text."""
    text = body[:_LOOK_AT].decode("utf-8", errors="replace")
    try:
        text = "; ".join(dict.fromkeys(_found(json.loads(body)))) if len(body) <= _LOOK_AT else text
    except (ValueError, RecursionError):
        if _HTML.match(text):
            title = _TITLE.search(text)
            text = title.group(1) if title else _TAGS.sub(" ", text)
    return in_one_line(text, secrets)


def in_one_line(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a stranger's text, short, without secrets and without what steers a terminal."""
    text = " ".join("".join(each if each.isprintable() else " " for each in redacted(text, secrets)).split())
    return text if len(text) <= MAX_LENGTH else text[: MAX_LENGTH - 1] + "…"


def _found(value: Any, where: str = "") -> Iterator[str]:
    """Yield the sentences in a JSON value."""
    match value:
        case str():
            yield from _found_in_text(value, where)
        case list():
            for each in value:
                yield from _found(each, where)
        case {"loc": list(place), "msg": str(message)}:  # FastAPI
            yield f"{'.'.join(str(part) for part in place if part != 'body')}: {message}"
        case dict():
            known = [key for key in _KEYS if value.get(key)]
            for key in known or (value if where else ()):  # {"prompt": ["The prompt field is required."]}
                yield from _found(value[key], key)


def _found_in_text(text: str, where: str) -> Iterator[str]:
    """Yield a text; where it is JSON again (1min.ai's `details`), what that says."""
    if where == "details" and text.lstrip().startswith("{"):
        try:
            yield from _found(json.loads(text), where)
            return
        except ValueError:
            pass
    if text.strip() and text != "OK":  # Rodin says error: "OK"
        yield text
