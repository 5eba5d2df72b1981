"""``covidseg batch``: all scans of a folder."""

from __future__ import annotations

import argparse
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from ..errors import OutputError
from ..progress import Cancelled, Progress
from ..words import in_ml
from .console import Console, in_words
from .faults import BUG_SENTENCE, DONE, OWN_FAULT, WRONG_CALL
from .options import (
    add_existing_options,
    add_pipeline_options,
    check_input,
    check_numbers,
    check_targets,
    existing_files,
    file_name,
    pipeline_options,
    whole_number,
)

if TYPE_CHECKING:
    from ..batch import Outcome, PlannedCase, Row

_DESCRIPTION = """Segment every scan in INPUT_DIR into OUT_DIR under the scan's own name. Scans are the files in it and
the DICOM studies in its sub-folders (any depth, many patients and series; the chest CT series of a study is chosen and
named). Beside the results: summary.csv, index.html with a picture of every scan, and manifest.jsonl. Called again, also
after a kill, it goes on where it was: scans that are done with the same network and have not changed are kept, and
every scan keeps the name that it has in OUT_DIR. A scan that fails is a row and a line and does not stop the others."""
_EPILOG = (
    "Exit codes: 0 all scans are done, 2 some failed by their input, 1 some by a fault of the program, 130 cancelled."
)
_SUFFIXES = (".seg.nrrd", ".nii.gz", ".nii", ".nrrd", ".mha")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the sub-command."""
    parser = commands.add_parser(
        "batch", help="segment a folder of scans", description=_DESCRIPTION, epilog=_EPILOG, allow_abbrev=False
    )
    parser.add_argument("input", metavar="INPUT_DIR", type=file_name)
    parser.add_argument("output", metavar="OUT_DIR", type=file_name)
    formats = [suffix[1:] for suffix in _SUFFIXES]
    parser.add_argument("--format", choices=formats, default=formats[0], help=f"kind of the results ({formats[0]})")
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
    check_input(args.input)
    from ..batch.manifest import Manifest, clear_up
    from ..batch.names import keep_names
    from ..batch.plan import (
        MANIFEST_NAME,
        SUMMARY_NAME,
        begun,
        make_output_folder,
        model_identity,
        plan_cases,
        settled,
        still_done,
    )
    from ..batch.run import Books, keep_books
    from ..batch.summary import read_rows
    from ..report.record import json_text
    from ..writing import check_suffix, replace_text

    suffix = f".{args.format}"
    console, progress = Console.of(args, stages=False)
    with ExitStack() as stack:
        stack.callback(console.clear)
        cases = plan_cases(args.input, args.output, suffix, progress, existing_files(args))
        _check_json(args, cases)
        if not (args.output / MANIFEST_NAME).exists():
            read_rows(args.output / SUMMARY_NAME)  # another program's table is not overwritten
        runner = stack.enter_context(_Runner(args, progress))
        make_output_folder(args.output)
        check_suffix(args.output / f"result{suffix}")
        manifest = stack.enter_context(Manifest(args.output / MANIFEST_NAME))
        clear_up(args.output)
        stack.callback(clear_up, args.output, own=True)
        cases = keep_names(cases, manifest.entries)
        _check_json(args, cases)
        model = model_identity(runner.options.model)
        finished = {c.stem for c in cases if not args.restart and still_done(c, manifest.entries.get(c.stem), model)}
        left = [(n, case) for n, case in enumerate(cases) if case.stem not in finished]
        to_do = [(n, settled(case, manifest.entries.get(case.stem))) for n, case in left]
        manifest.begin(filter(None, [begun(case, manifest.entries.get(case.stem)) for _, case in left]))
        books = Books(args.output, manifest, cases, model)
        done = [case for case in cases if case.stem in finished]
        books.keep(done)
        _draw_lost(done, console, progress)
        telling = _Telling(console, [case for _, case in to_do], {number: n for n, (number, _) in enumerate(to_do)})
        keep_books(runner.run(to_do, args.stop_asked), books, telling.ended, telling.passing)
        if args.json:
            replace_text(json_text({"cases": books.records()}), args.json)
    kept = f", {len(finished)} done before" if finished else ""
    console.begin("")
    console.result(f"{telling.done} of {len(to_do)} scans done{kept}.")
    return telling.code


def _draw_lost(finished: Sequence[PlannedCase], console: Console, progress: Progress) -> None:
    """Draw the pictures of ``finished`` cases that are gone again. One that cannot be drawn is a warning."""
    from ..batch.outcome import Failure
    from ..batch.pictures import draw_again

    for case in finished:
        if not case.picture.is_file():
            console.begin(case.stem)
            try:
                draw_again(case, progress)
            except Cancelled:
                raise
            except Exception as error:  # no picture ends a batch
                console.warn(f"Its picture is gone and cannot be drawn again. {Failure.of(error).message}")


def _check_json(args: argparse.Namespace, cases: Sequence[PlannedCase]) -> None:
    """Raise OutputError unless ``--json`` names a file that is neither a scan nor one of the batch's own."""
    if not args.json:
        return
    from ..batch.plan import is_own_file

    for source in (args.input, *(case.source for case in cases if case.source.is_file())):
        check_targets(source, [args.json])
    if is_own_file(args.json, args.output, cases):
        raise OutputError("The file for the numbers is one that the batch itself writes.", "Choose another name.")
    check_numbers([args.json], overwrite=args.overwrite)


class _Runner:
    """What computes: children of this process, or a Dask cluster. Entering it makes sure that it can."""

    def __init__(self, args: argparse.Namespace, progress: Progress) -> None:
        self.options = pipeline_options(args)
        self._args, self._progress = args, progress
        self._stack = ExitStack()

    def __enter__(self) -> _Runner:
        with ExitStack() as stack:
            if self._args.scheduler:
                from ..batch import cluster

                self._client = stack.enter_context(cluster.connect(self._args.scheduler))
            else:
                from ..batch.local import WorkerPool

                self._pool = stack.enter_context(WorkerPool(self.options, self._args.jobs))
                self._pool.wait_until_ready(self._progress)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(
        self, cases: Sequence[tuple[int, PlannedCase]], stop_asked: object
    ) -> Generator[Outcome | None, None, None]:
        """The outcomes of ``cases``, as they come."""
        if self._args.scheduler:
            from ..batch.cluster import run_on_cluster

            return run_on_cluster(cases, self._client, self.options, stop_asked)
        from ..batch.local import run_here

        return run_here(cases, self._pool, stop_asked)


class _Telling:
    """Says one line per case, shows how far the whole is, and keeps what the exit code needs."""

    def __init__(self, console: Console, cases: Sequence[PlannedCase], places: dict[int, int]) -> None:
        self._console, self._cases, self._places = console, cases, places
        self._began = time.monotonic()
        self._ended = 0
        self.done = 0
        self.code = DONE

    def ended(self, outcome: Outcome, row: Row) -> None:
        """A case is done or failed."""
        self._ended += 1
        place = self._places[outcome.number]
        self._console.begin(f"[{place + 1}/{len(self._cases)}] {row.case}")
        for notice in outcome.notices:
            self._console.warn(notice)
        failure = outcome.failure
        if failure is None:
            assert outcome.record is not None
            self.done += 1
            self._console.result(in_words(outcome.record))
            if outcome.record["kept_edits_ml"]:
                self._console.result(f"Kept: {in_ml(outcome.record['kept_edits_ml'])} that a reader had corrected.")
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
            seconds = (time.monotonic() - self._began) / self.done * (len(self._cases) - self._ended)
            left = f"about {_duration(seconds)} left"
        self._console.overall(self._ended, len(self._cases), left)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
