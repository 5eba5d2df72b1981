"""Every text that the panel shows can be translated: it goes through ``_()``, as a literal, everywhere."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

LIBRARY = Path(__file__).resolve().parents[2] / "CovidSeg/CovidSegLib"
GUI = LIBRARY / "gui"
SAID_BY_THE_PANEL = sorted(
    file
    for pattern in (
        *("gui/**/*.py", "mrml/*.py", "measures/*.py", "network/*.py", "anatomy/*.py", "*.py"),
        *("reading/checks.py", "reading/slice_checks.py", "reading/affine_checks.py", "reading/hounsfield.py"),
        *("segfiles/registry.py", "segfiles/training_export.py", "system/atomic_files.py", "report/report_formats.py"),
    )
    for file in LIBRARY.glob(pattern)
    # Rows of a table, of Slicer's statistics and of the JSON: numbers for other programs, under names that stay.
    if file.relative_to(LIBRARY).as_posix()
    not in (
        "mrml/tables.py",
        "mrml/segment_statistics.py",
        "measures/table.py",
        "measures/quantities.py",
        "measures/measurements_record.py",
        "measures/values.py",
    )
)
"""Files whose sentences may reach the panel: what it and its child process call, but readers and writers of files."""

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


@pytest.mark.parametrize("file", sorted(GUI.rglob("*.py")), ids=lambda file: file.name)
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


_TO_THE_USER = {"InputError", "ModelError", "EngineError", "OutputError", "InstallError", "WorkerDiedError", "notice"}
_TO_DEVELOPERS = {"ValueError", "RuntimeError", "TypeError", "error", "warning", "info", "debug", "add_argument"}


def untranslatable(source: str) -> Iterator[tuple[int, str]]:
    """Line and code of words in errors and notices, and of whole sentences anywhere, that do not go through ``_()``."""
    waiting: list[tuple[ast.AST, bool]] = [(ast.parse(source), False)]
    while waiting:
        node, told = waiting.pop()
        body = getattr(node, "body", None)
        documents = body if isinstance(body, list) else []
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name == "_" or name in _TO_DEVELOPERS:
                continue
            told = name in _TO_THE_USER
        if isinstance(node, ast.JoinedStr | ast.Constant):
            if _is_sentence(node) or (told and _is_words(node) and " " in ast.unparse(node)):
                yield node.lineno, ast.unparse(node)
            continue
        documented = {
            child for child in documents if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
        }
        waiting += [(child, told) for child in ast.iter_child_nodes(node) if child not in documented]


def _is_sentence(node: ast.AST) -> bool:
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    text = "".join(
        part.value if isinstance(part, ast.Constant) else "x"
        for part in parts
        if isinstance(part, ast.AST) and isinstance(getattr(part, "value", ""), str | ast.AST)
    )
    return len(text.split()) >= 3 and text[:1].isupper() and text.rstrip()[-1:] in (".", ":", "?")


@pytest.mark.parametrize("file", SAID_BY_THE_PANEL, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_every_sentence_that_can_reach_the_panel_can_be_translated(file: Path) -> None:
    assert list(untranslatable(file.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "code",
    [
        "raise InputError(_('The scan is empty.'), 'Choose another one.')",
        "raise ModelError(f'{name} is unknown')",
        "progress.notice('network', 'going on without')",
        "flags.append(f'The {side} lung was not found.')",
        "POOR = 'The masks may be poor.'",
    ],
)
def test_a_sentence_without_it_would_be_found(code: str) -> None:
    assert list(untranslatable(code))


def test_what_developers_read_and_what_is_no_sentence_is_fine() -> None:
    code = "'''A module.'''\nraise ValueError('One grid is needed.')\nprogress.notice('network', _('It failed.'))"
    assert list(untranslatable(code)) == []
