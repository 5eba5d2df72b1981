"""Slopes and intercepts of DICOM files that are wrong are refused, wherever in the series; right ones never are."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from CovidSegLib.cli.main import main
from CovidSegLib.errors import InputError
from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct
from CovidSegLib.reading.checks import Findings, inspect
from CovidSegLib.segfiles.labelmap import save_nifti
from CovidSegLib.worker.jobs import ReadScan
from Testing.kit.dicom_files import write_series, write_slice
from Testing.kit.small_phantom import SLICES, small_phantom

INTERCEPT = -1024
PIXEL = {"PixelSpacing": [2.8, 2.8]}


def written(folder: Path, fields: dict[str, Any], places: slice = slice(None)) -> Path:
    """The small phantom as a series; slices at ``places`` have other ``fields`` with the same stored numbers."""
    slices = small_phantom().volume.upright_voxels
    for place in range(SLICES):
        stored = {"PixelData": (slices[place] - INTERCEPT).astype("<u2").tobytes()}
        changed = fields if place in range(*places.indices(SLICES)) else {}
        write_slice(folder / f"{place}.dcm", slices[place], (0.0, 0.0, 20.0 * place), **PIXEL, **stored, **changed)
    return folder


def found(scan: Path) -> Findings:
    return inspect(read_ct(scan, Progress()))


@pytest.mark.parametrize("places", [slice(None), slice(5, 6), slice(6, None)])
def test_a_slope_of_0_is_refused(tmp_path: Path, places: slice) -> None:
    with pytest.raises(InputError, match="a rescale slope is 0"):
        read_ct(written(tmp_path, {"RescaleSlope": 0}, places), Progress())


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"RescaleSlope": -1}, "inverted"),
        ({"RescaleSlope": -1, "RescaleIntercept": -INTERCEPT}, "inverted"),
        ({"RescaleSlope": 4}, "4.* times as far apart"),
        ({"RescaleSlope": 4, "RescaleIntercept": 4 * INTERCEPT}, "4.* times as far apart"),
    ],
)
def test_a_slope_that_is_wrong_in_all_slices_is_refused(tmp_path: Path, fields: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        found(written(tmp_path, fields)).verdict.check()


@pytest.mark.parametrize("places", [slice(5, 6), slice(6, None), slice(None, None, 2)])
@pytest.mark.parametrize("fields", [{"RescaleSlope": 2}, {"RescaleSlope": -1}, {"RescaleIntercept": 0}])
def test_a_scale_that_is_wrong_in_some_slices_is_refused(tmp_path: Path, fields: dict[str, Any], places: slice) -> None:
    with pytest.raises(InputError, match="different scales"):
        found(written(tmp_path, fields, places)).verdict.check()


def test_in_a_zip_the_same_is_said(tmp_path: Path) -> None:
    written(tmp_path / "series", {"RescaleIntercept": 0}, slice(6, None))
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "series"))
    assert found(packed).warnings == found(tmp_path / "series").warnings


def test_slices_with_a_right_slope_each_are_right(tmp_path: Path) -> None:
    slices = small_phantom().volume.upright_voxels
    for place in range(SLICES):
        slope = round(1 + 0.01 * place, 4)
        write_slice(tmp_path / f"{place}.dcm", slices[place], (0, 0, 20 * place), **PIXEL, RescaleSlope=slope)
    assert found(tmp_path).verdict.warnings == ()
    assert np.abs(read_ct(tmp_path, Progress()).upright_voxels - slices).max() <= 1


def test_a_localizer_among_the_slices_is_not_called_a_missing_slice(tmp_path: Path) -> None:
    slices = small_phantom().volume.upright_voxels
    write_series(tmp_path, slices, [20.0 * place for place in range(SLICES)], **PIXEL)
    front = {"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]}
    for image_type in (["ORIGINAL", "PRIMARY", "LOCALIZER"], ["ORIGINAL", "PRIMARY"]):
        write_slice(tmp_path / "scout.dcm", slices[5], (0, 0, 100), **PIXEL, **front, ImageType=image_type)
        volume = read_ct(tmp_path, Progress())
        assert len(volume.voxels) == SLICES
        assert not [note for note in volume.notes if "missing" in note]
        assert inspect(volume).verdict.warnings == ()


@pytest.mark.parametrize("unit", ["OD", "HU"])
def test_a_series_that_says_it_is_in_no_hounsfield_units_has_no_densities(tmp_path: Path, unit: str) -> None:
    folder = written(tmp_path / "scan", {"RescaleType": unit})
    masks, record = tmp_path / "masks.nii.gz", tmp_path / "report.json"
    save_nifti(small_phantom().volume.grid.to_upright(small_phantom().truth), read_ct(folder, Progress()).affine, masks)
    assert main(["report", str(folder), str(masks), "-o", str(record), "--quiet"]) == 0
    told = json.loads(record.read_text(encoding="utf-8"))
    measured = told["measurements"]
    assert (measured["density"] is None) == (unit == "OD")
    assert ("says that its values are no Hounsfield units" in measured["density_refused"]) == (unit == "OD")
    assert ("are not reported" in " ".join(told["warnings"])) == (unit == "OD")


def test_a_scan_that_another_process_read_is_of_the_same_unit(tmp_path: Path) -> None:
    job = ReadScan(tmp_path, written(tmp_path / "scan", {"RescaleType": "OD"}))
    network: Any = None
    scan = job.taken(job.run(network, Progress()))
    assert "no Hounsfield units" in inspect(scan).verdict.density_refused
