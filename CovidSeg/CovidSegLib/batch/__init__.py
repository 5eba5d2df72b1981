"""Scans one after the other, and the numbers that each of them gives.

- :func:`segment_case`: one scan from file to files; all its outputs appear, or none.
- :func:`plan_cases`, :func:`run_cases`: a whole folder; a case that fails does not stop the others.
- :class:`Summary`: ``summary.csv``, complete after every case.

How a volume is segmented is handed in as a function (a worker's, or the pipeline's own).
"""

from .case import OutputSet, segment_case
from .run import PlannedCase, plan_cases, run_cases
from .summary import Row, Summary

__all__ = ["OutputSet", "PlannedCase", "Row", "Summary", "plan_cases", "run_cases", "segment_case"]
