"""The part of the panel where a failure is told: one sentence, and the details folded away."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

import qt

from ...errors import CovidSegError
from ..core import wording

if TYPE_CHECKING:
    from ..core.session import Session


ERROR, WARNING = ("#e5484d", "#ffffff"), ("#f5b400", "#000000")
"""Disc and sign of an icon. The style's own icons are dark red on dark grey in Slicer's dark style; these are seen on
both."""


def show_icon(label: Any, colors: tuple[str, str]) -> None:
    """Show ``!`` on a disc, :data:`ERROR` or :data:`WARNING`, as large as the text beside it."""
    disc, sign = colors
    size = label.fontMetrics().height()
    label.text = "!"
    label.alignment = qt.Qt.AlignCenter
    label.setFixedSize(size, size)
    label.styleSheet = (
        f"background: {disc}; color: {sign}; border-radius: {size // 2}px; font-weight: bold; padding: 0px;"
    )
    label.parentWidget().layout().setAlignment(label, qt.Qt.AlignTop)


def _without_file_names(details: str, error: BaseException | None) -> str:
    """``details`` without the files that ``error`` and what led to it are about: folders are named after patients."""
    while error is not None:
        for name in (getattr(error, "filename", None), getattr(error, "filename2", None)):
            if name:
                details = details.replace(repr(name), "(a file)").replace(os.fsdecode(name), "(a file)")
        error = error.__cause__ or error.__context__
    return details


class MessageSection:
    """Shows the last failure until the next run or another choice."""

    def __init__(self, ui: Any, session: Session) -> None:
        self._ui = ui
        show_icon(ui.messageIcon, ERROR)
        session.failed.connect(self._show)
        session.runStarted.connect(lambda _run: self._hide())
        session.parametersChanged.connect(self._hide)

    def _show(self, error: BaseException) -> None:
        sentence, details = wording.sentence_and_details(error)
        details = _without_file_names(details, error)
        if details:
            # The log is English, also where the panel is not.
            logging.error(
                "CovidSeg: %s\n%s", error if isinstance(error, CovidSegError) else type(error).__name__, details
            )
        self._ui.messageLabel.text = sentence
        self._ui.detailsText.plainText = details
        self._ui.detailsCollapsibleButton.collapsed = True
        self._ui.detailsCollapsibleButton.setVisible(bool(details))
        self._ui.messageFrame.setVisible(True)

    def _hide(self) -> None:
        self._ui.messageFrame.setVisible(False)
