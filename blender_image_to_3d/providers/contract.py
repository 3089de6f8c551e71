# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract between a worker and a service. A provider is one file under `providers/`.

The file's name is the provider's id; it holds one subclass of `Provider`. Panel, command line, validation and
documentation are derived from its `info` and `Options`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from ..errors import BadOption, GenerationFailed
from ..models import FileName, GenerationRequest, Model, ProviderInfo, View

if TYPE_CHECKING:
    from ..http import Http

Handle = dict[str, JsonValue]


class Options(BaseModel):
    """Base of a provider's options.

    Each field has a default, a `title` (its label) and a `description` (one line, its tooltip and its help).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Pending(Model):
    """The service works on it, or has done it. `poll` needs the handle and the links, in another process, another day.

    A synchronous service whose answer names its result by URL returns this too, with the URLs as `links` and
    `is_made`: they are written down, and `poll` is called at once to download. So a crash in between costs nothing.
    """

    handle: Handle = Field(description="Stands in job.json, so that anybody may read it")
    links: Handle = Field(
        default_factory=dict,
        repr=False,
        description="More of the handle, which nobody may read: signed URLs. Kept in a file only its owner can open",
    )
    is_made: bool = Field(default=False, description="The result exists and only has to be fetched")
    progress: float | None = Field(default=None, ge=0, le=1)
    message: str = ""
    eta_seconds: float | None = None
    poll_after_seconds: float | None = Field(default=None, description="The service's own hint")


class Finished(Model):
    """The result lies in `Context.result_folder`."""

    files: tuple[FileName, ...] = Field(min_length=1, description="Names in the result folder, the model first")
    notes: tuple[str, ...] = ()
    cost: str | None = None
    seed: int | None = None
    service_seconds: float | None = Field(default=None, description="How long it took, as the service says")


class Account(Model):
    """What the service says of the account that a key belongs to."""

    balance: str | None = Field(default=None, description="With its unit; nothing: the service does not say")


class Context(Protocol):
    """What a provider may use of the worker that runs it."""

    @property
    def result_folder(self) -> Path:
        """An empty folder of this run; nothing in it counts before `Finished` names it."""

    @property
    def key(self) -> str | None:
        """The service's key. It is never written anywhere."""

    @property
    def base_url(self) -> str | None:
        """The service's address, or the one that the user put in its place."""

    @property
    def http(self) -> Http:
        """The way to the service, with the rules that hold for all of them; for providers with a base URL."""

    @property
    def links(self) -> Handle:
        """What `Pending.links` said last."""

    @property
    def blender(self) -> str | None:
        """The Blender binary that can be started for work that needs one."""

    def before_buying(self) -> None:
        """Write down that a request which may cost money leaves now; `Http.buy` does it.

        From here on nobody can stop the worker, and one that dies leaves the outcome unknown.

        Raises:
            Stopped: somebody asked to stop before.
            StorageError: it could not be written down, or there is no room for the result.
        """

    def not_bought(self) -> None:
        """Write down that nothing was accepted; `Http.buy` does it before it tries again."""

    def picture(self, view: View) -> Path:
        """Return the file of one view."""

    def note(self, text: str) -> None:
        """Write down what the user should know of what is sent."""

    def report(self, message: str, progress: float | None = None) -> None:
        """Tell the user how far it is. Call it often: raises `Stopped` as soon as someone asks to stop."""

    def wait(self, seconds: float) -> None:
        """Wait. Raises `Stopped` as soon as someone asks to stop."""


class Provider(ABC):
    """One way to turn pictures into a model."""

    info: ClassVar[ProviderInfo]
    options: ClassVar[type[Options]]

    @abstractmethod
    def submit(self, request: GenerationRequest, context: Context) -> Pending | Finished:
        """Start the generation. The one call that may cost money; the worker never repeats it by itself.

        What comes before `Context.before_buying`, such as uploads, costs nothing and may be repeated.

        Raises:
            ImageTo3DError: with `charged` saying whether money was spent.
        """

    def poll(self, handle: Handle, context: Context) -> Pending | Finished:
        """Ask how it is going, or fetch what `context.links` lead to. Free and repeatable.

        Raises:
            GenerationFailed: the service's last word: it will never bring a result, and is not asked again.
            ResultGone: the links have expired. It is called again without them, to ask for new ones.
            ImageTo3DError: anything else, `BadResult` too: whoever resumes the job asks again.
        """
        raise GenerationFailed(f"{self.info.label} answers at once; there is nothing to ask for later.")

    def cancel(self, handle: Handle, context: Context) -> None:
        """Tell the service to stop, where it can be told (`info.cancellable`)."""
        raise GenerationFailed(f"{self.info.label} cannot be told to stop.")

    def account(self, http: Http, key: str | None) -> Account:
        """Ask whether the key is good, and how much is left; costs nothing.

        Raises:
            KeyRefused: it is not.
            Unreachable: the service does not answer.
        """
        raise GenerationFailed(f"{self.info.label} has no way to ask for that without paying.")

    def views_of(self, model: str | None) -> tuple[View, ...]:
        """Return the views that one model takes, where models differ."""
        return self.info.views

    def options_of(self, model: str | None) -> type[Options]:
        """Return the options of one model, where models differ."""
        return self.options

    def price_of(self, model: str | None) -> str | None:
        """Return the price of a request to one model, where models differ."""
        return self.info.price

    def validate(
        self, model: str | None, options: dict[str, Any], views: tuple[View, ...]
    ) -> tuple[str | None, dict[str, JsonValue]]:
        """Return the model and the complete options as they would be sent.

        Text values ("25", "true") are understood, so that the command line needs no types of its own.

        Raises:
            BadOption: an unknown model, option or view, or a value that does not fit.
        """
        chosen = self._check_model(model)
        self._check_views(chosen, views)
        options_type = self.options_of(chosen)
        known = options_type.model_fields
        for name in options:
            if name not in known:
                raise BadOption(
                    f'{self.info.label} has no option "{name}".', hint=f"Its options are: {', '.join(known) or 'none'}."
                )
        try:
            checked = options_type.model_validate(options)
        except ValidationError as error:
            raise BadOption(_first_sentence(error), hint=f"See: providers {self.info.id}.") from None
        return chosen, checked.model_dump(mode="json")

    def _check_views(self, model: str | None, views: tuple[View, ...]) -> None:
        if View.FRONT not in views:
            raise BadOption("A picture of the front is needed.")
        known = self.views_of(model)
        for view in views:
            if view not in known:
                name = f"{self.info.label} ({model})" if known != self.info.views else self.info.label
                what = "a mask" if view is View.MASK else f"a view from the {view}"
                raise BadOption(f"{name} does not take {what}.", hint=f"It takes: {', '.join(known)}.")

    def _check_model(self, model: str | None) -> str | None:
        if model is None:
            return self.info.models[0] if self.info.models else None
        if model not in self.info.models:
            raise BadOption(
                f'{self.info.label} has no model "{model}".',
                hint=f"Its models are: {', '.join(self.info.models) or 'none'}.",
            )
        return model


def _first_sentence(error: ValidationError) -> str:
    """Put pydantic's first complaint into a sentence, without the library's vocabulary."""
    first = error.errors(include_url=False, include_context=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    if not name:  # options that do not fit each other
        return f"{first['msg'].removeprefix('Value error, ')}."
    return f'Option "{name}": {first["msg"][0].lower()}{first["msg"][1:]}, not "{first["input"]}".'
