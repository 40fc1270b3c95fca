"""What cleaning needs to know of each feature, read from tables that may be longer than memory.

Letters: N rows, D features.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from catvq.config import CleaningSettings
from catvq.features.columns import FeatureColumns
from catvq.features.precision import SINGLE, Precision, Values
from catvq.features.row_weights import Weights

# Evenly spaced rows that medians and quantiles are taken from: the error of a 5% quantile is then
# 0.05 percentage points, and sorting them does not grow with the table.
QUANTILE_ROWS = 200_000
CHUNK_CELLS = 2**22  # cells worked on at once: 32 MiB in float64
# Where no outliers are clipped, a row to encode is still held within this many deviations of the
# mean. No training row can be touched: of N values none is further out than sqrt(N - 1).
FAR_OUT = 1e6
# A spread within this many roundings of the feature's own level is noise of the arithmetic.
ROUNDING_STEPS = 4
# A spread below this many float32 steps at the feature's level is one that only float64 tells well.
FINE_STEPS = 1024
TINY = 1e-300  # in place of 0 below a fraction line
MAD_TO_DEVIATION = 1.4826  # of a normal distribution
Q5_TO_Q95_IN_DEVIATIONS = 3.29  # of a normal distribution


@dataclass(frozen=True)
class Bounds:
    """What replaces a missing value, and the bounds that values are held within; each [D], of their type."""

    fill: Values
    lower: Values
    upper: Values

    def closed(self, mean: NDArray[np.float64], scale: NDArray[np.float64]) -> "Bounds":
        """Replace missing bounds by ones far outside the training rows.

        A row to encode may hold any number; this keeps its normalised value finite.
        """
        precision = Precision.of(self.upper)
        is_open = self.upper >= precision.dtype.type(precision.largest)
        return Bounds(
            fill=self.fill,
            lower=np.where(is_open, _held(mean - FAR_OUT * scale, precision), self.lower),
            upper=np.where(is_open, _held(mean + FAR_OUT * scale, precision), self.upper),
        )


@dataclass(frozen=True)
class Moments:
    """Mean and standard deviation of the clipped values that are there, and what was changed; each [D].

    Attributes:
        precision: Of the values.
    """

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    missing: NDArray[np.int64]
    clipped: NDArray[np.int64]
    precision: Precision

    def is_constant(
        self, variance_threshold: float, columns: FeatureColumns | None = None
    ) -> NDArray[np.bool_]:
        """Whether each column varies too little to learn from; an indicator if it does not at all.

        The threshold is a variance, shrunk to the same part of mean^2 where the mean is below 1: a
        feature is never constant merely because its unit makes it small. Noise of a few roundings is no
        variation either, however large it looks at a mean of 1e6. A float64 feature whose spread is fine
        beside its level (seconds within the years since 1970) is held against its roundings alone.
        """
        level = np.abs(self.mean)
        smallest = np.sqrt(variance_threshold) * np.minimum(1, level)
        if self.precision.step < SINGLE.step:
            smallest = np.where(self.deviation < FINE_STEPS * SINGLE.step * level, 0, smallest)
        rounding = ROUNDING_STEPS * self.precision.step * level
        limit: NDArray[np.float64] = np.maximum(np.maximum(smallest, rounding), self.precision.smallest_scale)
        if columns is not None:
            limit = np.where(columns.is_indicator | columns.is_gap, 0, limit)
        return self.deviation <= limit

    def scale(self, is_constant: NDArray[np.bool_], columns: FeatureColumns) -> NDArray[np.float64]:
        """What values are divided by, so that a feature's variances add up to 1 and all weigh the same.

        A number's deviation; of indicators that of all their feature's together; of a descriptor its own,
        times the root of how many of its channel's vary. What tells of missing values weighs as much as the
        value does.
        """
        variance = np.bincount(columns.feature, np.where(columns.is_gap, 0, np.square(self.deviation)))
        of_feature = np.sqrt(variance)[columns.feature]
        is_together = columns.is_indicator & (of_feature > 0)
        varying = np.bincount(columns.feature, ~is_constant)[columns.feature]
        own = self.deviation * np.where(columns.is_descriptor, np.sqrt(varying), 1.0)
        halves = 1 + columns.gapped * (np.bincount(columns.feature, ~is_constant & ~columns.is_gap) > 0)
        share = np.sqrt(halves)[columns.feature]
        return np.where(is_together, of_feature * share, np.where(is_constant, 1.0, own * share))


def evenly_spaced(rows: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """Choose at most `limit` of the rows, evenly spaced, the first and last among them."""
    if len(rows) <= limit:
        return rows
    return rows[np.linspace(0, len(rows) - 1, limit).astype(np.int64)]


def fit_bounds(
    values: Values,
    rows: NDArray[np.int64],
    missing: Literal["median", "mean", "zero"],
    outliers: CleaningSettings | None,
    weights: Weights | None = None,
) -> Bounds:
    """Find each feature's fill value, and the bounds beyond which a value is an outlier.

    By "mad" the bounds are the median plus or minus the threshold times the larger of two robust deviations:
    1.4826 MAD, and (q95 - q5) / 3.29. The second keeps two-peaked features and features that are
    mostly zero, whose MAD is small or 0, from being flattened. By "iqr" they are the quartiles plus or minus
    the threshold times the distance between them, by "percentile" two percentiles. Where these measures see
    no spread the bounds are the range seen in training: the rare values that are the whole signal stay, but a
    later one, measured in the tiny deviation of such a feature, cannot drown all others. A fill value is held
    within the bounds.

    Args:
        values: Raw values [N, D], NaN where missing.
        rows: Those to learn from.
        missing: What a missing value is filled with.
        outliers: How they are found; None: nothing is clipped.
        weights: How much each row of `values` counts in means.
    """
    sample = evenly_spaced(rows, QUANTILE_ROWS)
    count = values.shape[1]
    width = max(1, CHUNK_CELLS // len(sample))
    counts = None if weights is None else weights[sample]
    parts = [
        _block_bounds(np.asarray(values[sample, start : start + width]), missing, outliers, counts)
        for start in range(0, count, width)
    ]
    return Bounds(
        fill=np.concatenate([part.fill for part in parts]),
        lower=np.concatenate([part.lower for part in parts]),
        upper=np.concatenate([part.upper for part in parts]),
    )


def fit_moments(
    values: Values,
    rows: NDArray[np.int64],
    bounds: Bounds,
    columns: FeatureColumns | None = None,
    weights: Weights | None = None,
) -> Moments:
    """Take mean and deviation of the clipped values that are there, over all rows, in float64.

    Sums of float64 values are taken from the first row on: at a large level their roundings would
    otherwise add up to more than a constant's own. Sums of float32 values have digits to spare.

    With columns, the values are expanded to them first, and the bounds are theirs. Where all are missing the
    mean is what they are filled with. With weights, [N] of all rows, each row counts as much.

    Source: Chan, Golub and LeVeque 1979, equation 2.1 (merging the moments of two parts).
    """
    count, precision = len(bounds.fill), Precision.of(values)
    origin = np.zeros(count)
    mean, squares = np.zeros(count), np.zeros(count)
    missing, clipped = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    seen = np.zeros(count)
    height = max(1, CHUNK_CELLS // count)
    for start in range(0, len(rows), height):
        chunk = np.asarray(values[rows[start : start + height]], dtype=precision.dtype)
        if columns is not None:
            chunk = columns.expand(chunk)
        is_missing = np.isnan(chunk)
        chunk = np.where(is_missing, bounds.fill, chunk)
        missing += is_missing.sum(axis=0)
        clipped += ((chunk < bounds.lower) | (chunk > bounds.upper)).sum(axis=0)
        exact = np.clip(chunk, bounds.lower, bounds.upper).astype(np.float64)
        if start == 0 and precision is not SINGLE:
            origin = exact[0].copy()
        exact -= origin

        of_rows = None if weights is None else weights[rows[start : start + height]]
        chunk_mean, chunk_squares, number = _chunk_moments(exact, is_missing, of_rows)
        change = chunk_mean - mean
        total = np.maximum(seen + number, TINY)
        squares += chunk_squares + change**2 * (seen * number / total)
        mean += change * (number / total)
        seen += number
    mean = np.where(seen > 0, origin + mean, bounds.fill)
    deviation = np.sqrt(squares / np.maximum(seen, TINY))
    return Moments(mean, deviation, missing=missing, clipped=clipped, precision=precision)


def _chunk_moments(
    chunk: NDArray[np.float64], is_missing: NDArray[np.bool_], weights: Weights | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Means of the cells that are there, sums of squares about them, and what they weigh, [D] each."""
    if weights is None and not is_missing.any():
        mean = chunk.mean(axis=0)
        return mean, np.square(chunk - mean).sum(axis=0), np.full(len(mean), float(len(chunk)))
    counts = ~is_missing * (1.0 if weights is None else weights[:, None])
    number = counts.sum(axis=0)
    mean = (chunk * counts).sum(axis=0) / np.maximum(number, TINY)
    return mean, (np.square(chunk - mean) * counts).sum(axis=0), number


def _block_bounds(
    block: Values,
    missing: Literal["median", "mean", "zero"],
    outliers: CleaningSettings | None,
    weights: Weights | None,
) -> Bounds:
    precision = Precision.of(block)
    columns = np.clip(block.T, -precision.largest, precision.largest)
    present = (~np.isnan(columns)).sum(axis=1)
    columns = np.sort(columns, axis=1)  # NaN last
    median = _quantile(columns, present, 0.5)
    match missing:
        case "median":
            fill = median
        case "mean":
            fill = _mean(block.T.clip(-precision.largest, precision.largest), weights)
        case "zero":
            fill = np.zeros_like(median)
    if outliers is None:
        lower, upper = np.full_like(median, -np.inf), np.full_like(median, np.inf)
    else:
        lower, upper = _limits(columns, present, outliers)
        has_spread = lower < upper
        lower = np.where(has_spread, lower, _quantile(columns, present, 0.0))
        upper = np.where(has_spread, upper, _quantile(columns, present, 1.0))
    low, high = _held(lower, precision), _held(upper, precision)
    return Bounds(fill=np.clip(_held(fill, precision), low, high), lower=low, upper=high)


def _limits(
    columns: Values, present: NDArray[np.int64], outliers: CleaningSettings
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bounds of sorted columns [D, N], see `fit_bounds`; equal ones where no spread is seen."""
    if outliers.outliers == "percentile":
        low, high = (_quantile(columns, present, part / 100) for part in outliers.outlier_percentiles)
        return low, high
    if outliers.outliers == "iqr":
        low, high = (_quantile(columns, present, part) for part in (0.25, 0.75))
        reach = outliers.outlier_threshold * (high - low)
        return low - reach, high + reach
    median, precision = _quantile(columns, present, 0.5), Precision.of(columns)
    inner = _quantile(columns, present, 0.95) - _quantile(columns, present, 0.05)
    distances = np.sort(np.abs(columns - _held(median, precision)[:, None]), axis=1)
    mad = _quantile(distances, present, 0.5)
    reach = outliers.outlier_threshold * np.maximum(MAD_TO_DEVIATION * mad, inner / Q5_TO_Q95_IN_DEVIATIONS)
    return median - reach, median + reach


def _mean(columns: Values, weights: Weights | None) -> NDArray[np.float64]:
    """Mean of what is there of columns [D, N]; 0 where all is missing."""
    counts = ~np.isnan(columns) * (1.0 if weights is None else weights)
    total = np.nansum(columns * counts, axis=1, dtype=np.float64)
    mean: NDArray[np.float64] = total / np.maximum(counts.sum(axis=1), TINY)
    return mean


def _quantile(columns: Values, present: NDArray[np.int64], part: float) -> NDArray[np.float64]:
    """Interpolate linearly within sorted columns [D, N] whose missing values come last; 0 where all miss."""
    place = part * np.maximum(present - 1, 0)
    below = np.floor(place).astype(np.int64)
    low, high = (
        np.take_along_axis(columns, index[:, None], axis=1)[:, 0].astype(np.float64)
        for index in (below, np.ceil(place).astype(np.int64))
    )
    return np.where(present > 0, low + (high - low) * (place - below), 0.0)


def _held(values: NDArray[np.float64], precision: Precision) -> Values:
    held: Values = np.clip(values, -precision.largest, precision.largest).astype(precision.dtype)
    return held
