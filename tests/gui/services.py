# SPDX-License-Identifier: GPL-3.0-or-later
"""Paid services on this computer that work by the clock, as real ones do, and not by the number of questions."""

from __future__ import annotations

import threading
import time
from typing import Any

from ..conftest import KEY
from ..fakes.servers.loopback import Exchange
from ..fakes.servers.meshy import MeshyServer, _Task
from ..fakes.servers.modelslab import ModelsLabServer
from ..services import MODELS

_FOR_EVER = 10**9


class SlowLab(ModelsLabServer):
    """ModelsLab: tells how long a model will take, and nothing meanwhile.

    seconds: how long it does take; nothing: until the test says that it is enough.
    """

    provider = "modelslab"

    def __init__(self, seconds: float | None = None) -> None:
        super().__init__(KEY, MODELS, polls=_FOR_EVER)
        self.seconds = seconds
        self.eta = round(seconds or 60)

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

    def _create(self, exchange: Exchange, family: str) -> dict[str, Any]:
        answer = super()._create(exchange, family)
        job = next(reversed(self.jobs.values()))
        if self.seconds is not None:
            timer = threading.Timer(self.seconds, setattr, [job, "polls", 0])
            timer.daemon = True
            timer.start()
        return answer


class SlowMeshy(MeshyServer):
    """Meshy: tells how much is done."""

    provider = "meshy"

    def __init__(self, seconds: float) -> None:
        super().__init__(KEY, MODELS)
        self.seconds = seconds
        self.shares: list[int] = []
        """What was told, in percent."""

    @property
    def environment(self) -> dict[str, str]:
        """The variables that lead there, and pay."""
        return {"IMAGE_TO_3D_MESHY_URL": f"{self.url}/openapi/v1", "MESHY_API_KEY": KEY}

    def _status(self, task: _Task) -> tuple[str, int]:
        task.asked += 1
        share = (time.time() - task.created / 1000) / self.seconds
        self.shares.append(min(int(100 * share), 100))
        return (task.ends_as, 100) if share >= 1 else ("IN_PROGRESS", self.shares[-1])
