"""Which cases an earlier run has done, and which results are the batch's own work, to be replaced without asking."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..segfiles import is_as_written
from ..system.file_states import kept_state
from .entry import BEGUN, DONE, KEPT, Entry
from .plan import SAFE_SUFFIX, PlannedCase


def still_done(case: PlannedCase, entry: Entry | None, model: str) -> bool:
    """Whether ``entry`` of the manifest says that ``case`` is done: same input, same ``model``, result still there.

    One whose result was not replaced last time ("kept") is done as well, until a call says what shall become of it.
    """
    told_what_to_do = case.existing.keep_edits or case.existing.overwrite
    return (
        entry is not None
        and entry.status in ((DONE,) if told_what_to_do else (DONE, KEPT))
        and (entry.result, entry.input_state, entry.model) == (case.result.name, case.input_state, model)
        and case.result.is_file()
        and (case.report is None or case.report.is_file())
    )


def own_result(case: PlannedCase, entry: Entry | None) -> bool:
    """Whether what lies at the case's result is this batch's own work and may be replaced; also where nothing does.

    So it is where the file is still as any run wrote it; and where an earlier run that was killed had begun it, and the
    file tells that its voxels are as CovidSeg wrote them (:func:`.segfiles.is_as_written`).
    """
    if not case.result.exists():
        return True
    if entry is None:
        return False
    return entry.states.get(case.result.name) == kept_state(case.result) or (
        entry.status == BEGUN and is_as_written(case.result)
    )


def tells_by_itself(case: PlannedCase) -> bool:
    """Whether the case's result is of a kind that says what a reader changed in it."""
    return case.result.name.endswith(SAFE_SUFFIX)


def settled(case: PlannedCase, entry: Entry | None, of_scan: str = "") -> PlannedCase:
    """``case`` with leave to replace what the batch itself made, while it is as it was written.

    Hours may pass until its turn, and a reader may come first: what is overwritten is what is there now.
    ``of_scan``: see :class:`.segfiles.ExistingFiles`.
    """
    files = filter(None, (case.result, case.picture, case.report))
    existing = case.existing.beginning([*files])
    case = replace(case, existing=replace(existing, may_repeat=True, own_folder=True, of_scan=of_scan))
    if not own_result(case, entry):
        return case
    return replace(case, existing=replace(case.existing, own_state=dict(case.existing.begun)[case.result]))


def begun(case: PlannedCase, entry: Entry | None) -> Entry | None:
    """What :meth:`Manifest.begin` must note of ``case``, so that a result that appears from now on is the batch's own.

    None where it need not, or must not: what is there stays a reader's.
    """
    state, own = kept_state(case.result), own_result(case, entry)
    if tells_by_itself(case) or not (case.existing.overwrite or (own and not case.existing.of_scan)):
        return None
    return Entry(case.stem, BEGUN, result=case.result.name, state=state if own else "", origin=case.origin)


def state_to_keep(case: PlannedCase) -> str:
    """The state of a result that was just written, "" where a reader's voxels may be in it: it is not ours alone."""
    may_hold_edits = case.existing.keep_edits and tells_by_itself(case)
    return "" if may_hold_edits else kept_state(case.result)


def changed_since(folder: Path, entry: Entry) -> bool:
    """Whether somebody changed the result in ``folder`` that ``entry`` tells of since it was written."""
    return entry.written not in ("", kept_state(folder / entry.result))
