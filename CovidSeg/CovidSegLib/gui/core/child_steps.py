"""A child process whose output is waited for in steps, without a thread; see :mod:`.task`."""

from __future__ import annotations

import subprocess
from collections.abc import Generator, Sequence
from dataclasses import dataclass

from ...system.processes import ending_steps, start_child
from ...system.unfinished import unfinished_folder
from .task import ended_by


@dataclass(frozen=True)
class ChildOutcome:
    """How a child ended: its exit code, and all it printed (standard output and error together)."""

    code: int
    output: str


def child_steps(
    command: Sequence[str], environment: dict[str, str] | None = None
) -> Generator[None, None, ChildOutcome]:
    """Run ``command``, and wait for it in steps.

    ``environment``: variables besides those of this process. When the steps are stopped, the child and all it started
    are ended. Raises OSError when it cannot be started.
    """
    with unfinished_folder() as folder:
        output = folder / "output.txt"
        with output.open("wb") as written:
            process = start_child(command, stdout=written, stderr=subprocess.STDOUT, environment=environment or {})
            yield from ended_by(_until_ended(process), lambda: _end(process))
        return ChildOutcome(process.returncode, output.read_text(encoding="utf-8", errors="replace"))


def _until_ended(process: subprocess.Popen[bytes]) -> Generator[None, None, None]:
    while process.poll() is None:
        yield None


def _end(process: subprocess.Popen[bytes]) -> Generator[None, None, None]:
    if process.poll() is None:
        yield from ending_steps(process)
