"""A network beside two readers, and the split of infection into ground glass and consolidation beside a reader's.

Both need more than a set's own labels: another reader's (``reader2`` in ``metadata.csv``), and a folder
``ggo_consolidation`` of files named like the cases (1 ground glass, 2 consolidation) with ``slices.csv``, which says on
which slices both kinds were drawn.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from CovidSegLib.geometry.volume import CtVolume
from CovidSegLib.measures.rules import GROUND_GLASS_BELOW_HU
from CovidSegLib.network.inputs import SliceFraming
from CovidSegLib.segmentation import Label

from ..data.cases import Case
from ..data.dataset import DrawnLabel, SliceFile, open_files
from ..data.metadata import read_rows
from .evaluation import Row

KINDS = "ggo_consolidation"
GROUND_GLASS, CONSOLIDATION = 1, 2
BOTH_DRAWN = "both drawn"


@dataclass
class ReaderJudge:
    """Collects one row per scan, where the set has what it takes. ``scans``: folder of the set; ``fold``: of the rows.

    ``agreement``: Dice of infection over all slices, each against the mean of both readers (a reader is half of that
    mean, which favours readers), and of the readers, of the network and the second. ``split``: Dice of ground glass and
    of consolidation on the slices where a reader drew both, by the cut of HU inside the reader's mask and inside the
    network's.
    """

    scans: Path
    fold: int
    agreement: list[Row] = field(default_factory=list)
    split: list[Row] = field(default_factory=list)

    def __call__(self, case: Case, volume: CtVolume, labels: np.ndarray) -> None:
        """Judge upright ``labels`` (z, y, x) of a network on ``case``, whose scan is ``volume``."""
        found = labels == Label.INFECTION
        facts: Row = {"case": case.name, "fold": self.fold}
        if case.second is not None:
            first = _infection(open_files(case)[1])
            second = _infection(SliceFile(case.second, f"Second labels of case {case.name}"))
            self.agreement.append({**facts, **agreement(found, first, second)})
        kinds, slices = self.scans / KINDS / f"{case.name}.nii.gz", self._slices()[case.name]
        if kinds.is_file() and slices:
            upright = volume.upright_voxels
            drawn = SliceFile(kinds, f"Kinds of infection of case {case.name}")
            framing = SliceFraming.of_scan(upright.__getitem__, len(upright), drawn.spacing)
            planes = np.stack([drawn.numbers(k) for k in slices])
            scores = split_scores(planes, found[slices], upright[slices] - framing.shift_hu)
            self.split.append({**facts, "slices": float(len(slices)), **scores})

    def _slices(self) -> dict[str, list[int]]:
        found = defaultdict(list)
        for row in read_rows(self.scans / KINDS / "slices.csv"):
            if row["how_class_was_told"] == BOTH_DRAWN:
                found[row["scan"]].append(int(row["slice_in_our_file"]))
        return found


def _infection(file: SliceFile) -> np.ndarray:
    return np.stack([file.labels(k) == DrawnLabel.INFECTION for k in range(len(file))])


def agreement(network: np.ndarray, first: np.ndarray, second: np.ndarray) -> Row:
    """Dice of infection (bool, one shape), see :class:`ReaderJudge`; of a mean as of any weights from 0 to 1."""
    mean = (first.astype(np.float32) + second) / 2
    return {
        "network_mean": dice(network, mean),
        "reader1_mean": dice(first, mean),
        "reader2_mean": dice(second, mean),
        "network_reader2": dice(network, second),
        "readers": dice(first, second),
    }


def split_scores(kinds: np.ndarray, found: np.ndarray, hu: np.ndarray) -> Row:
    """Dice of ground glass and of consolidation (``kinds``: 1, 2, else 0), told by whether ``hu`` is below the cut.

    Inside the reader's mask and inside ``found``, the network's (bool); all of one shape.
    """
    scores: Row = {}
    for name, mask in (("reader", kinds > 0), ("network", found)):
        scores[f"ground_glass_in_{name}"] = dice(mask & (hu < GROUND_GLASS_BELOW_HU), kinds == GROUND_GLASS)
        scores[f"consolidation_in_{name}"] = dice(mask & (hu >= GROUND_GLASS_BELOW_HU), kinds == CONSOLIDATION)
    return scores


def dice(mask: np.ndarray, weights: np.ndarray) -> float:
    """2 sum(a b) / (sum(a) + sum(b)); NaN of nothing."""
    both = float(weights[mask].sum(dtype=np.float64))
    size = float(np.count_nonzero(mask)) + float(weights.sum(dtype=np.float64))
    return 2 * both / size if size else float("nan")


def table_values(agreements: list[Row], splits: list[Row]) -> Iterator[tuple[str, tuple[float, ...]]]:
    """Names and values of the rows of the protocol's table."""
    names = {
        "network_mean": "against the mean of two readers, all slices: network",
        "reader1_mean": "against the mean of two readers, all slices: reader 1 (half of it)",
        "reader2_mean": "against the mean of two readers, all slices: reader 2 (half of it)",
        "network_reader2": "against reader 2, all slices: network",
        "readers": "against reader 2, all slices: reader 1",
    }
    if agreements:
        for key, name in names.items():
            yield f"infection {name}", tuple(float(row[key]) for row in agreements)
    for name in ("reader", "network") if splits else ():
        for kind in ("ground_glass", "consolidation"):
            values = tuple(float(row[f"{kind}_in_{name}"]) for row in splits)
            yield f"{kind.replace('_', ' ')} by {GROUND_GLASS_BELOW_HU} HU inside the {name}'s mask", values
