"""One scan segmented in this process, by whatever a test has in the network's place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from CovidSegLib.case import SegmentCase
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.progress import Progress
from CovidSegLib.report.result_record import ResultRecord
from CovidSegLib.segmentation import Segmentation


def segment_case(
    source: Path,
    outputs: Sequence[Path],
    *,
    segment: Callable[[CtVolume, Progress], Segmentation],
    progress: Progress,
    **options: Any,
) -> ResultRecord:
    """Run a :class:`SegmentCase` of ``source``, ``outputs`` and ``options`` with ``segment``."""
    return SegmentCase(source, tuple(outputs), **options).begun().run(segment, progress)
