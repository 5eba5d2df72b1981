"""``covidseg batch``: all scans of a folder."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from ..errors import OutputError, about
from ..system.command_line import DONE, OWN_FAULT, WRONG_CALL
from ..words import in_ml
from .arguments import (
    add_existing_options,
    add_pipeline_options,
    as_typed,
    check_input,
    check_model,
    check_numbers,
    check_targets,
    existing_files,
    file_name,
    pipeline_options,
    whole_number,
)
from .console import BUG_SENTENCE, Console, in_words

if TYPE_CHECKING:
    from ..batch import Outcome, PlannedCase, Row
    from ..batch.batch_run import Runner

_DESCRIPTION = """Segment every scan in INPUT_DIR into OUT_DIR under the scan's own name. Scans are the files in it and
in its sub-folders (called after their paths) and the DICOM studies in these (any depth, many patients and series; the
chest CT series of a study is chosen and named). Packed files, linked folders further down and results of batches are
left out, and counted in a warning. Beside the results: summary.csv, index.html with a picture of every scan, and
manifest.jsonl. Called again, also after a kill, it goes on where it was: scans that are done with the same network and
have not changed are kept, and every scan keeps the name that it has in OUT_DIR. Several INPUT_DIR may share OUT_DIR:
its tables tell of all, and no scan takes the place of one of its name out of another. A scan that fails, or a folder
that may not be opened, is a row and a line and does not stop the others."""
_EPILOG = """Lobes in a scan's own folder (DICOM SEG) that CovidSeg estimated count as estimated here, whoever checked
them: say so of each scan, by covidseg report SCAN MASKS --lobes FILE --lobes-checked.
Exit codes: 0 all scans are done, 2 some failed by their input, 1 some by a fault of the program, 130 cancelled."""


class _Formats(Iterable[str]):
    """The endings that results may have; what knows them is loaded only where one is chosen, or the help is shown."""

    def __iter__(self) -> Iterator[str]:
        from ..segfiles.registry import FORMATS

        return (form.suffix[1:] for form in FORMATS)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the sub-command."""
    parser = commands.add_parser(
        "batch", help="segment a folder of scans", description=_DESCRIPTION, epilog=_EPILOG, allow_abbrev=False
    )
    parser.add_argument("input", metavar="INPUT_DIR", type=file_name)
    parser.add_argument("output", metavar="OUT_DIR", type=file_name)
    parser.add_argument(
        "--format",
        choices=_Formats(),
        default="seg.nrrd",
        metavar="KIND",
        help="kind of the results: one of %(choices)s (%(default)s); dcm: of DICOM series",
    )
    parser.add_argument(
        "--reports", action="store_true", help="also make a report page of each scan, in OUT_DIR/reports"
    )
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="keep what is done (this is the default)")
    again.add_argument("--restart", action="store_true", help="do all scans anew, also those that are done")
    parser.add_argument(
        "--jobs",
        metavar="N",
        type=whole_number(1),
        default=1,
        help="scans to compute at a time; they share the cores (1)",
    )
    parser.add_argument(
        "--scheduler", metavar="ADDRESS", help="run on the workers of this Dask scheduler (tcp://host:8786) instead"
    )
    add_existing_options(parser)
    add_pipeline_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Segment all cases; returns 0, 2 or 1 (see the epilog). Raises what concerns the call as a whole."""
    from ..batch.plan import INDEX_NAME, SUMMARY_NAME
    from ..system.file_states import states_of

    begun = states_of([args.output / SUMMARY_NAME, args.output / INDEX_NAME, *([args.json] if args.json else [])])
    check_input(args.input)
    from ..batch import plan_cases, run_batch

    with Console.of(args, stages=False) as (console, progress):
        telling = _Telling(console)
        with as_typed(args.input, outputs=[args.output]):
            cases = plan_cases(args.input, args.output, f".{args.format}", progress, existing_files(args))
        if args.reports:
            cases = [case.with_report() for case in cases]
        _check_json(args, cases)
        check_model(args)
        with about(args.output, OutputError):
            run_batch(
                cases,
                args.output,
                _runner(args),
                restart=args.restart,
                listener=telling,
                progress=progress,
                json_file=args.json,
                begun=begun,
            )
    kept = f", {telling.done_before} done before" if telling.done_before else ""
    console.begin("")
    if telling.listed:
        console.result(f"Scans of other input folders, done by earlier calls, in the tables as well: {telling.listed}.")
    if telling.gone:
        console.result(f"Results whose scans are gone from the input folder, in the tables no more: {telling.gone}.")
    console.result(f"{telling.done} of {telling.total} scans done{kept}.")
    return telling.code


def _check_json(args: argparse.Namespace, cases: Sequence[PlannedCase]) -> None:
    """Raise OutputError unless ``--json`` names a file that is neither a scan nor one of the batch's own."""
    if not args.json:
        return
    from ..batch.plan import refuse_own_file

    for source in (args.input, *(case.source for case in cases if os.path.isfile(case.source))):
        check_targets(source, [args.json])
    with about(args.json):
        refuse_own_file(args.json, args.output, cases)
    check_numbers([args.json], overwrite=args.overwrite)


def _runner(args: argparse.Namespace) -> Runner:
    """What computes: children of this process, or a Dask cluster."""
    options = pipeline_options(args)
    if args.scheduler:
        from ..batch.cluster import ClusterRunner

        return ClusterRunner(options, args.scheduler)
    from ..batch import LocalRunner

    return LocalRunner(options, args.jobs)


class _Telling:
    """Says one line per case, shows how far the whole is, and keeps what the exit code needs.

    A :class:`CovidSegLib.batch.Listener`, from which it is not derived: what that loads, other commands do not need.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._places: dict[int, int] = {}
        self._began = time.monotonic()
        self._ended = 0
        self.total = self.done = self.done_before = self.listed = self.gone = 0
        self.code = DONE

    def drawing(self, case: PlannedCase) -> None:
        """A lost picture is drawn again."""
        self._console.begin(case.stem)

    def not_drawn(self, case: PlannedCase, reason: str) -> None:
        """That could not be done."""
        self._console.warn(f"Its picture is gone and cannot be drawn again. {reason}")

    def comparing(self, count: int) -> None:
        """Scans of another input folder are read."""
        self._console.result(f"Scans done in another input folder, read to see that they are the same: {count}.")

    def others(self, listed: int, gone: int) -> None:
        """The tables also tell of cases of other input folders."""
        self.listed, self.gone = listed, gone

    def begun(self, numbers: Sequence[int], done_before: int) -> None:
        """The cases of these ``numbers`` are to be done."""
        self._places = {number: place for place, number in enumerate(numbers, start=1)}
        self._began = time.monotonic()
        self.total, self.done_before = len(numbers), done_before

    def ended(self, outcome: Outcome, row: Row) -> None:
        """A case is done or failed."""
        self._ended += 1
        self._console.begin(f"[{self._places[outcome.number]}/{self.total}] {row.case}")
        for notice in outcome.notices:
            self._console.warn(notice)
        failure = outcome.failure
        if failure is None:
            assert outcome.record is not None
            self.done += 1
            self._console.result(in_words(outcome.record))
            if outcome.record.kept_edits_ml:
                self._console.result(f"Kept: {in_ml(outcome.record.kept_edits_ml)} that a reader had corrected.")
        else:
            self._console.traceback(failure.traceback)
            self._console.error(BUG_SENTENCE if failure.traceback else failure.message)
            # A fault of ours outweighs a wrong input.
            self.code = OWN_FAULT if failure.own_fault or self.code == OWN_FAULT else WRONG_CALL
        self.passing()

    def passing(self) -> None:
        """Time has passed: show how far the batch is and when it will be done."""
        left = ""
        if self.done:  # one that failed at once says nothing about the others
            seconds = (time.monotonic() - self._began) / self.done * (self.total - self._ended)
            left = f"about {_duration(seconds)} left"
        self._console.overall(self._ended, self.total, left)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
