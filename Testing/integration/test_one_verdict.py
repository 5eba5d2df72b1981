"""What a scan's values are is decided once: whoever takes a scan refuses it, or says of it, what ``segment`` does."""

from __future__ import annotations

import csv
import html
import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from CovidSegLib.api.scans import as_volume
from CovidSegLib.cli.main import main
from CovidSegLib.errors import InputError
from CovidSegLib.field_of_view import ScanValues
from CovidSegLib.geometry.grid import Grid
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.measures import Measurements, measure
from CovidSegLib.options import Options
from CovidSegLib.pipeline import segment
from CovidSegLib.progress import Progress, Report
from CovidSegLib.reading.checks import Findings, inspect
from CovidSegLib.report.report_jobs import MakeReport, SaveTrainingCase
from CovidSegLib.report.request import ReportRequest
from CovidSegLib.report.result_record import ResultRecord
from CovidSegLib.segfiles.labelmap import save_nifti
from CovidSegLib.segmentation import Segmentation
from CovidSegTraining.data.cases import Case
from CovidSegTraining.data.check import check_case
from CovidSegTraining.data.dataset import FramedCase
from Testing.kit.cases import segment_case
from Testing.kit.small_phantom import small_phantom


@dataclass(frozen=True)
class Values:
    """What was done to HU, the words that are said of it, and whether a network could see anything in what came."""

    change: Callable[[np.ndarray], np.ndarray]
    words: str
    refused: bool = False


ODD = {
    "doubled": Values(lambda hu: hu * 2, "twice as far apart", refused=True),
    "halved": Values(lambda hu: hu / 2, "half as far apart", refused=True),
    "shifted and doubled": Values(lambda hu: (hu + 1024) * 2, "twice as far apart", refused=True),
    "stored numbers of four times": Values(lambda hu: (hu + 1024) * 4, "about 4 times as far apart", refused=True),
    "unsigned": Values(lambda hu: np.clip(hu + 32768, 0, 32767), "scaled or shifted far", refused=True),
    "shifted up": Values(lambda hu: hu + 1024, "too high"),
    "shifted down": Values(lambda hu: hu - 1024, "too low"),
    "grey": Values(lambda hu: np.clip((hu + 1250) / 1500, 0, 1) * 255, "grey picture"),
    "cut to a window": Values(lambda hu: np.clip(hu, -900, 20), "windowed picture"),
    "without bone": Values(lambda hu: np.clip(hu, -1250, 250), "there is no bone"),
    "partly shifted": Values(lambda hu: hu + 1024 * (np.arange(len(hu)) > 6)[:, None, None], "different scales", True),
}
IN_ALL_FORMS = ("doubled", "shifted up", "without bone")
"""One of each way that leads to no densities; of the other kinds the verdict alone is asked."""
NO_DENSITY = "density, ground glass and consolidation are not reported"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scan in HU ("right"), the same with its values changed, and their masks."""
    place = tmp_path_factory.mktemp("verdicts")
    phantom = small_phantom()
    save_nifti(phantom.truth, phantom.volume.affine, place / "masks.nii.gz")
    for name, values in {"right": Values(lambda hu: hu, ""), **ODD}.items():
        voxels = np.rint(values.change(phantom.volume.voxels.astype(float))).astype(np.int16)
        save_nifti(voxels, phantom.volume.affine, place / f"{name}.nii.gz")
    return place


def report(scan: Path, *outputs: Path) -> tuple[ResultRecord, list[str]]:
    """Report on the masks beside ``scan``; the record, and what the console is told."""
    heard: list[Report] = []
    job = MakeReport(scan, scan.with_name("masks.nii.gz"), ReportRequest(outputs))
    record = job.taken(job.run(lambda *_: None, Progress(heard.append)))
    return record, [one.notice for one in heard if one.notice]


@cache
def right_numbers() -> Measurements:
    """The numbers of the scan in HU."""
    phantom = small_phantom()
    return measure(phantom.truth, phantom.volume.grid, voxels=phantom.volume.voxels)


def volumes(found: Measurements) -> tuple[float, float]:
    """Of the lungs and of infection, in mL."""
    return found.total.lung_ml, found.total.infection_ml


def volume_of(kind: str) -> CtVolume:
    scan = small_phantom().volume
    return CtVolume(np.rint(ODD[kind].change(scan.voxels.astype(float))).astype(np.int16), scan.affine)


class FindsNothing:
    """An engine."""

    name, device = "onnx", "cpu"

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Background everywhere."""
        return np.zeros_like(inputs)


def test_one_look_at_the_values_serves_the_checks_the_network_and_the_numbers(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[ScanValues] = []
    of_planes = ScanValues.of_planes

    def counted(*args: Any) -> ScanValues:
        looks.append(of_planes(*args))
        return looks[-1]

    def by_network(volume: CtVolume, progress: Progress, findings: Findings | None = None) -> Segmentation:
        return segment(volume, Options(), progress, engine=FindsNothing(), findings=findings)

    monkeypatch.setattr(ScanValues, "of_planes", counted)
    record = segment_case(
        folder / "shifted up.nii.gz", [tmp_path / "m.nii.gz"], segment=by_network, progress=Progress()
    )
    assert len(looks) == 1
    assert any(NO_DENSITY in text for text in record.warnings)
    assert NO_DENSITY in record.measurements.density_refused


@pytest.mark.usefixtures("blank_views")
@pytest.mark.parametrize("kind", IN_ALL_FORMS)
def test_a_report_gives_volumes_and_no_densities_of_what_is_no_hu_and_says_so_in_all_its_forms(
    kind: str, folder: Path, tmp_path: Path
) -> None:
    outputs = [tmp_path / f"r.{ending}" for ending in ("json", "html", "csv")]
    record, heard = report(folder / f"{kind}.nii.gz", *outputs)
    assert (record.lung_ml.total, record.infection_ml) == pytest.approx(volumes(right_numbers()), abs=0.05)
    assert record.measurements.density is None
    (said,) = [text for text in heard if ODD[kind].words in text]  # one cause, one sentence
    assert NO_DENSITY in said
    written = json.loads(outputs[0].read_text())
    assert written["measurements"]["density"] is None
    assert NO_DENSITY in written["measurements"]["density_refused"]
    rows = list(csv.DictReader(outputs[2].open()))
    assert not [row for row in rows if row["unit"] == "HU"]
    assert any(NO_DENSITY in row["note"] for row in rows)
    page = html.unescape(outputs[1].read_text())
    assert NO_DENSITY in page
    in_table = [row["note"] for row in rows if row["measure"] == "warning"]
    assert list(record.warnings) == heard == written["warnings"] == in_table
    assert all(warning in page for warning in heard)
    assert not any("round field of view" in text for text in heard)


@pytest.mark.parametrize("kind", ["doubled", "partly shifted"])
def test_what_segment_refuses_nobody_learns_from(kind: str, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=ODD[kind].words) as refused:
        segment(volume_of(kind), Options(), Progress())
    sentence = refused.value.sentence
    for uncorrected in (False, True):
        save = SaveTrainingCase(folder / f"{kind}.nii.gz", folder / "masks.nii.gz", tmp_path, uncorrected)
        with pytest.raises(InputError) as saving:
            save.run(lambda *_: None, Progress())
        assert saving.value.sentence == sentence
    assert list(tmp_path.iterdir()) == []
    case = Case("a", folder / f"{kind}.nii.gz", folder / "masks.nii.gz", fold=1, patient="")
    assert [problem for problem in check_case(case).problems if sentence in problem]
    with pytest.raises(InputError) as training:
        FramedCase(case)
    assert sentence in training.value.sentence
    found = inspect(volume_of(kind)).warnings[0]
    assert found.startswith(sentence)  # and a report says it in the same words


@pytest.mark.parametrize("kind", ["shifted up", "grey"])
def test_of_what_segment_segments_all_the_same_all_others_say_what_it_says(
    kind: str, folder: Path, tmp_path: Path
) -> None:
    (said,) = [text for text in inspect(volume_of(kind)).warnings if ODD[kind].words in text]
    heard: list[Report] = []
    save = SaveTrainingCase(folder / f"{kind}.nii.gz", folder / "masks.nii.gz", tmp_path)
    save.run(lambda *_: None, Progress(heard.append))
    assert said in [one.notice for one in heard]
    notes = check_case(Case("a", folder / f"{kind}.nii.gz", folder / "masks.nii.gz", fold=1, patient="")).notes
    assert said in notes or kind == "grey"  # which a training takes by the window of its data set


def test_masks_given_as_the_scan_are_refused_by_all_that_take_a_scan(folder: Path, tmp_path: Path) -> None:
    masks = folder / "masks.nii.gz"
    for job in (
        MakeReport(masks, masks, ReportRequest((tmp_path / "r.json",))),
        SaveTrainingCase(masks, masks, tmp_path),
    ):
        with pytest.raises(InputError, match="a labelmap or a mask, not a CT"):
            job.run(lambda *_: None, Progress())
    assert list(tmp_path.iterdir()) == []
    problems = check_case(Case("a", masks, masks, fold=1, patient="")).problems
    assert any("a labelmap or a mask" in problem for problem in problems)


@pytest.mark.parametrize("kind", ODD)
def test_by_its_verdict_a_scan_is_refused_or_has_no_densities_and_every_warning_says_so(kind: str) -> None:
    found = inspect(volume_of(kind))
    assert NO_DENSITY in found.verdict.density_refused
    assert ODD[kind].words in found.verdict.density_refused
    assert [text for text in found.verdict.warnings if NO_DENSITY in text] == list(found.verdict.warnings)
    with pytest.raises(InputError, match=ODD[kind].words) if ODD[kind].refused else nullcontext():
        found.verdict.check()


@pytest.mark.parametrize("kind", ["doubled", "partly shifted", "shifted down", "grey"])
def test_numbers_by_python_leave_densities_out_as_a_report_does(kind: str) -> None:
    phantom, volume = small_phantom(), volume_of(kind)
    image = as_volume(volume.voxels, volume.affine, lambda path: volume)
    found = measure(phantom.truth, image.grid, voxels=image.voxels)
    assert found.density is None
    assert NO_DENSITY in found.density_refused
    assert volumes(found) == volumes(right_numbers())
    assert not [flag for flag in found.flags if "round field of view" in flag]


def test_a_follow_up_of_masks_says_of_which_scan_the_densities_are_missing_and_why(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scans = [str(folder / f"{kind}.nii.gz") for kind in ("right", "doubled")]
    masks = [str(folder / "masks.nii.gz")] * 2
    outputs = [str(tmp_path / f"f.{ending}") for ending in ("json", "html")]
    call = ["followup", *scans, "--masks", *masks, "--days", "0", "9", "-o", outputs[0], "-o", outputs[1]]
    assert main(call) == 0
    shown = capsys.readouterr().err
    found = json.loads(Path(outputs[0]).read_text())
    assert [point["ground_glass_ml"] is None for point in found["scans"]] == [False, True]
    (said,) = [text for text in found["warnings"] if "twice as far apart" in text]
    assert said.startswith("Scan 2: ")
    assert NO_DENSITY in said
    assert said in html.unescape(Path(outputs[1]).read_text())
    assert shown.count("twice as far apart") == 1


def test_one_slice_with_another_scale_ends_no_round_field_of_view() -> None:
    phantom = small_phantom()
    voxels = phantom.volume.voxels.copy()
    voxels[6] *= 2
    found = measure(phantom.truth, phantom.volume.grid, voxels=voxels)
    assert not [flag for flag in found.flags if "round field of view" in flag]
    voxels = phantom.volume.voxels.copy()
    voxels[:, :, : voxels.shape[2] // 3] = -2000
    found = measure(phantom.truth, Grid(phantom.volume.affine, voxels.shape), voxels=voxels)
    assert [flag for flag in found.flags if "round field of view" in flag]
