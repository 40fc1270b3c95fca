"""Tunes glibc malloc: one arena, 2 MiB thresholds, a trim every minute.

By default glibc keeps freed memory for each thread separately, and more of it the larger the freed blocks
were. Lower thresholds would save more memory but cost time: large blocks would come from the system, which
clears them page by page; for large JSON bodies that takes half as long as the encoding.
"""

import asyncio
import ctypes
from contextlib import suppress

RELEASE_EVERY_S = 60.0
KEPT_BYTES = 2 << 20  # of free memory, and of the largest block that is reused
# The names in malloc.h.
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
M_ARENA_MAX = -8


def share_free_memory() -> None:
    """Use one arena for all threads that start from now on, and keep little free memory in it."""
    with suppress(AttributeError, OSError):  # another C library
        library = ctypes.CDLL(None)
        library.mallopt(M_ARENA_MAX, 1)
        library.mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)
        library.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)


def release_free_memory() -> None:
    """Return free memory to the system, also that between blocks in use."""
    with suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


async def release_regularly() -> None:
    """Return free memory to the system every minute; it takes a millisecond or two."""
    while True:
        await asyncio.sleep(RELEASE_EVERY_S)
        release_free_memory()
