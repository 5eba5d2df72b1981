"""Batches in the test's own process, without a network and without children."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from CovidSegLib.batch import Listener, Outcome, Row
from CovidSegLib.batch.outcome import RunCases, run_case
from CovidSegLib.case import SegmentCase
from CovidSegLib.options import Options
from CovidSegLib.progress import Progress
from CovidSegLib.report.result_record import ResultRecord
from CovidSegLib.worker.jobs import SegmentFunction


class InThisProcess:
    """Runs the cases of a batch one after the other with ``segment``."""

    options = Options(model="m")

    def __init__(self, segment: SegmentFunction) -> None:
        self._segment = segment

    @contextmanager
    def open(self, progress: Progress, cases: int) -> Iterator[RunCases]:
        yield lambda cases: (run_case(number, case, self._run) for number, case in cases)

    def _run(self, job: SegmentCase, progress: Progress) -> ResultRecord:
        return job.run(self._segment, progress)


class Statuses(Listener):
    """Notes what became of each case that was done, in this order."""

    def __init__(self) -> None:
        self.ended_as: dict[str, str] = {}

    def ended(self, outcome: Outcome, row: Row) -> None:
        self.ended_as[row.case] = row.status
