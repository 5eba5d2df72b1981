"""The frames of an enhanced (multi-frame) CT as ordinary slices: what the file says of all, and of each, laid together.

Functional groups (DICOM PS3.3, C.7.6.16) hold what ordinary slices have at the top of their data set. Legacy converted
objects have the same groups; what they could not place lies in groups of "unassigned" attributes.
"""

from __future__ import annotations

from typing import Any

SHARED, PER_FRAME = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"
FUNCTIONAL_GROUPS = (SHARED, PER_FRAME)

_REGION = "AnatomicRegionSequence"

_NAMES = {
    "FrameAcquisitionNumber": "AcquisitionNumber",
    "FrameAcquisitionDateTime": "AcquisitionDateTime",
    "TemporalPositionIndex": "TemporalPositionIdentifier",
    "FrameType": "ImageType",
}
"""What functional groups call otherwise than ordinary slices do."""


class Frame:
    """What is said of one frame, with ``get`` as pydicom's data sets have it: first of it alone, then of all."""

    def __init__(self, layers: tuple[Any, ...]) -> None:
        self._layers = layers

    def get(self, name: str, default: Any = None) -> Any:
        """The element called ``name`` in an ordinary slice."""
        for layer in self._layers:
            value = layer.get(name, None)
            if value is not None and value != "":
                return value
        return default


def merged_frames(dataset: Any, count: int) -> list[Frame]:
    """Each of the ``count`` frames of ``dataset`` in the order of its pixels; empty when its groups do not fit them."""
    each = list(dataset.get(PER_FRAME, None) or [])
    shared = list(dataset.get(SHARED, None) or [])
    if len(each) != count or len(shared) > 1:
        return []
    common = _flat(shared[0]) if shared else {}
    return [Frame((_flat(groups), common, dataset)) for groups in each]


def _flat(groups: Any) -> dict[str, Any]:
    """The elements in the functional ``groups`` (each a sequence of one item) by the names of ordinary slices."""
    found: dict[str, Any] = {}
    for group in groups:
        if group.VR != "SQ" or len(group.value) != 1:
            continue
        for element in group.value[0]:
            if element.keyword and (element.VR != "SQ" or element.keyword == _REGION):
                found.setdefault(_NAMES.get(element.keyword, element.keyword), element.value)
    return found


def anatomic_region(frame: Any) -> str:
    """What the code for the part of the body means, in words ("Thorax"); '' where there is none."""
    codes = list(frame.get(_REGION, None) or [])
    return str(codes[0].get("CodeMeaning", "") or "") if codes else ""
