"""Slicer's own DICOM SEG export (5.12: DICOMSegmentationPlugin), as far as it depends on the segmentation.

It looks at the scene as the plug-in does and hands the same to the same program, itkimage2segimage of the Python
package dcmqi. Left out are the DICOM database (here: a table of files) and the dialogs.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import slicer
import vtk

from CovidSegLib.progress import Progress
from CovidSegLib.reading import read_ct

from .dicom_files import PATIENT, write_series
from .small_phantom import small_phantom

if TYPE_CHECKING:
    from .slicer_window.application import SlicerWorld

_ROLE, _UIDS, _ALGORITHM = "referenceImageGeometryRef", "DICOM.instanceUIDs", "DICOM.SegmentAlgorithm"


def phantom_series(world: SlicerWorld, folder: Path) -> tuple[slicer.vtkMRMLScalarVolumeNode, dict[str, Path]]:
    """The small phantom as a DICOM series in ``folder``, loaded into the scene, and its files by SOPInstanceUID."""
    phantom = small_phantom().volume
    columns, rows, slices = (float(np.linalg.norm(phantom.affine[:3, axis])) for axis in range(3))
    heights = [slices * k for k in range(len(phantom.voxels))]
    files = write_series(folder, phantom.voxels, heights, **PATIENT, PixelSpacing=[rows, columns])
    by_uid = {str(pydicom.dcmread(file).SOPInstanceUID): file for file in files}
    scan = world.logics.add_volume(read_ct(folder, Progress()))
    scan.SetAttribute(_UIDS, " ".join(by_uid))
    return scan, by_uid


def export(node: slicer.vtkMRMLSegmentationNode, files: Mapping[str, Path], output: Path) -> None:
    """Write the segments that are not empty to ``output``. ``files``: the DICOM database, path by SOPInstanceUID.

    Raises ValueError where the plug-in would show an error instead.
    """
    scan = node.GetNodeReference(_ROLE)
    if scan is None:
        raise ValueError("Referenced volume is not found for the segmentation.")
    uids = (scan.GetAttribute(_UIDS) or "").split()
    if not uids or not all(uid in files for uid in uids):
        raise ValueError("Referenced volume files were not found in the DICOM database.")
    content = node.GetSegmentation()
    names = [name for name in content.GetSegmentIDs() if not _is_empty(content.GetSegment(name))]
    if not names:
        raise ValueError("No non empty segments found.")
    metadata = {
        "SeriesNumber": "101",
        "InstanceNumber": "1",
        "SeriesDescription": node.GetName(),
        "ContentCreatorName": "Slicer",
        "ClinicalTrialSeriesID": "1",
        "ClinicalTrialTimePointID": "1",
        "ClinicalTrialCoordinatingCenterName": "QIICR",
        "segmentAttributes": [[_attributes(content.GetSegment(name))] for name in names],
    }
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "meta.json").write_text(json.dumps(metadata))
        (folder / "ct").mkdir()
        for uid in uids:
            shutil.copy(files[uid], folder / "ct")
        masks = [_save_mask(node, name, folder / f"{name}.nrrd") for name in names]
        command = [program("itkimage2segimage"), "--inputDICOMDirectory", folder / "ct"]
        command += ["--inputImageList", ",".join(masks)]
        command += ["--inputMetadata", folder / "meta.json", "--outputDICOM", output]
        ended = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if ended.returncode or not output.exists():
        raise ValueError(f"itkimage2segimage failed: {ended.stdout}{ended.stderr}")


def _is_empty(segment: slicer.vtkSegment) -> bool:
    # By the name of the voxels, and of a layer as a whole: that is what the plug-in does.
    voxels = segment.GetRepresentation("Binary labelmap").GetPointData().GetArray("ImageScalars")
    return voxels is None or voxels.GetValueRange() == (0, 0)


def _attributes(segment: slicer.vtkSegment) -> dict[str, Any]:
    """A segment in the words of dcmqi."""
    entry = slicer.vtkSlicerTerminologyEntry()
    logic = slicer.vtkSlicerTerminologiesModuleLogic()
    if not logic.DeserializeTerminologyEntry(_tag(segment, "TerminologyEntry"), entry):
        raise ValueError(f"Segment {segment.GetName()} has missing attributes. Make sure to set terminology.")
    kind, name = _tag(segment, f"{_ALGORITHM}Type") or "MANUAL", _tag(segment, f"{_ALGORITHM}Name")
    if kind not in ("MANUAL", "SEMIAUTOMATIC", "AUTOMATIC") or (kind != "MANUAL" and not name):
        raise ValueError(f"Segment {segment.GetName()} has a wrong or missing algorithm.")
    codes = {
        "SegmentedPropertyCategoryCodeSequence": entry.GetCategoryObject(),
        "SegmentedPropertyTypeCodeSequence": entry.GetTypeObject(),
        "SegmentedPropertyTypeModifierCodeSequence": entry.GetTypeModifierObject(),
        "AnatomicRegionSequence": entry.GetRegionObject(),
        "AnatomicRegionModifierSequence": entry.GetRegionModifierObject(),
    }
    return {
        "labelID": 1,
        "SegmentLabel": segment.GetName(),
        "SegmentDescription": entry.GetCategoryObject().GetCodeMeaning(),
        "SegmentAlgorithmType": kind,
        "SegmentAlgorithmName": name,
        "recommendedDisplayRGBValue": [255 * channel for channel in segment.GetColor()],
        **{key: _code(code) for key, code in codes.items() if code is not None and code.GetCodeValue()},
    }


def _code(code: slicer.vtkSlicerTerminologyType) -> dict[str, str]:
    return {
        "CodeValue": code.GetCodeValue(),
        "CodingSchemeDesignator": code.GetCodingSchemeDesignator(),
        "CodeMeaning": code.GetCodeMeaning(),
    }


def _tag(segment: slicer.vtkSegment, key: str) -> str:
    value = vtk.reference("")
    return str(value) if segment.GetTag(key, value) else ""


def _save_mask(node: slicer.vtkMRMLSegmentationNode, name: str, path: Path) -> str:
    """One segment as a file of 0 and 1, in the part of the grid that its layer has."""
    ids, image, scene = vtk.vtkStringArray(), slicer.vtkOrientedImageData(), node.GetScene()
    ids.InsertNextValue(name)
    node.GenerateMergedLabelmapForAllSegments(image, 0, None, ids)
    labelmap = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
    assert slicer.vtkSlicerSegmentationsModuleLogic.CreateLabelmapVolumeFromOrientedImageData(image, labelmap)
    storage = scene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
    storage.SetFileName(str(path))
    assert storage.WriteData(labelmap)
    for made in (storage, labelmap):
        scene.RemoveNode(made)
    return str(path)


def program(name: str) -> Path:
    """One of dcmqi's programs."""
    files = distribution("dcmqi").files or []
    return next(Path(file.locate()) for file in files if str(file).startswith(f"dcmqi/bin/{name}"))
