"""Codes of rows, and how far to trust them."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

INVALID_CODE = -1


@dataclass(frozen=True)
class Doubt:
    """How well codes describe their rows; NaN for an invalid row.

    Args:
        reconstruction_error: float32 [rows], mean squared error in units of variance.
        distance_percentile: float64 [rows], 0 to 100: the share of training rows that were nearer to
            their codes.
    """

    reconstruction_error: NDArray[np.float32]
    distance_percentile: NDArray[np.float64]


class Encoded(NamedTuple):
    """Codes of rows.

    Args:
        codes: int64 [rows, tokens]; -1 throughout an invalid row.
        is_imputed: bool [rows], a missing value, or one that a categorical feature does not have, was filled
            in.
        is_invalid: bool [rows], a value was infinite or beyond the type of the model's rows.
        doubt: None unless it was requested.
    """

    codes: NDArray[np.int64]
    is_imputed: NDArray[np.bool_]
    is_invalid: NDArray[np.bool_]
    doubt: Doubt | None = None

    @property
    def status(self) -> list[str]:
        """One word per row: ok, imputed or invalid."""
        words = np.where(self.is_invalid, "invalid", np.where(self.is_imputed, "imputed", "ok"))
        return [str(word) for word in words]


def mark_invalid(codes: NDArray[np.int64], doubt: Doubt | None, is_invalid: NDArray[np.bool_]) -> None:
    """Give invalid rows the codes and doubts that say so."""
    codes[is_invalid] = INVALID_CODE
    if doubt is not None:
        doubt.reconstruction_error[is_invalid] = np.nan
        doubt.distance_percentile[is_invalid] = np.nan


def take(encoded: Encoded, places: NDArray[np.int64]) -> Encoded:
    """Return some rows, in this order."""
    doubt = encoded.doubt
    return Encoded(
        encoded.codes[places],
        encoded.is_imputed[places],
        encoded.is_invalid[places],
        None
        if doubt is None
        else Doubt(doubt.reconstruction_error[places], doubt.distance_percentile[places]),
    )


def join(parts: list[Encoded]) -> Encoded:
    """Concatenate the rows of several parts; all of them have `doubt`, or none has."""
    doubts = [part.doubt for part in parts if part.doubt is not None]
    doubt = (
        Doubt(
            np.concatenate([doubt.reconstruction_error for doubt in doubts]),
            np.concatenate([doubt.distance_percentile for doubt in doubts]),
        )
        if doubts
        else None
    )
    return Encoded(
        np.concatenate([part.codes for part in parts]),
        np.concatenate([part.is_imputed for part in parts]),
        np.concatenate([part.is_invalid for part in parts]),
        doubt,
    )
