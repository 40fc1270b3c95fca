"""Feature cleaning: what is done to raw features before they are learnt from, and how it is undone.

Letters: N rows, D uploaded features, D' active features (those that are kept).
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from catvq.config import CleaningConfig
from catvq.errors import ConfigError, ShapeError
from catvq.features.duplicates import find_duplicates
from catvq.features.precision import Values
from catvq.features.statistics import Bounds, Moments, evenly_spaced, fit_bounds, fit_moments

Status = Literal["kept", "constant", "duplicate"]

# Rows whose correlations decide what is a duplicate: a correlation's standard error is then 1/141.
DUPLICATE_ROWS = 20_000
CONSTANT = -1  # in `representative`: stands on no feature at all
FLOAT_FIELDS = ("fill", "lower", "upper", "centre", "scale", "slope", "intercept")
INTEGER_FIELDS = ("representative", "missing", "clipped")


@dataclass(frozen=True, eq=False, kw_only=True)
class FeatureCleaner:
    """The cleaning of one training set, applied again to every row that is encoded.

    Fitted once, then read-only. All arrays are [D], in the order of the uploaded features; those of
    numbers have the type of the values, and are exactly what `normalize` and `restore` calculate with.

    Args:
        rows: Number of training rows that it was fitted on.
        fill: Stands for a missing value, raw unit.
        lower: Raw values below it are raised to it.
        upper: Raw values above it are lowered to it.
        centre: Mean of the filled and clipped training values.
        scale: Their standard deviation; 1 where the feature is constant.
        representative: The kept feature that this one stands on: itself when kept, another when a
            duplicate, -1 when constant.
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
    representative: NDArray[np.int64]
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
        config: CleaningConfig,
        *,
        family_of_feature: NDArray[np.int64] | None = None,
        rows: NDArray[np.int64] | None = None,
    ) -> Self:
        """Learn the cleaning from training rows.

        Reads the rows in chunks, so a memory-mapped table is never held whole. Medians, quantiles
        and correlations of long tables come from evenly spaced rows; means, deviations and counts
        from all of them.

        Args:
            values: Raw values [N, D], NaN where missing.
            config: What to do.
            family_of_feature: Family number of each feature [D]; when given, a feature can only be a
                duplicate of one of its own family.
            rows: The rows of `values` to learn from; all of them when not given.

        Raises:
            ShapeError: `values` is not a matrix with rows and columns.
            ConfigError: No feature varies, so there is nothing to learn.
        """
        if values.ndim != 2 or 0 in values.shape:
            raise ShapeError(f"the table must have rows and columns, got shape {values.shape}")
        # In order, so that a mapped file is read front to back and the chosen rows alone decide.
        rows = np.arange(len(values)) if rows is None else np.sort(rows)
        wants_clipping = config.enabled and config.outliers == "mad"
        bounds = fit_bounds(
            values, rows, config.missing, config.outlier_threshold if wants_clipping else None
        )
        moments = fit_moments(values, rows, bounds)
        cleaner = cls._from_statistics(bounds, moments, config, num_rows=len(rows))
        if not config.enabled:
            return cleaner
        sample = cleaner.normalize(values[evenly_spaced(rows, DUPLICATE_ROWS)])
        return cleaner.merge_duplicates(sample, config.correlation_threshold, family_of_feature)

    @classmethod
    def _from_statistics(
        cls, bounds: Bounds, moments: Moments, config: CleaningConfig, *, num_rows: int
    ) -> Self:
        is_constant = moments.is_constant(config.variance_threshold if config.enabled else 0.0)
        if is_constant.all():
            raise ConfigError(
                f"none of the {len(is_constant)} features varies over the {num_rows} training rows, "
                "so there is nothing to learn from them"
            )
        scale = np.where(is_constant, 1.0, moments.deviation)
        bounds = bounds.closed(moments.mean, scale)
        is_dropped = is_constant & config.enabled
        dtype = moments.precision.dtype
        return cls(
            rows=num_rows,
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

    def merge_duplicates(
        self, sample: NDArray[np.float32], threshold: float, families: NDArray[np.int64] | None
    ) -> Self:
        """Drop the active features that repeat another one over the given normalised rows."""
        active = self.active
        found = find_duplicates(sample, threshold, families=None if families is None else families[active])
        representative = self.representative.copy()
        representative[active] = active[found.representative]
        slope, intercept = self.slope.copy(), self.intercept.copy()
        slope[active], intercept[active] = found.slope, found.intercept
        return dataclasses.replace(self, representative=representative, slope=slope, intercept=intercept)

    @cached_property
    def active(self) -> NDArray[np.int64]:
        """The features that are kept [D'], ascending."""
        return np.flatnonzero(self.representative == np.arange(len(self.representative)))

    @cached_property
    def position(self) -> NDArray[np.int64]:
        """Where among the active features each feature's representative is [D]; 0 for a constant."""
        stands_on = np.where(self.representative == CONSTANT, self.active[0], self.representative)
        return np.searchsorted(self.active, stands_on).astype(np.int64)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the values, float32 or float64."""
        return self.scale.dtype

    @cached_property
    def inverse_scale(self) -> Values:
        """What `normalize` multiplies by [D]."""
        inverse: Values = self.dtype.type(1) / self.scale
        return inverse

    def normalize(self, values: Values) -> NDArray[np.float32]:
        """Fill, clip, centre and scale the active features: unit variance over the training rows.

        Exactly these operations in this order, in the type of the values, so that any other runtime that
        follows them gives the same bits.

        Args:
            values: Raw rows [N, D], NaN where missing.

        Returns:
            Float32 [N, D'], without NaN.

        Raises:
            ShapeError: The rows do not have D values.
        """
        self._check_width(values, len(self.fill))
        active = self.active
        rows = np.take(self._converted(values), active, axis=1)
        np.copyto(rows, self.fill[active], where=np.isnan(rows))
        np.maximum(rows, self.lower[active], out=rows)
        np.minimum(rows, self.upper[active], out=rows)
        rows -= self.centre[active]
        rows *= self.inverse_scale[active]
        return rows.astype(np.float32, copy=False)

    def observed(self, values: Values) -> NDArray[np.float32]:
        """Like `normalize`, but NaN where missing: for statistics of what is there, float32 [N, D']."""
        rows = self.normalize(values)
        rows[np.isnan(np.take(values, self.active, axis=1))] = np.nan
        return rows

    def restore(self, normalized: NDArray[np.float32]) -> Values:
        """Undo `normalize`: raw units for every uploaded feature.

        Duplicates follow their representative, constants are at their mean. What was missing or
        clipped stays filled or clipped.

        Args:
            normalized: Rows of active features [N, D'].

        Returns:
            [N, D], in the type of the values.

        Raises:
            ShapeError: The rows do not have D' values.
        """
        self._check_width(normalized, len(self.active))
        rows = np.take(self._converted(normalized), self.position, axis=1)
        rows *= self.slope
        rows += self.intercept
        rows *= self.scale
        rows += self.centre
        return rows

    def status(self, feature: int) -> Status:
        """Say what was done to one feature."""
        stands_on = self.representative[feature]
        if stands_on == feature:
            return "kept"
        return "constant" if stands_on == CONSTANT else "duplicate"

    def report(self, features: Sequence[str]) -> list[dict[str, Any]]:
        """Tell for each uploaded feature what was done to it, in JSON's types."""
        statuses = [self.status(index) for index in range(len(features))]
        return [
            {
                "name": name,
                "status": statuses[index],
                "duplicate_of": features[self.representative[index]]
                if statuses[index] == "duplicate"
                else None,
                "missing": int(self.missing[index]),
                "clipped": int(self.clipped[index]),
                "fill": float(self.fill[index]),
                "lower": float(self.lower[index]),
                "upper": float(self.upper[index]),
                "centre": float(self.centre[index]),
                "scale": float(self.scale[index]),
            }
            for index, name in enumerate(features)
        ]

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
