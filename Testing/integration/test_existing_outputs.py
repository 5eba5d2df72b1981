"""What an existing ``.seg.nrrd`` says of a reader's work to whoever would replace, update or count it."""

from __future__ import annotations

import os
import socket
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from CovidSegLib.batch.manifest import is_manifest
from CovidSegLib.cli.arguments import check_numbers, check_targets
from CovidSegLib.cli.main import main
from CovidSegLib.corrections.merge import RECORD_TAG
from CovidSegLib.errors import OutputError
from CovidSegLib.geometry.grid import Grid
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.measures import measure
from CovidSegLib.report.report_formats import is_report
from CovidSegLib.report.result_record import ResultRecord
from CovidSegLib.segfiles import (
    NOTHING_LOST,
    ExistingFiles,
    check_suffix,
    find_reviewed,
    read_reviewed,
    write,
    write_reviewed,
)
from CovidSegLib.segfiles.kinds import refuse_for_lobes
from CovidSegLib.segfiles.labelmap import array_to_itk, save_nifti
from CovidSegLib.segfiles.lobe_files import SUFFIXES, write_lobes
from CovidSegLib.segfiles.registry import read_masks
from CovidSegLib.segmentation import SEGMENTS, Provenance, Segmentation
from CovidSegLib.system.atomic_files import OWN_FILE, OutputSet, replace_text
from CovidSegLib.system.file_states import file_state
from Testing.kit.dicom_files import write_series
from Testing.kit.rewritten import rewrite

AFFINE = np.array(((-0.7, 0, 0, 100), (0, -0.8, 0, -80.5), (0, 0, 2.5, 7), (0, 0, 0, 1)))
SHAPE = (6, 9, 14)
GRID = Grid(AFFINE, SHAPE)


def result(seed: int) -> Segmentation:
    labels = np.random.default_rng(seed).integers(0, 4, SHAPE, dtype=np.uint8)
    return Segmentation(labels, AFFINE, Provenance("one", "ab" * 32, "onnx", "CPU", "CovidSeg 1.0", volume="a|b"))


@pytest.mark.parametrize(
    ("change", "lost"),
    [
        (("Left lung", "Lunge links"), "the new name of Left lung"),
        (("Status:notstarted", "Status:flagged"), "the flag of Left lung and the flag of Right lung"),
        (("0.9 0.32 0.23", "0 1 1"), "the new colour of COVID-19 infection"),
        (("0.9 0.32 0.23", "0.9 0.32 0.23 0.5"), "the new colour of COVID-19 infection"),
        (("SCT^7771000^Left", "SCT^7771000^Left side"), "the new codes of Left lung"),
        (("Status:notstarted", "Status:completed"), "the mark of Left lung as completed"),
        (("ID:RightLung", "ID:Drainage"), "the removal of Right lung and a segment that is not CovidSeg's"),
        ((RECORD_TAG, "Another.Tag"), "an empty Left lung that a reader may have emptied"),
    ],
)
def test_what_has_no_volume_is_not_replaced_either_and_called_by_its_name(
    change: tuple[str, str], lost: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.seg.nrrd"
    write(Segmentation(np.zeros(SHAPE, np.uint8), AFFINE, result(0).provenance), path)
    assert find_reviewed([path], GRID, NOTHING_LOST) is None
    rewrite(path, lambda array: None, {change[0].removeprefix("ID:"): change[1].removeprefix("ID:")})
    with pytest.raises(OutputError, match=f"holds a reader's work: {lost}") as refused:
        find_reviewed([path], GRID, NOTHING_LOST)
    assert "mL" not in str(refused.value)


@pytest.mark.parametrize("choice", [NOTHING_LOST, ExistingFiles(keep_edits=True), ExistingFiles(overwrite=True), "own"])
def test_a_file_that_is_write_protected_is_never_replaced(choice: ExistingFiles | str, tmp_path: Path) -> None:
    path = tmp_path / "a.seg.nrrd"
    write(result(0), path)
    path.chmod(0o444)
    if choice == "own":
        choice = ExistingFiles(own_state=file_state(path))
    with pytest.raises(OutputError, match="write-protected"):
        find_reviewed([path], GRID, choice)


@pytest.mark.skipif(os.name == "nt", reason="devices and pipes of Unix")
@pytest.mark.parametrize("kind", ["pipe", "socket", "device", "link to a pipe"])
@pytest.mark.parametrize("choice", [NOTHING_LOST, ExistingFiles(keep_edits=True), ExistingFiles(overwrite=True)])
def test_a_device_a_pipe_or_a_socket_is_neither_read_nor_replaced(
    choice: ExistingFiles, kind: str, tmp_path: Path
) -> None:
    path = special_file(tmp_path / "a.seg.nrrd", kind)
    before = path.lstat()
    for attempt in (
        lambda: find_reviewed([path], GRID, choice),
        lambda: check_suffix(path),
        lambda: write(result(0), path),
        lambda: replace_text("", path),
        lambda: check_targets(None, [path]),
    ):
        with pytest.raises(OutputError, match="a device, a pipe or a socket"):
            attempt()
    assert not is_report(path)
    assert not is_manifest(path)
    assert os.path.samestat(path.lstat(), before)
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("text", "ours"),
    [
        ('{"cases": []}', True),
        ('{\n "cases": [\n  {\n   "case": "a",\n   "status": "done"', True),
        ('{"cases": [{"case": "a", "age": 60}]}', False),
        ('{"cases": {"a": 1}}', False),
    ],
)
def test_a_table_of_cases_of_somebody_else_is_not_taken_for_the_numbers_of_a_batch(
    text: str, ours: bool, tmp_path: Path
) -> None:
    (tmp_path / "a.json").write_text(text)
    assert is_report(tmp_path / "a.json") == ours


@pytest.mark.parametrize("name", ["a.nii.gz", "a.mhd", "a.zip", "a.seg.nrrd", "a.txt", "a.json"])
def test_numbers_take_the_place_of_no_scan_and_no_masks_whatever_is_asked_for(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("of somebody else")
    with pytest.raises(OutputError, match="not one of CovidSeg's"):
        check_numbers([tmp_path / name])
    if name in ("a.txt", "a.json"):
        check_numbers([tmp_path / name], overwrite=True)
        return
    with pytest.raises(OutputError, match="not one of CovidSeg's"):
        check_numbers([tmp_path / name], overwrite=True)


def scan_in(folder: Path, name: str) -> Path:
    """A scan with air and bone at ``name``, by its ending."""
    voxels = np.random.default_rng(0).integers(-1000, 1000, SHAPE).astype(np.int16)
    if name.endswith(".dcm"):
        return write_series(folder, voxels)[2].rename(folder / name)
    if name.endswith("nrrd") or name.endswith(".mha"):
        SimpleITK.WriteImage(array_to_itk(voxels, AFFINE), folder / name)
    else:
        save_nifti(voxels + np.float32(0.25 if "fractions" in name else 0), AFFINE, folder / name)
    return folder / name


@pytest.mark.parametrize("name", ["a.nii.gz", "fractions.nii", "a.nrrd", "a.mha", "a.seg.nrrd", "a.dcm"])
def test_masks_and_lobes_take_the_place_of_no_scan_whatever_is_asked_for(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scan = scan_in(tmp_path, name)
    before = scan.read_bytes()
    with pytest.raises(OutputError, match="is a scan: no masks take its place"):
        find_reviewed([scan], GRID, ExistingFiles(overwrite=True))
    if name.endswith(SUFFIXES):
        masks = tmp_path / "masks.nrrd"
        write(result(0), masks)
        assert main(["lobes", str(masks), "-o", str(scan), "--overwrite"]) == 2
        assert "holds no lobes" in capsys.readouterr().err
    assert scan.read_bytes() == before


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "a.seg.nrrd"])
def test_masks_replace_no_lobes_and_lobes_no_masks(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    write_lobes(result(0).labels, GRID, path, "ab" * 32)
    refuse_for_lobes(path)
    with pytest.raises(OutputError, match="holds lobes"):
        find_reviewed([path], GRID, ExistingFiles(overwrite=True))
    write(result(0), path)
    find_reviewed([path], GRID, ExistingFiles(overwrite=True))
    with pytest.raises(OutputError, match="holds no lobes"):
        refuse_for_lobes(path)


def test_the_header_alone_tells_that_a_segmentation_holds_lobes(tmp_path: Path) -> None:
    path = tmp_path / "a.seg.nrrd"
    write_lobes(result(0).labels, GRID, path, "ab" * 32)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20] + bytes(20))  # voxels that cannot be unpacked
    with pytest.raises(OutputError, match="holds lobes"):
        find_reviewed([path], GRID, ExistingFiles(overwrite=True))


def test_labels_of_another_program_and_what_nobody_can_read_are_replaced_when_it_is_asked_for(tmp_path: Path) -> None:
    labels, broken = tmp_path / "a.nii.gz", tmp_path / "b.nii.gz"
    save_nifti(np.full(SHAPE, 17, np.int16), AFFINE, labels)
    broken.write_text("broken")
    find_reviewed([labels, broken], GRID, ExistingFiles(overwrite=True))
    for path in (labels, broken):
        refuse_for_lobes(path)


def special_file(path: Path, kind: str) -> Path:
    """What is no file at ``path``; a device of its own (nothing is lost with it), where the tests may make one."""
    if kind == "socket":
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(os.path.relpath(path))  # a short name is asked for
    elif kind == "device":
        try:
            os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        except PermissionError:
            pytest.skip("needs the right to make a device")
    else:
        target = path.with_name("pipe") if kind == "link to a pipe" else path
        os.mkfifo(target)
        if target != path:
            path.symlink_to(target)
    return path


@pytest.mark.skipif(os.name == "nt", reason="looks at permissions")
def test_who_could_write_to_a_file_still_can(tmp_path: Path) -> None:
    path = tmp_path / "a.seg.nrrd"
    write(result(0), path)
    path.chmod(0o664)
    with OutputSet({path: OWN_FILE}) as files:
        write(result(1), files.add(path))
        files.publish()
    assert path.stat().st_mode & 0o777 == 0o664


def test_a_file_of_another_scan_with_the_same_grid_is_pointed_out(tmp_path: Path) -> None:
    path = tmp_path / "a.seg.nrrd"
    first, second = (
        replace(result(0), provenance=replace(result(0).provenance, volume=f"scan, SHA-256 {name}"))
        for name in ("aa", "bb")
    )
    write(first, path)
    review = read_reviewed(path, GRID)
    assert review.reviewed.join(first)[1].provenance.warnings == ()
    (warning,) = review.reviewed.join(second)[1].provenance.warnings
    assert "made from another scan" in warning


def test_what_another_program_edited_counts_as_edited_whatever_its_tags_say(tmp_path: Path) -> None:
    """Reports and follow-ups look at the voxels: a program that does not know CovidSeg leaves AUTOMATIC as it was."""
    path = tmp_path / "a.seg.nrrd"
    voxel = 0.7 * 0.8 * 2.5 / 1000
    volume = CtVolume(np.zeros(SHAPE, np.int16), AFFINE)
    write(result(0), path)
    masks = read_masks(path, volume)
    assert (masks.segmentation.provenance.edited, masks.segmentation.provenance.kept_ml) == ((), 0)
    rewrite(path, lambda array: array.__setitem__((array == 1) & (np.arange(14) < 3), 0))
    gone = np.count_nonzero((result(0).labels == 1)[..., :3])
    assert {one.tags["DICOM.SegmentAlgorithmType"] for one in read_reviewed(path, GRID).segments} == {"AUTOMATIC"}
    masks = read_masks(path, volume)
    made = masks.segmentation.provenance
    assert (made.edited, made.kept_ml) == (("LeftLung",), pytest.approx(gone * voxel))
    assert masks.edits[0].removed_ml == pytest.approx(gone * voxel)
    record = ResultRecord.of(measure(masks.segmentation.labels, masks.segmentation.grid), made, {})
    assert record.edited_segments == ("LeftLung",)
    rewrite(path, lambda array: None, {RECORD_TAG: "Another.Tag"})
    assert read_masks(path, volume).segmentation.provenance.edited == tuple(one.id for one in SEGMENTS)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        (b"L\xfcnge links", "Lünge links"),
        ("Lünge".encode(), "Lünge"),
        (rb"two\nlines", "two\nlines"),
        (rb"back\\slash", "back\\slash"),
    ],
)
def test_a_segment_keeps_the_name_that_a_reader_gave_it_in_whatever_letters(
    name: bytes, kept: str, tmp_path: Path
) -> None:
    path, updated = tmp_path / "a.seg.nrrd", tmp_path / "b.seg.nrrd"
    write(result(0), path)
    path.write_bytes(path.read_bytes().replace(b"Segment0_Name:=Left lung", b"Segment0_Name:=" + name))
    review = read_reviewed(path, GRID)
    assert "the new name of Left lung" in review.would_be_lost()
    write_reviewed(review, *review.reviewed.join(result(1)), updated)
    assert read_reviewed(updated, GRID).segments[0].fields["Name"] == kept
