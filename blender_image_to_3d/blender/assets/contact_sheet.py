# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages on which every picture is shown beside its model: drawn by numpy, so that no window is needed."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import StorageError
from ...host import system
from ...pictures import png, scaling
from .lettering import Pen

COLUMNS, ROWS = 6, 4
SIDE = 176
"""Of a picture and of a model, in pixels."""

_GAP, _PAD = 20, 10
_CARD_WIDTH = 2 * SIDE + 3 * _PAD
_NAME_SIZE, _REASON_SIZE, _HEAD_SIZE = 17.0, 15.0, 24.0
_NAME_HEIGHT = 36
_CARD_HEIGHT = SIDE + 2 * _PAD + _NAME_HEIGHT
_HEAD_HEIGHT = 46
_REASON_LINES = 6

Colour = tuple[int, int, int]
_PAGE, _CARD, _BOX = (228, 229, 231), (252, 252, 252), (236, 237, 239)
_INK, _SOFT_INK, _RED = (38, 40, 44), (108, 112, 118), (172, 46, 38)
_WRONG_BOX = (247, 233, 231)

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Card:
    """What is shown of one picture."""

    title: str
    picture: Pixels | None
    """(h, w, 4), at most `SIDE` long; nothing: it cannot be read."""
    model: Pixels | None = None
    """(SIDE, SIDE, 4)"""
    reason: str = ""
    """Why there is no model."""


class ContactSheet:
    """Takes cards, and writes a page as soon as it is full."""

    def __init__(self, path: Path, title: str, count: int, pen: Pen) -> None:
        """path: of the first page; the second is called NAME-2.png. count: of the cards that will come."""
        self._path = path
        self._title = title
        self._count = count
        self._pen = pen
        self._cards: list[Card] = []
        self.pages: list[Path] = []

    def add(self, card: Card) -> None:
        """Raises `StorageError`: a page cannot be written."""
        self._cards.append(card)
        if len(self._cards) == COLUMNS * ROWS:
            self._write()

    def finish(self) -> None:
        """Write the last page, and remove those of an older, longer sheet.

        Raises:
            StorageError: a page cannot be written, or removed.
        """
        if self._cards:
            self._write()
        pattern = re.compile(re.escape(self._path.stem) + r"-([2-9]|[1-9]\d+)", re.IGNORECASE)
        try:
            for other in self._path.parent.glob("*.png"):
                found = pattern.fullmatch(other.stem)
                if found and int(found[1]) > len(self.pages) and _is_page(other):
                    other.unlink()
        except OSError as error:
            raise StorageError(f"An old contact sheet cannot be removed: {system.explain(error)}.") from error

    def _write(self) -> None:
        number = len(self.pages) + 1
        path = self._path if number == 1 else self._path.with_stem(f"{self._path.stem}-{number}")
        try:
            system.write_atomically(path, png.encode(self._page(number), level=6))
        except OSError as error:
            raise StorageError(f'"{path}" cannot be written: {system.explain(error)}.') from error
        self.pages.append(path)
        self._cards.clear()

    def _page(self, number: int) -> Pixels:
        """Return (h, w, 3)."""
        columns = min(COLUMNS, self._count)
        rows = math.ceil(len(self._cards) / columns)
        height = _HEAD_HEIGHT + rows * (_CARD_HEIGHT + _GAP) + _GAP
        width = columns * (_CARD_WIDTH + _GAP) + _GAP
        page = np.full((height, width, 3), _PAGE, np.uint8)
        self._draw_head(page, number)
        for index, card in enumerate(self._cards):
            top = _HEAD_HEIGHT + _GAP // 2 + index // columns * (_CARD_HEIGHT + _GAP)
            left = _GAP + index % columns * (_CARD_WIDTH + _GAP)
            self._draw(card, page[top : top + _CARD_HEIGHT, left : left + _CARD_WIDTH])
        return page

    def _draw_head(self, page: Pixels, number: int) -> None:
        total = math.ceil(self._count / (COLUMNS * ROWS))
        models = f"{self._count} picture{'s' if self._count > 1 else ''}"
        facts = models + (f", page {number} of {total}" if total > 1 else "")
        width = page.shape[1] - 2 * _GAP
        facts_width = self._pen.width(facts, _NAME_SIZE)
        title = self._pen.shortened(self._title, _HEAD_SIZE, max(0.0, width - facts_width - _GAP))
        _ink(page[12:, _GAP:], self._pen.line(title, _HEAD_SIZE), _INK)
        _ink(page[19:, _GAP + width - round(facts_width) :], self._pen.line(facts, _NAME_SIZE), _SOFT_INK)

    def _draw(self, card: Card, area: Pixels) -> None:
        """area: (_CARD_HEIGHT, _CARD_WIDTH, 3) of the page."""
        area[:] = _CARD
        picture, model = (area[_PAD : _PAD + SIDE, left : left + SIDE] for left in (_PAD, 2 * _PAD + SIDE))
        picture[:], model[:] = _BOX, _BOX
        if card.picture is not None:
            _lay(card.picture, picture)
        if card.model is not None:
            _lay(card.model, model)
        else:
            model[:] = _WRONG_BOX
            self._explain(card.reason, model)
        name = self._pen.shortened(card.title, _NAME_SIZE, _CARD_WIDTH - 2 * _PAD)
        _ink(area[_PAD + SIDE + 7 :, _PAD:], self._pen.line(name, _NAME_SIZE), _INK)

    def _explain(self, reason: str, area: Pixels) -> None:
        lines = self._pen.lines(reason, _REASON_SIZE, SIDE - 2 * _PAD, _REASON_LINES)
        masks = [self._pen.line(line, _REASON_SIZE) for line in lines]
        top = (SIDE - sum(len(mask) for mask in masks)) // 2
        for mask in masks:
            _ink(area[top:, _PAD:], mask, _RED)
            top += len(mask)


def fitted(picture: Pixels) -> Pixels:
    """Return (h, w, 4) pixels as they fit into a box: at most `SIDE` long."""
    height, width = picture.shape[:2]
    scale = SIDE / max(height, width)
    if scale < 1.0:
        return scaling.shrink(picture, max(1, round(width * scale)), max(1, round(height * scale)))
    whole = max(1, int(scale))  # small ones in whole steps: a pixel stays a square
    return picture.repeat(whole, axis=0).repeat(whole, axis=1)


def _lay(picture: Pixels, area: Pixels) -> None:
    """Lay (h, w, 4) with straight alpha on the middle of an area, which is not smaller."""
    height, width = picture.shape[:2]
    top, left = (area.shape[0] - height) // 2, (area.shape[1] - width) // 2
    under = area[top : top + height, left : left + width]
    share = picture[:, :, 3:].astype(np.float32) / 255
    under[:] = np.rint(picture[:, :, :3] * share + under * (1 - share))


def _ink(area: Pixels, mask: NDArray[np.float32], colour: Colour) -> None:
    """Colour the top left of an area as far as the mask (h, w) covers it."""
    under = area[: mask.shape[0], : mask.shape[1]]
    share = mask[: under.shape[0], : under.shape[1], None]
    under[:] = np.rint(np.array(colour, np.float32) * share + under * (1 - share))


def _is_page(path: Path) -> bool:
    """Whether a picture is as large as our pages are: somebody's own is not removed."""
    with path.open("rb") as file:
        head = file.read(24)
    width, height = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    return (width - _GAP) % (_CARD_WIDTH + _GAP) == 0 and (height - _HEAD_HEIGHT - _GAP) % (_CARD_HEIGHT + _GAP) == 0
