"""``covidseg training-case``: a corrected scan becomes a case to train on."""

from __future__ import annotations

import argparse

from .console import Console
from .options import absolute, add_quiet, check_input, file_name

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
    from ..report.jobs import SaveTrainingCase
    from ..worker import Worker

    console, progress = Console.of(args)
    try:
        with Worker(None) as worker:
            job = SaveTrainingCase(*absolute((args.scan, args.masks, args.folder)))
            case = worker.run(job, progress)["case"]
    finally:
        console.clear()
    console.result(f"Saved: {case}. Check the data set with: covidseg-train check {args.folder}")
    return 0
