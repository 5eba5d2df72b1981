"""``index.html``: every scan of a batch at a glance, the most involved first.

One page without scripts and without anything from elsewhere; the pictures lie beside it in a folder of their own.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

from ..report.thumbnails import HEIGHT, WIDTH
from ..segmentation import SEGMENTS
from ..words import in_ml, percent
from ..writing import replace_text
from .entry import DONE, KEPT
from .plan import PICTURES_NAME, SUMMARY_NAME
from .summary import CHANGED_SINCE, Row

_NAMES = {segment.id: segment.name for segment in SEGMENTS}

_STYLE = f"""
:root {{ color-scheme: light dark; --line: #8884; --soft: #8882; --hot: #d9482b; }}
* {{ box-sizing: border-box; }}
body {{ font: 15px/1.45 system-ui, "DejaVu Sans", sans-serif; margin: 0 auto; padding: 1.5rem; max-width: 1280px; }}
h1 {{ font-size: 1.5rem; margin: 0; }} h2 {{ font-size: 1.1rem; margin: 2rem 0 .7rem; }}
p.about {{ margin: .3rem 0 1.2rem; }}
ol, ul {{ list-style: none; margin: 0; padding: 0; }}
ol {{ display: grid; grid-template-columns: repeat(auto-fill, minmax({WIDTH}px, 1fr)); gap: 1rem; }}
li.scan {{ border: 1px solid var(--line); border-radius: 8px; overflow: hidden; }}
li.scan img {{ display: block; width: 100%; height: auto; background: #000; }}
li.scan .text {{ padding: .6rem .75rem .75rem; }}
.name {{ font-weight: 600; overflow-wrap: anywhere; }} .percent {{ font-size: 1.35rem; }}
.bar {{ height: 6px; border-radius: 3px; background: var(--soft); margin: .3rem 0 .45rem; }}
.bar i {{ display: block; height: 100%; border-radius: 3px; background: var(--hot); }}
small {{ display: block; opacity: .8; overflow-wrap: anywhere; }} details {{ margin-top: .35rem; }}
ul li {{ border-left: 4px solid var(--hot); padding: .35rem .75rem; margin-bottom: .5rem; background: var(--soft); }}
footer {{ margin-top: 2rem; border-top: 1px solid var(--line); padding-top: .7rem; }}
@media print {{ li.scan {{ break-inside: avoid; }} }}
"""


def write_index(path: Path, rows: Sequence[Row], total: int) -> None:
    """Write the page for ``rows``, of ``total`` scans in all. Raises OutputError; then the old page is there."""
    replace_text(index_page(rows, total), path)


def index_page(rows: Sequence[Row], total: int) -> str:
    """The page as HTML: done scans by % of lung infected, those without lung after them, then the failed ones."""
    done = sorted((row for row in rows if row.status in (DONE, KEPT)), key=_by_involvement)
    failed = [row for row in rows if row.status not in (DONE, KEPT)]
    kept = sum(row.status == KEPT for row in done)
    parts = [_heading(len(done) - kept, kept, len(failed), total)]
    if done:
        parts.append("<ol>" + "".join(map(_scan, done)) + "</ol>")
    if failed:
        parts.append(f"<h2>Not done ({len(failed)})</h2><ul>" + "".join(map(_failed, failed)) + "</ul>")
    parts.append(
        "<footer><small>Research use; not a medical device. Infection counts as lung, in every mL and %. "
        "Found by a network and not checked by a reader unless said otherwise.</small></footer>"
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>CovidSeg batch</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        # Nothing may be loaded but the pictures, whatever a file is called.
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src 'self' file:; "
        "style-src 'unsafe-inline'\">"
        f"<style>{_STYLE}</style></head><body>" + "\n".join(parts) + "</body></html>\n"
    )


def _by_involvement(row: Row) -> tuple[float, str]:
    return (-row.infection_percent if row.infection_percent is not None else 1.0, row.case)


def _heading(done: int, kept: int, failed: int, total: int) -> str:
    waiting = total - done - kept - failed
    counts = [f"{done} of {total} scans done"]
    counts += [f"{kept} kept as they were"] if kept else []
    counts += [f"{failed} failed"] if failed else []
    counts += [f"{waiting} to come"] if waiting else []
    return (
        f'<h1>Lungs and COVID-19 infection</h1><p class="about">{", ".join(counts)}; the most involved first. '
        f'The table: <a href="{SUMMARY_NAME}">{SUMMARY_NAME}</a></p>'
    )


def _scan(row: Row) -> str:
    name = escape(row.case)
    share = row.infection_percent
    words = "No lung found" if share is None else f"{escape(percent(share))} % of lung"
    bar = "" if share is None else f'<div class="bar"><i style="width:{min(share, 100):.1f}%"></i></div>'
    numbers = escape(f"infection {in_ml(row.infection_ml or 0)} of {in_ml(row.lung_ml or 0)} lung")
    corrected = f"<small>Corrected by a reader: {escape(_kept(row))}</small>" if row.edited_segments else ""
    return (
        f'<li class="scan"><a href="{_link(row.result)}"><img loading="lazy" width="{WIDTH}" height="{HEIGHT}" '
        f'alt="Axial slice of {name}" src="{PICTURES_NAME}/{_link(row.case)}.jpg"></a><div class="text">'
        f'<div class="name">{name}</div><div class="percent">{words}</div>{bar}<small>{numbers}</small>'
        f"<small>{escape(row.source)}</small>{corrected}{_message(row)}</div></li>"
    )


def _kept(row: Row) -> str:
    names = " and ".join(_NAMES.get(one, one) for one in row.edited_segments.split(" and "))
    return f"{names}; {in_ml(row.kept_edits_ml or 0)} kept"


def _message(row: Row) -> str:
    """The warnings, to be opened; open where they say that the result is not, or not only, the network's of now."""
    if not row.message:
        return ""
    kept = row.status == KEPT
    state = " open" if kept or CHANGED_SINCE in row.message else ""
    title = "Kept as it was" if kept else "Warnings"
    return f"<details{state}><summary>{title}</summary><small>{escape(row.message)}</small></details>"


def _link(name: str) -> str:
    """A file name in a link. It may hold bytes that are no UTF-8; a link names bytes, so they stay what they are."""
    return quote(os.fsencode(name))


def _failed(row: Row) -> str:
    return f'<li><span class="name">{escape(row.case)}</span><small>{escape(row.message)}</small></li>'
