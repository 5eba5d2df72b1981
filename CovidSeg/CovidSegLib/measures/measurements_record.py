"""The numbers of a scan as they are published: what stands in every JSON under ``measurements``.

The classes are the form. Their fields are the keys, in this order; from their types follow the reader, the writer and
the schema (:mod:`CovidSegLib.system.typed_json`). Numbers have three decimals; None is no value.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar

from ..system.typed_json import LEFT_OUT, Form
from .lesions import COUNTED_ML
from .values import (
    Density,
    EstimatedLobe,
    EstimatedSeverity,
    LobeRegion,
    LobesAre,
    Measurements,
    Ml,
    Percent,
    Region,
    Side,
    Zone,
)

_DIGITS = 3
_Made = TypeVar("_Made")

CtClass = Literal["CT-0", "CT-1", "CT-2", "CT-3", "CT-4"]
ZoneScore = Annotated[int, Form(0, 24)]
SeverityScore = Annotated[int, Form(0, 25)]


@dataclass(frozen=True)
class ModelRecord:
    """A network or model, and the SHA-256 of its weights; empty where that is not known."""

    name: str
    sha256: str


@dataclass(frozen=True)
class SeverityRecord:
    """See :class:`.values.EstimatedSeverity`."""

    lobes_are: Literal["estimated from the shape of the lungs", "estimated from the shape of the lungs, corrected"]
    score: SeverityScore
    low: SeverityScore
    high: SeverityScore
    lobes: Annotated[tuple[EstimatedLobe, ...], Form(items=(5, 5))]
    model: ModelRecord


@dataclass(frozen=True)
class SmallerRecord:
    """Pieces that are too small to be counted as lesions."""

    count: Annotated[int, Form(0)]
    ml: Ml


@dataclass(frozen=True)
class LesionsRecord:
    """Sizes of the lesions."""

    count: Annotated[int, Form(0)]
    ml: Annotated[tuple[Ml, ...], Form(about="Sizes in mL, largest first.")]
    counted_from_ml: Annotated[
        float | None,
        Form(0, about="The smallest lesion that is counted, in mL; absent (earlier versions): every piece is."),
    ] = field(default=None, metadata=LEFT_OUT)
    smaller: Annotated[SmallerRecord | None, Form(about="Smaller pieces, and their volume in all.")] = field(
        default=None, metadata=LEFT_OUT
    )

    @property
    def largest_ml(self) -> float | None:
        """The largest lesion; None where there is none."""
        return self.ml[0] if self.ml else None


@dataclass(frozen=True)
class EdgeMoveRecord:
    """See :class:`.values.EdgeMove`."""

    mask: Literal["infection", "lung"]
    voxels: Literal[-1, 1]
    lung_ml: Ml
    infection_ml: Ml
    infection_percent: Percent | None
    left_percent: Percent | None
    right_percent: Percent | None
    zone_score: ZoneScore | None
    ct_class: CtClass | None


@dataclass(frozen=True)
class RulesRecord:
    """What a user could adjust; see :class:`.rules.Rules`."""

    ground_glass_below_hu: Annotated[int, Form()]
    zones: str


@dataclass(frozen=True, kw_only=True)
class MeasurementsRecord:
    """See :class:`.values.Measurements`. What has a default is not in results of earlier versions."""

    total: Region
    left: Region
    right: Region
    zones: Annotated[tuple[Zone, ...], Form(items=(6, 6), about="Thirds of each lung's height, approximate.")]
    zone_score: Annotated[int | None, Form(0, 24, "Sum of the six zones' scores.")]
    ct_class: Annotated[
        CtClass | None,
        Form(
            about="CT-0 none, CT-1 below 25 %, CT-2 25 to below 50 %, CT-3 50 to 75 %, CT-4 above 75 % of the lungs "
            "infected."
        ),
    ]
    lobes: Annotated[tuple[LobeRegion, ...], Form(items=(None, 5), about="Empty without a lobe segmentation.")]
    lobe_score: Annotated[int | None, Form(0, 25, "CT severity score of the lobe segmentation.")]
    severity_estimated: Annotated[
        SeverityRecord | None,
        Form(
            about="CT severity score of estimated lobes: median and range of the ensemble; the range holds the true "
            "score in at least nine of ten held-out lungs. The median may differ from the sum of the lobes' scores. "
            "Of corrected lobes it is that sum, and the range holds it. Null with a lobe segmentation of another "
            "origin or one that a reader has checked, and where lobes cannot be estimated. Results of earlier versions "
            "lack it."
        ),
    ] = None
    severity_refused: Annotated[
        str, Form(about="Why there is no CT severity score of estimated lobes; empty otherwise.")
    ] = ""
    lobes_are: Annotated[
        LobesAre,
        Form(about="Whose lobes those of a score are; empty without lobes and in results of earlier versions."),
    ] = ""
    lesions: Annotated[
        LesionsRecord,
        Form(about="Pieces of infection in three dimensions, 26-neighbourhood, from counted_from_ml on."),
    ]
    density: Annotated[
        Density | None,
        Form(about="null when the values are no Hounsfield units; density_refused says why."),
    ]
    density_refused: str
    partly_visible: Annotated[tuple[Side, ...], Form(about="Lungs that the scan cuts off.")]
    flags: Annotated[tuple[str, ...], Form(about="What makes numbers doubtful.")]
    stability: Annotated[
        tuple[EdgeMoveRecord, ...],
        Form(about="The numbers with the edge of a mask moved by one voxel; empty when it was not computed."),
    ]
    rules: RulesRecord
    more: Annotated[dict[str, float | None] | None, Form(about="Further numbers, by name.")] = field(
        default=None, metadata=LEFT_OUT
    )

    @property
    def whose_lobes(self) -> LobesAre:
        """:attr:`lobes_are`, also of a result of an earlier version as far as its score tells; else ""."""
        is_estimate = self.severity_estimated is not None and self.lobe_score is None
        return self.lobes_are or ("estimated" if is_estimate else "")

    @classmethod
    def of(cls, measured: Measurements) -> MeasurementsRecord:
        """``measured``, not yet :func:`rounded`, with mere text for sentences.

        What can be translated takes ten times the memory.
        """
        return as_record(
            cls,
            measured,
            ct_class=_class(measured.ct_class),
            severity_estimated=None if measured.severity is None else _severity(measured.severity, measured.lobes_are),
            severity_refused=str(measured.severity_refused),
            lesions=LesionsRecord(
                len(measured.lesions),
                tuple(lesion.ml for lesion in measured.lesions),
                COUNTED_ML,
                SmallerRecord(len(measured.small_lesions), float(measured.small_lesions_ml)),
            ),
            density_refused=str(measured.density_refused),
            flags=tuple(map(str, measured.flags)),
            stability=tuple(
                as_record(EdgeMoveRecord, move, ct_class=_class(move.ct_class)) for move in measured.stability
            ),
            rules=RulesRecord(measured.rules.split_hu, "thirds of each lung's height, approximate"),
            more={path.removeprefix("more."): value for path, value in measured.more.items()} or None,
        )

    def numbers(self, path: str) -> list[tuple[Any, Any]]:
        """What has a number at ``path`` ("density.ground_glass_ml"), and the number: of a list each of its parts.

        Nothing where what should have it is not there.
        """
        *names, last = path.split(".")
        owners: list[Any] = [self]
        for name in names:
            found = [_of(owner, name) for owner in owners]
            owners = [
                one for part in found for one in (part if isinstance(part, tuple) else (part,)) if one is not None
            ]
        return [(owner, _of(owner, last)) for owner in owners]


def _of(owner: Any, name: str) -> Any:
    return owner.get(name) if isinstance(owner, dict) else getattr(owner, name)


def _severity(found: EstimatedSeverity, lobes_are: LobesAre) -> SeverityRecord:
    said = str(lobes_are).replace("estimated", "estimated from the shape of the lungs")
    return as_record(SeverityRecord, found, lobes_are=said, model=ModelRecord(found.model, found.sha256))


def _class(number: int | None) -> Any:
    return None if number is None else f"CT-{number}"


def as_number(value: Any) -> Any:
    """``value`` as a number, also a class ("CT-2")."""
    return int(value.removeprefix("CT-")) if isinstance(value, str) else value


def as_record(kind: type[_Made], value: object, **given: Any) -> _Made:
    """``kind``, a dataclass, with what ``value`` has by the same names; those ``given`` come first."""
    names = [one.name for one in dataclasses.fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: getattr(value, name) for name in names if name not in given}, **given)


def rounded(value: _Made) -> _Made:
    """``value`` as it is published: every fraction in it, at any depth, has three decimals."""
    made: Any = value
    if isinstance(value, float):
        made = round(value, _DIGITS)
    elif isinstance(value, tuple):
        made = tuple(map(rounded, value))
    elif isinstance(value, dict):
        made = {name: rounded(one) for name, one in value.items()}
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        made = type(value)(**{one.name: rounded(getattr(value, one.name)) for one in dataclasses.fields(value)})
    return made
