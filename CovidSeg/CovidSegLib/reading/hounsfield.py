"""From the numbers of a file to int16 HU, one slice at a time, and the limits that hold before memory is taken."""

from __future__ import annotations

import math

import numpy as np

from ..byte_order import check_order
from ..errors import InputError
from ..geometry.volume import AIR_HU
from ..i18n import tr as _

MAX_VOXELS = 1 << 30
"""Most voxels that are read: 1024 x 1024 x 1024, four times a very large chest CT; 2 GiB as int16."""

MAX_EDGE = 1 << 14
"""Most voxels along one axis."""

MAX_COMPRESSION = 1100
"""Deflate never packs more than about 1030 bytes into one; a header that asks for more than that lies."""

LEFT_OVER = _("The file goes on after the voxels that its header speaks of: the rest was not looked at.")
"""The note for a file with more voxels than its header says, or with something behind them."""

_WHOLE = 0.01
"""Values this close to a whole number are one: slope and intercept are stored with the precision of a float."""

_INT16 = np.iinfo(np.int16)

_BEYOND_SHARE, _BEYOND_FEW = 0.01, 1000
"""Fewer voxels beyond all numbers that are kept are metal."""


def check_size(shape: tuple[int, ...]) -> None:
    """Raise InputError unless a grid of ``shape`` (any axis order) has voxels and stays below the limits."""
    if any(edge < 1 for edge in shape):
        raise InputError(
            _("The file's header says that the image has no voxels."), _("The file is damaged: export it again.")
        )
    voxels = math.prod(shape)
    if max(shape) > MAX_EDGE or voxels > MAX_VOXELS:
        raise InputError(
            _("The file's header promises {voxels} voxels, more than any chest CT has.").format(voxels=f"{voxels:.3g}"),
            _("The file is damaged or not a CT: export it again, or crop it first."),
        )


def check_promise(promised: int, present: int, *, compressed: bool) -> None:
    """Raise InputError when ``promised`` bytes of voxels cannot come out of ``present`` bytes of file."""
    if promised > present * (MAX_COMPRESSION if compressed else 1):
        raise truncated()


def truncated() -> InputError:
    """The error for a file that ends before its voxels do."""
    return InputError(
        _("The file is cut off: it holds fewer voxels than its header promises."),
        _("Copy or download it again completely."),
    )


class HounsfieldVolume:
    """An int16 volume that is filled slice by slice from any real numbers.

    Parameters: ``shape`` (z, y, x). Only one slice at a time exists as floating point numbers.
    ``labels``: fractions are refused, not rounded. ``not_numbers``: how many voxels were NaN or infinite; ``beyond``:
    how many more than int16 holds, without those filled in with one number.
    """

    def __init__(self, shape: tuple[int, int, int], *, labels: bool = False) -> None:
        check_size(shape)
        self.voxels = np.empty(shape, np.int16)
        self.not_numbers = 0
        self.beyond = 0
        self._labels = labels

    def put(self, index: int, values: np.ndarray, slope: float = 1.0, intercept: float = 0.0) -> None:
        """Store slice ``index`` from ``values`` (y, x) · slope + intercept: rounded, clipped to int16, NaN as air.

        Raises InputError for a fraction among ``labels``, and where the bytes of the values are in the wrong order.
        """
        if not self._labels:
            check_order(values)
        if values.dtype.kind != "f" and (slope, intercept) == (1.0, 0.0):
            if not np.can_cast(values.dtype, np.int16):
                values = self._held(values.astype(np.float64))
            self.voxels[index] = values
            return
        scaled = values.astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            scaled *= slope
            scaled += intercept
        finite = np.isfinite(scaled)
        missing = finite.size - int(np.count_nonzero(finite))
        if missing:
            self.not_numbers += missing
            scaled[~finite] = AIR_HU
        if self._labels and (abs(scaled - np.rint(scaled)) > _WHOLE).any():
            raise InputError(_("The file is no labelmap: it holds fractions."), _("Give one whose values are labels."))
        np.rint(scaled, out=scaled)
        self.voxels[index] = self._held(scaled)

    def _held(self, values: np.ndarray) -> np.ndarray:
        """``values`` clipped to what int16 holds; those beyond are counted."""
        for side in values > _INT16.max, values < _INT16.min:
            far = values[side]
            if far.size:
                self.beyond += far.size - int(np.unique(far, return_counts=True)[1].max())
        return np.clip(values, _INT16.min, _INT16.max)

    def notes(self) -> tuple[str, ...]:
        """What to tell the user; raises InputError when no voxel held a number, or many a number far beyond all HU."""
        if not self._labels and self.beyond > max(_BEYOND_FEW, _BEYOND_SHARE * self.voxels.size):
            share = f"{100 * self.beyond / self.voxels.size:.0f}"
            raise InputError(
                _("{share} % of the values lie beyond {low} to {high}, far outside of Hounsfield units.").format(
                    share=share, low=_INT16.min, high=_INT16.max
                ),
                _("Export the CT again from the original DICOM images."),
            )
        if self.not_numbers == 0:
            return ()
        if self.not_numbers == self.voxels.size:
            raise InputError(
                _("The image holds no numbers: every voxel is NaN or infinite."), _("Export the CT again.")
            )
        if self.not_numbers == 1:
            text = _("1 voxel holds no number (NaN or infinite) and was read as air ({air} HU).")
        else:
            text = _("{count} voxels hold no number (NaN or infinite) and were read as air ({air} HU).")
        return (text.format(count=self.not_numbers, air=AIR_HU),)
