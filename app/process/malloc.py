"""What the C library does with memory that is free again.

By default glibc keeps the more of it, the larger the pieces were that it has seen, and for each thread apart.
Kept to less, it asks the system for every large piece, and has it cleared page by page: for JSON of many
rows, and what it is read into, half as long as to encode them takes.
"""

import asyncio
import ctypes
from contextlib import suppress

RELEASE_EVERY_S = 60.0
KEPT_BYTES = 2 << 20  # free, or of one piece
# The names in malloc.h.
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
M_ARENA_MAX = -8


def share_free_memory() -> None:
    """Let all threads that begin from now on take from one supply of free memory, which stays small."""
    with suppress(AttributeError, OSError):  # another C library
        library = ctypes.CDLL(None)
        library.mallopt(M_ARENA_MAX, 1)
        library.mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)
        library.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)


def release_free_memory() -> None:
    """Give all of it back to the system, also what lies between pieces in use."""
    with suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


async def release_regularly() -> None:
    """Do so again and again; each time takes a millisecond or two."""
    while True:
        await asyncio.sleep(RELEASE_EVERY_S)
        release_free_memory()
