# SPDX-License-Identifier: GPL-3.0-or-later
"""As paid_service, but synchronous: the answer to the request is the result, and there is nothing to ask for later."""

from __future__ import annotations

from ..models import GenerationRequest, ProviderInfo
from . import paid_service
from .contract import Context, Finished, Pending, Provider


class PaidAtOnce(Provider):
    info = ProviderInfo(
        **paid_service.PaidService.info.model_dump(exclude={"id", "resumable"}), id="paid_at_once", resumable=False
    )
    options = paid_service.PaidOptions

    def submit(self, request: GenerationRequest, context: Context) -> Pending | Finished:
        service = paid_service.PaidService()
        pending = service.submit(request, context)
        assert isinstance(pending, Pending)
        return service.poll({**pending.handle, "polls": 0}, context)
