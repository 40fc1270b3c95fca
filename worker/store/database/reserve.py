"""Room that is kept back on the database's disk, so that something can be deleted when the disk is full."""

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
    """A file that takes up room until a deletion needs it.

    Args:
        path: Of the file; None where the database is on a disk of others, and nothing is kept back.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def spend_on(self, act: Callable[[], Result]) -> Result:
        """Do something, again with a piece more of the reserve each time that the disk is full.

        Raises:
            DiskFull: It still is, and nothing of the reserve is left.
        """
        while True:
            try:
                return act()
            except (DiskFull, OSError) as error:
                if not is_disk_full(error) or not self._release_piece():
                    raise

    def refill(self) -> None:
        """Take up again what there is room for."""
        if self._path is None or not hasattr(os, "posix_fallocate"):
            return
        with suppress(OSError), self._path.open("ab") as file:  # the next deletion tries again
            for start in range(os.fstat(file.fileno()).st_size, RESERVE_BYTES, PIECE_BYTES):
                os.posix_fallocate(file.fileno(), start, PIECE_BYTES)

    def _release_piece(self) -> bool:
        """Give a piece back to the disk; False when there is none left."""
        if self._path is None:
            return False
        try:
            size = self._path.stat().st_size
            os.truncate(self._path, max(0, size - PIECE_BYTES))
        except FileNotFoundError:
            return False
        return size > 0
