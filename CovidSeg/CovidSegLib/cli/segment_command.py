"""``covidseg segment``: one scan."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError, about
from ..words import in_ml
from .arguments import (
    absolute,
    add_existing_options,
    add_pipeline_options,
    add_report_options,
    as_typed,
    check_existing,
    check_input,
    check_model,
    check_numbers,
    check_targets,
    existing_files,
    file_name,
    pipeline_options,
    report_request,
)
from .console import Console, in_words

if TYPE_CHECKING:
    from ..report.result_record import ResultRecord

_DESCRIPTION = """Segment left lung, right lung and COVID-19 infection in one chest CT.
INPUT is a .nii, .nii.gz, .nrrd or .mha file, a folder with a DICOM series, an enhanced (multi-frame) CT, or a .zip
with one of these in it. The ending of each OUT decides what is written: .seg.nrrd a Slicer segmentation; .nii.gz, .nii,
.nrrd, .mha a labelmap (1 left lung, 2 right lung, 3 infection); .dcm a DICOM SEG (of a DICOM series). All outputs
appear, or none. An existing .seg.nrrd is replaced only if nobody corrected it, numbers and reports only if they are of
this scan and nobody changed them, any other existing output only with --overwrite."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the sub-command."""
    parser = commands.add_parser("segment", help="segment one scan", description=_DESCRIPTION, allow_abbrev=False)
    parser.add_argument("input", metavar="INPUT", type=file_name)
    parser.add_argument("-o", "--output", metavar="OUT", type=file_name, action="append", required=True)
    parser.add_argument(
        "--report",
        metavar="FILE",
        type=file_name,
        action="append",
        default=[],
        help="also write a report: .html (one page to read and print), .json or .csv",
    )
    add_report_options(parser)
    add_existing_options(parser)
    add_pipeline_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Segment ``args.input``; returns 0. Raises the errors of errors.py, Cancelled and KeyboardInterrupt."""
    numbers = [*args.report, *([args.json] if args.json else [])]
    existing = existing_files(args).beginning(absolute([*args.output, *numbers]))
    check_input(args.input)
    for source in (args.input, *filter(None, [args.lobes])):
        check_targets(source, [*args.output, *numbers])
    check_numbers(numbers, overwrite=args.overwrite)
    from ..worker.parent import Worker

    with Console.of(args) as (console, progress):
        # The child comes first: it loads its network while this process looks at the call.
        lobes = [] if args.lobes is None else [args.lobes]
        with as_typed(args.input, lobes, [*args.output, *numbers]), Worker(pipeline_options(args)) as worker:
            from ..case import SegmentCase
            from ..segfiles import check_suffix

            for output in args.output:
                with about(output):
                    check_suffix(output)
            check_model(args)
            check_existing(args.output, existing)
            case = SegmentCase(
                args.input.absolute(),
                absolute(args.output),
                json_file=args.json and args.json.absolute(),
                existing=existing,
                report=report_request(args, args.report),
            )
            with _advice_for_folders(args.input):
                worker.begin(lambda _folder: case)
                record: ResultRecord = worker.wait(progress)
    console.result(in_words(record))
    if record.kept_edits_ml:
        console.result(f"Kept: {in_ml(record.kept_edits_ml)} that a reader had corrected.")
    for output in (*args.output, *numbers):
        console.result(f"Written: {output}")
    return 0


@contextmanager
def _advice_for_folders(source: Path) -> Iterator[None]:
    """Where a folder of images was given in the place of a scan, the hint says what to do with that."""
    try:
        yield
    except InputError as error:
        if not error.subject and source.is_dir():
            from ..reading.files import suffix_of

            images = sum(bool(suffix_of(name)) for name in os.listdir(source))
            if images:
                error.hint = (
                    f"It holds {images} image file{'s' * (images > 1)}: give one, or use covidseg batch for all."
                )
        raise
