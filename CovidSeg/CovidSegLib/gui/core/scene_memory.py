"""What was computed of scan and segments last, so that it is not computed again after each stroke of a reader."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...anatomy.lung_memory import LungMemory
from ...corrections.merge import LastWritten
from ...geometry.grid import UprightOrder
from ...reading.verdict import Verdict
from ...system.last_answer import LastAnswer


@dataclass(frozen=True)
class SceneMemory:
    """Of one scan and its segmentation; the session has one, and forgets it when others are chosen.

    ``fingerprints``: of the scan's voxels, by what was upright, as far as they were asked for; ``verdict``: what
    their values are; ``records``: what the network last wrote, unpacked; ``lungs``: what follows from their shape.
    """

    fingerprints: LastAnswer[dict[UprightOrder, str]] = field(default_factory=LastAnswer)
    verdict: LastAnswer[Verdict] = field(default_factory=LastAnswer)
    records: LastAnswer[LastWritten] = field(default_factory=LastAnswer)
    lungs: LungMemory = field(default_factory=LungMemory)
