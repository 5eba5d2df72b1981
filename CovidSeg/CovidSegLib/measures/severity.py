"""The CT severity score of estimated lobes: never without its range, since nobody has seen the fissures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..anatomy.lobe_estimate import EstimatedLobes, Lobe
from ..i18n import tr as _
from .lobes import lobe_name
from .rules import lobe_score
from .values import EstimatedLobe, EstimatedSeverity, LobeRegion

NO_INFECTION_KNOWN = _("No infection is marked, and the masks do not tell that any was looked for.")
"""Why lungs alone have no score."""

LOW, HIGH = 0.0, 1.0
"""Quantiles of the ensemble that bound a range: all members lie in it. Between its 0.05 and 0.95 lie fewer than nine of
ten true shares of held-out lobes, and not the scores of all those whose estimate is far off; the whole ensemble holds
them, and at least nine of ten true shares of each lobe."""


def severity_of(found: EstimatedLobes, voxel_ml: float) -> EstimatedSeverity:
    """The numbers of estimated lobes."""
    scores = member_scores(found.members)
    low, middle, high = (int(value) for value in quantiles(scores.sum(axis=1)))
    lobes = tuple(_lobe(found, scores, lobe, voxel_ml) for lobe in Lobe)
    return EstimatedSeverity(middle, low, high, lobes, *found.model)


def widened(severity: EstimatedSeverity, regions: Sequence[LobeRegion], total: int) -> EstimatedSeverity:
    """``severity`` with the numbers of lobes as they were changed since, and each range so wide that it holds them.

    ``regions``: the five lobes, scored; ``total``: the sum of their scores.
    """
    lobes = tuple(_changed(lobe, region) for lobe, region in zip(severity.lobes, regions, strict=True))
    return replace(severity, score=total, low=min(severity.low, total), high=max(severity.high, total), lobes=lobes)


def _changed(lobe: EstimatedLobe, region: LobeRegion) -> EstimatedLobe:
    share = region.infection_percent or 0.0
    score = region.score or 0
    return replace(
        lobe,
        lung_ml=region.lung_ml,
        infection_ml=region.infection_ml,
        infection_percent=region.infection_percent,
        percent_low=min(lobe.percent_low, share),
        percent_high=max(lobe.percent_high, share),
        score=score,
        score_low=min(lobe.score_low, score),
        score_high=max(lobe.score_high, score),
    )


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
    return EstimatedLobe.of(
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
