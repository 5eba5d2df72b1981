"""The protocol's table from fold networks: copies of the shipped one judge small sets of every kind."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from CovidSegLib.network import models
from CovidSegTraining.cli import main
from CovidSegTraining.fit.trained_on import name_hashes
from Testing.kit.training_data import chest_slices, write_case


def network(folder: Path, fold: int, seen: list[str]) -> None:
    """A fold network: the shipped ONNX weights alone, with a card that says what it was trained on."""
    model = models.find("default")
    folder.mkdir(exist_ok=True)
    entry = model.card["files"]["onnx"]
    shutil.copyfile(model.folder / entry["name"], folder / f"tiny-fold{fold}.onnx")
    files = {"onnx": {**entry, "name": f"tiny-fold{fold}.onnx"}}
    card = {**model.card, "name": f"tiny-fold{fold}", "files": files, "trained_on": name_hashes(seen)}
    (folder / f"tiny-fold{fold}.json").write_text(json.dumps(card))


@pytest.fixture
def data(tmp_path) -> Path:
    root = tmp_path / "data"
    for name in ("one", "two"):
        write_case(root / "scans", name, slices=3)
    write_case(root / "scans", "in_all", slices=1)
    (root / "scans/metadata.csv").write_text("case,fold\none,1\ntwo,2\nin_all,0\n")
    for name in ("L1", "L2"):
        write_case(root / "lungs", name, slices=2, infected=False)
    (root / "clean").mkdir()
    shutil.copyfile(root / "lungs/images/L1.nii.gz", root / "clean/healthy.nii.gz")
    voxels, labels = chest_slices(1, 0)
    for kind in ("images", "infection"):
        (root / "slices" / kind).mkdir(parents=True)
    Image.fromarray(((voxels[0] + 1250) / 1500 * 255).clip(0, 255).astype(np.uint8)).save(root / "slices/images/7.jpg")
    Image.fromarray((labels[0] == 1).astype(np.uint8) * 255).save(root / "slices/infection/7.png")
    network(tmp_path / "networks", 1, ["two", "L1"])
    network(tmp_path / "networks", 2, ["one", "L2"])
    return root


def test_every_network_judges_its_own_fold_and_what_it_has_not_seen(data, tmp_path, capsys):
    call = ["evaluate", "--crossval", str(data), "--networks", str(tmp_path / "networks"), "--device", "cpu"]
    assert main([*call, "--json", str(tmp_path / "table.json")]) == 0
    found = json.loads((tmp_path / "table.json").read_text())
    assert [row["case"] for row in found["scans"]] == ["one", "two"]
    assert [row["case"] for row in found["lungs"]] == ["L2", "L1"]
    assert [(row["case"], row["fold"]) for row in found["clean"]] == [("healthy", 1), ("healthy", 2)]
    assert [(row["case"], row["fold"]) for row in found["slices"]] == [("7", 1), ("7", 2)]
    names = [row["name"] for row in found["table"]]
    assert "lung on lungs/" in names
    assert "false infection on clean/, healthy, % of lung" in names
    text = capsys.readouterr().out
    assert all(f"| {name}" in text for name in names)


def test_a_network_that_was_trained_on_its_own_fold_is_refused(data, tmp_path, capsys):
    network(tmp_path / "networks", 2, ["two"])
    assert main(["evaluate", "--crossval", str(data), "--networks", str(tmp_path / "networks")]) == 2
    assert "fold 2 was trained on two: a leak" in capsys.readouterr().err


def test_a_fold_without_a_network_is_named(data, tmp_path, capsys):
    (tmp_path / "networks/tiny-fold2.json").unlink()
    assert main(["evaluate", "--crossval", str(data), "--networks", str(tmp_path / "networks")]) == 2
    assert "no network for fold 2" in capsys.readouterr().err


def test_a_series_is_judged_slice_by_slice_from_head_to_feet(data, tmp_path, monkeypatch):
    """The radiologists' table runs from head to feet, against the slice axis."""
    from CovidSegLib.pipeline import Options
    from CovidSegTraining.judge import protocol

    folder = tmp_path / "dicom"
    folder.mkdir()
    with zipfile.ZipFile(folder / "series.zip", "w") as archive:
        archive.writestr("a", "")
    (folder / "series_slices.csv").write_text("slice_from_head_to_feet,infected\n0,1\n1,1\n2,0\n")
    labels = np.zeros((3, 9, 9), np.uint8)
    labels[2] = 3  # the slice nearest to the head
    monkeypatch.setattr(protocol, "read_ct", lambda *_: None)
    monkeypatch.setattr(protocol._Judge, "_labels", lambda *_: (labels, 1.0))
    (row,) = protocol._Judge(1, None, Options(), lambda _: False).series(folder)
    assert (row["sensitivity"], row["specificity"]) == (0.5, 1.0)


def test_a_picture_is_judged_by_the_networks_that_did_not_learn_from_it(data, monkeypatch):
    from CovidSegLib.pipeline import Options
    from CovidSegTraining.judge import protocol

    for kind, ending in (("images", "jpg"), ("infection", "png")):
        shutil.copyfile(data / f"slices/{kind}/7.{ending}", data / f"slices/{kind}/8.{ending}")
    monkeypatch.setattr(protocol._Judge, "_labels", lambda *_: (np.full((1, 96, 128), 3, np.uint8), 1.0))
    result = protocol.CrossValidation()
    for fold, learned in ((1, ["picture_7"]), (2, ["picture_8"]), (3, [])):
        result.slices += protocol._Judge(fold, None, Options(), learned.__contains__).slices(data / "slices")
    assert [(row["fold"], row["case"]) for row in result.slices] == [(1, "8"), (2, "7"), (3, "7"), (3, "8")]
    (row,) = protocol.table_rows(protocol.CrossValidation(slices=result.slices))[-1:]
    assert (row.name, len(row.values)) == ("infection on slices/, by picture", 2)


def test_a_single_picture_becomes_a_slice_that_lies_the_right_way_up():
    from CovidSegTraining.judge.protocol import single_slice

    volume = single_slice(np.array([[0, 255], [0, 0]], np.float32))
    np.testing.assert_array_equal(volume.upright_voxels[0], [[-1250, 250], [-1250, -1250]])
    assert nibabel.aff2axcodes(volume.affine) == ("L", "P", "S")


def test_a_fold_that_all_networks_watched_is_judged_by_none(data, tmp_path, capsys):
    card = tmp_path / "networks/tiny-fold1.json"
    card.write_text(json.dumps({**json.loads(card.read_text()), "training": {"validation_fold": 2}}))
    (tmp_path / "networks/tiny-fold2.json").unlink()
    for folder in ("lungs", "clean", "slices"):
        shutil.rmtree(data / folder)
    call = ["evaluate", "--crossval", str(data), "--networks", str(tmp_path / "networks"), "--device", "cpu"]
    assert main([*call, "--json", str(tmp_path / "table.json")]) == 0
    assert [row["case"] for row in json.loads((tmp_path / "table.json").read_text())["scans"]] == ["one"]


def test_scores_of_cases_that_were_trained_on_say_so_in_file_and_card(data, tmp_path, capsys):
    card = tmp_path / "networks/tiny-fold2.json"
    call = ["evaluate", "--data", str(data / "scans"), "--fold", "1", "--model", str(card), "--device", "cpu"]
    assert main([*call, "--json", str(tmp_path / "scores.json")]) == 0
    assert "warning: 1 of 1 cases were trained on" in capsys.readouterr().out
    assert json.loads((tmp_path / "scores.json").read_text())["trained_on_cases"] == 1
    assert main(["card", "--model", str(card), "--metrics", str(tmp_path / "scores.json")]) == 0
    assert "1 of 1 cases of fold 1 were trained on: no fair judgement." in capsys.readouterr().out
