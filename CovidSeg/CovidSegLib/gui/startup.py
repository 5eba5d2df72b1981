"""What the module tells Slicer once, when all modules are loaded: codes, a plug-in for its statistics, sample scans.

That is at every start of Slicer, also where nobody opens the module: what only a sample needs is imported for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import slicer
from slicer.i18n import tr as _

from ..mrml import statistics

CATEGORY = "CovidSeg"
PHANTOM_SLICES = 60

_CT_CHEST_SHA256 = "4507b664690840abb6cb9af2d919377ffc4ef75b167cb6fd0f747befdb12e38e"
_CT_CHEST = f"https://github.com/Slicer/SlicerTestingData/releases/download/SHA256/{_CT_CHEST_SHA256}"
"""The chest CT of Slicer's own test data (no pneumonia); the address is the content's own hash."""


def register(resource_path: Callable[[str], str]) -> None:
    """Make codes, numbers and sample scans known; ``resource_path`` gives the place of a file in Resources."""
    logic = slicer.modules.terminologies.logic()
    logic.LoadTerminologyFromFile(resource_path("CovidSeg.term.json"))
    statistics.register()
    _register_samples(resource_path)


def _register_samples(resource_path: Callable[[str], str]) -> None:
    import SampleData

    add = SampleData.SampleDataLogic.registerCustomSampleDataSource
    add(
        category=CATEGORY,
        sampleName="CovidSegPhantom",
        # Nothing is downloaded; Slicer counts these lists, also where a function of ours brings the scan.
        uris=[],
        fileNames=[],
        nodeNames=[],
        customDownloader=load_phantom,
        thumbnailFileName=resource_path("Icons/CovidSegPhantom.png"),
    )
    add(
        category=CATEGORY,
        sampleName="CovidSegCTChest",
        uris=_CT_CHEST,
        fileNames="CT-chest.nrrd",
        nodeNames="CTChest",
        checksums=f"SHA256:{_CT_CHEST_SHA256}",
        thumbnailFileName=_slicers_own_thumbnail("CTChest.png"),
    )


def _slicers_own_thumbnail(name: str) -> str | None:
    file = os.path.join(os.path.dirname(slicer.modules.sampledata.path), "Resources", "Icons", name)
    return file if os.path.isfile(file) else None


def load_phantom(_source: Any = None) -> slicer.vtkMRMLScalarVolumeNode:
    """Compute a synthetic chest with pneumonia and add it to the scene; Slicer's Sample Data module calls this.

    The window stays live; nothing is downloaded, and it was made from no patient.
    """
    from ..phantom import make_phantom
    from ..progress import Progress, Report
    from .scene import add_scan

    def tell(report: Report) -> None:
        message = _("Computing a synthetic chest: {percent} %")
        slicer.util.showStatusMessage(message.format(percent=round(100 * report.fraction)))
        slicer.app.processEvents()

    phantom = make_phantom(seed=0, slices=PHANTOM_SLICES, progress=Progress(tell))
    slicer.util.showStatusMessage("")
    node = add_scan(phantom.volume, _("Synthetic chest"))
    slicer.util.setSliceViewerLayers(background=node, fit=True)
    return node
