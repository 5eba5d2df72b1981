"""The list of lesions to review, on blocks whose truth is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from CovidSegLib.geometry.grid import Grid
from CovidSegLib.measures import measure
from CovidSegLib.measures.found import find_all
from CovidSegLib.measures.review import (
    ReviewLesion,
    lesion_seeds,
    make_review_list,
    read_seeds,
    seeds_text,
    with_certainty,
)
from CovidSegLib.segfiles import CERTAINTY_TAG, read_reviewed, write
from CovidSegLib.segmentation import Label, Provenance, Segmentation
from Testing.kit.blocks import UPRIGHT, block_labels, stored

AFFINE = np.array(((-3.0, 0, 0, 50), (0, -3.0, 0, 60), (0, 0, 4.0, 0), (0, 0, 0, 1)))
"""A voxel has 0.036 mL: the tiny lesion is too small to be counted, the small one is not."""
SHAPE = (10, 20, 30)
LARGE, SMALL, TINY = np.s_[1:5, 2:8, 3:9], np.s_[6:8, 10:13, 20:23], np.s_[9:10, 19:20, 29:30]


@pytest.fixture
def drawn() -> Segmentation:
    """Three lesions: the large one 90 % certain, the small one 60 %, the tiny one 75 %."""
    labels = np.ones(SHAPE, np.uint8)
    probability = np.zeros(SHAPE)
    for box, percent in ((LARGE, 90), (SMALL, 60), (TINY, 75)):
        labels[box] = 3
        probability[box] = percent
    certainty = np.rint(2.55 * probability[labels == 3]).astype(np.uint8)
    return Segmentation(labels, AFFINE, Provenance("m", "", "", "", ""), certainty)


def listed(infection: np.ndarray, seeds, readers=None, accepted=None):
    labels = np.where(infection, Label.INFECTION, Label.LEFT_LUNG).astype(np.uint8)
    nobody = np.zeros(SHAPE, bool)
    readers, accepted = (nobody if one is None else one for one in (readers, accepted))
    found = find_all(labels, Grid(AFFINE, SHAPE))
    readers, accepted = map(found.in_lesions, (readers, accepted))
    return make_review_list(found, Grid(AFFINE, SHAPE), readers, accepted, seeds)


def untouched(labels: np.ndarray, affine: np.ndarray) -> tuple[ReviewLesion, ...]:
    """The lesions of labels that no reader has touched."""
    grid = Grid(affine, labels.shape)
    found = find_all(labels, grid)
    nobody = np.zeros(np.count_nonzero(labels == Label.INFECTION), bool)
    return make_review_list(found, grid, nobody, nobody, ()).lesions


def test_lesions_come_largest_or_least_certain_first(drawn: Segmentation) -> None:
    found = listed(drawn.labels == 3, lesion_seeds(drawn))
    assert [(one.lesion.voxels, one.certainty) for one in found.lesions] == [(144, 90), (18, 60), (1, 75)]
    assert [one.certainty for one in found.by_size()] == [90, 60]
    assert [one.certainty for one in found.by_certainty()] == [60, 90]
    assert [one.certainty for one in found.not_listed()] == [75]
    assert not any(one.readers or one.accepted for one in found.lesions)
    for one, box in zip(found.lesions, (LARGE, SMALL, TINY), strict=True):
        mask = np.zeros(SHAPE, bool)
        mask[box] = True
        np.testing.assert_array_equal(found.mask(one.number, SHAPE), mask)
        i, j, k = np.rint((np.linalg.inv(AFFINE) @ [*one.lesion.centre_ras, 1])[:3]).astype(int)
        assert mask[k, j, i]


def test_a_lesion_that_is_too_small_to_be_counted_is_listed_once_a_reader_touched_it(drawn: Segmentation) -> None:
    touched = np.zeros(SHAPE, bool)
    touched[TINY] = True
    found = listed(drawn.labels == 3, lesion_seeds(drawn), touched)
    assert [one.certainty for one in found.by_size()] == [90, 60, 75]
    assert found.not_listed() == ()


def test_of_lesions_of_one_size_each_keeps_its_own_number() -> None:
    infection = np.zeros(SHAPE, bool)
    places = [(9, 1, 1), (1, 18, 4), (5, 9, 28), (1, 1, 1), (3, 3, 15)]
    for place in places:
        infection[place] = True
    found = listed(infection, [(*place, percent) for percent, place in enumerate(places)])
    assert sorted(one.certainty for one in found.lesions) == [0, 1, 2, 3, 4]
    for one in found.lesions:
        (voxel,) = np.argwhere(found.mask(one.number, SHAPE))
        assert tuple(voxel) == places[one.certainty]
        np.testing.assert_allclose(one.lesion.centre_ras, (AFFINE @ [*voxel[::-1], 1])[:3])


def test_without_infection_the_list_is_empty() -> None:
    assert listed(np.zeros(SHAPE, bool), [(1, 1, 1, 50)]).lesions == ()


@pytest.mark.parametrize("gone", [Label.BACKGROUND, Label.RIGHT_LUNG, Label.LEFT_LUNG])
def test_a_lesion_has_the_side_that_the_numbers_count_it_to(gone: Label) -> None:
    labels, affine = stored(block_labels(), (1, 2, 0), (1, -1, -1))
    labels[labels == gone] = Label.BACKGROUND
    found = untouched(labels, affine)
    assert [(one.rank, one.side) for one in found] == [(1, "left"), (2, "right")]
    result = measure(labels, Grid(affine, labels.shape))
    assert [one.lesion.ml for one in found] == pytest.approx([result.left.infection_ml, result.right.infection_ml])


def test_a_lesion_that_reaches_into_both_lungs_has_the_side_of_most_of_it() -> None:
    labels = block_labels()
    labels[12:14, 20:30, 35:90] = Label.INFECTION
    assert untouched(labels, UPRIGHT)[0].side == "left"


def test_what_a_reader_drew_changed_or_accepted_is_told(drawn: Segmentation) -> None:
    infection = drawn.labels == 3
    new = np.s_[0:2, 15:18, 15:18]
    infection[new] = True
    readers, accepted = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    readers[new] = accepted[new] = readers[SMALL] = accepted[SMALL] = True
    readers[1, 2, 3] = True  # one voxel of the large one
    found = {one.lesion.voxels: one for one in listed(infection, lesion_seeds(drawn), readers, accepted).lesions}
    told = {size: (one.certainty, one.readers, one.accepted) for size, one in found.items() if size != 18}
    assert told == {144: (90, True, False), 1: (75, False, False)}
    assert sorted((one.certainty or 0, one.accepted) for one in found.values() if one.lesion.voxels == 18)[-1][1]


def test_lesions_that_were_joined_are_as_certain_as_the_less_certain_one(drawn: Segmentation) -> None:
    infection = drawn.labels == 3
    infection[4:7, 7:11, 8:21] = True
    found = listed(infection, lesion_seeds(drawn))
    assert found.lesions[0].certainty == 60


def test_seeds_survive_their_text_and_damage(drawn: Segmentation) -> None:
    seeds = lesion_seeds(drawn)
    assert read_seeds(seeds_text(seeds)) == seeds
    assert not set(seeds_text(seeds)) & set("|:\n")
    assert read_seeds(seeds_text(seeds[:1]) + ",1 2,x y z 3") == seeds[:1]
    assert read_seeds(None) == ()
    far = ((99, 0, 0, 50), *seeds)
    assert len(listed(drawn.labels == 3, far).lesions) == 3


def test_a_file_of_segments_carries_the_certainty(drawn: Segmentation, tmp_path: Path) -> None:
    write(with_certainty(drawn), tmp_path / "a.seg.nrrd")
    tags = {one.id: one.tags for one in read_reviewed(tmp_path / "a.seg.nrrd", Grid(AFFINE, SHAPE)).segments}
    assert read_seeds(tags["Covid19Infection"][CERTAINTY_TAG]) == lesion_seeds(drawn)
    assert CERTAINTY_TAG not in tags["LeftLung"]


def test_nothing_drawn_is_an_empty_list(drawn: Segmentation) -> None:
    empty = np.zeros(SHAPE, bool)
    assert listed(empty, lesion_seeds(drawn)).lesions == ()
    nothing = Segmentation(empty.astype(np.uint8), AFFINE, drawn.provenance, np.zeros(0, np.uint8))
    assert lesion_seeds(nothing) == ()
    assert lesion_seeds(Segmentation(drawn.labels, AFFINE, drawn.provenance)) == ()
