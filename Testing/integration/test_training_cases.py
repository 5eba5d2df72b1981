"""A corrected scan becomes a training case: what is in it, what is not, and that it can be trained on."""

from __future__ import annotations

import csv
import gzip
import importlib.util
import os
import shutil
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import nibabel
import numpy as np
import pytest

from CovidSegLib import segfiles
from CovidSegLib.errors import InputError, OutputError
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct
from CovidSegLib.segfiles.registry import read_masks
from CovidSegLib.segmentation import Provenance, Segmentation
from CovidSegTraining.data.cases import find_cases
from Testing.kit.command_line import CLEAN, CommandLine, told_scan
from Testing.kit.dicom_files import write_series, write_whole_series
from Testing.kit.killed import killed_at
from Testing.kit.rewritten import erase, rewrite
from Testing.kit.training_data import chest_slices

save_training_case = partial(segfiles.save_training_case, corrected=True)
AFFINE = np.array(((-0.7, 0, 0, 100), (0, -0.8, 0, -80.5), (0, 0, 2.5, 7), (0, 0, 0, 1)))


def scan(seed: int = 0) -> tuple[CtVolume, np.ndarray]:
    rng = np.random.default_rng(seed)
    voxels = rng.integers(-1024, 400, (4, 9, 14), dtype=np.int16)
    return CtVolume(voxels, AFFINE), rng.integers(0, 4, voxels.shape, dtype=np.uint8)


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metadata.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_image_and_labels_come_back_on_their_grid(tmp_path: Path) -> None:
    volume, labels = scan()
    case = save_training_case(volume, labels, tmp_path / "set")
    image = nibabel.load(tmp_path / "set" / "images" / f"{case}.nii.gz")
    mask = nibabel.load(tmp_path / "set" / "labels" / f"{case}.nii.gz")
    assert (image.get_data_dtype(), mask.get_data_dtype()) == (np.int16, np.uint8)
    np.testing.assert_array_equal(np.asarray(image.dataobj).T, volume.voxels)
    np.testing.assert_array_equal(np.asarray(mask.dataobj).T, labels)
    np.testing.assert_allclose(image.affine, AFFINE, atol=1e-4)
    np.testing.assert_array_equal(image.affine, mask.affine)


def test_a_scan_that_is_saved_again_replaces_its_case_and_other_rows_stay(tmp_path: Path) -> None:
    first, second = scan(0), scan(1)
    old = "case,ct_scan,mask,fold,notes\nold,images/old.nii.gz,labels/old.nii.gz,2,x\n"
    (tmp_path / "metadata.csv").write_text(old)
    names = [save_training_case(*first, tmp_path), save_training_case(*second, tmp_path)]
    corrected = first[1].copy()
    corrected[1] = 3
    assert save_training_case(first[0], corrected, tmp_path) == names[0]
    assert [row["case"] for row in rows(tmp_path)] == ["old", *names]
    assert rows(tmp_path)[0] == {
        "case": "old", "ct_scan": "images/old.nii.gz", "mask": "labels/old.nii.gz", "fold": "2", "notes": "x",
        "patient": "", "corrected": "",
    }  # fmt: skip
    mask = nibabel.load(tmp_path / "labels" / f"{names[0]}.nii.gz")
    np.testing.assert_array_equal(np.asarray(mask.dataobj).T, corrected)
    assert len(list((tmp_path / "images").iterdir())) == 2


@pytest.mark.parametrize("name", ["labels", "images", "metadata.csv"])
def test_a_case_that_is_write_protected_is_not_replaced(name: str, tmp_path: Path) -> None:
    volume, labels = scan()
    case = save_training_case(volume, labels, tmp_path)
    path = tmp_path / name if name == "metadata.csv" else tmp_path / name / f"{case}.nii.gz"
    path.chmod(0o444)
    before = [one.read_bytes() for one in sorted(tmp_path.rglob("*")) if one.is_file()]
    with pytest.raises(OutputError, match="write-protected"):
        save_training_case(volume, np.roll(labels, 1), tmp_path)
    assert [one.read_bytes() for one in sorted(tmp_path.rglob("*")) if one.is_file()] == before


@pytest.mark.skipif(os.name == "nt", reason="forks")
def test_cases_that_several_processes_save_at_once_all_get_their_row(tmp_path: Path) -> None:
    """Four readers' computers, one data set: each reads the table, adds a row and writes it again."""
    processes = []
    for seed in range(4):
        process = os.fork()
        if process == 0:
            try:
                for more in range(3):
                    save_training_case(*scan(10 * seed + more), tmp_path / "set")
            finally:
                os._exit(1 if sys.exc_info()[0] else 0)
        processes.append(process)
    assert [os.waitpid(process, 0)[1] for process in processes] == [0] * 4
    assert len({row["case"] for row in rows(tmp_path / "set")}) == len(rows(tmp_path / "set")) == 12
    assert sorted(file.name for file in (tmp_path / "set").iterdir()) == ["images", "labels", "metadata.csv"]


@pytest.mark.skipif(os.name == "nt", reason="forks")
def test_a_row_that_another_process_adds_between_reading_and_writing_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_training_case(*scan(0), tmp_path)
    read_text, others = Path.read_text, []

    def read_slowly(path: Path, **options: str) -> str:
        text = read_text(path, **options)
        if path.name == "metadata.csv" and not others:
            others.append(os.fork())
            if others == [0]:
                save_training_case(*scan(2), tmp_path)
                os._exit(0)
            # It has not come to its end: it waits for this process.
            assert os.waitpid(others[0], os.WNOHANG) == (0, 0)
        return text

    monkeypatch.setattr(Path, "read_text", read_slowly)
    save_training_case(*scan(1), tmp_path)
    os.waitpid(others[0], 0)
    assert len(rows(tmp_path)) == 3


@pytest.mark.skipif(os.name == "nt", reason="a pipe of Unix")
def test_a_table_that_is_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "metadata.csv")
    with pytest.raises(OutputError, match="a device, a pipe or a socket"):
        save_training_case(*scan(), tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="the kit's command line is for Unix")
def test_labels_that_nobody_corrected_replace_no_others(tmp_path: Path) -> None:
    told_scan(tmp_path / "ct.nii.gz", CLEAN)
    command = CommandLine(tmp_path, stand_in=True)
    assert command.run("segment", "ct.nii.gz", "-o", "a.seg.nrrd").returncode == 0
    shutil.copy(tmp_path / "a.seg.nrrd", tmp_path / "corrected.seg.nrrd")
    rewrite(tmp_path / "corrected.seg.nrrd", erase)
    for masks in ("a", "a", "corrected", "corrected"):  # the same again is no loss, nor is a correction
        call = ("training-case", "ct.nii.gz", f"{masks}.seg.nrrd", "set")
        assert command.run(*call, *(["--uncorrected"] if masks == "a" else [])).returncode == 0
    (labels,) = (tmp_path / "set" / "labels").iterdir()
    before = labels.read_bytes()
    call = ("training-case", "ct.nii.gz", "a.seg.nrrd", "set", "--quiet", "--uncorrected")
    assert "nobody corrected" in command.refused(*call)
    assert labels.read_bytes() == before


@pytest.mark.skipif(os.name == "nt", reason="the kit's command line is for Unix")
@pytest.mark.parametrize("ending", ["nii.gz", "nii", "nrrd", "mha", "dcm"])
def test_masks_of_any_form_that_nobody_corrected_are_known_as_such(tmp_path: Path, ending: str) -> None:
    """They would replace a reader's labels, and count as a reader's."""
    scan = write_whole_series(tmp_path / "ct")
    volume = read_ct(scan, Progress())
    labels = np.where(np.indices(volume.voxels.shape)[2] < 8, 1, 2).astype(np.uint8)
    masks = tmp_path / f"masks.{ending}"
    series = segfiles.read_source_series(scan, Progress()) if ending == "dcm" else None
    made = Provenance("one", "ab" * 32, "onnx", "CPU", "CovidSeg 1.0")
    segfiles.write(Segmentation(labels, volume.affine, made), masks, series)
    assert not read_masks(masks, volume).corrected
    segfiles.write(Segmentation(labels, volume.affine, replace(made, kept_ml=1.0)), masks, series)
    assert read_masks(masks, volume).corrected


def test_a_file_from_which_a_segment_was_taken_out_is_no_case(tmp_path: Path) -> None:
    told_scan(tmp_path / "ct.nii.gz", CLEAN)
    command = CommandLine(tmp_path, stand_in=True)
    assert command.run("segment", "ct.nii.gz", "-o", "a.seg.nrrd").returncode == 0
    rewrite(tmp_path / "a.seg.nrrd", erase, {"Covid19Infection": "Tumour"})
    words = command.refused("training-case", "ct.nii.gz", "a.seg.nrrd", "set", "--quiet")
    assert "lacks: COVID-19 infection" in words
    assert not (tmp_path / "set").exists()


def test_a_table_keeps_the_form_that_a_spreadsheet_gave_it(tmp_path: Path) -> None:
    save_training_case(*scan(0), tmp_path)
    old = '\ufeffCase;CT_scan;Mask;Note\n7;images/7.nii.gz;labels/7.nii.gz;"a;b"\n'
    (tmp_path / "metadata.csv").write_text(old, encoding="utf-8")
    case = save_training_case(*scan(1), tmp_path)
    assert save_training_case(*scan(1), tmp_path) == case
    assert (tmp_path / "metadata.csv").read_text(encoding="utf-8").splitlines() == [
        "Case;CT_scan;Mask;Note;patient;fold;corrected",
        '7;images/7.nii.gz;labels/7.nii.gz;"a;b";;;',
        f"{case};images/{case}.nii.gz;labels/{case}.nii.gz;;{case};;yes",
    ]


def test_an_empty_segmentation_and_a_place_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    volume, labels = scan()
    with pytest.raises(InputError, match="empty"):
        save_training_case(volume, np.zeros_like(labels), tmp_path / "set")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be made"):
        save_training_case(volume, labels, tmp_path / "file")
    (tmp_path / "metadata.csv").mkdir()
    with pytest.raises(OutputError, match=r"metadata\.csv"):
        save_training_case(volume, labels, tmp_path)


def test_slicers_python_without_nibabel_writes_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    volume, labels = scan()
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "nibabel" else real(name))
    case = save_training_case(volume, labels, tmp_path)
    image, mask = (nibabel.load(tmp_path / name / f"{case}.nii.gz") for name in ("images", "labels"))
    np.testing.assert_array_equal(np.asarray(image.dataobj).T, volume.voxels)
    np.testing.assert_array_equal(np.asarray(mask.dataobj).T, labels)
    np.testing.assert_allclose(image.affine, AFFINE, atol=1e-4)


@pytest.mark.skipif(os.name == "nt", reason="kills a process")
def test_a_save_that_is_killed_at_any_moment_leaves_a_data_set_that_can_be_read(tmp_path: Path) -> None:
    old = save_training_case(*scan(0), tmp_path)
    volume, labels = scan(1)
    moment, ended = 0, False
    while not ended:
        moment += 1
        ended = killed_at(moment, lambda: save_training_case(volume, labels, tmp_path))
        found = find_cases(tmp_path)  # raises where a scan has no labels
        assert old in [case.name for case in found]
        for case in found:
            assert nibabel.load(case.image).shape == nibabel.load(case.labels).shape
            assert np.asarray(nibabel.load(case.image).dataobj).any()
    assert moment > 8
    assert len(found) == 2


@pytest.mark.skipif(os.name == "nt", reason="the kit's command line is for Unix")
def test_nothing_about_the_patient_is_in_a_case(tmp_path: Path) -> None:
    planted = {"PatientName": "Planted^Paula", "PatientID": "PL4711", "PatientBirthDate": "19600102"}
    hu = np.full((4, 32, 32), 40, np.int16)
    hu[:, 8:24, 8:24] = -800
    write_series(tmp_path / "ct", hu, StudyDate="20200401", **planted)
    command = CommandLine(tmp_path, stand_in=True)
    assert command.run("segment", "ct", "-o", "Paula.seg.nrrd").returncode == 0
    command.environment["COVIDSEG_MODELS"] = str(tmp_path / "user" / "models")
    ended = command.run("training-case", "ct", "Paula.seg.nrrd", "set", "--uncorrected")
    assert ended.returncode == 0, ended.stderr
    files = [path for path in (tmp_path / "set").rglob("*") if path.is_file()]
    assert len(files) == 3
    for path in files:
        content = path.read_bytes()
        content += gzip.decompress(content) if path.suffix == ".gz" else b""
        for secret in (b"Paula", b"Planted", b"PL4711", b"19600102", b"20200401", str(tmp_path).encode()):
            assert secret not in content
            assert secret.decode() not in path.name
    assert "Paula" not in ended.stdout


def test_a_set_of_saved_cases_passes_the_check_and_can_be_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorflow", reason="needs the extra 'training'")
    from CovidSegTraining.cli import main
    from Testing.kit.small_network import small_network

    monkeypatch.setattr("CovidSegTraining.fit.training.build_network", small_network)
    for seed in (0, 1):
        voxels, labels = chest_slices(3, seed)
        save_training_case(CtVolume(voxels, np.diag([-3.0, -3.0, 5.0, 1.0])), labels, tmp_path / "set")
    assert main(["check", str(tmp_path / "set")]) == 0
    run = tmp_path / "run"
    options = ["--encoder", "none", "--steps", "1", "--batch", "1", "--test-fold", "0", "--run", str(run)]
    assert main(["fit", "--data", str(tmp_path / "set"), *options]) == 0
    assert (run / "network.weights.h5").is_file()
