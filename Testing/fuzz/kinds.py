"""What is fuzzed: good files of every kind to begin with, and what reads them."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import SimpleITK

from CovidSegLib.batch.manifest import Manifest
from CovidSegLib.batch.summary import Row, Summary, check_own_table
from CovidSegLib.errors import CovidSegError
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.network import models
from CovidSegLib.network.model_import import import_model
from CovidSegLib.progress import Progress
from CovidSegLib.reading import find_cases, inspect, read_ct
from CovidSegLib.report.followup import TimePoint
from CovidSegLib.report.report_formats import is_report
from CovidSegLib.report.result_file import read_result
from CovidSegLib.report.result_record import ResultRecord
from CovidSegLib.segfiles import ExistingFiles, write
from CovidSegLib.segfiles.existing import find_reviewed
from CovidSegLib.segfiles.registry import read_masks
from CovidSegLib.segmentation import UNKNOWN_PROVENANCE, Segmentation
from Testing.kit.dicom_files import write_series

AFFINE = np.diag([-3.0, -3.0, 5.0, 1.0])


@dataclass(frozen=True)
class Kind:
    """``make`` writes good files into a folder and returns those that are changed; ``read`` is given one of them."""

    name: str
    make: Callable[[Path], list[Path]]
    read: Callable[[Path], object]
    companions: bool = False
    """Whether a file is read together with those beside it."""


def chest() -> np.ndarray:
    """HU int16 (8, 24, 32): a body with two lungs."""
    voxels = np.full((8, 24, 32), -1000, np.int16)
    voxels[:, 3:21, 3:29] = 40
    for columns in (slice(6, 14), slice(18, 26)):
        voxels[1:7, 6:18, columns] = -850
    return voxels


def masks() -> Segmentation:
    """Masks of :func:`chest`."""
    labels = np.zeros((8, 24, 32), np.uint8)
    labels[1:7, 6:18, 6:14], labels[1:7, 6:18, 18:26], labels[2:5, 8:12, 7:11] = 2, 1, 3
    return Segmentation(labels, AFFINE, UNKNOWN_PROVENANCE)


def _scans(folder: Path) -> list[Path]:
    voxels, files = chest(), []
    image = nibabel.Nifti1Image(voxels.T, AFFINE)
    image.header.set_xyzt_units("mm")
    for suffix in ("nii", "nii.gz"):
        files.append(folder / f"scan.{suffix}")
        image.to_filename(files[-1])
    itk = SimpleITK.GetImageFromArray(voxels)
    itk.SetSpacing((3.0, 3.0, 5.0))
    for name, packed in (("a.nrrd", False), ("b.nrrd", True), ("a.mha", False), ("b.mha", True)):
        files.append(folder / name)
        SimpleITK.WriteImage(itk, str(files[-1]), useCompression=packed)
    for name in ("c.nhdr", "c.mhd"):
        files.append(folder / name)
        SimpleITK.WriteImage(itk, str(files[-1]))
    return files


def _read_scan(path: Path) -> None:
    inspect(read_ct(path, Progress()))


def _slices(folder: Path) -> list[Path]:
    return write_series(folder, chest(), [5.0 * number for number in range(8)], PixelSpacing=[3.0, 3.0])


def _read_slices(path: Path) -> None:
    find_cases(path.parent, Progress())
    _read_scan(path.parent)


def _masks(folder: Path) -> list[Path]:
    files = [folder / name for name in ("a.seg.nrrd", "a.nii.gz", "a.nrrd", "a.mha", "a.nii")]
    for file in files:
        write(masks(), file)
    return files


def _read_masks(path: Path) -> None:
    volume = CtVolume(chest(), AFFINE)
    try:
        read_masks(path, volume)
    finally:
        choice = ExistingFiles(keep_edits=True)
        if path.name.endswith(".seg.nrrd"):
            find_reviewed([path], volume.grid, choice, volume.fingerprint)


def _models(folder: Path) -> list[Path]:
    model = models.find("default")
    weights = {kind: f"weights of {kind}".encode() * 20 for kind in model.card["files"]}
    files = {
        kind: {"name": f"own-model.{kind}", "sha256": hashlib.sha256(content).hexdigest(), "weights": "float16"}
        for kind, content in weights.items()
    }
    card = {"name": "own-model", "files": files, **{key: model.card[key] for key in ("finish", "inputs", "classes")}}
    text = json.dumps(card, indent=1)
    packed = folder / "model.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("own-model.json", text)
        for kind, content in weights.items():
            archive.writestr(f"own-model.{kind}", content)
            (folder / f"own-model.{kind}").write_bytes(content)
    (folder / "own-model.json").write_text(text)
    return [folder / "own-model.json", packed]


def _read_model(path: Path) -> None:
    os.environ["COVIDSEG_MODELS"] = str(path.parent)
    assert {model.name for model in models.installed()} >= {models.DEFAULT_NAME}, "a bad card costs another model"
    try:
        import_model(path)
    except CovidSegError:
        left = [file.name for file in path.parent.glob(".*")]
        assert not left, f"a refused import leaves {left}"
        raise


def _tables(folder: Path) -> list[Path]:
    (folder / "images").mkdir()
    (folder / "labels").mkdir()
    for name in ("case_1", "case_2"):
        for kind in ("images", "labels"):
            (folder / kind / f"{name}.nii.gz").touch()
    table = folder / "metadata.csv"
    rows = [f"case_{n},images/case_{n}.nii.gz,labels/case_{n}.nii.gz,p{n},{n}" for n in (1, 2)]
    table.write_text("\n".join(["case,ct_scan,mask,patient,fold", *rows, ""]))
    record = json.loads((Path(__file__).parent / "record.json").read_text(encoding="utf-8"))
    numbers = folder / "result.json"
    numbers.write_text(json.dumps(record, indent=1))
    manifest = folder / "manifest.jsonl"
    begun = {"case": "b", "status": "begun", "since": 1, "result": "b.nii.gz", "state": "1/2"}
    lines: list[dict[str, Any]] = [{"covidseg_manifest": 1}, begun]
    ended = {"status": "done", "message": "", "result": "a.nii.gz", "state": "1/2", "written": "1/2"}
    lines.append({"case": "a", **ended, "fingerprint": "ab", "origin": ["1", "2"], "model": "m", "record": record})
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
    summary = Summary(folder / "summary.csv")
    summary.put(0, Row.of_entry(_entry(lines[2]), ResultRecord.from_json(record)))
    summary.write()
    return [table, numbers, manifest, folder / "summary.csv"]


def _entry(line: dict[str, Any]) -> Any:
    from CovidSegLib.batch.entry import Entry

    return Entry.of_line(line)


def _read_table(path: Path) -> None:
    if path.name == "metadata.csv":
        from CovidSegTraining.data.cases import look

        look(path.parent)
    elif path.name == "summary.csv":
        check_own_table(path)
    elif path.name == "result.json":
        _read_result(path)
    else:
        with Manifest(path) as manifest:
            for case in manifest.entries:
                manifest.record(case)
                manifest.last_done(case)


def _read_result(path: Path) -> None:
    is_report(path)
    TimePoint.of(read_result(path), 0)


KINDS = (
    Kind("scans", _scans, _read_scan),
    Kind("slices", _slices, _read_slices, companions=True),
    Kind("masks", _masks, _read_masks),
    Kind("models", _models, _read_model, companions=True),
    Kind("tables", _tables, _read_table, companions=True),
)
