"""Compares a result with the truth and draws it: ``python -m CovidSegLib.report.demo`` (see ``make demo``)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from ..errors import CovidSegError, InputError
from ..geometry.volume import CtVolume
from ..progress import Progress
from ..reading import read_ct, read_labels
from ..segmentation import UNKNOWN_PROVENANCE, Label, Segmentation
from .pictures import draw_pictures

_LUNG = (Label.LEFT_LUNG, Label.RIGHT_LUNG, Label.INFECTION)
STRUCTURES = {
    "Lung (left, right and infection)": _LUNG,
    "Left lung without infection": (Label.LEFT_LUNG,),
    "Right lung without infection": (Label.RIGHT_LUNG,),
    "Infection": (Label.INFECTION,),
}
"""What is compared, and the labels that it is made of."""

_SAME_PLACE_MM = 0.01


def dice(result: np.ndarray, truth: np.ndarray, labels: tuple[Label, ...]) -> float:
    """Dice overlap (0 to 1) of ``labels`` in two arrays (z, y, x) of one shape; 1 where both have none."""
    common = in_result = in_truth = 0
    for result_slice, truth_slice in zip(result, truth, strict=True):
        one, other = np.isin(result_slice, labels), np.isin(truth_slice, labels)
        common += int(np.count_nonzero(one & other))
        in_result += int(np.count_nonzero(one))
        in_truth += int(np.count_nonzero(other))
    return 2 * common / (in_result + in_truth) if in_result + in_truth else 1.0


def main(argv: list[str] | None = None) -> int:
    """Run the comparison with ``argv`` (default: the process's arguments); returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m CovidSegLib.report.demo",
        description="Print the Dice overlap of a result with the truth, and draw it in Slicer's own views.",
    )
    parser.add_argument("scan", metavar="SCAN.nii.gz", type=Path)
    parser.add_argument("result", metavar="RESULT.nii.gz", type=Path, help="labelmap on the scan's grid")
    parser.add_argument("--truth", metavar="TRUTH.nii.gz", type=Path, help="true labels on the scan's grid")
    parser.add_argument("--pictures", metavar="FOLDER", type=Path, help="draw pictures into this folder")
    arguments = parser.parse_args(argv)
    try:
        _run(arguments)
    except CovidSegError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _run(arguments: argparse.Namespace) -> None:
    scan = read_ct(arguments.scan, Progress())
    result = _read_labels(arguments.result, scan, "result")
    if arguments.truth:
        truth = _read_labels(arguments.truth, scan, "truth")
        print("Dice overlap with the truth (1 is perfect):")
        for name, labels in STRUCTURES.items():
            print(f"  {name:<34} {dice(result, truth, labels):.3f}")
    if arguments.pictures:
        segmentation = Segmentation(result, scan.affine, UNKNOWN_PROVENANCE)
        print("Drawing ...", file=sys.stderr)
        for path in draw_pictures(scan, segmentation, arguments.pictures, "result", Progress()):
            print(f"Look at: {path}")


def _read_labels(path: Path, scan: CtVolume, name: str) -> np.ndarray:
    """The labelmap in ``path`` as uint8 (z, y, x); raises InputError unless it is one of ours on the scan's grid."""
    labels, grid = read_labels(path, Progress())
    if grid.apart_mm(scan.grid) > _SAME_PLACE_MM:
        raise InputError(f"The {name} is not on the grid of the scan.", "Give the labelmap that belongs to this scan.")
    if not 0 <= labels.min() <= labels.max() <= max(Label):
        raise InputError(f"The {name} is not a labelmap with values 0 to 3.", "Give a file that CovidSeg wrote.")
    return labels.astype(np.uint8)


if __name__ == "__main__":
    sys.exit(main())
