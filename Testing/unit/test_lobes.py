"""Lobes are estimated from the shape of whole lungs, with their uncertainty; of other lungs the reason is told."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from CovidSegLib.anatomy import lobe_estimate
from CovidSegLib.anatomy.lobe_estimate import find_lobes
from CovidSegLib.anatomy.lobe_model import DEFAULT_MODEL, read_lobe_model
from CovidSegLib.anatomy.lung_memory import LungMemory
from CovidSegLib.errors import InputError, ModelError
from CovidSegLib.geometry.grid import Grid
from CovidSegLib.measures import Lobe, measure
from CovidSegLib.measures.found import find_all
from CovidSegLib.measures.lobe_map import estimated_lobe_map
from CovidSegLib.measures.measurements_record import MeasurementsRecord
from CovidSegLib.measures.rules import lobe_score
from CovidSegLib.measures.table import table_rows
from CovidSegLib.report.lobe_picture import place_of_label
from CovidSegLib.segmentation import Label
from CovidSegLib.system.resource_files import resource
from CovidSegLib.system.typed_json import write_typed
from Testing.kit.blocks import UPRIGHT, block_labels
from Testing.kit.drawn_lungs import AFFINE, SPACING, drawn_lungs, lobes_of_another_program


def lungs() -> np.ndarray:
    return np.where(drawn_lungs(infected=False) > 0, drawn_lungs(infected=False), 0).astype(np.uint8)


def centre(mask: np.ndarray) -> np.ndarray:
    return np.array(np.nonzero(mask)).mean(axis=1)


def test_each_lobe_lies_where_lobes_lie() -> None:
    found = find_lobes(lungs(), SPACING).lobe_map(lungs())
    centres = {lobe: centre(found == lobe) for lobe in Lobe}
    assert ((found > 0) == (lungs() > 0)).all()
    assert (np.isin(found, (Lobe.LEFT_UPPER, Lobe.LEFT_LOWER)) == (lungs() == 1)).all()
    for upper, lower in ((Lobe.LEFT_UPPER, Lobe.LEFT_LOWER), (Lobe.RIGHT_UPPER, Lobe.RIGHT_LOWER)):
        assert centres[upper][0] > centres[lower][0]
        assert centres[upper][1] < centres[lower][1]  # in front
    assert centres[Lobe.RIGHT_MIDDLE][1] < centres[Lobe.RIGHT_LOWER][1]
    assert centres[Lobe.RIGHT_MIDDLE][0] < centres[Lobe.RIGHT_UPPER][0]


def test_the_values_of_a_lobe_map_are_those_of_the_published_masks() -> None:
    order = (Lobe.LEFT_UPPER, Lobe.LEFT_LOWER, Lobe.RIGHT_UPPER, Lobe.RIGHT_MIDDLE, Lobe.RIGHT_LOWER)
    assert [int(lobe) for lobe in order] == [1, 2, 3, 4, 5]


def test_every_voxel_of_a_lung_has_a_probability_for_each_of_its_lobes() -> None:
    found = find_lobes(lungs(), SPACING)
    inside = lungs()[found.steps[0] // 2 :: found.steps[0]] == 1
    assert inside.any()
    left = found.probabilities[:2].sum(axis=0, dtype=int)
    assert set(np.unique(left[left > 0])) <= {254, 255, 256}  # rounded
    assert np.count_nonzero((found.probabilities > 25) & (found.probabilities < 230)) > 0


def test_voxels_of_the_members_add_up_to_the_lungs() -> None:
    found = find_lobes(lungs(), SPACING)
    assert (found.members[:, :2, 0].sum(axis=1) == np.count_nonzero(lungs() == 1)).all()
    assert (found.members[:, 2:, 0].sum(axis=1) == np.count_nonzero(lungs() == 2)).all()
    assert found.shown[:, 0].sum() == np.count_nonzero(lungs())


def test_the_map_agrees_with_the_volumes_that_are_told() -> None:
    estimated = estimated_lobe_map(drawn_lungs(), Grid(AFFINE, drawn_lungs().shape))
    for lobe, told in zip(Lobe, estimated.severity.lobes, strict=True):
        drawn = np.count_nonzero(estimated.lobes == lobe) * Grid(AFFINE, drawn_lungs().shape).voxel_ml
        assert drawn == pytest.approx(told.lung_ml, rel=0.03)


def test_a_turned_grid_has_the_same_lobes() -> None:
    straight = estimated_lobe_map(drawn_lungs(), Grid(AFFINE, drawn_lungs().shape)).lobes
    turned = AFFINE @ np.diag([-1.0, 1.0, -1.0, 1.0])
    labels = np.ascontiguousarray(drawn_lungs()[::-1, :, ::-1])
    found = estimated_lobe_map(labels, Grid(turned, labels.shape)).lobes
    assert (found[::-1, :, ::-1] == straight).all()


def test_a_score_of_estimated_lobes_has_a_range_and_says_what_it_is() -> None:
    measured = measure(drawn_lungs(), Grid(AFFINE, drawn_lungs().shape))
    found = measured.severity
    assert found is not None
    assert measured.severity_refused == ""
    assert measured.lobe_score is None
    assert measured.lobes == ()
    assert found.low <= found.score <= found.high
    assert 1 <= found.score <= 5
    for lobe in found.lobes:
        assert lobe.percent_low <= lobe.infection_percent <= lobe.percent_high
        assert lobe.score_low <= lobe.score <= lobe.score_high
        assert lobe.score == lobe_score(lobe.infection_percent)  # of the share that stands beside it
        assert 0 <= lobe.overlap_low <= lobe.overlap <= 1
    rows = [row for row in table_rows(measured) if "everity" in row.measure or "obe" in row.measure]
    assert rows
    assert all("estimated" in row.measure and row.low is not None and row.high is not None for row in rows)
    record = write_typed(MeasurementsRecord.of(measured))["severity_estimated"]
    assert "estimated" in record["lobes_are"]
    assert (record["low"], record["score"], record["high"]) == (found.low, found.score, found.high)


def test_lobes_are_found_anew_when_the_lungs_change_and_not_when_infection_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found_anew: list[object] = []
    part = lobe_estimate._part
    monkeypatch.setattr(lobe_estimate, "_part", lambda *given: found_anew.append(given) or part(*given))
    grid, memory = Grid(AFFINE, drawn_lungs().shape), LungMemory()
    more, other = drawn_lungs(), drawn_lungs()
    more[40:50][more[40:50] == Label.LEFT_LUNG] = Label.INFECTION
    other[30:32, 40:42] = 0
    wanted = [measure(labels, grid) for labels in (drawn_lungs(), more, drawn_lungs(infected=False), other)]
    found_anew.clear()
    for labels, fresh in zip((drawn_lungs(), more, drawn_lungs(infected=False), other), wanted, strict=True):
        assert measure(labels, grid, found=find_all(labels, grid, memory)) == fresh
        assert len(found_anew) == (2 if labels is other else 1)
    assert len({one.severity.lobes for one in wanted}) == 4


def test_lobes_that_a_user_brings_come_first_and_have_no_range() -> None:
    measured = measure(drawn_lungs(), Grid(AFFINE, drawn_lungs().shape), lobes=lobes_of_another_program())
    assert measured.lobe_score is not None
    assert measured.severity is None
    assert measured.lobes_are == "given"
    assert all(row.low is None for row in table_rows(measured) if "obe" in row.measure)


def cut_off(labels: np.ndarray) -> np.ndarray:
    return labels[30:]


def one_lung(labels: np.ndarray) -> np.ndarray:
    return np.where(labels == Label.LEFT_LUNG, labels, 0).astype(np.uint8)


def wrong_sides(labels: np.ndarray) -> np.ndarray:
    return np.where(labels > 0, 3 - labels, 0).astype(np.uint8)


def upside_down(labels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(labels[::-1])


def cut_inside(labels: np.ndarray) -> np.ndarray:
    """The uppermost fifth of the lungs is missing, and the array goes on."""
    cut = labels.copy()
    cut[68:] = 0
    return cut


def fluid_below(labels: np.ndarray) -> np.ndarray:
    """A tenth of the right lung, at its bottom, is not marked."""
    heights = np.cumsum((labels == Label.RIGHT_LUNG).sum(axis=(1, 2)))
    lowest = int(np.searchsorted(heights, heights[-1] / 10))
    drowned = labels.copy()
    drowned[:lowest][labels[:lowest] == Label.RIGHT_LUNG] = 0
    return drowned


def tiny(labels: np.ndarray) -> np.ndarray:
    """Some voxels in the middle of each lung."""
    return np.where(np.pad(labels[40:44, 40:44], ((40, 44), (40, 40), (0, 0))), labels, 0).astype(np.uint8)


def pierced(labels: np.ndarray) -> np.ndarray:
    """Every third column of the right lung is missing over a tenth of the depth: vessels that were left out."""
    holed = labels.copy()
    part = holed[20:70, 20:70:3]
    part[:, :, ::3][part[:, :, ::3] == Label.RIGHT_LUNG] = 0
    return holed


def islands(labels: np.ndarray) -> np.ndarray:
    """A piece of the right lung is marked as left."""
    mixed = labels.copy()
    part = mixed[36:46, 36:48, 20:32]
    part[part == Label.RIGHT_LUNG] = Label.LEFT_LUNG
    return mixed


def windpipe(labels: np.ndarray) -> np.ndarray:
    """Between the lungs lies what another program has under the value of infection."""
    with_trachea = labels.copy()
    with_trachea[50:80, 38:45, 57:63] = Label.INFECTION
    return with_trachea


def effusion(labels: np.ndarray) -> np.ndarray:
    drowned = labels.copy()
    drowned[:40][labels[:40] == Label.RIGHT_LUNG] = 0
    return drowned


def infection_cut_out(labels: np.ndarray) -> np.ndarray:
    """What lay at the back and outside of the right lung is in no mask."""
    cut = labels.copy()
    for part in (cut[32:40, 50:, :30], cut[46:54, 50:, :30]):
        part[part == Label.RIGHT_LUNG] = 0
    return cut


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (infection_cut_out, "right lung lacks .* mL at its outer side"),
        (cut_off, "does not show both lungs whole"),
        (one_lung, "not two lungs"),
        (wrong_sides, "are the sides right"),
        (upside_down, "shape from which lobes are not told"),
        (effusion, "right lung ends in a flat face at its lower end"),
        (cut_inside, "ends in a flat face at its upper end"),
        (fluid_below, "right lung ends in a flat face at its lower end"),
        (tiny, "left lung is too small"),
        (pierced, "right lung has holes"),
        (islands, "% of the left lung lie apart from it"),
        (windpipe, "marked as infection lie beside the lungs"),
    ],
)
def test_lungs_that_do_not_tell_their_lobes_have_none_and_the_reason_is_told(spoil, reason: str) -> None:
    labels = spoil(drawn_lungs(infected=False))
    measured = measure(labels, Grid(AFFINE, labels.shape))
    assert measured.severity is None
    assert re.search(reason, measured.severity_refused)
    with pytest.raises(InputError, match=reason):
        estimated_lobe_map(labels, Grid(AFFINE, labels.shape))


def test_a_lung_that_was_taken_out_as_a_segment_leaves_no_lobes() -> None:
    measured = measure(drawn_lungs(), Grid(AFFINE, drawn_lungs().shape), absent=(Label.LEFT_LUNG,))
    assert measured.severity is None
    assert measured.severity_refused == "There are not two lungs."


def test_infection_that_nobody_may_have_looked_for_leaves_no_score() -> None:
    labels, grid = drawn_lungs(infected=False), Grid(AFFINE, drawn_lungs().shape)
    looked, lobes = measure(labels, grid), lobes_of_another_program()
    assert looked.severity is not None
    assert looked.severity.score == 0
    for unknown in ({"infection_known": False}, {"absent": (Label.INFECTION,)}):
        measured = measure(labels, grid, **unknown)
        assert measured.severity is None
        assert "No infection is marked" in measured.severity_refused
        assert any("nobody looked" in flag for flag in measured.flags)
        brought = measure(labels, grid, lobes=lobes, **unknown)
        assert brought.lobe_score is None
        assert [lobe.score for lobe in brought.lobes] == [None] * 5


def test_the_tip_of_a_lung_that_is_wholly_infected_is_lung() -> None:
    labels = drawn_lungs(infected=False).copy()
    for label in (Label.LEFT_LUNG, Label.RIGHT_LUNG):
        lowest = np.flatnonzero((labels == label).any(axis=(1, 2)))[0]
        tip = labels[lowest : lowest + 4]
        tip[tip == label] = Label.INFECTION
    assert measure(labels, Grid(AFFINE, labels.shape)).severity is not None


def test_a_lung_that_was_cut_inside_the_array_is_only_partly_visible() -> None:
    labels = cut_inside(drawn_lungs())
    measured = measure(labels, Grid(AFFINE, labels.shape))
    assert measured.partly_visible == ("left", "right")
    assert [flag for flag in measured.flags if "flat face at its upper end" in flag]
    assert measure(drawn_lungs(), Grid(AFFINE, labels.shape)).partly_visible == ()


def test_a_label_lies_where_it_sticks_out_of_its_lobe_least() -> None:
    lobe = np.zeros((60, 60), bool)
    lobe[10:50, 5:15] = lobe[35:50, 5:55] = True  # its median place is on the narrow part's side
    row, column = place_of_label(lobe, (11, 31))
    assert lobe[row - 5 : row + 6, column - 15 : column + 16].all()


def test_blocks_are_no_lungs() -> None:
    measured = measure(block_labels(), Grid(UPRIGHT, block_labels().shape))
    assert measured.severity is None
    assert measured.severity_refused


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The card of a copy of the model."""
    for ending in ("json", "npz"):
        shutil.copy(resource(f"Lobes/{DEFAULT_MODEL}.{ending}"), tmp_path)
    return tmp_path / f"{DEFAULT_MODEL}.json"


def test_the_model_is_small_and_its_card_tells_what_it_is_worth(copied: Path) -> None:
    model = read_lobe_model(copied)
    assert copied.with_suffix(".npz").stat().st_size < 2_000_000
    lobes = model.card["scores"]["lobes"]
    assert all(lobes[str(int(lobe))]["mean"] > 0.7 for lobe in Lobe)
    severity = model.card["scores"]["severity"]
    assert severity["inside"] >= 0.85
    assert severity["mean_width"] < 4
    far = severity["below_half"]  # where a lobe overlaps by less than half
    assert (far["inside"], far["lobe_scores_inside"]) == (far["scores"], far["lobe_scores"]) == (12, 15)
    assert "BY-NC-SA" in model.card["licence"]
    assert "Tang" in model.card["training_data"][0]["source"]


def test_a_model_that_was_altered_is_not_used(copied: Path) -> None:
    npz = copied.with_suffix(".npz")
    npz.write_bytes(npz.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelError, match="SHA-256"):
        read_lobe_model(copied)


def test_a_model_with_anything_but_numbers_is_not_opened(copied: Path) -> None:
    import hashlib

    npz = copied.with_suffix(".npz")
    np.savez(npz, left_mean=np.array([{"a": 1}], dtype=object))
    card = json.loads(copied.read_text(encoding="utf-8"))
    card["files"]["npz"]["sha256"] = hashlib.sha256(npz.read_bytes()).hexdigest()
    copied.write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(ModelError, match="another version"):
        read_lobe_model(copied)


@pytest.mark.parametrize("card", ["{}", "[]", "no json", '{"name": "a", "files": {"npz": {"name": "../x"}}}'])
def test_a_card_that_is_none_is_told(copied: Path, card: str) -> None:
    copied.write_text(card, encoding="utf-8")
    with pytest.raises(ModelError, match="cannot be read"):
        read_lobe_model(copied)
