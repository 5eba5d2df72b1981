"""Puts the phantom together: first its anatomy on a coarse grid, then one slice after the other."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from ..geometry.volume import CtVolume
from ..progress import Progress
from ..segmentation import Label
from . import tissue
from .bones import paint_girdle, paint_ribs, paint_spine
from .infection import Infection, random_patches
from .lung_shapes import LungShapes, airway_shapes, fissures
from .organs import ABDOMEN, GREAT_VESSELS, HEART, HILA, LOBAR_BRONCHI, OESOPHAGUS
from .outline import BodyFrame
from .pixel_grid import HEIGHT_MM, PIXEL_MM, PIXELS, PixelGrid, SmoothField, union
from .vessels import Vessels, grow_vessels

_CHEST_MM = ((-146.0, 146.0), (-100.0, 114.0))
"""The part of every slice that can hold lung (x, y)."""

_CHEST = PixelGrid().part(*_CHEST_MM)
_COARSE = PixelGrid(4).part(*_CHEST_MM)
_COARSE_MM = 4.0
"""PixelGrid on which the anatomy is planned, and the distance of its planes."""


_TARGETS = 2600
"""Ends of vessels in each lung."""

_VESSEL_DEPTH_MM = 4.0
"""Vessels that a scan shows end this far below the pleura."""

_SHARE = (0.07, 0.105)
"""How much of the lungs is infected."""

_BLUR_PIXELS = 0.62
"""Point spread of a scanner's standard kernel, as a Gaussian's standard deviation."""

_NOISE_GRAIN_PIXELS = (0.55, 2.2)
"""Reconstruction noise is what lies between these two blurs: it has no slow part."""


@dataclass(frozen=True)
class Phantom:
    """A synthetic chest CT and what is true about it.

    ``volume``: int16 HU; ``truth``: uint8 (z, y, x) of :class:`~CovidSegLib.segmentation.Label` on the same grid.
    """

    volume: CtVolume
    truth: np.ndarray


@dataclass(frozen=True)
class _Textures:
    lobules: SmoothField
    grain: SmoothField
    streaks: SmoothField
    density: SmoothField


@dataclass(frozen=True)
class _Anatomy:
    frame: BodyFrame
    lungs: LungShapes
    vessels: Vessels
    infection: Infection
    textures: _Textures


def make_phantom(*, seed: int = 0, slices: int = 80, progress: Progress | None = None) -> Phantom:
    """A synthetic CT of a chest with COVID-19 pneumonia, and its true labels.

    Parameters: ``seed`` chooses the person (same seed, same phantom); ``slices`` is how many axial slices of 512 x 512
    pixels of 0.75 mm cover the same 320 mm of chest, from the feet upwards (80: 4 mm apart); ``progress`` hears of
    every slice and may cancel. Columns run to the patient's left, rows to the back.

    The lung labels hold the uninfected lung with the vessels and small bronchi in it; trachea, main bronchi and lung
    roots are background. Raises ValueError unless ``slices`` is positive, and Cancelled when the user stops it.
    """
    if slices < 1:
        raise ValueError(f"slices must be positive, not {slices}")
    progress = progress or Progress()
    progress.step("phantom", 0, slices)
    anatomy = _anatomy(seed)
    voxels = np.empty((slices, PIXELS, PIXELS), np.int16)
    truth = np.empty((slices, PIXELS, PIXELS), np.uint8)
    distance = HEIGHT_MM / slices
    for k in range(slices):
        z = (k + 0.5) * distance
        # Noise belongs to the slice: it is another one in every slice of a scan.
        noise = np.random.default_rng([seed, 1, slices, k])
        voxels[k], truth[k] = _slice(anatomy, z, noise)
        progress.step("phantom", k + 1, slices)
    return Phantom(CtVolume(voxels, _affine(distance), source="synthetic phantom"), truth)


def _affine(slice_mm: float) -> np.ndarray:
    """IJK→RAS: the image's centre is at R = A = 0, the scan's lower end at S = 0."""
    half = (PIXELS - 1) / 2 * PIXEL_MM
    affine = np.diag([-PIXEL_MM, -PIXEL_MM, slice_mm, 1.0])
    affine[:3, 3] = half, half, slice_mm / 2
    return affine


def _anatomy(seed: int) -> _Anatomy:
    rng = np.random.default_rng([seed, 0])
    frame = BodyFrame.random(rng, PixelGrid())
    bumps = SmoothField(rng, 16.0)
    coarse = LungShapes(frame.on(_COARSE), bumps)
    heights = np.arange(_COARSE_MM / 2, HEIGHT_MM, _COARSE_MM)
    outside = np.stack([coarse.outside(z) for z in heights])
    sides = np.stack([np.where(_COARSE.x > coarse.middle(z), 1, -1) for z in heights])
    sides[outside > 0] = 0
    depth = ndimage.distance_transform_edt(sides != 0, (_COARSE_MM, _COARSE.pixel_mm, _COARSE.pixel_mm))
    targets = {side: _places((sides == side) & (depth > _VESSEL_DEPTH_MM), heights, rng, _TARGETS) for side in (-1, 1)}
    ragged, ragged_fine, septa, mottle = (SmoothField(rng, step) for step in (24.0, 9.0, 4.5, 3.5))
    # Only the wall outside: patches do not sit on the mediastinum.
    lateral = np.stack([coarse.frame.outside_cavity(z) > -16 for z in heights])
    shell = (depth > 2) & (depth < 14) & lateral
    wall = {side: _places((sides == side) & shell, heights, rng, 3000) for side in (-1, 1)}
    infection = Infection(random_patches(rng, wall), ragged, ragged_fine, septa, mottle)
    depths = np.concatenate([infection.depth(_COARSE, z)[0][sides[k] != 0] for k, z in enumerate(heights)])
    infection = replace(infection, size=float(np.quantile(depths, rng.uniform(*_SHARE))))
    textures = _Textures(*(SmoothField(rng, step) for step in (14.0, 2.0, 7.0, 40.0)))
    return _Anatomy(frame, LungShapes(frame.on(_CHEST), bumps), grow_vessels(targets, rng), infection, textures)


def _places(mask: np.ndarray, heights: np.ndarray, rng: np.random.Generator, count: int) -> np.ndarray:
    """``count`` random places (x, y, z; mm) in a coarse mask."""
    voxels = np.argwhere(mask)
    chosen = voxels[rng.integers(len(voxels), size=count)]
    places = np.column_stack([_COARSE.x[0, chosen[:, 2]], _COARSE.y[chosen[:, 1], 0], heights[chosen[:, 0]]])
    return places + rng.uniform(-0.5, 0.5, places.shape) * (_COARSE.pixel_mm, _COARSE.pixel_mm, _COARSE_MM)


def _slice(anatomy: _Anatomy, z: float, noise: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """HU (int16) and labels (uint8) of the slice at height ``z``."""
    frame, chest = anatomy.frame, anatomy.lungs
    hu = np.full((PIXELS, PIXELS), tissue.AIR, np.float32)
    labels = np.zeros((PIXELS, PIXELS), np.uint8)
    _paint_table(hu, frame.grid)
    outside = frame.outside_cavity(z)
    _paint_body(hu, frame, z, outside, anatomy.textures)
    paint_ribs(hu, frame, z, outside)
    paint_girdle(hu, frame, z, outside)
    inner = hu[chest.grid.pixels]
    _paint_inside(inner, anatomy, z, outside[chest.grid.pixels])
    paint_spine(hu, frame.grid, z)
    surface = chest.outside(z)
    if surface.min() < PIXEL_MM:
        lung, infected = _lung_hu(anatomy, z)
        inner += np.clip(0.5 - surface / PIXEL_MM, 0, 1) * (lung - inner)
        labels[chest.grid.pixels] = _labels(chest, z, surface, infected)
    _paint_airways(inner, chest.grid, z)
    hu = ndimage.gaussian_filter(hu, _BLUR_PIXELS)
    hu += _noise(noise, hu)
    return np.clip(np.round(hu), -1024, 3071).astype(np.int16), labels


def _labels(lungs: LungShapes, z: float, surface: np.ndarray, infected: np.ndarray) -> np.ndarray:
    labels = np.where(lungs.grid.x > lungs.middle(z), Label.LEFT_LUNG, Label.RIGHT_LUNG).astype(np.uint8)
    labels[infected] = Label.INFECTION
    labels[surface > 0] = Label.BACKGROUND
    return labels


def _paint_table(hu: np.ndarray, grid: PixelGrid) -> None:
    top = 143.0 - 42.0 * (grid.x / 190.0) ** 2
    bottom = 176.0 - 78.0 * np.abs(grid.x / 190.0) ** 2.4
    shell = (np.abs(grid.y - top) < 0.9) | (np.abs(grid.y - bottom) < 0.9)
    hu[(grid.y > top) & (grid.y < bottom)] = tissue.TABLE_CORE
    hu[(grid.y > top - 9) & (grid.y < top - 1) & (np.abs(grid.x) < 178)] = tissue.MATTRESS
    hu[shell & (bottom > top)] = tissue.TABLE_SHELL


def _paint_body(hu: np.ndarray, frame: BodyFrame, z: float, outside: np.ndarray, textures: _Textures) -> None:
    """Skin, fat under it, and muscles with fat between them; ribs come later."""
    grid = frame.grid
    deep = frame.body.radius(z)[grid.angle] - grid.radius
    streaks, slow = textures.streaks.plane(grid, z), textures.density.plane(grid, z)
    fat = frame.fat.radius(z)[grid.angle] * (1 + 0.12 * slow + 0.04 * streaks)
    # Muscles of the chest wall lie in sheets along the ribs; the fat between them is thickest in the armpits.
    sheet = np.abs(np.sin((outside - 14.0) / 19.0 * np.pi + 1.3 * slow + 0.25 * streaks))
    armpit = np.exp(-(((np.abs(grid.x) - 148) / 22) ** 2) - ((grid.y + 8 + 8 * slow) / 20) ** 2)
    armpit = armpit * np.clip((z - 165) / 40, 0, 1) * (1.3 + 0.35 * streaks)
    fatty = np.clip((0.07 + 0.06 * slow - sheet) / 0.08, 0, 1) + np.clip((armpit - 0.5) / 0.15, 0, 1)
    fatty = np.minimum(fatty, 1) * np.clip((outside - 12) / 3, 0, 1)
    muscle = tissue.MUSCLE + 5.0 * streaks + (tissue.FAT - tissue.MUSCLE) * fatty
    value = np.where(deep < 1.6, tissue.SKIN, np.where(deep < fat, tissue.FAT + 6 * streaks, muscle))
    np.copyto(hu, value, where=deep > 0)


def _paint_inside(hu: np.ndarray, anatomy: _Anatomy, z: float, outside: np.ndarray) -> None:
    """Abdomen below the diaphragm, mediastinum above it."""
    frame, grid = anatomy.lungs.frame, anatomy.lungs.grid
    streaks = anatomy.textures.streaks.plane(grid, z)
    inside = outside < 0
    below = frame.diaphragm.distance(z)
    np.copyto(hu, tissue.MEDIASTINAL_FAT + 9 * streaks, where=inside)
    _paint_abdomen(hu, grid, z, inside & (below < 0), below)
    np.copyto(hu, tissue.MUSCLE, where=inside & (outside > -2.0) & (below < 0))
    heart = union(HEART, grid, z, reach=8.0, rounding=10.0)
    np.copyto(hu, tissue.BLOOD, where=inside & (heart < 0) & (below > -6))
    vessels = union(GREAT_VESSELS, grid, z, reach=4.0, rounding=0.5)
    roots = union(HILA, grid, z, reach=2.0)
    # Lung roots are vessels and nodes in fat.
    rooted = (roots < 0) & (streaks > -0.3) & (below > 0)
    np.copyto(hu, tissue.BLOOD, where=inside & ((vessels < 0) | rooted))
    found = OESOPHAGUS.distance(grid, z, 2.0)
    if found is not None:
        np.copyto(hu[found[0]], tissue.OESOPHAGUS, where=found[1] < 0)


def _paint_abdomen(hu: np.ndarray, grid: PixelGrid, z: float, where: np.ndarray, below: np.ndarray) -> None:
    for shape, value in ABDOMEN:
        found = shape.distance(grid, z, 2.0)
        if found is not None:
            np.copyto(hu[found[0]], value, where=(found[1] < 0) & where[found[0]])
    # The liver fills the right dome; the left one is a sheet of muscle.
    right = grid.x + 0.45 * grid.y < 6.0
    np.copyto(hu, tissue.LIVER, where=where & right & (below > -30))
    np.copyto(hu, tissue.MUSCLE, where=where & ~right & (below > -3))


def _lung_hu(anatomy: _Anatomy, z: float) -> tuple[np.ndarray, np.ndarray]:
    """Lung as if it filled the slice, and where it is infected."""
    grid, textures = anatomy.lungs.grid, anatomy.textures
    depth = np.clip((grid.y + 88.0) / 178.0, 0, 1.1)
    base = tissue.LUNG_FRONT + (tissue.LUNG_BACK - tissue.LUNG_FRONT) * depth**1.4
    grain = textures.grain.plane(grid, z)
    lobules = textures.lobules.plane(grid, z)
    # More bright grains than dark ones: they are small vessels.
    lung = base + 9.0 * textures.density.plane(grid, z) + 10.0 * lobules
    lung = lung + tissue.LUNG_TEXTURE_SD * (grain + 0.25 * (grain * grain - 1))
    lung = lung + tissue.FISSURE * fissures(grid, z, textures.density.plane(grid, z))
    lung, infected = anatomy.infection.apply(lung, grid, z)
    vessels = anatomy.vessels.plane(grid, z)
    lung = lung + vessels * np.maximum(tissue.VESSEL - lung, 0)
    for shape in LOBAR_BRONCHI:
        found = shape.distance(grid, z, 2.5)
        if found is not None:
            window, distance = found
            wall = np.clip(1.3 - np.abs(distance - 0.4), 0, 1)
            lung[window] += 0.55 * wall * (tissue.AIRWAY_WALL - lung[window])
            lung[window] += np.clip(0.5 - distance / 1.0, 0, 1) * (tissue.AIRWAY_AIR - lung[window])
    return lung, infected


def _paint_airways(hu: np.ndarray, grid: PixelGrid, z: float) -> None:
    airways = union(airway_shapes(), grid, z, reach=3.0, rounding=2.0)
    wall = (airways < 1.5) & (airways >= 0)
    hu[wall] = np.maximum(hu[wall], tissue.AIRWAY_WALL)
    hu[airways < 0] = tissue.AIRWAY_AIR


def _noise(rng: np.random.Generator, hu: np.ndarray) -> np.ndarray:
    """Grainy noise without slow parts; half as strong outside the body, where little was absorbed."""
    fine, coarse = _NOISE_GRAIN_PIXELS
    white = rng.standard_normal(hu.shape, dtype=np.float32)
    grain = ndimage.gaussian_filter(white, fine) - ndimage.gaussian_filter(white, coarse)
    strength = ndimage.uniform_filter(np.clip((hu[::4, ::4] + 1000) / 700, 0, 1), 13)
    strength = 0.45 + 0.55 * strength.repeat(4, axis=0).repeat(4, axis=1)
    return grain * (tissue.NOISE_SD / float(grain.std())) * strength
