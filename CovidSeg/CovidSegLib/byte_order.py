"""Whether the bytes of a scan's numbers were read in the wrong order: in the other one it is a picture.

From one voxel to the next a picture hardly changes; with its bytes exchanged it jumps by the full range of its numbers.
"""

from __future__ import annotations

import numpy as np

from .errors import InputError
from .i18n import tr as _

WRONG_ORDER = _("The bytes of the scan's numbers are in the other order than its header says")
"""Without a full stop."""

_WIDEST = float(1 << 14)
"""Numbers of a CT that spread further are few (padding, metal), or no numbers of a CT."""

_GREY = 256.0
"""What spreads no further may be a picture of 8 bits that was stored in the upper ones."""

_FILLED_SHARE = 0.05
_ROWS, _LEAST = 32, 200
_SMOOTHER = 8.0
"""So many times smaller the usual change to the next voxel is. Of CTs: 100 and more."""

_TINY, _HUGE = 1e-20, 1e10
_MOST_ODD = 0.1


def is_swapped(plane: np.ndarray) -> bool:
    """Whether the numbers (y, x; any kind) make a picture only when their bytes are exchanged.

    One look at the extremes where they are those of a CT.
    """
    if plane.dtype.itemsize < 2 or not plane.size:
        return False
    with np.errstate(invalid="ignore"):
        spread = float(plane.max()) - float(plane.min())
    if spread < _WIDEST and (plane.dtype.kind != "f" or spread > _TINY):
        return False
    rows = np.ascontiguousarray(plane[:: max(1, len(plane) // _ROWS)])
    exchanged = rows.view(rows.dtype.newbyteorder())
    if plane.dtype.kind == "f":
        return _is_no_number(rows) > _MOST_ODD and _is_no_number(exchanged) == 0 and _spread(exchanged) < _WIDEST
    return _GREY < _spread(exchanged) < _WIDEST and _change(rows) > _SMOOTHER * _change(exchanged) > 0


def check_order(plane: np.ndarray) -> None:
    """Raise InputError where :func:`is_swapped`."""
    if is_swapped(plane):
        raise InputError(
            _("{reason}.").format(reason=WRONG_ORDER),
            _("Correct the byte order (endian) in its header, or write the scan again."),
        )


def _is_no_number(values: np.ndarray) -> float:
    """The share of values that no picture has: infinite, or out of all proportion."""
    with np.errstate(invalid="ignore"):
        size = np.abs(values.astype(np.float64))
        return float(np.mean(~((size == 0) | ((size > _TINY) & (size < _HUGE)))))


def _spread(values: np.ndarray) -> float:
    """How far nearly all values lie apart, without one that many have: padding, which may be any number."""
    found, counts = np.unique(values, return_counts=True)
    if counts.max() > _FILLED_SHARE * values.size and len(found) > 1:
        values = values[values != found[np.argmax(counts)]]
    low, high = np.percentile(values, (1, 99))
    return float(high - low)


def _change(values: np.ndarray) -> float:
    """The usual change from one voxel to the next, where there is one; 0 where that is not often."""
    changes = np.abs(np.diff(values.astype(np.float64), axis=1))
    changes = changes[changes > 0]
    return float(np.median(changes)) if changes.size >= _LEAST else 0.0
