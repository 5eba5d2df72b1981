"""Our numbers in Slicer's own module Segment Statistics, as a plug-in of it, with DICOM codes.

It is made known at every start of Slicer: what measures is imported when the first numbers are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import slicer

    from ..measures import Measurements
    from ..segmentation import Label

NAME = "CovidSeg"
"""What the plug-in is called in the module and in its parameters."""

_VOLUME = ("118565006", "SCT", "Volume")
_MEAN = ("373098007", "SCT", "Mean")
_CM3 = ("cm3", "UCUM", "cubic centimeter")
_PERCENT = ("%", "UCUM", "Percent")
_HU = ("[hnsf'U]", "UCUM", "Hounsfield unit")
_SUM_OF_VOXELS = ("126030", "DCM", "Sum of segmented voxel volumes")
_ATTENUATION = ("112031", "DCM", "Attenuation Coefficient")


@dataclass(frozen=True)
class _Number:
    """One measurement: its texts, its codes (quantity, unit, method, derivation), and how it is found."""

    title: str
    description: str
    unit: str
    of_lung: Callable[[Measurements, int], float | None] | None = None
    of_infection: Callable[[Measurements], float | None] | None = None
    codes: tuple[tuple[str, str, str] | None, ...] = (None, None, None, None)


def _is_left(side: int) -> bool:
    from ..segmentation import Label

    return side == Label.LEFT_LUNG


def _lung(measured: Measurements, side: int) -> Any:
    return measured.left if _is_left(side) else measured.right


def _zone_score(measured: Measurements, side: int) -> float | None:
    name = "left" if _is_left(side) else "right"
    scores = [zone.score for zone in measured.zones if zone.side == name]
    return None if None in scores else float(sum(scores))  # type: ignore[arg-type]


def _mean_hu(measured: Measurements, side: int) -> float | None:
    if measured.density is None:
        return None
    return measured.density.left_mean_hu if _is_left(side) else measured.density.right_mean_hu


def _severity(name: str) -> Callable[[Measurements], float | None]:
    return lambda measured: None if measured.severity is None else float(getattr(measured.severity, name))


def _density(name: str) -> Callable[[Measurements], float | None]:
    return lambda measured: None if measured.density is None else getattr(measured.density, name)


_IN_CM3 = (_VOLUME, _CM3, _SUM_OF_VOXELS, None)
NUMBERS = {
    "lung_cm3": _Number(
        "Lung volume", "Volume of the lung, infection of its side included.", "cm3",
        of_lung=lambda measured, side: _lung(measured, side).lung_ml, codes=_IN_CM3,
    ),
    "infection_cm3": _Number(
        "Infection volume", "Volume of the infection: of the lung's side, or all.", "cm3",
        of_lung=lambda measured, side: _lung(measured, side).infection_ml,
        of_infection=lambda measured: measured.total.infection_ml, codes=_IN_CM3,
    ),
    "infected_percent": _Number(
        "Infected share", "Infection as a share of the lung (of both lungs), infection counted as lung.", "%",
        of_lung=lambda measured, side: _lung(measured, side).infection_percent,
        of_infection=lambda measured: measured.total.infection_percent, codes=(None, _PERCENT, None, None),
    ),
    "zone_score": _Number(
        "Zone score", "Sum of 0 to 4 for each third of a lung's height: 0 to 12 a lung, 0 to 24 both.", "",
        of_lung=_zone_score,
        of_infection=lambda measured: None if measured.zone_score is None else float(measured.zone_score),
    ),
    "severity_estimated": _Number(
        "CT severity score, lobes estimated: median", "0 to 25, of lobes estimated from the shape of the lungs.", "",
        of_infection=_severity("score"),
    ),
    "severity_estimated_low": _Number(
        "CT severity score, lobes estimated: low", "Lower end of the 90 % range of the score.", "",
        of_infection=_severity("low"),
    ),
    "severity_estimated_high": _Number(
        "CT severity score, lobes estimated: high", "Upper end of the 90 % range of the score.", "",
        of_infection=_severity("high"),
    ),
    "ct_class": _Number(
        "CT class", "0 to 4 (CT-0 to CT-4) by the infected share of both lungs.", "",
        of_infection=lambda measured: None if measured.ct_class is None else float(measured.ct_class),
    ),
    "lesions": _Number(
        "Lesions", "Pieces of infection of 0.5 mL and more that hang together in three dimensions.", "",
        of_infection=lambda measured: float(len(measured.lesions)),
    ),
    "ground_glass_cm3": _Number(
        "Ground glass volume", "Infection below -300 HU.", "cm3",
        of_infection=_density("ground_glass_ml"), codes=_IN_CM3,
    ),
    "consolidation_cm3": _Number(
        "Consolidation volume", "Infection from -300 HU on.", "cm3",
        of_infection=_density("consolidation_ml"), codes=_IN_CM3,
    ),
    "mean_hu": _Number(
        "Mean density", "Mean of the lung with its infection, or of the infection.", "HU",
        of_lung=_mean_hu, of_infection=_density("infection_mean_hu"), codes=(_ATTENUATION, _HU, None, _MEAN),
    ),
}  # fmt: skip
"""Every measurement by its key, in the order of the table's columns."""


def register() -> bool:
    """Make the plug-in known to Segment Statistics; False where that module is missing or already knows it."""
    try:
        from SegmentStatistics import SegmentStatisticsLogic
    except ImportError:
        return False
    known = {plugin.__name__ for plugin in SegmentStatisticsLogic.registeredPlugins}
    plugin = plugin_class()
    if plugin.__name__ in known:
        return False
    SegmentStatisticsLogic.registerPlugin(plugin())
    return True


def plugin_class() -> type:
    """The plug-in's class; it is made here because its base exists inside Slicer alone."""
    from SegmentStatisticsPlugins import SegmentStatisticsPluginBase

    class CovidSegSegmentStatisticsPlugin(SegmentStatisticsPluginBase):
        """Shows our numbers for our segments; of other segments it says nothing."""

        def __init__(self) -> None:
            super().__init__()
            self.name = self.title = NAME
            self.keys = list(NUMBERS)
            self.defaultKeys = list(NUMBERS)
            self._last: tuple[Any, Measurements] | None = None

        def computeStatistics(self, segmentID: str) -> dict[str, float]:
            """The requested numbers of one segment. Slicer asks for one segment after the other."""
            import slicer

            from .readback import our_segments

            node = slicer.mrmlScene.GetNodeByID(self.getParameterNode().GetParameter("Segmentation"))
            label = our_segments(node).get(segmentID)
            requested = _with_range(self.getRequestedKeys())
            if label is None or not requested:
                return {}
            scan = slicer.mrmlScene.GetNodeByID(self.getParameterNode().GetParameter("ScalarVolume") or "")
            values = {key: _value(NUMBERS[key], self._measured(node, scan), label) for key in requested}
            return {key: value for key, value in values.items() if value is not None}

        def getMeasurementInfo(self, key: str) -> dict[str, Any] | None:
            """Texts and DICOM codes of one number."""
            number = NUMBERS.get(key)
            if number is None:
                return None
            codes = [self.createCodedEntry(*code, True) if code else None for code in number.codes]
            return self.createMeasurementInfo(
                name=number.title,
                title=number.title,
                description=number.description,
                units=number.unit,
                quantityDicomCode=codes[0],
                unitsDicomCode=codes[1],
                measurementMethodDicomCode=codes[2],
                derivationDicomCode=codes[3],
            )

        def _measured(
            self, node: slicer.vtkMRMLSegmentationNode, scan: slicer.vtkMRMLScalarVolumeNode | None
        ) -> Measurements:
            """All numbers of the segmentation; measured anew when a segment or the scan has changed."""
            from .readback import measure_nodes, measure_segments_alone, segments_state

            segments = segments_state(node, node.GetSegmentation().GetSegmentIDs())
            state = (node.GetID(), segments, _state(scan))
            if self._last is None or self._last[0] != state:
                measured = measure_nodes(node, scan) if scan is not None else measure_segments_alone(node)
                self._last = state, measured
            return self._last[1]

    return CovidSegSegmentStatisticsPlugin


_RANGE = ("severity_estimated", "severity_estimated_low", "severity_estimated_high")


def _with_range(keys: Sequence[str]) -> list[str]:
    """``keys``; the score of estimated lobes brings its range, also where only one of the three was asked for."""
    return [*keys, *(key for key in _RANGE if key not in keys)] if set(_RANGE) & set(keys) else list(keys)


def _value(number: _Number, measured: Measurements, label: Label) -> float | None:
    from ..segmentation import Label

    if label == Label.INFECTION:
        return number.of_infection(measured) if number.of_infection else None
    return number.of_lung(measured, label) if number.of_lung else None


def _state(scan: slicer.vtkMRMLScalarVolumeNode | None) -> tuple[str, int, int] | None:
    return None if scan is None else (scan.GetID(), scan.GetMTime(), scan.GetImageData().GetMTime())
