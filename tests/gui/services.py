# SPDX-License-Identifier: GPL-3.0-or-later
"""Paid services on this computer that are done when the test says so, and not after a number of questions."""

from __future__ import annotations

from ..conftest import KEY
from ..fakes.servers.meshy import MeshyServer, _Task
from ..fakes.servers.modelslab import ModelsLabServer
from ..services import MODELS

_FOR_EVER = 10**9


class SlowLab(ModelsLabServer):
    """ModelsLab: tells how long a model will take, and nothing meanwhile."""

    provider = "modelslab"

    def __init__(self) -> None:
        super().__init__(KEY, MODELS, polls=_FOR_EVER)
        self.eta = 3000

    def finish(self) -> None:
        """Have all models ready."""
        for job in self.jobs.values():
            job.polls = 0

    @property
    def address(self) -> dict[str, str]:
        """The variables that lead there; the key is missing."""
        return {"IMAGE_TO_3D_MODELSLAB_URL": f"{self.base_url}/v6"}

    @property
    def environment(self) -> dict[str, str]:
        """The variables that lead there, and pay."""
        return {**self.address, "MODELSLAB_API_KEY": KEY}


class SlowMeshy(MeshyServer):
    """Meshy: tells how much is done."""

    provider = "meshy"

    def __init__(self) -> None:
        super().__init__(KEY, MODELS)
        self.percent = 7
        """What it tells; the model is made when it is 100."""

    @property
    def environment(self) -> dict[str, str]:
        """The variables that lead there, and pay."""
        return {"IMAGE_TO_3D_MESHY_URL": f"{self.url}/openapi/v1", "MESHY_API_KEY": KEY}

    def _status(self, task: _Task) -> tuple[str, int]:
        task.asked += 1
        return (task.ends_as, 100) if self.percent == 100 else ("IN_PROGRESS", self.percent)
