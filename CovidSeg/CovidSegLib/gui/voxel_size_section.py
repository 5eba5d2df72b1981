"""The line that says how large the scan's voxels are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

from .widgets import add_label

if TYPE_CHECKING:
    from .session import Session


class VoxelSizeSection:
    """Thick slices make small lesions hard to find; who sees the size knows."""

    def __init__(self, ui: Any, session: Session) -> None:
        self._session = session
        self._label = add_label(ui.moreSections.layout())
        self._label.setObjectName("voxelSizeLabel")
        ui.voxelSizeLabel = self._label
        session.parametersChanged.connect(self._update)

    def _update(self) -> None:
        parameters = self._session.parameters
        scan = parameters.inputVolume if parameters is not None else None
        sizes = "" if scan is None else " x ".join(f"{size:.2f}" for size in scan.GetSpacing())
        self._label.text = _("Voxels: {sizes} mm").format(sizes=sizes) if sizes else ""
