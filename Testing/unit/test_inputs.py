"""What the network sees: window, neighbours, crop to the body; and that training sees the same."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest

from CovidSegLib.network.input_form import HU_WINDOW, INPUT_SHAPE
from CovidSegLib.network.inputs import TISSUE_HU, SliceFraming, body_box, body_crop, neighbour_offset, network_batches
from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct
from CovidSegTraining.data.dataset import Case, FramedCase


def chest(shape=(6, 200, 240), centre=(100, 120), radii=(60, 85), table=False) -> np.ndarray:
    """HU of an elliptic body with two lungs in air; ``table``: a thin line below it."""
    _, y, x = np.indices(shape)
    voxels = np.full(shape, -1000, np.int16)
    voxels[((y - centre[0]) / radii[0]) ** 2 + ((x - centre[1]) / radii[1]) ** 2 < 1] = 40
    for side in (-1, 1):
        lung = ((y - centre[0]) / (0.6 * radii[0])) ** 2 + ((x - centre[1] - side * radii[1] / 2.2) / 25) ** 2 < 1
        voxels[lung] = -860
    if table:
        voxels[:, centre[0] + radii[0] + 12 : centre[0] + radii[0] + 15] = 200
    return voxels


def test_the_window_maps_its_ends_to_minus_one_and_one():
    low, high = HU_WINDOW
    volume = chest()
    framing = SliceFraming.of_scan(volume.__getitem__, len(volume), (1, 1, 5))
    for value, expected in ((low - 500, -1), (low, -1), ((low + high) / 2, 0), (high, 1), (high + 2000, 1)):
        plane = np.full(volume.shape[1:], value, np.int16)
        centre = framing.to_network(plane)[INPUT_SHAPE[0] // 2, INPUT_SHAPE[1] // 2]
        assert centre == pytest.approx(expected, abs=1e-5)


def test_what_lies_outside_the_image_is_air():
    volume = chest((4, 100, 240), centre=(50, 120), radii=(49, 118))
    framing = SliceFraming.of_scan(volume.__getitem__, len(volume), (1, 1, 5))
    assert framing.crop.top < 0
    air = 2 * (-1000 - HU_WINDOW[0]) / (HU_WINDOW[1] - HU_WINDOW[0]) - 1
    np.testing.assert_allclose(framing.to_network(volume[0])[0], air, atol=1e-5)


@pytest.mark.parametrize("table", [False, True])
def test_the_crop_holds_the_body_without_the_table(table):
    crop = body_crop(chest(table=table).__getitem__, 6, (1.0, 1.0))
    bottom, right = crop.top + crop.height, crop.left + crop.width
    assert crop.top <= 41
    assert bottom >= 159
    assert crop.left <= 36
    assert right >= 204
    assert crop.width < 1.25 * 170
    assert crop.height / crop.width == pytest.approx(INPUT_SHAPE[0] / INPUT_SHAPE[1])


def test_an_image_cut_out_of_the_body_is_seen_whole_and_with_tissue_around_it():
    cut = chest()[:, 50:150, 40:200]
    framing = SliceFraming.of_scan(cut.__getitem__, len(cut), (1, 1, 5))
    crop = framing.crop
    assert crop.top < -10
    assert crop.top + crop.height > 110
    assert crop.left < -20
    assert crop.left + crop.width > 180
    tissue = 2 * (TISSUE_HU - HU_WINDOW[0]) / (HU_WINDOW[1] - HU_WINDOW[0]) - 1
    np.testing.assert_allclose(framing.to_network(cut[0])[[0, -1]], tissue, atol=1e-5)


def legs(count: int, shape=(200, 240)) -> np.ndarray:
    """HU of two legs, smaller than a chest and beside one another."""
    y, x = np.indices(shape)
    plane = np.full(shape, -1000, np.int16)
    for middle in (85, 155):
        plane[((y - 100) / 28) ** 2 + ((x - middle) / 30) ** 2 < 1] = 40
    return np.repeat(plane[None], count, axis=0)


def belly(count: int, shape=(200, 240)) -> np.ndarray:
    """HU of a belly, larger than the chest, with gas in the bowel."""
    y, x = np.indices(shape)
    plane = np.full(shape, -1000, np.int16)
    plane[((y - 100) / 90) ** 2 + ((x - 120) / 115) ** 2 < 1] = -90
    plane[((y - 60) / 15) ** 2 + ((x - 110) / 40) ** 2 < 1] = -1000
    return np.repeat(plane[None], count, axis=0)


@pytest.mark.parametrize("parts", [(12, 0, 4), (0, 20, 0), (60, 0, 0), (80, 20, 10)])
def test_the_crop_is_that_of_the_chest_however_much_of_the_body_is_scanned(parts):
    body = chest()
    below, under, above = parts
    whole = np.concatenate([legs(below), belly(under), body, legs(above) + np.int16(0)])
    assert body_crop(whole.__getitem__, len(whole), (1.0, 1.0)) == body_crop(body.__getitem__, len(body), (1.0, 1.0))


def around(plane_shape=(200, 240), radius=118.0, centre=(99.5, 119.5)) -> np.ndarray:
    """Where a scanner with a round field of view measures nothing."""
    y, x = np.indices(plane_shape)
    return np.hypot(y - centre[0], x - centre[1]) > radius


@pytest.mark.parametrize("value", [0, 3071, 40, -2000, -3024, -32768])
@pytest.mark.parametrize("shift", [0, 1024])
def test_what_lies_outside_of_the_round_field_of_view_is_air_whatever_its_value(value, shift):
    plain = chest() + np.random.default_rng(1).integers(-9, 9, (6, 200, 240)).astype(np.int16)
    plain[:, around()] = -1000
    padded = np.clip(plain.astype(int) + shift, -32768, 32767).astype(np.int16)
    padded[:, around()] = value
    for first, count in ((0, 6), (2, 1)):
        expected = SliceFraming.of_scan(lambda k, first=first: plain[first + k], count, (1, 1, 5))
        framing = SliceFraming.of_scan(lambda k, first=first: padded[first + k], count, (1, 1, 5))
        if shift == 0:
            assert framing.crop == expected.crop
            np.testing.assert_array_equal(framing.to_network(padded[first]), expected.to_network(plain[first]))
        else:  # without fat it is not known that these values are shifted
            assert framing.padded is None or (framing.padded <= around()).all()


@pytest.mark.parametrize("value", [-1000, -1024, -1250])
def test_padding_that_is_air_changes_nothing(value):
    plain = chest()
    plain[:, around()] = value
    assert SliceFraming.of_scan(plain.__getitem__, 6, (1, 1, 5)).padded is None


def test_bright_corners_that_were_measured_are_no_padding():
    cut = np.clip(chest()[:, 60:140, 60:180], -900, 20)  # a window's end in every corner
    assert SliceFraming.of_scan(cut.__getitem__, 6, (1, 1, 5)).padded is None
    picture = np.rint((np.clip(chest(), -1250, 250) + 1250) * 255 / 1500).astype(np.int16)
    picture[:, around()] = 0
    assert SliceFraming.of_scan(picture.__getitem__, 6, (1, 1, 5)).padded is None


def test_lungs_come_in_at_one_size_whatever_the_field_of_view():
    narrow = chest((6, 200, 240), (100, 120), (60, 85))
    wide = chest((6, 400, 480), (210, 200), (60, 85))
    sizes = []
    for volume in (narrow, wide):
        framing = SliceFraming.of_scan(volume.__getitem__, len(volume), (1, 1, 5))
        sizes.append(np.count_nonzero(framing.to_network(volume[3]) < -0.4))
    inside = [np.count_nonzero(volume[3] == -860) for volume in (narrow, wide)]
    assert inside[0] == inside[1]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.1)


def test_the_crop_is_square_in_millimetres_when_pixels_are_not():
    volume = chest((6, 100, 240), (50, 120), (30, 85))  # rows twice as far apart as columns
    crop = body_crop(volume.__getitem__, 6, (2.0, 1.0))
    assert 2 * crop.height / crop.width == pytest.approx(INPUT_SHAPE[0] / INPUT_SHAPE[1])
    assert crop.top <= 21


def test_a_slice_without_a_body_has_no_box_and_a_scan_without_one_is_seen_whole():
    air = np.full((3, 64, 64), -1000, np.int16)
    assert body_box(air[0]) is None
    crop = body_crop(air.__getitem__, 3, (1.0, 1.0))
    assert crop.left <= 0
    assert crop.left + crop.width >= 64


@pytest.mark.parametrize(("distance", "offset"), [(0.6, 3), (1.0, 2), (2.0, 1), (3.0, 1), (3.1, 0), (8.0, 0)])
def test_neighbours_are_about_two_millimetres_away_and_never_far(distance, offset):
    assert neighbour_offset(distance) == offset


def test_channels_are_below_centre_above_and_the_centre_again_at_the_ends():
    framing = SliceFraming((4, 4), body_crop(lambda k: np.zeros((4, 4)), 1, (1, 1)), offset=2)
    marks = [framing.channels(lambda n: np.full((1, 1), n), k, 5)[0, 0].tolist() for k in range(5)]
    assert marks == [[0, 0, 2], [1, 1, 3], [0, 2, 4], [1, 3, 3], [2, 4, 4]]


def test_batches_walk_every_slice_once_with_its_own_neighbours():
    volume = chest((7, 200, 240))
    volume += (10 * np.arange(7, dtype=np.int16))[:, None, None]
    seen = []
    for framing, numbers, inputs in network_batches(volume, (1, 1, 2), 3):
        for k, slice_inputs in zip(numbers, inputs, strict=True):
            seen.append(k)
            expected = framing.channels(lambda n: framing.to_network(volume[n]), k, 7)  # noqa: B023
            np.testing.assert_array_equal(slice_inputs, expected)
    assert seen == list(range(7))


def test_probabilities_come_back_to_the_pixels_they_were_made_of():
    volume = chest()
    framing = SliceFraming.of_scan(volume.__getitem__, len(volume), (1, 1, 5))
    lung = volume[3] == -860
    seen = framing.labels_to_network(lung.astype(np.uint8), 0).astype(np.float32)
    back = framing.from_network(seen) >= 0.5
    dice = 2 * np.count_nonzero(back & lung) / (np.count_nonzero(back) + np.count_nonzero(lung))
    assert dice > 0.98


def test_training_sees_exactly_what_prediction_sees(shared_data):
    name = "coronacases_003.nii.gz"
    image, labels = (shared_data / "scans" / folder / name for folder in ("images", "labels"))
    framed = FramedCase(Case("case", image, labels))
    volume = read_ct(image, Progress())
    upright = volume.upright_voxels
    spacing_mm = volume.grid.upright.spacing
    for _, numbers, inputs in network_batches(upright, spacing_mm, 4):
        if numbers[0] % 20 == 0:
            trained, _ = framed.slice(numbers[1])
            np.testing.assert_allclose(trained, inputs[1], atol=1e-5)


def test_training_sees_the_same_whatever_the_orientation_of_the_file(shared_data, tmp_path):
    name = "radiopaedia_36_86526_0.nii.gz"
    for kind in ("images", "labels"):
        source = nibabel.load(shared_data / "scans" / kind / name).slicer[:, :, 18:27]
        nibabel.save(source, tmp_path / f"upright {kind}.nii")
        turned = source.as_reoriented(
            nibabel.io_orientation(np.array([[0, 0, 1, 0], [1, 0, 0, 0], [0, -1, 0, 0.0], [0, 0, 0, 1]]))
        )
        nibabel.save(
            nibabel.Nifti1Image(np.asarray(turned.dataobj).astype(np.int16), turned.affine), tmp_path / f"{kind}.nii"
        )
    original = FramedCase(Case("a", tmp_path / "upright images.nii", tmp_path / "upright labels.nii"))
    turned_case = FramedCase(Case("b", tmp_path / "images.nii", tmp_path / "labels.nii"))
    assert len(original) == len(turned_case)
    for k in (0, 4, 8):
        for mine, theirs in zip(original.slice(k), turned_case.slice(k), strict=True):
            np.testing.assert_allclose(mine, theirs, atol=2e-3)  # HU were rounded to whole numbers in the copy
