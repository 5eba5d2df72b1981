"""Lobes that another program wrote as DICOM SEG lie where they belong, and are found in the scan's own folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK

pytest.importorskip("highdicom", reason="writes the lobes as another program does")

import highdicom
from highdicom.seg import SegmentDescription
from pydicom.sr.coding import Code

from CovidSegLib.batch import Entry
from CovidSegLib.batch.input_state import input_state
from CovidSegLib.batch.summary import Row
from CovidSegLib.errors import InputError
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.measures import Lobe
from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct
from CovidSegLib.report.request import ReportRequest
from CovidSegLib.segfiles import write
from CovidSegLib.segfiles.labelmap import array_to_itk
from CovidSegLib.segfiles.lobe_files import lobes_beside, read_lobe_map
from CovidSegLib.segmentation import Provenance, Segmentation
from Testing.kit.blocks import block_labels, block_scan
from Testing.kit.cases import segment_case
from Testing.kit.command_line import CommandLine
from Testing.kit.dicom_files import write_series

UPPER, LOWER = Code("45653009", "SCT", "Upper lobe of lung"), Code("90572001", "SCT", "Lower lobe of lung")
MIDDLE = Code("72481006", "SCT", "Middle lobe of right lung")
LEFT, RIGHT = Code("7771000", "SCT", "Left"), Code("24028007", "SCT", "Right")
CODES = ((LOWER, LEFT, Lobe.LEFT_LOWER), (UPPER, LEFT, Lobe.LEFT_UPPER), (UPPER, RIGHT, Lobe.RIGHT_UPPER))
CODES += ((MIDDLE, None, Lobe.RIGHT_MIDDLE), (LOWER, RIGHT, Lobe.RIGHT_LOWER))
UIDS = {"FrameOfReferenceUID": "1.2.826.0.1.3680043.8.498.77", "PatientID": "P", "StudyID": "1", "PatientName": "N"}
UIDS |= {"PatientBirthDate": "", "PatientSex": "", "AccessionNumber": "", "StudyDate": "", "StudyTime": ""}


def lobe_map(shape: tuple[int, ...]) -> np.ndarray:
    """Lobes as slabs of the left and the right half."""
    lobes = np.zeros(shape, np.uint8)
    lobes[:12, :, 50:], lobes[12:, :, 50:] = Lobe.LEFT_LOWER, Lobe.LEFT_UPPER
    lobes[:8, :, :50], lobes[8:16, :, :50], lobes[16:, :, :50] = Lobe.RIGHT_LOWER, Lobe.RIGHT_MIDDLE, Lobe.RIGHT_UPPER
    lobes[:, :5] = 0
    return lobes


def description(number: int, kind: Code, modifier: Code | None) -> SegmentDescription:
    made = SegmentDescription(
        number, f"structure {number}", Code("123037004", "SCT", "Anatomical Structure"), kind, "MANUAL"
    )
    if modifier is not None:
        code = pydicom.Dataset()
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = modifier.value, "SCT", modifier.meaning
        made.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = [code]
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A CT series with a SEG of lobes beside it."""
    labels = block_labels()
    files = write_series(tmp_path / "ct", block_scan(labels), **UIDS)
    images = [pydicom.dcmread(file) for file in files]
    lobes = lobe_map(labels.shape)
    segments = [description(number, kind, side) for number, (kind, side, _) in enumerate(CODES, 1)]
    pixels = np.stack([lobes == lobe for _, _, lobe in CODES], axis=-1).astype(np.uint8)
    seg = highdicom.seg.Segmentation(
        images, pixels, "BINARY", segments, "1.2.3.4", 9, "1.2.3.5", 1, "Maker", "Model", "1", "2"
    )
    seg.save_as(tmp_path / "ct" / "lobes.dcm")
    return tmp_path / "ct"


def test_lobes_lie_where_the_other_program_put_them(folder: Path) -> None:
    volume = read_ct(folder, Progress())
    found = read_lobe_map(folder / "lobes.dcm", volume).lobes
    expected = lobe_map(block_labels().shape)
    assert np.array_equal(found, expected if volume.affine[2, 2] > 0 else expected[::-1])


def drawn(volume: CtVolume, progress: Progress, *_: object) -> Segmentation:
    """What stands in for the network."""
    labels = block_labels() if volume.affine[2, 2] > 0 else block_labels()[::-1].copy()
    return Segmentation(labels, volume.affine, Provenance("m", "0", "onnx", "cpu", "s"))


def test_a_report_finds_the_lobes_in_the_folder_of_the_scan(folder: Path, tmp_path: Path) -> None:
    request = ReportRequest((tmp_path / "r.csv",))
    record = segment_case(folder, [], segment=drawn, progress=Progress(), report=request)
    assert record.measurements.lobe_score == 3
    assert "CT severity score" in (tmp_path / "r.csv").read_text(encoding="utf-8")


def test_lobes_of_another_program_come_before_an_estimate_that_lies_before_them_in_the_folder(folder: Path) -> None:
    dataset = pydicom.dcmread(folder / "lobes.dcm")
    dataset.SegmentSequence[0].SegmentLabel = "Right upper lobe (estimated)"
    dataset.save_as(folder / "another.dcm")
    found = lobes_beside(folder, read_ct(folder, Progress()))
    assert [one.estimated for one in (found, *found.others)] == [False, True]


def test_of_several_estimates_in_the_folder_it_has_to_be_said_which_one_a_reader_has_checked(folder: Path) -> None:
    dataset = pydicom.dcmread(folder / "lobes.dcm")
    dataset.SegmentSequence[0].SegmentLabel = "Right upper lobe (estimated)"
    dataset.save_as(folder / "lobes.dcm")
    volume = read_ct(folder, Progress())
    assert lobes_beside(folder, volume, checked=True).checked
    dataset.save_as(folder / "another.dcm")
    with pytest.raises(InputError, match="which one was checked is not known"):
        lobes_beside(folder, volume, checked=True)


def test_a_batch_finds_the_lobes_of_each_study_without_a_report(folder: Path) -> None:
    record = segment_case(folder, [], segment=drawn, progress=Progress())
    entry = Entry("a", "done", result="a.seg.nrrd")
    assert Row.of_entry(entry, record).lobe_score == 3
    # In a folder of several studies a scan has the lobes of its own study alone.
    images = sorted(file for file in folder.iterdir() if file.name != "lobes.dcm")
    record = segment_case(folder, [], segment=drawn, progress=Progress(), files=images)
    assert record.measurements.lobes == ()
    assert Row.of_entry(entry, record).lobe_score is None
    assert "too small" in Row.of_entry(entry, record).no_estimated_lobe_score


def test_a_scan_to_which_lobes_come_is_another_input_and_one_to_which_other_masks_come_is_not(folder: Path) -> None:
    with_lobes = input_state(folder, ())
    dataset = pydicom.dcmread(folder / "lobes.dcm")
    (folder / "lobes.dcm").unlink()
    without = input_state(folder, ())
    assert without != with_lobes
    for segment in dataset.SegmentSequence:
        segment.SegmentedPropertyTypeCodeSequence[0].CodeValue = "39607008"  # a lung
    dataset.save_as(folder / "lungs.dcm")
    assert input_state(folder, ()) == without
    (folder / "notes.txt").write_text("seen")
    assert input_state(folder, ()) == without


@pytest.mark.skipif(os.name == "nt", reason="forbids sockets by the kernel")
def test_a_report_on_files_opens_no_socket_for_lobes_from_dicom_and_prints_nothing_of_them(
    folder: Path, tmp_path: Path
) -> None:
    covidseg = CommandLine(tmp_path, sockets=False)
    dataset = pydicom.dcmread(folder / "lobes.dcm")
    dataset.PixelData += b"\0" * 100  # pydicom would warn, with the place where it is installed
    dataset.save_as(folder / "lobes.dcm")
    volume = read_ct(folder, Progress())
    SimpleITK.WriteImage(array_to_itk(volume.voxels, volume.affine), str(tmp_path / "scan.nrrd"))
    write(drawn(volume, Progress()), tmp_path / "masks.nrrd")
    ended = covidseg.run("report", "scan.nrrd", "masks.nrrd", "-o", "r.json", "--lobes", folder / "lobes.dcm")
    assert ended.returncode == 0, ended.stderr
    assert json.loads((tmp_path / "r.json").read_text())["measurements"]["lobe_score"] == 3
    assert "CT severity score 3 of 25, by the lobes that were given." in ended.stdout
    assert "pydicom" not in ended.stderr


def test_what_is_no_lobe_segmentation_is_refused(folder: Path, tmp_path: Path) -> None:
    volume = read_ct(folder, Progress())
    for path, words in (
        (next(folder.glob("0*.dcm")), "no binary segmentation"),
        (folder / "nothing.nii.gz", r"\.seg\.nrrd file or a DICOM SEG"),
    ):
        with pytest.raises(InputError, match=words):
            read_lobe_map(path, volume)
    broken = tmp_path / "broken.dcm"
    broken.write_bytes((folder / "lobes.dcm").read_bytes()[:-5000])
    with pytest.raises(InputError, match="cannot be read"):
        read_lobe_map(broken, volume)
