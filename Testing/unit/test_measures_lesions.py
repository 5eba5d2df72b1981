"""Lesions hang together over faces, edges and corners; their sizes add up; their centres lie in them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from CovidSegLib.geometry.grid import Grid
from CovidSegLib.measures import measure
from CovidSegLib.measures.lesions import COUNTED_ML, Lesion, label_lesions, lesions_of
from CovidSegLib.measures.measurements_record import MeasurementsRecord
from CovidSegLib.measures.table import table_rows
from CovidSegLib.segmentation import Label
from CovidSegLib.system.typed_json import write_typed
from Testing.kit.blocks import UPRIGHT, VOXEL_ML, block_labels, turned


def lesions_in(mask: np.ndarray, affine: np.ndarray = UPRIGHT) -> list[Lesion]:
    return [lesion for _, lesion in lesions_of(*label_lesions(mask), Grid(affine, mask.shape))]


def test_corners_join_and_a_gap_of_one_voxel_parts() -> None:
    mask = np.zeros((8, 8, 8), bool)
    mask[0:2, 0:2, 0:2] = True
    mask[2, 2, 2] = True  # touches the first at a corner alone
    mask[4:7, 4, 4] = True
    assert [lesion.voxels for lesion in lesions_in(mask)] == [9, 3]


def test_size_place_and_box() -> None:
    mask = np.zeros((20, 30, 40), bool)
    mask[5:8, 10:15, 20:30] = True
    affine = turned(UPRIGHT, 1, 20.0)
    (lesion,) = lesions_in(mask, affine)
    assert lesion.voxels == 150
    assert lesion.ml == pytest.approx(150 * VOXEL_ML)
    assert lesion.box == ((5, 8), (10, 15), (20, 30))
    x, y, z = (np.linalg.inv(affine) @ [*lesion.centre_ras, 1.0])[:3]
    assert mask[round(z), round(y), round(x)]


@settings(max_examples=40)
@given(arrays(bool, (5, 6, 7), elements=st.sampled_from([False, False, False, True])))
def test_every_infected_voxel_is_in_one_lesion_and_every_centre_in_its_own(mask: np.ndarray) -> None:
    lesions = lesions_in(mask)
    numbers, box = label_lesions(mask)
    assert np.array_equal(numbers > 0, mask[box])
    assert sum(lesion.voxels for lesion in lesions) == mask.sum()
    assert len(lesions) == numbers.max(initial=0)
    assert [lesion.voxels for lesion in lesions] == sorted((lesion.voxels for lesion in lesions), reverse=True)
    for lesion in lesions:
        x, y, z = np.rint((np.linalg.inv(UPRIGHT) @ [*lesion.centre_ras, 1.0])[:3]).astype(int)
        assert mask[z, y, x]
        assert all(first <= index < end for index, (first, end) in zip((z, y, x), lesion.box, strict=True))


def test_lesions_agree_with_another_programs_components() -> None:
    cc3d = pytest.importorskip("cc3d")
    mask = np.random.default_rng(4).random((40, 50, 60)) < 0.06
    sizes = np.sort(np.bincount(cc3d.connected_components(mask, connectivity=26).ravel())[1:])[::-1]
    assert [lesion.voxels for lesion in lesions_in(mask)] == sizes.tolist()


def test_pieces_that_are_too_small_to_be_counted_are_told_apart_and_count_in_every_volume() -> None:
    labels = block_labels()
    before = measure(labels, Grid(UPRIGHT, labels.shape))
    labels[15, 30, 70] = labels[18, 30, 70] = Label.INFECTION
    after = measure(labels, Grid(UPRIGHT, labels.shape))
    assert VOXEL_ML < COUNTED_ML < before.lesions[-1].ml
    assert (before.small_lesions, after.lesions) == ((), before.lesions)
    assert [lesion.voxels for lesion in after.small_lesions] == [1, 1]
    assert after.total.infection_ml == pytest.approx(before.total.infection_ml + 2 * VOXEL_ML)
    told = write_typed(MeasurementsRecord.of(after))["lesions"]
    assert (told["count"], told["counted_from_ml"], told["smaller"]["count"]) == (2, COUNTED_ML, 2)
    assert told["smaller"]["ml"] == pytest.approx(2 * VOXEL_ML, abs=1e-3)
    rows = {row.measure: row.value for row in table_rows(after)}
    assert (rows["Lesions of 0.5 mL and more"], rows["Smaller pieces of infection"]) == (2, 2)


def test_slicers_statistics_name_the_size_that_lesions_count_from() -> None:
    from CovidSegLib.mrml.segment_statistics import NUMBERS

    # Written out there: what measures is not loaded when Slicer starts.
    assert f"of {COUNTED_ML:g} mL and more" in NUMBERS["lesions"][0].about
