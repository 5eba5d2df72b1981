"""What a scan's values mean: how far they are shifted, and where the scanner measured nothing.

A scanner sees a circle; the corners of the picture hold a number that was never measured: often -1024 or -2000, also 0
or 3071. Air is what lies there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import scipy

from .byte_order import WRONG_ORDER, is_swapped
from .errors import InputError
from .geometry.volume import AIR_HU
from .i18n import tr as _
from .slice_levels import is_uneven
from .soft_tissue import LARGEST_SHIFT, soft_tissue_shift
from .value_scale import INVERTED, SWAPPED, UNEVEN, UNKNOWN, is_inverted, is_negative, reaches_below_air, value_scale

COARSE_PIXELS = 128
"""A slice is looked at on about so many pixels."""

AIR_LIKE_HU = (-1300.0, -900.0)
"""Padding in here is air already, or looks so in a picture that was cut to a window."""

_SURE_HU = 2000.0
"""Padding of more than this is no tissue, whatever its outline."""

_DARKER_HU = 300.0
"""By so much there is something darker than bright padding: else it is the darkest, the air of a grey picture."""

_ABOUT = 0.08
"""Scales are found to so much."""

_MOSTLY = 0.75
"""Of the border (whole scans 0.74 to 1, pieces cut out of the body 0.1 to 0.66)."""

_EVEN_HU, _BRIGHTER_HU, _LUNG_PERCENTILE, _LUNG_TO_TISSUE_HU = 110.0, 150.0, 5, 700.0
_HARDLY_ANY, _BODY_AT_BORDER = 0.005, 0.15
"""What an inverted border is like: 5 to 100 HU from quarter to quarter, 1000 to 1400 HU above the bones, less than
0.001 brighter, 0.11 of it body. Where pieces cut out of windowed scans have nothing brighter, 0.21 is lung, and the
quarters lie 170 HU and more apart."""

_LOOK_SLICES = 48
_LEAST_SHARE = 0.01
_ROUND_PIXELS = 1.5
_LEAST_EDGE = 20


@dataclass(frozen=True)
class ScanValues:
    """What is wrong with a scan's values.

    ``shift_hu``: how far they lie above HU; ``padded``: where, in every slice, it was padded (bool; rows, columns) with
    something else than air; None: nowhere. ``scale``: how many times too far apart they lie, or one of the words of
    :mod:`value_scale`; where it is not 1, ``shift_hu`` is 0.
    """

    shift_hu: float = 0.0
    padded: np.ndarray | None = None
    scale: float = 1.0

    @classmethod
    def of_planes(cls, planes: Iterable[np.ndarray], pixel_mm: tuple[float, float]) -> ScanValues:
        """Look at some axial slices of a scan, one after the other; none of them is kept."""
        seen = _Corners()
        samples = []
        for plane in planes:
            if is_swapped(plane):
                return cls(scale=SWAPPED)
            seen.look_at(plane)
            samples.append(coarse(plane)[0].copy())  # a view would keep the whole slice
        circle = seen.outside_circle(pixel_mm)
        if is_uneven(_without(samples, circle)):
            return cls(0.0, circle, UNEVEN)
        several = len(samples) > 1
        dark = several and _is_dark_around(samples)
        air_around = dark and circle is None
        scale = value_scale(_without(samples, circle), air_around=air_around)
        if scale == 1 and not air_around and _is_negative(samples, circle, dark=dark):
            scale = INVERTED
        if scale != 1:  # a shift would be told of what is no HU
            return cls(0.0, circle, scale)
        padded = seen.padding(pixel_mm, 0.0)
        parts = _without(samples, padded)
        shift = soft_tissue_shift(parts)
        if several and reaches_below_air(parts, shift if abs(shift) > LARGEST_SHIFT else 0.0):
            scale = UNKNOWN
        if scale == 1 and abs(shift) <= LARGEST_SHIFT and is_inverted(parts):
            scale = INVERTED
        if scale != 1:
            return cls(0.0, padded, scale)
        if abs(shift) > LARGEST_SHIFT:
            padded = seen.padding(pixel_mm, shift)
        return cls(shift, padded)

    @property
    def scaled(self) -> str:
        """What is wrong where the values are HU no more, without a full stop; empty where nothing is."""
        if self.scale == 1:
            return ""
        if self.scale == UNEVEN:
            return _("The slices have different scales: some are shifted or scaled against their neighbours")
        if self.scale == SWAPPED:
            return WRONG_ORDER
        if self.scale == INVERTED:
            return _("The values are inverted: air is bright, bone is dark")
        if self.scale == UNKNOWN:
            return _("The values are no Hounsfield units (air is -1000): they were scaled or shifted far")
        if abs(self.scale - 2) <= _ABOUT * 2:
            return _("The values lie twice as far apart as Hounsfield units: they were scaled once too often")
        if abs(self.scale - 0.5) <= _ABOUT * 0.5:
            return _("The values lie half as far apart as Hounsfield units: they were scaled once too often")
        text = _("The values lie about {factor} times as far apart as Hounsfield units: they were scaled")
        return text.format(factor=f"{self.scale:.2g}")

    def check_scale(self) -> None:
        """Raise InputError where the values are HU no more: nothing can be seen or learned in them."""
        if self.scaled:
            raise InputError(
                _("{reason}.").format(reason=self.scaled), _("Export the CT again from the original DICOM images.")
            )

    def measured(self, plane: np.ndarray) -> np.ndarray:
        """What was measured of a slice, on a coarser grid."""
        return _without([coarse(plane)[0]], self.padded)[0]

    def roughly_hu(self, plane: np.ndarray) -> np.ndarray:
        """A slice with air where it was padded, and moved back where it was shifted so far that air looks like tissue.

        A view of the slice itself where nothing is to be done.
        """
        moved = plane - np.float32(self.shift_hu) if abs(self.shift_hu) > LARGEST_SHIFT else plane
        return moved if self.padded is None else np.where(self.padded, moved.dtype.type(AIR_HU), moved)


def _without(samples: list[np.ndarray], padded: np.ndarray | None) -> list[np.ndarray]:
    """What was measured in coarse slices."""
    if padded is None:
        return samples
    measured = ~coarse(padded)[0]
    return [sample[measured] for sample in samples]


def _is_negative(samples: list[np.ndarray], circle: np.ndarray | None, *, dark: bool) -> bool:
    """Whether coarse slices show a negative, by its tissues or by what is around the body.

    ``dark``: around the pictures it is dark. With a ``circle`` that may be air which was filled in; but also the air of
    a window, and a body that fills the rest, so that its tissues alone tell.
    """
    measured = _without(samples, circle)
    values = np.array(measured, np.float32).reshape(len(samples), -1)
    inside = np.ones(samples[0].shape, bool) if circle is None else ~coarse(circle)[0]
    edge = values[:, (inside & ~scipy.ndimage.binary_erosion(inside))[inside]]
    if len(samples) > 1:
        brightest = not dark and _is_brightest(edge, values)
        return brightest or (not _is_dark(edge, values) and is_negative(measured))
    # In one slice of hardly any fat, air, lung and muscle lie as muscle, fat and air of a negative do.
    return _is_dark(-edge, -values) and is_negative(measured)


def _is_dark_around(samples: list[np.ndarray]) -> bool:
    """Whether the borders of coarse slices show what is darkest: air, where the picture was not cut out of the body."""
    values = np.array(samples)
    return _is_dark(np.concatenate([values[:, [0, -1]].ravel(), values[:, :, [0, -1]].ravel()]), values)


def _is_dark(edge: np.ndarray, values: np.ndarray) -> bool:
    return bool((edge < np.percentile(values, (5, 90)).mean()).mean() > _MOSTLY)


def _is_brightest(edge: np.ndarray, values: np.ndarray) -> bool:
    """Whether the ``edge`` of what was measured shows one number with noise and nothing is brighter: air in a negative.

    Also in a window, where no peaks are. Edges of tissue have fat, muscle and bone in them; padding has no noise.
    """
    quarter, usual, three_quarters = np.percentile(edge, (25, 50, 75))
    if edge.std() < 1 or three_quarters - quarter > _EVEN_HU:
        return False
    darkest = usual - np.percentile(values, _LUNG_PERCENTILE)
    brighter, darker = (values > usual + _BRIGHTER_HU).mean(), (edge < usual - _DARKER_HU).mean()
    return bool(darkest > _LUNG_TO_TISSUE_HU and brighter < _HARDLY_ANY and darker < _BODY_AT_BORDER)


def looked_at(count: int) -> list[int]:
    """The slices that a scan of ``count`` is judged by."""
    return np.unique(np.linspace(0, count - 1, min(count, _LOOK_SLICES)).round().astype(int)).tolist()


def coarse(plane: np.ndarray) -> tuple[np.ndarray, int]:
    """A slice on a coarser grid (about 128 pixels; a view), and how many pixels are one."""
    stride = max(1, max(plane.shape) // COARSE_PIXELS)
    return plane[::stride, ::stride], stride


class _Corners:
    """What slices, seen one after the other, have in common with the value in most corners of the first."""

    def __init__(self) -> None:
        self._value: np.generic | None = None
        self._is_padded = np.ones(4, bool)
        self._same: np.ndarray | None = None
        self._lowest = np.inf

    def look_at(self, plane: np.ndarray) -> None:
        """Take in one more slice."""
        corners = plane[[0, 0, -1, -1], [0, -1, 0, -1]]
        if self._value is None:
            values, counts = np.unique(corners, return_counts=True)
            self._value = values[np.argmax(counts)]
        self._is_padded &= corners == self._value
        same = plane == self._value
        self._same = same if self._same is None else self._same & same
        self._lowest = min(self._lowest, float(plane.min()))

    def padding(self, pixel_mm: tuple[float, float], shift_hu: float) -> np.ndarray | None:
        """Where the scan was padded with a value that is not air: bool (rows, columns), or None where it was not.

        ``pixel_mm``: distance of rows and of columns; ``shift_hu``: how far the scan's values lie above HU. What is
        padded has one value in two corners or more and in all slices, and a round edge, or is the frame of a
        rectangle, or it has a value that no tissue has.
        """
        assert self._value is not None, "no slice was looked at"
        assert self._same is not None
        hu = float(self._value) - shift_hu
        if np.count_nonzero(self._is_padded) < 2 or AIR_LIKE_HU[0] <= hu <= AIR_LIKE_HU[1]:
            return None
        if hu > AIR_LIKE_HU[1] and self._lowest > float(self._value) - _DARKER_HU:
            return None
        padded = self._at_corners()
        if padded is None:
            return None
        sure = hu < AIR_LIKE_HU[0] or hu > _SURE_HU
        return padded if sure or _is_frame(padded) or _has_round_edge(padded, pixel_mm) else None

    def outside_circle(self, pixel_mm: tuple[float, float]) -> np.ndarray | None:
        """What was padded around a round field of view, or all around a picture, whatever the value; as padding."""
        padded = self._at_corners() if np.count_nonzero(self._is_padded) >= 2 else None
        return padded if padded is not None and (_is_frame(padded) or _has_round_edge(padded, pixel_mm)) else None

    def _at_corners(self) -> np.ndarray | None:
        """What has one value in all slices and hangs together with a corner; None where that is next to nothing."""
        pieces, _count = scipy.ndimage.label(self._same)
        at_corners = {int(pieces[row, column]) for row in (0, -1) for column in (0, -1)} - {0}
        padded = np.isin(pieces, list(at_corners))
        return None if padded.mean() < _LEAST_SHARE or padded.all() else padded


def _is_frame(padded: np.ndarray) -> bool:
    """Whether what is not ``padded`` is a whole rectangle: no body is."""
    rows, columns = np.any(~padded, axis=1), np.any(~padded, axis=0)
    return not np.any(padded[np.ix_(rows, columns)])


def _has_round_edge(padded: np.ndarray, pixel_mm: tuple[float, float]) -> bool:
    """Whether what is not ``padded`` ends in a circle."""
    edge = padded & scipy.ndimage.binary_dilation(~padded)
    rows, columns = np.nonzero(edge)
    if len(rows) < _LEAST_EDGE:
        return False
    y, x = rows * pixel_mm[0], columns * pixel_mm[1]
    # x² + y² = 2ax + 2by + c: linear in what is sought.
    terms = np.column_stack([2 * x, 2 * y, np.ones(len(x))])
    (a, b, _c), *_rest = np.linalg.lstsq(terms, x**2 + y**2, rcond=None)
    radii = np.hypot(x - a, y - b)
    return float(radii.std()) < _ROUND_PIXELS * max(pixel_mm) and float(radii.mean()) < 2 * max(y.max(), x.max())
