"""All scans of a folder, one after the other, in one process and with flat memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import CovidSegError, InputError, OutputError
from ..progress import Cancelled, Progress
from ..reading import find_cases
from .case import SegmentFunction, segment_case
from .summary import DONE, FAILED, Row, Summary, read_rows

SUMMARY_NAME = "summary.csv"
SAFE_SUFFIX = ".seg.nrrd"
"""Files with this ending never count as scans."""


@dataclass(frozen=True)
class PlannedCase:
    """A scan (``source``: file or DICOM folder) and where its ``result`` goes; both are called ``stem``."""

    stem: str
    source: Path
    result: Path


def plan_cases(input_folder: Path, output_folder: Path, suffix: str) -> list[PlannedCase]:
    """Every scan in ``input_folder`` with its result ``<stem><suffix>`` in ``output_folder``.

    Raises InputError when there is no scan, and when results would lie among the scans and be taken for scans the next
    time (a ``.seg.nrrd`` never is).
    """
    if suffix != SAFE_SUFFIX and output_folder.resolve() == input_folder.resolve():
        raise InputError(
            "Results of this format would lie among the scans and look like them.",
            f"Choose another output folder, or the format {SAFE_SUFFIX[1:]}.",
        )
    return [
        PlannedCase(found.stem, found.path, output_folder / f"{found.stem}{suffix}")
        for found in find_cases(input_folder)
    ]


def finished_rows(cases: Sequence[PlannedCase], output_folder: Path) -> dict[str, Row]:
    """Rows of an earlier run, by stem, of the cases whose result is still there. Raises OutputError."""
    earlier = {row.case: row for row in read_rows(output_folder / SUMMARY_NAME) if row.status == DONE}
    return {
        case.stem: earlier[case.stem]
        for case in cases
        if case.stem in earlier and earlier[case.stem].result == case.result.name and case.result.is_file()
    }


def run_cases(
    cases: Sequence[PlannedCase],
    summary: Summary,
    *,
    segment: SegmentFunction,
    progress: Progress,
    started: Callable[[int, PlannedCase], None] = lambda number, case: None,
    ended: Callable[[Row, dict[str, Any] | None, Exception | None], None] = lambda row, record, error: None,
) -> None:
    """Segment ``cases`` one after the other and add a row to ``summary`` for each.

    A case that fails, for whatever reason, is a row with status "failed" and does not stop the others. ``started`` gets
    the case's number (from 0) before, ``ended`` the row, the record (None if it failed) and the error after each case.
    Raises Cancelled, and OutputError when the summary itself cannot be written.
    """
    for number, case in enumerate(cases):
        started(number, case)
        record, failure = None, None
        try:
            record = segment_case(case.source, [case.result], segment=segment, progress=progress)
            row = Row.of_record(case.stem, case.result.name, record)
        except Cancelled:
            raise
        except CovidSegError as error:
            row, failure = Row(case.stem, FAILED, message=str(error)), error
        except Exception as error:
            row, failure = Row(case.stem, FAILED, message="An unexpected error: a fault of CovidSeg."), error
        summary.add(row)
        ended(row, record, failure)
        # An error holds on to the scan through its traceback.
        del failure, record


def make_output_folder(folder: Path) -> None:
    """Make ``folder`` and those above it unless it is there. Raises OutputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError("The output folder cannot be made.", "Choose a folder that you may write to.") from error
