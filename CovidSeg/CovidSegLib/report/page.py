"""The report as one HTML page that needs nothing but itself, on a screen and on a sheet of A4."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from .. import words
from ..errors import OutputError
from ..i18n import Text
from ..measures.lesions import COUNTED_ML
from ..measures.quantities import further
from ..measures.table import further_rows
from ..measures.values import Zone
from ..system.checksums import completed, mark_of
from ..system.resource_files import resource
from ..visible import visible
from .content import ReportContent, checks
from .followup import BREATHING_SHARE, NOISE_ML, NOISE_SHARE, FollowUp
from .page_pictures import Picture
from .plot import make_plot

ZONE_COLORS = ("#eef1f4", "#fde5d8", "#f7b596", "#ec7a57", "#c23b22")
"""Fill of a zone by its score; with the number in it, so that it can be read without colour too."""

_MANY_LESIONS = 6
_NONE = "\u2013"
"""What stands where there is no value."""

_NARROW, _LESS = "\u202f", "<\u2009"
"""Spaces at which no line ends."""


def render_page(content: ReportContent, pictures: Mapping[str, Picture], lobes: Picture | None = None) -> str:
    """The page with ``pictures`` (by name, in this order) and that of the estimated ``lobes``.

    It loads nothing and runs no script.

    Raises OutputError when the Python package jinja2 is missing.
    """
    return render(
        "report.html",
        content.identity,
        content=content,
        measured=content.measured,
        pictures=pictures,
        lobes=lobes,
        checks=checks(content),
        further=further_rows(content.measured),
        zones={(zone.side, zone.level): zone for zone in content.measured.zones},
        zone_colors=ZONE_COLORS,
        many=_MANY_LESIONS,
        counted_ml=f"{COUNTED_ML:g}",
    )


def render_follow_up(found: FollowUp, software: Sequence[str] = (), pictures: Sequence[Picture | None] = ()) -> str:
    """The page of a follow-up.

    ``software``: programs and networks that made the masks, each once; ``pictures``: of the scans in their order, None
    where there is none.
    """
    points = found.points
    days = [point.day for point in points]
    plots = (
        make_plot("Infected share, %", "#c23b22", days, [point.infection_percent for point in points], 1),
        make_plot("Infection, mL", "#a8561f", days, [point.infection_ml for point in points]),
        make_plot("Lung volume, mL", "#2f76b8", days, [point.lung_ml for point in points]),
    )
    made = f"Masks by {', '.join(software)}." if software else ""
    return render(
        "followup.html",
        found.identity,
        found=found,
        further=[(one, [(point.more or {}).get(name) for point in points]) for name, one in further("point").items()],
        plots=plots,
        breathing=BREATHING_SHARE,
        noise_ml=NOISE_ML,
        noise_share=NOISE_SHARE,
        software=made,
        pictures=[picture for picture in pictures if picture is not None],
    )


def render(template: str, identity: str, **values: Any) -> str:
    """Fill ``template`` of Resources/Report, with a checksum in its head. Raises OutputError when jinja2 is missing.

    ``identity``: of what it is of (:func:`CovidSegLib.system.checksums.identity_of`).
    """
    try:
        import jinja2
    except ImportError as error:
        raise OutputError("Reports need the Python package jinja2.", "Install it (pip install jinja2).") from error
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(resource(f"Report/{template}").parent),
        autoescape=True,
        finalize=_finalized,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (ml, percent, number, signed, with_unit)
    environment.filters.update({one.__name__: one for one in filters}, data_url=_data_url)
    environment.globals.update(zone_text=_zone_text)
    return completed(environment.get_template(template).render(**values, checksum=mark_of(identity)))


def _finalized(value: Any) -> Any:
    """What a template puts into the page, whoever wrote it: nothing in it acts on the page or on who reads it."""
    return visible(value, keep="\n") if type(value) is str or isinstance(value, Text) else value


def ml(value: float | None) -> str:
    """A volume, with a narrow space between thousands."""
    return _NONE if value is None else words.ml(value, _NARROW).replace("< ", _LESS)


def percent(value: float | None) -> str:
    """A share in percent."""
    return _NONE if value is None else words.percent(value).replace("< ", _LESS)


def with_unit(value: float | None, unit: str) -> str:
    """A number of any ``unit``, which stands behind it."""
    if value is None:
        return _NONE
    known = {"mL": ml, "%": percent}
    text = known[unit](value) if unit in known else f"{float(f'{value:.4g}'):,.10g}".replace(",", _NARROW)
    return f"{text} {'' if unit == 'count' else unit}".replace("-", "\u2212").rstrip()


def number(value: float | None) -> str:
    """A whole number with a true minus sign."""
    return _NONE if value is None else f"{value:.0f}".replace("-", "\u2212")


def signed(value: float | None, digits: int = 1) -> str:
    """A change, with its sign."""
    if value is None:
        return _NONE
    text = f"{value:+,.{digits}f}".replace("-", "\u2212").replace(",", _NARROW)
    return text if float(f"{value:.{digits}f}") else f"{0:.{digits}f}"


def _zone_text(zone: Zone) -> str:
    return "no lung" if zone.infection_percent is None else f"{percent(zone.infection_percent)} %"


def _data_url(picture: Picture) -> str:
    return f"data:{picture.media_type};base64,{base64.b64encode(picture.data).decode()}"
