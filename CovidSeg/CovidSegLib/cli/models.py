"""``covidseg models``: what networks are installed, and whether they are intact."""

from __future__ import annotations

import argparse

from .console import say
from .options import add_quiet


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the sub-command."""
    parser = commands.add_parser("models", help="list or verify the installed networks", allow_abbrev=False)
    actions = parser.add_subparsers(title="actions", metavar="list|verify", required=True)
    for name, help_text, run in (
        ("list", "name and fingerprint of every installed network", run_list),
        ("verify", "compare the installed files with their fingerprints", run_verify),
    ):
        action = actions.add_parser(name, help=help_text, description=help_text, allow_abbrev=False)
        add_quiet(action)
        action.set_defaults(run=run)


def run_list(args: argparse.Namespace) -> int:
    """Print one line per network; returns 0. Raises ModelError."""
    from ..network import models

    for model in models.installed():
        say(f"{model.name}  sha256 {model.sha256}  {_title(model.card)}".rstrip())
    return 0


def run_verify(args: argparse.Namespace) -> int:
    """Check every network; returns 0. Raises ModelError for the first that is missing or altered."""
    from ..errors import ModelError
    from ..network import models

    found = models.installed()
    for card in models.unreadable():
        models.find(str(card))  # raises what is wrong with it
    if not found:
        raise ModelError("No network is installed.", "Install CovidSeg again.")
    for model in found:
        models.verify(model)
        if not args.quiet:
            say(f"{model.name}: intact")
    return 0


def _title(card: dict[str, object]) -> str:
    return str(card.get("title", card.get("description", "")))
