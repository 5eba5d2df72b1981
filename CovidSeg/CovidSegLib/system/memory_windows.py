"""The memory of this process on Windows, bounded by a job object. See *Job Objects* in the reference of Win32."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

_NUMBER, _SIZE = ctypes.c_uint32, ctypes.c_size_t
_EXTENDED_LIMIT_INFORMATION, _LIMIT_PROCESS_MEMORY = 9, 0x100


class _Counters(ctypes.Structure):
    """PROCESS_MEMORY_COUNTERS."""

    _fields_ = (
        ("cb", _NUMBER),
        ("PageFaultCount", _NUMBER),
        ("WorkingSets", _SIZE * 2),
        ("Quotas", _SIZE * 4),
        ("PagefileUsage", _SIZE),
        ("PeakPagefileUsage", _SIZE),
    )


class _Limits(ctypes.Structure):
    """JOBOBJECT_EXTENDED_LIMIT_INFORMATION."""

    _fields_ = (
        ("UserTimeLimits", ctypes.c_int64 * 2),
        ("LimitFlags", _NUMBER),
        ("WorkingSetSizes", _SIZE * 2),
        ("ActiveProcessLimit", _NUMBER),
        ("Affinity", _SIZE),
        ("PriorityClass", _NUMBER),
        ("SchedulingClass", _NUMBER),
        ("IoInfo", ctypes.c_uint64 * 6),
        ("ProcessMemoryLimit", _SIZE),
        ("JobMemoryLimit", _SIZE),
        ("PeakMemoryUsed", _SIZE * 2),
    )


_job: Any = None
"""The job object that this process was put into; kept open, since its limit is set anew for every scan."""


def bound_commit(more: int | None) -> None:
    """Let this process commit at most ``more`` bytes beyond what it holds now; None: as many as it likes.

    Raises OSError where the system does not let it.
    """
    if sys.platform != "win32":
        return
    global _job
    kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
    handle = ctypes.c_void_p
    kernel32.GetCurrentProcess.restype = handle
    kernel32.CreateJobObjectW.restype = handle
    kernel32.CreateJobObjectW.argtypes = (ctypes.c_void_p, ctypes.c_wchar_p)
    kernel32.AssignProcessToJobObject.argtypes = (handle, handle)
    kernel32.SetInformationJobObject.argtypes = (handle, ctypes.c_int, ctypes.c_void_p, _NUMBER)
    kernel32.K32GetProcessMemoryInfo.argtypes = (handle, ctypes.c_void_p, _NUMBER)
    process, limits = kernel32.GetCurrentProcess(), _Limits()
    if more is not None:
        held = _Counters(cb=ctypes.sizeof(_Counters))
        if not kernel32.K32GetProcessMemoryInfo(process, ctypes.byref(held), held.cb):
            raise OSError("the system does not tell what the process holds")
        limits.LimitFlags, limits.ProcessMemoryLimit = _LIMIT_PROCESS_MEMORY, held.PagefileUsage + more
    if _job is None:
        job = kernel32.CreateJobObjectW(None, None)
        if not job or not kernel32.AssignProcessToJobObject(job, process):
            raise OSError("the process cannot be put into a job object")
        _job = job
    if not kernel32.SetInformationJobObject(
        _job, _EXTENDED_LIMIT_INFORMATION, ctypes.byref(limits), ctypes.sizeof(limits)
    ):
        raise OSError("the limit cannot be set")
