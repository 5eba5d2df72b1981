"""nibabel, loaded so that nothing opens a socket: see :mod:`CovidSegLib.reading.silent_pydicom`."""

from __future__ import annotations

from CovidSegLib.reading.silent_pydicom import load_pydicom

load_pydicom()

import nibabel  # noqa: E402

__all__ = ["nibabel"]
