"""From Hounsfield units to what the network sees, and from its probabilities back to the CT's own grid.

Training and prediction both call this file and nothing else: a network that was trained with one window, crop or
neighbourhood and used with another fails silently. Everything here works on upright axial slices
(:mod:`geometry.grid`): rows run to the back, columns to the patient's left, slices to the head.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import scipy

from ..field_of_view import ScanValues, coarse, looked_at
from ..geometry.resampling import PlaneResampler, axis_weights
from ..geometry.volume import AIR_HU
from .input_form import HU_WINDOW, INPUT_SHAPE, SHIPPED_INPUTS, NetworkInputs

BODY_HU = -500.0
"""Above it is body (fat is -100, a mattress about -700 to -900); below it air and lung."""

MARGIN = 0.04
"""Air kept around the body, as a share of its size."""

CUT_SHARE = 0.5
"""Body on more than this share of the image's border: the image was cut out of the body, as in figures of papers and
volumes cropped to the lungs (measured there 0.6 to 1.0; on 24 whole scans 0.0 to 0.25)."""

CUT_MARGIN = 0.15
"""Tissue put back around such an image, as a share of its size: the network knows lungs at the size of whole chests."""

TISSUE_HU = 20.0
"""What was cut away: chest wall, nearer to muscle than to fat."""

AERATED_HU = (-990.0, -500.0)
"""Lung. Gas of the bowel and air between arms and body are darker."""

LUNG_SHARE = 0.08
"""Aerated lung on more than this share of the body, and on half of the largest share: a slice of the chest (slices
without lungs 0.00 to 0.05, through the middle of the lungs 0.15 to 0.5)."""

ELSEWHERE_SHARE = 0.1
"""An edge of the body's usual box this far from that of the chest's, as a share of the chest: most slices show other
parts of the body (24 scans of the chest, four of them with as much belly: at most 0.04)."""


@dataclass(frozen=True)
class Crop:
    """The part of every slice that the network sees, in pixels of the CT (edges, may reach past the image).

    ``outside_hu``: what lies past the edges of the image, in HU.
    """

    top: float
    left: float
    height: float
    width: float
    outside_hu: float = AIR_HU


def body_box(plane: np.ndarray) -> tuple[int, int, int, int] | None:
    """Edges (top, bottom, left, right; pixels, end excluded) of the body in one axial slice of HU, or None.

    The body is the largest object above :data:`BODY_HU` after an opening that cuts off the table and tubes.
    """
    small, stride = coarse(plane)
    objects, count = scipy.ndimage.label(scipy.ndimage.binary_opening(small > BODY_HU, np.ones((3, 3))))
    if count == 0:
        return None
    largest = int(np.argmax(np.bincount(objects.ravel())[1:])) + 1
    rows, columns = scipy.ndimage.find_objects(objects, max_label=largest)[largest - 1]
    return rows.start * stride, rows.stop * stride, columns.start * stride, columns.stop * stride


def body_on_border(plane: np.ndarray) -> float:
    """Share (0 to 1) of the border of one axial slice of HU that shows body."""
    small, _ = coarse(plane)
    return float((np.concatenate([small[0], small[-1], small[:, 0], small[:, -1]]) > BODY_HU).mean())


def lung_share(plane: np.ndarray) -> float:
    """How much of the body in one axial slice of HU is aerated lung (0 to 1)."""
    small, _ = coarse(plane)
    inside = scipy.ndimage.binary_fill_holes(scipy.ndimage.binary_opening(small > BODY_HU, np.ones((3, 3))))
    aerated = inside & (small > AERATED_HU[0]) & (small < AERATED_HU[1])
    lung = scipy.ndimage.binary_opening(aerated, np.ones((3, 3)))
    return float(np.count_nonzero(lung)) / max(int(np.count_nonzero(inside)), 1)


def body_crop(
    plane: Callable[[int], np.ndarray],
    count: int,
    pixel_mm: tuple[float, float],
    shape: tuple[int, int] = INPUT_SHAPE,
) -> Crop:
    """The crop of a whole scan: the body's usual box, with a margin, in the ``shape`` of the network's input.

    ``plane(k)`` gives axial slice ``k`` of ``count`` in HU (rows, columns); ``pixel_mm`` is the size of a pixel along
    rows and columns (row distance, column distance). Edges are medians over slices, so that shoulders or a slice of
    noise do not decide; without any body the whole image is taken. Lungs so come in at one size, whatever the field of
    view and whatever the pixel spacing says (only the ratio of the two pixel sizes counts). An image that was cut out
    of the body (:data:`CUT_SHARE`) is seen whole, with tissue around it. Where most slices show legs, head or belly the
    chest's decide alone.
    """
    looks = [_Look.at(one) for one in map(plane, looked_at(count))]
    whole = (0, looks[0].shape[0], 0, looks[0].shape[1])
    if np.median([look.on_border for look in looks]) > CUT_SHARE:
        return _crop_around(whole, CUT_MARGIN, pixel_mm, TISSUE_HU, shape)
    seen = [look for look in looks if look.box is not None]
    if not seen:
        return _crop_around(whole, MARGIN, pixel_mm, AIR_HU, shape)
    usual = _median_box(seen)
    least = max(LUNG_SHARE, max(look.lung for look in seen) / 2)
    chest = [look for look in seen if look.lung > least]
    if chest:
        box = _median_box(chest)
        size = np.repeat([box[1] - box[0], box[3] - box[2]], 2)
        if (np.abs(np.subtract(usual, box)) > ELSEWHERE_SHARE * size).any():
            usual = box
    return _crop_around(usual, MARGIN, pixel_mm, AIR_HU, shape)


@dataclass(frozen=True)
class _Look:
    """What one slice tells of where the body lies."""

    shape: tuple[int, ...]
    on_border: float
    box: tuple[int, int, int, int] | None
    lung: float

    @classmethod
    def at(cls, plane: np.ndarray) -> _Look:
        return cls(plane.shape, body_on_border(plane), body_box(plane), lung_share(plane))


def _median_box(looks: list[_Look]) -> tuple[float, float, float, float]:
    top, bottom, left, right = np.median([look.box for look in looks if look.box is not None], axis=0)
    return top, bottom, left, right


def _crop_around(
    box: tuple[float, float, float, float],
    margin: float,
    pixel_mm: tuple[float, float],
    outside_hu: float,
    shape: tuple[int, int],
) -> Crop:
    """The smallest crop in the ``shape`` of the network's input that holds ``box`` and its margin."""
    top, bottom, left, right = box
    aspect = pixel_mm[0] / pixel_mm[1]
    scale = max((bottom - top) * aspect / shape[0], (right - left) / shape[1]) * (1 + 2 * margin)
    height, width = scale * shape[0] / aspect, scale * shape[1]
    centre = float(top + bottom) / 2, float(left + right) / 2
    return Crop(centre[0] - height / 2, centre[1] - width / 2, float(height), float(width), outside_hu)


def neighbour_offset(slice_mm: float, inputs: NetworkInputs = SHIPPED_INPUTS) -> int:
    """How many slices away the neighbour channels are taken; 0 where slices are too far apart to help."""
    return 0 if slice_mm > inputs.centre_repeated_above_mm else max(1, round(inputs.neighbour_mm / slice_mm))


def channel_slices(k: int, offset: int, count: int) -> tuple[int, int, int]:
    """Which of ``count`` slices the three channels of slice ``k`` show: below, itself, above; itself past the ends."""
    below, above = k - offset, k + offset
    return (below if below >= 0 else k, k, above if above < count else k)


@dataclass(frozen=True)
class SliceFraming:
    """How slices of ``shape`` (rows, columns) of one scan are brought to the network, and its answers back.

    ``offset``: slices between a channel and the next; ``shift_hu``: how far the scan's values lie above HU; ``seen``:
    rows and columns that the network sees; ``window``: HU that become -1 and 1; ``padded``: where the scan was padded
    with something else than air (bool of ``shape``; None: nowhere).
    """

    shape: tuple[int, int]
    crop: Crop
    offset: int
    shift_hu: float = 0.0
    seen: tuple[int, int] = INPUT_SHAPE
    padded: np.ndarray | None = field(default=None, compare=False)
    window: tuple[float, float] = HU_WINDOW

    @classmethod
    def of_scan(
        cls,
        plane: Callable[[int], np.ndarray],
        count: int,
        spacing_mm: tuple[float, float, float],
        inputs: NetworkInputs = SHIPPED_INPUTS,
        values: ScanValues | None = None,
    ) -> SliceFraming:
        """Look at a scan once. ``spacing_mm``: upright (column, row, slice) distances, as x, y, z.

        ``values``: what is known of its values. Raises InputError where they are HU halved or doubled.
        """
        pixel_mm = spacing_mm[1], spacing_mm[0]
        values = values or ScanValues.of_planes((plane(k) for k in looked_at(count)), pixel_mm)
        values.check_scale()
        crop = body_crop(lambda k: values.roughly_hu(plane(k)), count, pixel_mm, inputs.shape)
        offset = neighbour_offset(spacing_mm[2], inputs)
        return cls(plane(0).shape, crop, offset, values.shift_hu, inputs.shape, values.padded, inputs.hu_window)

    @cached_property
    def _inward(self) -> PlaneResampler:
        return PlaneResampler(
            *(
                axis_weights(size, new, start + length / new / 2 - 0.5, length / new)
                for size, new, start, length in self._axes()
            )
        )

    @cached_property
    def _outward(self) -> PlaneResampler:
        return PlaneResampler(
            *(
                axis_weights(new, size, (0.5 - start) * new / length - 0.5, new / length)
                for size, new, start, length in self._axes()
            )
        )

    def _axes(self) -> tuple[tuple[int, int, float, float], tuple[int, int, float, float]]:
        return (
            (self.shape[0], self.seen[0], self.crop.top, self.crop.height),
            (self.shape[1], self.seen[1], self.crop.left, self.crop.width),
        )

    def to_network(self, plane: np.ndarray) -> np.ndarray:
        """One axial slice of HU → float32 (rows, columns) of the network in [-1, 1]."""
        low, high = self.window
        outside = np.float32(self.crop.outside_hu)
        # Whole numbers stay in their two bytes as long as they may: what comes out are the same numbers.
        whole = plane.dtype == np.int16 and all(float(hu).is_integer() for hu in self.window) and not self.shift_hu
        ends, shift = (int(low), int(high)) if whole else (low, high), np.float32(self.shift_hu)
        values = np.clip(np.ascontiguousarray(plane) if whole else plane.astype(np.float32) - shift, *ends)
        if self.padded is not None:
            values[self.padded] = np.clip(AIR_HU, low, high)
        above = np.subtract(values, outside, dtype=np.float32)
        return (self._inward(above) + (outside - low)) * (2.0 / (high - low)) - 1.0

    def labels_to_network(self, plane: np.ndarray, outside: int) -> np.ndarray:
        """One slice of labels → the network's grid, nearest neighbour, ``outside`` where the image ends."""
        indices, inside = [], []
        for size, new, start, length in self._axes():
            position = np.floor(start + (np.arange(new) + 0.5) * length / new).astype(int)
            inside.append((position >= 0) & (position < size))
            indices.append(position.clip(0, size - 1))
        return np.where(np.outer(*inside), plane[np.ix_(*indices)], outside).astype(plane.dtype)

    def from_network(self, plane: np.ndarray) -> np.ndarray:
        """One plane of probabilities on the network's grid → float32 on the slice's own grid; 0 outside the crop."""
        return self._outward(plane)

    def from_network_where(self, seen: np.ndarray) -> tuple[tuple[slice, slice], PlaneResampler] | None:
        """Rows and columns of the slice that depend on ``seen`` (bool, network's grid), and :meth:`from_network` there.

        None where no pixel does.
        """
        reached = self._outward.reach(seen)
        return None if reached is None else (reached, self._outward.part(*reached))

    def channels(self, framed: Callable[[int], np.ndarray], k: int, count: int) -> np.ndarray:
        """Slice ``k`` of ``count`` as (rows, columns, 3): slice below, itself, slice above.

        ``framed(k)`` gives :meth:`to_network` of slice ``k``; at the ends, and where slices are far apart, the centre
        is repeated.
        """
        return np.stack([framed(index) for index in channel_slices(k, self.offset, count)], axis=-1)


def network_batches(
    voxels: np.ndarray,
    spacing_mm: tuple[float, float, float],
    batch: int,
    inputs: NetworkInputs = SHIPPED_INPUTS,
    values: ScanValues | None = None,
) -> Iterator[tuple[SliceFraming, range, np.ndarray]]:
    """Walk an upright scan (z, y, x; HU) in batches: the framing, the slice numbers, and float32 (n, h, w, 3).

    Holds no more framed slices than the neighbourhood needs. Other parameters: see :meth:`SliceFraming.of_scan`.
    """
    count = voxels.shape[0]
    framing = SliceFraming.of_scan(voxels.__getitem__, count, spacing_mm, inputs, values)
    framed: dict[int, np.ndarray] = {}

    def look(k: int) -> np.ndarray:
        if k not in framed:
            framed[k] = framing.to_network(voxels[k])
        return framed[k]

    for first in range(0, count, batch):
        numbers = range(first, min(first + batch, count))
        yield framing, numbers, np.stack([framing.channels(look, k, count) for k in numbers])
        for k in [k for k in framed if k <= numbers[-1] - framing.offset]:
            del framed[k]
