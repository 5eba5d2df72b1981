"""The part of the panel where the network is chosen, and one is imported from a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import qt
from slicer.i18n import tr as _

from ...network import models
from ...network.model_import import import_model
from ..core.task import in_thread
from ..core.task_slot import TaskSlot

if TYPE_CHECKING:
    from ...network.models import Model
    from ..core.session import Session

_DEFAULT = "default"


def describe(model: Model) -> str:
    """Two lines about a network: date and Dice; licence. Its name stands in the list."""
    card = model.about
    facts = [card.date] if card.date else []
    for key, text in (
        ("infection_infected_slices", _("infection Dice {dice}")),
        ("lung", _("lung Dice {dice}")),
    ):
        dice = card.score(key)
        if dice is not None:
            facts.append(text.format(dice=f"{dice:.2f}"))
    # The terms in short; the whole sentence is in the tool tip.
    licence = (card.licence or _("not stated")).partition(":")[0].partition(" (")[0]
    return "\n".join([*([" · ".join(facts)] if facts else []), _("Licence: {licence}").format(licence=licence)])


class ModelsSection:
    """Lists the networks that are there; a saved choice that is missing stays visible, as missing."""

    def __init__(self, ui: Any, session: Session) -> None:
        self._ui, self._session = ui, session
        self._names: list[str] = []
        self._filling = False
        self._task = TaskSlot()
        ui.modelSelector.connect("currentIndexChanged(int)", self._chosen)
        ui.importModelButton.connect("clicked(bool)", self._import)
        session.parametersChanged.connect(self._fill)
        session.closing.connect(self._task.close)

    def _fill(self) -> None:
        parameters = self._session.parameters
        if parameters is None:
            return
        known = {model.name: model for model in models.installed()}
        wanted = models.DEFAULT_NAME if parameters.model == _DEFAULT else parameters.model
        self._filling = True
        self._names = [*known, *([] if wanted in known else [wanted])]
        self._ui.modelSelector.clear()
        self._ui.modelSelector.addItems(
            [name if name in known else _("{name} (missing)").format(name=name) for name in self._names]
        )
        self._ui.modelSelector.setCurrentIndex(self._names.index(wanted))
        self._filling = False
        chosen = known.get(wanted)
        about = describe(chosen) if chosen else _("Import it, or choose another.")
        bad = ", ".join(sorted(card.stem for card in models.unreadable()))
        left_out = [_("Left out, since the card cannot be read: {names}.").format(names=bad)] if bad else []
        self._ui.modelInfoLabel.text = "\n".join([about, *left_out])
        self._ui.modelInfoLabel.toolTip = chosen.about.licence if chosen else ""
        reason = "" if chosen else _("The chosen model is not installed: see Advanced.")
        self._session.setReason("model", reason)

    def _chosen(self, index: int) -> None:
        if not self._filling and self._session.parameters is not None and 0 <= index < len(self._names):
            name = self._names[index]
            self._session.parameters.model = _DEFAULT if name == models.DEFAULT_NAME else name

    def _import(self) -> None:
        kinds = _("Models (*.zip *.json *.onnx *.keras)")
        file = qt.QFileDialog.getOpenFileName(self._ui.importModelButton, _("Import a model"), "", kinds)
        if not file:
            return
        self._importing(True)
        # A large file on a slow share takes its time: the window lives meanwhile.
        self._task.start(in_thread(lambda: import_model(Path(file))), self._imported, self._import_failed)

    def _importing(self, busy: bool) -> None:
        self._ui.importModelButton.text = _("Importing...") if busy else _("Import model...")
        self._ui.importModelButton.enabled = not busy

    def _imported(self, model: Model) -> None:
        self._importing(False)
        if self._session.parameters is not None:
            self._session.parameters.model = model.name
            self._fill()

    def _import_failed(self, error: BaseException) -> None:
        self._importing(False)
        self._session.failed.emit(error)
