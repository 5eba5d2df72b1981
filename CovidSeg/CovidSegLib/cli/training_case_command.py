"""``covidseg training-case``: a corrected scan becomes a case to train on."""

from __future__ import annotations

import argparse

from .arguments import absolute, add_quiet, as_typed, check_input, file_name
from .console import Console

_DESCRIPTION = """Add a scan and its corrected masks to a data set for covidseg-train. SCAN is what was segmented (a
file, or a folder with a DICOM series), MASKS a .seg.nrrd, a DICOM SEG of CovidSeg's or a labelmap. Nothing about the
patient goes into FOLDER: only voxels, their grid, a case name made from a hash and, of a DICOM series, a code for the
patient that is made with a key of yours, so that scans of one patient stay together. Saving a scan again replaces its
case."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the sub-command."""
    parser = commands.add_parser(
        "training-case", help="save a corrected scan to train on", description=_DESCRIPTION, allow_abbrev=False
    )
    parser.add_argument("scan", metavar="SCAN", type=file_name)
    parser.add_argument("masks", metavar="MASKS", type=file_name)
    parser.add_argument("folder", metavar="FOLDER", type=file_name)
    parser.add_argument(
        "--uncorrected",
        action="store_true",
        help="also save masks that nobody corrected; the column corrected of metadata.csv says so",
    )
    add_quiet(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Save the case; returns 0. Raises the errors of errors.py, Cancelled and KeyboardInterrupt."""
    from ..segfiles.training_export import training_states

    begun = training_states(args.folder.absolute())
    check_input(args.scan)
    check_input(args.masks)
    from ..report.report_jobs import SaveTrainingCase
    from ..worker.parent import Worker

    scan, masks, folder = absolute((args.scan, args.masks, args.folder))
    typed = as_typed(args.scan, [args.masks], [args.folder])
    with Console.of(args) as (console, progress), typed, Worker(None) as worker:
        case = worker.run(SaveTrainingCase(scan, masks, folder, args.uncorrected, begun), progress)
    console.result(f"Saved: {case}. Check the data set with: covidseg-train check {args.folder}")
    return 0
