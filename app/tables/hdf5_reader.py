"""Reads HDF5 in a process of its own, as the HDF5 library is known to crash on files made to harm it."""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import BinaryIO

import numpy as np
import orjson

from app.errors import InvalidError, NotParseableError, Place
from app.tables.families import join_families
from app.tables.table import Table, TableLimits

TIME_LIMIT_S = 300  # reading 1 GiB takes seconds


def read_hdf5(file: BinaryIO, limits: TableLimits) -> Table:
    """Read an HDF5 file: one family for each array at its top level.

    Raises:
        NotParseableError: It is not an HDF5 file, or a damaged one.
        InvalidError: It holds something else than plain arrays of real numbers with equally many rows.
    """
    with tempfile.TemporaryDirectory(dir=limits.scratch_dir) as scratch:
        command = [sys.executable, "-m", "app.tables.hdf5_child", str(file.name), scratch]
        command.append(str(limits.max_expanded_bytes))
        try:
            ended = subprocess.run(command, capture_output=True, timeout=TIME_LIMIT_S, check=False)
        except subprocess.TimeoutExpired:
            raise NotParseableError("the body is not an HDF5 file that can be read in time") from None
        if ended.returncode != 0:
            raise NotParseableError("the body is not an HDF5 file that can be read")
        answer = orjson.loads(ended.stdout)
        if "invalid" in answer:
            named = [Place(detail=answer["invalid"], field=answer["array"])] if answer["array"] else []
            raise InvalidError(answer["invalid"], named, code=answer["code"])
        # The arrays stay mapped after the directory is gone.
        arrays = {
            name: np.load(Path(scratch, path), mmap_mode="r") for name, path in answer["arrays"].items()
        }
        return join_families(arrays, limits)
