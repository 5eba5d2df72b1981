"""``covidseg training-case``: a corrected scan becomes a case to train on."""

from __future__ import annotations

import argparse

from ..errors import InputError
from .console import Console
from .options import add_quiet, check_input, file_name

_DESCRIPTION = """Add a scan and its corrected masks to a data set for covidseg-train. SCAN is what was segmented (a
file, or a folder with a DICOM series), MASKS a .seg.nrrd or a labelmap. Nothing about the patient goes into FOLDER:
only voxels, their grid and a case name made from a hash. Saving a scan again replaces its case."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the sub-command."""
    parser = commands.add_parser(
        "training-case", help="save a corrected scan to train on", description=_DESCRIPTION, allow_abbrev=False
    )
    parser.add_argument("scan", metavar="SCAN", type=file_name)
    parser.add_argument("masks", metavar="MASKS", type=file_name)
    parser.add_argument("folder", metavar="FOLDER", type=file_name)
    add_quiet(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Save the case; returns 0. Raises the errors of errors.py, Cancelled and KeyboardInterrupt."""
    check_input(args.scan)
    check_input(args.masks)
    from ..reading import read_ct
    from ..report.inputs import ANOTHER_SCAN, read_masks
    from ..writing import save_training_case

    console, progress = Console.of(args)
    try:
        volume = read_ct(args.scan, progress)
        masks = read_masks(args.masks, volume)
        if masks.of_another_scan:
            raise InputError(ANOTHER_SCAN, "Give the scan that was segmented, or masks of this one.")
        progress.step("writing", 0, 1)
        labels, absent = masks.segmentation.labels, masks.segmentation.absent
        case = save_training_case(volume, labels, args.folder, corrected=masks.corrected, absent=absent)
    finally:
        console.clear()
    console.result(f"Saved: {case}. Check the data set with: covidseg-train check {args.folder}")
    return 0
