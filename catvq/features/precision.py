"""The two precisions that a table's values may have, and what each can hold."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

# float32 or float64
Values: TypeAlias = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Precision:
    """What numbers of one type can hold.

    Attributes:
        dtype: The type.
        step: Distance from 1 to the next number.
        largest: Raw values are held within this, so that differences, squares and inverse scales stay finite.
        smallest_scale: Below this a scale's inverse, or its square in float64, is out of range.
    """

    dtype: np.dtype[Any]
    step: float
    largest: float
    smallest_scale: float

    @classmethod
    def of(cls, values: NDArray[Any]) -> "Precision":
        """Of values: double for float64, single for everything else."""
        return DOUBLE if values.dtype == np.float64 else SINGLE


SINGLE = Precision(np.dtype(np.float32), float(np.finfo(np.float32).eps), 1e37, 1e-37)
DOUBLE = Precision(np.dtype(np.float64), float(np.finfo(np.float64).eps), 1e150, 1e-150)
