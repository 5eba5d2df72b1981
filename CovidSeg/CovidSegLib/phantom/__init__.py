"""A synthetic chest CT with COVID-19 pneumonia and its true labels, for demos and tests without any download.

It is made of shapes and seeded noise only, nothing was copied from a patient: ``outline`` (body, rib cage, diaphragm,
spine's curve), ``bones``, ``organs`` (heart, vessels, airways, abdomen), ``lungs`` (what they leave to the lungs),
``vessels`` (growing trees), ``infection``, ``tissue`` (Hounsfield units), ``grid`` (pixels, fields, distances), and
``scan``, which paints slice by slice.
"""

from __future__ import annotations

from .scan import Phantom, make_phantom

__all__ = ["Phantom", "make_phantom"]
