"""The part of the panel that says once, at the first Apply, what the weights of the network may be used for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import slicer
from slicer.i18n import tr as _

from ...errors import ModelError
from ...network import models

if TYPE_CHECKING:
    from ..core.run_steps import RunResult
    from ..core.session import Session
    from ..core.task import Task

SETTING = "CovidSeg/LicenceOfWeightsSaid"
"""In the user's settings of Slicer: the SHA-256 of the network of which it was said."""

_NON_COMMERCIAL = re.compile(r"CC BY-NC(?:-\w+)? [\d.]+")


class LicenceSection:
    """Shows a sentence at the first run of a network whose weights are for non-commercial use, until the next run."""

    def __init__(self, ui: Any, session: Session) -> None:
        self._ui, self._session = ui, session
        session.runStarted.connect(self._say)
        ui.licenceLabel.setVisible(False)

    def _say(self, _run: Task[RunResult]) -> None:
        self._ui.licenceLabel.setVisible(False)
        try:
            chosen = models.find(self._session.parametersInUse.model)
        except ModelError:
            return  # the run will say so
        licence = _NON_COMMERCIAL.search(chosen.about.licence)
        if licence is None or slicer.util.settingsValue(SETTING, "") == chosen.sha256:
            return
        self._ui.licenceLabel.text = _(
            "The weights of this network are for non-commercial research ({licence}). This is said once."
        ).format(licence=licence[0])
        self._ui.licenceLabel.setVisible(True)
        slicer.app.userSettings().setValue(SETTING, chosen.sha256)
