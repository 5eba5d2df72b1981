"""``summary.csv``: one row per case, complete and readable at any moment."""

from __future__ import annotations

import csv
from dataclasses import Field, dataclass, fields
from pathlib import Path
from typing import Any

from ..errors import OutputError
from ..measures.quantities import columns_of, further
from ..report.result_record import ResultRecord
from ..system.checksums import OF_NOTHING, table_text
from ..system.own_table import OwnTable
from ..visible import table_cell
from .entry import DONE, FAILED, KEPT, Entry

CHANGED_SINCE = "The result was changed since; these are the numbers before. `covidseg report` has those of now."
"""What the message of a row says whose result is no more the one that its numbers are of."""

ANOTHER_NETWORK = "Another network made this result than the one of the last call."
"""What it says of a result of an earlier call."""

SAME_SCAN = "The same scan as {case}: it is in the table twice."
"""What it says of a scan that a row of another call is of, voxel for voxel."""


@dataclass(frozen=True, slots=True)
class Row:
    """What came of one case. Columns of the table, in this order; a number is empty where there is none.

    ``status``: "done", "failed", or "kept" (the earlier result was not replaced, and the numbers are its);
    ``result``: the file in the output folder. Volumes in mL, infection counts as lung, in every ``percent`` too;
    densities in HU; zones are thirds of a lung's height. ``ct_class``: CT-0 to CT-4, as in the JSON; ``zone_score``:
    0 to 24; ``lobe_score``: 0 to 25, where there is a lobe segmentation (see :mod:`CovidSegLib.measures`);
    ``estimated_lobe_score``: that of lobes estimated from the shape of the lungs, with its 90 % range;
    ``no_estimated_lobe_score``: why there is none; ``lobes_are``: "given", "estimated", "estimated, corrected", or
    "estimated, then checked by a reader".
    ``kept_edits_ml``, ``edited_segments``: corrections of a reader that are in the result and the numbers, and where.
    ``partly_visible``: the lungs that the scan cuts off; ``seconds``: all stages; ``source``: what was read ("DICOM
    series 2 of 3 (133 slices)"); ``message``: error or warnings, among them why this series was chosen. ``further``:
    the columns after these, see :func:`CovidSegLib.measures.quantities.further`.
    """

    case: str
    status: str
    result: str = ""
    lung_ml: float | None = None
    left_lung_ml: float | None = None
    right_lung_ml: float | None = None
    infection_ml: float | None = None
    infection_percent: float | None = None
    left_infection_percent: float | None = None
    right_infection_percent: float | None = None
    ct_class: str = ""
    zone_score: float | None = None
    lobe_score: float | None = None
    estimated_lobe_score: float | None = None
    estimated_lobe_score_low: float | None = None
    estimated_lobe_score_high: float | None = None
    no_estimated_lobe_score: str = ""
    lobes_are: str = ""
    right_upper_zone_percent: float | None = None
    right_middle_zone_percent: float | None = None
    right_lower_zone_percent: float | None = None
    left_upper_zone_percent: float | None = None
    left_middle_zone_percent: float | None = None
    left_lower_zone_percent: float | None = None
    ground_glass_ml: float | None = None
    consolidation_ml: float | None = None
    infection_mean_hu: float | None = None
    lung_mean_hu: float | None = None
    lesions: float | None = None
    largest_lesion_ml: float | None = None
    kept_edits_ml: float | None = None
    edited_segments: str = ""
    partly_visible: str = ""
    seconds: float | None = None
    source: str = ""
    message: str = ""
    further: tuple[float | None, ...] = ()

    @classmethod
    def of_entry(cls, entry: Entry, record: ResultRecord | None) -> Row:
        """The row of a line of the manifest and its record (:class:`CovidSegLib.batch.manifest.Manifest`)."""
        if record is None:
            return cls(entry.case, FAILED, message=entry.message)
        numbers = columns_of(record.measurements, "column")
        ct_class = numbers.pop("ct_class") or ""
        return cls(
            entry.case,
            KEPT if entry.status == KEPT else DONE,
            entry.result,
            ct_class=ct_class,
            no_estimated_lobe_score=record.measurements.severity_refused,
            lobes_are=record.measurements.whose_lobes,
            further=tuple(numbers.pop(name) for name in further("column")),
            **numbers,
            kept_edits_ml=record.kept_edits_ml,
            edited_segments=" and ".join(record.edited_segments or ()),
            partly_visible=" and ".join(record.measurements.partly_visible),
            seconds=record.seconds.get("total"),
            source=record.source or "",
            message=" ".join(filter(None, (entry.message, *record.warnings))),
        )


_NOT_IN_OLDER_TABLES = {
    "kept_edits_ml",
    "edited_segments",
    "no_estimated_lobe_score",
    "lobes_are",
    *(f"{side}_{level}_zone_percent" for side in ("right", "left") for level in ("upper", "middle", "lower")),
    *(f"estimated_lobe_score{end}" for end in ("", "_low", "_high")),
}


def _own_columns() -> tuple[Field[Any], ...]:
    """What is a column by itself."""
    return fields(Row)[:-1]


class Summary:
    """The table in ``path``: rows by the number of their case, written in one step.

    ``state``: the file's (:func:`CovidSegLib.system.file_states.file_state`) when the batch began.
    """

    def __init__(self, path: Path, state: str = "") -> None:
        self._table = OwnTable(path, state)
        self._rows: dict[int, Row] = {}

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows so far, in the order of the cases."""
        return tuple(self._rows[number] for number in sorted(self._rows))

    def put(self, number: int, row: Row) -> None:
        """Set the row of case ``number``."""
        self._rows[number] = row

    def write(self, identity: str = OF_NOTHING) -> None:
        """Write the table of the batch ``identity``.

        Raises OutputError; then the old one is there, or what somebody saved meanwhile.
        """
        more = further("column")
        rows = []
        for row in self.rows:
            own = [getattr(row, column.name) for column in _own_columns()]
            rows.append([*map(_cell, [*own, *(row.further or [None] * len(more))])])
        self._table.write(table_text([*(column.name for column in _own_columns()), *more], rows, identity))


def check_own_table(path: Path) -> None:
    """Raise OutputError when what is at ``path`` is not a table of an earlier run, but another program's."""
    if not path.exists():
        return
    names = {column.name for column in _own_columns()} - _NOT_IN_OLDER_TABLES
    numbers = [column.name for column in _own_columns() if column.type != "str"]
    try:
        with path.open(encoding="utf-8", newline="") as file:
            table = csv.DictReader(file, strict=True)
            if not names <= set(table.fieldnames or names):
                raise ValueError("another header")
            for cells in table:
                for name in numbers:
                    float(cells.get(name) or 0)
    except (OSError, ValueError, csv.Error) as error:
        raise OutputError(
            "The output folder holds a summary.csv that is not one of ours.", "Move it away, or choose another folder."
        ) from error


def _cell(value: str | float | None) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return table_cell(value)
    return f"{value:.10g}"
