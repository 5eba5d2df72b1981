"""A child process whose output is waited for in steps, without a thread; see :mod:`.task`."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ..processes import signal_group

_PATIENCE_SECONDS = 3.0


@dataclass(frozen=True)
class Outcome:
    """How a child ended: its exit code, and all it printed (standard output and error together)."""

    code: int
    output: str


def child_steps(
    command: Sequence[str], environment: dict[str, str] | None = None
) -> Generator[str | None, None, Outcome]:
    """Run ``command``; yields each line as it is printed, and None while there is none.

    ``environment``: variables besides those of this process. When the steps are closed, the child and all it started
    are ended. Raises OSError when it cannot be started.
    """
    hidden = {"creationflags": getattr(subprocess, "CREATE_NO_WINDOW", 0)} if os.name == "nt" else {}
    with tempfile.TemporaryDirectory(prefix="covidseg-") as folder:
        file = Path(folder) / "output.txt"
        with file.open("wb") as written, file.open("rb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                start_new_session=os.name != "nt",
                **hidden,
            )
            try:
                yield from _lines(process, output)
            finally:
                _end(process)
            output.seek(0)
            return Outcome(process.returncode, output.read().decode(errors="replace"))


def _lines(process: subprocess.Popen[bytes], output: IO[bytes]) -> Generator[str | None, None, None]:
    """Each line when it is whole; the last one when the process has ended."""
    rest = b""
    while True:
        ended = process.poll() is not None  # asked first: what is read afterwards is then all there is
        *lines, rest = (rest + output.read()).split(b"\n")
        if ended and rest:
            lines.append(rest)
        for line in lines:
            yield line.decode(errors="replace").rstrip()
        if ended:
            return
        yield None


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        signal_group(process, by_force=False)
        try:
            process.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            signal_group(process, by_force=True)
            process.wait()


def library_environment() -> dict[str, str]:
    """What lets a child import CovidSegLib."""
    package = str(Path(__file__).resolve().parents[2])
    return {"PYTHONPATH": os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])}
