"""The part of the panel that asks for a package that Slicer lacks: when the user first needs it, or wants the GPU."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import qt
from slicer.i18n import tr as _

from ...errors import EngineError
from ..core import gpu_package, install, pip_install
from ..core.task_slot import TaskSlot

if TYPE_CHECKING:
    from ..core.session import Session


@dataclass(frozen=True)
class _Request:
    """What the user is asked: ``text``, the button's ``yes``, and whether a run waits for the answer."""

    wanted: install.Wanted
    text: str
    yes: str
    starts: bool


class InstallSection:
    """A gate before the run: asks, installs after Yes, then lets the run begin."""

    def __init__(self, ui: Any, session: Session) -> None:
        self._ui, self._session = ui, session
        self._task = TaskSlot()
        self._asked_for: tuple[object, ...] = ()
        self._request: _Request | None = None
        ui.installButton.connect("clicked(bool)", lambda: self._install(None))
        ui.installFolderButton.connect("clicked(bool)", self._choose_folder)
        ui.installNoButton.connect("clicked(bool)", self._decline)
        session.addGate(self._gate)
        session.gpuWanted.connect(self._ask_for_gpu)
        session.closing.connect(self._task.close)
        session.parametersChanged.connect(self._reconsider)
        ui.installFrame.setVisible(False)

    def _gate(self) -> bool:
        """Whether the run may begin; if not, the question is there."""
        if not install.is_needed(self._session.parametersInUse.engine.value):
            return True
        self._asked_for = self._chosen()
        old = install.outdated()
        if old is not None and old.package != install.PACKAGE:
            self._session.failed.emit(install.too_old(old, _oldest()))
        else:
            self._ask(_for_run(old))
        return False

    def _ask_for_gpu(self, cards: tuple[str, ...]) -> None:
        """Ask for the plug-in; ``cards``: names of the graphics cards."""
        if self._task.busy:
            return
        try:
            what = gpu_package.wanted()
        except EngineError as error:
            self._session.failed.emit(error)
        else:
            self._ask(_Request(what, gpu_package.question(what, cards), _("Yes, install"), starts=False))

    def _ask(self, request: _Request) -> None:
        self._request = request
        self._ui.installButton.text = request.yes
        self._ui.installLabel.text = request.text
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
        if self._request is None:
            return
        title = _("Folder with the wheel of {package}").format(package=self._request.wanted.names)
        folder = qt.QFileDialog.getExistingDirectory(self._ui.installFolderButton, title)
        if folder:
            self._install(Path(folder))

    def _install(self, wheels: Path | None) -> None:
        if self._request is None:
            return
        if pip_install.is_at_work():
            self._ui.installLabel.text = _("Another extension is installing packages just now. Try again afterwards.")
            return
        self._buttons(busy=True)
        steps = install.install_steps(wheels, self._request.wanted)
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
        asked = self._request is not None and self._request.starts
        if asked and not self._task.busy and (parameters is None or not install.is_needed(parameters.engine.value)):
            self._hide()

    def _installed(self, _result: None) -> None:
        self._hide()
        self._session.packagesChanged.emit()
        # Another scan may be chosen by now: that one was not meant.
        if self._request is not None and self._request.starts and self._asked_for == self._chosen():
            self._session.start()

    def _chosen(self) -> tuple[object, ...]:
        """Scan and segmentation that Apply would take."""
        parameters = self._session.parameters
        return () if parameters is None else (parameters.inputVolume, parameters.outputSegmentation)

    def _failed(self, error: BaseException) -> None:
        self._hide()
        self._session.failed.emit(error)


def _oldest() -> str:
    return ".".join(map(str, install.OLDEST))


def _for_run(old: install.Installed | None) -> _Request:
    """What a run waits for; ``old``: what there is and is too old."""
    if old is None:
        text, yes = (
            _(
                "CovidSeg computes with the Python package {package}, which Slicer does not have: {download} MB to"
                " download, {disk} MB on disk. Nothing that Slicer brings is changed. Install it?"
            ),
            _("Yes, install"),
        )
    else:
        text, yes = (
            _(
                "CovidSeg computes with the Python package {package} {oldest} or newer, and Slicer has {version}:"
                " {download} MB to download, {disk} MB on disk. No other package is changed. Update it?"
            ),
            _("Yes, update"),
        )
    version = old.version if old is not None else ""
    sizes = {"download": install.DOWNLOAD_MB, "disk": install.DISK_MB}
    text = text.format(package=install.PACKAGE, oldest=_oldest(), version=version, **sizes)
    return _Request(install.RUNTIME, text, yes, starts=True)
