"""The steps of one scan put together: what computes side by side changes no result and hides no error."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from CovidSegLib.errors import EngineError, InputError
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.phantom import make_phantom
from CovidSegLib.pipeline import BATCH, MOST_AT_ONCE, Options, batch_size, segment
from CovidSegLib.progress import Cancelled, Progress
from CovidSegLib.reading import inspect, read_ct
from CovidSegLib.segmentation import Label


@pytest.fixture(scope="module")
def scan(shared_data: Path) -> CtVolume:
    """Eleven slices of a real patient: no whole number of batches, and as far apart as if all had to be looked at."""
    whole = read_ct(shared_data / "scans/images/radiopaedia_29_86491_1.nii.gz", Progress())
    middle = len(whole.voxels) // 2
    voxels = np.ascontiguousarray(whole.voxels[middle - 5 : middle + 6])
    return CtVolume(voxels, whole.affine @ np.diag((1, 1, 2, 1)))


class Stand:
    """An engine that finds nothing and fails at batch ``fails_at``."""

    name, device = "onnx", "cpu"

    def __init__(self, fails_at: int = -1) -> None:
        self._left = fails_at

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        if self._left == 0:
            raise EngineError("The device failed.")
        self._left -= 1
        return np.zeros_like(inputs)


def test_masks_do_not_depend_on_how_many_threads_compute(scan: CtVolume) -> None:
    alone, together = (segment(scan, Options(threads=threads), Progress()) for threads in (1, 3))
    assert batch_size(Options(threads=1), Stand()) != batch_size(Options(threads=3), Stand())
    assert (alone.labels == Label.INFECTION).any()
    assert np.array_equal(alone.labels, together.labels)
    assert np.array_equal(alone.certainty, together.certainty)


@pytest.mark.parametrize("fails_at", [0, 1, 2])
def test_an_engine_that_fails_in_the_middle_is_an_error_and_leaves_no_thread(scan: CtVolume, fails_at: int) -> None:
    before = set(threading.enumerate())
    with pytest.raises(EngineError, match="device failed"):
        segment(scan, Options(threads=1), Progress(), engine=Stand(fails_at))
    assert set(threading.enumerate()) <= before


def test_a_user_who_stops_in_the_middle_waits_for_the_batches_under_way_at_most(scan: CtVolume) -> None:
    stops = iter([False, False, True])
    before = set(threading.enumerate())
    with pytest.raises(Cancelled):
        segment(scan, Options(threads=1), Progress(cancelled=lambda: next(stops, True)), engine=Stand())
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize(("threads", "slices"), [(1, BATCH), (2, BATCH), (6, 12), (64, MOST_AT_ONCE)])
def test_every_thread_has_slices_to_compute(threads: int, slices: int) -> None:
    assert batch_size(Options(threads=threads), Stand()) == slices


def test_what_is_odd_about_a_scan_is_said_with_its_masks() -> None:
    volume = make_phantom(slices=3).volume
    odd = inspect(volume).warnings
    assert any("107 mm apart" in text for text in odd)
    made = segment(volume, Options(threads=1), Progress(), engine=Stand())
    assert made.provenance.warnings[: len(odd)] == odd


@pytest.mark.parametrize("what", ["masks", "inverted"])
def test_what_is_no_ct_is_refused_before_a_network_is_opened(what: str, scan: CtVolume) -> None:
    voxels = (scan.voxels > -500).astype(np.int16) if what == "masks" else (-1024 - scan.voxels).astype(np.int16)
    nowhere = Options(device="nowhere", threads=1)  # whoever opens a network fails on it
    with pytest.raises(InputError):
        segment(CtVolume(voxels, scan.affine), nowhere, Progress())
