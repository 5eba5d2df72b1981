"""How percentages become scores and classes, and what can be adjusted; every rule with its source.

Published scales leave gaps (25 to 26 %) or overlap (25 % in two classes). Here every percentage has one class.
"""

from __future__ import annotations

from dataclasses import dataclass

GROUND_GLASS_BELOW_HU = -300
"""Infection below it counts as ground glass, the rest as consolidation. Of the cuts compared on COVID-19 scans in BMC
Infectious Diseases 2021 (doi 10.1186/s12879-021-06556-z), -300 HU told severe from mild disease best (AUC 0.77)."""


@dataclass(frozen=True)
class Rules:
    """What a user can adjust. ``split_hu``: see :data:`GROUND_GLASS_BELOW_HU`; ``percentiles``: of lung density."""

    split_hu: int = GROUND_GLASS_BELOW_HU
    percentiles: tuple[int, ...] = (5, 15, 50, 85, 95)

    def __post_init__(self) -> None:
        if not -1000 < self.split_hu < 200:
            raise ValueError(f"split_hu must lie between -1000 and 200 HU, not {self.split_hu}")
        if not all(0 <= percent <= 100 for percent in self.percentiles):
            raise ValueError("percentiles must lie between 0 and 100")


def zone_score(percent: float) -> int:
    """0 none; 1 up to 25 %; 2 [25, 50); 3 [50, 75); 4 from 75 % on. Six zones, sum 0 to 24.

    The published zones end at the carina and the lower pulmonary veins; ours are thirds of the lung's height, an
    approximation.

    References
    ----------
    The six-zone score of Chung and others, as used for COVID-19: Bio-protocol r8701399, r8704683.
    """
    return 0 if percent <= 0 else 1 + int(percent >= 25) + int(percent >= 50) + int(percent >= 75)


def ct_class(percent: float) -> int:
    """CT-0 none; CT-1 less than 25 % of parenchyma; CT-2 [25, 50); CT-3 [50, 75]; CT-4 more than 75 %.

    By the percentage alone: the pattern of the opacities, which the radiologists of that scale also looked at, is not
    judged.

    References
    ----------
    MosMedData: Morozov and others 2020, arXiv 2005.06465.
    """
    return 0 if percent <= 0 else 1 + int(percent >= 25) + int(percent >= 50) + int(percent > 75)


def lobe_score(percent: float) -> int:
    """0 none; 1 (0, 5); 2 [5, 25]; 3 (25, 50); 4 [50, 75]; 5 more than 75 %. Five lobes, sum 0 to 25.

    The CT severity score, its gaps closed.

    References
    ----------
    Pan and others 2020, Radiology, doi 10.1148/radiol.2020200370.
    """
    if percent <= 0:
        return 0
    return 1 + int(percent >= 5) + int(percent > 25) + int(percent >= 50) + int(percent > 75)
