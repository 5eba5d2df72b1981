"""The numbers of estimated lobes, by an ensemble of three whose voxels are known."""

from __future__ import annotations

import numpy as np
import pytest

from CovidSegLib.anatomy.lobe_estimate import EstimatedLobes, Lobe
from CovidSegLib.measures.severity import member_scores, severity_of

VOXEL_ML = 0.5


def ensemble() -> EstimatedLobes:
    """Lung of 100, 200, ... 500 voxels in the lobes; infection in the first: 4 %, 10 % and 60 % by the members."""
    members = np.zeros((3, 5, 2))
    members[..., 0] = 100 * np.arange(1, 6)
    members[:, 0, 1] = 4, 10, 60
    shown = np.stack([members[1, :, 0], members[1, :, 1]], axis=-1)
    return EstimatedLobes(
        np.zeros((5, 1, 1, 1), np.uint8),
        np.ones(5),
        (1, 1, 1),
        (1, 1, 1),
        shown,
        members,
        np.full((3, 5), 0.8),
        (0.4,) * 5,
        ("lobes", "ab" * 32),
    )


def test_a_lobes_share_of_infection_has_the_range_of_the_members() -> None:
    lobes = dict(zip(Lobe, severity_of(ensemble(), VOXEL_ML).lobes, strict=True))
    first, second = lobes[Lobe(1)], lobes[Lobe(2)]
    assert (first.percent_low, first.percent_high) == (4.0, 60.0)
    assert (first.lung_ml, first.infection_ml) == (50.0, 5.0)
    assert (second.percent_low, second.percent_high, second.score_high) == (0.0, 0.0, 0)
    assert first.score_low <= first.score <= first.score_high
    assert (first.overlap, first.overlap_low) == (pytest.approx(0.8), pytest.approx(0.4))


@pytest.mark.filterwarnings("error")
def test_a_lobe_that_a_member_does_not_have_scores_nothing() -> None:
    members = ensemble().members
    members[0, Lobe.RIGHT_MIDDLE - 1] = 0
    assert member_scores(members)[0, Lobe.RIGHT_MIDDLE - 1] == 0
    assert member_scores(members)[2, 0] > member_scores(members)[0, 0] > 0
