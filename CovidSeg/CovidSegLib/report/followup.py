"""Two or more scans of one patient over time: what changed in mL and percentage points, and how deep each breath was.

A share in percent also changes when the patient breathes in less; so the change of the lung volume always stands beside
it, and a change is never given as a bare percentage.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Literal

from ..measures.measurements_record import CtClass, SeverityScore, ZoneScore, rounded
from ..measures.quantities import columns_of, further
from ..measures.values import LobesAre, Ml, Percent, Side
from ..system.checksums import OF_NOTHING, table_text
from ..system.typed_json import LEFT_OUT, REQUIRED, Form
from ..visible import table_cell
from .result_record import ResultRecord, no_result

FOLLOWUP_SCHEMA: Literal["covidseg-followup-1"] = "covidseg-followup-1"

Trend = Literal["better", "worse", "unchanged", "unknown"]

BREATHING_SHARE = 0.15
"""A lung volume that differs by more is pointed out. Our own limit: between two breath-holds of one healthy person the
volume differs by a few percent, and well-aerated volume by up to 14 % with the kernel alone (Berta and others 2021)."""


NOISE_ML, NOISE_SHARE = 5.0, 0.05
"""A change of infection up to the larger of both (mL, and a share of the larger volume) is called unchanged. Our own
limits: a twentieth is less than an edge that is drawn one voxel further changes (see ``measures.stability``)."""


@dataclass(frozen=True)
class TimePoint:
    """The main numbers of one scan. ``day``: days since the first scan; ``date``: empty unless it was asked for.

    ``lobe_score``: CT severity score, 0 to 25; where its lobes are estimated, with a range from ``lobe_score_low`` to
    ``lobe_score_high`` (the median, unless lobes were corrected).
    """

    day: Annotated[int, Form(0, about="Days since the first scan.")]
    lung_ml: Ml
    left_lung_ml: Ml
    right_lung_ml: Ml
    infection_ml: Ml
    infection_percent: Percent | None
    ground_glass_ml: Ml | None
    consolidation_ml: Ml | None
    zone_score: ZoneScore | None
    ct_class: CtClass | None
    lesions: Annotated[int, Form(0)]
    partly_visible: tuple[Side, ...] = field(default=(), metadata=REQUIRED)
    date: Annotated[str, Form(about="Empty unless it was asked for.")] = field(default="", metadata=REQUIRED)
    lobe_score: Annotated[
        SeverityScore | None,
        Form(about="CT severity score; with low and high where lobes are estimated from the shape of the lungs."),
    ] = None
    lobe_score_low: Annotated[SeverityScore | None, Form(about="Only where lobes are estimated.")] = None
    lobe_score_high: Annotated[SeverityScore | None, Form(about="Only where lobes are estimated.")] = None
    lobes_estimated: bool = False
    lobes_are: Annotated[LobesAre, Form(about="Whose lobes they are; empty without lobes.")] = ""
    more: Annotated[dict[str, float | None] | None, Form(about="Further numbers, by name.")] = field(
        default=None, metadata=LEFT_OUT
    )

    def __post_init__(self) -> None:
        if self.lobes_estimated and None in (self.lobe_score, self.lobe_score_low, self.lobe_score_high):
            raise ValueError("a score of estimated lobes has a range")

    @property
    def severity(self) -> str:
        """The CT severity score in words, with its range where lobes are estimated; empty where there is none."""
        if self.lobes_estimated:
            are = self.lobes_are or "estimated"
            return f"{self.lobe_score} ({self.lobe_score_low} to {self.lobe_score_high}), lobes {are}"
        if self.lobe_score is None:
            return ""
        return f"{self.lobe_score}, lobes {self.lobes_are}" if self.lobes_are else str(self.lobe_score)

    @classmethod
    def of(cls, record: ResultRecord, day: int, date: str = "") -> TimePoint:
        """The point of ``record``. Raises InputError for one that does not tell whether a reader corrected it."""
        if record.edited_segments is None:
            raise no_result()
        measured, found = record.measurements, record.measurements.severity_estimated
        estimated = found if measured.lobe_score is None else None
        numbers = columns_of(measured, "point")
        more = {name: numbers.pop(name) for name in further("point")}
        return cls(
            day,
            **numbers,
            partly_visible=measured.partly_visible,
            date=date,
            lobe_score=estimated.score if estimated else measured.lobe_score,
            lobe_score_low=estimated.low if estimated else None,
            lobe_score_high=estimated.high if estimated else None,
            lobes_estimated=estimated is not None,
            lobes_are=measured.whose_lobes,
            more=more or None,
        )


@dataclass(frozen=True)
class Change:
    """From one scan to a later one.

    ``percentage_points``: None where one has no lung; ``trend``: the way the infection went, in mL, which breathing
    does not change; "unknown" where a scan shows no lung: there is nothing to compare.
    """

    days: Annotated[int, Form(0)]
    infection_ml: Annotated[float, Form()]
    percentage_points: Annotated[float | None, Form(about="Change of the infected share.")]
    lung_ml: Annotated[float, Form(about="Change of the lung volume: breathing.")]
    lung_share: Annotated[float | None, Form(about="The same as a fraction of the earlier volume.")]
    trend: Annotated[Trend, Form(about="Of the infection in mL; unknown where a scan shows no lung.")] = "unknown"

    @classmethod
    def between(cls, first: TimePoint, later: TimePoint) -> Change:
        """What changed from ``first`` to ``later``."""
        before, after = first.infection_percent, later.infection_percent
        points = None if before is None or after is None else after - before
        infection, lung = later.infection_ml - first.infection_ml, later.lung_ml - first.lung_ml
        trend: Trend = "better" if infection < 0 else "worse"
        if points is None:
            trend = "unknown"
        elif abs(infection) <= max(NOISE_ML, NOISE_SHARE * max(first.infection_ml, later.infection_ml)):
            trend = "unchanged"
        share = lung / first.lung_ml if first.lung_ml else None
        return cls(later.day - first.day, infection, points, lung, share, trend)

    @property
    def breathing(self) -> bool:
        """Whether the lung volume changed so much that the infected shares compare poorly."""
        return self.lung_share is not None and abs(self.lung_share) > BREATHING_SHARE


@dataclass(frozen=True)
class FollowUp:
    """Scans of one patient, the earliest first. ``warnings``: sentences on what makes the comparison doubtful.

    ``identity``: of these scans, by which files on them are told from those on others.
    """

    points: tuple[TimePoint, ...]
    warnings: tuple[str, ...] = ()
    label: str = ""
    identity: str = OF_NOTHING

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


def follow_up(
    points: Iterable[TimePoint], warnings: Sequence[str] = (), label: str = "", identity: str = OF_NOTHING
) -> FollowUp:
    """Put ``points`` in order and say what makes them hard to compare; ``warnings``: what is said of each alone.

    ``identity``: see :class:`FollowUp`.
    """
    ordered = tuple(sorted(points, key=lambda point: point.day))
    said = list(warnings)
    for change, point in zip((Change.between(ordered[0], point) for point in ordered[1:]), ordered[1:], strict=True):
        if change.breathing:
            more = "larger" if change.lung_ml > 0 else "smaller"
            said.append(
                f"Day {point.day}: the lung volume is {abs(100 * (change.lung_share or 0)):.0f} % {more} than at first "
                "(breathing, or another part of the lungs in view): compare mL rather than the infected share."
            )
    # Results of earlier versions do not tell the origin of lobes that were given: unknown is not different.
    if len({point.lobes_are for point in ordered if point.lobe_score is not None} - {""}) > 1:
        said.append("The CT severity scores are of lobes of different origin: a change may be one of the lobes.")
    return FollowUp(ordered, tuple(dict.fromkeys(said)), label.strip(), identity)


def mixed_rules(records: Iterable[ResultRecord]) -> tuple[str, ...]:
    """A sentence where ``records`` tell ground glass from consolidation at different values."""
    measured = [record.measurements for record in records]
    splits = {one.rules.ground_glass_below_hu for one in measured if one.density}
    if len(splits) < 2:
        return ()
    values = " and ".join(f"{split:g}" for split in sorted(splits))
    return (
        f"Ground glass and consolidation were told apart at different values ({values} HU): their changes mean nothing "
        "until all results are made with one --split-hu.",
    )


def mixed_networks(records: Iterable[ResultRecord]) -> tuple[str, ...]:
    """A sentence where ``records`` are known to be of different networks; masks of unknown origin tell nothing."""
    networks = {record.model for record in records if record.model.name or record.model.sha256}
    if len(networks) < 2:
        return ()
    return ("The masks of the scans were made by different networks: a change may be one of the network.",)


_Changes = Annotated[tuple[Change, ...], Form(items=(1, None))]


@dataclass(frozen=True)
class FollowUpRecord:
    """A :class:`FollowUp` as it is published: scans and the changes since the first and since the scan before."""

    schema: Literal["covidseg-followup-1"]
    label: str
    scans: Annotated[tuple[TimePoint, ...], Form(items=(2, None))]
    since_first: _Changes
    since_previous: _Changes
    warnings: tuple[str, ...]
    checksum: Annotated[
        str | None, Form(about="By it CovidSeg knows whether somebody changed the file since it wrote it.")
    ] = field(default=None, metadata=LEFT_OUT)


def to_record(found: FollowUp) -> FollowUpRecord:
    """The follow-up as it is published."""
    changes = found.since_first, found.since_previous
    return rounded(FollowUpRecord(FOLLOWUP_SCHEMA, found.label, found.points, *changes, found.warnings))


def to_csv(found: FollowUp) -> str:
    """One line a scan; changes since the first scan in the last columns."""
    columns, names = [column.name for column in fields(TimePoint)][:-1], further("point")
    changes = ("infection_ml", "percentage_points", "lung_ml")
    header = [*columns, *(f"change_{name}" for name in changes), *names]
    rows = []
    first = Change(0, 0.0, 0.0, 0.0, 0.0)
    for point, change in zip(found.points, (first, *found.since_first), strict=True):
        values = [getattr(point, name) for name in columns] + [getattr(change, name) for name in changes]
        values += [(point.more or {}).get(name) for name in names]
        rows.append([_cell(value) for value in values])
    return table_text(header, rows, found.identity)


def _cell(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(value)
    return "" if value is None else f"{value:.10g}" if isinstance(value, float) else table_cell(str(value))
