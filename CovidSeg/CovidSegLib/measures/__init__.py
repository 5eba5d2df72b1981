"""Numbers from masks: plain arrays in, frozen dataclasses out.

- :func:`measure`: labels, affine and, if wanted, the scan's HU and a lobe map → :class:`Measurements`.
- :class:`Rules`: what can be adjusted; ``rules`` also holds the scores and classes with their sources.
- :func:`find_lesions`, :func:`label_lesions`: pieces of infection in three dimensions (26-neighbourhood).
- :func:`lobe_of_terminology`, :func:`lobe_of_codes`: which lobe a segment of another program is.

Infection counts as lung, and to the lung on whose side it lies. Inside: ``sided`` (labels whose infection has a side),
``zones`` (thirds of height), ``density``, ``lesions``, ``lobes``, ``severity`` and ``lobe_map`` (estimated lobes),
``visibility`` (lungs that are cut off), ``stability`` (edges moved by a voxel), ``values`` (the dataclasses),
``measure`` (all together).
"""

from .lesions import Lesion, find_lesions, label_lesions
from .lobes import Lobe, lobe_of_codes, lobe_of_terminology
from .measure import measure
from .rules import Rules
from .values import Density, EdgeMove, EstimatedLobe, EstimatedSeverity, LobeRegion, Measurements, Region, Zone

__all__ = [
    "Density",
    "EdgeMove",
    "EstimatedLobe",
    "EstimatedSeverity",
    "Lesion",
    "Lobe",
    "LobeRegion",
    "Measurements",
    "Region",
    "Rules",
    "Zone",
    "find_lesions",
    "label_lesions",
    "lobe_of_codes",
    "lobe_of_terminology",
    "measure",
]
