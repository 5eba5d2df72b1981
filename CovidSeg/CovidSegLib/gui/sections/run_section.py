"""The part of the panel with Apply, which is Cancel during a run, and the bar that says what is happening."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import qt
import slicer
from slicer.i18n import tr as _

from ..core import estimate, wording

if TYPE_CHECKING:
    from ...progress import Report
    from ..core.run_steps import RunResult
    from ..core.session import Session
    from ..core.task import Task


class RunSection:
    """Starts and stops runs, and says in words how they go, or why none can be started."""

    def __init__(self, ui: Any, session: Session) -> None:
        self._ui, self._session = ui, session
        self._clock: estimate.Clock | None = None
        self._notice = ""
        self._readiness = ""
        self._stopping = False
        # The second click of a double click on Apply is none on Cancel.
        self._second_click = qt.QTimer()
        self._second_click.setSingleShot(True)
        self._second_click.connect("timeout()", self._enable_cancel)
        ui.applyButton.connect("clicked(bool)", self._clicked)
        session.reasonsChanged.connect(self._update)
        session.parametersChanged.connect(self._update)
        session.expectedSeconds.changed.connect(self._renew_readiness)
        session.runStarted.connect(self._started)
        session.runReported.connect(self._reported)
        session.runEnded.connect(self._ended)
        session.resultChanged.connect(self._tell_result)
        session.nodesChanged.connect(self._update)  # where they were moved, what was said of them holds no longer
        session.closing.connect(self._second_click.stop)
        self._update()

    def _clicked(self) -> None:
        if self._session.run is not None:
            self._stopping = True
            self._ui.statusLabel.text = _("Stopping...")
            self._ui.applyButton.enabled = False
            self._session.cancel()
        else:
            self._session.start()

    def _started(self, run: Task[RunResult]) -> None:
        run.failed.connect(self._tell_failure)  # of the run alone: a report may fail, too
        self._clock = estimate.Clock(self._session.expectedSeconds.value or 0.0, time.monotonic())
        self._notice, self._stopping = "", False
        self._ui.applyButton.text = _("Cancel")
        self._ui.applyButton.toolTip = _("Stop. Nothing in the scene is changed.")
        interval = slicer.app.doubleClickInterval
        self._ui.applyButton.enabled = interval == 0
        self._second_click.start(interval)
        self._ui.progressBar.value = 0
        self._ui.progressBar.setVisible(True)

    def _enable_cancel(self) -> None:
        if self._session.run is not None and not self._stopping:
            self._ui.applyButton.enabled = True

    def _reported(self, report: Report) -> None:
        if report.notice:
            self._notice = wording.translated(report.notice)
            return
        if self._clock is None:
            return
        self._ui.progressBar.value = round(1000 * wording.bar_fraction(report.stage, report.fraction))
        left = self._clock.left(report.stage, report.fraction, time.monotonic())
        text = _("{what}, about {time} left").format(what=wording.stage_text(report.stage), time=wording.duration(left))
        self._ui.statusLabel.text = f"{text}\n{self._notice}" if self._notice else text

    def _ended(self) -> None:
        self._ui.applyButton.text = _("Apply")
        self._ui.progressBar.setVisible(False)
        self._update()
        if self._stopping:
            self._ui.statusLabel.text = _("Stopped. Nothing was changed.")

    def _tell_result(self, result: RunResult | None) -> None:
        if result is None:
            self._update()
        else:
            text = _("Done in {time}. The segments are in the scene.").format(time=wording.duration(result.seconds))
            self._ui.statusLabel.text = text

    def _tell_failure(self, _error: BaseException) -> None:
        if not self._session.reason:
            self._ui.statusLabel.text = _("It did not work. Nothing in the scene was changed.")

    def _update(self) -> None:
        """Say whether a run can be started, and if not, why."""
        if self._session.run is not None:
            return
        reason = self._session.reason
        self._ui.applyButton.enabled = not reason
        self._ui.applyButton.toolTip = reason or _("Find both lungs and COVID-19 infection in the scan.")
        self._readiness = reason or self._ready_text()
        self._ui.statusLabel.text = self._readiness

    def _renew_readiness(self, _seconds: float | None) -> None:
        """Say how long a run is expected to take, unless the label says how the last one ended."""
        if self._ui.statusLabel.text == self._readiness:
            self._update()

    def _ready_text(self) -> str:
        seconds = self._session.expectedSeconds.value
        if seconds is None:
            return _("Ready.")
        return _("Ready. It will take about {time}.").format(time=wording.duration(seconds))
