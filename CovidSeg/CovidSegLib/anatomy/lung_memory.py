"""What was computed of the shape of lungs, kept while one scan is looked at again and again."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..system.last_answer import LastAnswer
from .lobe_estimate import PartedLungs
from .lungs import Sides


@dataclass(frozen=True)
class LungMemory:
    """``sides``: which side is which, ``lobes``: where lobes may lie; both of the lungs that were looked at last.

    Infection has no part in them: while a reader corrects it they hold.
    """

    sides: LastAnswer[Sides] = field(default_factory=LastAnswer)
    lobes: LastAnswer[PartedLungs] = field(default_factory=LastAnswer)
