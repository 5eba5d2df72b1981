"""Ribs, sternum, shoulder girdle and spine."""

from __future__ import annotations

import numpy as np

from . import tissue
from .outline import BodyFrame, spine_y
from .pixel_grid import ANGLES, Blob, PixelGrid, Tube

_TOP_VERTEBRA_MM = 274.0
_VERTEBRA_MM = 23.0
"""Height of a thoracic vertebra with its disc."""

_DISC_MM = 5.0
_RIB_DEPTH_MM = (5.6, 4.0)
"""Centre of the ribs outside the cavity, and half their thickness."""

_RIB_HALF_HEIGHT_MM = 6.5
_CORTEX = 0.74
"""Share of a rib's half thickness inside which it is spongy."""

_RIB_DROP_MM = (28, 46, 60, 72, 82, 90, 95, 96, 92, 82, 60, 40)
_RIB_END_DEGREES = (6, 6, 6, 6, 6, 6, 8, 26, 36, 48, 88, 118)
_CARTILAGE_DEGREES = (18, 20, 23, 26, 30, 35, 40, 46, 52, 58, 90, 120)
"""For each rib: how far it sinks from back to front, where it ends and where it turns to cartilage (0 is front)."""

_STERNUM_MM = (84.0, 252.0)
_CLAVICLES = tuple(
    Tube(((side * 17, -50, 258, 7.5), (side * 55, -58, 272, 6), (side * 95, -40, 284, 6), (side * 128, -12, 290, 6.5)))
    for side in (-1, 1)
)
_HUMERI = tuple(
    shape
    for side in (-1, 1)
    for shape in (
        Blob((side * 158, 22, 278), (25, 24, 26)),
        Tube(((side * 166, 20, 286, 15), (side * 190, 6, 330, 12))),
    )
)
_SCAPULA_MM = (152.0, 282.0)
_SCAPULA_DEGREES = (104.0, 150.0)


def vertebra_z(number: int) -> float:
    """Height of the middle of thoracic vertebra ``number`` (1 to 12; further down for lumbar ones)."""
    return _TOP_VERTEBRA_MM - _VERTEBRA_MM * (number - 1)


def _rib_profile(z: float) -> tuple[np.ndarray, np.ndarray]:
    """For each of the :data:`ANGLES`: height above the nearest rib's middle in half heights, and 1 where cartilage."""
    degrees = np.arange(ANGLES) * (360.0 / ANGLES)
    front = np.minimum(degrees, 360.0 - degrees)
    from_back = 180.0 - front
    nearest, cartilage = np.full(ANGLES, 9.0), np.zeros(ANGLES)
    for index, (drop, end, turn) in enumerate(zip(_RIB_DROP_MM, _RIB_END_DEGREES, _CARTILAGE_DEGREES, strict=True)):
        way = np.clip((from_back - 12.0) / 140.0, 0, 1)
        middle = vertebra_z(index + 1) + 4.0 - drop * (0.5 * np.sin(way * np.pi / 2) ** 1.3 + 0.5 * way)
        # Cartilages climb back towards the sternum.
        middle = middle + np.clip(turn - front, 0, None) * (0.5 + 0.12 * index)
        height = np.abs(z - middle) / (_RIB_HALF_HEIGHT_MM * np.sqrt(1 + (drop / 130.0) ** 2))
        height[front < end] = 9.0
        closer = height < nearest
        nearest[closer], cartilage[closer] = height[closer], (front < turn)[closer]
    return nearest, cartilage


def paint_ribs(hu: np.ndarray, frame: BodyFrame, z: float, outside: np.ndarray) -> None:
    """Draw the ribs of a slice into ``hu``; ``outside`` is the distance from the cavity."""
    nearest, cartilage = _rib_profile(z)
    depth, half = _RIB_DEPTH_MM
    shell = (outside > depth - half) & (outside < depth + half)
    angle = frame.grid.angle[shell]
    size = np.hypot(nearest[angle], (outside[shell] - depth) / half)
    bone = np.where(size > _CORTEX, tissue.CORTICAL_BONE, tissue.SPONGY_BONE)
    value = np.where(cartilage[angle] > 0, tissue.CARTILAGE, bone)
    hu[shell] = np.where(size < 1, value, hu[shell])


def _paint_bone(hu: np.ndarray, grid: PixelGrid, z: float, shape: Blob | Tube, cortex_mm: float) -> None:
    found = shape.distance(grid, z, 2.0)
    if found is None:
        return
    window, distance = found
    bone = np.where(distance > -cortex_mm, tissue.CORTICAL_BONE, tissue.SPONGY_BONE)
    hu[window] = np.where(distance < 0, bone, hu[window])


def _paint_sternum(hu: np.ndarray, frame: BodyFrame, z: float) -> None:
    low, high = _STERNUM_MM
    if not low < z < high:
        return
    half_width = np.interp(z, (low, 105, 200, 225, 245, high), (7, 16, 17, 24, 31, 20))
    behind = -float(frame.cavity.radius(z)[0]) - 6.5
    scaled = ((np.abs(frame.grid.x) / half_width) ** 4 + (np.abs(frame.grid.y - behind) / 5.8) ** 4) ** 0.25
    inside = scaled < 1
    hu[inside] = np.where(scaled[inside] > 0.8, tissue.CORTICAL_BONE * 0.7, tissue.SPONGY_BONE * 0.7)


def _paint_scapulae(hu: np.ndarray, frame: BodyFrame, z: float, outside: np.ndarray) -> None:
    low, high = _SCAPULA_MM
    if not low < z < high:
        return
    front = np.minimum(frame.grid.angle, ANGLES - frame.grid.angle) * (360.0 / ANGLES)
    share = (z - low) / (high - low)
    first, last = _SCAPULA_DEGREES[0] + 14 * (1 - share), _SCAPULA_DEGREES[1] - 16 * (1 - share) ** 2
    middle = 22.0 + 30 * share**2 + 0.10 * (last - front)
    half = 2.2 + 3.5 * np.clip((first + 8 - front) / 8, 0, 1)
    blade = (np.abs(outside - middle) < half) & (front > first) & (front < last)
    hu[blade] = np.where(np.abs(outside - middle)[blade] > half[blade] - 1.6, tissue.CORTICAL_BONE * 0.8, 260.0)


def paint_girdle(hu: np.ndarray, frame: BodyFrame, z: float, outside: np.ndarray) -> None:
    """Draw sternum, shoulder blades, collar bones and the heads of the upper arms."""
    _paint_sternum(hu, frame, z)
    _paint_scapulae(hu, frame, z, outside)
    for shape in (*_CLAVICLES, *_HUMERI):
        _paint_bone(hu, frame.grid, z, shape, 2.2)


def spine_distance(grid: PixelGrid, z: float) -> np.ndarray:
    """Signed distance from what keeps the lungs off the spine: bodies, rib heads and the muscle behind."""
    y0 = spine_y(z)
    body = Blob((0, y0, z), (21, 18, 60)).within(grid, z)
    wedge = (np.abs(grid.x) - 21 - 0.62 * np.clip(grid.y - y0 - 6, 0, None)) * 0.85
    wedge = np.maximum(wedge, y0 + 2 - grid.y)
    return np.minimum(body, wedge)


def paint_spine(hu: np.ndarray, grid: PixelGrid, z: float) -> None:
    """Draw the vertebra, its canal, arch and processes, and the heads of its ribs."""
    y0 = spine_y(z)
    phase = (z - _TOP_VERTEBRA_MM) / _VERTEBRA_MM
    nearest = _TOP_VERTEBRA_MM + round(phase) * _VERTEBRA_MM
    along = z - nearest
    waist = 1 - 0.07 * np.cos(along / _VERTEBRA_MM * 2 * np.pi)
    disc = abs(along) > (_VERTEBRA_MM - _DISC_MM) / 2
    endplate = abs(along) > (_VERTEBRA_MM - _DISC_MM) / 2 - 1.6
    inner = tissue.DISC if disc else tissue.CORTICAL_BONE * 0.6 if endplate else tissue.SPONGY_BONE
    rim = tissue.DISC if disc else tissue.CORTICAL_BONE * 0.75
    found = Blob((0, y0, z), (17.5 * waist, 14.0 * waist, 60)).distance(grid, z, 4.0)
    if found is not None:
        window, body = found
        hu[window] = np.where(body < 0, np.where(body > -1.5, rim, inner), hu[window])
    canal_y = y0 + 21
    arch = _arch_shapes(y0, canal_y, nearest)
    for shape in arch:
        _paint_bone(hu, grid, z, shape, 1.7)
    found = Blob((0, canal_y, z), (10, 8.5, 60)).distance(grid, z, 2.0)
    if found is not None:
        window, canal = found
        hu[window] = np.where(canal < 0, np.where(canal > -1.5, tissue.FAT, tissue.SPINAL_CANAL), hu[window])


def _arch_shapes(y0: float, canal_y: float, z: float) -> list[Blob | Tube]:
    """Pedicles, lamina, processes and rib heads of the vertebra whose middle is at ``z``."""
    shapes: list[Blob | Tube] = [
        Tube(((0, canal_y + 10, z - 2, 4), (0, canal_y + 20, z - 10, 3), (0, canal_y + 33, z - 17, 2.6)))
    ]
    for side in (-1, 1):
        shapes += [
            Tube(((side * 11, y0 + 8, z + 3, 4.5), (side * 13, canal_y, z + 2, 4.5), (side * 14, canal_y + 8, z, 4.5))),
            Tube(((side * 13, canal_y + 6, z + 6, 3.6), (0, canal_y + 12, z - 6, 3.6))),
            Tube(((side * 13, canal_y + 7, z - 10, 4), (side * 13, canal_y + 7, z + 10, 4))),
            Tube(((side * 14, canal_y + 7, z + 1, 4.5), (side * 33, canal_y + 13, z + 4, 4.5))),
            Tube(
                (
                    (side * 18, y0 + 4, z + 9, 4.8),
                    (side * 28, canal_y + 4, z + 6, 4.0),
                    (side * 40, canal_y + 12, z + 3, 4.4),
                )
            ),
        ]
    return shapes
