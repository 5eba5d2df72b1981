"""The ways of estimated lobes through files: the command, its outputs, reports, and what comes back of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nibabel
import numpy as np
import pytest

from CovidSegLib.cli.main import main
from CovidSegLib.geometry.grid import Grid
from CovidSegLib.measures import Lobe, lobe_of_terminology
from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct
from CovidSegLib.report.followup import TimePoint, follow_up, to_csv
from CovidSegLib.report.followup import to_record as followup_record
from CovidSegLib.report.page import render_follow_up
from CovidSegLib.report.result_record import SCHEMA, ResultRecord
from CovidSegLib.report.schemas import published_schema
from CovidSegLib.segfiles import read_reviewed, write
from CovidSegLib.segfiles.dicom_seg import read_source_series
from CovidSegLib.segfiles.labelmap import save_nifti
from CovidSegLib.segfiles.lobe_files import ALGORITHM
from CovidSegLib.segfiles.seg_nrrd import reference_geometry, write_layers
from CovidSegLib.segmentation import Label, Provenance, Segmentation
from Testing.kit.browser import Browser
from Testing.kit.dicom_files import PATIENT, write_series
from Testing.kit.drawn_lungs import AFFINE, drawn_lungs, drawn_scan, write_drawn_lungs

scan = drawn_scan


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    """Masks of CovidSeg as a Slicer segmentation; the scan lies beside them as scan.nii.gz."""
    return write_drawn_lungs(tmp_path)


def test_the_command_writes_lobes_in_both_forms_and_says_that_they_are_estimated(
    masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nifti, slicer = tmp_path / "lobes.nii.gz", tmp_path / "lobes.seg.nrrd"
    assert main(["lobes", str(masks), "-o", str(nifti), "-o", str(slicer)]) == 0
    said = capsys.readouterr().out
    assert said.count("(estimated)") == 5
    assert "of 25, lobes estimated from the shape of the lungs" in said
    image = nibabel.load(nifti)
    assert image.header["descrip"].item().decode() == ALGORITHM
    lobes = np.asarray(image.dataobj).transpose(2, 1, 0)
    assert np.allclose(image.affine, AFFINE)
    assert set(np.unique(lobes)) == {0, *Lobe}
    assert ((lobes > 0) == (drawn_lungs() > 0)).all()
    found = read_reviewed(slicer, Grid(AFFINE, lobes.shape))
    for segment in found.segments:
        lobe = lobe_of_terminology(segment.tags["TerminologyEntry"])
        assert lobe is not None
        assert "(estimated)" in segment.fields["Name"]
        assert ((found.layers[segment.place[0]] == segment.place[1]) == (lobes == lobe)).all()


def test_a_labelmap_of_lungs_will_do_and_an_output_that_exists_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    masks, output = tmp_path / "masks.nii.gz", tmp_path / "lobes.nii.gz"
    save_nifti(drawn_lungs(), AFFINE, masks)
    assert main(["lobes", str(masks), "-o", str(output), "--quiet"]) == 0
    before = output.read_bytes()
    assert main(["lobes", str(masks), "-o", str(output)]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert output.read_bytes() == before
    assert main(["lobes", str(masks), "-o", str(output), "--overwrite", "--quiet"]) == 0


@pytest.mark.usefixtures("without_views")
def test_masks_that_know_lungs_alone_get_lobes_and_no_score(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_nifti(scan().voxels, AFFINE, tmp_path / "scan.nii.gz")
    masks, record, page = tmp_path / "masks.nii.gz", tmp_path / "report.json", tmp_path / "report.html"
    save_nifti(drawn_lungs(infected=False), AFFINE, masks)
    assert main(["lobes", str(masks), "-o", str(tmp_path / "lobes.nii.gz")]) == 0
    said = capsys.readouterr().out
    assert said.count("(estimated)") == 5
    assert "infected" not in said
    assert "No CT severity score: No infection is marked" in said
    assert main(["report", str(tmp_path / "scan.nii.gz"), str(masks), "-o", str(record), "-o", str(page)]) == 0
    assert "CT severity" not in capsys.readouterr().out
    measured = json.loads(record.read_text(encoding="utf-8"))["measurements"]
    assert measured["severity_estimated"] is None
    assert "No infection is marked" in measured["severity_refused"]
    text = page.read_text(encoding="utf-8")
    assert "No CT severity score of estimated lobes: No infection is marked" in text
    assert "/ 25" not in text
    # Where CovidSeg looked for infection and found none, 0 is true.
    write(Segmentation(drawn_lungs(infected=False), AFFINE, Provenance("m", "0" * 64, "e", "d", "s")), masks)
    assert main(["lobes", str(masks)]) == 0
    assert "CT severity score 0 (0 to 0)" in capsys.readouterr().out


def test_a_segmentation_without_its_infection_segment_has_no_score(
    masks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = read_reviewed(masks, None)
    lungs = [segment for segment in found.segments if segment.id != "Covid19Infection"]
    write_layers([drawn_lungs(infected=False)], AFFINE, lungs, masks)
    assert main(["lobes", str(masks)]) == 0
    assert "No CT severity score: No infection is marked" in capsys.readouterr().out


def test_the_command_takes_a_dicom_seg_and_a_segmentation_that_slicer_saved_cropped(
    masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("highdicom")
    assert main(["lobes", str(masks)]) == 0
    expected = capsys.readouterr().out
    write_series(
        tmp_path / "ct",
        scan().voxels,
        [4.0 * k for k in range(len(drawn_lungs()))],
        **PATIENT,
        PixelSpacing=[3, 3],
        SliceThickness=4,
    )
    volume = read_ct(tmp_path / "ct", Progress())
    seg = tmp_path / "masks.dcm"
    series = read_source_series(tmp_path / "ct", Progress())
    made = Provenance("m", "0" * 64, "e", "d", "s")
    write(Segmentation(drawn_lungs(), volume.affine, made), seg, series)
    assert main(["lobes", str(seg), "-o", str(tmp_path / "lobes.seg.nrrd")]) == 0
    assert capsys.readouterr().out.splitlines()[:6] == expected.splitlines()[:6]
    # Slicer saves the filled part alone where it is asked to; the header tells the scan's grid.
    found = read_reviewed(masks, None)
    box = tuple(slice(int(at.min()), int(at.max()) + 1) for at in np.nonzero(drawn_lungs()))
    whole = Grid(AFFINE, drawn_lungs().shape)
    write_layers([drawn_lungs()[box]], whole.part(box).affine, found.segments, masks)
    header = masks.read_bytes().replace(
        reference_geometry(whole.part(box)).encode(), reference_geometry(whole).encode(), 1
    )
    masks.write_bytes(header)
    assert main(["lobes", str(masks)]) == 0
    assert capsys.readouterr().out == expected


def one_lung(labels: np.ndarray) -> np.ndarray:
    return np.where(labels == Label.LEFT_LUNG, labels, 0).astype(np.uint8)


def wrong_sides(labels: np.ndarray) -> np.ndarray:
    return np.where(labels > 0, 3 - labels, 0).astype(np.uint8)


def with_fluid(labels: np.ndarray) -> np.ndarray:
    """The lower half of the right lung has given way."""
    labels = labels.copy()
    labels[:40][labels[:40] == Label.RIGHT_LUNG] = 0
    return labels


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (one_lung, "not two lungs"),
        (wrong_sides, "are the sides right"),
        (with_fluid, "lower end (cut off, or fluid there?)"),
    ],
)
def test_the_command_tells_why_lungs_have_no_lobes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], spoil, reason: str
) -> None:
    masks, output = tmp_path / "masks.nii.gz", tmp_path / "lobes.nii.gz"
    save_nifti(spoil(drawn_lungs(infected=False)), AFFINE, masks)
    assert main(["lobes", str(masks), "-o", str(output)]) == 2
    said = capsys.readouterr().err
    assert "Lobes cannot be estimated: " in said
    assert reason in said
    assert not output.exists()


@pytest.mark.parametrize("ending", [".seg.nrrd", ".nii.gz"])
def test_lungs_without_lobes_leave_no_file_and_a_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    masks, output = tmp_path / "masks.nii.gz", tmp_path / f"lobes{ending}"
    save_nifti(drawn_lungs()[40:], AFFINE, masks)
    assert main(["lobes", str(masks), "-o", str(output)]) == 2
    assert "Lobes cannot be estimated: The scan does not show both lungs whole." in capsys.readouterr().err
    assert not output.exists()


@pytest.mark.usefixtures("without_views")
def test_the_report_shows_the_lobes_and_never_the_score_without_its_range(masks: Path, tmp_path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    page, record, table = (tmp_path / f"report.{ending}" for ending in ("html", "json", "csv"))
    outputs = [part for file in (page, record, table) for part in ("-o", str(file))]
    assert main(["report", str(tmp_path / "scan.nii.gz"), str(masks), *outputs, "--quiet"]) == 0
    data = json.loads(record.read_text(encoding="utf-8"))
    jsonschema.validate(data, published_schema(SCHEMA))
    found = data["measurements"]["severity_estimated"]
    text = page.read_text(encoding="utf-8")
    assert f"{found['score']}<small> ({found['low']} to {found['high']}) / 25" in text
    assert "CT severity score, lobes estimated" in text
    assert "Lobes, estimated from the shape of the lungs" in text  # the picture
    assert "the sum of these lobes may differ" in text
    lines = [line for line in table.read_text(encoding="utf-8").splitlines() if line.startswith(('"CT sev', "CT sev"))]
    assert len(lines) == 1
    assert "estimated" in lines[0]
    assert lines[0].endswith(f",{found['score']},points,{found['low']},{found['high']},,")


def test_a_report_with_estimated_lobes_prints_on_one_sheet_of_a4_and_fits_a_telephone(
    masks: Path, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    assert main(["report", str(tmp_path / "scan.nii.gz"), str(masks), "-o", str(page), "--quiet"]) == 0
    text = page.read_text(encoding="utf-8")
    assert 'class="lobes"' in text
    text, found = re.subn(r"\d+<small> \(\d+ to \d+\) / 25", "13<small> (10 to 14) / 25", text)
    assert found == 1  # scores of two digits need most room
    browser = Browser(tmp_path)
    assert browser.printed_pages(text, tmp_path / "page.pdf") == 1
    for seen in browser.look_at_widths(text, (360, 1080)).values():
        assert seen.overflowing == []
        assert all(seen.pictures)


def test_a_follow_up_shows_both_scores_with_their_ranges(masks: Path, tmp_path: Path) -> None:
    record = tmp_path / "report.json"
    assert main(["report", str(tmp_path / "scan.nii.gz"), str(masks), "-o", str(record), "--quiet"]) == 0
    data = json.loads(record.read_text(encoding="utf-8"))
    older = json.loads(record.read_text(encoding="utf-8"))
    del older["measurements"]["severity_estimated"], older["measurements"]["severity_refused"]
    points = [TimePoint.of(ResultRecord.from_json(older), 0), TimePoint.of(ResultRecord.from_json(data), 7)]
    found = follow_up(points)
    severity = data["measurements"]["severity_estimated"]
    ranged = f"{severity['score']} ({severity['low']} to {severity['high']})"
    assert found.points[0].severity == ""
    assert f"{ranged}, lobes estimated" in render_follow_up(found)
    assert followup_record(found).scans[1].lobe_score_low == severity["low"]
    assert to_csv(found).splitlines()[0].count("lobe") == 5
