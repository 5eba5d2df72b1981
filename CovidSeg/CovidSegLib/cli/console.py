"""What the command line shows while it works and when it is done."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import traceback_text
from ..progress import Progress, Report
from ..system.command_line import one_line
from ..system.printing import overwrite
from ..words import in_ml, percent

if TYPE_CHECKING:
    from ..report.result_record import ResultRecord

_BAR_WIDTH = 24

BUG_SENTENCE = "This is a fault of CovidSeg, not of the scan. Please report the lines above."


def say(text: str, *, to_error: bool = False) -> None:
    """Print ``text`` on standard output, or ``to_error``, at once."""
    print(text, file=sys.stderr if to_error else sys.stdout, flush=True)


def print_bug(error: Exception) -> None:
    """Write the traceback of a bug to standard error, once: that of the child process if it happened there."""
    from ..worker.parent import WorkerCrashError

    text = error.child_traceback if isinstance(error, WorkerCrashError) else traceback_text(error)
    print(text.rstrip(), file=sys.stderr)


class Console:
    """A bar on a terminal, plain lines elsewhere; results on standard output, all else on standard error.

    Parameters: ``quiet`` leaves only errors; ``stages``: every stage gets a line where there is no terminal.
    """

    def __init__(self, *, quiet: bool, stages: bool = True) -> None:
        self._quiet = quiet
        self._stages = stages
        self._terminal = sys.stderr.isatty()
        self._heading, self._stage, self._shown = "", "", ""
        self._warned: set[str] = set()

    @classmethod
    @contextmanager
    def of(cls, args: argparse.Namespace, *, stages: bool = True) -> Iterator[tuple[Console, Progress]]:
        """A console for a command's arguments, and the progress object that tells it and asks whether to stop.

        When the context is left, the bar is off the terminal.
        """
        console = cls(quiet=args.quiet, stages=stages)
        try:
            yield console, Progress(console.hear, args.stop_asked)
        finally:
            console.clear()

    def hear(self, report: Report) -> None:
        """Show one report."""
        if report.notice:
            self.warn(report.notice)
        elif self._quiet:
            return
        elif self._terminal:
            self._draw(report)
        elif self._stages and report.stage != self._stage:
            say(f"{self._heading}{report.stage} ...", to_error=True)
        self._stage = report.stage

    def begin(self, heading: str) -> None:
        """Begin a case of several; ``heading`` (may be empty) stands before all that is said of it."""
        self._heading, self._stage = f"{one_line(heading)}: " if heading else "", ""
        self._warned.clear()

    def error(self, text: str) -> None:
        """Say, in one line, what is wrong; also when quiet."""
        self.clear()
        say(f"error: {self._heading}{one_line(text)}", to_error=True)

    def result(self, text: str) -> None:
        """Say, in one line on standard output, what came out."""
        self.clear()
        if not self._quiet:
            say(f"{self._heading}{one_line(text)}")

    def traceback(self, text: str) -> None:
        """Show the traceback of a bug, if ``text`` holds one; also when quiet."""
        if text:
            self.clear()
            say(text, to_error=True)

    def overall(self, done: int, total: int, left: str) -> None:
        """Show on a terminal how many of several cases are done, and how long the rest will take."""
        if self._terminal and not self._quiet:
            bar = _bar(done / total if total else 1.0)
            self._show(f"{done} of {total} [{bar}] {left}")

    def clear(self) -> None:
        """Take the bar off the terminal."""
        if self._shown:
            overwrite(sys.stderr, " " * len(self._shown))
            overwrite(sys.stderr, "")
            self._shown = ""

    def warn(self, text: str) -> None:
        """Say, in one line and once, what is odd."""
        if self._quiet or text in self._warned:
            return
        self._warned.add(text)
        self.clear()
        say(f"warning: {self._heading}{one_line(text)}", to_error=True)

    def _draw(self, report: Report) -> None:
        self._show(f"{self._heading}{report.stage:<12} [{_bar(report.fraction)}] {report.fraction:4.0%}")

    def _show(self, line: str) -> None:
        line = line[-(shutil.get_terminal_size().columns - 1) :]
        if line != self._shown:
            overwrite(sys.stderr, line.ljust(len(self._shown)))
            self._shown = line


def _bar(fraction: float) -> str:
    filled = round(_BAR_WIDTH * fraction)
    return "#" * filled + "-" * (_BAR_WIDTH - filled)


def in_words(record: ResultRecord) -> str:
    """The main numbers of a record in one line."""
    lung, share = record.lung_ml, record.infection_percent
    if share is None:
        infection = record.infection_ml
        return "No lung was found." if not infection else f"No lung was found, but infection {in_ml(infection)}."
    severity = _severity(record)
    return (
        f"Lungs {in_ml(lung.total)} (left {in_ml(lung.left)}, right {in_ml(lung.right)}); "
        f"infection {in_ml(record.infection_ml)}, {percent(share)} % of lung (infection counts as lung).{severity}"
    )


def _severity(record: ResultRecord) -> str:
    found, brought = record.measurements.severity_estimated, record.measurements.lobe_score
    are = record.measurements.lobes_are
    if brought is not None:
        whose = f"lobes {are}" if are.startswith("estimated") else "by the lobes that were given"
        return f" CT severity score {brought} of 25, {whose}."
    return "" if found is None else f" {severity_in_words(found.score, found.low, found.high, are)}"


def severity_in_words(score: int, low: int, high: int, lobes_are: str = "") -> str:
    """The CT severity score of estimated lobes, as a sentence: never without its range."""
    whose = "lobes estimated from the shape of the lungs"
    if lobes_are == "estimated, corrected":
        whose += ", corrected"
    return f"CT severity score {score} ({low} to {high}) of 25, {whose}."
