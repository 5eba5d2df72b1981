"""A batch that is killed goes on where it was: nothing done is done again, nothing half done counts."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from CovidSegLib.batch import Entry, plan_cases
from CovidSegLib.batch.manifest import Manifest
from CovidSegLib.batch.plan import model_identity
from CovidSegLib.errors import OutputError
from CovidSegLib.geometry.grid import Grid
from CovidSegLib.measures import measure
from CovidSegLib.network.models import DEFAULT_NAME, MODELS_FOLDER
from CovidSegLib.report.result_record import ResultRecord
from CovidSegLib.segmentation import UNKNOWN_PROVENANCE
from CovidSegLib.system.unfinished import unfinished_name
from Testing.kit.command_line import (
    CLEAN,
    IS_REFUSED,
    NEVER_ENDS,
    TAKES_A_SECOND,
    CommandLine,
    children,
    computes_for_ever,
    is_alive,
    tell,
    told_scan,
    until,
    write_scan,
)

pytestmark = pytest.mark.skipif(os.name == "nt", reason="sends signals and looks at processes")


def statuses(told: CommandLine) -> dict[str, str]:
    with (told.folder / "out/summary.csv").open(encoding="utf-8", newline="") as file:
        return {row["case"]: row["status"] for row in csv.DictReader(file)}


def written(told: CommandLine) -> dict[str, int]:
    """When each result was written."""
    return {path.name: path.stat().st_mtime_ns for path in (told.folder / "out").glob("*.seg.nrrd")}


def lines(told: CommandLine) -> list[dict]:
    """The lines of the manifest on cases that ended."""
    every = [json.loads(line) for line in (told.folder / "out/manifest.jsonl").read_text().splitlines()[1:]]
    return [line for line in every if line["status"] != "begun"]


def kill(process: subprocess.Popen, told: CommandLine) -> None:
    """As by a power cut: no process gets to clean up."""
    for child in children(process.pid):
        os.killpg(child, signal.SIGKILL)
    process.kill()
    process.wait()
    until(lambda: not is_alive(process.pid))
    for left in told.temporary.iterdir():  # what no process is left to remove, the system does at its start
        for path in sorted(left.rglob("*"), reverse=True):
            path.unlink()
        left.rmdir()


def test_after_kill_9_only_what_was_not_done_is_done(told: CommandLine) -> None:
    tell(told, a=CLEAN)
    assert told.run("batch", "scans", "out").returncode == 0
    tell(told, b=IS_REFUSED, c=CLEAN, d=NEVER_ENDS, e=CLEAN)
    with told.start("batch", "scans", "out") as process:
        # Two children take turns: while one computes for ever, the other waits with one of the scans before it.
        until(lambda: computes_for_ever(process) and len(lines(told)) >= 2)
        kill(process, told)
    finished = {line["result"] for line in lines(told) if line["status"] == "done"}
    # A kill in the middle of a write: half a line, and a folder with half a file.
    with (told.folder / "out/manifest.jsonl").open("ab") as file:
        file.write(b'{"case": "d", "status": "do')
    unfinished = told.folder / "out" / unfinished_name("x").replace(f"-{os.getpid()}.", f"-{process.pid}.")
    unfinished.mkdir()
    (unfinished / "d.seg.nrrd").write_bytes(b"half")
    tell(told, b=CLEAN, d=CLEAN)
    before = written(told)
    assert "a.seg.nrrd" in finished
    assert finished <= set(before) < {f"{stem}.seg.nrrd" for stem in "abcde"}
    ended = told.run("batch", "scans", "out", "--json", "all.json")
    assert ended.returncode == 0, ended.stderr
    left = 5 - len(finished)
    assert ended.stdout.splitlines()[-1] == f"{left} of {left} scans done, {len(finished)} done before."
    after = written(told)
    assert {name for name in after if after[name] == before.get(name)} == finished
    assert statuses(told) == dict.fromkeys("abcde", "done")
    assert not unfinished.exists()
    assert [case["case"] for case in json.loads((told.folder / "all.json").read_text())["cases"]] == list("abcde")
    page = (told.folder / "out/index.html").read_text()
    assert "5 of 5 scans done" in page


def another_model(folder: Path) -> str:
    """The card of a network that differs from the shipped one, in ``folder``."""
    card = json.loads((MODELS_FOLDER / f"{DEFAULT_NAME}.json").read_text(encoding="utf-8"))
    card["finish"]["infection"] = 0.5
    path = folder / "another.json"
    path.write_text(json.dumps(card), encoding="utf-8")
    return str(path)


def test_what_changed_since_is_done_again_and_nothing_else(told: CommandLine, tmp_path: Path) -> None:
    another = another_model(tmp_path)
    tell(told, a=CLEAN, b=CLEAN, c=CLEAN)
    assert told.run("batch", "scans", "out").returncode == 0
    before = written(told)
    told_scan(told.folder / "scans/a.nii.gz", CLEAN, slices=5)
    (told.folder / "out/b.seg.nrrd").unlink()
    assert told.run("batch", "scans", "out").stdout.splitlines()[-1] == "2 of 2 scans done, 1 done before."
    after = written(told)
    assert {name for name in after if after[name] == before[name]} == {"c.seg.nrrd"}
    # Another network: all of it.
    assert told.run("batch", "scans", "out", "--model", another).stdout.splitlines()[-1] == "3 of 3 scans done."
    assert told.run("batch", "scans", "out", "--model", another, "--restart").stdout.endswith("3 of 3 scans done.\n")


@pytest.mark.parametrize("kind", ["mhd", "nhdr"])
def test_a_scan_whose_voxels_lie_beside_its_header_is_done_again_when_they_change(tmp_path: Path, kind: str) -> None:
    image = SimpleITK.GetImageFromArray(np.zeros((4, 5, 6), np.int16))
    (tmp_path / "scans").mkdir()
    SimpleITK.WriteImage(image, str(tmp_path / "scans" / f"a.{kind}"), useCompression=False)
    (before,) = plan_cases(tmp_path / "scans", tmp_path / "out", ".seg.nrrd")
    voxels = tmp_path / "scans" / "a.raw"
    voxels.write_bytes(bytes(reversed(voxels.read_bytes())))
    os.utime(voxels, ns=(0, 0))
    (after,) = plan_cases(tmp_path / "scans", tmp_path / "out", ".seg.nrrd")
    assert before.input_state != after.input_state


def test_the_same_weights_with_another_threshold_are_another_network(tmp_path: Path) -> None:
    for file in MODELS_FOLDER.iterdir():
        shutil.copy(file, tmp_path)
    (card,) = tmp_path.glob("*.json")
    before = model_identity(str(card))
    card.write_text(json.dumps(json.loads(card.read_text())))
    assert model_identity(str(card)) == before
    content = json.loads(card.read_text())
    content["finish"]["infection"] = 0.5
    card.write_text(json.dumps(content))
    assert model_identity(str(card)) != before


def test_a_labelmap_that_the_batch_wrote_is_replaced_and_one_that_was_changed_is_not(
    told: CommandLine, tmp_path: Path
) -> None:
    another = another_model(tmp_path)
    tell(told, a=CLEAN, b=CLEAN, c=CLEAN)
    call = ("batch", "scans", "out", "--format", "nii.gz")
    assert told.run(*call).returncode == 0
    (told.folder / "out/b.nii.gz").write_bytes(b"corrected by hand")
    # A kill after the result was moved to its place and before the manifest could say so.
    manifest = told.folder / "out/manifest.jsonl"
    manifest.write_text("".join(line for line in manifest.open() if '"case": "c", "status": "done"' not in line))
    ended = told.run(*call, "--model", another)
    assert ended.returncode == 2
    assert ended.stdout.splitlines()[-1] == "2 of 3 scans done."
    assert statuses(told) == {"a": "done", "b": "kept", "c": "done"}
    assert (told.folder / "out/b.nii.gz").read_bytes() == b"corrected by hand"
    assert told.run(*call, "--model", another, "--overwrite").stdout.splitlines()[-1].startswith("1 of 1 scans done")


def test_a_labelmap_that_is_corrected_after_a_kill_is_not_replaced(told: CommandLine) -> None:
    tell(told, a=CLEAN)
    call = ("batch", "scans", "out", "--format", "nii.gz")
    assert told.run(*call).returncode == 0
    # The kill came when the result was in its place and not in the manifest.
    manifest = told.folder / "out/manifest.jsonl"
    manifest.write_text("".join(line for line in manifest.open() if '"status": "done"' not in line))
    (told.folder / "out/a.nii.gz").write_bytes(b"corrected by hand")
    ended = told.run(*call)
    assert ended.returncode == 2
    assert "--overwrite" in ended.stderr
    assert (told.folder / "out/a.nii.gz").read_bytes() == b"corrected by hand"


def test_a_corrected_labelmap_that_keeps_its_older_time_is_not_replaced_after_a_kill(told: CommandLine) -> None:
    tell(told, a=CLEAN)
    call = ("batch", "scans", "out", "--format", "nii.gz")
    assert told.run(*call).returncode == 0
    path = told.folder / "out/a.nii.gz"
    tell(told, a=NEVER_ENDS)
    with told.start(*call) as process:
        until(lambda: computes_for_ever(process))
        kill(process, told)
    path.write_bytes(b"corrected by hand")
    picture = (told.folder / "out/pictures/a.jpg").stat().st_mtime_ns
    os.utime(path, ns=(picture - 10**9, picture - 10**9))  # as cp -p and most archives do
    tell(told, a=CLEAN)
    ended = told.run(*call)
    assert ended.returncode == 2
    assert path.read_bytes() == b"corrected by hand"


def test_a_labelmap_that_two_killed_runs_left_as_it_was_is_replaced(told: CommandLine) -> None:
    tell(told, a=CLEAN)
    call = ("batch", "scans", "out", "--format", "nii.gz")
    assert told.run(*call).returncode == 0
    manifest = told.folder / "out/manifest.jsonl"
    manifest.write_text("".join(line for line in manifest.open() if '"status": "done"' not in line))
    tell(told, a=NEVER_ENDS)
    for _ in range(2):
        with told.start(*call) as process:
            until(lambda process=process: computes_for_ever(process))
            kill(process, told)
    tell(told, a=CLEAN)
    assert told.run(*call).returncode == 0


def test_a_labelmap_is_still_the_batchs_own_after_a_failure_and_in_another_format(told: CommandLine) -> None:
    tell(told, a=CLEAN)
    call = ("batch", "scans", "out", "--format", "nii.gz")
    assert told.run(*call).returncode == 0
    told_scan(told.folder / "scans/a.nii.gz", IS_REFUSED)
    assert told.run(*call).returncode == 2
    told_scan(told.folder / "scans/a.nii.gz", CLEAN, slices=5)
    assert told.run(*call).returncode == 0
    assert told.run("batch", "scans", "out", "--format", "mha").returncode == 0
    assert told.run(*call).returncode == 0
    (told.folder / "out/a.nii.gz").write_bytes(b"corrected by hand")
    assert told.run(*call, "--restart").returncode == 2


def test_the_second_batch_in_a_folder_is_refused_while_the_first_runs(told: CommandLine) -> None:
    tell(told, a=NEVER_ENDS)
    with told.start("batch", "scans", "out") as process:
        until(lambda: computes_for_ever(process))
        with told.start("batch", "scans", "out") as second:
            _, errors = second.communicate(timeout=180)
        assert second.returncode == 2
        assert "Another batch is at work" in errors
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=180)
    assert process.returncode == 130


def test_a_manifest_of_another_program_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "manifest.jsonl").write_text('{"name": "an app"}\n')
    with pytest.raises(OutputError, match="not one of ours"), Manifest(tmp_path / "manifest.jsonl"):
        pass
    assert (tmp_path / "manifest.jsonl").read_text() == '{"name": "an app"}\n'


def test_records_are_read_back_from_the_manifest_also_those_of_an_earlier_run(tmp_path: Path) -> None:
    nothing = measure(np.zeros((2, 3, 4), np.uint8), Grid(np.eye(4), (2, 3, 4)))
    records = [ResultRecord.of(nothing, UNKNOWN_PROVENANCE, {"total": seconds}) for seconds in (1.0, 2.0, 3.0)]
    path = tmp_path / "manifest.jsonl"
    with Manifest(path) as manifest:
        manifest.begin([Entry("ä", "begun"), Entry("b\udcff", "begun")])
        manifest.add(Entry("ä", "failed"))
        manifest.add(Entry("b\udcff", "done"), records[1])
    with Manifest(path) as manifest:
        manifest.begin([])
        manifest.add(Entry("c", "done"), records[2])
        manifest.add(Entry("ä", "done"), records[0])
        assert [manifest.record(case) for case in ("ä", "b\udcff", "c")] == records
        assert manifest.entries["ä"] == Entry("ä", "done")


def test_jobs_compute_side_by_side_and_share_the_cores(told: CommandLine) -> None:
    tell(told, **dict.fromkeys("abcd", TAKES_A_SECOND))
    ended = told.run("batch", "scans", "out", "--jobs", "2", "--json", "all.json")
    assert ended.returncode == 0, ended.stderr
    records = json.loads((told.folder / "all.json").read_text())["cases"]
    processes = {record["device"] for record in records}  # the stand-in says which process it was
    assert 2 <= len(processes) <= 3  # a third one reads and writes meanwhile
    assert len({record["engine"] for record in records}) == len(processes)  # each opened one network, once
    assert told.refused("batch", "scans", "other", "--jobs", "0")


def test_reading_goes_on_while_the_network_computes(told: CommandLine) -> None:
    tell(told, a=NEVER_ENDS)
    # Refused in reading, which comes to it although the only child is busy for ever.
    (told.folder / "scans" / "b.nii.gz").write_text("not an image")
    with told.start("batch", "scans", "out") as process:
        until(lambda: (told.folder / "out/manifest.jsonl").exists() and len(lines(told)) == 1)
        assert lines(told)[0]["case"] == "b"
        until(lambda: computes_for_ever(process))  # the other one is computed
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=180)
    assert process.returncode == 130


def _memory_megabytes(process: int) -> float:
    text = Path(f"/proc/{process}/status").read_text()
    return int(next(line for line in text.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def _memory_after(told: CommandLine, count: int, marks: tuple[int, ...]) -> list[float]:
    """Memory of ``covidseg batch`` over ``count`` tiny scans after so many of them (its child's included)."""
    voxels = np.full((4, 16, 16), -800, np.int16)
    voxels[0, 0, 0] = CLEAN
    for number in range(count):
        write_scan(told.folder / "scans" / f"{number:04d}.nii", voxels)
    seen: list[float] = []

    def done() -> int:
        return len(list((told.folder / "out").glob("*.nrrd")))

    def is_warm() -> bool:
        """What draws the index is loaded once, seconds after the start: it does not grow with the scans."""
        return count < 1000 or (told.folder / "out" / "index.html").exists()

    with told.start("batch", "scans", "out", "--quiet") as process:
        for mark in marks:
            until(lambda mark=mark: process.poll() is not None or (is_warm() and done() >= mark), 600)
            if process.poll() is None:
                seen.append(sum(_memory_megabytes(one) for one in (process.pid, *children(process.pid))))
        _, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    assert len(statuses(told)) == count
    assert len(seen) == len(marks)
    return seen


def test_memory_is_flat_over_many_tiny_scans(told: CommandLine) -> None:
    early, late = _memory_after(told, 120, (30, 115))
    assert late - early < 4


@pytest.mark.slow
def test_memory_is_flat_over_a_thousand_tiny_scans(told: CommandLine) -> None:
    early, late = _memory_after(told, 1000, (300, 990))
    assert late - early < 7  # rows of the table, 5 kB for a scan, and no more
