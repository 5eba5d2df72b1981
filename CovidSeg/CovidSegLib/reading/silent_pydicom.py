"""pydicom without what it does unasked: a socket where the package requests is installed, values in warnings."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

_loading = threading.Lock()
_one_at_a_time = threading.Lock()
"""What pydicom checks and warns about is set for the whole process, not for a thread."""


@contextmanager
def quiet_pydicom() -> Iterator[ModuleType]:
    """pydicom, to read headers with: it neither checks values nor warns. One thread at a time, and not nested.

    Odd values (UUIDs as UIDs) are common and harmless; pydicom would print them, and they may identify a patient. An
    element is checked when it is looked at first, so look inside; decode pixels outside, others wait meanwhile.
    """
    pydicom = load_pydicom()
    with _one_at_a_time, warnings.catch_warnings(), pydicom.config.disable_value_validation():
        warnings.simplefilter("ignore")
        yield pydicom


def load_pydicom() -> ModuleType:
    """Import pydicom and return it.

    To be able to download its own test files pydicom loads requests if it is there, which opens a socket to see
    whether the machine speaks IPv6. It does without requests as well, so it is told that there is none. nibabel loads
    pydicom too: call this first, or :func:`load_nibabel`.
    """
    with _loading, _without("requests", unless="pydicom"):
        import pydicom

        return pydicom


def load_nibabel() -> ModuleType:
    """Import nibabel and return it. Raises ImportError where it is missing.

    It loads pydicom if that is there, for DICOM headers inside of NIfTI files, at which nobody looks here. That takes a
    third of a second, so it is told that there is none, unless pydicom is loaded already.
    """
    with _loading, _without("pydicom", unless="nibabel"):
        import nibabel

        return nibabel


@contextmanager
def _without(name: str, *, unless: str) -> Iterator[None]:
    """An import of the package ``name`` raises ImportError meanwhile, unless it or the other one is loaded already."""
    if name in sys.modules or unless in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]
