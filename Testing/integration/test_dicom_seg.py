"""DICOM SEG from a synthetic series with full identifiers, read back by highdicom and pydicom."""

from __future__ import annotations

import importlib.util
import os
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("highdicom", reason="needs the Python package highdicom (extra: dicom)")

import highdicom
import pydicom

from CovidSegLib.errors import InputError, OutputError
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct
from CovidSegLib.segfiles import ExistingFiles, check_suffix, read_reviewed, read_source_series, write
from CovidSegLib.segfiles.dicom_seg import check_written
from CovidSegLib.segfiles.registry import is_as_written, read_masks
from CovidSegLib.segfiles.seg_nrrd import write_layers
from CovidSegLib.segmentation import SEGMENTS, Label, Provenance, Segmentation
from Testing.kit.cases import segment_case
from Testing.kit.command_line import CLEAN, CommandLine, told_scan
from Testing.kit.dicom_files import PATIENT, labels_in_place, write_slice
from Testing.kit.dicom_files import write_whole_series as scan
from Testing.kit.full_disk import largest_file
from Testing.kit.packed_slices import write_enhanced

MADE = Provenance("covidseg-one", "ab" * 32, "onnx", "CPU", "CovidSeg 1.0")


def drawn(volume: CtVolume, progress: Progress | None = None, *_: object) -> Segmentation:
    """Segments in no symmetry that could hide a swapped or turned axis; the infection low, in front, on the left."""
    labels = np.zeros(volume.voxels.shape, np.uint8)
    labels[1:5, 2:10, 9:15] = Label.LEFT_LUNG
    labels[0:5, 3:10, 1:7] = Label.RIGHT_LUNG
    labels[1:3, 2:5, 12:15] = Label.INFECTION
    return Segmentation(labels, volume.affine, MADE)


def segment(folder: Path, output: Path, **options: object) -> tuple[Segmentation, pydicom.Dataset]:
    segment_case(folder, [output], segment=drawn, progress=Progress(), **options)
    return drawn(read_ct(folder, Progress())), highdicom.seg.segread(output)


def test_what_covidseg_wrote_is_read_as_masks_with_what_made_them(tmp_path: Path) -> None:
    volume = read_ct(scan(tmp_path / "ct"), Progress())
    expected, dataset = segment(tmp_path / "ct", tmp_path / "a.dcm")
    masks = read_masks(tmp_path / "a.dcm", volume)
    np.testing.assert_array_equal(masks.segmentation.labels, expected.labels)
    made = masks.segmentation.provenance
    assert (made.model, made.sha256, made.software) == (MADE.model, MADE.sha256, MADE.software)
    assert masks.edits is None  # it keeps no record of what the network drew
    dataset.ManufacturerModelName = "Doe^John 19600101"  # whoever wrote that: it comes into no report
    dataset.save_as(tmp_path / "b.dcm")
    assert read_masks(tmp_path / "b.dcm", volume).segmentation.provenance.model == ""
    del dataset.SegmentSequence[2]
    dataset.save_as(tmp_path / "c.dcm")
    with pytest.raises(InputError, match="has not the three segments of CovidSeg"):
        read_masks(tmp_path / "c.dcm", volume)


@pytest.mark.parametrize(
    "direction", [[1, 0, 0, 0, 1, 0], [-1, 0, 0, 0, -1, 0], [1, 0, 0, 0, 0, -1]], ids=["axial", "turned", "coronal"]
)
def test_it_opens_again_with_equal_voxels_in_the_place_of_the_scan(direction: list[int], tmp_path: Path) -> None:
    normal = np.cross(direction[:3], direction[3:])
    folder = tmp_path / "ct"
    for index, offset in enumerate([2.5 * step for step in (3, 0, 5, 1, 4, 2)]):
        position = tuple(np.array((-10.0, -20.0, 30.0)) + normal * offset)
        plane = np.full((12, 16), -800 + index, np.int16)
        write_slice(folder / f"{index}.dcm", plane, position, **{**PATIENT, "ImageOrientationPatient": direction})
    expected, read = segment(folder, tmp_path / "a.dcm")
    np.testing.assert_array_equal(labels_in_place(read, expected), expected.labels)


@pytest.mark.parametrize("missing", [1, 300])
def test_a_disk_that_fills_up_in_its_last_block_leaves_the_old_one(missing: int, tmp_path: Path) -> None:
    folder, path = scan(tmp_path / "ct"), tmp_path / "a.dcm"
    segment(folder, path)
    before = path.read_bytes()
    replaced = ExistingFiles(overwrite=True)
    with largest_file(len(before) - missing), pytest.raises(OutputError, match="could not be written"):
        segment(folder, path, existing=replaced)
    assert path.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.dcm", "ct"]


def test_what_is_read_back_must_be_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    _, written = segment(scan(tmp_path / "ct"), path)
    check_written(path, written)
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    with pytest.raises(OutputError, match="does not hold what was written"):
        check_written(path, written)


def test_it_is_known_as_the_networks_own_until_a_pixel_changes(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    _, written = segment(scan(tmp_path / "ct"), path)
    assert is_as_written(path)
    written.PixelData = written.PixelData[:-1] + b"\xff"
    written.save_as(path)
    assert not is_as_written(path)


def test_it_is_the_right_way_up(tmp_path: Path) -> None:
    folder = scan(tmp_path / "ct")
    expected, read = segment(folder, tmp_path / "a.dcm")
    infection = [
        frame
        for frame in read.PerFrameFunctionalGroupsSequence
        if frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber == Label.INFECTION
    ]
    heights = sorted(float(frame.PlanePositionSequence[0].ImagePositionPatient[2]) for frame in infection)
    assert heights == [-97.5, -95.0]
    upright = expected.grid.to_upright(expected.labels)
    assert np.argwhere(upright == Label.INFECTION)[:, 2].min() >= 12  # columns run to the patient's left


def test_it_says_whose_what_and_by_whom(tmp_path: Path) -> None:
    folder = scan(tmp_path / "ct")
    _, read = segment(folder, tmp_path / "a.dcm")
    plain = pydicom.dcmread(tmp_path / "a.dcm")
    sources = [pydicom.dcmread(path) for path in sorted(folder.iterdir())]
    for name in ("PatientID", "PatientName", "StudyInstanceUID", "FrameOfReferenceUID", "StudyDate", "AccessionNumber"):
        assert plain[name].value == sources[0][name].value
    assert plain.SeriesInstanceUID != sources[0].SeriesInstanceUID
    assert (plain.SOPClassUID.name, plain.SegmentationType) == ("Segmentation Storage", "BINARY")
    (series,) = plain.ReferencedSeriesSequence
    referenced = {item.ReferencedSOPInstanceUID for item in series.ReferencedInstanceSequence}
    assert referenced == {source.SOPInstanceUID for source in sources}
    for segment_definition, item in zip(SEGMENTS, plain.SegmentSequence, strict=True):
        _, category, kind, modifier, _, region, _ = segment_definition.terminology.split("~")
        assert item.SegmentLabel == segment_definition.name
        assert item.SegmentAlgorithmType == "AUTOMATIC"
        assert item.SegmentAlgorithmName == "CovidSeg"
        assert code(item.SegmentedPropertyCategoryCodeSequence[0]) == category
        assert code(item.SegmentedPropertyTypeCodeSequence[0]) == kind
        if modifier != "^^":
            modifiers = item.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence
            assert code(modifiers[0]) == modifier
        if region != "^^":
            assert code(item.AnatomicRegionSequence[0]) == region
    assert all(len(element.value) <= 64 for element in plain.iterall() if element.keyword == "CodeMeaning")
    assert read.get_segment_numbers() == [1, 2, 3]


def code(item: pydicom.Dataset) -> str:
    return f"{item.CodingSchemeDesignator}^{item.CodeValue}^{item.CodeMeaning}"


def test_empty_segments_are_described_and_a_scan_without_lung_can_be_written(tmp_path: Path) -> None:
    folder = scan(tmp_path / "ct")
    volume = read_ct(folder, Progress())
    series = read_source_series(folder, Progress())
    for name, labels in {"healthy": drawn(volume).labels % 3, "nothing": np.zeros_like(drawn(volume).labels)}.items():
        write(Segmentation(labels, volume.affine, MADE), tmp_path / f"{name}.dcm", series)
        read = highdicom.seg.segread(tmp_path / f"{name}.dcm")
        assert len(read.SegmentSequence) == 3
        assert not read.get_volume(segment_numbers=[3]).array.any()


def test_a_slice_that_was_filled_in_has_its_own_frame(tmp_path: Path) -> None:
    folder = scan(tmp_path / "ct")
    for path in folder.iterdir():
        if pydicom.dcmread(path).ImagePositionPatient[2] == -95.0:
            path.unlink()
    expected, read = segment(folder, tmp_path / "a.dcm")
    assert expected.labels.shape[0] == 6
    infection = read.get_volume(segment_numbers=[3])
    assert np.count_nonzero(infection.array) == np.count_nonzero(expected.labels == Label.INFECTION)
    lps = np.diag((-1.0, -1.0, 1.0, 1.0)) @ expected.affine
    places = [(np.linalg.inv(lps) @ infection.affine @ [*index[:3], 1])[2] for index in np.argwhere(infection.array)]
    assert sorted(set(np.round(places).astype(int))) == [1, 2]


def test_a_corrected_segmentation_goes_out_as_semiautomatic(tmp_path: Path) -> None:
    folder = scan(tmp_path / "ct")
    reviewed = tmp_path / "reviewed.seg.nrrd"
    volume = read_ct(folder, Progress())
    write(drawn(volume), reviewed)
    before = read_reviewed(reviewed, volume.grid)
    corrected = before.layers[0].copy()
    corrected[4, 4:6, 10:13] = Label.INFECTION
    write_layers([corrected], volume.affine, before.segments, reviewed)
    outputs = [reviewed, tmp_path / "a.dcm"]
    keep = ExistingFiles(keep_edits=True)
    segment_case(folder, outputs, segment=drawn, progress=Progress(), existing=keep)
    read = highdicom.seg.segread(tmp_path / "a.dcm")
    types = [item.SegmentAlgorithmType for item in read.SegmentSequence]
    assert types == ["SEMIAUTOMATIC", "AUTOMATIC", "SEMIAUTOMATIC"]
    assert np.count_nonzero(read.get_volume(segment_numbers=[3]).array) == np.count_nonzero(corrected == 3)


@pytest.mark.parametrize("lost", ["StudyInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID"])
def test_a_series_without_its_identifiers_gets_a_sentence(lost: str, tmp_path: Path) -> None:
    folder = scan(tmp_path / "ct", **{lost: None})
    with pytest.raises(InputError, match=f"lost its identifiers.*{lost}"):
        segment(folder, tmp_path / "a.dcm")
    assert not (tmp_path / "a.dcm").exists()


def test_an_enhanced_ct_gets_a_sentence(tmp_path: Path) -> None:
    write_enhanced(tmp_path / "scan" / "a", np.zeros((4, 6, 5), np.int16))
    with pytest.raises(InputError, match="enhanced"):
        read_source_series(tmp_path / "scan", Progress())


def test_missing_facts_about_the_patient_stay_empty(tmp_path: Path) -> None:
    lost = dict.fromkeys(("PatientID", "PatientBirthDate", "StudyDate", "StudyID"))
    _, read = segment(scan(tmp_path / "ct", **lost, PatientSex="U"), tmp_path / "a.dcm")
    assert (read.PatientID, read.PatientSex) == ("", "")


@pytest.mark.skipif(os.name == "nt", reason="the kit's command line is for Unix")
def test_the_command_line_writes_it_and_refuses_what_it_cannot_refer_to(tmp_path: Path) -> None:
    scan(tmp_path / "ct")
    scan(tmp_path / "stripped", FrameOfReferenceUID="", SOPInstanceUID="")
    told = CommandLine(tmp_path, stand_in=True)
    ended = told.run("segment", "ct", "-o", "a.dcm")
    assert ended.returncode == 0, ended.stderr
    assert "Nobody" not in ended.stdout + ended.stderr
    assert len(highdicom.seg.segread(tmp_path / "a.dcm").SegmentSequence) == 3
    assert "identifiers" in told.refused("segment", "stripped", "-o", "b.dcm", "--quiet")
    assert "--overwrite" in told.refused("segment", "ct", "-o", "a.dcm", "--quiet")
    told_scan(tmp_path / "file.nii.gz", CLEAN)
    assert "refers to its images" in told.refused("segment", "file.nii.gz", "-o", "b.dcm", "--quiet")


@pytest.mark.skipif(os.name == "nt", reason="the kit's command line is for Unix")
def test_slices_of_the_scan_are_never_replaced_but_an_earlier_segmentation_in_their_folder_is(tmp_path: Path) -> None:
    scan(tmp_path / "ct")
    told = CommandLine(tmp_path, stand_in=True)
    before = {path: path.read_bytes() for path in (tmp_path / "ct").iterdir()}
    name = next(iter(before)).name
    (tmp_path / "link.dcm").symlink_to(f"ct/{name}")
    for output in (f"ct/{name}", "link.dcm"):
        line = told.refused("segment", "ct", "-o", output, "--overwrite")
        assert line.endswith(": The output is one of the scan's own files. Choose another name.")
    told.refused("segment", "ct", "-o", "a.dcm", "--json", f"ct/{name}", "--overwrite")
    told.refused("batch", ".", "out", "--json", f"ct/{name}", "--overwrite")
    assert {path: path.read_bytes() for path in (tmp_path / "ct").iterdir()} == before
    for _ in range(2):
        ended = told.run("segment", "ct", "-o", "ct/masks.dcm", "--overwrite")
        assert ended.returncode == 0, ended.stderr
    told.refused("segment", "ct", "-o", "a.dcm", "--json", "ct/masks.dcm", "--overwrite")


def test_the_real_series_without_identifiers_is_refused(shared_data: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(shared_data / "dicom" / "covid_ct_md_P002.zip").extractall(tmp_path)
    # Its identifiers are no valid ones; a warning of pydicom would print them.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError, match="lost its identifiers"):
            read_source_series(tmp_path, Progress())


def test_without_highdicom_the_output_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(OutputError, match="highdicom"):
        check_suffix(tmp_path / "a.dcm")
