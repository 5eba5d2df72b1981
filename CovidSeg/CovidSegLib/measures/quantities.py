"""The one list of numbers: what each is called, its unit, where it is found, and where it is shown.

The table of the panel, CSV files, the table of a batch, follow-ups, the report's page, the JSON and Slicer's module
Segment Statistics follow from it. A new measure is a function of a :class:`.subject.Subject`, an entry in
:data:`QUANTITIES` that names it, and a test.

Nothing is imported here that takes time: Slicer reads the list when it starts.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .measurements_record import MeasurementsRecord
    from .subject import Subject

Value = int | float | None
Code = tuple[str, str, str]
"""Value, scheme and meaning."""


@dataclass(frozen=True)
class Statistic:
    """A number in Segment Statistics.

    ``of_lung``: that of a lung's segment, by its side ("left" or "right"); ``of_infection``: the quantity itself is
    that of the segment of infection. ``codes``: quantity, unit, method, derivation; ``place``: among the columns.
    """

    key: str
    title: str
    about: str
    unit: str
    place: int
    of_lung: Callable[[MeasurementsRecord, str], Value] | None = None
    of_infection: bool = True
    codes: tuple[Code | None, Code | None, Code | None, Code | None] = (None, None, None, None)


def found_by(module: str, function: str) -> Callable[[Subject], float | None]:
    """The ``function`` of a ``module`` beside this one, which is imported when it is called."""
    return lambda subject: getattr(importlib.import_module(f".{module}", __package__), function)(subject)


@dataclass(frozen=True)
class Quantity:
    """One number.

    ``path``: where it stands in the JSON, below ``measurements``; of a list each part has one. ``title``, ``unit``: in
    tables, no title: in none; braces name values of the scan (``split``, ``counted``, ``whose`` lobes they are) or of
    its ``part``. ``region``: where, "": the part's name. ``when``: a path; where nothing is there, no table has the
    number. ``span``: its name among the numbers that are taken with edges moved, or ``ends``: attributes of the part
    that bound it. ``column``: in a batch's table, ``point``: in a follow-up. ``measure``: finds a number that no other
    file knows (:func:`found_by`); its path is ``more.`` and a name, and it is on the report's page as well.
    """

    path: str
    title: str
    unit: str
    region: str = "both lungs"
    when: str = ""
    span: str = ""
    ends: tuple[str, str] | None = None
    column: str = ""
    point: str = ""
    statistic: Statistic | None = None
    measure: Callable[[Subject], float | None] | None = None


_VOLUME = ("118565006", "SCT", "Volume")
_MEAN = ("373098007", "SCT", "Mean")
_CM3 = ("cm3", "UCUM", "cubic centimeter")
_PERCENT = ("%", "UCUM", "Percent")
_HU = ("[hnsf'U]", "UCUM", "Hounsfield unit")
_SUM_OF_VOXELS = ("126030", "DCM", "Sum of segmented voxel volumes")
_ATTENUATION = ("112031", "DCM", "Attenuation Coefficient")
_IN_CM3 = (_VOLUME, _CM3, _SUM_OF_VOXELS, None)


def _zone_score(measured: MeasurementsRecord, side: str) -> Value:
    scores = [zone.score for zone in measured.zones if zone.side == side]
    return None if None in scores else sum(score or 0 for score in scores)


_SHARE, _INFECTION, _LUNG = "Infected share", "Infection volume", "Lung volume, infection included"
_MEAN_LUNG = "Mean density of lung, infection included"
_HOW = "{whose}, low to high 90 %"

QUANTITIES = (
    Quantity(
        "total.infection_percent", _SHARE, "%",
        span="infection_percent", column="infection_percent", point="infection_percent",
        statistic=Statistic(
            "infected_percent", "Infected share",
            "Infection as a share of the lung (of both lungs), infection counted as lung.", "%", 2,
            lambda m, side: getattr(m, side).infection_percent, codes=(None, _PERCENT, None, None),
        ),
    ),
    Quantity(
        "left.infection_percent", _SHARE, "%", "left lung", span="left_percent", column="left_infection_percent",
    ),
    Quantity(
        "right.infection_percent", _SHARE, "%", "right lung", span="right_percent", column="right_infection_percent",
    ),
    Quantity(
        "total.infection_ml", _INFECTION, "mL", span="infection_ml", column="infection_ml", point="infection_ml",
        statistic=Statistic(
            "infection_cm3", "Infection volume", "Volume of the infection: of the lung's side, or all.", "cm3", 1,
            lambda m, side: getattr(m, side).infection_ml, codes=_IN_CM3,
        ),
    ),
    Quantity("left.infection_ml", _INFECTION, "mL", "left lung"),
    Quantity("right.infection_ml", _INFECTION, "mL", "right lung"),
    Quantity(
        "total.lung_ml", _LUNG, "mL", span="lung_ml", column="lung_ml", point="lung_ml",
        statistic=Statistic(
            "lung_cm3", "Lung volume", "Volume of the lung, infection of its side included.", "cm3", 0,
            lambda m, side: getattr(m, side).lung_ml, of_infection=False, codes=_IN_CM3,
        ),
    ),
    Quantity("left.lung_ml", _LUNG, "mL", "left lung", column="left_lung_ml", point="left_lung_ml"),
    Quantity("right.lung_ml", _LUNG, "mL", "right lung", column="right_lung_ml", point="right_lung_ml"),
    Quantity(
        "ct_class", "CT class (0 to 4)", "class", span="ct_class", column="ct_class", point="ct_class",
        statistic=Statistic(
            "ct_class", "CT class", "0 to 4 (CT-0 to CT-4) by the infected share of both lungs.", "", 7
        ),
    ),
    Quantity(
        "zone_score", "Zone score (0 to 24)", "points", span="zone_score", column="zone_score", point="zone_score",
        statistic=Statistic(
            "zone_score", "Zone score",
            "Sum of 0 to 4 for each third of a lung's height: 0 to 12 a lung, 0 to 24 both.", "", 3, _zone_score,
        ),
    ),
    Quantity("zones.infection_percent", _SHARE, "%", "", column="{part.side}_{part.level}_zone_percent"),
    Quantity("zones.score", "Zone score (0 to 4)", "points", ""),
    Quantity("lobe_score", "CT severity score (0 to 25){whose}", "points", when="lobes", column="lobe_score"),
    Quantity("lobes.infection_percent", _SHARE, "%", ""),
    Quantity("lobes.score", "Lobe score (0 to 5)", "points", ""),
    Quantity(
        "severity_estimated.score", f"CT severity score (0 to 25){_HOW}", "points", ends=("low", "high"),
        column="estimated_lobe_score",
        statistic=Statistic(
            "severity_estimated", "CT severity score, lobes estimated: median",
            "0 to 25, of lobes estimated from the shape of the lungs.", "", 4,
        ),
    ),
    Quantity(
        "severity_estimated.low", "", "points", column="estimated_lobe_score_low",
        statistic=Statistic(
            "severity_estimated_low", "CT severity score, lobes estimated: low",
            "Lower end of the 90 % range of the score.", "", 5,
        ),
    ),
    Quantity(
        "severity_estimated.high", "", "points", column="estimated_lobe_score_high",
        statistic=Statistic(
            "severity_estimated_high", "CT severity score, lobes estimated: high",
            "Upper end of the 90 % range of the score.", "", 6,
        ),
    ),
    Quantity(
        "severity_estimated.lobes.infection_percent", f"{_SHARE}{_HOW}", "%", "", ends=("percent_low", "percent_high"),
    ),
    Quantity(
        "severity_estimated.lobes.score", f"Lobe score (0 to 5){_HOW}", "points", "", ends=("score_low", "score_high"),
    ),
    Quantity(
        "lesions.count", "Lesions of {counted:g} mL and more", "count", column="lesions", point="lesions",
        statistic=Statistic(
            "lesions", "Lesions", "Pieces of infection of 0.5 mL and more that hang together in three dimensions.", "",
            8,
        ),
    ),
    Quantity("lesions.largest_ml", "Largest lesion", "mL", when="lesions.count", column="largest_lesion_ml"),
    Quantity("lesions.smaller.count", "Smaller pieces of infection", "count", when="lesions.smaller.count"),
    Quantity("lesions.smaller.ml", "Smaller pieces of infection, volume", "mL", when="lesions.smaller.count"),
    Quantity(
        "density.ground_glass_ml", "Ground glass (infection below {split} HU)", "mL",
        column="ground_glass_ml", point="ground_glass_ml",
        statistic=Statistic(
            "ground_glass_cm3", "Ground glass volume", "Infection below -300 HU.", "cm3", 9, codes=_IN_CM3
        ),
    ),
    Quantity(
        "density.consolidation_ml", "Consolidation (infection from {split} HU on)", "mL",
        column="consolidation_ml", point="consolidation_ml",
        statistic=Statistic(
            "consolidation_cm3", "Consolidation volume", "Infection from -300 HU on.", "cm3", 10, codes=_IN_CM3
        ),
    ),
    Quantity("density.consolidation_percent", "Consolidation, share of infection", "%"),
    Quantity(
        "density.infection_mean_hu", "Mean density of infection", "HU", column="infection_mean_hu",
        statistic=Statistic(
            "mean_hu", "Mean density", "Mean of the lung with its infection, or of the infection.", "HU", 11,
            lambda m, side: getattr(m.density, f"{side}_mean_hu", None), codes=(_ATTENUATION, _HU, None, _MEAN),
        ),
    ),
    Quantity("density.lung_mean_hu", _MEAN_LUNG, "HU", column="lung_mean_hu"),
    Quantity("density.left_mean_hu", _MEAN_LUNG, "HU", "left lung"),
    Quantity("density.right_mean_hu", _MEAN_LUNG, "HU", "right lung"),
    Quantity("density.lung_percentiles_hu", "Lung density, percentile {part}", "HU"),
)  # fmt: skip
"""Every number, in the order of the table: the most important first."""


def statistics() -> dict[str, tuple[Statistic, Quantity]]:
    """What Segment Statistics shows, by its key, in the order of its columns."""
    found = [(quantity.statistic, quantity) for quantity in QUANTITIES if quantity.statistic is not None]
    return {statistic.key: (statistic, quantity) for statistic, quantity in sorted(found, key=lambda one: one[0].place)}


def further(view: str) -> dict[str, Quantity]:
    """The numbers of a ``view`` ("column", "point") that no other file knows, by their names in it."""
    named = ((getattr(quantity, view), quantity) for quantity in QUANTITIES if quantity.measure is not None)
    return {name: quantity for name, quantity in named if name}


def columns_of(measured: MeasurementsRecord, view: str) -> dict[str, Any]:
    """Name and value of every number in a ``view`` ("column", "point") of a published result."""
    named = ((getattr(quantity, view), quantity) for quantity in QUANTITIES)
    return {
        name.format(part=part): value
        for name, quantity in named
        if name
        for part, value in measured.numbers(quantity.path) or [(None, None)]
    }
