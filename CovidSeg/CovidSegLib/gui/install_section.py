"""The part of the panel that asks for the one package that Slicer lacks, when the user first needs it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import qt
from slicer.i18n import tr as _

from ..errors import EngineError
from . import install, pip_install
from .task_slot import TaskSlot

if TYPE_CHECKING:
    from .session import Session


def _oldest() -> str:
    return ".".join(map(str, install.OLDEST))


def _too_old(found: install.Found) -> EngineError:
    """For a build that was chosen for its hardware: to replace it is not for us."""
    values = {"package": found.package, "version": found.version, "oldest": _oldest()}
    return EngineError(
        _("The installed {package} {version} is too old: CovidSeg needs {oldest} or newer.").format(**values),
        _("Update it in Slicer's Python console: slicer.util.pip_install('{package}>={oldest}')").format(**values),
    )


class InstallSection:
    """A gate before the run: asks, installs after Yes, then lets the run begin."""

    def __init__(self, ui: Any, session: Session) -> None:
        self._ui, self._session = ui, session
        self._task = TaskSlot()
        self._asked_for: tuple[object, ...] = ()
        ui.installButton.connect("clicked(bool)", lambda: self._install(None))
        ui.installFolderButton.connect("clicked(bool)", self._choose_folder)
        ui.installNoButton.connect("clicked(bool)", self._decline)
        session.addGate(self._gate)
        session.closing.connect(self._task.close)
        session.parametersChanged.connect(self._reconsider)
        ui.installFrame.setVisible(False)

    def _gate(self) -> bool:
        """Whether the run may begin; if not, the question is there."""
        if not install.is_needed(self._session.parameters.engine.value):
            return True
        self._asked_for = self._chosen()
        old = install.outdated()
        if old is not None and old.package != install.PACKAGE:
            self._session.failed.emit(_too_old(old))
        else:
            self._ask(old)
        return False

    def _ask(self, old: install.Found | None) -> None:
        if old is None:
            text = _(
                "CovidSeg computes with the Python package {package}, which Slicer does not have: {download} MB to"
                " download, {disk} MB on disk. Nothing that Slicer brings is changed. Install it?"
            )
            self._ui.installButton.text = _("Yes, install")
        else:
            text = _(
                "CovidSeg computes with the Python package {package} {oldest} or newer, and Slicer has {version}:"
                " {download} MB to download, {disk} MB on disk. No other package is changed. Update it?"
            )
            self._ui.installButton.text = _("Yes, update")
        self._ui.installLabel.text = text.format(
            package=install.PACKAGE,
            oldest=_oldest(),
            version=old.version if old is not None else "",
            download=install.DOWNLOAD_MB,
            disk=install.DISK_MB,
        )
        self._buttons(busy=False)
        self._ui.installFrame.setVisible(True)

    def _buttons(self, *, busy: bool) -> None:
        self._ui.installButton.setVisible(not busy)
        self._ui.installFolderButton.setVisible(not busy)
        self._ui.installNoButton.text = _("Cancel") if busy else _("Not now")
        self._ui.installNoButton.enabled = True
        self._ui.installProgress.setVisible(busy)
        self._session.setReason("install", _("A package is being installed.") if busy else "")

    def _choose_folder(self) -> None:
        title = _("Folder with the wheel of {package}").format(package=install.PACKAGE)
        folder = qt.QFileDialog.getExistingDirectory(self._ui.installFolderButton, title)
        if folder:
            self._install(Path(folder))

    def _install(self, wheels: Path | None) -> None:
        if pip_install.is_at_work():
            self._ui.installLabel.text = _("Another extension is installing packages just now. Try again afterwards.")
            return
        self._buttons(busy=True)
        steps = install.install_steps(wheels)
        self._task.start(steps, self._installed, self._failed, reported=self._tell, cancelled=self._hide)

    def _tell(self, what: str) -> None:
        self._ui.installLabel.text = _("{what}...").format(what=what)

    def _decline(self) -> None:
        if not self._task.busy:
            self._hide()
            return
        self._ui.installLabel.text = _("Stopping...")
        self._ui.installNoButton.enabled = False
        self._task.stop()

    def _hide(self) -> None:
        self._ui.installFrame.setVisible(False)
        self._session.setReason("install", "")

    def _reconsider(self) -> None:
        """Another engine may need nothing."""
        parameters = self._session.parameters
        if not self._task.busy and (parameters is None or not install.is_needed(parameters.engine.value)):
            self._hide()

    def _installed(self, _result: None) -> None:
        self._hide()
        self._session.packagesChanged.emit()
        # Another scan may be chosen by now: that one was not meant.
        if self._asked_for == self._chosen():
            self._session.start()

    def _chosen(self) -> tuple[object, ...]:
        """Scan and segmentation that Apply would take."""
        parameters = self._session.parameters
        return () if parameters is None else (parameters.inputVolume, parameters.outputSegmentation)

    def _failed(self, error: BaseException) -> None:
        self._hide()
        self._session.failed.emit(error)
