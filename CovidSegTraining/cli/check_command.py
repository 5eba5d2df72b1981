"""``covidseg-train check``: what a data set holds, before anything runs."""

from __future__ import annotations

import argparse
import dataclasses
from contextlib import suppress
from pathlib import Path

from CovidSegLib.errors import InputError


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add this file's subcommands."""
    check = commands.add_parser("check", help="show what a data set holds, what is refused and why")
    check.add_argument("data", type=Path, help="folder of scans and labels, in any of the layouts of the README")
    check.add_argument("--json", type=Path, metavar="FILE", help="write the findings as JSON too")
    check.set_defaults(run_command=_check)
    pictures = commands.add_parser("pictures", help="make cases of single pictures, with folds of their own")
    pictures.add_argument("pictures", type=Path, help="folder with images/ (JPEG) and infection/ (PNG masks)")
    pictures.add_argument("--to", type=Path, required=True, help="folder for the cases")
    pictures.set_defaults(run_command=_pictures)


def _pictures(args: argparse.Namespace) -> None:
    from ..data.pictures import write_cases
    from ..fit.run_folder import check_folder

    check_folder(args.to)
    print(f"{write_cases(args.pictures, args.to)} pictures are cases now; next: fit or crossval --also-by-fold.")


def _check(args: argparse.Namespace) -> int:
    from ..data.cases import look, with_folds
    from ..data.check import check, report_table
    from ..fit.run_folder import check_place, write_json
    from ..needs import check_packages
    from ..progress_log import telling

    state = check_place(args.json)
    check_packages(("indexed_gzip",))
    data = look(args.data)
    with suppress(InputError):  # fewer patients than folds: then there are none
        data = dataclasses.replace(data, cases=tuple(with_folds(data.cases)))
    reports = check(data, telling(at_once=False))
    if args.json:
        write_json(
            args.json, {"layout": data.layout, "cases": [dataclasses.asdict(report) for report in reports]}, state
        )
    print(f"Read as: {data.layout}\n")
    print(report_table(reports))
    return 2 if any(report.problems for report in reports) else 0


def folder_and_names(text: str) -> tuple[Path, tuple[str, ...]]:
    """``FOLDER`` or ``FOLDER:CASE,CASE`` in parts."""
    if Path(text).is_dir():  # a Windows path has a colon of its own
        return Path(text), ()
    folder, _, names = text.rpartition(":") if ":" in text else (text, "", "")
    return Path(folder), tuple(name for name in names.split(",") if name)
