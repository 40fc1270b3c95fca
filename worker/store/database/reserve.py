"""Disk space reserved beside an SQLite database, so that deletions succeed on a full disk."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from worker.store.database.errors import DiskFull, is_disk_full

PIECE_BYTES = 1 << 20  # deletions of all but the largest histories need less
RESERVE_BYTES = 8 * PIECE_BYTES

Result = TypeVar("Result")


class Reserve:
    """A file that occupies disk space until a deletion needs it.

    Args:
        path: Of the file; None for PostgreSQL, where nothing is reserved.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def spend_on(self, act: Callable[[], Result]) -> Result:
        """Call `act`; while the disk is full, release a piece of the reserve and call it again.

        Raises:
            DiskFull: The disk is full and the reserve is used up. An OSError of `act` is raised as it is.
        """
        while True:
            try:
                return act()
            except (DiskFull, OSError) as error:
                if not is_disk_full(error) or not self._release_piece():
                    raise

    def refill(self) -> None:
        """Grow the file back to its full size, as far as there is space."""
        if self._path is None or not hasattr(os, "posix_fallocate"):
            return
        with suppress(OSError), self._path.open("ab") as file:  # retried after the next deletion
            for start in range(os.fstat(file.fileno()).st_size, RESERVE_BYTES, PIECE_BYTES):
                os.posix_fallocate(file.fileno(), start, PIECE_BYTES)

    def _release_piece(self) -> bool:
        """Shrink the file by a piece; False when it is used up."""
        if self._path is None:
            return False
        try:
            size = self._path.stat().st_size
            os.truncate(self._path, max(0, size - PIECE_BYTES))
        except FileNotFoundError:
            return False
        return size > 0
