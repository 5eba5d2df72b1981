"""The numbers that the bits of DICOM pixels hold, or why the header cannot be right about them.

A header says which bits of a pixel are its number, and whether one of them is a sign (DICOM PS3.5, 8.1.1). Where it
was changed on the way, a number loses its upper bits or takes one for a sign, and what is bright comes out dark. The
picture tells: from one pixel to the next it hardly changes.
"""

from __future__ import annotations

import numpy as np

from ..byte_order import check_order
from ..errors import InputError
from .stored_pixels import StoredFrame

_FULL = 0.9
"""So much of what the bits can say lies between the lowest and the highest number where some went around."""

_STEP = 1 / 16
"""A usual step to the next pixel is less, as a share of the same (256 HU of 4096): noise is 10 to 60 HU."""

_FEW, _FEW_AT_METAL = 8, 24
"""So few steps are of a pixel or two, and no matter; or of one spot of metal, with dark streaks beside it."""


_AGAIN = "Get the series from the archive (PACS) again, or export it with another program."


def stored_numbers(bits: np.ndarray, stored: StoredFrame) -> np.ndarray:
    """The numbers (y, x) of a slice, without slope and intercept.

    ``bits``: all bits of its pixels, unsigned. What its header says holds no number may be a drawing, or anything else
    that has nothing to do with the picture. Raises InputError where the header cannot be right.
    """
    numbers = _field(bits, stored, stored.signed)
    _check_sign(bits, numbers, stored)
    if stored.high + 1 > stored.stored or not np.array_equal(numbers.view(bits.dtype), bits):
        _check_other_bits(bits, numbers, stored)
    return numbers


def _field(bits: np.ndarray, stored: StoredFrame, signed: bool) -> np.ndarray:
    """The bits in use, as numbers of the same width."""
    numbers = bits << (stored.allocated - 1 - stored.high) if stored.high + 1 < stored.allocated else bits
    if signed:
        numbers = numbers.view(f"i{numbers.dtype.itemsize}")
    return numbers >> (stored.allocated - stored.stored) if stored.stored < stored.allocated else numbers


def _check_sign(bits: np.ndarray, numbers: np.ndarray, stored: StoredFrame) -> None:
    """Raise InputError where a highest bit is a sign and the header denies it, or the other way round."""
    if int(numbers.max()) - int(numbers.min()) < _FULL * (1 << stored.stored):
        return
    other = _field(bits, stored, not stored.signed)
    turned = (numbers < 0) | (other < 0)
    measured = bits != stored.padding
    if _is_filled_in(bits, turned & measured):
        return
    as_said, otherwise = _steps(numbers, turned, measured), _steps(other, turned, measured)
    if len(as_said) <= _FEW_AT_METAL:
        return
    if np.median(otherwise) > min(np.median(as_said) / 4, _STEP * (1 << stored.stored)):
        return
    if stored.signed:
        raise InputError(
            "The header of a slice says that its numbers have a sign (PixelRepresentation is 1), and they have none: "
            "what is bright would be read as dark.",
            _AGAIN,
        )
    raise InputError(
        "The header of a slice says that its numbers have no sign (PixelRepresentation is 0), and they have one: what "
        "is dark would be read as bright.",
        _AGAIN,
    )


def _check_other_bits(bits: np.ndarray, numbers: np.ndarray, stored: StoredFrame) -> None:
    """Raise InputError where bits that hold no number by the header go with the picture all the same.

    Those of overlays, signs that were continued and what is the same everywhere do not.
    """
    below = stored.high + 1 - stored.stored
    above = ((1 << stored.allocated) - 1) >> (stored.high + 1) << (stored.high + 1)
    unsaid = (above | ((1 << below) - 1)) & ~stored.drawn
    others = bits & bits.dtype.type(unsaid)
    if stored.signed:
        others[(numbers < 0) & (others == unsaid & above)] = 0
    found, counts = np.unique(others, return_counts=True)
    odd = (others ^ found[np.argmax(counts)]) * (bits != stored.padding)
    if not odd.any() or _is_filled_in(bits, odd != 0):
        return
    check_order(bits.view(f"i{bits.dtype.itemsize}"))
    steps = _steps(numbers, odd, bits != stored.padding)
    is_drawing = len(steps) <= _FEW or np.median(steps) <= _STEP * (1 << stored.stored)
    if is_drawing and not (odd & ((1 << below) - 1)).any():
        return
    raise InputError(
        "The header of a slice does not say truly which bits of a pixel hold its number "
        f"(BitsStored is {stored.stored}, HighBit is {stored.high}): tissue would be read with wrong values.",
        _AGAIN,
    )


def _is_filled_in(bits: np.ndarray, odd: np.ndarray) -> bool:
    """Whether what is ``odd`` is one value, also in a corner: padding around a field of view."""
    first = bits[odd][:1]
    return not first.size or bool(odd[[0, 0, -1, -1], [0, -1, 0, -1]].any() and (bits[odd] == first).all())


def _steps(numbers: np.ndarray, kinds: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """How far the ``numbers`` of neighbours of different ``kinds`` lie apart, where both were ``measured``."""
    steps = []
    for here, after in (np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:]):
        differ = (kinds[here] != kinds[after]) & measured[here] & measured[after]
        steps.append(np.abs(numbers[after][differ].astype(np.int64) - numbers[here][differ]))
    return np.concatenate(steps)
