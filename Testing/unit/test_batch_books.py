"""What a batch keeps on disk: the lines of its manifest, its table; and a batch that is run from Python."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from CovidSegLib.batch import Entry, Manifest, Row, Summary, plan_cases, run_batch
from CovidSegLib.batch.plan import MANIFEST_NAME, SUMMARY_NAME
from CovidSegLib.batch.summary import check_own_table
from CovidSegLib.errors import InputError, OutputError
from CovidSegLib.geometry.grid import Grid
from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.measures import measure
from CovidSegLib.progress import Cancelled, Progress
from CovidSegLib.report.result_record import ResultRecord, json_text
from CovidSegLib.segmentation import Provenance, Segmentation
from CovidSegLib.system.file_states import file_state
from Testing.kit.batch_runner import InThisProcess, Statuses
from Testing.kit.command_line import CLEAN, told_scan

MADE = Provenance("m", "0", "onnx", "cpu", "CovidSeg 0")


def record_of(labels: np.ndarray) -> ResultRecord:
    return ResultRecord.of(
        measure(labels, Grid(np.diag([-1.0, -1.0, 1.0, 1.0]), labels.shape)), MADE, {"total": 1.5}, source="file"
    )


RECORD = record_of(np.zeros((2, 3, 4), np.uint8))
DONE_LINE = {
    "case": "a",
    "status": "done",
    "message": "",
    "result": "a.seg.nrrd",
    "state": "1-2",
    "written": "1-2",
    "fingerprint": "f",
    "origin": ["x", "y"],
    "model": "m",
    "record": RECORD.to_json(),
}
BEGUN_LINE = {"case": "a", "status": "begun", "result": "a.nii", "state": "3", "origin": ["x", "y"]}
COLUMNS = [column.name for column in fields(Row) if column.name != "further"]


def all_left(volume: CtVolume, progress: Progress, *_: object) -> Segmentation:
    labels = (volume.voxels < -500).astype(np.uint8)
    return Segmentation(labels, volume.affine, Provenance("m", "0", "onnx", "cpu", "CovidSeg 0"))


@pytest.mark.parametrize("line", [DONE_LINE, BEGUN_LINE], ids=["done", "begun"])
def test_a_line_is_written_with_the_keys_it_was_read_with(line: dict) -> None:
    record = ResultRecord.from_json(line["record"]) if "record" in line else None
    again = Entry.of_line(line).as_line(record)
    assert json.dumps(again) == json.dumps(line)  # in the same order, too


def test_an_entry_knows_the_latest_state_of_every_file_that_was_a_result(tmp_path: Path) -> None:
    with Manifest(tmp_path / MANIFEST_NAME) as manifest:
        manifest.add(Entry.of_line(DONE_LINE))
        manifest.begin([Entry.of_line(BEGUN_LINE)])
        manifest.add(Entry("a", "failed", "No."))
        assert manifest.entries["a"].states == {"a.seg.nrrd": "1-2", "a.nii": "3"}
    with Manifest(tmp_path / MANIFEST_NAME) as manifest:
        assert manifest.entries["a"].states == {"a.seg.nrrd": "1-2", "a.nii": "3"}
        assert manifest.entries["a"].message == "No."


@pytest.mark.parametrize("line", ["[]", "1", '{"case": []}', '{"status": "done"}', '{"case": "a", "origin": 1}'])
def test_a_line_that_no_batch_wrote_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / MANIFEST_NAME).write_text(f'{{"covidseg_manifest": 1}}\n{line}\n')
    with pytest.raises(OutputError, match="not one of ours"), Manifest(tmp_path / MANIFEST_NAME):
        pass


OTHERS = {
    "other columns": "patient;age\n1;2\n",
    "other columns and no row": "patient,age\n",
    "a column less": ",".join(COLUMNS[:-1]) + "\n",
    "a word for a number": f"{','.join(COLUMNS)}\na,done,a.nrrd,much\n",
    "a cell without an end": f'{",".join(COLUMNS)}\n"a,done\n',
    "not UTF-8": b"caf\xe9\n",
}


@pytest.mark.parametrize("content", OTHERS.values(), ids=OTHERS)
def test_a_table_of_another_program_is_refused(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "summary.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(OutputError, match="not one of ours"):
        check_own_table(path)


ZONES = [name for name in COLUMNS if name.endswith("_zone_percent")]


def test_a_share_of_a_zone_is_called_so_in_the_table() -> None:
    assert len(ZONES) == 6
    assert not [name for name in COLUMNS if ("upper" in name or "lower" in name) and "zone" not in name]


@pytest.mark.parametrize(
    "missing",
    [(), ("kept_edits_ml", "edited_segments"), (*ZONES, "no_estimated_lobe_score")],
    ids=["ours", "an earlier version's", "one in which zones had no name of their own"],
)
def test_a_table_of_ours_and_none_are_not(tmp_path: Path, missing: Sequence[str]) -> None:
    path = tmp_path / "summary.csv"
    check_own_table(path)
    path.touch()
    check_own_table(path)
    path.write_text(",".join(name for name in COLUMNS if name not in missing) + ",mine\n")
    check_own_table(path)
    summary = Summary(path, file_state(path))
    summary.put(0, Row("=a", "done", lung_ml=1.5, message="No."))
    summary.write()
    check_own_table(path)


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    (tmp_path / "scans").mkdir()
    for name in "ab":
        told_scan(tmp_path / "scans" / f"{name}.nii.gz", CLEAN)
    return tmp_path / "scans"


def test_a_batch_from_python_gives_its_rows_and_goes_on_where_it_was(scans: Path, tmp_path: Path) -> None:
    out, runner = tmp_path / "out", InThisProcess(all_left)
    first, second, third = Statuses(), Statuses(), Statuses()
    rows = run_batch(plan_cases(scans, out, ".seg.nrrd"), out, runner, listener=first, json_file=tmp_path / "all.json")
    assert [(row.case, row.status, row.lung_ml is not None) for row in rows] == [
        ("a", "done", True),
        ("b", "done", True),
    ]
    assert first.ended_as == {"a": "done", "b": "done"}
    assert [one["case"] for one in json.loads((tmp_path / "all.json").read_text())["cases"]] == ["a", "b"]
    (out / "a.seg.nrrd").unlink()
    (out / "pictures/b.jpg").unlink()
    again = run_batch(plan_cases(scans, out, ".seg.nrrd"), out, runner, listener=second)
    assert second.ended_as == {"a": "done"}
    assert again[1] == rows[1]
    assert (out / "pictures/b.jpg").is_file()
    run_batch(plan_cases(scans, out, ".seg.nrrd"), out, runner, listener=third, restart=True)
    assert third.ended_as == first.ended_as


def test_a_batch_from_python_that_is_stopped_keeps_what_is_done(scans: Path, tmp_path: Path) -> None:
    out, calls = tmp_path / "out", []

    def once(volume: CtVolume, progress: Progress, *_: object) -> Segmentation:
        calls.append(1)
        if len(calls) == 2:
            raise Cancelled
        return all_left(volume, progress)

    with pytest.raises(Cancelled):
        run_batch(plan_cases(scans, out, ".nii.gz"), out, InThisProcess(once))
    assert [row.status for row in run_batch(plan_cases(scans, out, ".nii.gz"), out, InThisProcess(once))] == [
        "done"
    ] * 2
    assert len(calls) == 3


def test_a_batch_from_python_writes_over_nothing_that_is_not_its_own(scans: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(OutputError, match="the batch itself writes"):
        run_batch(plan_cases(scans, out, ".nrrd"), out, InThisProcess(all_left), json_file=out / "a.nrrd")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / SUMMARY_NAME).write_text("patient,age\n")
    with pytest.raises(OutputError, match="not one of ours"):
        run_batch(plan_cases(scans, tmp_path / "other", ".nrrd"), tmp_path / "other", InThisProcess(all_left))
    assert [path.name for path in (tmp_path / "other").iterdir()] == [SUMMARY_NAME]
    with pytest.raises(InputError):
        plan_cases(out, tmp_path / "third", ".nrrd")


@pytest.mark.parametrize("value", [None, "x", [1], True, float("nan")])
def test_a_manifest_with_a_value_of_another_form_is_used_or_refused_in_a_sentence(
    value: object, tmp_path: Path
) -> None:
    """Wherever it stands in a line: in the entry, in its record, and in the parts of that."""
    labels = np.zeros((4, 8, 8), np.uint8)
    labels[1:3, 2:6, :3], labels[1:3, 2:6, 5:] = 2, 1
    whole = {**DONE_LINE, "record": record_of(labels).to_json()}
    path, bad = tmp_path / MANIFEST_NAME, 0
    for place in places(whole):
        line = json.loads(json.dumps(whole))
        part = line
        for key in place[:-1]:
            part = part[key]
        part[place[-1]] = value
        path.write_text('{"covidseg_manifest": 1}\n' + json.dumps(line) + "\n")
        try:
            with Manifest(path) as manifest:
                (entry,) = manifest.entries.values()
                record = manifest.record(entry.case)
                json_text({"cases": [record and record.to_json()]})
        except OutputError as error:
            assert "not one of ours" in str(error)  # noqa: PT017
            bad += 1
    assert bad


def places(part: object, before: tuple = ()) -> Iterator[tuple]:
    """Where something stands in ``part``: the keys that lead there."""
    if isinstance(part, dict | list):
        for key in part if isinstance(part, dict) else range(len(part)):
            yield (*before, key)
            yield from places(part[key], (*before, key))


@pytest.mark.parametrize(
    "line", [b"[" * 100_000, b'{"case": "a"}', b"[]", b'{"case": "a", "status": "done", "model": "\xff"}']
)
def test_a_manifest_with_a_line_that_is_none_is_refused_in_a_sentence(line: bytes, tmp_path: Path) -> None:
    (tmp_path / MANIFEST_NAME).write_bytes(b'{"covidseg_manifest": 1}\n' + line + b"\n")
    with pytest.raises(OutputError, match="not one of ours"), Manifest(tmp_path / MANIFEST_NAME):
        pass
