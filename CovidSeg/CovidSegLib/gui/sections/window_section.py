"""The button beside the scan that shows it in the lung window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core.scene import show_in_lung_window

if TYPE_CHECKING:
    from ..core.session import Session


class WindowSection:
    """A CT opens in a window for soft tissue, or in one that Slicer chooses: lungs are black in most."""

    def __init__(self, ui: Any, session: Session) -> None:
        self._button, self._session = ui.lungWindowButton, session
        self._button.connect("clicked(bool)", self._show)
        session.parametersChanged.connect(self._update)

    def _update(self) -> None:
        parameters = self._session.parameters
        self._button.enabled = parameters is not None and parameters.inputVolume is not None

    def _show(self) -> None:
        show_in_lung_window(self._session.parametersInUse.inputVolume)
