"""The part of the panel with all numbers: kept up to date while a reader corrects, as a table and as a report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import ctk
import qt
import slicer
from slicer.i18n import tr as _

from ...errors import InputError, OutputError
from ...mrml.readback import mark_checked
from ...mrml.tables import find_table, table_for, write_table
from ...report.report_formats import SUFFIXES
from ..core import report_packages, wording
from ..core.scene_nodes import has_infection_segment, in_scene, while_in_scene
from ..core.slicer_views import grab_3d_view, show_table
from ..core.task_slot import TaskSlot
from ..report_steps import report_steps
from .widgets import add_button, add_label

if TYPE_CHECKING:
    from ...measures import Measurements
    from ..core.session import Session
    from .reading_section import Reading


def summary(measured: Measurements, *, infection: bool = True) -> str:
    """What the result means, in one line. ``infection``: whether there is a segment of it, also an empty one."""
    if measured.ct_class is None or measured.total.infection_percent is None:
        return _("No lung was found.")
    if not infection:
        return _("- % infected: there is no infection segment.")
    texts = [
        _("{percent} % infected").format(percent=f"{measured.total.infection_percent:.1f}"),
        f"CT-{measured.ct_class}",
        _("zone score {score}/24").format(score=measured.zone_score),
        _("1 lesion") if len(measured.lesions) == 1 else _("{count} lesions").format(count=len(measured.lesions)),
    ]
    if measured.lobe_score is not None:
        text = _("lobes {score}/25")
        if measured.lobes_are != "given":
            text = _("CT severity {score}/25, lobes estimated, then checked by a reader")
        texts.insert(2, text.format(score=measured.lobe_score))
    elif measured.severity is not None:
        found = measured.severity
        text = _("CT severity {score} ({low} to {high})/25, lobes estimated")
        if measured.lobes_are == "estimated, corrected":
            text = _("CT severity {score} ({low} to {high})/25, lobes estimated, corrected")
        texts.insert(2, text.format(score=found.score, low=found.low, high=found.high))
    return " · ".join(texts)


def _already_there() -> OutputError:
    return OutputError(
        _("There is a file of this name already, with the ending .html."),
        _("Type the ending as well to replace it, or choose another name."),
    )


class NumbersSection:
    """Follows the segmentation that the parameters name, also after a scene was loaded."""

    def __init__(self, ui: Any, session: Session) -> None:
        self._session = session
        self._work = TaskSlot()
        self._measured: Measurements | None = None
        self._waiting: tuple[Path, tuple[Any, Any]] | None = None
        self._build(ui.moreSections)
        session.nodesChanged.connect(self._follow)
        session.readingChanged.connect(self._take_reading)
        session.readingFailed.connect(self._not_measured)
        session.closing.connect(self._close)
        self._show(None)

    def _build(self, place: Any) -> None:
        self.fold = ctk.ctkCollapsibleButton(place)
        self.fold.text = _("Numbers and report")
        place.layout().addWidget(self.fold)
        layout = qt.QVBoxLayout(self.fold)
        self.line = add_label(layout)
        self.line.toolTip = _(
            "CT class: CT-0 no infection, CT-1 less than 25 % of the lungs, CT-2 25 to 50 %, CT-3 50 to 75 %, CT-4 "
            "more than 75 %. Zone score: each lung has three zones by height, and each zone has 0 to 4 points in the "
            "same steps; 24 is the most. CT severity: each lobe has 0 to 5 points; 25 is the most. Unless the scene "
            "has lobes of another program they are estimated from the shape of the lungs, with the range that this "
            "leaves."
        )
        self.checkedBox = qt.QCheckBox(_("I have checked these lobes"))
        self.checkedBox.toolTip = _(
            "The lobes in the scene are CovidSeg's estimate. Once you have checked and corrected them, their score has "
            "no range. This marks them as completed, as the Segment Editor shows them."
        )
        self.checkedBox.setVisible(False)
        layout.addWidget(self.checkedBox)
        row = qt.QHBoxLayout()
        layout.addLayout(row)
        self.reportButton = add_button(row, _("Report..."), _("Save a page to read and print; it names no patient."))
        self.tableButton = add_button(row, _("Table"), _("Show all numbers; the table follows your corrections."))
        self.question = qt.QWidget()
        layout.addWidget(self.question)
        row = qt.QHBoxLayout(self.question)
        row.setContentsMargins(0, 0, 0, 0)
        self.questionLabel = add_label(row)
        self.yesButton = add_button(row, _("Install"), _("Install this package into Slicer."))
        self.noButton = add_button(row, _("Not now"), _("Save no report."))
        self.question.setVisible(False)
        self.checkedBox.connect("clicked(bool)", self._mark_lobes)
        self.reportButton.connect("clicked(bool)", self._ask_for_file)
        self.tableButton.connect("clicked(bool)", self._show_table)
        self.yesButton.connect("clicked(bool)", self._install)
        self.noButton.connect("clicked(bool)", self._decline)

    @property
    def _nodes(self) -> tuple[Any, Any]:
        return self._session.nodes

    def _follow(self) -> None:
        """Other nodes, or another place: what was said holds no longer."""
        self._decline()
        self._show(None)

    def _take_reading(self, reading: Reading | None) -> None:
        self._show(reading.measured if reading is not None else None)
        if reading is not None and reading.refusal is not None:
            self._not_measured(reading.refusal)

    def _show(self, measured: Measurements | None) -> None:
        self._measured = measured
        self._show_checked()
        self._tell_numbers()
        self._update_buttons()
        table = find_table(self._nodes[0]) if measured is not None else None
        if measured is not None and table is not None:
            write_table(measured, table)
        self._session.setMeasurements(measured)

    def _not_measured(self, error: Exception) -> None:
        self._show(None)
        if isinstance(error, InputError):
            self._tell(wording.sentence_and_details(error)[0])

    def _tell_numbers(self) -> None:
        measured = self._measured
        if measured is None:
            self._tell(_("Numbers appear here when there are segments."))
        else:
            self._tell(summary(measured, infection=has_infection_segment(self._nodes[0])))

    def _update_buttons(self) -> None:
        self.reportButton.enabled = self.tableButton.enabled = self._measured is not None and not self._work.busy
        self.yesButton.enabled = not self._work.busy

    def _show_checked(self) -> None:
        """Ask whether lobes were checked only where some that CovidSeg estimated lie in the scene."""
        measured = self._measured
        is_estimate = measured is not None and measured.lobes_are.startswith("estimated")
        self.checkedBox.setVisible(measured is not None and is_estimate and bool(measured.lobes_from))
        self.checkedBox.checked = measured is not None and measured.lobes_are == "estimated, then checked by a reader"

    def _mark_lobes(self, checked: bool) -> None:
        if self._measured is not None:
            mark_checked(slicer.mrmlScene, self._measured.lobes_from, checked=checked)  # the numbers follow
        self._show_checked()  # what holds now

    def _show_table(self) -> None:
        if self._measured is not None:
            table = table_for(self._nodes[0])
            write_table(self._measured, table)
            show_table(table)

    def _ask_for_file(self) -> None:
        nodes = self._nodes  # of the click: others may be chosen by the time that the report is written
        kinds = _("Report (*.html);;Numbers (*.json);;Table (*.csv)")
        name = qt.QFileDialog.getSaveFileName(self.reportButton, _("Save the report"), "report.html", kinds)
        if not name:
            return
        path = Path(name)
        if not path.name.lower().endswith(SUFFIXES):
            path = path.with_name(f"{path.name}.html")
            if path.exists():  # the window has asked about the name that was typed alone
                self._session.failed.emit(_already_there())
                return
        if report_packages.is_needed(path):
            self._waiting = path, nodes
            text = _(
                "The page needs the Python package {package}, which Slicer does not have ({size} MB). Nothing that "
                "Slicer brings is changed. Install it?"
            )
            self.questionLabel.text = text.format(package=report_packages.PACKAGE, size=report_packages.DOWNLOAD_MB)
            self.question.setVisible(True)
            return
        self._write(path, nodes)

    def _decline(self) -> None:
        """Withdraw the question."""
        self._waiting = None
        self.question.setVisible(False)

    def _install(self) -> None:
        if self._waiting is None:
            return
        path, nodes = self._waiting
        self._decline()
        self._begin(report_packages.install_steps(), _("Installing ..."), lambda _result: self._write(path, nodes))

    def _write(self, path: Path, nodes: tuple[Any, Any]) -> None:
        """Write a report on ``nodes``, unless they went while a package was installed."""
        if not in_scene(nodes):
            return
        memory = self._session.memory if nodes == self._nodes else None
        steps = while_in_scene(report_steps(*nodes, path, grab_3d_view(nodes[0]), memory), nodes)
        self._begin(steps, _("Writing the report ..."), lambda written: self._saved(written, nodes))

    def _saved(self, path: Path, nodes: tuple[Any, Any]) -> None:
        if nodes == self._nodes:  # else it would stand under another patient's name
            self._tell(_("Saved: {path}").format(path=path))

    def _begin(self, steps: Any, text: str, then: Any) -> None:
        self._work.start(steps, then, self._session.failed.emit, ended=self._end)
        self._update_buttons()
        self._tell(text)

    def _end(self) -> None:
        self._update_buttons()
        self._tell_numbers()

    def _tell(self, text: str) -> None:
        self.line.text = text

    def _close(self) -> None:
        self._work.close()
