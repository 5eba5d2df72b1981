"""How the C library keeps memory during training.

TensorFlow on a CPU allocates and frees hundreds of megabytes a step. By default glibc gives every large block back to
the kernel at once, and half of the time goes into page faults; kept, a step takes about half as long.
"""

from __future__ import annotations

import ctypes

# From <malloc.h>.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -2, -4, -8


def keep_freed_memory() -> bool:
    """Ask glibc to keep what is freed for the next step; False where the C library is another one.

    Call it before TensorFlow starts its threads.
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    settings = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, 2**28), (_M_ARENA_MAX, 1))
    return all(mallopt(option, value) == 1 for option, value in settings)
