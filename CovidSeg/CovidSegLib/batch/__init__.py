"""Many scans, and the numbers that each of them gives (one scan: ``case``).

- :func:`plan_cases`: the scans of a folder; :func:`run_batch`: all of them, as ``covidseg batch`` does it. A
  :class:`LocalRunner` runs them in child processes of this machine, ``cluster.ClusterRunner`` on the workers of a Dask
  cluster; both give an :class:`Outcome` for each, and a case that fails does not stop the others.
- :class:`Books`: ``manifest.jsonl`` (what is done, an :class:`Entry` a case, safe against a kill), ``summary.csv`` and
  ``index.html``.

What opens scans, masks or pictures runs in a child.
"""

from .batch_run import Listener, run_batch
from .bookkeeping import Books
from .entry import Entry
from .local import LocalRunner
from .manifest import Manifest
from .outcome import Failure, Outcome
from .plan import PlannedCase, plan_cases
from .summary import Row, Summary

__all__ = [
    "Books",
    "Entry",
    "Failure",
    "Listener",
    "LocalRunner",
    "Manifest",
    "Outcome",
    "PlannedCase",
    "Row",
    "Summary",
    "plan_cases",
    "run_batch",
]
