# SPDX-License-Identifier: GPL-3.0-or-later
"""Every Blender makes the same shapes, and those that are made outside it."""

from __future__ import annotations

import pytest

from .. import reference

pytestmark = pytest.mark.everywhere


@pytest.mark.parametrize("case", reference.CASES)
def test_a_shape_is_what_it_was(case: str) -> None:
    reference.check(case)
