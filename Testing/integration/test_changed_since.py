"""Numbers and reports that somebody changed since they were written, or that are of another scan, are not replaced."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from CovidSegLib.api.result import Result
from CovidSegLib.batch import plan_cases, run_batch
from CovidSegLib.cli.arguments import check_numbers
from CovidSegLib.cli.main import main
from CovidSegLib.errors import OutputError
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.measures import measure
from CovidSegLib.progress import Progress
from CovidSegLib.report.report_formats import SUFFIXES
from CovidSegLib.report.request import ReportRequest
from CovidSegLib.segfiles import ExistingFiles
from CovidSegLib.segmentation import Provenance, Segmentation
from Testing.kit.batch_runner import InThisProcess, Statuses
from Testing.kit.cases import segment_case
from Testing.kit.command_line import CLEAN, PRINTS, rough_chest, told_scan, write_scan
from Testing.kit.rewritten import rewrite

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the kit's command line is for Unix")

MADE = Provenance("m", "0" * 64, "onnx", "cpu", "CovidSeg 1.0")


def add_column(path: Path) -> None:
    first, *rows = path.read_text().splitlines()
    path.write_text("\n".join([f"{first},seen by", *(f"{row},me" for row in rows)]) + "\n")


def add_row(path: Path) -> None:
    path.write_text(path.read_text() + "my own note\n")


def as_excel(path: Path) -> None:
    """As a European Excel saves a table."""
    rows = list(csv.reader(io.StringIO(path.read_text(), newline="")))
    path.write_bytes("".join(";".join(row) + "\r\n" for row in rows).encode("utf-8-sig"))


def add_key(path: Path) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {"my note": "seen"}, indent=2))


def add_paragraph(path: Path) -> None:
    path.write_text(path.read_text().replace("</main>", "<p>Seen by me.</p></main>"))


EDITS: dict[str, tuple[Callable[[Path], None], ...]] = {
    ".csv": (add_column, add_row, as_excel),
    ".json": (add_key,),
    ".html": (add_paragraph,),
}


CHANGED, ANOTHER = (
    "file exists and was changed since CovidSeg wrote it.",
    "file exists and is of another scan, or of a batch whose manifest is not here.",
)


@pytest.fixture(autouse=True)
def without_a_view(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that this process makes have no 3-D view of Slicer, which takes seconds."""
    monkeypatch.setitem(sys.modules, "slicer", None)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with two scans of one grid, and masks and numbers of both."""
    monkeypatch.chdir(tmp_path)
    for name, ending in (("a", CLEAN), ("b", PRINTS)):
        files: dict[str, Any] = {"json_file": Path(f"{name}.json"), "report": ReportRequest((Path(f"{name}.csv"),))}
        voxels = rough_chest()
        voxels[0, 0, 0] = ending
        scan = write_scan(Path(f"{name}.nii.gz"), voxels)
        segment_case(scan, [Path(f"{name}.seg.nrrd")], segment=threshold, progress=Progress(), **files)
    return tmp_path


CALLS = {
    "segment": "segment {0}.nii.gz -o {0}.seg.nrrd --json r.json --report r.html --report r.csv",
    "report": "report {0}.nii.gz {0}.seg.nrrd -o r.html -o r.json -o r.csv",
    "followup": "followup {0}.json {0}.nii.gz --masks {0}.json {0}.seg.nrrd --days 0 3 -o r.html -o r.json -o r.csv",
}


@pytest.mark.usefixtures("stand_in_pipeline", "without_views", "folder")
@pytest.mark.parametrize("command", CALLS)
def test_what_somebody_added_or_is_of_another_scan_stays_until_a_call_says_overwrite(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    call, other = ([*CALLS[command].format(name).split(), "--quiet"] for name in "ab")
    assert main(call) == 0
    assert main(call) == 0  # nobody changed anything
    capsys.readouterr()
    for suffix in SUFFIXES:
        path = Path(f"r{suffix}")
        ours = path.read_bytes()
        for edit in EDITS[suffix]:
            edit(path)
            edited = path.read_bytes()
            assert main(call) == 2
            said = capsys.readouterr().err
            assert said.startswith(f"error: r{suffix}: The {suffix} {CHANGED}")
            assert "--overwrite" in said
            assert path.read_bytes() == edited
            path.write_bytes(ours)
    before = {suffix: Path(f"r{suffix}").read_bytes() for suffix in SUFFIXES}
    assert main(other) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: r.")
    assert ANOTHER in said
    assert {suffix: Path(f"r{suffix}").read_bytes() for suffix in SUFFIXES} == before
    add_row(Path("r.csv"))
    assert main([*other, "--overwrite"]) == 0
    assert b"my own note" not in Path("r.csv").read_bytes()


@pytest.mark.usefixtures("folder")
def test_a_file_without_a_checksum_is_not_replaced_since_nobody_knows_who_wrote_into_it() -> None:
    path = Path("a.json")
    content = json.loads(path.read_text())
    del content["checksum"]
    path.write_text(json.dumps(content))
    with pytest.raises(OutputError, match=r"The \.json file exists and has no checksum of CovidSeg's"):
        check_numbers([path])
    path.write_text("")  # as mktemp leaves it
    check_numbers([path])


@pytest.mark.usefixtures("folder")
def test_changed_numbers_are_refused_beside_masks_whose_corrections_are_kept() -> None:
    def again(**choice: bool) -> None:
        files: dict[str, Any] = {"json_file": Path("a.json"), "existing": ExistingFiles(keep_edits=True, **choice)}
        segment_case(Path("a.nii.gz"), [Path("a.seg.nrrd")], segment=threshold, progress=Progress(), **files)

    again()
    add_key(Path("a.json"))
    rewrite(Path("a.seg.nrrd"), lambda array: array.__setitem__(array == 1, 0))
    masks, numbers = (Path(name).read_bytes() for name in ("a.seg.nrrd", "a.json"))
    with pytest.raises(OutputError, match="was changed since"):
        again()
    assert [Path(name).read_bytes() for name in ("a.seg.nrrd", "a.json")] == [masks, numbers]
    again(overwrite=True)
    written = json.loads(Path("a.json").read_text())
    assert "my note" not in written
    assert written["kept_edits_ml"] > 0


TABLES = {"summary.csv": (add_column, add_row, as_excel), "index.html": (add_paragraph,), "all.json": (add_key,)}


def test_what_somebody_added_to_a_table_of_a_batch_stays_when_the_batch_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "out"

    def batch(**choice: bool) -> None:
        cases = plan_cases(tmp_path / "scans", out, ".seg.nrrd", existing=ExistingFiles(**choice))
        run_batch(cases, out, InThisProcess(threshold), json_file=out / "all.json")

    (tmp_path / "scans").mkdir()
    told_scan(tmp_path / "scans/a.nii.gz", CLEAN)
    batch()
    told_scan(tmp_path / "scans/b.nii.gz", CLEAN)
    for name, edits in TABLES.items():
        path = out / name
        ours = path.read_bytes()
        for edit in edits:
            edit(path)
            edited = path.read_bytes()
            with pytest.raises(OutputError, match="was changed since") as refused:
                batch()
            assert refused.value.subject == str(path)
            assert path.read_bytes() == edited
            assert not (out / "b.seg.nrrd").exists()
            path.write_bytes(ours)
    add_row(out / "summary.csv")
    (out / "summary.csv").rename(tmp_path / "mine.csv")
    add_paragraph(out / "index.html")
    batch(overwrite=True)
    batch()
    assert {row["case"] for row in csv.DictReader((out / "summary.csv").open())} == {"a", "b"}
    assert "Seen by me" not in (out / "index.html").read_text()


def threshold(volume: CtVolume, *_: object) -> Segmentation:
    return Segmentation((volume.voxels < -500).astype(np.uint8), volume.affine, MADE)


def test_tables_of_another_batch_are_not_replaced(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        told_scan(tmp_path / name / f"{name}.nii.gz", CLEAN)
        cases = plan_cases(tmp_path / name, tmp_path / f"out {name}", ".seg.nrrd")
        numbers = tmp_path / f"{name}.json"
        run_batch(cases, tmp_path / f"out {name}", InThisProcess(threshold), json_file=numbers)
    (tmp_path / "one.json").write_bytes((tmp_path / "two.json").read_bytes())
    cases = plan_cases(tmp_path / "one", tmp_path / "out one", ".seg.nrrd")
    with pytest.raises(OutputError, match="of another scan, or of a batch"):
        run_batch(cases, tmp_path / "out one", InThisProcess(threshold), json_file=tmp_path / "one.json")
    run_batch(cases, tmp_path / "out one", InThisProcess(threshold))
    (tmp_path / "out one/manifest.jsonl").unlink()
    for table in ("summary.csv", "index.html"):
        before = (tmp_path / "out one" / table).read_bytes()
        with pytest.raises(OutputError, match="of another scan, or of a batch"):
            run_batch(cases, tmp_path / "out one", InThisProcess(threshold))
        assert (tmp_path / "out one" / table).read_bytes() == before
        (tmp_path / "out one" / table).unlink()
    run_batch(cases, tmp_path / "out one", InThisProcess(threshold))


@pytest.mark.parametrize("which", ["reports/a.html", "pictures/a.jpg"])
def test_a_changed_page_or_picture_of_a_scan_stays_when_a_batch_does_it_anew(which: str, tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    told_scan(tmp_path / "scans/a.nii.gz", CLEAN)
    out = tmp_path / "out"
    cases = [case.with_report() for case in plan_cases(tmp_path / "scans", out, ".seg.nrrd")]
    said = [Statuses(), Statuses(), Statuses()]
    run_batch(cases, out, InThisProcess(threshold), listener=said[0])
    run_batch(cases, out, InThisProcess(threshold), listener=said[1], restart=True)
    edited = (out / which).read_bytes().replace(b"</main>", b"<p>mine</p></main>").replace(b"\xff\xd9", b"\xff\xd9mine")
    (out / which).write_bytes(edited)
    (row,) = run_batch(cases, out, InThisProcess(threshold), listener=said[2], restart=True)
    assert [one.ended_as for one in said] == [{"a": "done"}, {"a": "done"}, {"a": "kept"}]
    assert "was changed since" in row.message
    assert Path(which).suffix in row.message
    assert (out / which).read_bytes() == edited


@pytest.mark.parametrize("which", ["reports/a.html", "pictures/a.jpg"])
def test_a_write_protected_page_or_picture_of_a_batch_stays(which: str, tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    told_scan(tmp_path / "scans/a.nii.gz", CLEAN)
    out = tmp_path / "out"
    cases = [case.with_report() for case in plan_cases(tmp_path / "scans", out, ".seg.nrrd")]
    run_batch(cases, out, InThisProcess(threshold))
    (out / which).chmod(0o444)
    before = (out / which).stat()
    (row,) = run_batch(cases, out, InThisProcess(threshold), restart=True)
    assert "is write-protected" in row.message
    assert os.path.samestat((out / which).stat(), before)


def test_a_sample_or_truth_that_somebody_edited_is_not_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sample, truth = tmp_path / "s.nii", tmp_path / "t.nii.gz"
    call = ["sample", str(sample), "--truth", str(truth), "--slices", "1", "--quiet"]
    assert main(call) == 0
    assert main([*call, "--seed", "1"]) == 0
    for path, unpacked, packed in ((truth, gzip.decompress, gzip.compress), (sample, bytes, bytes)):
        ours = path.read_bytes()
        content = bytearray(unpacked(ours))
        content[-5] ^= 1
        edited = packed(content)
        path.write_bytes(edited)
        assert main(call) == 2
        assert f"{path}: The {path.name[1:]} {CHANGED}" in capsys.readouterr().err
        assert path.read_bytes() == edited
        path.write_bytes(ours)
    sample.write_bytes(edited)
    assert main([*call, "--overwrite"]) == 0
    truth.write_bytes(b"")  # as a program leaves it that takes a name for what comes later
    assert main(call) == 0


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_python_replaces_no_report_that_somebody_changed_and_none_of_another_scan(suffix: str, tmp_path: Path) -> None:
    def result(value: int) -> Result:
        volume = CtVolume(np.full((3, 8, 8), value, np.int16), np.diag([-1.0, -1.0, 1.0, 1.0]))
        found = threshold(volume)
        return Result(volume, found, measure(found.labels, found.grid))

    path, one = tmp_path / f"r{suffix}", result(-800)
    one.report(path)
    one.report(path, label="again")
    with pytest.raises(OutputError, match="of another scan, or of a batch"):
        result(-801).report(path)
    EDITS[suffix][0](path)
    edited = path.read_bytes()
    with pytest.raises(OutputError, match="was changed since"):
        one.report(path)
    assert path.read_bytes() == edited
    one.report(path, overwrite=True)
    assert path.read_bytes() != edited
    path.chmod(0o444)
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="is write-protected"):
            one.report(path, overwrite=overwrite)


def test_tables_are_still_read_by_any_program(folder: Path) -> None:
    with (folder / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [len(row) for row in rows] == [8] * len(rows)
    assert [bool(row["checksum"]) for row in rows] == [True, *[False] * (len(rows) - 1)]
