"""Cases of other calls: scans of other input folders whose results lie in this output folder as well.

A name is known again in any input folder: scans move, or are copied anew. Whether it is the same scan there is told by
its voxels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..progress import Cancelled, Progress
from ..reading import read_ct
from ..report.result_record import ResultRecord
from ..worker.parent import Worker
from .entry import BEGUN, DONE, FAILED, KEPT, Entry
from .input_state import place_of
from .manifest import Manifest
from .plan import PlannedCase

if TYPE_CHECKING:
    from ..worker.jobs import SegmentFunction


@dataclass(frozen=True)
class OtherCases:
    """Names of cases in the manifest that this call does not plan.

    ``listed``: of other input folders, with a result that is there, or failed; ``gone``: their results are there, and
    their scans are not in this call's input folder any more.
    """

    listed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()


def other_cases(cases: Sequence[PlannedCase], manifest: Manifest, folder: Path) -> OtherCases:
    """Those of ``manifest`` in ``folder`` besides ``cases`` (at least one). Raises OutputError."""
    planned, here = {case.stem for case in cases}, place_of(cases[0].origin)
    listed, gone = [], []
    for name, entry in manifest.entries.items():
        if name in planned or not (entry.status == FAILED or _result_there(name, manifest, folder)):
            continue
        if place_of(entry.origin) != here:
            listed.append(name)
        elif _result_there(name, manifest, folder):
            gone.append(name)
    return OtherCases(tuple(listed), tuple(gone))


def told_of(name: str, manifest: Manifest) -> tuple[Entry, ResultRecord | None]:
    """What is told of the case ``name``: its last line, or that of before where a call was killed since."""
    entry = manifest.entries[name]
    last = manifest.last_done(name) if entry.status == BEGUN else None
    return last or (entry, manifest.record(name))


def _result_there(name: str, manifest: Manifest, folder: Path) -> bool:
    last = manifest.last_done(name)
    return last is not None and (folder / last[0].result).is_file()


def is_elsewhere(case: PlannedCase, entry: Entry) -> bool:
    """Whether ``entry`` is of a scan in another input folder than that of ``case``, or may be: it does not say."""
    return place_of(case.origin) != place_of(entry.origin)


def scan_elsewhere(case: PlannedCase, manifest: Manifest) -> str:
    """The SHA-256 of the voxels of the scan whose result is there under the name of ``case``.

    "" where there is none, or it is of the same input folder (:func:`is_elsewhere`). Raises OutputError.
    """
    last = manifest.last_done(case.stem)
    if last is None or not is_elsewhere(case, last[0]) or not _result_there(case.stem, manifest, case.result.parent):
        return ""
    return last[1].scan_sha256 or ""


def same_scans(
    finished: Sequence[PlannedCase], manifest: Manifest, progress: Progress, tell: Callable[[int], None]
) -> list[PlannedCase]:
    """Those of ``finished`` cases that are done: where they were done in another input folder, by their voxels too.

    Their new place is noted, and that of cases of an earlier version, whose files look the same. ``tell`` hears how
    many are read. Raises OutputError or Cancelled.
    """
    for case in finished:
        if not place_of(manifest.entries[case.stem].origin):
            _note_place(case, manifest)
    asked = {case.stem: scan for case in finished if (scan := scan_elsewhere(case, manifest))}
    if not asked:
        return [*finished]
    tell(len(asked))
    same = []
    with Worker(None) as worker:
        for case in finished:
            if case.stem in asked:
                if _fingerprint(case, worker, progress) != asked[case.stem]:
                    continue
                _note_place(case, manifest)
            same.append(case)
    return same


def _note_place(case: PlannedCase, manifest: Manifest) -> None:
    entry, record = manifest.entries[case.stem], manifest.record(case.stem)
    assert entry.status in (DONE, KEPT)
    manifest.add(replace(entry, origin=case.origin), record)


def _fingerprint(case: PlannedCase, worker: Worker, progress: Progress) -> str:
    try:
        return worker.run(Fingerprint(case.source, case.files), progress)
    except Cancelled:
        raise
    except Exception:  # what is wrong with it is told when its turn comes
        return ""


@dataclass(frozen=True)
class Fingerprint:
    """A job: the SHA-256 of a scan's voxels.

    ``source``, ``files``: as :func:`CovidSegLib.reading.read_ct` takes them.
    """

    source: Path
    files: tuple[Path, ...]

    @property
    def sources(self) -> Sequence[Path]:
        """What is read."""
        return (self.source,)

    @property
    def folders(self) -> Sequence[Path]:
        """Nothing is written."""
        return ()

    def run(self, segment: SegmentFunction, progress: Progress) -> str:
        """Raises InputError when the scan cannot be read, or Cancelled."""
        progress.step("reading", 0, 1)
        return read_ct(self.source, progress, self.files).fingerprint

    def taken(self, answer: Any) -> str:
        """The number."""
        return str(answer)
