"""One real scan, stored in eight ways, gives the same masks in the patient's space."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import pytest

from CovidSegLib.geometry.grid import UprightOrder
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.network.engines import Engine
from CovidSegLib.pipeline import Options, open_engine, segment
from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct
from CovidSegLib.segmentation import Label

# Axes of the array (K, J, I) are permuted, then flipped; the affine follows, so that no voxel moves in the patient.
ORIENTATIONS = {
    "left-right flip": ((0, 1, 2), (False, False, True)),
    "front-back flip": ((0, 1, 2), (False, True, False)),
    "head-feet flip": ((0, 1, 2), (True, False, False)),
    "all flips": ((0, 1, 2), (True, True, True)),
    "sagittal": ((2, 0, 1), (False, False, False)),
    "coronal, flipped": ((1, 0, 2), (True, False, True)),
    "rows and columns exchanged": ((0, 2, 1), (False, False, False)),
}


def stored(volume: CtVolume, order: UprightOrder) -> CtVolume:
    """The same patient, with the array permuted and flipped."""
    affine = np.eye(4)
    first = np.zeros(3)
    for axis, (source, flip) in enumerate(zip(order.permutation, order.flips, strict=True)):
        affine[:3, 2 - axis] = volume.affine[:3, 2 - source] * (-1 if flip else 1)
        first[2 - source] = volume.voxels.shape[source] - 1 if flip else 0
    affine[:3, 3] = volume.affine[:3, :3] @ first + volume.affine[:3, 3]
    return CtVolume(np.ascontiguousarray(order.to_upright(volume.voxels)), affine)


class Remembering:
    """An engine that computes the same slices once: however a scan is stored, they are to be the same."""

    def __init__(self, engine: Engine) -> None:
        self.name, self.device, self._engine = engine.name, engine.device, engine
        self._answers: dict[tuple[tuple[int, ...], bytes], np.ndarray] = {}

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        asked = inputs.shape, sha256(inputs.tobytes()).digest()
        if asked not in self._answers:
            self._answers[asked] = self._engine.predict(inputs)
        return self._answers[asked].copy()


@pytest.fixture(scope="module")
def engine():
    return Remembering(open_engine(Options(device="cpu"), Progress()))


@pytest.fixture(scope="module")
def scan(shared_data) -> CtVolume:
    volume = read_ct(shared_data / "scans" / "images" / "radiopaedia_29_86491_1.nii.gz", Progress())
    return CtVolume(np.ascontiguousarray(volume.voxels[10:34]), volume.affine)


@pytest.fixture(scope="module")
def expected(scan, engine) -> np.ndarray:
    labels = segment(scan, Options(), Progress(), engine=engine).labels
    assert set(np.unique(labels)) == set(Label)
    return labels


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_masks_are_the_same_voxel_for_voxel_however_the_scan_is_stored(name, scan, expected, engine):
    order = UprightOrder(*ORIENTATIONS[name])
    labels = segment(stored(scan, order), Options(), Progress(), engine=engine).labels
    np.testing.assert_array_equal(order.from_upright(labels), expected)


def test_masks_of_an_oblique_scan_are_the_same(scan, expected, engine):
    angle = np.deg2rad(12)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    result = segment(CtVolume(scan.voxels, turn @ scan.affine), Options(), Progress(), engine=engine)
    for label in (Label.LEFT_LUNG, Label.RIGHT_LUNG, Label.INFECTION):
        mine, theirs = result.labels == label, expected == label
        assert 2 * np.count_nonzero(mine & theirs) / (mine.sum() + theirs.sum()) >= 0.999


def test_left_is_the_patients_left(scan, expected):
    upright = scan.grid.to_upright(expected)
    columns = np.indices(upright.shape)[2]
    left, right = (columns[upright == label].mean() for label in (Label.LEFT_LUNG, Label.RIGHT_LUNG))
    assert left > right  # upright columns run to the patient's left


def test_a_prone_patient_keeps_left_and_right(scan, engine):
    """Lying face down and stored as seen from the feet: the picture is turned by 180 degrees, the affine says so."""
    order = UprightOrder((0, 1, 2), (False, True, True))
    turned = CtVolume(np.ascontiguousarray(order.to_upright(scan.voxels)), scan.affine)
    labels = segment(turned, Options(), Progress(), engine=engine).labels
    upright = scan.grid.to_upright(labels)
    columns = np.indices(upright.shape)[2]
    assert columns[upright == Label.LEFT_LUNG].mean() > columns[upright == Label.RIGHT_LUNG].mean()
    assert np.count_nonzero(labels) > 0


def test_a_single_slice_is_a_volume_too(shared_data, engine):
    folder = shared_data / "true_hu"
    volume = read_ct(folder / "coronacases_001_slice_110_image.nii.gz", Progress())
    truth = read_ct(folder / "coronacases_001_slice_110_label.nii.gz", Progress()).voxels
    labels = segment(volume, Options(), Progress(), engine=engine).labels
    assert labels.shape == volume.voxels.shape
    lung, true_lung = labels > 0, (truth > 0) & (truth < 254)
    assert 2 * np.count_nonzero(lung & true_lung) / (lung.sum() + true_lung.sum()) > 0.95


def test_a_scan_without_lung_has_empty_segments_and_says_so(engine):
    voxels = np.full((4, 96, 96), 40, np.int16)
    result = segment(CtVolume(voxels, np.diag([-2.0, -2, 5, 1])), Options(), Progress(), engine=engine)
    assert not result.labels.any()
    assert any("No lung" in warning for warning in result.provenance.warnings)
