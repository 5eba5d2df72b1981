"""Options that ``segment`` and ``batch`` share, and checks of a call before any work is done."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CovidSegError, InputError, ModelError, OutputError, about
from ..network.providers import DEVICES

if TYPE_CHECKING:
    from ..options import Options
    from ..report.request import ReportRequest
    from ..segfiles import ExistingFiles

_MODEL_SUFFIXES = (".onnx", ".keras", ".json")


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """``--quiet``."""
    parser.add_argument("--quiet", action="store_true", help="print errors only")


def add_pipeline_options(parser: argparse.ArgumentParser, *, json: bool = True) -> None:
    """``--json --engine --device --model --quiet``; ``json``: with the first."""
    if json:
        parser.add_argument("--json", metavar="FILE", type=file_name, help="write the numbers to this file as well")
    parser.add_argument(
        "--engine", choices=("auto", "onnx", "tensorflow"), default="auto", help="what runs the network"
    )
    parser.add_argument(
        "--device",
        choices=DEVICES,
        default="auto",
        help="where it runs; auto: the best GPU that gives the CPU's masks faster, else the CPU",
    )
    parser.add_argument(
        "--model", metavar="NAME|FILE", default="default", help="an installed network, or a file with one"
    )
    add_quiet(parser)


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """``--overwrite``, of a command that replaces its own earlier files unasked while nobody changed them."""
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="also replace what somebody changed since CovidSeg wrote it, or what is of another scan, as it is when "
        "the run begins; never scans and masks",
    )


def add_another_scan(parser: argparse.ArgumentParser) -> None:
    """``--another-scan``, of a command that counts masks from files."""
    parser.add_argument(
        "--another-scan",
        action="store_true",
        help="also count masks that tell that they were made from another scan, or from this one before its voxels "
        "changed; a warning says so",
    )


def add_existing_options(parser: argparse.ArgumentParser) -> None:
    """``--keep-edits --overwrite``."""
    parser.add_argument(
        "--keep-edits",
        action="store_true",
        help="bring an existing .seg.nrrd up to date and keep what a reader corrected in it",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace existing outputs, with whatever corrections they hold when the run begins; what somebody saves "
        "while it runs stays, and that output is refused; never the scan's own files",
    )


def existing_files(args: argparse.Namespace) -> ExistingFiles:
    """What a call wants done with outputs that exist."""
    from ..segfiles import ExistingFiles

    return ExistingFiles(keep_edits=args.keep_edits, overwrite=args.overwrite)


def add_report_options(parser: argparse.ArgumentParser) -> None:
    """``--label --split-hu --lobes --lobes-checked``."""
    parser.add_argument("--label", metavar="TEXT", default="", help="the case's name in the report (none)")
    parser.add_argument(
        "--split-hu",
        metavar="N",
        type=_split_hu,
        default=None,
        help="infection below it is ground glass, the rest consolidation (-300)",
    )
    parser.add_argument(
        "--lobes",
        metavar="FILE",
        type=file_name,
        help="lobes (.seg.nrrd or DICOM SEG, told by their codes; .nii.gz of covidseg lobes) for the lobe score; a "
        "DICOM SEG in the scan's own folder is found",
    )
    parser.add_argument(
        "--lobes-checked",
        action="store_true",
        help="a reader has checked these lobes, which CovidSeg estimated: their score has no range then",
    )


def report_request(args: argparse.Namespace, files: Sequence[Path]) -> ReportRequest:
    """What a call wants reported in ``files``. Raises OutputError or InputError for what can be seen beforehand."""
    from ..measures import Rules
    from ..report.report_formats import check_report
    from ..report.request import ReportRequest

    for file in files:
        with about(file):
            check_report(file)
    if args.lobes is not None:
        check_input(args.lobes)
    rules = Rules() if args.split_hu is None else Rules(split_hu=args.split_hu)
    lobes = None if args.lobes is None else args.lobes.absolute()
    return ReportRequest(absolute(files), args.label, rules, lobes, args.lobes_checked)


def _split_hu(text: str) -> int:
    from ..measures import Rules

    try:
        return Rules(split_hu=int(text)).split_hu
    except ValueError:
        raise argparse.ArgumentTypeError(f"not a whole number of HU between -1000 and 200: {text!r}") from None


def pipeline_options(args: argparse.Namespace) -> Options:
    """The pipeline's options of a call. A model's file is named in full: the child process works in another folder."""
    from ..options import Options

    is_file = os.path.basename(args.model) != args.model or args.model.lower().endswith(_MODEL_SUFFIXES)
    model = os.path.abspath(os.path.expanduser(args.model)) if is_file else args.model
    return Options(engine=args.engine, device=args.device, model=model)


def check_targets(source: Path | None, targets: Sequence[Path]) -> None:
    """Raise OutputError unless ``targets`` are different files in folders that exist, none of them the input's."""
    known: list[Path] = []
    for target in targets:
        with about(target):
            try:
                _check_target(target)
                _check_against(source, target, known)
            except (OSError, ValueError, RuntimeError) as error:  # too long, a zero byte, links in a circle
                raise OutputError("The output has a name that no file can have.", "Choose another name.") from error
        known.append(target)


def _check_against(source: Path | None, target: Path, known: Sequence[Path]) -> None:
    from ..segfiles.existing import refuse_source, same_file

    if source is not None:
        refuse_source(source, target)
    if any(same_file(target, other) for other in known):
        raise OutputError("Two outputs are the same file.", "Give each its own name.")


def _check_target(target: Path) -> None:
    from ..system.file_states import refuse_special

    if target.is_dir():
        raise OutputError("The output is a folder, not a file.", "Give a file name in it.")
    refuse_special(target)
    if not target.parent.is_dir():
        raise OutputError("The folder for the output does not exist.", "Make it first, or choose another one.")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise OutputError("Files cannot be made in the folder for the output.", "Choose another folder.")


def check_numbers(files: Sequence[Path], *, overwrite: bool = False) -> None:
    """Raise OutputError where a file for numbers or a report would replace something that CovidSeg did not write.

    Also where somebody changed it since. ``overwrite``: anything but a write-protected file, a scan and masks may be
    replaced.
    """
    from ..report.report_formats import is_report
    from ..system.checksums import refuse_changed
    from ..system.file_states import refuse_protected

    for file in files:
        if not file.is_file():
            continue
        from ..reading.archives import scan_suffix
        from ..reading.dicom_files import is_dicom
        from ..segfiles.seg_nrrd import is_seg_nrrd

        with about(file):
            refuse_protected(file)
            is_scan = is_dicom(file) or scan_suffix(file.name) or is_seg_nrrd(file)
            if is_scan or (not overwrite and not is_report(file)):
                raise OutputError(
                    "The file for the numbers or the report exists and is not one of CovidSeg's.",
                    "Choose another name.",
                )
            if not overwrite:
                refuse_changed(file)


def check_existing(outputs: Sequence[Path], existing: ExistingFiles) -> None:
    """Raise OutputError where an output exists that must not be replaced, as far as that is seen without the scan."""
    from ..segfiles.existing import refuse_unknown
    from ..system.file_states import refuse_protected

    for output in outputs:
        if output.exists():
            with about(output):
                refuse_protected(output)
                refuse_unknown(output, existing)


def check_model(args: argparse.Namespace) -> None:
    """Raise ModelError where there is no such network: it is told before a scan is read."""
    from ..network import models

    with about(args.model, ModelError):
        models.find(pipeline_options(args).model)


def check_input(source: Path) -> None:
    """Raise InputError unless there is something at ``source``: no child process is started for a slip of the pen."""
    try:
        there, readable = source.exists(), source.is_file() or source.is_dir()
    except (OSError, ValueError):  # a name that no file can have
        there = readable = False
    with about(source):
        if not there:
            raise InputError("The input does not exist.", "Check the name of the file or folder.")
        if not readable:
            raise InputError("The input is neither a file nor a folder.", "Save it to a file first: it is read twice.")


def file_name(text: str) -> Path:
    """An argument type: the name of a file or folder; an empty one (a shell variable that is not set) is none."""
    if not text:
        raise argparse.ArgumentTypeError("the name is empty")
    return Path(text)


@contextmanager
def as_typed(source: Path, others: Sequence[Path] = (), outputs: Sequence[Path] = ()) -> Iterator[None]:
    """An error that is raised inside names the argument that it is about, as it was typed.

    A child process knows the arguments as absolute paths. What it says of none of them is about ``source``, the scan,
    or, where it cannot be written, about the only one of ``outputs``.
    """
    typed = {str(path.absolute()): str(path) for path in (source, *others, *outputs)}
    try:
        yield
    except CovidSegError as error:
        error.subject = typed.get(error.subject, error.subject)
        if not error.subject and isinstance(error, OutputError) and len(outputs) == 1:
            error.subject = str(outputs[0])
        if not error.subject and _is_of_scan(error):
            error.subject = str(source)
        raise


def _is_of_scan(error: CovidSegError) -> bool:
    from ..worker.parent import WorkerDiedError

    return isinstance(error, InputError | WorkerDiedError)


def absolute(paths: Iterable[Path]) -> tuple[Path, ...]:
    """The same from the root of the disk: a child process stands in another folder."""
    return tuple(path.absolute() for path in paths)


class whole_number:  # noqa: N801 - argparse names the type in its message
    """An argument type: a whole number from ``least`` up to 32 bits."""

    def __init__(self, least: int) -> None:
        self._least = least

    def __call__(self, text: str) -> int:
        """The number that ``text`` is; raises ArgumentTypeError for any other text."""
        try:
            number = int(text)
        except ValueError:
            number = -1
        if not self._least <= number < 2**32:
            raise argparse.ArgumentTypeError(f"not a whole number from {self._least} on: {text!r}")
        return number
