"""Progress and cancel: one small object that is handed down, never a global."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .i18n import one_line


class Cancelled(Exception):  # noqa: N818 (it is not an error)
    """Raised inside a loop after the user asked to stop; nothing half-done may stay behind."""


@dataclass(frozen=True)
class Report:
    """One thing to tell while work goes on.

    Attributes
    ----------
    stage
        The step ("reading", "network", ...).
    fraction
        Its share done, 0 to 1.
    notice
        Empty, or one line for the user (a warning, a fall-back).
    """

    stage: str
    fraction: float = 0.0
    notice: str = ""


class Progress:
    """Passes reports to a listener, and asks whether to go on.

    Parameters: ``listener`` gets every :class:`Report` (default: nobody listens);
    ``cancelled`` is asked at every step and returns True to stop (default: never).
    """

    def __init__(
        self,
        listener: Callable[[Report], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> None:
        self._listener = listener
        self._cancelled = cancelled

    def stop_asked(self) -> bool:
        """Whether the user asked to stop."""
        return self._cancelled is not None and self._cancelled()

    def step(self, stage: str, done: int, total: int) -> None:
        """Report ``done`` of ``total`` in ``stage``; raises :class:`Cancelled` when the user asked to stop."""
        if self.stop_asked():
            raise Cancelled(stage)
        if self._listener is not None:
            self._listener(Report(stage, done / total if total else 1.0))

    def notice(self, stage: str, text: str) -> None:
        """Tell the user one line that is not an error."""
        if self._listener is not None:
            self._listener(Report(stage, notice=one_line(text)))
