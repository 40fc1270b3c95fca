"""The descriptors of a channel, in their order; docs/reference/descriptors.md says what each one is."""

LAGS = (1, 2, 4, 8, 16, 32)  # of a series, in steps
GRID_LAGS = (1, 2, 4)  # in cells, to the right and down
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
CURVE = 16  # equal parts that a series is cut into
POOLED = 8  # rows and columns that a grid is cut into
# Waves over a whole series or grid: each band begins after the last one's highest.
SERIES_BANDS, GRID_BANDS = (1, 2, 4, 8, 16, 32), (1, 2, 4, 8)

COMMON = (
    *("mean", "deviation", "skewness", "kurtosis", "minimum", "maximum"),
    *(f"quantile_{round(100 * part)}" for part in QUANTILES),
)
SERIES = (
    *COMMON,
    *("first", "last", "slope", "rise_skewness"),
    *(f"lag_{lag}" for lag in LAGS),
    *(f"waves_{band}" for band in (*SERIES_BANDS, "more")),
    *(f"curve_{part}" for part in range(CURVE)),
)
GRID = (
    *COMMON,
    *(f"lag_{way}_{lag}" for way in ("right", "down") for lag in GRID_LAGS),
    *(f"waves_{band}" for band in (*GRID_BANDS, "more")),
    *(f"cell_{row}_{column}" for row in range(POOLED) for column in range(POOLED)),
)
