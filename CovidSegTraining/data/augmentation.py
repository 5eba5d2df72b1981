"""What other scanners, patients and readers could have made of a slice."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from CovidSegLib.errors import InputError
from CovidSegLib.network.input_form import HU_WINDOW
from CovidSegLib.network.inputs import TISSUE_HU

from .dataset import DISPUTED, DrawnLabel, is_infected

_PER_HU = 2.0 / (HU_WINDOW[1] - HU_WINDOW[0])
_FADE_EDGE_PIXELS = 1.5
_TISSUE = (TISSUE_HU - HU_WINDOW[0]) * _PER_HU - 1
_MOST = float(np.finfo(np.float32).max)
_CLASSES_IN_LUNG = (DrawnLabel.LEFT_LUNG, DrawnLabel.RIGHT_LUNG, DrawnLabel.INFECTION, DISPUTED)


@dataclass(frozen=True)
class Augmentation:
    """How far a slice is changed. Ranges are (low, high); chances are 0 to 1; HU for what is measured in HU."""

    rotation_degrees: float = 20.0
    scale: tuple[float, float] = (0.75, 1.3)
    shift: float = 0.08
    warp_chance: float = 0.8
    left_right_chance: float = 0.5
    up_down_chance: float = 0.1
    blur_chance: float = 0.25
    blur_pixels: tuple[float, float] = (0.3, 1.2)
    contrast: tuple[float, float] = (0.94, 1.06)
    offset_hu: float = 30.0
    noise_chance: float = 0.5
    noise_hu: float = 30.0
    sharpen_chance: float = 0.15
    sharpen: tuple[float, float] = (0.3, 1.0)
    """How much of what a blur would take away is added instead: a sharp (lung) reconstruction kernel."""
    single_slice_chance: float = 0.2
    """Chance that the neighbours are replaced by the slice itself, as where slices lie far apart."""
    thick_slice_chance: float = 0.2
    """Chance that the three slices become one, as in thick-slice scans: half a diaphragm looks like ground glass."""
    thick_share: tuple[float, float] = (0.4, 1.0)
    """Weight of the neighbours in a thick slice; that of the slice itself is 1."""
    transfer_chance: float = 0.0
    """Chance that lesions of another slice are carried into its lungs (see ``lesion_transfer``)."""
    fade_chance: float = 0.3
    fade: tuple[float, float] = (0.45, 1.0)
    """Infection keeps this share of its contrast to healthy lung: pale ground glass is what networks miss."""
    cut_chance: float = 0.1
    """Chance that the image ends at the lungs, as in figures and cropped volumes; tissue comes in from outside."""
    cut_margin: float = 0.06
    """What is left around the lungs of such an image, at most, as a share of the input's size."""
    gravity_hu: float = 60.0
    """Lung that is denser at the back than in front, by up to this much: breath and gravity, no infection."""

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            numbers = value if isinstance(value, tuple) else (0.0, value)
            if not 0 <= numbers[0] <= numbers[1] <= (1 if name.endswith("chance") else _MOST):
                raise InputError(
                    f"augmentation.{name} cannot be {value}.", "Chances are 0 to 1, ranges (low, high), none below 0."
                )

        if not self.scale[0] > 0:
            raise InputError(f"augmentation.scale cannot be {self.scale}.", "A slice has a size: more than 0.")

    def __call__(
        self, inputs: np.ndarray, labels: np.ndarray, random: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """``inputs`` float32 (rows, columns, 3) in [-1, 1] and ``labels`` uint8 (rows, columns), changed alike."""
        inputs = self._neighbours(inputs, random)
        if random.random() < self.fade_chance:
            inputs = self._fade(inputs, labels, random)
        if random.random() < self.cut_chance:
            inputs, labels = self._cut(inputs, labels, random)
        if random.random() < self.left_right_chance:
            inputs, labels = inputs[:, ::-1], labels[:, ::-1]
        if random.random() < self.up_down_chance:
            inputs, labels = inputs[::-1], labels[::-1]
        if random.random() < self.warp_chance:
            inputs, labels = self._warp(inputs, labels, random)
        return self._intensity(inputs, random), np.ascontiguousarray(labels)

    def _neighbours(self, inputs: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Three channels, or one where all are to be equal: it is turned and blurred once, not three times."""
        draw = random.random()
        if draw < self.thick_slice_chance:
            share = random.uniform(*self.thick_share)
            return (inputs @ np.array([share, 1, share], np.float32) / (1 + 2 * share))[..., None].astype(np.float32)
        single = draw < self.thick_slice_chance + self.single_slice_chance
        return inputs[..., 1:2] if single or (inputs == inputs[..., 1:2]).all() else inputs

    def _fade(self, inputs: np.ndarray, labels: np.ndarray, random: np.random.Generator) -> np.ndarray:
        share = random.uniform(*self.fade)
        infected, healthy = is_infected(labels), (labels == DrawnLabel.LEFT_LUNG) | (labels == DrawnLabel.RIGHT_LUNG)
        if not infected.any() or not healthy.any():
            return inputs
        weight = (1 - share) * ndimage.gaussian_filter(infected.astype(np.float32), _FADE_EDGE_PIXELS)
        return inputs + weight[..., None] * (np.median(inputs[healthy, inputs.shape[-1] // 2]) - inputs)

    def _cut(
        self, inputs: np.ndarray, labels: np.ndarray, random: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        lung = np.isin(labels, _CLASSES_IN_LUNG)
        if not lung.any():
            return inputs, labels
        seen = np.ones(labels.shape, bool)
        for axis, size in enumerate(labels.shape):
            line = np.flatnonzero(lung.any(axis=1 - axis))
            first, last = line[[0, -1]] + random.uniform(0, self.cut_margin, 2) * (-size, size)
            inside = (np.arange(size) >= first) & (np.arange(size) <= last)
            seen &= inside[:, None] if axis == 0 else inside
        cut = np.where(seen[..., None], inputs, np.float32(_TISSUE))
        return cut, np.where(seen, labels, labels.dtype.type(DrawnLabel.LUNG_NOT_DRAWN))

    def _warp(
        self, inputs: np.ndarray, labels: np.ndarray, random: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        angle = np.deg2rad(random.uniform(-self.rotation_degrees, self.rotation_degrees))
        scale = np.exp(random.uniform(*np.log(self.scale)))
        matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / scale
        size = np.array(labels.shape)
        centre = (size - 1) / 2
        shift = random.uniform(-self.shift, self.shift, 2) * size
        offset = centre + shift - matrix @ centre
        warped = np.stack(
            [
                ndimage.affine_transform(inputs[..., c], matrix, offset, order=1, mode="nearest")
                for c in range(inputs.shape[-1])
            ],
            axis=-1,
        )
        # What comes in from outside was never drawn: with 0 the network would learn that lungs end where drawing did.
        outside = int(DrawnLabel.LUNG_NOT_DRAWN)
        return warped, ndimage.affine_transform(labels, matrix, offset, order=0, cval=outside)

    def _intensity(self, inputs: np.ndarray, random: np.random.Generator) -> np.ndarray:
        draw = random.random()
        if draw < self.blur_chance + self.sharpen_chance:
            sigma = random.uniform(*self.blur_pixels)
            blurred = ndimage.gaussian_filter(inputs, (sigma, sigma, 0), truncate=2.5)
            sharper = inputs + random.uniform(*self.sharpen) * (inputs - blurred)
            inputs = blurred if draw < self.blur_chance else sharper
        if inputs.shape[-1] == 1:
            inputs = np.repeat(inputs, 3, axis=-1)
        inputs = inputs * random.uniform(*self.contrast) + random.uniform(-1, 1) * self.offset_hu * _PER_HU
        front_to_back = np.linspace(-0.5, 0.5, len(inputs), dtype=np.float32)[:, None, None]
        inputs = inputs + random.uniform(-0.3, 1) * self.gravity_hu * _PER_HU * front_to_back
        if random.random() < self.noise_chance:
            deviation = random.uniform(0, self.noise_hu) * _PER_HU
            inputs = inputs + deviation * random.standard_normal(inputs.shape, dtype=np.float32)
        return np.clip(inputs, -1, 1).astype(np.float32)
