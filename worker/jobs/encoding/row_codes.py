"""Encodes rows of a dataset into a file, in batches that are the same however the rows are divided.

Shapes: S streams.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from catvq.errors import Interrupted
from catvq.frozen.table_encoder import TableEncoder
from catvq.training.device import resolve_device
from worker.jobs.encoding.model_rows import ModelRows
from worker.store import JobRecord, Store

ROWS_AT_ONCE = 16_384  # half a second of one core: the longest delay of a cancel or pause
CELLS_AT_ONCE = 2**22  # of series and grids: as long
BATCHES_PER_PART = 8  # some seconds, so that claiming a part and joining its file cost little
STORED = np.dtype("<f4")  # of codes; float32 holds every code exactly


@dataclass(frozen=True, eq=False)
class RowCodes:
    """The codes of a dataset's rows, each row at every prefix that was asked for, or whole.

    Attributes:
        rows: The dataset, and the model that encodes it.
        prefixes: Lengths that each row is encoded with, one after the other; none if it is whole.
    """

    rows: ModelRows
    prefixes: list[int]

    @classmethod
    def open(cls, store: Store, job: JobRecord) -> "RowCodes":
        """Open the model and the dataset of an encoding job.

        Raises:
            FileNotFoundError: The files of one are gone.
        """
        directory = store.models.directory(job.config["model"])
        encoder = TableEncoder.read(directory, resolve_device("auto"))
        source = store.datasets.get(job.dataset_id)
        return cls(ModelRows.open(store, source, encoder), job.config["prefixes"])

    @property
    def codes_per_row(self) -> int:
        """How many rows of codes a row gives."""
        return max(1, len(self.prefixes))

    def divide(self, num_rows: int) -> list[tuple[int, int]]:
        """First and last row + 1 of each part of so many rows; the workers that are there do not matter."""
        size = BATCHES_PER_PART * self._rows_at_once
        return [(start, min(start + size, num_rows)) for start in range(0, num_rows, size)]

    def write(self, file: BinaryIO, start: int, stop: int, should_stop: Callable[[], bool]) -> None:
        """Write the codes of some rows: float32 [(stop - start) * codes_per_row, S].

        Args:
            start: Where a part begins.

        Raises:
            Interrupted: `should_stop` said so, between two batches.
        """
        for first in range(start, stop, self._rows_at_once):
            if should_stop():
                raise Interrupted("the encoding was stopped between two batches")
            codes = self.rows.encode(first, min(first + self._rows_at_once, stop), self.prefixes)
            file.write(codes.astype(STORED).tobytes())

    @property
    def _rows_at_once(self) -> int:
        cells = max(1, self.rows.cells_per_row)
        return max(1, min(ROWS_AT_ONCE, CELLS_AT_ONCE // cells) // self.codes_per_row)
