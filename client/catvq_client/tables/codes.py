"""Reads files of codes, as encodings write them."""

import csv
from collections.abc import Collection
from pathlib import Path

import numpy as np

from catvq_client.errors import CatvqError
from catvq_client.tables.bodies import Array


def read_codes(path: Path, tokens: Collection[str]) -> Array:
    """Read codes [rows, tokens] from an NPY file, or from the columns of codes in a CSV file.

    Args:
        path: A file of codes, of all levels or of fewer.
        tokens: Names of the model's codes; other columns are keys, errors and the status.

    Raises:
        CatvqError: The file holds no codes.
    """
    if path.suffix.lower() == ".npy":
        try:
            codes: Array = np.load(path, allow_pickle=False)
        except ValueError as error:
            raise CatvqError(f"{path}: not a readable NPY file ({error})") from error
        return codes
    if path.suffix.lower() != ".csv":
        raise CatvqError(f"{path}: codes are read from .npy and .csv files")
    with path.open(encoding="utf-8", newline="") as file:
        lines = csv.reader(file)
        places = [place for place, name in enumerate(next(lines, [])) if name in tokens]
        if not places:
            raise CatvqError(f"{path}: no column of codes, such as category_0.0")
        try:
            return np.array([[int(line[place]) for place in places] for line in lines], np.int64)
        except (ValueError, IndexError) as error:
            raise CatvqError(f"{path}: a code is not a whole number ({error})") from error
