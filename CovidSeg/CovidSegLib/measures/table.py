"""Measurements as rows of a table (CSV, Slicer's table node, HTML)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .lesions import COUNTED_ML
from .values import Density, Measurements


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
