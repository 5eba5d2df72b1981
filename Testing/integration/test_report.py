"""``covidseg report``: one page for people, a record for programs, a table; the same numbers in all three."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import SimpleITK
from PIL import Image

from CovidSegLib.errors import OutputError
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.measures import Lobe, measure
from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct
from CovidSegLib.report.page_pictures import page_pictures
from CovidSegLib.report.report_formats import check_report
from CovidSegLib.report.result_record import SCHEMA
from CovidSegLib.report.schemas import published_schema
from CovidSegLib.segfiles import write
from CovidSegLib.segmentation import Provenance, Segmentation
from Testing.kit.blocks import LEFT_INFECTED, LUNG_VOXELS, UPRIGHT, VOXEL_ML, block_labels, block_scan
from Testing.kit.browser import Browser, Seen
from Testing.kit.command_line import STAND_IN, CommandLine, write_scan
from Testing.kit.dicom_files import write_slice

MADE = Provenance("a-network", "ab" * 32, "onnx", "cpu", "CovidSeg 1.0")
LOBES = {
    Lobe.RIGHT_UPPER: ("45653009", "24028007", np.s_[15:, :, :50]),
    Lobe.RIGHT_MIDDLE: ("72481006", "", np.s_[9:15, :, :50]),
    Lobe.RIGHT_LOWER: ("90572001", "24028007", np.s_[:9, :, :50]),
    Lobe.LEFT_UPPER: ("45653009", "7771000", np.s_[12:, :, 50:]),
    Lobe.LEFT_LOWER: ("90572001", "7771000", np.s_[:12, :, 50:]),
}


def write_lobes(path: Path, like: Path) -> None:
    """Write lobes as another program would: names that say nothing, codes that do."""
    image = SimpleITK.ReadImage(str(like))
    lobes = np.zeros(block_labels().shape, np.uint8)
    for lobe, (_, _, part) in LOBES.items():
        lobes[part] = lobe
    made = SimpleITK.GetImageFromArray(lobes)
    made.CopyInformation(image)
    for number, (lobe, (kind, side, _)) in enumerate(LOBES.items()):
        entry = f"List~SCT^123037004^Anatomical Structure~SCT^{kind}^Lobe~SCT^{side}^Side~List~^^~^^"
        fields = {"ID": f"s{number}", "Name": f"Segment_{number}", "LabelValue": str(int(lobe)), "Layer": "0"}
        for key, value in {**fields, "Tags": f"TerminologyEntry:{entry}|"}.items():
            made.SetMetaData(f"Segment{number}_{key}", value)
    SimpleITK.WriteImage(made, str(path), useCompression=True)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """A scan, its masks of which a reader changed some voxels, lobes, and the reports on them."""
    covidseg = CommandLine(tmp_path_factory.mktemp("report"))
    labels = block_labels()
    write_scan(covidseg.folder / "Doe John 1960.nii.gz", block_scan(labels), (2.0, 2.5, 3.0))
    masks = covidseg.folder / "masks.seg.nrrd"
    write(Segmentation(labels, UPRIGHT, MADE), masks)
    write_lobes(covidseg.folder / "lobes.seg.nrrd", masks)
    image = SimpleITK.ReadImage(str(masks))
    labels[10:12, 12:16, 70:80] = 3  # 80 voxels of left lung that the reader calls infected
    edited = SimpleITK.GetImageFromArray(labels)
    edited.CopyInformation(image)
    for key in image.GetMetaDataKeys():
        edited.SetMetaData(key, image.GetMetaData(key))
    SimpleITK.WriteImage(edited, str(masks), useCompression=True)
    ended = covidseg.run(
        *("report", "Doe John 1960.nii.gz", "masks.seg.nrrd", "-o", "r.html", "-o", "r.json", "-o", "r.csv"),
        *("--label", "Case <7> & co", "--lobes", "lobes.seg.nrrd"),
    )
    assert ended.returncode == 0, ended.stderr
    assert "infection 14.7" in ended.stdout or "infection 15 mL" in ended.stdout
    return covidseg


@pytest.fixture(scope="module")
def page(written: CommandLine) -> str:
    """The page."""
    return (written.folder / "r.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def record(written: CommandLine) -> dict:
    """The record."""
    return json.loads((written.folder / "r.json").read_text(encoding="utf-8"))


def test_the_record_has_its_published_form_and_the_readers_numbers(record: dict) -> None:
    jsonschema.validate(record, published_schema(SCHEMA))
    assert record["infection_ml"] == pytest.approx((LEFT_INFECTED + 100 + 80) * VOXEL_ML)
    assert record["lung_ml"]["left"] == pytest.approx(LUNG_VOXELS * VOXEL_ML)
    assert record["measurements"]["lobe_score"] == 3
    assert record["measurements"]["density"]["ground_glass_ml"] == pytest.approx(980 * VOXEL_ML)
    assert record["measurements"]["density"]["consolidation_ml"] == 0
    assert len(record["measurements"]["stability"]) == 4
    assert record["model"] == {"name": MADE.model, "sha256": MADE.sha256}
    assert record["scan"]["spacing_mm"] == [2.0, 2.5, 3.0]
    assert {edit["name"]: edit["added_ml"] for edit in record["reader_edits"]} == {
        "Left lung": 0,
        "Right lung": 0,
        "COVID-19 infection": 80 * VOXEL_ML,
    }
    jsonschema.Draft202012Validator.check_schema(published_schema(SCHEMA))


def test_a_record_of_another_form_is_told_by_the_schema(record: dict) -> None:
    for change in ({"infection_ml": -1}, {"schema": "covidseg-result-2"}, {"measurements": {}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**record, **change}, published_schema(SCHEMA))


def test_the_table_says_the_same(written: CommandLine, record: dict) -> None:
    rows = list(csv.DictReader((written.folder / "r.csv").open(encoding="utf-8")))
    assert [row["note"] for row in rows if row["measure"] == "warning"] == record["warnings"]
    rows = [row for row in rows if row["measure"] != "warning"]
    numbers = {(row["measure"], row["region"]): row for row in rows}
    assert len(numbers) == len(rows)
    assert float(numbers["Infection volume", "both lungs"]["value"]) == pytest.approx(record["infection_ml"])
    share = numbers["Infected share", "both lungs"]
    assert float(share["low"]) < float(share["value"]) < float(share["high"])
    assert float(numbers["CT severity score (0 to 25)", "both lungs"]["value"]) == 3


WIDTHS = (1280, 390)


@pytest.fixture(scope="module")
def shown(page: str, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Seen]:
    return Browser(tmp_path_factory.mktemp("browser")).look_at_widths(page, WIDTHS)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_browser_shows_every_number_and_nothing_sticks_out(shown: dict[int, Seen], record: dict, width: int) -> None:
    seen = shown[width]
    assert seen.width <= width
    assert seen.overflowing == []
    assert seen.loaded == []  # nothing is fetched from anywhere
    assert len(seen.pictures) == 4
    assert all(seen.pictures)
    text = " ".join(seen.text.split())
    for words in (
        f"{record['infection_percent']:.1f} %",
        "CT-1",
        "CT severity score, lobes 3 / 25",
        "Case: Case <7> & co",
        "Research use only. Not a medical device: these numbers must not decide about a patient. Edited by a reader.",
        "unusually small",
        MADE.sha256,
        MADE.model,
        "Corrected by a reader: Left lung +0 / \u22121.20 mL; COVID-19 infection +1.20 / \u22120 mL",
        "Left lower lobe, score 2",
        "Ground glass (infection below \u2212300 HU)",
    ):
        assert words in text, words


def test_the_page_prints_on_one_sheet_of_a4(page: str, tmp_path: Path) -> None:
    assert Browser(tmp_path).printed_pages(page, tmp_path / "page.pdf") == 1


def test_the_page_holds_no_script_no_address_and_no_file_name(page: str) -> None:
    assert "<script" not in page
    assert not re.search(r"(?:src|href)=[\"'](?!data:)", page)
    assert "url(" not in re.sub(r"clip-path=\"url\(#[rl]\)\"", "", page)
    assert "Doe" not in page
    assert "default-src 'none'" in page


def test_masks_of_another_scan_are_refused_and_nothing_is_left(written: CommandLine) -> None:
    write_scan(written.folder / "other.nii.gz", block_scan(block_labels())[:, :, :90], (2.0, 2.5, 3.1))
    line = written.refused("report", "other.nii.gz", "masks.seg.nrrd", "-o", "x.html", "--quiet")
    assert "another scan" in line
    line = written.refused("report", "other.nii.gz", "other.nii.gz", "-o", "x.html", "--quiet")
    assert "no labelmap" in line
    line = written.refused("report", "other.nii.gz", "masks.seg.nrrd", "-o", "x.pdf", "--quiet")
    assert ".html, .json or .csv" in line
    line = written.refused(
        *("report", "Doe John 1960.nii.gz", "masks.seg.nrrd", "-o", "x.json", "--lobes", "masks.seg.nrrd", "--quiet")
    )
    assert "a lobe of a lung" in line


@pytest.mark.parametrize("form", ["nii.gz", "nrrd"])
def test_a_map_of_probabilities_is_not_taken_for_a_labelmap(written: CommandLine, form: str) -> None:
    scan = SimpleITK.ReadImage(str(written.folder / "Doe John 1960.nii.gz"))
    chances = SimpleITK.Cast(scan > -500, SimpleITK.sitkFloat32) * 0.8
    SimpleITK.WriteImage(chances, str(written.folder / f"chances.{form}"))
    line = written.refused("report", "Doe John 1960.nii.gz", f"chances.{form}", "-o", "x.json", "--quiet")
    assert "no labelmap" in line


def test_a_dicom_seg_without_our_segments_is_no_mask(written: CommandLine) -> None:
    write_slice(written.folder / "seg.dcm", np.zeros((6, 5), np.int16), (0, 0, 0), Modality="SEG")
    (written.folder / "seg").write_bytes((written.folder / "seg.dcm").read_bytes())  # whatever its name
    for name in ("seg.dcm", "seg"):
        line = written.refused("report", "Doe John 1960.nii.gz", name, "-o", "x.html", "--quiet")
        assert "no binary segmentation" in line


def test_masks_of_another_patient_on_the_same_grid_are_counted_only_when_that_is_said_and_not_trained_on(
    written: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(written.environment, "PYTHONPATH", f"{STAND_IN}{os.pathsep}{written.environment['PYTHONPATH']}")
    folder = written.folder
    for name, shift in (("mine", 0), ("theirs", 1)):
        write_scan(folder / f"{name}.nii.gz", block_scan(block_labels()) + shift, (2.0, 2.5, 3.0))
    volume = read_ct(folder / "mine.nii.gz", Progress())
    made = replace(MADE, volume=f"NIfTI file, SHA-256 of its voxels {volume.fingerprint}")
    write(Segmentation(block_labels(), volume.affine, made), folder / "mine.seg.nrrd")
    sentence = "The masks were made from another scan, or from this one before its voxels changed."
    anyway = "--another-scan"
    said = written.refused("report", "theirs.nii.gz", "mine.seg.nrrd", "-o", "x.json", "--quiet")
    assert said.startswith(f"error: mine.seg.nrrd: {sentence}")
    assert anyway in said
    masks = ("--masks", "mine.seg.nrrd", "mine.seg.nrrd", "--days", "0", "9")
    refused = written.refused("followup", "mine.nii.gz", "theirs.nii.gz", *masks, "-o", "f.json", "--quiet")
    assert refused == said
    for name, warned in (("mine", False), ("theirs", True)):
        outputs = [f"{name}.json", f"{name}.html"]
        call = ("report", f"{name}.nii.gz", "mine.seg.nrrd", "-o", outputs[0], "-o", outputs[1])
        ended = written.run(*call, *[anyway] * warned)
        assert ended.returncode == 0, ended.stderr
        said = [ended.stderr, *((folder / output).read_text(encoding="utf-8") for output in outputs)]
        assert [sentence in text for text in said] == [warned] * 3
    for scans in (("mine.nii.gz", "theirs.nii.gz", *masks, anyway), ("mine.json", "theirs.json", "--days", "0", "9")):
        ended = written.run("followup", *scans, "-o", "f.json")
        assert ended.returncode == 0, ended.stderr
        assert f"Scan 2: {sentence}" in json.loads((folder / "f.json").read_text())["warnings"]
        assert f"Scan 1: {sentence}" not in ended.stderr
    assert sentence in written.refused("training-case", "theirs.nii.gz", "mine.seg.nrrd", "set", "--quiet")
    assert written.run("training-case", "mine.nii.gz", "mine.seg.nrrd", "set", "--uncorrected").returncode == 0


def test_where_slicers_views_are_missing_both_lungs_are_seen_through_and_it_is_said(
    monkeypatch: pytest.MonkeyPatch, written: CommandLine
) -> None:
    volume = read_ct(written.folder / "Doe John 1960.nii.gz", Progress())
    segmentation = Segmentation(block_labels(), volume.affine, MADE)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    pictures, note = page_pictures(volume, segmentation, Progress())
    assert list(pictures) == ["axial", "coronal", "sagittal", "projection"]
    assert "slicer-core" in note


def test_the_3d_view_of_a_finer_grid_shows_the_same(written: CommandLine) -> None:
    volume = read_ct(written.folder / "Doe John 1960.nii.gz", Progress())
    labels = block_labels()
    shares = []
    for finer in (1, 4):  # 0.5 mm along x: more than a picture shows, so it is drawn from every third voxel
        grid = volume.affine @ np.diag([1 / finer, 1, 1, 1])
        fine, masks = (np.repeat(array, finer, axis=2) for array in (volume.voxels, labels))
        pictures, _ = page_pictures(CtVolume(fine, grid), Segmentation(masks, grid, MADE), Progress())
        if "3d" not in pictures:
            pytest.skip("needs slicer-core and an OpenGL library")
        seen = np.asarray(Image.open(io.BytesIO(pictures["3d"].data))).astype(int)
        red = (seen[..., 0] > seen[..., 1] + 25) & (seen[..., 0] > seen[..., 2] + 25)
        shares.append((red.mean(), np.nonzero(red)[1].mean()))
    assert shares[1] == pytest.approx(shares[0], rel=0.12)
    assert shares[0][0] > 0.002


def test_where_jinja2_is_missing_it_is_named_before_any_work() -> None:
    program = (
        "import sys; sys.modules['jinja2'] = None\n"
        "from pathlib import Path; from CovidSegLib.report.report_formats import check_report\n"
        "check_report(Path('a.json')); check_report(Path('a.html'))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "OutputError" in done.stderr
    assert "pip install jinja2" in done.stderr
    with pytest.raises(OutputError, match=r"\.html"):
        check_report(Path("a.doc"))


@pytest.mark.parametrize(("case", "hounsfield"), [("radiopaedia_27", False), ("coronacases_001", True)])
def test_a_real_scan_is_measured_and_its_density_only_if_it_is_in_hounsfield_units(
    shared_data: Path, case: str, hounsfield: bool
) -> None:
    (image,) = (shared_data / "scans/images").glob(f"{case}*")
    (truth,) = (shared_data / "scans/labels").glob(f"{case}*")
    volume, labels = read_ct(image, Progress()), read_ct(truth, Progress()).voxels
    known = np.where(labels <= 3, labels, 0).astype(np.uint8)
    measured = measure(known, volume.grid, voxels=volume.voxels)
    assert measured.total.infection_percent is not None
    assert 1 < measured.total.infection_percent < 60
    assert measured.total.infection_ml == pytest.approx(
        np.count_nonzero(labels == 3) * abs(np.linalg.det(volume.affine[:3, :3])) / 1000
    )
    pieces = (*measured.lesions, *measured.small_lesions)
    assert sum(lesion.voxels for lesion in pieces) == np.count_nonzero(labels == 3)
    if hounsfield:
        assert measured.density is not None
        assert -700 < measured.density.infection_mean_hu < -100
    else:
        assert measured.density is None
        assert "no Hounsfield units" in measured.density_refused
