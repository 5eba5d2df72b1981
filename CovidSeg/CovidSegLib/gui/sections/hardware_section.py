"""The part of the panel that says what a run would be computed on, how long it would take, and offers the GPU."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import slicer
from slicer.i18n import tr as _

from ...hardware import Hardware
from ...mrml.volumes import slices_of
from ...system.processes import core_count, library_environment
from ..core import estimate, wording
from ..core.child_steps import child_steps
from ..core.gpu_package import PLUGIN
from ..core.run_steps import python_interpreter
from ..core.task_slot import TaskSlot

if TYPE_CHECKING:
    from ..core.run_steps import RunResult
    from ..core.session import Session

_SETTING = "CovidSeg/SecondsPerSlice/{device}"


def look_steps() -> Generator[object, None, Hardware]:
    """Let a child process look at this machine; what it cannot find out is left out."""
    command = [python_interpreter(), "-m", "CovidSegLib.hardware"]
    outcome = yield from child_steps(command, library_environment())
    try:
        return Hardware.from_lines(outcome.output)
    except ValueError:
        return Hardware(core_count())


class HardwareSection:
    """Looks at the machine once, when the panel is opened, and again after an installation."""

    def __init__(self, ui: Any, session: Session) -> None:
        self._ui, self._session = ui, session
        self._hardware: Hardware | None = None
        self._task = TaskSlot()
        session.parametersChanged.connect(self._update)
        session.resultChanged.connect(self._learn)
        session.packagesChanged.connect(self._look)
        session.runStarted.connect(lambda _run: self._offer())
        session.runEnded.connect(self._offer)
        session.reasonsChanged.connect(self._offer)
        ui.useGpuButton.connect("clicked(bool)", self._want_gpu)
        ui.useGpuButton.setVisible(False)
        session.closing.connect(self._task.close)

    def _look(self) -> None:
        self._task.start(look_steps(), self._found, lambda _error: self._found(Hardware(core_count())))

    def _found(self, hardware: Hardware) -> None:
        self._hardware = hardware
        self._offer()
        self._update()

    def _offer(self) -> None:
        """The button is there as long as the plug-in is not, and nothing better either; no run may be under way."""
        found = self._hardware
        self._ui.useGpuButton.setVisible(found is not None and not found.has(PLUGIN.name) and not found.has("cuda"))
        self._ui.useGpuButton.enabled = self._session.run is None and not self._session.reasonOf("install")

    def _want_gpu(self) -> None:
        if self._hardware is not None:
            self._session.gpuWanted.emit(self._hardware.cards)

    def _update(self) -> None:
        parameters = self._session.parameters
        if parameters is None:
            self._expect(None)
            return
        if self._hardware is None:
            if not self._task.busy:
                self._look()
            self._ui.deviceInfoLabel.text = _("Looking what there is...")
            return
        text = wording.device_text(self._hardware, parameters.device.value)
        seconds = self._seconds(self._hardware)
        self._expect(seconds)
        if seconds is not None:
            text = _("{device}, about {time} for this scan").format(device=text, time=wording.duration(seconds))
        self._ui.deviceInfoLabel.text = text

    def _expect(self, seconds: float | None) -> None:
        if seconds != self._session.expectedSeconds.value:  # else what stands below Apply holds
            self._session.expectedSeconds.value = seconds

    def _seconds(self, hardware: Hardware) -> float | None:
        parameters = self._session.parametersInUse
        node = parameters.inputVolume
        if node is None or node.GetImageData() is None:
            return None
        gpu = hardware.chosen(parameters.device.value)
        device = gpu.provider if gpu is not None else "cpu"  # as the provenance of a run will say
        learned = slicer.util.settingsValue(_SETTING.format(device=device), 0.0, converter=float)
        return estimate.seconds(
            slices_of(node), hardware, on_gpu=device != "cpu", per_slice=learned if learned > 0 else None
        )

    def _learn(self, result: RunResult | None) -> None:
        """The next estimate goes by what this run took; where it took another device, look why."""
        if result is None or not result.seconds:
            return
        provenance = result.segmentation.provenance
        per_slice = estimate.per_slice(result.seconds, slices_of(result.volumeNode))
        slicer.app.userSettings().setValue(_SETTING.format(device=provenance.device), per_slice)
        if self._hardware is not None and self._hardware.gpus and provenance.engine == "onnx":
            self._look()
        self._update()
