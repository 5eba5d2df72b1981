"""How much of the lungs is darker than aerated lung: emphysema, and air that is trapped."""

from __future__ import annotations

import numpy as np

from .subject import Subject

BELOW_HU = -950
"""As in lungs at full breath, Gevenois and others 1995 (AJRCCM 152:653)."""


def low_attenuation_percent(subject: Subject) -> float | None:
    """Share of both lungs below :data:`BELOW_HU`, in percent; None without HU."""
    if subject.hounsfield is None:
        return None
    inside = subject.lungs.codes > 0
    return 100.0 * float(np.count_nonzero(inside & (subject.hounsfield < BELOW_HU))) / np.count_nonzero(inside)
