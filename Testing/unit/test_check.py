"""``covidseg-train check``: what cannot be trained on is named before anything runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import nibabel
import numpy as np
import pytest

from CovidSegLib.errors import InputError
from CovidSegTraining.cli import main
from CovidSegTraining.data.cases import find_cases
from CovidSegTraining.data.check import check_headers, check_patients
from Testing.kit.training_data import write_case


def changed(path, change=lambda voxels: voxels, affine=lambda matrix: matrix, dtype=None) -> None:
    """Rewrite a NIfTI file with other voxels, another affine or another type."""
    image = nibabel.load(path)
    voxels = change(np.asanyarray(image.dataobj))
    nibabel.save(nibabel.Nifti1Image(voxels.astype(dtype or voxels.dtype), affine(image.affine)), path)


@pytest.fixture
def data(tmp_path):
    for number, name in enumerate(("one", "two")):
        write_case(tmp_path / "data", name, seed=number)
    return tmp_path / "data"


def checked(data, capsys) -> tuple[int, dict, str]:
    code = main(["check", str(data), "--json", str(data.parent / "found.json")])
    cases = json.loads((data.parent / "found.json").read_text())["cases"]
    return code, {case["name"]: case for case in cases}, capsys.readouterr().out


def test_a_good_set_is_shown_and_passes(data, capsys):
    code, cases, text = checked(data, capsys)
    assert code == 0
    assert cases["one"]["infected_slices"] == 4
    assert cases["one"]["labels"].keys() == {"0", "1", "2", "3"}
    assert "2 cases can be used, 0 cannot." in text
    assert "128 x 96 x 5" in text


def shifted(matrix):
    return matrix + np.array([[0, 0, 0, 9.0], [0] * 4, [0] * 4, [0] * 4])


FAULTS = {
    "labels of another size": (
        lambda file: changed(file, lambda v: v[:, :, :-1]),
        None,
        "different sizes, 128 x 96 x 5",
    ),
    "labels in another place": (lambda file: changed(file, affine=shifted), None, "different places, up to 9.0 mm"),
    "labels upside down": (
        lambda f: changed(f, affine=lambda m: m @ np.diag([1, 1, -1, 1.0])),
        None,
        "different places",
    ),
    "unknown labels": (lambda file: changed(file, lambda v: v * 50), None, "values 50, 100, 150; known are"),
    "labels between": (lambda f: changed(f, lambda v: v / 3, dtype=np.float32), None, "values 0.333333, 0.666667"),
    "nothing drawn": (lambda file: changed(file, lambda v: v * 0), None, "Nothing is drawn"),
    "no file": (lambda file: file.write_bytes(b"not a scan"), None, "Labels: The file is not a NIfTI file"),
    "cut-off file": (None, lambda f: f.write_bytes(f.read_bytes()[:9000]), "Image: The file is cut off"),
    "one value": (None, lambda file: changed(file, lambda v: v * 0), "same value"),
}


@pytest.mark.parametrize(("labels", "image", "why"), FAULTS.values(), ids=FAULTS)
def test_a_case_that_cannot_be_used_is_refused_with_its_reason(data, capsys, labels, image, why):
    if labels:
        labels(data / "labels/two.nii.gz")
    if image:
        image(data / "images/two.nii.gz")
    code, cases, text = checked(data, capsys)
    assert code == 2
    assert not cases["one"]["problems"]
    assert why in " ".join(cases["two"]["problems"])
    assert f"REFUSED: {cases['two']['problems'][0]}" in text
    assert "1 cases can be used, 1 cannot." in text


def test_files_of_two_or_four_dimensions_are_read_or_refused_as_rows_of_the_table(data, capsys):
    for number, name in enumerate(("flat", "series", "volume", "colours"), start=3):
        write_case(data, name, seed=number)
    for kind in ("images", "labels"):
        changed(data / kind / "flat.nii.gz", lambda voxels: voxels[:, :, 1])
        changed(data / kind / "volume.nii.gz", lambda voxels: voxels[..., None])
    changed(data / "images/series.nii.gz", lambda voxels: np.stack([voxels] * 2, axis=-1))
    colours = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
    changed(data / "labels/colours.nii.gz", lambda voxels: np.zeros(voxels.shape, colours))
    code, cases, text = checked(data, capsys)
    assert code == 2
    problems = {name: " ".join(case["problems"]) for name, case in cases.items()}
    assert [name for name in problems if not problems[name]] == ["flat", "one", "two", "volume"]
    assert "more than three dimensions" in problems["series"]
    assert "Labels: The image holds colours" in problems["colours"]
    assert cases["flat"]["shape"] == [128, 96, 1]
    assert cases["volume"]["labels"].keys() == {"0", "1", "2", "3"}
    assert "4 cases can be used, 2 cannot." in text


def test_labels_that_are_no_numbers_are_named_once(data, capsys):
    changed(data / "labels/two.nii.gz", lambda v: np.where(v == 3, np.nan, v), dtype=np.float32)
    _, cases, _ = checked(data, capsys)
    assert cases["two"]["problems"] == ["Labels have the values nan; known are 0, 1, 2, 3, 254, 255."]


def test_grey_pictures_and_swapped_sides_are_notes(data, capsys):
    changed(data / "images/one.nii.gz", lambda v: ((v + 1250.0) / 1500 * 255).clip(0, 255), dtype=np.uint8)
    changed(data / "labels/two.nii.gz", lambda v: np.choose(v, (0, 2, 1, 3)), dtype=np.uint8)
    code, cases, _ = checked(data, capsys)
    assert code == 0
    assert "grey picture" in cases["one"]["notes"][0]
    assert "swapped" in cases["two"]["notes"][-1]


def test_one_patient_or_one_picture_in_two_folds_is_a_leak(data, capsys):
    write_case(data, "three", seed=2)
    shutil.copyfile(data / "images/one.nii.gz", data / "images/four.nii.gz")
    shutil.copyfile(data / "labels/one.nii.gz", data / "labels/four.nii.gz")
    (data / "metadata.csv").write_text("case,patient,fold\none,p1,1\ntwo,p2,1\nthree,p2,2\nfour,p4,2\n")
    code, cases, _ = checked(data, capsys)
    assert code == 2
    assert "patient are in folds 1 and 2" in cases["two"]["problems"][0]
    assert "picture is case four, in another fold" in cases["one"]["problems"][0]
    with pytest.raises(InputError, match="two folds: p2"):
        check_patients(find_cases(data))


def test_a_training_about_to_start_sees_labels_on_another_grid(data):
    changed(data / "labels/two.nii.gz", affine=shifted)
    with pytest.raises(InputError, match="Case two: Image and labels lie in different places, up to 9"):
        check_headers(find_cases(data))


def test_a_grey_picture_trains_as_the_hounsfield_units_it_was_made_from(data, tmp_path):
    from CovidSegTraining.data.dataset import FramedCase

    case = find_cases(data)[0]
    wanted, _ = FramedCase(case).slice(1)
    changed(case.image, lambda v: ((v + 1250.0) / 1500 * 255).clip(0, 255), dtype=np.uint8)
    inputs, _ = FramedCase(case).slice(1)
    np.testing.assert_allclose(inputs, wanted, atol=1.5 / 255 * 2)


def test_a_grey_picture_with_fractions_is_one_to_all(data):
    """A scan that is read is rounded; so are the values that a training judges by."""
    from CovidSegTraining.data.dataset import FramedCase
    from CovidSegTraining.judge.evaluation import read_scan

    case = find_cases(data)[0]

    def grey(voxels: np.ndarray) -> np.ndarray:
        levels = ((voxels + 1250.0) / 1500 * 255).clip(0, 255)
        levels[:2, 0] = [[-0.4], [255.4]]
        return levels

    changed(case.image, grey, dtype=np.float32)
    assert FramedCase(case).is_grey
    assert read_scan(case.image).voxels.min() < -1000


def called(*arguments: object, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "CovidSegTraining.cli", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


@pytest.mark.skipif(os.name == "nt", reason="pipes and limits of Unix")
def test_a_reader_that_reads_no_further_is_no_fault(data):
    check = called("check", data, "--json", data.parent / "found.json")
    check.stdout.close()  # as "| head" does
    assert check.stderr.read() == ""
    assert check.wait() == 0
    assert json.loads((data.parent / "found.json").read_text())["cases"]


@pytest.mark.skipif(os.name == "nt", reason="pipes and limits of Unix")
def test_a_disk_that_is_full_is_told_in_one_line(data):
    import resource

    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    check = called("check", data, "--json", data.parent / "found.json", preexec_fn=no_room)
    _, errors = check.communicate()
    assert check.returncode == 2
    sentence = "A result could not be written (File too large). Check the folder's permissions and the free space."
    assert errors == f"error: {sentence}\n"
    assert [file.name for file in data.parent.iterdir()] == [data.name]
