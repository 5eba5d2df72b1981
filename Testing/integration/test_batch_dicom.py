"""``covidseg batch`` on DICOM: whose scan is which, which series is read and why, and that nobody's name gets out."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import config

from CovidSegLib.progress import Progress
from CovidSegLib.reading import find_cases, read_ct
from Testing.kit.command_line import CommandLine, stored_chest, until
from Testing.kit.dicom_files import write_series
from Testing.kit.no_sockets import AVAILABLE, forbid_sockets
from Testing.kit.planted import BIRTH_DATE, IDENTITY, NAME, PERSON, all_leaks, files_below, leaks

HEIGHTS = [20.0 * number for number in range(10)]


def series(folder: Path, study: int, number: int, slices: int = 4, **fields: object) -> None:
    """A series of ``slices`` 20 mm apart, in a study of its own number."""
    write_series(
        folder,
        np.full((slices, 6, 5), number, np.int16),
        [20.0 * place for place in range(slices)],
        **{
            "StudyInstanceUID": f"1.2.{study}",
            "SeriesInstanceUID": f"1.2.{study}.{number}",
            "SeriesNumber": number,
            **fields,
        },
    )


def stems(folder: Path) -> dict[str, int]:
    """The cases of ``folder``, and the number of the series that is read of each (its voxels hold it)."""
    return {case.stem: int(read_ct(case.path, Progress(), case.files).voxels[0, 0, 0]) for case in find_cases(folder)}


def test_a_tree_of_patients_visits_and_series_is_a_case_for_each_visit(tmp_path: Path) -> None:
    series(tmp_path / "anna" / "scan" / "a", 1, 11)
    series(tmp_path / "bert" / "first" / "scout", 2, 21, slices=2)
    series(tmp_path / "bert" / "first" / "thorax", 2, 22)
    series(tmp_path / "bert" / "second" / "thorax", 3, 31)
    series(tmp_path / "bert" / "second" / "head", 4, 41, Modality="MR")
    assert stems(tmp_path) == {"anna": 11, "bert_first": 22, "bert_second": 31}


def test_patients_in_one_folder_are_told_apart_by_their_headers(tmp_path: Path) -> None:
    series(tmp_path / "export", 1, 1, PatientID="A")
    series(tmp_path / "export", 1, 2, PatientID="B")
    series(tmp_path / "export", 2, 3, PatientID="B")
    assert stems(tmp_path) == {"export_study-1": 1, "export_study-2": 2, "export_study-3": 3}
    assert stems(tmp_path / "export") == {"export_study-1": 1, "export_study-2": 2, "export_study-3": 3}


def test_loose_slices_beside_other_scans_are_a_case_and_results_beside_them_are_none(tmp_path: Path) -> None:
    series(tmp_path / "P1", 1, 1)
    series(tmp_path / "P1" / "inner", 2, 2)
    write_series(
        tmp_path / "P1", np.zeros((1, 6, 5), np.int16), Modality="SEG", StudyInstanceUID="1.2.9", SeriesNumber=9
    )
    assert stems(tmp_path / "P1") == {"P1": 1, "inner": 2}


def test_names_of_studies_never_meet_those_of_other_scans(tmp_path: Path) -> None:
    for study in (1, 2):
        series(tmp_path / "a", study, study)
    series(tmp_path / "a_study-1", 3, 3)
    assert sorted(stems(tmp_path).values()) == [1, 2, 3]
    assert len({stem.casefold() for stem in stems(tmp_path)}) == 3


@pytest.mark.parametrize("end", ["Modality", "PatientID", "StudyInstanceUID"])
def test_a_file_that_is_cut_off_in_its_header_renames_no_case(end: str, tmp_path: Path) -> None:
    def cut(path: Path) -> None:
        element = pydicom.dcmread(path).get_item(end)  # raw: it knows its place in the file
        stop = element.value_tell + element.length - 3 * (end == "StudyInstanceUID")
        path.write_bytes(path.read_bytes()[:stop])

    for number in (1, 2):
        series(tmp_path / "one" / "A", number, number, PatientID="A", StudyInstanceUID=f"1.2.840.{number}")
    series(tmp_path / "flat" / "all", 1, 1, PatientID="A")
    series(tmp_path / "flat" / "all", 2, 2, PatientID="B")
    series(tmp_path / "single" / "P", 1, 1, PatientID="A")
    folders = [tmp_path / name for name in ("one", "flat", "single")]
    before = [stems(folder) for folder in folders]
    for path in ("one/A/001_2.dcm", "flat/all/000_2.dcm", "single/P/000_1.dcm"):
        cut(tmp_path / path)
    assert [stems(folder) for folder in folders] == before
    (case,) = find_cases(tmp_path / "single")
    assert "1 damaged DICOM file was left out." in read_ct(case.path, Progress(), case.files).notes


def test_a_whole_scan_without_identifiers_stays_a_case_beside_others(tmp_path: Path) -> None:
    series(tmp_path / "a" / "named", 1, 1, PatientID="A")
    write_series(tmp_path / "a" / "bare", np.full((4, 6, 5), 7, np.int16), StudyInstanceUID=None)
    assert sorted(stems(tmp_path).values()) == [1, 7]


def test_the_chest_is_chosen_over_reformats_projections_and_parts_and_the_note_says_why(tmp_path: Path) -> None:
    series(tmp_path, 1, 1, slices=14, ImageOrientationPatient=[1, 0, 0, 0, 0, -1])
    series(tmp_path, 1, 2, slices=13, ImageType=["DERIVED", "SECONDARY", "AXIAL", "MIP"])
    series(tmp_path, 1, 3, slices=12, BodyPartExamined="HEAD")
    short = {"SeriesNumber": 4, "SeriesInstanceUID": "1.2.1.4", "StudyInstanceUID": "1.2.1"}
    write_series(tmp_path, np.full((11, 6, 5), 4, np.int16), **short)
    series(tmp_path, 1, 5, slices=9)
    series(tmp_path, 1, 6, slices=10)
    volume = read_ct(tmp_path, Progress())
    assert volume.voxels[0, 0, 0] == 6
    assert volume.source == "DICOM series 6 of 6 (10 slices)"
    assert volume.notes == (
        "The folder holds 6 CT series: series 6 of 6 (series number 6) was read; with 10 slices it has most slices. "
        "Passed over: 1 of another part of the body, 1 not axial, 1 of thick projections, 1 shorter than 15 cm.",
    )


def test_an_original_goes_before_what_was_computed_from_it(tmp_path: Path) -> None:
    series(tmp_path, 1, 1, slices=9, ImageType=["DERIVED", "SECONDARY"])
    series(tmp_path, 1, 2, slices=9)
    assert read_ct(tmp_path, Progress()).voxels[0, 0, 0] == 2


@pytest.fixture(scope="module")
def patients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders in ``scans``: a chest, with a second series; a series with a hole; odd UIDs. A name is in all of them."""
    folder = tmp_path_factory.mktemp("patients")
    chest = stored_chest(10)
    like = {**PERSON, "PixelSpacing": [3.0, 3.0], "SliceThickness": 20.0}
    write_series(folder / "scans" / "first", chest, HEIGHTS, **like)
    write_series(folder / "scans" / "first", chest[:3], SeriesNumber=2, SeriesInstanceUID=f"1.2.{BIRTH_DATE}", **like)
    holes = [0.0, 20.0, 40.0, 120.0, 140.0, 160.0, 180.0, 200.0, 220.0, 240.0]
    write_series(folder / "scans" / "second", chest, holes, **like)
    # pydicom warns of such a value, and would name it.
    with config.disable_value_validation():
        write_series(folder / "scans" / "third", chest, HEIGHTS, **{**like, "SeriesInstanceUID": f"{NAME}/{IDENTITY}"})
    return folder


@pytest.mark.skipif(os.name == "nt", reason="looks at processes")
def test_a_batch_of_dicom_folders_tells_no_name_id_or_birth_date(patients: Path, tmp_path: Path) -> None:
    covidseg = CommandLine(tmp_path)
    seen: dict[str, bytes] = {}
    arguments = ("batch", patients / "scans", "out", "--json", "all.json", "--format", "nii.gz")
    with covidseg.start(*arguments) as process:
        # What lies in the folders for temporary files while it runs.
        def ended() -> bool:
            for place in (covidseg.temporary, covidseg.folder / "out"):
                for path in place.rglob("*") if place.exists() else ():
                    try:
                        seen[str(path)] = path.read_bytes()[: 1 << 20] if path.is_file() else b""
                    except OSError:
                        continue
            return process.poll() is not None

        until(ended, 120)
        output, errors = process.communicate()
    assert process.returncode == 2, errors
    rows = {row["case"]: row for row in csv.DictReader((tmp_path / "out/summary.csv").open(encoding="utf-8"))}
    assert {case: row["status"] for case, row in rows.items()} == {"first": "done", "second": "failed", "third": "done"}
    assert rows["first"]["source"] == "DICOM series 1 of 2 (10 slices)"
    assert "has most slices" in rows["first"]["message"] or "only one that fits" in rows["first"]["message"]
    assert "hole" in rows["second"]["message"]
    seen |= files_below(tmp_path) | {"standard output": output.encode(), "standard error": errors.encode()}
    assert any(path.startswith(str(covidseg.temporary)) for path in seen)
    assert {Path(name).name for name in seen} >= {
        "summary.csv",
        "index.html",
        "manifest.jsonl",
        "first.jpg",
        "all.json",
    }
    assert not all_leaks(seen)
    assert json.loads((tmp_path / "all.json").read_text())["cases"][0]["source"] == rows["first"]["source"]


def test_the_search_for_leaks_finds_one(patients: Path) -> None:
    slice_file = next((patients / "scans" / "first").iterdir())
    assert {"Quesada", IDENTITY, BIRTH_DATE} <= set(leaks(slice_file.read_bytes()))


needs_filter = pytest.mark.skipif(not AVAILABLE, reason="needs Linux to forbid a system call")


@needs_filter
@pytest.mark.parametrize("command", ["batch", "segment"])
def test_no_socket_is_opened_not_even_by_compiled_code(patients: Path, tmp_path: Path, command: str) -> None:
    call = {"batch": ("scans/first", "out"), "segment": ("scans/first", "-o", tmp_path / "a.nii.gz")}[command]
    call = (call[0], tmp_path / "out") if command == "batch" else call
    environment = {**os.environ, "PYTHONNOUSERSITE": "1"}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    done = subprocess.run(
        [sys.executable, "-m", "CovidSegLib.cli", command, *map(str, call)],
        cwd=patients,
        env=environment,
        capture_output=True,
        text=True,
        preexec_fn=forbid_sockets,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@needs_filter
def test_whoever_opens_a_socket_is_killed() -> None:
    program = [sys.executable, "-c", "import socket; socket.socket()"]
    assert subprocess.run(program, preexec_fn=forbid_sockets, capture_output=True, check=False).returncode < 0
