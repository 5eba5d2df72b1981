"""What makes one volume: acquisitions in one series told apart, files with a UID each joined, the chest chosen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from CovidSegLib.errors import InputError
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct
from CovidSegLib.reading.body_parts import Part, part_of
from Testing.kit.dicom_files import OTHER_SERIES, SERIES, write_series, write_slice

SLICES = 8


def flat(value: int, count: int = SLICES) -> np.ndarray:
    """A volume (z, y, x) whose slices tell whose they are and which they are."""
    return np.full((count, 6, 5), value, np.int16) + np.arange(count, dtype=np.int16)[:, None, None]


def read(folder: Path) -> CtVolume:
    return read_ct(folder, Progress())


def times(first: int, count: int = SLICES, step: float = 0.5) -> list[dict[str, object]]:
    """An AcquisitionTime for each slice."""
    return [{"AcquisitionTime": f"1015{first + step * number:05.2f}"} for number in range(count)]


def content(first: int, count: int = SLICES) -> list[dict[str, object]]:
    return [{"ContentTime": f"1015{first + number:02d}", "AcquisitionNumber": ""} for number in range(count)]


MARKS = {
    "AcquisitionNumber": ([{"AcquisitionNumber": 1}] * SLICES, [{"AcquisitionNumber": 2}] * SLICES),
    "AcquisitionNumber, one for each slice": (
        [{"AcquisitionNumber": 1 + number} for number in range(SLICES)],
        [{"AcquisitionNumber": 101 + number} for number in range(SLICES)],
    ),
    "AcquisitionTime": ([{"AcquisitionTime": "101520"}] * SLICES, [{"AcquisitionTime": "101540"}] * SLICES),
    "AcquisitionTime, one for each slice": (times(10), times(40)),
    "ContentTime, one for each slice": (content(10), content(40)),
    "TemporalPositionIdentifier": (
        [{"TemporalPositionIdentifier": 1}] * SLICES,
        [{"TemporalPositionIdentifier": 2}] * SLICES,
    ),
    "ConvolutionKernel": ([{"ConvolutionKernel": "B30f"}] * SLICES, [{"ConvolutionKernel": "B70f"}] * SLICES),
}


@pytest.mark.parametrize("apart", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("mark", MARKS)
def test_two_acquisitions_in_one_series_are_told_apart_never_woven(tmp_path: Path, mark: str, apart: float) -> None:
    for value, shift, marks in zip((-500, 100), (0.0, apart), MARKS[mark], strict=True):
        for number, plane in enumerate(flat(value)):
            write_slice(tmp_path / f"{number}_{value}", plane, (0, 0, 2 * number + shift), **marks[number])
    volume = read(tmp_path)
    assert np.array_equal(volume.voxels, flat(-500))
    assert volume.source == "DICOM series 1 of 2 (8 slices)"
    assert "A series holds 2 acquisitions or reconstructions of one place: each counts as a series." in volume.notes
    if mark == "AcquisitionNumber":
        assert "(series number 1, acquisition number 1) was read" in volume.notes[0]


@pytest.mark.parametrize(
    "marks",
    [
        [{"AcquisitionNumber": 1 + number // 4} for number in range(SLICES)],
        [{"AcquisitionNumber": number} for number in range(SLICES)],
        [{"AcquisitionNumber": number} for number in (5, 3, 8, 1, 7, 2, 6, 4)],
        [{"AcquisitionNumber": -number} for number in range(SLICES)],
        times(10),
        times(10)[::-1],
        [{"ContentTime": f"1015{number:02d}"} for number in (11, 10, 13, 12, 15, 14, 17, 16)],
        [{"ContentTime": f"1015{number:02d}"} for number in (12, 10, 19, 17, 11, 14, 13, 16)],
    ],
)
def test_stacks_above_one_another_and_slices_with_a_mark_each_are_one_volume(
    tmp_path: Path, marks: list[dict[str, object]]
) -> None:
    for number, plane in enumerate(flat(0)):
        write_slice(tmp_path / str(number), plane, (0, 0, 2 * number), **marks[number])
    volume = read(tmp_path)
    assert np.array_equal(volume.voxels, flat(0))
    assert volume.notes == ()


def test_two_sets_of_slices_without_a_mark_are_refused_as_what_they_are(tmp_path: Path) -> None:
    for shift in (0.0, 0.3):
        write_series(tmp_path / str(shift), flat(0), [2.0 * number + shift for number in range(SLICES)])
    with pytest.raises(InputError, match=r"two sets of slices that lie 0\.30 mm beside each other"):
        read(tmp_path)


def test_slices_that_jump_sideways_are_not_called_tilted(tmp_path: Path) -> None:
    for number, plane in enumerate(flat(0)):
        write_slice(tmp_path / str(number), plane, (0.9 * (-1) ** number, 0, 2 * number))
    with pytest.raises(InputError, match=r"jump sideways by up to 1\.8 mm"):
        read(tmp_path)


def test_files_with_a_series_uid_each_are_joined_and_it_is_said(tmp_path: Path) -> None:
    for number, plane in enumerate(flat(0)):
        write_slice(tmp_path / str(number), plane, (0, 0, 2 * number), SeriesInstanceUID=f"{SERIES}.{number + 3}")
    volume = read(tmp_path)
    assert np.array_equal(volume.voxels, flat(0))
    assert volume.source == "DICOM series (8 slices)"
    assert volume.notes == ("Each file says that it is a series of its own: 8 files that fit together were joined.",)


def test_files_with_a_series_uid_each_that_make_no_even_volume_are_refused(tmp_path: Path) -> None:
    for number, height in enumerate([0, 2, 4, 7, 9, 11, 13, 20]):
        uid = f"{SERIES}.{number + 3}"
        write_slice(tmp_path / str(number), flat(0)[number], (0, 0, height), SeriesInstanceUID=uid)
    with pytest.raises(InputError, match="Each of 8 files says that it is a series of its own"):
        read(tmp_path)


def test_files_with_a_uid_each_of_two_series_are_two_series(tmp_path: Path) -> None:
    for series, count in ((2, 5), (3, 8)):
        for number, plane in enumerate(flat(100 * series, count)):
            fields = {"SeriesInstanceUID": f"{SERIES}.{series}{number}", "SeriesNumber": series}
            write_slice(tmp_path / f"{series}_{number}", plane, (0, 0, 2 * number), **fields)
    volume = read(tmp_path)
    assert np.array_equal(volume.voxels, flat(300))
    assert "13 files that fit together were joined" in " ".join(volume.notes)


def test_slices_of_two_patients_are_never_one_series_though_their_uids_are_lost(tmp_path: Path) -> None:
    for patient, uid in (("a", ""), ("b", "")):
        fields = {"SeriesInstanceUID": uid, "PatientID": patient}
        write_series(tmp_path / patient, flat(0), [2.0 * n + 16 * (patient == "b") for n in range(SLICES)], **fields)
    assert read(tmp_path).voxels.shape[0] == SLICES


@pytest.mark.parametrize("places", [[3, 4], [6, 7], [0]])
def test_slices_of_the_series_with_another_pixel_size_are_not_called_missing(tmp_path: Path, places: list[int]) -> None:
    write_series(tmp_path, flat(0))
    for place in places:
        write_slice(
            tmp_path / f"{place:03d}_1.dcm", flat(0)[place], (-10, -20, 2 * place), PixelSpacing=[0.8024, 0.7021]
        )
    with pytest.raises(InputError, match=rf"{len(places)} slices? of the series ha(s|ve) another pixel size"):
        read(tmp_path)


def test_a_picture_of_another_size_in_the_series_is_left_out_and_said(tmp_path: Path) -> None:
    write_series(tmp_path, flat(0))
    write_slice(tmp_path / "scout", np.zeros((9, 9), np.int16), (0, 0, 0), ImageOrientationPatient=[1, 0, 0, 0, 0, -1])
    volume = read(tmp_path)
    assert np.array_equal(volume.voxels, flat(0))
    assert volume.notes == ("1 slice of the series with another size or direction was left out.",)
    assert volume.source == f"DICOM series ({len(volume.voxels)} slices)"


@pytest.mark.parametrize(
    "words",
    [
        ["DERIVED", "PRIMARY", "AXIAL", "CT_SOM5 MIP"],
        ["DERIVED", "PRIMARY", "AXIAL", "CT_SOM7 MINIP"],
        ["DERIVED", "SECONDARY", "PROJECTION IMAGE"],
        ["DERIVED", "SECONDARY", "AXIAL", "MIP_10"],
        ["DERIVED", "PRIMARY", "VOLUME", "MAXIMUM"],
        ["DERIVED", "SECONDARY", "MPR", "AVERAGE"],
        ["derived", "secondary", "axial", "mip"],
    ],
)
def test_projections_are_passed_over_in_every_makers_spelling(tmp_path: Path, words: list[str]) -> None:
    write_series(tmp_path, flat(0, 12), ImageType=words, SeriesNumber=2)
    write_series(tmp_path, flat(0, 4), SeriesNumber=3, SeriesInstanceUID=OTHER_SERIES)
    volume = read(tmp_path)
    assert len(volume.voxels) == 4
    assert "of thick projections" in volume.notes[0]


def test_a_projection_in_the_series_that_it_was_made_from_is_no_slice_of_it(tmp_path: Path) -> None:
    write_series(tmp_path, flat(0))
    for number in range(3):
        write_slice(tmp_path / f"mip{number}", flat(9)[0], (-10, -20, 4 * number), ImageType=["DERIVED", "MIP"])
    assert np.array_equal(read(tmp_path).voxels, flat(0))


ELSEWHERE = """ABDOMEN ABDOMENPELVIS ANKLE ARM BRAIN CAROTID CSPINE TSPINE LSPINE TLSPINE CTSPINE COLON EAR ELBOW
EXTREMITY FEMUR FOOT HAND HEAD HEADNECK HIP HUMERUS IAC JAW KIDNEY KNEE LEG LIVER NECK ORBIT PANCREAS PELVIS SHOULDER
SINUS SKULL SPINE SSPINE THIGH WRIST UPPER_LEG"""
CHEST = "CHEST THORAX LUNG LUNGS CHESTABDOMEN CHESTABDPELVIS NECKCHEST THORAX/ABDOMEN TORAX"


@pytest.mark.parametrize(
    ("terms", "part"),
    [
        (ELSEWHERE.split(), Part.ELSEWHERE),
        (["THORACIC SPINE", "CERVICAL SPINE"], Part.ELSEWHERE),
        (CHEST.split(), Part.CHEST),
        (["", "WHOLEBODY", "BODY", "TRUNK", "SOMETHING"], Part.UNSAID),
        (["HEART", "CORONARYARTERY", "AORTA", "RIB", "STERNUM"], Part.UNSURE),
    ],
)
def test_terms_for_parts_of_the_body_say_where_a_series_is_of(terms: list[str], part: Part) -> None:
    assert {term: part_of(term) for term in terms} == dict.fromkeys(terms, part)


@pytest.mark.parametrize("chest", ["CHEST", "THORAX", "LUNG", "CHESTABDPELVIS"])
@pytest.mark.parametrize("other", ["HEADNECK", "TSPINE", "HEART", "ABDOMENPELVIS"])
def test_a_series_that_says_chest_wins_over_a_longer_one_of_something_else(
    tmp_path: Path, chest: str, other: str
) -> None:
    write_series(tmp_path, flat(0, 12), BodyPartExamined=other, SeriesNumber=2)
    write_series(tmp_path, flat(0, 4), BodyPartExamined=chest, SeriesNumber=3, SeriesInstanceUID=OTHER_SERIES)
    assert len(read(tmp_path).voxels) == 4


def test_a_chest_series_wins_over_one_that_says_nothing_unless_it_is_no_axial_scan(tmp_path: Path) -> None:
    heights = [20.0 * number for number in range(12)]
    write_series(tmp_path / "unsaid", flat(0, 12), heights, SeriesNumber=2)
    chest = {"BodyPartExamined": "CHEST", "SeriesInstanceUID": OTHER_SERIES}
    write_series(tmp_path / "chest", flat(0, 9), heights[:9], SeriesNumber=3, **chest)
    assert len(read(tmp_path).voxels) == 9
    write_series(tmp_path / "chest", flat(0, 9), heights[:9], SeriesNumber=3, ImageType=["DERIVED", "MIP"], **chest)
    assert len(read(tmp_path).voxels) == 12


@pytest.mark.parametrize("lost", [["RescaleIntercept"], ["RescaleSlope"], ["RescaleSlope", "RescaleIntercept"]])
@pytest.mark.parametrize("places", [[3], [6, 7]])
def test_slices_that_lost_their_scale_are_refused(tmp_path: Path, lost: list[str], places: list[int]) -> None:
    write_series(tmp_path, flat(0))
    for place in places:
        write_slice(tmp_path / f"{place:03d}_1.dcm", flat(0)[place], (-10, -20, 2 * place), **dict.fromkeys(lost))
    with pytest.raises(InputError, match="not say how stored numbers become Hounsfield units"):
        read(tmp_path)


def test_a_slice_with_another_scale_and_a_series_without_any_are_said(tmp_path: Path) -> None:
    write_series(tmp_path / "one", flat(0))
    write_slice(tmp_path / "one/003_1.dcm", flat(0)[3], (-10, -20, 6), RescaleIntercept=-1000)
    assert "have 2 different scales" in read(tmp_path / "one").notes[0]
    write_series(tmp_path / "none", flat(0), RescaleSlope=None, RescaleIntercept=None)
    assert "a missing slope counts as 1, a missing intercept as 0" in read(tmp_path / "none").notes[0]
    write_series(tmp_path / "words", flat(0), RescaleSlope="NaN")
    assert "is missing or no number" in read(tmp_path / "words").notes[0]


def test_a_map_of_something_else_than_hounsfield_units_is_passed_over(tmp_path: Path) -> None:
    write_series(tmp_path, flat(0, 12), RescaleType="Z_EFF", SeriesNumber=2)
    assert "no Hounsfield units" in " ".join(read(tmp_path).notes)
    write_series(tmp_path, flat(0, 4), RescaleType="HU", SeriesNumber=3, SeriesInstanceUID=OTHER_SERIES)
    assert len(read(tmp_path).voxels) == 4


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"ImageType": ["DERIVED", "SECONDARY", "MIP"]}, "computed from several others"),
        ({"BodyPartExamined": "HEAD"}, "another part of the body"),
        ({"BodyPartExamined": "CHEST", "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"]}, ""),
    ],
)
def test_an_only_series_that_shows_no_axial_slices_of_a_chest_is_read_and_told(
    tmp_path: Path, fields: dict[str, object], said: str
) -> None:
    write_series(tmp_path, flat(0), **fields)
    notes = " ".join(read(tmp_path).notes)
    assert said in notes
    assert bool(said) == ("cannot be trusted" in notes)
