"""DICOM SEG of series whose headers hold odd values: written without them, and no value of a header is ever shown."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

pytest.importorskip("highdicom", reason="needs the Python package highdicom (extra: dicom)")

import highdicom
import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from CovidSegLib.errors import InputError, traceback_text
from CovidSegLib.progress import Progress
from CovidSegLib.segfiles import read_source_series
from Testing.integration.test_dicom_seg import drawn
from Testing.kit.cases import segment_case
from Testing.kit.dicom_files import write_whole_series

ODD = {
    "two sets": [("SpecificCharacterSet", "CS", b"\\ISO 2022 IR 87")],
    "ASCII by its number": [("SpecificCharacterSet", "CS", b"ISO_IR 6")],
    "no set": [("SpecificCharacterSet", "CS", b"")],
    "an unknown set": [("SpecificCharacterSet", "CS", b"LATIN-ONE")],
    "moments, numbers of another form": [
        ("StudyTime", "TM", b"10:15:00"),
        ("StudyDate", "DA", b"00000000"),
        ("PatientBirthDate", "DA", b"1960"),
        ("PatientWeight", "DS", b"70,5"),
        ("SeriesNumber", "IS", b"A1"),
        ("PixelSpacing", "UT", b"0.8\\0.7"),
        ("SliceThickness", "DS", b"thin"),
        ("SpacingBetweenSlices", "DS", b"2,5"),
        ("PatientName", "PN", b"M\xfcller^J\xf6rg"),
    ],
    "moments that are none, texts that are too long": [
        ("StudyTime", "TM", b"996199"),
        ("StudyDate", "DA", b"20200401\\20200402"),
        ("PatientBirthDate", "DA", b"19600231"),
        ("PatientAge", "AS", b"sixty"),
        ("SeriesNumber", "IS", b"-2000"),
        ("InstanceNumber", "IS", b"first"),
        ("PatientID", "LO", b"4711" * 40),
        ("PatientName", "PN", b"\x1b[31mAnna"),
        ("PatientSex", "CS", b"female\\x"),
    ],
}


def with_elements(folder: Path, elements: list[tuple[str, str, bytes]]) -> Path:
    """A whole series whose files have such elements; returns ``folder``."""
    write_whole_series(folder)
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        for keyword, kind, value in elements:
            tag, even = Tag(keyword), value + b" " * (len(value) % 2)
            dataset[tag] = RawDataElement(tag, kind, len(even), even, 0, False, True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset.save_as(path)
    return folder


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_a_segmentation_is_written_whatever_else_the_header_says(
    odd: list[tuple[str, str, bytes]],
    tmp_path: Path,
    recwarn: pytest.WarningsRecorder,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = with_elements(tmp_path / "ct", odd)
    segment_case(folder, [tmp_path / "a.dcm"], segment=drawn, progress=Progress())
    assert [str(one.message) for one in recwarn] == []
    assert "Anna" not in caplog.text
    read = highdicom.seg.segread(tmp_path / "a.dcm")
    assert len(read.SegmentSequence) == 3
    assert read.StudyInstanceUID == pydicom.dcmread(next(folder.iterdir())).StudyInstanceUID


def test_text_in_another_character_set_is_the_same_in_the_segmentation(tmp_path: Path) -> None:
    elements = [("SpecificCharacterSet", "CS", b"ISO 2022 IR 100"), ("PatientName", "PN", b"M\xfcller")]
    folder = with_elements(tmp_path / "ct", elements)
    segment_case(folder, [tmp_path / "a.dcm"], segment=drawn, progress=Progress())
    assert str(pydicom.dcmread(tmp_path / "a.dcm").PatientName) == "Müller"


def test_a_header_of_which_no_segmentation_can_be_made_is_told_before_the_work_and_without_the_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_whole_series(tmp_path / "ct")

    def refuses(*_: object, **__: object) -> object:
        raise ValueError("Unable to convert '19600101' to 'DA' object")

    monkeypatch.setattr(highdicom.seg, "Segmentation", refuses)
    with pytest.raises(InputError, match="no DICOM segmentation can be made") as refused:
        read_source_series(folder, Progress())
    assert "1960" not in traceback_text(refused.value)


def test_a_series_without_thickness_has_its_segmentation(tmp_path: Path) -> None:
    segment_case(
        write_whole_series(tmp_path / "ct", SliceThickness=None),
        [tmp_path / "a.dcm"],
        segment=drawn,
        progress=Progress(),
    )
    assert len(highdicom.seg.segread(tmp_path / "a.dcm").SegmentSequence) == 3


def test_what_a_dicom_library_says_of_a_value_is_in_no_traceback() -> None:
    def asks() -> None:
        try:
            pydicom.valuerep.DA("13206091"[::-1])  # no such day; a traceback shows its lines of code
        except ValueError as error:
            raise RuntimeError("while a header was read") from error

    with pytest.raises(RuntimeError) as caught:
        asks()
    text = traceback_text(caught.value)
    assert "1960" not in text
    assert "in asks" in text
    assert "while a header was read" in text
    with pytest.raises(KeyError) as plain:
        {}["ours"]
    assert "KeyError: 'ours'" in traceback_text(plain.value)
