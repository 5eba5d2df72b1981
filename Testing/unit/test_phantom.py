"""The synthetic chest: a CT of human proportions whose true labels fit what it shows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from CovidSegLib.phantom import Phantom, make_phantom
from CovidSegLib.progress import Cancelled, Progress, Report
from CovidSegLib.segmentation import Label

SLICES = 20
"""16 mm apart: enough to measure, and quick."""


FEWER = 4
"""A divisor of SLICES by an odd number: each of these slices is also one of those."""


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return make_phantom(slices=SLICES)


@pytest.fixture(scope="module")
def reports() -> list[Report]:
    return []


@pytest.fixture(scope="module")
def fewer(reports: list[Report]) -> Phantom:
    return make_phantom(slices=FEWER, progress=Progress(reports.append))


def _values(phantom: Phantom, label: Label) -> np.ndarray:
    return phantom.volume.voxels[phantom.truth == label]


def _slice_at(phantom: Phantom, z_mm: float) -> int:
    return int(z_mm / phantom.volume.grid.spacing[2])


def _patch(phantom: Phantom, *, right: float, front: float, up: float) -> np.ndarray:
    """9 x 9 pixels around a place in RAS."""
    i, j, k = np.round(np.linalg.inv(phantom.volume.affine) @ (right, front, up, 1)).astype(int)[:3]
    return phantom.volume.voxels[k, j - 4 : j + 5, i - 4 : i + 5].astype(float)


def test_the_same_seed_gives_the_same_phantom(fewer: Phantom):
    again = make_phantom(slices=FEWER)

    assert np.array_equal(fewer.volume.voxels, again.volume.voxels)
    assert np.array_equal(fewer.truth, again.truth)


def test_another_seed_gives_another_person(fewer: Phantom):
    other = make_phantom(seed=6, slices=FEWER)

    assert np.mean(fewer.truth != other.truth) > 0.003


def test_array_types_and_grid_are_those_of_a_ct(phantom: Phantom):
    assert phantom.volume.voxels.shape == phantom.truth.shape == (SLICES, 512, 512)
    assert phantom.volume.voxels.dtype == np.int16
    assert phantom.truth.dtype == np.uint8
    assert set(np.unique(phantom.truth)) == set(Label)
    assert phantom.volume.grid.spacing == pytest.approx((0.75, 0.75, 320 / SLICES))


def test_rows_run_to_the_back_columns_to_the_left_and_slices_to_the_head(phantom: Phantom):
    order = phantom.volume.grid.order

    assert order.permutation == (0, 1, 2)
    assert order.flips == (False, False, False)


def test_more_slices_cover_the_same_chest(phantom: Phantom, fewer: Phantom):
    lower, upper = (
        [p.volume.affine @ (0, 0, k, 1) for p, k in pairs]
        for pairs in (((phantom, -0.5), (fewer, -0.5)), ((phantom, SLICES - 0.5), (fewer, FEWER - 0.5)))
    )

    assert lower[0] == pytest.approx(lower[1])
    assert upper[0] == pytest.approx(upper[1])
    assert np.array_equal(fewer.truth, phantom.truth[2 :: SLICES // FEWER])


def test_the_left_lung_is_on_the_patients_left(phantom: Phantom):
    for label, side in ((Label.LEFT_LUNG, -1), (Label.RIGHT_LUNG, 1)):
        k, j, i = np.nonzero(phantom.truth == label)
        right = (phantom.volume.affine @ np.stack([i, j, k, np.ones_like(i)]))[0]
        assert side * np.median(right) > 40
        assert np.mean(side * right > 0) > 0.97


def test_volumes_are_those_of_a_human(phantom: Phantom):
    ml = np.bincount(phantom.truth.ravel(), minlength=4) * phantom.volume.grid.voxel_ml

    assert 3500 < ml[1:].sum() < 5500
    assert 0.75 < ml[Label.LEFT_LUNG] / ml[Label.RIGHT_LUNG] < 1.05
    assert 0.05 < ml[Label.INFECTION] / ml[1:].sum() < 0.12


def test_the_chest_has_human_width_and_depth(phantom: Phantom):
    k = _slice_at(phantom, 130)
    body = ndimage.binary_opening(phantom.volume.voxels[k] > -500, iterations=4)
    rows, columns = np.nonzero(ndimage.binary_fill_holes(body))
    lung_rows, lung_columns = np.nonzero(phantom.truth[k])

    assert 310 < 0.75 * np.ptp(columns) < 380
    assert 210 < 0.75 * np.ptp(rows) < 270
    assert 230 < 0.75 * np.ptp(lung_columns) < 290
    assert 150 < 0.75 * np.ptp(lung_rows) < 200


def test_tissues_have_their_hounsfield_units(phantom: Phantom):
    """Places in RAS that hold the same organ whatever the seed sways."""
    voxels = phantom.volume.voxels

    assert np.median(voxels[:, :20]) == pytest.approx(-1000, abs=5)
    assert np.median(_values(phantom, Label.LEFT_LUNG)) == pytest.approx(-850, abs=40)
    assert np.median(_values(phantom, Label.RIGHT_LUNG)) == pytest.approx(-850, abs=40)
    assert -750 < np.median(_values(phantom, Label.INFECTION)) < -350
    assert np.percentile(_values(phantom, Label.INFECTION), 98) > -100
    assert np.mean(_patch(phantom, right=-15, front=42, up=120)) == pytest.approx(42, abs=15)  # heart
    assert np.mean(_patch(phantom, right=60, front=20, up=40)) == pytest.approx(60, abs=15)  # liver
    assert np.mean(_patch(phantom, right=-1, front=0, up=250)) < -900  # trachea
    assert np.mean(_patch(phantom, right=0, front=-57 + 10, up=136)) > 100  # vertebra
    assert np.sum(voxels > 500) * phantom.volume.grid.voxel_ml > 100  # cortical bone


def test_noise_in_the_liver_is_that_of_a_scan(phantom: Phantom):
    assert 12 < np.std(_patch(phantom, right=60, front=20, up=40)) < 30


def test_the_back_of_the_lung_is_denser_than_its_front(phantom: Phantom):
    k = _slice_at(phantom, 180)
    lung = np.isin(phantom.truth[k], (Label.LEFT_LUNG, Label.RIGHT_LUNG))
    rows = np.nonzero(lung)[0]
    front, back = np.percentile(rows, (20, 80))
    row = np.arange(512)[:, None]
    of_front, of_back = (np.median(phantom.volume.voxels[k][lung & part]) for part in (row < front, row > back))

    assert 30 < of_back - of_front < 100


def test_truth_lies_inside_the_body(phantom: Phantom):
    for voxels, truth in zip(phantom.volume.voxels, phantom.truth, strict=True):
        body = ndimage.binary_fill_holes(ndimage.binary_opening(voxels > -500, iterations=3))
        assert not (ndimage.binary_dilation(truth > 0, iterations=8) & ~body).any()


def test_a_lung_ends_where_its_label_ends(phantom: Phantom):
    """Air-filled tissue inside the rib cage is lung, but for airways; muscle around it is not."""
    truth, voxels = phantom.truth > 0, phantom.volume.voxels
    rim = truth & ~ndimage.binary_erosion(truth, np.ones((1, 9, 9)))
    ring = ndimage.binary_dilation(truth, np.ones((1, 9, 9))) & ~ndimage.binary_dilation(truth, np.ones((1, 5, 5)))

    assert np.mean(voxels[rim] < -300) > 0.85
    assert np.mean(voxels[ring] > -300) > 0.97


def test_the_trachea_and_the_outside_air_are_not_lung(phantom: Phantom):
    k = _slice_at(phantom, 250)
    i, j, _ = np.round(np.linalg.inv(phantom.volume.affine) @ (-1, 0, 250, 1)).astype(int)[:3]

    assert not phantom.truth[k, j - 8 : j + 9, i - 8 : i + 9].any()
    assert not phantom.truth[:, :, :60].any()


def test_both_lungs_almost_touch_in_front(phantom: Phantom):
    """A line of 2 mm parts them, hardly two pixels of a network's grid, but they never meet."""
    gaps = []
    for truth in phantom.truth:
        assert not (ndimage.binary_dilation(truth == Label.LEFT_LUNG) & (truth == Label.RIGHT_LUNG)).any()
        for row in truth[100:300]:
            left, right = np.flatnonzero(row == Label.LEFT_LUNG), np.flatnonzero(row == Label.RIGHT_LUNG)
            if left.size and right.size:
                gaps.append(left.min() - right.max() - 1)

    assert 2 <= min(gaps) <= 4
    assert sum(gap <= 4 for gap in gaps) > 20


def test_vessels_branch_through_the_lungs(phantom: Phantom):
    """Bright dots and lines in air-filled lung, counted as lung."""
    lung = np.isin(phantom.truth, (Label.LEFT_LUNG, Label.RIGHT_LUNG))
    deep = ndimage.binary_erosion(lung, np.ones((1, 9, 9)))

    assert 0.005 < np.mean(phantom.volume.voxels[deep] > -400) < 0.08


def test_infection_lies_mostly_at_the_back(phantom: Phantom):
    rows = [np.nonzero(phantom.truth == label)[1] for label in (Label.INFECTION, Label.RIGHT_LUNG)]

    assert np.mean(rows[0]) > np.mean(rows[1]) + 15


def test_every_slice_is_told(fewer: Phantom, reports: list[Report]):
    assert [report.fraction for report in reports] == [k / FEWER for k in range(FEWER + 1)]


def test_the_user_may_stop():
    with pytest.raises(Cancelled):
        make_phantom(slices=2, progress=Progress(cancelled=lambda: True))


def test_no_slices_are_refused():
    with pytest.raises(ValueError, match="slices"):
        make_phantom(slices=0)
