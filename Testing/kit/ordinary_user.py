"""Child processes to whom permissions apply, also where the tests run as root."""

from __future__ import annotations

import ctypes
import os

_PR_CAPBSET_DROP = 24
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1, 2

AVAILABLE = os.name != "nt" and (os.geteuid() != 0 or os.path.exists("/proc/self/status"))


def obey_permissions() -> None:
    """For ``preexec_fn``: what is executed next may open no more than its files' permissions say (Linux)."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in (_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH):
            if libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0):
                raise OSError(ctypes.get_errno(), "a capability cannot be given up")
