# SPDX-License-Identifier: GPL-3.0-or-later
"""What the values of options are called. Standard library only: who checks the translations has no Blender."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any


def label_of_choice(value: Any, upper: Sequence[str] = ()) -> str:
    """Return what a value is called: "smart-topology" is Smart Topology, but "a-pose" is A-Pose.

    upper: choices that are written in capitals.
    """
    match value:
        case None | "":
            return "None"
        case bool():
            return "Yes" if value else "No"
        case str():
            return value.upper() if value in upper else re.sub(r"(?<=\w\w)[-_]", " ", value).title()
    return str(value)
