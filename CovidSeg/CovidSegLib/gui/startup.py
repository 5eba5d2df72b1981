"""What the module tells Slicer once, when all modules are loaded: codes, a plug-in for its statistics, sample scans.

That is at every start of Slicer, also where nobody opens the module: what only a sample needs is imported for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import slicer
from slicer.i18n import tr as _

from .. import __version__
from ..mrml import segment_statistics

if TYPE_CHECKING:
    from ..phantom.scan import Phantom

CATEGORY = "CovidSeg"
PHANTOM_SLICES = 60

PHANTOM_ADDRESS = "covidseg:phantom"
"""Leads to no server: see :func:`phantom_address`."""

_PHANTOM_FILE = f"CovidSegPhantom-{__version__}.nrrd"
"""Its name in Slicer's cache of samples."""

_CT_CHEST_SHA256 = "4507b664690840abb6cb9af2d919377ffc4ef75b167cb6fd0f747befdb12e38e"
_CT_CHEST = f"https://github.com/Slicer/SlicerTestingData/releases/download/SHA256/{_CT_CHEST_SHA256}"
"""The chest CT of Slicer's own test data (no pneumonia); the address is the content's own hash."""


def register(resource_path: Callable[[str], str]) -> None:
    """Make codes, numbers and sample scans known; ``resource_path`` gives the place of a file in Resources."""
    logic = slicer.modules.terminologies.logic()
    logic.LoadTerminologyFromFile(resource_path("CovidSeg.term.json"))
    segment_statistics.register()
    _register_samples(resource_path)


def _register_samples(resource_path: Callable[[str], str]) -> None:
    import SampleData

    add = SampleData.SampleDataLogic.registerCustomSampleDataSource
    add(
        category=CATEGORY,
        sampleName="CovidSegPhantom",
        uris=PHANTOM_ADDRESS,
        fileNames=_PHANTOM_FILE,
        nodeNames=_("Synthetic chest"),
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

    # A click calls customDownloader. downloadSample("CovidSegPhantom"), in scripts, goes by the address alone.
    SampleData.SampleDataLogic.registerUrlRewriteRule("CovidSeg", phantom_address)


def _slicers_own_thumbnail(name: str) -> str | None:
    file = os.path.join(os.path.dirname(slicer.modules.sampledata.path), "Resources", "Icons", name)
    return file if os.path.isfile(file) else None


def phantom_address(address: str) -> str:
    """A rule for Slicer's Sample Data, which hands over every address: for that of the phantom its file is made.

    It is put into Slicer's cache of samples, where Slicer looks before it would fetch anything.
    """
    if address == PHANTOM_ADDRESS:
        file = Path(slicer.mrmlScene.GetCacheManager().GetRemoteCacheDirectory(), _PHANTOM_FILE)
        if not file.exists():
            make_phantom_file(file)
    return address


def make_phantom_file(file: Path) -> None:
    """Write the synthetic chest. Raises OutputError; then there is no file."""
    import SimpleITK

    from ..segfiles.labelmap import array_to_itk
    from ..system.atomic_files import OWN_FILE, replace_file

    volume = _phantom().volume
    image = array_to_itk(volume.voxels, volume.affine)
    replace_file(file, lambda place: SimpleITK.WriteImage(image, str(place), useCompression=True), OWN_FILE)


def load_phantom(_source: Any = None) -> slicer.vtkMRMLScalarVolumeNode:
    """Compute a synthetic chest with pneumonia and add it to the scene; Slicer's Sample Data module calls this."""
    from .core.scene import add_scan

    node = add_scan(_phantom().volume, _("Synthetic chest"))
    slicer.util.setSliceViewerLayers(background=node, fit=True)
    return node


def _phantom() -> Phantom:
    """The synthetic chest. The window stays live; nothing is downloaded, and it was made from no patient."""
    from ..phantom import make_phantom
    from ..progress import Progress, Report

    def tell(report: Report) -> None:
        message = _("Computing a synthetic chest: {percent} %")
        slicer.util.showStatusMessage(message.format(percent=round(100 * report.fraction)))
        slicer.app.processEvents()

    phantom = make_phantom(seed=0, slices=PHANTOM_SLICES, progress=Progress(tell))
    slicer.util.showStatusMessage("")
    return phantom
