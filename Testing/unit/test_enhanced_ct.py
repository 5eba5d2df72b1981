"""An enhanced (multi-frame) CT is read as the series that it was made from; other objects of many frames are named."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from CovidSegLib.errors import InputError
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct
from Testing.kit.dicom_files import ENHANCED_CT, OTHER_SERIES, write_series, write_slice
from Testing.kit.packed_slices import write_enhanced

LEGACY = "1.2.840.10008.5.1.4.1.1.2.2"


@pytest.fixture
def scan() -> np.ndarray:
    """HU (8, 16, 20), all different from slice to slice."""
    z, y, x = np.mgrid[:8, :16, :20]
    return (40 * z + 20 * y - 15 * x - 500).astype(np.int16)


def read(path: Path) -> CtVolume:
    return read_ct(path, Progress())


@pytest.mark.parametrize("compressor", ["", "JPEG", "JPEG2000"])
@pytest.mark.parametrize("sop_class", [ENHANCED_CT, LEGACY])
def test_one_file_with_all_slices_is_a_scan_alone_and_in_a_folder(
    tmp_path: Path, scan: np.ndarray, compressor: str, sop_class: str
) -> None:
    write_series(tmp_path / "plain", scan)
    file = write_enhanced(tmp_path / "enhanced" / "IM1", scan, compressor=compressor, sop_class=sop_class)
    plain = read(tmp_path / "plain")
    named = tmp_path / "named.dcm"
    shutil.copy(file, named)
    for path in (file, file.parent, named):
        volume = read(path)
        assert np.array_equal(volume.voxels, scan)
        assert np.allclose(volume.affine, plain.affine)
        assert volume.source == "DICOM series (8 slices)"
        # Its frames have two intercepts.
        assert len(volume.notes) == 1
        assert "2 different scales" in volume.notes[0]


def test_frames_go_by_position_and_a_missing_one_is_filled_in(tmp_path: Path, scan: np.ndarray) -> None:
    order = [5, 2, 7, 0, 3, 6, 1]
    write_enhanced(tmp_path / "a", scan[order], [2.0 * number for number in order])
    volume = read(tmp_path)
    kept = sorted(order)
    assert np.array_equal(volume.voxels[kept], scan[kept])
    assert any("1 slice is missing (number 5 of 8)" in note for note in volume.notes)


def test_a_series_in_several_enhanced_files_is_one_scan(tmp_path: Path, scan: np.ndarray) -> None:
    write_enhanced(tmp_path / "b", scan[:4])
    write_enhanced(tmp_path / "a", scan[4:], [8.0, 10.0, 12.0, 14.0])
    assert np.array_equal(read(tmp_path).voxels, scan)


def test_two_phases_in_one_enhanced_file_are_told_apart(tmp_path: Path, scan: np.ndarray) -> None:
    def phases(dataset: Dataset) -> None:
        for number, groups in enumerate(dataset.PerFrameFunctionalGroupsSequence):
            groups.FrameContentSequence[0].TemporalPositionIndex = 1 + number // 8

    both = np.concatenate([scan, scan + 100])
    write_enhanced(tmp_path / "a", both, [2.0 * (number % 8) for number in range(16)], phases)
    volume = read(tmp_path)
    assert np.array_equal(volume.voxels, scan)
    assert any("2 acquisitions" in note for note in volume.notes)


def test_a_scout_among_the_frames_is_left_out(tmp_path: Path, scan: np.ndarray) -> None:
    def scout(dataset: Dataset) -> None:
        item = Dataset()
        item.FrameType = ["ORIGINAL", "PRIMARY", "LOCALIZER", "NONE"]
        dataset.PerFrameFunctionalGroupsSequence[0].CTImageFrameTypeSequence = [item]

    write_enhanced(tmp_path / "a", scan, change=scout)
    assert np.array_equal(read(tmp_path).voxels, scan[1:])


def test_projections_and_parts_of_the_body_are_known_from_functional_groups(tmp_path: Path, scan: np.ndarray) -> None:
    def head(dataset: Dataset) -> None:
        region, anatomy = Dataset(), Dataset()
        region.CodeValue, region.CodingSchemeDesignator, region.CodeMeaning = "69536005", "SCT", "Head"
        anatomy.AnatomicRegionSequence = [region]
        dataset.SharedFunctionalGroupsSequence[0].FrameAnatomySequence = [anatomy]

    def thick(dataset: Dataset) -> None:
        dataset.SeriesInstanceUID = "1.2.3"
        kind = dataset.SharedFunctionalGroupsSequence[0].CTImageFrameTypeSequence[0]
        kind.FrameType = ["DERIVED", "PRIMARY", "VOLUME", "MAXIMUM"]

    write_enhanced(tmp_path / "a", scan, change=head)
    write_enhanced(tmp_path / "b", scan, change=thick)
    write_series(tmp_path, scan[:4], SeriesInstanceUID=OTHER_SERIES)
    volume = read(tmp_path)
    assert len(volume.voxels) == 4
    assert "1 of another part of the body" in volume.notes[0]
    assert "1 of thick projections" in volume.notes[0]


def test_an_enhanced_ct_whose_frames_do_not_say_where_they_lie_is_refused(tmp_path: Path, scan: np.ndarray) -> None:
    write_enhanced(tmp_path / "a", scan, change=lambda d: d.__delitem__("PerFrameFunctionalGroupsSequence"))
    with pytest.raises(InputError, match=r"enhanced .* does not say where its slices lie"):
        read(tmp_path)


def test_an_enhanced_ct_that_is_cut_off_is_damaged(tmp_path: Path, scan: np.ndarray) -> None:
    file = write_enhanced(tmp_path / "a", scan)
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(InputError, match="damaged"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7.3", "NumberOfFrames": 3}, "multi-frame secondary capture"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "secondary captures"),
        ({"NumberOfFrames": 3}, "multi-frame object that is no enhanced CT"),
    ],
)
def test_other_objects_are_called_what_they_are(tmp_path: Path, fields: dict[str, object], words: str) -> None:
    write_slice(tmp_path / "a.dcm", np.zeros((6, 5), np.int16), (0, 0, 0), **fields)
    for path in (tmp_path, tmp_path / "a.dcm"):
        with pytest.raises(InputError, match=words):
            read(path)


@pytest.mark.parametrize("name", ["a", "a.dcm", "a.1.2.3"])
def test_a_single_slice_given_as_a_file_is_told_from_a_scan(tmp_path: Path, name: str) -> None:
    write_series(tmp_path, np.zeros((4, 6, 5), np.int16))
    write_slice(tmp_path / name, np.zeros((6, 5), np.int16), (-10, -20, 8))
    with pytest.raises(InputError, match="one slice, not a scan"):
        read(tmp_path / name)


def test_of_a_file_that_is_cut_off_it_is_said_that_the_file_is_damaged(tmp_path: Path, scan: np.ndarray) -> None:
    file = write_enhanced(tmp_path / "IM1.dcm", scan)
    file.write_bytes(file.read_bytes()[:-2000])
    with pytest.raises(InputError, match=r"The DICOM file is damaged: it cannot be read\."):
        read(file)
    with pytest.raises(InputError, match=r"The DICOM files in the folder are damaged"):
        read(tmp_path)
