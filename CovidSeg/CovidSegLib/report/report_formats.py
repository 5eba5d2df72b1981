"""Reports for files: the ending decides the form."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from ..errors import OutputError
from ..geometry.volume import CtVolume
from ..i18n import tr as _
from ..progress import Progress
from ..segmentation import Segmentation
from .content import ReportContent, to_csv, to_record
from .page import render_page
from .page_pictures import Picture, lobe_pictures, page_pictures
from .result_record import json_text

SUFFIXES = (".html", ".json", ".csv")
"""A page for people, a record for programs, a table for spreadsheets."""


_OURS = re.compile(
    rb"""(\xef\xbb\xbf)?\s*(\{(?!"covidseg_manifest").*"schema":\s*"covidseg-
    | \{\s*"cases":\s*\[\s*(\]|\{\s*"case":.*"status":) | <!DOCTYPE\ html>.*<title>CovidSeg
    | "?measure"?[,;\t]"?region"?[,;\t]"?value | "?day"?[,;\t]"?lung_ml | $)""",
    re.DOTALL | re.VERBOSE,
)
"""How our JSON records (of a scan or follow-up; of a batch), pages and tables begin; an empty file may be ours too.
So do those that another program saved anew.

A batch's manifest is none of them, though its lines hold records: without it the batch knows nothing of its results."""

_HEAD_BYTES = 4096


def is_report(path: Path) -> bool:
    """Whether the file is empty, or one of the numbers and reports that CovidSeg writes, by its head."""
    if not path.is_file():  # a pipe would block whoever opens it
        return False
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return False
    return _OURS.match(head) is not None


def check_report(path: Path) -> None:
    """Raise OutputError unless ``path`` has one of :data:`SUFFIXES` and its form can be made here."""
    if not path.name.lower().endswith(SUFFIXES):
        raise OutputError(_("A report ends in .html, .json or .csv."), _("Give the file such an ending."))
    if path.name.lower().endswith(".html"):
        try:
            import jinja2  # noqa: F401
        except ImportError as error:
            raise OutputError(
                _("Reports need the Python package jinja2."), _("Install it (pip install jinja2).")
            ) from error


def report_text(
    content: ReportContent,
    volume: CtVolume,
    segmentation: Segmentation,
    suffix: str,
    progress: Progress,
    draw: Callable[[CtVolume, Segmentation, Progress], tuple[Mapping[str, Picture], str]] = page_pictures,
) -> str:
    """The report in the form of ``suffix``, one of :data:`SUFFIXES`. Raises Cancelled.

    ``draw`` makes the pictures of a page, and says in a sentence if one had to be left out.
    """
    if suffix.lower() == ".json":
        return json_text(to_record(content).to_json(), content.identity)
    if suffix.lower() == ".csv":
        return to_csv(content)
    pictures, note = draw(volume, segmentation, progress)
    if note:
        progress.notice("report", note)
    # Lobes that were changed since they were estimated are not those of the picture.
    lobes = lobe_pictures(volume, segmentation) if content.measured.lobes_are == "estimated" else {}
    return render_page(content, pictures, lobes.get("lobes"))
