"""Segment, report and follow-up on DICOM with a planted person: neither name, id nor birth date gets out, no socket."""

from __future__ import annotations

import ctypes.util
import importlib.util
import os
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from Testing.kit import no_sockets
from Testing.kit.command_line import CommandLine, stored_chest, until
from Testing.kit.dicom_files import write_series
from Testing.kit.planted import NAME, PERSON, all_leaks, files_below
from Testing.kit.training_data import write_case

pytestmark = pytest.mark.skipif(os.name == "nt", reason="looks at processes")
HEIGHTS = [20.0 * number for number in range(10)]
PIXELS = {"PixelSpacing": [3.0, 3.0], "SliceThickness": 20.0}


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two visits of one planted person; the folders' names are the user's own."""
    folder = tmp_path_factory.mktemp("dicom")
    chest = stored_chest(10)
    for number, date in ((1, "20200417"), (2, "20200501")):
        own = {
            **PERSON,
            "AcquisitionDate": date,
            "StudyInstanceUID": f"1.2.{number}",
            "SeriesInstanceUID": f"1.2.{number}.1",
        }
        # Also in elements that are named in warnings of libraries: a value that the standard does not allow.
        write_series(folder / f"visit{number}", chest, HEIGHTS, **own, **PIXELS, FrameOfReferenceUID=f"{NAME}/7")
    return folder


CALLS = {
    "segment": (
        *("segment", "{0}/visit1", "-o", "a.seg.nrrd", "-o", "a.nii.gz", "-o", "a.nrrd"),
        *("--json", "a.json", "--report", "a.html", "--report", "a.csv"),
    ),
    "report": ("report", "{0}/visit1", "a.seg.nrrd", "-o", "b.html", "-o", "b.json", "-o", "b.csv"),
    "followup": ("followup", "{0}/visit1", "{0}/visit2", "-o", "c.html", "-o", "c.json", "-o", "c.csv"),
}


def watch(covidseg: CommandLine, *arguments: object) -> dict[str, bytes]:
    """Run a command; everything that it says, writes, or has in its folders while it runs."""
    seen: dict[str, bytes] = {}
    with covidseg.start(*arguments) as process:

        def ended() -> bool:
            for place, folders, files in os.walk(covidseg.folder):  # it passes over what is gone again
                seen.update({os.path.join(place, name): b"" for name in folders})
                for name in files:
                    with suppress(OSError):
                        path = Path(place, name)
                        seen[str(path)] = path.read_bytes()[: 1 << 20]
            return process.poll() is not None

        until(ended, 120)
        output, errors = process.communicate()
    assert process.returncode == 0, errors
    return seen | {"standard output": output.encode(), "standard error": errors.encode()}


def test_no_name_id_or_birth_date_gets_out_and_no_socket_is_opened(patient: Path, tmp_path: Path) -> None:
    covidseg = CommandLine(tmp_path, sockets=False)
    seen: dict[str, bytes] = {}
    for call in CALLS.values():
        seen |= watch(covidseg, *(argument.format(patient) for argument in call))
    seen |= files_below(tmp_path)
    assert {"a.html", "a.csv", "a.json", "b.html", "b.json", "c.html", "c.csv"} <= {Path(name).name for name in seen}
    assert any(name.startswith(str(covidseg.temporary)) for name in seen), "no temporary file was seen"
    assert all_leaks(seen) == {}
    assert "day 0 to day 14" in seen["c.html"].decode()
    if importlib.util.find_spec("slicer") and ctypes.util.find_library("EGL"):
        assert b"3-D view from the front" in seen["b.html"]  # drawn without a socket, too
    # What is inside the pictures: no text chunk that a program could have written a name into.
    assert not re.search(rb"tEXt|iTXt|zTXt", b"".join(data for name, data in seen.items() if name.endswith(".png")))


@pytest.mark.skipif(not no_sockets.AVAILABLE, reason="needs a kernel that can forbid sockets")
def test_covidseg_train_opens_no_socket(tmp_path: Path) -> None:
    write_case(tmp_path / "data", "one")
    tensorflow = ["-c", "from CovidSegLib.network.keras_engine import has_gpu; has_gpu(); import keras"]
    for command in (["-m", "CovidSegTraining.cli", "check", str(tmp_path / "data")], tensorflow):
        ended = subprocess.run(
            [sys.executable, *command], preexec_fn=no_sockets.forbid_sockets, capture_output=True, check=False
        )
        assert ended.returncode == 0, ended.stderr
