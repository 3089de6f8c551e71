# SPDX-License-Identifier: GPL-3.0-or-later
"""What a program around the command line, such as Blender, can do that the command line alone cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..batch.assembly import Assembler
    from ..jobs.output import Exporter
    from ..providers.access import Surroundings


class HostProgram:
    """Nothing around it: the command line in a shell. Blender has a class of its own, derived from this one."""

    exporter: Exporter | None = None
    """Writes models in formats that are not the service's own."""
    assembler: Assembler | None = None
    """Makes asset libraries and contact sheets."""
    blender: str | None = None
    """The binary that can be started for work that needs a Blender."""
    is_online = True
    """Whether the network may be used."""
    install_hint = "Install it with: {python} -m pip install {module}."
    """What to do where a module is missing."""

    def around(self) -> Surroundings:
        """Return what the workers have to know of it."""
        from ..providers.access import Surroundings

        return Surroundings(self.blender, self.is_online)
