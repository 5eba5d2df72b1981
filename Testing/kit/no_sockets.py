"""A process without sockets: the kernel kills it, and every process it starts, at the first attempt to open one.

Unlike a patched ``socket`` module this also meets compiled libraries that report home. Linux on x86-64 and arm64 alone.
"""

from __future__ import annotations

import ctypes
import platform
import struct
import sys

_SOCKET = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
"""By machine: its number in <linux/audit.h>, and that of the system call socket."""

AVAILABLE = sys.platform == "linux" and platform.machine() in _SOCKET

_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_KILL_PROCESS, _ALLOW = 0x80000000, 0x7FFF0000
_SET_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def forbid_sockets() -> None:
    """To be called in the child between fork and exec (``preexec_fn``). Raises OSError where the kernel cannot."""
    machine, number = _SOCKET[platform.machine()]
    instructions = b"".join(
        struct.pack("HBBI", *instruction)
        for instruction in (
            (_LOAD, 0, 0, 4),  # struct seccomp_data: the machine
            (_JUMP_IF_EQUAL, 1, 0, machine),
            (_RETURN, 0, 0, _KILL_PROCESS),
            (_LOAD, 0, 0, 0),  # the system call
            (_JUMP_IF_EQUAL, 0, 1, number),
            (_RETURN, 0, 0, _KILL_PROCESS),
            (_RETURN, 0, 0, _ALLOW),
        )
    )
    buffer = ctypes.create_string_buffer(instructions, len(instructions))
    program = _Program(len(instructions) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or libc.prctl(_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0):
        raise OSError(ctypes.get_errno(), "no filter for system calls")
