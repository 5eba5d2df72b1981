"""Numbers of phantoms whose truth is worked out by hand, in every orientation, and what makes them doubtful."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from CovidSegLib.geometry.grid import Grid
from CovidSegLib.measures import Measurements, Rules, measure
from CovidSegLib.measures.sided import infection_on_right, sided_lungs
from CovidSegLib.segmentation import Label
from Testing.kit.blocks import (
    HU,
    LEFT_INFECTED,
    LUNG_VOXELS,
    RIGHT_INFECTED,
    UPRIGHT,
    VOXEL_ML,
    block_labels,
    block_scan,
    stored,
    turned,
)


def measured(**options: object) -> Measurements:
    labels = block_labels()
    return measure(labels, Grid(UPRIGHT, labels.shape), voxels=block_scan(labels), **options)


def main_numbers(result: Measurements) -> list[float]:
    regions = (result.total, result.left, result.right, *result.zones)
    return [number for region in regions for number in (region.lung_ml, region.infection_ml)]


def test_volumes_and_percentages_are_those_worked_out_by_hand() -> None:
    result = measured()
    assert result.left.lung_ml == pytest.approx(LUNG_VOXELS * VOXEL_ML)
    assert result.right.lung_ml == pytest.approx(LUNG_VOXELS * VOXEL_ML)
    assert result.left.infection_ml == pytest.approx(LEFT_INFECTED * VOXEL_ML)
    assert result.right.infection_ml == pytest.approx(RIGHT_INFECTED * VOXEL_ML)
    assert result.total.infection_ml == pytest.approx((LEFT_INFECTED + RIGHT_INFECTED) * VOXEL_ML)
    assert result.total.infection_percent == pytest.approx(100 * 900 / 43200)
    assert result.left.infection_percent == pytest.approx(100 * 800 / 21600)


@pytest.mark.parametrize("kind", [np.int16, np.int64])
def test_labels_of_another_kind_of_number_give_the_same_numbers(kind: type) -> None:
    """As nibabel or Slicer may hand them out."""
    other = measure(block_labels().astype(kind), Grid(UPRIGHT, block_labels().shape))
    assert main_numbers(other) == pytest.approx(main_numbers(measured()))
    assert len(other.lesions) == len(measured().lesions)


def test_zones_are_thirds_of_each_lungs_height() -> None:
    result = measured()
    assert [(zone.side, zone.level) for zone in result.zones] == [
        (side, level) for side in ("right", "left") for level in ("upper", "middle", "lower")
    ]
    for zone in result.zones:
        assert zone.lung_ml == pytest.approx(LUNG_VOXELS / 3 * VOXEL_ML)
    # 18 slices: thirds of six; the infection lies in slices 1 to 4 from below.
    assert [zone.infection_ml for zone in result.zones] == pytest.approx(
        [0, 0, RIGHT_INFECTED * VOXEL_ML, 0, 0, LEFT_INFECTED * VOXEL_ML]
    )
    assert [zone.score for zone in result.zones] == [0, 0, 1, 0, 0, 1]
    assert result.zone_score == 2
    assert result.ct_class == 1


@settings(max_examples=12)
@given(st.permutations((0, 1, 2)), st.tuples(*[st.sampled_from((-1, 1))] * 3))
def test_every_orientation_gives_the_same_numbers(axes: tuple, signs: tuple) -> None:
    upright = block_labels()
    labels, affine = stored(upright, axes, signs)
    voxels, _ = stored(block_scan(upright), axes, signs)
    result, expected = measure(labels, Grid(affine, labels.shape), voxels=voxels), measured()
    assert main_numbers(result) == pytest.approx(main_numbers(expected))
    assert result.density is not None
    assert result.density.ground_glass_ml == pytest.approx(expected.density.ground_glass_ml)
    assert result.density.lung_mean_hu == pytest.approx(expected.density.lung_mean_hu)
    assert result.density.left_mean_hu == pytest.approx(expected.density.left_mean_hu)
    assert result.density.percentiles == expected.density.percentiles
    assert sorted(lesion.voxels for lesion in result.lesions) == [RIGHT_INFECTED, LEFT_INFECTED]
    assert [lesion.ml for lesion in result.lesions] == pytest.approx([LEFT_INFECTED * VOXEL_ML, 100 * VOXEL_ML])


@settings(max_examples=8)
@given(st.sampled_from((0, 1, 2)), st.floats(-30, 30), st.floats(-500, 500))
def test_volumes_hold_on_oblique_grids(axis: int, degrees: float, shift: float) -> None:
    affine = turned(UPRIGHT, axis, degrees)
    affine[:3, 3] += shift
    result = measure(block_labels(), Grid(affine, block_labels().shape))
    assert result.left.lung_ml == pytest.approx(LUNG_VOXELS * VOXEL_ML)
    assert result.right.infection_ml == pytest.approx(RIGHT_INFECTED * VOXEL_ML)
    assert sum(zone.lung_ml for zone in result.zones) == pytest.approx(result.total.lung_ml)


def test_thirds_are_counted_along_s_also_when_the_slices_are_tilted() -> None:
    affine = turned(UPRIGHT, 0, 25.0)
    labels = block_labels()
    k, j, i = np.nonzero(labels == Label.LEFT_LUNG)
    k, j, i = (np.concatenate(pair) for pair in zip((k, j, i), np.nonzero(labels == Label.INFECTION), strict=True))
    left = i >= 50
    heights = (affine @ np.stack([i, j, k, np.ones_like(i)]))[2][left]
    half = np.abs(affine[2, :3]).sum() / 2
    edges = np.linspace(heights.min() - half, heights.max() + half, 4)
    expected = np.histogram(heights, edges)[0][::-1] * VOXEL_ML
    result = measure(labels, Grid(affine, labels.shape))
    assert [zone.lung_ml for zone in result.zones if zone.side == "left"] == pytest.approx(expected, abs=0.05)


def test_a_wholly_infected_lung_still_counts_to_its_side() -> None:
    labels = block_labels()
    labels[labels == Label.LEFT_LUNG] = Label.INFECTION
    result = measure(labels, Grid(UPRIGHT, labels.shape))
    assert result.left.infection_percent == pytest.approx(100)
    assert result.left.lung_ml == pytest.approx(result.right.lung_ml)
    assert [zone.score for zone in result.zones] == [0, 0, 1, 4, 4, 4]


def test_infection_of_a_single_lung_counts_to_it_also_beyond_the_middle_of_the_scan() -> None:
    for side in (Label.RIGHT_LUNG, Label.LEFT_LUNG):
        labels = np.zeros((30, 60, 100), np.uint8)
        labels[5:25, 10:50, 20:80] = side
        labels[10:14, 20:26, 25:75] = Label.INFECTION
        result = measure(labels, Grid(UPRIGHT, labels.shape))
        alone, other = (result.right, result.left) if side == Label.RIGHT_LUNG else (result.left, result.right)
        assert alone.lung_ml == pytest.approx(20 * 40 * 60 * VOXEL_ML)
        assert alone.infection_ml == pytest.approx(4 * 6 * 50 * VOXEL_ML)
        assert other.lung_ml == 0


@pytest.mark.parametrize("gone", [Label.RIGHT_LUNG, Label.LEFT_LUNG])
def test_infection_of_a_lung_that_was_taken_out_is_not_counted_to_the_other(gone: Label) -> None:
    labels = block_labels()
    labels[12:14, 20:30, 38:44] = Label.INFECTION  # at the inner edge of the right lung, and joined with it
    whole = measure(labels, Grid(UPRIGHT, labels.shape))
    labels[labels == gone] = Label.BACKGROUND
    result = measure(labels, Grid(UPRIGHT, labels.shape))
    assert result.left.infection_ml == pytest.approx(whole.left.infection_ml)
    assert result.right.infection_ml == pytest.approx(whole.right.infection_ml)
    stays = [(one.left, one.right)[gone == Label.LEFT_LUNG].infection_percent for one in (result, whole)]
    assert stays[0] == pytest.approx(stays[1])


def test_a_lung_whose_segment_was_taken_out_has_no_percentage() -> None:
    labels = block_labels()
    labels[labels == Label.RIGHT_LUNG] = Label.BACKGROUND
    grid, voxels = Grid(UPRIGHT, labels.shape), block_scan(labels)
    there = measure(labels, grid, voxels=voxels, stability=True)
    gone = measure(labels, grid, voxels=voxels, stability=True, absent=(Label.RIGHT_LUNG,))
    assert there.right.infection_percent == pytest.approx(100), "the segment is there and empty: wholly infected"
    assert gone.right.infection_percent is None
    assert gone.right.infection_ml == there.right.infection_ml > 0
    zones = [(zone.infection_percent, zone.score) for zone in gone.zones if zone.side == "right"]
    assert zones == [(None, None)] * 3
    assert gone.density.right_mean_hu is None
    assert {move.right_percent for move in gone.stability} == {None}
    assert (gone.left, gone.total, gone.ct_class) == (there.left, there.total, there.ct_class)
    assert "No right lung was found, but infection on its side" in gone.flags[0]


def test_infection_without_any_lung_segment_is_no_share_of_a_lung() -> None:
    labels = np.where(block_labels() == Label.INFECTION, Label.INFECTION, Label.BACKGROUND).astype(np.uint8)
    result = measure(labels, Grid(UPRIGHT, labels.shape), absent=(Label.LEFT_LUNG, Label.RIGHT_LUNG))
    assert (result.total.infection_percent, result.ct_class, result.zone_score) == (None, None, None)
    assert result.total.infection_ml == pytest.approx((LEFT_INFECTED + RIGHT_INFECTED) * VOXEL_ML)


@pytest.mark.parametrize("side", [Label.RIGHT_LUNG, Label.LEFT_LUNG])
def test_infection_just_beside_the_only_lung_is_its_own(side: Label) -> None:
    """A lung that is absent is not found in what a reader drew at the edge of the one that is there."""
    labels = np.zeros((30, 60, 100), np.uint8)
    labels[5:25, 10:50, 60:90] = Label.LEFT_LUNG
    labels[10:14, 20:26, 56:58] = Label.INFECTION
    labels[10:14, 20:26, 92:99] = Label.INFECTION
    if side == Label.RIGHT_LUNG:
        labels = labels[:, :, ::-1].copy()
        labels[labels == Label.LEFT_LUNG] = side
    result = measure(labels, Grid(UPRIGHT, labels.shape))
    alone = result.right if side == Label.RIGHT_LUNG else result.left
    assert alone.infection_ml == pytest.approx(result.total.infection_ml)
    assert alone.lung_ml == pytest.approx(result.total.lung_ml)


def test_without_lung_there_are_no_percentages_no_scores_and_no_class() -> None:
    labels, voxels = (np.zeros((3, 4, 5), kind) for kind in (np.uint8, np.int16))
    result = measure(labels, Grid(UPRIGHT, labels.shape), voxels=voxels, stability=True)
    assert result.total.lung_ml == 0
    assert result.total.infection_percent is None
    assert result.zone_score is None
    assert result.ct_class is None
    assert result.lesions == ()
    assert result.density is None


def test_arrays_of_two_grids_are_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="one grid"):
        measure(block_labels(), Grid(UPRIGHT, block_labels().shape), voxels=np.zeros((3, 4, 5), np.int16))


def test_densities_are_those_of_the_voxels_inside_the_masks() -> None:
    labels = block_labels()
    voxels = block_scan(labels)
    infection = np.argwhere(labels == Label.INFECTION)
    voxels[tuple(infection[:225].T)] = -300  # a quarter of the infection, on the split itself
    density = measure(labels, Grid(UPRIGHT, labels.shape), voxels=voxels).density
    assert density is not None
    assert density.consolidation_ml == pytest.approx(225 * VOXEL_ML)
    assert density.ground_glass_ml == pytest.approx(675 * VOXEL_ML)
    assert density.consolidation_percent == pytest.approx(25)
    assert density.infection_mean_hu == pytest.approx(0.75 * HU[Label.INFECTION] - 0.25 * 300)
    lung = voxels[labels > 0]
    assert density.lung_mean_hu == pytest.approx(lung.mean())
    expected = {percent: np.percentile(lung, percent, method="inverted_cdf") for percent in (5, 15, 50, 85, 95)}
    assert density.percentiles == expected


def test_the_split_can_be_moved() -> None:
    density = measured(rules=Rules(split_hu=-500)).density
    assert density is not None
    assert density.ground_glass_ml == 0
    with pytest.raises(ValueError, match="split_hu"):
        Rules(split_hu=300)


@pytest.mark.parametrize("cut", ["bytes", "window", "shifted"])
def test_density_is_refused_in_words_where_values_are_no_hounsfield_units(cut: str) -> None:
    labels = block_labels()
    voxels = block_scan(labels)
    if cut == "bytes":
        voxels = ((np.clip(voxels, -1250, 250) + 1250) / 1500 * 255).astype(np.int16)
    elif cut == "window":  # a scan that was cut to -1250..250 and scaled back has no bone
        voxels = np.clip(voxels, -1250, 250)
    else:
        voxels = voxels + np.int16(1024)
    result = measure(labels, Grid(UPRIGHT, labels.shape), voxels=voxels)
    assert result.density is None
    assert any(word in result.density_refused for word in ("Hounsfield", "HU", "not a CT"))
    assert result.density_refused.endswith("not reported.")
    assert result.total.lung_ml > 0


def test_what_one_voxel_at_the_edge_does_is_shown() -> None:
    labels = np.zeros((30, 60, 100), np.uint8)
    labels[5:25, 10:50, 10:40] = Label.RIGHT_LUNG
    labels[5:25, 10:50, 60:90] = Label.LEFT_LUNG
    labels[10:14, 20:26, 65:75] = Label.INFECTION
    measured = measure(labels, Grid(UPRIGHT, labels.shape), stability=True)
    moves = {(move.mask, move.voxels): move for move in measured.stability}
    lung = 2 * 20 * 40 * 30
    grown = 4 * 6 * 10 + 2 * (4 * 6 + 6 * 10 + 4 * 10)  # six neighbours: faces grow, corners do not
    for key, infection, whole in (
        (("infection", -1), 2 * 4 * 8, lung),
        (("infection", 1), grown, lung),
        (("lung", -1), 4 * 6 * 10, 2 * 18 * 38 * 28),
        (("lung", 1), 4 * 6 * 10, lung + 2 * 2 * (20 * 40 + 40 * 30 + 20 * 30)),
    ):
        assert moves[key].infection_ml == pytest.approx(infection * VOXEL_ML), key
        assert moves[key].lung_ml == pytest.approx(whole * VOXEL_ML), key
        assert moves[key].infection_percent == pytest.approx(100 * infection / whole), key
    low, high = measure(labels, Grid(UPRIGHT, labels.shape), stability=True).span("infection_ml")
    assert (low, high) == pytest.approx((2 * 4 * 8 * VOXEL_ML, grown * VOXEL_ML))
    assert measure(labels, Grid(UPRIGHT, labels.shape)).stability == ()


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (np.s_[8:], "lower edge"),
        (np.s_[:16], "upper edge"),
        (np.s_[:, 20:], "front edge"),
        (np.s_[:, :40], "back edge"),
        (np.s_[:, :, :75], "left edge"),
        (np.s_[8:16], "lower edge and the upper edge"),
        (np.s_[10:11, 20:], "front edge"),
    ],
)
def test_a_lung_that_the_scan_cuts_off_is_flagged(part: tuple, words: str) -> None:
    labels = block_labels()[part]
    result = measure(labels, Grid(UPRIGHT, labels.shape))
    assert "left" in result.partly_visible
    assert any(f"cut off by the {words} of the scan" in flag for flag in result.flags)
    assert measured().partly_visible == ()


def test_a_lung_beyond_a_round_field_of_view_is_flagged() -> None:
    labels = block_labels()
    voxels = block_scan(labels)
    voxels[:, :, 90:] = -3024
    result = measure(labels, Grid(UPRIGHT, labels.shape), voxels=voxels)
    assert result.partly_visible == ("left",)
    assert "round field of view" in result.flags[0]


def test_a_tip_that_ends_at_the_edge_is_no_lung_cut_off() -> None:
    labels = np.zeros((24, 60, 100), np.uint8)
    labels[1:] = block_labels()[1:]
    labels[0:3, 20:23, 20:23] = Label.RIGHT_LUNG  # 0.45 cm² on the lowest slice
    assert measure(labels, Grid(UPRIGHT, labels.shape)).partly_visible == ()


def test_a_single_slice_is_not_called_small_nor_cut_off_above_and_below() -> None:
    result = measure(block_labels()[10:11], Grid(UPRIGHT, block_labels()[10:11].shape))
    assert result.flags == ()
    assert result.partly_visible == ("left", "right")
    assert result.plausible is None  # nor are its volumes called plausible
    labels = block_labels()[10:11]
    labels[:, :, :50] = 0
    assert ["No right lung" in flag for flag in measure(labels, Grid(UPRIGHT, labels.shape)).flags] == [True]
    assert not measure(labels, Grid(UPRIGHT, labels.shape)).plausible
    assert not measure(np.zeros_like(labels), Grid(UPRIGHT, labels.shape)).plausible


def test_volumes_that_whole_lungs_hardly_have_are_said() -> None:
    assert "unusually small" in " ".join(measured().flags)
    labels = block_labels()
    labels[:, :, :50] = 0
    (flag,) = (flag for flag in measure(labels, Grid(UPRIGHT, labels.shape)).flags if "No right lung" in flag)
    assert "those of one" in flag
    large = measure(block_labels(), Grid(UPRIGHT @ np.diag([2.0, 2.0, 2.0, 1]), block_labels().shape))
    assert not [flag for flag in large.flags if "unusually" in flag]


@pytest.mark.parametrize("sides", ["both lungs", "one lung"])
def test_measuring_does_not_change_labels_that_fill_their_grid(sides: str) -> None:
    """Cropped to the lungs and stored upright, the box of the lungs is the whole grid: a view of it is the labels."""
    labels = np.zeros((6, 20, 24), np.uint8)
    labels[1:5, :, :10] = Label.RIGHT_LUNG
    labels[1:5, :, 14:] = Label.LEFT_LUNG if sides == "both lungs" else Label.BACKGROUND
    labels[2:4, 5:9, 3:6] = Label.INFECTION
    given = labels.copy()
    grid = Grid(np.diag([-1.0, -1.0, 1.0, 1.0]), given.shape)
    voxels, lobes = np.full(labels.shape, -800, np.int16), (given > 0).astype(np.uint8)
    result = measure(given, grid, voxels=voxels, lobes=lobes, stability=True)
    np.testing.assert_array_equal(given, labels)
    assert result.right.infection_ml == pytest.approx(24 / 1000)
    assert np.count_nonzero(infection_on_right(sided_lungs(given, grid), grid, np.s_[2:4, 5:9, 3:6])) == 24
    np.testing.assert_array_equal(given, labels)


def test_the_sides_of_infection_cannot_be_written_through() -> None:
    lungs = sided_lungs(block_labels(), Grid(UPRIGHT, block_labels().shape))
    assert lungs is not None
    assert not lungs.codes.flags.writeable
