"""Runs one reading after the other, each in a fork of a process that has everything loaded: cheap, and safe."""

from __future__ import annotations

import os
import resource
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from CovidSegLib.errors import CovidSegError

MOST_SECONDS = 20.0
TOO_LONG = f"it takes more than {MOST_SECONDS:.0f} s"
_REFUSED, _FAILED = 2, 3
_KIB = 1 << 10
_MOST_BYTES = 6 << 30
"""Beyond it the system stops the fork: the machine is shared."""


@dataclass(frozen=True)
class Ending:
    """How a reading ended: ``fault`` is empty for what was read or refused in a sentence."""

    refused: bool = False
    fault: str = ""
    peak_bytes: int = 0
    """Memory that was written to beside what was there before; 0 where the reading was ended from outside."""


def guarded(work: Callable[[], object]) -> Ending:
    """Do ``work`` in a fork. A signal, a traceback, a word on the terminal, or too long a time is a fault.

    What takes too long is tried once more: on a busy machine the fork may have waited for its turn. A hang hangs again.
    """
    ending = in_a_fork(work)
    return in_a_fork(work) if ending.fault == TOO_LONG else ending


def in_a_fork(work: Callable[[], object]) -> Ending:
    """As :func:`guarded`, and tried once."""
    reader, writer = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(reader)
        _work(work, writer)
    os.close(writer)
    code, is_late = _wait(process)
    with os.fdopen(reader, "rb") as said:
        peak, _, text = said.read().decode(errors="replace").partition("\n")
    if is_late:
        return Ending(fault=TOO_LONG)
    if code < 0:
        return Ending(fault=f"signal {signal.Signals(-code).name}")
    return Ending(code == _REFUSED, text if code == _FAILED else "", int(peak))


def _work(work: Callable[[], object], writer: int) -> None:
    code, text, before = 0, "", _status()["RssAnon"]
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_DATA, (_MOST_BYTES, _MOST_BYTES))
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        work()
    except CovidSegError as error:
        code = _REFUSED if _is_sentence(error) else _FAILED
        if code == _FAILED:
            text = f"no sentence: {error.args!r}"
    except BaseException:
        code = _FAILED
        text = traceback.format_exc()[-4000:]
    finally:
        now = _status()
        # Pages of libraries are not taken, they are only seen again: a fork has none of them at first.
        peak = max(0, now["VmHWM"] - now["RssFile"] - before)
        os.write(writer, f"{peak}\n{text[:4000]}".encode(errors="replace"))
        os._exit(code)


def _is_sentence(error: CovidSegError) -> bool:
    text = str(error)
    return text.isprintable() and error.sentence.endswith((".", "?")) and len(text) < 1000


def _wait(process: int) -> tuple[int, bool]:
    """Exit code, and whether it had to be killed."""
    end, is_late = time.monotonic() + MOST_SECONDS, False
    pause = 0.0005
    while True:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status), is_late
        if time.monotonic() > end and not is_late:
            os.kill(process, signal.SIGKILL)
            is_late = True
        time.sleep(pause)
        pause = min(pause * 1.5, 0.02)


def _status() -> dict[str, int]:
    """What the system counts of this process's memory, in bytes (see proc(5))."""
    lines = (
        line.split() for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    )
    return {words[0].rstrip(":"): int(words[1]) * _KIB for words in lines if words[-1:] == ["kB"]}
