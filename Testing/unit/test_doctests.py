"""Docstrings: their examples do what they say, and those of what users call name what it takes and gives."""

from __future__ import annotations

import ast
import dataclasses
import doctest
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

import covidseg

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / "CovidSeg"
WITH_EXAMPLES = [
    ".".join(path.relative_to(FOLDER).with_suffix("").parts)
    for path in sorted(FOLDER.rglob("CovidSegLib/**/*.py"))
    if "\n>>> " in path.read_text(encoding="utf-8")
]
IN_THE_BOOK = re.findall(r"^::: (\S+)\.(\w+)$", (REPOSITORY / "docs/python.md").read_text("utf-8"), re.MULTILINE)
PUBLIC = {name: getattr(covidseg, name) for name in covidseg.__all__ if callable(getattr(covidseg, name))} | {
    name: getattr(importlib.import_module(module), name) for module, name in IN_THE_BOOK
}
"""What ``import covidseg`` hands out, and what the reference in the book shows."""

CONSOLE = {
    "CovidSeg.py": ("getParameterNode", "process"),
    "CovidSegLib/gui/report_steps.py": ("save_report",),
    "CovidSegLib/mrml/readback.py": ("measure_nodes",),
    "CovidSegLib/mrml/tables.py": ("table_for", "write_table"),
}
"""What docs/slicer/console.md calls; these files load in Slicer alone."""


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_examples_in_docstrings_give_what_is_written_there(module: str) -> None:
    found = doctest.testmod(importlib.import_module(module))
    assert found.attempted
    assert not found.failed


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_docstrings_of_the_python_package_name_what_is_taken_given_and_raised(name: str) -> None:
    thing = PUBLIC[name]
    if not inspect.isclass(thing):
        _check_function(_parsed(thing))
        return
    told = _sections(inspect.getdoc(thing) or "")
    own = vars(thing)
    if dataclasses.is_dataclass(thing):
        fields = [field for field in inspect.get_annotations(thing) if not field.startswith("_")]
        assert sorted(told.get("Attributes", []) + told.get("Parameters", [])) == sorted(fields)
    elif "__init__" in own:
        assert told["Parameters"] == _parameters(_parsed(own["__init__"]))
    for key, member in own.items():
        function = getattr(member, "__func__", member)
        if inspect.isfunction(function) and (key == "__call__" or not key.startswith("_")):
            _check_function(_parsed(function))


@pytest.mark.parametrize("file", CONSOLE)
def test_docstrings_of_what_the_console_calls_name_what_is_taken_given_and_raised(file: str) -> None:
    tree = ast.parse((FOLDER / file).read_text(encoding="utf-8"))
    found = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    for name in CONSOLE[file]:
        _check_function(found[name])


def _check_function(function: ast.FunctionDef) -> None:
    told = _sections(ast.get_docstring(function) or "")
    assert told.get("Parameters", []) == _parameters(function), function.name
    gives = any(isinstance(node, ast.Return | ast.Yield) and node.value is not None for node in ast.walk(function))
    assert ("Returns" in told) == gives, function.name
    if any(isinstance(node, ast.Raise) for node in ast.walk(function)):
        assert told["Raises"], function.name


def _parsed(function: object) -> ast.FunctionDef:
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body  # type: ignore[arg-type]
    assert isinstance(node, ast.FunctionDef)
    return node


def _parameters(function: ast.FunctionDef) -> list[str]:
    names = [one.arg for one in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)]
    more = [f"**{function.args.kwarg.arg}"] if function.args.kwarg else []
    return [name for name in names if name not in ("self", "cls")] + more


def _sections(docstring: str) -> dict[str, list[str]]:
    """The names that stand in each section of a docstring in numpydoc form."""
    parts = re.split(r"^(\w+)\n-+\n", docstring, flags=re.MULTILINE)[1:]
    return {title: list(_names(text)) for title, text in zip(parts[::2], parts[1::2], strict=True)}


def _names(section: str) -> Iterator[str]:
    for line in section.splitlines():
        if line and not line.startswith(" "):
            yield from line.partition(" :")[0].split(", ")
