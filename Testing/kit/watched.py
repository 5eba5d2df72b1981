"""A command that is watched from outside while it works: seconds, processor time and memory, step by step."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .command_line import children

_LOOK_SECONDS = 0.01


@dataclass
class Watched:
    """What was seen. ``peak_gib``: by step, the most memory that the command and its children held together (each page
    counted once); ``seconds``: of the whole command, start of Python included; ``processor_seconds`` of all cores.
    """

    seconds: float = 0.0
    processor_seconds: float = 0.0
    peak_gib: dict[str, float] = field(default_factory=dict)


def watch(command: Sequence[str], **options: object) -> Watched:
    """Run ``command``, which says its steps on standard error ("network ..."). CalledProcessError if it fails."""
    import resource

    seen, step = Watched(), ["start"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, **options) as process:

        def listen() -> None:
            for line in process.stderr:
                if line.endswith(" ...\n"):
                    step[0] = line.split()[0]

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        while process.poll() is None:
            held = sum(_proportional_gib(one) for one in _family(process.pid))
            seen.peak_gib[step[0]] = max(held, seen.peak_gib.get(step[0], 0.0))
            time.sleep(_LOOK_SECONDS)
        listener.join()
    seen.seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seen.processor_seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return seen


def _family(process: int) -> list[int]:
    """A process and all that it started, and they."""
    return [process, *(one for child in children(process) for one in _family(child))]


def _proportional_gib(process: int) -> float:
    """Memory of one process; a page that n processes share counts 1/n."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 2**20
    except (OSError, StopIteration):
        return 0.0
