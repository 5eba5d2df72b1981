"""``covidseg sample``: a synthetic chest CT, for a try without any download."""

from __future__ import annotations

import argparse
import gzip
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import OutputError, about
from .arguments import add_quiet, check_targets, file_name, whole_number
from .console import Console

if TYPE_CHECKING:
    import numpy as np

_SUFFIXES = (".nii.gz", ".nii")

DESCRIPTION = b"CovidSeg sample"
"""What a sample says of itself, with a checksum, so that a new one may take its place."""

_MOST_SLICES = 4096
"""With more of 512 x 512 pixels it would be larger than any scan that is read."""

_NIFTI_HEADER_BYTES = 348
_DESCRIPTION = slice(148, 228)
"""Where NIfTI-1 keeps it (descrip)."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the sub-command."""
    parser = commands.add_parser(
        "sample",
        help="make a synthetic chest CT",
        description="Make a synthetic chest CT in HU, and on request its true labels (1 left lung, 2 right lung, "
        "3 infection). The same seed gives the same files.",
        allow_abbrev=False,
    )
    parser.add_argument("output", metavar="OUT.nii.gz", type=file_name)
    parser.add_argument("--truth", metavar="TRUTH.nii.gz", type=file_name, help="write the true labels here")
    parser.add_argument("--seed", metavar="N", type=whole_number(0), default=0, help="another chest (0)")
    parser.add_argument("--slices", metavar="N", type=whole_number(1), default=80, help="number of slices (80)")
    parser.add_argument(
        "--overwrite", action="store_true", help="also replace an earlier sample or truth that somebody changed"
    )
    add_quiet(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the sample; returns 0. Raises OutputError or Cancelled; then no file is there."""
    targets = [args.output, *([args.truth] if args.truth else [])]
    from ..system.file_states import states_of

    states = dict(states_of(targets))
    for target in targets:
        if not target.name.lower().endswith(_SUFFIXES):
            with about(target):
                raise OutputError("The sample is written as .nii.gz or .nii only.", "Give the file such an ending.")
    check_targets(None, targets)
    for target in targets:
        with about(target):
            _check_existing(target, overwrite=args.overwrite)
    from ..phantom import make_phantom
    from ..system.atomic_files import OutputSet

    if args.slices > _MOST_SLICES:
        raise OutputError(f"A sample has {_MOST_SLICES} slices at most.", "Ask for fewer: --slices.")
    with Console.of(args) as (console, progress):
        phantom = make_phantom(seed=args.seed, slices=args.slices, progress=progress)
        with OutputSet(states) as files:
            arrays = (phantom.volume.voxels, phantom.truth)
            for number, (target, array) in enumerate(zip(targets, arrays, strict=False)):
                progress.step("writing", number, len(targets))
                _write_nifti(array, phantom.volume.affine, files.add(target))
            files.publish()
    for target in targets:
        console.result(f"Written: {target}")
    return 0


def _check_existing(target: Path, *, overwrite: bool) -> None:
    """Raise OutputError where something other than an earlier sample would be replaced, or one that was changed."""
    if not target.is_file() or not target.stat().st_size:
        return
    from ..system.checksums import changed, chunks, identity_in, refuse_unless
    from ..system.file_states import refuse_protected

    refuse_protected(target)
    ours, identity = False, None
    try:
        with (gzip.open if target.name.lower().endswith(".gz") else open)(target, "rb") as file:
            header = file.read(_NIFTI_HEADER_BYTES)
            ours = header[_DESCRIPTION].startswith(DESCRIPTION)
            if ours and not overwrite:
                identity = identity_in(header, chunks(file))
    except (OSError, EOFError, zlib.error) as error:
        if ours and not overwrite:
            raise changed(target) from error
    if not ours:
        raise OutputError("The file exists and is not an earlier sample.", "Choose another name.")
    if not overwrite:
        refuse_unless(identity, target)


def _write_nifti(array: np.ndarray, affine: np.ndarray, path: Path) -> None:
    """Write (z, y, x) with IJK to RAS ``affine``; the same content gives the same bytes. Raises OutputError."""
    from ..segfiles.labelmap import nifti_image
    from ..system.checksums import OF_NOTHING, complete_bytes, mark_of
    from ..system.read_back import check_voxels

    image = nifti_image(array, affine)
    image.header["descrip"] = DESCRIPTION + b" " + mark_of(OF_NOTHING).encode()
    content = memoryview(image.to_bytes())
    voxels = content[_NIFTI_HEADER_BYTES:]
    header = complete_bytes(bytes(content[:_NIFTI_HEADER_BYTES]), [voxels])
    try:
        with path.open("wb") as file:
            if path.name.lower().endswith(".gz"):
                with gzip.GzipFile("", "wb", compresslevel=4, fileobj=file, mtime=0) as packed:
                    packed.write(header)
                    packed.write(voxels)
            else:
                file.write(header)
                file.write(voxels)
        check_voxels(path, array)
    except OSError as error:
        raise OutputError(f"The sample could not be written ({error.strerror}).", "Is there space left?") from error
