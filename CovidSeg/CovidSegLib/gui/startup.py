"""What the module tells Slicer once, when all modules are loaded."""

from __future__ import annotations

from collections.abc import Callable

import slicer


def register(resource_path: Callable[[str], str]) -> None:
    """Make the codes of our segments known; ``resource_path`` gives the place of a file in Resources."""
    logic = slicer.modules.terminologies.logic()
    logic.LoadTerminologyFromFile(resource_path("CovidSeg.term.json"))
