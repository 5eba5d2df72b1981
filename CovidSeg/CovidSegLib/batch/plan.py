"""What a batch will do: its cases, and which of them an earlier run has already done."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import InputError, OutputError
from ..progress import Progress
from ..reading import find_cases
from ..writing import NOTHING_LOST, ExistingFiles, file_state
from .fingerprint import fingerprint, origin_of

SUMMARY_NAME, MANIFEST_NAME, INDEX_NAME, PICTURES_NAME = "summary.csv", "manifest.jsonl", "index.html", "pictures"
"""What lies in the output folder besides the results."""

SAFE_SUFFIX = ".seg.nrrd"
"""Files with this ending never count as scans."""


@dataclass(frozen=True)
class PlannedCase:
    """A scan (``source``: file or DICOM folder) and where its ``result`` and ``picture`` go; all are called ``stem``.

    ``files``: the DICOM files of its study where the folder holds others too; ``fingerprint``: changes when the input
    does (names, sizes and times of its files); ``origin``: where it lies, see
    :func:`CovidSegLib.batch.fingerprint.origin_of`. ``existing``: what may be done with a result that is there.
    """

    stem: str
    source: Path
    result: Path
    picture: Path
    files: tuple[Path, ...] = ()
    fingerprint: str = ""
    origin: tuple[str, ...] = ()
    existing: ExistingFiles = NOTHING_LOST

    def called(self, stem: str) -> PlannedCase:
        """The same scan under another name."""
        suffix = self.result.name[len(self.stem) :]
        result, picture = self.result.with_name(f"{stem}{suffix}"), self.picture.with_name(f"{stem}.jpg")
        return replace(self, stem=stem, result=result, picture=picture)


def plan_cases(
    input_folder: Path,
    output_folder: Path,
    suffix: str,
    progress: Progress | None = None,
    existing: ExistingFiles = NOTHING_LOST,
) -> list[PlannedCase]:
    """Every scan in ``input_folder`` with its result ``<stem><suffix>`` in ``output_folder``, as in a first run.

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
    return [
        PlannedCase(
            stem=found.stem,
            source=found.path,
            result=output_folder / f"{found.stem}{suffix}",
            picture=output_folder / PICTURES_NAME / f"{found.stem}.jpg",
            files=found.files,
            fingerprint=fingerprint(found.path, found.files),
            origin=origin_of(found, input_folder),
            existing=existing,
        )
        for found in find_cases(input_folder, progress)
    ]


def is_own_file(path: Path, output_folder: Path, cases: Sequence[PlannedCase]) -> bool:
    """Whether a batch of ``cases`` in ``output_folder`` writes ``path`` itself, as a result, a picture or its books."""
    books = [output_folder / name for name in (SUMMARY_NAME, MANIFEST_NAME, INDEX_NAME)]
    own = [*books, *(file for case in cases for file in (case.result, case.picture))]
    wanted = path.resolve()
    folders = {folder.resolve() for folder in (output_folder, output_folder / PICTURES_NAME)}
    # Letter case does not count on every disk.
    if wanted.parent in folders and wanted.name.casefold() in {file.name.casefold() for file in own}:
        return True
    return path.exists() and any(file.exists() and file.samefile(path) for file in own)


def still_done(case: PlannedCase, entry: Mapping[str, Any] | None, model: str) -> bool:
    """Whether ``entry`` of the manifest says that ``case`` is done: same input, same ``model``, result still there.

    One whose result was not replaced last time ("kept") is done as well, until a call says what shall become of it.
    """
    told_what_to_do = case.existing.keep_edits or case.existing.overwrite
    return (
        entry is not None
        and entry["status"] in (("done",) if told_what_to_do else ("done", "kept"))
        and (entry["result"], entry["fingerprint"], entry["model"]) == (case.result.name, case.fingerprint, model)
        and case.result.is_file()
    )


def own_result(case: PlannedCase, entry: Mapping[str, Any] | None) -> bool:
    """Whether what lies at the case's result is this batch's own work and may be replaced; also where nothing does.

    So it is where the file is still as any run wrote it; and, but for a ``.seg.nrrd``, which tells by itself what a
    reader did to it, where an earlier run that was killed wrote it and could not enter it any more.
    """
    if not case.result.exists():
        return True
    if entry is None:
        return False
    return entry.get("states", {}).get(case.result.name) == file_state(case.result) or (
        entry["status"] == "begun" and not tells_by_itself(case) and _appeared_with_its_picture(case, entry)
    )


def tells_by_itself(case: PlannedCase) -> bool:
    """Whether the case's result is of a kind that says what a reader changed in it."""
    return case.result.name.endswith(SAFE_SUFFIX)


def _appeared_with_its_picture(case: PlannedCase, begun: Mapping[str, Any]) -> bool:
    """Whether the result was made since the run that ``begun`` tells of, and nobody put another in its place after it.

    Its picture is drawn right after it and moved to its place after it. A reader's copy may keep its own, older time;
    when it was put there, the second of the two times of a file says (not on Windows).
    """
    try:
        result, picture = case.result.stat(), case.picture.stat()
    except OSError:
        return False
    in_place = os.name == "nt" or result.st_ctime_ns <= picture.st_ctime_ns
    return begun.get("since", 0) <= result.st_mtime_ns <= picture.st_mtime_ns and in_place


def settled(case: PlannedCase, entry: Mapping[str, Any] | None) -> PlannedCase:
    """``case`` with leave to replace what the batch itself made, while it is as it was written.

    Hours may pass until its turn, and a reader may come first.
    """
    if not own_result(case, entry):
        return case
    return replace(case, existing=replace(case.existing, own_state=file_state(case.result)))


def begun(case: PlannedCase, entry: Mapping[str, Any] | None) -> tuple[str, str, str, tuple[str, ...]] | None:
    """What :meth:`Manifest.begin` must note of ``case``, so that a result that appears from now on is the batch's own.

    None where it need not, or must not: what is there stays a reader's.
    """
    own = own_result(case, entry)
    if tells_by_itself(case) or not (case.existing.overwrite or own):
        return None
    return case.stem, case.result.name, file_state(case.result) if own else "", case.origin


def state_to_keep(case: PlannedCase) -> str:
    """The state of a result that was just written, "" where a reader's voxels may be in it: it is not ours alone."""
    may_hold_edits = case.existing.keep_edits and tells_by_itself(case)
    return "" if may_hold_edits else file_state(case.result)


def changed_since(case: PlannedCase, entry: Mapping[str, Any]) -> bool:
    """Whether somebody changed the result that ``entry`` of the manifest tells of since it was written."""
    return entry.get("written", "") not in ("", file_state(case.result.with_name(entry["result"])))


def model_identity(name: str) -> str:
    """A number for all that makes the masks of the network ``name``: weights, thresholds, and whether it looks twice.

    The name itself where there is none (opening it will say so).
    """
    from ..errors import ModelError
    from ..network import models

    with suppress(ModelError):
        model = models.find(name)
        finishing = json.dumps([model.card.get("finish", {}), model.looks_twice], sort_keys=True)
        return hashlib.sha256(f"{model.sha256} {finishing}".encode()).hexdigest()
    return name


def make_output_folder(folder: Path) -> None:
    """Make ``folder``, those above it and the one for pictures unless they are there. Raises OutputError."""
    try:
        (folder / PICTURES_NAME).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError("The output folder cannot be made.", "Choose a folder that you may write to.") from error
