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
    pydicom too: call this first.
    """
    with _loading:
        if "pydicom" in sys.modules or "requests" in sys.modules:
            import pydicom

            return pydicom
        sys.modules["requests"] = None  # type: ignore[assignment]  # an import of it raises ImportError
        try:
            import pydicom
        finally:
            del sys.modules["requests"]
        return pydicom
