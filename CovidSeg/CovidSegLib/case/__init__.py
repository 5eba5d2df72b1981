"""One scan, from its file to the files of its result; the commands, batches and follow-ups call it.

- :class:`SegmentCase`: all outputs of a scan appear, or none. It is a job for a child process, so that a scan that
  breaks a library takes nothing else with it.
- :class:`.outputs.CaseOutputs`: what is written, and what of it may be.
"""

from .segment_case import SegmentCase

__all__ = ["SegmentCase"]
