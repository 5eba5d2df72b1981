"""A folder of DICOM files becomes one CT: by position, whole, of the right series, or a sentence says why not."""

from __future__ import annotations

import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.filebase import DicomFileLike
from pydicom.filewriter import write_dataset

from CovidSegLib.errors import InputError
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.progress import Cancelled, Progress
from CovidSegLib.reading import read_ct
from CovidSegLib.reading.cases import find_cases
from CovidSegLib.reading.silent_pydicom import quiet_pydicom
from Testing.kit.dicom_files import CT_IMAGE, OTHER_SERIES, write_series, write_slice


@pytest.fixture
def scan() -> np.ndarray:
    """HU (8, 6, 5), all different from slice to slice."""
    return np.random.default_rng(4).integers(-1000, 400, (8, 6, 5)).astype(np.int16)


def read(folder: Path) -> CtVolume:
    return read_ct(folder, Progress())


def test_a_series_is_read_with_its_values_and_its_place(tmp_path: Path, scan: np.ndarray) -> None:
    write_series(tmp_path, scan)
    volume = read(tmp_path)
    assert np.array_equal(volume.voxels, scan)
    # DICOM says left and back, the affine right and front; PixelSpacing is rows first.
    expected = [[-0.7, 0, 0, 10], [0, -0.8, 0, 20], [0, 0, 2, 0], [0, 0, 0, 1]]
    assert np.allclose(volume.affine, expected, atol=1e-9)
    assert volume.source == "DICOM series (8 slices)"
    assert volume.notes == ()


def test_slices_go_by_position_whatever_their_names_and_folders(tmp_path: Path, scan: np.ndarray) -> None:
    for index, height in enumerate([6.0, 0.0, 2.0, 10.0, 14.0, 4.0, 12.0, 8.0]):
        folder = tmp_path / ("a" if index % 2 else "b/c")
        name = f"{index}" if index % 3 else f"image.{index}"
        write_slice(folder / name, scan[int(height / 2)], (-10, -20, height), InstanceNumber=index)
    assert np.array_equal(read(tmp_path).voxels, scan)


def test_files_without_a_preamble_are_read_and_found(tmp_path: Path, scan: np.ndarray) -> None:
    """As they were written before 1993 and still come out of some archives: the bare data set."""
    for number, file in enumerate(write_series(tmp_path / "new", scan)):
        dataset = pydicom.dcmread(file)
        for folder, name, implicit in (("implicit", f"{number}", True), ("explicit", f"{number}.dcm", False)):
            (tmp_path / folder).mkdir(exist_ok=True)
            with (tmp_path / folder / name).open("wb") as target:
                stream = DicomFileLike(target)
                stream.is_little_endian, stream.is_implicit_VR = True, implicit
                write_dataset(stream, dataset)
    for folder in ("implicit", "explicit"):
        assert np.array_equal(read(tmp_path / folder).voxels, scan)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/notes").write_bytes(b"\x08\x00\x05\x00 and then text " + b"x" * 200)
    assert [case.stem for case in find_cases(tmp_path)] == ["explicit", "implicit", "new"]


def test_every_slice_is_scaled_with_its_own_slope_and_intercept(tmp_path: Path, scan: np.ndarray) -> None:
    even = scan // 2 * 2
    for index, plane in enumerate(even):
        slope, intercept = ((1, -1024), (2, -1000), (0.5, -1000.5))[index % 3]
        write_slice(tmp_path / str(index), plane, (0, 0, index), RescaleSlope=slope, RescaleIntercept=intercept)
    # Half-unit steps of the third kind lie between two even numbers and round to them.
    assert np.abs(read(tmp_path).voxels - even).max() == 0


def test_other_files_in_the_folder_do_no_harm(tmp_path: Path, scan: np.ndarray) -> None:
    write_series(tmp_path, scan)
    (tmp_path / "readme.txt").write_text("not a picture")
    (tmp_path / ".DS_Store").write_bytes(b"what a Mac leaves")
    (tmp_path / "._000_1.dcm").write_bytes(b"what a Mac leaves on a stick")
    (tmp_path / "empty").touch()
    volume = read(tmp_path)
    assert np.array_equal(volume.voxels, scan)
    assert volume.notes == ()


def test_a_damaged_file_is_left_out_and_said(tmp_path: Path, scan: np.ndarray) -> None:
    paths = write_series(tmp_path, scan)
    paths[3].write_bytes(paths[3].read_bytes()[:500])
    volume = read(tmp_path)
    assert volume.voxels.shape == scan.shape
    assert any("damaged" in note for note in volume.notes)
    assert any("missing" in note for note in volume.notes)


def test_one_missing_slice_is_filled_in_and_the_others_keep_their_places(tmp_path: Path, scan: np.ndarray) -> None:
    for number in (2, 5):
        write_series(tmp_path, scan)[number].unlink()
        (tmp_path / f"{2:03d}_1.dcm").unlink(missing_ok=True)
    volume = read(tmp_path)
    assert np.allclose(volume.affine[:, 2], [0, 0, 2, 0])
    for number in (2, 5):
        mean = (scan[number - 1].astype(float) + scan[number + 1]) / 2
        assert np.abs(volume.voxels[number] - mean).max() <= 0.5
    kept = [0, 1, 3, 4, 6, 7]
    assert np.array_equal(volume.voxels[kept], scan[kept])
    assert volume.notes == (
        "2 single slices are missing (numbers 3, 6 of 8); each was filled in from its two neighbours.",
    )


def test_positions_rounded_to_tenths_are_even_slices(tmp_path: Path, scan: np.ndarray) -> None:
    write_series(tmp_path, scan, [round(0.625 * index, 1) for index in range(8)])
    volume = read(tmp_path)
    assert volume.voxels.shape == scan.shape
    assert volume.grid.spacing[2] == pytest.approx(0.625, abs=0.01)


def test_a_slice_that_occurs_twice_is_used_once(tmp_path: Path, scan: np.ndarray) -> None:
    write_series(tmp_path, scan)
    write_slice(tmp_path / "again", scan[4], (-10, -20, 8.0))
    volume = read(tmp_path)
    assert np.array_equal(volume.voxels, scan)
    assert volume.notes == ("1 slice occurred twice and was used once.",)


def test_the_series_with_most_slices_is_chosen_and_named(tmp_path: Path, scan: np.ndarray) -> None:
    write_series(tmp_path, scan[:3] + 100, SeriesNumber=2)
    write_series(tmp_path, scan, SeriesNumber=4, SeriesInstanceUID=OTHER_SERIES, SeriesDescription="Jane Doe")
    volume = read(tmp_path)
    assert np.array_equal(volume.voxels, scan)
    assert volume.source == "DICOM series 2 of 2 (8 slices)"
    assert len(volume.notes) == 1
    assert "series number 4" in volume.notes[0]
    assert "Jane" not in volume.notes[0]


def test_a_folder_with_series_of_several_patients_or_studies_says_so(tmp_path: Path, scan: np.ndarray) -> None:
    other = {"SeriesInstanceUID": OTHER_SERIES}
    write_series(tmp_path / "a", scan, PatientID="Jane", StudyInstanceUID="1.2.3")
    for fields, words in (
        ({"PatientID": "Jane", "StudyInstanceUID": "1.2.3"}, "2 CT series:"),
        ({"PatientID": "Jane", "StudyInstanceUID": "1.2.4"}, "2 CT series of 2 studies:"),
        ({"PatientID": "Mary", "StudyInstanceUID": "1.2.4"}, "2 CT series of 2 patients:"),
    ):
        write_series(tmp_path / "b", scan[:3], **other, **fields)
        (note,) = read(tmp_path).notes
        assert note.startswith(f"The folder holds {words}")
        assert "Jane" not in note
        assert "Mary" not in note


def test_a_head_is_not_taken_for_a_chest(tmp_path: Path, scan: np.ndarray) -> None:
    write_series(tmp_path, scan, SeriesNumber=1, BodyPartExamined="HEAD")
    write_series(tmp_path, scan[:3], SeriesNumber=2, SeriesInstanceUID=OTHER_SERIES, BodyPartExamined="CHEST")
    assert np.array_equal(read(tmp_path).voxels, scan[:3])


@pytest.mark.parametrize("marked", [True, False])
def test_a_localizer_in_the_series_is_left_out(tmp_path: Path, scan: np.ndarray, marked: bool) -> None:
    write_series(tmp_path, scan)
    kind = ["ORIGINAL", "PRIMARY", "LOCALIZER" if marked else "AXIAL"]
    write_slice(tmp_path / "scout", scan[0], (0, 0, 0), ImageType=kind, ImageOrientationPatient=[1, 0, 0, 0, 0, -1])
    assert np.array_equal(read(tmp_path).voxels, scan)


def test_other_objects_beside_the_ct_are_left_out(tmp_path: Path, scan: np.ndarray) -> None:
    write_series(tmp_path, scan)
    write_slice(tmp_path / "report", scan[0], (0, 0, 0), SOPClassUID="1.2.840.10008.5.1.4.1.1.7", PixelSpacing=None)
    write_series(tmp_path / "mr", np.repeat(scan, 2, axis=0), Modality="MR", SeriesInstanceUID=OTHER_SERIES)
    volume = read(tmp_path)
    assert np.array_equal(volume.voxels, scan)
    assert volume.notes == ()


def test_one_slice_is_a_volume_with_its_own_thickness(tmp_path: Path, scan: np.ndarray) -> None:
    write_slice(tmp_path / "a/only", scan[0], (0, 0, 5), SliceThickness=3)
    write_slice(tmp_path / "b/only", scan[0], (0, 0, 5), SliceThickness=None)
    thick, unknown = read(tmp_path / "a"), read(tmp_path / "b")
    assert thick.voxels.shape == (1, 6, 5)
    assert thick.grid.spacing[2] == pytest.approx(3)
    assert thick.source == "DICOM series (1 slice)"
    assert unknown.grid.spacing[2] == pytest.approx(1)
    assert "1 mm was assumed" in unknown.notes[0]


def test_an_oblique_series_keeps_its_directions(tmp_path: Path, scan: np.ndarray) -> None:
    cosine, sine = np.cos(0.3), np.sin(0.3)
    row, column = np.array([cosine, sine, 0]), np.array([0, 0, -1.0])
    normal = np.cross(row, column)
    for index, plane in enumerate(scan):
        fields = {"ImageOrientationPatient": [round(v, 8) for v in (*row, *column)], "SOPClassUID": CT_IMAGE}
        write_slice(tmp_path / str(index), plane, tuple(5 + 3 * index * normal), **fields)
    volume = read(tmp_path)
    assert np.array_equal(volume.voxels, scan)
    assert np.allclose(volume.affine[:3, 2], 3 * normal * [-1, -1, 1], atol=1e-5)
    assert np.allclose(volume.affine[:3, 0], 0.7 * row * [-1, -1, 1], atol=1e-5)


def test_threads_that_read_headers_leave_pydicom_as_strict_as_it_was() -> None:
    """Four threads whose blocks would overlap if they could: each waits in its own until all were due to be in it."""
    strict, filters = pydicom.config.settings.reading_validation_mode, list(warnings.filters)
    barrier = threading.Barrier(4)

    def look(_number: int) -> bool:
        barrier.wait()
        with quiet_pydicom() as quiet:
            time.sleep(0.02)
            return quiet.config.settings.reading_validation_mode == quiet.config.IGNORE

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(look, range(4)))
    assert pydicom.config.settings.reading_validation_mode == strict != pydicom.config.IGNORE
    assert warnings.filters == filters


def test_reading_stops_when_the_user_cancels(tmp_path: Path, scan: np.ndarray) -> None:
    write_series(tmp_path, scan)
    asked = iter([False] * 12 + [True] * 100)
    with pytest.raises(Cancelled):
        read_ct(tmp_path, Progress(cancelled=lambda: next(asked)))


@pytest.mark.parametrize(
    ("tag", "kind", "value"),
    [
        (0x00180050, "DS", b"8,0"),
        (0x00200011, "IS", b"A1"),
        (0x00080060, "CS", b"ct"),
        (0x00280030, "UT", b"0.8\\0.7"),
        (0x00280030, "DS", b"0,8\\0,7"),
    ],
)
def test_a_number_that_is_none_costs_no_more_than_what_it_is_needed_for(
    tmp_path: Path, tag: int, kind: str, value: bytes
) -> None:
    from pydicom.dataelem import RawDataElement

    hu = np.random.default_rng(1).integers(-1000, 400, (5, 6, 7)).astype(np.int16)
    for path in write_series(tmp_path, hu):
        dataset = pydicom.dcmread(path)
        value += b" " * (len(value) % 2)
        dataset[tag] = RawDataElement(pydicom.tag.Tag(tag), kind, len(value), value, 0, False, True)
        dataset.save_as(path)
    if b"0,8" in value:
        with pytest.raises(InputError, match="PixelSpacing is missing or cannot be understood"):
            read_ct(tmp_path, Progress())
    else:
        assert np.array_equal(read_ct(tmp_path, Progress()).voxels, hu)
