"""``covidseg models``: what networks are installed, and whether they are intact."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..system.command_line import one_line
from .arguments import add_quiet
from .console import say

if TYPE_CHECKING:
    from ..errors import ModelError
    from ..network.card import ModelCard


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the sub-command."""
    parser = commands.add_parser("models", help="list or verify the installed networks", allow_abbrev=False)
    actions = parser.add_subparsers(title="actions", metavar="list|verify", required=True)
    for name, help_text, run in (
        ("list", "name, checksum, date, accuracy and licence of every installed network", run_list),
        ("verify", "compare the installed files with their checksums", run_verify),
    ):
        action = actions.add_parser(name, help=help_text, description=help_text, allow_abbrev=False)
        add_quiet(action)
        action.set_defaults(run=run)


def run_list(args: argparse.Namespace) -> int:
    """Print one line per network, and one for each card that cannot be used; returns 0."""
    from ..network import models

    for model in models.installed():
        say("  ".join([model.name, f"sha256 {model.sha256}", *map(one_line, _facts(model.about))]))
    if not args.quiet:
        for card, error in _unusable():
            say(one_line(f"warning: {card}: {error}"), to_error=True)
    return 0


def run_verify(args: argparse.Namespace) -> int:
    """Check every network; returns 0, or 2 where any is missing or altered, after all were looked at."""
    from ..errors import ModelError
    from ..network import models

    found = models.installed()
    if not found:
        raise ModelError("No network is installed.", "Install CovidSeg again.")
    bad = _unusable()
    for model in found:
        try:
            models.verify(model)
        except ModelError as error:
            bad.append((model.name, error))
            continue
        if not args.quiet:
            say(f"{model.name}: intact")
    _verify_lobes(bad, quiet=args.quiet)
    for name, reason in bad:
        say(one_line(f"error: {name}: {reason}"), to_error=True)
    return 2 if bad else 0


def _verify_lobes(bad: list[tuple[str, ModelError]], *, quiet: bool) -> None:
    """Check the model that tells lobes; what is wrong with it goes into ``bad``."""
    from ..anatomy.lobe_model import DEFAULT_MODEL, read_lobe_model
    from ..errors import ModelError

    try:
        model = read_lobe_model()
    except ModelError as error:
        bad.append((DEFAULT_MODEL, error))
        return
    if not quiet:
        say(f"{model.name}: intact")


def _unusable() -> list[tuple[str, ModelError]]:
    """The cards that cannot be used, by the names of their files, and what is wrong with each."""
    from ..errors import ModelError
    from ..network import models

    found = []
    for card in models.unreadable():
        try:
            models.find(str(card))
        except ModelError as error:
            found.append((card.name, error))
    return found


def _facts(card: ModelCard) -> Iterator[str]:
    """What a card says of a network beside its name: date, accuracy on held-out scans, licence, what it is."""
    dice = card.score("infection_infected_slices")
    yield card.date or "no date"
    yield "Dice not known" if dice is None else f"Dice of infection {dice:.3f}"
    yield f"licence: {card.licence or 'not stated'}"
    yield from filter(None, [card.title or card.description])
