"""What the book takes from the code when it is built: pictures, the commands' help, and every error message.

A page says where with a line such as ``<!-- made: commands -->``.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
LIBRARY = REPOSITORY / "CovidSeg" / "CovidSegLib"
ERRORS = ("InputError", "ModelError", "EngineError", "OutputError")


def on_config(config: Any) -> Any:
    """Let the code of this checkout be found, whatever is installed."""
    sys.path[:0] = [str(REPOSITORY / "CovidSeg"), str(REPOSITORY)]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the pictures, which lie where Slicer's Extensions Index finds them."""
    from mkdocs.structure.files import File

    pictures = {path.name: path for path in (REPOSITORY / "Resources/Screenshots").glob("*.png")}
    pictures["logo.png"] = REPOSITORY / "CovidSeg/Resources/Icons/CovidSeg.png"
    for name, path in pictures.items():
        files.append(File.generated(config, f"pictures/{name}", abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill in what is made from the code."""
    for name, make in MADE.items():
        mark = f"<!-- made: {name} -->"
        if mark in markdown:
            markdown = markdown.replace(mark, make())
    return markdown


def commands() -> str:
    """The help of ``covidseg`` and of each of its commands, as Markdown."""
    from CovidSegLib.cli.main import build_parser

    parts = []
    for parser in _parsers(build_parser()):
        parser.formatter_class = _Wide
        parts.append(f"## `{parser.prog}`\n\n```text\n{parser.format_help().strip()}\n```\n")
    return "\n".join(parts)


class _Wide(argparse.HelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=100, max_help_position=30)


def _parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in dict.fromkeys(action.choices.values()):
                yield from _parsers(child)


def messages() -> str:
    """A table of every error that a user can be told, by the room of the code that raises it."""
    parts = []
    for title, rooms in SECTIONS.items():
        found = sorted({(sentence, hint or DO[room]) for room in rooms for sentence, hint in _messages_of(room)})
        lines = [f"| {sentence} | {hint} |" for sentence, hint in found]
        parts.append("\n".join([f"## {title}", "", "| what is said | what to do |", "|---|---|", *lines, ""]))
    return "\n".join(parts)


SECTIONS = {
    "Reading a scan": ("reading", "soft_tissue.py", "mrml/volumes.py"),
    "The network and the device": ("network", "device_trial.py", "worker", "pipeline.py"),
    "Existing files, corrections and results": ("writing", "corrections", "geometry"),
    "Reports, lobes and follow-up": ("report", "measures", "anatomy"),
    "The command line and batches": ("cli", "batch", "api"),
    "In Slicer": ("gui", "mrml"),
}


_MODEL = "Get the model again from where it came, or choose another one."
_LOBES = "Nothing else is wrong: only lobes are left out. Give those of another program with --lobes."
_MASKS = "Give masks that CovidSeg wrote, of this scan."
DO = {
    "reading": "Give the folder with the CT itself.",
    "soft_tissue.py": "Give the scan as the scanner made it.",
    "mrml/volumes.py": "Choose the CT itself.",
    **dict.fromkeys(("network", "device_trial.py", "pipeline.py"), _MODEL),
    "worker": "Close other programs and try again; otherwise please report it.",
    **dict.fromkeys(("writing", "corrections", "geometry", "report"), _MASKS),
    **dict.fromkeys(("measures", "anatomy", "cli", "batch", "api"), _LOBES),
    **dict.fromkeys(("gui", "mrml"), "Choose a segmentation that Apply made on this scan, or take the mark away."),
}
"""What to do, by room, where the sentence says all and the code gives no hint."""


def _messages_of(room: str) -> Iterator[tuple[str, str]]:
    place = LIBRARY / room
    for path in sorted(place.rglob("*.py")) if place.is_dir() else [place] * place.exists():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        named = {
            target.id: _text(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ERRORS and node.args:
                texts = [named.get(getattr(one, "id", ""), "") or _text(one) for one in node.args[:2]]
                if texts[0]:
                    yield _cell(texts[0]), _cell(texts[1] if len(texts) > 1 else "")


def _text(node: ast.expr) -> str:
    """The words of a message in the source, with {names} for values; "" where it is put together elsewhere."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            part.value if isinstance(part, ast.Constant) else "{" + ast.unparse(part.value).split(".")[-1] + "}"
            for part in node.values
        )
    if isinstance(node, ast.Call):
        inner = node.func.value if getattr(node.func, "attr", "") == "format" else node
        if isinstance(inner, ast.Call) and getattr(inner.func, "id", "") == "_" and inner.args:
            return _text(inner.args[0])
    return ""


def _cell(text: str) -> str:
    """For a table: names of values in pointed brackets, nothing that Markdown would take for its own."""
    out = text.replace("|", "\\|").replace("{", "\u2039").replace("}", "\u203a")
    return " ".join(out.replace("*", "\\*").replace("<", "&lt;").replace("_", "\\_").split())


MADE: dict[str, Callable[[], str]] = {"commands": commands, "messages": messages}
