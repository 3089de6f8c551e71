# SPDX-License-Identifier: GPL-3.0-or-later
"""Names for the arrays that travel between the modules of this package."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

Bools: TypeAlias = NDArray[np.bool_]
Bytes: TypeAlias = NDArray[np.uint8]
Floats: TypeAlias = NDArray[np.float32]
Index: TypeAlias = NDArray[np.int64]
Ints: TypeAlias = NDArray[np.int32]

Value = TypeVar("Value", bound=np.generic)
"""Of an array, whatever it holds."""

Tick: TypeAlias = Callable[[], None]
"""Called inside long loops; it may raise to stop the work."""

Progress: TypeAlias = Callable[[float, str], None]
"""Called with the share that is done, 0 to 1, and what is going on; at least every 0.3 s. It may raise to stop the
work."""

Side: TypeAlias = Literal["front", "back", "left", "right"]
"""Of the subject, as itself would call it: its left side is on the right of the front."""


class Mesh(NamedTuple):
    """A closed mesh of quads, in glTF's axes, of any size and anywhere."""

    positions: Floats
    """(n, 3)"""
    quads: Ints
    """(m, 4) counter-clockwise seen from outside."""
    uvs: Floats
    """(m, 4, 2) of each face's corners; v = 0 is the top of the texture."""
    texture: Bytes
    """(rows, columns, 3) sRGB."""
