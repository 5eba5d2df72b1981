"""Stand-ins for Slicer's module Segment Statistics: what a plug-in of it is asked for, and the table that comes of it.

With the environment variable COVIDSEG_SLICER_SOURCE (a checkout of Slicer's sources) Slicer's own files take their
place; they need the stand-in for Qt, too.
"""

from __future__ import annotations

import importlib
import os
import sys
import types
from pathlib import Path
from typing import Any

import slicer


class SegmentStatisticsPluginBase:
    """Base of plug-ins: keys, parameters, texts with codes."""

    def __init__(self) -> None:
        self.name = self.title = ""
        self.keys: list[str] = []
        self.defaultKeys: list[str] = []
        self.parameterNode = None

    @staticmethod
    def createCodedEntry(value: str, scheme: str, meaning: str, returnAsString: bool = False) -> Any:  # noqa: N802, N803
        """A code as Slicer's object, or as its text."""
        entry = slicer.vtkCodedEntry()
        entry.SetValueSchemeMeaning(value, scheme, meaning)
        return entry.GetAsString() if returnAsString else entry

    @staticmethod
    def createMeasurementInfo(name: str, title: str, description: str, units: str, **codes: str | None) -> dict:  # noqa: N802
        """What is said of a measurement; Slicer's names of the codes."""
        names = {
            "quantityDicomCode": "DICOM.QuantityCode",
            "unitsDicomCode": "DICOM.UnitsCode",
            "measurementMethodDicomCode": "DICOM.MeasurementMethodCode",
            "derivationDicomCode": "DICOM.DerivationCode",
        }
        said = {names[key]: code for key, code in codes.items() if code}
        return {"name": name, "title": title, "description": description, "units": units, **said}

    def setParameterNode(self, node: Any) -> None:  # noqa: N802
        """Take the module's parameters and fill in what is not set."""
        self.parameterNode = node
        for key, value in ((f"{type(self).__name__}.enabled", True), *self._key_defaults()):
            if not node.GetParameter(key):
                node.SetParameter(key, str(value))

    def getParameterNode(self) -> Any:  # noqa: N802
        """The module's parameters."""
        return self.parameterNode

    def getRequestedKeys(self) -> list[str]:  # noqa: N802
        """Keys that the user left switched on."""
        return [key for key, _ in self._switches() if self.parameterNode.GetParameter(key_of(self, key)) == "True"]

    def _key_defaults(self) -> list[tuple[str, bool]]:
        return [(key_of(self, key), on) for key, on in self._switches()]

    def _switches(self) -> list[tuple[str, bool]]:
        return [(key, key in self.defaultKeys) for key in self.keys]


def key_of(plugin: SegmentStatisticsPluginBase, key: str) -> str:
    """The name of a key's switch in the parameters."""
    return f"{type(plugin).__name__}.{key}.enabled"


class SegmentStatisticsLogic:
    """Asks every plug-in about every segment."""

    registeredPlugins: list[type] = []  # noqa: N815, RUF012

    @staticmethod
    def registerPlugin(plugin: SegmentStatisticsPluginBase) -> None:  # noqa: N802
        """Make a plug-in known."""
        assert isinstance(plugin, SegmentStatisticsPluginBase)
        SegmentStatisticsLogic.registeredPlugins.append(type(plugin))

    def __init__(self) -> None:
        self.plugins = [kind() for kind in SegmentStatisticsLogic.registeredPlugins]
        self._parameters = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode", "SegmentStatistics")
        for plugin in self.plugins:
            plugin.setParameterNode(self._parameters)
        self._statistics: dict[Any, Any] = {}

    def getParameterNode(self) -> Any:  # noqa: N802
        """Where the nodes to work on are named."""
        return self._parameters

    def computeStatistics(self) -> None:  # noqa: N802
        """Ask for all segments."""
        node = slicer.mrmlScene.GetNodeByID(self._parameters.GetParameter("Segmentation"))
        self._statistics = {"SegmentIDs": [], "MeasurementInfo": {}}
        for segment_id in node.GetSegmentation().GetSegmentIDs():
            self._statistics["SegmentIDs"].append(segment_id)
            for plugin in self.plugins:
                for key, value in plugin.computeStatistics(segment_id).items():
                    long_key = f"{type(plugin).__name__}.{key}"
                    self._statistics[segment_id, long_key] = value
                    self._statistics["MeasurementInfo"][long_key] = plugin.getMeasurementInfo(key)

    def getStatistics(self) -> dict[Any, Any]:  # noqa: N802
        """What was found, by segment and key."""
        return self._statistics


def install() -> type:
    """Make ``SegmentStatistics`` and ``SegmentStatisticsPlugins`` importable; returns the logic's class."""
    source = os.environ.get("COVIDSEG_SLICER_SOURCE")
    for name in [name for name in sys.modules if name.startswith("SegmentStatistics")]:
        del sys.modules[name]
    if source:
        folder = str(Path(source) / "Modules/Scripted/SegmentStatistics")
        if folder not in sys.path:
            sys.path.insert(0, folder)
        return importlib.import_module("SegmentStatistics").SegmentStatisticsLogic
    plugins, module = types.ModuleType("SegmentStatisticsPlugins"), types.ModuleType("SegmentStatistics")
    plugins.SegmentStatisticsPluginBase = SegmentStatisticsPluginBase
    module.SegmentStatisticsLogic = SegmentStatisticsLogic
    SegmentStatisticsLogic.registeredPlugins = []
    sys.modules.update({"SegmentStatisticsPlugins": plugins, "SegmentStatistics": module})
    return SegmentStatisticsLogic
