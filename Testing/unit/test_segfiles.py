"""What is written to disk is read back with other programs' readers."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from CovidSegLib.errors import OutputError
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.segfiles import SUFFIXES, check_suffix, provenance_of, segment_tags, write
from CovidSegLib.segfiles.registry import read_masks
from CovidSegLib.segmentation import SEGMENTS, UNKNOWN_PROVENANCE, Provenance, Segmentation
from CovidSegLib.system.atomic_files import replace_bytes, replace_text
from CovidSegLib.system.read_back import check_voxels
from Testing.kit.full_disk import PAGE, largest_file, small_disk

ITK_SUFFIXES = (".seg.nrrd", ".nrrd", ".mha")
NIFTI_SUFFIXES = (".nii.gz", ".nii")
PROVENANCE = Provenance("network | one", "ab" * 32, "onnx", "CPU", "CovidSeg 1.0")


@st.composite
def segmentations(draw: st.DrawFn) -> Segmentation:
    """Any small result on a grid of any orientation (also left-handed, oblique, one slice)."""
    shape = draw(st.tuples(*[st.integers(1, 6)] * 3))
    sizes = draw(st.tuples(*[st.floats(0.3, 8.0)] * 3))
    turn = Rotation.from_euler("xyz", draw(st.tuples(*[st.floats(-180, 180)] * 3)), degrees=True).as_matrix()
    axes = draw(st.permutations(range(3)))
    flips = draw(st.tuples(*[st.sampled_from((-1.0, 1.0))] * 3))
    affine = np.eye(4)
    affine[:3, :3] = (turn if draw(st.booleans()) else np.eye(3))[:, axes] * flips * sizes
    affine[:3, 3] = draw(st.tuples(*[st.floats(-500, 500)] * 3))
    seed = draw(st.integers(0, 99))
    labels = np.random.default_rng(seed).integers(0, 4, shape, dtype=np.uint8)
    return Segmentation(labels, affine, PROVENANCE)


def result() -> Segmentation:
    """About a megabyte that cannot be packed: enough for a disk to become full."""
    labels = np.random.default_rng(0).integers(0, 4, (64, 128, 128), dtype=np.uint8)
    return Segmentation(labels, np.diag((-0.7, -0.7, 2.0, 1.0)), PROVENANCE)


def small_result() -> Segmentation:
    """Some kilobytes that cannot be packed."""
    return replace(result(), labels=result().labels[:8, :48, :48])


def read_itk(path: Path) -> tuple[np.ndarray, np.ndarray, SimpleITK.Image]:
    """Labels (z, y, x), IJK→RAS and the image itself, by SimpleITK."""
    image = SimpleITK.ReadImage(str(path))
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return SimpleITK.GetArrayFromImage(image), np.diag((-1.0, -1.0, 1.0, 1.0)) @ affine, image


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(segmentation=segmentations(), suffix=st.sampled_from((*ITK_SUFFIXES, *NIFTI_SUFFIXES)))
def test_labels_and_grid_come_back_in_every_orientation(
    segmentation: Segmentation, suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"result{suffix}"
    write(segmentation, path)
    if suffix in NIFTI_SUFFIXES:
        image = nibabel.load(path)
        labels, affine = np.asarray(image.dataobj).T, image.affine
    else:
        labels, affine, _ = read_itk(path)
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, segmentation.labels)
    # NIfTI keeps 32-bit numbers.
    np.testing.assert_allclose(affine, segmentation.affine, atol=1e-4 if suffix in NIFTI_SUFFIXES else 1e-9)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_masks_of_every_form_are_read_as_they_were_written(suffix: str, tmp_path: Path) -> None:
    written = small_result()
    path = tmp_path / f"result{suffix}"
    write(written, path)
    scan = CtVolume(np.zeros(written.labels.shape, np.int16), written.affine, "scan", ())
    np.testing.assert_array_equal(read_masks(path, scan).segmentation.labels, written.labels)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(segmentation=segmentations())
def test_both_nifti_matrices_say_the_same_in_millimetres(segmentation: Segmentation, tmp_path: Path) -> None:
    write(segmentation, tmp_path / "result.nii")
    header = nibabel.load(tmp_path / "result.nii").header
    assert (int(header["sform_code"]), int(header["qform_code"])) == (1, 1)
    assert header.get_xyzt_units()[0] == "mm"
    np.testing.assert_allclose(header.get_qform(), header.get_sform(), atol=1e-3)


def test_a_nifti_lies_where_itk_sees_the_nrrd(tmp_path: Path) -> None:
    write(result(), tmp_path / "a.nii.gz")
    write(result(), tmp_path / "a.nrrd")
    nifti_labels, nifti_affine, _ = read_itk(tmp_path / "a.nii.gz")
    nrrd_labels, nrrd_affine, _ = read_itk(tmp_path / "a.nrrd")
    np.testing.assert_array_equal(nifti_labels, nrrd_labels)
    np.testing.assert_allclose(nifti_affine, nrrd_affine, atol=1e-5)


def test_the_header_of_a_slicer_segmentation_names_all_three_segments(tmp_path: Path) -> None:
    empty = Segmentation(np.zeros((2, 3, 4), np.uint8), np.eye(4), PROVENANCE)
    write(empty, tmp_path / "a.seg.nrrd")
    _, _, image = read_itk(tmp_path / "a.seg.nrrd")
    assert image.GetMetaData("Segmentation_MasterRepresentation") == "Binary labelmap"
    assert image.GetMetaData("Segmentation_ReferenceImageExtentOffset") == "0 0 0"
    for number, segment in enumerate(SEGMENTS):
        fields = {key: image.GetMetaData(f"Segment{number}_{key}") for key in ("ID", "Name", "LabelValue", "Layer")}
        assert fields == {"ID": segment.id, "Name": segment.name, "LabelValue": str(int(segment.label)), "Layer": "0"}
        assert image.GetMetaData(f"Segment{number}_Extent") == "0 3 0 2 0 1"
        assert f"TerminologyEntry:{segment.terminology}|" in image.GetMetaData(f"Segment{number}_Tags")


def test_a_bar_in_a_tag_does_not_cut_the_tags_after_it(tmp_path: Path) -> None:
    write(result(), tmp_path / "a.seg.nrrd")
    _, _, image = read_itk(tmp_path / "a.seg.nrrd")
    tags = dict(pair.split(":", 1) for pair in image.GetMetaData("Segment0_Tags").strip("|").split("|"))
    assert tags["CovidSeg.Model"] == "network / one"
    assert tags["CovidSeg.ModelSha256"] == "ab" * 32


def test_tags_tell_again_by_what_the_segments_were_made() -> None:
    plain = replace(PROVENANCE, model="network one", created="2020-04-01T10:00:00Z", volume="scan, SHA-256 aa")
    older = replace(plain, software="")
    tags = [segment_tags(segment, made).get for segment, made in zip(SEGMENTS, (older, plain, plain), strict=True)]
    # When, from which scan and on which device is not asked for: what is read now was not made now.
    assert provenance_of(tags) == replace(plain, device="", created="", volume="")
    assert provenance_of([]) == UNKNOWN_PROVENANCE


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk_leaves_the_old_file_and_nothing_else(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"result{suffix}"
    path.write_bytes(b"old")
    with largest_file(50_000), pytest.raises(OutputError):
        write(result(), path)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("missing", [1, 300, 1400, 4097])
def test_a_disk_that_fills_up_in_the_last_block_leaves_the_old_file(suffix: str, missing: int, tmp_path: Path) -> None:
    """Some libraries write the last block when they close the file, and do not look whether that went well."""
    path = tmp_path / f"result{suffix}"
    write(small_result(), path)
    before = path.read_bytes()
    with largest_file(len(before) - missing), pytest.raises(OutputError, match="could not be written"):
        write(small_result(), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_real_disk_that_is_full_by_less_than_a_page_leaves_the_old_file(suffix: str, tmp_path: Path) -> None:
    write(small_result(), tmp_path / f"size{suffix}")
    pages = -(-(tmp_path / f"size{suffix}").stat().st_size // PAGE)
    (tmp_path / "disk").mkdir()
    with small_disk(tmp_path / "disk", pages * PAGE) as disk:  # one page is taken by the old file
        path = disk / f"result{suffix}"
        path.write_bytes(b"old")
        with pytest.raises(OutputError, match="could not be written"):
            write(small_result(), path)
        assert path.read_bytes() == b"old"
        assert [file.name for file in disk.iterdir()] == [path.name]
        path.unlink()
        write(small_result(), path)  # now it fits


@pytest.mark.parametrize("suffix", [*ITK_SUFFIXES, *NIFTI_SUFFIXES])
@pytest.mark.parametrize("change", ["cut off", "longer", "one byte", "without a header", "other voxels"])
def test_what_is_read_back_must_be_what_was_written(suffix: str, change: str, tmp_path: Path) -> None:
    path = tmp_path / f"result{suffix}"
    labels = small_result().labels.copy()
    write(small_result(), path)
    check_voxels(path, labels)
    content = bytearray(path.read_bytes())
    if change == "one byte":
        content[-20] ^= 1
    elif change == "other voxels":
        labels[-1, -1, -1] ^= 1
    path.write_bytes(
        {"cut off": content[:-1], "longer": content + b"0", "without a header": b"NRRD0004"}.get(change, content)
    )
    with pytest.raises(OutputError, match="does not hold what was written"):
        check_voxels(path, labels)


@pytest.mark.parametrize("kind", ["text", "bytes"])
def test_a_table_or_a_picture_that_the_disk_cut_off_does_not_replace_the_old_one(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(place: Path, content: bytes) -> int:
        return place.open("wb").write(content[:-1])

    (tmp_path / "a").write_bytes(b"old")
    monkeypatch.setattr(Path, "write_bytes", cut_off)
    with pytest.raises(OutputError, match="does not hold what was written"):
        replace_text("new", tmp_path / "a", None) if kind == "text" else replace_bytes(b"new", tmp_path / "a", None)
    assert (tmp_path / "a").read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["a"]


def test_an_interrupted_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(image: SimpleITK.Image, name: str, **_: object) -> None:
        Path(name).write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(SimpleITK, "WriteImage", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(result(), tmp_path / "a.nrrd")
    assert list(tmp_path.iterdir()) == []


def test_a_finished_file_replaces_the_old_one_and_has_usual_rights(tmp_path: Path) -> None:
    path = tmp_path / "A.SEG.NRRD"
    path.write_bytes(b"old")
    write(result(), path)
    assert [file.name for file in tmp_path.iterdir()] == ["A.SEG.NRRD"]
    (tmp_path / "other").touch()
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_ending_means_the_same_in_capitals_and_the_name_may_be_as_long_as_names_can_be(
    suffix: str, tmp_path: Path
) -> None:
    paths = [tmp_path / f"{'a' * (255 - len(suffix))}{ending}" for ending in (suffix, suffix.upper(), suffix.title())]
    for path in paths:
        write(result(), path)
    # The bytes of a compressed file are all there is to compare: readers are particular about capitals.
    assert len({path.read_bytes() for path in paths}) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="other systems know no such names")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_name_that_is_not_utf8_can_be_written(suffix: str, tmp_path: Path) -> None:
    write(result(), tmp_path / f"{os.fsdecode(bytes([0xE9]))}{suffix}")
    assert os.listdir(os.fsencode(tmp_path)) == [b"\xe9" + suffix.encode()]


@pytest.mark.parametrize("name", ["result.jpg", "result", "result.nrrd.zip", "missing/result.nrrd", "folder.nii"])
def test_a_place_that_cannot_be_written_is_refused_before_the_work(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder.nii").mkdir()
    with pytest.raises(OutputError) as caught:
        check_suffix(tmp_path / name)
    assert str(tmp_path) not in str(caught.value)
    assert [file.name for file in tmp_path.iterdir()] == ["folder.nii"]


def test_a_folder_without_room_for_files_is_refused() -> None:
    if not Path("/proc/self").is_dir():
        pytest.skip("needs a folder in which nobody may make files (Linux: /proc)")
    with pytest.raises(OutputError, match="cannot be made"):
        check_suffix(Path("/proc/self/result.nrrd"))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_place_that_can_be_written_is_accepted_and_left_clean(suffix: str, tmp_path: Path) -> None:
    check_suffix(tmp_path / f"result{suffix}")
    assert list(tmp_path.iterdir()) == []
