"""Files that lie beside the code: the page's template and style, the schema."""

from __future__ import annotations

from pathlib import Path

_PLACES = [Path(__file__).resolve().parents[level] / "Resources" for level in (1, 2)]
"""In a wheel inside the package, in the checkout and in Slicer beside it."""


def resource(name: str) -> Path:
    """The file ``name`` (such as "Report/report.html") in the folder Resources."""
    return next((place / name for place in _PLACES if (place / name).is_file()), _PLACES[-1] / name)
