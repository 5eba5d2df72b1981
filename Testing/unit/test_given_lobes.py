"""An estimate of lobes stays one until somebody says that a reader has checked it; what can be no lobes is not used."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from CovidSegLib.anatomy.lobe_order import lobes_out_of_place
from CovidSegLib.geometry.grid import Grid
from CovidSegLib.measures import Lobe, Measurements, measure
from CovidSegLib.measures.given_lobes import GivenLobes
from CovidSegLib.measures.lobe_choice import in_order
from CovidSegLib.measures.lobe_map import estimated_lobe_map
from CovidSegLib.measures.measurements_record import MeasurementsRecord
from CovidSegLib.measures.table import table_rows
from CovidSegLib.segfiles.lobe_files import ALGORITHM, ESTIMATED_TAG, says_estimated
from CovidSegLib.segmentation import Label
from Testing.kit.drawn_lungs import AFFINE, SHAPE, SPACING, drawn_lungs, lobes_of_another_program

GRID = Grid(AFFINE, SHAPE)
Change = Callable[[np.ndarray], np.ndarray]


@pytest.fixture(scope="module")
def estimate() -> np.ndarray:
    return estimated_lobe_map(drawn_lungs(), GRID).lobes


@pytest.fixture(scope="module")
def fresh() -> Measurements:
    return measure(drawn_lungs(), GRID)


def moved_fissure(lobes: np.ndarray) -> np.ndarray:
    """A reader moved the left fissure by some slices."""
    moved = lobes.copy()
    moved[44:50][moved[44:50] == Lobe.LEFT_LOWER] = Lobe.LEFT_UPPER
    return moved


def one_voxel(lobes: np.ndarray) -> np.ndarray:
    changed = lobes.copy()
    changed[tuple(np.argwhere(lobes == Lobe.LEFT_LOWER)[0])] = Lobe.LEFT_UPPER
    return changed


def all_infected_is_middle(lobes: np.ndarray) -> np.ndarray:
    """The whole infection in one lobe, which changes the score."""
    changed = lobes.copy()
    changed[20:34, 45:][changed[20:34, 45:] == Lobe.RIGHT_LOWER] = Lobe.RIGHT_MIDDLE
    return changed


@pytest.mark.parametrize("change", [one_voxel, moved_fissure, all_infected_is_middle])
def test_an_estimate_keeps_its_range_and_its_word_however_much_of_it_was_changed(
    estimate: np.ndarray, fresh: Measurements, change: Change
) -> None:
    given = GivenLobes(change(estimate), estimated=True)
    measured = measure(drawn_lungs(), GRID, lobes=given)
    brought = measure(drawn_lungs(), GRID, lobes=GivenLobes(given.lobes, estimated=True, checked=True))
    found = measured.severity
    assert (measured.lobe_score, measured.lobes) == (None, ())
    assert measured.lobes_are == "estimated, corrected"
    assert found.score == brought.lobe_score  # corrections count
    assert [lobe.infection_percent for lobe in found.lobes] == [lobe.infection_percent for lobe in brought.lobes]
    assert found.low <= min(found.score, fresh.severity.low)
    assert found.high >= max(found.score, fresh.severity.high)
    for lobe, before in zip(found.lobes, fresh.severity.lobes, strict=True):
        assert lobe.percent_low <= min(lobe.infection_percent, before.percent_low)
        assert lobe.percent_high >= max(lobe.infection_percent, before.percent_high)
        assert lobe.score_low <= lobe.score <= lobe.score_high
    assert any("until you say that a reader has checked them" in flag for flag in measured.flags)
    record = MeasurementsRecord.of(measured)
    assert record.severity_estimated.lobes_are == "estimated from the shape of the lungs, corrected"
    assert record.lobes_are == "estimated, corrected"
    rows = [row for row in table_rows(measured) if "obe" in row.measure]
    assert rows
    assert all("lobes estimated, corrected" in row.measure and None not in (row.low, row.high) for row in rows)


def test_an_estimate_that_nobody_changed_gives_what_is_told_without_it(
    estimate: np.ndarray, fresh: Measurements
) -> None:
    measured = measure(drawn_lungs(), GRID, lobes=GivenLobes(estimate, estimated=True))
    assert measured.severity == fresh.severity
    assert measured.lobes_are == fresh.lobes_are == "estimated"


def test_an_estimate_that_a_reader_has_checked_gives_a_score_without_a_range(estimate: np.ndarray) -> None:
    measured = measure(drawn_lungs(), GRID, lobes=GivenLobes(moved_fissure(estimate), estimated=True, checked=True))
    assert measured.severity is None
    assert measured.lobe_score is not None
    assert measured.lobes_are == "estimated, then checked by a reader"
    rows = [row for row in table_rows(measured) if row.measure.startswith("CT severity")]
    assert [row.measure.split("), ")[1] for row in rows] == ["lobes estimated, then checked by a reader"]


@pytest.mark.parametrize("change", [lambda lobes: lobes, one_voxel, moved_fissure])
def test_lobes_that_lost_every_sign_are_known_by_their_voxels(estimate: np.ndarray, change: Change) -> None:
    measured = measure(drawn_lungs(), GRID, lobes=change(estimate))
    assert measured.lobe_score is None
    assert measured.severity is not None
    (said,) = [flag for flag in measured.flags if "are those that CovidSeg estimates" in flag]
    assert ("of them" in said) == (measured.lobes_are == "estimated, corrected")


def lungs_cut_off() -> np.ndarray:
    """Labels of which the lobes' estimate was made before their lowest slices were taken out."""
    labels = drawn_lungs()
    labels[: np.flatnonzero(labels.any(axis=(1, 2)))[0] + 12] = 0
    return labels


@pytest.mark.parametrize("estimated", [True, False])
@pytest.mark.parametrize(
    ("change", "are"), [(lambda lobes: lobes, "estimated"), (moved_fissure, "estimated, corrected")]
)
def test_an_estimate_is_known_also_where_the_lungs_have_none_any_more(
    estimate: np.ndarray, change: Change, are: str, estimated: bool
) -> None:
    measured = measure(lungs_cut_off(), GRID, lobes=GivenLobes(change(estimate), estimated))
    assert (measured.severity, measured.lobe_score, measured.lobes_are) == (None, None, are)
    assert "flat face" in measured.severity_refused
    said = " ".join(measured.flags)
    assert "From the lungs as they are now there is no estimate." in said
    assert said.count("The lungs changed since the lobes were estimated.") == 1


def with_more_infection(labels: np.ndarray) -> np.ndarray:
    labels[40, 40][labels[40, 40] == Label.LEFT_LUNG] = Label.INFECTION
    return labels


def with_more_lung(labels: np.ndarray) -> np.ndarray:
    """A reader drew the outline of a lung one voxel wider in some slices."""
    part = labels[30:34]
    part[:, 1:][(part[:, :-1] == Label.LEFT_LUNG) & (part[:, 1:] == 0)] = Label.LEFT_LUNG
    return labels


@pytest.mark.parametrize("edit", [with_more_infection, with_more_lung])
@pytest.mark.parametrize("estimated", [True, False])
def test_lobes_are_not_called_corrected_where_only_lungs_or_infection_were(
    estimate: np.ndarray, edit: Change, estimated: bool
) -> None:
    labels = edit(drawn_lungs())
    assert (labels != drawn_lungs()).any()
    measured = measure(labels, GRID, lobes=GivenLobes(estimate, estimated))
    assert measured.lobes_are == "estimated"
    assert measured.severity == measure(labels, GRID).severity
    assert not any("changed" in flag for flag in measured.flags)


def test_it_is_told_where_nobody_can_say_whether_lobes_are_an_estimate() -> None:
    lobes = np.where(lobes_of_another_program() == Lobe.LEFT_LOWER, Lobe.LEFT_LOWER, 0).astype(np.uint8)
    said = "It could not be told whether these lobes are CovidSeg's estimate. They do not fill two lungs."
    labels = lungs_cut_off()
    assert said in measure(labels, GRID, lobes=lobes).flags
    assert said not in measure(labels, GRID, lobes=GivenLobes(lobes, checked=True)).flags
    assert said not in measure(labels, GRID, lobes=lobes_of_another_program()).flags


@pytest.mark.parametrize("wrong", [np.float32, bool, lambda lobes: lobes + np.uint8(1)])
def test_what_is_no_map_of_lobes_is_refused(estimate: np.ndarray, wrong: Callable[[np.ndarray], np.ndarray]) -> None:
    with pytest.raises(ValueError, match="whole numbers from 0 to 5"):
        measure(drawn_lungs(), GRID, lobes=estimate.astype(wrong) if isinstance(wrong, type) else wrong(estimate))


def test_an_estimate_has_no_score_where_none_can_be_made_of_the_lungs(estimate: np.ndarray) -> None:
    grid = Grid(AFFINE, drawn_lungs()[30:].shape)
    measured = measure(drawn_lungs()[30:], grid, lobes=GivenLobes(estimate[30:], estimated=True))
    assert (measured.severity, measured.lobe_score, measured.lobes) == (None, None, ())
    assert measured.severity_refused == "The scan does not show both lungs whole."
    alone = measure(drawn_lungs(), GRID, lobes=GivenLobes(estimate, estimated=True), absent=(Label.LEFT_LUNG,))
    assert alone.severity_refused == "There are not two lungs."


def without_middle(lobes: np.ndarray) -> np.ndarray:
    return np.where(lobes == Lobe.RIGHT_MIDDLE, 0, lobes).astype(np.uint8)


def cropped(lobes: np.ndarray) -> np.ndarray:
    cut = lobes.copy()
    cut[50:] = 0
    return cut


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [(without_middle, "The lobe segmentation has no right middle lobe."), (cropped, "belong to no lobe")],
)
@pytest.mark.parametrize("estimated", [True, False])
def test_damaged_lobes_have_no_score_and_are_what_is_blamed(
    estimate: np.ndarray, spoil: Change, reason: str, estimated: bool
) -> None:
    lobes = spoil(estimate if estimated else lobes_of_another_program())
    measured = measure(drawn_lungs(), GRID, lobes=GivenLobes(lobes, estimated))
    assert (measured.severity, measured.lobe_score) == (None, None)
    assert reason in measured.severity_refused
    assert "The lungs changed" not in " ".join(measured.flags) or spoil is cropped


def exchange(first: Lobe, second: Lobe) -> Change:
    def exchanged(lobes: np.ndarray) -> np.ndarray:
        table = np.arange(6, dtype=np.uint8)
        table[first], table[second] = second, first
        return table[lobes]

    return exchanged


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (exchange(Lobe.LEFT_UPPER, Lobe.LEFT_LOWER), "left upper lobe lies below"),
        (exchange(Lobe.RIGHT_UPPER, Lobe.RIGHT_LOWER), "right upper lobe lies below"),
        (exchange(Lobe.RIGHT_MIDDLE, Lobe.RIGHT_LOWER), "middle lobe lies behind"),
        (exchange(Lobe.RIGHT_MIDDLE, Lobe.RIGHT_UPPER), "middle lobe lies above"),
        (exchange(Lobe.RIGHT_UPPER, Lobe.LEFT_UPPER), "do not lie to the left"),
        (lambda lobes: lobes[::-1], "upper lobe lies below"),
        (lambda lobes: lobes[:, ::-1], "middle lobe lies behind"),
        (lambda lobes: lobes[..., ::-1], "do not lie to the left"),
    ],
)
def test_lobes_that_are_exchanged_are_told_whoever_made_them(estimate: np.ndarray, spoil: Change, reason: str) -> None:
    assert reason in lobes_out_of_place(spoil(estimate), SPACING)
    assert lobes_out_of_place(estimate, SPACING) == lobes_out_of_place(lobes_of_another_program(), SPACING) == ""


def test_what_is_left_of_a_middle_lobe_that_the_scan_cuts_off_may_lie_above_its_neighbours() -> None:
    lobes = np.zeros((80, 60, 60), np.uint8)
    lobes[50:70, 10:50, :20], lobes[10:30, 10:50, :20] = Lobe.RIGHT_MIDDLE, Lobe.RIGHT_UPPER
    assert lobes_out_of_place(lobes, SPACING) == ""
    whole = np.pad(lobes, 1)
    assert "middle lobe lies above" in lobes_out_of_place(whole, SPACING)


@pytest.mark.parametrize("lobes", [(), (Lobe.LEFT_LOWER,), (Lobe.RIGHT_UPPER, Lobe.LEFT_LOWER)])
def test_fewer_lobes_than_five_are_not_out_of_place(estimate: np.ndarray, lobes: tuple[Lobe, ...]) -> None:
    assert lobes_out_of_place(np.where(np.isin(estimate, lobes), estimate, 0), SPACING) == ""


def test_exchanged_lobes_are_not_used_and_others_are_estimated(estimate: np.ndarray, fresh: Measurements) -> None:
    wrong = exchange(Lobe.RIGHT_UPPER, Lobe.RIGHT_LOWER)(estimate)
    measured = measure(drawn_lungs(), GRID, lobes=GivenLobes(wrong, estimated=True, checked=True))
    assert measured.severity == fresh.severity
    assert any("is not used. Its right upper lobe lies below" in flag for flag in measured.flags)


def tried(*offered: GivenLobes) -> Measurements:
    return measure(drawn_lungs(), GRID, lobes=in_order(offered))


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("checked", [False, True])
def test_lobes_of_another_program_come_before_an_estimate_in_whatever_order_they_lie(
    estimate: np.ndarray, turned: bool, checked: bool
) -> None:
    other = GivenLobes(lobes_of_another_program(), source="other")
    own = GivenLobes(estimate, estimated=True, checked=checked, source="own")
    measured = tried(*((other, own) if turned else (own, other)))
    assert (measured.lobes_are, measured.lobes_from) == ("given", "other")
    assert measured.lobe_score == measure(drawn_lungs(), GRID, lobes=other).lobe_score
    assert [flag for flag in measured.flags if "2 lobe segmentations" in flag and "no sign of an estimate" in flag]


def test_an_estimate_that_a_reader_has_checked_comes_before_one_that_nobody_has(estimate: np.ndarray) -> None:
    bare, checked = (GivenLobes(estimate, estimated=True, checked=one, source=str(one)) for one in (False, True))
    measured = tried(bare, checked)
    assert (measured.lobes_are, measured.lobes_from) == ("estimated, then checked by a reader", "True")
    assert sum("lobe segmentations of this scan. An estimate that a reader" in flag for flag in measured.flags) == 1


def test_lobes_that_are_refused_are_passed_over_for_others_that_can_be_used(estimate: np.ndarray) -> None:
    wrong = exchange(Lobe.RIGHT_UPPER, Lobe.RIGHT_LOWER)(lobes_of_another_program())
    away = np.zeros_like(estimate)
    away[0, 0] = Lobe.LEFT_LOWER
    good = GivenLobes(lobes_of_another_program())
    measured = tried(GivenLobes(wrong), GivenLobes(away), good)
    assert measured.lobe_score == measure(drawn_lungs(), GRID, lobes=good).lobe_score
    said = [flag for flag in measured.flags if flag.startswith("One lobe segmentation is not used. ")]
    assert len(said) == 2
    assert "right upper lobe lies below" in said[0]
    assert "does not lie on the lungs" in said[1]
    assert not any("lobe segmentations of this scan" in flag for flag in measured.flags)


@pytest.mark.parametrize(
    ("name", "segment_id", "tags", "estimated"),
    [
        ("Segment_1", "Segment_1", {ESTIMATED_TAG: "0" * 64}, True),
        ("Right upper lobe (estimated)", "Segment_1", {}, True),
        ("RUL", "EstimatedRightUpperLobe_1", {}, True),
        ("RUL", "Segment_1", {"DICOM.SegmentAlgorithmName": ALGORITHM}, True),
        ("Right upper lobe", "Segment_1", {"DICOM.SegmentAlgorithmName": "TotalSegmentator"}, False),
        # A reader who cuts a copy of CovidSeg's lung into lobes has lobes of his own.
        ("RUL", "RightLung_1", {"CovidSeg.Model": "network", "DICOM.SegmentAlgorithmName": "CovidSeg"}, False),
    ],
)
def test_one_sign_is_enough_to_know_an_estimate_by(name: str, segment_id: str, tags, estimated: bool) -> None:
    assert says_estimated(name, segment_id, tags) is estimated
