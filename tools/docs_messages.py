"""Every error that a user can be told, found in the code: its sentence, its hint, and where it is raised.

A message is what an error of ``errors.py`` is made with. Its words are followed through constants, through ``_()`` and
``format``, and through functions that pass a sentence on to the error. What cannot be followed is said.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGES = {"CovidSegLib": REPOSITORY / "CovidSeg" / "CovidSegLib", "CovidSegTraining": REPOSITORY / "CovidSegTraining"}
ROOT = "CovidSegError"
_STEPS = 8
"""From an error back to its words; more would be a circle."""

Function = ast.FunctionDef


@dataclass(frozen=True)
class Message:
    """An error as it can be told: ``room`` is a folder or file of CovidSegLib, or CovidSegTraining; no hint is ""."""

    room: str
    sentence: str
    hint: str


@dataclass(frozen=True)
class Unread:
    """A place that makes an error whose words were not found."""

    file: str
    line: int


@dataclass(frozen=True)
class _File:
    path: Path
    room: str
    tree: ast.Module

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(self.tree))

    @cached_property
    def functions(self) -> list[Function]:
        return [node for node in self.nodes if isinstance(node, Function)]

    @cached_property
    def owners(self) -> dict[ast.AST, Function]:
        """The innermost function that a node stands in."""
        return {node: function for function in self.functions for node in ast.walk(function)}

    def assigned(self, name: str, function: Function | None) -> list[ast.expr]:
        """What ``name`` is set to in ``function``, or else outside of functions."""
        for place in (function, None) if function else (None,):
            nodes = ast.walk(place) if place else [node for node in self.nodes if node not in self.owners]
            found = [value for node in nodes for one, value in _assignments(node) if one == name]
            if found:
                return found
        return []


def _assignments(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, ast.Assign):
        for target in node.targets:
            yield from _pairs(target, node.value)
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        yield from _pairs(node.target, node.value)
    elif isinstance(node, ast.For):
        yield from _of_loop(node)


def _of_loop(node: ast.For) -> Iterator[tuple[str, ast.expr]]:
    """For ``for name, text in TABLE.items()``: the text is one of the table's."""
    if isinstance(node.iter, ast.Call) and _called(node.iter) == "items" and isinstance(node.target, ast.Tuple):
        yield node.target.elts[1].id, ast.Subscript(node.iter.func.value)  # type: ignore[attr-defined, call-arg]


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple):
        for one, part in zip(target.elts, getattr(value, "elts", ()), strict=False):
            yield from _pairs(one, part)


@dataclass(frozen=True)
class _Term:
    """An expression, and where its names have their values."""

    node: ast.expr
    file: _File

    @property
    def function(self) -> Function | None:
        return self.file.owners.get(self.node)

    def other(self, node: ast.expr) -> _Term:
        return _Term(node, self.file)


class Code:
    """The files of both packages, and the errors that they make."""

    def __init__(self) -> None:
        self.files = [
            _File(path, _room(path, package, root), ast.parse(path.read_text(encoding="utf-8")))
            for package, root in PACKAGES.items()
            for path in sorted(root.rglob("*.py"))
        ]
        self.kinds = {ROOT}
        while grown := {node.name for node in self._classes() if _bases(node) & self.kinds} - self.kinds:
            self.kinds |= grown

    def _classes(self) -> Iterator[ast.ClassDef]:
        return (node for file in self.files for node in file.nodes if isinstance(node, ast.ClassDef))

    def messages(self) -> list[Message | Unread]:
        """One or more for each place that makes an error; what only repeats another error's sentence is left out."""
        return [one for file in self.files for node in file.nodes for one in self._of_node(node, file)]

    def _of_node(self, node: ast.AST, file: _File) -> Iterator[Message | Unread]:
        if not isinstance(node, ast.Call) or _called(node) not in self.kinds or not node.args or _repeats(node.args[0]):
            return
        found = list(self._told(_arguments(node, file)))
        yield from (Message(file.room, sentence, hint) for sentence, hint in found)
        if not found:
            yield Unread(file.path.relative_to(REPOSITORY).as_posix(), node.lineno)

    def _told(self, given: list[_Term], steps: int = _STEPS) -> Iterator[tuple[str, str]]:
        """Sentence and hint, together as one caller gives them."""
        if isinstance(given[0].node, ast.Starred):
            for both in self._values(given[0].other(given[0].node.value), steps):
                parts = [_Term(part, both.file) for part in getattr(both.node, "elts", ())]
                yield from self._told(parts, steps - 1) if parts else ()
            return
        callers = list(self._callers(given)) if steps else []
        for others in callers:
            yield from self._told(others, steps - 1)
        if not callers:
            hints = [text for term in given[1:2] for text in self._texts(term, steps)] or [""]
            yield from product(self._texts(given[0], steps), hints)

    def _callers(self, given: list[_Term]) -> Iterator[list[_Term]]:
        """Where the sentence is a parameter of the function: what those give who call it."""
        sentence, function = given[0], given[0].function
        if not isinstance(sentence.node, ast.Name) or function is None or sentence.node.id not in _parameters(function):
            return
        names = [_id(term.node) for term in given]
        for file in self.files if not function.name.startswith("_") else [sentence.file]:
            for call in file.nodes:
                if isinstance(call, ast.Call) and _called(call) == function.name:
                    said = {name: _Term(value, file) for name, value in _given(call, function).items()}
                    if names[0] in said:
                        yield [said.get(name, term) for name, term in zip(names, given, strict=True)]

    def _values(self, term: _Term, steps: int) -> Iterator[_Term]:
        """What ``term`` may be, when names of constants and fields are followed."""
        node = term.node
        if not steps or not isinstance(node, (ast.Name, ast.Attribute)):
            yield term
            return
        name = node.id if isinstance(node, ast.Name) else node.attr
        function = term.function if isinstance(node, ast.Name) else None
        found = [_Term(value, term.file) for value in term.file.assigned(name, function)]
        if not found and name.strip("_").isupper():
            found = [_Term(value, file) for file in self.files for value in file.assigned(name, None)]
        if not found and isinstance(node, ast.Attribute):
            found = list(self._fields(name, term.file))
        for one in found:
            yield from self._values(one, steps - 1)

    def _fields(self, name: str, file: _File) -> Iterator[_Term]:
        """What the classes of ``file`` are made with for their field ``name``; what a property of that name gives."""
        for owner in (node for node in file.nodes if isinstance(node, ast.ClassDef)):
            fields = [_id(one.target) for one in owner.body if isinstance(one, ast.AnnAssign)]
            for call in file.nodes if name in fields else []:
                if isinstance(call, ast.Call) and _called(call) == owner.name:
                    said = dict(zip(fields, call.args, strict=False)) | _keywords(call)
                    yield from (_Term(said[name], file) for name in [name] if name in said)
        for other in self.files:
            for function in other.functions:
                if function.name == name and function.decorator_list:
                    yield from (_Term(value, other) for value in _returned(function))

    def _texts(self, term: _Term, steps: int) -> list[str]:
        """The words that ``term`` may be, with {names} for values; none where they are put together elsewhere."""
        node = term.node
        if isinstance(node, ast.Constant):
            return [node.value] if isinstance(node.value, str) else []
        if isinstance(node, ast.JoinedStr):
            return ["".join(_part(part) for part in node.values)]
        if not steps:
            return []
        if isinstance(node, ast.IfExp):
            return [text for one in (node.body, node.orelse) for text in self._texts(term.other(one), steps - 1)]
        if isinstance(node, ast.BoolOp):
            return [text for one in node.values for text in self._texts(term.other(one), steps - 1)]
        if isinstance(node, ast.BinOp):
            sides = (self._texts(term.other(side), steps - 1) for side in (node.left, node.right))
            return ["".join(both) for both in product(*sides)]
        if isinstance(node, ast.Call):
            return self._of_call(term, node, steps)
        if isinstance(node, ast.Subscript):
            tables = self._values(term.other(node.value), steps)
            values = [_Term(one, table.file) for table in tables for one in getattr(table.node, "values", ())]
            return [text for value in values for text in self._texts(value, steps - 1)]
        return [text for value in self._values(term, steps) if value != term for text in self._texts(value, steps - 1)]

    def _of_call(self, term: _Term, node: ast.Call, steps: int) -> list[str]:
        """The words that a call gives: ``_()``, ``format``, or a function of the same file."""
        name = _called(node)
        if isinstance(node.func, ast.Attribute) and name == "format":
            return self._texts(term.other(node.func.value), steps - 1)
        if name in ("_", "one_line"):
            return self._texts(term.other(node.args[0]), steps - 1)
        texts: list[str] = []
        for function in term.file.functions:
            if function.name == name:
                given = {
                    key: self._texts(term.other(value), steps - 1) for key, value in _given(node, function).items()
                }
                for value in _returned(function):
                    inside = [part.id for part in ast.walk(value) if isinstance(part, ast.Name) and given.get(part.id)]
                    texts += [text for part in inside for text in given[part]]
                    texts += [] if inside else self._texts(_Term(value, term.file), steps - 1)
        return texts


def _room(path: Path, package: str, root: Path) -> str:
    return package if package == "CovidSegTraining" else path.relative_to(root).parts[0]


def _bases(node: ast.ClassDef) -> set[str]:
    return {_id(base) for base in node.bases}


def _id(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _called(call: ast.Call) -> str:
    return _id(call.func) or getattr(call.func, "attr", "")


def _arguments(call: ast.Call, file: _File) -> list[_Term]:
    return [_Term(node, file) for node in (*call.args, *(word.value for word in call.keywords if word.arg == "hint"))]


def _repeats(node: ast.expr) -> bool:
    """Whether it is the sentence of another error, which is told of where that one is made."""
    is_other = isinstance(node, ast.Attribute) and (isinstance(node.value, ast.Call) or _id(node.value) == "error")
    return is_other and node.attr == "sentence"  # type: ignore[attr-defined]


def _parameters(function: Function) -> list[str]:
    names = [one.arg for one in (*function.args.args, *function.args.kwonlyargs)]
    return names[1:] if names[:1] in (["self"], ["cls"]) else names


def _given(call: ast.Call, function: Function) -> dict[str, ast.expr]:
    """The arguments of ``call`` by the names of the parameters, defaults included."""
    names = _parameters(function)
    last = [one.arg for one in function.args.args][::-1]
    defaults = dict(zip(last, reversed(function.args.defaults), strict=False))
    return defaults | dict(zip(names, call.args, strict=False)) | _keywords(call)


def _keywords(call: ast.Call) -> dict[str, ast.expr]:
    return {word.arg: word.value for word in call.keywords if word.arg}


def _returned(function: Function) -> list[ast.expr]:
    return [node.value for node in ast.walk(function) if isinstance(node, ast.Return) and node.value is not None]


def _part(part: ast.expr) -> str:
    if isinstance(part, ast.FormattedValue):
        return "{" + _value_name(part.value) + "}"
    return str(part.value) if isinstance(part, ast.Constant) else ""


def _value_name(node: ast.expr) -> str:
    """A short name of a value in a message."""
    names = [_id(one) or one.attr for one in ast.walk(node) if isinstance(one, (ast.Name, ast.Attribute))]  # type: ignore[union-attr]
    plain = [name for name in names if name not in ("len", "sorted", "join", "max", "min", "str", "SUFFIX", "self")]
    return (plain or ["value"])[0].strip("_").replace("_", " ").lower()
