"""A batch from its plan to its end: what an earlier run has done is kept, all else is computed and entered."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..errors import about
from ..progress import Cancelled, Progress
from ..report.result_record import json_text
from ..segfiles import check_suffix
from ..system.atomic_files import OutputSet
from ..system.checksums import OF_NOTHING, refuse_changed
from ..system.file_states import States, refuse_protected, states_of
from ..worker.parent import Worker
from .batch_pictures import DrawAgain
from .bookkeeping import Books
from .manifest import Manifest, clear_up
from .names import keep_names
from .other_folders import other_cases, same_scans, scan_elsewhere
from .outcome import Failure, Outcome, RunCases
from .ownership import begun, settled, still_done
from .plan import (
    INDEX_NAME,
    MANIFEST_NAME,
    SUMMARY_NAME,
    PlannedCase,
    make_output_folder,
    model_identity,
    refuse_own_file,
)
from .summary import Row, check_own_table

if TYPE_CHECKING:
    from ..options import Options


class Runner(Protocol):
    """What computes: :class:`CovidSegLib.batch.LocalRunner`, or ``cluster.ClusterRunner``."""

    @property
    def options(self) -> Options:
        """What is asked of it."""

    def open(self, progress: Progress, cases: int) -> AbstractContextManager[RunCases]:
        """Make sure that it can, until the context is left. ``cases``: how many there are to compute at most."""


class Listener(Protocol):
    """What a batch tells while it runs. A class that is derived from it leaves out what it has no use for."""

    # A type checker takes a method without any statement for one that must not be left out.

    def drawing(self, case: PlannedCase) -> None:
        """The picture of ``case``, which was done before, is gone and is drawn again."""
        return

    def not_drawn(self, case: PlannedCase, reason: str) -> None:
        """That could not be done."""
        return

    def comparing(self, count: int) -> None:
        """So many scans were done in another input folder, and are read to see whether they are the same."""
        return

    def others(self, listed: int, gone: int) -> None:
        """The tables tell of ``listed`` cases of other input folders, and not of ``gone`` whose scans are gone."""
        return

    def begun(self, numbers: Sequence[int], done_before: int) -> None:
        """The cases of these ``numbers`` are to be done, in this order, besides those ``done_before``."""
        return

    def ended(self, outcome: Outcome, row: Row) -> None:
        """A case is done or failed."""
        return

    def passing(self) -> None:
        """Time has passed."""
        return


class _Nobody(Listener):
    """Does not listen."""


def run_batch(
    cases: Sequence[PlannedCase],
    folder: Path,
    runner: Runner,
    *,
    restart: bool = False,
    listener: Listener | None = None,
    progress: Progress | None = None,
    json_file: Path | None = None,
    begun: States = (),
) -> tuple[Row, ...]:
    """Do those of ``cases`` (of ``plan_cases``, at least one) that no earlier run in ``folder`` has done.

    ``restart``: do all of them. Returns the rows of summary.csv; ``json_file`` gets all records;
    ``begun``: states of tables that were taken when the run began, before the cases were planned. A case that fails
    is a row and ends nothing. Raises what concerns the batch as a whole: OutputError, ModelError, EngineError,
    InputError (no scheduler), or Cancelled; then what is done is done, and the next call goes on there.
    """
    listener, progress = listener or _Nobody(), progress or Progress()
    tables = [folder / SUMMARY_NAME, folder / INDEX_NAME, *([json_file] if json_file is not None else [])]
    states = dict(states_of(tables)) | dict(begun)
    with ExitStack() as stack:
        run_cases = None
        overwrite = cases[0].existing.overwrite
        if not (folder / MANIFEST_NAME).exists():
            check_own_table(folder / SUMMARY_NAME)  # another program's table is not overwritten
            _refuse_changed(states, OF_NOTHING, overwrite=overwrite)
            # Before the folder is made: a wrong option leaves none behind.
            run_cases = stack.enter_context(runner.open(progress, len(cases)))
        manifest = stack.enter_context(_opened(folder, cases[0]))
        _refuse_changed(states, manifest.identity, overwrite=overwrite)
        cases = keep_names(cases, manifest.entries)
        if json_file is not None:
            refuse_own_file(json_file, folder, cases)
        model = model_identity(runner.options.model)
        finished = [case for case in cases if not restart and still_done(case, manifest.entries.get(case.stem), model)]
        run_cases = run_cases or stack.enter_context(runner.open(progress, len(cases) - len(finished)))
        finished = same_scans(finished, manifest, progress, listener.comparing)
        to_do = _begin(cases, finished, manifest)
        others = other_cases(cases, manifest, folder)
        books = Books(folder, manifest, cases, model, states, others)
        books.keep(finished)
        listener.others(len(others.listed), len(others.gone))
        _draw_lost(finished, listener, progress)
        listener.begun([number for number, _ in to_do], len(finished))
        keep_books(run_cases(to_do), books, listener)
        if json_file is not None:
            with OutputSet(states) as files:
                files.add_text(json_text({"cases": books.records()}, manifest.identity), json_file)
                files.publish()
        books.check_tables()
        return books.rows


def _refuse_changed(tables: Iterable[Path], identity: str, *, overwrite: bool) -> None:
    """Raise OutputError unless ``tables`` are as the batch ``identity`` wrote them, before any work is done."""
    for table in tables:
        with about(table):
            refuse_protected(table)
            if not overwrite:
                refuse_changed(table, (identity, OF_NOTHING))


@contextmanager
def _opened(folder: Path, case: PlannedCase) -> Iterator[Manifest]:
    """Make ``folder`` for results as that of ``case``, and hold its manifest; what killed processes left in it goes."""
    make_output_folder(folder, reports=case.report is not None)
    check_suffix(folder / f"result{case.suffix}")
    with Manifest(folder / MANIFEST_NAME) as manifest:
        clear_up(folder)
        try:
            yield manifest
        finally:
            clear_up(folder, own=True)


def _begin(
    cases: Sequence[PlannedCase], finished: Sequence[PlannedCase], manifest: Manifest
) -> list[tuple[int, PlannedCase]]:
    """The cases that are not ``finished``, with their numbers and leave to replace what is the batch's own."""
    stems = {case.stem for case in finished}
    left = [(n, case, manifest.entries.get(case.stem)) for n, case in enumerate(cases) if case.stem not in stems]
    to_do = [(number, settled(case, entry, scan_elsewhere(case, manifest))) for number, case, entry in left]
    entries = [entry for _, _, entry in left]
    manifest.begin(filter(None, [begun(case, entry) for (_, case), entry in zip(to_do, entries, strict=True)]))
    return to_do


def _draw_lost(finished: Sequence[PlannedCase], listener: Listener, progress: Progress) -> None:
    """Draw the pictures of ``finished`` cases that are gone again."""
    lost = [case for case in finished if not case.picture.is_file()]
    if not lost:
        return
    with Worker(None) as worker:
        for case in lost:
            listener.drawing(case)
            try:
                worker.run(DrawAgain(case.source, case.files, case.result, case.picture), progress)
            except Cancelled:
                raise
            except Exception as error:  # no picture ends a batch
                listener.not_drawn(case, Failure.of(error).message)


def keep_books(outcomes: Generator[Outcome | None, None, None], books: Books, listener: Listener) -> None:
    """Enter all ``outcomes`` and tell ``listener`` of each.

    The index is complete at the end, however it comes. Raises Cancelled, and OutputError when the books cannot be kept.
    """
    try:
        for outcome in outcomes:
            if outcome is None:
                listener.passing()
            else:
                listener.ended(outcome, books.add(outcome))
    except (Cancelled, KeyboardInterrupt):
        for outcome in _last(outcomes):
            listener.ended(outcome, books.add(outcome))
        raise
    finally:
        outcomes.close()
        books.write_index()


def _last(outcomes: Generator[Outcome | None, None, None]) -> Iterator[Outcome]:
    """Stop ``outcomes`` and hand out those that are there already."""
    with suppress(Cancelled, StopIteration):
        outcome = outcomes.throw(Cancelled())
        while True:
            if outcome is not None:
                yield outcome
            outcome = next(outcomes)
