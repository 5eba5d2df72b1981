"""Slicer's module Sample Data without its window: sources by name, a cache of files, and rules for addresses.

What a module must know of it: ``downloadSample`` goes by the addresses of a source alone and never calls its
``customDownloader``, which belongs to the button; a source without addresses gives an IndexError. Rules that
modules register see every address before a file is fetched.
"""

from __future__ import annotations

import sys
import types
import urllib.request
from collections.abc import Callable
from pathlib import Path

import slicer


class SampleDataLogic:
    """What modules call."""

    @staticmethod
    def registerCustomSampleDataSource(  # noqa: N802
        *,
        category: str,
        sampleName: str,  # noqa: N803
        uris: str | list[str] | None = None,
        fileNames: str | list[str] | None = None,  # noqa: N803
        nodeNames: str | list[str] | None = None,  # noqa: N803
        checksums: str | None = None,
        customDownloader: Callable | None = None,  # noqa: N803
        thumbnailFileName: str | None = None,  # noqa: N803
    ) -> None:
        """Make a sample known; those of its parameters that the module uses."""
        values = locals()
        if not isinstance(uris, str):  # one address and its names become lists, other lists are counted
            assert len(uris) == len(fileNames) == len(nodeNames)
        slicer.modules.sampleDataSources.append(values)

    @staticmethod
    def registerUrlRewriteRule(name: str, rewriteFunction: Callable[[str], str]) -> None:  # noqa: N802, N803
        """Let ``rewriteFunction`` see every address; a rule of the same name is replaced."""
        slicer.modules.sampleDataUrlRewriteRules[name] = rewriteFunction

    def downloadSamples(self, sampleName: str) -> list[slicer.vtkMRMLNode]:  # noqa: N802, N803
        """The nodes of a sample, loaded from the files that its addresses give."""
        sources = [one for one in slicer.modules.sampleDataSources if one["sampleName"] == sampleName]
        nodes = []
        for source in sources[:1]:
            single = isinstance(source["uris"], str)
            lists = ([source[key]] if single else source[key] for key in ("uris", "fileNames", "nodeNames"))
            nodes = [_loaded(_fetched(address, file), name) for address, file, name in zip(*lists, strict=True)]
        return nodes


def downloadSample(sampleName: str) -> slicer.vtkMRMLNode:  # noqa: N802, N803
    """The first node of a sample."""
    return SampleDataLogic().downloadSamples(sampleName)[0]


def _fetched(address: str, name: str) -> Path:
    """The file in the cache of the scene, fetched unless it is there."""
    for rule in slicer.modules.sampleDataUrlRewriteRules.values():
        address = rule(address)
    file = Path(slicer.mrmlScene.GetCacheManager().GetRemoteCacheDirectory(), name)
    if not file.exists() or file.stat().st_size == 0:
        urllib.request.urlretrieve(address, file)
    return file


def _loaded(file: Path, name: str) -> slicer.vtkMRMLScalarVolumeNode:
    """As Slicer's reader of volumes; the node keeps no place of a file in a cache."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetFileName(str(file))
    assert storage.ReadData(node)
    node.CreateDefaultDisplayNodes()
    return node


def install() -> list[dict[str, object]]:
    """Make it importable as ``SampleData``; returns the list of sources that modules fill."""
    module = types.ModuleType("SampleData")
    module.SampleDataLogic, module.downloadSample = SampleDataLogic, downloadSample
    sys.modules["SampleData"] = module
    slicer.modules.sampleDataSources, slicer.modules.sampleDataUrlRewriteRules = [], {}
    return slicer.modules.sampleDataSources
