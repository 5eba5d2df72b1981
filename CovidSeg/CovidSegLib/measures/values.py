"""The numbers of one scan as frozen values: volumes in mL, shares in percent, density in HU.

Infection counts as lung. Fields are the keys of the JSON that is published, in this order, with what may stand there
(:mod:`CovidSegLib.system.typed_json`); :mod:`.measurements_record` rounds them for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from ..system.typed_json import Form
from .lesions import Lesion
from .rules import Rules

if TYPE_CHECKING:
    from typing_extensions import Self

Ml = Annotated[float, Form(0)]
Percent = Annotated[float, Form(0, 100)]
Hu = Annotated[float, Form()]
LobeScore = Annotated[int, Form(0, 5)]
LobeName = Literal["right upper lobe", "right middle lobe", "right lower lobe", "left upper lobe", "left lower lobe"]
Side = Literal["left", "right"]

LobesAre = Literal["", "given", "estimated", "estimated, corrected", "estimated, then checked by a reader"]
"""Whose lobes those of a score are: "" where there are none; "given" by the user, who brings them from elsewhere."""


@dataclass(frozen=True)
class Region:
    """A part of the lungs, as :meth:`of` makes it.

    Attributes
    ----------
    name
        What it is called, as "left lung".
    lung_ml
        Its volume in mL, infection included.
    infection_ml
        Volume of the infection in it, in mL.
    infection_percent
        100 · infection / lung, or None where there is no lung.
    """

    name: str
    lung_ml: Ml
    infection_ml: Ml
    infection_percent: Percent | None

    @classmethod
    def of(cls, name: str, lung_ml: float, infection_ml: float, *, present: bool = True, **more: Any) -> Self:
        """The region with its share.

        Parameters
        ----------
        name, lung_ml, infection_ml
            Volumes in mL; see the attributes.
        present
            False where the lung was taken out as a segment. What is infected on its side is no share of it.
        **more
            What else such a region has.

        Returns
        -------
        Region
            Of the class that this is called on.
        """
        percent = 100.0 * infection_ml / lung_ml if lung_ml and present else None
        return cls(name, lung_ml, infection_ml, percent, **more)

    @property
    def ml(self) -> float:
        """Volume in mL, infection included: :attr:`lung_ml` by the name that a script would look for."""
        return self.lung_ml


@dataclass(frozen=True)
class Zone(Region):
    """A third of one lung by height: a :class:`Region` with its score.

    Attributes
    ----------
    score
        0 to 4 by involvement (:func:`.rules.zone_score`); None where there is no lung.
    side
        Left or right.
    level
        Upper, middle or lower.
    """

    score: Annotated[int, Form(0, 4)] | None
    side: Side
    level: Literal["upper", "middle", "lower"]


@dataclass(frozen=True)
class LobeRegion(Region):
    """A lobe of another segmentation: a :class:`Region` with its score.

    Attributes
    ----------
    score
        0 to 5 by involvement (:func:`.rules.lobe_score`); None where there is no lung.
    """

    score: LobeScore | None


@dataclass(frozen=True)
class EstimatedLobe(Region):
    """A lobe whose place was estimated from the shape of the lungs (:mod:`CovidSegLib.anatomy.lobe_estimate`).

    ``lung_ml``, ``infection_ml`` and ``score`` are those of the likeliest lobe.

    Attributes
    ----------
    name
        Which lobe.
    percent_low, percent_high
        Lowest and highest infected share in % among the members of the ensemble.
    score
        0 to 5 by involvement (:func:`.rules.lobe_score`).
    score_low, score_high
        Lowest and highest score among the members of the ensemble.
    overlap
        The Dice that is expected with the true lobe, 0 to 1.
    overlap_low
        The lowest Dice that was seen in lungs whose lobes are known, or that the ensemble holds possible.
    """

    name: LobeName
    percent_low: Percent
    percent_high: Percent
    score: LobeScore
    score_low: LobeScore
    score_high: LobeScore
    overlap: Annotated[float, Form(0, 1, "Dice that is expected with the true lobe.")]
    overlap_low: Annotated[float, Form(0, 1, "Lowest Dice that was seen, or is held possible.")]


@dataclass(frozen=True)
class EstimatedSeverity:
    """The CT severity score of estimated lobes: the median of the ensemble, and the range of its members.

    The median may be another than the sum of the scores of the ``lobes``, which are the likeliest ones. Of lobes that
    were estimated and changed since it is the sum of theirs, and all ranges hold their numbers too.

    Attributes
    ----------
    score
        0 to 25.
    low, high
        Lowest and highest score among the members of the ensemble.
    lobes
        The five lobes.
    model, sha256
        The model of shape that told the lobes.
    """

    score: int
    low: int
    high: int
    lobes: tuple[EstimatedLobe, ...]
    model: str
    sha256: str


@dataclass(frozen=True)
class Density:
    """HU inside the masks.

    Attributes
    ----------
    lung_mean_hu
        Of both lungs with their infection.
    left_mean_hu, right_mean_hu
        Of each lung with its infection; None where there is none.
    infection_mean_hu
        Of the infection; None without infection.
    ground_glass_ml
        Infection below the split of the :class:`.rules.Rules`, in mL.
    consolidation_ml
        Infection at or above it, in mL.
    consolidation_percent
        That as a share of the infection in %; None without infection.
    lung_percentiles_hu
        Percent → HU, of both lungs with their infection.
    """

    lung_mean_hu: Hu
    left_mean_hu: Hu | None
    right_mean_hu: Hu | None
    infection_mean_hu: Hu | None
    ground_glass_ml: Ml
    consolidation_ml: Ml
    consolidation_percent: Percent | None
    lung_percentiles_hu: dict[int, Hu]

    @property
    def percentiles(self) -> dict[int, float]:
        """:attr:`lung_percentiles_hu` by a short name."""
        return self.lung_percentiles_hu


@dataclass(frozen=True)
class EdgeMove:
    """The main numbers after the edge of one mask was moved by one voxel in every direction.

    ``mask``: "infection" (moved inside the lungs, which stay as they are) or "lung" (infection at its edge goes with
    it); ``voxels``: -1 inwards, +1 outwards.
    """

    mask: Literal["infection", "lung"]
    voxels: int
    lung_ml: float
    infection_ml: float
    infection_percent: float | None
    left_percent: float | None
    right_percent: float | None
    zone_score: int | None
    ct_class: int | None


@dataclass(frozen=True)
class Measurements:
    """All numbers of one scan.

    Attributes
    ----------
    total, left, right
        Both lungs, and each.
    zones
        Right upper, middle, lower, then the left ones; thirds of each lung's height, so approximate.
    zone_score
        The sum of their scores, 0 to 24; None without lung.
    ct_class
        0 to 4 (CT-0 to CT-4); None without lung.
    lesions
        From :data:`.lesions.COUNTED_ML` on, largest first.
    density
        None when no scan was given or when its values are no HU.
    density_refused
        Why there is no density.
    lobes, lobe_score
        Only with a lobe segmentation; the score is 0 to 25.
    severity
        The score of estimated lobes, where there is no lobe segmentation, or one that CovidSeg estimated.
    severity_refused
        Why there is none; both are empty where it was not asked for.
    lobes_are
        Whose lobes they are.
    lobes_from
        Which of those that were brought (:attr:`.given_lobes.GivenLobes.source`).
    partly_visible
        The lungs that the scan cuts off.
    plausible
        Whether there are two lungs, of volumes that lungs have; None for two lungs in a single slice.
    flags
        Sentences on what makes numbers doubtful.
    stability
        The numbers with moved edges; empty when it was not asked for.
    rules
        By which scores, classes and densities were told.
    small_lesions
        Pieces of infection below :data:`.lesions.COUNTED_ML`; they count in all volumes.
    more
        Numbers that :mod:`.quantities` alone knows.
    """

    total: Region
    left: Region
    right: Region
    zones: tuple[Zone, ...]
    zone_score: int | None
    ct_class: int | None
    lesions: tuple[Lesion, ...]
    density: Density | None = None
    density_refused: str = ""
    lobes: tuple[LobeRegion, ...] = ()
    lobe_score: int | None = None
    severity: EstimatedSeverity | None = None
    severity_refused: str = ""
    lobes_are: LobesAre = ""
    lobes_from: str = ""
    partly_visible: tuple[Side, ...] = ()
    plausible: bool | None = False
    flags: tuple[str, ...] = ()
    stability: tuple[EdgeMove, ...] = ()
    rules: Rules = field(default_factory=Rules)
    small_lesions: tuple[Lesion, ...] = ()
    more: dict[str, float | None] = field(default_factory=dict)

    @property
    def small_lesions_ml(self) -> float:
        """Volume of :attr:`small_lesions` in all."""
        return sum(lesion.ml for lesion in self.small_lesions)

    def span(self, name: str) -> tuple[float, float] | None:
        """Lowest and highest value of a number when an edge is moved by one voxel.

        Parameters
        ----------
        name
            A field of :class:`EdgeMove`, such as "infection_percent".

        Returns
        -------
        (float, float) or None
            In the unit of the number; None where no move has it, or :attr:`stability` was not asked for.
        """
        values = [getattr(move, name) for move in self.stability]
        known = [value for value in values if value is not None]
        return (min(known), max(known)) if known else None
