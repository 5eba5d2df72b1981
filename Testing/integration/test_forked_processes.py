"""What tests fork instead of starting it (kit/forked) does as what is started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from Testing.kit import forked
from Testing.kit.command_line import CLEAN, NEVER_ENDS, CommandLine, children, computes_for_ever, told_scan, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="on other systems all processes are started")

CALLS = (
    (),
    ("--version",),
    ("segment", "none.nii.gz", "-o", "a.nii.gz"),
    ("segment", "s.nii.gz", "-o", "a.nii.gz", "--json", "-"),
)


def command(told: CommandLine, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "CovidSegLib.cli", *arguments]


def test_output_errors_and_exit_code_are_those_of_a_process_that_is_started(told: CommandLine) -> None:
    told_scan(told.folder / "s.nii.gz", CLEAN)
    for arguments in CALLS:
        with told.start_anew(*arguments) as process:
            output, errors = process.communicate()
        (told.folder / "a.nii.gz").unlink(missing_ok=True)
        ended = told.run(*arguments)
        (told.folder / "a.nii.gz").unlink(missing_ok=True)
        assert (ended.returncode, _without_numbers(ended.stdout), _without_numbers(ended.stderr)) == (
            process.returncode, _without_numbers(output), _without_numbers(errors),
        )  # fmt: skip


def _without_numbers(text: str) -> str:
    return "".join(letter for letter in text if not letter.isdigit())


def test_it_is_a_child_with_a_worker_of_its_own_and_ends_by_signals_as_any(told: CommandLine) -> None:
    forked.ready()
    told_scan(told.folder / "s.nii.gz", NEVER_ENDS)
    for number, code in ((signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)):
        with forked.Popen(
            command(told, "segment", "s.nii.gz", "-o", "a.nii.gz"), cwd=told.folder, env=told.environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            try:
                assert Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")[1].endswith(b"fork_server.py")
                assert process.pid in children(os.getpid())
                until(lambda: computes_for_ever(process))
                process.send_signal(number)
                assert process.wait(180) == code
            finally:
                process.kill()
    until(lambda: not list(told.temporary.iterdir()))


@pytest.mark.parametrize("change", [{"env": {"LANG": "de"}}, {"preexec_fn": int}, {"umask": 0o77}])
def test_what_cannot_be_forked_alike_is_started(told: CommandLine, change: dict[str, object]) -> None:
    forked.ready()
    told_scan(told.folder / "s.nii.gz", NEVER_ENDS)
    environment = {**told.environment, **change.pop("env", {})}
    with forked.Popen(
        command(told, "segment", "s.nii.gz", "-o", "a.nii.gz"), cwd=told.folder, env=environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **change,
    ) as process:  # fmt: skip
        assert b"fork_server" not in Path(f"/proc/{process.pid}/cmdline").read_bytes()
        process.kill()


def test_another_covidseg_on_the_path_is_the_one_that_runs(told: CommandLine, tmp_path: Path) -> None:
    forked.ready()
    other = tmp_path / "other" / "CovidSegLib" / "cli"
    other.mkdir(parents=True)
    (other.parent / "__init__.py").touch()
    (other / "__init__.py").write_text("from ..errors import WORD", encoding="utf-8")
    (other.parent / "errors.py").write_text("WORD = 'another'", encoding="utf-8")
    (other / "__main__.py").write_text("from . import WORD; print(WORD)", encoding="utf-8")
    with forked.Popen(
        command(told), cwd=tmp_path, env={**told.environment, "PYTHONPATH": str(tmp_path / "other")},
        stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.communicate(timeout=180)[0] == "another\n"
