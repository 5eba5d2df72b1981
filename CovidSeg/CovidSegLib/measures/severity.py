"""The CT severity score of estimated lobes: never without its range, since nobody has seen the fissures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..anatomy.lobe_estimate import EstimatedLobes, Lobe, PartedLungs, find_lobes
from ..errors import InputError, ModelError
from ..i18n import tr as _
from ..system.last_answer import LastAnswer
from .lobes import lobe_name
from .rules import lobe_score
from .sided import SidedLungs
from .values import EstimatedLobe, EstimatedSeverity, Measurements

NO_INFECTION_KNOWN = _("No infection is marked, and the masks do not tell that any was looked for.")
"""Why lungs alone have no score."""

LOW, HIGH = 0.0, 1.0
"""Quantiles of the ensemble that bound a range: all members lie in it. Between its 0.05 and 0.95 lie fewer than nine of
ten true shares of held-out lobes, and not the scores of all those whose estimate is far off; the whole ensemble holds
them, and at least nine of ten true shares of each lobe."""


def with_severity(
    measured: Measurements,
    lungs: SidedLungs,
    voxel_ml: float,
    last: LastAnswer[PartedLungs],
    *,
    cut: bool,
    reason: str = "",
) -> Measurements:
    """``measured`` with the score of estimated lobes and its range, or with the reason why there is none.

    ``last``: see :func:`CovidSegLib.anatomy.lobe_estimate.find_lobes`; ``cut``: whether the scan cuts a lung off;
    ``reason``: one that is known before.
    """
    if cut:
        reason = reason or _("The scan does not show both lungs whole.")
    if not reason:
        try:
            found = find_lobes(lungs.codes.astype(np.uint8, copy=False), lungs.grid.spacing, last=last)
            return replace(measured, severity=severity_of(found, voxel_ml))
        except InputError as error:
            reason = error.sentence
        except ModelError as error:
            reason = str(error)
    return replace(measured, severity_refused=reason)


def severity_of(found: EstimatedLobes, voxel_ml: float) -> EstimatedSeverity:
    """The numbers of estimated lobes."""
    scores = member_scores(found.members)
    low, middle, high = (int(value) for value in quantiles(scores.sum(axis=1)))
    lobes = tuple(_lobe(found, scores, lobe, voxel_ml) for lobe in Lobe)
    return EstimatedSeverity(middle, low, high, lobes, *found.model)


def member_scores(members: np.ndarray) -> np.ndarray:
    """Scores (members, 5) of the voxels of lung and infection (members, 5, 2) in each lobe."""
    percents = 100.0 * members[..., 1] / np.maximum(members[..., 0], 1)
    return np.vectorize(lobe_score, otypes=[np.int64])(percents)


def quantiles(values: np.ndarray) -> np.ndarray:
    """Lower end, median and upper end of the range of ``values``: values that occur among them."""
    return np.quantile(values, (LOW, 0.5, HIGH), method="inverted_cdf")


def _lobe(found: EstimatedLobes, scores: np.ndarray, lobe: Lobe, voxel_ml: float) -> EstimatedLobe:
    number = lobe - 1
    lung, infection = (float(count) * voxel_ml for count in found.shown[number])
    voxels = found.members[:, number].astype(np.float64)
    percents = 100.0 * voxels[:, 1] / np.maximum(voxels[:, 0], 1)
    shown = 100.0 * infection / lung if lung else 0.0
    low, _middle, high = quantiles(percents)
    least, _median, most = (int(value) for value in quantiles(scores[:, number]))
    score = lobe_score(shown)  # of the share that stands beside it
    expected = float(found.overlap[:, number].mean())
    lowest = min(float(found.overlap[:, number].min()), found.lowest_overlap[number])
    return EstimatedLobe(
        lobe_name(lobe),
        lung,
        infection,
        percent_low=min(float(low), shown),
        percent_high=max(float(high), shown),
        score=score,
        score_low=min(least, score),
        score_high=max(most, score),
        overlap=expected,
        overlap_low=lowest,
    )
