# SPDX-License-Identifier: GPL-3.0-or-later
"""A provider that costs money and answers at once with a signed link, for tests (test_synchronous.py)."""

from __future__ import annotations

from pydantic import BaseModel

from ..http import Base64File
from ..models import GenerationRequest, ProviderInfo, View
from ..results.adopt import adopt
from .contract import Context, Finished, Handle, Options, Pending, Provider


class _Made(BaseModel):
    request: str
    url: str
    credits_used: int


class LinkService(Provider):
    info = ProviderInfo(
        id="link_service",
        label="Link Service",
        summary="Sells models behind links.",
        picture_formats=("PNG",),
        result_formats=("ply",),
        key_variables=("LINK_SERVICE_KEY",),
        base_url="https://link.example",
        paid=True,
        resumable=True,
        cancellable=False,
    )
    options = Options

    def submit(self, request: GenerationRequest, context: Context) -> Pending | Finished:
        reply = context.http.buy(
            "/v1/make",
            {"image_url": Base64File(context.picture(View.FRONT), "data:image/png;base64,")},
            headers={"Authorization": f"Bearer {context.key}"},
        )
        made = reply.read(_Made)
        handle: Handle = {"request": made.request, "credits": made.credits_used}
        return Pending(handle=handle, links={"url": made.url}, is_made=True)

    def poll(self, handle: Handle, context: Context) -> Pending | Finished:
        file = context.http.download(str(context.links["url"]), "model")
        return Finished(files=adopt(file), cost=f"{handle['credits']} credits")
