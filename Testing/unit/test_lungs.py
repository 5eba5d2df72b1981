"""Left and right lung are the patient's, also where they touch and however the scan was stored."""

from __future__ import annotations

import numpy as np
import pytest

from CovidSegLib.anatomy.lungs import find_sides
from CovidSegLib.geometry.grid import Grid, UprightOrder
from CovidSegLib.system.last_answer import LastAnswer

SPACING = (1.5, 1.5, 3.0)
SHAPE = (30, 120, 160)


def lungs(bridge: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Upright masks (z, y, x) of a right (smaller column) and a left lung; ``bridge``: slices that touch in front."""
    z, y, x = np.indices(SHAPE)
    body = ((z - 15) / 15) ** 2 + ((y - 60) / 50) ** 2
    right = body + ((x - 45) / 32) ** 2 < 1
    left = body + ((x - 115) / 30) ** 2 < 1
    if bridge:
        front = (abs(z - 15) <= bridge // 2) & (y >= 44) & (y < 50)
        right |= front & (x >= 60) & (x < 80)
        left |= front & (x >= 80) & (x < 100)
    return right, left


def side_mask(sides, shape) -> np.ndarray:
    return np.stack([sides.is_left(k) for k in range(shape[0])])


@pytest.mark.parametrize("bridge", [0, 3, 9])
def test_lungs_are_parted_also_where_they_touch_in_front(bridge):
    right, left = lungs(bridge)
    found = side_mask(find_sides(right | left, SPACING), SHAPE)
    wrong = np.count_nonzero(found & right & ~left) + np.count_nonzero(~found & left & ~right)
    assert wrong <= 0.003 * np.count_nonzero(right | left)


def test_a_prone_patient_keeps_left_and_right():
    right, left = lungs(5)
    found = side_mask(find_sides((right | left)[:, ::-1], SPACING), SHAPE)
    assert np.count_nonzero(found & left[:, ::-1]) > 0.99 * np.count_nonzero(left)


@pytest.mark.parametrize("flip", [(1, 1, 1), (-1, 1, 1), (1, -1, 1), (1, 1, -1), (-1, -1, -1)])
def test_sides_follow_the_affine_not_the_columns(flip):
    right, left = lungs(5)
    affine = np.diag([-SPACING[0] * flip[2], -SPACING[1] * flip[1], SPACING[2] * flip[0], 1.0])
    grid = UprightOrder.of(affine).from_upright(right | left)
    upright = UprightOrder.of(affine).to_upright(grid)
    found = side_mask(find_sides(upright, Grid(affine, SHAPE).upright.spacing), SHAPE)
    assert np.count_nonzero(found & left) > 0.99 * np.count_nonzero(left)
    assert np.count_nonzero(found & right) < 0.01 * np.count_nonzero(right)


def test_a_single_slice_is_parted():
    right, left = (mask[15:16] for mask in lungs(3))
    found = find_sides(right | left, SPACING).is_left(0)
    assert np.count_nonzero(found & left[0]) > 0.98 * np.count_nonzero(left)
    assert np.count_nonzero(found & right[0] & ~left[0]) < 0.02 * np.count_nonzero(right)


def test_one_lung_alone_goes_to_the_side_it_lies_on():
    right, left = lungs()
    assert not side_mask(find_sides(right, SPACING), SHAPE)[right].any() or (
        side_mask(find_sides(right, SPACING), SHAPE)[right].mean() < 0.02
    )
    assert side_mask(find_sides(left, SPACING), SHAPE)[left].mean() > 0.98


def test_a_single_lung_that_reaches_across_the_middle_is_not_cut_in_two():
    right, left = lungs()
    for lung, is_left in ((right, False), (left, True)):
        moved = np.roll(lung, 8 if lung is right else -8, axis=2)
        across = moved[:, :, 80:] if lung is right else moved[:, :, :80]
        assert 0 < np.count_nonzero(across) < 0.1 * np.count_nonzero(moved)
        found = find_sides(moved, SPACING)
        assert not found.parted
        assert (side_mask(found, SHAPE)[moved] == is_left).all()


def hollow_lung(left: bool, deep: float = 1.0) -> np.ndarray:
    """One lung that fills the picture, with the room for the heart on its inner side."""
    z, y, x = np.indices((30, 120, 80))
    lung = ((z - 15) / 15) ** 2 + ((y - 60) / 58) ** 2 + ((x - 40) / 38) ** 2 < 1
    inner = 0 if left else 79
    return lung & ~(((y - 60) / 30) ** 2 + ((x - inner) / (26 * deep)) ** 2 + ((z - 12) / 11) ** 2 < 1)


@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("prone", [True, False])
def test_one_lung_in_view_is_told_by_the_room_for_the_heart(left, prone):
    lung = hollow_lung(left)[:, :: -1 if prone else 1]
    found = find_sides(lung, SPACING)
    assert found.known
    assert not found.parted
    assert (side_mask(found, lung.shape)[lung] == left).all()


def test_two_lungs_that_touch_in_a_picture_no_wider_than_deep_are_two():
    _, y, x = np.indices((1, 120, 130))
    right = ((y - 60) / 58) ** 2 + ((x - 34) / 33) ** 2 < 1
    left = ((y - 60) / 58) ** 2 + ((x - 96) / 33) ** 2 < 1
    touch = (abs(y - 20) < 6) & (abs(x - 65) < 16)
    heart = ((y - 75) / 40) ** 2 + ((x - 65) / 22) ** 2 < 1
    both = (right | left | touch) & ~heart
    found = find_sides(both, (2.0, 2.0, 2.0))
    assert found.known
    assert found.parted
    is_left = found.is_left(0)
    assert is_left[both[0] & (x[0] > 68)].all()
    assert not is_left[both[0] & (x[0] < 62)].any()


def test_pictures_of_other_patients_show_two_lungs(shared_data):
    """None is refused: six are squeezed so that two lungs that touch are hardly wider than deep."""
    from CovidSegLib.pipeline import Options, open_engine, segment
    from CovidSegLib.progress import Progress
    from CovidSegTraining.data.pictures import read_pictures
    from CovidSegTraining.judge.protocol import single_slice

    engine = open_engine(Options("onnx", "cpu"), Progress())
    squeezed = {"10", "25", "34", "43", "51", "53"}
    for stem, grey, _ in read_pictures(shared_data / "slices"):
        if stem in squeezed:
            result = segment(single_slice(grey), Options("onnx", "cpu"), Progress(), engine=engine)
            lungs = np.bincount(result.labels.ravel(), minlength=3)[1:3]
            assert lungs.min() > 0.2 * lungs.sum(), stem


def test_one_lung_that_tells_nothing_has_no_side():
    z, y, x = np.indices((30, 120, 80))
    plain = ((z - 15) / 15) ** 2 + ((y - 60) / 58) ** 2 + ((x - 40) / 38) ** 2 < 1
    assert not find_sides(plain, SPACING).known
    assert find_sides(lungs()[0] | lungs()[1], SPACING).known


def test_each_lung_of_real_patients_is_told_alone_where_no_other_is_in_view(shared_data):
    import nibabel

    for path in sorted((shared_data / "lobes").glob("*.nii.gz"))[::4]:
        image = nibabel.load(path)
        grid = Grid(image.affine, image.shape[::-1])
        lobes = grid.to_upright(np.asanyarray(image.dataobj).T)
        for is_left, values in ((True, (1, 2)), (False, (3, 4, 5))):
            lung = np.isin(lobes, values)
            columns = np.flatnonzero(lung.any(axis=(0, 1)))[[0, -1]]
            lung = lung[:, :, columns[0] : columns[1] + 1]
            found = find_sides(lung, grid.upright.spacing)
            assert found.known
            assert (side_mask(found, lung.shape)[lung] == is_left).all(), path.name


def test_no_lung_at_all_is_no_error():
    assert find_sides(np.zeros(SHAPE, bool), SPACING).is_left(0).shape == SHAPE[1:]


def test_left_and_right_of_real_patients_agree_with_the_reader(shared_data):
    from CovidSegTraining.data.dataset import DrawnLabel, SliceFile

    for case in ("coronacases_003", "radiopaedia_27_86410_0"):
        truth = SliceFile(shared_data / "scans" / "labels" / f"{case}.nii.gz")
        labels = np.stack([truth.plane(k) for k in range(len(truth))])
        drawn = ~(labels == DrawnLabel.LUNG_NOT_DRAWN).any(axis=(1, 2))
        first, last = np.flatnonzero(drawn)[[0, -1]]
        labels = labels[first : last + 1]
        lung = (labels > 0) & (labels <= DrawnLabel.INFECTION)
        found = side_mask(find_sides(lung, truth.spacing), lung.shape)
        for side, label in ((True, DrawnLabel.LEFT_LUNG), (False, DrawnLabel.RIGHT_LUNG)):
            truth_mask, mine = labels == label, (found == side) & (lung & (labels != DrawnLabel.INFECTION))
            dice = 2 * np.count_nonzero(truth_mask & mine) / (truth_mask.sum() + mine.sum())
            assert dice > 0.98, case


def test_sides_that_were_found_last_are_those_of_the_same_mask_alone():
    right, left = lungs()
    last = LastAnswer()
    first = find_sides(right | left, SPACING, last)
    assert find_sides((right | left).view(np.uint8), SPACING, last) is first
    moved = np.roll(right | left, 14, axis=2)  # the middle of the lungs comes from column 80 to 94
    assert [find_sides(mask, SPACING, last).is_left(15)[60, 87] for mask in (right | left, moved)] == [True, False]
    twice = find_sides(right | left, (1.5, 1.5, 3.2), last)  # blocks of as many voxels, of other mm
    assert not np.allclose(twice.field, first.field)
    assert find_sides((right | left)[:, :, :-1], SPACING, last).shape == (30, 120, 159)
    np.testing.assert_array_equal(find_sides(right | left, SPACING, last).field, first.field)
    assert find_sides(right | left, SPACING) is not first  # who remembers nothing finds them anew
