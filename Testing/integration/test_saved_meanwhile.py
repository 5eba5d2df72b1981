"""Whatever the command: a file that somebody saves after it began is there afterwards, and the refusal names it."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from CovidSegLib.batch import plan_cases, run_batch
from CovidSegLib.batch.outcome import Outcome, run_case
from CovidSegLib.batch.ownership import settled
from CovidSegLib.batch.plan import make_output_folder
from CovidSegLib.batch.summary import Row
from CovidSegLib.cli.main import main
from CovidSegLib.errors import ChangedMeanwhileError, ModelError, WorkerDiedError
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.network import model_import, models
from CovidSegLib.progress import Progress
from CovidSegLib.segfiles import ExistingFiles
from CovidSegLib.segmentation import Provenance, Segmentation
from CovidSegLib.system.atomic_files import OutputSet, replace_text
from CovidSegLib.system.file_states import file_state
from CovidSegLib.worker import parent
from Testing.kit.batch_runner import InThisProcess, Statuses
from Testing.kit.cases import segment_case
from Testing.kit.command_line import CLEAN, rough_chest, told_scan, write_scan
from Testing.kit.rewritten import erase, rewrite

PRECIOUS = b"PRECIOUS WORK"


def threshold(volume: CtVolume, progress: Progress, *_: object) -> Segmentation:
    made = Provenance("one", "ab" * 32, "onnx", "CPU", "CovidSeg 1.0")
    return Segmentation((volume.voxels < -500).astype(np.uint8), volume.affine, made)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A scan, masks of it and a finished result."""
    monkeypatch.chdir(tmp_path)
    scan = write_scan(tmp_path / "ct.nii.gz", rough_chest())
    segment_case(scan, [Path("m.nii.gz")], segment=threshold, progress=Progress(), json_file=Path("n.json"))
    return tmp_path


def child_during_whose_work_somebody_saves(files: list[Path], *, dies: bool = False) -> type:
    """What stands for the child process; ``dies``: the job goes to a second one, as when a GPU ended the first."""

    class Child:
        def __init__(self, _options: object) -> None:
            pass

        def __enter__(self) -> Child:
            return self

        def __exit__(self, *_: object) -> None:
            self.close()

        def close(self) -> None:
            pass

        def begin(self, make: Callable[[None], Any]) -> None:
            self._job = make(None)

        def wait(self, progress: Progress) -> Any:
            return self.run(self._job, progress)

        def run(self, job: Any, progress: Progress) -> Any:
            travelled = pickle.dumps(job)

            def segment(volume: CtVolume, progress: Progress, *_: object) -> Segmentation:
                raise WorkerDiedError("The GPU ended the process.")

            if dies:
                with pytest.raises(WorkerDiedError):
                    pickle.loads(travelled).run(segment, progress)
            for file in files:
                save(file)
            return job.taken(as_json(pickle.loads(travelled).run(threshold, progress)))

    return Child


def as_json(answer: Any) -> Any:
    return answer.to_json() if hasattr(answer, "to_json") else answer


def save(file: Path) -> None:
    """As a program does that saves beside it and renames."""
    part = file.with_name("saved")
    part.write_bytes(PRECIOUS)
    part.replace(file)


SEGMENT = ["segment", "ct.nii.gz", "-o", "o.nii.gz", "--json", "o.json", "--report", "o.csv"]
REPORT = ["report", "ct.nii.gz", "m.nii.gz", "-o", "o.json", "-o", "o.csv"]


@pytest.mark.parametrize("there_before", [False, True])
@pytest.mark.parametrize(
    ("call", "name"),
    [
        *((SEGMENT, name) for name in ("o.nii.gz", "o.json", "o.csv")),
        *(([*SEGMENT, "--overwrite"], name) for name in ("o.nii.gz", "o.json", "o.csv")),
        (["segment", "ct.nii.gz", "-o", "o.seg.nrrd"], "o.seg.nrrd"),
        *((REPORT, name) for name in ("o.json", "o.csv")),
    ],
)
def test_what_is_saved_while_a_child_works_stays_and_is_named(
    call: list[str],
    name: str,
    there_before: bool,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if there_before and name != "o.nii.gz":
        monkeypatch.setattr(parent, "Worker", child_during_whose_work_somebody_saves([]))
        assert main(call) == 0
        if "o.nii.gz" in call and "--overwrite" not in call:
            (folder / "o.nii.gz").unlink()
    monkeypatch.setattr(parent, "Worker", child_during_whose_work_somebody_saves([folder / name]))
    before = {file.name: file.read_bytes() for file in folder.iterdir() if file.name != name}
    capsys.readouterr()
    assert main(call) == 2
    said = capsys.readouterr().err
    assert (folder / name).read_bytes() == PRECIOUS
    assert {file.name: file.read_bytes() for file in folder.iterdir() if file.name != name} == before
    assert f"{name}: The output" in said
    assert ("--keep-edits" in said) <= (name == "o.seg.nrrd")


@pytest.mark.parametrize("name", ["o.json", "o.csv"])
def test_a_second_child_does_not_take_for_old_what_was_saved_while_the_first_one_worked(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parent, "Worker", child_during_whose_work_somebody_saves([]))
    assert main(SEGMENT) == 0
    (folder / "o.nii.gz").unlink()
    monkeypatch.setattr(parent, "Worker", child_during_whose_work_somebody_saves([folder / name], dies=True))
    assert main(SEGMENT) == 2
    assert (folder / name).read_bytes() == PRECIOUS


@pytest.mark.parametrize("part", ["labels", "images", "metadata.csv"])
@pytest.mark.parametrize("there_before", [False, True])
def test_a_training_case_replaces_nothing_that_was_saved_meanwhile(
    there_before: bool, part: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["training-case", "ct.nii.gz", "m.nii.gz", "set", "--uncorrected"]
    monkeypatch.setattr(parent, "Worker", child_during_whose_work_somebody_saves([]))
    assert main(call) == 0
    where = folder / "set" / part
    file = where if where.is_file() else next(where.iterdir())
    if not there_before:
        file.unlink()
    monkeypatch.setattr(parent, "Worker", child_during_whose_work_somebody_saves([file]))
    assert main(call) == 2
    assert file.name in capsys.readouterr().err or part == "labels"  # other labels are told as such
    assert file.read_bytes() == PRECIOUS


@pytest.mark.parametrize("name", ["summary.csv", "index.html", "all.json"])
def test_a_table_of_a_batch_that_is_saved_between_two_scans_stays_and_the_scans_go_on(
    name: str, tmp_path: Path
) -> None:
    (tmp_path / "scans").mkdir()
    for stem in "ab":
        told_scan(tmp_path / "scans" / f"{stem}.nii.gz", CLEAN)
    out, runner = tmp_path / "out", InThisProcess(threshold)
    cases = plan_cases(tmp_path / "scans", out, ".seg.nrrd")
    run_batch(cases, out, runner, json_file=out / "all.json")

    class Saving(Statuses):
        def ended(self, outcome: Outcome, row: Row) -> None:
            super().ended(outcome, row)
            if outcome.number == 0:
                save(out / name)

    said = Saving()
    with pytest.raises(ChangedMeanwhileError) as refused:
        run_batch(cases, out, runner, listener=said, restart=True, json_file=out / "all.json")
    assert refused.value.subject == str(out / name)
    assert (out / name).read_bytes() == PRECIOUS
    assert said.ended_as == {"a": "done", "b": "done"}
    (out / name).unlink()
    run_batch(cases, out, runner, json_file=out / "all.json")
    assert (out / name).read_bytes() != PRECIOUS


@pytest.mark.usefixtures("blank_views")
@pytest.mark.parametrize("keep_edits", [False, True])
def test_a_scan_of_a_batch_that_is_done_twice_replaces_what_the_first_worker_wrote_and_no_save(
    keep_edits: bool, tmp_path: Path
) -> None:
    """A cluster does again what a lost worker had done and not told."""
    (tmp_path / "scans").mkdir()
    (tmp_path / "out").mkdir()
    told_scan(tmp_path / "scans" / "a.nii.gz", CLEAN)
    choice = ExistingFiles(keep_edits=keep_edits)
    (case,) = plan_cases(tmp_path / "scans", tmp_path / "out", ".seg.nrrd", existing=choice)
    make_output_folder(tmp_path / "out", reports=True)
    case = settled(case.with_report(), None)

    def run() -> Outcome:
        return run_case(0, case, lambda job, progress: job.run(threshold, progress))

    assert run().failure is None
    assert run().failure is None
    assert case.report is not None
    rewrite(case.result, erase)
    edited = case.result.read_bytes()
    failure = run().failure
    assert failure is not None
    assert failure.refused
    assert case.result.read_bytes() == edited
    case.result.unlink()
    save(case.report)
    assert run().failure is not None
    assert case.report.read_bytes() == PRECIOUS


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The card of the shipped network under another name, beside its weights."""
    monkeypatch.setenv("COVIDSEG_MODELS", str(tmp_path / "users"))
    shipped = models.find(models.DEFAULT_NAME)
    (tmp_path / "mine").mkdir()
    for weights in shipped.files:
        shutil.copy(shipped.folder / weights.name, tmp_path / "mine")
    path = tmp_path / "mine" / "mine.json"
    path.write_text(json.dumps({**shipped.card, "name": "mine"}))
    return path


def test_an_import_replaces_neither_what_is_saved_meanwhile_nor_a_card_that_somebody_edited(
    card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model_import.import_model(card)
    model_import.import_model(card)
    imported, verify = models.user_models_folder() / "mine.json", models.verify
    with monkeypatch.context() as saving:
        saving.setattr(models, "verify", lambda model: (verify(model), save(imported)))
        with pytest.raises(ModelError):
            model_import.import_model(card)
    assert imported.read_bytes() == PRECIOUS
    with pytest.raises(ModelError, match="no import wrote"):
        model_import.import_model(card)
    assert imported.read_bytes() == PRECIOUS


def test_a_writer_that_was_not_told_what_was_there_replaces_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(PRECIOUS)
    with pytest.raises(ChangedMeanwhileError):
        replace_text("ours", path)
    with OutputSet() as files:
        files.add_text("ours", path)
        with pytest.raises(ChangedMeanwhileError):
            files.publish()
    assert path.read_bytes() == PRECIOUS
    replace_text("ours", path, file_state(path))
    assert path.read_text() == "ours"


def test_a_save_of_the_same_size_and_time_is_noticed(tmp_path: Path) -> None:
    path, other = tmp_path / "a.txt", tmp_path / "b.txt"
    path.write_bytes(b"12345")
    state, times = file_state(path), path.stat()
    other.write_bytes(b"54321")
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    other.replace(path)
    assert path.stat().st_mtime_ns == times.st_mtime_ns
    with pytest.raises(ChangedMeanwhileError):
        replace_text("ours", path, state)
    assert path.read_bytes() == b"54321"


@pytest.mark.skipif(os.name == "nt", reason="links")
def test_a_backup_that_gives_a_file_another_name_is_no_save(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"12345")
    state = file_state(path)
    os.link(path, tmp_path / "backup.txt")
    replace_text("ours", path, state)
    assert (path.read_bytes(), (tmp_path / "backup.txt").read_bytes()) == (b"ours", b"12345")
