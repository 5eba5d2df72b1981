"""pydicom, loaded without the socket that comes with it where the package requests is installed."""

from __future__ import annotations

import sys
import threading
from types import ModuleType

_loading = threading.Lock()


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
