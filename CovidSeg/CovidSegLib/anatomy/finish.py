"""From the network's probabilities to finished labels on the CT's own grid.

Probabilities are resized to the grid first and compared with thresholds there, slice by slice, so that no float array
of the scan's size ever exists. Then what cannot be lung or infection goes, and the lungs are parted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..errors import InputError
from ..geometry.masks import bounding_box
from ..geometry.resampling import block_sums
from ..i18n import tr as _
from ..network.inputs import SliceFraming
from ..segmentation import Label
from .lungs import find_sides

_LUNG, _INFECTION = 1, 2
"""Bits of the rough mask."""

_ROUNDING = 1e-3


@dataclass(frozen=True)
class FinishOptions:
    """Thresholds (probability) and smallest volumes; chosen on training folds, kept in the model card.

    ``infection`` is low because networks under-call pale ground glass: in cross-validation 0.25 gains most where most
    is missed and costs little elsewhere (CovidSegTraining/README.md, "What was tried"). ``lung_part``: the smallest
    piece of lung, as a share of all lung. ``infection_ml``: the smallest lesion in mL.
    """

    lung: float = 0.5
    infection: float = 0.25
    lung_part: float = 0.02
    infection_ml: float = 0.05


class RoughMask:
    """Collects lung and infection slice by slice: uint8 bits on the upright grid ``shape`` (z, y, x)."""

    def __init__(self, shape: tuple[int, int, int], options: FinishOptions) -> None:
        self.bits = np.zeros(shape, np.uint8)
        self.infection = np.zeros(shape, np.uint8)  # its probability where it may reach its threshold, 255 is 1
        self._options = options

    def add(self, framing: SliceFraming, k: int, probabilities: np.ndarray) -> None:
        """Slice ``k``: probabilities (rows, columns, 3) of neither, lung, infection on the network's grid."""
        # A mean of pixels reaches a threshold only where one of them does: the rest need not be resized.
        both = probabilities[..., 1] + probabilities[..., 2]
        where = framing.from_network_where(both >= self._options.lung - _ROUNDING)
        if where is None:
            return
        part, from_network = where
        bits = self.bits[k]
        bits[part] = from_network(both) >= self._options.lung  # True is _LUNG
        where = framing.from_network_where(probabilities[..., 2] >= self._options.infection - _ROUNDING)
        if where is None:
            return
        part, from_network = where
        infection = from_network(probabilities[..., 2])
        self.infection[k][part] = np.rint(255 * infection)
        bits[part] |= (bits[part] & (infection >= self._options.infection)) * np.uint8(_INFECTION)


def finish(rough: RoughMask, spacing_mm: tuple[float, float, float], options: FinishOptions) -> np.ndarray:
    """Labels uint8 (z, y, x) of :class:`Label`, upright. ``spacing_mm``: upright x, y, z.

    Lung in pieces that are too small to be a lung (air outside, trachea, gut) goes, small specks of infection become
    lung, infection is only where lung is, and left and right are the patient's. Raises InputError where there is one
    lung and nothing tells which.
    """
    bits = rough.bits
    # Infection is only where lung is: what has any bit is lung.
    lung_voxels = np.count_nonzero(bits)
    _drop_small(bits, _LUNG, options.lung_part * lung_voxels, spacing_mm, _LUNG | _INFECTION)
    voxel_ml = float(np.prod(spacing_mm)) / 1000
    _drop_small(bits, _INFECTION, options.infection_ml / voxel_ml, spacing_mm, _INFECTION)
    sides = find_sides(bits, spacing_mm)
    if not sides.known:
        raise InputError(
            _("Only one lung is in view, and its shape does not tell whether it is the left or the right one."),
            _("Give a scan that shows both lungs, or all of one."),
        )
    for k, plane in enumerate(bits):
        rows, columns = (np.flatnonzero(plane.max(axis=axis)) for axis in (1, 0))
        if rows.size:
            box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
            plane[box] = _labels(plane[box], sides.is_left(k, *box))
    return bits


def _labels(bits: np.ndarray, is_left: np.ndarray) -> np.ndarray:
    """The labels of one slice. Arithmetic on bytes, several times as fast as a table: bit 1 becomes 1 or 2, bit 2 3."""
    lung = (bits & np.uint8(_LUNG)) * (np.uint8(Label.RIGHT_LUNG) - is_left.view(np.uint8))
    return np.maximum(lung, (bits >> 1) * np.uint8(Label.INFECTION))


def _drop_small(
    bits: np.ndarray, bit: int, smallest: float, spacing_mm: tuple[float, float, float], clear: int
) -> None:
    """Clear ``clear`` in place wherever a connected piece of ``bit`` has fewer than ``smallest`` voxels.

    Pieces are found on a grid of 2 to 3 mm (blocks that hold any voxel), which takes a fraction of the memory and
    joins what less than a block parts.
    """
    block = [max(1, int(2.5 / mm)) for mm in spacing_mm[1::-1]]
    bits = _on_blocks(bits, block)
    counts = np.stack([block_sums(plane & bit > 0, *block) for plane in bits])
    pieces, number = ndimage.label(counts > 0, np.ones((3, 3, 3)))
    held = [np.flatnonzero(numbers) for numbers in pieces.reshape(len(pieces), -1)]
    sizes = np.zeros(number + 1)
    for numbers, voxels, place in zip(pieces, counts, held, strict=True):
        sizes += np.bincount(numbers.ravel()[place], voxels.ravel()[place], minlength=number + 1)
    small = sizes < smallest
    small[0] = False
    kept = np.uint8(~clear & 0xFF)
    for k, place in enumerate(held):
        if not small[pieces[k].ravel()[place]].any():
            continue
        blocks = small[pieces[k]]
        lines = np.flatnonzero(blocks.any(axis=1))
        part = slice(lines[0] * block[0], (lines[-1] + 1) * block[0])
        gone = blocks[lines[0] : lines[-1] + 1].repeat(block[0], axis=0).repeat(block[1], axis=1)
        plane = bits[k, part]
        plane[:] = np.where(gone[: plane.shape[0], : plane.shape[1]] & (plane & bit > 0), plane & kept, plane)


def _on_blocks(bits: np.ndarray, block: list[int]) -> np.ndarray:
    """The part of ``bits`` (a view) that holds whatever is set, from whole blocks on."""
    box = bounding_box(bits)
    if box is None:
        return bits[:, :0, :0]
    rows, columns = (slice(part.start // size * size, part.stop) for part, size in zip(box[1:], block, strict=True))
    return bits[:, rows, columns]
