"""A data set's table, ``metadata.csv``, as Excel, pandas and people write it."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

from CovidSegLib.errors import InputError

TABLE = "metadata.csv"

_FOLD = re.compile(r"(\d+)(?:[.,]0*)?")
"""As soon as one row has no fold, pandas writes the others as 1.0; a European Excel makes 1,0 of it."""


@dataclass(frozen=True)
class MetadataRow:
    """A row of the table: its line, its cells by column (lower case), and why it cannot be used (empty: it can)."""

    number: int
    cells: dict[str, str]
    fault: str

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")

    @property
    def fold(self) -> int:
        """0 where none is given."""
        match = _FOLD.fullmatch(self["fold"])
        return int(match[1]) if match else 0


def read_rows(table: Path) -> list[MetadataRow]:
    """The rows of ``table`` that are not blank, none where it does not exist; raises InputError for what is no table.

    Read is what pandas and Excel write: commas, semicolons or tabs, UTF-8 or Windows' own, columns in any letter case.
    """
    if not table.is_file():
        return []
    try:
        text = _text(table.read_bytes())
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=text.partition("\n")[0].count))
        header = [cell.strip().lower() for cell in next(lines, [])]
        rows = [(lines.line_num, [cell.strip() for cell in cells]) for cells in lines]
    except (OSError, csv.Error) as error:
        raise InputError(f"{table.name} cannot be read as a table.", "Save it as CSV again.") from error
    while header and not header[-1]:
        header.pop()
    return [
        MetadataRow(
            number,
            dict.fromkeys(header, "") | dict(zip(header, cells, strict=False)),
            _fault(table.name, header, cells),
        )
        for number, cells in rows
        if any(cells)
    ]


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:  # Excel's "CSV": Latin-1 and a little more
        return content.decode("cp1252", errors="replace")


def _fault(table: str, header: list[str], cells: list[str]) -> str:
    """Why a row cannot be used, in a sentence; empty where it can."""
    if len(cells) < len(header):
        return f"Its row in {table} has fewer cells than there are columns."
    if any(cells[len(header) :]):
        return f"Its row in {table} has more cells than there are columns."
    fold = dict(zip(header, cells, strict=False)).get("fold", "")
    return f"The fold in {table} is no whole number." if fold and not _FOLD.fullmatch(fold) else ""
