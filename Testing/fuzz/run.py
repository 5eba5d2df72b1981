"""The fuzzer: changes good files by a seed, has them read, and keeps what is neither read nor refused in a sentence."""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .guarded import guarded
from .kinds import Kind
from .mutation import mutated

_MOST_UNPACKED = 1100
"""Deflate packs no better: so much larger may be what is in a file."""

_WORKING_BYTES = 96 << 20
"""What reading takes whatever the file: pages that a fork writes to, a slice as floating point numbers, libraries."""


@dataclass(frozen=True)
class Finding:
    """An input that was neither read nor refused: where it is kept, and what it led to."""

    file: Path
    fault: str


@dataclass
class Result:
    """What came of one kind; a fault that was found before is found once."""

    inputs: int = 0
    refused: int = 0
    findings: list[Finding] = field(default_factory=list)


def fuzz(kind: Kind, seed: int, inputs: int | None, until: float | None, keep: Path) -> Result:
    """Try ``inputs`` files of ``kind``, or until the time ``until`` (of time.monotonic)."""
    result, known = Result(), set()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as place:
        good, folder = Path(place, "good"), Path(place, "tried")
        good.mkdir()
        seeds = kind.make(good)
        for number in _numbers(inputs, until):
            chance = random.Random(f"{kind.name} {seed} {number}")
            file = _put(kind, good, folder, chance.choice(seeds), chance)
            size = sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())
            ending = guarded(lambda file=file: kind.read(file))
            result.inputs += 1
            result.refused += ending.refused
            fault = ending.fault
            if not fault and ending.peak_bytes > _WORKING_BYTES + 2 * _MOST_UNPACKED * size:
                fault = f"{ending.peak_bytes >> 20} MB of memory for a file of {size} bytes"
            mark = "\n".join(line for line in fault.splitlines()[-7:] if "File " in line) or fault[:60]
            if fault and mark not in known:
                known.add(mark)
                result.findings.append(_kept(keep / f"{kind.name}-{seed}-{number}", folder, file, fault))
    return result


def _numbers(inputs: int | None, until: float | None) -> Iterator[int]:
    number = 0
    while (inputs is None or number < inputs) and (until is None or time.monotonic() < until):
        yield number
        number += 1


def _put(kind: Kind, good: Path, folder: Path, chosen: Path, chance: random.Random) -> Path:
    """Lay out a changed ``chosen``, among copies of what it is read with; returns it."""
    shutil.rmtree(folder, ignore_errors=True)
    if kind.companions:
        shutil.copytree(good, folder)
    else:
        folder.mkdir()
        for data in good.glob(f"{chosen.name.partition('.')[0]}.*raw*"):  # of a header that stands alone
            shutil.copy(data, folder)
    file = folder / chosen.relative_to(good)
    file.write_bytes(mutated(chosen.read_bytes(), chance))
    return file


def _kept(place: Path, folder: Path, file: Path, fault: str) -> Finding:
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(folder, place)
    (place / "fault.txt").write_text(fault, encoding="utf-8")
    return Finding(place / file.relative_to(folder), fault)
