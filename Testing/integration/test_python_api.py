"""``import covidseg``: one call for one scan, the network kept open for many, and the same numbers as the command."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK

import covidseg
from CovidSegLib.geometry.grid import Grid
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.measures import measure
from Testing.kit.command_line import CommandLine
from Testing.kit.dicom_files import write_series
from Testing.kit.drawn_lungs import AFFINE, drawn_lungs
from Testing.kit.small_phantom import small_phantom


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the small chest as ``scan.nii.gz``."""
    folder = tmp_path_factory.mktemp("python")
    volume = small_phantom().volume
    nibabel.save(nibabel.Nifti1Image(volume.voxels.T, volume.affine), folder / "scan.nii.gz")
    return folder


@pytest.fixture(scope="module")
def segmenter() -> Iterator[covidseg.Segmenter]:
    """The network, open for all tests here."""
    with covidseg.Segmenter(device="cpu") as segmenter:
        yield segmenter


@pytest.fixture(scope="module")
def result(segmenter: covidseg.Segmenter, folder: Path) -> covidseg.Result:
    """Of the file."""
    return segmenter(folder / "scan.nii.gz")


def test_the_numbers_are_those_of_the_command(result: covidseg.Result, folder: Path, tmp_path: Path) -> None:
    done = CommandLine(tmp_path).run(
        "segment", folder / "scan.nii.gz", "-o", "masks.nii.gz", "--json", "numbers.json", "--device", "cpu"
    )
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "numbers.json").read_text(encoding="utf-8"))
    mine = result.to_dict()
    assert told.pop("checksum")  # of the file alone
    told["measurements"].pop("stability")
    mine["measurements"].pop("stability")
    assert {**mine, "seconds": {}} == {**told, "seconds": {}}
    assert mine["infection_percent"] == pytest.approx(result.percent_infected, abs=1e-3)
    assert np.array_equal(np.asanyarray(nibabel.load(tmp_path / "masks.nii.gz").dataobj).T, result.labels)


def test_a_result_tells_its_estimated_lobes_and_their_score(result: covidseg.Result) -> None:
    labels = drawn_lungs()
    whole = replace(result, measurements=measure(labels, Grid(AFFINE, labels.shape)))
    assert whole.severity is not None
    assert len(whole.lobes) == 5
    assert sum(lobe.ml for lobe in whole.lobes) == pytest.approx(whole.lungs.both.ml)
    assert all(lobe.percent_low <= lobe.percent_high for lobe in whole.lobes)
    assert whole.severity.low <= whole.severity.score <= whole.severity.high


def test_the_result_reads_as_its_documentation_says(result: covidseg.Result) -> None:
    assert result.lungs.left.ml + result.lungs.right.ml == pytest.approx(result.lungs.both.ml)
    assert result.percent_infected == pytest.approx(100 * result.infection_ml / result.lungs.both.ml)
    assert len(result.zones) == 6
    assert result.lesions[0].ml >= result.lesions[-1].ml
    assert result.severity is None
    assert result.lobes == ()
    assert "slices are too thick" in result.measurements.severity_refused
    assert result.density is not None
    assert result.provenance.device == "cpu"
    assert not result.labels.flags.writeable
    assert (
        repr(result)
        == f"<covidseg.Result: {result.percent_infected:.1f} % of {result.lungs.both.ml:.0f} mL of lung infected>"
    )
    page = result._repr_html_()
    assert "data:image/jpeg;base64," in page
    assert "Infected share" in page


def _images() -> dict[str, object]:
    volume = small_phantom().volume
    sitk = SimpleITK.GetImageFromArray(volume.voxels)
    sitk.SetSpacing(volume.grid.spacing)
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ volume.affine
    sitk.SetOrigin(lps[:3, 3].tolist())
    sitk.SetDirection((lps[:3, :3] / volume.grid.spacing).ravel().tolist())
    return {
        "SimpleITK": sitk,
        "nibabel": nibabel.Nifti1Image(volume.voxels.T, volume.affine),
        "CtVolume": CtVolume(volume.voxels, volume.affine),
    }


@pytest.mark.parametrize("kind", ["SimpleITK", "nibabel", "CtVolume", "array"])
def test_every_kind_of_scan_gives_the_same_masks(
    kind: str, segmenter: covidseg.Segmenter, result: covidseg.Result
) -> None:
    volume = small_phantom().volume
    if kind == "array":
        other = segmenter(volume.voxels.astype(np.float32), affine=volume.affine)
    else:
        other = segmenter(_images()[kind])
    assert np.array_equal(other.labels, result.labels)
    assert np.allclose(other.affine, result.affine, atol=1e-4)


def test_the_labels_go_out_on_the_grid_of_the_scan(result: covidseg.Result, folder: Path) -> None:
    scan = SimpleITK.ReadImage(str(folder / "scan.nii.gz"))
    masks = result.to_sitk()
    assert np.allclose(masks.GetOrigin(), scan.GetOrigin(), atol=1e-3)
    assert np.allclose(masks.GetDirection(), scan.GetDirection(), atol=1e-5)
    assert np.allclose(masks.GetSpacing(), scan.GetSpacing(), atol=1e-5)
    assert np.array_equal(SimpleITK.GetArrayFromImage(masks), result.labels)
    nifti = result.to_nibabel()
    assert np.allclose(nifti.affine, nibabel.load(folder / "scan.nii.gz").affine, atol=1e-4)
    assert np.array_equal(np.asanyarray(nifti.dataobj).T, result.labels)


def test_what_is_saved_can_be_read_again_and_nothing_is_replaced_unasked(
    result: covidseg.Result, tmp_path: Path
) -> None:
    for name in ("a.seg.nrrd", "a.nii.gz", "a.mha"):
        assert result.save(tmp_path / name) == tmp_path / name
    assert np.array_equal(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / "a.mha"))), result.labels)
    result.save(tmp_path / "a.seg.nrrd")  # nobody corrected it
    with pytest.raises(covidseg.OutputError, match="exists"):
        result.save(tmp_path / "a.nii.gz")
    result.save(tmp_path / "a.nii.gz", overwrite=True)
    with pytest.raises(covidseg.CovidSegError, match="DICOM"):
        result.save(tmp_path / "a.dcm")


@pytest.mark.parametrize("way", ["same name", "link", "other name of the file"])
def test_the_scan_itself_is_never_replaced_by_its_result(
    result: covidseg.Result, folder: Path, tmp_path: Path, way: str
) -> None:
    scan = tmp_path / "scan.nii.gz"
    scan.write_bytes((folder / "scan.nii.gz").read_bytes())
    own = replace(result, path=scan)
    target = scan if way == "same name" else tmp_path / "other.nii.gz"
    if way == "link":
        target.symlink_to(scan)
    elif target != scan:
        os.link(scan, target)
    with pytest.raises(covidseg.OutputError, match="is the input file"):
        own.save(target, overwrite=True)
    assert scan.read_bytes() == (folder / "scan.nii.gz").read_bytes()


def test_no_slice_of_the_scan_is_replaced_by_its_result(result: covidseg.Result, tmp_path: Path) -> None:
    slices = write_series(tmp_path, np.zeros((3, 8, 8), np.int16))
    before = slices[1].read_bytes()
    with pytest.raises(covidseg.OutputError, match="one of the scan's own files"):
        replace(result, path=tmp_path).save(slices[1], overwrite=True)
    assert slices[1].read_bytes() == before


@pytest.mark.skipif(os.name == "nt", reason="makes links")
def test_a_name_that_no_file_can_have_is_refused_in_a_sentence(result: covidseg.Result, tmp_path: Path) -> None:
    for ending in (".nii.gz", ".json"):
        circle = tmp_path / f"circle{ending}"
        circle.symlink_to(circle)
        for target in (circle, tmp_path / f"a\0{ending}"):
            with pytest.raises(covidseg.OutputError):
                result.report(target) if ending == ".json" else result.save(target, overwrite=True)


def test_what_a_reader_saves_while_a_result_is_saved_stays(
    result: covidseg.Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = result.save(tmp_path / "a.seg.nrrd")
    theirs = target.read_bytes() + b"\n"

    def flush(_file: int) -> None:  # slow disks take seconds for it
        target.write_bytes(theirs)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", flush)
        with pytest.raises(covidseg.OutputError, match="changed by somebody else"):
            result.save(target)
    assert target.read_bytes() == theirs
    assert list(tmp_path.iterdir()) == [target]


def test_the_result_of_another_scan_is_not_replaced_unasked(result: covidseg.Result, tmp_path: Path) -> None:
    target = result.save(tmp_path / "a.seg.nrrd")
    other = replace(result, volume=CtVolume(result.volume.voxels + np.int16(1), result.volume.affine))
    with pytest.raises(covidseg.OutputError, match="another scan"):
        other.save(target)


def test_a_report_takes_the_place_of_a_report_and_of_nothing_else(result: covidseg.Result, tmp_path: Path) -> None:
    result.report(tmp_path / "r.html", label="Case 7")
    for name in ("r.json", "r.csv"):
        result.report(tmp_path / name)
        result.report(tmp_path / name)
    assert "Research use only" in (tmp_path / "r.html").read_text(encoding="utf-8")
    (tmp_path / "mine.html").write_text("<p>mine</p>", encoding="utf-8")
    with pytest.raises(covidseg.OutputError, match="no report"):
        result.report(tmp_path / "mine.html")


def test_many_scans_come_in_their_order_and_a_bad_one_stops_the_others_only_when_it_shall(
    segmenter: covidseg.Segmenter, folder: Path, result: covidseg.Result
) -> None:
    scans = [folder / "scan.nii.gz", folder / "missing.nii.gz", str(folder / "scan.nii.gz")]
    first, missing, last = segmenter.map(scans, errors="return")
    assert isinstance(missing, covidseg.InputError)
    assert all(np.array_equal(found.labels, result.labels) for found in (first, last))
    coming = segmenter.map(scans)
    assert next(coming).percent_infected == result.percent_infected
    with pytest.raises(covidseg.InputError):
        next(coming)
    assert list(segmenter.map([])) == []


@pytest.mark.parametrize(
    ("scan", "more", "sentence"),
    [
        (np.zeros((2, 3, 4), np.int16), {}, "array alone"),
        (np.zeros((3, 4), np.int16), {"affine": np.eye(4)}, "dimensions"),
        (np.zeros((2, 3, 4), complex), {"affine": np.eye(4)}, "no real numbers"),
        (np.zeros((2, 3, 4), np.int16), {"affine": np.eye(3)}, "4x4"),
        (np.zeros((2, 3, 4), np.int16), {"affine": np.zeros((4, 4))}, "geometry"),
        (SimpleITK.Image(3, 4, SimpleITK.sitkInt16), {}, "three dimensions"),
        ("missing.nii.gz", {"affine": np.eye(4)}, "its own affine"),
        (7, {}, "A int is no scan"),
    ],
)
def test_what_is_no_scan_is_refused_in_a_sentence(
    scan: object, more: dict[str, np.ndarray], sentence: str, segmenter: covidseg.Segmenter
) -> None:
    with pytest.raises(covidseg.InputError, match=sentence):
        segmenter(scan, **more)


def test_progress_goes_to_a_function_or_to_a_bar(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told: list[covidseg.Report] = []
    covidseg.segment(folder / "scan.nii.gz", device="cpu", progress=told.append)
    assert {"reading", "network", "masks"} <= {report.stage for report in told}
    pytest.importorskip("tqdm")
    covidseg.segment(folder / "scan.nii.gz", device="cpu", progress=True)
    assert "network" in capsys.readouterr().err


def test_every_public_name_is_documented() -> None:
    for name in covidseg.__all__:
        if not name.startswith("__"):
            assert getattr(covidseg, name).__doc__, name
