"""Measurements as rows of a table (CSV, Slicer's table node, HTML)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from .lesions import COUNTED_ML
from .measurements_record import MeasurementsRecord, as_number
from .quantities import QUANTITIES, Quantity
from .values import Measurements


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
    """Every number of ``measured``, in the order of :data:`.quantities.QUANTITIES`."""
    return tuple(_rows(measured, QUANTITIES))


def further_rows(measured: Measurements) -> tuple[TableRow, ...]:
    """The numbers that no page has a place of its own for."""
    return tuple(_rows(measured, [quantity for quantity in QUANTITIES if quantity.measure is not None]))


def _rows(measured: Measurements, quantities: Iterable[Quantity]) -> Iterator[TableRow]:
    record = MeasurementsRecord.of(measured)
    shown = (one for one in quantities if one.title and (not one.when or record.numbers(one.when)[0][1]))
    for _owner, group in groupby(shown, key=lambda one: one.path.rpartition(".")[0]):
        found = [[(quantity, *one) for one in record.numbers(quantity.path)] for quantity in group]
        for together in zip(*found, strict=True):  # what is told of one part stands together
            for quantity, part, value in together:
                for place in value.items() if isinstance(value, dict) else [(part, value)]:
                    yield _row(measured, quantity, *place)


def _row(measured: Measurements, quantity: Quantity, part: Any, value: Any) -> TableRow:
    low, high = (measured.span(quantity.span) if quantity.span else None) or (None, None)
    if quantity.ends is not None:
        low, high = (getattr(part, name) for name in quantity.ends)
    whose = f", lobes {measured.lobes_are}" if measured.lobes_are.startswith("estimated") else ""
    values = {"split": measured.rules.split_hu, "counted": COUNTED_ML, "whose": whose}
    title = quantity.title.format(part=part, **values)
    return TableRow(title, quantity.region or part.name, as_number(value), quantity.unit, low, high)
