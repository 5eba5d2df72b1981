"""What a batch will do: its cases, and where what they give goes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import InputError, OutputError
from ..progress import Progress
from ..reading import find_cases
from ..segfiles import NOTHING_LOST, ExistingFiles
from .input_state import input_state, origin_of
from .manifest import is_manifest

SUMMARY_NAME, MANIFEST_NAME, INDEX_NAME, PICTURES_NAME = "summary.csv", "manifest.jsonl", "index.html", "pictures"
REPORTS_NAME = "reports"
"""What lies in the output folder besides the results."""

SAFE_SUFFIX = ".seg.nrrd"
"""Files with this ending never count as scans."""


@dataclass(frozen=True)
class PlannedCase:
    """A scan (``source``: file or DICOM folder) and where its ``result`` and ``picture`` go; all are called ``stem``.

    ``prefix``: what every name that it may get begins with.
    ``files``: the DICOM files of its study where the folder holds others too; ``input_state``: changes when the input
    does (names, sizes and times of its files); ``origin``: where it lies, see
    :func:`CovidSegLib.batch.input_state.origin_of`. ``existing``: what may be done with a result that is there.
    ``report``: where a report page goes, if one is wanted.
    """

    stem: str
    source: Path
    result: Path
    picture: Path
    prefix: str = ""
    files: tuple[Path, ...] = ()
    input_state: str = ""
    origin: tuple[str, ...] = ()
    existing: ExistingFiles = NOTHING_LOST
    report: Path | None = None

    def with_report(self) -> PlannedCase:
        """The same with a report page, in a folder beside the result."""
        return replace(self, report=self.result.parent / REPORTS_NAME / f"{self.stem}.html")

    @property
    def suffix(self) -> str:
        """The ending of the result."""
        return self.result.name[len(self.stem) :]

    def called(self, stem: str) -> PlannedCase:
        """The same scan under another name."""
        result, picture = self.result.with_name(f"{stem}{self.suffix}"), self.picture.with_name(f"{stem}.jpg")
        report = self.report and self.report.with_name(f"{stem}.html")
        return replace(self, stem=stem, result=result, picture=picture, report=report)


def plan_cases(
    input_folder: Path,
    output_folder: Path,
    suffix: str,
    progress: Progress | None = None,
    existing: ExistingFiles = NOTHING_LOST,
) -> list[PlannedCase]:
    """Every scan in ``input_folder`` with its result ``<stem><suffix>`` in ``output_folder``, as in a first run.

    Results of this and other batches below ``input_folder`` are no scans.
    The names that earlier runs gave: :func:`CovidSegLib.batch.names.keep_names`.
    Raises InputError when there is no scan, and when results would lie among the scans and be taken for scans the next
    time (a ``.seg.nrrd`` never is); Cancelled.
    """
    # What a cluster's machines get must not depend on the folder that this process stands in.
    input_folder, output_folder = input_folder.absolute(), output_folder.absolute()
    if suffix != SAFE_SUFFIX and output_folder.resolve() == input_folder.resolve():
        raise InputError(
            "Results of this format would lie among the scans and look like them.",
            f"Choose another output folder, or the format {SAFE_SUFFIX[1:]}.",
        )
    real_output = output_folder.resolve()

    def is_results(folder: Path) -> bool:
        return folder.resolve() == real_output or is_manifest(folder / MANIFEST_NAME)

    return [
        PlannedCase(
            stem=found.stem,
            source=found.path,
            result=output_folder / f"{found.stem}{suffix}",
            picture=output_folder / PICTURES_NAME / f"{found.stem}.jpg",
            prefix=found.prefix,
            files=found.files,
            input_state=input_state(found.path, found.files),
            origin=origin_of(found, input_folder),
            existing=existing,
        )
        for found in find_cases(input_folder, progress, is_results)
    ]


def refuse_own_file(path: Path, output_folder: Path, cases: Sequence[PlannedCase]) -> None:
    """Raise OutputError where a batch of ``cases`` writes ``path`` itself, as a result, a picture or its books."""
    books = [output_folder / name for name in (SUMMARY_NAME, MANIFEST_NAME, INDEX_NAME)]
    own = [*books, *(file for case in cases for file in (case.result, case.picture, case.report) if file)]
    wanted = path.resolve()
    inner = (output_folder / PICTURES_NAME, output_folder / REPORTS_NAME)
    folders = {folder.resolve() for folder in (output_folder, *inner)}
    # Letter case does not count on every disk.
    named_so = wanted.parent in folders and wanted.name.casefold() in {file.name.casefold() for file in own}
    if named_so or (path.exists() and any(file.exists() and file.samefile(path) for file in own)):
        raise OutputError("The file for the numbers is one that the batch itself writes.", "Choose another name.")


def model_identity(name: str) -> str:
    """A number for all that makes the masks of the network ``name``: weights, thresholds, and what it looks at.

    The name itself where there is none (opening it will say so).
    """
    from ..errors import ModelError
    from ..network import models
    from ..network.answers import MEANINGS
    from ..network.input_form import SHIPPED_INPUTS
    from ..system.typed_json import write_typed

    with suppress(ModelError):
        model = models.find(name)
        about = model.about
        made = [about.finish, about.inputs.second_look is not None]
        # Results of earlier versions, which knew no other inputs, are still done.
        if replace(about.inputs, second_look=None) != SHIPPED_INPUTS or about.meanings != MEANINGS:
            made += [write_typed(about.inputs), about.meanings]
        finishing = json.dumps(made, sort_keys=True)
        return hashlib.sha256(f"{model.sha256} {finishing}".encode()).hexdigest()
    return name


def make_output_folder(folder: Path, *, reports: bool = False) -> None:
    """Make ``folder``, those above it and those for pictures and ``reports`` unless they are there.

    Raises OutputError.
    """
    try:
        if reports:
            (folder / REPORTS_NAME).mkdir(parents=True, exist_ok=True)
        (folder / PICTURES_NAME).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError("The output folder cannot be made.", "Choose a folder that you may write to.") from error
