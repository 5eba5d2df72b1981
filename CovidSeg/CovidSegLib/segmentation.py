"""The result: labels on the CT's own grid, and how they were made."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property

import numpy as np

from .geometry.grid import Grid, read_only


class Label(IntEnum):
    """Values of :attr:`Segmentation.labels` and of every labelmap that is written."""

    BACKGROUND = 0
    LEFT_LUNG = 1
    RIGHT_LUNG = 2
    INFECTION = 3


class Lobe(IntEnum):
    """Values of a lobe map; in the order in which numbers are told."""

    RIGHT_UPPER = 3
    RIGHT_MIDDLE = 4
    RIGHT_LOWER = 5
    LEFT_UPPER = 1
    LEFT_LOWER = 2


@dataclass(frozen=True)
class SegmentDefinition:
    """A segment as Slicer and DICOM know it. ``color`` is RGB, 0 to 1; ``terminology`` is Slicer's serialized entry."""

    id: str
    name: str
    label: Label
    color: tuple[float, float, float]
    terminology: str


_LUNG = (
    "CovidSeg~SCT^123037004^Anatomical Structure~SCT^39607008^Lung~SCT^{side}~Anatomic codes - DICOM master list~^^~^^"
)

SEGMENTS = (
    SegmentDefinition("LeftLung", "Left lung", Label.LEFT_LUNG, (0.57, 0.77, 0.95), _LUNG.format(side="7771000^Left")),
    SegmentDefinition(
        "RightLung", "Right lung", Label.RIGHT_LUNG, (0.61, 0.87, 0.64), _LUNG.format(side="24028007^Right")
    ),
    SegmentDefinition(
        "Covid19Infection",
        "COVID-19 infection",
        Label.INFECTION,
        (0.90, 0.32, 0.23),
        "CovidSeg~SCT^49755003^Morphologically Altered Structure~SCT^840539006^Disease caused by SARS-CoV-2~^^"
        "~Anatomic codes - DICOM master list~SCT^39607008^Lung~^^",
    ),
)
"""The three segments. They do not overlap: the lung segments hold the uninfected lung."""


def label_of_codes(terminology: str) -> Label | None:
    """Which of our segments has the codes of ``terminology`` (Slicer's serialized entry).

    Those of category, type and type modifier count. None where none of ours has them.
    """
    codes = _codes(terminology)
    return next((segment.label for segment in SEGMENTS if codes and codes == _codes(segment.terminology)), None)


def _codes(terminology: str) -> tuple[str, ...]:
    """Scheme and value of a terminology entry's category, type and type modifier, as far as there are such."""
    parts = [part.split("^")[:2] for part in terminology.split("~")[1:4]]
    return tuple(code for part in parts for code in part if code)


def our_ids(segments: Iterable[tuple[str, str]]) -> dict[Label, str]:
    """The ids of our segments among ``segments`` (pairs of id and terminology), by label in the order of SEGMENTS.

    The one rule for files and for the scene: what has an id of ours is ours. Codes decide only where no segment has
    such an id and each of our codes is there once: a DICOM SEG that was loaded. Fewer may be another program's lungs,
    more a copy that a reader keeps.
    """
    pairs = tuple(segments)
    ids = {segment.id: segment.label for segment in SEGMENTS}
    by_id = {ids[name]: name for name, _ in pairs if name in ids}
    told = [(label, name) for name, entry in pairs if (label := label_of_codes(entry)) is not None]
    by_codes = dict(told) if sorted(label for label, _ in told) == sorted(ids.values()) else {}
    found = by_id or by_codes
    return {segment.label: found[segment.label] for segment in SEGMENTS if segment.label in found}


def absent_labels(present: Collection[int]) -> tuple[Label, ...]:
    """Which of our labels have no segment, where those of ``present`` have one; none where there is none at all."""
    return tuple(segment.label for segment in SEGMENTS if segment.label not in present) if present else ()


@dataclass(frozen=True)
class Provenance:
    """How a segmentation was made: what a reader needs to make it again.

    Attributes
    ----------
    model, sha256
        The network by name, and the SHA-256 of its file.
    engine, device
        What computed it, and where.
    software
        CovidSeg with its version.
    seconds
        How long each stage took.
    warnings
        Sentences for the user.
    created
        When, in UTC (ISO 8601).
    volume
        The scan by its kind and the SHA-256 of its voxels, never by a name.
    edited
        Ids of the segments in which a reader changed something.
    kept_ml
        How much of that is in this result, in mL.
    lesion_certainty
        How certain the network was of its lesions, as text (see ``measures.review``); empty where it was not asked.
    """

    model: str
    sha256: str
    engine: str
    device: str
    software: str
    seconds: dict[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    created: str = ""
    volume: str = ""
    edited: tuple[str, ...] = ()
    kept_ml: float = 0.0
    lesion_certainty: str = ""


UNKNOWN_PROVENANCE = Provenance("", "", "", "", "")
"""Of masks whose making is not recorded."""


@dataclass(frozen=True)
class Segmentation:
    """``labels``: uint8 (z, y, x) of :class:`Label` on the CT's grid; ``affine``: that grid's IJK→RAS in mm.

    ``certainty``: the network's probability of each infected voxel, in the order of ``labels == Label.INFECTION``, as
    uint8 (255 is 1); None where it is not known. ``absent``: labels that a reader took out as segments, which is more
    than that no voxel has them. The arrays are views that cannot be written through.
    """

    labels: np.ndarray
    affine: np.ndarray
    provenance: Provenance
    certainty: np.ndarray | None = None
    absent: tuple[Label, ...] = ()

    def __post_init__(self) -> None:
        if self.labels.ndim != 3 or self.labels.dtype != np.uint8:
            raise ValueError(f"labels must be uint8 (z, y, x), not {self.labels.dtype} {self.labels.shape}")
        object.__setattr__(self, "labels", read_only(self.labels))
        object.__setattr__(self, "affine", self.grid.affine)
        if self.certainty is not None:
            object.__setattr__(self, "certainty", read_only(self.certainty))

    @cached_property
    def grid(self) -> Grid:
        """Where the labels lie."""
        return Grid(self.affine, self.labels.shape)
