"""What a batch once called an input stays its name: a reader's file under it is found again, whatever came since."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from CovidSegLib.batch import plan_cases, run_batch
from CovidSegLib.batch.plan import MANIFEST_NAME
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.progress import Progress
from CovidSegLib.reading import find_cases
from CovidSegLib.segfiles import NOTHING_LOST, ExistingFiles
from CovidSegLib.segmentation import Provenance, Segmentation
from Testing.kit.batch_runner import InThisProcess, Statuses
from Testing.kit.command_line import CLEAN, CommandLine, told_scan
from Testing.kit.dicom_files import write_series
from Testing.kit.planted import NAME, leaks
from Testing.kit.rewritten import erase, rewrite

UPDATE = ExistingFiles(keep_edits=True)


def all_left(volume: CtVolume, progress: Progress, *_: object) -> Segmentation:
    labels = (volume.voxels < -500).astype(np.uint8)
    made = Provenance("m", "0", "onnx", "cpu", "CovidSeg 0", volume=f"SHA-256 of its voxels {volume.fingerprint}")
    return Segmentation(labels, volume.affine, made)


def batch(scans: Path, out: Path, suffix: str = ".seg.nrrd", existing: ExistingFiles = NOTHING_LOST) -> dict[str, str]:
    """Run the batch in this process; what became of each case by its name ("before": it was done already)."""
    said = Statuses()
    rows = run_batch(plan_cases(scans, out, suffix, existing=existing), out, InThisProcess(all_left), listener=said)
    return {row.case: said.ended_as.get(row.case, "before") for row in rows}


def visit(folder: Path, study: int, **fields: object) -> None:
    """A DICOM study of four slices whose lungs say which it is."""
    voxels = np.full((4, 32, 32), 40, np.int16)
    voxels[:, 8 : 16 + study, 8:24] = -800
    heights = [20.0 * place for place in range(4)]
    uids = {"StudyInstanceUID": f"1.2.{study}", "SeriesInstanceUID": f"1.2.{study}.1", "SeriesNumber": study}
    write_series(folder, voxels, heights, **{**uids, **fields})


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    (tmp_path / "scans").mkdir()
    return tmp_path / "scans"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def touch(folder: Path) -> None:
    """Let the files in ``folder`` look as if they had been copied there just now."""
    for path in folder.iterdir():
        os.utime(path)


def correct(path: Path) -> bytes:
    """Let a reader correct a result; its content then."""
    rewrite(path, erase)
    return path.read_bytes()


TOUCHED = pytest.mark.parametrize("touched", [False, True], ids=["as it was", "copied again"])


@TOUCHED
def test_a_visit_that_is_known_keeps_its_name_and_correction_when_another_arrives(
    scans: Path, out: Path, touched: bool
) -> None:
    visit(scans / "PatA/v1", 1)
    assert batch(scans, out) == {"PatA": "done"}
    corrected = correct(out / "PatA.seg.nrrd")
    visit(scans / "PatA/v2", 2)
    if touched:
        touch(scans / "PatA/v1")
    assert batch(scans, out) == {"PatA": "kept" if touched else "before", "PatA_v2": "done"}
    assert (out / "PatA.seg.nrrd").read_bytes() == corrected
    assert batch(scans, out, existing=UPDATE) == {"PatA": "done" if touched else "before", "PatA_v2": "before"}
    assert sorted(path.name for path in out.glob("*.seg.nrrd")) == ["PatA.seg.nrrd", "PatA_v2.seg.nrrd"]
    assert sorted(path.name for path in (out / "pictures").iterdir()) == ["PatA.jpg", "PatA_v2.jpg"]


def test_a_file_keeps_its_name_when_one_of_another_kind_arrives(scans: Path, out: Path) -> None:
    told_scan(scans / "a.nii.gz", CLEAN)
    assert batch(scans, out) == {"a": "done"}
    told_scan(scans / "a.nii", CLEAN, slices=5)
    assert batch(scans, out) == {"a": "before", "a_nii": "done"}
    (scans / "a.nii.gz").unlink()
    assert batch(scans, out) == {"a_nii": "before"}


def test_a_first_run_names_as_ever_and_so_does_a_second(scans: Path, out: Path) -> None:
    for name in ("a.nii.gz", "A.nii", "b.nii"):
        told_scan(scans / name, CLEAN)
    for study, place in enumerate(("a", "PatB/v1", "PatB/v2", "flat", "flat"), 1):
        visit(scans / place, study)
    names = {case.stem for case in find_cases(scans)}
    assert names == {"a_nii_gz", "A_nii", "b", "a_dicom", "PatB_v1", "PatB_v2", "flat_study-1", "flat_study-2"}
    assert batch(scans, out) == dict.fromkeys(names, "done")
    assert batch(scans, out) == dict.fromkeys(names, "before")


@TOUCHED
def test_studies_of_one_folder_keep_their_numbers_when_one_comes_before_them(
    scans: Path, out: Path, touched: bool
) -> None:
    visit(scans / "flat", 2)
    visit(scans / "flat", 3)
    first = batch(scans, out)
    assert first == {"flat_study-1": "done", "flat_study-2": "done"}
    corrected = correct(out / "flat_study-1.seg.nrrd")
    if touched:
        touch(scans / "flat")
    visit(scans / "flat", 1)  # its files come first
    again = {"flat_study-1": "kept", "flat_study-2": "done"} if touched else dict.fromkeys(first, "before")
    assert batch(scans, out) == {**again, "flat_study-3": "done"}
    assert (out / "flat_study-1.seg.nrrd").read_bytes() == corrected


def test_no_newcomer_gets_a_name_under_which_the_result_of_a_visit_that_is_gone_lies(scans: Path, out: Path) -> None:
    visit(scans / "PatA/v1", 1)
    assert batch(scans, out) == {"PatA": "done"}
    corrected = correct(out / "PatA.seg.nrrd")
    shutil.move(scans / "PatA/v1", out.parent / "v1")
    visit(scans / "PatA/v2", 2)
    assert batch(scans, out) == {"PatA_dicom": "done"}
    shutil.move(out.parent / "v1", scans / "PatA/v1")
    assert batch(scans, out) == {"PatA": "before", "PatA_dicom": "before"}
    assert (out / "PatA.seg.nrrd").read_bytes() == corrected
    # Where no result is left, the name is free.
    shutil.rmtree(scans / "PatA")
    (out / "PatA.seg.nrrd").unlink()
    visit(scans / "PatA/v3", 3)
    assert batch(scans, out) == {"PatA": "done"}


def test_another_file_in_the_place_of_one_that_is_gone_is_done_again_and_takes_no_correction(
    scans: Path, out: Path
) -> None:
    told_scan(scans / "a.nii.gz", CLEAN)
    told_scan(scans / "b.nii.gz", CLEAN)
    assert batch(scans, out) == {"a": "done", "b": "done"}
    corrected = correct(out / "a.seg.nrrd")
    for name in "ab":
        (scans / f"{name}.nii.gz").unlink()
        told_scan(scans / f"{name}.nii", CLEAN, slices=5)
    assert batch(scans, out, existing=UPDATE) == {"a": "kept", "b": "done"}
    assert (out / "a.seg.nrrd").read_bytes() == corrected


def test_a_scan_that_is_exported_again_or_packed_keeps_its_name(scans: Path, out: Path) -> None:
    visit(scans / "PatA/v1", 1)
    told_scan(scans / "b.nii", CLEAN)
    batch(scans, out)
    for number, path in enumerate(sorted((scans / "PatA/v1").iterdir())):
        path.rename(path.with_name(f"again{number}.dcm"))
    (scans / "b.nii").unlink()
    told_scan(scans / "b.nii.gz", CLEAN)
    visit(scans / "PatA/v2", 2)
    assert batch(scans, out) == {"PatA": "done", "PatA_v2": "done", "b": "done"}


def test_two_patients_whose_files_look_the_same_are_never_taken_for_each_other(scans: Path, out: Path) -> None:
    def put(patient: str, study: int) -> None:
        visit(scans / patient, study, SeriesNumber=1)
        for path in (scans / patient).iterdir():
            os.utime(path, (10**9, 10**9))  # as out of an archive

    put("PatA", 1)
    assert batch(scans, out) == {"PatA": "done"}
    shutil.rmtree(scans / "PatA")
    put("PatB", 2)
    assert batch(scans, out) == {"PatB": "done"}


def test_a_new_visit_whose_files_look_like_those_of_one_that_is_gone_is_segmented(scans: Path, out: Path) -> None:
    for study in (1, 2, 3):  # as out of an archive that tells no times
        visit(scans / f"PatA/v{study}", study, SeriesNumber=1)
        for path in (scans / f"PatA/v{study}").iterdir():
            os.utime(path, (0, 0))
    later = scans.with_name("later")
    (scans / "PatA/v3").rename(later)
    assert batch(scans, out) == {"PatA_v1": "done", "PatA_v2": "done"}
    shutil.rmtree(scans / "PatA/v1")
    later.rename(scans / "PatA/v3")
    assert batch(scans, out) == {"PatA_v2": "before", "PatA_v3": "done"}


def test_a_file_whose_own_name_ends_like_a_numbered_study_keeps_the_longer_name_it_was_given(
    scans: Path, out: Path
) -> None:
    for study in (1, 2):
        visit(scans / "a", study)
    assert batch(scans, out) == {"a_study-1": "done", "a_study-2": "done"}
    shutil.rmtree(scans / "a")
    told_scan(scans / "a_study-2.nii.gz", CLEAN)
    assert batch(scans, out) == {"a_study-2_nii_gz": "done"}
    assert batch(scans, out) == {"a_study-2_nii_gz": "before"}


def test_no_name_is_given_twice_whatever_was_there_before(scans: Path, out: Path) -> None:
    told_scan(scans / "a.nii.gz", CLEAN)
    batch(scans, out)
    (scans / "a_nii.nii.gz").write_bytes((scans / "a.nii.gz").read_bytes())
    batch(scans, out)
    for name in ("a.nii", "A.nii.gz", "a_nii.nii", "A_nii.nii.gz"):
        told_scan(scans / name, CLEAN)
    visit(scans / "a", 1)
    ended = batch(scans, out)
    assert len({name.casefold() for name in ended}) == 7
    assert {name for name, status in ended.items() if status == "before"} == {"a", "a_nii"}
    assert batch(scans, out) == dict.fromkeys(ended, "before")


def test_names_stay_when_the_folder_of_the_scans_moves_and_when_the_format_changes(scans: Path, out: Path) -> None:
    visit(scans / "PatA/v1", 1)
    batch(scans, out)
    visit(scans / "PatA/v2", 2)
    elsewhere = scans.rename(scans.with_name("elsewhere"))
    assert batch(elsewhere, out, ".nii.gz") == {"PatA": "done", "PatA_v2": "done"}
    assert (out / "PatA.nii.gz").exists()


def test_a_manifest_of_an_earlier_version_still_tells_the_names(scans: Path, out: Path) -> None:
    visit(scans / "PatA/v1", 1)
    told_scan(scans / "b.nii.gz", CLEAN)
    batch(scans, out)
    lines = [json.loads(line) for line in (out / MANIFEST_NAME).read_text().splitlines()]
    for line in lines:
        line.pop("origin", None)
    (out / MANIFEST_NAME).write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    for table in ("summary.csv", "index.html"):  # they are of the batch as it was
        (out / table).unlink()
    visit(scans / "PatA/v2", 2)
    os.utime(scans / "b.nii.gz")
    assert batch(scans, out) == {"PatA": "before", "PatA_v2": "done", "b": "done"}


def test_what_is_noted_of_a_place_tells_no_name(scans: Path, out: Path) -> None:
    visit(scans / "PatA" / NAME, 1)
    batch(scans, out)
    assert '"origin"' in (out / MANIFEST_NAME).read_text()
    assert not leaks((out / MANIFEST_NAME).read_bytes())


@pytest.mark.skipif(os.name == "nt", reason="runs the command in a process of its own")
def test_the_command_keeps_names_and_guards_the_files_that_bear_them(told: CommandLine) -> None:
    visit(told.folder / "scans/PatA/v1", 1)
    assert told.run("batch", "scans", "out").returncode == 0
    visit(told.folder / "scans/PatA/v2", 2)
    (told.folder / "out/PatA.seg.nrrd").unlink()
    line = told.refused("batch", "scans", "out", "--json", "out/PatA.seg.nrrd")
    assert "the batch itself writes" in line
    ended = told.run("batch", "scans", "out", "--json", "all.json")
    assert ended.stdout.splitlines()[-1] == "2 of 2 scans done."
    assert [one["case"] for one in json.loads((told.folder / "all.json").read_text())["cases"]] == ["PatA", "PatA_v2"]
