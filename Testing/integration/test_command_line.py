"""``covidseg segment``, ``sample`` and ``models`` as a user's shell sees them: real processes, real files."""

from __future__ import annotations

import gzip
import json
import os
import pty
import shutil
import signal
import subprocess
from pathlib import Path

import jsonschema
import nibabel
import numpy as np
import pytest

from CovidSegLib.cli.main import build_parser
from CovidSegLib.network import models
from CovidSegLib.report.result_record import SCHEMA
from CovidSegLib.report.schemas import published_schema
from Testing.kit.command_line import (
    CLEAN,
    HAS_A_BUG,
    IS_KILLED,
    IS_REFUSED,
    NEVER_ENDS,
    PRINTS,
    CommandLine,
    children,
    computes_for_ever,
    is_alive,
    rough_chest,
    told_scan,
    until,
    write_scan,
)

pytestmark = pytest.mark.skipif(os.name == "nt", reason="sends signals and looks at processes")
SEGMENT = ("segment", "Doe^John 19600101.nii.gz")


@pytest.fixture
def covidseg(tmp_path: Path) -> CommandLine:
    """The command line as it is."""
    write_scan(tmp_path / SEGMENT[1], rough_chest())
    return CommandLine(tmp_path)


@pytest.fixture
def told(tmp_path: Path) -> CommandLine:
    """The command line with a pipeline that does as it is told."""
    return CommandLine(tmp_path, stand_in=True)


def test_a_scan_becomes_files_and_numbers(covidseg: CommandLine) -> None:
    ended = covidseg.run(*SEGMENT, "-o", "a.seg.nrrd", "-o", "a.nii.gz", "--json", "a.json")
    assert ended.returncode == 0, ended.stderr
    first, *written = ended.stdout.splitlines()
    assert "mL" in first
    assert "% of lung (infection counts as lung)" in first
    assert written == ["Written: a.seg.nrrd", "Written: a.nii.gz", "Written: a.json"]
    stages = [line for line in ended.stderr.splitlines() if line.endswith(" ...")]
    assert stages[0] == "reading ..."
    assert "network ..." in stages
    assert len(stages) == len(set(stages)) < 8
    assert all(line.endswith(" ...") or line.startswith("warning: ") for line in ended.stderr.splitlines())
    assert (covidseg.folder / "a.seg.nrrd").stat().st_size > 0
    labels = np.asarray(nibabel.load(covidseg.folder / "a.nii.gz").dataobj)
    voxel_ml = 3 * 3 * 5 / 1000
    _check_json(covidseg.folder / "a.json", float(np.count_nonzero(labels)) * voxel_ml)


def _check_json(path: Path, lung_ml: float) -> None:
    text = path.read_text()
    assert "Doe" not in text
    assert str(path.parent) not in text
    record = json.loads(text)
    lung = record["lung_ml"]
    assert lung["total"] == pytest.approx(lung_ml, abs=0.01)
    assert lung["left"] + lung["right"] == pytest.approx(lung["total"], abs=0.01)
    assert lung["left"] > 0
    assert lung["right"] > 0
    assert record["infection_percent"] == pytest.approx(100 * record["infection_ml"] / lung["total"], abs=0.01)
    assert record["infection_counts_as_lung"] is True
    jsonschema.validate(record, published_schema(SCHEMA))
    model = models.find("default")
    assert record["model"] == {"name": model.name, "sha256": model.sha256}
    assert (record["engine"], record["device"]) == ("onnx", "cpu")
    assert {"reading", "network", "masks", "writing", "total"} <= record["seconds"].keys()
    parts = sum(value for stage, value in record["seconds"].items() if stage != "total")
    assert 0 < parts <= record["seconds"]["total"] + 0.01
    assert isinstance(record["warnings"], list)
    assert record["software"].startswith("CovidSeg ")


def test_a_scan_without_lung_is_done_with_a_warning(covidseg: CommandLine) -> None:
    write_scan(covidseg.folder / "even.nii.gz", np.full((3, 64, 64), 40))
    ended = covidseg.run("segment", "even.nii.gz", "-o", "a.nii.gz", "--json", "a.json")
    assert ended.returncode == 0
    assert ended.stdout.startswith("No lung was found.")
    assert "warning: No lung was found: all segments are empty." in ended.stderr.splitlines()
    record = json.loads((covidseg.folder / "a.json").read_text())
    assert record["infection_percent"] is None
    assert record["lung_ml"]["total"] == 0


def test_weights_altered_by_one_byte_are_refused(covidseg: CommandLine) -> None:
    model = models.find("default")
    mine = covidseg.folder / "mine"
    mine.mkdir()
    for file in model.folder.glob(f"{model.name}.*"):
        shutil.copy(file, mine)
    weights = mine / f"{model.name}.onnx"
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    # Named from where the user stands, which is not where the child process works.
    line = covidseg.refused(*SEGMENT, "-o", "a.nii.gz", "--model", f"mine/{model.name}.onnx", "--quiet")
    assert "SHA-256" in line


def test_ctrl_c_in_the_middle_of_real_work_leaves_nothing(covidseg: CommandLine) -> None:
    write_scan(covidseg.folder / "long.nii.gz", rough_chest(400))
    before = covidseg.files()
    with covidseg.start("segment", "long.nii.gz", "-o", "a.nii.gz", stdout=subprocess.DEVNULL) as process:
        while process.stderr.readline() != "network ...\n":
            pass
        (child,) = children(process.pid)
        process.send_signal(signal.SIGINT)
        assert process.wait(180) == 130
    assert not is_alive(child)
    assert covidseg.files() == before


WRONG_CALLS = {
    "no command": "",
    "an unknown command": "segmnt s.nii.gz",
    "no output": "segment s.nii.gz",
    "an unknown option": "segment s.nii.gz -o a.nii.gz --devise cpu",
    "a shortened option": "segment s.nii.gz -o a.nii.gz --dev cpu",
    "an unknown engine": "segment s.nii.gz -o a.nii.gz --engine torch",
    "an unknown model": "segment s.nii.gz -o a.nii.gz --model nobody",
    "an unknown ending": "segment s.nii.gz -o a.png",
    "one good and one bad output": "segment s.nii.gz -o a.nii.gz -o a.png",
    "the input as output": "segment s.nii.gz -o ./s.nii.gz",
    "the input by another name": "segment s.nii.gz -o same.nii.gz",
    "the input as JSON": "segment s.nii.gz -o a.nii.gz --json s.nii.gz",
    "the same output twice": "segment s.nii.gz -o a.nii.gz -o ./a.nii.gz",
    "an output with an impossible name": f"segment s.nii.gz -o {'x' * 260}.nii.gz",
    "a folder as output": "segment s.nii.gz -o folder.nii.gz",
    "an output in no folder": "segment s.nii.gz -o nowhere/a.nii.gz",
    "JSON in no folder": "segment s.nii.gz -o a.nii.gz --json nowhere/a.json",
    "an input that is missing": "segment missing.nii.gz -o a.nii.gz",
    "an empty input": "segment empty.nii.gz -o a.nii.gz --quiet",
    "a text as input": "segment text.nii.gz -o a.nii.gz",
    "a truncated input": "segment short.nii.gz -o a.nii.gz",
    "a folder without CT": "segment folder.nii.gz -o a.nii.gz",
    "a sample of another kind": "sample a.nrrd",
    "a sample without slices": "sample a.nii.gz --slices 0",
    "a sample of too many slices": "sample a.nii.gz --slices 1000000",
    "models without an action": "models",
    "a pipe as input": "segment pipe.nii.gz -o a.nii.gz",
    "numbers in the place of another program's": "segment s.nii.gz -o a.nii.gz --json other.json",
    "numbers in the place of a scan": "segment s.nii.gz -o a.nii.gz --json t.nii.gz",
    "a report in the place of a page": "segment s.nii.gz -o a.nii.gz --report page.html",
    "a sample in the place of a scan": "sample t.nii.gz --slices 1",
    "a truth in the place of a scan": "sample a.nii.gz --truth t.nii.gz --slices 1",
}


@pytest.mark.parametrize("call", ["sample -o a.nii.gz b.nii.gz", "models list --all"])
def test_an_option_that_a_command_does_not_have_leads_to_the_help_of_that_command(
    call: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        build_parser().parse_args(call.split())
    assert end.value.code == 2
    command = "covidseg sample" if "sample" in call else "covidseg models list"
    assert capsys.readouterr().err.endswith(f"(see {command} --help)\n")


@pytest.mark.parametrize("call", WRONG_CALLS.values(), ids=WRONG_CALLS.keys())
def test_a_wrong_call_is_one_line_and_code_2(covidseg: CommandLine, call: str) -> None:
    scan = write_scan(covidseg.folder / "s.nii.gz", rough_chest(2))
    (covidseg.folder / "same.nii.gz").symlink_to("s.nii.gz")
    (covidseg.folder / "folder.nii.gz").mkdir()
    (covidseg.folder / "empty.nii.gz").touch()
    os.mkfifo(covidseg.folder / "pipe.nii.gz")
    write_scan(covidseg.folder / "t.nii.gz", rough_chest(2))
    (covidseg.folder / "other.json").write_text('{"precious": 1}')
    (covidseg.folder / "page.html").write_text("<!DOCTYPE html><title>A page</title>")
    (covidseg.folder / "text.nii.gz").write_bytes(gzip.compress(b"not an image " * 100))
    (covidseg.folder / "short.nii.gz").write_bytes(scan.read_bytes()[:5000])
    before = {file: file.read_bytes() for file in covidseg.folder.glob("*.*") if file.is_file()}
    covidseg.refused(*call.split())
    assert {file: file.read_bytes() for file in covidseg.folder.glob("*.*") if file.is_file()} == before


def test_an_error_of_the_pipeline_is_one_line_and_code_2(told: CommandLine) -> None:
    told_scan(told.folder / "s.nii.gz", IS_REFUSED)
    line = told.refused("segment", "s.nii.gz", "-o", "a.nii.gz")
    assert line == "error: s.nii.gz: The scan is refused. Take another one."


def test_quiet_says_nothing_and_notices_are_warnings(told: CommandLine) -> None:
    told_scan(told.folder / "s.nii.gz", PRINTS)
    ended = told.run("segment", "s.nii.gz", "-o", "a.nii.gz", "--quiet")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    ended = told.run("segment", "s.nii.gz", "-o", "b.nii.gz")
    warnings = [line for line in ended.stderr.splitlines() if line.startswith("warning: ")]
    assert warnings[:2] == ["warning: The processor is used.", "warning: A warning."]
    # What the measures say of this scan, which is none of a body.
    assert all("lung" in warning or "density" in warning for warning in warnings[2:])


def test_our_own_fault_is_one_traceback_and_code_1(told: CommandLine) -> None:
    told_scan(told.folder / "s.nii.gz", HAS_A_BUG)
    before = told.files()
    ended = told.run("segment", "s.nii.gz", "-o", "a.nii.gz", "--quiet")
    assert ended.returncode == 1
    assert ended.stderr.count("Traceback (most recent call last)") == 1
    assert "ZeroDivisionError: a bug for the test" in ended.stderr
    assert [line for line in ended.stderr.splitlines() if "error: " in line] == [ended.stderr.splitlines()[-1]]
    assert told.files() == before


@pytest.mark.parametrize("killer", ["itself", "the system"])
def test_a_child_that_is_killed_is_one_line_and_code_1(told: CommandLine, killer: str) -> None:
    told_scan(told.folder / "s.nii.gz", IS_KILLED if killer == "itself" else NEVER_ENDS)
    before = told.files()
    with told.start("segment", "s.nii.gz", "-o", "a.nii.gz", "--quiet") as process:
        if killer == "the system":
            until(lambda: computes_for_ever(process))
            (child,) = children(process.pid)
            os.killpg(child, signal.SIGKILL)
        output, errors = process.communicate(timeout=180)
    assert (process.returncode, output) == (1, "")
    assert errors.startswith("error: s.nii.gz: The process that computes the network stopped")
    assert errors.count("\n") == 1
    assert told.files() == before


@pytest.mark.parametrize(
    ("number", "opens_for_ever"), [(signal.SIGINT, False), (signal.SIGTERM, False), (signal.SIGINT, True)]
)
def test_a_stopped_command_ends_with_130_and_leaves_nothing(
    told: CommandLine, number: int, opens_for_ever: bool
) -> None:
    told_scan(told.folder / "s.nii.gz", NEVER_ENDS)
    before = told.files()
    if opens_for_ever:
        told.environment["STAND_IN_IS_SLOW"] = "1"
    with told.start("segment", "s.nii.gz", "-o", "a.nii.gz", "--quiet") as process:
        until(lambda: children(process.pid) if opens_for_ever else computes_for_ever(process))
        (child,) = children(process.pid)
        process.send_signal(number)
        process.send_signal(number)  # the impatient press twice
        output, errors = process.communicate(timeout=180)
    assert (process.returncode, output, errors) == (130, "", "cancelled\n")
    assert not is_alive(child)
    assert told.files() == before


def test_a_killed_command_leaves_no_child_running(told: CommandLine) -> None:
    told_scan(told.folder / "s.nii.gz", NEVER_ENDS)
    before = told.files()
    with told.start("segment", "s.nii.gz", "-o", "a.nii.gz") as process:
        until(lambda: computes_for_ever(process))
        (child,) = children(process.pid)
        process.kill()
    until(lambda: not is_alive(child))
    until(lambda: told.files() == before)


def test_a_terminal_gets_a_bar_that_is_gone_at_the_end(told: CommandLine) -> None:
    told_scan(told.folder / "s.nii.gz", 0)
    master, slave = pty.openpty()
    with told.start("segment", "s.nii.gz", "-o", "a.nii.gz", stderr=slave) as process:
        os.close(slave)
        seen = b""
        while True:
            try:
                part = os.read(master, 4096)
            except OSError:
                break
            if not part:
                break
            seen += part
        assert process.wait(180) == 0
    os.close(master)
    text = seen.decode()
    assert "\r" in text
    assert "[####" in text
    assert " ...\r\n" not in text
    # What a terminal shows in the end of each line: the bar is gone, warnings stay.
    assert not [line for line in text.split("\r\n") if "[" in line.rstrip("\r").rpartition("\r")[2]]


def test_a_sample_is_a_scan_with_its_truth(covidseg: CommandLine) -> None:
    ended = covidseg.run("sample", "a.nii.gz", "--truth", "t.nii.gz", "--seed", 3, "--slices", 2)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == ["Written: a.nii.gz", "Written: t.nii.gz"]
    scan, truth = (nibabel.load(covidseg.folder / name) for name in ("a.nii.gz", "t.nii.gz"))
    assert scan.shape == truth.shape == (512, 512, 2)
    assert np.array_equal(scan.affine, truth.affine)
    assert (scan.get_data_dtype(), truth.get_data_dtype()) == (np.int16, np.uint8)
    assert {1, 2} < set(np.unique(np.asarray(truth.dataobj)))
    assert -1100 < np.asarray(scan.dataobj).min() < -900
    # The bytes hold no time and no name: the same seed gives the same file.
    assert (covidseg.folder / "a.nii.gz").read_bytes()[3:10] == bytes([0, 0, 0, 0, 0, 0, 255])


def test_numbers_reports_and_samples_take_the_place_of_earlier_ones_but_not_of_protected_ones(
    told: CommandLine,
) -> None:
    told_scan(told.folder / "s.nii.gz", CLEAN)
    numbers = ("--json", "n.json", "--report", "r.csv", "--report", "r.html")
    for name in ("a", "b"):
        ended = told.run("segment", "s.nii.gz", "-o", f"{name}.nii.gz", *numbers)
        assert ended.returncode == 0, ended.stderr
        assert told.run("sample", "c.nii.gz", "--truth", "t.nii", "--slices", 1).returncode == 0
    for call in (("segment", "s.nii.gz", "-o", "c.nrrd", "--json", "n.json"), ("sample", "t.nii", "--slices", 1)):
        for name in ("n.json", "t.nii"):
            (told.folder / name).chmod(0o444)
        assert "write-protected" in told.refused(*call)


def test_an_empty_name_is_not_the_current_folder(covidseg: CommandLine) -> None:
    assert "the name is empty" in covidseg.refused("segment", "", "-o", "a.nii.gz")
    assert "the name is empty" in covidseg.refused("batch", "", "out")


def test_models_are_listed_and_verified(covidseg: CommandLine) -> None:
    listed, verified = covidseg.run("models", "list"), covidseg.run("models", "verify")
    model = models.find("default")
    assert (listed.returncode, verified.returncode) == (0, 0)
    dice = model.card["metrics"]["mean"]["infection_infected_slices"]
    facts = f"{model.card['date']}  Dice of infection {dice:.3f}  licence: {model.card['licence']}"
    assert f"{model.name}  sha256 {model.sha256}  {facts}" in listed.stdout
    assert f"{model.name}: intact" in verified.stdout.splitlines()


def test_help_and_version_are_answered(covidseg: CommandLine) -> None:
    assert covidseg.run("--version").stdout.startswith("covidseg 0.")
    for command in ("", "segment", "batch", "sample", "models"):
        ended = covidseg.run(*command.split(), "--help")
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout.startswith("usage: covidseg")
