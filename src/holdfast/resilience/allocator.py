"""Has the C library give memory back to the system, instead of keeping it for later."""

import ctypes
import sys
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
"""Of glibc's ``malloc.h``."""

_LARGE_B: Final = 128 * 1024
"""Bytes; glibc's own first value of both thresholds, which it raises up to 32 MiB once large blocks were freed."""


def give_back_large_blocks() -> bool:
    """Keep the thresholds of glibc where they begin: large blocks are mapped, and given back once they are free.

    Otherwise a wave of large requests leaves a process as large as it was at its peak, for as long as it lives.

    Returns:
        Whether this C library has such thresholds.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # TypeError: Windows has no handle of the program itself
        return False
    return sys.platform == "linux" and all(mallopt(each, _LARGE_B) for each in (_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD))
