# SPDX-License-Identifier: GPL-3.0-or-later
"""Types for the fields of a reply that are nice to know: one of another type counts as not said.

A model that was paid for must not be lost because the service says "soon" where its documents have seconds.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator


def _if_it_fits(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    try:
        return check(value)
    except ValidationError:
        return None


def _texts_in(value: Any) -> list[str]:
    """Services say a list as a list, as one text, as "" or as null."""
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str) and each]


def _as_object(value: Any) -> Any:
    """PHP writes an empty object as an empty list."""
    return value if isinstance(value, dict) else {}


Number = Annotated[Annotated[float, Field(allow_inf_nan=False)] | None, WrapValidator(_if_it_fits)]
Whole = Annotated[int | None, WrapValidator(_if_it_fits)]
Text = Annotated[str | None, WrapValidator(_if_it_fits)]
Id = Annotated[int | str | None, WrapValidator(_if_it_fits)]
Texts = Annotated[list[str], BeforeValidator(_texts_in)]
AsObject = BeforeValidator(_as_object)
