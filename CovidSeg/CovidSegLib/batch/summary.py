"""``summary.csv``: one row per case, complete and readable at any moment."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ..errors import OutputError
from .case import replace_text

DONE, FAILED = "done", "failed"

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""A spreadsheet takes a cell that begins so for a formula and runs it."""


@dataclass(frozen=True)
class Row:
    """What came of one case. Columns of the table, in this order.

    ``status``: "done" or "failed"; ``result``: the file in the output folder; volumes in mL, ``infection_percent`` in %
    of lung (empty without lung; infection counts as lung); ``seconds``: all stages; ``message``: error or warnings.
    """

    case: str
    status: str
    result: str = ""
    lung_ml: float | None = None
    left_lung_ml: float | None = None
    right_lung_ml: float | None = None
    infection_ml: float | None = None
    infection_percent: float | None = None
    seconds: float | None = None
    message: str = ""

    @classmethod
    def of_record(cls, case: str, result: str, record: Mapping[str, Any]) -> Row:
        """The row of a case that is done; ``record`` is that of :func:`CovidSegLib.batch.segment_case`."""
        lung = record["lung_ml"]
        return cls(
            case,
            DONE,
            result,
            lung["total"],
            lung["left"],
            lung["right"],
            record["infection_ml"],
            record["infection_percent"],
            record["seconds"]["total"],
            " ".join(record["warnings"]),
        )


class Summary:
    """The table in ``path``, rewritten in one step after every row that is added."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: list[Row] = []

    @property
    def rows(self) -> tuple[Row, ...]:
        """What was added so far."""
        return tuple(self._rows)

    def add(self, row: Row) -> None:
        """Add ``row`` and write the table. Raises OutputError."""
        self._rows.append(row)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(column.name for column in fields(Row))
        writer.writerows([_cell(value) for value in asdict(row).values()] for row in self._rows)
        replace_text(text.getvalue(), self._path)


def read_rows(path: Path) -> list[Row]:
    """The rows of an earlier run; none if there is no table. Raises OutputError when it is another program's file."""
    if not path.exists():
        return []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            table = list(csv.DictReader(file, strict=True))
        return [_row(cells) for cells in table]
    except (OSError, ValueError, csv.Error, KeyError, TypeError) as error:
        raise OutputError(
            "The output folder holds a summary.csv that is not one of ours.", "Move it away, or choose another folder."
        ) from error


def _row(cells: Mapping[str, str]) -> Row:
    texts = {name: _plain(cells[name]) for name in ("case", "status", "result", "message")}
    numbers = {
        column.name: float(cells[column.name]) if cells[column.name] else None
        for column in fields(Row)
        if column.name not in texts
    }
    return Row(**texts, **numbers)  # type: ignore[arg-type]


def _cell(value: str | float | None) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith((*_FORMULA_STARTS, "'")) else value
    return f"{value:.10g}"


def _plain(cell: str) -> str:
    return cell[1:] if cell.startswith("'") else cell
