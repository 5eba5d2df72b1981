"""What a series says of itself that no axial slices of a chest CT say: for whoever reads it, and for Slicer's panel."""

from __future__ import annotations

from collections.abc import Sequence

from ..i18n import tr as _
from .body_parts import Part, part_of
from .series_groups import is_projection
from .slice_header import SliceHeader


def of_other_unit(slices: Sequence[SliceHeader]) -> bool:
    """Whether one of the ``slices`` says that its values are no Hounsfield units."""
    return any(not header.scale.is_hounsfield for header in slices)


def series_notes(slices: Sequence[SliceHeader]) -> tuple[str, ...]:
    """Sentences on the unit, the kind and the part of the body that the headers of ``slices`` (at least one) tell."""
    notes: tuple[str, ...] = ()
    if of_other_unit(slices):
        notes += (_("The series says that its values are no Hounsfield units: the masks may be poor."),)
    if any(map(is_projection, slices)):
        notes += (
            _(
                "The series says that its slices were computed from several others, as projections (MIP, average) are: "
                "masks and volumes cannot be trusted."
            ),
        )
    if all(part_of(header.body_part) is Part.ELSEWHERE for header in slices):
        notes += (
            _(
                "The series says that it shows another part of the body than the chest: masks and volumes cannot be "
                "trusted unless it shows the lungs."
            ),
        )
    return notes
