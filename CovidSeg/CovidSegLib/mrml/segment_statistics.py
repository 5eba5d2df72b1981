"""Our numbers in Slicer's own module Segment Statistics, as a plug-in of it, with DICOM codes.

What it shows is in ``measures.quantities``. It is made known at every start of Slicer: what measures is imported when
the first numbers are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..measures.quantities import statistics

if TYPE_CHECKING:
    import slicer

    from ..measures import Measurements
    from ..measures.measurements_record import MeasurementsRecord
    from ..segmentation import Label

NAME = "CovidSeg"
"""What the plug-in is called in the module and in its parameters."""

NUMBERS = statistics()
"""Every measurement by its key, in the order of the table's columns, and the quantity that it is."""


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

            from ..measures.measurements_record import MeasurementsRecord
            from .readback import our_segments

            node = slicer.mrmlScene.GetNodeByID(self.getParameterNode().GetParameter("Segmentation"))
            label = our_segments(node).get(segmentID)
            requested = _with_range(self.getRequestedKeys())
            if label is None or not requested:
                return {}
            scan = slicer.mrmlScene.GetNodeByID(self.getParameterNode().GetParameter("ScalarVolume") or "")
            measured = MeasurementsRecord.of(self._measured(node, scan))
            values = {key: _value(key, measured, label) for key in requested}
            return {key: value for key, value in values.items() if value is not None}

        def getMeasurementInfo(self, key: str) -> dict[str, Any] | None:
            """Texts and DICOM codes of one number."""
            if key not in NUMBERS:
                return None
            number, _quantity = NUMBERS[key]
            title = number.title
            if self._last is not None and self._last[1].lobes_are == "estimated, corrected":
                title = title.replace(_MEDIAN, "").replace("estimated", "estimated, corrected")
            codes = [self.createCodedEntry(*code, True) if code else None for code in number.codes]
            return self.createMeasurementInfo(
                name=title,
                title=title,
                description=number.about,
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
            import slicer

            from .readback import lobes_state, measure_nodes, measure_segments_alone, segments_state

            segments = segments_state(node, node.GetSegmentation().GetSegmentIDs())
            lobes = lobes_state(slicer.mrmlScene, scan) if scan is not None else ()
            state = (node.GetID(), segments, _state(scan), lobes)
            if self._last is None or self._last[0] != state:
                measured = measure_nodes(node, scan) if scan is not None else measure_segments_alone(node)
                self._last = state, measured
            return self._last[1]

    return CovidSegSegmentStatisticsPlugin


_MEDIAN = ": median"
"""What the score of an estimate is, but not that of one that was corrected."""

_RANGE = ("severity_estimated", "severity_estimated_low", "severity_estimated_high")


def _with_range(keys: Sequence[str]) -> list[str]:
    """``keys``; the score of estimated lobes brings its range, also where only one of the three was asked for."""
    return [*keys, *(key for key in _RANGE if key not in keys)] if set(_RANGE) & set(keys) else list(keys)


def _value(key: str, measured: MeasurementsRecord, label: Label) -> float | None:
    """The number of a lung's segment, or of that of infection; None where such a segment has none."""
    from ..measures.measurements_record import as_number
    from ..segmentation import Label

    number, quantity = NUMBERS[key]
    if label != Label.INFECTION:
        side = "left" if label == Label.LEFT_LUNG else "right"
        found = number.of_lung(measured, side) if number.of_lung else None
    else:
        found = next((as_number(one) for _owner, one in measured.numbers(quantity.path) if number.of_infection), None)
    return None if found is None else float(found)


def _state(scan: slicer.vtkMRMLScalarVolumeNode | None) -> tuple[str, int, int] | None:
    return None if scan is None else (scan.GetID(), scan.GetMTime(), scan.GetImageData().GetMTime())
