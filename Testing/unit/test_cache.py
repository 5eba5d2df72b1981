"""Framed slices on disk: the same pictures, never stale, never half-written."""

from __future__ import annotations

import os
import shutil

import nibabel
import numpy as np
import pytest

from CovidSegLib.errors import OutputError
from CovidSegLib.network.inputs import network_batches
from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct
from CovidSegTraining.data import cache
from CovidSegTraining.data.augmentation import Augmentation
from CovidSegTraining.data.cache import open_cached
from CovidSegTraining.data.dataset import Case, FramedCase
from CovidSegTraining.data.streams import TrainingStream
from Testing.kit.training_data import write_case

HU = 1500 / 2
"""Hounsfield units for 1.0 of the network's input."""


@pytest.fixture(params=[1.5, 5.0], ids=["thin slices", "thick slices"])
def case(request, tmp_path) -> Case:
    return write_case(tmp_path / "data", "one", slice_mm=request.param)


def test_a_cached_slice_is_the_scans_own_to_a_fiftieth_of_a_hounsfield_unit(case, tmp_path):
    framed, cached = FramedCase(case), open_cached(case, tmp_path / "cache")
    assert len(cached) == len(framed)
    np.testing.assert_array_equal(cached.infected_slices(), framed.infected_slices())
    assert cached.infected_slices().any()
    for k in range(len(framed)):
        inputs, labels = cached.slice(k)
        wanted, wanted_labels = framed.slice(k)
        np.testing.assert_allclose(inputs, wanted, atol=0.02 / HU)
        np.testing.assert_array_equal(labels, wanted_labels)


def test_the_second_time_no_scan_is_read(case, tmp_path, monkeypatch):
    first = open_cached(case, tmp_path / "cache").slice(1)
    monkeypatch.setattr(cache, "FramedCase", None)
    np.testing.assert_array_equal(open_cached(case, tmp_path / "cache").slice(1)[0], first[0])


def test_labels_that_were_corrected_are_framed_again(case, tmp_path):
    assert open_cached(case, tmp_path / "cache").infected_slices().any()
    free = write_case(tmp_path / "free", "one", infected=False)
    shutil.copyfile(free.labels, case.labels)
    os.utime(case.labels, ns=(1, 1))
    assert not open_cached(case, tmp_path / "cache").infected_slices().any()


def test_framing_that_was_cut_off_leaves_nothing_and_is_done_again(case, tmp_path, monkeypatch):
    def break_off(_framed, k):
        if k == 2:
            raise KeyboardInterrupt
        return np.zeros(cache.INPUT_SHAPE, np.float32)

    with monkeypatch.context() as patched:
        patched.setattr(FramedCase, "picture", break_off)
        with pytest.raises(KeyboardInterrupt):
            open_cached(case, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
    assert open_cached(case, tmp_path / "cache").slice(0)[0].std() > 0.1


def test_a_cache_that_cannot_be_written_is_named(case, tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(OutputError, match="cannot be written"):
        open_cached(case, tmp_path / "cache")


def test_names_in_the_cache_tell_no_case(case, tmp_path):
    open_cached(case, tmp_path / "cache")
    assert not [file for file in (tmp_path / "cache").iterdir() if case.name in file.name]


def test_a_sample_depends_on_seed_and_number_alone(case, tmp_path):
    stream = TrainingStream([case], Augmentation(), 5, Progress(), cache=tmp_path / "cache")
    later = stream.sample(3)
    samples = stream.samples()
    in_order = [next(samples) for _ in range(4)]
    np.testing.assert_array_equal(later[0], in_order[3][0])
    np.testing.assert_array_equal(later[1], in_order[3][1])
    other = TrainingStream([case], Augmentation(), 6, Progress(), cache=tmp_path / "cache")
    assert not np.array_equal(other.sample(3)[0], later[0])


def test_voxels_that_are_no_numbers_are_seen_as_air_by_training_and_pipeline_alike(case, tmp_path):
    image = nibabel.load(case.image)
    voxels = np.asarray(image.dataobj).astype(np.float32)
    voxels[:, :40], voxels[60:64, 60:64, 2] = np.nan, np.inf
    nibabel.save(nibabel.Nifti1Image(voxels, image.affine), case.image)
    volume = read_ct(case.image, Progress())
    seen = volume.upright_voxels
    ((_, _, wanted),) = network_batches(seen, volume.grid.spacing, len(seen))
    framed, cached = FramedCase(case), open_cached(case, tmp_path / "cache")
    for k in range(len(framed)):
        np.testing.assert_allclose(framed.slice(k)[0], wanted[k], atol=1e-5)
        np.testing.assert_allclose(cached.slice(k)[0], wanted[k], atol=0.02 / HU)


def test_equal_channels_are_augmented_as_three_would_be(case, tmp_path):
    """One channel is turned instead of three: the outcome is the same."""
    inputs, labels = open_cached(case, tmp_path / "cache").slice(1)
    equal = np.repeat(inputs[..., 1:2], 3, axis=-1)
    nearly = equal.copy()
    nearly[0, 0, 0] += 1e-6  # takes the way of three channels
    augmentation = Augmentation(single_slice_chance=0, thick_slice_chance=0, warp_chance=1, blur_chance=1)
    short = augmentation(equal, labels, np.random.default_rng(8))
    long = augmentation(nearly, labels, np.random.default_rng(8))
    np.testing.assert_allclose(short[0], long[0], atol=1e-5)
    np.testing.assert_array_equal(short[1], long[1])
