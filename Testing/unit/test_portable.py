"""Windows on paper: texts have an encoding, and what only POSIX has stands behind a question for the system."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
FILES = sorted(
    path for folder in ("CovidSeg", "CovidSegTraining", "tools") for path in (REPOSITORY / folder).rglob("*.py")
)
POSIX_MODULES = {"fcntl", "grp", "pwd", "resource", "termios"}
POSIX_CALLS = {
    "fork", "geteuid", "getpgid", "getpgrp", "getuid", "killpg", "mkfifo", "mknod", "sched_getaffinity",
    "sched_setaffinity", "setpgid", "setsid", "statvfs", "waitpid", "SIGALRM", "SIGHUP", "SIGKILL", "SIGXFSZ",
}  # fmt: skip
QUESTIONS = ("os.name", "sys.platform", "hasattr", "getattr", "ImportError", "AttributeError")


def _with_parents(tree: ast.AST) -> Iterator[tuple[ast.AST, list[ast.AST]]]:
    waiting: list[tuple[ast.AST, list[ast.AST]]] = [(tree, [])]
    while waiting:
        node, parents = waiting.pop()
        yield node, parents
        waiting.extend((child, [*parents, node]) for child in ast.iter_child_nodes(node))


def _is_asked(parents: list[ast.AST]) -> bool:
    """Whether a function around asks what system this is; or, outside of functions, a statement around."""
    around = [node for node in parents if not isinstance(node, ast.Module | ast.ClassDef)]
    return any(any(question in ast.unparse(node) for question in QUESTIONS) for node in around)


def _posix_only(path: Path) -> list[str]:
    found = []
    for node, parents in _with_parents(ast.parse(path.read_text(encoding="utf-8"))):
        names = {alias.name for alias in node.names} if isinstance(node, ast.Import) else set()
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("os", "signal"):
            names = {node.attr}
        if names & (POSIX_MODULES | POSIX_CALLS) and not _is_asked(parents):
            found.append(f"{path.name}:{node.lineno} {', '.join(sorted(names))}")
    return found


def _without_encoding(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        keywords = {keyword.arg for keyword in node.keywords}
        texts = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        is_text = name in ("read_text", "write_text") or (
            name == "open" and any(text in ("r", "w", "a", "x", "rt", "wt", "r+", "w+", "a+") for text in texts)
        )
        has_encoding = "encoding" in keywords or any(text.lower() in ("utf-8", "ascii", "latin-1") for text in texts)
        if is_text and not has_encoding:
            found.append(f"{path.name}:{node.lineno} {name}")
    return found


@pytest.mark.parametrize("look", [_posix_only, _without_encoding])
def test_nothing_in_the_code_works_on_one_system_alone(look: object) -> None:
    assert FILES
    assert not [line for path in FILES for line in look(path)]


def test_the_look_sees_what_it_looks_for(tmp_path: Path) -> None:
    file = tmp_path / "wrong.py"
    file.write_text("import os, fcntl\nos.fork()\nopen('x', 'w')\nfile.read_text()\n", encoding="utf-8")
    assert len(_posix_only(file)) == 2
    assert len(_without_encoding(file)) == 2
    file.write_text("import os\ndef f():\n    if os.name != 'nt':\n        os.fork()\n", encoding="utf-8")
    assert _posix_only(file) == []
