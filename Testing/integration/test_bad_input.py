"""What cannot be segmented is refused with one sentence and a hint, before memory is taken and without names."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK

from CovidSegLib.errors import InputError
from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct
from CovidSegLib.reading.hounsfield import check_size
from Testing.kit.dicom_files import ENHANCED_CT, MR_IMAGE, SEGMENTATION, write_series, write_slice

AFFINE = np.array([[-0.7, 0, 0, 40], [0, -0.8, 0, 50], [0, 0, 2.5, -60], [0, 0, 0, 1]])
SCAN = np.random.default_rng(5).integers(-1000, 400, (9, 8, 7)).astype(np.int16)
NAME = "Jane_Doe_1970"


def refusal(path: Path, capfd: pytest.CaptureFixture[str]) -> InputError:
    """The error for ``path``: one sentence, a hint, no name; quiet and cheap."""
    tracemalloc.start()
    try:
        with pytest.raises(InputError) as caught:
            read_ct(path, Progress())
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()
    error = caught.value
    assert error.hint
    assert error.sentence.endswith(".")
    assert "\n" not in str(error)
    assert not any(word in str(error) for word in (NAME, str(path.parent), "Jane"))
    assert capfd.readouterr() == ("", "")
    return error


def nifti(
    path: Path, voxels: np.ndarray = SCAN, change: Callable[[nibabel.Nifti1Header], object] | None = None
) -> Path:
    """A NIfTI file whose header is changed behind the library's back."""
    image = nibabel.Nifti1Image(voxels.T, AFFINE)
    nibabel.save(image, path.with_name("plain.nii"))
    data = path.with_name("plain.nii").read_bytes()
    header = nibabel.Nifti1Header(data[:348], check=False)
    if change is not None:
        change(header)
    data = header.binaryblock + data[348:]
    path.write_bytes(gzip.compress(data) if path.name.endswith(".gz") else data)
    return path


def itk(path: Path, voxels: np.ndarray = SCAN, *, compress: bool = False, vector: bool = False) -> Path:
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(voxels, isVector=vector), str(path), useCompression=compress)
    return path


def test_a_missing_path_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name in (f"{NAME}.nii.gz", NAME):
        assert "does not exist" in str(refusal(tmp_path / name, capfd))


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd"])
def test_an_empty_file_and_renamed_text_are_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], suffix: str
) -> None:
    path = tmp_path / f"{NAME}{suffix}"
    path.touch()
    assert "empty" in str(refusal(path, capfd))
    path.write_text("To whom it may concern:\nthis = not a scan.\n" * 40)
    refusal(path, capfd)
    path.write_bytes(gzip.compress(b"no scan inside" * 100))
    refusal(path, capfd)


@pytest.mark.parametrize("name", ["a.seg.nrrd", "a.dcm", "a.jpg", "a", "a.gz"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str) -> None:
    (tmp_path / name).write_bytes(b"anything")
    refusal(tmp_path / name, capfd)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9, 0.995])
@pytest.mark.parametrize("name", ["nii", "nii.gz", "nrrd", "packed.nrrd", "mha", "packed.mha"])
def test_a_file_that_is_cut_off_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str, share: float
) -> None:
    path = tmp_path / f"{NAME}.{name}"
    if "nii" in name:
        nifti(path, np.random.default_rng(6).integers(-1000, 400, (20, 30, 40)).astype(np.int16))
    else:
        itk(path, np.tile(SCAN, (4, 4, 4)), compress="packed" in name)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    refusal(path, capfd)


def test_a_file_that_was_packed_after_it_was_cut_off_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = nifti(tmp_path / "scan.nii.gz")
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-100]))
    assert "cut off" in str(refusal(path, capfd))


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("share", [0.5, 0.99])
def test_a_packed_file_with_a_wrong_byte_inside_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], suffix: str, share: float
) -> None:
    path, voxels = (
        tmp_path / f"scan{suffix}",
        np.random.default_rng(7).integers(-1000, 400, (9, 30, 40)).astype(np.int16),
    )
    nifti(path, voxels) if "nii" in suffix else itk(path, voxels, compress=True)
    data = bytearray(path.read_bytes())
    data[int(len(data) * share)] ^= 0xFF
    path.write_bytes(data)
    refusal(path, capfd)


def test_a_metaimage_with_more_dimensions_than_sizes_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = itk(tmp_path / "scan.mha")
    path.write_bytes(path.read_bytes().replace(b"NDims = 3", b"NDims = 93"))
    refusal(path, capfd)


def test_an_endless_line_of_voxels_is_refused() -> None:
    with pytest.raises(InputError, match="promises"):
        check_size((1, 1, 1 << 20))


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd"])
@pytest.mark.parametrize("edges", [(700, 700, 700), (30000, 30000, 30000), (9000, 9000, 12)])
def test_a_header_that_promises_far_too_much_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], suffix: str, edges: tuple[int, ...]
) -> None:
    path = tmp_path / f"{NAME}{suffix}"
    if ".nii" in suffix:
        nifti(path, change=lambda header: header["dim"].__setitem__(slice(1, 4), edges))
    else:
        itk(path)
        data = path.read_bytes()
        wanted = " ".join(map(str, edges)).encode()
        path.write_bytes(
            data.replace(b"DimSize = 7 8 9", b"DimSize = " + wanted).replace(b"sizes: 7 8 9", b"sizes: " + wanted)
        )
    refusal(path, capfd)


@pytest.mark.parametrize("suffix", [".nhdr", ".mhd"])
def test_a_header_without_its_data_file_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], suffix: str
) -> None:
    path = itk(tmp_path / f"scan{suffix}")
    (tmp_path / "scan.raw").unlink()
    assert "data file" in str(refusal(path, capfd))


def test_a_time_series_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 4, 2), np.int16), AFFINE), tmp_path / "a.nii.gz")
    series = SimpleITK.JoinSeries([SimpleITK.GetImageFromArray(SCAN)] * 2)
    SimpleITK.WriteImage(series, str(tmp_path / "a.nrrd"))
    SimpleITK.WriteImage(series, str(tmp_path / "a.mha"))
    for name in ("a.nii.gz", "a.nrrd", "a.mha"):
        assert "three dimensions" in str(refusal(tmp_path / name, capfd))


def test_colours_and_complex_numbers_are_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    colour = np.zeros((4, 5, 6), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.save(nibabel.Nifti1Image(colour, AFFINE), tmp_path / "a.nii")
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 5, 6), np.complex64), AFFINE), tmp_path / "b.nii")
    itk(tmp_path / "a.nrrd", np.zeros((4, 5, 6, 3), np.uint8), vector=True)
    itk(tmp_path / "a.mha", np.zeros((4, 5, 6, 3), np.uint8), vector=True)
    for name in ("a.nii", "b.nii", "a.nrrd", "a.mha"):
        assert "several numbers per voxel" in str(refusal(tmp_path / name, capfd))


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_an_image_of_nothing_but_nan_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str], suffix: str) -> None:
    path, voxels = tmp_path / f"a{suffix}", np.full(SCAN.shape, np.nan, np.float32)
    nifti(path, voxels) if "nii" in suffix else itk(path, voxels)
    assert "no numbers" in str(refusal(path, capfd))


GEOMETRY: dict[str, Callable[[nibabel.Nifti1Header], object]] = {
    "sheared": lambda header: header["srow_x"].__setitem__(1, 0.2),
    "zero size": lambda header: header["pixdim"].__setitem__(3, 0),
    "NaN size": lambda header: header["pixdim"].__setitem__(1, np.nan),
    "sizes against sform": lambda header: header["pixdim"].__setitem__(3, 5),
    "NaN in sform": lambda header: header["srow_y"].__setitem__(3, np.nan),
    "empty sform": lambda header: [header[name].__setitem__(slice(0, 4), 0) for name in ("srow_x", "srow_y", "srow_z")],
    "flipped qform": lambda header: header.set_qform(AFFINE @ np.diag([-1, 1, 1, 1]), code=1),
    "shifted qform": lambda header: (header.set_qform(AFFINE + np.eye(4)[:, [3, 0, 1, 2]] * 0, 1), _shift(header)),
    "no rotation": lambda header: (header.set_qform(AFFINE, 1), header.__setitem__("quatern_b", 3)),
    "no dimensions": lambda header: header["dim"].__setitem__(0, 0),
    "negative edge": lambda header: header["dim"].__setitem__(2, -8),
    "no type": lambda header: header.__setitem__("datatype", 9999),
    "NaN offset": lambda header: header.__setitem__("vox_offset", np.nan),
    "NaN intercept": lambda header: (header.__setitem__("scl_slope", 1), header.__setitem__("scl_inter", np.nan)),
}


def _shift(header: nibabel.Nifti1Header) -> None:
    header["qoffset_z"] = float(header["qoffset_z"]) + 5


@pytest.mark.parametrize("fault", GEOMETRY)
def test_nifti_headers_that_contradict_themselves_are_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], fault: str
) -> None:
    refusal(nifti(tmp_path / "a.nii", change=GEOMETRY[fault]), capfd)


@pytest.mark.parametrize(
    "directions", ["(1,0,0) (0.3,1,0) (0,0,1)", "(1,0,0) (nan,nan,nan) (0,0,1)", "(1,0,0) (0,0,0) (0,0,1)"]
)
def test_nrrd_with_unusable_directions_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], directions: str
) -> None:
    path = itk(tmp_path / "a.nrrd")
    data = path.read_bytes()
    assert b"(1,0,0) (0,1,0) (0,0,1)" in data
    path.write_bytes(data.replace(b"(1,0,0) (0,1,0) (0,0,1)", directions.encode()))
    refusal(path, capfd)


def test_a_folder_without_dicom_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    itk(tmp_path / "scan.nrrd")
    assert "no DICOM" in str(refusal(tmp_path, capfd))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"Modality": "MR", "SOPClassUID": MR_IMAGE}, "MR"),
        ({"Modality": "DOE^JANE"}, "of type unknown"),
        ({"Modality": "SEG", "SOPClassUID": SEGMENTATION, "NumberOfFrames": 3}, "segmentation"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localizer"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "secondary captures"),
        ({"SOPClassUID": ENHANCED_CT, "NumberOfFrames": 9}, "multi-frame"),
        ({"ImagePositionPatient": None}, "where its slices lie"),
        ({"ImageOrientationPatient": None}, "where its slices lie"),
        ({"PixelSpacing": None}, "where its slices lie"),
        ({"PixelSpacing": [0, 0]}, "where its slices lie"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "where its slices lie"),
    ],
)
def test_a_folder_without_a_usable_ct_series_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], fields: dict[str, object], words: str
) -> None:
    if "ImagePositionPatient" in fields:
        write_slice(tmp_path / "a", SCAN[0], (0, 0, 0), PatientName="Doe^Jane", **fields)
    else:
        write_series(tmp_path, SCAN, PatientName="Doe^Jane", **fields)
    assert words in str(refusal(tmp_path, capfd))


@pytest.mark.parametrize(
    ("heights", "words"),
    [
        ([0, 2, 4, 10, 12, 14, 16, 18, 20], "hole"),
        ([0, 2, 4, 7, 9, 11, 13, 15, 17], "uneven"),
        ([0, 2, 4, 5, 6, 8, 10, 12, 14], "uneven"),
        ([0, 2, 4, 4, 6, 8, 10, 12, 14], "different images at the same place"),
    ],
)
def test_a_series_with_a_hole_or_a_conflict_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], heights: list[float], words: str
) -> None:
    write_series(tmp_path, SCAN, heights)
    assert words in str(refusal(tmp_path, capfd))


def test_a_tilted_gantry_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for index, plane in enumerate(SCAN):
        write_slice(tmp_path / str(index), plane, (0, 0.5 * index, 2 * index))
    assert "tilted gantry" in str(refusal(tmp_path, capfd))


def test_a_series_whose_pixels_are_damaged_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for path in write_series(tmp_path, np.tile(SCAN, (1, 20, 20))):
        path.write_bytes(path.read_bytes()[:-100])
    refusal(tmp_path, capfd)


@pytest.mark.parametrize("lost", ["ImagePositionPatient", "PixelSpacing"])
@pytest.mark.parametrize("place", [0, 4])
def test_a_series_in_which_one_slice_does_not_say_where_it_lies_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], lost: str, place: int
) -> None:
    write_series(tmp_path, SCAN)
    write_slice(tmp_path / f"{place:03d}_1.dcm", SCAN[place], (-10, -20, 2 * place), **{lost: None})
    assert f"does not say where its slices lie: {lost} is missing" in refusal(tmp_path, capfd).sentence


def test_a_pixel_size_with_decimal_commas_is_refused_by_its_name(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for path in write_series(tmp_path, SCAN):
        dataset = pydicom.dcmread(path)
        tag = pydicom.tag.Tag("PixelSpacing")
        dataset[tag] = pydicom.dataelem.RawDataElement(tag, "DS", 8, b"3,0\\3,0 ", 0, False, True)
        dataset.save_as(path)
    assert "PixelSpacing is missing or cannot be understood" in refusal(tmp_path, capfd).sentence


def test_a_series_stored_as_a_negative_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_series(tmp_path, SCAN, PhotometricInterpretation="MONOCHROME1")
    assert "negative" in refusal(tmp_path, capfd).sentence
