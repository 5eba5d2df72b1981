"""Every percentage has one class, and the limits are those of the published scales."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from CovidSegLib.measures.rules import ct_class, lobe_score, zone_score

JUST = 1e-9


@pytest.mark.parametrize(
    ("percent", "zone", "ct", "lobe"),
    [
        (0, 0, 0, 0),
        (JUST, 1, 1, 1),
        (5 - JUST, 1, 1, 1),
        (5, 1, 1, 2),
        (25 - JUST, 1, 1, 2),
        (25, 2, 2, 2),
        (25.5, 2, 2, 3),
        (50 - JUST, 2, 2, 3),
        (50, 3, 3, 4),
        (75 - JUST, 3, 3, 4),
        (75, 4, 3, 4),
        (75 + 1e-6, 4, 4, 5),
        (100, 4, 4, 5),
    ],
)
def test_limits(percent: float, zone: int, ct: int, lobe: int) -> None:
    assert (zone_score(percent), ct_class(percent), lobe_score(percent)) == (zone, ct, lobe)


@given(st.floats(0, 100), st.floats(0, 100))
def test_more_infection_never_has_a_lower_score(one: float, other: float) -> None:
    low, high = sorted((one, other))
    for score in (zone_score, ct_class, lobe_score):
        assert score(low) <= score(high)
