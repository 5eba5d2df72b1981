"""Framed slices kept on disk, so that a training reads and crops every scan once.

A case becomes one .npy file of records, each a slice on the network's grid: the picture as int16 and its labels as
uint8. A record is read when it is asked for and nothing is kept, so memory stays flat and the operating system
decides which files stay in its own cache. Names are hashes: the folder tells no case's name.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

import numpy as np

from CovidSegLib import field_of_view, slice_levels, soft_tissue, value_scale
from CovidSegLib.errors import OutputError
from CovidSegLib.geometry import resampling
from CovidSegLib.network import inputs
from CovidSegLib.network.input_form import INPUT_SHAPE
from CovidSegLib.system.atomic_files import OWN_FILE, OutputSet

from . import dataset
from .dataset import Case, DrawnLabel, FramedCase, is_drawn, is_infected

LEVELS = 32767
"""int16 steps for 1.0 of the network's input: 0.02 HU each."""


class CachedCase:
    """A case of the cache; gives what :class:`CovidSegTraining.data.dataset.FramedCase` gives, to within 0.02 HU.

    ``seen``: rows and columns of its slices.
    """

    def __init__(self, file: Path, seen: tuple[int, int]) -> None:
        self._file, self._seen = file, seen
        facts = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
        self._infected = np.array(facts["infected"], bool)
        self._offset: int = facts["neighbour_offset"]

    def __len__(self) -> int:
        return len(self._infected)

    def slice(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Slice ``k``: float32 (rows, columns, 3) in [-1, 1] and uint8 labels (rows, columns)."""
        records = np.lib.format.open_memmap(self._file, mode="r")
        numbers = inputs.channel_slices(k, self._offset, len(self))
        pictures = {number: records["picture"][number] * np.float32(1 / LEVELS) for number in set(numbers)}
        return np.stack([pictures[number] for number in numbers], axis=-1), np.array(records["labels"][k])

    def infected_slices(self) -> np.ndarray:
        """Which slices show infection: bool (slices,)."""
        return self._infected

    def release(self) -> None:
        """Nothing is open between two reads."""


def open_cached(case: Case, folder: Path, seen: tuple[int, int] = INPUT_SHAPE) -> CachedCase:
    """``case``, its slices of ``seen`` rows and columns, from the cache in ``folder``; written there where it is not.

    The files' sizes and times and the code that frames them are part of the key: nothing stale is ever read. Raises
    OutputError where the folder cannot be written, InputError for a case that cannot be trained on.
    """
    file = folder / f"{_key(case, seen)}.npy"
    if not file.with_suffix(".json").is_file():
        try:
            _write(case, file, seen)
        except (OSError, OutputError) as error:
            raise OutputError(
                "The cache of framed slices cannot be written.",
                "Make room, choose another --cache folder, or train with --cache none.",
            ) from error
    return CachedCase(file, seen)


def _write(case: Case, file: Path, seen: tuple[int, int]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    framed = FramedCase(case, seen)
    infected, drawn = [], False
    with OutputSet({file: OWN_FILE, file.with_suffix(".json"): OWN_FILE}) as files:
        # Written, not mapped: a full disk is an error then, and no signal that ends the process.
        with files.add(file).open("wb") as part:
            form = np.lib.format.dtype_to_descr(_form(seen))
            header = {"descr": form, "fortran_order": False, "shape": (len(framed),)}
            np.lib.format.write_array_header_1_0(part, header)
            for k in range(len(framed)):
                labels = framed.label_plane(k)
                part.write(_record(framed, k, labels).tobytes())
                infected.append(bool(is_infected(labels).any()))
                drawn = drawn or is_drawn(labels)
        if not drawn:
            raise framed.nothing_drawn()
        # The facts come last: where they are, the records are whole.
        facts = {"neighbour_offset": framed.framing.offset, "infected": infected}
        files.add_text(json.dumps(facts), file.with_suffix(".json"))
        files.publish()


def _form(seen: tuple[int, int]) -> np.dtype:
    return np.dtype([("picture", np.int16, seen), ("labels", np.uint8, seen)])


def _record(framed: FramedCase, k: int, labels: np.ndarray) -> np.ndarray:
    record = np.empty((), _form(framed.framing.seen))
    record["picture"] = np.rint(framed.picture(k).clip(-1, 1) * LEVELS)
    record["labels"] = framed.framing.labels_to_network(labels, int(DrawnLabel.LUNG_NOT_DRAWN))
    return record


def _key(case: Case, seen: tuple[int, int]) -> str:
    digest = hashlib.sha256(_code() + f"{seen}".encode())
    for path in filter(None, (case.image, case.labels, case.second)):
        facts = path.stat()
        digest.update(f"{path.resolve()}|{facts.st_size}|{facts.st_mtime_ns}|".encode())
    return digest.hexdigest()[:32]


@cache
def _code() -> bytes:
    """What decides how a slice is framed: the source of the modules that do it."""
    modules = (inputs, resampling, field_of_view, slice_levels, soft_tissue, value_scale, dataset)
    return b"".join(Path(str(module.__file__)).read_bytes() for module in modules)
