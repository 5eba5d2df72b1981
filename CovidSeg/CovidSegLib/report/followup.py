"""Two or more scans of one patient over time: what changed in mL and percentage points, and how deep each breath was.

A share in percent also changes when the patient breathes in less; so the change of the lung volume always stands beside
it, and a change is never given as a bare percentage.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

from ..errors import InputError
from ..visible import table_cell
from .record import SCHEMA

_Value = TypeVar("_Value")

FOLLOWUP_SCHEMA = "covidseg-followup-1"

BREATHING_SHARE = 0.15
"""A lung volume that differs by more is pointed out. Our own limit: between two breath-holds of one healthy person the
volume differs by a few percent, and well-aerated volume by up to 14 % with the kernel alone (Berta and others 2021)."""


NOISE_ML, NOISE_SHARE = 5.0, 0.05
"""A change of infection up to the larger of both (mL, and a share of the larger volume) is called unchanged. Our own
limits: a twentieth is less than an edge that is drawn one voxel further changes (see ``measures.stability``)."""


@dataclass(frozen=True)
class TimePoint:
    """The main numbers of one scan. ``day``: days since the first scan; ``date``: empty unless it was asked for.

    ``lobe_score``: CT severity score, 0 to 25; where its lobes are estimated, the median, from ``lobe_score_low`` to
    ``lobe_score_high``.
    """

    day: int
    lung_ml: float
    left_lung_ml: float
    right_lung_ml: float
    infection_ml: float
    infection_percent: float | None
    ground_glass_ml: float | None
    consolidation_ml: float | None
    zone_score: int | None
    ct_class: str | None
    lesions: int
    partly_visible: tuple[str, ...] = ()
    date: str = ""
    lobe_score: int | None = None
    lobe_score_low: int | None = None
    lobe_score_high: int | None = None
    lobes_estimated: bool = False

    def __post_init__(self) -> None:
        if self.lobes_estimated and None in (self.lobe_score, self.lobe_score_low, self.lobe_score_high):
            raise ValueError("a score of estimated lobes has a range")

    @property
    def severity(self) -> str:
        """The CT severity score in words, with its range where lobes are estimated; empty where there is none."""
        if self.lobes_estimated:
            return f"{self.lobe_score} ({self.lobe_score_low} to {self.lobe_score_high}), lobes estimated"
        return "" if self.lobe_score is None else str(self.lobe_score)

    @classmethod
    def of_record(cls, record: Mapping[str, Any], day: int, date: str = "") -> TimePoint:
        """From the record of a result (:mod:`.record`). Raises InputError when it is none."""
        try:
            _check_making(record)
            measured = record["measurements"]
            _number(measured["rules"]["ground_glass_below_hu"])  # for mixed_rules
            density = measured["density"] or {}
            return cls(
                day,
                _number(measured["total"]["lung_ml"]),
                _number(measured["left"]["lung_ml"]),
                _number(measured["right"]["lung_ml"]),
                _number(measured["total"]["infection_ml"]),
                _if_known(_number, measured["total"]["infection_percent"]),
                _if_known(_number, density.get("ground_glass_ml")),
                _if_known(_number, density.get("consolidation_ml")),
                _if_known(int, measured["zone_score"]),
                _if_known(str, measured["ct_class"]),
                int(measured["lesions"]["count"]),
                _sides(measured["partly_visible"]),
                date,
                *_severity(measured),
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise InputError(
                "A JSON file holds no result of this version of CovidSeg.",
                "Write it again: covidseg segment … --json FILE, or covidseg report … -o FILE.json.",
            ) from error


def _check_making(record: Mapping[str, Any]) -> None:
    """Raise KeyError, TypeError or ValueError unless ``record`` tells how it was made, as every result does."""
    texts = (record["model"]["name"], record["software"], *record["edited_segments"], *record["warnings"])
    if record["schema"] != SCHEMA or not all(isinstance(text, str) for text in texts):
        raise ValueError("another form")


def _severity(measured: Mapping[str, Any]) -> tuple[int | None, int | None, int | None, bool]:
    """Score, lower and upper end of its range, and whether lobes are estimated (not in results of earlier versions)."""
    found = measured.get("severity_estimated")
    if measured["lobe_score"] is not None or found is None:
        return _if_known(int, measured["lobe_score"]), None, None, False
    return int(found["score"]), int(found["low"]), int(found["high"]), True


def _number(value: Any) -> float:
    if isinstance(value, str) or not math.isfinite(value):
        raise ValueError("no number")
    return float(value)


def _sides(value: Any) -> tuple[str, ...]:
    if not set(value) <= {"left", "right"}:
        raise ValueError("no sides")
    return tuple(value)


def _if_known(kind: Callable[[Any], _Value], value: Any) -> _Value | None:
    return None if value is None else kind(value)


@dataclass(frozen=True)
class Change:
    """From one scan to a later one. ``percentage_points``: change of the infected share; None where one has no lung."""

    days: int
    infection_ml: float
    percentage_points: float | None
    lung_ml: float
    lung_share: float | None
    first_infection_ml: float = 0.0

    @classmethod
    def between(cls, first: TimePoint, later: TimePoint) -> Change:
        """What changed from ``first`` to ``later``."""
        before, after = first.infection_percent, later.infection_percent
        points = None if before is None or after is None else after - before
        lung = later.lung_ml - first.lung_ml
        return cls(
            later.day - first.day,
            later.infection_ml - first.infection_ml,
            points,
            lung,
            lung / first.lung_ml if first.lung_ml else None,
            first.infection_ml,
        )

    @property
    def trend(self) -> str:
        """The way the infection went, in mL, which breathing does not change: "better", "worse" or "unchanged".

        "unknown" where a scan shows no lung: there is nothing to compare.
        """
        if self.percentage_points is None:
            return "unknown"
        later = max(self.first_infection_ml + self.infection_ml, 0.0)
        if abs(self.infection_ml) <= max(NOISE_ML, NOISE_SHARE * max(self.first_infection_ml, later)):
            return "unchanged"
        return "better" if self.infection_ml < 0 else "worse"

    @property
    def breathing(self) -> bool:
        """Whether the lung volume changed so much that the infected shares compare poorly."""
        return self.lung_share is not None and abs(self.lung_share) > BREATHING_SHARE


@dataclass(frozen=True)
class FollowUp:
    """Scans of one patient, the earliest first. ``warnings``: sentences on what makes the comparison doubtful."""

    points: tuple[TimePoint, ...]
    warnings: tuple[str, ...] = ()
    label: str = ""

    def __post_init__(self) -> None:
        if len(self.points) < 2 or any(a.day > b.day for a, b in zip(self.points, self.points[1:], strict=False)):
            raise ValueError("a follow-up has two scans or more, in the order of their days")

    @property
    def since_first(self) -> tuple[Change, ...]:
        """From the first scan to each later one."""
        return tuple(Change.between(self.points[0], point) for point in self.points[1:])

    @property
    def since_previous(self) -> tuple[Change, ...]:
        """From each scan to the next one."""
        return tuple(Change.between(a, b) for a, b in zip(self.points, self.points[1:], strict=False))


def follow_up(points: Iterable[TimePoint], warnings: Sequence[str] = (), label: str = "") -> FollowUp:
    """Put ``points`` in order and say what makes them hard to compare."""
    ordered = tuple(sorted(points, key=lambda point: point.day))
    said = list(warnings)
    for point in ordered:
        if point.partly_visible:
            lungs = " and the ".join(f"{side} lung" for side in point.partly_visible)
            said.append(f"Day {point.day}: the {lungs} is only partly visible; volumes are those of the visible part.")
    for change, point in zip((Change.between(ordered[0], point) for point in ordered[1:]), ordered[1:], strict=True):
        if change.breathing:
            more = "larger" if change.lung_ml > 0 else "smaller"
            said.append(
                f"Day {point.day}: the lung volume is {abs(100 * (change.lung_share or 0)):.0f} % {more} than at first "
                "(breathing, or another part of the lungs in view): compare mL rather than the infected share."
            )
    return FollowUp(ordered, tuple(dict.fromkeys(said)), label.strip())


def mixed_rules(records: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """A sentence where the results (:mod:`.record`) tell ground glass from consolidation at different values."""
    measured = [record["measurements"] for record in records]
    splits = {one["rules"]["ground_glass_below_hu"] for one in measured if one["density"]}
    if len(splits) < 2:
        return ()
    values = " and ".join(f"{split:g}" for split in sorted(splits))
    return (
        f"Ground glass and consolidation were told apart at different values ({values} HU): their changes mean nothing "
        "until all results are made with one --split-hu.",
    )


def to_record(found: FollowUp) -> dict[str, Any]:
    """The follow-up as plain data for JSON: scans and the changes since the first and since the scan before."""
    return {
        "schema": FOLLOWUP_SCHEMA,
        "label": found.label,
        "scans": [_plain(asdict(point)) for point in found.points],
        "since_first": [_change(change) for change in found.since_first],
        "since_previous": [_change(change) for change in found.since_previous],
        "warnings": list(found.warnings),
    }


def to_csv(found: FollowUp) -> str:
    """One line a scan; changes since the first scan in the last columns."""
    columns = [column.name for column in fields(TimePoint)]
    changes = ("infection_ml", "percentage_points", "lung_ml")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*columns, *(f"change_{name}" for name in changes)])
    first = Change(0, 0.0, 0.0, 0.0, 0.0)
    for point, change in zip(found.points, (first, *found.since_first), strict=True):
        values = [getattr(point, name) for name in columns] + [getattr(change, name) for name in changes]
        writer.writerow([_cell(value) for value in values])
    return text.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(value)
    return "" if value is None else f"{value:.10g}" if isinstance(value, float) else table_cell(str(value))


def _change(change: Change) -> dict[str, Any]:
    values = {name: value for name, value in asdict(change).items() if name != "first_infection_ml"}
    return {**_plain(values), "trend": change.trend}


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: round(value, 3) if isinstance(value, float) else list(value) if isinstance(value, tuple) else value
        for name, value in values.items()
    }
