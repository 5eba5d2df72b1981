"""``covidseg lobes``: lobes estimated from the shape of lungs that are there already."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError, OutputError
from ..words import in_ml, percent
from .arguments import add_quiet, check_input, check_targets, file_name
from .console import Console, severity_in_words

if TYPE_CHECKING:
    import numpy as np

    from ..geometry.grid import Grid
    from ..measures import EstimatedLobe
    from ..progress import Progress

_DESCRIPTION = """Estimate the lobes from the shape of the lungs alone; no fissure is looked for, so a CT is not needed.
MASKS is a .seg.nrrd of CovidSeg or a labelmap (1 left lung, 2 right lung, 3 infection, which counts to its side). OUT
(.nii.gz, .nii or .seg.nrrd) gets the likeliest lobes: 1 left upper, 2 left lower, 3 right upper, 4 right middle,
5 right lower. Lungs that are cut off, missing or of an unusual shape have no estimated lobes; the reason is told."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the sub-command."""
    parser = commands.add_parser(
        "lobes", help="estimate lobes from the shape of the lungs", description=_DESCRIPTION, allow_abbrev=False
    )
    parser.add_argument("masks", metavar="MASKS", type=file_name)
    parser.add_argument("-o", "--output", metavar="OUT", type=file_name, action="append", default=[])
    parser.add_argument("--overwrite", action="store_true", help="replace an output that exists")
    add_quiet(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the lobes' numbers and write them; returns 0. Raises the errors of errors.py and Cancelled."""
    check_input(args.masks)
    check_targets(args.masks, args.output)
    from ..measures.lobe_map import estimated_lobe_map
    from ..segfiles.lobe_files import check_lobe_file, write_lobes
    from ..system.atomic_files import OutputSet
    from ..system.file_states import file_state

    states = {} if args.overwrite else {output: file_state(output) for output in args.output}
    for output in args.output:
        check_lobe_file(output)
        _check_existing(output, overwrite=args.overwrite)
    console, progress = Console.of(args)
    try:
        labels, grid = _read(args.masks, progress)
        progress.step("lobes", 0, 1)
        try:
            estimated = estimated_lobe_map(labels, grid)
        except InputError as error:
            raise InputError(f"Lobes cannot be estimated: {error.sentence}", error.hint) from error
        with OutputSet(states) as files:
            for output in args.output:
                progress.step("writing", 0, 1)
                write_lobes(estimated.lobes, grid, files.add(output))
            files.publish()
    finally:
        console.clear()
    for lobe in estimated.severity.lobes:
        console.result(_line(lobe))
    found = estimated.severity
    console.result(severity_in_words(found.score, found.low, found.high))
    for output in args.output:
        console.result(f"Written: {output}")
    return 0


def _line(lobe: EstimatedLobe) -> str:
    share = "-" if lobe.infection_percent is None else percent(lobe.infection_percent)
    return (
        f"{lobe.name.capitalize()} (estimated): {in_ml(lobe.lung_ml)}, infected {share} % "
        f"({percent(lobe.percent_low)} to {percent(lobe.percent_high)}); overlap with the true lobe (Dice) about "
        f"{lobe.overlap:.2f}, {lobe.overlap_low:.2f} at worst."
    )


def _check_existing(output: Path, *, overwrite: bool) -> None:
    from ..system.file_states import refuse_protected, refuse_special

    if output.exists():
        refuse_special(output)
        refuse_protected(output)
        if not overwrite:
            raise OutputError(
                "The output exists; somebody may have corrected it.",
                "Choose another name, or replace it with --overwrite.",
            )


def _read(path: Path, progress: Progress) -> tuple[np.ndarray, Grid]:
    """Labels (uint8, z, y, x) and grid of the masks in ``path``."""
    from ..corrections.merge import to_labels
    from ..segfiles import is_seg_nrrd, read_reviewed
    from ..segfiles.mask_reading import labels_of_ours

    if is_seg_nrrd(path):
        reviewed = read_reviewed(path, None)
        if not reviewed.ours:
            raise InputError(
                "The segmentation has none of the segments of CovidSeg.",
                "Give one that CovidSeg wrote, or a labelmap (1 left lung, 2 right lung, 3 infection).",
            )
        return to_labels(reviewed.current), reviewed.grid
    return labels_of_ours(path, progress, "1 left lung, 2 right lung, 3 infection.")
