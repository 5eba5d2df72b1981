"""The fuzzer: changes good files by a seed, has them read, and keeps what is neither read nor refused in a sentence."""

from __future__ import annotations

import random
import shutil
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from .guarded import guarded
from .kinds import Kind
from .mutation import mutated

_NOISE_BYTES = 16 << 20
"""By so much the peak of one and the same reading varies: pages that a fork happens to write to, threads."""

_MOST_MORE = 2
"""What is read may take so many times what its own size explains (:func:`_explained`)."""

_LARGEST_UNPACKED = 1 << 28


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
        ordinary = {seed: _ordinary(kind, good, folder, seed) for seed in seeds}
        for number in _numbers(inputs, until):
            chance = random.Random(f"{kind.name} {seed} {number}")
            chosen = chance.choice(seeds)
            file = _put(kind, good, folder, chosen, mutated(chosen.read_bytes(), chance))
            most = _MOST_MORE * _explained(folder, ordinary[chosen]) + _NOISE_BYTES
            size = file.stat().st_size
            ending = guarded(lambda file=file: kind.read(file))
            result.inputs += 1
            result.refused += ending.refused
            fault = ending.fault
            if not fault and ending.peak_bytes > most:
                fault = (
                    f"{ending.peak_bytes >> 20} MB of memory, {most >> 20} are explained, for a file of {size} bytes"
                )
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


def _ordinary(kind: Kind, good: Path, folder: Path, seed: Path) -> int:
    """Bytes that reading the good file ``seed`` takes."""
    file = _put(kind, good, folder, seed, seed.read_bytes())
    return guarded(lambda: kind.read(file)).peak_bytes


def _explained(folder: Path, ordinary: int) -> int:
    """Bytes that reading what lies in ``folder`` may take: as the good file did, and what is in it, unpacked.

    What a header promises explains nothing; what a packed stream really holds does: eight bytes for each of its own.
    """
    return ordinary + 8 * sum(_unpacked(one.read_bytes()) for one in folder.rglob("*") if one.is_file())


def _unpacked(content: bytes) -> int:
    """How many bytes a file holds, with those of a packed stream that it is, or that begins behind its header."""
    size = len(content)
    for begins, mark in ((content.find(b"\x1f\x8b"), 31), (content.find(b"LOCAL\n") + 6, 15)):
        if begins > 5 or (mark == 31 and begins == 0):
            with suppress(zlib.error):
                size += len(zlib.decompressobj(mark).decompress(content[begins:], _LARGEST_UNPACKED))
    return size


def _put(kind: Kind, good: Path, folder: Path, chosen: Path, content: bytes) -> Path:
    """Lay out ``chosen`` with another ``content``, among copies of what it is read with; returns it."""
    shutil.rmtree(folder, ignore_errors=True)
    if kind.companions:
        shutil.copytree(good, folder)
    else:
        folder.mkdir()
        for data in good.glob(f"{chosen.name.partition('.')[0]}.*raw*"):  # of a header that stands alone
            shutil.copy(data, folder)
    file = folder / chosen.relative_to(good)
    file.write_bytes(content)
    return file


def _kept(place: Path, folder: Path, file: Path, fault: str) -> Finding:
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(folder, place)
    (place / "fault.txt").write_text(fault, encoding="utf-8")
    return Finding(place / file.relative_to(folder), fault)
