"""Measurements as data for others: rows of a table (CSV, Slicer's table node, HTML) and a record (JSON)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .lesions import COUNTED_ML
from .values import Density, EstimatedLobe, EstimatedSeverity, LobeRegion, Measurements, Region, Zone

_DIGITS = 3


@dataclass(frozen=True)
class TableRow:
    """One number: ``measure`` of ``region`` in ``unit``; ``value`` is None where there is none.

    ``low`` and ``high``: with estimated lobes the 90 % range, else its span when a mask's edge moves by one voxel
    (None when that was not computed).
    """

    measure: str
    region: str
    value: float | None
    unit: str
    low: float | None = None
    high: float | None = None


def table_rows(measured: Measurements) -> tuple[TableRow, ...]:
    """Every number of ``measured``, the most important first."""
    return tuple(_rows(measured))


def _rows(measured: Measurements) -> Iterator[TableRow]:
    both = measured.total.name
    spans = {name: measured.span(name) or (None, None) for name in _SPANNED}
    for region, percent in zip((measured.total, measured.left, measured.right), _SPANNED[:3], strict=True):
        yield TableRow("Infected share", region.name, region.infection_percent, "%", *spans[percent])
    spanned = (spans["infection_ml"], (None, None), (None, None))
    for region, span in zip((measured.total, measured.left, measured.right), spanned, strict=True):
        yield TableRow("Infection volume", region.name, region.infection_ml, "mL", *span)
    spanned = (spans["lung_ml"], (None, None), (None, None))
    for region, span in zip((measured.total, measured.left, measured.right), spanned, strict=True):
        yield TableRow("Lung volume, infection included", region.name, region.lung_ml, "mL", *span)
    yield TableRow("CT class (0 to 4)", both, measured.ct_class, "class", *spans["ct_class"])
    yield TableRow("Zone score (0 to 24)", both, measured.zone_score, "points", *spans["zone_score"])
    for zone in measured.zones:
        yield TableRow("Infected share", zone.name, zone.infection_percent, "%")
        yield TableRow("Zone score (0 to 4)", zone.name, zone.score, "points")
    yield from _lobe_rows(measured)
    yield TableRow(f"Lesions of {COUNTED_ML:g} mL and more", both, float(len(measured.lesions)), "count")
    if measured.lesions:
        yield TableRow("Largest lesion", both, measured.lesions[0].ml, "mL")
    if measured.small_lesions:
        yield TableRow("Smaller pieces of infection", both, float(len(measured.small_lesions)), "count")
        yield TableRow("Smaller pieces of infection, volume", both, measured.small_lesions_ml, "mL")
    if measured.density is not None:
        yield from _density_rows(measured.density, measured)


_SPANNED = (
    "infection_percent",
    "left_percent",
    "right_percent",
    "infection_ml",
    "lung_ml",
    "ct_class",
    "zone_score",
)


def _lobe_rows(measured: Measurements) -> Iterator[TableRow]:
    if measured.lobes:
        yield TableRow("CT severity score (0 to 25)", measured.total.name, measured.lobe_score, "points")
    for lobe in measured.lobes:
        yield TableRow("Infected share", lobe.name, lobe.infection_percent, "%")
        yield TableRow("Lobe score (0 to 5)", lobe.name, lobe.score, "points")
    found = measured.severity
    if found is not None:
        how = "lobes estimated, low to high 90 %"
        yield TableRow(
            f"CT severity score (0 to 25), {how}", measured.total.name, found.score, "points", found.low, found.high
        )
        for one in found.lobes:
            range_ = one.percent_low, one.percent_high
            yield TableRow(f"Infected share, {how}", one.name, one.infection_percent, "%", *range_)
            yield TableRow(f"Lobe score (0 to 5), {how}", one.name, one.score, "points", one.score_low, one.score_high)


def _density_rows(density: Density, measured: Measurements) -> Iterator[TableRow]:
    both, split = measured.total.name, measured.rules.split_hu
    yield TableRow(f"Ground glass (infection below {split} HU)", both, density.ground_glass_ml, "mL")
    yield TableRow(f"Consolidation (infection from {split} HU on)", both, density.consolidation_ml, "mL")
    yield TableRow("Consolidation, share of infection", both, density.consolidation_percent, "%")
    yield TableRow("Mean density of infection", both, density.infection_mean_hu, "HU")
    yield TableRow("Mean density of lung, infection included", both, density.lung_mean_hu, "HU")
    yield TableRow("Mean density of lung, infection included", measured.left.name, density.left_mean_hu, "HU")
    yield TableRow("Mean density of lung, infection included", measured.right.name, density.right_mean_hu, "HU")
    for percent, value in density.percentiles.items():
        yield TableRow(f"Lung density, percentile {percent}", both, value, "HU")


def as_record(measured: Measurements) -> dict[str, Any]:
    """``measured`` as plain data for JSON: mL, percent and HU with three decimals, None where there is no value.

    Its form is published: ``Resources/Schemas/covidseg-result-1.schema.json``, there ``measurements``.
    """
    density = measured.density
    return {
        "total": _region(measured.total),
        "left": _region(measured.left),
        "right": _region(measured.right),
        "zones": [{**_region(zone), "side": zone.side, "level": zone.level} for zone in measured.zones],
        "zone_score": measured.zone_score,
        "ct_class": None if measured.ct_class is None else f"CT-{measured.ct_class}",
        "lobes": [_region(lobe) for lobe in measured.lobes],
        "lobe_score": measured.lobe_score,
        "severity_estimated": None if measured.severity is None else _severity(measured.severity),
        "severity_refused": str(measured.severity_refused),
        "lesions": {
            "count": len(measured.lesions),
            "ml": [_rounded(lesion.ml) for lesion in measured.lesions],
            "counted_from_ml": COUNTED_ML,
            "smaller": {"count": len(measured.small_lesions), "ml": _rounded(measured.small_lesions_ml)},
        },
        "density": None if density is None else _density(density),
        "density_refused": str(measured.density_refused),
        "partly_visible": list(measured.partly_visible),
        "flags": [str(text) for text in measured.flags],
        "stability": [
            {name: _rounded(value) for name, value in vars(move).items() if name != "ct_class"}
            | {"ct_class": None if move.ct_class is None else f"CT-{move.ct_class}"}
            for move in measured.stability
        ],
        "rules": {
            "ground_glass_below_hu": measured.rules.split_hu,
            "zones": "thirds of each lung's height, approximate",
        },
    }


def _region(region: Region) -> dict[str, Any]:
    record = {
        "name": region.name,
        "lung_ml": _rounded(region.lung_ml),
        "infection_ml": _rounded(region.infection_ml),
        "infection_percent": _rounded(region.infection_percent),
    }
    if isinstance(region, Zone | LobeRegion):
        record["score"] = region.score
    return record


def _severity(found: EstimatedSeverity) -> dict[str, Any]:
    return {
        "lobes_are": "estimated from the shape of the lungs",
        "score": found.score,
        "low": found.low,
        "high": found.high,
        "lobes": [_estimated(lobe) for lobe in found.lobes],
        "model": {"name": found.model, "sha256": found.sha256},
    }


def _estimated(lobe: EstimatedLobe) -> dict[str, Any]:
    names = ("percent_low", "percent_high", "score", "score_low", "score_high", "overlap", "overlap_low")
    return {**_region(lobe), **{name: _rounded(getattr(lobe, name)) for name in names}}


def _density(density: Density) -> dict[str, Any]:
    names = ("lung_mean_hu", "left_mean_hu", "right_mean_hu", "infection_mean_hu", "ground_glass_ml")
    return {
        **{name: _rounded(getattr(density, name)) for name in (*names, "consolidation_ml", "consolidation_percent")},
        "lung_percentiles_hu": {str(percent): _rounded(value) for percent, value in density.percentiles.items()},
    }


def _rounded(value: Any) -> Any:
    return round(value, _DIGITS) if isinstance(value, float) else value
