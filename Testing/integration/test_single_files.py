"""A single file that is no scan: what is said speaks of that file, and never names a patient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from CovidSegLib.errors import InputError
from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct
from Testing.kit.dicom_files import ENHANCED_CT, MR_IMAGE, SEGMENTATION, write_slice

PLANE = np.random.default_rng(5).integers(-1000, 400, (8, 7)).astype(np.int16)


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_ct(path, Progress())
    assert caught.value.hint
    assert "Jane" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"Modality": "MR", "SOPClassUID": MR_IMAGE}, "The input holds no CT, only DICOM objects of type MR."),
        ({"Modality": "RTSTRUCT"}, "The input holds no CT, only DICOM objects of type RTSTRUCT."),
        ({"Modality": "DOE^JANE"}, "The input holds no CT, only DICOM objects of type unknown."),
        ({"Modality": "SEG", "SOPClassUID": SEGMENTATION}, "The input holds a DICOM segmentation (SEG), not a CT."),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "The input holds only localizer (scout) images of a CT."),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "The input holds only pictures made from a CT"),
        ({"SOPClassUID": ENHANCED_CT, "NumberOfFrames": 9}, "The input holds an enhanced (multi-frame) CT that does"),
        ({"SOPClassUID": "1.2.840.10008.1.3.10"}, "The input holds only a DICOMDIR"),
        ({}, "The DICOM file is one slice, not a scan."),
    ],
)
def test_what_is_said_of_a_single_dicom_file_speaks_of_no_folder(
    tmp_path: Path, fields: dict[str, object], words: str
) -> None:
    path = write_slice(tmp_path / "a.dcm", PLANE, (0, 0, 0), PatientName="Doe^Jane", **fields)
    assert str(refusal(path)).startswith(words)


@pytest.mark.parametrize("size", [132, 200, 300, 600])
def test_a_dicom_file_that_is_cut_off_is_called_damaged(tmp_path: Path, size: int) -> None:
    path = write_slice(tmp_path / "cut" / "a.dcm", PLANE, (0, 0, 0), PatientName="Doe^Jane")
    path.write_bytes(path.read_bytes()[:size])
    assert str(refusal(path)).startswith("The DICOM file is damaged")
    assert str(refusal(path.parent)).startswith("The DICOM files in the folder are damaged")


@pytest.mark.parametrize("name", ["a.dcm", "a", "a.zip", "a.nii.gz", "a.nrrd", "a.mhd", "a.txt"])
def test_an_empty_file_is_called_empty_whatever_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert str(refusal(tmp_path / name)).startswith("The file is empty.")


def test_a_text_that_is_named_as_dicom_is_not_called_a_slice(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_text("no picture")
    assert str(refusal(tmp_path / "a.dcm")).startswith("The file is named as DICOM, but is none")
