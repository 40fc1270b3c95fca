"""Feature cleaning: what is done to raw features before they are learnt from, and how it is undone.

Letters: N rows, D uploaded features, R numbers that a row of theirs has, C their columns (see `columns`),
D' active features (those that are kept), C' active columns.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from catvq.cleaning.indicators import fit_indicators, with_gaps
from catvq.cleaning.kept_columns import CONSTANT, KeptColumns
from catvq.cleaning.repeats import Repeats
from catvq.cleaning.statistics import Bounds, Moments, evenly_spaced, fit_bounds, fit_moments
from catvq.config import CleaningSettings
from catvq.errors import ConfigError, ShapeError
from catvq.features.columns import FeatureColumns
from catvq.features.precision import Values
from catvq.features.row_weights import Weights

# Rows whose correlations decide what is a duplicate: a correlation's standard error is then 1/141.
DUPLICATE_ROWS = 20_000
FLOAT_FIELDS = ("fill", "lower", "upper", "centre", "scale", "slope", "intercept")
INTEGER_FIELDS = ("num_values", "num_descriptors", "gapped", "representative", "missing", "clipped")
NORMALIZED_ROWS = 4096  # of categorical features at once: they take more room on the way


@dataclass(frozen=True, eq=False, kw_only=True)
class FeatureCleaner(KeptColumns):
    """The cleaning of one training set, applied again to every row that is encoded.

    Fitted once, then read-only. All arrays but the first two are [C], in the order of the uploaded features;
    those of numbers have the type of the values, and are exactly what `normalize` and `restore` calculate
    with. A column is a numeric feature, an indicator of one value of a categorical one, or a descriptor of a
    channel, see `columns`.

    Args:
        rows: Number of training rows that it was fitted on.
        fill: Stands for a missing value, raw unit.
        lower: Raw values below it are raised to it.
        upper: Raw values above it are lowered to it.
        centre: Mean of the clipped training values that are there.
        scale: Their standard deviation, of a feature of several columns such that its variances add up to 1,
            see `Moments.scale`, or to its weight; 1 where the feature is constant and of weight 1.
        slope: Of a duplicate over its representative, both normalised; 1 when kept, 0 when constant.
        intercept: Of the same line; 0 when kept or constant.
        missing: How many training values were missing.
        clipped: How many training values were outside the bounds.
    """

    rows: int
    fill: Values
    lower: Values
    upper: Values
    centre: Values
    scale: Values
    slope: Values
    intercept: Values
    missing: NDArray[np.int64]
    clipped: NDArray[np.int64]

    def __post_init__(self) -> None:
        for name in (*FLOAT_FIELDS, *INTEGER_FIELDS):
            getattr(self, name).setflags(write=False)

    @classmethod
    def fit(
        cls,
        values: Values,
        config: CleaningSettings,
        *,
        columns: FeatureColumns | None = None,
        family_of_feature: NDArray[np.int64] | None = None,
        rows: NDArray[np.int64] | None = None,
        weights: Weights | None = None,
        feature_weights: NDArray[np.float64] | None = None,
    ) -> Self:
        """Learn the cleaning from training rows.

        Reads the rows in chunks, so a memory-mapped table is never held whole. Medians, quantiles
        and correlations of long tables come from evenly spaced rows; means, deviations and counts
        from all of them.

        Args:
            values: Raw values [N, R], NaN where missing.
            config: What to do.
            columns: Tells which features have several; none of them when not given.
            family_of_feature: Family number of each feature [D]; when given, a feature can only be a
                duplicate of one of its own family.
            rows: The rows of `values` to learn from; all of them when not given.
            weights: How much each row of `values` counts in means and deviations [N]; medians and quantiles
                are of the rows themselves.
            feature_weights: How much each feature's error counts, above 0 [D]; all alike when not given.

        Raises:
            ShapeError: `values` is not a matrix with rows and columns.
            ConfigError: No feature varies, so there is nothing to learn.
        """
        if values.ndim != 2 or 0 in values.shape:
            raise ShapeError(f"the table must have rows and columns, got shape {values.shape}")
        # In order, so that a mapped file is read front to back and the chosen rows alone decide.
        rows = np.arange(len(values)) if rows is None else np.sort(rows)
        columns = columns or FeatureColumns.tabular(np.zeros(values.shape[1], dtype=np.int64))
        outliers = config if config.enabled and config.outliers != "none" else None
        if config.missing == "indicator":
            columns = with_gaps(columns, values, rows)
        fill = "median" if config.missing == "indicator" else config.missing
        bounds = fit_bounds(values, rows, fill, outliers, weights)
        bounds = fit_indicators(values, rows, bounds, columns, weights)
        moments = fit_moments(values, rows, bounds, columns, weights)
        if feature_weights is None:
            feature_weights = np.ones(len(columns.num_values))
        cleaner = cls._from_statistics(
            bounds, moments, config, columns, num_rows=len(rows), feature_weights=feature_weights
        )
        if not config.enabled:
            return cleaner
        sample, alike = values[evenly_spaced(rows, DUPLICATE_ROWS)], config.correlation_threshold
        return cleaner.without_repeats(sample, alike, family_of_feature)

    @classmethod
    def _from_statistics(
        cls,
        bounds: Bounds,
        moments: Moments,
        config: CleaningSettings,
        columns: FeatureColumns,
        *,
        num_rows: int,
        feature_weights: NDArray[np.float64],
    ) -> Self:
        is_constant = moments.is_constant(config.variance_threshold if config.enabled else 0.0, columns)
        if is_constant.all():
            raise ConfigError(
                f"none of the {len(columns.num_values)} features varies over the {num_rows} training rows, "
                "so there is nothing to learn from them"
            )
        scale = moments.scale(is_constant, columns)
        bounds = bounds.closed(moments.mean, scale)
        scale /= np.sqrt(feature_weights)[columns.feature]
        is_dropped = is_constant & config.enabled
        dtype = moments.precision.dtype
        return cls(
            rows=num_rows,
            num_values=columns.num_values,
            num_descriptors=columns.num_descriptors,
            gapped=columns.gapped,
            fill=bounds.fill,
            lower=bounds.lower,
            upper=bounds.upper,
            centre=moments.mean.astype(dtype),
            scale=scale.astype(dtype),
            representative=np.where(is_dropped, CONSTANT, np.arange(len(scale))),
            slope=np.where(is_dropped, 0, 1).astype(dtype),
            intercept=np.zeros(len(scale), dtype=dtype),
            missing=moments.missing,
            clipped=moments.clipped,
        )

    def without_repeats(self, sample: Values, threshold: float, families: NDArray[np.int64] | None) -> Self:
        """Drop the active features that repeat another one over the given raw rows, [N, R]."""
        repeats = Repeats(self.representative.copy(), self.slope.copy(), self.intercept.copy())
        normalized = self.normalize(sample)
        repeats.add_numbers(self, normalized, threshold, families)
        repeats.add_channels(self, normalized, threshold, families)
        repeats.add_categorical(self, sample, threshold, families, centre=self.centre, scale=self.scale)
        return dataclasses.replace(self, **vars(repeats))

    @cached_property
    def restored_centre(self) -> Values:
        """What `restore` adds [C]: the centre, or for a value that no training row had minus infinity."""
        is_unseen = self.columns.is_indicator & (self.centre == 0)
        return np.where(is_unseen, self.dtype.type(-np.inf), self.centre)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the values, float32 or float64."""
        return self.scale.dtype

    @cached_property
    def inverse_scale(self) -> Values:
        """What `normalize` multiplies by [C]."""
        return np.asarray(self.dtype.type(1) / self.scale)

    def normalize(self, values: Values) -> NDArray[np.float32]:
        """Fill, clip, centre and scale the active columns: a feature of weight 1 has variance 1.

        Exactly these operations in this order, in the type of the values, so that any other runtime that
        follows them gives the same bits.

        Args:
            values: Raw rows [N, R], NaN where missing.

        Returns:
            Float32 [N, C'], without NaN.

        Raises:
            ShapeError: The rows do not have R values.
        """
        self._check_width(values, len(self.columns.feature_of_number))
        if not self.columns.is_expanded:
            return self._normalized(self._converted(values))
        starts = range(0, max(len(values), 1), NORMALIZED_ROWS)
        parts = (self._converted(values[start : start + NORMALIZED_ROWS]) for start in starts)
        return np.concatenate([self._normalized(self.columns.expand(part)) for part in parts])

    def _normalized(self, columns: Values) -> NDArray[np.float32]:
        active = self.active_columns
        rows = np.take(columns, active, axis=1)
        np.copyto(rows, self.fill[active], where=np.isnan(rows))
        np.maximum(rows, self.lower[active], out=rows)
        np.minimum(rows, self.upper[active], out=rows)
        rows -= self.centre[active]
        rows *= self.inverse_scale[active]
        return rows.astype(np.float32, copy=False)

    def present(self, values: Values) -> NDArray[np.bool_] | None:
        """Which cells of the active columns are there, bool [N, C']; None where all are."""
        number, found = self.columns.number[self.active_columns], None
        for start in range(0, len(values), NORMALIZED_ROWS):
            is_missing = self.columns.is_missing(values[start : start + NORMALIZED_ROWS])[:, number]
            is_missing &= ~self.is_gap
            if found is None and is_missing.any():
                found = np.ones((len(values), len(number)), dtype=bool)
            if found is not None:
                found[start : start + NORMALIZED_ROWS] = ~is_missing
        return found

    def observed(self, values: Values) -> NDArray[np.float32]:
        """Like `normalize`, but NaN where missing: for statistics of what is there, float32 [N, C']."""
        rows, present = self.normalize(values), self.present(values)
        if present is not None:
            rows[~present] = np.nan
        return rows

    def restore(self, normalized: NDArray[np.float32]) -> Values:
        """Undo `normalize`: raw units for every uploaded feature.

        Duplicates follow their representative, constants are at their mean. What was missing or
        clipped stays filled or clipped. A categorical feature has the value with the largest share.

        Args:
            normalized: Rows of active columns [N, C'].

        Returns:
            [N, R], in the type of the values.

        Raises:
            ShapeError: The rows do not have C' values.
        """
        self._check_width(normalized, len(self.active_columns))
        rows = np.take(self._converted(normalized), self.column_position, axis=1)
        rows *= self.slope
        rows += self.intercept
        rows *= self.scale
        rows += self.restored_centre
        return self.columns.collapse(rows)

    def to_dict(self) -> dict[str, Any]:
        """Every field in JSON's types; numbers come back exactly."""
        arrays = {name: getattr(self, name).tolist() for name in (*FLOAT_FIELDS, *INTEGER_FIELDS)}
        return {"rows": self.rows, "dtype": self.dtype.name, **arrays}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """Rebuild from `to_dict`."""
        dtype = np.dtype(fields["dtype"])
        arrays: dict[str, Any] = {name: np.array(fields[name], dtype=dtype) for name in FLOAT_FIELDS}
        arrays |= {name: np.array(fields[name], dtype=np.int64) for name in INTEGER_FIELDS}
        return cls(rows=fields["rows"], **arrays)

    def _converted(self, rows: Values) -> Values:
        """The same numbers in the type of the values; what is beyond its range becomes infinite."""
        with np.errstate(over="ignore"):
            return np.asarray(rows, dtype=self.dtype)

    @staticmethod
    def _check_width(rows: Values, width: int) -> None:
        if rows.ndim != 2 or rows.shape[1] != width:
            raise ShapeError(f"rows must have {width} values each, got shape {rows.shape}")
