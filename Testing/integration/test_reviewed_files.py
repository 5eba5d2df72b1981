"""A corrected ``.seg.nrrd`` is brought up to date or left alone, never replaced unasked; a save is whole or nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from CovidSegLib.corrections.merge import ALL, RECORD_TAG
from CovidSegLib.errors import InputError
from CovidSegLib.geometry.grid import Grid
from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct
from CovidSegLib.segfiles import read_reviewed, write, write_reviewed
from CovidSegLib.segmentation import Provenance, Segmentation
from CovidSegLib.system.atomic_files import OWN_FILE, OutputSet
from Testing.kit.command_line import CLEAN, PRINTS, CommandLine, told_scan, write_scan
from Testing.kit.killed import killed_at
from Testing.kit.rewritten import erase, labels_of, rewrite

pytestmark = pytest.mark.skipif(os.name == "nt", reason="sends signals and looks at processes")
AFFINE = np.array(((-0.7, 0, 0, 100), (0, -0.8, 0, -80.5), (0, 0, 2.5, 7), (0, 0, 0, 1)))
SHAPE = (6, 9, 14)
GRID = Grid(AFFINE, SHAPE)


def result(seed: int, model: str = "one") -> Segmentation:
    labels = np.random.default_rng(seed).integers(0, 4, SHAPE, dtype=np.uint8)
    return Segmentation(labels, AFFINE, Provenance(model, "ab" * 32, "onnx", "CPU", "CovidSeg 1.0", volume="a|b"))


@pytest.fixture
def told(tmp_path: Path) -> CommandLine:
    """The command line with a network that finds left lung where the scan is dark, and what it wrote of a scan."""
    told_scan(tmp_path / "ct.nii.gz", CLEAN)
    command = CommandLine(tmp_path, stand_in=True)
    assert command.run("segment", "ct.nii.gz", "-o", "a.seg.nrrd").returncode == 0
    return command


def paint(array: np.ndarray) -> None:
    array[2, 0:4, 0:5] = 3


def test_a_file_that_nobody_changed_is_replaced(told: CommandLine) -> None:
    rewrite(told.folder / "a.seg.nrrd", lambda array: None)
    ended = told.run("segment", "ct.nii.gz", "-o", "a.seg.nrrd")
    assert ended.returncode == 0, ended.stderr
    assert "Kept" not in ended.stdout


def test_a_corrected_file_is_refused_with_its_ml_and_stays_as_it_is(told: CommandLine) -> None:
    path = told.folder / "a.seg.nrrd"
    rewrite(path, erase)
    before = path.read_bytes()
    line = told.refused("segment", "ct.nii.gz", "-o", "a.seg.nrrd")
    assert "1.80 mL would be lost" in line
    assert "--keep-edits" in line
    assert path.read_bytes() == before


def test_keep_edits_updates_around_the_readers_voxels_again_and_again(told: CommandLine) -> None:
    path = told.folder / "a.seg.nrrd"
    rewrite(path, erase)
    # The network sees another scan of the same grid: darker in one corner.
    voxels = np.full((4, 32, 32), 40, np.int16)
    voxels[:, 4:24, 8:28] = -800
    write_scan(told.folder / "ct.nii.gz", voxels)
    ended = told.run("segment", "ct.nii.gz", "-o", "a.seg.nrrd", "-o", "all.nii.gz", "--keep-edits", "--json", "a.json")
    assert ended.returncode == 0, ended.stderr
    assert "Kept: 1.80 mL that a reader had corrected." in ended.stdout.splitlines()
    assert json.loads((told.folder / "a.json").read_text())["kept_edits_ml"] == 1.8
    expected = (voxels < -500).astype(np.uint8)
    erase(expected)
    np.testing.assert_array_equal(labels_of(path), expected)
    np.testing.assert_array_equal(labels_of(told.folder / "all.nii.gz"), expected)
    rewrite(path, paint)
    paint(expected)
    assert told.run("segment", "ct.nii.gz", "-o", "a.seg.nrrd", "--keep-edits").returncode == 0
    np.testing.assert_array_equal(labels_of(path), expected)
    assert told.run("segment", "ct.nii.gz", "-o", "a.seg.nrrd", "--overwrite").returncode == 0
    np.testing.assert_array_equal(labels_of(path), voxels < -500)


def test_a_labelmap_cannot_tell_edits_and_is_replaced_only_when_told_so(told: CommandLine) -> None:
    assert told.run("segment", "ct.nii.gz", "-o", "b.nii.gz").returncode == 0
    before = (told.folder / "b.nii.gz").read_bytes()
    assert "--overwrite" in told.refused("segment", "ct.nii.gz", "-o", "b.nii.gz")
    assert "--overwrite" in told.refused("segment", "ct.nii.gz", "-o", "b.nii.gz", "--keep-edits")
    assert (told.folder / "b.nii.gz").read_bytes() == before
    assert told.run("segment", "ct.nii.gz", "-o", "b.nii.gz", "--overwrite").returncode == 0


def test_a_file_of_another_scan_or_of_another_kind_is_not_touched(told: CommandLine) -> None:
    told_scan(told.folder / "other.nii.gz", CLEAN, slices=3)
    (told.folder / "b.seg.nrrd").write_text("notes")
    header = (told.folder / "a.seg.nrrd").read_bytes().replace(b"sizes: 32 32 4", b"sizes: 99999 99999 9999")
    (told.folder / "c.seg.nrrd").write_bytes(header)
    assert "cannot be kept" in told.refused("segment", "ct.nii.gz", "-o", "c.seg.nrrd")
    for flag in ([], ["--keep-edits"]):
        assert "another scan" in told.refused("segment", "other.nii.gz", "-o", "a.seg.nrrd", *flag)
        assert "cannot be kept" in told.refused("segment", "ct.nii.gz", "-o", "b.seg.nrrd", *flag)


@pytest.mark.parametrize("slices", [4, 6], ids=["one grid", "a larger grid"])
def test_the_result_of_another_scan_is_called_so_and_a_readers_work_only_where_there_is_any(
    told: CommandLine, slices: int
) -> None:
    told_scan(told.folder / "other.nii.gz", PRINTS, slices=slices)
    call, path = ("segment", "other.nii.gz", "-o", "a.seg.nrrd"), told.folder / "a.seg.nrrd"
    own = read_ct(told.folder / "ct.nii.gz", Progress()).fingerprint
    tagged = {"CovidSeg.SourceVolume:": f"CovidSeg.SourceVolume:NIfTI file, SHA-256 {own}"}
    rewrite(path, lambda array: None, tagged)
    before = path.read_bytes()
    assert "a.seg.nrrd: The output exists and is the result of another scan, or of" in told.refused(*call)
    assert path.read_bytes() == before
    rewrite(path, erase)
    before = path.read_bytes()
    for flag in ([], ["--keep-edits"]):
        assert "a.seg.nrrd: The output exists and holds a reader's work on another scan" in told.refused(*call, *flag)
    assert path.read_bytes() == before
    assert told.run(*call, "--overwrite").returncode == 0


def test_a_batch_keeps_corrections_and_reports_those_it_must_not_replace(told: CommandLine) -> None:
    (told.folder / "scans").mkdir()
    for stem in "ab":
        told_scan(told.folder / "scans" / f"{stem}.nii.gz", CLEAN)
    assert told.run("batch", "scans", "out").returncode == 0
    path = told.folder / "out" / "a.seg.nrrd"
    rewrite(path, erase)
    before = path.read_bytes()
    assert told.run("batch", "scans", "out").stdout.endswith("0 of 0 scans done, 2 done before.\n")
    corrected, other = (told.folder / "out" / "summary.csv").read_text().splitlines()[1:]
    assert "The result was changed since" in corrected
    assert "changed" not in other
    ended = told.run("batch", "scans", "out", "--restart")
    assert ended.returncode == 2
    assert "1.80 mL would be lost" in ended.stderr
    assert path.read_bytes() == before
    ended = told.run("batch", "scans", "out", "--restart", "--keep-edits")
    assert ended.returncode == 0, ended.stderr
    assert labels_of(path)[1, 10:14, 10:20].max() == 0


def test_corrections_are_never_merged_into_another_scans_masks(told: CommandLine) -> None:
    """A case's name may pass to another patient whose scan has the same grid."""
    (told.folder / "scans").mkdir()
    told_scan(told.folder / "scans" / "ct.nii.gz", CLEAN)
    assert told.run("batch", "scans", "out").returncode == 0
    calls = (
        (("segment", "ct.nii.gz", "-o", "a.seg.nrrd", "--keep-edits"), told.folder / "a.seg.nrrd"),
        (("batch", "scans", "out", "--restart", "--keep-edits"), told.folder / "out" / "ct.seg.nrrd"),
    )
    own = read_ct(told.folder / "ct.nii.gz", Progress()).fingerprint
    for call, path in calls:
        rewrite(path, lambda array: None, {"CovidSeg.SourceVolume:": "CovidSeg.SourceVolume:NIfTI file, SHA-256 0ff"})
        assert told.run(*call).returncode == 0  # nobody corrected it: nothing is lost
        tagged = {"CovidSeg.SourceVolume:": f"CovidSeg.SourceVolume:NIfTI file, SHA-256 {own}"}
        rewrite(path, erase, tagged)
        assert told.run(*call).returncode == 0
        assert labels_of(path)[1, 10:14, 10:20].max() == 0
        rewrite(path, lambda array: None, {"CovidSeg.SourceVolume:": "CovidSeg.SourceVolume:NIfTI file, SHA-256 0ff"})
        before = path.read_bytes()
        ended = told.run(*call)
        assert ended.returncode == 2
        assert "a reader's work on another scan, or on this one before its voxels changed. Choose" in ended.stderr
        assert path.read_bytes() == before
        assert told.run(*call[:-1], "--overwrite").returncode == 0
        assert labels_of(path)[1, 10:14, 10:20].max() == 1


def test_tags_say_how_a_segment_was_made_and_who_edited_it(tmp_path: Path) -> None:
    path = tmp_path / "a.seg.nrrd"
    write(result(0), path)
    rewrite(path, lambda array: array.__setitem__(np.s_[:2, :2, :2], 3))
    review = read_reviewed(path, GRID)
    merged, joined = review.reviewed.join(result(1, "two"))
    write_reviewed(review, merged, joined, path)
    tags = {one.id: one.tags for one in read_reviewed(path, GRID).segments}
    assert {one["CovidSeg.Model"] for one in tags.values()} == {"two"}
    assert tags["Covid19Infection"]["DICOM.SegmentAlgorithmType"] == "SEMIAUTOMATIC"
    assert joined.provenance.edited == ("LeftLung", "RightLung", "Covid19Infection")
    for one in tags.values():
        assert {"CovidSeg.ModelSha256", "CovidSeg.Software", "CovidSeg.Created", RECORD_TAG} <= one.keys()
        assert one["CovidSeg.SourceVolume"] == "a/b"
        assert not any("|" in value for value in one.values())


def test_the_readers_status_and_terminology_stay(tmp_path: Path) -> None:
    path = tmp_path / "a.seg.nrrd"
    write(result(0), path)
    rewrite(path, lambda array: None, {"Status:notstarted": "Status:flagged", "Lung~": "Lung lobe~"})
    review = read_reviewed(path, GRID)
    write_reviewed(review, *review.reviewed.join(result(1, "two")), path)
    for before, after in zip(review.segments, read_reviewed(path, GRID).segments, strict=True):
        assert after.tags["Segmentation.Status"] == "flagged"
        assert after.tags["TerminologyEntry"] == before.tags["TerminologyEntry"]
        assert after.tags["CovidSeg.Model"] == "two"


def test_a_second_file_of_segments_knows_the_readers_voxels_too(told: CommandLine) -> None:
    rewrite(told.folder / "a.seg.nrrd", erase)
    assert told.run("segment", "ct.nii.gz", "-o", "a.seg.nrrd", "-o", "b.seg.nrrd", "--keep-edits").returncode == 0
    assert "1.80 mL would be lost" in told.refused("segment", "ct.nii.gz", "-o", "b.seg.nrrd")


def test_where_the_record_is_lost_or_altered_everything_is_the_readers(tmp_path: Path) -> None:
    path = tmp_path / "a.seg.nrrd"
    first = result(0)
    write(first, path)
    rewrite(path, lambda array: None, {RECORD_TAG: "Another.Tag"})
    review = read_reviewed(path, GRID)
    assert review.reviewed.last.known == 0
    assert review.would_be_lost()
    merged, joined = review.reviewed.join(result(1))
    np.testing.assert_array_equal(joined.labels, first.labels)
    write_reviewed(review, merged, joined, path)
    np.testing.assert_array_equal(labels_of(path), first.labels)


def test_completed_removed_and_foreign_segments_are_never_touched(tmp_path: Path) -> None:
    path = tmp_path / "a.seg.nrrd"
    first, second = result(0), result(1)
    write(first, path)
    rewrite(path, lambda array: None, {"RightLung": "Drainage", "Left lung": "Lunge links"})
    rewrite(path, lambda array: None, {"Status:notstarted": "Status:completed"})
    review = read_reviewed(path, GRID)
    assert review.reviewed.held == ALL
    merged, joined = review.reviewed.join(second)
    write_reviewed(review, merged, joined, path)
    again = read_reviewed(path, GRID)
    assert [one.id for one in again.segments] == ["LeftLung", "Drainage", "Covid19Infection"]
    assert [one.tags for one in again.segments] == [one.tags for one in review.segments]
    assert again.segments[0].fields["Name"] == "Lunge links"
    for one, other in zip(review.segments, again.segments, strict=True):
        before, after = review.layers[one.place[0]], again.layers[other.place[0]]
        np.testing.assert_array_equal(before == one.place[1], after == other.place[1])


@given(
    st.permutations(range(3)),
    st.tuples(*[st.booleans()] * 3),
    st.tuples(*[st.integers(0, 2)] * 6),
    st.floats(-180, 180),
    st.integers(0, 99),
)
def test_a_grid_that_was_turned_cropped_or_extended_comes_back(
    axes: list[int], flips: tuple[bool, ...], margins: tuple[int, ...], degrees: float, seed: int
) -> None:
    shape = (4, 5, 6)
    affine = AFFINE.copy()
    affine[:3, :3] = Rotation.from_euler("y", degrees, degrees=True).as_matrix() @ affine[:3, :3]
    array = np.zeros(shape, np.uint8)
    array[1:3, 1:4, 2:5] = np.random.default_rng(seed).integers(1, 4, (2, 3, 3))
    # Cut off or add up to two empty planes at each side, then turn the axes.
    low, high = [margin - 1 for margin in margins[:3]], [margin - 1 for margin in margins[3:]]
    padded = np.pad(array, [(max(0, a), max(0, b)) for a, b in zip(low, high, strict=True)])
    kept = [slice(max(0, -a), size - max(0, -b)) for a, b, size in zip(low, high, padded.shape, strict=True)]
    cut = padded[tuple(kept)]
    moved = affine.copy()
    moved[:3, 3] = (affine @ np.array([*(-a for a in low[::-1]), 1]))[:3]
    turned = cut.transpose(axes)
    own = moved.copy()
    own[:3, :3] = moved[:3, :3][:, [2 - axes[2 - column] for column in range(3)]]
    for axis, flip in enumerate(flips):
        if flip:
            turned = np.flip(turned, axis)
            own[:3, 3] += own[:3, 2 - axis] * (turned.shape[axis] - 1)
            own[:3, 2 - axis] *= -1
    np.testing.assert_array_equal(Grid(affine, shape).bring(turned, own), array)


@pytest.mark.parametrize("change", ["shifted by half a voxel", "of another voxel size", "beyond the edge"])
def test_voxels_that_are_not_those_of_the_scan_are_refused(change: str) -> None:
    own = AFFINE.copy()
    if change == "shifted by half a voxel":
        own[0, 3] += 0.35
    elif change == "of another voxel size":
        own[2, 2] = 2.4
    else:
        own[2, 3] += 2.5
    with pytest.raises(InputError, match="another scan"):
        Grid(AFFINE, (3, 4, 5)).bring(np.ones((3, 4, 5), np.uint8), own)
    assert not Grid(AFFINE, (3, 4, 5)).bring(np.zeros((1, 1, 1), np.uint8), own).any()


@pytest.mark.parametrize("way", ["one file", "several files"])
def test_a_save_that_is_killed_at_any_moment_leaves_the_old_file_or_the_new_one(way: str, tmp_path: Path) -> None:
    path = tmp_path / "a.seg.nrrd"
    old, new = result(0), result(1)
    write(old, path)

    def save() -> None:
        if way == "one file":
            write(new, path)
            return
        with OutputSet({path: OWN_FILE}) as files:
            for name in ("a.seg.nrrd", "b.nii.gz"):
                write(new, files.add(tmp_path / name))
            files.publish()

    moment, ended, seen = 0, False, set()
    while not ended:
        moment += 1
        ended = killed_at(moment, save)
        labels = labels_of(path)
        is_new = np.array_equal(labels, new.labels)
        assert is_new or np.array_equal(labels, old.labels)
        seen.add(is_new)
    assert moment > 4
    assert seen == {False, True}
