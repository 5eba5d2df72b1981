"""``covidseg followup``: scans of one patient over time."""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, OutputError, about
from ..words import in_ml, percent
from .arguments import (
    add_another_scan,
    add_overwrite,
    add_pipeline_options,
    as_typed,
    check_input,
    check_model,
    check_numbers,
    check_targets,
    file_name,
    pipeline_options,
)
from .console import Console

if TYPE_CHECKING:
    from ..progress import Progress
    from ..reading.acquisition import Acquisition
    from ..report.followup import FollowUp
    from ..report.result_record import ResultRecord
    from ..worker.parent import Worker

_DESCRIPTION = """Compare two or more chest CTs of one patient: a table and a plot over the days since the first scan,
the change in mL and in percentage points, and beside it the change of the lung volume (breathing). SCAN is a file, a
folder with a DICOM series, or the .json of an earlier result. Scans are segmented unless --masks gives their masks. The
ending of each OUT decides what is written: .html one page, .json, .csv. A .json that somebody changed is refused."""
_EPILOG = """A DICOM SEG of lobes in a scan's own folder is found. One that CovidSeg estimated counts as estimated here,
whoever checked it: an option for all scans would vouch for lobes that nobody looked at. Say so of each scan, by
covidseg report SCAN MASKS --lobes FILE --lobes-checked -o FILE.json, and give that FILE.json as SCAN."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the sub-command."""
    parser = commands.add_parser(
        "followup", help="compare scans of one patient", description=_DESCRIPTION, epilog=_EPILOG, allow_abbrev=False
    )
    parser.add_argument("scans", metavar="SCAN", type=file_name, nargs="+")
    parser.add_argument("-o", "--output", metavar="OUT", type=file_name, action="append", required=True)
    parser.add_argument(
        "--masks", metavar="FILE", type=file_name, nargs="+", default=[], help="masks of the scans, in the scans' order"
    )
    parser.add_argument(
        "--days", metavar="N", type=int, nargs="+", default=[], help="days of the scans (without: from DICOM dates)"
    )
    parser.add_argument("--dates", action="store_true", help="show the dates of the scans, too")
    parser.add_argument("--label", metavar="TEXT", default="", help="the case's name in the report (none)")
    add_another_scan(parser)
    add_overwrite(parser)
    add_pipeline_options(parser, json=False)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the follow-up; returns 0. Raises the errors of errors.py, Cancelled and KeyboardInterrupt."""
    from ..system.file_states import states_of

    states = dict(states_of(args.output))
    _check_call(args)
    from ..reading.acquisition import acquisition
    from ..report.followup import TimePoint, follow_up, mixed_networks, mixed_rules
    from ..report.report_formats import check_report
    from ..system.checksums import identity_of

    for output in args.output:
        with about(output):
            check_report(output)
    check_model(args)
    with Console.of(args) as (console, progress):
        taken = []
        for scan in args.scans:
            with as_typed(scan):
                taken.append(acquisition(scan, progress))
        days, warnings = _days(args, taken)
        _check_scans(args, progress)
        records, drawn = _records(args, console, progress)
        order = _in_time(days, taken)
        points = [TimePoint.of(records[place], days[place], _shown(taken[place], args.dates)) for place in order]
        # Scans go by their numbers in the call; reports that were written before say it, too.
        said = [[f"Scan {number}: {told}" for told in record.warnings] for number, record in enumerate(records, 1)]
        # A copy of an image or of its numbers has another path.
        warnings += _same_scans([record.scan_sha256 or number for number, record in enumerate(records)])
        warnings += [*itertools.chain(*said), *mixed_rules(records), *mixed_networks(records)]
        found = follow_up(points, warnings, args.label, identity_of(map(_scan_of, records)))
        made = list(dict.fromkeys(_made_by(record) for record in records))
        _write(found, made, [drawn[place] for place in order], states)
        console.begin("")
        told = set(itertools.chain(*(said[place] for place in range(len(said)) if not _is_result(args.scans[place]))))
        for warning in found.warnings:
            if warning not in told:  # when the scan was measured
                progress.notice("followup", warning)
    for number, point in enumerate(found.points):
        share = "no lung" if point.infection_percent is None else f"{percent(point.infection_percent)} % of lung"
        infection, lungs = in_ml(point.infection_ml), in_ml(point.lung_ml)
        change = found.since_first[number - 1] if number else None
        trend = f" Since day 0: {change.trend} ({change.infection_ml:+.0f} mL)." if change else ""
        console.result(f"Day {point.day}: infection {infection}, {share}; lungs {lungs}.{trend}")
    for output in args.output:
        console.result(f"Written: {output}")
    return 0


def _write(found: FollowUp, made: list[str], drawn: Sequence[bytes], states: Mapping[Path, str]) -> None:
    """Write the outputs unless they are in another of their ``states`` by now.

    ``drawn``: a picture of each scan, b"" where there is none.
    """
    from ..report.followup import to_csv, to_record
    from ..report.page import render_follow_up
    from ..report.page_pictures import Picture
    from ..report.result_record import json_text
    from ..system.atomic_files import OutputSet
    from ..system.typed_json import write_typed

    captions = [f"Day {point.day}" + (f", {point.date}" if point.date else "") for point in found.points]
    pictures = [Picture(data, caption) if data else None for data, caption in zip(drawn, captions, strict=True)]
    with OutputSet(states) as files:
        for output in states:
            suffix = output.suffix.lower()
            if suffix == ".json":
                text = json_text(write_typed(to_record(found)), found.identity)
            else:
                text = to_csv(found) if suffix == ".csv" else render_follow_up(found, made, pictures)
            files.add_text(text, output)
        files.publish()


def _check_call(args: argparse.Namespace) -> None:
    if len(args.scans) < 2:
        raise InputError("A follow-up needs two scans or more.", "Name them one after the other.")
    for name in ("masks", "days"):
        given = getattr(args, name)
        if given and len(given) != len(args.scans):
            raise InputError(
                f"--{name} names {len(given)} of {len(args.scans)} scans.", "Give one for each scan, in the same order."
            )
    for source in (*args.scans, *args.masks):
        check_input(source)
        check_targets(source, args.output)
    check_numbers(args.output, overwrite=args.overwrite)


def _days(args: argparse.Namespace, taken: Sequence[Acquisition]) -> tuple[list[int], list[str]]:
    """Days since the first scan, and what is odd about the scans' origin."""
    patients = {when.patient for when in taken if when.patient}
    warnings = []
    if len(patients) > 1:
        warnings.append("The scans' DICOM headers name different patients: do they belong to one person?")
    warnings += _same_scans([when.scan or os.path.realpath(scan) for scan, when in zip(args.scans, taken, strict=True)])
    if args.days:
        if _contradict(args.days, taken):
            warnings.append("The days do not fit the dates in the scans' DICOM headers: were they given in this order?")
        return [day - min(args.days) for day in args.days], warnings
    if any(when.date is None for when in taken):
        raise InputError(
            "It is not known when the scans were taken.", "Give the days, in the order of the scans: --days 0 14 90."
        )
    dates = [when.date for when in taken if when.date is not None]
    return [(date - min(dates)).days for date in dates], warnings


def _same_scans(names: Sequence[object]) -> list[str]:
    """A sentence for each scan that was given before; ``names``: what tells each from others."""
    firsts = [names.index(name) for name in names]
    return [
        f"Scan {place + 1} is the same as scan {first + 1}: nothing can have changed."
        for place, first in enumerate(firsts)
        if first != place
    ]


def _contradict(days: Sequence[int], taken: Sequence[Acquisition]) -> bool:
    """Whether ``days`` lie otherwise than the scans' dates, by more than a night; one date for all is a made-up one."""
    dated = [(day, when.date.toordinal()) for day, when in zip(days, taken, strict=True) if when.date is not None]
    shifts = [day - date for day, date in dated]
    return len({date for _, date in dated}) > 1 and max(shifts) - min(shifts) > 1


def _in_time(days: Sequence[int], taken: Sequence[Acquisition]) -> list[int]:
    """The places of the scans in the order of time; those of one day stay as given unless all their times are known."""
    untimed = {day for day, when in zip(days, taken, strict=True) if when.time is None}

    def moment(place: int) -> tuple[Any, ...]:
        day, when = days[place], taken[place]
        return (day,) if day in untimed else (day, when.date, when.time)

    return sorted(range(len(days)), key=moment)


def _check_scans(args: argparse.Namespace, progress: Progress) -> None:
    """Raise OutputError where an output is of other scans: before hours of work, for which each is read."""
    from ..report.result_file import read_result
    from ..system.checksums import check_scan
    from ..worker.parent import Worker

    there = [output for output in args.output if output.is_file() and output.stat().st_size]
    if args.overwrite or not there:
        return
    scans = []
    with Worker(None) as worker:
        for scan in args.scans:
            with as_typed(scan):
                if _is_result(scan):
                    scans.append(_scan_of(read_result(scan)))
                else:
                    scans.append(worker.read(scan.absolute(), progress).fingerprint)
    check_scan(there, *scans)


def _scan_of(record: ResultRecord) -> str:
    """What tells the scan of ``record`` from others; of an earlier version's results it is all that they say."""
    return record.scan_sha256 or hashlib.sha256(json.dumps(record.to_json()).encode()).hexdigest()


def _made_by(record: ResultRecord) -> str:
    model = record.model.name
    made = f"{record.software} with the network {model}" if model else "someone else (they were given)"
    return f"{made}, corrected by a reader" if record.edited_segments else made


def _shown(when: Acquisition, wanted: bool) -> str:
    return when.date.isoformat() if wanted and when.date is not None else ""


def _records(args: argparse.Namespace, console: Console, progress: Progress) -> tuple[list[ResultRecord], list[bytes]]:
    """The record of every scan: read, measured from its masks, or segmented now by one worker for all.

    And the picture of every scan (JPEG), b"" where it comes from numbers alone or no page is wanted.
    """
    from ..system.unfinished import unfinished_folder
    from ..worker.parent import Worker

    masks = args.masks or [None] * len(args.scans)
    with_page = any(output.suffix.lower() == ".html" for output in args.output)
    records, drawn = [], []
    worker = Worker(None if args.masks else pipeline_options(args))
    try:
        with unfinished_folder() if with_page else nullcontext() as place:
            for number, (scan, mask) in enumerate(zip(args.scans, masks, strict=True)):
                console.begin(f"[{number + 1}/{len(args.scans)}] {scan}")
                picture = place / f"{number}.jpg" if place else None
                with as_typed(scan, [mask] if mask else []):
                    records.append(_record(args, scan, mask, picture, worker, progress))
                drawn.append(picture.read_bytes() if picture and picture.is_file() else b"")
        return records, drawn
    except OSError as error:
        raise OutputError("The pictures could not be written.", "Is there space, and may you write there?") from error
    finally:
        worker.close()


def _is_result(scan: Path) -> bool:
    """Whether the numbers of ``scan`` are there already."""
    return scan.suffix.lower() == ".json" and scan.is_file()


def _record(
    args: argparse.Namespace,
    scan: Path,
    masks: Path | None,
    picture: Path | None,
    worker: Worker,
    progress: Progress,
) -> ResultRecord:
    from ..case import SegmentCase
    from ..report.report_jobs import MakeReport
    from ..report.request import ReportRequest
    from ..report.result_file import read_result

    if _is_result(scan):
        return read_result(scan)
    request = ReportRequest(picture=picture)
    if masks is None:
        return worker.run(SegmentCase(scan.absolute(), (), report=request), progress)
    job = MakeReport(scan.absolute(), masks.absolute(), request, another_scan=args.another_scan)
    return worker.run(job, progress)
