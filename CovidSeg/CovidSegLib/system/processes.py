"""Child processes: how they are started and ended, where they find this library, how many cores there are for them.

A child is ended together with all that it started, without standing still meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

NO_WINDOW: dict[str, Any] = {"creationflags": getattr(subprocess, "CREATE_NO_WINDOW", 0)} if os.name == "nt" else {}
"""For whatever starts a child: on Windows else a black window of the console flashes up."""

PATIENCE_SECONDS = 3.0
"""How long a child may take to end before it is killed."""

_LOOK_SECONDS = 0.005


def no_ipv6_probe() -> None:
    """Let urllib3, which TensorFlow and pydicom load, not bind a socket to see whether the machine speaks IPv6.

    To be called before these are loaded. The process then downloads by IPv4.
    """
    socket.has_ipv6 = False


def core_count() -> int:
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def library_environment() -> dict[str, str]:
    """The variable that lets a child import CovidSegLib, and whatever this process finds by it."""
    package = str(Path(__file__).resolve().parents[2])
    return {"PYTHONPATH": os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])}


def huge_page_environment() -> dict[str, str]:
    """The variable that lets a child of glibc take its large arrays in pages of 2 MiB; no variable elsewhere.

    The network and the measures go through far more memory than a processor's table of pages of 4 KiB covers. Where
    Linux gives huge pages to all or to none, nothing changes. A user's own tunables stay, and win.

    References
    ----------
    The GNU C Library Reference Manual, Memory Allocation Tunables, glibc.malloc.hugetlb (from glibc 2.35 on).
    """
    tunables = os.environ.get("GLIBC_TUNABLES", "")
    if sys.platform != "linux" or "glibc.malloc.hugetlb" in tunables:
        return {}
    return {"GLIBC_TUNABLES": ":".join(filter(None, [tunables, "glibc.malloc.hugetlb=1"]))}


def is_alive(process: int) -> bool:
    """Whether there is a process of this number on this machine; True where that cannot be told."""
    if sys.platform == "win32":  # there, asking with a signal would end the process
        return _windows_start(process) != 0
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def started(process: int) -> int | None:
    """A number for the moment at which a process was started, which tells it from a later one of the same number.

    None where it is not known: there is no such process, it is another user's, or the system does not tell.
    """
    if sys.platform == "win32":
        return _windows_start(process) or None
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            return int(file.read().rsplit(b")", 1)[1].split()[19])  # field 22, in ticks of the clock: see proc(5)
    except (OSError, ValueError, IndexError):
        return None


def _windows_start(process: int) -> int | None:
    """When a process was started, in units of 100 ns; 0: there is none of this number; None: it does not say."""
    if sys.platform != "win32":
        return None
    import ctypes
    from ctypes import wintypes

    kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel32.OpenProcess.restype = wintypes.HANDLE
    kernel32.OpenProcess.argtypes = (wintypes.DWORD, wintypes.BOOL, wintypes.DWORD)
    kernel32.GetProcessTimes.argtypes = (wintypes.HANDLE, *[ctypes.POINTER(wintypes.FILETIME)] * 4)
    kernel32.CloseHandle.argtypes = (wintypes.HANDLE,)
    limited_information, no_such_process = 0x1000, 87
    handle = kernel32.OpenProcess(limited_information, False, process)
    if not handle:
        return 0 if ctypes.get_last_error() == no_such_process else None
    try:
        made, ended, in_kernel, in_user = (wintypes.FILETIME() for _ in range(4))
        times = (made, ended, in_kernel, in_user)
        if not kernel32.GetProcessTimes(handle, *(ctypes.byref(time) for time in times)):
            return None
        if ended.dwLowDateTime or ended.dwHighDateTime:  # it has ended, and somebody still asks after it
            return 0
        return (made.dwHighDateTime << 32) | made.dwLowDateTime
    finally:
        kernel32.CloseHandle(handle)


def start_child(
    command: Sequence[str],
    *,
    stdin: int | None = subprocess.DEVNULL,
    stdout: int | IO[bytes] | None = subprocess.DEVNULL,
    stderr: int | IO[bytes] | None = None,
    environment: Mapping[str, str] = MappingProxyType({}),
    folder: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start ``command`` in a session of its own: Ctrl-C reaches the parent alone, and a kill reaches all of it.

    ``environment``: variables besides those of this process. ``folder``: where it works. End it by
    :func:`ending_steps`. Raises OSError where it cannot be started.
    """
    return subprocess.Popen(
        command,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        cwd=folder,
        env={**os.environ, **environment},
        start_new_session=os.name != "nt",
        **NO_WINDOW,
    )


def signal_group(process: subprocess.Popen[bytes], *, by_force: bool) -> None:
    """Ask a child of :func:`start_child` and all it started to end, or kill them.

    PythonSlicer is a launcher with a child of its own: ending the launcher alone would leave that child.
    """
    if os.name == "nt":
        command = ["taskkill", "/T", "/F", "/PID", str(process.pid)]
        subprocess.run(command, capture_output=True, check=False, **NO_WINDOW)
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL if by_force else signal.SIGTERM)


def ending_steps(process: subprocess.Popen[bytes], *, ask: bool = True) -> Generator[None, None, None]:
    """Wait in steps until a child has ended; after :data:`PATIENCE_SECONDS` it is killed, and whatever it started.

    ``ask``: ask it to end first, instead of waiting for that. A generator that is closed early kills at once.
    """
    if ask and process.poll() is None:
        signal_group(process, by_force=False)
    kill_at = time.monotonic() + PATIENCE_SECONDS
    try:
        while process.poll() is None and time.monotonic() < kill_at:
            yield None
    finally:
        # What it started may live on, deaf to what it was asked; on Windows the whole tree was ended above.
        if process.poll() is None or os.name != "nt":
            signal_group(process, by_force=True)
        process.wait()


def finish(steps: Generator[None, None, None]) -> None:
    """Go through ``steps`` of ending something, where there is nothing else to do."""
    try:
        for _ in steps:
            time.sleep(_LOOK_SECONDS)
    finally:
        steps.close()
