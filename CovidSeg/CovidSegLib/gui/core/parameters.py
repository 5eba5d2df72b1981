"""What the user chose, kept in the scene: it survives saving and loading, and there can be several sets of it."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import parameterNodeWrapper

from ...pipeline import Options


class Device(enum.Enum):
    """Where the network is computed. Saved scenes hold the member's name: never rename one."""

    AUTO = "auto"
    CPU = "cpu"
    GPU = "gpu"

    def label(self) -> str:
        """What the panel shows."""
        return {"auto": _("Automatic"), "cpu": _("CPU"), "gpu": _("GPU")}[self.value]


class EngineChoice(enum.Enum):
    """What computes the network. Saved scenes hold the member's name: never rename one."""

    AUTO = "auto"
    ONNX = "onnx"
    TENSORFLOW = "tensorflow"

    def label(self) -> str:
        """What the panel shows."""
        return {"auto": _("Automatic"), "onnx": "ONNX Runtime", "tensorflow": "TensorFlow"}[self.value]


if TYPE_CHECKING:
    from slicer import vtkMRMLScriptedModuleNode

    class _Wrapped:
        """What Slicer's wrapper adds to a class."""

        parameterNode: vtkMRMLScriptedModuleNode

        def __init__(self, parameterNode: vtkMRMLScriptedModuleNode) -> None: ...
        def connectGui(self, ui: Any) -> int: ...
        def disconnectGui(self, tag: int | None) -> None: ...
else:
    _Wrapped = object


@parameterNodeWrapper
class CovidSegParameterNode(_Wrapped):
    """One set of parameters. ``outputSegmentation`` None: a new one is made; ``model``: a name, or "default"."""

    inputVolume: vtkMRMLScalarVolumeNode
    outputSegmentation: vtkMRMLSegmentationNode
    model: str = "default"
    device: Device = Device.AUTO
    engine: EngineChoice = EngineChoice.AUTO


def options_of(parameters: CovidSegParameterNode) -> Options:
    """The pipeline's options of a set of parameters."""
    return Options(parameters.engine.value, parameters.device.value, parameters.model)


def is_untouched(parameters: CovidSegParameterNode) -> bool:
    """Whether nobody has chosen anything yet (the first scan is chosen without being asked)."""
    chosen = (parameters.model, parameters.device, parameters.engine)
    return parameters.outputSegmentation is None and chosen == ("default", Device.AUTO, EngineChoice.AUTO)
