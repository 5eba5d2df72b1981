"""Volumes of lungs and infection, in mL and percent.

Infection counts as lung, and to the lung on whose side it lies: in the labels an infected voxel has no side, so the
sides are found again from lung and infection together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..anatomy.lungs import sides_of_labels
from ..segmentation import Label, Segmentation
from ..volume import axial_order, voxel_ml


@dataclass(frozen=True)
class LungVolumes:
    """Volumes in mL, infected lung included. Percent of lung infected is None where there is no lung."""

    left_ml: float
    right_ml: float
    left_infection_ml: float
    right_infection_ml: float

    @property
    def total_ml(self) -> float:
        """Both lungs, infection included."""
        return self.left_ml + self.right_ml

    @property
    def infection_ml(self) -> float:
        """Infection in both lungs."""
        return self.left_infection_ml + self.right_infection_ml

    @property
    def infection_percent(self) -> float | None:
        """Infection as a share of both lungs, in percent."""
        return 100.0 * self.infection_ml / self.total_ml if self.total_ml else None


def measure(segmentation: Segmentation) -> LungVolumes:
    """Volumes of a :class:`Segmentation`, also after its labels were corrected by hand."""
    labels = axial_order(segmentation.affine).to_axial(segmentation.labels)
    sides = sides_of_labels(segmentation.labels != Label.BACKGROUND, segmentation.affine)
    left_infected = infected = left = right = 0
    for k, plane in enumerate(labels):
        infection = plane == Label.INFECTION
        left += np.count_nonzero(plane == Label.LEFT_LUNG)
        right += np.count_nonzero(plane == Label.RIGHT_LUNG)
        if infection.any():
            infected += np.count_nonzero(infection)
            left_infected += np.count_nonzero(infection & sides.is_left(k))
    ml = voxel_ml(segmentation.affine)
    left, right, left_infected, infected = (int(count) for count in (left, right, left_infected, infected))
    right_infected = infected - left_infected
    return LungVolumes(
        (left + left_infected) * ml, (right + right_infected) * ml, left_infected * ml, right_infected * ml
    )
