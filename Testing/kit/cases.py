"""One scan segmented in this process, by whatever a test has in the network's place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from CovidSegLib.case import SegmentCase
from CovidSegLib.progress import Progress
from CovidSegLib.report.result_record import ResultRecord
from CovidSegLib.worker.jobs import SegmentFunction


def segment_case(
    source: Path,
    outputs: Sequence[Path],
    *,
    segment: SegmentFunction,
    progress: Progress,
    **options: Any,
) -> ResultRecord:
    """Run a :class:`SegmentCase` of ``source``, ``outputs`` and ``options`` with ``segment``."""
    return SegmentCase(source, tuple(outputs), **options).begun().run(segment, progress)
