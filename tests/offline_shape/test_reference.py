# SPDX-License-Identifier: GPL-3.0-or-later
"""Every Python and numpy makes the same shapes; tests/blender does this for Blender's."""

from __future__ import annotations

import pytest

from .. import reference

pytestmark = pytest.mark.everywhere


@pytest.mark.parametrize("case", reference.CASES)
def test_a_shape_is_what_it_was(case: str) -> None:
    reference.check(case)
