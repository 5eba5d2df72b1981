"""Lobes of the same lungs, which take a second, are estimated once in a process: many tests look at the same two."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

import pytest

from CovidSegLib.anatomy import lobe_estimate
from CovidSegLib.anatomy.lobe_estimate import PartedLungs
from CovidSegLib.anatomy.lobe_model import LobeModel
from CovidSegLib.anatomy.lobe_shape import CoarseLung

_KEPT = 16
"""How many pairs of lungs are remembered: some MB each."""


@contextmanager
def lobes_once() -> Iterator[None]:
    """Remember what the ensemble of a model makes of lungs. Their infection has no part in it."""
    known: dict[tuple[object, ...], tuple[LobeModel, PartedLungs]] = {}
    part = lobe_estimate._part

    def remembered(coarse: tuple[CoarseLung, CoarseLung], model: LobeModel) -> PartedLungs:
        lungs = (
            (sha256(lung.lung.tobytes()).digest(), lung.lung.shape, lung.steps, lung.size_mm, lung.right)
            for lung in coarse
        )
        key = (id(model), *lungs)
        if key not in known:
            if len(known) == _KEPT:
                del known[next(iter(known))]
            known[key] = model, part(coarse, model)  # with the model, whose number another one could get
        return known[key][1]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(lobe_estimate, "_part", remembered)
        yield
