"""What the book takes from the code when it is built: pictures, the commands' help, and every error message.

A page says where with a line such as ``<!-- made: commands -->``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]


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
    from tools.docs_messages import Code, Message

    found = [message for message in Code().messages() if isinstance(message, Message)]
    parts = []
    for title, rooms in SECTIONS.items():
        here = {(_cell(one.sentence), _cell(one.hint or DO[one.room])) for one in found if one.room in rooms}
        lines = [f"| {sentence} | {hint} |" for sentence, hint in sorted(here)]
        parts.append("\n".join([f"## {title}", "", "| what is said | what to do |", "|---|---|", *lines, ""]))
    return "\n".join(parts)


SECTIONS = {
    "Reading a scan": ("reading", "byte_order.py", "field_of_view.py", "mask_fit.py"),
    "The network, the device and the computer": ("network", "device_trial.py", "worker", "system"),
    "Existing files, corrections and results": ("segfiles", "geometry"),
    "Reports, lobes and follow-up": ("report", "measures", "anatomy"),
    "The command line, Python and batches": ("cli", "batch", "api"),
    "In Slicer": ("gui", "mrml"),
    "Training": ("CovidSegTraining",),
}
"""Headings of the page, and the rooms whose errors stand below each. Every room with an error is in one of them."""

_LOBES = "Nothing else is wrong: only lobes are left out. Give those of another program with --lobes."
_MASKS = "Give masks that CovidSeg wrote, of this scan."
DO = {
    "network": "Get the model again from where it came, or choose another one.",
    "worker": "Close other programs and try again; otherwise please report it.",
    **dict.fromkeys(("segfiles", "geometry"), _MASKS),
    **dict.fromkeys(("measures", "anatomy", "cli"), _LOBES),
    "gui": "Details has the words of pip. Try again, or choose From a folder...",
    "CovidSegTraining": "The sentence names the place. Correct it there; covidseg-train check shows all that is wrong.",
}
"""What to do, by room, where the sentence says all and the code gives no hint."""


def _cell(text: str) -> str:
    """For a table: names of values in pointed brackets, nothing that Markdown would take for its own."""
    out = text.replace("|", "\\|").replace("{", "\u2039").replace("}", "\u203a")
    out = " ".join(out.replace("*", "\\*").replace("<", "&lt;").replace("_", "\\_").split())
    return out if not out or out.endswith((".", "?", ")", "'", "\u203a")) else f"{out}."


MADE: dict[str, Callable[[], str]] = {"commands": commands, "messages": messages}
