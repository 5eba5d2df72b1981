"""``covidseg lobes``: lobes estimated from the shape of lungs that are there already."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError, OutputError, about
from ..words import in_ml, percent
from .arguments import add_quiet, check_input, check_targets, file_name
from .console import Console, severity_in_words

if TYPE_CHECKING:
    from ..measures import EstimatedLobe

_DESCRIPTION = """Estimate the lobes from the shape of the lungs alone; no fissure is looked for, so a CT is not needed.
MASKS is a .seg.nrrd or DICOM SEG of CovidSeg, or a labelmap (1 left lung, 2 right lung, 3 infection, which counts to
its side). OUT
(.nii.gz, .nii or .seg.nrrd) gets the likeliest lobes: 1 left upper, 2 left lower, 3 right upper, 4 right middle,
5 right lower. Lungs that are cut off, missing or of an unusual shape have no estimated lobes; the reason is told."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the sub-command."""
    parser = commands.add_parser(
        "lobes", help="estimate lobes from the shape of the lungs", description=_DESCRIPTION, allow_abbrev=False
    )
    parser.add_argument("masks", metavar="MASKS", type=file_name)
    parser.add_argument("-o", "--output", metavar="OUT", type=file_name, action="append", default=[])
    parser.add_argument("--overwrite", action="store_true", help="replace an output as it is when the run begins")
    add_quiet(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the lobes' numbers and write them; returns 0. Raises the errors of errors.py and Cancelled."""
    from ..system.file_states import states_of

    states = dict(states_of(args.output))
    check_input(args.masks)
    check_targets(args.masks, args.output)
    from ..measures.lobe_map import estimated_lobe_map
    from ..measures.severity import NO_INFECTION_KNOWN
    from ..segfiles.lobe_files import check_lobe_file, write_lobes
    from ..segfiles.lung_masks import read_lung_masks
    from ..system.atomic_files import OutputSet

    for output in args.output:
        with about(output):
            check_lobe_file(output)
            _check_existing(output, overwrite=args.overwrite)
    with Console.of(args) as (console, progress):
        with about(args.masks):
            masks = read_lung_masks(args.masks, progress)
            progress.step("lobes", 0, 1)
            try:
                estimated = estimated_lobe_map(masks.labels, masks.grid)
            except InputError as error:
                raise InputError(f"Lobes cannot be estimated: {error.sentence}", error.hint) from error
        with OutputSet(states) as files:
            for output in args.output:
                progress.step("writing", 0, 1)
                write_lobes(estimated.lobes, masks.grid, files.add(output), estimated.found.model[1])
            files.publish()
    for lobe in estimated.severity.lobes:
        console.result(_line(lobe, infection_known=masks.infection_known))
    found = estimated.severity
    if masks.infection_known:
        console.result(severity_in_words(found.score, found.low, found.high))
    else:
        console.result(f"No CT severity score: {NO_INFECTION_KNOWN}")
    for output in args.output:
        console.result(f"Written: {output}")
    return 0


def _line(lobe: EstimatedLobe, *, infection_known: bool) -> str:
    share = "-" if lobe.infection_percent is None else percent(lobe.infection_percent)
    infected = f", infected {share} % ({percent(lobe.percent_low)} to {percent(lobe.percent_high)})"
    return (
        f"{lobe.name.capitalize()} (estimated): {in_ml(lobe.lung_ml)}{infected if infection_known else ''}; overlap "
        f"with the true lobe (Dice) about {lobe.overlap:.2f}, {lobe.overlap_low:.2f} at worst."
    )


def _check_existing(output: Path, *, overwrite: bool) -> None:
    from ..segfiles.kinds import refuse_for_lobes
    from ..system.file_states import refuse_protected, refuse_special

    if output.exists():
        refuse_special(output)
        refuse_protected(output)
        if not overwrite:
            raise OutputError(
                "The output exists; somebody may have corrected it.",
                "Choose another name, or replace it with --overwrite.",
            )
        refuse_for_lobes(output)
