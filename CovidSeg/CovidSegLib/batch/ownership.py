"""Which cases an earlier run has done, and which results are the batch's own work, to be replaced without asking."""

from __future__ import annotations

import os
from dataclasses import replace

from ..system.file_states import file_state
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
        and (entry.result, entry.fingerprint, entry.model) == (case.result.name, case.fingerprint, model)
        and case.result.is_file()
        and (case.report is None or case.report.is_file())
    )


def own_result(case: PlannedCase, entry: Entry | None) -> bool:
    """Whether what lies at the case's result is this batch's own work and may be replaced; also where nothing does.

    So it is where the file is still as any run wrote it; and, but for a ``.seg.nrrd``, which tells by itself what a
    reader did to it, where an earlier run that was killed wrote it and could not enter it any more.
    """
    if not case.result.exists():
        return True
    if entry is None:
        return False
    return entry.states.get(case.result.name) == file_state(case.result) or (
        entry.status == BEGUN and not tells_by_itself(case) and _appeared_with_its_picture(case, entry)
    )


def tells_by_itself(case: PlannedCase) -> bool:
    """Whether the case's result is of a kind that says what a reader changed in it."""
    return case.result.name.endswith(SAFE_SUFFIX)


def _appeared_with_its_picture(case: PlannedCase, begun: Entry) -> bool:
    """Whether the result was made since the run that ``begun`` tells of, and nobody put another in its place after it.

    Its picture is drawn right after it and moved to its place after it. A reader's copy may keep its own, older time;
    when it was put there, the second of the two times of a file says (not on Windows).
    """
    try:
        result, picture = case.result.stat(), case.picture.stat()
    except OSError:
        return False
    in_place = os.name == "nt" or result.st_ctime_ns <= picture.st_ctime_ns
    return begun.since <= result.st_mtime_ns <= picture.st_mtime_ns and in_place


def settled(case: PlannedCase, entry: Entry | None) -> PlannedCase:
    """``case`` with leave to replace what the batch itself made, while it is as it was written.

    Hours may pass until its turn, and a reader may come first.
    """
    if not own_result(case, entry):
        return case
    return replace(case, existing=replace(case.existing, own_state=file_state(case.result)))


def begun(case: PlannedCase, entry: Entry | None) -> Entry | None:
    """What :meth:`Manifest.begin` must note of ``case``, so that a result that appears from now on is the batch's own.

    None where it need not, or must not: what is there stays a reader's.
    """
    own = own_result(case, entry)
    if tells_by_itself(case) or not (case.existing.overwrite or own):
        return None
    state = file_state(case.result) if own else ""
    return Entry(case.stem, BEGUN, result=case.result.name, state=state, origin=case.origin)


def state_to_keep(case: PlannedCase) -> str:
    """The state of a result that was just written, "" where a reader's voxels may be in it: it is not ours alone."""
    may_hold_edits = case.existing.keep_edits and tells_by_itself(case)
    return "" if may_hold_edits else file_state(case.result)


def changed_since(case: PlannedCase, entry: Entry) -> bool:
    """Whether somebody changed the result that ``entry`` of the manifest tells of since it was written."""
    return entry.written not in ("", file_state(case.result.with_name(entry.result)))
