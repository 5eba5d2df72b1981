"""Numbers from masks: plain arrays in, frozen dataclasses out.

- :func:`measure`: labels, affine and, if wanted, the scan's HU and a lobe map → :class:`Measurements`.
- :class:`Rules`: what can be adjusted; ``rules`` also holds the scores and classes with their sources.
- :func:`lobe_of_terminology`, :func:`lobe_of_codes`: which lobe a segment of another program is.

Infection counts as lung, and to the lung on whose side it lies. Inside: ``sided`` (labels whose infection has a side),
``zones`` (thirds of height), ``density``, ``lesions``, ``lobes``, ``severity`` and ``lobe_map`` (estimated lobes),
``visibility`` (lungs that are cut off), ``stability`` (edges moved by a voxel), ``values`` (the dataclasses),
``all_measures`` (all together). ``quantities`` is the list of all numbers: what each is called, where it is shown;
``table`` and ``record`` are made from it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .all_measures import measure
    from .lesions import Lesion
    from .lobes import Lobe, lobe_of_codes, lobe_of_terminology
    from .rules import Rules
    from .values import Density, EstimatedLobe, EstimatedSeverity, LobeRegion, Measurements, Region, Zone

_PLACES = {
    "measure": "all_measures",
    "Lesion": "lesions",
    **dict.fromkeys(("Lobe", "lobe_of_codes", "lobe_of_terminology"), "lobes"),
    "Rules": "rules",
}
"""Where a name comes from, when it is asked for: Slicer reads ``quantities`` at its start. All others: ``values``."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_PLACES.get(name, 'values')}", __name__), name)


__all__ = [
    "Density",
    "EstimatedLobe",
    "EstimatedSeverity",
    "Lesion",
    "Lobe",
    "LobeRegion",
    "Measurements",
    "Region",
    "Rules",
    "Zone",
    "lobe_of_codes",
    "lobe_of_terminology",
    "measure",
]
