"""Files that lie beside the code: networks and their cards, the page's template and style, the schemas."""

from __future__ import annotations

from pathlib import Path

_PLACES = [Path(__file__).resolve().parents[level] / "Resources" for level in (1, 2)]
"""In a wheel inside the package, in a checkout and in Slicer beside it."""


def resource(name: str) -> Path:
    """The file or folder ``name`` (such as "Report/report.html") in the folder Resources."""
    return next((place / name for place in _PLACES if (place / name).exists()), _PLACES[-1] / name)
