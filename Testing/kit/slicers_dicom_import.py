"""How Slicer loads a DICOM SEG (5.12: DICOMSegmentationPlugin): segment after segment, under ids of chance.

It hands the file to the same program, segimage2itkimage of the Python package dcmqi. Left out are the DICOM database
and the colours.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import slicer

from .slicers_dicom_export import program

_CODES = ("SegmentedPropertyCategory", "SegmentedPropertyType", "SegmentedPropertyTypeModifier")
_REGION = ("AnatomicRegion", "AnatomicRegionModifier")
_LIST, _REGIONS = "Segmentation category and type - DICOM master list", "Anatomic codes - DICOM master list"


def load(
    scene: slicer.vtkMRMLScene, path: Path, scan: slicer.vtkMRMLScalarVolumeNode
) -> slicer.vtkMRMLSegmentationNode:
    """Add the DICOM SEG ``path``, made from ``scan``, to the scene."""
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "SEG")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(scan)
    with tempfile.TemporaryDirectory() as place:
        command = [program("segimage2itkimage"), "--inputDICOM", path, "--outputDirectory", place, "--prefix", "a"]
        subprocess.run([str(part) for part in command], capture_output=True, check=True)
        described = json.loads((Path(place) / "a-meta.json").read_text())["segmentAttributes"]
        for number, (attributes,) in enumerate(described, 1):
            _add(node, Path(place) / f"a-{number}.nrrd", attributes)
    return node


def _add(node: slicer.vtkMRMLSegmentationNode, mask: Path, attributes: dict[str, Any]) -> None:
    scene, content = node.GetScene(), node.GetSegmentation()
    labelmap = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
    storage = scene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
    storage.SetFileName(str(mask))
    assert storage.ReadData(labelmap)
    assert slicer.vtkSlicerSegmentationsModuleLogic.ImportLabelmapToSegmentationNode(labelmap, node)
    for made in (storage, labelmap):
        scene.RemoveNode(made)
    segment = content.GetNthSegment(content.GetNumberOfSegments() - 1)
    segment.SetName(attributes["SegmentLabel"])
    segment.SetTag("DICOM.SegmentAlgorithmType", attributes["SegmentAlgorithmType"])
    texts = [_code(attributes, name) for name in (*_CODES, *_REGION)]
    segment.SetTag("TerminologyEntry", "~".join([_LIST, *texts[:3], _REGIONS, *texts[3:]]))


def _code(attributes: dict[str, Any], name: str) -> str:
    """A code as Slicer serializes it."""
    code = attributes.get(f"{name}CodeSequence") or attributes.get(f"{name}Sequence") or {}
    return "^".join(code.get(part, "") for part in ("CodingSchemeDesignator", "CodeValue", "CodeMeaning"))
