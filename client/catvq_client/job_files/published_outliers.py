"""Translates how the published layout finds outliers."""

from collections.abc import Callable
from functools import partial
from typing import Any

from catvq_client.job_files.translation import Translation

CLEANING = "feature_cleaning"
OUTLIERS = ("mad", "iqr", "percentile", "none")
USUAL_IQR = 1.5  # distances between the quartiles: Tukey's
# Which methods of finding outliers have a threshold of this name.
THRESHOLDS = {
    "mad_threshold": ("mad",),
    "iqr_multiplier": ("iqr",),
    "iqr_threshold": ("iqr",),
    "percentile_range": ("percentile",),
    "outlier_threshold": ("mad", "iqr"),
}


def _take_method(translation: Translation, value: Any, flat: dict[str, Any]) -> None:
    """Take how outliers are found; quartiles have the usual threshold where the file gives none."""
    if value is None:
        return
    if value not in OUTLIERS:
        known = ", ".join(OUTLIERS)
        translation.refuse(_method_key(flat), value, f"supported values: {known}")
        return
    translation.put("cleaning.outliers", value)
    if value == "iqr":
        translation.job["cleaning"].setdefault("outlier_threshold", USUAL_IQR)


def _take_threshold_of(name: str, translation: Translation, value: Any, flat: dict[str, Any]) -> None:
    """Take a threshold of the method that the file chooses, or say that it is another one's."""
    method = flat.get(_method_key(flat)) or "mad"
    if value is None:
        return
    if method not in THRESHOLDS[name]:
        reason = f"outliers are found by {method}, which has no such threshold"
        translation.refuse(f"{CLEANING}.{name}", value, reason)
        return
    target = "outlier_percentiles" if name == "percentile_range" else "outlier_threshold"
    translation.put(f"cleaning.{target}", value)


def _method_key(flat: dict[str, Any]) -> str:
    keys = (f"{CLEANING}.outlier_method", f"{CLEANING}.outlier_strategy")
    return next((key for key in keys if flat.get(key) is not None), keys[0])


TAKERS: dict[str, Callable[[Translation, Any, dict[str, Any]], None]] = {
    f"{CLEANING}.outlier_method": _take_method,
    f"{CLEANING}.outlier_strategy": _take_method,
    **{f"{CLEANING}.{name}": partial(_take_threshold_of, name) for name in THRESHOLDS},
}
