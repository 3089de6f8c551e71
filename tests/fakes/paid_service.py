# SPDX-License-Identifier: GPL-3.0-or-later
"""A provider that costs money, for tests: its till is a folder, and every purchase is a file in it.

The folder comes from the environment variable TILL. `sold/` has a file for each billable request, `asked/` for each
poll, `stopped/` for each cancellation. While there is a file `hold answer` or `hold result`, it keeps that to itself.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from pathlib import Path
from typing import Literal

from pydantic import Field

from .. import errors
from ..models import GenerationRequest, ProviderInfo
from .contract import Context, Finished, Handle, Options, Pending, Provider

TRIANGLE = b"ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n" + (
    b"element face 1\nproperty list uchar int vertex_indices\nend_header\n0 0 0\n1 0 0\n0 0 1\n3 0 1 2\n"
)


class PaidOptions(Options):
    polls: int = Field(default=2, ge=0, title="Polls", description="How often it says that it works")
    submit_seconds: float = Field(default=0.0, ge=0, title="Submit", description="How long the request takes")
    fails: Literal[
        "",
        "key",
        "credit",
        "refused",
        "unknown",
        "crash",
        "bug",
        "html",
        "empty",
        "offline",
        "poll",
        "reset",
        "picture",
    ] = Field(default="", title="Fails", description="How it fails")
    seed: int = Field(default=0, title="Seed", description="For the service's dice")


class PaidService(Provider):
    info = ProviderInfo(
        id="paid_service",
        label="Paid Service",
        summary="Sells triangles.",
        picture_formats=("PNG",),
        max_picture_bytes=int(os.environ.get("TILL_PICTURE_BYTES", "0")) or None,
        good_picture_side=int(os.environ.get("TILL_PICTURE_SIDE", "0")) or None,
        result_formats=("ply",),
        key_variables=("PAID_SERVICE_KEY",),
        key_url="https://service.example/keys",
        base_url="https://service.example",
        paid=True,
        resumable=True,
        cancellable=os.environ.get("TILL_CANCELS") == "yes",
    )
    options = PaidOptions

    def submit(self, request: GenerationRequest, context: Context) -> Pending | Finished:
        options = PaidOptions.model_validate(request.options)
        if options.fails in _BEFORE:
            raise _BEFORE[options.fails]
        context.before_buying()
        ticket = secrets.token_hex(4)
        _note("sold", ticket, {"fingerprint": request.fingerprint, "key": context.key})
        while (Path(os.environ["TILL"]) / "hold answer").exists():
            time.sleep(0.01)
        time.sleep(options.submit_seconds)
        match options.fails:
            case "unknown":
                raise errors.OutcomeUnknown("The connection broke after the request was sent.")
            case "crash":
                os._exit(7)
            case "reset":
                raise ConnectionResetError("connection reset by peer")
            case "picture":
                raise errors.BadResult("What the service made is not a model but a picture.")
            case "bug":
                raise ValueError(f"the key was {context.key}")
        return Pending(handle={"ticket": ticket, "polls": options.polls, "fails": options.fails}, message="Working")

    def poll(self, handle: Handle, context: Context) -> Pending | Finished:
        _note("asked", secrets.token_hex(4), handle)
        if handle["fails"] == "poll":
            raise errors.GenerationFailed("The service could not do it.", charged=errors.Charged.YES)
        left = int(str(handle["polls"]))
        if (Path(os.environ["TILL"]) / "hold result").exists():
            return Pending(handle=handle, message="Working", poll_after_seconds=0.01)
        if left:
            return Pending(handle={**handle, "polls": left - 1}, message="Working", poll_after_seconds=0.05)
        content = {"html": b"<!DOCTYPE html><html>Sorry</html>", "empty": b""}.get(str(handle["fails"]), TRIANGLE)
        (context.result_folder / "model.ply").write_bytes(content)
        return Finished(files=("model.ply",), cost="0.05 USD", seed=3480183101)

    def cancel(self, handle: Handle, context: Context) -> None:
        _note("stopped", str(handle["ticket"]), handle)


_BEFORE = {
    "key": errors.KeyRefused("Paid Service does not accept the key."),
    "credit": errors.OutOfCredit("Paid Service: no credit left."),
    "refused": errors.GenerationFailed("Paid Service refuses the picture."),
    "offline": errors.Unreachable("Paid Service does not answer."),
}


def _note(kind: str, name: str, content: object) -> None:
    folder = Path(os.environ["TILL"]) / kind
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(content))
