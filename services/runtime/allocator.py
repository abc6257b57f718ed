"""What a process of many threads keeps of the memory that it no longer uses (glibc's malloc, mallopt(3))."""

import ctypes
import os
from typing import Final

ARENAS: Final = 2
"""The kernel's memory is handed out from so many places. glibc has eight for each processor, and what was freed in one
is of no use to threads at another: a buffer of megabytes that one thread or the other needs from time to time stays in
each of them."""
RETURNED_AT_ONCE: Final = 2 << 20
"""Buffers of so many bytes or more go back to the kernel as soon as they are freed. Left alone, glibc stops that at the
largest that was ever freed. Our chunks of 1 MiB stay."""

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
_OWN_SETTINGS: Final = frozenset({"GLIBC_TUNABLES", "MALLOC_ARENA_MAX", "MALLOC_MMAP_THRESHOLD_"})


def keep_little() -> None:
    """Set it for this process and its copies, unless its environment does. Call it before there are other threads."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries have none
    if mallopt is None or not _OWN_SETTINGS.isdisjoint(os.environ):
        return
    mallopt(_M_ARENA_MAX, ARENAS)
    mallopt(_M_MMAP_THRESHOLD, RETURNED_AT_ONCE)
    mallopt(_M_TRIM_THRESHOLD, 2 * RETURNED_AT_ONCE)
