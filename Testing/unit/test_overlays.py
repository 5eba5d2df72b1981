"""Pictures without Slicer's views: segments lie on what they outline, sides and millimetres are right."""

from __future__ import annotations

import numpy as np
import pytest

from CovidSegLib.geometry.grid import Grid
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.report.overlays import overlay_picture, projection_picture
from CovidSegLib.report.places import PLANES
from CovidSegLib.segmentation import SEGMENTS, Label
from Testing.kit.blocks import SIZES, UPRIGHT, block_labels, block_scan, stored

COLORS = {segment.label: np.array(segment.color) * 255 for segment in SEGMENTS}


def chest(axes: tuple = (0, 1, 2), signs: tuple = (-1, -1, 1)) -> tuple[CtVolume, np.ndarray]:
    upright = block_labels()
    labels, affine = stored(upright, axes, signs)
    return CtVolume(stored(block_scan(upright), axes, signs)[0], affine), labels


def outlined(picture: np.ndarray, label: Label) -> np.ndarray:
    """Where the picture has the full colour of ``label``."""
    return (np.abs(picture.astype(int) - COLORS[label]) < 4).all(axis=-1)


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("axes", [(0, 1, 2), (1, 2, 0)])
def test_outlines_lie_on_the_edges_of_what_they_outline(plane: str, axes: tuple) -> None:
    volume, labels = chest(axes)
    with_masks = np.asarray(overlay_picture(volume, labels, plane))
    # The infection is 300 HU brighter than lung: seen through its colour, it is brighter than the lung beside it.
    infection = outlined(with_masks, Label.INFECTION)
    assert infection.sum() > 100
    rows, columns = np.nonzero(infection)
    inside = with_masks[rows.min() + 8 : rows.max() - 8, columns.min() + 8 : columns.max() - 8].reshape(-1, 3)
    # -500 HU is 57 % grey; 40 % of it is the infection's colour.
    expected = 0.6 * (0.5 + 100 / 1500) * 255 + 0.4 * COLORS[Label.INFECTION]
    filled = (np.abs(inside - expected) < 6).all(axis=-1)
    assert filled.mean() > (0.9 if plane == "sagittal" else 0.2)
    assert with_masks.shape == (700, 900, 3)


def test_sides_are_as_radiologists_look_and_millimetres_are_true() -> None:
    volume, labels = chest()
    for plane in ("axial", "coronal"):
        picture = np.asarray(overlay_picture(volume, labels, plane))
        left, right = (np.nonzero(outlined(picture, label))[1] for label in (Label.LEFT_LUNG, Label.RIGHT_LUNG))
        assert right.max() < left.min()
    # The coronal slice through the infection: 18 slices of 3 mm high, 30 columns of 2 mm wide.
    rows, columns = np.nonzero(outlined(picture, Label.RIGHT_LUNG))
    assert np.ptp(rows) / np.ptp(columns) == pytest.approx(18 * SIZES[2] / (30 * SIZES[0]), rel=0.05)
    # The infection lies low in both lungs.
    assert np.nonzero(outlined(picture, Label.INFECTION))[0].mean() > 350


def test_the_projection_shows_both_lungs_and_the_infection_on_its_side() -> None:
    picture = np.asarray(projection_picture(block_labels(), Grid(UPRIGHT, block_labels().shape))).astype(int)
    reddish = (picture[..., 0] > picture[..., 1] + 20) & (picture[..., 0] > picture[..., 2] + 20)
    assert reddish[:, 450:].sum() > 1.5 * reddish[:, :450].sum() > 0  # more of it in the left lung


def test_nothing_to_outline_is_a_picture_too() -> None:
    volume, labels = chest()
    nothing = np.zeros_like(labels)
    for plane in PLANES:
        assert not outlined(np.asarray(overlay_picture(volume, nothing, plane)), Label.INFECTION).any()
    blank = np.asarray(projection_picture(nothing, volume.grid)).astype(int)
    assert np.ptp(blank, axis=-1).max() < 10  # grey alone
    one = CtVolume(volume.voxels[:1], volume.affine)
    assert overlay_picture(one, labels[:1], "coronal", (240, 180)).size == (240, 180)
