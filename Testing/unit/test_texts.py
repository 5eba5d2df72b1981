"""Every text that the panel shows can be translated: it goes through ``_()``, as a literal."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

GUI = Path(__file__).resolve().parents[2] / "CovidSeg/CovidSegLib/gui"
SHOWN = {"text", "toolTip", "title", "windowTitle", "plainText"}
SETTERS = {
    *("setText", "setPlainText", "setToolTip", "setTitle", "setWindowTitle", "addItem", "addItems", "setReason"),
    *("setHorizontalHeaderLabels", "setVerticalHeaderLabels", "showStatusMessage", "QLabel", "QPushButton"),
    *("QAction", "QTableWidgetItem", "getExistingDirectory", "getOpenFileName", "getSaveFileName"),
}
NAMES = {"setReason": 0, "getSaveFileName": 2}
"""The argument of a call that is no text: the name of a section, of a file."""


def _is_words(node: ast.AST) -> bool:
    """A literal, or an f-string with literal parts, that holds words of a language."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    texts = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    return any(sum(map(str.isalpha, text)) > 1 for text in texts)


def untranslated(source: str) -> Iterator[tuple[int, str]]:
    """Line and code of texts that are shown without ``_()``, and of calls of ``_()`` with anything but a literal."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assign):
            shown = any(isinstance(target, ast.Attribute) and target.attr in SHOWN for target in node.targets)
            candidates = [node.value] if shown else []
        elif isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            shown = [argument for place, argument in enumerate(node.args) if place != NAMES.get(name)]
            candidates = shown if name in SETTERS else []
            if name == "_" and not (len(node.args) == 1 and isinstance(node.args[0], ast.Constant)):
                yield node.lineno, ast.unparse(node)
        else:
            continue
        for value in candidates:
            yield from ((node.lineno, ast.unparse(piece)) for piece in _pieces(value) if _is_words(piece))


def _pieces(value: ast.AST) -> Iterator[ast.AST]:
    """What ``value`` may be, or hold: both sides of a condition, each of a list."""
    parts = {ast.List: ("elts",), ast.Tuple: ("elts",), ast.IfExp: ("body", "orelse"), ast.BoolOp: ("values",)}
    if type(value) not in parts:
        yield value
        return
    for name in parts[type(value)]:
        inner = getattr(value, name)
        for part in inner if isinstance(inner, list) else [inner]:
            yield from _pieces(part)


@pytest.mark.parametrize("file", sorted(GUI.glob("*.py")), ids=lambda file: file.name)
def test_every_text_goes_through_the_translation(file: Path) -> None:
    assert list(untranslated(file.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "code",
    [
        "label.text = 'Ready'",
        "label.text = f'Ready in {n} s of time'",
        "b.setToolTip('Stop')",
        "label.text = _('Cancel') if busy else 'Apply'",
        "label.text = reason or 'Ready'",
        "session.setReason('input', 'Choose a scan.')",
        "table.setVerticalHeaderLabels([_('Left lung'), 'Right lung'])",
        "qt.QPushButton('Undo')",
        "qt.QFileDialog.getSaveFileName(button, 'Save', 'report.html', kinds)",
        "slicer.util.showStatusMessage('Computing')",
        "_(f'{n} slices')",
        "_(text)",
    ],
)
def test_a_text_without_it_would_be_found(code: str) -> None:
    assert list(untranslated(code))


def test_a_text_with_it_is_fine() -> None:
    assert list(untranslated("label.text = _('Ready in {time}.').format(time=t)\nlabel.text = ''")) == []
