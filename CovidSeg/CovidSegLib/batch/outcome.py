"""What came of one case, as plain values that can travel between threads and machines."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from ..case import SegmentCase
from ..errors import CovidSegError, OtherScanError, OutputError, WorkerDiedError, traceback_text
from ..progress import Cancelled, Progress, Report
from ..report.request import ReportRequest
from ..report.result_record import ResultRecord
from ..worker.parent import WorkerCrashError
from .plan import PlannedCase


@dataclass(frozen=True)
class Failure:
    """Why a case failed.

    ``own_fault``: by no fault of the input; ``traceback``: of a bug, else empty; ``refused``: what is there already was
    not, or could not be, replaced, and stands; ``other_scan``: and it is of another scan.
    """

    message: str
    own_fault: bool = False
    traceback: str = ""
    refused: bool = False
    other_scan: bool = False

    @classmethod
    def of(cls, error: Exception) -> Failure:
        """The failure that ``error`` means. The error itself is not kept: its traceback holds on to the scan."""
        if isinstance(error, CovidSegError):
            refused, other_scan = isinstance(error, OutputError), isinstance(error, OtherScanError)
            return cls(str(error), isinstance(error, WorkerDiedError), refused=refused, other_scan=other_scan)
        if isinstance(error, MemoryError):
            return cls("There was not enough memory for the scan. Close other programs, or use fewer --jobs.", True)
        text = error.child_traceback if isinstance(error, WorkerCrashError) else traceback_text(error)
        return cls("An unexpected error: a fault of CovidSeg.", True, text.rstrip())


@dataclass(frozen=True)
class Outcome:
    """``number`` of the case, from 0; its ``record`` (:class:`SegmentCase`) or ``failure``; ``notices`` on the way."""

    number: int
    record: ResultRecord | None = None
    failure: Failure | None = None
    notices: tuple[str, ...] = ()


RunCases = Callable[[Sequence[tuple[int, PlannedCase]]], Generator[Outcome | None, None, None]]
"""What runs cases (with their numbers) side by side; a None between the outcomes says that time has passed."""


RunJob = Callable[[SegmentCase, Progress], ResultRecord]
"""What does the job of a case: :meth:`worker.parent.Worker.run`, or one of its kind in this process."""


def run_case(number: int, case: PlannedCase, run: RunJob, cancelled: Callable[[], bool] | None = None) -> Outcome:
    """Segment ``case`` by ``run``; whatever goes wrong is in the outcome. Raises Cancelled alone.

    ``cancelled`` is asked whether to stop.
    """
    notices: list[str] = []

    def listen(report: Report) -> None:
        if report.notice:
            notices.append(report.notice)

    try:
        report = ReportRequest((case.report,)) if case.report else ReportRequest()
        job = SegmentCase(
            case.source,
            (case.result,),
            picture=case.picture,
            files=case.files,
            existing=case.existing,
            report=report,
        )
        record = run(job, Progress(listen, cancelled))
        return Outcome(number, record, notices=_different(notices))
    except Cancelled:
        raise
    except Exception as error:
        return Outcome(number, failure=Failure.of(error), notices=_different(notices))


def _different(notices: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(notices))
