"""Widgets that several sections put into the panel in the same way."""

from __future__ import annotations

from typing import Any

import qt


def add_label(layout: Any) -> Any:
    """Add a label whose text takes as many lines as it needs, and no width of its own; returns it."""
    label = qt.QLabel()
    label.wordWrap = True
    # Inside a ctkCollapsibleButton what a widget would like to have is the least that the window must give.
    label.setSizePolicy(qt.QSizePolicy.Ignored, qt.QSizePolicy.Preferred)
    layout.addWidget(label)
    return label


def add_button(layout: Any, text: str, tip: str) -> Any:
    """Add a button that says ``text``, with the tool tip ``tip``; returns it."""
    button = qt.QPushButton(text)
    button.toolTip = tip
    layout.addWidget(button)
    return button
