"""Slices that show infection are looked at twice, and the mean of both looks leads back to the scan's own grid."""

from __future__ import annotations

import dataclasses
import gc
import weakref
from pathlib import Path

import numpy as np
import pytest

from CovidSegLib.anatomy.finish import FinishOptions, RoughMask
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.network import models
from CovidSegLib.network.engines import open_engine
from CovidSegLib.network.input_form import INPUT_SHAPE, SECOND_SHAPE, NetworkInputs
from CovidSegLib.network.inputs import network_batches
from CovidSegLib.network.second_look import SHOWS_INFECTION, THIN_MM, Looks
from CovidSegLib.pipeline import Options, segment
from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct
from CovidSegLib.segmentation import Label

SPACING = (1.0, 1.0, 2.0)
SHOWN = (1, 4)
"""Slices of the scan below that show infection."""


class Stand:
    """An engine that calls everything lung, and the brightest slices infection; it remembers what it was given."""

    name, device = "onnx", "cpu"

    def __init__(self, first: float = 1.0, second: float = 1.0) -> None:
        self.given: list[np.ndarray] = []
        self._chance = {INPUT_SHAPE: first, SECOND_SHAPE: second}

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        self.given.append(inputs)
        chance = self._chance[inputs.shape[1:3]] * (inputs[..., 1].mean(axis=(1, 2)) > 0)
        infection = np.broadcast_to(chance[:, None, None], inputs.shape[:3])
        return np.stack([np.zeros_like(infection), 1 - infection, infection], axis=-1).astype(np.float32)


@pytest.fixture
def upright() -> np.ndarray:
    """Six slices in HU, full of body; half of it is brighter in those of SHOWN."""
    scan = np.full((6, 90, 120), -600, np.int16)
    scan[:, 5:-5, 5:-5] = -490
    scan[list(SHOWN), 5:-5, 5:60] = 200
    return scan


def _looked(engine: Stand, upright: np.ndarray, *, twice: bool = True) -> list[tuple]:
    looks = Looks(engine, upright, NetworkInputs(second_look=SECOND_SHAPE if twice else None))
    return [answer for batch in network_batches(upright, SPACING, 4) for answer in looks(*batch)]


@pytest.fixture
def slices() -> np.ndarray:
    """Sixteen like slices as the network sees them, small: half of each is lung."""
    inputs = np.zeros((16, 20, 20, 3), np.float32)
    inputs[:, :10] = -0.5
    return inputs


class Seen:
    """An engine whose lungs are what is dark in the middle channel, and infection what is bright."""

    name, device = "onnx", "cpu"

    def __init__(self) -> None:
        self.given: list[int] = []

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        self.given.append(len(inputs))
        infection, lung = inputs[..., 1] > 0, inputs[..., 1] < 0
        return np.stack([~(lung | infection), lung, infection], axis=-1).astype(np.float32)


def _thin(engine: Seen, slices: np.ndarray, slice_mm: float = 1.0) -> np.ndarray:
    looks = Looks(engine, slices[..., 1], NetworkInputs(second_look=None), slice_mm=slice_mm)
    found = list(looks(None, range(len(slices)), slices))
    assert [k for _, k, _ in found] == list(range(len(slices)))
    return np.stack([answer for _, _, answer in found])


def test_between_two_like_slices_without_infection_no_look_is_needed(slices: np.ndarray) -> None:
    engine = Seen()
    np.testing.assert_array_equal(_thin(engine, slices), Seen().predict(slices))
    assert engine.given == [2, 7]


@pytest.mark.parametrize(("bright", "given"), [(6, [2, 7, 2]), (7, [2, 7]), (15, [2, 7])])
def test_the_slices_beside_one_that_shows_infection_are_looked_at(
    bright: int, given: list[int], slices: np.ndarray
) -> None:
    """One of which only the slice between two others shows something, a millimetre thick, is no infection."""
    slices[bright, 4, 4] = 0.5
    engine = Seen()
    shown = np.flatnonzero(_thin(engine, slices)[..., 2].any(axis=(1, 2)))
    assert (engine.given, list(shown)) == (given, [] if bright == 7 else [bright])


def test_a_slice_between_two_that_show_other_lungs_is_looked_at(slices: np.ndarray) -> None:
    slices[8:, 10] = -0.5
    engine = Seen()
    np.testing.assert_array_equal(_thin(engine, slices), Seen().predict(slices))
    assert engine.given == [2, 7, 1]


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_between_two_slices_without_lung_no_look_is_needed_and_every_device_finds_the_same(
    device: str, slices: np.ndarray
) -> None:
    slices[[0, -1]] = 0
    engine = Seen()
    engine.device = device
    assert (_thin(engine, slices)[..., 0] == 1).all()  # what is between them is no lung, which would go on
    assert engine.given == ([2] if device == "cpu" else [9])
    for end, place in ((0, slice(0, 1)), (-1, slice(10, 11)), (-1, slice(10, 20))):  # one pixel of lung, or many
        slices[[0, -1]] = 0
        slices[end, place, 3] = -0.5
        engine = Seen()
        engine.device = device
        np.testing.assert_array_equal(_thin(engine, slices)[2:-2], Seen().predict(slices)[2:-2])


@pytest.mark.parametrize(("slice_mm", "given"), [(2.0, [3, 9]), (5.0, [5, 6]), (10.0, [9, 4]), (11.0, [16])])
@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_above_and_below_the_lungs_one_slice_of_some_centimetres_is_looked_at(
    device: str, slice_mm: float, given: list[int], slices: np.ndarray
) -> None:
    slices[7:] = 0  # the lungs end here
    engine = Seen()
    engine.device = device
    np.testing.assert_array_equal(_thin(engine, slices, slice_mm), Seen().predict(slices))
    assert engine.given == (given if device == "cpu" else [16])
    slices[13, 4, 4] = -0.5  # an answer in the middle of no lung comes from those beside it, on every device
    assert (_thin(engine, slices, slice_mm)[13, 4, 4, 1] == 1) == (slice_mm == 11.0)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 15])
def test_of_any_number_of_thin_slices_each_gets_an_answer(count: int, slices: np.ndarray) -> None:
    np.testing.assert_array_equal(_thin(Seen(), slices[:count]), Seen().predict(slices[:count]))


def test_every_slice_gets_one_answer_in_order_and_only_those_with_infection_a_second_look(upright: np.ndarray) -> None:
    engine = Stand()
    answers = _looked(engine, upright)
    assert [k for _, k, _ in answers] == list(range(6))
    seconds = [given for given in engine.given if given.shape[1:3] == SECOND_SHAPE]
    assert [len(given) for given in seconds] == [1, 1]
    for framing, k, probabilities in answers:
        wanted = SECOND_SHAPE if k in SHOWN else INPUT_SHAPE
        assert framing.seen == probabilities.shape[:2] == wanted


def test_the_second_look_shows_the_same_part_of_the_scan_framed_anew_with_its_neighbours(upright: np.ndarray) -> None:
    engine = Stand()
    framing = next(answer[0] for answer in _looked(engine, upright) if answer[1] == SHOWN[0])
    first, _, _ = next(network_batches(upright, SPACING, 4))
    assert framing == dataclasses.replace(first, seen=SECOND_SHAPE)
    seen = next(given for given in engine.given if given.shape[1:3] == SECOND_SHAPE)[0]
    for channel, k in enumerate((0, 1, 2)):
        np.testing.assert_array_equal(seen[..., channel], framing.to_network(upright[k]))


def test_the_answer_is_the_mean_of_both_looks(upright: np.ndarray) -> None:
    by_slice = {k: probabilities for _, k, probabilities in _looked(Stand(0.2, 0.6), upright)}
    inner = by_slice[SHOWN[0]][2:-2, 2:-2]
    np.testing.assert_allclose(inner[..., 2], 0.4, atol=1e-6)
    np.testing.assert_allclose(inner.sum(axis=-1), 1, atol=1e-6)
    assert not by_slice[0][..., 2].any()


def test_what_stays_below_the_limit_is_not_looked_at_again(upright: np.ndarray) -> None:
    engine = Stand(first=SHOWS_INFECTION * 0.99)
    _looked(engine, upright)
    assert {given.shape[1:3] for given in engine.given} == {INPUT_SHAPE}


def test_a_network_whose_card_does_not_offer_it_gets_one_look(upright: np.ndarray) -> None:
    engine = Stand()
    _looked(engine, upright, twice=False)
    assert {given.shape[1:3] for given in engine.given} == {INPUT_SHAPE}
    shipped = models.find("default")
    for second in (SECOND_SHAPE, None):
        inputs = {**shipped.card["inputs"], "second_look": second and list(second)}
        assert dataclasses.replace(shipped, card={**shipped.card, "inputs": inputs}).about.inputs.second_look == second


def test_a_scan_is_not_kept_once_it_has_been_looked_at(upright: np.ndarray) -> None:
    scan = upright.copy()
    gone = weakref.ref(scan)
    gc.disable()  # nobody waits for Python to look for rings
    try:
        looks = Looks(Stand(), scan, NetworkInputs(second_look=SECOND_SHAPE))
        for batch in network_batches(scan, SPACING, 4):
            list(looks(*batch))
        del looks, scan, batch
        assert gone() is None
    finally:
        gc.enable()


def test_the_pipeline_draws_infection_from_both_looks_on_a_real_patient(shared_data: Path) -> None:
    whole = read_ct(shared_data / "scans/images/radiopaedia_29_86491_1.nii.gz", Progress())
    middle = len(whole.voxels) // 2
    scan = CtVolume(np.ascontiguousarray(whole.voxels[middle - 2 : middle + 2]), whole.affine)
    upright = scan.upright_voxels
    spacing_mm = scan.grid.upright.spacing
    engine = open_engine(models.find("default"), "onnx", "cpu", Progress())
    areas = {}
    for twice in (False, True):
        rough = RoughMask(upright.shape, FinishOptions())
        looks = Looks(engine, upright, NetworkInputs(second_look=SECOND_SHAPE if twice else None))
        for batch in network_batches(upright, spacing_mm, 4):
            for framing, k, probabilities in looks(*batch):
                rough.add(framing, k, probabilities)
        areas[twice] = rough.infection >= 0.25 * 255
    result = segment(scan, Options(device="cpu"), Progress(), engine=engine)
    drawn = scan.grid.to_upright(result.labels) == Label.INFECTION

    def dice(one: np.ndarray, other: np.ndarray) -> float:
        return 2 * np.count_nonzero(one & other) / (np.count_nonzero(one) + np.count_nonzero(other))

    assert 0.8 < dice(areas[False], areas[True]) < 1  # another look at the same infection
    assert dice(drawn, areas[True]) > dice(drawn, areas[False])


def test_where_slices_are_thin_fewer_looks_draw_the_same_masks_of_a_real_patient(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = read_ct(shared_data / "scans/images/coronacases_006.nii.gz", Progress())
    upright = whole.upright_voxels
    thinner = np.diag((1.0, 1.0, 0.9, 1.0))  # its slices lie 2 mm apart, and none of our scans has thinner ones
    scan = CtVolume(np.ascontiguousarray(upright[:28]), whole.grid.upright.affine @ thinner)
    engine = open_engine(models.find("default"), "onnx", "cpu", Progress())
    looked: list[int] = []
    predict = engine.predict
    monkeypatch.setattr(engine, "predict", lambda inputs: looked.append(len(inputs)) or predict(inputs))
    labels = {}
    for thin_mm in (0.0, THIN_MM):
        monkeypatch.setattr("CovidSegLib.network.second_look.THIN_MM", thin_mm)
        labels[thin_mm] = segment(scan, Options(device="cpu"), Progress(), engine=engine).labels
        looked.append(0)
    end = looked.index(0)
    assert sum(looked[end:]) < sum(looked[:end])
    every, fewer = labels.values()
    assert np.count_nonzero(every == Label.INFECTION) > 100
    for label in Label:
        both = np.count_nonzero((every == label) & (fewer == label))
        assert 2 * both > 0.995 * (np.count_nonzero(every == label) + np.count_nonzero(fewer == label))
