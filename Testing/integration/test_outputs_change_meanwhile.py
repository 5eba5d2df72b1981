"""What a reader does while a scan or a batch runs, and what a batch kept before, is not replaced; nor is a link."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from CovidSegLib.api.result import Result
from CovidSegLib.batch import Entry, PlannedCase
from CovidSegLib.batch.outcome import run_case
from CovidSegLib.batch.ownership import settled, state_to_keep
from CovidSegLib.case import SegmentCase
from CovidSegLib.cli.main import main
from CovidSegLib.errors import OutputError
from CovidSegLib.geometry.grid import Grid
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.measures import lobe_map, measure
from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct
from CovidSegLib.report.result_record import ResultRecord
from CovidSegLib.segfiles import ExistingFiles, find_reviewed, write
from CovidSegLib.segfiles.labelmap import save_nifti
from CovidSegLib.segmentation import Provenance, Segmentation
from CovidSegLib.system.atomic_files import OutputSet
from CovidSegLib.system.file_states import file_state, kept_state, states_of
from Testing.kit.cases import segment_case
from Testing.kit.command_line import CLEAN, CommandLine, told_scan
from Testing.kit.drawn_lungs import AFFINE as LUNGS_AFFINE
from Testing.kit.drawn_lungs import drawn_lungs
from Testing.kit.rewritten import erase, labels_of, rewrite

pytestmark = pytest.mark.skipif(os.name == "nt", reason="sends signals and looks at processes")
AFFINE = np.array(((-0.7, 0, 0, 100), (0, -0.8, 0, -80.5), (0, 0, 2.5, 7), (0, 0, 0, 1)))
SHAPE = (6, 9, 14)
GRID = Grid(AFFINE, SHAPE)


def result(seed: int) -> Segmentation:
    labels = np.random.default_rng(seed).integers(0, 4, SHAPE, dtype=np.uint8)
    return Segmentation(labels, AFFINE, Provenance("one", "ab" * 32, "onnx", "CPU", "CovidSeg 1.0"))


def test_corrections_that_a_batch_kept_are_not_its_own_work_in_the_next_one(tmp_path: Path) -> None:
    told = CommandLine(tmp_path, stand_in=True)
    (told.folder / "scans").mkdir()
    told_scan(told.folder / "scans" / "a.nii.gz", CLEAN)
    assert told.run("batch", "scans", "out").returncode == 0
    path = told.folder / "out" / "a.seg.nrrd"
    rewrite(path, erase)
    assert told.run("batch", "scans", "out", "--restart", "--keep-edits").returncode == 0
    before = path.read_bytes()
    ended = told.run("batch", "scans", "out", "--restart")
    assert ended.returncode == 2
    assert "1.80 mL would be lost" in ended.stderr
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "existing",
    [
        *(ExistingFiles(), ExistingFiles(keep_edits=True), ExistingFiles(overwrite=True)),
        *(ExistingFiles(keep_edits=True, overwrite=True), "own"),
    ],
)
def test_what_a_reader_saves_while_the_scan_is_segmented_is_not_lost(
    existing: ExistingFiles | str, tmp_path: Path
) -> None:
    scan, path = told_scan(tmp_path / "ct.nii.gz", CLEAN), tmp_path / "a.seg.nrrd"

    def segment_while_a_reader_saves(volume: CtVolume, progress: Progress, *_: object) -> Segmentation:
        rewrite(path, erase)
        return threshold(volume, progress)

    segment_case(scan, [path], segment=threshold, progress=Progress())
    if existing == "own":
        existing = ExistingFiles(own_state=file_state(path))
    with pytest.raises(OutputError, match="changed by somebody else"):
        segment_case(scan, [path], segment=segment_while_a_reader_saves, progress=Progress(), existing=existing)
    assert labels_of(path)[1, 10:14, 10:20].max() == 0
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.seg.nrrd", "ct.nii.gz"]


@pytest.mark.parametrize("way", ["into the file", "a new file in its place"])
@pytest.mark.parametrize("moment", ["fsync of the first", "fsync of the last", "link", "replace"])
@pytest.mark.parametrize("existing", [ExistingFiles(), ExistingFiles(keep_edits=True), ExistingFiles(overwrite=True)])
def test_what_a_reader_saves_while_results_are_brought_to_the_disk_is_not_lost(
    existing: ExistingFiles, moment: str, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That may take minutes on a slow disk. At the very last call only who writes into the file itself is noticed."""
    if (moment, way) == ("replace", "a new file in its place"):
        pytest.skip("between the last look and the call that follows it nothing can be noticed")
    scan, path = told_scan(tmp_path / "ct.nii.gz", CLEAN), tmp_path / "a.seg.nrrd"
    second = tmp_path / "b.json"
    segment_case(scan, [path], segment=threshold, progress=Progress(), json_file=second)
    numbers = second.read_bytes()
    number = 0 if moment == "fsync of the first" else 1

    def save() -> None:
        if way == "into the file":
            rewrite(path, erase)
        else:
            (tmp_path / "saved").mkdir()
            (tmp_path / "saved" / path.name).write_bytes(path.read_bytes())
            rewrite(tmp_path / "saved" / path.name, erase)
            (tmp_path / "saved" / path.name).replace(path)
            (tmp_path / "saved").rmdir()

    saves_at_call(monkeypatch, moment.split()[0], number if "fsync" in moment else 0, save)
    with pytest.raises(OutputError, match="changed by somebody else"):
        segment_case(scan, [path], segment=threshold, progress=Progress(), json_file=second, existing=existing)
    monkeypatch.undo()
    assert labels_of(path)[1, 10:14, 10:20].max() == 0
    assert second.read_bytes() == numbers
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.seg.nrrd", "b.json", "ct.nii.gz"]


@pytest.mark.parametrize("how", ["--quiet", "--overwrite"])
@pytest.mark.parametrize(("owner", "call"), [(lobe_map, "estimated_lobe_map"), (os, "fsync"), (os, "link")])
def test_what_is_saved_under_the_name_of_lobes_meanwhile_is_not_lost(
    owner: object,
    call: str,
    how: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """While lobes are estimated, while they are brought to the disk, and after the last look."""
    masks, outputs = tmp_path / "masks.nii.gz", [tmp_path / "lobes.nii.gz", tmp_path / "lobes.seg.nrrd"]
    save_nifti(drawn_lungs(), LUNGS_AFFINE, masks)
    work = getattr(owner, call)

    def saved_first(*given: object, **named: object) -> object:
        outputs[0].write_bytes(b"a reader's")
        return work(*given, **named)

    monkeypatch.setattr(owner, call, saved_first)
    assert main(["lobes", str(masks), "-o", str(outputs[0]), "-o", str(outputs[1]), how]) == 2
    assert "changed by somebody else" in capsys.readouterr().err
    assert outputs[0].read_bytes() == b"a reader's"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lobes.nii.gz", "masks.nii.gz"]


def test_what_a_reader_puts_where_nothing_was_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan, path = told_scan(tmp_path / "ct.nii.gz", CLEAN), tmp_path / "a.nii.gz"
    saves_at_call(monkeypatch, "fsync", 0, lambda: path.write_bytes(b"a reader's"))
    with pytest.raises(OutputError, match="changed by somebody else"):
        segment_case(scan, [path], segment=threshold, progress=Progress())
    assert path.read_bytes() == b"a reader's"
    path.unlink()
    saves_at_call(monkeypatch, "link", 0, lambda: path.write_bytes(b"a reader's"))
    with pytest.raises(OutputError, match="changed by somebody else"):
        segment_case(scan, [path], segment=threshold, progress=Progress())
    assert path.read_bytes() == b"a reader's"


def test_where_a_later_file_of_a_set_is_refused_the_earlier_ones_are_as_they_were(tmp_path: Path) -> None:
    old, new, saved = (tmp_path / name for name in ("old", "new", "saved"))
    old.write_bytes(b"old")
    with OutputSet({old: file_state(old), new: "", saved: ""}) as files:
        for target in (old, new, saved):
            files.add_bytes(b"ours", target)
        saved.write_bytes(b"a reader's")
        with pytest.raises(OutputError, match="changed by somebody else"):
            files.publish()
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"old": b"old", "saved": b"a reader's"}


def saves_at_call(monkeypatch: pytest.MonkeyPatch, name: str, number: int, save: Callable[[], None]) -> None:
    """Let ``save`` happen right before the call ``number`` (from 0) of ``os.<name>``."""
    call, calls = getattr(os, name), iter(range(100))

    def slow(*arguments: object, **options: object) -> object:
        if next(calls) == number:
            with monkeypatch.context() as undisturbed:
                undisturbed.setattr(os, name, call)
                save()
        return call(*arguments, **options)

    monkeypatch.setattr(os, name, slow)


def test_a_result_of_a_batch_that_a_reader_corrects_before_its_turn_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.seg.nrrd"
    write(result(0), path)
    case = PlannedCase("a", tmp_path / "ct.nii.gz", path, tmp_path / "a.jpg")
    planned = settled(case, Entry("a", "done", states={path.name: kept_state(path)}))
    assert find_reviewed([path], GRID, planned.existing) is None
    rewrite(path, lambda array: array.fill(0))
    with pytest.raises(OutputError, match="would be lost"):
        find_reviewed([path], GRID, planned.existing)


@pytest.mark.parametrize("suffix", [".nii.gz", ".seg.nrrd"])
@pytest.mark.parametrize("before", ["nothing", "its own result"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_what_a_reader_puts_there_before_the_turn_of_a_scan_is_a_row_with_an_error(
    overwrite: bool, before: str, suffix: str, tmp_path: Path
) -> None:
    """By the very functions that the command calls, one after the other; hours may lie between them."""
    told_scan(tmp_path / "ct.nii.gz", CLEAN)
    case = PlannedCase("a", tmp_path / "ct.nii.gz", tmp_path / f"a{suffix}", tmp_path / "a.jpg")
    entry = None
    if before == "its own result":
        assert run_case(0, settled(case, None), with_threshold).failure is None
        entry = Entry("a", "done", states={case.result.name: state_to_keep(case)})
    planned = settled(replace(case, existing=ExistingFiles(overwrite=overwrite)), entry)
    labels = np.zeros((4, 32, 32), np.uint8)
    labels[1, 10:14, 10:20] = 3
    affine = read_ct(case.source, Progress()).affine
    write(Segmentation(labels, affine, result(0).provenance), tmp_path / f"b{suffix}")
    if suffix == ".seg.nrrd":
        rewrite(tmp_path / "b.seg.nrrd", erase)
    (tmp_path / f"b{suffix}").replace(case.result)
    content = case.result.read_bytes()
    failure = run_case(0, planned, with_threshold).failure
    assert failure is not None
    assert ("changed by somebody else" if overwrite else "--overwrite") in failure.message
    assert not failure.own_fault
    assert case.result.read_bytes() == content


def with_threshold(job: SegmentCase, progress: Progress) -> ResultRecord:
    """Do a case in this process, with a network that finds left lung where the scan is dark."""
    return job.run(threshold, progress)


def threshold(volume: CtVolume, progress: Progress, *_: object) -> Segmentation:
    """A network that finds left lung where the scan is dark."""
    return Segmentation((volume.voxels < -500).astype(np.uint8), volume.affine, result(0).provenance)


def test_where_the_output_is_a_link_the_file_that_it_leads_to_is_brought_up_to_date(tmp_path: Path) -> None:
    for name in ("archive", "a", "b"):
        (tmp_path / name).mkdir()
    links = [tmp_path / name / "x.seg.nrrd" for name in "ab"]
    for number, link in enumerate(links):
        write(result(9), tmp_path / "archive" / f"{number}.seg.nrrd")
        link.symlink_to(tmp_path / "archive" / f"{number}.seg.nrrd")
    with OutputSet(dict(states_of(links))) as files:
        for number, link in enumerate(links):
            write(result(number), files.add(link))
        files.publish()
    for number, link in enumerate(links):
        assert link.is_symlink()
        np.testing.assert_array_equal(labels_of(tmp_path / "archive" / f"{number}.seg.nrrd"), result(number).labels)
    assert len(list((tmp_path / "archive").iterdir())) == 2


def test_what_is_overwritten_is_the_file_as_it_stood_when_the_run_began(tmp_path: Path) -> None:
    """Also while the scan is still read, before anything was looked at."""
    scan, path = told_scan(tmp_path / "ct.nii.gz", CLEAN), tmp_path / "a.nii.gz"
    path.write_bytes(b"an older result")
    begun = ExistingFiles(overwrite=True).beginning([path])
    path.write_bytes(b"what a reader saves")
    with pytest.raises(OutputError, match="changed by somebody else"):
        segment_case(scan, [path], segment=threshold, progress=Progress(), existing=begun)
    assert path.read_bytes() == b"what a reader saves"
    segment_case(scan, [path], segment=threshold, progress=Progress(), existing=ExistingFiles(overwrite=True))
    assert labels_of(path).any()


@pytest.mark.parametrize("name", ["a.nii.gz", "r.json"])
def test_what_is_saved_while_python_writes_over_a_file_is_not_lost(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, made = tmp_path / name, result(0)
    volume = CtVolume(np.zeros(SHAPE, np.int16), AFFINE)
    found = Result(volume, made, measure(made.labels, GRID))
    path.write_bytes(b"")
    saves_at_call(monkeypatch, "fsync", 0, lambda: path.write_bytes(b"a reader's"))
    with pytest.raises(OutputError, match="changed by somebody else"):
        found.report(path) if name == "r.json" else found.save(path, overwrite=True)
    assert path.read_bytes() == b"a reader's"


@pytest.mark.parametrize("call", ["report", "followup", "sample"])
def test_what_is_saved_in_the_place_of_an_earlier_report_or_sample_is_not_lost(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from CovidSegLib.report.report_jobs import MakeReport
    from CovidSegLib.report.request import ReportRequest

    scan = told_scan(tmp_path / "ct.nii.gz", CLEAN)
    segment_case(scan, [tmp_path / "a.nii.gz"], segment=threshold, progress=Progress(), json_file=tmp_path / "n.json")
    path = tmp_path / ("r.nii" if call == "sample" else "r.json")
    saves_at_call(monkeypatch, "fsync", 0, lambda: path.write_bytes(b"a reader's"))
    if call == "report":
        with pytest.raises(OutputError, match="changed by somebody else"):
            MakeReport(scan, tmp_path / "a.nii.gz", ReportRequest((path,)), states_of([path])).run(
                threshold, Progress()
            )
    else:
        numbers = [str(tmp_path / "n.json")] * 2
        words = ["followup", *numbers, "--days", "0", "3", "-o"] if call == "followup" else ["sample", "--slices", "1"]
        assert main([*words, str(path)]) == 2
    assert path.read_bytes() == b"a reader's"
