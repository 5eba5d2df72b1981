"""A ZIP with one scan is read and leaves nothing behind; what could do harm in one is refused in a sentence."""

from __future__ import annotations

import stat
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK

from CovidSegLib.errors import InputError
from CovidSegLib.progress import Cancelled, Progress
from CovidSegLib.reading import find_cases, read_ct
from CovidSegLib.reading.acquisition import acquisition
from Testing.kit.dicom_files import OTHER_SERIES, write_series
from Testing.kit.packed_slices import write_enhanced

SCAN = np.arange(8 * 6 * 5, dtype=np.int16).reshape(8, 6, 5)


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files; nothing may stay in it."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


def zipped(path: Path, folder: Path, rename: Callable[[str], str] = lambda name: name) -> Path:
    """All files below ``folder`` in a ZIP."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.writestr(rename(file.relative_to(folder).as_posix()), file.read_bytes())
    return path


def exported(folder: Path) -> Path:
    """What an archive puts on a disk: a viewer, and the images in folders without endings."""
    for path in write_series(folder / "DICOM" / "P0" / "S1", SCAN):
        path.rename(path.with_suffix(""))
    (folder / "VIEWER.EXE").write_bytes(b"MZ" + bytes(500))
    (folder / "__MACOSX").mkdir(exist_ok=True)
    (folder / "__MACOSX" / "._DICOM").write_bytes(b"what a Mac leaves")
    return folder


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_ct(path, Progress())
    assert caught.value.hint
    return caught.value.sentence


@pytest.mark.parametrize("rename", [str, lambda name: name.replace("/", "\\")], ids=["slashes", "backslashes"])
def test_a_dicom_export_is_read(tmp_path: Path, rename: Callable[[str], str]) -> None:
    volume = read_ct(zipped(tmp_path / "a.zip", exported(tmp_path / "disk"), rename), Progress())
    assert np.array_equal(volume.voxels, SCAN)
    assert volume.source == "DICOM series (8 slices) in a ZIP"
    assert volume.notes == ()


def test_an_image_and_an_enhanced_ct_in_a_zip_are_read(tmp_path: Path) -> None:
    (tmp_path / "nifti").mkdir()
    nibabel.save(nibabel.Nifti1Image(SCAN.T, np.diag([2.0, 2, 2, 1])), tmp_path / "nifti" / "ct.nii.gz")
    write_enhanced(tmp_path / "enhanced" / "IM1", SCAN)
    for kind in ("nifti", "enhanced"):
        volume = read_ct(zipped(tmp_path / f"{kind}.ZIP", tmp_path / kind), Progress())
        assert np.array_equal(volume.voxels, SCAN)


def test_a_zip_is_a_case_of_a_batch_unless_it_holds_no_scan(tmp_path: Path) -> None:
    (tmp_path / "scans" / "sub").mkdir(parents=True)
    zipped(tmp_path / "scans" / "one.zip", exported(tmp_path / "disk"))
    zipped(tmp_path / "scans" / "sub" / "two.zip", exported(tmp_path / "disk"))
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "notes.txt").write_text("no scan")
    zipped(tmp_path / "scans" / "notes.zip", tmp_path / "notes")
    (tmp_path / "scans" / "damaged.zip").write_bytes(b"no ZIP")
    told: list[str] = []
    cases = find_cases(tmp_path / "scans", Progress(lambda report: told.append(report.notice)))
    assert [case.stem for case in cases] == ["damaged", "one", "sub_two"]
    assert "Left out, not looked into: 1 packed file." in told
    assert np.array_equal(read_ct(cases[2].path, Progress(), cases[2].files).voxels, SCAN)


def test_the_time_of_a_scan_in_a_zip_is_known(tmp_path: Path) -> None:
    write_series(tmp_path / "disk", SCAN, AcquisitionDate="20200401", PatientID="4711")
    found = acquisition(zipped(tmp_path / "a.zip", tmp_path / "disk"), Progress())
    assert (str(found.date), found.patient) == ("2020-04-01", "4711")


def test_a_zip_with_several_scans_or_none_is_refused(tmp_path: Path) -> None:
    write_series(tmp_path / "disk" / "a", SCAN, PatientID="a")
    write_series(tmp_path / "disk" / "b", SCAN, PatientID="b", SeriesInstanceUID=OTHER_SERIES)
    assert refusal(zipped(tmp_path / "a.zip", tmp_path / "disk")) == "The ZIP holds 2 scans."
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "notes.txt").write_text("no scan")
    assert refusal(zipped(tmp_path / "b.zip", tmp_path / "notes")) == "The ZIP holds no CT."


def test_a_zip_that_holds_another_one_is_not_called_empty(tmp_path: Path) -> None:
    zipped(tmp_path / "disk.zip", exported(tmp_path / "disk"))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "disk.zip", "disk.zip")
    assert refusal(tmp_path / "a.zip") == "The ZIP holds other ZIPs, which are not looked into."


@pytest.mark.parametrize("kind", ["mhd", "nhdr"])
@pytest.mark.parametrize("way", ["absolute", "dots"])
def test_a_header_in_a_zip_reads_no_voxels_from_outside_of_it(tmp_path: Path, way: str, kind: str) -> None:
    """They would be another scan's."""
    header = tmp_path / "scan" / f"ct.{kind}"
    header.parent.mkdir()
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(SCAN), str(header), useCompression=False)
    assert np.array_equal(read_ct(zipped(tmp_path / "a.zip", header.parent), Progress()).voxels, SCAN)
    outside = header.with_name("ct.raw").rename(tmp_path / "ct.raw")
    name = str(outside) if way == "absolute" else f"../../{outside.name}"
    (tmp_path / "temporary" / "ct.raw").symlink_to(outside)
    header.write_text(header.read_text().replace("ct.raw", name))
    try:
        said = refusal(zipped(tmp_path / "b.zip", header.parent))
    finally:
        (tmp_path / "temporary" / "ct.raw").unlink()
    assert said == "The ZIP holds a header whose voxels lie outside of it."


@pytest.mark.parametrize(
    "name", ["../slice", "a/../../slice", "/slice", "C:/slice", "..\\slice", "\\\\server\\share\\slice"]
)
def test_names_that_lead_out_of_the_zip_are_refused(tmp_path: Path, name: str) -> None:
    path = zipped(tmp_path / "a.zip", exported(tmp_path / "disk"))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, b"anything")
    assert refusal(path) == "The ZIP holds a file whose name leads out of it."
    assert not list(tmp_path.glob("**/slice"))


def test_links_and_locked_files_are_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", exported(tmp_path / "disk"))
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc")
    assert "a link" in refusal(path)
    path = zipped(tmp_path / "b.zip", exported(tmp_path / "disk"))
    data = bytearray(path.read_bytes())
    data[data.rindex(b"PK\x01\x02") + 8] |= 1  # the flag in the list of contents
    path.write_bytes(data)
    assert "password" in refusal(path)


def test_a_zip_that_swells_without_end_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    packing = zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1)
    with packing as archive, archive.open("ct.nii", "w") as file:
        for _ in range(33):
            file.write(bytes(1 << 23))
    assert "would unpack to 0.3 GB" in refusal(tmp_path / "a.zip")


@pytest.mark.parametrize("damage", ["cut off", "wrong byte", "larger than it says", "one name twice", "text"])
def test_a_damaged_zip_is_refused(tmp_path: Path, damage: str) -> None:
    path = zipped(tmp_path / "a.zip", exported(tmp_path / "disk"))
    data = bytearray(path.read_bytes())
    if damage == "cut off":
        data = data[: len(data) // 2]
    elif damage == "wrong byte":
        data[data.index(b"PK\x03\x04") + 80] ^= 0xFF
    elif damage == "larger than it says":
        at = data.index(b"PK\x01\x02") + 24
        data[at : at + 4] = (100).to_bytes(4, "little")
    elif damage == "text":
        data = bytearray(b"no ZIP at all")
    path.write_bytes(data)
    if damage == "one name twice":
        with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("VIEWER.EXE", b"another")
    assert "damaged" in refusal(path)


def test_nothing_stays_when_the_user_cancels(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", exported(tmp_path / "disk"))
    asked = iter([False] * 5 + [True] * 100)
    with pytest.raises(Cancelled):
        read_ct(path, Progress(cancelled=lambda: next(asked)))


def test_an_entry_without_a_name_is_refused_in_a_sentence(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "scan.zip", exported(tmp_path / "export"))
    with zipfile.ZipFile(archive, "a") as more:
        more.writestr("NAMELESS", b"")
    archive.write_bytes(archive.read_bytes().replace(b"NAMELESS", b"\0AMELESS"))  # names end at a zero
    assert "leads out of it" in refusal(archive)
