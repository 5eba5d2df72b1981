"""``covidseg report``: numbers and pictures of masks that are there already, also corrected ones."""

from __future__ import annotations

import argparse

from .arguments import (
    absolute,
    add_another_scan,
    add_overwrite,
    add_quiet,
    add_report_options,
    as_typed,
    check_input,
    check_numbers,
    check_targets,
    file_name,
    report_request,
)
from .console import Console, in_words

_DESCRIPTION = """Report on the masks of one chest CT, as they are: nothing is segmented again, a reader's corrections
count. SCAN is what was segmented (a file, or a folder with a DICOM series), MASKS a .seg.nrrd, a DICOM SEG of
CovidSeg's or a labelmap (1 left lung, 2 right lung, 3 infection). The ending of each OUT decides what is written:
.html one page to read and print, .json all numbers (their form is published), .csv one number a line. All outputs
appear, or none."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the sub-command."""
    parser = commands.add_parser(
        "report", help="report on masks, also corrected ones", description=_DESCRIPTION, allow_abbrev=False
    )
    parser.add_argument("scan", metavar="SCAN", type=file_name)
    parser.add_argument("masks", metavar="MASKS", type=file_name)
    parser.add_argument("-o", "--output", metavar="OUT", type=file_name, action="append", required=True)
    add_report_options(parser)
    add_another_scan(parser)
    add_overwrite(parser)
    add_quiet(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the reports; returns 0. Raises the errors of errors.py, Cancelled and KeyboardInterrupt."""
    from ..system.file_states import states_of

    begun = states_of(absolute(args.output))
    check_input(args.scan)
    check_input(args.masks)
    for source in (args.scan, args.masks):
        check_targets(source, args.output)
    check_numbers(args.output, overwrite=args.overwrite)
    request = report_request(args, args.output)
    from ..report.report_jobs import MakeReport
    from ..worker.parent import Worker

    typed = as_typed(args.scan, [args.masks, *filter(None, [args.lobes])], args.output)
    with Console.of(args) as (console, progress), typed, Worker(None) as worker:
        choice = (args.overwrite, args.another_scan)
        job = MakeReport(args.scan.absolute(), args.masks.absolute(), request, begun, *choice)
        record = worker.run(job, progress)
    console.result(in_words(record))
    for output in args.output:
        console.result(f"Written: {output}")
    return 0
