"""What is known of one CT slice before its pixels are read: whose it is, where it lies, when it was taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .stored_pixels import StoredFrame

SAME_DIRECTION = 1e-3
_SAME_SPACING = 1e-3

UNNUMBERED = 1 << 31
"""The number of a series that has none: behind all others."""


@dataclass(frozen=True)
class SlicePlacement:
    """Where a slice lies, in DICOM's own directions (LPS, mm).

    ``position`` (3,): of the first pixel; ``row`` and ``column`` (3,): the directions in which the columns and the rows
    count; ``pixel`` (2,): distance between rows, between columns.
    """

    position: np.ndarray
    row: np.ndarray
    column: np.ndarray
    pixel: np.ndarray

    @property
    def normal(self) -> np.ndarray:
        """The direction (3,) at right angles to the slice."""
        return np.cross(self.row, self.column)

    def has_directions_of(self, other: SlicePlacement) -> bool:
        """Whether rows and columns of the two run alike."""
        return bool(
            np.abs(self.row - other.row).max() < SAME_DIRECTION
            and np.abs(self.column - other.column).max() < SAME_DIRECTION
        )

    def is_parallel(self, other: SlicePlacement) -> bool:
        """Whether the two have the same directions and the same pixel size."""
        return self.has_directions_of(other) and bool(np.abs(self.pixel - other.pixel).max() < _SAME_SPACING)


@dataclass(frozen=True)
class Taken:
    """What tells the acquisitions and reconstructions of one series apart. All of it is to be compared, never told.

    ``number``: AcquisitionNumber, None where there is none (it alone may be named). ``kinds``: other marks as text,
    always the same ones in the same order (temporal position, stack, kernel, tube voltage), "" where there is none.
    ``seconds``, ``content_seconds``: when the slice was taken and when its picture was made, from any fixed moment;
    None where it is not said.
    """

    number: int | None = None
    kinds: tuple[str, ...] = ()
    seconds: float | None = None
    content_seconds: float | None = None


@dataclass(frozen=True)
class Scale:
    """How stored numbers become HU: RescaleSlope and RescaleIntercept, None where the file has none.

    ``unit``: RescaleType in capitals ("HU", or what else the values are), "" where it is not said.
    """

    slope: float | None = None
    intercept: float | None = None
    unit: str = ""

    @property
    def is_said(self) -> bool:
        """Whether slope and intercept are there."""
        return self.slope is not None and self.intercept is not None

    @property
    def is_hounsfield(self) -> bool:
        """Whether nothing says that the values are something else (iodine, atomic numbers, ...)."""
        return self.unit in ("", "HU", "HU_MOD", "US")


@dataclass(frozen=True)
class SliceHeader:
    """One CT slice, without its pixels.

    ``image_type``: the values of ImageType in capitals ("ORIGINAL", "AXIAL", "CT_SOM5 MIP", ...).
    ``inverted``: large numbers are dark (MONOCHROME1). ``stored``: where in the file its pixels are.
    ``placement``: None when the file does not say where it lies. ``patient``, ``study``, ``reference`` (frame of
    reference): to be compared, never told.
    """

    path: Path
    series: str
    series_number: int
    rows: int
    columns: int
    body_part: str
    thickness: float
    stored: StoredFrame
    image_type: tuple[str, ...] = ()
    inverted: bool = False
    placement: SlicePlacement | None = None
    taken: Taken = Taken()
    scale: Scale = Scale()
    patient: str = field(default="", repr=False)
    study: str = field(default="", repr=False)
    reference: str = field(default="", repr=False)

    def is_of_series(self, other: SliceHeader) -> bool:
        """Whether the two say that they belong to one series: of one patient, and without a UID of one study."""
        if (self.series, self.patient) != (other.series, other.patient):
            return False
        return bool(self.series) or (self.study, self.series_number) == (other.study, other.series_number)

    def fits(self, other: SliceHeader) -> bool:
        """Whether the two can be slices of one volume: same image size, direction and pixel size."""
        if (self.rows, self.columns) != (other.rows, other.columns):
            return False
        return self.placement is None or other.placement is None or self.placement.is_parallel(other.placement)


Series = Sequence[SliceHeader]
"""At least one slice."""


def placements(slices: Series) -> list[SlicePlacement]:
    """Where the ``slices`` lie, in their order; empty when one of them does not say it."""
    known = [header.placement for header in slices if header.placement is not None]
    return known if len(known) == len(slices) else []


def heights(slices: Series) -> np.ndarray:
    """How far along the first one's normal the ``slices`` lie, in mm (n,); empty when one of them does not say it."""
    places = placements(slices)
    return np.array([place.position for place in places]) @ places[0].normal if places else np.empty(0)
