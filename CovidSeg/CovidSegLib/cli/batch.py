"""``covidseg batch``: all scans of a folder."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CovidSegError
from .console import Console, in_words
from .faults import BUG_SENTENCE, DONE, OWN_FAULT, WRONG_CALL, exit_code, print_bug
from .options import add_pipeline_options, check_input, check_targets, pipeline_options

if TYPE_CHECKING:
    from ..batch import PlannedCase, Row

_DESCRIPTION = """Segment every scan in INPUT_DIR (files and DICOM sub-folders), one after the other, into OUT_DIR under
the scan's own name, with a table summary.csv that is complete after every scan. A scan that fails is a row and a line
and does not stop the others."""
_EPILOG = (
    "Exit codes: 0 all scans are done, 2 some failed by their input, 1 some by a fault of the program, 130 cancelled."
)
_SUFFIXES = (".seg.nrrd", ".nii.gz", ".nii", ".nrrd", ".mha")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the sub-command."""
    parser = commands.add_parser(
        "batch", help="segment a folder of scans", description=_DESCRIPTION, epilog=_EPILOG, allow_abbrev=False
    )
    parser.add_argument("input", metavar="INPUT_DIR", type=Path)
    parser.add_argument("output", metavar="OUT_DIR", type=Path)
    formats = [suffix[1:] for suffix in _SUFFIXES]
    parser.add_argument("--format", choices=formats, default=formats[0], help=f"kind of the results ({formats[0]})")
    parser.add_argument("--resume", action="store_true", help="keep results that summary.csv says are done")
    add_pipeline_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Segment all cases; returns 0, 2 or 1 (see the epilog). Raises what concerns the call as a whole."""
    check_input(args.input)
    from ..batch.case import json_text, replace_text
    from ..batch.run import SUMMARY_NAME, finished_rows, make_output_folder, plan_cases, run_cases
    from ..batch.summary import Summary
    from ..worker import Worker
    from ..writing import check_suffix

    suffix = f".{args.format}"
    cases = plan_cases(args.input, args.output, suffix)
    if args.json:
        check_targets(args.input, [args.json, *(case.source for case in cases if case.source.is_file())])
    finished = finished_rows(cases, args.output) if args.resume else {}
    to_do = [case for case in cases if case.stem not in finished]
    console, progress = Console.of(args, stages=False)
    telling = _Telling(console, len(to_do))
    try:
        with Worker(pipeline_options(args)) as worker:
            if to_do:
                worker.wait_until_ready(progress)
            make_output_folder(args.output)
            check_suffix(args.output / f"result{suffix}")
            summary = Summary(args.output / SUMMARY_NAME)
            for row in finished.values():
                summary.add(row)
            run_cases(
                to_do, summary, segment=worker.segment, progress=progress, started=telling.started, ended=telling.ended
            )
    finally:
        console.clear()
    if args.json:
        replace_text(json_text({"cases": telling.records}), args.json)
    kept = f", {len(finished)} done before" if finished else ""
    console.begin("")
    console.result(f"{telling.done} of {len(to_do)} scans done{kept}.")
    return telling.code


class _Telling:
    """Says one line per case, and keeps what the JSON file and the exit code need."""

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._total = total
        self.done = 0
        self.code = DONE
        self.records: list[dict[str, Any]] = []

    def started(self, number: int, case: PlannedCase) -> None:
        """Case ``number`` (from 0) begins."""
        self._console.begin(f"[{number + 1}/{self._total}] {case.stem}")

    def ended(self, row: Row, record: dict[str, Any] | None, error: Exception | None) -> None:
        """A case is done (``record``) or failed (``error``)."""
        self.records.append({"case": row.case, "status": row.status, "message": row.message, **(record or {})})
        if record is not None:
            self.done += 1
            self._console.result(in_words(record))
            return
        assert error is not None
        if not isinstance(error, CovidSegError):
            self._console.clear()
            print_bug(error)
        self._console.error(str(error) if isinstance(error, CovidSegError) else BUG_SENTENCE)
        # A fault of ours outweighs a wrong input.
        self.code = OWN_FAULT if OWN_FAULT in (self.code, exit_code(error)) else WRONG_CALL
