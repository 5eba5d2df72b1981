"""What a long command says while it works: a line for each stage, and then one every few seconds."""

from __future__ import annotations

import logging
import time

from CovidSegLib.progress import Progress, Report

LOG = logging.getLogger(__name__)

_SECONDS = 10.0
"""How long a stage may last without a line."""

_SAYS_BY_ITSELF = "training"
"""The stage whose steps have lines of their own."""


def telling(*, at_once: bool = True) -> Progress:
    """A progress object that logs the stages of the work, how far they are, and every notice.

    ``at_once``: False for what is mostly done in a moment: then only what lasts is told.
    """
    return Progress(_Teller(at_once).hear)


class _Teller:
    def __init__(self, at_once: bool) -> None:
        self._at_once = at_once
        self._stage, self._said = "", 0.0

    def hear(self, report: Report) -> None:
        """Log one report, unless a line about its stage was logged right before."""
        now = time.monotonic()
        if report.notice:
            LOG.info("%s", report.notice)
        elif report.stage != self._stage:
            self._stage, self._said = report.stage, now
            if self._at_once:
                LOG.info("%s ...", report.stage)
        elif report.stage != _SAYS_BY_ITSELF and now - self._said > _SECONDS:
            self._said = now
            LOG.info("%s: %.0f %%", report.stage, 100 * report.fraction)
