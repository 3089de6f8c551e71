# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that can go wrong, as one tree; the number is the command line's exit status.

ImageTo3DError               1   str(error) is a sentence for the user, .hint the next step
├── InputError               2   what the user gave cannot be used; nothing was sent
│   ├── BadPicture               the picture is missing, damaged, empty or too large
│   ├── BadOption                unknown provider, option or view, or a value out of range
│   ├── StorageError             a file or folder cannot be written or read
│   └── BrokenPackage            a Python package that we need is missing, or another add-on brought one that fails
├── AccountError             3   the same for every picture: a batch stops here
│   ├── KeyMissing
│   ├── KeyRefused
│   └── OutOfCredit
├── Unreachable              4   offline, or the service does not answer; nothing was accepted that costs money
│   ├── Offline                  the user does not want the network to be used
│   └── Busy                     it takes no request now, or says that it is out of order
├── GenerationFailed         1   the service, or our own generator, says it cannot make this model
│   └── BadResult                something arrived, but it is not a usable model
│       └── ResultGone           the link to the result has expired
├── Stalled                  1   the service accepted it, and has said nothing new for too long
├── OutcomeUnknown           1   the request may have been accepted and charged; only a person sends it again
├── JobBusy                  1   another worker has this job
└── Stopped                130   somebody asked the worker to stop
    ├── Cancelled                the job is given up
    └── Paused                   the job is left so that it can be resumed
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar


class Charged(StrEnum):
    """Whether money was spent."""

    NO = "no"
    MAYBE = "maybe"
    YES = "yes"


class ImageTo3DError(Exception):
    """Base class. ``str(error)`` may be shown to the user as it is; it never holds a key."""

    exit_status: ClassVar[int] = 1
    default_hint: ClassVar[str] = ""
    default_charged: ClassVar[Charged] = Charged.NO
    would_recur: ClassVar[bool] = False
    """Another machine would fare no better with this picture; nothing else is known to be so."""

    def __init__(self, message: str, *, hint: str | None = None, charged: Charged | None = None) -> None:
        # A file's name may be no text at all, and nothing could write such a message down.
        super().__init__(message.encode(errors="replace").decode())
        self.hint = self.default_hint if hint is None else hint
        self.charged = self.default_charged if charged is None else charged


class InputError(ImageTo3DError):
    """What the user gave cannot be used."""

    exit_status = 2


class BadPicture(InputError):
    """The picture is missing, damaged, empty or too large."""

    would_recur = True
    default_hint = "Choose another picture."


class BadOption(InputError):
    """Unknown provider, option or view, or a value out of range."""


class StorageError(InputError):
    """A file or folder cannot be written or read."""


class BrokenPackage(InputError):
    """A Python package that we need is missing or does not work."""


class AccountError(ImageTo3DError):
    """The account cannot be used: the next picture would fail the same way."""

    exit_status = 3


class KeyMissing(AccountError):
    """No key was found for a provider that needs one."""


class KeyRefused(AccountError):
    """The service does not accept the key."""

    default_hint = "Check the key at the service, then set it again."


class OutOfCredit(AccountError):
    """The account has no credit left."""

    default_hint = "Add credit at the service, then resume."


class Unreachable(ImageTo3DError):
    """Offline, or the service does not answer; nothing was accepted that costs money."""

    exit_status = 4
    default_hint = "Check the connection, then resume."


class Offline(Unreachable):
    """The user does not want the network to be used."""


class Busy(Unreachable):
    """The service takes no request now, or says that it is out of order."""

    default_hint = "Wait a while, then resume."

    def __init__(
        self, message: str, *, hint: str | None = None, charged: Charged | None = None, after: float | None = None
    ) -> None:
        """after: how many seconds the service asks to wait."""
        super().__init__(message, hint=hint, charged=charged)
        self.after = after


class GenerationFailed(ImageTo3DError):
    """The service, or our own generator, says that it cannot make this model."""

    would_recur = True


class BadResult(GenerationFailed):
    """Something arrived, but it is not a usable model."""


class ResultGone(BadResult):
    """The link to the result has expired, or leads nowhere."""

    default_hint = "Resume asks for a fresh one, where the service has it."


class Stalled(ImageTo3DError):
    """The service accepted the request, and has said nothing new for too long."""

    would_recur = True
    default_hint = "Look at the service. Resume asks again; with --again everything is sent anew."


class OutcomeUnknown(ImageTo3DError):
    """The request may have been accepted and charged."""

    would_recur = True
    default_hint = "Look at the service's own history before you send it again."
    default_charged = Charged.MAYBE


class JobBusy(ImageTo3DError):
    """Another worker has this job."""

    default_hint = "Wait until it is done."


class Stopped(ImageTo3DError):
    """Somebody asked the worker to stop."""

    exit_status = 130


class Cancelled(Stopped):
    """The job is given up."""


class Paused(Stopped):
    """The job is left so that it can be resumed."""
