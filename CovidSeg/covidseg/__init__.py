"""CovidSeg in Python: lungs and COVID-19 infection in chest CT, and how much of the lung is infected.

For research only.

>>> import covidseg                                             # doctest: +SKIP
>>> result = covidseg.segment("CT.nii.gz")                      # doctest: +SKIP
>>> result.percent_infected, result.lungs.left.ml               # doctest: +SKIP
(8.1, 2210.4)
>>> result.save("CT.seg.nrrd")                                  # doctest: +SKIP

:func:`segment` does one scan, a :class:`Segmenter` many. Both give a :class:`Result`. What cannot be used raises a
:class:`CovidSegError` with one sentence.
"""

from __future__ import annotations

from CovidSegLib import __version__
from CovidSegLib.api import Lungs, Result, Segmenter, segment
from CovidSegLib.errors import CovidSegError, EngineError, InputError, ModelError, OutputError
from CovidSegLib.measures import Density, Lesion, LobeRegion, Measurements, Region, Zone
from CovidSegLib.progress import Cancelled, Report
from CovidSegLib.segmentation import Label

__all__ = [
    "Cancelled",
    "CovidSegError",
    "Density",
    "EngineError",
    "InputError",
    "Label",
    "Lesion",
    "LobeRegion",
    "Lungs",
    "Measurements",
    "ModelError",
    "OutputError",
    "Region",
    "Report",
    "Result",
    "Segmenter",
    "Zone",
    "__version__",
    "segment",
]
