"""``index.html``: every scan of a batch at a glance, the most involved first.

One page without scripts and without anything from elsewhere; the pictures lie beside it in a folder of their own.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from urllib.parse import quote

from ..report.page import render
from ..report.thumbnails import HEIGHT, WIDTH
from ..segmentation import SEGMENTS
from ..system.checksums import OF_NOTHING
from ..words import in_ml, percent
from .entry import DONE, KEPT
from .plan import PICTURES_NAME, REPORTS_NAME, SUMMARY_NAME
from .summary import CHANGED_SINCE, Row

_NAMES = {segment.id: segment.name for segment in SEGMENTS}


def index_in(folder: Path, rows: Sequence[Row], total: int, identity: str) -> str:
    """The page for ``rows``, of ``total`` scans in all, whose batch ``identity`` is in ``folder``.

    Raises OutputError.
    """
    reports = {row.case for row in rows if (folder / REPORTS_NAME / f"{row.case}.html").is_file()}
    return index_page(rows, total, reports, identity)


def index_page(rows: Sequence[Row], total: int, reports: Collection[str] = (), identity: str = OF_NOTHING) -> str:
    """The page as HTML: done scans by % of lung infected, those without lung after them, then the failed ones.

    ``reports``: the cases that have a report page; ``identity``: the batch's.
    Raises OutputError when the Python package jinja2 is missing.
    """
    done = sorted((row for row in rows if row.status in (DONE, KEPT)), key=_by_involvement)
    failed = [row for row in rows if row.status not in (DONE, KEPT)]
    return render(
        "index.html",
        identity,
        done=done,
        failed=failed,
        counts=_counts(done, len(failed), total),
        kept=KEPT,
        changed_since=CHANGED_SINCE,
        table=SUMMARY_NAME,
        pictures=PICTURES_NAME,
        reports=reports,
        report_folder=REPORTS_NAME,
        width=WIDTH,
        height=HEIGHT,
        in_ml=in_ml,
        in_percent=percent,
        link=_link,
        corrected=_corrected,
        severity=_severity,
    )


def _by_involvement(row: Row) -> tuple[float, str]:
    return (-row.infection_percent if row.infection_percent is not None else 1.0, row.case)


def _counts(done: Sequence[Row], failed: int, total: int) -> str:
    kept = sum(row.status == KEPT for row in done)
    waiting = total - len(done) - failed
    counts = [f"{len(done) - kept} of {total} scans done"]
    counts += [f"{kept} kept as they were"] if kept else []
    counts += [f"{failed} failed"] if failed else []
    counts += [f"{waiting} to come"] if waiting else []
    return ", ".join(counts)


def _severity(row: Row) -> str:
    """The CT severity score in words, with its range where lobes are estimated; empty where there is none."""
    if row.lobe_score is not None:
        whose = f", lobes {row.lobes_are}" if row.lobes_are.startswith("estimated") else ""
        return f"CT severity {row.lobe_score:.0f} of 25{whose}"
    ends = (row.estimated_lobe_score, row.estimated_lobe_score_low, row.estimated_lobe_score_high)
    if None in ends:
        return ""
    score = "CT severity {:.0f} ({:.0f} to {:.0f}) of 25".format(*ends)
    return f"{score}, lobes {row.lobes_are or 'estimated'}"


def _corrected(row: Row) -> str:
    """The segments that a reader corrected, by their names."""
    return " and ".join(_NAMES.get(one, one) for one in row.edited_segments.split(" and "))


def _link(name: str) -> str:
    """A file name in a link. It may hold bytes that are no UTF-8; a link names bytes, so they stay what they are."""
    return quote(os.fsencode(name))
